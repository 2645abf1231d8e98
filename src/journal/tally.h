/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Refusals, counted together: same reason, route and address (an IPv6 one by its /64). Whoever can make requests can make refusals; so
 * they are kept in a table of fixed size, and what no longer fits is counted by its reason alone. One thread.
 */
#include "journal/journal.h"

#define GW_TALLY_SLOTS 256

struct gw_tally;

GW_MUST_CHECK enum gw_code gw_tally_new(const struct gw_random *random, struct gw_tally **out, struct gw_error *err);
void gw_tally_free(struct gw_tally *t);
GW_DEFINE_AUTO_FREE(gw_tally);

/* Counts a TALLY event of one. Ids and strings of the first of its kind are kept, cut at their caps; but no user, where there are several. */
void gw_tally_add(struct gw_tally *t, const struct gw_event *e);
/* Appends what has been counted, and begins anew. What the journal has no room for is counted as lost there. */
void gw_tally_flush(struct gw_tally *t, struct gw_journal *j);
