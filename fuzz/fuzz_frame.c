/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a WebSocket, held against a reader that has all of the stream before it and is written by another plan: frame after frame, nothing kept but
 * the message. The first byte picks the sender and the cap, the second how the stream is cut.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "websocket/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TOLD_MAX 8192
#define CAP 300

/* What a reader has found: whole messages and control frames one behind the other, each as its opcode, length and payload; and the code it failed with. */
struct told {
    uint8_t bytes[TOLD_MAX];
    size_t len;
    unsigned code;
};

static void tell(struct told *t, uint8_t opcode, const uint8_t *payload, size_t len)
{
    if (t->len + len + 3 > TOLD_MAX)
        return;
    t->bytes[t->len++] = opcode;
    t->bytes[t->len++] = (uint8_t)(len >> 8);
    t->bytes[t->len++] = (uint8_t)len;
    if (len > 0)
        memcpy(t->bytes + t->len, payload, len);
    t->len += len;
}

/* ---- the plain reader ---- */

/* 0: not UTF-8 whatever follows, 1: cut off inside a character, 2: whole. By the numbers that its characters stand for. */
static int judge_text(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned more = p[i] < 0x80 ? 0 : p[i] < 0xc0 ? 9 : p[i] < 0xe0 ? 1 : p[i] < 0xf0 ? 2 : p[i] < 0xf8 ? 3 : 9;
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (more == 9)
            return 0;
        uint32_t low = more == 0 ? p[i] : p[i] & (0x3fu >> more), high = low;
        for (unsigned k = 1; k <= more; k++) {
            bool is_there = i + k < len;
            if (is_there && (p[i + k] & 0xc0) != 0x80)
                return 0;
            low = low << 6 | (is_there ? p[i + k] & 0x3fu : 0);
            high = high << 6 | (is_there ? p[i + k] & 0x3fu : 0x3fu);
        }
        /* Of a character that is cut off, some end of it must be one. */
        if (high < least[more] || low > 0x10ffff || (low >= 0xd800 && high <= 0xdfff))
            return 0;
        if (i + more >= len)
            return 1;
        i += more + 1;
    }
    return 2;
}

static bool is_code(unsigned c)
{
    return (c >= 1000 && c <= 1003) || (c >= 1007 && c <= 1014) || (c >= 3000 && c <= 4999);
}

struct plain {
    const uint8_t *at, *end;
    uint8_t message[CAP + 1];
    size_t message_len;
    uint8_t opcode; /* of the open message; 0: none */
};

struct head {
    uint8_t opcode;
    bool is_final;
    uint64_t len;
    const uint8_t *mask; /* NULL: none */
};

/* 1: there is a head, 0: it is not all there, else the code. */
static unsigned read_head(struct plain *p, bool from_client, size_t cap, struct head *h)
{
    size_t there = (size_t)(p->end - p->at);
    if (there < 2)
        return 0;
    bool is_masked = p->at[1] >= 128;
    *h = (struct head){.opcode = p->at[0] % 16, .is_final = p->at[0] >= 128, .len = p->at[1] % 128u};
    bool is_control = h->opcode >= 8, begins = h->opcode == 1 || h->opcode == 2;
    if (p->at[0] / 16 % 8 != 0 || is_masked != from_client || (!is_control && h->opcode > 2) || h->opcode > 10 ||
        (is_control && (!h->is_final || h->len > 125)) || (h->opcode == 0 && p->opcode == 0) ||
        (begins && p->opcode != 0))
        return 1002;
    size_t wide = h->len == 126 ? 2 : h->len == 127 ? 8 : 0, all = 2 + wide + (is_masked ? 4 : 0);
    if (there < all)
        return 0;
    if (wide > 0) {
        h->len = 0;
        for (size_t i = 0; i < wide; i++)
            h->len = h->len * 256 + p->at[2 + i];
        if (h->len < (wide == 2 ? 126 : 65536) || h->len >> 63 != 0)
            return 1002;
    }
    if (!is_control && cap > 0 && h->len + p->message_len > cap)
        return 1009;
    h->mask = is_masked ? p->at + all - 4 : NULL;
    p->at += all;
    return 1;
}

static unsigned read_control(const uint8_t *payload, const struct head *h, size_t there, struct told *t)
{
    bool is_close = h->opcode == 8, is_whole = there == h->len;
    int reason = is_close && there > 2 ? judge_text(payload + 2, there - 2) : 2;
    if (reason == 0)
        return 1007;
    if (!is_whole)
        return 0;
    if (is_close && (there == 1 || (there > 1 && !is_code(payload[0] * 256u + payload[1]))))
        return 1002;
    if (reason == 1)
        return 1007;
    tell(t, h->opcode, payload, there);
    return 1;
}

