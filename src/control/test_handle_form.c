/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of the pages to sign in and out with: what JSON does, as a person sees it. */
#include "control/dispatch.h"
#include "control/test_home.h"
#include "pipeline/csrf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PASSWORD "Correct-Horse-7"
#define FORM "application/x-www-form-urlencoded"

static struct gw_test_home home;
static struct gw_app *app;
static struct gw_reply last;
static const char *address = "198.51.100.7"; /* not exempt from locks */

static unsigned send(struct gw_call call, const char *method, const char *path, const char *body)
{
    call.method = gw_str(method);
    call.path = gw_str(path);
    call.body = gw_str(body);
    call.request_id = GW_STR("01900000-0000-7000-8000-000000000001");
    assert_int_equal(gw_ip_parse(gw_str(address), &call.address), GW_OK);
    gw_reply_done(&last);
    gw_dispatch(app, &call, &last);
    return last.status;
}

static unsigned form(const char *path, const char *token, const char *body)
{
    return send((struct gw_call){.media_type = GW_STR(FORM), .token = gw_str(token)}, "POST", path, body);
}

static int set_up(void **state)
{
    (void)state;
    gw_test_home_make(&home);
    app = gw_test_home_open(&home);
    assert_int_equal(send((struct gw_call){.kind = GW_CALLER_OPERATOR}, "POST", "/aaiti/v1/users",
                          "{\"username\":\"tina\",\"role\":\"trader\",\"password\":\"" PASSWORD "\"}"),
                     201);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gw_reply_done(&last);
    gw_app_close(app);
    gw_test_home_remove(&home);
    return 0;
}

static void assert_shown(const char *words)
{
    if (last.page.ptr == NULL || strstr(last.page.ptr, words) == NULL)
        fail_msg("\"%s\" is not in %s", words, last.page.ptr != NULL ? last.page.ptr : "an empty page");
}

/* The session cookie's token. */
static const char *token_of_cookie(void)
{
    static char token[4096];
    struct gw_str cookie = gw_buf_str(&last.session_cookie);
    size_t from = gw_str_find(cookie, '=') + 1;
    assert_true(gw_str_copy(gw_str_sub(cookie, from, gw_str_find(cookie, ';') - from), token, sizeof(token)));
    return token;
}

