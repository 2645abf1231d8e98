/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The open sockets of a worker: which they are, whose, and when each is looked at again. Part of the gate; event loop only.
 */
#include "shared/socket_counts.h"
#include <gw/error.h>
#include <stddef.h>
#include <stdint.h>

struct gw_gate;
struct gw_socket;

struct gw_sockets {
    struct gw_socket **all; /* in no order */
    size_t count, room;
    struct gw_socket **of_users; /* lists by user: a power of two, room of them */
    size_t next;                 /* the walk goes on there */
    uint64_t round;              /* grows when something has changed that may concern any */
    uint64_t edition, modes;     /* as they were when it last grew: of the snapshot, of the emergency mode */
    uint64_t changes;            /* of the authority segment, that were taken */
    uint8_t *plain;              /* where a client's message is read, unmasked; of the one that is fed */
    size_t plain_len, plain_room;
    struct gw_socket_counts counts; /* over all workers */
    uint64_t judged;                /* how often one was, for tests */
};

/* Counts it by its user and address. GW_ELIMIT: either has as many as the settings let him. Otherwise than GW_OK it is in no list, and must not be
 * opened. */
GW_MUST_CHECK enum gw_code gw_sockets_add(struct gw_gate *g, struct gw_socket *s);
void gw_sockets_remove(struct gw_gate *g, struct gw_socket *s);
/* Each 100 ms: judges those anew whom a change concerns, and looks at a part of all, so that each is seen within half a second. */
void gw_sockets_poll(struct gw_gate *g);
void gw_sockets_done(struct gw_sockets *t);
