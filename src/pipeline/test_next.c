/* SPDX-License-Identifier: Apache-2.0 */
/* What a stranger may have written into a link to the login page. */
#include "pipeline/next.h"

#include "policy/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_a_target_of_this_host_is_kept(void **state)
{
    static const char *const rows[] = {
        "/",
        "/app",
        "/app/",
        "/app/bots?id=7&tab=a+b",
        "/app?back=https://evil.example/", /* a parameter of the page's own */
        "/@evil.example",
        "/app:80",
        "/a%20b",
        "/aaiti/panic",
        "/aaiti/loginx",
        "/aaiti?x=/aaiti/login",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!gw_str_eq(gw_next_or_root(gw_str(rows[i])), gw_str(rows[i])))
            fail_msg("%s was not kept", rows[i]);
}

static void test_whatever_else_becomes_the_root(void **state)
{
    static const struct gw_str rows[] = {
        GW_STR(""),
        GW_STR("app"),
        GW_STR("//evil.example"),
        GW_STR("//evil.example/app"),
        GW_STR("///evil.example"),
        GW_STR("/\\evil.example"),
        GW_STR("\\\\evil.example"),
        GW_STR("\\/evil.example"),
        GW_STR("/\t/evil.example"),
        GW_STR("\t//evil.example"),
        GW_STR(" //evil.example"),
        GW_STR("/\r\n/evil.example"),
        GW_STR("/app\r\nSet-Cookie: a=b"),
        GW_STR("/app%0d%0aSet-Cookie:%20a=b"),
        GW_STR("/%2f/evil.example"),
        GW_STR("/%2Fevil.example"),
        GW_STR("/%5cevil.example"),
        GW_STR("/%5Cevil.example"),
        GW_STR("/%09/evil.example"),
        GW_STR("/.//evil.example"),
        GW_STR("/./evil.example"),
        GW_STR("/..//evil.example"),
        GW_STR("/app/..//evil.example"),
        GW_STR("/%2e%2e//evil.example"),
        GW_STR("/;@evil.example"),
        GW_STR("https:evil.example"),
        GW_STR("https://evil.example/"),
        GW_STR("HTTPS://evil.example/"),
        GW_STR("http:/evil.example"),
        GW_STR("javascript:alert(1)"),
        GW_STR("data:text/html,x"),
        GW_STR("?next=/app"),
        GW_STR("#/app"),
        GW_STR("/app#top"),
        GW_STR("/app\0/x"),
        GW_STR("/app\x7f"),
        GW_STR("/app\xff"),
        GW_STR("/app x"),
        GW_STR("/app?\"onload=x"),
        GW_STR("/%61pp"), /* another form of /app: what is canonical is said in one way */
        GW_STR("/a%2"),
        GW_STR("/aaiti/login"),
        GW_STR("/aaiti/login?next=/aaiti/login"),
        GW_STR("/aaiti/login/"),
        GW_STR("/aaiti/logout"),
        GW_STR("/aaiti/logout?x=1"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!gw_str_eq(gw_next_or_root(rows[i]), GW_STR("/")))
            fail_msg("%.*s was kept", GW_STR_ARG(rows[i]));
}

static void test_it_has_a_longest(void **state)
{
    char text[GW_NEXT_MAX_BYTES + 2] = "/";
    (void)state;
    memset(text + 1, 'a', GW_NEXT_MAX_BYTES);
    assert_int_equal(gw_next_or_root((struct gw_str){text, GW_NEXT_MAX_BYTES}).len, GW_NEXT_MAX_BYTES);
    assert_int_equal(gw_next_or_root((struct gw_str){text, GW_NEXT_MAX_BYTES + 1}).len, 1);
}

static void test_the_login_page_comes_back_to_where_it_was_asked_for(void **state)
{
    static const struct {
        const char *target, *expected;
    } rows[] = {
        {"/app?id=7&q=%C3%B6", "/aaiti/login?next=%2Fapp%3Fid%3D7%26q%3D%25C3%25B6"},
        {"/", "/aaiti/login"},
        {"//evil.example", "/aaiti/login"},
        {"", "/aaiti/login"},
    };
    struct gw_arena a;
    (void)state;
    gw_arena_init(&a, 64 * 1024);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_str target, query, next = GW_STR_NULL;
        assert_int_equal(gw_next_login_target(gw_str(rows[i].target), &a, &target), GW_OK);
        assert_string_equal(target.ptr, rows[i].expected);
        query = gw_str_sub(target, sizeof(GW_LOGIN_PAGE), target.len);
        if (query.len > 0) {
            assert_int_equal(gw_query_get(query, GW_STR("next"), &a, &next), GW_OK);
            assert_true(gw_str_eq(next, gw_str(rows[i].target)));
        }
    }
    gw_arena_done(&a);
}

static void test_without_memory_there_is_none(void **state)
{
    struct gw_arena none;
    struct gw_str target;
    (void)state;
    gw_arena_init(&none, 0);
    assert_int_equal(gw_next_login_target(GW_STR("/app"), &none, &target), GW_ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_target_of_this_host_is_kept),
        cmocka_unit_test(test_whatever_else_becomes_the_root),
        cmocka_unit_test(test_it_has_a_longest),
        cmocka_unit_test(test_the_login_page_comes_back_to_where_it_was_asked_for),
        cmocka_unit_test(test_without_memory_there_is_none),
    };
    return cmocka_run_group_tests_name("pipeline/next", tests, NULL, NULL);
}
