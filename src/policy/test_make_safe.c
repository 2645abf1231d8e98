/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/make_safe.h"
#include "policy/test_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Steps begin in line 18. */
#define HEAD                                                                                     \
    "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n"                               \
    "auth: {logout: POST /logout}\n"                                                             \
    "roles: {admin: {permissions: ['*']}}\n"                                                     \
    "routes:\n"                                                                                  \
    "  - {match: GET /bots, permission: 'bots:read'}\n"                                          \
    "  - {match: 'POST /bots/{id}/stop', permission: 'bots:write', risk: reduces}\n"             \
    "  - {match: 'POST /bots/{id}/start', permission: 'bots:write'}\n"                           \
    "  - {match: 'GET /bots/{id}/trades', permission: 'bots:read'}\n"                            \
    "  - {match: 'GET /bots/{id}/fire', permission: 'bots:write', risk: opens}\n"                \
    "  - {match: 'DELETE /bots/{id}/trades/{trade}', permission: 'bots:write', risk: reduces}\n" \
    "  - {match: POST /stop, permission: 'bots:write', risk: reduces}\n"                         \
    "  - {match: GET /secret, access: deny}\n"                                                   \
    "  - {match: 'GET /trades', permission: 'bots:read', query: {open: '1'}}\n"                  \
    "  - {match: 'GET /a/{a}/b/{b}/c/{c}/d', permission: 'bots:read'}\n"                         \
    "  - {match: 'GET /{a}/{b}/{c}', permission: 'bots:read'}\n"                                 \
    "make_safe:\n"
#define STEPS HEAD "  steps:\n"
#define BOTS "  - {list: bots, get: /bots, items: /bots}\n"
#define TRADES "  - {list: trades, each: bots, get: '/bots/{bots}/trades'}\n"

static const struct gw_make_safe *load_steps(struct fixture *x, const char *text)
{
    load(x, text);
    return gw_policy_make_safe(x->p);
}

static void assert_text(struct gw_str got, const char *wanted)
{
    if (!gw_str_eq(got, gw_str(wanted)))
        fail_msg("\"%.*s\", not \"%s\"", GW_STR_ARG(got), wanted);
}

static void a_policy_without_the_section_has_none(void **state)
{
    assert_null(load_steps(*state, "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n"
                                   "roles: {admin: {permissions: ['*']}}\n"));
}

static void steps_are_compiled_in_their_order(void **state)
{
    const struct gw_make_safe *m = load_steps(
        *state, HEAD "  as: keeper\n"
                     "  steps:\n"
                     "  - {list: bots, get: /bots, items: /data/bots, id: '', where: {status: running, live: true}}\n"
                     "  - {list: trades, each: bots, get: '/bots/{bots}/trades'}\n"
                     "  - {call: 'DELETE /bots/{bots}/trades/{trades}'}\n"
                     "  - {call: 'POST /bots/{bots}/stop', repeat: true, body: {a: [1, -2.5, '3', x\"y], b: null}}\n"
                     "  - {call: POST /stop}\n"
                     "  - {list: all, get: '/trades?open=1'}\n"
                     "  - {report: trades, as: positions left open}\n"
                     "  - {report: all}\n");
    assert_text(m->as, "keeper");
    assert_int_equal(m->count, 8);
    const struct gw_safe_step *s = m->steps;

    assert_int_equal(s[0].kind, GW_SAFE_LIST);
    assert_text(s[0].name, "bots");
    assert_text(s[0].items, "/data/bots");
    assert_text(s[0].id, "");
    assert_int_equal(s[0].over, GW_SAFE_NONE);
    assert_int_equal(s[0].where_count, 2);
    assert_text(s[0].where[0].member, "status");
    assert_text(s[0].where[0].value, "running");
    assert_text(s[0].where[1].value, "true");
    assert_text(s[0].route->pattern, "GET /bots");

    assert_int_equal(s[1].over, 0);
    assert_text(s[1].items, "");
    assert_text(s[1].id, "/id");
    assert_int_equal(s[1].method, GW_METHOD_GET);

    assert_int_equal(s[2].kind, GW_SAFE_CALL);
    assert_int_equal(s[2].over, 1);
    assert_int_equal(s[2].method, GW_METHOD_DELETE);
    assert_false(s[2].repeat);
    assert_text(s[2].target, "/bots/{bots}/trades/{trades}");
    assert_text(s[2].name, "DELETE /bots/{bots}/trades/{trades}");

    assert_int_equal(s[3].over, 0);
    assert_true(s[3].repeat);
    assert_text(s[3].body, "{\"a\":[1,-2.5,\"3\",\"x\\\"y\"],\"b\":null}");
    assert_int_equal(s[4].over, GW_SAFE_NONE);
    assert_text(s[4].body, "");
    assert_text(s[5].target, "/trades?open=1");

    assert_int_equal(s[6].kind, GW_SAFE_REPORT);
    assert_int_equal(s[6].over, 1);
    assert_text(s[6].name, "positions left open");
    assert_int_equal(s[7].over, 5);
    assert_text(s[7].name, "all");
}

