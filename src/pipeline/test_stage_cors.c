/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of other origins: who may ask, what they are told, and what a preflight gets. */
#include "pipeline/test_cast.h"

#include <stdio.h>
#include <string.h>

#define APP "https://app.example"
#define SETTINGS                                        \
    "environment: development\nallow: [192.0.2.0/24]\n" \
    "cors: {origins: [" APP ", 'http://localhost:3000', 'https://other.example:8443']}\n"
#define POLICY                                                                                                                              \
    "upstream: {url: 'http://127.0.0.1:5000', credential: {mint: hs256, key_file: keys/upstream.key, "                                      \
    "claims: {userId: upstream_id}}}\n"                                                                                                     \
    "roles: {admin: {permissions: ['*']}, trader: {permissions: ['bots:read', 'bots:write']}, viewer: {permissions: ['bots:read']}}\n"      \
    "auth: {login: POST /api/auth/login, refresh: POST /api/auth/refresh, logout: POST /api/auth/logout, profile: GET /api/auth/profile}\n" \
    "routes:\n"                                                                                                                             \
    "  - {match: 'GET /api/bots', permission: 'bots:read'}\n"                                                                               \
    "  - {match: 'POST /api/bots', permission: 'bots:write'}\n"                                                                             \
    "  - {match: 'PATCH /api/bots/{id}', permission: 'bots:write'}\n"                                                                       \
    "  - {match: 'POST /api/bots/{id}/stop', permission: 'bots:write', risk: reduces}\n"                                                    \
    "  - {match: 'DELETE /api/bots', access: deny}\n"                                                                                       \
    "  - {match: 'GET /api/open', access: public}\n"                                                                                        \
    "  - {match: 'POST /api/open', access: public}\n"                                                                                       \
    "  - {match: 'OPTIONS /api/open', access: public}\n"                                                                                    \
    "  - {match: 'PUT /api/which', query: {kind: a}, access: public}\n"                                                                     \
    "limits: {classes: {anonymous: {sustained: 5/15m}}, flood: 20/10s}\n"

static const struct gw_decision *ask_listed(const char *method, const char *target, const char *a)
{
    return ASK(method, target, "host: gw.example", "origin: " APP, a);
}

static const struct gw_decision *preflight(const char *origin, const char *method, const char *target)
{
    static char from[128], about[64];
    snprintf(from, sizeof(from), "origin: %s", origin);
    snprintf(about, sizeof(about), "access-control-request-method: %s", method);
    return ASK("OPTIONS", target, "host: gw.example", from, about, "access-control-request-headers: authorization");
}

static void use_policy(const char *settings)
{
    gw_rig_publish(&rig, SECOND_HASH, settings, POLICY);
    load_and_install();
}

static int set_up_listed(void **state)
{
    set_up(state);
    use_policy(SETTINGS);
    return 0;
}

static const char *value_of(const struct gw_header_field *fields, size_t count, const char *name)
{
    static char text[512];
    for (size_t i = 0; i < count; i++)
        if (gw_str_eq(fields[i].name, gw_str(name))) {
            snprintf(text, sizeof(text), "%.*s", GW_STR_ARG(fields[i].value));
            return text;
        }
    return NULL;
}

/* Whether the page may read the answer. */
static bool is_told(const struct gw_decision *d, const char *origin)
{
    const char *to = value_of(d->cors.fields, d->cors.field_count, "Access-Control-Allow-Origin");
    assert_true(d->cors.varies);
    if (to == NULL) {
        assert_int_equal(d->cors.field_count, 0);
        return false;
    }
    assert_string_equal(to, origin);
    assert_string_equal(value_of(d->cors.fields, d->cors.field_count, "Access-Control-Allow-Credentials"), "true");
    assert_non_null(
        strstr(value_of(d->cors.fields, d->cors.field_count, "Access-Control-Expose-Headers"), "Retry-After"));
    return true;
}

