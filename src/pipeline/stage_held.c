/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stages before the route would have refused by the address alone (gw_hold). It stays refused unless who presents a credential asks for
 * what reduces risk; then the credential must be good, which the end of stage_access.c sees. So whoever is blocked or flooded with, and
 * guesses tokens, gets no further than the token. The page of the button, and how making safe goes, are shown to who may press, and to nobody
 * else. A preflight is let through for the same: it asks for leave to send such a request.
 */
#include "pipeline/pipeline.h"

static bool reduces(const struct gw_request *r)
{
    return r->route->risk == GW_RISK_REDUCES;
}

static bool may_press(const struct gw_request *r)
{
    return gw_request_holds(r, gw_policy_permission_name(r->snapshot->policy, r->route->permission));
}

enum gw_code gw_stage_held(struct gw_request *r, struct gw_verdict *v)
{
    bool may_pass =
        (reduces(r) || r->route->follows_press) && (r->presented.kind != GW_CREDENTIAL_ABSENT || r->is_preflight);
    if (r->held.reason == GW_REASON_NOT_READY && r->route->target == GW_TARGET_HEALTH)
        r->held = (struct gw_verdict){.reason = GW_REASON_NONE};
    if (r->held.reason != GW_REASON_NONE && !may_pass)
        *v = r->held;
    return GW_OK;
}

enum gw_code gw_held_check(const struct gw_request *r, struct gw_verdict *v)
{
    bool passes = r->route->follows_press ? may_press(r) : reduces(r) && r->signed_in;
    if (r->held.reason != GW_REASON_NONE && !passes)
        *v = r->held;
    return GW_OK;
}
