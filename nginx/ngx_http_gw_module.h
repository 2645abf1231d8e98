/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The adapter between nginx and libgw: it gathers a request's head, asks the gate (gw/gate.h) and obeys. It decides
 * nothing. One request's state is an ngx_http_gw_ctx_t in the request's pool; it outlives internal redirects, which wipe
 * nginx's own context slots, because its pool cleanup finds it again.
 */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include <gw/gate.h>

#define NGX_HTTP_GW_ARENA_MAX   (256 * 1024)

#define NGX_HTTP_GW_BODY_TIME  60000

typedef struct {
    ngx_str_t            run_dir;
    ngx_str_t            token_key;         /* one of these two */
    ngx_str_t            token_public_key;
    ngx_str_t            upstream_key;
    ngx_str_t            request_id_key;
    ngx_str_t            journal_dir;
    ngx_str_t            mode_dir;
    size_t               journal_file_size;
    ngx_int_t            journal_files;
    ngx_msec_t           body_time;
    unsigned             log_requests:1;
    ngx_thread_pool_t   *thread_pool;
    ngx_shm_zone_t      *metrics;
    struct gw_gate      *gate;          /* NULL: the module is loaded but not configured */
} ngx_http_gw_main_conf_t;

typedef struct {
    ngx_flag_t           enable;
    ngx_flag_t           retry;
    ngx_flag_t           read_body;
    ngx_str_t            plain_origin;  /* of gw_plain: where pages are sent; empty: nowhere */
} ngx_http_gw_loc_conf_t;

/* Of an upstream block with gw_changes_once: what it wraps. */
typedef struct {
    ngx_http_upstream_init_pt       init_upstream;
    ngx_http_upstream_init_peer_pt  init_peer;
} ngx_http_gw_srv_conf_t;

typedef struct {
    struct gw_gate      *gate;
    struct gw_request   *request;
    struct gw_decision   decision;
    struct gw_request_head head;        /* headers: those of r->headers_in, in its order */
    ngx_table_elt_t     *credential;    /* the header that goes to the upstream; NULL: none */
    unsigned             retry:1;       /* to be handed over once more, with decision.credential */
    unsigned             retried:1;
    unsigned             unauthorized:1;    /* the upstream said so to either credential */
    unsigned             handed_over:1;
    unsigned             delayed:1;         /* its delay is under way */
    unsigned             waiting:1;         /* in the queue of those whose record goes to the disk */
    ngx_queue_t          queue;
    ngx_http_event_handler_pt  read_on; /* of a body on its way: what nginx reads it with */
    ngx_http_request_t  *r;
    ngx_output_chain_filter_pt  send;       /* the upstream's own, and its context */
    void                *send_ctx;
    ngx_uint_t           http_version;  /* the client's; nginx forgets it over a backend's */
    struct gw_socket    *socket;        /* the request's; NULL: none */
    ngx_recv_pt          recv[GW_STREAM_COUNT];     /* the connections' own */
    ngx_str_t            early;         /* of what came with a handshake: to go on */
    ngx_event_t          wake;
    struct gw_arena      arena;
    u_char               space[GW_REQUEST_ARENA_BYTES];
} ngx_http_gw_ctx_t;

extern ngx_module_t  ngx_http_gw_module;

/* A status of ours, that error_page turns into @gw_retry; nothing else gives it, and of the upstream's nginx intercepts none. */
#define NGX_HTTP_GW_RETRY  419

/* request.c */
ngx_int_t ngx_http_gw_access_handler(ngx_http_request_t *r);
/* The request's state, also after an internal redirect; NULL: never judged. */
ngx_http_gw_ctx_t *ngx_http_gw_get_ctx(ngx_http_request_t *r);
/* As the gate is to see it. */
ngx_int_t ngx_http_gw_gather_head(ngx_http_request_t *r, struct gw_request_head *head);
void ngx_http_gw_arena_init(ngx_http_request_t *r, struct gw_arena *a,
    void *space, size_t size);

/* Runs the statement for each element of an nginx list of headers. */
#define ngx_http_gw_each_header(list, part, h)                                \
    for (part = &(list)->part; part; part = part->next)                       \
        for (h = part->elts; h < (ngx_table_elt_t *) part->elts + part->nelts; h++)
size_t ngx_http_gw_count(ngx_list_t *list);