static void test_an_origin_is_taken_byte_for_byte(void **state)
{
    (void)state;
    static char longest[16 * 1024];
    static const struct {
        const char *origin;
        bool is_listed;
    } rows[] = {
        {APP, true},
        {"http://localhost:3000", true},
        {"https://other.example:8443", true},
        {"", false},
        {"null", false},
        {"*", false},
        {"HTTPS://app.example", false},
        {"https://APP.example", false},
        {"https://app.example.", false},
        {"https://app.example:443", false},
        {"http://app.example", false},
        {"https://app.example/", false},
        {"https://user@app.example", false},
        {"https://app.example@evil.example", false},
        {"https://app.example.evil.example", false},
        {"https://evil-app.example", false},
        {"https://app.exampl", false},
        {"https://other.example", false},
        {"http://localhost", false},
        {"http://localhost:30000", false},
        {"https://app.example, https://app.example", false},
        {"https://app.example https://evil.example", false},
        {"https://\xc3\xa4pp.example", false},
        {longest, false},
    };
    memset(longest, 'a', sizeof(longest) - 1);
    memcpy(longest, APP, strlen(APP));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static char from[sizeof(longest) + 16];
        snprintf(from, sizeof(from), "origin: %s", rows[i].origin);
        const struct gw_decision *d = ASK("GET", "/api/bots", "host: gw.example", bearer(TRADER), from);
        assert_passed(d);
        if (is_told(d, rows[i].origin) != rows[i].is_listed)
            fail_msg("GET from %.100s", rows[i].origin);
        d = ASK("POST", "/api/bots", "host: gw.example", bearer(TRADER), from);
        if (d->reason != (rows[i].is_listed ? GW_REASON_NONE : GW_REASON_ORIGIN_REFUSED))
            fail_msg("POST from %.100s: %s", rows[i].origin, gw_reason_name(d->reason));
        assert_int_equal(is_told(d, rows[i].origin), rows[i].is_listed);
        assert_true(gw_rig_dropped(&rig, "origin"));
    }
}

static void test_two_origins_are_none(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK("GET", "/api/open", "origin: " APP, "origin: " APP);
    assert_refused(d, GW_REASON_BAD_HEADERS);
    assert_false(is_told(d, ""));
    d = ASK("GET", "/api/open", "authorization: Bearer a", "authorization: Bearer b", "origin: " APP);
    assert_refused(d, GW_REASON_BAD_HEADERS);
    assert_true(is_told(d, APP));
}

static void test_our_own_pages_need_no_listing(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        enum gw_reason reason;
    } rows[] = {
        {"origin: https://gw.example", "x-a: 1", GW_REASON_NONE},
        {"origin: https://GW.example", "x-a: 1", GW_REASON_NONE},
        {"origin: null", "sec-fetch-site: same-origin", GW_REASON_NONE},
        {"origin: null", "sec-fetch-site: cross-site", GW_REASON_ORIGIN_REFUSED},
        {"origin: null", "sec-fetch-site: none", GW_REASON_ORIGIN_REFUSED},
        {"origin: http://gw.example", "x-a: 1", GW_REASON_ORIGIN_REFUSED},
        {"origin: https://gw.example:8443", "x-a: 1", GW_REASON_ORIGIN_REFUSED},
        {"x-a: 1", "x-b: 1", GW_REASON_NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d =
            ASK("POST", "/api/bots", "host: gw.example", bearer(TRADER), rows[i].a, rows[i].b);
        if (d->reason != rows[i].reason)
            fail_msg("%s, %s: %s", rows[i].a, rows[i].b, gw_reason_name(d->reason));
        assert_false(is_told(d, ""));
    }
    assert_passed(ASK("POST", "/api/bots", "host: gw.example", bearer(TRADER), "origin: https://gw.example"));
    assert_false(gw_rig_dropped(&rig, "origin"));
}

static void test_a_foreign_page_changes_nothing_however_it_asks(void **state)
{
    (void)state;
    static const char *const targets[] = {"/api/bots",       "/api/open",      "/api/nowhere",
                                          "/api/auth/login", "/aaiti/v1/mode", "//x"};
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "BREW", "TRACE"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
            const struct gw_decision *d =
                ASK(methods[m], targets[i], "host: gw.example", bearer(ADMIN), "origin: https://evil.example");
            assert_refused(d, GW_REASON_ORIGIN_REFUSED);
            assert_int_equal(d->status, 403);
        }
}

static void test_a_listed_page_may_use_the_cookie(void **state)
{
    (void)state;
    assert_passed(ask_listed("POST", "/api/bots", cookie(TRADER)));
    assert_int_equal(ask_listed("POST", "/api/auth/login", "sec-fetch-site: cross-site")->action, GW_CONTROL);
    assert_int_equal(ask_listed("POST", "/api/auth/refresh", "cookie: __Secure-aaiti_refresh=r")->action, GW_CONTROL);
    assert_false(gw_rig_dropped(&rig, "cookie"));
}

