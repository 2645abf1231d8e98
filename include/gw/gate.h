/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The gate: everything the data plane decides. The nginx module gathers a request's head, asks, and does what it is told;
 * it decides nothing. Nothing here blocks, except gw_gate_load, which runs in a pool thread.
 *
 * Life: the master makes the gate (reads keys while it may), each worker starts it after the fork, polls it ten times a
 * second, and loads a new snapshot when told to. A request holds a reference to the snapshot it was judged by until
 * gw_request_done. Apart from gw_gate_load, all calls come from the worker's event loop.
 */
#include <gw/arena.h>
#include <gw/error.h>
#include <gw/str.h>

struct gw_gate;
struct gw_snapshot;
struct gw_request;

/* ---- life ---- */

struct gw_gate_options {
    const char *run_dir;        /* tmpfs directory with the segments and bundles */
    const char *token_key_file; /* HS256: the secret that verifies our tokens; its generations stand beside it */
    const char *
        token_public_key_file; /* EdDSA: the name without ".pub", of which the public keys alone are read; one of the two is NULL */
    const char *
        upstream_key_file; /* mints for the upstream; NULL when the policy needs none. One staged as FILE.next is read too */
    const char *request_id_key_file; /* seals into a refusal's id why it was refused */
    const char *journal_dir; /* the workers' group may write there; opened now, so that only the master need reach it */
    size_t journal_file_bytes;
    unsigned journal_files_max; /* of all workers, for changes and for refusals each */
    const char *mode_dir;       /* where the emergency mode stands; the workers' group may read it; opened now, too */
};

/* Master: reads the keys, those of every generation, and opens the journal's directory. Refuses weak or equal keys with the command that
 * mends it. */
GW_MUST_CHECK enum gw_code gw_gate_new(const struct gw_gate_options *options, struct gw_gate **out,
                                       struct gw_error *err);
void gw_gate_free(struct gw_gate *g);
/* Worker: own random state and MAC contexts. Maps what is there; GW_OK also when control has made nothing yet. */
GW_MUST_CHECK enum gw_code gw_gate_start(struct gw_gate *g, struct gw_error *err);

/* Event loop, every 100 ms: maps segments that have appeared or were replaced; true when gw_gate_load should be run. */
bool gw_gate_poll(struct gw_gate *g);
/* Pool thread: builds the snapshot of the published bundle. Touches nothing the event loop uses. */
GW_MUST_CHECK enum gw_code gw_gate_load(const struct gw_gate *g, struct gw_snapshot **out, struct gw_error *err);
/* Event loop: from now on requests are judged by s (ownership moves). */
void gw_gate_install(struct gw_gate *g, struct gw_snapshot *s);
/* Generation in use; 0: none yet. */
uint64_t gw_gate_generation(const struct gw_gate *g);
/* What workers count for /aaiti/metrics, and of open sockets, stands in memory that they share, zeroed by whoever makes it, of so many bytes; layout changes
 * with what the compiled program believes of it. Without it nothing is counted. */
size_t gw_counts_bytes(void);
uint64_t gw_counts_layout(void);
void gw_gate_share_counts(struct gw_gate *g, void *memory, unsigned worker);
/* ---- connections: counted by address from when they are accepted ---- */

/* Worker: most connections can be open at once. Until then all are taken. */
GW_MUST_CHECK enum gw_code gw_gate_count_connections(struct gw_gate *g, size_t most, struct gw_error *err);
/* False: close it, its address has as many as it may. True: it is counted until gw_gate_connection_closed. */
bool gw_gate_connection_opened(struct gw_gate *g, const uint8_t peer[16]);
void gw_gate_connection_closed(struct gw_gate *g, const uint8_t peer[16]);

/* A worker ends: what was counted and not yet written is written. */
void gw_gate_stop(struct gw_gate *g);

/* ---- upkeep of the journal: files are made, and records put on disk, in a pool thread, one job at a time ---- */

struct gw_upkeep;
/* Event loop, every 100 ms and when a hand-over waits. NULL: nothing to do. */
struct gw_upkeep *gw_gate_upkeep_begin(struct gw_gate *g);
/* Pool thread. */
void gw_upkeep_run(struct gw_upkeep *u);
/* Event loop, after the run, or in its place where there is no thread; frees u. Those whose hand-over waits ask again. Not GW_OK: what went wrong; it will be tried again. */
GW_MUST_CHECK enum gw_code gw_gate_upkeep_end(struct gw_gate *g, struct gw_upkeep *u, struct gw_error *err);

/* ---- a request ---- */

