/* SPDX-License-Identifier: Apache-2.0 */
/* Both stages that count: the flood ceiling of an address, and the budget of whoever asks. */
#include "pipeline/test_cast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char policy[] = "upstream:\n"
                             "  url: http://127.0.0.1:5000\n"
                             "  credential: {mint: hs256, key_file: k, claims: {userId: upstream_id}}\n"
                             "auth:\n"
                             "  login: POST /api/auth/login\n"
                             "  refresh: POST /api/auth/refresh\n"
                             "  logout: POST /api/auth/logout\n"
                             "  profile: GET /api/auth/profile\n"
                             "roles:\n"
                             "  trader: {permissions: ['bots:*', 'system:panic']}\n"
                             "  viewer: {permissions: ['bots:read']}\n"
                             "  watcher: {permissions: ['system:read']}\n"
                             "limits:\n"
                             "  flood: 20/10s\n"
                             "  classes:\n"
                             "    anonymous: {sustained: 4/60s, slow_down: {after: 2, step: 300ms, max: 500ms}}\n"
                             "    auth: {sustained: 3/60s}\n"
                             "    page: {burst: 6/10s}\n"
                             "    user: {burst: 5/10s, sustained: 8/60s, slow_down: {after: 1, step: 100ms, max: 1s}}\n"
                             "    machine: {burst: 3/10s}\n"
                             "    orders: {sustained: 2/60s}\n"
                             "routes:\n"
                             "  - {match: 'GET /bots', permission: 'bots:read'}\n"
                             "  - {match: 'POST /orders', permission: 'bots:write', limit: orders}\n"
                             "  - {match: 'POST /bots/{id}/stop', permission: 'bots:write', risk: reduces}\n"
                             "  - {match: 'GET /asset', access: public, limit: page}\n"
                             "  - {match: 'GET /ping', access: public}\n";

static int set_up_limits(void **state)
{
    (void)state;
    gw_rig_new(&rig, policy);
    gw_rig_publish(&rig, SECOND_HASH, NOBODY_ALLOWED, policy); /* the rig's own allow its client */
    load_and_install();
    gw_rig_put_user(&rig, TRADER, "trader", "up-2");
    gw_rig_put_user(&rig, VIEWER, "viewer", "up-3");
    gw_rig_put_user(&rig, ADMIN, "watcher", "up-1");
    for (uint32_t n = ADMIN; n <= VIEWER; n++)
        gw_rig_put_session(&rig, 10 + n, n);
    return 0;
}

/* From another address, which a trusted proxy names. */
static const struct gw_decision *ask_from(const char *address, const char *method, const char *target, const char *more)
{
    static char forwarded[GW_IP_LEN + 20]; /* not line(), which forgets tokens that are still used */
    struct gw_ip peer = rig.peer;
    snprintf(forwarded, sizeof(forwarded), "x-forwarded-for: %s", address);
    assert_int_equal(gw_ip_parse(GW_STR("10.0.0.1"), &rig.peer), GW_OK);
    const struct gw_decision *d = ASK(method, target, forwarded, more);
    rig.peer = peer;
    return d;
}

#define NOTHING "x-a: 1"

static unsigned passes(const char *address, const char *method, const char *target, const char *more, unsigned tries)
{
    unsigned n = 0;
    for (unsigned i = 0; i < tries; i++)
        n += ask_from(address, method, target, more)->action != GW_REFUSE;
    return n;
}

static struct gw_str field(const char *name)
{
    for (size_t i = 0; i < rig.decision.field_count; i++)
        if (gw_str_eq(rig.decision.fields[i].name, gw_str(name)))
            return rig.decision.fields[i].value;
    return GW_STR_NULL;
}

static void assert_field(const char *name, const char *value)
{
    if (!gw_str_eq(field(name), gw_str(value)))
        fail_msg("%s: %.*s, not %s", name, GW_STR_ARG(field(name)), value);
}

/* ---- which class ---- */

