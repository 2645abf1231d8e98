/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request on its way in: the access phase gathers the head and asks the gate. Refusals, the gate's own answers and calls
 * for the control plane get another content handler. What passes has its body read first and is then looked at once more,
 * so that a slow body does not carry it past the end of its session; then its target and headers are made those that
 * the upstream may see.
 */
#include "ngx_http_gw_module.h"


/* What we add to a request for the upstream: credential and the X- fields of ngx_http_gw_add_fields. */
#define NGX_HTTP_GW_ADDED_MAX  7

/* Bytes a second at which a request gains time. */
#define NGX_HTTP_GW_BODY_RATE  8192


static void
ngx_http_gw_ctx_cleanup(void *data)
{
    ngx_http_gw_ctx_t  *ctx = data;

    if (ctx->waiting) {
        ngx_queue_remove(&ctx->queue);
    }

    gw_request_done(ctx->gate, ctx->request);
}


ngx_http_gw_ctx_t *
ngx_http_gw_get_ctx(ngx_http_request_t *r)
{
    ngx_http_gw_ctx_t   *ctx;
    ngx_pool_cleanup_t  *cln;

    ctx = ngx_http_get_module_ctx(r, ngx_http_gw_module);

    if (ctx != NULL || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_gw_ctx_cleanup) {
            ngx_http_set_ctx(r, cln->data, ngx_http_gw_module);
            return cln->data;
        }
    }

    return NULL;
}


static void *
ngx_http_gw_arena_grow(void *pool, size_t size)
{
    return ngx_palloc(pool, size);
}


void
ngx_http_gw_arena_init(ngx_http_request_t *r, struct gw_arena *a, void *space,
    size_t size)
{
    gw_arena_init_over(a, space, size, ngx_http_gw_arena_grow, r->pool,
                       NGX_HTTP_GW_ARENA_MAX);
}


static size_t
ngx_http_gw_count(ngx_list_t *list)
{
    size_t            n;
    ngx_list_part_t  *part;

    n = 0;

    for (part = &list->part; part; part = part->next) {
        n += part->nelts;
    }

    return n;
}


/* Runs the body for each element of an nginx list of headers. */
#define ngx_http_gw_each_header(list, part, h)                                \
    for (part = &(list)->part; part; part = part->next)                       \
        for (h = part->elts; h < (ngx_table_elt_t *) part->elts + part->nelts; h++)


static ngx_int_t
ngx_http_gw_gather_head(ngx_http_request_t *r, struct gw_request_head *head)
{
    struct gw_header  *out;
    ngx_table_elt_t   *h;
    ngx_list_part_t   *part;

    head->header_count = ngx_http_gw_count(&r->headers_in.headers);
    head->headers = ngx_palloc(r->pool, (head->header_count + 1) * sizeof(struct gw_header));

    if (head->headers == NULL) {
        return NGX_ERROR;
    }

    out = head->headers;

    ngx_http_gw_each_header(&r->headers_in.headers, part, h) {
        out->name = (struct gw_str) { (char *) h->lowcase_key, h->key.len };
        out->value = ngx_http_gw_str(h->value);
        out->drop = false;
        out++;
    }

    head->method = ngx_http_gw_str(r->method_name);
    head->target = ngx_http_gw_str(r->unparsed_uri);
    head->tls = r->connection->ssl != NULL;
    ngx_http_gw_peer(r->connection, head->peer);

    return NGX_OK;
}


static ngx_http_gw_ctx_t *
ngx_http_gw_judge(ngx_http_request_t *r, ngx_http_gw_main_conf_t *gmcf)
{
    ngx_http_gw_ctx_t   *ctx;
    ngx_pool_cleanup_t  *cln;

    ctx = ngx_palloc(r->pool, sizeof(ngx_http_gw_ctx_t));
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (ctx == NULL || cln == NULL) {
        return NULL;
    }

    ngx_memzero(ctx, offsetof(ngx_http_gw_ctx_t, space));
    ctx->r = r;
    ctx->gate = gmcf->gate;
    ctx->http_version = r->http_version;
    ngx_http_gw_arena_init(r, &ctx->arena, ctx->space, sizeof(ctx->space));

    if (ngx_http_gw_gather_head(r, &ctx->head) != NGX_OK) {
        return NULL;
    }

    ctx->request = gw_request_new(gmcf->gate, &ctx->head, &ctx->arena, &ctx->decision);

    cln->handler = ngx_http_gw_ctx_cleanup;
    cln->data = ctx;
    ngx_http_set_ctx(r, ctx, ngx_http_gw_module);

    return ctx;
}


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


