/* SPDX-License-Identifier: Apache-2.0 */
/* Whether they may: by the live user's role, so that a change bites at once; what the token says of a role is not looked at. */
#include "pipeline/pipeline.h"

enum gw_code gw_stage_access(struct gw_request *r, struct gw_verdict *v)
{
    switch (gw_policy_access(r->snapshot->policy, r->route, r->signed_in ? r->role : GW_ROLE_NONE)) {
    case GW_ACCESS_YES:
        return gw_held_check(r, v);
    case GW_ACCESS_NEEDS_SIGN_IN:
        return gw_refuse(v, GW_REASON_ANONYMOUS, GW_DETAIL_NONE);
    case GW_ACCESS_NO:
        break;
    }
    return gw_refuse(v, GW_REASON_NO_PERMISSION, GW_DETAIL_NONE);
}
