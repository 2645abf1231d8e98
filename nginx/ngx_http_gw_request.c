/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request on its way in: the access phase gathers the head and asks the gate. Refusals, the gate's own answers and calls
 * for the control plane get another content handler. What passes has its body read first and is then looked at once more,
 * so that a slow body does not carry it past the end of its session; then its target and headers are made those that
 * the upstream may see.
 */
#include "ngx_http_gw_module.h"


static void
ngx_http_gw_ctx_cleanup(void *data)
{
    ngx_http_gw_ctx_t  *ctx = data;

    if (ctx->waiting) {
        ngx_queue_remove(&ctx->queue);
    }

    if (ctx->wake.posted) {
        ngx_delete_posted_event(&ctx->wake);
    }

    if (ctx->wake.timer_set) {
        ngx_del_timer(&ctx->wake);
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


size_t
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


ngx_int_t
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
    head->is_http_1_1 = r->http_version == NGX_HTTP_VERSION_11;
    ngx_http_gw_peer(r->connection, head->peer);

    return ngx_http_gw_certificate(r, &head->certificate);
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

        if (d->upgrades) {
            r->content_handler = ngx_http_gw_upgrade_handler;
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

    case GW_VERIFIED:
        r->content_handler = ngx_http_gw_verified_handler;
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


/* Just before the upstream gets it. A refusal replaces the decision. */
static ngx_int_t
ngx_http_gw_hand_over(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    ngx_int_t         rc;
    enum gw_handover  handover;

    /* A body that is another proxy's to hand over is not seen here, so none that was signed is the one. */
    if (ctx->decision.action == GW_PASS && gw_request_signs_body(ctx->request)) {
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

    if (ctx->decision.upgrades) {
        ngx_http_gw_await_upgrade(ctx);
    }

    ctx->credential->value = ngx_http_gw_ngx_str(ctx->decision.credential);
    ngx_http_gw_set_target(r, ctx->decision.target);

    return NGX_OK;
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
    if (ctx->decision.action == GW_VERIFIED) {
        return ngx_http_gw_hand_over(r, ctx);
    }

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