static unsigned read_data(struct plain *p, const uint8_t *payload, const struct head *h, size_t there, struct told *t)
{
    if (h->opcode != 0)
        p->opcode = h->opcode;
    if (there > 0)
        memcpy(p->message + p->message_len, payload, there);
    p->message_len += there;
    int text = p->opcode == 1 ? judge_text(p->message, p->message_len) : 2;
    if (text == 0 || (text == 1 && there == h->len && h->is_final))
        return 1007;
    if (there < h->len)
        return 0;
    if (h->is_final) {
        tell(t, p->opcode, p->message, p->message_len);
        p->opcode = 0;
        p->message_len = 0;
    }
    return 1;
}

static void read_plainly(const uint8_t *data, size_t size, bool from_client, struct told *t)
{
    struct plain p = {.at = data, .end = data + size};
    for (unsigned code = 1; code == 1;) {
        struct head h;
        uint8_t payload[CAP];
        code = read_head(&p, from_client, CAP, &h);
        if (code == 1) {
            size_t left = (size_t)(p.end - p.at), there = h.len < left ? (size_t)h.len : left;
            for (size_t i = 0; i < there; i++)
                payload[i] = (uint8_t)(p.at[i] ^ (h.mask != NULL ? h.mask[i % 4] : 0));
            p.at += there;
            code = h.opcode >= 8 ? read_control(payload, &h, there, t) : read_data(&p, payload, &h, there, t);
            /* Behind a Close nothing may come. */
            if (code == 1 && h.opcode == 8)
                code = p.at < p.end ? 1002 : 0;
        }
        t->code = code > 1 ? code : 0;
    }
}

/* ---- ours ---- */

struct ours {
    uint8_t message[CAP + 1], control[GW_FRAME_CONTROL_MAX];
    size_t message_len, control_len;
};

static bool take(struct ours *o, enum gw_frame_step step, const struct gw_frame_note *note, struct told *t)
{
    bool is_control = note->opcode >= GW_OPCODE_CLOSE;
    uint8_t *dst = is_control ? o->control : o->message;
    size_t *len = is_control ? &o->control_len : &o->message_len;
    if (step == GW_FRAME_FAULT) {
        t->code = note->close_code;
        return false;
    }
    if (step == GW_FRAME_PAYLOAD) {
        assert(*len + note->payload.len <= (is_control ? sizeof(o->control) : sizeof(o->message)));
        memcpy(dst + *len, note->payload.ptr, note->payload.len);
        *len += note->payload.len;
    } else if (note->is_message_end) {
        tell(t, (uint8_t)note->opcode, dst, *len);
        *len = 0;
    }
    return true;
}

static void read_in_pieces(const uint8_t *data, size_t size, enum gw_frame_sender sender, uint8_t cut, struct told *t)
{
    struct gw_frames f;
    struct ours o = {.message_len = 0};
    uint32_t random = cut;
    gw_frames_init(&f, sender, CAP);
    for (size_t at = 0; at < size;) {
        random = random * 1664525 + 1013904223;
        size_t piece = cut == 0 ? size : 1 + (random >> 24) % (cut < 128 ? 3 : 40), used;
        if (piece > size - at)
            piece = size - at;
        /* In memory of their very size, both of them. */
        uint8_t *bytes = malloc(piece), *plain = malloc(piece);
        assert(bytes != NULL && plain != NULL);
        memcpy(bytes, data + at, piece);
        struct gw_frame_note note;
        enum gw_frame_step step;
        bool goes_on = true;
        for (size_t done = 0; goes_on; done += used) {
            step = gw_frames_step(&f, bytes + done, piece - done, plain, &used, &note);
            assert(used <= piece - done && (step != GW_FRAME_MORE || used == piece - done));
            goes_on = step != GW_FRAME_MORE && take(&o, step, &note, t);
        }
        free(bytes);
        free(plain);
        if (t->code != 0)
            return;
        at += piece;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct told plain, ours;
    if (size < 2 || size > 4096)
        return 0;
    bool from_client = data[0] % 2 == 0;
    plain.len = ours.len = 0;
    plain.code = ours.code = 0;
    read_plainly(data + 2, size - 2, from_client, &plain);
    read_in_pieces(data + 2, size - 2, from_client ? GW_FRAME_CLIENT : GW_FRAME_SERVER, data[1], &ours);
    assert(plain.code == ours.code);
    assert(plain.len == ours.len && memcmp(plain.bytes, ours.bytes, ours.len) == 0);
    return 0;
}
