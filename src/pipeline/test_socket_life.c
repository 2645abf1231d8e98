/* SPDX-License-Identifier: Apache-2.0 */
/* How long a socket lives: what ends it, how soon, and whom that leaves alone. */
#include "pipeline/socket_rig.h"
#include "pipeline/test_cast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 200

static struct gw_socket_rig sockets[MANY];

static bool open_as(size_t i, const char *authorization)
{
    return gw_socket_rig_open(&sockets[i], &rig, "/live", authorization + strlen("authorization: "), NULL);
}

static int close_all(void **state)
{
    for (size_t i = 0; i < MANY; i++)
        if (sockets[i].request != NULL)
            gw_socket_rig_close(&sockets[i]);
    return tear_down(state);
}

/* As time goes by: half a second, in which the walk goes round. */
static void half_a_second(void)
{
    for (int i = 0; i < 5; i++) {
        gw_fake_clock_advance(&rig.clock, 100);
        gw_gate_poll(rig.gate);
    }
}

static void say(size_t i)
{
    uint8_t frame[32];
    gw_socket_rig_feed(&sockets[i], GW_STREAM_TO_UPSTREAM, frame, gw_socket_rig_frame(frame, GW_OPCODE_TEXT, "hi", 2));
}

/* Why it was closed, "" where it was not. */
static const char *why(size_t i)
{
    static char text[GW_FRAME_CONTROL_MAX + 1];
    struct gw_socket_rig *x = &sockets[i];
    gw_socket_rig_drain(x);
    if (gw_socket_state(x->socket) == GW_SOCKET_OPEN)
        return "";
    const uint8_t *frame = x->out[GW_STREAM_TO_CLIENT];
    assert_int_equal(frame[0], 0x88);
    memcpy(text, frame + 4, frame[1] - 2u);
    text[frame[1] - 2u] = '\0';
    return text;
}

static void end_session(uint32_t n)
{
    struct gw_uuid id = gw_rig_uuid(n);
    gw_shared_drop_session(rig.writer, &id);
}

/* ---- one of many ---- */

static void the_end_of_a_session_concerns_its_user_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < MANY; i++)
        assert_true(open_as(i, bearer(i % 2 == 0 ? TRADER : VIEWER)));
    half_a_second();
    half_a_second();
    uint64_t judged = rig.gate->sockets.judged;
    gw_gate_poll(rig.gate);
    assert_int_equal(rig.gate->sockets.judged, judged); /* nothing has changed */
    end_session(10 + VIEWER);
    gw_gate_poll(rig.gate);
    assert_int_equal(rig.gate->sockets.judged, judged + MANY / 2);
    for (size_t i = 0; i < MANY; i++)
        assert_string_equal(why(i), i % 2 == 0 ? "" : "Authentication required");
    assert_int_equal(gw_gate_socket_count(rig.gate), MANY);
    for (size_t i = 1; i < MANY; i += 2)
        gw_socket_rig_close(&sockets[i]);
    assert_int_equal(gw_gate_socket_count(rig.gate), MANY / 2);
    end_session(10 + TRADER);
    gw_gate_poll(rig.gate);
    for (size_t i = 0; i < MANY; i += 2)
        assert_string_equal(why(i), "Authentication required");
}

static void nothing_is_said_in_an_ended_session(void **state)
{
    (void)state;
    assert_true(open_as(0, bearer(TRADER)));
    say(0);
    size_t before = sockets[0].arrived[GW_STREAM_TO_UPSTREAM];
    end_session(10 + TRADER);
    say(0);
    assert_string_equal(why(0), "Authentication required");
    /* A Close is all that the backend has heard since. */
    assert_int_equal(sockets[0].out[GW_STREAM_TO_UPSTREAM][before], 0x88);
}

/* ---- what may concern anybody ---- */

static void drop_role(void)
{
    change_user(TRADER, "nobody", 1);
}

static void disable(void)
{
    change_user(TRADER, "trader", 0);
}

static void block(void)
{
    gw_rig_publish(&rig, SECOND_HASH, NOBODY_ALLOWED, NULL);
    load_and_install();
    gw_rig_put_block(&rig, "192.0.2.0/24", GW_BLOCK_FULL);
}

