/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket of Socket.IO under whatever both sides send, cut anyhow: what reaches the backend is always a client's stream of frames without fault, what
 * reaches the client a server's, and no event gets through that the policy refuses. Each piece: a byte for the side and whether it is to be made a frame, one for its length, the bytes.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/socket_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gw_rig rig;

static void tear_down(void)
{
    gw_rig_free(&rig);
}

static void set_up(void)
{
    gw_rig_new(&rig, NULL);
    gw_rig_put_user(&rig, 1, "viewer", "u-1");
    gw_rig_put_session(&rig, 11, 1);
    (void)atexit(tear_down);
}

/* No message in it holds what nobody may say. */
static void check_stream(const struct gw_socket_rig *x, enum gw_stream stream)
{
    static uint8_t plain[GW_SOCKET_RIG_BYTES], message[GW_SOCKET_RIG_BYTES];
    struct gw_frames f;
    struct gw_frame_note note;
    size_t at = 0, used, len = 0;
    bool is_over = gw_socket_state(x->socket) == GW_SOCKET_OVER;
    gw_frames_init(&f, stream == GW_STREAM_TO_UPSTREAM ? GW_FRAME_CLIENT : GW_FRAME_SERVER, 0);
    for (enum gw_frame_step step = GW_FRAME_END; step != GW_FRAME_MORE; at += used) {
        step = gw_frames_step(&f, x->out[stream] + at, x->arrived[stream] - at, plain, &used, &note);
        if (step == GW_FRAME_FAULT) {
            /* What the upstream sent wrong has gone on as far as it was right. */
            assert(stream == GW_STREAM_TO_CLIENT && is_over);
            return;
        }
        if (step == GW_FRAME_PAYLOAD && note.opcode < GW_OPCODE_CLOSE) {
            memcpy(message + len, note.payload.ptr, note.payload.len);
            len += note.payload.len;
        }
        if (step != GW_FRAME_END || !note.is_message_end || note.opcode >= GW_OPCODE_CLOSE)
            continue;
        bool is_order = len >= 10 && memcmp(message, "42[\"order\"", 10) == 0;
        assert(stream == GW_STREAM_TO_CLIENT || !is_order);
        len = 0;
    }
    /* Nothing stops inside a frame on its way to the backend. */
    assert(stream == GW_STREAM_TO_CLIENT || gw_frames_at_boundary(&f));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (rig.gate == NULL)
        set_up();
    if (size > 8192)
        return 0;
    struct gw_socket_rig x;
    const char *token = gw_rig_token(&rig, 11, 1);
    char authorization[2048];
    (void)snprintf(authorization, sizeof(authorization), "Bearer %s", token);
    if (!gw_socket_rig_open(&x, &rig, "/socket.io/?EIO=4&transport=websocket", authorization, NULL))
        abort();
    for (size_t at = 0; at + 2 <= size;) {
        enum gw_stream stream = data[at] % 2 == 0 ? GW_STREAM_TO_UPSTREAM : GW_STREAM_TO_CLIENT;
        bool is_framed = data[at] / 2 % 2 == 0;
        size_t len = data[at + 1] < size - at - 2 ? data[at + 1] : size - at - 2;
        uint8_t frame[GW_FRAME_HEAD_MAX + 256];
        size_t frame_len = is_framed ? gw_socket_rig_frame(frame, GW_OPCODE_TEXT, data + at + 2, len) : len;
        if (!is_framed)
            memcpy(frame, data + at + 2, len);
        if (is_framed && stream == GW_STREAM_TO_CLIENT) {
            frame_len = gw_frame_write_head(frame, GW_OPCODE_TEXT, len, NULL);
            memcpy(frame + frame_len, data + at + 2, len);
            frame_len += len;
        }
        gw_socket_rig_feed(&x, stream, frame, frame_len);
        at += 2 + len;
        if (data[at - 1] == 0xff) {
            gw_fake_clock_advance(&rig.clock, 100);
            gw_gate_poll(rig.gate);
            gw_socket_rig_drain(&x);
        }
    }
    for (int i = 0; i < GW_STREAM_COUNT; i++)
        check_stream(&x, (enum gw_stream)i);
    gw_socket_rig_close(&x);
    return 0;
}