static ngx_int_t
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
static ngx_int_t
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
static ngx_int_t
ngx_http_gw_rebuild_headers(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    ngx_list_t         old;
    ngx_list_part_t   *part;
    ngx_table_elt_t   *h, *copy;
    struct gw_header  *judged;

    old = r->headers_in.headers;
    judged = ctx->head.headers;

    /* The field is dropped; without this a backend's 101 would still open a tunnel. */
    r->headers_in.upgrade = NULL;

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
static void
ngx_http_gw_set_target(ngx_http_request_t *r, struct gw_str target)
{
    size_t  path;

    path = gw_str_find(target, '?');

    r->unparsed_uri = ngx_http_gw_ngx_str(target);
    r->valid_unparsed_uri = 1;
    r->uri = ngx_http_gw_ngx_str(gw_str_sub(target, 0, path));
    r->args = ngx_http_gw_ngx_str(gw_str_sub(target, path + 1, target.len));
}


static ngx_int_t
ngx_http_gw_control_handler(ngx_http_request_t *r)
{
    ngx_str_t  name = ngx_string("@gw_control");

    return ngx_http_named_location(r, &name);
}


static ngx_int_t
ngx_http_gw_obey(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    struct gw_decision  *d = &ctx->decision;

    switch (d->action) {

    case GW_PASS:
        ngx_http_gw_set_target(r, d->target);

        if (ngx_http_gw_rebuild_headers(r, ctx) != NGX_OK
            || ngx_http_gw_add_credential(r, ctx) != NGX_OK
            || ngx_http_gw_add_fields(r, d) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return NGX_OK;

    case GW_CONTROL:
        /* a chunked body's length is not known yet: client_max_body_size */
        if (r->headers_in.content_length_n > (off_t) GW_CONTROL_BODY_MAX) {
            return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
        }

        ngx_http_gw_set_target(r, d->target);

        if (ngx_http_gw_rebuild_headers(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        r->content_handler = ngx_http_gw_control_handler;
        return NGX_OK;

    case GW_REFUSE:
        ngx_http_gw_log_refusal(r, ctx);
        r->content_handler = ngx_http_gw_answer_handler;
        return NGX_OK;

    case GW_ANSWER:
        r->content_handler = ngx_http_gw_answer_handler;
        return NGX_OK;
    }

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_gw_refuse_signed_body(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    gw_request_refuse(ctx->request, GW_REASON_SIGNED_BODY, &ctx->decision);

    return ngx_http_gw_obey(r, ctx);
}


/* The body as the upstream will get it. NGX_DECLINED: it is too long to be shown, or lies in a file, which nobody reads here. */
static ngx_int_t
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


/* Just before the upstream gets it. A refusal replaces the decision. */
static ngx_int_t
ngx_http_gw_hand_over(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    ngx_int_t         rc;
    enum gw_handover  handover;

    if (gw_request_signs_body(ctx->request)) {
        rc = ngx_http_gw_show_body(r, ctx);

        if (rc != NGX_OK) {
            return rc == NGX_DECLINED ? ngx_http_gw_refuse_signed_body(r, ctx)
                                      : NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    handover = gw_request_hand_over(ctx->gate, ctx->request, &ctx->decision);

    if (handover == GW_HANDOVER_WAIT) {
        ngx_http_gw_wait(ctx);
        return NGX_AGAIN;
    }

    ctx->handed_over = handover == GW_HANDOVER_GO;

    return ngx_http_gw_obey(r, ctx);
}


/*
 * Once more, by the other upstream key, after the filter that saw the upstream's 401 gave up that answer. The request as it was sent
 * is still there, its body too (preserve_body); marks that nginx left for an error page are taken back, lest the answer be taken
 * for one.
 */
static ngx_int_t
ngx_http_gw_hand_over_again(ngx_http_request_t *r)
{
    ngx_http_gw_ctx_t  *ctx;

    ctx = ngx_http_gw_get_ctx(r);

    if (ctx == NULL || !ctx->retry || ctx->credential == NULL) {
        return NGX_HTTP_FORBIDDEN;
    }

    ctx->retry = 0;
    ctx->retried = 1;
    r->error_page = 0;
    r->filter_finalize = 0;

    /* Its record, if there is one, has been written and waited for. */
    if (gw_request_hand_over(ctx->gate, ctx->request, &ctx->decision) != GW_HANDOVER_GO) {
        return ngx_http_gw_obey(r, ctx);
    }

    ctx->credential->value = ngx_http_gw_ngx_str(ctx->decision.credential);
    ngx_http_gw_set_target(r, ctx->decision.target);

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


static ngx_int_t
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


static ngx_uint_t
ngx_http_gw_has_body(ngx_http_request_t *r)
{
    return r->headers_in.content_length_n > 0 || r->headers_in.chunked;
}


/* As nginx's limit_req does it: the timer is the write event's, and who leaves meanwhile is noticed. */
static void
ngx_http_gw_delay_handler(ngx_http_request_t *r)
{
    ngx_event_t  *wev;

    wev = r->connection->write;

    if (wev->delayed) {
        if (ngx_handle_write_event(wev, 0) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        }

        return;
    }

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    /* Comes back into the access handler, which finds the context. */
    ngx_http_core_run_phases(r);
}


static ngx_int_t
ngx_http_gw_delay(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->delayed = 1;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_gw_delay_handler;

    r->connection->write->delayed = 1;
    ngx_add_timer(r->connection->write, (ngx_msec_t) ctx->decision.delay_ms);

    return NGX_AGAIN;
}


/* What was judged goes its way: its body is read first, where the backend gets it. */
static ngx_int_t
ngx_http_gw_go_on(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    if (ctx->decision.action != GW_PASS) {
        return ngx_http_gw_obey(r, ctx);
    }

    /* a chunked body's length is not known yet: looked at when it was read */
    if (r->headers_in.content_length_n > (off_t) GW_SIGNED_BODY_MAX
        && gw_request_signs_body(ctx->request))
    {
        return ngx_http_gw_refuse_signed_body(r, ctx);
    }

    if (ngx_http_gw_has_body(r)) {
        return ngx_http_gw_read_body(r);
    }

    return ngx_http_gw_hand_over(r, ctx);
}


ngx_int_t
ngx_http_gw_access_handler(ngx_http_request_t *r)
{
    ngx_http_gw_ctx_t        *ctx;
    ngx_http_gw_loc_conf_t   *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gw_module);

    if (glcf->retry) {
        return ngx_http_gw_hand_over_again(r);
    }

    if (glcf->read_body) {
        return ngx_http_gw_has_body(r) && r->request_body == NULL
               ? ngx_http_gw_read_body(r) : NGX_DECLINED;
    }

    if (!glcf->enable) {
        return NGX_DECLINED;
    }

    if (r->internal || r != r->main) {
        /* Nothing was judged under this target; an error page is all that may be shown. */
        return r->content_handler == ngx_http_gw_problem_handler
               ? NGX_DECLINED : NGX_HTTP_FORBIDDEN;
    }

    if (r->http_version < NGX_HTTP_VERSION_10) {
        return NGX_HTTP_CLOSE;      /* its answers have no headers, so none of ours either */
    }

    ctx = ngx_http_gw_get_ctx(r);

    if (ctx != NULL && ctx->delayed) {
        ctx->delayed = 0;
        gw_request_let_go(ctx->gate, ctx->request);

        return ngx_http_gw_go_on(r, ctx);
    }

    if (ctx != NULL) {
        return ngx_http_gw_hand_over(r, ctx);
    }

    ctx = ngx_http_gw_judge(r, ngx_http_get_module_main_conf(r, ngx_http_gw_module));

    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->decision.delay_ms > 0
        && gw_request_hold_back(ctx->gate, ctx->request, &ctx->decision))
    {
        return ngx_http_gw_delay(r, ctx);
    }

    return ngx_http_gw_go_on(r, ctx);
}
