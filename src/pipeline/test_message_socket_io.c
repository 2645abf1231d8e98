/* SPDX-License-Identifier: Apache-2.0 */
/* Who may say what over a socket of Socket.IO. */
#include "pipeline/socket_rig.h"
#include "pipeline/test_cast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UP GW_STREAM_TO_UPSTREAM
#define DOWN GW_STREAM_TO_CLIENT
#define TARGET "/socket.io/?EIO=4&transport=websocket"

static struct gw_socket_rig x;

static const char *token_of(uint32_t user)
{
    return bearer(user) + strlen("authorization: Bearer ");
}

static void open_as(uint32_t user)
{
    if (!gw_socket_rig_open(&x, &rig, TARGET, bearer(user) + strlen("authorization: "), NULL))
        fail_msg("refused: %s", gw_reason_name(x.decision.reason));
}

static int open_one(void **state)
{
    set_up(state);
    open_as(VIEWER);
    return 0;
}

static int close_it(void **state)
{
    gw_socket_rig_close(&x);
    return tear_down(state);
}

static void send(enum gw_opcode opcode, const char *text)
{
    uint8_t frame[4096];
    gw_socket_rig_feed(&x, UP, frame, gw_socket_rig_frame(frame, opcode, text, strlen(text)));
}

/* The payloads that have arrived since, one behind the other; of a Close its reason. */
static const char *arrived(enum gw_stream stream)
{
    static char text[8192];
    static uint8_t plain[GW_SOCKET_RIG_BYTES];
    struct gw_frames f;
    struct gw_frame_note note;
    size_t used, at = 0, len = 0;
    gw_frames_init(&f, stream == UP ? GW_FRAME_CLIENT : GW_FRAME_SERVER, 0);
    for (enum gw_frame_step step = GW_FRAME_END; step != GW_FRAME_MORE; at += used) {
        step = gw_frames_step(&f, x.out[stream] + at, x.arrived[stream] - at, plain, &used, &note);
        assert_int_not_equal(step, GW_FRAME_FAULT);
        if (step != GW_FRAME_PAYLOAD)
            continue;
        size_t skip = note.opcode == GW_OPCODE_CLOSE ? 2 : 0;
        memcpy(text + len, note.payload.ptr + skip, note.payload.len - skip);
        len += note.payload.len - skip;
    }
    text[len] = '\0';
    x.arrived[stream] = 0;
    return text;
}

/* What the client says, what the backend gets of it ("=": just that; "minted": a CONNECT), what the client is told. */
struct exchange {
    const char *says, *up, *down;
};

static void play(const struct exchange *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        send(GW_OPCODE_TEXT, rows[i].says);
        const char *up = arrived(UP);
        if (strcmp(rows[i].up, "minted") == 0) {
            if (strncmp(up, "40{\"token\":\"ey", 13) != 0)
                fail_msg("%s became %s", rows[i].says, up);
        } else {
            assert_string_equal(up, strcmp(rows[i].up, "=") == 0 ? rows[i].says : rows[i].up);
        }
        assert_string_equal(arrived(DOWN), rows[i].down);
    }
}
#define PLAY(...)                                      \
    do {                                               \
        const struct exchange rows_[] = {__VA_ARGS__}; \
        play(rows_, sizeof(rows_) / sizeof(rows_[0])); \
    } while (0)

#define FORBIDDEN \
    "\"type\":\"urn:aaiti:problem:forbidden\",\"title\":\"Forbidden\",\"status\":403,\"error\":\"Forbidden\"}]"

static void events_go_on_under_their_right(void **state)
{
    (void)state;
    PLAY({"40", "minted", ""}, {"3", "=", ""}, {"42[\"watch\",{\"bot\":\"7\"}]", "=", ""}, {"429[\"watch\"]", "=", ""},
         {"433[1]", "=", ""}, {"42[\"order\"]", "", "42[\"aaiti_error\",{\"event\":\"order\"," FORBIDDEN},
         {"427[\"or\\u0064er\",1]", "", "437[{" FORBIDDEN},
         {"42[\"delete\"]", "", "42[\"aaiti_error\",{\"event\":\"delete\"," FORBIDDEN}, {"42[\"watch\"]", "=", ""});
    assert_int_equal(gw_socket_state(x.socket), GW_SOCKET_OPEN);
    gw_socket_rig_close(&x);
    open_as(TRADER);
    PLAY({"40", "minted", ""}, {"42[\"order\"]", "=", ""});
}

static void connect_brings_no_other_session(void **state)
{
    (void)state;
    char text[1200];
    snprintf(text, sizeof(text), "40{\"token\":\"%s\"}", token_of(TRADER));
    PLAY({text, "", "44{\"message\":\"Authentication error\"}"},
         {"40{\"token\":\"made up\"}", "", "44{\"message\":\"Authentication error\"}"});
    snprintf(text, sizeof(text), "40{\"token\":\"%s\"}", token_of(VIEWER));
    send(GW_OPCODE_TEXT, text);
    const char *up = arrived(UP);
    assert_null(strstr(up, token_of(VIEWER)));
    assert_non_null(strstr(up, "40{\"token\":\"ey"));
    assert_string_equal(arrived(DOWN), "");
    PLAY({"42[\"watch\"]", "=", ""});
}

/* However often he enters and leaves, nothing is left of it. */
static void who_enters_and_leaves_takes_no_memory(void **state)
{
    (void)state;
    size_t used = gw_arena_used(x.request->arena);
    for (int i = 0; i < 40; i++)
        PLAY({"40", "minted", ""}, {"41", "=", ""});
    assert_int_equal(gw_arena_used(x.request->arena), used);
}