static void stop(void)
{
    gw_rig_set_mode(&rig, GW_MODE_GLOBAL, 0, "", GW_MODE_STOPPED);
}

static void revoke_its_token(void)
{
    struct gw_uuid jti = gw_rig_uuid(1000 + 10 + TRADER);
    assert_int_equal(gw_shared_put_revocation(rig.writer, &jti, GW_RIG_NOW_S + 3600, NULL), GW_OK);
}

#define POLICY(route)                                              \
    "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n" \
    "roles: {admin: {permissions: ['*']}, trader: {permissions: ['bots:read']}}\nroutes:\n  - {match: " route "}\n"

static void publish(const char *policy)
{
    gw_rig_publish(&rig, SECOND_HASH, NULL, policy);
    load_and_install();
}

static void take_the_right_away(void)
{
    publish(POLICY("'GET /live', role: admin, websocket: {}"));
}

static void take_the_route_away(void)
{
    publish(POLICY("'GET /other', permission: 'bots:read'"));
}

static void make_it_no_socket(void)
{
    publish(POLICY("'GET /live', permission: 'bots:read'"));
}

static void leave_it(void)
{
    publish(POLICY("'GET /live', permission: 'bots:read', websocket: {}"));
}

static void what_changes_is_heard_of_within_a_second(void **state)
{
    static const struct {
        void (*happens)(void);
        const char *why;
    } rows[] = {
        {drop_role, "Forbidden"},
        {disable, "Authentication required"},
        {block, "Blocked"},
        {stop, "The API is closed to all but administrators at the moment"},
        {revoke_its_token, "Authentication required"},
        {take_the_right_away, "Forbidden"},
        {take_the_route_away, "Forbidden"},
        {make_it_no_socket, "Forbidden"},
        {leave_it, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t k = 0; k < 20; k++)
            assert_true(open_as(k, bearer(TRADER)));
        half_a_second();
        rows[i].happens();
        half_a_second();
        for (size_t k = 0; k < 20; k++)
            if (strcmp(why(k), rows[i].why) != 0)
                fail_msg("row %zu: %s", i, why(k));
        close_all(state);
        set_up(state);
    }
}

/* ---- time ---- */

static void the_token_may_end_and_the_session_may_not(void **state)
{
    (void)state;
    struct gw_jwt_issue issue = gw_rig_issue(10 + TRADER, TRADER);
    char line_[2048];
    issue.exp_s = issue.iat_s + 10;
    (void)snprintf(line_, sizeof(line_), "authorization: Bearer %s", gw_rig_token_of(&rig, &issue));
    assert_true(open_as(0, line_));
    for (int i = 0; i < 30; i++) {
        half_a_second();
        half_a_second();
        say(0);
    }
    assert_string_equal(why(0), "");
    struct gw_live_session session = {.id = gw_rig_uuid(10 + TRADER),
                                      .user_id = gw_rig_uuid(TRADER),
                                      .created_s = GW_RIG_NOW_S,
                                      .expires_s = gw_clock_real_s(&rig.clock.clock) + 5,
                                      .idle_s = 1000};
    assert_int_equal(gw_shared_put_session(rig.writer, &session, NULL), GW_OK);
    gw_socket_rig_close(&sockets[0]);
    assert_true(open_as(0, bearer(TRADER)));
    for (int i = 0; i < 9; i++)
        half_a_second();
    assert_string_equal(why(0), "");
    half_a_second();
    half_a_second();
    assert_string_equal(why(0), "Authentication required");
}

