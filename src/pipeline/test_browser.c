/* SPDX-License-Identifier: Apache-2.0 */
/* What a browser is shown, and who is none. */
#include "pipeline/csrf.h"
#include "pipeline/test_cast.h"

#include <string.h>

#define HTML "accept: text/html,application/xhtml+xml,*/*;q=0.8"
#define NAVIGATES "sec-fetch-mode: navigate"

static const char policy[] = "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n"
                             "roles: {admin: {permissions: ['*']}, viewer: {permissions: ['bots:read']}}\n"
                             "routes:\n"
                             "  - {match: 'GET /app/**', permission: 'bots:read', ui: page}\n"
                             "  - {match: 'GET /app/admin', role: admin, ui: page}\n"
                             "  - {match: 'POST /app/form', permission: 'bots:read', ui: page}\n"
                             "  - {match: 'GET /asset/**', permission: 'bots:read', ui: asset}\n"
                             "  - {match: 'GET /api/bots', permission: 'bots:read'}\n";

static void use_policy(void)
{
    gw_rig_publish(&rig, SECOND_HASH, NULL, policy);
    load_and_install();
}

static void assert_shown(const struct gw_decision *d, const char *words)
{
    assert_true(gw_str_eq(d->content_type, GW_STR("text/html; charset=utf-8")));
    assert_true(gw_str_starts(d->content_security, GW_STR("default-src 'none'; style-src 'sha256-")));
    if (d->body.ptr == NULL || strstr(d->body.ptr, words) == NULL)
        fail_msg("\"%s\" is not in %s", words, d->body.ptr != NULL ? d->body.ptr : "an empty page");
}

static void test_who_is_not_signed_in_is_sent_to_the_login_page(void **state)
{
    static const struct {
        const char *method, *target, *location;
    } rows[] = {
        {"GET", "/app/bots?id=7", "/aaiti/login?next=%2Fapp%2Fbots%3Fid%3D7"},
        {"HEAD", "/app/bots", "/aaiti/login?next=%2Fapp%2Fbots"},
        {"POST", "/app/form", "/aaiti/login"},
    };
    (void)state;
    use_policy();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d = ASK(rows[i].method, rows[i].target, HTML, NAVIGATES);
        assert_int_equal(d->action, GW_REFUSE);
        assert_int_equal(d->reason, GW_REASON_ANONYMOUS);
        assert_int_equal(d->status, 303);
        assert_string_equal(d->location.ptr, rows[i].location);
        assert_true(d->content_type.len > 0 && d->body.len == 0);
    }
    const struct gw_decision *d = ASK("GET", "/app/bots", HTML, cookie(NO_SESSION));
    assert_int_equal(d->reason, GW_REASON_SESSION_ENDED);
    assert_int_equal(d->status, 303);
}

static void test_a_target_too_long_to_come_back_to_is_forgotten(void **state)
{
    char target[1200] = "/app/";
    (void)state;
    use_policy();
    memset(target + 5, 'a', sizeof(target) - 6);
    assert_string_equal(ASK("GET", target, HTML)->location.ptr, "/aaiti/login");
}

static void test_who_asks_for_no_document_gets_the_problem(void **state)
{
    static const struct {
        const char *target, *a, *b;
    } rows[] = {
        {"/app/bots", "accept: */*", "x-a: 1"},
        {"/app/bots", "accept: application/json", NAVIGATES},
        {"/app/bots", "x-a: 1", NAVIGATES},
        {"/app/bots", HTML, "sec-fetch-mode: cors"},
        {"/app/bots", HTML, "sec-fetch-mode: no-cors"},
        {"/app/bots", "accept: application/json, x/text/html", "x-a: 1"},
        {"/asset/a.js", HTML, NAVIGATES},
        {"/api/bots", HTML, NAVIGATES},
    };
    (void)state;
    use_policy();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d = ASK("GET", rows[i].target, rows[i].a, rows[i].b);
        if (d->status != 401 || d->location.len > 0 || d->content_type.len > 0)
            fail_msg("%s, %s, %s: %u", rows[i].target, rows[i].a, rows[i].b, d->status);
    }
}

static void test_who_may_not_is_shown_that_and_no_more(void **state)
{
    (void)state;
    use_policy();
    const struct gw_decision *d = ASK("GET", "/app/admin", HTML, cookie(VIEWER));
    assert_int_equal(d->reason, GW_REASON_NO_PERMISSION);
    assert_int_equal(d->status, 403);
    assert_shown(d, "<h1>Forbidden</h1>");
    char id[200];
    assert_true(gw_str_copy(d->request_id, id, sizeof(id)));
    assert_non_null(strstr(d->body.ptr, id));
    assert_null(strstr(d->body.ptr, "admin"));
    d = ASK("POST", "/app/form", HTML, cookie(VIEWER), "sec-fetch-site: cross-site", "host: gw.example");
    assert_int_equal(d->status, 403);
    assert_shown(d, "Cross-site request refused");
    d = ASK("GET", "/app/admin", cookie(VIEWER));
    assert_int_equal(d->status, 403);
    assert_int_equal(d->content_type.len, 0);
}

