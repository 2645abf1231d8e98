/* SPDX-License-Identifier: Apache-2.0 */
/* The refresh call, in its three forms, over a whole application by an injected clock. */
#include "control/dispatch.h"
#include "control/test_home.h"
#include "pipeline/csrf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PASSWORD "Correct-Horse-7"
#define NEW_PASSWORD "Battery-Staple-8"
#define GRACE_S 10
#define REFRESH_COOKIE "__Secure-aaiti_refresh="

static struct gw_test_home home;
static struct gw_app *app;
static struct gw_reply last;

struct text {
    char s[1024];
};

static int set_up(void **state)
{
    (void)state;
    gw_test_home_make(&home);
    app = gw_test_home_open(&home);
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

static void reload(void)
{
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    struct gw_error err = {0};
    assert_int_equal(gw_faults_new(&f, &err), GW_OK);
    if (gw_app_reload(app, f, &err) != GW_OK)
        fail_msg("%s", err.msg);
}

/* ---- calls ---- */

static unsigned dispatch(struct gw_call c)
{
    c.request_id = GW_STR("01900000-0000-7000-8000-000000000001");
    assert_int_equal(gw_ip_parse(GW_STR("192.0.2.7"), &c.address), GW_OK);
    gw_reply_done(&last);
    gw_dispatch(app, &c, &last);
    return last.status;
}

static unsigned operate(const char *method, const char *path, const char *body)
{
    return dispatch((struct gw_call){
        .kind = GW_CALLER_OPERATOR, .method = gw_str(method), .path = gw_str(path), .body = gw_str(body)});
}

static unsigned by(const char *token, const char *method, const char *path, const char *body)
{
    return dispatch((struct gw_call){.method = gw_str(method),
                                     .path = gw_str(path),
                                     .token = gw_str(token),
                                     .is_bearer = true,
                                     .body = gw_str(body)});
}

static unsigned refresh_raw(struct gw_str body, const char *cookie)
{
    return dispatch((struct gw_call){
        .method = GW_STR("POST"), .path = GW_STR("/api/auth/refresh"), .body = body, .refresh_cookie = gw_str(cookie)});
}

static unsigned refresh(const char *token)
{
    char body[1100];
    (void)snprintf(body, sizeof(body), "{\"refreshToken\":\"%s\"}", token);
    return refresh_raw(gw_str(body), "");
}

static struct text member(const char *name)
{
    struct text t = {""};
    const char *text = json_string_value(json_object_get(last.body, name));
    (void)snprintf(t.s, sizeof(t.s), "%s", text != NULL ? text : "");
    return t;
}

/* The refresh token that the last answer puts into the cookie. */
static struct text cookie(void)
{
    struct text t = {""};
    struct gw_str value = gw_buf_str(&last.refresh_cookie);
    if (value.len == 0)
        return t;
    assert_true(gw_str_starts(value, GW_STR(REFRESH_COOKIE)));
    value = gw_str_sub(value, strlen(REFRESH_COOKIE), value.len);
    assert_true(gw_str_copy(gw_str_sub(value, 0, gw_str_find(value, ';')), t.s, sizeof(t.s)));
    return t;
}

static void add_user(const char *name)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"username\":\"%s\",\"role\":\"trader\",\"password\":\"" PASSWORD "\"}", name);
    assert_int_equal(operate("POST", "/aaiti/v1/users", body), 201);
}

/* Leaves the login's answer in `last`. */
static struct text sign_in(const char *name)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"username\":\"%s\",\"password\":\"" PASSWORD "\"}", name);
    assert_int_equal(by("", "POST", "/api/auth/login", body), 200);
    return member("refreshToken");
}

/* ---- forms ---- */

static void a_login_gives_a_refresh_token_in_body_and_cookie(void **state)
{
    (void)state;
    add_user("tina");
    struct text token = sign_in("tina");
    assert_int_equal(strlen(token.s), GW_REFRESH_TOKEN_LEN);
    assert_string_equal(cookie().s, token.s);
    const char *set = gw_buf_str(&last.refresh_cookie).ptr;
    assert_non_null(strstr(set, "; Path=/api/auth/refresh; Secure; HttpOnly; SameSite=Strict; Max-Age=604800"));
    assert_null(strstr(set, "Domain"));
    assert_null(strstr(gw_buf_str(&last.session_cookie).ptr, token.s));
}

