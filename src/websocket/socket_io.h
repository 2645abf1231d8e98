/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Packets of Socket.IO (protocol 5) in those of Engine.IO (protocol 4), as they stand in one text message of a client:
 * https://github.com/socketio/socket.io-protocol and engine.io-protocol. Only what a client may send over a WebSocket from its first message
 * on. Stricter than the packages that read it behind us: what is taken here means the same to them, and what could mean two things is a fault.
 */
#include "base/buf.h"

/* A byte of the packet each. */
enum gw_engine_kind {
    GW_ENGINE_CLOSE = '1',
    GW_ENGINE_PONG = '3',
    GW_ENGINE_MESSAGE = '4',
};
enum gw_socket_io_kind {
    GW_SOCKET_IO_CONNECT = '0',
    GW_SOCKET_IO_DISCONNECT = '1',
    GW_SOCKET_IO_EVENT = '2',
    GW_SOCKET_IO_ACK = '3',
    GW_SOCKET_IO_CONNECT_ERROR = '4',
    GW_SOCKET_IO_BINARY_EVENT = '5',
    GW_SOCKET_IO_BINARY_ACK = '6',
};

#define GW_SOCKET_IO_ATTACHMENTS_MAX 16
#define GW_SOCKET_IO_ID_MAX 15 /* digits, which a number of JavaScript holds */

struct gw_socket_io_packet {
    enum gw_engine_kind engine;
    /* of GW_ENGINE_MESSAGE */
    enum gw_socket_io_kind kind;
    struct gw_str namespace; /* "/" where none is named */
    struct gw_str id;        /* digits; empty: no acknowledgement is wanted */
    struct gw_str data;      /* JSON, or empty; of an event not to be read again: its name was decoded in it */
    struct gw_str event;     /* of EVENT and BINARY_EVENT: its name, decoded */
    unsigned attachments;    /* binary messages that belong to it and follow */
};

/* NULL, or what is wrong, in static storage. text[len] must be writable, and the text itself changes: names are decoded in place. */
const char *gw_socket_io_parse(char *text, size_t len, struct gw_socket_io_packet *out);

/* CONNECT with credential (which needs no escape) as that member of its payload, whatever stood there; all else byte for byte. *out_presented is the
 * client's own string of that name; ptr NULL: there was none, or null. It points into spare, which has room for one byte more than data. False: the payload is
 * no object, or the member no string, or twice there. */
bool gw_socket_io_connect(const struct gw_socket_io_packet *p, struct gw_str member, struct gw_str credential,
                          char *spare, struct gw_buf *out, struct gw_str *out_presented);

/* ---- what a server says; title and type need no escape ---- */

struct gw_socket_io_refusal {
    struct gw_str title, type;
    unsigned status;
};
/* Of a CONNECT: 44{"message":title}. */
void gw_socket_io_connect_error(struct gw_str namespace, struct gw_str title, struct gw_buf *out);
/* Of an event: its acknowledgement where it wants one, else an event `aaiti_error`. */
void gw_socket_io_refuse(const struct gw_socket_io_packet *p, const struct gw_socket_io_refusal *refusal,
                         struct gw_buf *out);