static void test_each_kind_of_request_has_its_budget(void **state)
{
    (void)state;
    const struct {
        const char *method, *target, *more, *policy;
        unsigned passes;
    } rows[] = {
        {"GET", "/ping", NOTHING, "\"anonymous\";q=4;w=60", 4},
        {"GET", "/asset", NOTHING, "\"page-burst\";q=6;w=10", 6},
        {"POST", "/api/auth/login", NOTHING, "\"auth\";q=3;w=60", 3},
        {"GET", "/aaiti/health", NOTHING, "\"page-burst\";q=6;w=10", 6},
        {"GET", "/", NOTHING, "\"page-burst\";q=6;w=10", 6},
        {"GET", "/aaiti/v1/status", NOTHING, "\"anonymous\";q=4;w=60", 4},
        {"GET", "/aaiti/v1/status", BAD_BEARER, "\"anonymous\";q=4;w=60", 4},
        {"GET", "/aaiti/v1/status", "x-api-key: x", "\"anonymous\";q=4;w=60", 4},
        {"GET", "/aaiti/v1/status", bearer(VIEWER), "\"user-burst\";q=5;w=10, \"user\";q=8;w=60", 5},
        {"GET", "/bots", bearer(VIEWER), "\"user-burst\";q=5;w=10, \"user\";q=8;w=60", 5},
        {"POST", "/orders", bearer(TRADER), "\"orders\";q=2;w=60", 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char address[GW_IP_LEN + 1];
        snprintf(address, sizeof(address), "203.0.113.%zu", i);
        unsigned n = passes(address, rows[i].method, rows[i].target, rows[i].more, 10);
        if (n != rows[i].passes)
            fail_msg("%s %s: %u", rows[i].method, rows[i].target, n);
        assert_refused(&rig.decision, GW_REASON_RATE_LIMITED);
        assert_field("RateLimit-Policy", rows[i].policy);
    }
}

static void test_what_is_refused_uses_up_the_anonymous_budget(void **state)
{
    (void)state;
    const struct {
        const char *target, *more;
        enum gw_reason reason;
    } rows[] = {
        {"/bots", NOTHING, GW_REASON_ANONYMOUS},   {"/bots", BAD_BEARER, GW_REASON_TOKEN_REFUSED},
        {"/nowhere", NOTHING, GW_REASON_NO_ROUTE}, {"/nowhere", BAD_BEARER, GW_REASON_NO_ROUTE},
        {"/a//b", NOTHING, GW_REASON_BAD_TARGET},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char address[GW_IP_LEN + 1];
        snprintf(address, sizeof(address), "203.0.113.%zu", i);
        for (int k = 0; k < 4; k++) {
            assert_refused(ask_from(address, "GET", rows[i].target, rows[i].more), rows[i].reason);
            assert_int_equal(rig.decision.delay_ms, 0);
        }
        assert_refused(ask_from(address, "GET", rows[i].target, rows[i].more), GW_REASON_RATE_LIMITED);
        assert_refused(ask_from(address, "GET", "/ping", NOTHING), GW_REASON_RATE_LIMITED);
        assert_int_equal(ask_from(address, "POST", "/api/auth/login", NOTHING)->action, GW_CONTROL);
    }
}

static void test_a_user_is_counted_wherever_he_comes_from_and_nobody_with_him(void **state)
{
    (void)state;
    const char *trader = bearer(TRADER), *viewer = bearer(VIEWER);
    assert_int_equal(passes("203.0.113.1", "GET", "/bots", trader, 3), 3);
    assert_int_equal(passes("2001:db8::1", "GET", "/bots", trader, 3), 2);
    assert_int_equal(passes("203.0.113.1", "GET", "/bots", viewer, 3), 3);
    /* anonymous requests of the address, used up, cost a user nothing */
    assert_int_equal(passes("203.0.113.1", "GET", "/ping", NOTHING, 6), 4);
    assert_int_equal(passes("203.0.113.1", "GET", "/bots", viewer, 3), 2);
}

static void test_an_api_key_has_a_budget_of_its_own(void **state)
{
    (void)state;
    struct gw_live_key key = key_of(VIEWER);
    assert_int_equal(gw_shared_put_key(rig.writer, &key, NULL), GW_OK);
    assert_int_equal(passes("203.0.113.1", "GET", "/bots", "x-api-key: " API_KEY, 2), 2);
    assert_int_equal(passes("203.0.113.2", "GET", "/bots", "x-api-key: " API_KEY, 2), 1);
    assert_refused(&rig.decision, GW_REASON_RATE_LIMITED);
    assert_field("RateLimit-Policy", "\"machine-burst\";q=3;w=10");
    assert_string_equal(rig.decision.detail, gw_detail_text(GW_DETAIL_BUDGET_OF_KEY));
    key.id = gw_rig_uuid(API_KEY_ID + 1); /* another key of the same owner */
    assert_int_equal(gw_shared_put_key(rig.writer, &key, NULL), GW_OK);
    assert_int_equal(passes("203.0.113.1", "GET", "/bots", "x-api-key: " API_KEY, 4), 3);
    /* a program that runs wild leaves its owner's budget alone */
    assert_int_equal(passes("203.0.113.1", "GET", "/bots", bearer(VIEWER), 6), 5);
}

static void test_what_a_user_may_not_is_counted_too(void **state)
{
    (void)state;
    const char *viewer = bearer(VIEWER);
    for (int k = 0; k < 5; k++)
        assert_refused(ask_from("203.0.113.1", "POST", "/bots/b/stop", viewer), GW_REASON_NO_PERMISSION);
    assert_refused(ask_from("203.0.113.1", "POST", "/bots/b/stop", viewer), GW_REASON_RATE_LIMITED);
    assert_refused(ask_from("203.0.113.2", "GET", "/bots", viewer), GW_REASON_RATE_LIMITED);
}

static void test_what_reduces_risk_is_never_kept_from_a_user(void **state)
{
    (void)state;
    const char *trader = bearer(TRADER);
    assert_int_equal(passes("203.0.113.1", "GET", "/bots", trader, 30), 5);
    assert_refused(&rig.decision, GW_REASON_RATE_FLOOD);
    for (int k = 0; k < 30; k++) {
        assert_passed(ask_from("203.0.113.1", "POST", "/bots/b/stop", trader));
        assert_int_equal(rig.decision.delay_ms, 0);
    }
    assert_refused(ask_from("203.0.113.1", "POST", "/bots/b/stop", BAD_BEARER), GW_REASON_TOKEN_REFUSED);
    assert_refused(ask_from("203.0.113.1", "POST", "/bots/b/stop", NOTHING), GW_REASON_RATE_FLOOD);
}

static void test_the_button_is_never_kept_from_who_may_press(void **state)
{
    (void)state;
    const char *trader = bearer(TRADER);
    assert_int_equal(passes("203.0.113.1", "GET", "/bots", trader, 10), 5);
    assert_int_equal(passes("203.0.113.1", "GET", "/aaiti/v1/mode", trader, 30), 5);
    assert_refused(&rig.decision, GW_REASON_RATE_FLOOD);
    for (int k = 0; k < 30; k++) {
        assert_int_equal(ask_from("203.0.113.1", "POST", "/aaiti/v1/panic", trader)->action, GW_CONTROL);
        assert_int_equal(rig.decision.delay_ms, 0);
    }
    assert_refused(ask_from("203.0.113.1", "POST", "/aaiti/v1/panic", BAD_BEARER), GW_REASON_TOKEN_REFUSED);
    assert_refused(ask_from("203.0.113.1", "POST", "/aaiti/v1/panic", NOTHING), GW_REASON_RATE_FLOOD);
    for (int k = 0; k < 4; k++)
        assert_refused(ask_from("203.0.113.2", "POST", "/aaiti/v1/panic", bearer(VIEWER)), GW_REASON_NO_PERMISSION);
    assert_refused(ask_from("203.0.113.2", "POST", "/aaiti/v1/panic", bearer(VIEWER)), GW_REASON_RATE_LIMITED);
}

/* ---- the ceiling ---- */

static void test_the_flood_ceiling_is_for_all_of_an_address(void **state)
{
    (void)state;
    const char *trader = bearer(TRADER), *viewer = bearer(VIEWER);
    passes("2001:db8:1:1::1", "GET", "/bots", trader, 10);
    passes("2001:db8:1:1::2", "GET", "/bots", viewer, 5);
    passes("2001:db8:1:1::3", "GET", "/nowhere", BAD_BEARER, 5);
    assert_refused(ask_from("2001:db8:1:1::4", "GET", "/ping", NOTHING), GW_REASON_RATE_FLOOD);
    assert_field("RateLimit-Policy", "\"flood\";q=20;w=10");
    assert_field("RateLimit", "\"flood\";r=0;t=10");
    assert_int_equal(rig.decision.retry_after_s, 1);
    assert_passed(ask_from("2001:db8:1:2::1", "GET", "/ping", NOTHING));
    gw_fake_clock_advance(&rig.clock, 500);
    assert_int_equal(ask_from("2001:db8:1:1::4", "GET", "/aaiti/health", NOTHING)->action, GW_ANSWER);
}

/* ---- what the client is told ---- */

static void test_headers_tell_what_is_left(void **state)
{
    (void)state;
    char reset[24];
    assert_passed(ASK_BARE("GET", "/ping"));
    assert_field("RateLimit-Policy", "\"anonymous\";q=4;w=60");
    assert_field("RateLimit", "\"anonymous\";r=3;t=15");
    assert_field("X-Rate-Limit-Limit", "4");
    assert_field("X-Rate-Limit-Remaining", "3");
    snprintf(reset, sizeof(reset), "%lld", (long long)GW_RIG_NOW_S + 15);
    assert_field("X-Rate-Limit-Reset", reset);
    gw_fake_clock_advance(&rig.clock, 5001);
    for (int k = 0; k < 3; k++)
        assert_passed(ASK_BARE("GET", "/ping"));
    assert_refused(ASK_BARE("GET", "/ping"), GW_REASON_RATE_LIMITED);
    assert_field("RateLimit", "\"anonymous\";r=0;t=55");
    assert_int_equal(rig.decision.retry_after_s, 10); /* 9.999 */
    gw_fake_clock_advance(&rig.clock, 9998);
    assert_refused(ASK_BARE("GET", "/ping"), GW_REASON_RATE_LIMITED);
    gw_fake_clock_advance(&rig.clock, 1);
    assert_passed(ASK_BARE("GET", "/ping"));
}

/* A cache would show one client's to all. */
static void test_what_caches_keep_tells_of_nobody(void **state)
{
    (void)state;
    assert_int_equal(ASK_BARE("GET", "/aaiti/jwks.json")->action, GW_ANSWER);
    assert_int_equal(rig.decision.field_count, 0);
    assert_int_equal(passes("203.0.113.1", "GET", "/aaiti/jwks.json", NOTHING, 10), 6);
    assert_field("RateLimit-Policy", "\"page-burst\";q=6;w=10"); /* a refusal is not kept */
}

/* Management does not end with what a user's program asks of the backend, which may have run wild. */
static void test_calls_of_control_are_apart_from_the_users_others(void **state)
{
    (void)state;
    const char *trader = bearer(TRADER);
    assert_int_equal(passes("203.0.113.1", "GET", "/bots", trader, 10), 5);
    assert_int_equal(passes("203.0.113.1", "GET", "/aaiti/v1/mode", trader, 10), 5);
    assert_int_equal(passes("203.0.113.2", "GET", "/aaiti/v1/mode", trader, 1), 1);
}

/* Behind one address a neighbour uses up what counts by it, and keeps nobody signed in from his own affairs. */
static void test_a_neighbour_keeps_nobody_from_logging_out(void **state)
{
    (void)state;
    const char *trader = bearer(TRADER);
    assert_int_equal(passes("203.0.113.1", "POST", "/api/auth/login", NOTHING, 10), 3);
    assert_refused(ask_from("203.0.113.1", "GET", "/api/auth/profile", BAD_BEARER), GW_REASON_TOKEN_REFUSED);
    assert_int_equal(ask_from("203.0.113.1", "GET", "/api/auth/profile", trader)->action, GW_CONTROL);
    assert_field("RateLimit-Policy", "\"user-burst\";q=5;w=10, \"user\";q=8;w=60");
    assert_int_equal(ask_from("203.0.113.1", "POST", "/api/auth/logout", trader)->action, GW_CONTROL);
    assert_int_equal(passes("203.0.113.2", "GET", "/bots", trader, 10), 3);
    assert_refused(ask_from("203.0.113.1", "POST", "/api/auth/refresh", trader), GW_REASON_RATE_LIMITED);
}

/* The burst first, then what holds in the long run. */
static void test_the_tightest_rate_is_told(void **state)
{
    (void)state;
    const char *viewer = bearer(VIEWER);
    ask_from("203.0.113.1", "GET", "/bots", viewer);
    assert_field("RateLimit", "\"user-burst\";r=4;t=2");
    gw_fake_clock_advance(&rig.clock, 10000);
    for (int k = 0; k < 5; k++)
        ask_from("203.0.113.1", "GET", "/bots", viewer);
    gw_fake_clock_advance(&rig.clock, 10000);
    ask_from("203.0.113.1", "GET", "/bots", viewer);
    assert_passed(&rig.decision);
    assert_int_equal(gw_str_starts(field("RateLimit"), GW_STR("\"user\";r=")), true);
}

/* ---- slowing down ---- */

static void test_each_request_waits_a_step_longer(void **state)
{
    (void)state;
    static const unsigned delays[] = {0, 0, 300, 500};
    for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        assert_passed(ASK_BARE("GET", "/ping"));
        assert_int_equal(rig.decision.delay_ms, delays[i]);
    }
    assert_refused(ASK_BARE("GET", "/ping"), GW_REASON_RATE_LIMITED);
    assert_int_equal(rig.decision.delay_ms, 0);
    assert_int_equal(passes("203.0.113.1", "GET", "/asset", NOTHING, 5), 5);
    assert_int_equal(rig.decision.delay_ms, 0); /* no page is slow */
}

