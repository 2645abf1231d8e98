/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the backend is to see. Nobody where nobody signed in: then the request goes without any credential. */
#include "pipeline/pipeline.h"

enum gw_code gw_stage_identity(struct gw_request *r, struct gw_verdict *v)
{
    const struct gw_upstream *u = gw_policy_upstream(r->snapshot->policy);
    if (r->route->target != GW_TARGET_BACKEND || !r->signed_in || u->credential == GW_CREDENTIAL_NONE)
        return GW_OK;
    if (u->needs_upstream_id && r->user.upstream_id[0] == '\0')
        return r->route->access == GW_ACCESS_PUBLIC ? GW_OK : gw_refuse(v, GW_REASON_NO_UPSTREAM_IDENTITY, NULL);
    GW_TRY(
        gw_mint_credential(r->gate->mint, u, &r->user, r->snapshot->edition, r->now_s, r->arena, &r->out->credential));
    r->out->credential_name = gw_mint_header(u);
    r->shown_version = r->user.version;
    return GW_OK;
}
