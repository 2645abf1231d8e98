/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two streams of frames. What the client sends goes on message by message, each judged when it is whole: where it lies whole in the bytes that
 * were read, those go on where they are, and nothing is copied but what is unmasked to be looked at; else it is held as it came. A control frame
 * between two messages is a unit of its own; one inside a message stays with that.
 *
 * What the upstream sends goes on at once, but is followed frame by frame: a frame of ours fits between two of its messages alone, and a Close
 * between two frames.
 */
#include "pipeline/socket.h"

#include "websocket/handshake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Of what we say to a client who does not read. */
#define WAITING_MAX_BYTES ((size_t)64 * 1024)
/* One feed of nginx's, and what may lie before it. */
#define PENDING_MAX_BYTES ((size_t)4 * 1024 * 1024)
/* A message may come in many frames, each with a head, and with control frames between them. */
#define HELD_HEADS_MAX_BYTES ((size_t)16 * 1024)

#define UP GW_STREAM_TO_UPSTREAM
#define DOWN GW_STREAM_TO_CLIENT

enum gw_socket_state gw_socket_state(const struct gw_socket *s)
{
    return s->state;
}

void gw_socket_wake(const struct gw_socket *s)
{
    s->owner.wake(s->owner.data);
}

/* ---- pending ---- */

struct gw_str gw_socket_pending(const struct gw_socket *s, enum gw_stream stream)
{
    const struct gw_outflow *o = &s->pending[stream];
    return gw_str_sub(gw_buf_str(&o->bytes), o->taken, o->bytes.len);
}

void gw_socket_took(struct gw_socket *s, enum gw_stream stream, size_t count)
{
    struct gw_outflow *o = &s->pending[stream];
    o->taken += count;
    assert(o->taken <= o->bytes.len);
    if (o->taken < o->bytes.len)
        return;
    /* An idle socket keeps no memory for what it has said. */
    gw_buf_done(&o->bytes);
    gw_buf_init(&o->bytes, PENDING_MAX_BYTES);
    o->taken = 0;
}

static bool is_pending(const struct gw_socket *s, enum gw_stream stream)
{
    return s->pending[stream].bytes.len > 0;
}

static void add(struct gw_socket *s, enum gw_stream stream, const uint8_t *bytes, size_t len)
{
    if (len > 0)
        gw_buf_add(&s->pending[stream].bytes, (struct gw_str){(const char *)bytes, len});
}

static void make_buffers(struct gw_socket *s)
{
    for (int i = 0; i < GW_STREAM_COUNT; i++)
        gw_buf_init(&s->pending[i].bytes, PENDING_MAX_BYTES);
    gw_buf_init(&s->waiting, WAITING_MAX_BYTES);
    gw_buf_init(&s->held, 2 * s->rules->message_max_bytes + HELD_HEADS_MAX_BYTES);
}

/* ---- ending ---- */

static void end(struct gw_socket *s)
{
    s->state = GW_SOCKET_OVER;
}

void gw_socket_give_up(struct gw_socket *s)
{
    end(s);
    gw_socket_wake(s);
}

/* What was cut off is over: a stream that lost bytes says something else. */
static void check_memory(struct gw_socket *s)
{
    if (s->pending[UP].bytes.failed != GW_OK || s->pending[DOWN].bytes.failed != GW_OK || s->waiting.failed != GW_OK)
        end(s);
}

static void add_frame(struct gw_buf *out, enum gw_opcode opcode, struct gw_str payload, const uint8_t mask[4])
{
    uint8_t head[GW_FRAME_HEAD_MAX];
    gw_buf_add(out, (struct gw_str){(const char *)head, gw_frame_write_head(head, opcode, payload.len, mask)});
    size_t start = out->len;
    gw_buf_add(out, payload);
    if (mask != NULL && out->failed == GW_OK)
        gw_frame_mask((uint8_t *)out->ptr + start, (uint8_t *)out->ptr + start, payload.len, mask, 0);
}