static void test_so_many_are_held_back(void **state)
{
    (void)state;
    gw_rig_publish(&rig, THIRD_HASH, NOBODY_ALLOWED "limit.delayed: 1\n", policy);
    load_and_install();
    for (int k = 0; k < 3; k++)
        assert_passed(ASK_BARE("GET", "/ping"));
    assert_true(gw_request_hold_back(rig.gate, rig.request, &rig.decision));
    assert_int_equal(rig.gate->held_back, 1);
    struct gw_decision second = {.delay_ms = 1300};
    struct gw_request *first = rig.request;
    assert_false(gw_request_hold_back(rig.gate, rig.request, &second));
    assert_int_equal(second.status, 429);
    assert_int_equal(second.retry_after_s, 2);
    assert_int_equal(second.reason, GW_REASON_RATE_DELAYED);
    gw_request_let_go(rig.gate, first);
    gw_request_let_go(rig.gate, first);
    assert_int_equal(rig.gate->held_back, 0);
    assert_passed(ASK_BARE("GET", "/ping"));
    assert_true(gw_request_hold_back(rig.gate, rig.request, &rig.decision));
    gw_request_done(rig.gate, rig.request); /* it left */
    assert_int_equal(rig.gate->held_back, 0);
    rig.request = NULL;
}