static void a_token_that_is_none_is_none(void **state)
{
    static const char *const none[] = {"40{}", "40{\"token\":\"\"}", "40{\"token\":null}", "40{\"token\":\"null\"}",
                                       "40{\"token\":\"undefined\"}"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        PLAY({none[i], "minted", ""});
        close_it(state);
        open_one(state);
    }
}

static void who_has_not_entered_says_nothing(void **state)
{
    static const struct {
        const char *first, *says, *why;
    } rows[] = {
        {NULL, "42[\"watch\"]", "a packet for a namespace that was not entered"},
        {NULL, "431[]", "a packet for a namespace that was not entered"},
        {NULL, "41", "a packet for a namespace that was not entered"},
        {"40", "42/admin,[\"watch\"]", "a packet for a namespace that was not entered"},
        {"40", "40", "a second CONNECT to a namespace"},
        {"40", "44{}", "a packet that servers alone send"},
        {"40", "bAAAA", "a packet of Engine.IO that no client sends over a WebSocket"},
        {"40", "2probe", "a packet of Engine.IO that no client sends over a WebSocket"},
        {"40", "42[1]", "an event without a name"},
        {NULL, "40{\"token\":1}", "a CONNECT whose payload is no JSON object with that token"},
        {NULL, "40{\"token\":\"a\",\"token\":\"b\"}", "a CONNECT whose payload is no JSON object with that token"},
        {"40", "451-[\"watch\"]", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].first != NULL)
            send(GW_OPCODE_TEXT, rows[i].first);
        arrived(UP);
        send(GW_OPCODE_TEXT, rows[i].says);
        assert_string_equal(arrived(DOWN), rows[i].why);
        assert_int_equal(gw_socket_state(x.socket), rows[i].why[0] != '\0' ? GW_SOCKET_CLOSING : GW_SOCKET_OPEN);
        close_it(state);
        open_one(state);
    }
    PLAY({"40/admin,", "", "44/admin,{\"message\":\"Invalid namespace\"}"}, {"40", "minted", ""}, {"41", "=", ""});
    send(GW_OPCODE_TEXT, "42[\"watch\"]");
    assert_string_equal(arrived(DOWN), "a packet for a namespace that was not entered");
}

static void attachments_come_as_announced(void **state)
{
    PLAY({"40", "minted", ""}, {"452-[\"watch\"]", "=", ""});
    send(GW_OPCODE_BINARY, "one");
    send(GW_OPCODE_BINARY, "two");
    assert_string_equal(arrived(UP), "onetwo");
    PLAY({"451-[\"order\"]", "", "42[\"aaiti_error\",{\"event\":\"order\"," FORBIDDEN});
    send(GW_OPCODE_BINARY, "of what was refused");
    assert_string_equal(arrived(UP), "");
    PLAY({"42[\"watch\"]", "=", ""});
    send(GW_OPCODE_BINARY, "stray");
    assert_string_equal(arrived(UP), "");
    assert_string_equal(arrived(DOWN), "a binary message that belongs to no event");
    close_it(state);
    open_one(state);
    PLAY({"40", "minted", ""}, {"451-[\"watch\"]", "=", ""});
    send(GW_OPCODE_TEXT, "42[\"watch\"]");
    assert_string_equal(arrived(DOWN), "a text in place of an attachment");
}

static void a_mode_refuses_what_opens_risk(void **state)
{
    close_it(state);
    set_up(state);
    open_as(TRADER);
    PLAY({"40", "minted", ""}, {"42[\"order\"]", "=", ""});
    gw_rig_set_mode(&rig, GW_MODE_GLOBAL, 0, "", GW_MODE_RISK_OFF);
    PLAY({"42[\"watch\"]", "=", ""},
         {"421[\"order\"]", "",
          "431[{\"type\":\"urn:aaiti:problem:risk-off\",\"title\":\"Nothing that opens risk is let through at the "
          "moment\",\"status\":503,\"error\":\"Nothing that opens risk is let through at the moment\"}]"});
    gw_rig_set_mode(&rig, GW_MODE_GLOBAL, 0, "", GW_MODE_STOPPED);
    send(GW_OPCODE_TEXT, "42[\"watch\"]");
    assert_string_equal(arrived(DOWN), "The API is closed to all but administrators at the moment");
}

/* A frame in three reads is a message as any other, after others' messages have been read meanwhile. */
static void what_was_held_is_read_whole(void **state)
{
    (void)state;
    PLAY({"40", "minted", ""});
    uint8_t frame[256];
    size_t len = gw_socket_rig_frame(frame, GW_OPCODE_TEXT, "42[\"order\"]", 11);
    gw_socket_rig_feed(&x, UP, frame, 8);
    gw_socket_rig_feed(&x, UP, frame + 8, 4);
    struct gw_sockets *t = &rig.gate->sockets;
    memset(t->plain, 'x', t->plain_room);
    gw_socket_rig_feed(&x, UP, frame + 12, len - 12);
    assert_string_equal(arrived(UP), "");
    assert_string_equal(arrived(DOWN), "42[\"aaiti_error\",{\"event\":\"order\"," FORBIDDEN);
}

int main(void)
{
#define SOCKET_CASE(test) cmocka_unit_test_setup_teardown(test, open_one, close_it)
    const struct CMUnitTest tests[] = {
        SOCKET_CASE(events_go_on_under_their_right),        SOCKET_CASE(connect_brings_no_other_session),
        SOCKET_CASE(who_enters_and_leaves_takes_no_memory), SOCKET_CASE(a_token_that_is_none_is_none),
        SOCKET_CASE(who_has_not_entered_says_nothing),      SOCKET_CASE(attachments_come_as_announced),
        SOCKET_CASE(a_mode_refuses_what_opens_risk),        SOCKET_CASE(what_was_held_is_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
