/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/compiled.h"
#include "policy/test_load.h"

#include <stdio.h>
#include <string.h>

/* 5 lines */
#define START                                                      \
    "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n" \
    "roles: {admin: {permissions: ['*']}}\n"                       \
    "routes:\n"                                                    \
    "  - {match: GET /bots, permission: 'bots:read'}\n"            \
    "  - {match: POST /stop, permission: 'bots:write', risk: reduces}\n"
#define LIMITS START "limits:\n"
#define CLASSES LIMITS "  classes:\n"

static void assert_class(const struct gw_limit_class *c, const char *name, const char *policy)
{
    assert_non_null(c);
    if (!gw_str_eq(c->name, gw_str(name)) || !gw_str_eq(c->policy, gw_str(policy)))
        fail_msg("%.*s: %.*s", GW_STR_ARG(c->name), GW_STR_ARG(c->policy));
}

static void a_policy_without_limits_has_those_built_in(void **state)
{
    static const char *const classes[GW_LIMIT_BUILT_IN_COUNT][2] = {
        [GW_LIMIT_FLOOD] = {"flood", "\"flood\";q=2000;w=10"},
        [GW_LIMIT_ANONYMOUS] = {"anonymous", "\"anonymous\";q=100;w=900"},
        [GW_LIMIT_AUTH] = {"auth", "\"auth\";q=300;w=900"},
        [GW_LIMIT_PAGE] = {"page", "\"page-burst\";q=100;w=10, \"page\";q=3000;w=900"},
        [GW_LIMIT_USER] = {"user", "\"user-burst\";q=200;w=1, \"user\";q=60000;w=600"},
        [GW_LIMIT_MACHINE] = {"machine", "\"machine-burst\";q=400;w=1, \"machine\";q=120000;w=600"},
    };
    struct fixture *x = *state;
    load(x, START);
    assert_int_equal(x->p->limit_count, GW_LIMIT_BUILT_IN_COUNT);
    for (int i = 0; i < GW_LIMIT_BUILT_IN_COUNT; i++)
        assert_class(gw_policy_limit(x->p, (enum gw_limit_built_in)i), classes[i][0], classes[i][1]);
    const struct gw_slow_down *s = &gw_policy_limit(x->p, GW_LIMIT_ANONYMOUS)->slow_down;
    assert_int_equal(s->after, 10);
    assert_int_equal(s->step_ms, 500);
    assert_int_equal(s->max_ms, 5000);
    assert_int_equal(gw_policy_limit(x->p, GW_LIMIT_USER)->slow_down.step_ms, 0);
}

static void a_class_of_the_policy_stands_in_place_of_the_built_in(void **state)
{
    struct fixture *x = *state;
    load(x, CLASSES "    anonymous: {burst: 5/1s}\n"
                    "    orders: {sustained: 10/1m, slow_down: {after: 3, step: 100ms, max: 1s}}\n"
                    "  flood: 50/5s\n");
    assert_class(gw_policy_limit(x->p, GW_LIMIT_FLOOD), "flood", "\"flood\";q=50;w=5");
    assert_class(gw_policy_limit(x->p, GW_LIMIT_ANONYMOUS), "anonymous", "\"anonymous-burst\";q=5;w=1");
    assert_int_equal(gw_policy_limit(x->p, GW_LIMIT_ANONYMOUS)->slow_down.step_ms, 0);
    assert_class(gw_policy_limit(x->p, GW_LIMIT_AUTH), "auth", "\"auth\";q=300;w=900");
    assert_int_equal(x->p->limit_count, GW_LIMIT_BUILT_IN_COUNT + 1);
    const struct gw_limit_class *orders = &x->p->limits[GW_LIMIT_BUILT_IN_COUNT];
    assert_class(orders, "orders", "\"orders\";q=10;w=60");
    assert_int_equal(orders->slow_down.max_ms, 1000);
}

