/* SPDX-License-Identifier: Apache-2.0 */
/* Both streams of a socket: what goes on, what is put in, and how it ends. */
#include "pipeline/socket_rig.h"
#include "pipeline/test_cast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UP GW_STREAM_TO_UPSTREAM
#define DOWN GW_STREAM_TO_CLIENT
#define BIG 65536

static struct gw_socket_rig x;

static int open_one(void **state)
{
    set_up(state);
    if (!gw_socket_rig_open(&x, &rig, "/live", bearer(TRADER) + strlen("authorization: "), NULL))
        fail_msg("refused: %s", gw_reason_name(x.decision.reason));
    return 0;
}

static int close_it(void **state)
{
    gw_socket_rig_close(&x);
    return tear_down(state);
}

static void send_text(const char *text)
{
    static uint8_t frame[BIG + GW_FRAME_HEAD_MAX];
    gw_socket_rig_feed(&x, UP, frame, gw_socket_rig_frame(frame, GW_OPCODE_TEXT, text, strlen(text)));
}

/* "T:text ", "p: ", "c1008:why " of what has arrived, read as the other side would; "!" where it breaks the protocol. */
static const char *told(enum gw_stream stream)
{
    static char text[4096];
    static uint8_t plain[GW_SOCKET_RIG_BYTES];
    struct gw_frames f;
    struct gw_frame_note note;
    enum gw_frame_step step;
    size_t used, len = 0, at = 0;
    bool begins = true;
    gw_frames_init(&f, stream == UP ? GW_FRAME_CLIENT : GW_FRAME_SERVER, 0);
    text[0] = '\0';
    while ((step = gw_frames_step(&f, x.out[stream] + at, x.arrived[stream] - at, plain, &used, &note)) !=
           GW_FRAME_MORE) {
        at += used;
        if (step == GW_FRAME_FAULT)
            return strcat(text, "!");
        if (step == GW_FRAME_PAYLOAD && note.opcode != GW_OPCODE_CLOSE)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s", begins ? "T:" : "",
                                    (int)(note.payload.len < 64 ? note.payload.len : 64), note.payload.ptr);
        if (step == GW_FRAME_PAYLOAD && note.opcode == GW_OPCODE_CLOSE && note.payload.len >= 2)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "c:%.*s", (int)note.payload.len - 2,
                                    note.payload.ptr + 2);
        begins = step == GW_FRAME_END && note.is_message_end;
        if (begins && note.opcode == GW_OPCODE_CLOSE)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "=%u ", note.close_code);
        else if (begins)
            len += (size_t)snprintf(text + len, sizeof(text) - len, " ");
    }
    return gw_frames_at_boundary(&f) ? text : strcat(text, "...");
}

/* ---- how it begins ---- */

static void the_upstream_must_answer_this_handshake(void **state)
{
    (void)state;
    static const struct gw_upgrade_answer wrong[] = {
        {.accept = GW_STR_NULL},
        {.accept = GW_STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo")},
        {.accept = GW_STR("ICX+Yqv66kxgM0FcWaLWlFLwTAI=")},
        {.accept = GW_STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), .extensions = GW_STR("permessage-deflate")},
        {.accept = GW_STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), .protocol = GW_STR("v3")},
        {.accept = GW_STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), .protocol = GW_STR("v1, v2")},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(gw_socket_rig_open(&x, &rig, "/live", bearer(TRADER) + strlen("authorization: "), &wrong[i]));
        assert_int_equal(x.decision.reason, GW_REASON_BAD_UPGRADE);
        assert_int_equal(x.decision.status, 502);
        gw_socket_rig_close(&x);
        assert_int_equal(gw_gate_socket_count(rig.gate), 0);
    }
    static const struct gw_upgrade_answer right = {.accept = GW_STR(" s3pPLMBiTxaQ9kYGzzhZRbK+xOo= "),
                                                   .protocol = GW_STR("v2")};
    assert_true(gw_socket_rig_open(&x, &rig, "/live", bearer(TRADER) + strlen("authorization: "), &right));
    gw_socket_rig_close(&x);
}

