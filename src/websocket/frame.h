/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The frames of one direction of a WebSocket connection (RFC 6455 section 5), read wherever the bytes were cut: where frames and messages
 * end, what they hold, and whether all of it keeps to the protocol. Nothing is kept of what was read but where it stands, and nothing is
 * allocated. What is sent is made here too: heads of frames, masks. It knows no sockets and no policy.
 *
 * Extensions are never agreed on (the gateway takes them out of the handshake), so the reserved bits are faults.
 */
#include "websocket/utf8.h"
#include <gw/str.h>

enum gw_frame_sender {
    GW_FRAME_CLIENT, /* must mask */
    GW_FRAME_SERVER, /* must not */
};

enum gw_opcode {
    GW_OPCODE_CONTINUATION = 0,
    GW_OPCODE_TEXT = 1,
    GW_OPCODE_BINARY = 2,
    GW_OPCODE_CLOSE = 8,
    GW_OPCODE_PING = 9,
    GW_OPCODE_PONG = 10,
};

/* RFC 6455 section 7.4.1, and 1012 to 1014 of IANA's list. */
enum gw_close_code {
    GW_CLOSE_NORMAL = 1000,
    GW_CLOSE_GOING_AWAY = 1001,
    GW_CLOSE_PROTOCOL = 1002,
    GW_CLOSE_UNSUPPORTED = 1003,
    GW_CLOSE_NONE = 1005, /* a Close without one; never sent */
    GW_CLOSE_BAD_DATA = 1007,
    GW_CLOSE_POLICY = 1008,
    GW_CLOSE_TOO_BIG = 1009,
    GW_CLOSE_INTERNAL = 1011,
    GW_CLOSE_RESTART = 1012,
    GW_CLOSE_BAD_GATEWAY = 1014,
};

#define GW_FRAME_HEAD_MAX 14
#define GW_FRAME_CONTROL_MAX 125 /* payload of Close, Ping, Pong */
#define GW_FRAME_REASON_MAX (GW_FRAME_CONTROL_MAX - 2)

/* In its owner's memory; its members are frame.c's. */
struct gw_frames {
    uint64_t left;        /* bytes of payload that the frame still has */
    uint64_t message_len; /* of the message so far, this frame included */
    size_t message_max_bytes;
    uint8_t head[GW_FRAME_HEAD_MAX];
    uint8_t head_len, mask_at, sender, state;
    uint8_t message; /* opcode of the message that is open; 0: none is */
    struct gw_utf8 text, reason;
    uint8_t close_len; /* bytes of the code that have come */
    uint16_t close_code;
};

/* message_max_bytes: payload of a whole message; 0: any. */
void gw_frames_init(struct gw_frames *f, enum gw_frame_sender sender, size_t message_max_bytes);

enum gw_frame_step {
    GW_FRAME_MORE,    /* all bytes were used, and there is nothing to tell */
    GW_FRAME_PAYLOAD, /* a piece of a frame's payload; never empty */
    GW_FRAME_END,     /* a frame has ended */
    GW_FRAME_FAULT,   /* from then on every step is this one */
};

struct gw_frame_note {
    enum gw_opcode opcode; /* of the message, where it is a frame of data: never CONTINUATION */
    struct gw_str payload; /* PAYLOAD: unmasked; in bytes, or in plain where the client masks */
    bool is_message_end;   /* END: a message has ended with it; of a control frame always */
    uint16_t close_code;   /* END of a Close: its code; FAULT: with which the connection is to be closed */
    const char *fault;     /* FAULT: what is wrong; static storage */
};

/* Uses bytes up to the next thing to tell, *out_used of them, perhaps none: to be called until it says MORE. bytes stay as they are;
 * plain has room for len bytes (GW_FRAME_CLIENT alone, else it may be NULL). After a Close nothing more may come, so the first byte
 * behind one is a fault. */
enum gw_frame_step gw_frames_step(struct gw_frames *f, const uint8_t *bytes, size_t len, uint8_t *plain,
                                  size_t *out_used, struct gw_frame_note *out);
/* Between two frames: where a frame of our own may stand. */
bool gw_frames_at_boundary(const struct gw_frames *f);
/* Between two messages, too: where a message may. */
bool gw_frames_at_message_boundary(const struct gw_frames *f);

/* ---- what is sent ---- */

/* A final frame's head; mask NULL: not masked. Returns its length. */
size_t gw_frame_write_head(uint8_t dst[GW_FRAME_HEAD_MAX], enum gw_opcode opcode, size_t payload_len,
                           const uint8_t mask[4]);
/* Masks or unmasks. dst may be src. at: how much of the payload came before. */
void gw_frame_mask(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t mask[4], size_t at);
/* A code that may stand in a Close frame: RFC 6455 section 7.4. */
bool gw_close_code_may_be_sent(unsigned code);
