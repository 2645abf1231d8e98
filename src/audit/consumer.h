/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Takes the journal's events into the audit trail: control's task each second. Each event becomes part of exactly one row, whatever
 * dies when: how far a file has been taken is committed with the rows, and a file is removed only after that. Workers wrote the
 * files, so that nothing in them is believed, and none of them can hold up the others. Does not log: a turn says what there is to
 * say. One thread.
 */
#include "audit/recorder.h"

struct gw_consumer;

struct gw_consumer_options { /* all borrowed, for the consumer's life */
    struct gw_store *store;
    struct gw_recorder *recorder; /* of the rows that tell of the journal itself */
    const struct gw_clock *clock;
};

GW_MUST_CHECK enum gw_code gw_consumer_new(const struct gw_consumer_options *o, struct gw_consumer **out,
                                           struct gw_error *err);
void gw_consumer_free(struct gw_consumer *c);
GW_DEFINE_AUTO_FREE(gw_consumer);

/* What one turn took and met. All but events and files have a row of their own, too. */
struct gw_consumer_turn {
    uint64_t events;
    uint64_t files;         /* removed */
    uint64_t unknown;       /* intents of dead writers, whose outcome nobody will tell */
    uint64_t lost;          /* events that writers had no room for */
    uint64_t damaged_bytes; /* passed over */
    uint64_t missing;       /* events that a writer numbered and no file holds; by what this life of control saw */
    uint64_t foreign;       /* files that are no journal's: set aside as NAME.foreign */
    uint64_t conflicts;     /* events with a name that another has */
    int64_t stepped_ms;     /* that the clock was set back */
    bool is_cut;            /* there is more than a turn takes */
};

/* One turn over the files of dir, of most of a second while there is more. GW_ETIMEOUT: another process holds the database. After any failure
 * what was not taken is there for the next turn, and *out still tells what was. */
GW_MUST_CHECK enum gw_code gw_consumer_run(struct gw_consumer *c, int dir, struct gw_consumer_turn *out,
                                           struct gw_error *err);
