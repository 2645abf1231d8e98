/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a block cuts off and what it lets through, together with stage_held.c and the end of stage_access.c. */
#include "pipeline/test_cast.h"

#include <string.h>

static const char policy[] = "upstream:\n"
                             "  url: http://127.0.0.1:5000\n"
                             "  credential: {mint: hs256, key_file: k, claims: {userId: upstream_id}}\n"
                             "auth:\n"
                             "  login: POST /api/auth/login\n"
                             "  logout: POST /api/auth/logout\n"
                             "roles:\n"
                             "  admin: {permissions: ['*']}\n"
                             "  trader: {permissions: ['bots:*', 'system:*']}\n"
                             "  viewer: {permissions: ['bots:read']}\n"
                             "routes:\n"
                             "  - {match: 'GET /bots', permission: 'bots:read'}\n"
                             "  - {match: 'POST /bots', permission: 'bots:write'}\n"
                             "  - {match: 'POST /bots/{id}/stop', permission: 'bots:write', risk: reduces}\n"
                             "  - {match: 'POST /stop', access: public, risk: reduces}\n"
                             "  - {match: 'GET /ping', access: public}\n";

#define ELSEWHERE "x-a: 1"

static int set_up_blocks(void **state)
{
    (void)state;
    gw_rig_new(&rig, NULL);
    gw_rig_publish(&rig, SECOND_HASH, NOBODY_ALLOWED, policy); /* the rig's own allow its client */
    load_and_install();
    gw_rig_put_user(&rig, TRADER, "trader", "up-2");
    gw_rig_put_user(&rig, VIEWER, "viewer", "up-3");
    for (uint32_t n = TRADER; n <= VIEWER; n++)
        gw_rig_put_session(&rig, 10 + n, n);
    return 0;
}

static void test_a_block_cuts_all_but_what_reduces_risk_of_who_is_signed_in(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        enum gw_reason nobody, guesses, viewer, trader;
    } rows[] = {
        {"GET", "/bots", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"POST", "/bots", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"POST", "/bots/b1/stop", GW_REASON_BLOCKED, GW_REASON_TOKEN_REFUSED, GW_REASON_NO_PERMISSION, GW_REASON_NONE},
        {"POST", "/stop", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_NONE, GW_REASON_NONE},
        {"GET", "/ping", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"GET", "/nowhere", GW_REASON_BLOCKED, GW_REASON_NO_ROUTE, GW_REASON_NO_ROUTE, GW_REASON_NO_ROUTE},
        {"POST", "/api/auth/login", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"POST", "/api/auth/logout", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"POST", "/aaiti/v1/mode", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"POST", "/aaiti/v1/panic", GW_REASON_BLOCKED, GW_REASON_TOKEN_REFUSED, GW_REASON_NO_PERMISSION,
         GW_REASON_NONE},
        {"POST", "/aaiti/v1/make-safe", GW_REASON_BLOCKED, GW_REASON_TOKEN_REFUSED, GW_REASON_NO_PERMISSION,
         GW_REASON_NONE},
        {"GET", "/aaiti/v1/panic", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"POST", "/aaiti/v1/panic/x", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"GET", "/aaiti/health", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"GET", "/aaiti/panic", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_NONE},
        {"GET", "/aaiti/v1/make-safe/1", GW_REASON_BLOCKED, GW_REASON_TOKEN_REFUSED, GW_REASON_NO_PERMISSION,
         GW_REASON_NONE},
        {"GET", "/aaiti/v1/make-safe/1/x", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"GET", "/aaiti/v1/make-safe/", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"DELETE", "/aaiti/v1/make-safe/1", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
        {"GET", "/aaiti/login", GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED, GW_REASON_BLOCKED},
    };
    gw_rig_put_block(&rig, "192.0.2.1", GW_BLOCK_FULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const credentials[] = {ELSEWHERE, BAD_BEARER, bearer(VIEWER), bearer(TRADER)};
        const enum gw_reason want[] = {rows[i].nobody, rows[i].guesses, rows[i].viewer, rows[i].trader};
        for (size_t k = 0; k < 4; k++) {
            const struct gw_decision *d = ASK(rows[i].method, rows[i].target, credentials[k]);
            if (d->reason != want[k])
                fail_msg("%s %s, caller %zu: %s", rows[i].method, rows[i].target, k, gw_reason_name(d->reason));
            if (d->reason == GW_REASON_BLOCKED)
                assert_refused(d, GW_REASON_BLOCKED);
        }
    }
}

static void test_by_cookie_it_is_the_same(void **state)
{
    (void)state;
    gw_rig_put_block(&rig, "192.0.2.1", GW_BLOCK_FULL);
    assert_passed(ASK("POST", "/bots/b1/stop", cookie(TRADER), "sec-fetch-site: same-origin"));
    assert_refused(ASK("POST", "/bots", cookie(TRADER), "sec-fetch-site: same-origin"), GW_REASON_BLOCKED);
}

