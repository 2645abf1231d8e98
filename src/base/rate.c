/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rate.h"

bool gw_rate_make(int64_t limit, int64_t window_ms, struct gw_rate *out)
{
    if (limit < 1 || limit > GW_RATE_LIMIT_MAX || window_ms < GW_RATE_WINDOW_MIN_MS ||
        window_ms > GW_RATE_WINDOW_MAX_MS || limit * 1000 > window_ms * GW_RATE_PER_SECOND_MAX)
        return false;
    *out = (struct gw_rate){
        .limit = (uint32_t)limit,
        .interval = (uint64_t)((window_ms * GW_RATE_TICKS_PER_MS + limit - 1) / limit),
    };
    return true;
}

uint64_t gw_rate_full(const struct gw_rate *rate)
{
    return rate->limit * rate->interval;
}

/* A share is granted by weighing each request more: at half of the limit each weighs as much as two. One request always fits. */
static uint64_t cost_of(const struct gw_rate *rate, uint32_t share)
{
    uint64_t full = gw_rate_full(rate);
    uint64_t cost = (rate->interval * GW_RATE_SHARE_WHOLE + share - 1) / share;
    return cost < full ? cost : full;
}

struct gw_rate_answer gw_rate_ask(const struct gw_rate *rate, uint32_t share, uint64_t backlog)
{
    uint64_t full = gw_rate_full(rate), cost = cost_of(rate, share);
    struct gw_rate_answer a = {.backlog = backlog < full ? backlog : full};
    a.admitted = a.backlog + cost <= full;
    if (a.admitted)
        a.backlog += cost;
    a.used = (uint32_t)((a.backlog + cost - 1) / cost);
    a.remaining = (uint32_t)((full - a.backlog) / cost);
    a.wait = a.remaining > 0 ? 0 : a.backlog + cost - full;
    return a;
}

uint32_t gw_rate_seconds(uint64_t ticks)
{
    const uint64_t second = (uint64_t)1000 * GW_RATE_TICKS_PER_MS;
    return (uint32_t)((ticks + second - 1) / second);
}
