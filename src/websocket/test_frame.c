/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream is told as text: T, B, c, p, o for the payload of text, binary, Close, Ping, Pong; a dot where a frame ends, a bang where a
 * message does; the code where it fails. However the stream is cut, the text is the same.
 */
#include "websocket/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define STREAM_MAX 70000
#define MAX_BYTES 64

struct telling {
    char text[1024];
    size_t len;
    char last;
    size_t payload;
};

static char letter_of(enum gw_opcode opcode)
{
    switch (opcode) {
    case GW_OPCODE_TEXT:
        return 'T';
    case GW_OPCODE_BINARY:
        return 'B';
    case GW_OPCODE_CLOSE:
        return 'c';
    case GW_OPCODE_PING:
        return 'p';
    case GW_OPCODE_PONG:
        return 'o';
    case GW_OPCODE_CONTINUATION:
        break;
    }
    return '?';
}

static void tell(struct telling *t, const char *text, size_t len)
{
    assert_true(t->len + len < sizeof(t->text));
    memcpy(t->text + t->len, text, len);
    t->len += len;
    t->text[t->len] = 0;
}

static void tell_step(struct telling *t, enum gw_frame_step step, const struct gw_frame_note *note)
{
    char word[32], letter = letter_of(note->opcode);
    if (step == GW_FRAME_PAYLOAD) {
        assert_true(note->payload.len > 0);
        if (t->last != letter)
            tell(t, &letter, 1);
        t->last = letter;
        t->payload += note->payload.len;
        if (t->payload < 512)
            tell(t, note->payload.ptr, note->payload.len);
        return;
    }
    t->last = 0;
    if (step == GW_FRAME_FAULT)
        (void)snprintf(word, sizeof(word), "<%u>", note->close_code);
    else if (note->opcode == GW_OPCODE_CLOSE)
        (void)snprintf(word, sizeof(word), "=%u!", note->close_code);
    else
        (void)snprintf(word, sizeof(word), "%c%s", letter, note->is_message_end ? "!" : ".");
    tell(t, word, strlen(word));
}

/* False: it has failed. */
static bool feed(struct gw_frames *f, const uint8_t *bytes, size_t len, struct telling *t)
{
    static uint8_t plain[STREAM_MAX];
    for (;;) {
        size_t used;
        struct gw_frame_note note;
        enum gw_frame_step step = gw_frames_step(f, bytes, len, plain, &used, &note);
        assert_true(used <= len);
        bytes += used;
        len -= used;
        if (step == GW_FRAME_MORE) {
            assert_int_equal(len, 0);
            return true;
        }
        tell_step(t, step, &note);
        if (step == GW_FRAME_FAULT)
            return false;
    }
}

static struct telling tell_in_pieces(enum gw_frame_sender sender, struct gw_str stream, size_t first, size_t then)
{
    struct gw_frames f;
    struct telling t = {.len = 0};
    gw_frames_init(&f, sender, MAX_BYTES);
    size_t piece = first;
    for (size_t at = 0; at < stream.len; at += piece, piece = then) {
        if (at > 0)
            piece = then;
        size_t len = stream.len - at < piece ? stream.len - at : piece;
        if (!feed(&f, (const uint8_t *)stream.ptr + at, len, &t))
            break;
        piece = len;
    }
    return t;
}

#define K "\x01\x02\x03\x04"
#define S(literal) GW_STR(literal)

struct stream_case {
    struct gw_str stream;
    const char *told;
};

static void check(enum gw_frame_sender sender, const struct stream_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct stream_case *c = &cases[i];
        for (size_t cut = 1; cut <= c->stream.len; cut++) {
            assert_string_equal(tell_in_pieces(sender, c->stream, cut, c->stream.len).text, c->told);
            assert_string_equal(tell_in_pieces(sender, c->stream, cut, cut).text, c->told);
        }
    }
}

