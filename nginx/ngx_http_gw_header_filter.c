/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of every answer: one header filter that runs first adds the security headers and those of CORS, hides the
 * server's, and of an upstream's answer removes what it must not say.
 */
#include "ngx_http_gw_module.h"


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;

/* In r->headers_out.server: hash 0 is nginx's mark for a field that is not sent. */
static ngx_table_elt_t  ngx_http_gw_no_server;


ngx_int_t
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


ngx_int_t
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

    ngx_http_gw_each_header(&r->headers_out.headers, part, h) {

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
        rc = ngx_http_gw_look_at_answer(r, ctx);

        if (rc != NGX_OK) {
            return rc;
        }

        vary = ngx_http_gw_drop_headers(r, ctx);
    }

    /* no page comes of it that any of the others could be for */
    if (ctx != NULL && ctx->socket != NULL) {
        r->headers_out.server = &ngx_http_gw_no_server;

        return ngx_http_gw_add_header(r, GW_STR("Upgrade"), GW_STR("websocket")) == NGX_OK
               && ngx_http_gw_add_header(r, GW_STR("X-Request-Id"),
                                         ctx->decision.request_id) == NGX_OK
               ? ngx_http_next_header_filter(r) : NGX_ERROR;
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
        && (ngx_http_gw_add_headers(r, ctx->decision.fields,
                                    ctx->decision.field_count)
            != NGX_OK
            || ngx_http_gw_add_header(r, GW_STR("X-Request-Id"),
                                      ctx->decision.request_id)
               != NGX_OK))
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
