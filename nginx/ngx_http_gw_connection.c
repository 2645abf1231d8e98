/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one connection may cost.
 *
 * Connections are counted by address from when they are accepted, before nginx has read a byte: those that never finish a handshake or a head
 * hold as much as any. So each of our listeners' handlers is wrapped in the worker; the count goes down with the connection's pool.
 *
 * A head may have 64 KiB of fields, of which HTTP/2 packs each into a byte; nginx keeps 56 bytes of every one. Heads of more fields than
 * anybody needs are refused before anything looks at them, and streams of many more are reset at once, for an answer that nobody reads
 * would keep their memory: as it does, until send_timeout, of those that nginx refuses by itself.
 *
 * What a client's certificate says is read once, at the first request.
 *
 * A client that resets stream after stream (CVE-2023-44487) has us work for nothing, and no limit of streams at once holds it. When most of
 * a connection's streams have been reset, it has had its last: nginx says GOAWAY and takes no more.
 */
#include "ngx_http_gw_module.h"


#define NGX_HTTP_GW_FIELDS_MAX         200
#define NGX_HTTP_GW_STREAM_FIELDS_MAX  500     /* of some 900 nginx itself says 431 */

#define NGX_HTTP_GW_RESETS_MAX         200


enum {
    NGX_HTTP_GW_CERTIFICATE_UNREAD,
    NGX_HTTP_GW_CERTIFICATE_NONE,
    NGX_HTTP_GW_CERTIFICATE_READ
};


typedef struct {
    struct gw_gate  *gate;
    ngx_uint_t       resets;
    uint8_t          peer[16];
    ngx_uint_t       has_certificate;   /* NGX_HTTP_GW_CERTIFICATE_ */
    struct gw_client_certificate  certificate;
} ngx_http_gw_connection_t;


static struct gw_gate  *ngx_http_gw_gate;


void
ngx_http_gw_peer(ngx_connection_t *c, uint8_t peer[16])
{
    struct sockaddr_in   *sin;
    struct sockaddr_in6  *sin6;

    static const uint8_t  loopback[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff,
                                           127, 0, 0, 1 };

    ngx_memcpy(peer, loopback, 16);

    switch (c->sockaddr->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) (void *) c->sockaddr;
        ngx_memcpy(peer + 12, &sin->sin_addr, 4);
        break;

    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) (void *) c->sockaddr;
        ngx_memcpy(peer, &sin6->sin6_addr, 16);
        break;
    }
}


static void
ngx_http_gw_connection_cleanup(void *data)
{
    ngx_http_gw_connection_t  *gc = data;

    gw_gate_connection_closed(gc->gate, gc->peer);
}


/* One line a second, of the last that was refused. */
static void
ngx_http_gw_log_closed(ngx_connection_t *c)
{
    static time_t      second;
    static ngx_uint_t  closed;

    closed++;

    if (second == ngx_time()) {
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "gw: connections closed, their address has as many as it may: "
                  "count=%ui last=%V", closed, &c->addr_text);

    second = ngx_time();
    closed = 0;
}


static void
ngx_http_gw_init_connection(ngx_connection_t *c)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_gw_connection_t  *gc;

    cln = ngx_pool_cleanup_add(c->pool, sizeof(ngx_http_gw_connection_t));
    if (cln == NULL) {
        ngx_http_close_connection(c);
        return;
    }

    gc = cln->data;
    gc->gate = ngx_http_gw_gate;
    gc->resets = 0;
    gc->has_certificate = NGX_HTTP_GW_CERTIFICATE_UNREAD;
    ngx_http_gw_peer(c, gc->peer);

    if (!gw_gate_connection_opened(gc->gate, gc->peer)) {
        ngx_http_gw_log_closed(c);
        ngx_http_close_connection(c);
        return;
    }

    cln->handler = ngx_http_gw_connection_cleanup;

    ngx_http_init_connection(c);
}