struct gw_header {
    struct gw_str name; /* lower case */
    struct gw_str value;
    bool drop; /* out: must not reach the upstream (PASS) or control (CONTROL) */
};

#define GW_CLIENT_FINGERPRINT_BYTES 32

/* The certificate that the client of a connection has shown, which nginx has found good. */
struct gw_client_certificate {
    uint8_t fingerprint[GW_CLIENT_FINGERPRINT_BYTES]; /* SHA-256 */
    int64_t not_after_s;
};
/* pem: the certificate. Once a connection: it costs as much as a short request. */
GW_MUST_CHECK enum gw_code gw_client_certificate_read(struct gw_str pem, struct gw_client_certificate *out,
                                                      struct gw_error *err);
#define GW_CLIENT_CERTIFICATE_TEXT 64
/* The fingerprint in hex digits, and a NUL. */
void gw_client_certificate_text(const struct gw_client_certificate *c, char dst[GW_CLIENT_CERTIFICATE_TEXT + 1]);

struct gw_request_head {
    const struct gw_client_certificate *certificate; /* of the connection; NULL: none was shown */
    struct gw_str method, target;                    /* as received */
    uint8_t peer[16];                                /* of the connection; IPv4 as ::ffff:a.b.c.d */
    bool tls;
    bool is_http_1_1;          /* of which alone a connection can become a socket */
    struct gw_header *headers; /* all of them; drop is written by gw_request_new */
    size_t header_count;
};

enum gw_action {
    GW_PASS,    /* to the backend */
    GW_CONTROL, /* to the control plane's web socket, with the client's own credential */
    GW_ANSWER,  /* the gate answers: status, content_type, body */
    GW_REFUSE,  /* problem+json of reason */
    GW_VERIFIED, /* another proxy may let through what it asks about: 200 with gw_request_verified_fields, after a hand-over */
};

enum gw_reason {
#define GW_REASON(name, problem, why) GW_REASON_##name,
#include <gw/reason.def>
#undef GW_REASON
    GW_REASON_COUNT
};

/* Room for what a usual request takes of its arena: most need no second piece of memory. */
#define GW_REQUEST_ARENA_BYTES 2560

/* What control reads of a body. Anybody may call it, so the adapter keeps no longer one for it. */
#define GW_CONTROL_BODY_MAX ((size_t)64 * 1024)

/* A signed body is looked at whole, and in memory: a longer one is refused by reason SIGNED_BODY. */
#define GW_SIGNED_BODY_MAX ((size_t)64 * 1024)

struct gw_header_field {
    struct gw_str name, value;
};

/* What an answer tells a page of another origin: nothing, unless the settings list that. Good as long as the request, of one that was not
 * judged until the event loop installs another snapshot. */
struct gw_cors_answer {
    const struct gw_header_field *fields;
    size_t field_count;
    bool varies; /* `Vary` is to name Origin */
};

/* What an answer is to a browser: says which headers it gets. */
enum gw_answer_class {
    GW_CLASS_API,
    GW_CLASS_PAGE,
    GW_CLASS_ASSET, /* what pages are made of */
};

struct gw_decision {
    enum gw_action action;
    enum gw_reason reason;
    unsigned status; /* GW_ANSWER, GW_REFUSE */
    unsigned
        refused_status; /* GW_REFUSE of what another proxy asks about: the status by itself, for X-AAITI-Status; 0: none */
    struct gw_str target;                      /* PASS, CONTROL: the canonical target to send on */
    bool upgrades;                             /* PASS: for a WebSocket; the connection is to become one */
    struct gw_str credential_name, credential; /* PASS: header to add ("Authorization", "Bearer …"); empty: none */
    struct gw_str cookie;             /* PASS: Cookie header to add, the client's own without ours; empty: none */
    struct gw_str client_address;     /* text form, for X-Forwarded-For */
    struct gw_str request_id;         /* UUIDv7 text; GW_REFUSE: sealed, for `aaiti explain` */
    struct gw_str content_type, body; /* GW_ANSWER; GW_REFUSE: a page in place of the problem; empty: the problem */
    struct gw_str location;           /* ANSWER, REFUSE: where a browser is to go instead; empty: nowhere */
    struct gw_str cache_control;      /* GW_ANSWER: in place of no-store; empty: no-store */
    struct gw_str content_security;   /* a Content-Security-Policy in place of the common one; empty: that */
    struct gw_str members;  /* GW_REFUSE: further members of the problem, as JSON after a comma; empty: none */
    unsigned retry_after_s; /* 0: none */
    unsigned delay_ms;      /* PASS, CONTROL, ANSWER: to be held back so long first; 0: not at all */
    const struct gw_header_field *fields; /* of the answer, whosever it is: what is left of the client's budget */
    size_t field_count;
    enum gw_answer_class answer;
    struct gw_cors_answer cors; /* of every answer, whosever it is */
    const char *detail;         /* for the log: which token fault, which stage; static storage; NULL: none */
    struct gw_str user, route;  /* for the log; empty: none */
};