/* A key is held to its scopes: one that may not press is cut off as any other. */
static void test_a_key_presses_if_it_may(void **state)
{
    (void)state;
    struct gw_live_key key = key_of(TRADER);
    gw_rig_put_block(&rig, "192.0.2.1", GW_BLOCK_FULL);
    assert_int_equal(gw_shared_put_key(rig.writer, &key, NULL), GW_OK);
    assert_int_equal(ASK("POST", "/aaiti/v1/panic", "x-api-key: " API_KEY)->action, GW_CONTROL);
    assert_refused(ASK("POST", "/aaiti/v1/mode", "x-api-key: " API_KEY), GW_REASON_BLOCKED);
    key.scopes[key.scope_count++] = gw_key_scope(GW_STR("bots:read"));
    assert_int_equal(gw_shared_put_key(rig.writer, &key, NULL), GW_OK);
    assert_refused(ASK("POST", "/aaiti/v1/panic", "x-api-key: " API_KEY), GW_REASON_NO_PERMISSION);
}

static void test_who_may_press_is_shown_the_page_and_by_a_key_if_that_may(void **state)
{
    (void)state;
    struct gw_live_key key = key_of(TRADER);
    gw_rig_put_block(&rig, "192.0.2.1", GW_BLOCK_FULL);
    assert_int_equal(gw_shared_put_key(rig.writer, &key, NULL), GW_OK);
    assert_int_equal(ASK("GET", "/aaiti/panic", cookie(TRADER))->action, GW_ANSWER);
    assert_int_equal(ASK("GET", "/aaiti/panic", "x-api-key: " API_KEY)->action, GW_ANSWER);
    key.scopes[key.scope_count++] = gw_key_scope(GW_STR("bots:read"));
    assert_int_equal(gw_shared_put_key(rig.writer, &key, NULL), GW_OK);
    assert_refused(ASK("GET", "/aaiti/panic", "x-api-key: " API_KEY), GW_REASON_BLOCKED);
}

static void test_whose_address_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *network, *forwarded;
        enum gw_reason reason;
    } rows[] = {
        {"203.0.113.9", "x-forwarded-for: 203.0.113.9", GW_REASON_BLOCKED},
        {"203.0.113.0/24", "x-forwarded-for: 203.0.113.9", GW_REASON_BLOCKED},
        {"203.0.113.0/29", "x-forwarded-for: 203.0.113.9", GW_REASON_NONE},
        {"203.0.113.9", "x-forwarded-for: 203.0.113.9, 198.51.100.1", GW_REASON_NONE},
        {"2001:db8:1::/64", "x-forwarded-for: 2001:db8:1::77", GW_REASON_BLOCKED},
        {"2001:db8:1::/64", "x-forwarded-for: 2001:db8:2::77", GW_REASON_NONE},
        {"10.0.0.0/8", "x-forwarded-for: 203.0.113.9", GW_REASON_NONE}, /* the proxy's own */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_rig_put_block(&rig, rows[i].network, GW_BLOCK_FULL);
        ASK("GET", "/ping", rows[i].forwarded);
        memcpy(rig.head.peer + 12, (uint8_t[]){10, 0, 0, 1}, 4);
        gw_request_done(rig.gate, rig.request);
        rig.request = gw_request_new(rig.gate, &rig.head, &rig.arena, &rig.decision);
        if (rig.decision.reason != rows[i].reason)
            fail_msg("row %zu: %s", i, gw_reason_name(rig.decision.reason));
        struct gw_cidr network;
        assert_int_equal(gw_cidr_parse(gw_str(rows[i].network), &network), GW_OK);
        gw_shared_drop_block(rig.writer, &network);
    }
}

static void test_the_allow_list_wins(void **state)
{
    (void)state;
    gw_rig_put_block(&rig, "192.0.2.0/24", GW_BLOCK_FULL);
    gw_rig_put_block(&rig, "192.0.2.1", GW_BLOCK_SUSPECT);
    assert_refused(ASK_BARE("GET", "/ping"), GW_REASON_BLOCKED);
    gw_rig_publish(&rig, THIRD_HASH, NOBODY_ALLOWED "allow: [192.0.2.1/32]\n", policy);
    load_and_install();
    assert_passed(ASK_BARE("GET", "/ping"));
    assert_true(rig.request->limit_factor == 1.0);
}

static void test_a_block_ends_by_the_clock(void **state)
{
    (void)state;
    gw_rig_put_block(&rig, "192.0.2.1", GW_BLOCK_FULL);
    gw_fake_clock_advance(&rig.clock, 3599 * 1000);
    assert_refused(ASK_BARE("GET", "/ping"), GW_REASON_BLOCKED);
    gw_fake_clock_advance(&rig.clock, 1000);
    assert_passed(ASK_BARE("GET", "/ping"));
}

