/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One rate, as "100/15m" says it: how often something may happen. The generic cell rate algorithm (ITU-T I.371, annex A), which is a bucket
 * that holds `limit` and leaks evenly, empty after `window`: the whole limit may come at once, and then one each interval. All that need
 * be remembered of a client is its backlog, the time until its bucket is empty; what no backlog is kept of has none.
 *
 * Whole numbers only: an interval that is not one of ticks is rounded up, so that never more is admitted than was said.
 */
#include <stdbool.h>
#include <stdint.h>

#define GW_RATE_TICKS_PER_MS 16
#define GW_RATE_WINDOW_MIN_MS INT64_C(1000)
#define GW_RATE_WINDOW_MAX_MS (INT64_C(24) * 3600 * 1000)
#define GW_RATE_PER_SECOND_MAX 10000
#define GW_RATE_LIMIT_MAX INT64_C(10000000)
#define GW_RATE_SHARE_WHOLE 1000u

struct gw_rate {
    uint32_t limit;    /* 0: no rate */
    uint64_t interval; /* ticks between two once the limit is used */
};

/* False: out of the bounds above, or no limit at all. */
bool gw_rate_make(int64_t limit, int64_t window_ms, struct gw_rate *out);
/* Ticks of a full bucket: no backlog is ever longer. */
uint64_t gw_rate_full(const struct gw_rate *rate);

struct gw_rate_answer {
    bool admitted;
    uint64_t backlog;   /* ticks; with this request in it where it was admitted */
    uint32_t used;      /* requests that are still in the backlog, a part of one counting as one */
    uint32_t remaining; /* that would be admitted now */
    uint64_t wait;      /* ticks until one would be; 0 where some remain */
};

/* Whether one more request is admitted, given the backlog that is there. share: how much of the limit is granted, in thousandths, 1 to
 * GW_RATE_SHARE_WHOLE. */
struct gw_rate_answer gw_rate_ask(const struct gw_rate *rate, uint32_t share, uint64_t backlog);

/* Whole seconds, a part of one counting as one. */
uint32_t gw_rate_seconds(uint64_t ticks);
