/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The open sockets of a worker: which they are, and when each is looked at again. Part of the gate; event loop only.
 */
#include <gw/error.h>
#include <stddef.h>
#include <stdint.h>

struct gw_gate;
struct gw_socket;

struct gw_sockets {
    struct gw_socket **all; /* in no order */
    size_t count, room;
    size_t next;    /* the walk goes on there */
    uint8_t *plain; /* where a client's message is read, unmasked; of the one that is fed */
    size_t plain_len, plain_room;
};

/* GW_ENOMEM: it is in no list, and must not be opened. */
GW_MUST_CHECK enum gw_code gw_sockets_add(struct gw_gate *g, struct gw_socket *s);
void gw_sockets_remove(struct gw_gate *g, struct gw_socket *s);
/* Each 100 ms: looks at a part of them, so that each is seen within half a second of what concerns it. */
void gw_sockets_poll(struct gw_gate *g);
void gw_sockets_done(struct gw_sockets *t);
