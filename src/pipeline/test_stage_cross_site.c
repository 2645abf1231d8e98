/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that a foreign page made the browser send. */
#include "pipeline/csrf.h"
#include "pipeline/test_cast.h"

#include <stdio.h>
#include <string.h>

static void test_unsafe_requests_by_cookie_need_a_proof(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        enum gw_reason reason;
    } rows[] = {
        {"accept: */*", "x-a: 1", GW_REASON_CROSS_SITE},
        {"origin: https://gw.example:8443", "host: gw.example:8443", GW_REASON_NONE},
        {"origin: https://GW.example:8443", "host: gw.example:8443", GW_REASON_NONE},
        {"origin: http://gw.example:8443", "host: gw.example:8443", GW_REASON_ORIGIN_REFUSED},
        {"origin: https://gw.example", "host: gw.example:8443", GW_REASON_ORIGIN_REFUSED},
        {"origin: https://gw.example:8443.evil", "host: gw.example:8443", GW_REASON_ORIGIN_REFUSED},
        {"origin: https://evil.example", "host: gw.example:8443", GW_REASON_ORIGIN_REFUSED},
        {"origin: https://", "host: ", GW_REASON_ORIGIN_REFUSED},
        {"origin: null", "host: null", GW_REASON_ORIGIN_REFUSED},
        {"sec-fetch-site: same-origin", "x-a: 1", GW_REASON_NONE},
        {"sec-fetch-site: same-site", "x-a: 1", GW_REASON_CROSS_SITE},
        {"sec-fetch-site: cross-site", "x-a: 1", GW_REASON_CROSS_SITE},
        {"sec-fetch-site: none", "x-a: 1", GW_REASON_CROSS_SITE},
        {"authorization: Bearer null", "x-a: 1", GW_REASON_NONE},
        {"authorization: Bearer", "x-a: 1", GW_REASON_NONE},
        {"authorization: Basic YTpi", "x-a: 1", GW_REASON_CROSS_SITE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static const char *const targets[] = {"/api/bots", "/api/auth/logout"};
        for (size_t k = 0; k < 2; k++) {
            const struct gw_decision *d = ASK("POST", targets[k], cookie(TRADER), rows[i].a, rows[i].b);
            if (d->reason != rows[i].reason)
                fail_msg("%s, %s: %s", rows[i].a, rows[i].b, gw_reason_name(d->reason));
        }
        assert_passed(ASK("GET", "/api/bots", cookie(TRADER), rows[i].a, rows[i].b));
    }
}

static void test_nobody_is_signed_in_from_a_foreign_page(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        enum gw_reason reason;
    } rows[] = {
        {"accept: */*", GW_REASON_NONE},
        {"origin: https://gw.example", GW_REASON_NONE},
        {"origin: https://evil.example", GW_REASON_ORIGIN_REFUSED},
        {"origin: null", GW_REASON_ORIGIN_REFUSED},
        {"sec-fetch-site: same-origin", GW_REASON_NONE},
        {"sec-fetch-site: none", GW_REASON_NONE},
        {"sec-fetch-site: cross-site", GW_REASON_CROSS_SITE},
        {"sec-fetch-site: same-site", GW_REASON_CROSS_SITE},
    };
    static const char *const targets[] = {"/api/auth/login", "/api/auth/register", "/api/auth/refresh", "/aaiti/login"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(ASK("POST", targets[k], "host: gw.example", rows[i].a)->reason, rows[i].reason);
}

static void test_a_refresh_by_cookie_needs_a_proof_and_one_by_body_does_not(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool sees;
    } rows[] = {
        {"accept: */*", "x-a: 1", false},
        {"sec-fetch-site: none", "x-a: 1", false},
        {"authorization: Basic YTpi", "x-a: 1", false},
        {"origin: https://gw.example:8443", "host: gw.example:8443", true},
        {"sec-fetch-site: same-origin", "x-a: 1", true},
        {"authorization: Bearer", "x-a: 1", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d =
            ASK("POST", "/api/auth/refresh", "cookie: __Secure-aaiti_refresh=r", rows[i].a, rows[i].b);
        assert_int_equal(d->action, GW_CONTROL);
        if (gw_rig_dropped(&rig, "cookie") == rows[i].sees)
            fail_msg("%s, %s", rows[i].a, rows[i].b);
    }
    assert_int_equal(ASK("POST", "/api/auth/login", "cookie: __Secure-aaiti_refresh=r")->action, GW_CONTROL);
    assert_false(gw_rig_dropped(&rig, "cookie"));
}