/* Its /64 as one; it leaves the other places to others. */
static void test_an_address_holds_a_quarter_of_the_places(void **state)
{
    (void)state;
    static struct gw_request held[4]; /* the rig has one at a time */
    static const char *const addresses[] = {"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1"};
    gw_rig_publish(&rig, THIRD_HASH, NOBODY_ALLOWED "limit.delayed: 8\n", policy);
    load_and_install();
    for (size_t i = 0; i < 4; i++) {
        ask_from(addresses[i], "GET", "/asset", NOTHING);
        assert_true(gw_request_hold_back(rig.gate, rig.request, &rig.decision));
        held[i] = *rig.request;
        rig.request->is_held_back = false;
        ask_from("2001:db8::3", "GET", "/asset", NOTHING);
        struct gw_decision third = {.delay_ms = 300};
        bool has_place = gw_request_hold_back(rig.gate, rig.request, &third);
        assert_int_equal(has_place, i == 0);
        assert_int_equal(third.status, has_place ? 0 : 429);
    }
    assert_int_equal(rig.gate->held_back, 4);
    gw_request_let_go(rig.gate, &held[0]);
    ask_from("2001:db8::3", "GET", "/asset", NOTHING);
    assert_true(gw_request_hold_back(rig.gate, rig.request, &rig.decision));
    for (size_t i = 1; i < 4; i++)
        gw_request_let_go(rig.gate, &held[i]);
    assert_int_equal(rig.gate->held_back, 1);
}

