/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a route with `websocket:` says of the sockets that it leads to: which protocol their messages speak, who may send which event, how
 * long a message may be and how many may come. Compiled with its policy, const afterwards.
 */
#include "base/rate.h"
#include "policy/policy.h"

#define GW_WEBSOCKET_EVENTS_MAX 256
#define GW_WEBSOCKET_NAMESPACES_MAX 16
#define GW_WEBSOCKET_NAME_MAX 128 /* bytes of an event's or a namespace's */
#define GW_WEBSOCKET_MESSAGE_MAX (INT64_C(1024) * 1024)
/* What holds where the policy says nothing. */
#define GW_WEBSOCKET_MESSAGE_DEFAULT ((size_t)64 * 1024)
#define GW_WEBSOCKET_RATE_DEFAULT 100 /* a second */

enum gw_websocket_protocol {
    GW_WEBSOCKET_MESSAGES,  /* of which nothing is known */
    GW_WEBSOCKET_SOCKET_IO, /* Socket.IO 5 over Engine.IO 4: version 4 of the packages */
};

/* What a client sends by that name. */
struct gw_socket_event {
    struct gw_str name;
    struct gw_route route; /* the socket's own, with right, risk, audit and action as the event's */
};

struct gw_websocket {
    enum gw_websocket_protocol protocol;
    struct gw_str connect_token;     /* member of CONNECT that holds the credential; empty: CONNECT goes on as it is */
    const struct gw_str *namespaces; /* of Socket.IO: "/" unless the policy says otherwise */
    size_t namespace_count;
    const struct gw_socket_event *events;
    size_t event_count;
    const struct gw_socket_event *other; /* of every event that has no row; NULL: it is refused */
    size_t message_max_bytes;            /* of a client */
    struct gw_rate rate;                 /* of a client's messages, each socket's own */
};

/* The row of an event, or NULL: it is refused. */
const struct gw_socket_event *gw_websocket_event(const struct gw_websocket *w, struct gw_str name);
bool gw_websocket_has_namespace(const struct gw_websocket *w, struct gw_str name);
