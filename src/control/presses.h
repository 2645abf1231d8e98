/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How often control takes the trouble of a press that adds nothing to what is in force: the file on disk, the row of the trail. No block and
 * no limit keeps a press from who may, so a client that is broken can press without end. A press that adds something is never
 * counted here. Any thread.
 */
#include "base/encode.h"

#define GW_PRESSES_REPEATED 30 /* of a user, in a minute */
#define GW_PRESSES_PLACES 64   /* users who have one in common share their number */

struct gw_presses {
    uint64_t idle_at[GW_PRESSES_PLACES]; /* ticks of base/rate.h */
};

/* False: this one is one too many. Threads that ask at once may each be told true. */
bool gw_presses_take(struct gw_presses *p, const struct gw_uuid *user, uint64_t now_ms);