/* ---- who has more, and who less ---- */

static void test_who_is_suspicious_has_half(void **state)
{
    (void)state;
    gw_rig_put_block(&rig, "203.0.113.0/24", GW_BLOCK_SUSPECT);
    assert_int_equal(passes("203.0.113.1", "GET", "/ping", NOTHING, 5), 2);
    assert_int_equal(passes("198.51.100.1", "GET", "/ping", NOTHING, 5), 4);
    assert_int_equal(passes("203.0.113.1", "GET", "/bots", bearer(VIEWER), 6), 5); /* a user's budget is no address's */
}

static void test_the_allow_list_wins(void **state)
{
    (void)state;
    gw_rig_publish(&rig, THIRD_HASH, NOBODY_ALLOWED "allow: [203.0.113.0/24]\n", policy);
    load_and_install();
    for (int k = 0; k < 40; k++) {
        assert_passed(ask_from("203.0.113.1", "GET", "/ping", NOTHING));
        assert_int_equal(rig.decision.delay_ms, 0);
    }
    assert_refused(ask_from("203.0.113.1", "GET", "/bots", BAD_BEARER), GW_REASON_TOKEN_REFUSED);
    assert_int_equal(passes("198.51.100.1", "GET", "/ping", NOTHING, 5), 4);
    assert_int_equal(passes("203.0.113.1", "GET", "/bots", bearer(VIEWER), 6), 5); /* a user's holds there too */
}