static void test_a_browser_that_gives_no_sign_may_bring_the_sessions_token(void **state)
{
    static const struct {
        const char *more;
        bool is_own, passes;
    } rows[] = {
        {"x-a: 1", true, true},
        {"x-a: 1", false, false},
        {"origin: https://evil.example", true, false},
        {"origin: null", true, false},
        {"sec-fetch-site: cross-site", true, false},
        {"sec-fetch-site: same-site", true, false},
    };
    char own[GW_CSRF_LEN + 1], other[GW_CSRF_LEN + 1];
    char session[GW_JWT_MAX_BYTES + 64];
    (void)state;
    snprintf(session, sizeof(session), "%s", cookie(TRADER));
    assert_int_equal(gw_csrf_make(gw_str(strchr(session, '=') + 1), own), GW_OK);
    assert_int_equal(gw_csrf_make(gw_str(strchr(cookie(VIEWER), '=') + 1), other), GW_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d =
            ASK("POST", "/api/bots", session, line("x-csrf-token: ", rows[i].is_own ? own : other), rows[i].more);
        assert_int_equal(d->action, rows[i].passes ? GW_PASS : GW_REFUSE);
        assert_true(!rows[i].passes || gw_rig_dropped(&rig, "x-csrf-token"));
    }
    /* The backend's own stays, where it was not looked at. */
    assert_passed(ASK("POST", "/api/bots", bearer(TRADER), "x-csrf-token: theirs"));
    assert_false(gw_rig_dropped(&rig, "x-csrf-token"));
}

static void test_the_sessions_token_never_reaches_the_backend(void **state)
{
    static const struct {
        const char *method, *more;
    } rows[] = {
        {"POST", "sec-fetch-site: same-origin"},
        {"POST", "authorization: Bearer null"},
        {"GET", "sec-fetch-site: same-origin"},
        {"GET", "x-a: 1"},
    };
    char own[GW_CSRF_LEN + 1], session[GW_JWT_MAX_BYTES + 64];
    (void)state;
    snprintf(session, sizeof(session), "%s", cookie(TRADER));
    assert_int_equal(gw_csrf_make(gw_str(strchr(session, '=') + 1), own), GW_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_passed(ASK(rows[i].method, "/api/bots", session, line("x-csrf-token: ", own), rows[i].more));
        if (!gw_rig_dropped(&rig, "x-csrf-token"))
            fail_msg("%s, %s", rows[i].method, rows[i].more);
        assert_passed(ASK(rows[i].method, "/api/bots", session, "x-csrf-token: theirs", "sec-fetch-site: same-origin"));
        assert_false(gw_rig_dropped(&rig, "x-csrf-token"));
    }
    assert_passed(ASK("POST", "/api/bots", line("authorization: Bearer ", strchr(session, '=') + 1),
                      line("x-csrf-token: ", own)));
    assert_true(gw_rig_dropped(&rig, "x-csrf-token"));
}

/* The form brings its token in the body, at which control looks. */
static void test_no_foreign_page_sends_the_form_to_sign_out(void **state)
{
    (void)state;
    assert_int_equal(ASK("POST", "/aaiti/logout", cookie(TRADER))->action, GW_CONTROL);
    assert_int_equal(ASK("POST", "/aaiti/logout", cookie(TRADER), "sec-fetch-site: same-origin")->action, GW_CONTROL);
    assert_refused(ASK("POST", "/aaiti/logout", cookie(TRADER), "origin: https://evil.example", "host: gw.example"),
                   GW_REASON_ORIGIN_REFUSED);
    assert_refused(ASK("POST", "/aaiti/logout", cookie(TRADER), "sec-fetch-site: same-site"), GW_REASON_CROSS_SITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_unsafe_requests_by_cookie_need_a_proof),
        CASE(test_nobody_is_signed_in_from_a_foreign_page),
        CASE(test_a_refresh_by_cookie_needs_a_proof_and_one_by_body_does_not),
        CASE(test_a_browser_that_gives_no_sign_may_bring_the_sessions_token),
        CASE(test_the_sessions_token_never_reaches_the_backend),
        CASE(test_no_foreign_page_sends_the_form_to_sign_out),
    };
    return cmocka_run_group_tests_name("pipeline/stage_cross_site", tests, NULL, NULL);
}