static void tell_upstream(struct gw_socket *s, enum gw_opcode opcode, struct gw_str payload)
{
    uint8_t mask[4];
    struct gw_random *random = &s->request->gate->pool.random;
    if (gw_random_fill(random, mask, sizeof(mask), NULL) != GW_OK) {
        end(s);
        return;
    }
    add_frame(&s->pending[UP].bytes, opcode, payload, mask);
    check_memory(s);
}

void gw_socket_tell_upstream(struct gw_socket *s, struct gw_str text)
{
    if (s->state == GW_SOCKET_OPEN && !s->has_client_close)
        tell_upstream(s, GW_OPCODE_TEXT, text);
}

/* Where the upstream's frames let us. */
static void flush_waiting(struct gw_socket *s)
{
    const struct gw_frames *f = &s->frames[DOWN];
    bool fits = s->state == GW_SOCKET_OPEN ? gw_frames_at_message_boundary(f) : gw_frames_at_boundary(f);
    if (s->waiting.len == 0 || !fits)
        return;
    gw_buf_add(&s->pending[DOWN].bytes, gw_buf_str(&s->waiting));
    gw_buf_done(&s->waiting);
    gw_buf_init(&s->waiting, WAITING_MAX_BYTES);
    check_memory(s);
}

void gw_socket_tell_client(struct gw_socket *s, struct gw_str text)
{
    if (s->state != GW_SOCKET_OPEN || s->has_upstream_close)
        return;
    add_frame(&s->waiting, GW_OPCODE_TEXT, text, NULL);
    check_memory(s);
    if (s->state == GW_SOCKET_OPEN)
        flush_waiting(s);
}

static size_t write_close(uint8_t payload[GW_FRAME_CONTROL_MAX], enum gw_close_code code, struct gw_str why)
{
    assert(why.len <= GW_FRAME_REASON_MAX);
    payload[0] = (uint8_t)((unsigned)code >> 8);
    payload[1] = (uint8_t)code;
    memcpy(payload + 2, why.ptr, why.len);
    return 2 + why.len;
}

/* What waited to be said is not said any more. The upstream's side has said all of what went on, which was whole. */
void gw_socket_close(struct gw_socket *s, enum gw_close_code code, struct gw_str why)
{
    uint8_t payload[GW_FRAME_CONTROL_MAX];
    if (s->state != GW_SOCKET_OPEN)
        return;
    if (s->has_client_close || s->has_upstream_close) {
        end(s);
        return;
    }
    s->state = GW_SOCKET_CLOSING;
    s->over_ms = gw_clock_mono_ms(s->request->gate->clock) + GW_SOCKET_CLOSE_MS;
    gw_buf_reset(&s->held);
    gw_buf_reset(&s->waiting);
    tell_upstream(s, GW_OPCODE_CLOSE,
                  (struct gw_str){(char *)payload, write_close(payload, GW_CLOSE_GOING_AWAY, GW_STR(""))});
    add_frame(&s->waiting, GW_OPCODE_CLOSE, (struct gw_str){(char *)payload, write_close(payload, code, why)}, NULL);
    check_memory(s);
    if (s->state == GW_SOCKET_CLOSING)
        flush_waiting(s);
}

static void close_by_fault(struct gw_socket *s, const struct gw_frame_note *note)
{
    gw_socket_close(s, (enum gw_close_code)note->close_code, gw_str(note->fault));
}

/* ---- to the upstream ---- */

/* Room for what one step may unmask, behind what is there of the message, and for a NUL. */
static uint8_t *plain_room(struct gw_sockets *t, size_t len)
{
    size_t wanted = t->plain_len + len + 1;
    if (wanted <= t->plain_room)
        return t->plain + t->plain_len;
    uint8_t *plain = realloc(t->plain, wanted);
    if (plain == NULL)
        return NULL;
    t->plain = plain;
    t->plain_room = wanted;
    return plain + t->plain_len;
}

