/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the gate writes down: the intent of a change before it is handed to the backend and its outcome after, reads that the policy wants
 * recorded, and refusals, counted. record.c speaks of requests, upkeep.c of files. Two journals, so that refusals, which anybody can
 * make, never take the room of changes. All of it on the event loop of one worker, but for the job of the pool thread.
 */
#include "journal/tally.h"
#include <gw/gate.h>

enum gw_journal_id { GW_JOURNAL_CHANGES, GW_JOURNAL_REFUSALS, GW_JOURNAL_COUNT };

struct gw_journals {
    int dir; /* -1: none */
    size_t file_bytes;
    unsigned files_max;
    /* of a worker, made by gw_journals_start */
    struct gw_journal *of[GW_JOURNAL_COUNT];
    struct gw_tally *tally;
    int64_t flushed_ms;       /* monotonic, when the tally was last */
    int64_t retry_at_ms;      /* monotonic: no file is wanted before */
    unsigned waiters;         /* requests whose intent is on its way to the disk */
    uint64_t failed_sequence; /* changes up to this sequence, and not on disk, are not waited for */
};

/* A job of the pool thread, which touches nothing else. */
struct gw_upkeep {
    const struct gw_journal *wants[GW_JOURNAL_COUNT]; /* NULL: it has its files */
    struct gw_journal_file *files[GW_JOURNAL_COUNT];
    struct gw_journal_sync sync;
    bool syncs, has_run;
    uint64_t sequence; /* of the journal of changes, when the job began */
    enum gw_code file_code, sync_code;
    struct gw_error error;
};

/* Of one request. */
enum gw_record_state {
    GW_RECORD_NONE,    /* nothing written: not handed over yet, or nothing is wanted */
    GW_RECORD_READ,    /* handed over; one record when it has ended */
    GW_RECORD_INTENT,  /* the intent is written, the outcome not */
    GW_RECORD_LOST,    /* handed over without its intent, for which there was no room */
    GW_RECORD_UNKNOWN, /* it has ended, and the outcome is unknown */
    GW_RECORD_DONE,
};

/* Master. The directory is opened, nothing is made. */
GW_MUST_CHECK enum gw_code gw_journals_open(struct gw_journals *c, const struct gw_gate_options *o,
                                            struct gw_error *err);
/* Worker: the journals, without files: upkeep makes them, and until it has, requests that need a record are refused. */
GW_MUST_CHECK enum gw_code gw_journals_start(struct gw_gate *g, struct gw_error *err);
/* Every 100 ms: writes what was counted, when that is due. */
void gw_journals_poll(struct gw_gate *g);
void gw_journals_flush(struct gw_journals *c);
void gw_journals_done(struct gw_journals *c);

/* ---- of a request (record.c) ---- */

/* Once it is sure to be handed over; again before each further attempt. GW_REASON_NONE, or why it may not be. */
enum gw_reason gw_record_hand_over(struct gw_request *r);
/* Its intent is not on disk yet, and has to be. */
bool gw_record_waits(const struct gw_request *r);
void gw_record_end(struct gw_request *r, enum gw_ending ending, unsigned status);
/* What was said over a socket, with its event's route in r: a record where that wants one. GW_REASON_NONE, or why it may not go on. */
enum gw_reason gw_record_event(struct gw_request *r);
/* Counts the refusal in r->out. */
void gw_record_refusal(struct gw_request *r);
