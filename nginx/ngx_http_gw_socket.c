/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket in nginx. What nginx calls an upgraded connection it copies from one side to the other and looks at nothing; so both
 * connections' recv is ours from the 101 on, and whatever either side has sent is shown to the gate before nginx gets it. What came too early,
 * with the handshake or with the answer to it, lies in nginx's buffers and is shown first.
 */
#include "ngx_http_gw_module.h"


/* An upgraded connection may be silent for long; the answer to its handshake must not be. */
#define NGX_HTTP_GW_UPGRADE_TIME  10000


static enum gw_stream
ngx_http_gw_stream_of(ngx_connection_t *c, ngx_http_request_t *r)
{
    return c == r->connection ? GW_STREAM_TO_UPSTREAM : GW_STREAM_TO_CLIENT;
}


static size_t
ngx_http_gw_take_early(ngx_http_gw_ctx_t *ctx, u_char *buf, size_t size)
{
    size_t  n;

    n = ngx_min(size, ctx->early.len);
    ngx_memcpy(buf, ctx->early.data, n);
    ctx->early.data += n;
    ctx->early.len -= n;

    return n;
}


/* What is to go on before more is read. */
static size_t
ngx_http_gw_take_pending(ngx_http_gw_ctx_t *ctx, enum gw_stream stream,
    u_char *buf, size_t size)
{
    size_t         n;
    struct gw_str  pending;

    if (stream == GW_STREAM_TO_UPSTREAM && ctx->early.len > 0) {
        return ngx_http_gw_take_early(ctx, buf, size);
    }

    pending = gw_socket_pending(ctx->socket, stream);
    n = ngx_min(size, pending.len);

    if (n > 0) {
        ngx_memcpy(buf, pending.ptr, n);
        gw_socket_took(ctx->socket, stream, n);
    }

    return n;
}


/*
 * In the place of a connection's recv. nginx asks again as long as the connection is ready for reading, so that it is while something is
 * pending. The request is finished before its connection is, whose last bytes nginx then throws away.
 */
static ssize_t
ngx_http_gw_socket_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    size_t               passed;
    ssize_t              n;
    enum gw_stream       stream;
    ngx_http_gw_ctx_t   *ctx;
    ngx_http_request_t  *r;

    r = c->data;
    ctx = ngx_http_get_module_ctx(r, ngx_http_gw_module);
    stream = ngx_http_gw_stream_of(c, r);

    if (r->upstream->peer.connection == NULL) {
        return ctx->recv[stream](c, buf, size);
    }

    for ( ;; ) {
        passed = ngx_http_gw_take_pending(ctx, stream, buf, size);

        if (passed > 0) {
            c->read->ready = 1;
            return (ssize_t) passed;
        }

        n = ctx->recv[stream](c, buf, size);

        if (n <= 0) {
            return n;
        }

        passed = gw_socket_feed(ctx->socket, stream, buf, (size_t) n);

        if (passed > 0) {
            if (gw_socket_pending(ctx->socket, stream).len > 0) {
                c->read->ready = 1;
            }

            return (ssize_t) passed;
        }
    }
}


static void
ngx_http_gw_ask_again(ngx_connection_t *c)
{
    c->read->ready = 1;
    ngx_post_event(c->read, &ngx_posted_events);
}


/* After gw_socket_owner.wake, from the event loop: there nothing of nginx's is under way that could lose its request. */
static void
ngx_http_gw_socket_handler(ngx_event_t *ev)
{
    ngx_connection_t    *c, *peer;
    ngx_http_gw_ctx_t   *ctx = ev->data;
    ngx_http_request_t  *r = ctx->r;

    c = r->connection;
    peer = r->upstream ? r->upstream->peer.connection : NULL;

    if (peer == NULL) {
        return;
    }

    if (ctx->socket == NULL) {
        /* as if nginx had found it too late */
        peer->read->timedout = 1;
        peer->read->handler(peer->read);
        return;
    }

    if (gw_socket_state(ctx->socket) == GW_SOCKET_OVER) {
        ngx_http_finalize_request(r, NGX_ERROR);
        ngx_http_run_posted_requests(c);
        return;
    }

    if (ctx->early.len > 0
        || gw_socket_pending(ctx->socket, GW_STREAM_TO_UPSTREAM).len > 0)
    {
        ngx_http_gw_ask_again(c);
    }

    if (gw_socket_pending(ctx->socket, GW_STREAM_TO_CLIENT).len > 0) {
        ngx_http_gw_ask_again(peer);
    }
}


