/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's body: read whole before the request is handed over, within a time of its own, and shown to the gate where it is
 * signed.
 */
#include "ngx_http_gw_module.h"


/* Bytes a second at which a request gains time. */
#define NGX_HTTP_GW_BODY_RATE  8192


ngx_int_t
ngx_http_gw_show_body(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    size_t          n, size;
    ngx_chain_t    *cl, *body;
    struct gw_str  *pieces;

    n = 0;
    size = 0;
    body = r->request_body != NULL ? r->request_body->bufs : NULL;

    for (cl = body; cl; cl = cl->next) {
        if (cl->buf->in_file) {
            return NGX_DECLINED;
        }

        size += (size_t) ngx_buf_size(cl->buf);
        n++;
    }

    if (size > GW_SIGNED_BODY_MAX) {
        return NGX_DECLINED;
    }

    pieces = ngx_palloc(r->pool, (n + 1) * sizeof(struct gw_str));
    if (pieces == NULL) {
        return NGX_ERROR;
    }

    for (cl = body, n = 0; cl; cl = cl->next, n++) {
        pieces[n] = (struct gw_str) { (char *) cl->buf->pos,
                                      (size_t) ngx_buf_size(cl->buf) };
    }

    gw_request_show_body(ctx->request, pieces, n);

    return NGX_OK;
}


/*
 * nginx bounds the time between two pieces of a body, not that of the whole: a byte now and then would hold connection and buffers for
 * days. So each piece that comes finds out whether the request is late: silence is nginx's to end.
 */
static void
ngx_http_gw_read_on(ngx_http_request_t *r)
{
    ngx_msec_int_t            late;
    ngx_http_gw_ctx_t        *ctx;
    ngx_http_gw_main_conf_t  *gmcf;

    ctx = ngx_http_gw_get_ctx(r);
    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gw_module);

    late = (ngx_msec_int_t) (ngx_http_gw_duration_ms(r) - (time_t) gmcf->body_time
                             - (time_t) (r->request_length * 1000 / NGX_HTTP_GW_BODY_RATE));

    if (late > 0) {
        r->connection->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    ctx->read_on(r);
}


static void
ngx_http_gw_body_handler(ngx_http_request_t *r)
{
    r->preserve_body = 1;
    r->write_event_handler = ngx_http_core_run_phases;

    /* Comes back into the access handler, which finds the context. */
    ngx_http_core_run_phases(r);
}


ngx_int_t
ngx_http_gw_read_body(ngx_http_request_t *r)
{
    ngx_int_t           rc;
    ngx_http_gw_ctx_t  *ctx;

    rc = ngx_http_read_client_request_body(r, ngx_http_gw_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    if (rc == NGX_AGAIN) {
        ctx = ngx_http_gw_get_ctx(r);
        ctx->read_on = r->read_event_handler;
        r->read_event_handler = ngx_http_gw_read_on;
    }

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


ngx_uint_t
ngx_http_gw_has_body(ngx_http_request_t *r)
{
    return r->headers_in.content_length_n > 0 || r->headers_in.chunked;
}
