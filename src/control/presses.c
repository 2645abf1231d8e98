/* SPDX-License-Identifier: Apache-2.0 */
/* One backlog a place, as the time when it is gone; zeros are a beginning. */
#include "control/presses.h"

#include "base/rate.h"
#include <assert.h>

#define MINUTE_MS 60000

bool gw_presses_take(struct gw_presses *p, const struct gw_uuid *user, uint64_t now_ms)
{
    struct gw_rate rate;
    uint64_t *place = &p->idle_at[user->b[sizeof(user->b) - 1] % GW_PRESSES_PLACES];
    uint64_t now = now_ms * GW_RATE_TICKS_PER_MS, idle_at = __atomic_load_n(place, __ATOMIC_RELAXED);
    bool is_rate = gw_rate_make(GW_PRESSES_REPEATED, MINUTE_MS, &rate);
    assert(is_rate);
    struct gw_rate_answer a = gw_rate_ask(&rate, GW_RATE_SHARE_WHOLE, idle_at > now ? idle_at - now : 0);
    if (a.admitted)
        __atomic_store_n(place, now + a.backlog, __ATOMIC_RELAXED);
    return a.admitted;
}