static void reads_what_a_server_sends(void **state)
{
    (void)state;
    const struct stream_case cases[] = {
        {S("\x81\x05Hello"), "THelloT!"}, /* RFC 6455 section 5.7 */
        {S("\x01\x03Hel\x80\x02lo"), "THelT.TloT!"},
        {S("\x81\x00"), "T!"},
        {S("\x82\x02\x00\xff"
           "\x81\x01"
           "a"),
         "B"}, /* a NUL ends what can be compared */
        {S("\x01\x01"
           "a\x89\x02"
           "in\x80\x01"
           "b"),
         "TaT.pinp!TbT!"},
        {S("\x01\x01"
           "a\x00\x00\x00\x01"
           "b\x80\x00"),
         "TaT.T.TbT.T!"},
        {S("\x89\x00\x8a\x00"), "p!o!"},
        {S("\x01\x01\xc3\x80\x01\xa4"), "T\xc3T.T\xa4T!"}, /* a character over two frames */
        {S("\x88\x00"), "=1005!"},
        {S("\x88\x02\x03\xe8"), "c\x03\xe8=1000!"},
        {S("\x88\x05\x0f\xa0"
           "bye"),
         "c\x0f\xa0"
         "bye=4000!"},
        {S("\x82\x7e\x00\x7e"), "<1009>"}, /* said by the head alone */
        {S("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"), "<1009>"},
        {S("\x02\x28"
           "0123456789012345678901234567890123456789"
           "\x80\x19"),
         "B0123456789012345678901234567890123456789B.<1009>"},
    };
    check(GW_FRAME_SERVER, cases, COUNT(cases));
}

