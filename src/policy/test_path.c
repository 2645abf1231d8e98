/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/path.h"

#include "policy/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum gw_code canonical(struct gw_arena *a, struct gw_str raw, struct gw_target_uri *out)
{
    return gw_path_canonical(raw, a, out, NULL);
}

static void targets_get_one_canonical_form(void **state)
{
    static const struct {
        const char *raw, *canonical;
    } cases[] = {
        {"/", "/"},
        {"/api/bots", "/api/bots"},
        {"/api/bots/", "/api/bots/"},
        {"/api/%62ots", "/api/bots"},
        {"/%61%70%69/b%6Fts", "/api/bots"},
        {"/API/Bots", "/API/Bots"}, /* another path: not folded */
        {"/a%2db%5Fc%7e%2E1", "/a-b_c~.1"},
        {"/BTC%2DUSDT", "/BTC-USDT"},
        {"/a%c3%a9", "/a%C3%A9"},
        {"/a%3a%40%2c", "/a%3A%40%2C"},
        {"/a:b@c,d=e&f$g!h'i(j)k*l+m", "/a:b@c,d=e&f$g!h'i(j)k*l+m"},
        {"/...", "/..."},
        {"/a..b/.c", "/a..b/.c"},
        {"/a?", "/a?"},
        {"/a?x=1&y=%2f%25", "/a?x=1&y=%2F%25"},
        {"/a?x=%62tc&y[]=../..", "/a?x=btc&y[]=../.."},
        {"/a?q=a?b/c", "/a?q=a?b/c"},
        {"/%61?q=%0a", "/a?q=%0A"},
    };
    (void)state;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 1u << 20);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_target_uri got, again;
        assert_int_equal(canonical(&a, gw_str(cases[i].raw), &got), GW_OK);
        if (!gw_str_eq(got.canonical, gw_str(cases[i].canonical)))
            fail_msg("%s: %.*s", cases[i].raw, GW_STR_ARG(got.canonical));
        size_t mark = gw_str_find(got.canonical, '?');
        assert_true(gw_str_eq(got.path, gw_str_sub(got.canonical, 0, mark)));
        assert_int_equal(got.query.ptr == NULL, mark == got.canonical.len);
        if (got.query.ptr != NULL)
            assert_true(gw_str_eq(got.query, gw_str_sub(got.canonical, mark + 1, got.canonical.len)));

        assert_int_equal(canonical(&a, got.canonical, &again), GW_OK);
        assert_ptr_equal(again.canonical.ptr, got.canonical.ptr);
    }
}

static void a_canonical_target_costs_no_memory(void **state)
{
    (void)state;
    gw_auto(gw_arena) struct gw_arena none;
    gw_arena_init(&none, 0);
    struct gw_str raw = GW_STR("/api/bots/1?x=BTC%2FUSDT");
    struct gw_target_uri got;
    assert_int_equal(canonical(&none, raw, &got), GW_OK);
    assert_ptr_equal(got.canonical.ptr, raw.ptr);
    assert_int_equal(canonical(&none, GW_STR("/%61"), &got), GW_ENOMEM);
}

static void what_servers_read_differently_is_refused(void **state)
{
    static const struct gw_str cases[] = {
        {"", 0},
        {"*", 1},
        {"api", 3},
        {"http://x/", 9},
        {"?x", 2},
        {"//", 2},
        {"//api/bots", 10},
        {"/api//bots", 10},
        {"/api/bots//", 11},
        {"/.", 2},
        {"/..", 3},
        {"/api/./bots", 11},
        {"/api/../bots", 12},
        {"/api/bots/..", 12},
        {"/api/%2e/bots", 13},
        {"/api/%2e%2E/bots", 16},
        {"/api/.%2e", 9},
        {"/api/bots/..;/users", 19},
        {"/api;x=1/bots", 13},
        {"/api/bots%3bx", 13},
        {"/api%2fbots", 11},
        {"/api%2Fbots", 11},
        {"/api%5cbots", 11},
        {"/api\\bots", 9},
        {"/api%00", 7},
        {"/api%0a", 7},
        {"/api%1f", 7},
        {"/api%7f", 7},
        {"/api%25", 7},
        {"/api%252e", 9},
        {"/api%", 5},
        {"/api%6", 6},
        {"/api%zz", 7},
        {"/api%u0061", 10},
        {"/api bots", 9},
        {"/api\tbots", 9},
        {"/api\0", 5},
        {"/api\x7f", 5},
        {"/caf\xc3\xa9", 6},
        {"/a#b", 4},
        {"/a?x#b", 6},
        {"/a\"b", 4},
        {"/a<b>", 5},
        {"/a{b}", 5},
        {"/a|b", 4},
        {"/a^b", 4},
        {"/a`b", 4},
        {"/a[b]", 5},
        {"/%ff", 4},
        {"/%c3", 4},
        {"/%c3a", 5},
        {"/%c0%ae", 7},     /* overlong "." */
        {"/%c0%af", 7},     /* overlong "/" */
        {"/%e0%80%af", 10}, /* overlong "/" */
        {"/%ed%a0%80", 10}, /* surrogate */
        {"/%c2%85", 7},     /* C1 control */
        {"/a?x=%", 6},
        {"/a?x=%g0", 8},
        {"/a?x=%00", 8},
        {"/a?x=%ff", 8},
        {"/a?x=\xff", 6},
        {"/a?x= ", 6},
        {"/a?x=1;y=2", 10},
        {"/a?x={}", 7},
        {"/a?x=\\", 6},
    };
    (void)state;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 1u << 20);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_target_uri got;
        if (canonical(&a, cases[i], &got) != GW_EPARSE)
            fail_msg("accepted: %.*s", GW_STR_ARG(cases[i]));
    }
}