static void test_the_login_page_keeps_where_to_go_on_to(void **state)
{
    static const struct {
        const char *target, *next;
    } rows[] = {
        {"/aaiti/login", "name=\"next\" value=\"/\""},
        {"/aaiti/login?next=%2Fapp%3Fa%3D1%26b%3D2", "name=\"next\" value=\"/app?a=1&amp;b=2\""},
        {"/aaiti/login?next=//evil.example", "name=\"next\" value=\"/\""},
        {"/aaiti/login?next=/a&next=/b", "name=\"next\" value=\"/\""},
        {"/aaiti/login?next[]=/a", "name=\"next\" value=\"/\""},
        {"/aaiti/login?next=%2Fa%22%3E%3Cscript%3E", "name=\"next\" value=\"/\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d = ASK_BARE("GET", rows[i].target);
        assert_int_equal(d->action, GW_ANSWER);
        assert_int_equal(d->status, 200);
        assert_shown(d, rows[i].next);
    }
}

static void test_who_is_signed_in_may_go_on_or_out(void **state)
{
    char csrf[GW_CSRF_LEN + 1];
    const char *token = strchr(cookie(TRADER), '=') + 1;
    (void)state;
    assert_int_equal(gw_csrf_make(gw_str(token), csrf), GW_OK);
    const struct gw_decision *d = ASK("GET", "/aaiti/login?next=%2Fapp", line("cookie: __Host-aaiti_session=", token));
    assert_shown(d, "href=\"/app\"");
    assert_shown(d, "Signed in as <strong>user2</strong>");
    assert_shown(d, csrf);
    d = ASK("GET", "/aaiti/logout", line("cookie: __Host-aaiti_session=", token));
    assert_shown(d, csrf);
    assert_null(strstr(d->body.ptr, "href="));
    assert_shown(ASK("GET", "/aaiti/login", cookie(NO_SESSION)), "name=\"password\"");
    assert_shown(ASK("GET", "/aaiti/logout", cookie(NO_SESSION)), "You are signed out");
    assert_shown(ASK_BARE("GET", "/aaiti/logout"), "You are signed out");
}

static void test_forms_go_to_control_with_the_policy_of_pages(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK("POST", "/aaiti/login", HTML, "origin: https://gw.example", "host: gw.example");
    assert_int_equal(d->action, GW_CONTROL);
    assert_true(gw_str_starts(d->content_security, GW_STR("default-src 'none'; style-src 'sha256-")));
    assert_int_equal(ASK("POST", "/aaiti/logout", HTML, cookie(TRADER))->action, GW_CONTROL);
    d = ASK("POST", "/aaiti/logout", HTML, cookie(NO_SESSION));
    assert_int_equal(d->status, 303);
    assert_string_equal(d->location.ptr, "/aaiti/login");
    d = ASK("POST", "/aaiti/login", HTML, "sec-fetch-site: cross-site", "host: gw.example");
    assert_int_equal(d->status, 403);
    assert_shown(d, "Cross-site request refused");
    assert_refused(ASK_BARE("PUT", "/aaiti/login"), GW_REASON_NO_ROUTE);
}

static void test_control_that_is_down_is_told_in_a_page(void **state)
{
    (void)state;
    ASK("POST", "/aaiti/login", HTML, "origin: https://gw.example", "host: gw.example");
    gw_request_refuse(rig.request, GW_REASON_CONTROL_DOWN, &rig.decision);
    assert_int_equal(rig.decision.status, 503);
    assert_shown(&rig.decision, "Sign-in is unavailable");
    ASK("POST", "/api/auth/login", HTML);
    gw_request_refuse(rig.request, GW_REASON_CONTROL_DOWN, &rig.decision);
    assert_int_equal(rig.decision.content_type.len, 0);
}

/* It would take a redirect for the backend's, and has a page of its own. */
static void test_a_proxy_that_asks_about_a_page_gets_no_page(void **state)
{
    (void)state;
    use_policy();
    assert_int_equal(gw_ip_parse(GW_STR("10.0.0.1"), &rig.peer), GW_OK);
    const struct gw_decision *d = ASK("GET", "/aaiti/verify", "x-forwarded-for: 203.0.113.9", "x-forwarded-method: GET",
                                      "x-forwarded-uri: /app/bots", HTML, NAVIGATES);
    assert_int_equal(d->reason, GW_REASON_ANONYMOUS);
    assert_int_equal(d->status, 401);
    assert_int_equal(d->content_type.len + d->location.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_who_is_not_signed_in_is_sent_to_the_login_page),
        CASE(test_a_target_too_long_to_come_back_to_is_forgotten),
        CASE(test_who_asks_for_no_document_gets_the_problem),
        CASE(test_who_may_not_is_shown_that_and_no_more),
        CASE(test_the_login_page_keeps_where_to_go_on_to),
        CASE(test_who_is_signed_in_may_go_on_or_out),
        CASE(test_forms_go_to_control_with_the_policy_of_pages),
        CASE(test_control_that_is_down_is_told_in_a_page),
        CASE(test_a_proxy_that_asks_about_a_page_gets_no_page),
    };
    return cmocka_run_group_tests_name("pipeline/browser", tests, NULL, NULL);
}