static bool is_data(enum gw_opcode opcode)
{
    return opcode == GW_OPCODE_TEXT || opcode == GW_OPCODE_BINARY;
}

/* A step of the client's frames; the payload of data is gathered behind what came before. */
static enum gw_frame_step step_up(struct gw_sockets *t, struct gw_frames *f, const uint8_t *bytes, size_t len,
                                  size_t *used, struct gw_frame_note *note)
{
    uint8_t *plain = plain_room(t, len);
    if (plain == NULL) {
        *note = (struct gw_frame_note){.close_code = GW_CLOSE_INTERNAL, .fault = "out of memory"};
        *used = 0;
        return GW_FRAME_FAULT;
    }
    enum gw_frame_step step = gw_frames_step(f, bytes, len, plain, used, note);
    if (step == GW_FRAME_PAYLOAD && is_data(note->opcode))
        t->plain_len += note->payload.len;
    return step;
}

/* What was held is read once more, whole: meanwhile others' messages were where it was unmasked. It was found right as it came. */
static void gather(struct gw_sockets *t, const struct gw_buf *held)
{
    struct gw_frames again;
    struct gw_frame_note note;
    size_t at = 0, used;
    gw_frames_init(&again, GW_FRAME_CLIENT, 0);
    t->plain_len = 0;
    while (step_up(t, &again, (const uint8_t *)held->ptr + at, held->len - at, &used, &note) != GW_FRAME_MORE) {
        assert(note.fault == NULL);
        at += used;
    }
}

static void hold(struct gw_socket *s, const uint8_t *bytes, size_t len)
{
    gw_buf_add(&s->held, (struct gw_str){(const char *)bytes, len});
    if (s->held.failed != GW_OK)
        gw_socket_close(s, GW_CLOSE_TOO_BIG, GW_STR("a message comes in too many pieces"));
}

static void let_go(struct gw_socket *s)
{
    size_t max_bytes = s->held.max_bytes;
    gw_buf_done(&s->held);
    gw_buf_init(&s->held, max_bytes);
}

/* A client's bytes on their way: those before passed go on where they are; those from unit on are not judged yet. */
struct passage {
    const uint8_t *bytes;
    size_t passed, unit, at;
};

/* A message, or a control frame between two, has ended where p is at. */
static void end_unit(struct gw_socket *s, struct passage *p, enum gw_opcode opcode)
{
    struct gw_sockets *t = &s->request->gate->sockets;
    bool is_held = s->held.len > 0;
    if (is_held)
        hold(s, p->bytes + p->unit, p->at - p->unit);
    if (s->state != GW_SOCKET_OPEN)
        return;
    if (is_held && is_data(opcode))
        gather(t, &s->held);
    struct gw_message m = {.opcode = opcode, .text = (char *)t->plain, .len = t->plain_len};
    bool goes_on = is_data(opcode) ? gw_message_judge(s, &m) == GW_MESSAGE_GOES_ON
                                   : opcode == GW_OPCODE_CLOSE || gw_message_is_in_time(s);
    s->has_client_close = opcode == GW_OPCODE_CLOSE;
    if (goes_on && is_held)
        gw_buf_add(&s->pending[UP].bytes, gw_buf_str(&s->held));
    else if (goes_on && !is_pending(s, UP) && p->passed == p->unit)
        p->passed = p->at;
    else if (goes_on)
        add(s, UP, p->bytes + p->unit, p->at - p->unit);
    if (is_held)
        let_go(s);
    check_memory(s);
    p->unit = p->at;
    t->plain_len = 0;
}

