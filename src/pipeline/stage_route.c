/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked for: one canonical form of the target, and the one route of the policy that names it. What nobody may do is
 * refused here, before anything is spent on a credential.
 */
#include "pipeline/pipeline.h"
#include "pipeline/ticket.h"

/* Like a cookie's, what else a browser sends by itself does not count beside it; what a client has chosen to send must not. */
static enum gw_code note_ticket(struct gw_request *r, struct gw_verdict *v)
{
    struct gw_str ticket;
    if (r->route->websocket == NULL)
        return GW_OK;
    enum gw_code code = gw_ticket_take(&r->target, r->arena, &ticket);
    if (code == GW_EPARSE)
        return gw_refuse(v, GW_REASON_BAD_TARGET, GW_DETAIL_NONE);
    r->out->target = r->target;
    if (code != GW_OK || ticket.len == 0)
        return code;
    if (r->presented.kind == GW_CREDENTIAL_BEARER || r->presented.kind == GW_CREDENTIAL_KEY)
        return gw_refuse(v, GW_REASON_BAD_HEADERS, GW_DETAIL_NONE);
    r->presented = (struct gw_client_credential){.kind = GW_CREDENTIAL_TICKET, .token = ticket};
    return GW_OK;
}

enum gw_code gw_stage_route(struct gw_request *r, struct gw_verdict *v)
{
    const struct gw_policy *policy = r->snapshot->policy;
    struct gw_target_uri uri;
    enum gw_code code = gw_path_canonical(r->head->target, r->arena, &uri, NULL);
    if (code == GW_EPARSE)
        return gw_refuse(v, GW_REASON_BAD_TARGET, GW_DETAIL_NONE);
    if (code == GW_ELIMIT)
        return gw_refuse(v, GW_REASON_TARGET_TOO_LONG, GW_DETAIL_NONE);
    GW_TRY(code);
    r->path = uri.path;
    r->target = uri.canonical;
    r->route = gw_policy_match(policy, r->method, uri.path, uri.query);
    if (r->route == NULL)
        return gw_refuse(v, GW_REASON_NO_ROUTE, GW_DETAIL_NONE);
    r->out->target = uri.canonical;
    r->out->route = r->route->pattern;
    if (gw_policy_access(policy, r->route, GW_ROLE_NONE) == GW_ACCESS_NO)
        return gw_refuse(v, GW_REASON_ROUTE_DENIED, GW_DETAIL_NONE);
    GW_TRY(gw_verify_check_route(r, uri.canonical, v));
    return v->reason == GW_REASON_NONE ? note_ticket(r, v) : GW_OK;
}

bool gw_target_is_control(enum gw_target target)
{
    switch (target) {
    case GW_TARGET_LOGIN:
    case GW_TARGET_REFRESH:
    case GW_TARGET_LOGOUT:
    case GW_TARGET_PROFILE:
    case GW_TARGET_REGISTER:
    case GW_TARGET_CONTROL:
    case GW_TARGET_LOGIN_FORM:
    case GW_TARGET_LOGOUT_FORM:
        return true;
    case GW_TARGET_BACKEND:
    case GW_TARGET_HEALTH:
    case GW_TARGET_LANDING:
    case GW_TARGET_JWKS:
    case GW_TARGET_PANIC:
    case GW_TARGET_METRICS:
    case GW_TARGET_LOGIN_PAGE:
    case GW_TARGET_LOGOUT_PAGE:
        break;
    }
    return false;
}