/* The backend may take its time with the answer. */
static void who_may_not_any_more_gets_no_socket(void **state)
{
    (void)state;
    gw_socket_rig_close(&x);
    assert_true(gw_socket_rig_open(&x, &rig, "/live", bearer(TRADER) + strlen("authorization: "), NULL));
    gw_socket_free(x.socket);
    x.socket = x.request->socket = NULL;
    struct gw_uuid session = gw_rig_uuid(10 + TRADER);
    gw_shared_drop_session(rig.writer, &session);
    const struct gw_upgrade_answer right = {.accept = GW_STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")};
    const struct gw_socket_owner owner = {.data = NULL};
    assert_null(gw_request_upgraded(rig.gate, x.request, &right, &owner, &x.decision));
    assert_int_equal(x.decision.reason, GW_REASON_SESSION_ENDED);
    assert_int_equal(gw_gate_socket_count(rig.gate), 0);
}

/* ---- to the upstream ---- */

static size_t two_messages(uint8_t *dst)
{
    size_t len = gw_socket_rig_frame(dst, GW_OPCODE_TEXT, "first", 5);
    len += gw_socket_rig_frame(dst + len, GW_OPCODE_PING, "pp", 2);
    size_t fragment = len;
    len += gw_socket_rig_frame(dst + len, GW_OPCODE_TEXT, "sec", 3);
    dst[fragment] &= 0x7f;
    len += gw_socket_rig_frame(dst + len, GW_OPCODE_PONG, "", 0);
    len += gw_socket_rig_frame(dst + len, GW_OPCODE_CONTINUATION, "ond", 3);
    return len + gw_socket_rig_frame(dst + len, GW_OPCODE_BINARY, "\x00\xff", 2);
}

static void a_clients_bytes_go_on_as_they_came_however_they_are_cut(void **state)
{
    (void)state;
    uint8_t stream[256];
    size_t len = two_messages(stream);
    for (size_t cut = 1; cut <= len; cut++) {
        x.arrived[UP] = 0;
        gw_socket_rig_feed(&x, UP, stream, cut);
        gw_socket_rig_feed(&x, UP, stream + cut, len - cut);
        assert_int_equal(x.arrived[UP], len);
        assert_memory_equal(x.out[UP], stream, len);
        assert_int_equal(x.socket->held.len, 0);
        gw_fake_clock_advance(&rig.clock, 1000);
    }
    x.arrived[UP] = 0;
    for (size_t i = 0; i < len; i++)
        gw_socket_rig_feed(&x, UP, stream + i, 1);
    assert_int_equal(x.arrived[UP], len);
    assert_memory_equal(x.out[UP], stream, len);
    assert_int_equal(x.arrived[DOWN], 0);
    assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_OPEN);
}

/* Nothing is copied where nothing need be. */
static void whole_messages_go_on_where_they_are(void **state)
{
    (void)state;
    uint8_t stream[256];
    size_t len = two_messages(stream);
    assert_int_equal(gw_socket_feed(x.socket, UP, stream, len), len);
    assert_int_equal(gw_socket_pending(x.socket, UP).len, 0);
}

static void a_message_is_held_until_it_is_whole(void **state)
{
    (void)state;
    uint8_t frame[64];
    size_t len = gw_socket_rig_frame(frame, GW_OPCODE_TEXT, "whole", 5);
    frame[0] &= 0x7f;
    gw_socket_rig_feed(&x, UP, frame, len);
    assert_int_equal(x.arrived[UP], 0);
    len = gw_socket_rig_frame(frame, GW_OPCODE_CONTINUATION, "!", 1);
    gw_socket_rig_feed(&x, UP, frame, len - 1);
    assert_int_equal(x.arrived[UP], 0);
    gw_socket_rig_feed(&x, UP, frame + len - 1, 1);
    assert_string_equal(told(UP), "T:whole! ");
}

static void what_breaks_the_protocol_closes_with_its_code(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *down;
    } rows[] = {
        {"\x81\x01"
         "a",
         3, "c:a client's frame is not masked=1002 "},
        {"\xc1\x80\0\0\0\0", 6, "c:a reserved bit is set=1002 "},
        {"\x81\x82\0\0\0\0\xc0\xaf", 8, "c:text is not UTF-8=1007 "},
        {"\x81\xff\0\0\0\0\0\x01\0\x01\0\0\0\0", 14, "c:a message is too long=1009 "},
        {"\x80\x80\0\0\0\0", 6, "c:nothing is there to be continued=1002 "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        send_text("before");
        gw_socket_rig_feed(&x, UP, rows[i].bytes, rows[i].len);
        assert_string_equal(told(DOWN), rows[i].down);
        assert_string_equal(told(UP), "T:before c:=1001 ");
        assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_CLOSING);
        close_it(state);
        open_one(state);
    }
}