static size_t feed_up(struct gw_socket *s, const uint8_t *bytes, size_t len)
{
    struct gw_frames *f = &s->frames[UP];
    struct passage p = {.bytes = bytes};
    enum gw_frame_step step = GW_FRAME_END;
    s->request->gate->sockets.plain_len = 0;
    while (s->state == GW_SOCKET_OPEN && step != GW_FRAME_MORE) {
        size_t used;
        struct gw_frame_note note;
        step = step_up(&s->request->gate->sockets, f, bytes + p.at, len - p.at, &used, &note);
        p.at += used;
        if (step == GW_FRAME_FAULT)
            close_by_fault(s, &note);
        else if (step == GW_FRAME_END && gw_frames_at_message_boundary(f))
            end_unit(s, &p, note.opcode);
    }
    if (s->state == GW_SOCKET_OPEN && p.unit < p.at)
        hold(s, bytes + p.unit, p.at - p.unit);
    return p.passed;
}

/* Of a client that is being closed nothing counts any more but that it has heard of it. */
static void wait_for_close(struct gw_socket *s, const uint8_t *bytes, size_t len)
{
    struct gw_sockets *t = &s->request->gate->sockets;
    enum gw_frame_step step = GW_FRAME_END;
    for (size_t at = 0, used; step != GW_FRAME_MORE && step != GW_FRAME_FAULT; at += used) {
        struct gw_frame_note note;
        t->plain_len = 0;
        step = step_up(t, &s->frames[UP], bytes + at, len - at, &used, &note);
        if (step == GW_FRAME_END && note.opcode == GW_OPCODE_CLOSE)
            end(s);
    }
}

/* ---- to the client ---- */

/* The upstream's bytes on their way: those before passed go on where they are, the others before copied are pending. */
struct stream_down {
    const uint8_t *bytes;
    size_t passed, copied;
};

static void move(struct gw_socket *s, struct stream_down *d, size_t upto)
{
    if (!is_pending(s, DOWN) && d->copied == d->passed)
        d->passed = upto;
    else
        add(s, DOWN, d->bytes + d->copied, upto - d->copied);
    d->copied = upto;
}

/* The upstream breaks the protocol. Where nothing of the frame in question has gone on, the client can be told. */
static void end_by_upstream(struct gw_socket *s, bool is_between_frames)
{
    if (!is_between_frames) {
        end(s);
        return;
    }
    gw_frames_init(&s->frames[DOWN], GW_FRAME_SERVER, 0);
    gw_socket_close(s, GW_CLOSE_BAD_GATEWAY, GW_STR("the backend broke the protocol"));
}

/* Nothing of the upstream's goes on behind a Close, its own or ours. */
static bool has_said_all(const struct gw_socket *s)
{
    return s->state == GW_SOCKET_OVER || s->has_upstream_close ||
           (s->state == GW_SOCKET_CLOSING && s->waiting.len == 0);
}

static size_t feed_down(struct gw_socket *s, const uint8_t *bytes, size_t len)
{
    struct gw_frames *f = &s->frames[DOWN];
    struct stream_down d = {.bytes = bytes};
    bool is_between = gw_frames_at_boundary(f);
    enum gw_frame_step step = GW_FRAME_END;
    for (size_t at = 0, frame = 0, used; step != GW_FRAME_MORE && !has_said_all(s); at += used) {
        struct gw_frame_note note;
        step = gw_frames_step(f, bytes + at, len - at, NULL, &used, &note);
        if (step == GW_FRAME_FAULT) {
            move(s, &d, is_between ? frame : d.copied);
            end_by_upstream(s, is_between);
            break;
        }
        if (step == GW_FRAME_MORE)
            move(s, &d, at + used);
        if (step != GW_FRAME_END)
            continue;
        frame = at + used;
        is_between = true;
        s->has_upstream_close = note.opcode == GW_OPCODE_CLOSE;
        if (s->waiting.len > 0 || s->has_upstream_close)
            move(s, &d, frame);
        flush_waiting(s);
    }
    return d.passed;
}

