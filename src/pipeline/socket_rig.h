/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An open socket, for tests, fuzzing and measurement: what goes on in either direction is gathered as it would arrive. Never part of the
 * library.
 */
#include "pipeline/gate_rig.h"
#include "pipeline/socket.h"

#define GW_SOCKET_RIG_BYTES ((size_t)1 << 20)

struct gw_socket_rig {
    struct gw_arena arena;
    struct gw_header headers[16];
    struct gw_request_head head;
    struct gw_decision decision;
    struct gw_request *request;
    struct gw_socket *socket;
    unsigned wakes;
    size_t arrived[GW_STREAM_COUNT]; /* bytes of out */
    uint8_t *out[GW_STREAM_COUNT];
};

/* Opens one on that target as user n of the rig; its key is the RFC's sample. answer NULL: the right one. False: it was refused. */
bool gw_socket_rig_open(struct gw_socket_rig *x, struct gw_rig *rig, const char *target, const char *authorization,
                        const struct gw_upgrade_answer *answer);
void gw_socket_rig_close(struct gw_socket_rig *x);
/* The bytes come at once, and whatever goes on arrives. */
void gw_socket_rig_feed(struct gw_socket_rig *x, enum gw_stream stream, const void *bytes, size_t len);
/* What is pending arrives. */
void gw_socket_rig_drain(struct gw_socket_rig *x);
/* A client's frame, masked; returns its length. dst has room for GW_FRAME_HEAD_MAX more than the payload. */
size_t gw_socket_rig_frame(uint8_t *dst, enum gw_opcode opcode, const void *payload, size_t len);