/* Counts go on over a reload: a rate is known by its class and kind, whatever it allows and wherever it stands. */
static void a_rate_keeps_its_mark_when_its_numbers_change(void **state)
{
    struct fixture *x = *state;
    load(x, CLASSES "    a: {burst: 5/1s, sustained: 5/1m}\n    b: {sustained: 7/1m}\n");
    uint64_t burst = x->p->limits[GW_LIMIT_BUILT_IN_COUNT].rates[GW_LIMIT_BURST].mark;
    uint64_t sustained = x->p->limits[GW_LIMIT_BUILT_IN_COUNT].rates[GW_LIMIT_SUSTAINED].mark;
    uint64_t other = x->p->limits[GW_LIMIT_BUILT_IN_COUNT + 1].rates[GW_LIMIT_SUSTAINED].mark;
    assert_true(burst != sustained && burst != other && sustained != other);
    load(x, CLASSES "    b: {sustained: 9/1h}\n    a: {burst: 50/1s, sustained: 50/1m}\n");
    assert_true(x->p->limits[GW_LIMIT_BUILT_IN_COUNT].rates[GW_LIMIT_SUSTAINED].mark == other);
    assert_true(x->p->limits[GW_LIMIT_BUILT_IN_COUNT + 1].rates[GW_LIMIT_BURST].mark == burst);
}

static void no_name_makes_two_rates_one(void **state)
{
    struct fixture *x = *state;
    load(x, CLASSES "    user-burst: {sustained: 5/1h}\n");
    uint64_t burst = gw_policy_limit(x->p, GW_LIMIT_USER)->rates[GW_LIMIT_BURST].mark;
    uint64_t named = x->p->limits[GW_LIMIT_BUILT_IN_COUNT].rates[GW_LIMIT_SUSTAINED].mark;
    assert_true(burst != named);
}

static void a_route_names_a_class(void **state)
{
    struct fixture *x = *state;
    load(x, "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n"
            "roles: {admin: {permissions: ['*']}}\n"
            "limits: {classes: {orders: {burst: 5/1s}}}\n"
            "routes:\n"
            "  - {match: POST /orders, permission: 'bots:write', limit: orders}\n"
            "  - {match: GET /page, access: public, limit: page}\n"
            "  - {match: GET /bots, permission: 'bots:read'}\n");
    const struct gw_route *orders = gw_policy_match(x->p, GW_METHOD_POST, GW_STR("/orders"), GW_STR_NULL);
    const struct gw_route *page = gw_policy_match(x->p, GW_METHOD_GET, GW_STR("/page"), GW_STR_NULL);
    assert_class(orders->limit, "orders", "\"orders-burst\";q=5;w=1");
    assert_ptr_equal(page->limit, gw_policy_limit(x->p, GW_LIMIT_PAGE));
    assert_null(gw_policy_match(x->p, GW_METHOD_GET, GW_STR("/bots"), GW_STR_NULL)->limit);
}

