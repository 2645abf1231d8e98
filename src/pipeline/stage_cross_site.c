/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the user meant it. A browser sends our cookie along with any site's request, and shows its certificate; so an unsafe one by
 * either needs a sign that only our own pages can give: their origin, or a Bearer header, which no browser attaches by itself (Basic it
 * does). Pages of an origin that the settings list count as our own; those of any other never come here with a change (stage_cors.c), if
 * they say where they are from. Signing somebody in (login, refresh, register) needs no cookie to do harm: there what another site sent
 * is refused. So it is where the page to sign out with is sent: what of it comes with no sign at all, control looks at, for the form
 * brings the session's token in the body.
 * A socket is opened by GET, and any page may do it: it counts as a change, for changes are said over it, and its answers are read.
 * A page's script may bring that token by X-CSRF-Token, for a browser that gives no sign (pipeline/csrf.h).
 *
 * A refresh may bring its token in the body or as a cookie, which only control can tell. So without that sign the cookie stays here
 * and the request goes on: control refuses it unless the token is in the body.
 */
#include "pipeline/csrf.h"
#include "pipeline/pipeline.h"

static bool has_proof(const struct gw_request *r)
{
    return r->presented.has_bearer_scheme || r->origin == GW_ORIGIN_OWN || r->origin == GW_ORIGIN_LISTED ||
           gw_str_eq(r->fields.fetch_site, GW_STR("same-origin"));
}

/* Only where the browser says nothing of its own: what it says counts. */
static bool has_token(const struct gw_request *r)
{
    bool is_silent = r->fields.origin.ptr == NULL && r->fields.fetch_site.ptr == NULL;
    return is_silent && gw_csrf_is_of(r->fields.cookies.session, r->fields.csrf);
}

/* A page's script may bring it each time, needed or not. The backend has no use for it, and may have a token of its own in that field. */
static void keep_token_here(struct gw_request *r)
{
    if (r->fields.csrf_header != NULL &&
        (gw_csrf_is_of(r->fields.cookies.session, r->fields.csrf) || gw_csrf_is_of(r->presented.token, r->fields.csrf)))
        r->fields.csrf_header->drop = true;
}

static bool is_foreign(const struct gw_request *r)
{
    struct gw_str site = r->fields.fetch_site;
    return r->origin != GW_ORIGIN_LISTED && site.ptr != NULL && !gw_str_eq(site, GW_STR("same-origin")) &&
           !gw_str_eq(site, GW_STR("none"));
}

static bool signs_in(enum gw_target target)
{
    return target == GW_TARGET_LOGIN || target == GW_TARGET_REFRESH || target == GW_TARGET_REGISTER ||
           target == GW_TARGET_LOGIN_FORM;
}

/* Control will look at the cookie though we did not; a backend never sees one that we did not accept. */
static bool acts_by_cookie(const struct gw_request *r)
{
    return r->presented.kind == GW_CREDENTIAL_COOKIE && (r->signed_in || gw_target_is_control(r->route->target));
}

/* The same proof as by cookie. It is nobody's session, so there is no session's token. */
static bool acts_by_certificate(const struct gw_request *r)
{
    return r->presented.kind == GW_CREDENTIAL_CERTIFICATE && r->signed_in;
}

enum gw_code gw_stage_cross_site(struct gw_request *r, struct gw_verdict *v)
{
    keep_token_here(r);
    if (gw_method_is_safe(r->method) && r->route->websocket == NULL)
        return GW_OK;
    if (r->route->target == GW_TARGET_REFRESH && !has_proof(r) && !has_token(r))
        r->fields.cookies = (struct gw_own_cookies){.session = GW_STR_NULL};
    if (signs_in(r->route->target))
        return is_foreign(r) ? gw_refuse(v, GW_REASON_CROSS_SITE, GW_DETAIL_FOREIGN_SIGN_IN) : GW_OK;
    if (r->route->target == GW_TARGET_LOGOUT_FORM)
        return is_foreign(r) ? gw_refuse(v, GW_REASON_CROSS_SITE, GW_DETAIL_NONE) : GW_OK;
    if (acts_by_certificate(r) && !has_proof(r))
        return gw_refuse(v, GW_REASON_CROSS_SITE, GW_DETAIL_NONE);
    if (acts_by_cookie(r) && !has_proof(r) && !has_token(r))
        return gw_refuse(v, GW_REASON_CROSS_SITE, GW_DETAIL_NONE);
    return GW_OK;
}