static void test_refusals_are_told_to_a_listed_page(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *header;
        unsigned status;
    } rows[] = {
        {"GET", "/api/bots", "x-a: 1", 401},
        {"GET", "/api/nowhere", "x-a: 1", 403},
        {"GET", "//x", "x-a: 1", 400},
        {"POST", "/api/bots", "authorization: Bearer none", 401},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d = ask_listed(rows[i].method, rows[i].target, rows[i].header);
        assert_int_equal(d->status, rows[i].status);
        assert_true(is_told(d, APP));
    }
    rig.peer.b[12] = 203;
    gw_rig_put_block(&rig, "203.0.2.0/24", GW_BLOCK_FULL);
    const struct gw_decision *d = ask_listed("GET", "/api/open", "x-a: 1");
    assert_refused(d, GW_REASON_BLOCKED);
    assert_true(is_told(d, APP));
}

static void test_a_refusal_at_the_hand_over_is_told_too(void **state)
{
    (void)state;
    struct gw_decision d = *ask_listed("POST", "/api/bots", bearer(TRADER));
    change_user(TRADER, "trader", 0);
    assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &d), GW_HANDOVER_REFUSE);
    assert_int_equal(d.status, 401);
    assert_true(is_told(&d, APP));
    gw_request_refuse(rig.request, GW_REASON_CONTROL_DOWN, &d);
    assert_true(is_told(&d, APP));
}

/* ---- preflights ---- */

static void test_a_preflight_is_told_what_the_path_takes(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *allowed; /* NULL: refused as any request for that method is */
    } rows[] = {
        {"POST", "/api/bots", "GET, HEAD, POST"},
        {"GET", "/api/bots", "GET, HEAD, POST"},
        {"HEAD", "/api/bots", "GET, HEAD, POST"},
        {"PATCH", "/api/bots/b1", "PATCH"},
        {"POST", "/api/bots/b1/stop", "POST"},
        {"POST", "/api/open?x=1", "GET, HEAD, POST, OPTIONS"},
        {"PUT", "/api/which?kind=a", "PUT"},
        {"POST", "/api/auth/login", "POST"},
        {"POST", "/aaiti/v1/mode", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
        {"DELETE", "/api/bots", NULL},
        {"PUT", "/api/bots", NULL},
        {"GET", "/api/bots/b1", NULL},
        {"PUT", "/api/which?kind=b", NULL},
        {"PUT", "/api/which?kind=a&kind=a", NULL},
        {"GET", "/api/nowhere", NULL},
        {"post", "/api/bots", NULL},
        {"", "/api/bots", NULL},
        {"POST, GET", "/api/bots", NULL},
        {"GET", "//x", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d = preflight(APP, rows[i].method, rows[i].target);
        assert_true(is_told(d, APP));
        if (rows[i].allowed == NULL) {
            assert_int_equal(d->action, GW_REFUSE);
            gw_fake_clock_advance(&rig.clock, 900 * 1000); /* refusals are counted */
            continue;
        }
        if (d->action != GW_ANSWER)
            fail_msg("%s %s: %s", rows[i].method, rows[i].target, gw_reason_name(d->reason));
        assert_int_equal(d->status, 200);
        assert_int_equal(d->body.len, 0);
        assert_string_equal(value_of(d->fields, d->field_count, "Access-Control-Allow-Methods"), rows[i].allowed);
        assert_string_equal(value_of(d->fields, d->field_count, "Access-Control-Max-Age"), "600");
        assert_non_null(strstr(value_of(d->fields, d->field_count, "Access-Control-Allow-Headers"), "Authorization"));
    }
}

static void test_who_is_not_listed_gets_one_answer_to_every_preflight(void **state)
{
    (void)state;
    static const char *const origins[] = {"https://evil.example", "null", "https://gw.example", ""};
    static const char *const targets[] = {"/api/bots", "/api/nowhere", "/api/open", "//x", "/aaiti/v1/mode"};
    for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++)
        for (size_t k = 0; k < sizeof(targets) / sizeof(targets[0]); k++) {
            const struct gw_decision *d = preflight(origins[i], "POST", targets[k]);
            assert_refused(d, GW_REASON_ORIGIN_REFUSED);
            assert_false(is_told(d, ""));
            assert_int_equal(d->field_count, 0);
        }
}