static void what_comes_in_too_many_pieces_is_not_held_for_ever(void **state)
{
    (void)state;
    uint8_t frame[64];
    size_t len = gw_socket_rig_frame(frame, GW_OPCODE_TEXT, "", 0);
    frame[0] &= 0x7f;
    for (size_t i = 0; i < 100000 && gw_socket_state(x.socket) == GW_SOCKET_OPEN; i++) {
        gw_socket_rig_feed(&x, UP, frame, len);
        frame[0] = 0;
    }
    assert_string_equal(told(DOWN), "c:a message comes in too many pieces=1009 ");
    assert_int_equal(x.socket->held.len, 0);
}

static void more_messages_than_may_come_close_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GW_WEBSOCKET_RATE_DEFAULT; i++)
        send_text("x");
    assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_OPEN);
    gw_fake_clock_advance(&rig.clock, 10);
    send_text("x");
    assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_OPEN);
    send_text("x");
    assert_string_equal(told(DOWN), "c:more messages than may be sent=1008 ");
}

static void pings_are_counted_too(void **state)
{
    (void)state;
    uint8_t frame[16];
    size_t len = gw_socket_rig_frame(frame, GW_OPCODE_PING, "", 0);
    for (unsigned i = 0; i < GW_WEBSOCKET_RATE_DEFAULT; i++)
        gw_socket_rig_feed(&x, UP, frame, len);
    assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_OPEN);
    gw_socket_rig_feed(&x, UP, frame, len);
    assert_string_equal(told(DOWN), "c:more messages than may be sent=1008 ");
}

/* ---- to the client ---- */

#define SERVER_TEXT(len, text) "\x81" len text

static void an_upstreams_bytes_go_on_at_once(void **state)
{
    (void)state;
    static const char stream[] = "\x01\x03one\x89\x00\x80\x03two\x82\x7e\x00\x80";
    for (size_t i = 0; i < sizeof(stream) - 1; i++) {
        gw_socket_rig_feed(&x, DOWN, stream + i, 1);
        assert_int_equal(x.arrived[DOWN], i + 1);
    }
    assert_memory_equal(x.out[DOWN], stream, sizeof(stream) - 1);
    assert_int_equal(gw_socket_feed(x.socket, DOWN, (const uint8_t *)"0123456789", 10), 10);
}

static void a_text_of_ours_stands_between_messages(void **state)
{
    (void)state;
    static const char stream[] = "\x01\x02on\x80\x01"
                                 "e\x81\x03two";
    for (size_t cut = 0; cut < sizeof(stream); cut++) {
        x.arrived[DOWN] = 0;
        gw_socket_rig_feed(&x, DOWN, stream, cut);
        gw_socket_tell_client(x.socket, GW_STR("ours"));
        gw_socket_rig_feed(&x, DOWN, stream + cut, sizeof(stream) - 1 - cut);
        gw_socket_rig_drain(&x);
        const char *text = told(DOWN);
        const char *wanted = cut == 0   ? "T:ours T:one T:two "
                             : cut <= 7 ? "T:one T:ours T:two "
                                        : "T:one T:two T:ours ";
        assert_string_equal(text, wanted);
    }
}

static void a_close_of_ours_stands_between_frames(void **state)
{
    static const char stream[] = "\x01\x02on\x80\x01"
                                 "e\x81\x03two";
    static const char *const wanted[] = {"c:why=1008 ", "T:onc:why=1008 ", "T:one c:why=1008 ",
                                         "T:one T:two c:why=1008 "};
    static const size_t ends[] = {0, 4, 7, 12};
    for (size_t cut = 0; cut < sizeof(stream); cut++) {
        gw_socket_rig_feed(&x, DOWN, stream, cut);
        gw_socket_close(x.socket, GW_CLOSE_POLICY, GW_STR("why"));
        gw_socket_rig_feed(&x, DOWN, stream + cut, sizeof(stream) - 1 - cut);
        size_t i = 0;
        while (cut > ends[i])
            i++;
        assert_string_equal(told(DOWN), wanted[i]);
        assert_string_equal(told(UP), "c:=1001 ");
        close_it(state);
        open_one(state);
    }
}

static void what_a_client_does_not_read_is_not_kept_for_ever(void **state)
{
    (void)state;
    gw_socket_rig_feed(&x, DOWN, "\x81", 1); /* its frame never ends */
    for (size_t i = 0; i < 100000 && gw_socket_state(x.socket) == GW_SOCKET_OPEN; i++)
        gw_socket_tell_client(x.socket, GW_STR("ours"));
    assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_OVER);
}