/* Judges the head. All results live in the arena, which must outlive gw_request_done. Never fails: what goes wrong inside is a
 * refusal. */
struct gw_request *gw_request_new(struct gw_gate *g, struct gw_request_head *head, struct gw_arena *a,
                                  struct gw_decision *out);
/* Before the delay of the decision, once. False: too many are held back already, and *out is the refusal. */
bool gw_request_hold_back(struct gw_gate *g, struct gw_request *r, struct gw_decision *out);
/* After it. */
void gw_request_let_go(struct gw_gate *g, struct gw_request *r);

/* Its signature is of the body, too: the hand-over refuses it unless the body, as the upstream will get it, was shown before and is the one. */
bool gw_request_signs_body(const struct gw_request *r);
/* All of the body, in its pieces; count 0: there is none. */
void gw_request_show_body(struct gw_request *r, const struct gw_str *pieces, size_t count);

enum gw_handover {
    GW_HANDOVER_GO,     /* hand it to the upstream now */
    GW_HANDOVER_WAIT,   /* its record is on its way to the disk: ask again after an upkeep */
    GW_HANDOVER_REFUSE, /* *out is the refusal */
};
/* Just before the request is handed to the upstream, each time: session, user and revocation as of now (a slow body must not carry it
 * past a change); then what is about to happen is written down, where the route says so. */
enum gw_handover gw_request_hand_over(struct gw_gate *g, struct gw_request *r, struct gw_decision *out);

/* The first byte of it is about to leave, some time after the hand-over: the upstream's connection is new. Looks at the same as that did, as of
 * now, and writes no second record. False: it must not leave; *out, which was the hand-over's, is the refusal, and that nothing was sent is recorded. */
bool gw_request_may_still_leave(struct gw_gate *g, struct gw_request *r, struct gw_decision *out);

enum gw_ending {
    GW_ENDING_ANSWERED, /* a whole head of an answer came, of the status given */
    GW_ENDING_NOT_SENT, /* no byte of it reached the upstream */
    GW_ENDING_UNKNOWN,  /* it was handed over, and no answer came */
    GW_ENDING_VERIFIED, /* another proxy was told that it may hand it over, and tells nobody what came of it */
};
/* How what was handed over ended; the first call counts. status: of the answer, whosever it is. Without one gw_request_done takes it for
 * unknown. */
void gw_request_ended(struct gw_gate *g, struct gw_request *r, enum gw_ending ending, unsigned status);
/* Nothing changes by it, as far as method and policy tell: it may be sent again after a part of it was. */
bool gw_request_is_repeatable(const struct gw_request *r);
/* It may have changed something at the backend, and nobody knows: the client is to be told that. */
bool gw_request_outcome_is_unknown(const struct gw_request *r);

/* The upstream answered 401 or 403, so it did not carry the request out, and may not have liked the credential. True: *out has one by
 * the other upstream key; hand the request over once more. False: there is no other, or it was tried. */
bool gw_request_retry(struct gw_gate *g, struct gw_request *r, struct gw_decision *out);
/* The upstream took the credential of a retry: later requests begin with that key. */
void gw_request_retry_taken(struct gw_gate *g, const struct gw_request *r);
/* The adapter found that there is no other answer than this refusal. */
void gw_request_refuse(struct gw_request *r, enum gw_reason reason, struct gw_decision *out);
#define GW_VERIFIED_FIELDS_MAX 5
/* Of the answer to a proxy that asks (GW_VERIFIED), after the hand-over: what it must put in the place of the client's fields of these
 * names, an empty value too. Returns how many. */
size_t gw_request_verified_fields(const struct gw_request *r, const struct gw_decision *d,
                                  struct gw_header_field out[GW_VERIFIED_FIELDS_MAX]);
/* Counts it, when it has ended, before gw_request_done. r NULL: it had no head that could be judged. status: of the answer, 0: none. */
void gw_gate_count_request(struct gw_gate *g, const struct gw_request *r, unsigned status, int64_t duration_ms);
/* Releases the snapshot. r may be NULL. */
void gw_request_done(struct gw_gate *g, struct gw_request *r);

