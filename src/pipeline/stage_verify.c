/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forward authentication: another proxy, which stays in front, asks about each of its requests whether it may pass (nginx's auth_request,
 * Traefik's ForwardAuth, Caddy's forward_auth). What it asks about takes the place of what it asked; the other stages judge that as any request.
 * To whom the answer goes decides everything: it holds the backend's credential. A proxy that hands its clients' requests on to us would hand it to
 * them. So only one is answered that the settings name for that, which is a trusted one as well, and only where it says what it was asked, by
 * whom. It hands on the target as the client wrote it, so a target that is not canonical is refused: nobody
 * knows how what stands behind that proxy reads it.
 */
#include "pipeline/pipeline.h"

#include <string.h>

#define VERIFY_PATH "/aaiti/verify"

bool gw_verify_is_asked(const struct gw_request_head *head)
{
    return gw_str_eq(gw_str_sub(head->target, 0, gw_str_find(head->target, '?')), GW_STR(VERIFY_PATH));
}

static bool may_ask(const struct gw_request *r)
{
    const struct gw_option_cidrs *proxies = &r->snapshot->settings.verify_proxies;
    struct gw_ip peer;
    memcpy(peer.b, r->head->peer, sizeof(peer.b));
    return gw_address_is_trusted(r, &peer) && gw_cidrs_contain(proxies->item, proxies->count, &peer);
}

static bool is_told_once(const struct gw_forwarded_request *f)
{
    return !f->stands_twice && f->method.len > 0 && f->uri.len > 0;
}

enum gw_code gw_stage_verify(struct gw_request *r, struct gw_verdict *v)
{
    if (!r->verifies)
        return GW_OK;
    if (!may_ask(r))
        return gw_refuse(v, GW_REASON_VERIFY_STRANGER, GW_DETAIL_NONE);
    const struct gw_forwarded_request *f = &r->fields.forwarded_request;
    if (!is_told_once(f) || !gw_address_is_told(r))
        return gw_refuse(v, GW_REASON_VERIFY_UNTOLD, GW_DETAIL_NONE);
    /* We would take it off; the proxy hands it on. */
    if (r->fields.overrides)
        return gw_refuse(v, GW_REASON_BAD_HEADERS, GW_DETAIL_OVERRIDES);
    r->head->method = f->method;
    r->head->target = f->uri;
    /* Without it the host is ours, so that no page's origin is its own: what is asked by cookie is then cross-site. */
    if (f->host.len > 0)
        r->fields.host = f->host;
    r->method = gw_method_parse(f->method);
    gw_cors_note(r);
    /* The gateway would answer it, and a proxy that was told 200 would hand it on. */
    if (r->is_preflight)
        return gw_refuse(v, GW_REASON_VERIFY_OWN, GW_DETAIL_PREFLIGHT);
    return GW_OK;
}

enum gw_code gw_verify_check_route(const struct gw_request *r, struct gw_str canonical, struct gw_verdict *v)
{
    if (!r->verifies)
        return GW_OK;
    if (r->route->target != GW_TARGET_BACKEND)
        return gw_refuse(v, GW_REASON_VERIFY_OWN, GW_DETAIL_NONE);
    if (r->route->websocket != NULL)
        return gw_refuse(v, GW_REASON_VERIFY_OWN, GW_DETAIL_VERIFY_SOCKET);
    if (!gw_str_eq(canonical, r->head->target))
        return gw_refuse(v, GW_REASON_BAD_TARGET, GW_DETAIL_NONE);
    return GW_OK;
}

unsigned gw_verify_status(unsigned status)
{
    return status == 401 ? 401 : 403;
}

size_t gw_request_verified_fields(const struct gw_request *r, const struct gw_decision *d,
                                  struct gw_header_field out[GW_VERIFIED_FIELDS_MAX])
{
    size_t n = 0;
    bool has_credential = d->credential_name.len > 0;
    if (!has_credential || !gw_str_eq_nocase(d->credential_name, GW_STR("Authorization")))
        out[n++] = (struct gw_header_field){GW_STR("Authorization"), GW_STR("")};
    if (has_credential)
        out[n++] = (struct gw_header_field){d->credential_name, d->credential};
    out[n++] = (struct gw_header_field){GW_STR("Cookie"), d->cookie};
    out[n++] = (struct gw_header_field){GW_STR("X-AAITI-User"), r->signed_in ? gw_str(r->user.username) : GW_STR("")};
    out[n++] = (struct gw_header_field){GW_STR("X-AAITI-Role"), r->signed_in ? gw_str(r->user.role) : GW_STR("")};
    return n;
}
