/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three states: a head is gathered byte by byte, its payload passes, its end is told. Faults are found as soon as the bytes say so: a
 * message that will be too long by the length in its head, before any of it has come.
 */
#include "websocket/frame.h"

#include <string.h>

enum state { HEAD, PAYLOAD, END, CLOSED, FAILED };

#define FINAL 0x80u
#define RESERVED 0x70u
#define MASKED 0x80u
#define LENGTH 0x7fu
#define LENGTH_16 126
#define LENGTH_64 127

void gw_frames_init(struct gw_frames *f, enum gw_frame_sender sender, size_t message_max_bytes)
{
    *f = (struct gw_frames){.sender = (uint8_t)sender, .message_max_bytes = message_max_bytes, .state = HEAD};
}

bool gw_frames_at_boundary(const struct gw_frames *f)
{
    return (f->state == HEAD && f->head_len == 0) || f->state == CLOSED;
}

bool gw_frames_at_message_boundary(const struct gw_frames *f)
{
    return gw_frames_at_boundary(f) && f->message == 0;
}

static enum gw_frame_step fail(struct gw_frames *f, enum gw_close_code code, const char *fault,
                               struct gw_frame_note *out)
{
    f->state = FAILED;
    f->close_code = (uint16_t)code;
    *out = (struct gw_frame_note){.close_code = (uint16_t)code, .fault = fault};
    return GW_FRAME_FAULT;
}

static bool is_control(unsigned opcode)
{
    return opcode >= GW_OPCODE_CLOSE;
}

static unsigned opcode_of(const struct gw_frames *f)
{
    return f->head[0] & 0x0fu;
}

/* Of the message, for continuations. */
static enum gw_opcode kind_of(const struct gw_frames *f)
{
    unsigned opcode = opcode_of(f);
    return (enum gw_opcode)(is_control(opcode) ? opcode : f->message);
}

/* ---- the head ---- */

/* What the first two bytes say that may not be; NULL: nothing. */
static const char *check_start(const struct gw_frames *f)
{
    unsigned opcode = opcode_of(f), length = f->head[1] & LENGTH;
    bool is_final = (f->head[0] & FINAL) != 0, is_masked = (f->head[1] & MASKED) != 0;
    if ((f->head[0] & RESERVED) != 0)
        return "a reserved bit is set";
    if (opcode > GW_OPCODE_PONG || (opcode > GW_OPCODE_BINARY && opcode < GW_OPCODE_CLOSE))
        return "the opcode is reserved";
    if (is_masked != (f->sender == GW_FRAME_CLIENT))
        return is_masked ? "a server's frame is masked" : "a client's frame is not masked";
    if (is_control(opcode) && !is_final)
        return "a control frame is fragmented";
    if (is_control(opcode) && length > GW_FRAME_CONTROL_MAX)
        return "a control frame is too long";
    if (opcode == GW_OPCODE_CONTINUATION && f->message == 0)
        return "nothing is there to be continued";
    if ((opcode == GW_OPCODE_TEXT || opcode == GW_OPCODE_BINARY) && f->message != 0)
        return "a message begins inside another";
    return NULL;
}

static size_t length_bytes(const struct gw_frames *f)
{
    unsigned length = f->head[1] & LENGTH;
    return length == LENGTH_64 ? 8 : length == LENGTH_16 ? 2 : 0;
}

static size_t head_bytes(const struct gw_frames *f)
{
    return 2 + length_bytes(f) + ((f->head[1] & MASKED) != 0 ? 4 : 0);
}

static uint64_t read_length(const struct gw_frames *f)
{
    size_t count = length_bytes(f);
    uint64_t length = 0;
    if (count == 0)
        return f->head[1] & LENGTH;
    for (size_t i = 0; i < count; i++)
        length = length << 8 | f->head[2 + i];
    return length;
}

