/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request on its way out. Answers of the gate, refusals, and problem+json for every status that nginx gives by itself
 * (error_page leads here); and one header filter that runs first on every answer: it adds the security headers, hides the
 * server's, removes what the upstream must not say, and turns an upstream's 401 to our own credential into a 502.
 */
#include "ngx_http_gw_module.h"


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;

/* In r->headers_out.server: hash 0 is nginx's mark for a field that is not sent. */
static ngx_table_elt_t  ngx_http_gw_no_server;


static ngx_int_t
ngx_http_gw_add_header(ngx_http_request_t *r, struct gw_str name,
    struct gw_str value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key = ngx_http_gw_ngx_str(name);
    h->value = ngx_http_gw_ngx_str(value);
    h->lowcase_key = NULL;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gw_add_headers(ngx_http_request_t *r,
    const struct gw_header_field *fields, size_t count)
{
    size_t  i;

    for (i = 0; i < count; i++) {
        if (ngx_http_gw_add_header(r, fields[i].name, fields[i].value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


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


static ngx_int_t
ngx_http_gw_bad_gateway(ngx_http_request_t *r)
{
    r->keepalive = 0;       /* this way out closes the connection: so the client is told */

    return ngx_http_filter_finalize_request(r, &ngx_http_gw_module,
                                            NGX_HTTP_BAD_GATEWAY);
}


/* The backend refused what we minted: its user table or its secret is not what we were told. Never the client's fault. */
static ngx_int_t
ngx_http_gw_credential_refused(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    gw_request_ended(ctx->gate, ctx->request, GW_ENDING_ANSWERED,
                     NGX_HTTP_UNAUTHORIZED);
    gw_request_refuse(ctx->request, GW_REASON_UPSTREAM_CREDENTIAL, &ctx->decision);
    ngx_http_gw_log_refusal(r, ctx);

    return ngx_http_gw_bad_gateway(r);
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

    for (part = &in->headers.part; part; part = part->next) {
        for (h = part->elts; h < (ngx_table_elt_t *) part->elts + part->nelts; h++) {
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
    }

    return lengths + codings <= 1 && (lengths == 0 || in->content_length_n >= 0);
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

    /* An interim answer is none, and nobody asked for a tunnel. */
    return r->headers_out.status >= NGX_HTTP_OK
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


/* Control's answers go through the same list, lest a security header stand twice; but cookies of ours are its to set, and to sign
   out takes what pages have kept. */
static bool
ngx_http_gw_is_dropped(struct gw_str name, struct gw_str value,
    enum gw_action action)
{
    return gw_response_header_is_dropped(name, value)
           && !(action == GW_CONTROL
                && (gw_str_eq(name, GW_STR("set-cookie"))
                    || gw_str_eq(name, GW_STR("clear-site-data"))));
}


/* What a field of the upstream's answer that is not dropped becomes: a cookie what the policy makes of it. */
static void
ngx_http_gw_keep_header(ngx_http_gw_ctx_t *ctx, ngx_table_elt_t *h)
{
    struct gw_str  value;

    if (ctx->decision.action != GW_PASS
        || !gw_str_eq_nocase(ngx_http_gw_str(h->key), GW_STR("Set-Cookie")))
    {
        return;
    }

    value = gw_answer_cookie(ctx->request, ngx_http_gw_str(h->value), &ctx->arena);

    if (value.ptr == NULL) {
        h->hash = 0;
        return;
    }

    h->value = ngx_http_gw_ngx_str(value);
}


/* What of two fields counts nobody can tell: then nothing is kept. */
static void
ngx_http_gw_note_cache_control(ngx_http_gw_ctx_t *ctx, ngx_table_elt_t *h)
{
    struct gw_decision  *d = &ctx->decision;

    if (d->action != GW_PASS
        || !gw_str_eq_nocase(ngx_http_gw_str(h->key), GW_STR("Cache-Control")))
    {
        return;
    }

    d->cache_control = d->cache_control.len > 0
                       ? GW_STR("no-store")
                       : gw_answer_cache_control(ctx->request, ngx_http_gw_str(h->value),
                                                 &ctx->arena);
}


/* Drops what must not go on, and finds a field `Vary`: one that names Origin already, or else the last; NULL: there is none. */
static ngx_table_elt_t *
ngx_http_gw_drop_headers(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    ngx_table_elt_t  *h, *vary;
    ngx_list_part_t  *part;

    vary = NULL;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        for (h = part->elts;
             h < (ngx_table_elt_t *) part->elts + part->nelts;
             h++)
        {
            /* lowcase_key: nginx's own fields have none */
            if (h->lowcase_key != NULL
                && ngx_http_gw_is_dropped(
                       (struct gw_str) { (char *) h->lowcase_key, h->key.len },
                       ngx_http_gw_str(h->value), ctx->decision.action))
            {
                ngx_http_gw_note_cache_control(ctx, h);
                h->hash = 0;
                continue;
            }

            ngx_http_gw_keep_header(ctx, h);

            if (gw_str_eq_nocase(ngx_http_gw_str(h->key), GW_STR("Vary"))
                && (vary == NULL
                    || !gw_vary_has_origin(ngx_http_gw_str(vary->value))))
            {
                vary = h;
            }
        }
    }

    return vary;
}


/* Caches are to know that the answer differs by origin; what the upstream says of it stays. vary: its field, or NULL. */
static ngx_int_t
ngx_http_gw_add_vary(ngx_http_request_t *r, ngx_table_elt_t *vary)
{
    u_char  *text, *end;

    if (vary == NULL) {
        return ngx_http_gw_add_header(r, GW_STR("Vary"), GW_STR("Origin"));
    }

    if (gw_vary_has_origin(ngx_http_gw_str(vary->value))) {
        return NGX_OK;
    }

    text = ngx_pnalloc(r->pool, vary->value.len + sizeof(", Origin") - 1);
    if (text == NULL) {
        return NGX_ERROR;
    }

    end = ngx_sprintf(text, "%V%s", &vary->value,
                      vary->value.len > 0 ? ", Origin" : "Origin");

    vary->value.data = text;
    vary->value.len = (size_t) (end - text);

    return NGX_OK;
}


/* What the request was told before it was judged; or, of one that never was, as by a body that is too long, what its head says. */
static struct gw_cors_answer
ngx_http_gw_cors_of(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    struct gw_request_head    head;
    ngx_http_gw_main_conf_t  *gmcf;

    if (ctx != NULL) {
        return ctx->decision.cors;
    }

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gw_module);

    if (gmcf->gate == NULL || ngx_http_gw_gather_head(r, &head) != NGX_OK) {
        return (struct gw_cors_answer) { .fields = NULL };
    }

    return gw_cors_unjudged(gmcf->gate, head.headers, head.header_count);
}


/* The decision speaks of the answer that was meant, not of an error of nginx's in its place; a refusal is always meant. */
static struct gw_decision *
ngx_http_gw_decision_of_answer(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    if (ctx == NULL || (r->error_page && ctx->decision.action != GW_REFUSE)) {
        return NULL;
    }

    return &ctx->decision;
}


/* A decision may have another Cache-Control (the key set may be kept), and another policy (the panic page has a script). */
static struct gw_str
ngx_http_gw_field_value(struct gw_decision *d, const struct gw_header_field *field)
{
    if (d == NULL) {
        return field->value;
    }

    if (d->cache_control.len > 0
        && gw_str_eq(field->name, GW_STR("Cache-Control")))
    {
        return d->cache_control;
    }

    if (d->content_security.len > 0
        && gw_str_eq(field->name, GW_STR("Content-Security-Policy")))
    {
        return d->content_security;
    }

    return field->value;
}


static ngx_int_t
ngx_http_gw_add_security(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    size_t                         i, n;
    struct gw_decision            *d;
    const struct gw_header_field  *fields;

    d = ngx_http_gw_decision_of_answer(r, ctx);
    fields = gw_security_headers(d != NULL ? d->answer : GW_CLASS_API,
                                 r->connection->ssl ? GW_TRANSPORT_TLS
                                                    : GW_TRANSPORT_PLAIN, &n);

    for (i = 0; i < n; i++) {
        if (ngx_http_gw_add_header(r, fields[i].name,
                                   ngx_http_gw_field_value(d, &fields[i]))
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* What the upstream, or control, answered. NGX_OK: it goes on to the client; else the filter gives the code to nginx. */
static ngx_int_t
ngx_http_gw_look_at_answer(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx,
    ngx_table_elt_t **vary)
{
    ngx_int_t  rc;

    if (!ngx_http_gw_is_answer(r, ctx)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "gw: the upstream's answer is none of HTTP/1.1, or its end is unclear");

        if (ctx->handed_over) {
            gw_request_ended(ctx->gate, ctx->request, GW_ENDING_UNKNOWN,
                             NGX_HTTP_BAD_GATEWAY);
        }

        return ngx_http_gw_bad_gateway(r);
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

    *vary = ngx_http_gw_drop_headers(r, ctx);

    return NGX_OK;
}


static ngx_int_t
ngx_http_gw_header_filter(ngx_http_request_t *r)
{
    ngx_int_t               rc;
    ngx_table_elt_t        *vary;
    ngx_http_gw_ctx_t      *ctx;
    struct gw_cors_answer   cors;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    vary = NULL;
    ctx = ngx_http_gw_get_ctx(r);

    /* r->upstream stays set where an error page has taken the place of the upstream's answer. */
    if (ctx != NULL && r->upstream != NULL && !r->error_page) {
        rc = ngx_http_gw_look_at_answer(r, ctx, &vary);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ngx_http_gw_add_security(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    cors = ngx_http_gw_cors_of(r, ctx);

    if ((cors.varies && ngx_http_gw_add_vary(r, vary) != NGX_OK)
        || ngx_http_gw_add_headers(r, cors.fields, cors.field_count) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx != NULL
        && ngx_http_gw_add_headers(r, ctx->decision.fields,
                                   ctx->decision.field_count)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx != NULL
        && ngx_http_gw_add_header(r, GW_STR("X-Request-Id"),
                                  ctx->decision.request_id)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->headers_out.server = &ngx_http_gw_no_server;

    return ngx_http_next_header_filter(r);
}


void
ngx_http_gw_header_filter_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_gw_header_filter;
}