static void a_refresh_by_body_answers_as_the_backend_and_more(void **state)
{
    (void)state;
    add_user("tina");
    struct text first = sign_in("tina"), access = member("token");
    gw_fake_clock_advance(&home.clock, 3600 * 1000);
    assert_int_equal(refresh(first.s), 200);
    assert_string_equal(member("message").s, "Token refreshed successfully");
    assert_string_equal(member("token").s, member("accessToken").s);
    assert_string_not_equal(member("token").s, access.s);
    assert_int_equal(json_integer_value(json_object_get(last.body, "expiresIn")), 24 * 3600);
    assert_string_equal(json_string_value(json_object_get(json_object_get(last.body, "user"), "username")), "tina");
    assert_int_equal(json_object_size(last.body), 7);
    assert_true(gw_csrf_is_of(gw_str(member("token").s), gw_str(member("csrfToken").s)));
    struct text second = member("refreshToken");
    assert_string_equal(cookie().s, second.s);
    assert_string_not_equal(second.s, first.s);
    assert_non_null(strstr(gw_buf_str(&last.refresh_cookie).ptr, "Max-Age=601200"));
    assert_non_null(strstr(gw_buf_str(&last.session_cookie).ptr, member("token").s));
    access = member("token");
    assert_int_equal(by(access.s, "GET", "/api/auth/profile", ""), 200);
}

static void a_refresh_by_cookie_keeps_the_token_out_of_the_body(void **state)
{
    static const char *const bodies[] = {"", "{}", "{\"refreshToken\":null}"};
    (void)state;
    add_user("tina");
    struct text token = sign_in("tina");
    for (size_t n = 0; n < sizeof(bodies) / sizeof(bodies[0]); n++) {
        assert_int_equal(refresh_raw(gw_str(bodies[n]), token.s), 200);
        assert_string_not_equal(cookie().s, token.s);
        assert_null(json_object_get(last.body, "refreshToken"));
        assert_true(member("token").s[0] != '\0');
        token = cookie();
    }
}

static void the_body_counts_where_both_are_there(void **state)
{
    char body[1100];
    (void)state;
    add_user("tina");
    struct text mine = sign_in("tina"), other = sign_in("tina");
    (void)snprintf(body, sizeof(body), "{\"refreshToken\":\"%s\"}", mine.s);
    assert_int_equal(refresh_raw(gw_str(body), other.s), 200);
    assert_int_equal(refresh_raw(GW_STR(""), other.s), 200);
    assert_int_equal(refresh_raw(GW_STR("{\"refreshToken\":\"wrong\"}"), cookie().s), 401);
}

static void an_access_token_is_enough_only_where_the_settings_say_so(void **state)
{
    struct gw_call c = {.method = GW_STR("POST"), .path = GW_STR("/api/auth/refresh"), .is_bearer = true};
    (void)state;
    add_user("tina");
    sign_in("tina");
    struct text access = member("token");
    c.token = gw_str(access.s);
    assert_int_equal(dispatch(c), 401);
    gw_test_home_settings(&home, "refresh: { bearer: true }\n");
    reload();
    assert_int_equal(dispatch(c), 200);
    assert_string_equal(member("message").s, "Token refreshed successfully");
    assert_null(json_object_get(last.body, "refreshToken"));
    assert_int_equal(last.refresh_cookie.len, 0);
    struct text fresh = member("token");
    c.is_bearer = false; /* the session cookie */
    assert_int_equal(dispatch(c), 401);
    c.is_bearer = true;
    c.token = gw_str(fresh.s);
    assert_int_equal(dispatch(c), 200);
    gw_fake_clock_advance(&home.clock, (24 * 3600 + 1) * 1000);
    assert_int_equal(dispatch(c), 401);
}

/* ---- refusals ---- */