static void refuses_what_no_server_may_send(void **state)
{
    (void)state;
    const struct stream_case cases[] = {
        {S("\xc1\x00"), "<1002>"},
        {S("\xa1\x00"), "<1002>"},
        {S("\x91\x00"), "<1002>"},
        {S("\x83\x00"), "<1002>"},
        {S("\x87\x00"), "<1002>"},
        {S("\x8b\x00"), "<1002>"},
        {S("\x8f\x00"), "<1002>"},
        {S("\x81\x85" K), "<1002>"},
        {S("\x09\x00"), "<1002>"},
        {S("\x08\x00"), "<1002>"},
        {S("\x89\x7e\x00\x7e"), "<1002>"},
        {S("\x89\x7f"), "<1002>"},
        {S("\x80\x00"), "<1002>"},
        {S("\x00\x00"), "<1002>"},
        {S("\x01\x01"
           "a\x81\x00"),
         "TaT.<1002>"},
        {S("\x01\x01"
           "a\x02\x00"),
         "TaT.<1002>"},
        {S("\x81\x00\x80\x00"), "T!<1002>"},
        {S("\x82\x7e\x00\x7d"), "<1002>"}, /* longer than it need be */
        {S("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), "<1002>"},
        {S("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), "<1002>"},
        {S("\x88\x01\x03"), "c\x03<1002>"},
        {S("\x88\x02\x03\xed"), "c\x03\xed<1002>"}, /* 1005 */
        {S("\x88\x02\x03\xee"), "c\x03\xee<1002>"}, /* 1006 */
        {S("\x88\x02\x03\xec"), "c\x03\xec<1002>"}, /* 1004 */
        {S("\x88\x02\x03\xf7"), "c\x03\xf7<1002>"}, /* 1015 */
        {S("\x88\x02\x03\xe7"), "c\x03\xe7<1002>"}, /* 999 */
        {S("\x88\x02\x13\x88"), "c\x13\x88<1002>"}, /* 5000 */
        {S("\x88\x02\x07\xd0"), "c\x07\xd0<1002>"}, /* 2000 */
        {S("\x88\x02\x03\xe8\x81\x00"), "c\x03\xe8=1000!<1002>"},
        {S("\x88\x00\x88\x00"), "=1005!<1002>"},
        {S("\x01\x01\xc3\x80\x00"), "T\xc3T.<1007>"},
        {S("\x81\x01\xc3"), "T\xc3<1007>"},
    };
    check(GW_FRAME_SERVER, cases, COUNT(cases));
    /* Where the fault is inside a piece, how much of it was told depends on the cut. */
    const struct gw_str wrong[] = {S("\x81\x03"
                                     "a\xff"
                                     "b"),
                                   S("\x88\x04\x03\xe8\xc0\xaf"), S("\x01\x01\xc3\x00\x01(")};
    for (size_t i = 0; i < COUNT(wrong); i++)
        for (size_t cut = 1; cut <= wrong[i].len; cut++)
            assert_non_null(strstr(tell_in_pieces(GW_FRAME_SERVER, wrong[i], cut, cut).text, "<1007>"));
}

static void unmasks_what_a_client_sends(void **state)
{
    (void)state;
    const struct stream_case cases[] = {
        {S("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "THelloT!"}, /* RFC 6455 section 5.7 */
        {S("\x81\x80" K), "T!"},
        {S("\x01\x83" K "` b"
           "\x89\x81" K "q"
           "\x80\x82" K "ef"),
         "Ta\"aT.ppp!TddT!"},
        {S("\x88\x82" K "\x02\xea"), "c\x03\xe8=1000!"},
        {S("\x81\x05Hello"), "<1002>"},
        {S("\x89\x00"), "<1002>"},
        {S("\x81\xfe\x00\x7e" K), "<1009>"},
        {S("\x81\xfe\x00\x7d" K), "<1002>"},
    };
    check(GW_FRAME_CLIENT, cases, COUNT(cases));
}

/* A boundary is nowhere but between frames, and one of messages nowhere but between messages. */
static void knows_where_it_stands(void **state)
{
    (void)state;
    static const uint8_t stream[] = "\x01\x01"
                                    "a\x89\x01"
                                    "p\x80\x00\x81\x00";
    static const char where[] = "m..f..f.m.m"; /* before each byte, and at the end */
    struct gw_frames f;
    struct telling t = {.len = 0};
    gw_frames_init(&f, GW_FRAME_SERVER, 0);
    for (size_t i = 0; i < sizeof(where) - 1; i++) {
        assert_int_equal(gw_frames_at_boundary(&f), where[i] != '.');
        assert_int_equal(gw_frames_at_message_boundary(&f), where[i] == 'm');
        if (i < sizeof(stream) - 1)
            assert_true(feed(&f, stream + i, 1, &t));
    }
}

/* Lengths around those where the head's form changes, written, masked and read again. */
static void reads_what_it_writes(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 7, 8, 9, 125, 126, 127, 65535, 65536, 65537};
    static const uint8_t mask[4] = {0xa5, 0, 0xff, 0x3c};
    static uint8_t stream[STREAM_MAX], plain[STREAM_MAX], back[STREAM_MAX];
    for (size_t i = 0; i < COUNT(lengths) * 2; i++) {
        size_t len = lengths[i / 2];
        bool masked = i % 2 == 1;
        for (size_t k = 0; k < len; k++)
            plain[k] = (uint8_t)(k * 7);
        size_t head = gw_frame_write_head(stream, GW_OPCODE_BINARY, len, masked ? mask : NULL);
        assert_true(head <= GW_FRAME_HEAD_MAX);
        memcpy(stream + head, plain, len);
        if (masked)
            gw_frame_mask(stream + head, plain, len, mask, 0);
        struct gw_frames f;
        gw_frames_init(&f, masked ? GW_FRAME_CLIENT : GW_FRAME_SERVER, 0);
        size_t used, done = 0, at = 0;
        struct gw_frame_note note;
        /* In two pieces that no word boundary goes with. */
        for (size_t cut = head + len / 3; done < head + len || len == 0; cut = head + len) {
            enum gw_frame_step step;
            while ((step = gw_frames_step(&f, stream + done, cut - done, back, &used, &note)) == GW_FRAME_PAYLOAD) {
                assert_memory_equal(note.payload.ptr, plain + at, note.payload.len);
                at += note.payload.len;
                done += used;
            }
            done += used;
            assert_int_not_equal(step, GW_FRAME_FAULT);
            if (step == GW_FRAME_END)
                break;
        }
        assert_int_equal(at, len);
    }
}

static void stays_failed(void **state)
{
    (void)state;
    struct gw_frames f;
    struct telling t = {.len = 0};
    gw_frames_init(&f, GW_FRAME_SERVER, 0);
    assert_false(feed(&f, (const uint8_t *)"\x83\x00", 2, &t));
    assert_false(feed(&f, (const uint8_t *)"\x81\x00", 2, &t));
    assert_string_equal(t.text, "<1002><1002>");
    assert_false(gw_frames_at_boundary(&f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_server_sends),   cmocka_unit_test(refuses_what_no_server_may_send),
        cmocka_unit_test(unmasks_what_a_client_sends), cmocka_unit_test(knows_where_it_stands),
        cmocka_unit_test(reads_what_it_writes),        cmocka_unit_test(stays_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