static void test_private_networks_are_not_opened(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK("OPTIONS", "/api/bots", "origin: " APP, "access-control-request-method: GET",
                                      "access-control-request-private-network: true");
    assert_int_equal(d->action, GW_ANSWER);
    assert_null(value_of(d->fields, d->field_count, "Access-Control-Allow-Private-Network"));
    assert_null(value_of(d->cors.fields, d->cors.field_count, "Access-Control-Allow-Private-Network"));
}

static void test_options_that_is_no_preflight_is_a_request_like_others(void **state)
{
    (void)state;
    assert_passed(ASK("OPTIONS", "/api/open", "origin: " APP));
    assert_passed(ASK("OPTIONS", "/api/open", "access-control-request-method: POST"));
    assert_passed(ASK("OPTIONS", "/api/open", "origin: https://evil.example"));
    assert_refused(ASK("OPTIONS", "/api/bots", "origin: " APP), GW_REASON_NO_ROUTE);
    assert_refused(ASK("OPTIONS", "/api/bots", "origin: " APP, "access-control-request-method: POST",
                       "access-control-request-method: POST"),
                   GW_REASON_NO_ROUTE);
    assert_passed(ask_listed("POST", "/api/bots", bearer(TRADER)));
}

/* A page asks as its user and once more, without him, before each new path: that must cost him nothing of what strangers share. */
static void test_preflights_of_a_listed_page_use_up_no_budget_of_strangers(void **state)
{
    (void)state;
    rig.peer.b[12] = 203;
    for (int i = 0; i < 12; i++) {
        const struct gw_decision *d = preflight(APP, "POST", "/api/bots");
        assert_int_equal(d->action, GW_ANSWER);
        assert_int_equal(d->delay_ms, 0);
    }
    for (int i = 0; i < 5; i++)
        assert_passed(ASK_BARE("GET", "/api/open"));
    assert_refused(ASK_BARE("GET", "/api/open"), GW_REASON_RATE_LIMITED);
    assert_int_equal(preflight(APP, "POST", "/api/bots")->action, GW_ANSWER);
}

static void test_those_of_a_foreign_page_use_up_its_own(void **state)
{
    (void)state;
    rig.peer.b[12] = 203;
    for (int i = 0; i < 5; i++)
        assert_refused(preflight("https://evil.example", "POST", "/api/bots"), GW_REASON_ORIGIN_REFUSED);
    assert_refused(preflight("https://evil.example", "POST", "/api/bots"), GW_REASON_RATE_LIMITED);
    assert_int_equal(preflight(APP, "POST", "/api/bots")->action, GW_ANSWER);
    assert_passed(ask_listed("POST", "/api/bots", bearer(TRADER)));
}

static void test_neither_block_nor_flood_keeps_a_page_from_what_reduces_risk(void **state)
{
    (void)state;
    rig.peer.b[12] = 203;
    for (int i = 0; i < 20; i++)
        (void)preflight(APP, "POST", "/api/bots");
    const struct gw_decision *d = preflight(APP, "POST", "/api/bots");
    assert_refused(d, GW_REASON_RATE_FLOOD);
    assert_true(is_told(d, APP));
    d = preflight(APP, "POST", "/api/bots/b1/stop");
    assert_int_equal(d->action, GW_ANSWER);
    assert_string_equal(value_of(d->fields, d->field_count, "Access-Control-Allow-Methods"), "POST");
    assert_passed(ask_listed("POST", "/api/bots/b1/stop", bearer(TRADER)));
    assert_refused(preflight("https://evil.example", "POST", "/api/bots/b1/stop"), GW_REASON_RATE_FLOOD);

    gw_rig_put_block(&rig, "203.0.2.0/24", GW_BLOCK_FULL);
    assert_refused(preflight(APP, "POST", "/api/bots"), GW_REASON_BLOCKED);
    assert_int_equal(preflight(APP, "POST", "/api/bots/b1/stop")->action, GW_ANSWER);
    assert_refused(preflight("https://evil.example", "POST", "/api/bots/b1/stop"), GW_REASON_BLOCKED);
}

static void test_a_credential_with_a_preflight_counts_for_nothing(void **state)
{
    (void)state;
    rig.peer.b[12] = 203;
    gw_rig_put_block(&rig, "203.0.2.0/24", GW_BLOCK_FULL);
    assert_refused(ASK("OPTIONS", "/api/bots", "origin: " APP, "access-control-request-method: POST", bearer(ADMIN)),
                   GW_REASON_BLOCKED);
    assert_refused(ASK("OPTIONS", "/api/bots/b1/stop", "origin: https://evil.example",
                       "access-control-request-method: POST", bearer(ADMIN)),
                   GW_REASON_BLOCKED);
}

