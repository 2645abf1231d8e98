/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the error log shows. nginx's own handler prints the whole request line, the upstream's URI and the referrer, and
 * with them any token that somebody put into a query string; ours prints method, path and request id. Refusals are one
 * line each, a few a second: who can make requests can make lines.
 */
#include "ngx_http_gw_module.h"


#define NGX_HTTP_GW_LOG_PATH_MAX    256
#define NGX_HTTP_GW_LOG_PER_SECOND  20


/* The target up to its query, with what could forge a line or a field replaced. */
static ngx_str_t
ngx_http_gw_log_path(ngx_http_request_t *r, u_char *dst)
{
    u_char      ch;
    size_t      i;
    ngx_str_t  *uri;

    uri = r->unparsed_uri.len ? &r->unparsed_uri : &r->uri;

    for (i = 0; i < uri->len && i < NGX_HTTP_GW_LOG_PATH_MAX; i++) {
        ch = uri->data[i];

        if (ch == '?') {
            break;
        }

        dst[i] = (ch <= ' ' || ch >= 0x7f || ch == '"' || ch == '\\') ? '_' : ch;
    }

    return (ngx_str_t) { i, dst };
}


static u_char *
ngx_http_gw_log_line(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    u_char             *p, path[NGX_HTTP_GW_LOG_PATH_MAX];
    ngx_str_t           name;
    ngx_http_gw_ctx_t  *ctx;

    name = ngx_http_gw_log_path(r, path);

    p = ngx_snprintf(buf, len, ", method: %V, path: \"%V\"", &r->method_name,
                     &name);
    len -= (size_t) (p - buf);

    ctx = ngx_http_gw_get_ctx(r);

    if (ctx != NULL) {
        p = ngx_snprintf(p, len, ", request_id: %*s",
                         ctx->decision.request_id.len,
                         ctx->decision.request_id.ptr);
    }

    return p;
}


ngx_int_t
ngx_http_gw_log_init_handler(ngx_http_request_t *r)
{
    r->log_handler = ngx_http_gw_log_line;

    return NGX_DECLINED;
}


void
ngx_http_gw_log_refusal(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    ngx_uint_t           level;
    struct gw_decision  *d;

    static time_t        second;
    static ngx_uint_t    lines;

    if (second != ngx_time()) {
        if (lines > NGX_HTTP_GW_LOG_PER_SECOND) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "gw refused and not logged: count=%ui",
                          lines - NGX_HTTP_GW_LOG_PER_SECOND);
        }

        second = ngx_time();
        lines = 0;
    }

    if (++lines > NGX_HTTP_GW_LOG_PER_SECOND) {
        return;
    }

    d = &ctx->decision;
    /* Somebody must act on these two; a gateway that starts is nobody's fault. */
    level = (d->reason == GW_REASON_INTERNAL
             || d->reason == GW_REASON_UPSTREAM_CREDENTIAL)
            ? NGX_LOG_ERR : NGX_LOG_NOTICE;

    ngx_log_error(level, r->connection->log, 0,
                  "gw refused: status=%ui reason=%s why=\"%s\" detail=\"%s\" "
                  "address=%*s user=%*s route=\"%*s\"",
                  (ngx_uint_t) d->status, gw_reason_name(d->reason),
                  gw_reason_why(d->reason), d->detail ? d->detail : "",
                  d->client_address.len, d->client_address.ptr,
                  d->user.len, d->user.ptr, d->route.len, d->route.ptr);
}


/* The last that is heard of a request: a client that went away, a connection that was cut. */
ngx_int_t
ngx_http_gw_log_handler(ngx_http_request_t *r)
{
    ngx_http_gw_ctx_t  *ctx;

    ctx = ngx_http_gw_get_ctx(r);

    if (ctx != NULL && ctx->handed_over) {
        ngx_http_gw_ended_unanswered(r, ctx, r->headers_out.status);
    }

    return NGX_OK;
}