/* After the fork: the listeners' own table is each process' own. */
void
ngx_http_gw_connection_init_process(ngx_cycle_t *cycle, struct gw_gate *gate)
{
    ngx_uint_t        i;
    ngx_listening_t  *ls;

    ngx_http_gw_gate = gate;
    ls = cycle->listening.elts;

    for (i = 0; i < cycle->listening.nelts; i++) {
        if (ls[i].handler == ngx_http_init_connection) {
            ls[i].handler = ngx_http_gw_init_connection;
        }
    }
}


ngx_int_t
ngx_http_gw_bound_head_handler(ngx_http_request_t *r)
{
    ngx_uint_t        n;
    ngx_list_part_t  *part;

    n = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        n += part->nelts;
    }

    if (n <= NGX_HTTP_GW_FIELDS_MAX) {
        return NGX_DECLINED;
    }

    return r->stream != NULL && n > NGX_HTTP_GW_STREAM_FIELDS_MAX
           ? NGX_HTTP_CLOSE : NGX_HTTP_REQUEST_HEADER_TOO_LARGE;
}


static ngx_http_gw_connection_t *
ngx_http_gw_connection(ngx_connection_t *c)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = c->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_gw_connection_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


/* nginx has refused before whoever shows one that is not good. */
static ngx_int_t
ngx_http_gw_read_certificate(ngx_http_request_t *r, ngx_connection_t *c,
    ngx_http_gw_connection_t *gc)
{
    ngx_str_t  pem, verified;

    static ngx_str_t  none = ngx_string("NONE");
    static ngx_str_t  success = ngx_string("SUCCESS");

    if (ngx_ssl_get_client_verify(c, r->pool, &verified) != NGX_OK) {
        return NGX_ERROR;
    }

    if (verified.len == none.len && ngx_memcmp(verified.data, none.data, none.len) == 0) {
        gc->has_certificate = NGX_HTTP_GW_CERTIFICATE_NONE;
        return NGX_OK;
    }

    if (verified.len != success.len
        || ngx_memcmp(verified.data, success.data, success.len) != 0
        || ngx_ssl_get_raw_certificate(c, r->pool, &pem) != NGX_OK
        || gw_client_certificate_read(ngx_http_gw_str(pem), &gc->certificate, NULL)
           != GW_OK)
    {
        return NGX_ERROR;
    }

    gc->has_certificate = NGX_HTTP_GW_CERTIFICATE_READ;

    return NGX_OK;
}


ngx_int_t
ngx_http_gw_certificate(ngx_http_request_t *r,
    const struct gw_client_certificate **out)
{
    ngx_connection_t          *c;
    ngx_http_ssl_srv_conf_t   *sscf;
    ngx_http_gw_connection_t  *gc;

    *out = NULL;
    sscf = ngx_http_get_module_srv_conf(r, ngx_http_ssl_module);

    if (!sscf->verify || r->connection->ssl == NULL) {
        return NGX_OK;
    }

    c = r->stream ? r->stream->connection->connection : r->connection;
    gc = ngx_http_gw_connection(c);

    if (gc == NULL
        || (gc->has_certificate == NGX_HTTP_GW_CERTIFICATE_UNREAD
            && ngx_http_gw_read_certificate(r, c, gc) != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (gc->has_certificate == NGX_HTTP_GW_CERTIFICATE_READ) {
        *out = &gc->certificate;
    }

    return NGX_OK;
}


void
ngx_http_gw_count_reset(ngx_http_request_t *r)
{
    ngx_connection_t          *c;
    ngx_http_gw_connection_t  *gc;

    c = r->stream->connection->connection;
    gc = ngx_http_gw_connection(c);

    if (gc != NULL && ++gc->resets > NGX_HTTP_GW_RESETS_MAX
        && gc->resets > c->requests / 2)
    {
        c->requests = NGX_MAX_INT32_VALUE;      /* beyond keepalive_requests */
    }
}