static void
ngx_http_gw_socket_wake(void *data)
{
    ngx_http_gw_ctx_t  *ctx = data;

    ngx_post_event(&ctx->wake, &ngx_posted_events);
}


static struct gw_str
ngx_http_gw_answered(ngx_http_request_t *r, struct gw_str name)
{
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;
    struct gw_str     found = GW_STR_NULL;

    ngx_http_gw_each_header(&r->headers_out.headers, part, h) {

        if (!gw_str_eq_nocase(ngx_http_gw_str(h->key), name)) {
            continue;
        }

        /* twice: no two would agree on which of them counts */
        found = found.ptr == NULL ? ngx_http_gw_str(h->value) : GW_STR("\n");
    }

    return found;
}


/*
 * nginx would send on what came with the handshake, and then read into the place where the request's head lies, to which the gate
 * still looks: so it is taken from there.
 */
static ngx_int_t
ngx_http_gw_feed_early(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    size_t      len, passed;
    ngx_buf_t  *b;

    b = r->header_in;
    len = (size_t) (b->last - b->pos);

    if (len > 0) {
        passed = gw_socket_feed(ctx->socket, GW_STREAM_TO_UPSTREAM, b->pos, len);
        ctx->early.len = passed;
        ctx->early.data = ngx_pnalloc(r->pool, passed + 1);

        if (ctx->early.data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(ctx->early.data, b->pos, passed);
        b->last = b->pos;
    }

    b = &r->upstream->buffer;
    len = (size_t) (b->last - b->pos);

    if (len > 0) {
        b->last = b->pos + gw_socket_feed(ctx->socket, GW_STREAM_TO_CLIENT, b->pos, len);
    }

    /* Whatever is pending now. */
    ngx_http_gw_socket_wake(ctx);

    return NGX_OK;
}


ngx_int_t
ngx_http_gw_open_socket(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    ngx_connection_t               *c, *peer;
    const struct gw_socket_owner    owner = { ngx_http_gw_socket_wake, ctx };
    const struct gw_upgrade_answer  answer = {
        ngx_http_gw_answered(r, GW_STR("Sec-WebSocket-Accept")),
        ngx_http_gw_answered(r, GW_STR("Sec-WebSocket-Protocol")),
        ngx_http_gw_answered(r, GW_STR("Sec-WebSocket-Extensions")),
    };

    ctx->socket = gw_request_upgraded(ctx->gate, ctx->request, &answer, &owner,
                                      &ctx->decision);

    if (ctx->socket == NULL) {
        return NGX_DECLINED;
    }

    c = r->connection;
    peer = r->upstream->peer.connection;

    ctx->recv[GW_STREAM_TO_UPSTREAM] = c->recv;
    ctx->recv[GW_STREAM_TO_CLIENT] = peer->recv;
    c->recv = ngx_http_gw_socket_recv;
    peer->recv = ngx_http_gw_socket_recv;

    return ngx_http_gw_feed_early(r, ctx);
}


/* Until an answer comes, for which its location would let the upstream take as long as an open socket may be silent. */
void
ngx_http_gw_await_upgrade(ngx_http_gw_ctx_t *ctx)
{
    ctx->wake.handler = ngx_http_gw_socket_handler;
    ctx->wake.data = ctx;
    ctx->wake.log = ctx->r->connection->log;
    ctx->wake.cancelable = 1;

    ngx_add_timer(&ctx->wake, NGX_HTTP_GW_UPGRADE_TIME);
}


ngx_int_t
ngx_http_gw_upgrade_handler(ngx_http_request_t *r)
{
    ngx_str_t  name = ngx_string("@gw_socket");

    ngx_http_gw_await_upgrade(ngx_http_gw_get_ctx(r));

    return ngx_http_named_location(r, &name);
}