/* ---- without origins in the settings ---- */

static void test_where_none_is_listed_nothing_differs_by_origin(void **state)
{
    (void)state;
    use_policy("environment: production\ncors: {staging: [https://staging.example]}\n");
    assert_true(is_told(ASK("GET", "/api/open", "origin: https://staging.example"), "https://staging.example"));
    gw_rig_publish(&rig, "3333333333333333333333333333333333333333333333333333333333333333",
                   "environment: development\ncors: {staging: [https://staging.example]}\n", POLICY);
    load_and_install();
    const struct gw_decision *d = ASK("GET", "/api/open", "origin: https://staging.example");
    assert_passed(d);
    assert_false(d->cors.varies);
    assert_int_equal(d->cors.field_count, 0);
    assert_refused(ASK("POST", "/api/open", "origin: https://staging.example"), GW_REASON_ORIGIN_REFUSED);
    assert_refused(preflight("https://staging.example", "GET", "/api/open"), GW_REASON_ORIGIN_REFUSED);
}

static void test_what_is_not_judged_is_told_by_the_same_list(void **state)
{
    (void)state;
    static const struct gw_header listed = {.name = GW_STR("origin"), .value = GW_STR(APP)},
                                  foreign = {.name = GW_STR("origin"), .value = GW_STR("https://evil.example")};
    const struct gw_header twice[] = {listed, listed};
    assert_int_equal(gw_cors_unjudged(rig.gate, &listed, 1).field_count, 3);
    assert_int_equal(gw_cors_unjudged(rig.gate, &foreign, 1).field_count, 0);
    assert_int_equal(gw_cors_unjudged(rig.gate, twice, 2).field_count, 0);
    assert_int_equal(gw_cors_unjudged(rig.gate, NULL, 0).field_count, 0);
    assert_true(gw_cors_unjudged(rig.gate, NULL, 0).varies);
    struct gw_snapshot *s = rig.gate->snapshot;
    rig.gate->snapshot = NULL;
    assert_false(gw_cors_unjudged(rig.gate, &listed, 1).varies);
    rig.gate->snapshot = s;
}

static void test_vary_is_read_as_a_list(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool has;
    } rows[] = {
        {"Origin", true},
        {"origin", true},
        {"Accept-Encoding, ORIGIN", true},
        {"*", true},
        {" * ", true},
        {"Accept,Origin ,X", true},
        {"Accept-Encoding", false},
        {"", false},
        {"X-Origin", false},
        {"Origin-X", false},
        {"Access-Control-Request-Method", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(gw_vary_has_origin(gw_str(rows[i].value)), rows[i].has);
}

#define LISTED(test) cmocka_unit_test_setup_teardown(test, set_up_listed, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LISTED(test_an_origin_is_taken_byte_for_byte),
        LISTED(test_two_origins_are_none),
        LISTED(test_our_own_pages_need_no_listing),
        LISTED(test_a_foreign_page_changes_nothing_however_it_asks),
        LISTED(test_a_listed_page_may_use_the_cookie),
        LISTED(test_refusals_are_told_to_a_listed_page),
        LISTED(test_a_refusal_at_the_hand_over_is_told_too),
        LISTED(test_a_preflight_is_told_what_the_path_takes),
        LISTED(test_who_is_not_listed_gets_one_answer_to_every_preflight),
        LISTED(test_private_networks_are_not_opened),
        LISTED(test_options_that_is_no_preflight_is_a_request_like_others),
        LISTED(test_preflights_of_a_listed_page_use_up_no_budget_of_strangers),
        LISTED(test_those_of_a_foreign_page_use_up_its_own),
        LISTED(test_neither_block_nor_flood_keeps_a_page_from_what_reduces_risk),
        LISTED(test_a_credential_with_a_preflight_counts_for_nothing),
        CASE(test_where_none_is_listed_nothing_differs_by_origin),
        LISTED(test_what_is_not_judged_is_told_by_the_same_list),
        CASE(test_vary_is_read_as_a_list),
    };
    return cmocka_run_group_tests_name("pipeline/stage_cors", tests, NULL, NULL);
}