size_t gw_socket_feed(struct gw_socket *s, enum gw_stream stream, const uint8_t *bytes, size_t len)
{
    enum gw_socket_state state = s->state;
    bool was_pending = is_pending(s, stream == UP ? DOWN : UP);
    size_t passed = 0;
    if (stream == DOWN)
        passed = feed_down(s, bytes, len);
    else if (state == GW_SOCKET_OPEN && !s->has_client_close)
        passed = feed_up(s, bytes, len);
    else if (state == GW_SOCKET_CLOSING)
        wait_for_close(s, bytes, len);
    if (stream == UP)
        s->heard_ms = gw_clock_mono_ms(s->request->gate->clock);
    if (s->state != state || is_pending(s, stream == UP ? DOWN : UP) != was_pending)
        gw_socket_wake(s);
    return s->state == GW_SOCKET_OVER ? 0 : passed;
}

/* ---- birth and end ---- */

static bool is_offered(const struct gw_request *r, struct gw_str protocol)
{
    for (size_t i = 0; i < r->head->header_count; i++) {
        struct gw_str list = r->head->headers[i].value, one;
        if (!gw_str_eq(r->head->headers[i].name, GW_STR("sec-websocket-protocol")))
            continue;
        while (gw_str_split(&list, ',', &one))
            if (gw_str_eq(gw_str_trim(one), protocol))
                return true;
    }
    return false;
}

/* RFC 6455 section 4.1: what a client would fail the connection by, and so do we in its place. */
static bool answers_handshake(const struct gw_request *r, const struct gw_upgrade_answer *a)
{
    char accept[GW_WEBSOCKET_ACCEPT_LEN];
    return gw_websocket_accept(gw_str_trim(r->fields.upgrade.key), accept) == GW_OK &&
           gw_str_eq(gw_str_trim(a->accept), (struct gw_str){accept, sizeof(accept)}) && a->extensions.len == 0 &&
           (a->protocol.len == 0 || is_offered(r, gw_str_trim(a->protocol)));
}

static enum gw_code open_socket(struct gw_request *r, const struct gw_socket_owner *owner, struct gw_socket **out)
{
    struct gw_socket *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return GW_ENOMEM;
    s->request = r;
    s->owner = *owner;
    s->rules = r->route->websocket;
    s->opened_ms = s->heard_ms = s->asked_ms = gw_clock_mono_ms(r->gate->clock);
    gw_frames_init(&s->frames[UP], GW_FRAME_CLIENT, s->rules->message_max_bytes);
    gw_frames_init(&s->frames[DOWN], GW_FRAME_SERVER, 0);
    make_buffers(s);
    enum gw_code code = gw_sockets_add(r->gate, s);
    if (code == GW_OK)
        *out = s;
    else
        free(s);
    return code;
}

static enum gw_reason open_and_judge(struct gw_request *r, const struct gw_socket_owner *owner)
{
    enum gw_code code = open_socket(r, owner, &r->socket);
    if (code != GW_OK)
        return code == GW_ELIMIT ? GW_REASON_SOCKETS : GW_REASON_INTERNAL;
    enum gw_reason reason = gw_socket_judge(r->socket); /* the backend may have taken its time */
    if (reason != GW_REASON_NONE) {
        gw_socket_free(r->socket);
        r->socket = NULL;
    }
    return reason;
}

struct gw_socket *gw_request_upgraded(struct gw_gate *g, struct gw_request *r, const struct gw_upgrade_answer *answer,
                                      const struct gw_socket_owner *owner, struct gw_decision *out)
{
    assert(r->gate == g && r->route->websocket != NULL && r->socket == NULL);
    enum gw_reason reason = answers_handshake(r, answer) ? open_and_judge(r, owner) : GW_REASON_BAD_UPGRADE;
    if (reason != GW_REASON_NONE)
        gw_request_refuse(r, reason, out);
    return r->socket;
}

void gw_socket_free(struct gw_socket *s)
{
    if (s == NULL)
        return;
    gw_sockets_remove(s->request->gate, s);
    for (int i = 0; i < GW_STREAM_COUNT; i++)
        gw_buf_done(&s->pending[i].bytes);
    gw_buf_done(&s->held);
    gw_buf_done(&s->waiting);
    free(s);
}
