/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nginx sends in place of an upstream's answer: answers of the gate, its refusals, and problem+json for every status that
 * nginx gives by itself (error_page leads here).
 */
#include "ngx_http_gw_module.h"


#define NGX_HTTP_GW_UPGRADE_REQUIRED  426


static ngx_int_t
ngx_http_gw_send(ngx_http_request_t *r, ngx_uint_t status, struct gw_str type,
    struct gw_str body)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = (off_t) body.len;
    r->headers_out.content_type = ngx_http_gw_ngx_str(type);
    r->headers_out.content_type_len = type.len;
    r->headers_out.content_type_lowcase = NULL;

    if (status == NGX_HTTP_UNAUTHORIZED
        && ngx_http_gw_add_header(r, GW_STR("WWW-Authenticate"), GW_STR("Bearer"))
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* RFC 9110 section 15.5.22, RFC 6455 section 4.2.2 */
    if (status == NGX_HTTP_GW_UPGRADE_REQUIRED
        && (ngx_http_gw_add_header(r, GW_STR("Upgrade"), GW_STR("websocket")) != NGX_OK
            || ngx_http_gw_add_header(r, GW_STR("Sec-WebSocket-Version"), GW_STR("13"))
               != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = (u_char *) body.ptr;
    b->last = b->pos + body.len;
    b->memory = body.len > 0;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* 0: no such field. */
static ngx_int_t
ngx_http_gw_add_number(ngx_http_request_t *r, struct gw_str name, unsigned value)
{
    u_char  *text, *end;

    if (value == 0) {
        return NGX_OK;
    }

    text = ngx_pnalloc(r->pool, NGX_INT32_LEN);
    if (text == NULL) {
        return NGX_ERROR;
    }

    end = ngx_sprintf(text, "%ui", (ngx_uint_t) value);

    return ngx_http_gw_add_header(r, name,
                                  (struct gw_str) { (char *) text,
                                                    (size_t) (end - text) });
}


ngx_int_t
ngx_http_gw_answer_handler(ngx_http_request_t *r)
{
    struct gw_str        body, type;
    ngx_http_gw_ctx_t   *ctx;
    struct gw_decision  *d;

    ctx = ngx_http_gw_get_ctx(r);
    d = &ctx->decision;

    if (d->action == GW_ANSWER || d->content_type.len > 0) {
        type = d->content_type;
        body = d->body;

    } else {
        type = GW_STR("application/problem+json");
        body = gw_problem(d->reason, d->request_id, d->members,
                          &ctx->arena);
    }

    if (ngx_http_gw_add_number(r, GW_STR("Retry-After"), d->retry_after_s) != NGX_OK
        || ngx_http_gw_add_number(r, GW_STR("X-AAITI-Status"), d->refused_status)
           != NGX_OK
        || (d->location.len > 0
            && ngx_http_gw_add_header(r, GW_STR("Location"), d->location) != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gw_send(r, d->status, type, body);
}


/* To the proxy that asked: it may go on. What comes of it nobody will tell, so that is what is recorded. */
ngx_int_t
ngx_http_gw_verified_handler(ngx_http_request_t *r)
{
    size_t                  n;
    ngx_http_gw_ctx_t      *ctx;
    struct gw_header_field  fields[GW_VERIFIED_FIELDS_MAX];

    ctx = ngx_http_gw_get_ctx(r);
    n = gw_request_verified_fields(ctx->request, &ctx->decision, fields);

    if (ngx_http_gw_add_headers(r, fields, n) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    gw_request_ended(ctx->gate, ctx->request, GW_ENDING_VERIFIED, NGX_HTTP_OK);

    return ngx_http_gw_send(r, NGX_HTTP_OK, GW_STR("text/plain"), GW_STR(""));
}


/* nginx's own codes, as for a request that is not TLS, are 400 to the client. */
static ngx_uint_t
ngx_http_gw_public_status(ngx_uint_t status)
{
    if (status == 0) {
        return NGX_HTTP_NOT_FOUND;
    }

    return (status >= NGX_HTTP_NGINX_CODES && status < NGX_HTTP_INTERNAL_SERVER_ERROR)
           ? NGX_HTTP_BAD_REQUEST : status;
}


/* Told instead of an answer: why the gate refuses, that the outcome is unknown, or else what the status says by itself. */
static struct gw_str
ngx_http_gw_problem_body(ngx_http_gw_ctx_t *ctx, ngx_uint_t *status,
    struct gw_str *type, struct gw_arena *arena)
{
    struct gw_decision  *d;

    *type = GW_STR("application/problem+json");

    if (ctx == NULL) {
        return gw_problem_of_status((unsigned) *status, GW_STR_NULL, arena);
    }

    d = &ctx->decision;

    if (d->action == GW_REFUSE && d->reason != GW_REASON_NONE) {
        *status = gw_reason_status(d->reason);

        if (d->body.len > 0) {
            *type = d->content_type;
            return d->body;
        }

        return gw_problem(d->reason, d->request_id, d->members, arena);
    }

    if (ctx->request != NULL && gw_request_outcome_is_unknown(ctx->request)) {
        return gw_problem_outcome_unknown((unsigned) *status, d->request_id, arena);
    }

    return gw_problem_of_status((unsigned) *status, d->request_id, arena);
}


/* nginx asks for a client's certificate before anything is judged. */
static ngx_int_t
ngx_http_gw_answer_untrusted(ngx_http_request_t *r, struct gw_arena *arena)
{
    ngx_uint_t  status;

    ngx_http_gw_log_untrusted(r);

    status = gw_reason_status(GW_REASON_CLIENT_CERTIFICATE);
    r->err_status = status;

    return ngx_http_gw_send(r, status, GW_STR("application/problem+json"),
                            gw_problem(GW_REASON_CLIENT_CERTIFICATE, GW_STR_NULL,
                                       GW_STR_NULL, arena));
}


ngx_int_t
ngx_http_gw_problem_handler(ngx_http_request_t *r)
{
    u_char             *space;
    ngx_uint_t          status;
    struct gw_str       body, type;
    struct gw_arena     arena;
    ngx_http_gw_ctx_t  *ctx;

    space = ngx_palloc(r->pool, GW_REQUEST_ARENA_BYTES);
    if (space == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_gw_arena_init(r, &arena, space, GW_REQUEST_ARENA_BYTES);

    /* A request whose head nginx could not read comes here without having passed the phase that sets its log handler. */
    (void) ngx_http_gw_log_init_handler(r);

    if (r->err_status == NGX_HTTPS_CERT_ERROR || r->err_status == NGX_HTTPS_NO_CERT) {
        return ngx_http_gw_answer_untrusted(r, &arena);
    }

    status = ngx_http_gw_public_status(r->err_status);
    ctx = ngx_http_gw_get_ctx(r);

    if (ctx != NULL) {
        if (ctx->decision.action == GW_CONTROL && status >= NGX_HTTP_BAD_GATEWAY) {
            gw_request_refuse(ctx->request, GW_REASON_CONTROL_DOWN, &ctx->decision);
        }

        if (ctx->decision.action != GW_REFUSE && ctx->handed_over) {
            ngx_http_gw_ended_unanswered(r, ctx, status);
        }

        if (ngx_http_gw_add_number(r, GW_STR("Retry-After"),
                                   ctx->decision.retry_after_s)
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    body = ngx_http_gw_problem_body(ctx, &status, &type, &arena);
    r->err_status = status;         /* ngx_http_send_header prefers it */

    return ngx_http_gw_send(r, status, type, body);
}