static void test_a_suspect_has_half_and_gets_it_back(void **state)
{
    (void)state;
    static const struct {
        int later_s;
        double factor;
    } rows[] = {{0, 0.5}, {900, 0.625}, {900, 0.75}, {1799, 0.99986}, {1, 1.0}};
    assert_passed(ASK_BARE("GET", "/ping"));
    assert_true(rig.request->limit_factor == 1.0);
    gw_rig_put_block(&rig, "192.0.2.0/28", GW_BLOCK_SUSPECT);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_fake_clock_advance(&rig.clock, rows[i].later_s * 1000);
        assert_passed(ASK_BARE("GET", "/ping"));
        double d = rig.request->limit_factor - rows[i].factor;
        if (d > 0.00001 || d < -0.00001)
            fail_msg("row %zu: %f", i, rig.request->limit_factor);
    }
}

static void test_it_is_looked_at_again_at_the_hand_over(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        bool signed_in, goes;
    } rows[] = {
        {"GET", "/ping", false, false},        {"GET", "/ping", true, false},   {"POST", "/bots", true, false},
        {"POST", "/bots/b1/stop", true, true}, {"POST", "/stop", false, false},
    };
    struct gw_cidr network;
    assert_int_equal(gw_cidr_parse(GW_STR("192.0.2.1"), &network), GW_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_passed(ASK(rows[i].method, rows[i].target, rows[i].signed_in ? bearer(TRADER) : ELSEWHERE));
        gw_rig_put_block(&rig, "192.0.2.1", GW_BLOCK_FULL);
        enum gw_handover handover = gw_request_hand_over(rig.gate, rig.request, &rig.decision);
        if (handover != (rows[i].goes ? GW_HANDOVER_GO : GW_HANDOVER_REFUSE))
            fail_msg("row %zu: %d, %s", i, (int)handover, gw_reason_name(rig.decision.reason));
        if (!rows[i].goes)
            assert_refused(&rig.decision, GW_REASON_BLOCKED);
        gw_shared_drop_block(rig.writer, &network);
        /* and while it waits for a connection */
        assert_passed(ASK(rows[i].method, rows[i].target, rows[i].signed_in ? bearer(TRADER) : ELSEWHERE));
        assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &rig.decision), GW_HANDOVER_GO);
        gw_rig_put_block(&rig, "192.0.2.1", GW_BLOCK_FULL);
        assert_int_equal(gw_request_may_still_leave(rig.gate, rig.request, &rig.decision), rows[i].goes);
        if (!rows[i].goes)
            assert_refused(&rig.decision, GW_REASON_BLOCKED);
        gw_shared_drop_block(rig.writer, &network);
    }
}

/* Whom it holds is then not known. */
static void test_a_list_that_cannot_be_read_refuses_all_but_health(void **state)
{
    (void)state;
    struct gw_shared *shared = rig.gate->shared;
    rig.gate->shared = NULL;
    assert_refused(ASK_BARE("GET", "/ping"), GW_REASON_NOT_READY);
    assert_refused(ASK("GET", "/bots", bearer(TRADER)), GW_REASON_NOT_READY);
    assert_refused(ASK("POST", "/bots/b1/stop", bearer(TRADER)), GW_REASON_NOT_READY);
    assert_refused(ASK_BARE("POST", "/api/auth/login"), GW_REASON_NOT_READY);
    assert_int_equal(ASK_BARE("GET", "/aaiti/health")->action, GW_ANSWER);
    rig.gate->shared = shared;
}

#define BLOCKS_CASE(test) cmocka_unit_test_setup_teardown(test, set_up_blocks, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLOCKS_CASE(test_a_block_cuts_all_but_what_reduces_risk_of_who_is_signed_in),
        BLOCKS_CASE(test_by_cookie_it_is_the_same),
        BLOCKS_CASE(test_a_key_presses_if_it_may),
        BLOCKS_CASE(test_who_may_press_is_shown_the_page_and_by_a_key_if_that_may),
        BLOCKS_CASE(test_whose_address_it_is),
        BLOCKS_CASE(test_the_allow_list_wins),
        BLOCKS_CASE(test_a_block_ends_by_the_clock),
        BLOCKS_CASE(test_a_suspect_has_half_and_gets_it_back),
        BLOCKS_CASE(test_it_is_looked_at_again_at_the_hand_over),
        BLOCKS_CASE(test_a_list_that_cannot_be_read_refuses_all_but_health),
    };
    return cmocka_run_group_tests_name("pipeline/stage_block", tests, NULL, NULL);
}
