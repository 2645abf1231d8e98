/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flood ceiling of an address, whoever asks there: before anything is spent on finding out. What is beyond it is held, not refused, where
 * a credential is presented: no flood keeps a user from what reduces risk.
 */
#include "pipeline/pipeline.h"

enum gw_code gw_stage_rate(struct gw_request *r, struct gw_verdict *v)
{
    struct gw_quota *q = &r->quota;
    if (r->gate->shared == NULL)
        return GW_OK; /* nothing can be counted; the stage before has held the request */
    q->now_ms = gw_clock_mono_ms(r->gate->clock);
    q->address = gw_rates_address(gw_shared_rates(r->gate->shared), &r->client);
    q->knows_address = true;
    if (gw_quota_charge(r, gw_policy_limit(r->snapshot->policy, GW_LIMIT_FLOOD), &q->address, gw_quota_share(r))) {
        q->tightest = NULL; /* the client is told of its budget, and of the ceiling only where that refuses */
        return GW_OK;
    }
    if (gw_client_is_allowed(r)) {
        q->tightest = NULL;
        return GW_OK;
    }
    return gw_hold(r, v, gw_quota_verdict(r, GW_REASON_RATE_FLOOD, GW_BUDGET_OF_ADDRESS));
}

/* Nothing is counted that nobody sent. */
enum gw_code gw_rehearse_rate(struct gw_request *r, struct gw_verdict *v)
{
    (void)r;
    (void)v;
    return GW_OK;
}