static unsigned use_unknown(void)
{
    return refresh("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}

static unsigned use_none(void)
{
    return refresh_raw(GW_STR(""), "");
}

static unsigned use_other_cookie(void)
{
    return refresh_raw(GW_STR(""), "x");
}

static unsigned use_twice(void)
{
    struct text token = sign_in("tina");
    assert_int_equal(refresh(token.s), 200);
    gw_fake_clock_advance(&home.clock, (GRACE_S + 1) * 1000);
    return refresh(token.s);
}

static unsigned use_ended(void)
{
    struct text token = sign_in("tina");
    struct gw_call c = {.kind = GW_CALLER_OPERATOR, .method = GW_STR("DELETE"), .path = GW_STR("/aaiti/v1/sessions")};
    c.query = GW_STR("user=tina");
    assert_int_equal(dispatch(c), 200);
    return refresh(token.s);
}

static unsigned use_idle(void)
{
    struct text token = sign_in("tina");
    gw_fake_clock_advance(&home.clock, (24 * 3600 + 1) * 1000);
    return refresh(token.s);
}

static unsigned use_disabled(void)
{
    struct text token = sign_in("tina");
    assert_int_equal(operate("PATCH", "/aaiti/v1/users/tina", "{\"active\":false}"), 200);
    return refresh(token.s);
}

static void every_failed_refresh_has_one_answer(void **state)
{
    static unsigned (*const fail[])(void) = {use_unknown, use_none, use_other_cookie, use_twice,
                                             use_ended,   use_idle, use_disabled};
    char *first = NULL;
    json_free_t release;
    (void)state;
    add_user("tina");
    json_get_alloc_funcs(NULL, &release);
    for (size_t n = 0; n < sizeof(fail) / sizeof(fail[0]); n++) {
        assert_int_equal(fail[n](), 401);
        assert_string_equal(member("error").s, "Invalid or expired token");
        assert_int_equal(last.session_cookie.len + last.refresh_cookie.len, 0);
        char *text = json_dumps(last.body, JSON_SORT_KEYS);
        if (first == NULL)
            first = strdup(text);
        assert_string_equal(text, first);
        release(text);
    }
    free(first);
}

static void a_body_that_is_not_as_it_must_be_is_refused(void **state)
{
    static const struct gw_str bodies[] = {
        GW_STR(" "),
        GW_STR("{"),
        GW_STR("null"),
        GW_STR("[]"),
        GW_STR("\"x\""),
        GW_STR("{\"refreshToken\":7}"),
        GW_STR("{\"refreshToken\":true}"),
        GW_STR("{\"refreshToken\":{\"$ne\":\"\"}}"),
        GW_STR("{\"refreshToken\":[\"x\"]}"),
        GW_STR("{\"refreshToken\":\"\"}"),
        GW_STR("{\"refreshToken\":\"x\\u0000\"}"),
        GW_STR("{\"refreshToken\":\"x\0\"}"),
        GW_STR("{\"refreshToken\":\"\xff\"}"),
        GW_STR("{\"refreshToken\":\"x\",\"refreshToken\":\"y\"}"),
        GW_STR("{\"refreshToken\":\"x\",\"user\":\"y\"}"),
        GW_STR("{\"refresh_token\":\"x\"}"),
        GW_STR("refreshToken=x"),
    };
    char large[600], *huge = calloc(1, 64 * 1024 + 2);
    (void)state;
    add_user("tina");
    struct text good = sign_in("tina");
    for (size_t n = 0; n < sizeof(bodies) / sizeof(bodies[0]); n++)
        if (refresh_raw(bodies[n], good.s) != 400)
            fail_msg("`%.*s` gave %u", GW_STR_ARG(bodies[n]), last.status);
    memset(large, 'A', sizeof(large));
    large[513] = '\0';
    assert_int_equal(refresh(large), 400);
    large[512] = '\0';
    assert_int_equal(refresh(large), 401);
    assert_non_null(huge);
    memset(huge, ' ', 64 * 1024 + 1);
    assert_int_equal(refresh_raw(gw_str(huge), good.s), 413);
    free(huge);
    assert_int_equal(refresh(good.s), 200); /* none of that has used it */
}

static void too_many_at_once_are_asked_to_wait(void **state)
{
    (void)state;
    add_user("tina");
    struct text token = sign_in("tina");
    while (refresh(token.s) == 200)
        token = member("refreshToken");
    assert_int_equal(last.status, 429);
    assert_int_equal(last.retry_after_s, GW_REFRESH_EVERY_S);
    gw_fake_clock_advance(&home.clock, GW_REFRESH_EVERY_S * 1000);
    assert_int_equal(refresh(token.s), 200);
}

/* ---- what has to do with it ---- */

static void a_spent_token_kills_the_access_token_too(void **state)
{
    (void)state;
    add_user("tina");
    struct text first = sign_in("tina");
    assert_int_equal(refresh(first.s), 200);
    struct text access = member("token"), second = member("refreshToken");
    assert_int_equal(refresh(second.s), 200);
    assert_int_equal(by(access.s, "GET", "/api/auth/profile", ""), 200);
    assert_int_equal(refresh(first.s), 401);
    assert_int_equal(by(access.s, "GET", "/api/auth/profile", ""), 401);
}

static void a_logout_takes_both_cookies_away(void **state)
{
    (void)state;
    add_user("tina");
    struct text token = sign_in("tina"), access = member("token");
    assert_int_equal(by(access.s, "POST", "/api/auth/logout", ""), 200);
    assert_string_equal(gw_buf_str(&last.refresh_cookie).ptr,
                        REFRESH_COOKIE "; Path=/api/auth/refresh; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    assert_string_equal(gw_buf_str(&last.session_cookie).ptr,
                        "__Host-aaiti_session=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    assert_int_equal(refresh(token.s), 401);
}

static void a_change_of_password_gives_another_token(void **state)
{
    (void)state;
    add_user("tina");
    struct text token = sign_in("tina"), access = member("token");
    assert_int_equal(by(access.s, "PUT", "/aaiti/v1/password",
                        "{\"currentPassword\":\"" PASSWORD "\",\"newPassword\":\"" NEW_PASSWORD "\"}"),
                     200);
    struct text next = member("refreshToken");
    assert_string_equal(cookie().s, next.s);
    assert_int_equal(refresh(token.s), 401);
    assert_int_equal(refresh(next.s), 200);
}

static void the_policy_says_where_and_whether(void **state)
{
    static const struct {
        const char *line, *path;
    } rows[] = {
        {"  refresh: POST /auth/token/{kind}\n", "Path=/auth/token/; "},
        {"  refresh: POST /auth/**\n", "Path=/auth/; "},
        {"", NULL},
    };
    char policy[4096];
    const char *line = strstr(gw_test_policy, "  refresh:");
    (void)state;
    add_user("tina");
    for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
        (void)snprintf(policy, sizeof(policy), "%.*s%s%s", (int)(line - gw_test_policy), gw_test_policy, rows[n].line,
                       strchr(line, '\n') + 1);
        gw_test_home_put(&home, "policy.yaml", policy);
        reload();
        struct text token = sign_in("tina");
        if (rows[n].path != NULL) {
            assert_non_null(strstr(gw_buf_str(&last.refresh_cookie).ptr, rows[n].path));
            continue;
        }
        assert_string_equal(token.s, "");
        assert_int_equal(last.refresh_cookie.len, 0);
        assert_int_equal(refresh("x"), 404);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_login_gives_a_refresh_token_in_body_and_cookie),
        TEST(a_refresh_by_body_answers_as_the_backend_and_more),
        TEST(a_refresh_by_cookie_keeps_the_token_out_of_the_body),
        TEST(the_body_counts_where_both_are_there),
        TEST(an_access_token_is_enough_only_where_the_settings_say_so),
        TEST(every_failed_refresh_has_one_answer),
        TEST(a_body_that_is_not_as_it_must_be_is_refused),
        TEST(too_many_at_once_are_asked_to_wait),
        TEST(a_spent_token_kills_the_access_token_too),
        TEST(a_logout_takes_both_cookies_away),
        TEST(a_change_of_password_gives_another_token),
        TEST(the_policy_says_where_and_whether),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
