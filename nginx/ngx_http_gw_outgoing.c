/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the upstream sees of a request: the canonical target, the headers that were not dropped, and those that we add.
 */
#include "ngx_http_gw_module.h"


/* What we add to a request for the upstream: credential and the X- fields of ngx_http_gw_add_fields. */
#define NGX_HTTP_GW_ADDED_MAX  7


static ngx_table_elt_t *
ngx_http_gw_add_field(ngx_http_request_t *r, struct gw_str name,
    struct gw_str lowcase, struct gw_str value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NULL;
    }

    h->key = ngx_http_gw_ngx_str(name);
    h->value = ngx_http_gw_ngx_str(value);
    h->lowcase_key = (u_char *) lowcase.ptr;
    h->hash = ngx_hash_key(h->lowcase_key, h->key.len);

    return h;
}


ngx_int_t
ngx_http_gw_add_credential(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    u_char              *lowcase;
    struct gw_decision  *d = &ctx->decision;

    if (d->credential.len == 0) {
        return NGX_OK;
    }

    lowcase = ngx_pnalloc(r->pool, d->credential_name.len);
    if (lowcase == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(lowcase, (u_char *) d->credential_name.ptr, d->credential_name.len);

    ctx->credential = ngx_http_gw_add_field(r, d->credential_name,
                                            (struct gw_str) {
                                                (char *) lowcase,
                                                d->credential_name.len },
                                            d->credential);

    return ctx->credential ? NGX_OK : NGX_ERROR;
}


/* Who really asked, in the usual fields; the client's own are among the dropped. */
ngx_int_t
ngx_http_gw_add_fields(ngx_http_request_t *r, struct gw_decision *d)
{
    size_t         i;
    struct gw_str  host;

    host = r->headers_in.host ? ngx_http_gw_str(r->headers_in.host->value)
                              : GW_STR_NULL;

    struct {
        struct gw_str  name, lowcase, value;
    } fields[] = {
        { GW_STR("Cookie"), GW_STR("cookie"), d->cookie },
        { GW_STR("X-Forwarded-For"), GW_STR("x-forwarded-for"), d->client_address },
        { GW_STR("X-Forwarded-Host"), GW_STR("x-forwarded-host"), host },
        { GW_STR("X-Forwarded-Proto"), GW_STR("x-forwarded-proto"),
          r->connection->ssl ? GW_STR("https") : GW_STR("http") },
        { GW_STR("X-Real-IP"), GW_STR("x-real-ip"), d->client_address },
        { GW_STR("X-Request-Id"), GW_STR("x-request-id"), d->request_id },
    };

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].value.len > 0
            && ngx_http_gw_add_field(r, fields[i].name, fields[i].lowcase,
                                     fields[i].value)
               == NULL)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* The list is made anew rather than edited: nginx points into the old one (r->headers_in.host …). */
ngx_int_t
ngx_http_gw_rebuild_headers(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    ngx_list_t         old;
    ngx_list_part_t   *part;
    ngx_table_elt_t   *h, *copy;
    struct gw_header  *judged;

    old = r->headers_in.headers;
    judged = ctx->head.headers;

    /* The field is dropped; without this a backend's 101 would still open a tunnel. */
    if (!ctx->decision.upgrades) {
        r->headers_in.upgrade = NULL;
    }

    if (ngx_list_init(&r->headers_in.headers, r->pool,
                      ngx_http_gw_count(&old) + NGX_HTTP_GW_ADDED_MAX,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_gw_each_header(&old, part, h) {
        if ((judged++)->drop) {
            continue;
        }

        copy = ngx_list_push(&r->headers_in.headers);
        if (copy == NULL) {
            return NGX_ERROR;
        }

        *copy = *h;
    }

    return NGX_OK;
}


/* The upstream gets the canonical target that was judged, or nothing. */
void
ngx_http_gw_set_target(ngx_http_request_t *r, struct gw_str target)
{
    size_t  path;

    path = gw_str_find(target, '?');

    r->unparsed_uri = ngx_http_gw_ngx_str(target);
    r->valid_unparsed_uri = 1;
    r->uri = ngx_http_gw_ngx_str(gw_str_sub(target, 0, path));
    r->args = ngx_http_gw_ngx_str(gw_str_sub(target, path + 1, target.len));
}
