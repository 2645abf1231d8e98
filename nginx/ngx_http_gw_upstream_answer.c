/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the upstream, or control, has answered, or has not: whether it is an answer, what it says of the credential that we
 * minted, and how the request ended. An upstream's 401 to our own credential is a 502.
 */
#include "ngx_http_gw_module.h"


/* A connection that did not come about has sent nothing; of any other nobody knows what the upstream made of it. */
void
ngx_http_gw_ended_unanswered(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx,
    ngx_uint_t status)
{
    off_t                      sent;
    ngx_uint_t                 i;
    ngx_http_upstream_state_t  *state;

    sent = 0;

    if (r->upstream_states != NULL) {
        state = r->upstream_states->elts;

        for (i = 0; i < r->upstream_states->nelts; i++) {
            sent += state[i].bytes_sent;
        }
    }

    gw_request_ended(ctx->gate, ctx->request,
                     sent > 0 ? GW_ENDING_UNKNOWN : GW_ENDING_NOT_SENT,
                     (unsigned) status);
}


static ngx_int_t
ngx_http_gw_answer_instead(ngx_http_request_t *r, ngx_int_t status)
{
    r->keepalive = 0;       /* this way out closes the connection: so the client is told */

    return ngx_http_filter_finalize_request(r, &ngx_http_gw_module, status);
}


/* The backend refused what we minted: its user table or its secret is not what we were told. Never the client's fault. */
static ngx_int_t
ngx_http_gw_credential_refused(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    gw_request_ended(ctx->gate, ctx->request, GW_ENDING_ANSWERED,
                     NGX_HTTP_UNAUTHORIZED);
    gw_request_refuse(ctx->request, GW_REASON_UPSTREAM_CREDENTIAL, &ctx->decision);
    ngx_http_gw_log_refusal(r, ctx);

    return ngx_http_gw_answer_instead(r, NGX_HTTP_BAD_GATEWAY);
}


/*
 * RFC 9112 section 6.3: where the answer ends is said once. nginx takes the last of several lengths, reads a broken one as
 * none, and takes any coding with `chunked` in its name; another reader could see another answer in the same bytes.
 */
static ngx_uint_t
ngx_http_gw_is_framed_once(ngx_http_upstream_headers_in_t *in)
{
    ngx_uint_t        lengths, codings;
    struct gw_str     name;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    lengths = 0;
    codings = 0;

    ngx_http_gw_each_header(&in->headers, part, h) {
        name = ngx_http_gw_str(h->key);

        if (gw_str_eq_nocase(name, GW_STR("content-length"))) {
            lengths++;

        } else if (gw_str_eq_nocase(name, GW_STR("transfer-encoding"))) {
            codings++;

            if (!gw_str_eq_nocase(ngx_http_gw_str(h->value), GW_STR("chunked"))) {
                return 0;
            }
        }
    }

    return lengths + codings <= 1 && (lengths == 0 || in->content_length_n >= 0);
}


static ngx_uint_t
ngx_http_gw_is_upgraded(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    return r->headers_out.status == NGX_HTTP_SWITCHING_PROTOCOLS
           && ctx->decision.upgrades && r->upstream->upgrade;
}


/* Whether it is a final answer of HTTP/1 whose end is clear. */
static ngx_uint_t
ngx_http_gw_is_answer(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    if (r->http_version < NGX_HTTP_VERSION_10) {
        /* What was no HTTP at all, nginx takes for HTTP/0.9 and would answer the client without a head. */
        r->http_version = ctx->http_version;
        return 0;
    }

    /* An interim answer is none, and a tunnel is one for who has asked for it. */
    return (r->headers_out.status >= NGX_HTTP_OK || ngx_http_gw_is_upgraded(r, ctx))
           && ngx_http_gw_is_framed_once(&r->upstream->headers_in);
}


/*
 * What the upstream's answer says of the credential that it was shown. A request answered 401 or 403 was not carried out, so where
 * another upstream key is staged it may be handed over once more: the original backend says 403 to a token by another secret. In the
 * end a 401 to either is our fault, and a 403 may be meant for the user. NGX_OK: pass the answer on.
 */
static ngx_int_t
ngx_http_gw_look_at_credential(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    ngx_uint_t  status = r->headers_out.status;

    if (status != NGX_HTTP_UNAUTHORIZED && status != NGX_HTTP_FORBIDDEN) {
        if (ctx->retried) {
            gw_request_retry_taken(ctx->gate, ctx->request);
        }

        return NGX_OK;
    }

    ctx->unauthorized |= status == NGX_HTTP_UNAUTHORIZED;

    if (gw_request_retry(ctx->gate, ctx->request, &ctx->decision)) {
        ctx->retry = 1;

        return ngx_http_filter_finalize_request(r, &ngx_http_gw_module,
                                                NGX_HTTP_GW_RETRY);
    }

    return ctx->unauthorized ? ngx_http_gw_credential_refused(r, ctx) : NGX_OK;
}


static ngx_int_t
ngx_http_gw_look_at_upgrade(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_gw_open_socket(r, ctx);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    ngx_http_gw_log_refusal(r, ctx);

    return ngx_http_gw_answer_instead(r, ctx->decision.status);
}


ngx_int_t
ngx_http_gw_look_at_answer(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->wake.timer_set) {
        ngx_del_timer(&ctx->wake);
    }

    if (!ngx_http_gw_is_answer(r, ctx)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "gw: the upstream's answer is none of HTTP/1.1, or its end is unclear");

        if (ctx->handed_over) {
            gw_request_ended(ctx->gate, ctx->request, GW_ENDING_UNKNOWN,
                             NGX_HTTP_BAD_GATEWAY);
        }

        return ngx_http_gw_answer_instead(r, NGX_HTTP_BAD_GATEWAY);
    }

    if (ctx->decision.action == GW_PASS && ctx->decision.credential.len > 0) {
        rc = ngx_http_gw_look_at_credential(r, ctx);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ctx->handed_over) {
        gw_request_ended(ctx->gate, ctx->request, GW_ENDING_ANSWERED,
                         (unsigned) r->headers_out.status);
    }

    return ngx_http_gw_is_upgraded(r, ctx) ? ngx_http_gw_look_at_upgrade(r, ctx)
                                           : NGX_OK;
}