/* To look is no use of a session: else a socket would keep it for ever. */
static void a_session_idles_under_a_silent_socket(void **state)
{
    (void)state;
    struct gw_live_session session = {.id = gw_rig_uuid(10 + TRADER),
                                      .user_id = gw_rig_uuid(TRADER),
                                      .created_s = GW_RIG_NOW_S,
                                      .last_seen_s = GW_RIG_NOW_S,
                                      .expires_s = GW_RIG_NOW_S + 100000,
                                      .idle_s = 20};
    assert_int_equal(gw_shared_put_session(rig.writer, &session, NULL), GW_OK);
    assert_true(open_as(0, bearer(TRADER)));
    uint8_t ping[16];
    size_t len = gw_socket_rig_frame(ping, GW_OPCODE_PONG, "", 0);
    for (int i = 0; i < 38; i++) {
        gw_rig_put_block(&rig, "198.51.100.0/24", GW_BLOCK_SUSPECT); /* so that all are judged anew */
        half_a_second();
        gw_socket_rig_feed(&sockets[0], GW_STREAM_TO_UPSTREAM, ping, len);
    }
    assert_string_equal(why(0), "");
    for (int i = 0; i < 6; i++)
        half_a_second();
    assert_string_equal(why(0), "Authentication required");
    /* What is said is use. */
    gw_socket_rig_close(&sockets[0]);
    session.last_seen_s = gw_clock_real_s(&rig.clock.clock);
    assert_int_equal(gw_shared_put_session(rig.writer, &session, NULL), GW_OK);
    assert_true(open_as(0, bearer(TRADER)));
    for (int i = 0; i < 60; i++) {
        half_a_second();
        say(0);
    }
    assert_string_equal(why(0), "");
}

static void who_is_not_heard_of_is_closed(void **state)
{
    (void)state;
    gw_rig_publish(&rig, SECOND_HASH, "websocket: {idle: 10s, max_age: 60s}\n" NOBODY_ALLOWED, NULL);
    load_and_install();
    assert_true(open_as(0, bearer(TRADER)));
    assert_true(open_as(1, bearer(TRADER)));
    uint8_t ping[16];
    size_t len = gw_socket_rig_frame(ping, GW_OPCODE_PING, "", 0);
    for (int i = 0; i < 22; i++) {
        half_a_second();
        gw_socket_rig_feed(&sockets[1], GW_STREAM_TO_UPSTREAM, ping, len);
    }
    assert_string_equal(why(0), "nothing was heard for too long");
    assert_string_equal(why(1), "");
    for (int i = 0; i < 100; i++) {
        half_a_second();
        gw_socket_rig_feed(&sockets[1], GW_STREAM_TO_UPSTREAM, ping, len);
    }
    assert_string_equal(why(1), "open for as long as it may be");
}

/* ---- how many ---- */

static void nobody_opens_more_than_he_may(void **state)
{
    (void)state;
    void *memory = calloc(1, gw_counts_bytes());
    gw_gate_share_counts(rig.gate, memory, 0);
    gw_rig_publish(&rig, SECOND_HASH, "websocket: {per_user: 3, per_address: 5}\n" NOBODY_ALLOWED, NULL);
    load_and_install();
    for (size_t i = 0; i < 3; i++)
        assert_true(open_as(i, bearer(TRADER)));
    assert_false(open_as(3, bearer(TRADER)));
    assert_int_equal(sockets[3].decision.reason, GW_REASON_SOCKETS);
    assert_int_equal(sockets[3].decision.status, 429);
    gw_socket_rig_close(&sockets[3]);
    assert_true(open_as(3, bearer(VIEWER)));
    assert_true(open_as(4, bearer(VIEWER)));
    assert_false(open_as(5, bearer(VIEWER))); /* five of the address */
    gw_socket_rig_close(&sockets[5]);
    gw_socket_rig_close(&sockets[0]);
    assert_true(open_as(0, bearer(VIEWER)));
    gw_gate_stop(rig.gate);
    close_all(state);
    free(memory);
    set_up(state);
}

int main(void)
{
#define SOCKETS_CASE(test) cmocka_unit_test_setup_teardown(test, set_up, close_all)
    const struct CMUnitTest tests[] = {
        SOCKETS_CASE(the_end_of_a_session_concerns_its_user_alone),
        SOCKETS_CASE(nothing_is_said_in_an_ended_session),
        SOCKETS_CASE(what_changes_is_heard_of_within_a_second),
        SOCKETS_CASE(the_token_may_end_and_the_session_may_not),
        SOCKETS_CASE(a_session_idles_under_a_silent_socket),
        SOCKETS_CASE(who_is_not_heard_of_is_closed),
        SOCKETS_CASE(nobody_opens_more_than_he_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
