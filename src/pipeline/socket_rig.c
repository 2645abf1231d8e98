/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/socket_rig.h"

#include <stdlib.h>
#include <string.h>

static void wake(void *data)
{
    struct gw_socket_rig *x = data;
    x->wakes++;
}

static void add_header(struct gw_socket_rig *x, const char *name, const char *value)
{
    x->headers[x->head.header_count++] = (struct gw_header){.name = gw_str(name), .value = gw_str(value)};
}

bool gw_socket_rig_open(struct gw_socket_rig *x, struct gw_rig *rig, const char *target, const char *authorization,
                        const struct gw_upgrade_answer *answer)
{
    static const struct gw_upgrade_answer right = {.accept = GW_STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")};
    *x = (struct gw_socket_rig){.head = {.method = GW_STR("GET"), .tls = true, .is_http_1_1 = true}};
    x->head.target = gw_str(target);
    x->head.headers = x->headers;
    memcpy(x->head.peer, rig->peer.b, sizeof(x->head.peer));
    add_header(x, "authorization", authorization);
    add_header(x, "upgrade", "websocket");
    add_header(x, "connection", "Upgrade");
    add_header(x, "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    add_header(x, "sec-websocket-version", "13");
    add_header(x, "sec-websocket-protocol", "v1, v2");
    for (int i = 0; i < GW_STREAM_COUNT; i++)
        x->out[i] = malloc(GW_SOCKET_RIG_BYTES);
    gw_arena_init(&x->arena, (size_t)1 << 16);
    x->request = gw_request_new(rig->gate, &x->head, &x->arena, &x->decision);
    const struct gw_socket_owner owner = {.wake = wake, .data = x};
    if (x->decision.action == GW_PASS && x->decision.upgrades &&
        gw_request_hand_over(rig->gate, x->request, &x->decision) == GW_HANDOVER_GO)
        x->socket = gw_request_upgraded(rig->gate, x->request, answer != NULL ? answer : &right, &owner, &x->decision);
    return x->socket != NULL;
}

void gw_socket_rig_close(struct gw_socket_rig *x)
{
    if (x->request != NULL)
        gw_request_done(x->request->gate, x->request);
    gw_arena_done(&x->arena);
    for (int i = 0; i < GW_STREAM_COUNT; i++)
        free(x->out[i]);
    *x = (struct gw_socket_rig){.request = NULL};
}

static void arrive(struct gw_socket_rig *x, enum gw_stream stream, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    if (x->arrived[stream] + len > GW_SOCKET_RIG_BYTES)
        abort();
    memcpy(x->out[stream] + x->arrived[stream], bytes, len);
    x->arrived[stream] += len;
}

void gw_socket_rig_drain(struct gw_socket_rig *x)
{
    for (int i = 0; i < GW_STREAM_COUNT; i++) {
        struct gw_str pending = gw_socket_pending(x->socket, (enum gw_stream)i);
        arrive(x, (enum gw_stream)i, pending.ptr, pending.len);
        gw_socket_took(x->socket, (enum gw_stream)i, pending.len);
    }
}

void gw_socket_rig_feed(struct gw_socket_rig *x, enum gw_stream stream, const void *bytes, size_t len)
{
    /* In memory of its very size, so that a sanitizer sees one byte too many. */
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        abort();
    memcpy(copy, bytes, len);
    size_t passed = gw_socket_feed(x->socket, stream, copy, len);
    if (passed > len)
        abort();
    arrive(x, stream, copy, passed);
    free(copy);
    gw_socket_rig_drain(x);
}

size_t gw_socket_rig_frame(uint8_t *dst, enum gw_opcode opcode, const void *payload, size_t len)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    size_t head = gw_frame_write_head(dst, opcode, len, mask);
    gw_frame_mask(dst + head, payload, len, mask, 0);
    return head + len;
}