/* RFC 6455 section 5.2: the shortest form, and no more than 63 bits. */
static const char *check_length(const struct gw_frames *f, uint64_t length)
{
    size_t count = length_bytes(f);
    if ((count == 2 && length < LENGTH_16) || (count == 8 && length <= UINT16_MAX))
        return "a length is longer than it need be";
    return length > INT64_MAX ? "a length has its highest bit set" : NULL;
}

static bool is_too_big(struct gw_frames *f, uint64_t length)
{
    if (is_control(opcode_of(f)) || f->message_max_bytes == 0)
        return false;
    f->message_len += length;
    return f->message_len > f->message_max_bytes;
}

static void begin_frame(struct gw_frames *f, uint64_t length)
{
    unsigned opcode = opcode_of(f);
    if (opcode == GW_OPCODE_TEXT || opcode == GW_OPCODE_BINARY)
        f->message = (uint8_t)opcode;
    if (opcode == GW_OPCODE_CLOSE) {
        f->close_len = 0;
        f->close_code = 0;
    }
    f->left = length;
    f->mask_at = 0;
    f->state = length > 0 ? PAYLOAD : END;
}

static enum gw_frame_step read_head(struct gw_frames *f, const uint8_t *bytes, size_t len, size_t *used,
                                    struct gw_frame_note *out)
{
    while (*used < len) {
        f->head[f->head_len++] = bytes[(*used)++];
        const char *fault = f->head_len == 2 ? check_start(f) : NULL;
        if (fault != NULL)
            return fail(f, GW_CLOSE_PROTOCOL, fault, out);
        if (f->head_len < 2 || f->head_len < head_bytes(f))
            continue;
        uint64_t length = read_length(f);
        fault = check_length(f, length);
        if (fault != NULL)
            return fail(f, GW_CLOSE_PROTOCOL, fault, out);
        if (is_too_big(f, length))
            return fail(f, GW_CLOSE_TOO_BIG, "a message is too long", out);
        begin_frame(f, length);
        break;
    }
    return GW_FRAME_MORE;
}

/* ---- the payload ---- */

static bool take_reason(struct gw_frames *f, struct gw_str piece)
{
    size_t i = 0;
    for (; i < piece.len && f->close_len < 2; i++, f->close_len++)
        f->close_code = (uint16_t)(f->close_code << 8 | (uint8_t)piece.ptr[i]);
    return gw_utf8_feed(&f->reason, (const uint8_t *)piece.ptr + i, piece.len - i);
}

static bool is_utf8(struct gw_frames *f, enum gw_opcode kind, struct gw_str piece)
{
    if (kind == GW_OPCODE_TEXT)
        return gw_utf8_feed(&f->text, (const uint8_t *)piece.ptr, piece.len);
    return kind != GW_OPCODE_CLOSE || take_reason(f, piece);
}

static enum gw_frame_step read_payload(struct gw_frames *f, const uint8_t *bytes, size_t len, uint8_t *plain,
                                       size_t *used, struct gw_frame_note *out)
{
    size_t count = len - *used < f->left ? len - *used : (size_t)f->left;
    if (count == 0)
        return GW_FRAME_MORE;
    const uint8_t *piece = bytes + *used;
    if (f->sender == GW_FRAME_CLIENT) {
        gw_frame_mask(plain, piece, count, f->head + head_bytes(f) - 4, f->mask_at);
        f->mask_at = (uint8_t)((f->mask_at + count) % 4);
        piece = plain;
    }
    *used += count;
    f->left -= count;
    if (f->left == 0)
        f->state = END;
    *out = (struct gw_frame_note){.opcode = kind_of(f), .payload = {(const char *)piece, count}};
    return is_utf8(f, out->opcode, out->payload) ? GW_FRAME_PAYLOAD
                                                 : fail(f, GW_CLOSE_BAD_DATA, "text is not UTF-8", out);
}

/* ---- the end ---- */

bool gw_close_code_may_be_sent(unsigned code)
{
    if (code >= 3000 && code < 5000)
        return true;
    return code >= GW_CLOSE_NORMAL && code <= GW_CLOSE_BAD_GATEWAY && code != 1004 && code != GW_CLOSE_NONE &&
           code != 1006;
}

