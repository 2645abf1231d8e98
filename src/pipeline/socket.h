/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Inside a socket: what its streams have come to, and what is known of who speaks. Streams are socket.c's, its life socket_life.c's, what a
 * message may say message.c's.
 */
#include "base/buf.h"
#include "pipeline/pipeline.h"
#include "policy/websocket.h"
#include "websocket/frame.h"

/* How long a Close may take until the connections are ended without it. */
#define GW_SOCKET_CLOSE_MS 300

/* What goes on in a stream before more is read. */
struct gw_outflow {
    struct gw_buf bytes;
    size_t taken;
};

struct gw_socket {
    struct gw_request *request;
    struct gw_socket_owner owner;
    enum gw_socket_state state;
    struct gw_frames frames[GW_STREAM_COUNT];
    struct gw_outflow pending[GW_STREAM_COUNT];
    struct gw_buf held;    /* a client's message that is not whole yet, as it came */
    struct gw_buf waiting; /* frames of ours for the client, where the upstream is in the middle of one */
    bool has_client_close, has_upstream_close; /* either side's own has gone on */
    size_t place;                              /* in gw_sockets.all */
    uint64_t round;                            /* of gw_sockets, in which it was judged last */
    struct gw_socket *of_user;                 /* the next in the list of its user */
    int64_t opened_ms, heard_ms, asked_ms;     /* monotonic; heard: of the client; asked: when its rate was */
    int64_t over_ms;                           /* CLOSING: when it is over at the latest */
    int64_t due_s;                             /* real: when its session, key or certificate ends */
    int64_t used_s;                            /* real: when its use was last noted */
    uint64_t backlog;                          /* of its rate */
    /* of Socket.IO */
    uint32_t namespaces;              /* that the client has entered: a bit each, as the rules count them */
    unsigned attachments;             /* binary messages that are to follow */
    bool drops_attachments;           /* their event was refused */
    const struct gw_websocket *rules; /* of its route in the snapshot of its request */
};

/* ---- streams (socket.c) ---- */

/* From then on nothing goes on but a Close of that code. why: at most GW_FRAME_REASON_MAX bytes. */
void gw_socket_close(struct gw_socket *s, enum gw_close_code code, struct gw_str why);
/* A text of ours, where the next message of the upstream would begin. */
void gw_socket_tell_client(struct gw_socket *s, struct gw_str text);
/* In place of a message of the client. */
void gw_socket_tell_upstream(struct gw_socket *s, struct gw_str text);
/* CLOSING, and its time is over. */
void gw_socket_give_up(struct gw_socket *s);
void gw_socket_wake(const struct gw_socket *s);
void gw_socket_free(struct gw_socket *s);

/* ---- life (socket_life.c) ---- */

/* Whether it may go on, as of now and by the policy in force; GW_REASON_NONE, or why not. */
enum gw_reason gw_socket_judge(struct gw_socket *s);
/* The same with what time alone brings; closes it where it may not go on. */
void gw_socket_look(struct gw_socket *s, int64_t now_ms);
void gw_socket_refuse(struct gw_socket *s, enum gw_reason reason);
/* The same of what it says by that name. */
enum gw_reason gw_socket_judge_event(struct gw_socket *s, const struct gw_socket_event *event);
/* Counts what was refused, of one that goes on. */
void gw_socket_note_refusal(struct gw_socket *s, enum gw_reason reason);
/* Its user has said something: that is use of the session or key. */
void gw_socket_used(struct gw_socket *s);

/* ---- messages (message.c, message.def) ---- */

/* A whole message of the client. */
struct gw_message {
    enum gw_opcode opcode;
    char *text; /* unmasked; text[len] may be written to. Whoever reads it may spoil it: what goes on is what came */
    size_t len;
    const struct gw_socket_event *event; /* that it is; NULL: it is none */
};

enum gw_message_fate { GW_MESSAGE_GOES_ON, GW_MESSAGE_IS_DROPPED };
/* Whether it goes on as it came. Else what is to be said instead has been said, to whom it may be, or the socket is CLOSING. */
enum gw_message_fate gw_message_judge(struct gw_socket *s, struct gw_message *m);
/* Whether one more message or control frame may come now; else the socket is CLOSING. Part of the former. */
bool gw_message_is_in_time(struct gw_socket *s);
/* Of a socket that speaks it (message_socket_io.c). */
enum gw_message_fate gw_message_judge_socket_io(struct gw_socket *s, struct gw_message *m);