static void the_right_password_signs_in_and_leads_back(void **state)
{
    static const struct {
        const char *next, *location;
    } rows[] = {{"%2Fapp%3Fa%3D1", "/app?a=1"}, {"//evil.example", "/"}, {"", "/"}, {"/aaiti/login", "/"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[256];
        (void)snprintf(body, sizeof(body), "username=tina&password=" PASSWORD "&next=%s", rows[i].next);
        assert_int_equal(form("/aaiti/login", "", body), 303);
        assert_string_equal(gw_buf_str(&last.location).ptr, rows[i].location);
        assert_null(last.body);
        assert_int_equal(last.page.len, 0);
    }
    assert_non_null(strstr(last.session_cookie.ptr, "; Path=/; Secure; HttpOnly; SameSite=Lax; "));
    assert_non_null(strstr(last.refresh_cookie.ptr, "Path=/api/auth/refresh; Secure; HttpOnly; SameSite=Strict"));
    assert_non_null(strstr(last.device_cookie.ptr, "Path=/aaiti/login; Secure; HttpOnly; SameSite=Strict"));
}

/* One answer, whatever was wrong, but for the name that was typed. */
static void a_wrong_password_is_told_in_the_page(void **state)
{
    (void)state;
    assert_int_equal(form("/aaiti/login", "", "username=tina&password=wrong&next=%2Fapp"), 401);
    assert_shown("The user name or the password is wrong.");
    assert_shown("name=\"next\" value=\"/app\"");
    assert_shown("value=\"tina\"");
    assert_null(strstr(last.page.ptr, "value=\"wrong\""));
    assert_int_equal(last.session_cookie.len, 0);
    char page[8192];
    assert_true(gw_str_copy(gw_buf_str(&last.page), page, sizeof(page)));
    assert_int_equal(form("/aaiti/login", "", "username=tini&password=wrong&next=%2Fapp"), 401);
    memcpy(strstr(last.page.ptr, "tini"), "tina", 4);
    assert_string_equal(last.page.ptr, page);
}

static void who_is_locked_out_is_told_for_how_long(void **state)
{
    (void)state;
    address = "203.0.113.9";
    for (int i = 0; i < 10; i++)
        assert_int_equal(form("/aaiti/login", "", "username=tina&password=wrong"), 401);
    assert_int_equal(form("/aaiti/login", "", "username=tina&password=" PASSWORD), 429);
    assert_shown("Too many failed attempts, try again in 15 minutes");
    assert_true(last.retry_after_s > 0);
    /* The JSON call is the same guard's. */
    assert_int_equal(send((struct gw_call){.token = GW_STR("")}, "POST", "/api/auth/login",
                          "{\"username\":\"tina\",\"password\":\"" PASSWORD "\"}"),
                     429);
    address = "198.51.100.7";
}

static void what_is_no_form_is_refused_in_a_page(void **state)
{
    static const struct {
        const char *type, *body;
        unsigned status;
    } rows[] = {
        {"application/json", "{\"username\":\"tina\",\"password\":\"" PASSWORD "\"}", 415},
        {"text/plain", "username=tina&password=" PASSWORD, 415},
        {"", "username=tina&password=" PASSWORD, 415},
        {FORM, "", 400},
        {FORM, "username=tina", 400},
        {FORM, "username=tina&password=", 400},
        {FORM, "username=tina&password=" PASSWORD "&role=admin", 400},
        {FORM, "username=tina&username=tini&password=" PASSWORD, 400},
        {FORM, "username=%00&password=" PASSWORD, 400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_call call = {.media_type = gw_str(rows[i].type)};
        unsigned status = send(call, "POST", "/aaiti/login", rows[i].body);
        if (status != rows[i].status)
            fail_msg("%s %s: %u", rows[i].type, rows[i].body, status);
        assert_shown("role=\"alert\"");
        assert_shown("name=\"password\"");
        assert_int_equal(last.session_cookie.len, 0);
    }
}

static void markup_in_the_name_is_text(void **state)
{
    (void)state;
    assert_int_equal(form("/aaiti/login", "", "username=%22%3E%3Cscript%3E&password=x"), 401);
    assert_shown("value=\"&quot;&gt;&lt;script&gt;\"");
    assert_null(strstr(last.page.ptr, "<script"));
}

static void signing_out_needs_the_sessions_own_token(void **state)
{
    char token[4096], csrf[GW_CSRF_LEN + 1], other[GW_CSRF_LEN + 1], body[128];
    (void)state;
    assert_int_equal(form("/aaiti/login", "", "username=tina&password=" PASSWORD), 303);
    assert_int_equal(gw_csrf_make(gw_str(token_of_cookie()), other), GW_OK);
    assert_int_equal(form("/aaiti/login", "", "username=tina&password=" PASSWORD), 303);
    (void)snprintf(token, sizeof(token), "%s", token_of_cookie());
    assert_int_equal(gw_csrf_make(gw_str(token), csrf), GW_OK);

    (void)snprintf(body, sizeof(body), "csrf=%s", other);
    const char *const wrong[] = {"", "csrf=", body, "csrf=x"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(form("/aaiti/logout", token, wrong[i]), 403);
        assert_shown("Press the button again.");
        assert_shown(csrf);
        assert_int_equal(last.session_cookie.len, 0);
    }
    (void)snprintf(body, sizeof(body), "csrf=%s", csrf);
    assert_int_equal(form("/aaiti/logout", token, body), 303);
    assert_string_equal(gw_buf_str(&last.location).ptr, "/aaiti/logout");
    assert_true(last.clears_storage);
    assert_non_null(strstr(last.session_cookie.ptr, "__Host-aaiti_session=; Path=/; "));
    assert_non_null(strstr(last.session_cookie.ptr, "Max-Age=0"));
    assert_non_null(strstr(last.refresh_cookie.ptr, "Max-Age=0"));
    assert_int_equal(form("/aaiti/logout", token, body), 401);
    assert_shown("You are signed out");
}

int main(void)
{
#define CASE(test) cmocka_unit_test(test)
    const struct CMUnitTest tests[] = {
        CASE(the_right_password_signs_in_and_leads_back),
        CASE(a_wrong_password_is_told_in_the_page),
        CASE(who_is_locked_out_is_told_for_how_long),
        CASE(what_is_no_form_is_refused_in_a_page),
        CASE(markup_in_the_name_is_text),
        CASE(signing_out_needs_the_sessions_own_token),
    };
    return cmocka_run_group_tests_name("control/handle_form", tests, set_up, tear_down);
}