/* ---- a socket: what becomes of a request whose answer is 101 ----
 *
 * From then on both connections are one WebSocket, over which the backend and the client talk. Whatever either sends is shown to the gate
 * before it goes on; what the gate itself has to say goes in between. A socket lives as long as its request. */

struct gw_socket;

enum gw_stream { GW_STREAM_TO_UPSTREAM, GW_STREAM_TO_CLIENT, GW_STREAM_COUNT };

/* Of the upstream's 101; empty: it has no such field. */
struct gw_upgrade_answer {
    struct gw_str accept, protocol, extensions;
};

/* Called when a stream has something pending, or the socket's state has changed, by something else than feeding that stream: from
 * gw_socket_feed of the other one, and from gw_gate_poll. It must not end the request before it returns. */
struct gw_socket_owner {
    void (*wake)(void *data);
    void *data;
};

/* The upstream has answered 101 to a request whose decision says `upgrades`. NULL: the connections are to be closed instead, and *out is the
 * refusal: the answer is none to this handshake, or who asked may not any more, or has too many open. Freed by gw_request_done. */
struct gw_socket *gw_request_upgraded(struct gw_gate *g, struct gw_request *r, const struct gw_upgrade_answer *answer,
                                      const struct gw_socket_owner *owner, struct gw_decision *out);

/* Bytes that were read, to go on in that stream. Returns how many of the first go on as they are; of the others, what goes on is pending,
 * behind those. What was pending before stays before all of them: then none goes on as it is. */
size_t gw_socket_feed(struct gw_socket *s, enum gw_stream stream, const uint8_t *bytes, size_t len);
/* What is to go on before more is read. Good until the next call. */
struct gw_str gw_socket_pending(const struct gw_socket *s, enum gw_stream stream);
/* So many bytes of it have gone on. */
void gw_socket_took(struct gw_socket *s, enum gw_stream stream, size_t count);

enum gw_socket_state {
    GW_SOCKET_OPEN,
    GW_SOCKET_CLOSING, /* a Close is on its way; what is pending is to go on still */
    GW_SOCKET_OVER,    /* end both connections */
};
enum gw_socket_state gw_socket_state(const struct gw_socket *s);

/* This worker is to end: each of its sockets is closed, and told that the gateway restarts. */
void gw_gate_close_sockets(struct gw_gate *g);
/* How many are open. */
size_t gw_gate_socket_count(const struct gw_gate *g);

/* ---- answers ---- */

enum gw_transport { GW_TRANSPORT_PLAIN, GW_TRANSPORT_TLS };
/* Security headers of every answer, those that a decision has others for among them. Static storage. `WWW-Authenticate: Bearer` on a 401 of
 * ours is the adapter's. */
const struct gw_header_field *gw_security_headers(enum gw_answer_class answer, enum gw_transport transport,
                                                  size_t *out_count);
/* A header of the upstream that must not reach the client: its CORS, rate limit, server and framework headers, and any
 * attempt to set our cookie. name in lower case. */
bool gw_response_header_is_dropped(struct gw_str name, struct gw_str value);

/* What becomes of the Cache-Control of an answer of the upstream; empty: ours stands. May borrow from theirs. */
struct gw_str gw_answer_cache_control(const struct gw_request *r, struct gw_str theirs, struct gw_arena *a);
/* What becomes of a cookie that the upstream sets and that is not among the dropped; ptr NULL: it is dropped. May borrow from it. */
struct gw_str gw_answer_cookie(const struct gw_request *r, struct gw_str cookie, struct gw_arena *a);
/* For an answer that nginx gives before the request is judged. */
struct gw_cors_answer gw_cors_unjudged(const struct gw_gate *g, const struct gw_header *headers, size_t count);
/* Whether a value of `Vary` says already that the answer differs by origin. */
bool gw_vary_has_origin(struct gw_str value);

/* The problem+json text of a refusal, into the arena. members: of the decision. GW_STR_NULL without memory. */
struct gw_str gw_problem(enum gw_reason reason, struct gw_str request_id, struct gw_str members, struct gw_arena *a);
/* The same for a status that nginx gives by itself (400, 413, 502, 504 …). */
struct gw_str gw_problem_of_status(unsigned status, struct gw_str request_id, struct gw_arena *a);
/* Of a change that was handed over and got no answer, 502 or 504: type `outcome-unknown`. */
struct gw_str gw_problem_outcome_unknown(unsigned status, struct gw_str request_id, struct gw_arena *a);
unsigned gw_reason_status(enum gw_reason reason);
const char *gw_reason_name(enum gw_reason reason); /* "NO_ROUTE" */
const char *gw_reason_why(enum gw_reason reason);
