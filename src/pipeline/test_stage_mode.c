/* SPDX-License-Identifier: Apache-2.0 */
/* What each mode lets through, for whom, and when it is looked at. */
#include "pipeline/test_cast.h"

#include "base/json.h"

#include <string.h>

static const char policy[] = "upstream:\n"
                             "  url: http://127.0.0.1:5000\n"
                             "  credential: {mint: hs256, key_file: k, claims: {userId: upstream_id}}\n"
                             "auth:\n"
                             "  login: POST /api/auth/login\n"
                             "  refresh: POST /api/auth/refresh\n"
                             "  logout: POST /api/auth/logout\n"
                             "roles:\n"
                             "  admin: {permissions: ['*']}\n"
                             "  trader: {permissions: ['bots:*', 'models:*']}\n"
                             "  viewer: {permissions: ['bots:read']}\n"
                             "routes:\n"
                             "  - {match: 'GET /bots', permission: 'bots:read'}\n"
                             "  - {match: 'POST /bots', permission: 'bots:write'}\n"
                             "  - {match: 'POST /bots/{id}/stop', permission: 'bots:write', risk: reduces}\n"
                             "  - {match: 'POST /quotes', permission: 'bots:read', group: market}\n"
                             "  - {match: 'POST /models', permission: 'models:write'}\n"
                             "  - {match: 'GET /restart', permission: 'bots:write', risk: opens}\n"
                             "  - {match: 'POST /ping', access: public, risk: neutral}\n"
                             "  - {match: 'GET /ping', access: public}\n";

static int set_up_modes(void **state)
{
    (void)state;
    gw_rig_new(&rig, policy);
    gw_rig_put_user(&rig, ADMIN, "admin", "up-1");
    gw_rig_put_user(&rig, TRADER, "trader", "up-2");
    gw_rig_put_user(&rig, VIEWER, "viewer", "up-3");
    for (uint32_t n = ADMIN; n <= VIEWER; n++)
        gw_rig_put_session(&rig, 10 + n, n);
    return 0;
}

static void set_mode(enum gw_mode mode)
{
    gw_rig_set_mode(&rig, GW_MODE_GLOBAL, 0, "", mode);
}

/* Letters of the modes off, risk-off, read-only, stopped: y passes; r, o, s are the refusals. */
static void test_what_each_mode_lets_through(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *trader, *admin;
    } rows[] = {
        {"GET", "/bots", "yyys", "yyyy"},
        {"HEAD", "/bots", "yyys", "yyyy"},
        {"POST", "/bots", "yros", "yros"},
        {"POST", "/bots/b1/stop", "yyys", "yyyy"},
        {"POST", "/quotes", "yyos", "yyos"},
        {"POST", "/models", "yros", "yros"},
        {"GET", "/restart", "yros", "yros"},
        {"GET", "/ping", "yyys", "yyyy"},
        {"POST", "/ping", "yyos", "yyos"},
        {"POST", "/api/auth/login", "yyyy", "yyyy"},
        {"POST", "/api/auth/refresh", "yyyy", "yyyy"},
        {"POST", "/api/auth/logout", "yyyy", "yyyy"},
        {"POST", "/aaiti/v1/mode", "yyyy", "yyyy"},
        {"GET", "/aaiti/health", "yyyy", "yyyy"},
    };
    static const enum gw_reason reasons[] = {
        ['y'] = GW_REASON_NONE, ['r'] = GW_REASON_RISK_OFF, ['o'] = GW_REASON_READ_ONLY, ['s'] = GW_REASON_STOPPED};
    for (enum gw_mode mode = GW_MODE_OFF; mode < GW_MODE_COUNT; mode++) {
        set_mode(mode);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
            for (uint32_t who = ADMIN; who <= TRADER; who++) {
                const struct gw_decision *d = ASK(rows[i].method, rows[i].target, bearer(who));
                enum gw_reason reason = reasons[(int)(who == ADMIN ? rows[i].admin : rows[i].trader)[mode]];
                if (d->reason != reason)
                    fail_msg("%s %s in %s: %s", rows[i].method, rows[i].target, gw_mode_name(mode),
                             gw_reason_name(d->reason));
                if (reason != GW_REASON_NONE)
                    assert_refused(d, reason);
            }
    }
}

static void test_who_may_not_anyhow_is_told_that(void **state)
{
    (void)state;
    set_mode(GW_MODE_STOPPED);
    assert_refused(ASK("POST", "/bots", bearer(VIEWER)), GW_REASON_NO_PERMISSION);
    assert_refused(ASK_BARE("POST", "/bots"), GW_REASON_ANONYMOUS);
    assert_refused(ASK_BARE("GET", "/ping"), GW_REASON_STOPPED);
    assert_refused(ASK("POST", "/nowhere", bearer(ADMIN)), GW_REASON_NO_ROUTE);
}