static void wrong_sections_are_faults_with_lines(void **state)
{
    static const struct fault_case cases[] = {
        {HEAD "  as: x\n", 17, "`steps` is missing"},
        {HEAD "  as: []\n  steps: [{call: POST /stop}]\n", 17, "make_safe.as"},
        {HEAD "  ass: x\n  steps: [{call: POST /stop}]\n", 17, "did you mean `as`?"},
        {HEAD "  - {call: POST /stop}\n", 17, "make_safe: expected a map"},
        {STEPS "    a: b\n", 18, "expected a list of 1 to 32 steps"},
        {HEAD "  steps: []\n", 17, "expected a list of 1 to 32 steps"},
        {STEPS "  - POST /stop\n", 18, "expected a step"},
        {STEPS "  - {as: x}\n", 18, "expected a step"},
        /* lists */
        {STEPS "  - {list: bots}\n", 18, "`get` is missing"},
        {STEPS "  - {list: bots, get: /bots, item: /x}\n", 18, "did you mean `items`?"},
        {STEPS "  - {list: 'b b', get: /bots}\n", 18, "expected a name"},
        {STEPS "  - {list: '', get: /bots}\n", 18, "list"},
        {STEPS BOTS BOTS, 19, "that no list above has"},
        {STEPS "  - {list: bots, get: bots}\n", 18, "expected a path"},
        {STEPS "  - {list: bots, get: /bots/../bots}\n", 18, "expected a path"},
        {STEPS "  - {list: bots, get: /%62ots}\n", 18, "expected a path"},
        {STEPS "  - {list: bots, get: /bots#x}\n", 18, "expected a path"},
        {STEPS "  - {list: bots, get: /nothing}\n", 18, "no route of the policy takes it"},
        {STEPS "  - {list: bots, get: /stop}\n", 18, "no route of the policy takes it"},
        {STEPS "  - {list: bots, get: /trades}\n", 18, "no route of the policy takes it"},
        {STEPS "  - {list: bots, get: '/trades?open=2'}\n", 18, "no route of the policy takes it"},
        {STEPS "  - {list: bots, get: /secret}\n", 18, "the route of line 12 never reaches the backend"},
        {STEPS "  - {list: bots, get: /aaiti/health}\n", 18, "never reaches the backend"},
        {STEPS BOTS "  - {list: x, each: bots, get: '/bots/{bots}/fire'}\n", 19, "line 9 is `risk: opens`"},
        {STEPS "  - {list: bots, get: /bots, items: bots}\n", 18, "expected a JSON Pointer such as /items"},
        {STEPS "  - {list: bots, get: /bots, id: '/a~2b'}\n", 18, "expected a JSON Pointer such as /id"},
        {STEPS "  - {list: bots, get: /bots, id: '/a~'}\n", 18, "expected a JSON Pointer such as /id"},
        {STEPS "  - {list: bots, get: /bots, where: {}}\n", 18, "expected a map of 1 to 4 members"},
        {STEPS "  - {list: bots, get: /bots, where: {a: 1, b: 2, c: 3, d: 4, e: 5}}\n", 18, "1 to 4 members"},
        {STEPS "  - {list: bots, get: /bots, where: {a: [b]}}\n", 18, "where"},
        /* lists in lists */
        {STEPS "  - {list: trades, each: bots, get: '/bots/{bots}/trades'}\n", 18, "no list `bots` stands above"},
        {STEPS BOTS "  - {list: trades, each: bots, get: '/bots/{bot}/trades'}\n", 19, "did you mean `bots`?"},
        {STEPS BOTS "  - {list: trades, get: '/bots/{bots}/trades'}\n", 19, "each: expected the list"},
        {STEPS BOTS "  - {list: trades, each: bots, get: /bots}\n", 19, "each: expected the list"},
        {STEPS BOTS "  - {list: other, get: /bots}\n  - {list: trades, each: bots, get: '/bots/{other}/trades'}\n", 20,
         "each: expected the list"},
        {STEPS BOTS "  - {list: other, get: /bots}\n  - {list: x, each: bots, get: '/{bots}/{other}/c'}\n", 20,
         "lists in one path must be one for `each` item of the other"},
        {STEPS BOTS TRADES "  - {list: c, each: trades, get: '/{bots}/{trades}/c'}\n"
                           "  - {list: d, each: c, get: '/a/{bots}/b/{trades}/c/{c}/d'}\n",
         21, "more than 3 lists in one another"},
        /* calls */
        {STEPS "  - {call: POST /stop, repeats: true}\n", 18, "did you mean `repeat`?"},
        {STEPS "  - {call: POST /stop, repeat: perhaps}\n", 18, "repeat"},
        {STEPS "  - {call: POST /stop, body: [1]}\n", 18, "body: expected a map"},
        {STEPS "  - {call: /stop}\n", 18, "expected a method and a path"},
        {STEPS "  - {call: BREW /stop}\n", 18, "expected a method and a path"},
        {STEPS "  - {call: HEAD /bots}\n", 18, "expected a method and a path"},
        {STEPS "  - {call: POST}\n", 18, "expected a path"},
        {STEPS "  - {call: GET /bots}\n", 18, "line 5 is `risk: neutral`; what makes safe must be `reduces`"},
        {STEPS BOTS "  - {call: 'POST /bots/{bots}/start'}\n", 19, "line 7 is `risk: opens`"},
        {STEPS "  - {call: POST /logout}\n", 18, "never reaches the backend"},
        {STEPS "  - {call: 'POST /bots/{bots}/stop'}\n", 18, "no list `bots` stands above"},
        {STEPS BOTS "  - {call: 'POST /bots/x{bots}/stop'}\n", 19, "expected a path"},
        {STEPS BOTS "  - {call: 'POST /bots/{}/stop'}\n", 19, "expected a path"},
        /* reports */
        {STEPS "  - {report: bots}\n", 18, "no list `bots` stands above"},
        {STEPS BOTS "  - {report: bots, name: x}\n", 19, "unknown key `name`"},
        {STEPS BOTS "  - {report: bots, as: ''}\n", 19, "as"},
    };
    check_fault_cases(cases, sizeof(cases) / sizeof(cases[0]), read_wrong, *state);
}

static void limits_are_faults(void **state)
{
    struct fixture *x = *state;
    char *text = malloc(200000);
    size_t len = (size_t)sprintf(text, STEPS);
    for (int i = 0; i <= GW_SAFE_STEPS_MAX; i++)
        len += (size_t)sprintf(text + len, "  - {call: POST /stop}\n");
    load_over(x, text, NULL);
    assert_int_equal(gw_faults_count(x->faults), 1);
    assert_non_null(strstr(gw_faults_get(x->faults, 0)->message, "1 to 32 steps"));

    sprintf(text, STEPS "  - {call: POST /stop, body: {a: '%05000d'}}\n", 0);
    load_over(x, text, NULL);
    assert_non_null(strstr(gw_faults_get(x->faults, 0)->message, "longer than 4096 bytes"));

    sprintf(text, STEPS "  - {list: b, get: '/bots/%03000d'}\n", 0);
    load_over(x, text, NULL);
    assert_int_equal(gw_faults_count(x->faults), 1);
    free(text);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_policy_without_the_section_has_none),
        CASE(steps_are_compiled_in_their_order),
        CASE(wrong_sections_are_faults_with_lines),
        CASE(limits_are_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