static void test_counts_go_on_over_a_reload(void **state)
{
    (void)state;
    assert_int_equal(passes("203.0.113.1", "GET", "/ping", NOTHING, 3), 3);
    gw_rig_publish(&rig, THIRD_HASH, NOBODY_ALLOWED, policy);
    load_and_install();
    assert_int_equal(passes("203.0.113.1", "GET", "/ping", NOTHING, 3), 1);
}

/* ---- metrics ---- */

static void ask_and_end(const char *address, const char *method, const char *target, const char *more)
{
    const struct gw_decision *d = ask_from(address, method, target, more);
    gw_gate_count_request(rig.gate, rig.request, d->status, 1);
}

/* How often, as whom, and in which class it is then. */
static void test_each_request_is_counted_by_class(void **state)
{
    (void)state;
    void *memory = calloc(1, gw_counts_bytes());
    assert_non_null(memory);
    gw_gate_share_counts(rig.gate, memory, 0);
    struct gw_live_key key = key_of(VIEWER);
    assert_int_equal(gw_shared_put_key(rig.writer, &key, NULL), GW_OK);
    for (int n = 0; n < 5; n++)
        ask_and_end("203.0.113.1", "GET", "/ping", NOTHING);
    ask_and_end("203.0.113.2", "GET", "/asset", NOTHING);
    ask_and_end("203.0.113.2", "POST", "/api/auth/login", NOTHING);
    ask_and_end("203.0.113.2", "GET", "/bots", bearer(VIEWER));
    ask_and_end("203.0.113.2", "GET", "/bots", "x-api-key: " API_KEY);
    ask_and_end("203.0.113.2", "GET", "/bots", BAD_BEARER);
    ask_and_end("203.0.113.2", "GET", "/aaiti/metrics", bearer(VIEWER));
    ask_and_end("203.0.113.2", "POST", "/bots/b/stop", bearer(TRADER));
    for (int n = 0; n < 3; n++)
        ask_and_end("203.0.113.3", "POST", "/orders", bearer(TRADER));
    for (int n = 0; n < 22; n++)
        ask_from("203.0.113.4", "GET", "/bots", BAD_BEARER);
    gw_gate_count_request(rig.gate, rig.request, 429, 1);
    static const char *const rows[] = {
        "aaiti_class_requests_total{class=\"none\",outcome=\"passed\"} 1\n", /* reduces risk */
        "aaiti_class_requests_total{class=\"flood\",outcome=\"refused\"} 1\n",
        "aaiti_class_requests_total{class=\"anonymous\",outcome=\"passed\"} 4\n",
        "aaiti_class_requests_total{class=\"anonymous\",outcome=\"refused\"} 2\n",
        "aaiti_class_requests_total{class=\"page\",outcome=\"passed\"} 1\n",
        "aaiti_class_requests_total{class=\"auth\",outcome=\"control\"} 1\n",
        "aaiti_class_requests_total{class=\"user\",outcome=\"passed\"} 3\n",
        "aaiti_class_requests_total{class=\"user\",outcome=\"refused\"} 2\n",
        "aaiti_class_requests_total{class=\"machine\",outcome=\"passed\"} 1\n",
        "aaiti_class_requests_total{class=\"other\",outcome=\"passed\"} 2\n",
        "aaiti_class_requests_total{class=\"other\",outcome=\"refused\"} 1\n",
        "aaiti_class_refusals_total{class=\"anonymous\",reason=\"RATE_LIMITED\"} 17\n",
        "aaiti_class_refusals_total{class=\"anonymous\",reason=\"TOKEN_REFUSED\"} 5\n",
        "aaiti_class_refusals_total{class=\"user\",reason=\"NO_PERMISSION\"} 1\n",
        "aaiti_class_refusals_total{class=\"other\",reason=\"RATE_LIMITED\"} 1\n", /* not the user's own */
        "aaiti_class_refusals_total{class=\"flood\",reason=\"RATE_FLOOD\"} 2\n",
        "aaiti_limit_slots{region=\"addresses\"} ",
        "aaiti_limit_counters{region=\"identities\"} ",
    };
    const struct gw_decision *d = ask_from("203.0.113.250", "GET", "/aaiti/metrics", bearer(ADMIN));
    assert_int_equal(d->action, GW_ANSWER);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (memmem(d->body.ptr, d->body.len, rows[i], strlen(rows[i])) == NULL)
            fail_msg("no `%s` in\n%.*s", rows[i], GW_STR_ARG(d->body));
    rig.gate->metrics = (struct gw_metrics){.own = NULL};
    free(memory);
}

