/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void severity_is_by_the_table_and_low_else(void **state)
{
    (void)state;
    static const struct {
        const char *action;
        enum gw_severity severity;
    } cases[] = {
        {"user_login_failed", GW_SEVERITY_HIGH}, {"refresh_reused", GW_SEVERITY_HIGH},
        {"journal_lost", GW_SEVERITY_HIGH},      {"user_login", GW_SEVERITY_MEDIUM},
        {"bot_deleted", GW_SEVERITY_MEDIUM},     {"bot_updated", GW_SEVERITY_LOW},
        {"user_login_faile", GW_SEVERITY_LOW},   {"", GW_SEVERITY_LOW},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(gw_audit_severity(gw_str(cases[i].action)), cases[i].severity);
}

static void severities_are_named_and_read_by_name(void **state)
{
    (void)state;
    enum gw_severity back = GW_SEVERITY_COUNT;
    for (int i = 0; i < GW_SEVERITY_COUNT; i++) {
        assert_int_equal(gw_audit_severity_parse(gw_str(gw_audit_severity_text((enum gw_severity)i)), &back), GW_OK);
        assert_int_equal(back, i);
    }
    assert_int_equal(gw_audit_severity_parse(GW_STR("HIGH"), &back), GW_EINVAL);
    assert_int_equal(gw_audit_severity_parse(GW_STR(""), &back), GW_EINVAL);
}

static void text_becomes_utf8_without_control_characters(void **state)
{
    (void)state;
    static const struct {
        struct gw_str in;
        const char *text, *path;
    } cases[] = {
        {GW_STR("curl/8"), "curl/8", "curl/8"},
        {GW_STR(""), "", ""},
        {GW_STR("a\nb\x1b[2J\x7f"), "a?b?[2J?", "a%0Ab%1B[2J%7F"},
        {GW_STR("a\0b"), "a?b", "a%00b"},
        {GW_STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
         "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {GW_STR("\xff\xc3"), "??", "%FF%C3"},                         /* none, and a cut one */
        {GW_STR("\xc0\xaf\xed\xa0\x80"), "?????", "%C0%AF%ED%A0%80"}, /* overlong; a surrogate */
        {GW_STR("\xc2\x9b"
                "1m"),
         "??1m", "%C2%9B1m"}, /* a C1 control */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char dst[64];
        gw_audit_text(cases[i].in, dst, sizeof(dst));
        assert_string_equal(dst, cases[i].text);
        gw_audit_path(cases[i].in, dst, sizeof(dst));
        assert_string_equal(dst, cases[i].path);
    }
}

static void text_is_cut_between_characters(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t size;
        const char *text, *path;
    } cases[] = {
        {"abc", 4, "abc", "abc"},     {"abcd", 4, "abc", "abc"}, {"ab\xc3\xa9", 4, "ab", "ab"},
        {"a\xff\xff", 4, "a??", "a"}, {"a", 1, "", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char dst[64];
        gw_audit_text(gw_str(cases[i].in), dst, cases[i].size);
        assert_string_equal(dst, cases[i].text);
        gw_audit_path(gw_str(cases[i].in), dst, cases[i].size);
        assert_string_equal(dst, cases[i].path);
    }
}

static void the_resource_is_what_the_last_parameter_names(void **state)
{
    (void)state;
    static const struct {
        const char *route, *path, *type, *id;
    } cases[] = {
        {"GET /api/bots/{id}", "/api/bots/7", "bots", "7"},
        {"POST /api/bots/{id}/stop", "/api/bots/7/stop", "bots", "7"},
        {"PUT /api/bots/{id}/trades/{trade}", "/api/bots/7/trades/9", "trades", "9"},
        {"PUT /api/{kind}/{id}", "/api/bots/7", "api", "7"},
        {"GET /api/x/{id}", "/api/x/a%2Fb\xff", "x", "a%2Fb%FF"},
        {"POST /api/bots", "/api/bots", "", ""},
        {"GET /", "/", "", ""},
        {"GET /{id}", "/7", "", ""},
        {"GET /api/bots/{id}", "/api", "", ""},
        {"GET /api/bots/{id}", "/api/bots/", "", ""},
        {"GET /api/bots/{id}", "", "", ""},
        {"", "/api/bots/7", "", ""},
        {"{id}", "7", "", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_audit_row r = {0};
        gw_audit_resource(gw_str(cases[i].route), gw_str(cases[i].path), &r);
        assert_string_equal(r.resource_type, cases[i].type);
        assert_string_equal(r.resource_id, cases[i].id);
    }
}

static void a_resource_that_may_be_cut_is_none(void **state)
{
    (void)state;
    char path[GW_EVENT_PATH_MAX + 1] = "/api/bots/";
    struct gw_audit_row r = {0};
    memset(path + 10, '7', sizeof(path) - 10);
    gw_audit_resource(GW_STR("GET /api/bots/{id}"), (struct gw_str){path, GW_EVENT_PATH_MAX}, &r);
    assert_string_equal(r.resource_id, "");
    gw_audit_resource(GW_STR("GET /api/bots/{id}"), (struct gw_str){path, 10 + GW_AUDIT_RESOURCE_ID_MAX + 1}, &r);
    assert_string_equal(r.resource_id, "");
    gw_audit_resource(GW_STR("GET /api/bots/{id}"), (struct gw_str){path, 10 + GW_AUDIT_RESOURCE_ID_MAX}, &r);
    assert_int_equal(strlen(r.resource_id), GW_AUDIT_RESOURCE_ID_MAX);
}

static struct gw_event event(enum gw_event_phase phase)
{
    struct gw_event e = {.time_ms = 1000,
                         .last_ms = 1500,
                         .phase = phase,
                         .count = 1,
                         .status = 201,
                         .generation = UINT64_MAX,
                         .action = GW_STR("bot_created"),
                         .reason = GW_STR("why"),
                         .route = GW_STR("PUT /api/bots/{id}"),
                         .path = GW_STR("/api/bots/7"),
                         .user_agent = GW_STR("curl/8"),
                         .details = GW_STR("{\"a\":1}")};
    memcpy(e.address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01", 16);
    e.user_id.b[0] = 1;
    e.session_id.b[0] = 2;
    e.request_id.b[0] = 3;
    return e;
}

static void an_event_becomes_a_row_and_its_outcome_ends_it(void **state)
{
    (void)state;
    struct gw_event intent = event(GW_EVENT_INTENT), outcome = event(GW_EVENT_OUTCOME);
    struct gw_audit_row r, end;
    memset(&r, 'x', sizeof(r)); /* what was there before does not shine through */
    gw_audit_row_of_event(&intent, &r);
    assert_int_equal(r.time_ms, 1000);
    assert_int_equal(r.ended_ms, 1000);
    assert_int_equal(r.outcome, GW_OUTCOME_PENDING);
    assert_int_equal(r.severity, GW_SEVERITY_MEDIUM);
    assert_true(r.generation == INT64_MAX);
    assert_string_equal(r.action, "bot_created");
    assert_string_equal(r.resource_type, "bots");
    assert_string_equal(r.resource_id, "7");
    assert_string_equal(r.address, "192.0.2.1");
    assert_string_equal(r.user_agent, "curl/8");
    assert_string_equal(r.route, "PUT /api/bots/{id}");
    assert_string_equal(r.path, "/api/bots/7");
    assert_string_equal(r.reason, "why");
    assert_string_equal(r.details, "{\"a\":1}");
    assert_int_equal(r.user_id.b[0], 1);
    assert_int_equal(r.session_id.b[0], 2);
    assert_int_equal(r.request_id.b[0], 3);
    outcome.time_ms = 1200;
    outcome.outcome = GW_OUTCOME_FAILED;
    outcome.status = 502;
    outcome.reason = GW_STR_NULL;
    outcome.details = GW_STR("{\"b\":2}");
    gw_audit_row_of_event(&outcome, &end);
    gw_audit_row_conclude(&r, &end);
    assert_int_equal(r.time_ms, 1000);
    assert_int_equal(r.ended_ms, 1200);
    assert_int_equal(r.outcome, GW_OUTCOME_FAILED);
    assert_int_equal(r.status, 502);
    assert_string_equal(r.reason, "why");
    assert_string_equal(r.details, "{\"b\":2}");
}

static void a_tally_keeps_its_count_and_its_last(void **state)
{
    (void)state;
    struct gw_event e = event(GW_EVENT_TALLY);
    struct gw_audit_row r;
    e.count = 40;
    memset(e.address, 0, sizeof(e.address));
    e.user_agent = e.details = GW_STR_NULL;
    gw_audit_row_of_event(&e, &r);
    assert_int_equal(r.count, 40);
    assert_int_equal(r.ended_ms, 1500);
    assert_string_equal(r.address, "");
    assert_string_equal(r.user_agent, "");
    assert_string_equal(r.details, "");
}

static void details_are_a_clean_json_object_or_not_shown(void **state)
{
    (void)state;
    static const struct {
        struct gw_str in;
        const char *out;
    } cases[] = {
        {GW_STR("{\"a\":\"\xff\n\"}"), "{\"a\":\"??\"}"},
        {GW_STR("{\"a\\u001b\":\"\\n\"}"), "{\"a\\u001b\":\"\\n\"}"},
        {GW_STR("{\"\x7f\":1,\"?\":2}"), NULL},
        {GW_STR("{"), NULL},
        {GW_STR("[1]"), NULL},
        {GW_STR("\"x\""), NULL},
        {GW_STR("{\n}"), NULL},
        {GW_STR("{\"a\":1,\"a\":2}"), NULL},
        {GW_STR("{} {}"), NULL},
        {GW_STR("{}\0"), NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_event e = event(GW_EVENT_SINGLE);
        struct gw_audit_row r;
        e.details = cases[i].in;
        gw_audit_row_of_event(&e, &r);
        assert_string_equal(r.details, cases[i].out != NULL ? cases[i].out : "{\"unreadable\":true}");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(severity_is_by_the_table_and_low_else),
        cmocka_unit_test(severities_are_named_and_read_by_name),
        cmocka_unit_test(text_becomes_utf8_without_control_characters),
        cmocka_unit_test(text_is_cut_between_characters),
        cmocka_unit_test(the_resource_is_what_the_last_parameter_names),
        cmocka_unit_test(a_resource_that_may_be_cut_is_none),
        cmocka_unit_test(an_event_becomes_a_row_and_its_outcome_ends_it),
        cmocka_unit_test(a_tally_keeps_its_count_and_its_last),
        cmocka_unit_test(details_are_a_clean_json_object_or_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