static enum gw_frame_step end_close(struct gw_frames *f, struct gw_frame_note *out)
{
    if (f->close_len == 1 || (f->close_len == 2 && !gw_close_code_may_be_sent(f->close_code)))
        return fail(f, GW_CLOSE_PROTOCOL, "a Close has a code that cannot be sent", out);
    if (!gw_utf8_is_whole(&f->reason))
        return fail(f, GW_CLOSE_BAD_DATA, "the reason of a Close is not UTF-8", out);
    f->state = CLOSED;
    *out = (struct gw_frame_note){.opcode = GW_OPCODE_CLOSE,
                                  .is_message_end = true,
                                  .close_code = f->close_len == 0 ? (uint16_t)GW_CLOSE_NONE : f->close_code};
    return GW_FRAME_END;
}

static enum gw_frame_step end_frame(struct gw_frames *f, struct gw_frame_note *out)
{
    enum gw_opcode kind = kind_of(f);
    bool is_final = (f->head[0] & FINAL) != 0;
    f->head_len = 0;
    f->state = HEAD;
    *out = (struct gw_frame_note){.opcode = kind, .is_message_end = is_final};
    if (kind == GW_OPCODE_CLOSE)
        return end_close(f, out);
    if (is_control(kind) || !is_final)
        return GW_FRAME_END;
    f->message = 0;
    f->message_len = 0;
    return gw_utf8_is_whole(&f->text) ? GW_FRAME_END : fail(f, GW_CLOSE_BAD_DATA, "text ends inside a character", out);
}

enum gw_frame_step gw_frames_step(struct gw_frames *f, const uint8_t *bytes, size_t len, uint8_t *plain,
                                  size_t *out_used, struct gw_frame_note *out)
{
    *out_used = 0;
    enum gw_frame_step step = GW_FRAME_MORE;
    if (f->state == FAILED)
        return fail(f, f->close_code, "the connection has failed before", out);
    if (f->state == CLOSED)
        return len > 0 ? fail(f, GW_CLOSE_PROTOCOL, "something follows a Close", out) : GW_FRAME_MORE;
    if (f->state == HEAD)
        step = read_head(f, bytes, len, out_used, out);
    if (step == GW_FRAME_MORE && f->state == PAYLOAD)
        step = read_payload(f, bytes, len, plain, out_used, out);
    else if (step == GW_FRAME_MORE && f->state == END)
        step = end_frame(f, out);
    return step;
}

/* ---- what is sent ---- */

size_t gw_frame_write_head(uint8_t dst[GW_FRAME_HEAD_MAX], enum gw_opcode opcode, size_t payload_len,
                           const uint8_t mask[4])
{
    size_t count = payload_len > UINT16_MAX ? 8 : payload_len >= LENGTH_16 ? 2 : 0, at = 2;
    uint8_t length = count == 8 ? LENGTH_64 : count == 2 ? LENGTH_16 : (uint8_t)payload_len;
    dst[0] = (uint8_t)(FINAL | opcode);
    dst[1] = (uint8_t)(length | (mask != NULL ? MASKED : 0));
    for (; count > 0; count--)
        dst[at++] = (uint8_t)((uint64_t)payload_len >> (count - 1) * 8);
    if (mask != NULL) {
        memcpy(dst + at, mask, 4);
        at += 4;
    }
    return at;
}

void gw_frame_mask(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t mask[4], size_t at)
{
    uint8_t turned[8];
    for (size_t i = 0; i < sizeof(turned); i++)
        turned[i] = mask[(at + i) % 4];
    uint64_t key, word;
    memcpy(&key, turned, sizeof(key));
    size_t i = 0;
    for (; len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, src + i, sizeof(word));
        word ^= key;
        memcpy(dst + i, &word, sizeof(word));
    }
    for (; i < len; i++)
        dst[i] = src[i] ^ turned[i % 4];
}