static void an_upstream_that_breaks_the_protocol_is_cut_off(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *down; /* NULL: over at once */
    } rows[] = {
        {"\x81\x02ok\x83\x00", 6, "T:ok c:the backend broke the protocol=1014 "},
        {"\x81\x02ok\x81\x81\0\0\0\0a", 11, "T:ok c:the backend broke the protocol=1014 "},
        {"\x81\x02\xc0\xaf", 4, "c:the backend broke the protocol=1014 "},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_socket_rig_feed(&x, DOWN, rows[i].bytes, rows[i].len);
        assert_string_equal(told(DOWN), rows[i].down);
        close_it(state);
        open_one(state);
    }
    gw_socket_rig_feed(&x, DOWN, "\x81\x02", 2);
    gw_socket_rig_feed(&x, DOWN, "\xc0\xaf", 2);
    assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_OVER);
}

/* ---- how it ends ---- */

static void a_clients_close_goes_through(void **state)
{
    (void)state;
    uint8_t frame[64];
    size_t len = gw_socket_rig_frame(frame, GW_OPCODE_CLOSE,
                                     "\x03\xe8"
                                     "bye",
                                     5);
    gw_socket_rig_feed(&x, UP, frame, len);
    assert_string_equal(told(UP), "c:bye=1000 ");
    gw_socket_rig_feed(&x, UP, "more", 4); /* nobody has to listen to that */
    assert_string_equal(told(UP), "c:bye=1000 ");
    gw_socket_rig_feed(&x, DOWN,
                       "\x81\x01"
                       "a\x88\x02\x03\xe8",
                       7);
    gw_socket_rig_feed(&x, DOWN,
                       "\x81\x01"
                       "a",
                       3);
    gw_socket_tell_client(x.socket, GW_STR("late"));
    gw_socket_rig_drain(&x);
    assert_string_equal(told(DOWN), "T:a c:=1000 ");
}

static void who_is_closed_is_over_once_he_says_so(void **state)
{
    (void)state;
    gw_socket_close(x.socket, GW_CLOSE_POLICY, GW_STR("why"));
    gw_socket_rig_drain(&x);
    send_text("one more");
    assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_CLOSING);
    uint8_t frame[64];
    gw_socket_rig_feed(&x, UP, frame, gw_socket_rig_frame(frame, GW_OPCODE_CLOSE, "\x03\xf0", 2));
    assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_OVER);
    assert_string_equal(told(UP), "c:=1001 ");
    assert_string_equal(told(DOWN), "c:why=1008 ");
    assert_true(x.wakes > 0);
}

static void who_does_not_say_so_is_over_all_the_same(void **state)
{
    (void)state;
    gw_socket_close(x.socket, GW_CLOSE_POLICY, GW_STR("why"));
    gw_gate_poll(rig.gate);
    assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_CLOSING);
    gw_fake_clock_advance(&rig.clock, GW_SOCKET_CLOSE_MS);
    gw_gate_poll(rig.gate);
    assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_OVER);
}

int main(void)
{
#define SOCKET_CASE(test) cmocka_unit_test_setup_teardown(test, open_one, close_it)
    const struct CMUnitTest tests[] = {
        CASE(the_upstream_must_answer_this_handshake),
        SOCKET_CASE(who_may_not_any_more_gets_no_socket),
        SOCKET_CASE(a_clients_bytes_go_on_as_they_came_however_they_are_cut),
        SOCKET_CASE(whole_messages_go_on_where_they_are),
        SOCKET_CASE(a_message_is_held_until_it_is_whole),
        SOCKET_CASE(what_breaks_the_protocol_closes_with_its_code),
        SOCKET_CASE(what_comes_in_too_many_pieces_is_not_held_for_ever),
        SOCKET_CASE(more_messages_than_may_come_close_it),
        SOCKET_CASE(pings_are_counted_too),
        SOCKET_CASE(an_upstreams_bytes_go_on_at_once),
        SOCKET_CASE(a_text_of_ours_stands_between_messages),
        SOCKET_CASE(a_close_of_ours_stands_between_frames),
        SOCKET_CASE(what_a_client_does_not_read_is_not_kept_for_ever),
        SOCKET_CASE(an_upstream_that_breaks_the_protocol_is_cut_off),
        SOCKET_CASE(a_clients_close_goes_through),
        SOCKET_CASE(who_is_closed_is_over_once_he_says_so),
        SOCKET_CASE(who_does_not_say_so_is_over_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
