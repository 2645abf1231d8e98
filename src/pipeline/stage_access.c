/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether they may: by the live user's role, so that a change bites at once; what the token says of a role is not looked at. An API key
 * may leave less of that, never more: a key with scopes does what they name, and what anybody may.
 */
#include "pipeline/pipeline.h"

static bool key_leaves(const struct gw_request *r, const struct gw_route *route)
{
    switch (route->access) {
    case GW_ACCESS_PUBLIC:
        return true;
    case GW_ACCESS_SIGNED_IN:
        return gw_live_key_leaves(&r->key, GW_STR(GW_SIGNED_IN_SCOPE));
    case GW_ACCESS_PERMISSION:
        return gw_live_key_leaves(&r->key, gw_policy_permission_name(r->snapshot->policy, route->permission));
    case GW_ACCESS_ROLE: /* a role is all that it holds, so no list of scopes names it */
        return r->key.scope_count == 0;
    case GW_ACCESS_DENY:
        break;
    }
    return false;
}

bool gw_request_holds(const struct gw_request *r, struct gw_str permission)
{
    const struct gw_policy *p = r->snapshot->policy;
    return r->signed_in && gw_policy_holds(p, r->role, gw_policy_permission(p, permission)) &&
           (!r->by_key || gw_live_key_leaves(&r->key, permission));
}

enum gw_code gw_stage_access(struct gw_request *r, struct gw_verdict *v)
{
    switch (gw_policy_access(r->snapshot->policy, r->route, r->signed_in ? r->role : GW_ROLE_NONE)) {
    case GW_ACCESS_YES:
        if (r->signed_in && r->by_key && !key_leaves(r, r->route))
            return gw_refuse(v, GW_REASON_NO_PERMISSION, GW_DETAIL_KEY_SCOPE);
        return gw_held_check(r, v);
    case GW_ACCESS_NEEDS_SIGN_IN:
        return gw_refuse(v, GW_REASON_ANONYMOUS, GW_DETAIL_NONE);
    case GW_ACCESS_NO:
        break;
    }
    return gw_refuse(v, GW_REASON_NO_PERMISSION, GW_DETAIL_NONE);
}
