/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change goes to the upstream once. nginx takes PUT and DELETE for harmless to repeat, and sends them again where a kept connection
 * broke under them; but one record of the journal stands for one execution. So no second copy of a change leaves after a byte of the
 * first has (RFC 9110 section 9.2.2: only who knows it to be idempotent may repeat it, and of a trade nobody does).
 *
 * That would leave more changes whose outcome is unknown: upstreams close connections that are idle, and a worker that is busy learns
 * of it late. So a kept connection is looked at before a change goes over it, and one that has ended is replaced by a new one.
 *
 * Both wrap the choice of a connection that stands in the upstream's configuration (keepalive, the balancer), for changes alone. For
 * an upstream by TLS its sessions (set_session, save_session) would have to be wrapped too: only http:// is served so far.
 *
 * Whatever the request: a new connection may take seconds to come about, where the upstream takes none up, and much may be forbidden by
 * then. So the gate is asked again when the first byte is about to go over one. Over a kept one it goes within the hand-over.
 */
#include "ngx_http_gw_module.h"


typedef struct {
    void                   *data;
    ngx_event_get_peer_pt   get;
    ngx_event_free_peer_pt  free;
} ngx_http_gw_peer_t;


/* Nothing is owed on a kept connection: what can be read of it is its end, an error, or an answer that nobody asked for. */
static ngx_uint_t
ngx_http_gw_is_idle(ngx_connection_t *c)
{
    char  byte;

    return recv(c->fd, &byte, 1, MSG_PEEK) == -1 && ngx_socket_errno == NGX_EAGAIN;
}


static ngx_int_t
ngx_http_gw_get_peer(ngx_peer_connection_t *pc, void *data)
{
    ngx_int_t            rc;
    ngx_http_gw_peer_t  *peer = data;

    rc = peer->get(pc, peer->data);

    /* NGX_DONE: a kept connection */
    if (rc != NGX_DONE || ngx_http_gw_is_idle(pc->connection)) {
        return rc;
    }

    ngx_destroy_pool(pc->connection->pool);
    ngx_close_connection(pc->connection);

    pc->connection = NULL;
    pc->cached = 0;

    return NGX_OK;      /* a new one, to the address that was chosen */
}


static void
ngx_http_gw_free_peer(ngx_peer_connection_t *pc, void *data, ngx_uint_t state)
{
    ngx_uint_t           sent;
    ngx_http_gw_peer_t  *peer = data;

    /* keepalive takes the connection away */
    sent = pc->connection != NULL && pc->connection->sent > 0;

    peer->free(pc, peer->data, state);

    if (sent) {
        pc->tries = 0;
        pc->cached = 0;     /* nginx gives who broke with one another try */
    }
}


static ngx_int_t
ngx_http_gw_send_request(void *data, ngx_chain_t *in)
{
    ngx_http_gw_ctx_t      *ctx = data;
    ngx_peer_connection_t  *pc;

    pc = &ctx->r->upstream->peer;

    if (pc->cached || pc->connection->sent > 0
        || gw_request_may_still_leave(ctx->gate, ctx->request, &ctx->decision))
    {
        return ctx->send(ctx->send_ctx, in);
    }

    ngx_http_gw_log_refusal(ctx->r, ctx);

    ctx->handed_over = 0;
    pc->tries = 0;

    return NGX_ERROR;       /* 502, of which ngx_http_gw_problem_handler makes the refusal */
}


static ngx_int_t
ngx_http_gw_init_peer(ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_gw_ctx_t       *ctx;
    ngx_http_gw_peer_t      *peer;
    ngx_peer_connection_t   *pc;
    ngx_http_gw_srv_conf_t  *gscf;

    gscf = ngx_http_conf_upstream_srv_conf(us, ngx_http_gw_module);

    if (gscf->init_peer(r, us) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx = ngx_http_gw_get_ctx(r);

    if (ctx != NULL) {
        ctx->send = r->upstream->output.output_filter;
        ctx->send_ctx = r->upstream->output.filter_ctx;

        r->upstream->output.output_filter = ngx_http_gw_send_request;
        r->upstream->output.filter_ctx = ctx;
    }

    if (ctx != NULL && gw_request_is_repeatable(ctx->request)) {
        return NGX_OK;
    }

    peer = ngx_palloc(r->pool, sizeof(ngx_http_gw_peer_t));
    if (peer == NULL) {
        return NGX_ERROR;
    }

    pc = &r->upstream->peer;

    peer->data = pc->data;
    peer->get = pc->get;
    peer->free = pc->free;

    pc->data = peer;
    pc->get = ngx_http_gw_get_peer;
    pc->free = ngx_http_gw_free_peer;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gw_init_upstream(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *us)
{
    ngx_http_gw_srv_conf_t  *gscf;

    gscf = ngx_http_conf_upstream_srv_conf(us, ngx_http_gw_module);

    if (gscf->init_upstream(cf, us) != NGX_OK) {
        return NGX_ERROR;
    }

    gscf->init_peer = us->peer.init;
    us->peer.init = ngx_http_gw_init_peer;

    return NGX_OK;
}


char *
ngx_http_gw_set_changes_once(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gw_srv_conf_t        *gscf = conf;
    ngx_http_upstream_srv_conf_t  *us;

    if (gscf->init_upstream != NULL) {
        return (char *) "is duplicate";
    }

    us = ngx_http_conf_get_module_srv_conf(cf, ngx_http_upstream_module);

    /* Of balancer and keepalive the last: it has what stands before it. */
    gscf->init_upstream = us->peer.init_upstream ? us->peer.init_upstream
                                                 : ngx_http_upstream_init_round_robin;
    us->peer.init_upstream = ngx_http_gw_init_upstream;

    return NGX_CONF_OK;
}
