/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the backend is to see. Nobody where nobody signed in: then the request goes without any credential. */
#include "pipeline/pipeline.h"

enum showing { NOBODY, THE_USER };

static enum showing whom_to_show(const struct gw_request *r, struct gw_verdict *v)
{
    const struct gw_upstream *u = gw_policy_upstream(r->snapshot->policy);
    if (r->route->target != GW_TARGET_BACKEND || !r->signed_in || u->credential == GW_CREDENTIAL_NONE)
        return NOBODY;
    if (!u->needs_upstream_id || r->user.upstream_id[0] != '\0')
        return THE_USER;
    if (r->route->access != GW_ACCESS_PUBLIC)
        *v = (struct gw_verdict){.reason = GW_REASON_NO_UPSTREAM_IDENTITY};
    return NOBODY;
}

enum gw_code gw_stage_identity(struct gw_request *r, struct gw_verdict *v)
{
    const struct gw_upstream *u = gw_policy_upstream(r->snapshot->policy);
    if (whom_to_show(r, v) == NOBODY)
        return GW_OK;
    if (!r->tried_other)
        r->mint = r->gate->mint;
    GW_TRY(gw_mint_credential(r->gate->mints[r->mint], u, &r->user, r->snapshot->edition, r->now_s, r->arena,
                              &r->out->credential));
    r->out->credential_name = gw_mint_header(u);
    r->shown_version = r->user.version;
    return GW_OK;
}

enum gw_code gw_rehearse_identity(struct gw_request *r, struct gw_verdict *v)
{
    if (whom_to_show(r, v) == THE_USER)
        r->out->credential_name = gw_mint_header(gw_policy_upstream(r->snapshot->policy));
    return GW_OK;
}

bool gw_request_retry(struct gw_gate *g, struct gw_request *r, struct gw_decision *out)
{
    struct gw_verdict v = {.reason = GW_REASON_NONE};
    unsigned other = r->mint == 0 ? 1 : 0;
    if (r->tried_other || g->mints[other] == NULL)
        return false;
    r->tried_other = true;
    r->mint = other;
    r->out = out;
    return gw_stage_identity(r, &v) == GW_OK && v.reason == GW_REASON_NONE;
}

void gw_request_retry_taken(struct gw_gate *g, const struct gw_request *r)
{
    g->mint = r->mint;
}