static void test_a_mode_can_be_for_a_group_or_a_user(void **state)
{
    (void)state;
    gw_rig_set_mode(&rig, GW_MODE_GROUP, 0, "models", GW_MODE_RISK_OFF);
    gw_rig_set_mode(&rig, GW_MODE_GROUP, 0, "market", GW_MODE_READ_ONLY);
    assert_refused(ASK("POST", "/models", bearer(TRADER)), GW_REASON_RISK_OFF);
    assert_refused(ASK("POST", "/quotes", bearer(TRADER)), GW_REASON_READ_ONLY);
    assert_passed(ASK("POST", "/bots", bearer(TRADER)));
    gw_rig_set_mode(&rig, GW_MODE_USER, TRADER, "user2", GW_MODE_STOPPED);
    assert_refused(ASK("GET", "/bots", bearer(TRADER)), GW_REASON_STOPPED);
    assert_passed(ASK("GET", "/bots", bearer(VIEWER)));
    gw_rig_set_mode(&rig, GW_MODE_USER, TRADER, "user2", GW_MODE_OFF);
    assert_passed(ASK("GET", "/bots", bearer(TRADER)));
}

static enum gw_handover hand_over(void)
{
    return gw_request_hand_over(rig.gate, rig.request, &rig.decision);
}

static void test_it_is_looked_at_again_before_the_backend_hears(void **state)
{
    (void)state;
    assert_passed(ASK("POST", "/bots", bearer(TRADER)));
    set_mode(GW_MODE_RISK_OFF);
    assert_int_equal(hand_over(), GW_HANDOVER_REFUSE);
    assert_refused(&rig.decision, GW_REASON_RISK_OFF);
    assert_passed(ASK("POST", "/bots/b1/stop", bearer(TRADER)));
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    set_mode(GW_MODE_OFF);
    assert_passed(ASK_BARE("POST", "/ping"));
    set_mode(GW_MODE_READ_ONLY);
    assert_int_equal(hand_over(), GW_HANDOVER_REFUSE); /* nobody is signed in, and it bites all the same */
    assert_refused(&rig.decision, GW_REASON_READ_ONLY);
}

static bool may_still_leave(void)
{
    return gw_request_may_still_leave(rig.gate, rig.request, &rig.decision);
}

static void test_and_again_when_the_connection_has_come_about(void **state)
{
    (void)state;
    static const char *const opens[][2] = {{"POST", "/bots"}, {"GET", "/restart"}};
    for (size_t i = 0; i < 2; i++) {
        assert_passed(ASK(opens[i][0], opens[i][1], bearer(TRADER)));
        assert_int_equal(hand_over(), GW_HANDOVER_GO);
        assert_true(may_still_leave());
        set_mode(GW_MODE_RISK_OFF);
        assert_false(may_still_leave());
        assert_refused(&rig.decision, GW_REASON_RISK_OFF);
        assert_true(rig.decision.members.len > 0);
        set_mode(GW_MODE_OFF);
    }
    assert_passed(ASK("POST", "/bots/b1/stop", bearer(TRADER)));
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    set_mode(GW_MODE_READ_ONLY);
    assert_true(may_still_leave());
    assert_passed(&rig.decision);
    set_mode(GW_MODE_STOPPED);
    assert_false(may_still_leave());
    assert_refused(&rig.decision, GW_REASON_STOPPED);
}

static void test_a_refusal_says_what_is_in_force(void **state)
{
    (void)state;
    set_mode(GW_MODE_RISK_OFF);
    const struct gw_decision *d = ASK("POST", "/bots", bearer(TRADER));
    assert_refused(d, GW_REASON_RISK_OFF);
    assert_int_equal(d->retry_after_s, 60);
    struct gw_error err = {.msg = ""};
    gw_auto_json json_t *problem = NULL;
    struct gw_str text = gw_problem(d->reason, d->request_id, d->members, &rig.arena);
    if (gw_json_parse(text, GW_JSON_DEFAULT_LIMITS, &problem, &err) != GW_OK)
        fail_msg("%s: %.*s", err.msg, GW_STR_ARG(text));
    const char *type, *mode, *scope, *reason, *since, *lift;
    json_t *until;
    assert_int_equal(json_unpack(problem, "{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "type", &type, "mode", &mode, "scope",
                                 &scope, "reason", &reason, "since", &since, "until", &until, "lift", &lift),
                     0);
    assert_string_equal(type, "urn:aaiti:problem:risk-off");
    assert_string_equal(mode, "risk-off");
    assert_string_equal(scope, "global");
    assert_string_equal(reason, "a 'drill'");
    assert_string_equal(since, "2027-01-15T07:59:00Z");
    assert_true(json_is_null(until));
}

#define CASE_OF_MODES(test) cmocka_unit_test_setup_teardown(test, set_up_modes, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE_OF_MODES(test_what_each_mode_lets_through),
        CASE_OF_MODES(test_who_may_not_anyhow_is_told_that),
        CASE_OF_MODES(test_a_mode_can_be_for_a_group_or_a_user),
        CASE_OF_MODES(test_it_is_looked_at_again_before_the_backend_hears),
        CASE_OF_MODES(test_and_again_when_the_connection_has_come_about),
        CASE_OF_MODES(test_a_refusal_says_what_is_in_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