static void lengths_are_limited(void **state)
{
    (void)state;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 1u << 20);
    static char text[GW_PATH_MAX_BYTES + GW_QUERY_MAX_BYTES + 3];
    struct gw_target_uri got;
    memset(text, 'a', sizeof(text));
    text[0] = '/';
    assert_int_equal(canonical(&a, (struct gw_str){text, GW_PATH_MAX_BYTES}, &got), GW_OK);
    assert_int_equal(canonical(&a, (struct gw_str){text, GW_PATH_MAX_BYTES + 1}, &got), GW_ELIMIT);
    text[GW_PATH_MAX_BYTES] = '?';
    assert_int_equal(canonical(&a, (struct gw_str){text, GW_PATH_MAX_BYTES + 1 + GW_QUERY_MAX_BYTES}, &got), GW_OK);
    assert_int_equal(canonical(&a, (struct gw_str){text, GW_PATH_MAX_BYTES + 2 + GW_QUERY_MAX_BYTES}, &got), GW_ELIMIT);
}

static void query_parameters_are_decoded(void **state)
{
    static const struct {
        const char *query, *name, *value; /* NULL: see code */
        enum gw_code code;
    } cases[] = {
        {"action=cancel_order", "action", "cancel_order", GW_OK},
        {"a=1&action=cancel%5Forder&b", "action", "cancel_order", GW_OK},
        {"%61ction=x+y%2Bz", "action", "x y+z", GW_OK},
        {"a+b=1", "a b", "1", GW_OK},
        {"action", "action", "", GW_OK},
        {"action=", "action", "", GW_OK},
        {"action=a=b", "action", "a=b", GW_OK},
        {"&&action=1&&", "action", "1", GW_OK},
        {"actions=1&actio=2", "action", NULL, GW_ENOTFOUND},
        {"Action=1", "action", NULL, GW_ENOTFOUND},
        {"", "action", NULL, GW_ENOTFOUND},
        {"action=1&action=1", "action", NULL, GW_ECONFLICT},
        {"action=1&%61ction=2", "action", NULL, GW_ECONFLICT},
        {"action[]=1", "action", NULL, GW_ECONFLICT},
        {"action=1&action%5B0%5D=2", "action", NULL, GW_ECONFLICT},
        {"action=1&b=%", "action", NULL, GW_EPARSE},
        {"action=%zz", "action", NULL, GW_EPARSE},
        {"action=a%00b", "action", NULL, GW_EPARSE},
        {"%4=1&action=1", "action", NULL, GW_EPARSE},
    };
    (void)state;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 1u << 20);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_str value = GW_STR_NULL;
        enum gw_code code = gw_query_get(gw_str(cases[i].query), gw_str(cases[i].name), &a, &value);
        if (code != cases[i].code || (code == GW_OK && !gw_str_eq(value, gw_str(cases[i].value))))
            fail_msg("%s: %s, %.*s", cases[i].query, gw_code_name(code), GW_STR_ARG(value));
    }
}

static void raw_values_are_compared_decoded(void **state)
{
    (void)state;
    assert_true(gw_query_value_is(GW_STR("cancel%5forder"), GW_STR("cancel_order")));
    assert_true(gw_query_value_is(GW_STR("a+b"), GW_STR("a b")));
    assert_true(gw_query_value_is(GW_STR(""), GW_STR("")));
    assert_false(gw_query_value_is(GW_STR("cancel_orders"), GW_STR("cancel_order")));
    assert_false(gw_query_value_is(GW_STR("cancel_orde"), GW_STR("cancel_order")));
    assert_false(gw_query_value_is(GW_STR("a%2"), GW_STR("a%2")));
    assert_false(gw_query_value_is(GW_STR("a"), GW_STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_get_one_canonical_form),
        cmocka_unit_test(a_canonical_target_costs_no_memory),
        cmocka_unit_test(what_servers_read_differently_is_refused),
        cmocka_unit_test(lengths_are_limited),
        cmocka_unit_test(query_parameters_are_decoded),
        cmocka_unit_test(raw_values_are_compared_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