/* outgoing.c */
ngx_int_t ngx_http_gw_add_credential(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx);
ngx_int_t ngx_http_gw_add_fields(ngx_http_request_t *r, struct gw_decision *d);
ngx_int_t ngx_http_gw_rebuild_headers(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx);
void ngx_http_gw_set_target(ngx_http_request_t *r, struct gw_str target);

/* body.c */
ngx_uint_t ngx_http_gw_has_body(ngx_http_request_t *r);
/* Comes back into the access handler, which finds the context. */
ngx_int_t ngx_http_gw_read_body(ngx_http_request_t *r);
/* To the gate, as the upstream will get it. NGX_DECLINED: it is too long to be shown, or lies in a file, which nobody reads here. */
ngx_int_t ngx_http_gw_show_body(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx);

/* answer.c */
ngx_int_t ngx_http_gw_verified_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_gw_answer_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_gw_problem_handler(ngx_http_request_t *r);

/* upstream_answer.c */
/* What the upstream, or control, answered. NGX_OK: it goes on to the client; else a header filter gives the code to nginx. */
ngx_int_t ngx_http_gw_look_at_answer(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx);
/* How a request ended that was handed over and of which no answer has been seen; once. */
void ngx_http_gw_ended_unanswered(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx,
    ngx_uint_t status);

/* socket.c */
/* At the upstream's 101. NGX_DECLINED: it is refused, and the decision is the refusal. */
ngx_int_t ngx_http_gw_open_socket(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx);
ngx_int_t ngx_http_gw_upgrade_handler(ngx_http_request_t *r);
void ngx_http_gw_await_upgrade(ngx_http_gw_ctx_t *ctx);

/* header_filter.c */
void ngx_http_gw_header_filter_init(void);
/* Of the answer. name and value live as long as the request. */
ngx_int_t ngx_http_gw_add_header(ngx_http_request_t *r, struct gw_str name,
    struct gw_str value);
ngx_int_t ngx_http_gw_add_headers(ngx_http_request_t *r,
    const struct gw_header_field *fields, size_t count);

/* connection.c */
void ngx_http_gw_connection_init_process(ngx_cycle_t *cycle, struct gw_gate *gate);
/* IPv4 as ::ffff:a.b.c.d; a unix socket is this machine. */
void ngx_http_gw_peer(ngx_connection_t *c, uint8_t peer[16]);
/* The certificate that the connection's client has shown; NULL: none, or it was not asked. It is as old as the connection. */
ngx_int_t ngx_http_gw_certificate(ngx_http_request_t *r,
    const struct gw_client_certificate **out);
/* Post-read phase: more header fields than anybody needs. */
ngx_int_t ngx_http_gw_bound_head_handler(ngx_http_request_t *r);
/* A stream that its client reset. */
void ngx_http_gw_count_reset(ngx_http_request_t *r);

/* log.c */
ngx_int_t ngx_http_gw_log_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_gw_log_init_handler(ngx_http_request_t *r);
void ngx_http_gw_log_init_process(ngx_cycle_t *cycle);
/* Since its first byte. */
time_t ngx_http_gw_duration_ms(ngx_http_request_t *r);
void ngx_http_gw_log_refusal(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx);

/* Without a good certificate where one is wanted. */
void ngx_http_gw_log_untrusted(ngx_http_request_t *r);

/* plain.c */
char *ngx_http_gw_set_plain(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* upstream.c */
char *ngx_http_gw_set_changes_once(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* worker.c */
ngx_int_t ngx_http_gw_gate_create(ngx_conf_t *cf, ngx_http_gw_main_conf_t *gmcf);
ngx_int_t ngx_http_gw_init_process(ngx_cycle_t *cycle);
void ngx_http_gw_exit_process(ngx_cycle_t *cycle);
/* Runs the request's phases again when an upkeep of the journal has ended. Its context's cleanup takes it off again. */
void ngx_http_gw_wait(ngx_http_gw_ctx_t *ctx);

static ngx_inline struct gw_str
ngx_http_gw_str(ngx_str_t s)
{
    return (struct gw_str) { (char *) s.data, s.len };
}

static ngx_inline ngx_str_t
ngx_http_gw_ngx_str(struct gw_str s)
{
    return (ngx_str_t) { s.len, (u_char *) s.ptr };
}