#define LIMITS_CASE(test) cmocka_unit_test_setup_teardown(test, set_up_limits, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIMITS_CASE(test_each_kind_of_request_has_its_budget),
        LIMITS_CASE(test_what_is_refused_uses_up_the_anonymous_budget),
        LIMITS_CASE(test_a_user_is_counted_wherever_he_comes_from_and_nobody_with_him),
        LIMITS_CASE(test_an_api_key_has_a_budget_of_its_own),
        LIMITS_CASE(test_what_a_user_may_not_is_counted_too),
        LIMITS_CASE(test_what_reduces_risk_is_never_kept_from_a_user),
        LIMITS_CASE(test_the_button_is_never_kept_from_who_may_press),
        LIMITS_CASE(test_the_flood_ceiling_is_for_all_of_an_address),
        LIMITS_CASE(test_headers_tell_what_is_left),
        LIMITS_CASE(test_each_request_is_counted_by_class),
        LIMITS_CASE(test_what_caches_keep_tells_of_nobody),
        LIMITS_CASE(test_calls_of_control_are_apart_from_the_users_others),
        LIMITS_CASE(test_a_neighbour_keeps_nobody_from_logging_out),
        LIMITS_CASE(test_the_tightest_rate_is_told),
        LIMITS_CASE(test_each_request_waits_a_step_longer),
        LIMITS_CASE(test_so_many_are_held_back),
        LIMITS_CASE(test_an_address_holds_a_quarter_of_the_places),
        LIMITS_CASE(test_who_is_suspicious_has_half),
        LIMITS_CASE(test_the_allow_list_wins),
        LIMITS_CASE(test_counts_go_on_over_a_reload),
    };
    return cmocka_run_group_tests_name("pipeline/stage_quota", tests, NULL, NULL);
}