static void refuses_what_is_wrong(void **state)
{
    static const struct fault_case cases[] = {
        {START "limits: 5\n", 6, "limits: expected a map"},
        {LIMITS "  class: {}\n", 7, "did you mean `classes`?"},
        {LIMITS "  classes: [a]\n", 7, "expected a map of classes"},
        {LIMITS "  flood: 100\n", 7, "expected a number and whole seconds"},
        {LIMITS "  flood: {sustained: 5/1s}\n", 7, "flood"},
        {CLASSES "    flood: {sustained: 5/1s}\n", 8, "none called flood"},
        {CLASSES "    a b: {sustained: 5/1s}\n", 8, "letters, digits"},
        {CLASSES "    'a\"': {sustained: 5/1s}\n", 8, "letters, digits"},
        {CLASSES "    abcdefghijklmnopqrstuvwxyzabcdefg: {sustained: 5/1s}\n", 8, "letters, digits"},
        {CLASSES "    a: 5/1s\n", 8, "expected a map"},
        {CLASSES "    a: {}\n", 8, "expected `burst`, `sustained` or both"},
        {CLASSES "    a: {bursts: 5/1s}\n", 8, "did you mean `burst`?"},
        /* rates */
        {CLASSES "    a: {burst: ''}\n", 8, "burst"},
        {CLASSES "    a: {burst: /1s}\n", 8, "expected a number"},
        {CLASSES "    a: {burst: 5/}\n", 8, "expected a number"},
        {CLASSES "    a: {burst: 5/1s/1s}\n", 8, "expected a number"},
        {CLASSES "    a: {burst: 0/1s}\n", 8, "expected a number"},
        {CLASSES "    a: {burst: -5/1s}\n", 8, "expected a number"},
        {CLASSES "    a: {burst: 5.5/1s}\n", 8, "expected a number"},
        {CLASSES "    a: {burst: 5/0s}\n", 8, "expected a number"},
        {CLASSES "    a: {burst: 5/100ms}\n", 8, "expected a number"},
        {CLASSES "    a: {burst: 5/1500ms}\n", 8, "whole seconds"},
        {CLASSES "    a: {burst: 5/25h}\n", 8, "1s to 24h"},
        {CLASSES "    a: {burst: 10001/1s}\n", 8, "at most 10000 a second"},
        {CLASSES "    a: {burst: 99999999999999999999/1s}\n", 8, "expected a number"},
        {CLASSES "    a: {burst: 5/9223372036854775807d}\n", 8, "expected a number"},
        {CLASSES "    a: {burst: [5/1s]}\n", 8, "burst"},
        /* slow_down */
        {CLASSES "    a: {burst: 5/1s, slow_down: {after: 1, step: 1s, max: 1s}}\n", 8, "goes by `sustained`"},
        {CLASSES "    a: {sustained: 5/1s, slow_down: 5}\n", 8, "expected a map"},
        {CLASSES "    a: {sustained: 5/1s, slow_down: {after: 1, step: 1s}}\n", 8, "`max` is missing"},
        {CLASSES "    a: {sustained: 5/1s, slow_down: {step: 1s, max: 1s}}\n", 8, "`after` is missing"},
        {CLASSES "    a: {sustained: 5/1s, slow_down: {after: 1, max: 1s}}\n", 8, "`step` is missing"},
        {CLASSES "    a: {sustained: 5/1s, slow_down: {after: 0, step: 1s, max: 1s}}\n", 8, "after: expected 1 to"},
        {CLASSES "    a: {sustained: 5/1s, slow_down: {after: 5, step: 1s, max: 1s}}\n", 8,
         "less than what `sustained`"},
        {CLASSES "    a: {sustained: 5/1s, slow_down: {after: 1, step: 2s, max: 1s}}\n", 8, "at most `max`"},
        {CLASSES "    a: {sustained: 5/1s, slow_down: {after: 1, step: 1s, max: 61s}}\n", 8, "max: expected 1ms to 1m"},
        {CLASSES "    a: {sustained: 5/1s, slow_down: {after: 1, step: 1s, max: 1s, x: 1}}\n", 8, "unknown key `x`"},
        /* routes */
        {START "  - {match: GET /a, access: public, limit: pages}\n", 6, "did you mean `page`?"},
        {START "  - {match: GET /a, access: public, limit: flood}\n", 6, "has no class `flood`"},
        {START "  - {match: GET /a, access: public, limit: [page]}\n", 6, "limit"},
        {START "  - {match: POST /a, permission: 'bots:write', risk: reduces, limit: user}\n", 6,
         "no limit keeps a user"},
    };
    check_fault_cases(cases, sizeof(cases) / sizeof(cases[0]), read_wrong, *state);
}

static void there_is_room_for_so_many_classes(void **state)
{
    struct fixture *x = *state;
    char text[8192] = CLASSES;
    for (int i = GW_LIMIT_BUILT_IN_COUNT; i < GW_LIMIT_CLASSES_MAX; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof(text) - n, "    c%d: {burst: 1/1s}\n", i);
    }
    load(x, text);
    assert_int_equal(x->p->limit_count, GW_LIMIT_CLASSES_MAX);
    strcat(text, "    one-more: {burst: 1/1s}\n");
    assert_int_equal(load_over(x, text, NULL), GW_EINVAL);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_policy_without_limits_has_those_built_in),
        CASE(a_class_of_the_policy_stands_in_place_of_the_built_in),
        CASE(a_rate_keeps_its_mark_when_its_numbers_change),
        CASE(no_name_makes_two_rates_one),
        CASE(a_route_names_a_class),
        CASE(refuses_what_is_wrong),
        CASE(there_is_room_for_so_many_classes),
    };
    return cmocka_run_group_tests_name("policy/limits", tests, NULL, NULL);
}
