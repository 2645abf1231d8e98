/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/test_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UPSTREAM "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n"
#define ROLES "roles: {admin: {permissions: ['*']}}\n"

/* Pattern of the route that a request finds; "" for none. */
static const char *found(const struct fixture *x, const char *method, const char *path, const char *query)
{
    static char pattern[200];
    const struct gw_route *r = gw_policy_match(x->p, gw_method_parse(gw_str(method)), gw_str(path), gw_str(query));
    if (r == NULL)
        return "";
    snprintf(pattern, sizeof(pattern), "%.*s", GW_STR_ARG(r->pattern));
    return pattern;
}

/* ---- matching ---- */

static void the_more_specific_pattern_wins_in_any_order(void **state)
{
    static const char *const lines[] = {
        "  - {match: GET /a/**, access: public}\n",      "  - {match: 'GET /a/{x}', access: public}\n",
        "  - {match: GET /a/b, access: public}\n",       "  - {match: 'GET /a/{x}/c', access: public}\n",
        "  - {match: GET /a/b/d, access: public}\n",     "  - {match: POST /a/z, access: public}\n",
        "  - {match: 'GET /{any}/e', access: public}\n", "  - {match: GET /s/, access: public}\n",
    };
    static const struct {
        const char *method, *path, *pattern;
    } cases[] = {
        {"GET", "/a", "GET /a/**"},
        {"GET", "/a/", "GET /a/**"},
        {"GET", "/a/b", "GET /a/b"},
        {"GET", "/a/q", "GET /a/{x}"},
        {"GET", "/a/z", "GET /a/{x}"}, /* the literal is POST's */
        {"POST", "/a/z", "POST /a/z"},
        {"POST", "/a/b", ""},
        {"GET", "/a/b/c", "GET /a/{x}/c"}, /* back from the literal b */
        {"GET", "/a/b/d", "GET /a/b/d"},
        {"GET", "/a/q/d", "GET /a/**"},
        {"GET", "/a/b/d/e", "GET /a/**"},
        {"GET", "/q/e", "GET /{any}/e"},
        {"GET", "/a/e", "GET /a/{x}"},
        {"GET", "/q/e/", ""},
        {"GET", "//e", ""},
        {"GET", "/s/", "GET /s/"},
        {"GET", "/s", ""},
        {"GET", "/A/b", ""},
        {"GET", "/", "GET /"},
        {"HEAD", "/a/b", "GET /a/b"},
        {"HEAD", "/a/q/r", "GET /a/**"},
        {"BREW", "/a/b", ""},
    };
    struct fixture *x = *state;
    for (size_t turn = 0; turn < 2; turn++) {
        char text[2000] = UPSTREAM ROLES "routes:\n";
        size_t n = sizeof(lines) / sizeof(lines[0]);
        for (size_t i = 0; i < n; i++)
            strcat(text, lines[turn == 0 ? i : n - 1 - i]);
        load(x, text);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            const char *got = found(x, cases[i].method, cases[i].path, "");
            if (strcmp(got, cases[i].pattern) != 0)
                fail_msg("%s %s: \"%s\"", cases[i].method, cases[i].path, got);
        }
    }
}

static void a_route_for_the_root_replaces_the_landing_page(void **state)
{
    struct fixture *x = *state;
    load(x, UPSTREAM ROLES);
    assert_int_equal(gw_policy_match(x->p, GW_METHOD_GET, GW_STR("/"), GW_STR_NULL)->target, GW_TARGET_LANDING);
    load(x, UPSTREAM ROLES "routes: [{match: GET /**, access: signed-in}]\n");
    const struct gw_route *r = gw_policy_match(x->p, GW_METHOD_GET, GW_STR("/"), GW_STR_NULL);
    assert_int_equal(r->target, GW_TARGET_BACKEND);
    assert_int_equal(r->access, GW_ACCESS_SIGNED_IN);
}

static void no_policy_takes_the_gateways_own_paths(void **state)
{
    struct fixture *x = *state;
    load(x, UPSTREAM ROLES "routes: [{match: GET /**, access: public}, {match: 'GET /{a}/{b}', access: public}]\n");
    assert_string_equal(found(x, "GET", "/aaiti/health", ""), "GET /aaiti/health");
    assert_string_equal(found(x, "GET", "/aaiti/v1", ""), "ANY /aaiti/v1/**");
    assert_string_equal(found(x, "PATCH", "/aaiti/v1/a/b", "x=1"), "ANY /aaiti/v1/**");
    assert_string_equal(found(x, "GET", "/aaiti/other", ""), "");
    assert_string_equal(found(x, "GET", "/aaiti", ""), "");
    assert_string_equal(found(x, "GET", "/aaiti/", ""), "");
    assert_string_equal(found(x, "GET", "/aaiti2/x", ""), "GET /{a}/{b}");
}

static void queries_choose_among_routes_of_one_path(void **state)
{
    static const struct {
        const char *query;
        int line; /* of the route; 0: refused */
    } cases[] = {
        {"", 4},
        {"other=1", 4},
        {"action=cancel_order", 5},
        {"x=1&action=cancel%5Forder&y", 5},
        {"%61ction=cancel_order", 5},
        {"action=cancel_order&mode=all+of+them", 6},
        {"mode=all%20of%20them&action=cancel_order", 6},
        {"action=cancel_order&mode=some", 5},
        {"action=CANCEL_ORDER", 4},
        {"action=cancel_order&action=cancel_order", 0},
        {"action=close&%61ction=cancel_order", 0},
        {"action[]=cancel_order", 0},
        {"action=cancel_order&mode=1&mode=2", 0}, /* some route looks at mode */
        {"x=1&x=2", 4},
        {"action=%", 0},
        {"action=cancel_order%00", 0},
    };
    struct fixture *x = *state;
    load(x, UPSTREAM ROLES
         "routes:\n"
         "  - {match: DELETE /orders, access: signed-in}\n"
         "  - {match: DELETE /orders, query: {action: cancel_order}, permission: bots:write, risk: reduces}\n"
         "  - {match: DELETE /orders, query: {mode: all of them, action: cancel_order}, role: admin}\n"
         "  - {match: 'DELETE /{x}', access: public}\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct gw_route *r = gw_policy_match(x->p, GW_METHOD_DELETE, GW_STR("/orders"), gw_str(cases[i].query));
        int line = r != NULL ? (int)r->line : 0;
        if (line != cases[i].line)
            fail_msg("%s: line %d", cases[i].query, line);
    }
}

static void a_thousand_routes_are_all_found(void **state)
{
    struct fixture *x = *state;
    char *text = malloc(200000);
    size_t len = (size_t)sprintf(text, UPSTREAM ROLES "routes:\n");
    for (int i = 0; i < 1000; i++)
        len += (size_t)sprintf(text + len, "  - {match: 'GET /r%d/{id}/x%d', permission: p%d:read}\n", i * 7919 % 1000,
                               i % 10, i % 200);
    load(x, text);
    free(text);
    for (int i = 0; i < 1000; i++) {
        char path[40], pattern[40];
        sprintf(path, "/r%d/q/x%d", i * 7919 % 1000, i % 10);
        sprintf(pattern, "GET /r%d/{id}/x%d", i * 7919 % 1000, i % 10);
        assert_string_equal(found(x, "GET", path, ""), pattern);
    }
    assert_string_equal(found(x, "GET", "/r1000/q/x0", ""), "");
}

/* ---- roles ---- */

static void check_role(const struct fixture *x, const char *name, const char *held)
{
    static const char *const all[] = {"a:read", "a:write", "b:read", "users:read"};
    int role = gw_policy_role(x->p, gw_str(name));
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (gw_policy_holds(x->p, role, gw_policy_permission(x->p, gw_str(all[i]))) != (held[i] == 'y'))
            fail_msg("%s, %s", name, all[i]);
    }
}

static void roles_hold_names_wildcards_and_what_they_inherit(void **state)
{
    struct fixture *x = *state;
    load(x, UPSTREAM "roles:\n"
                     "  wild: {permissions: ['a:*']}\n"
                     "  all: {permissions: ['*']}\n"
                     "  third: {inherits: [second]}\n"
                     "  second: {inherits: [first], permissions: [users:read]}\n"
                     "  first: {permissions: [a:read, b:read]}\n"
                     "  nothing: {}\n"
                     "routes: [{match: GET /a, permission: a:write}]\n");
    assert_int_equal(gw_policy_role_count(x->p), 6);
    check_role(x, "wild", "yynn");
    check_role(x, "all", "yyyy");
    check_role(x, "first", "ynyn");
    check_role(x, "second", "ynyy");
    check_role(x, "third", "ynyy");
    check_role(x, "nothing", "nnnn");
    check_role(x, "unknown", "nnnn");
    assert_false(gw_policy_holds(x->p, GW_ROLE_NONE, 0));
    assert_false(
        gw_policy_holds(x->p, gw_policy_role(x->p, GW_STR("all")), gw_policy_permission(x->p, GW_STR("c:read"))));
}

static void access_is_decided_in_one_place(void **state)
{
    struct fixture *x = *state;
    load(x, UPSTREAM "roles: {admin: {}, trader: {permissions: [a:read]}}\n"
                     "routes:\n"
                     "  - {match: GET /deny, access: deny}\n"
                     "  - {match: GET /public, access: public}\n"
                     "  - {match: GET /signed-in, access: signed-in}\n"
                     "  - {match: GET /permission, permission: a:read}\n"
                     "  - {match: GET /role, role: admin}\n");
    /* nobody, unknown role, admin, trader */
    static const struct {
        const char *path;
        enum gw_access_answer answers[4];
    } cases[] = {
        {"/deny", {GW_ACCESS_NO, GW_ACCESS_NO, GW_ACCESS_NO, GW_ACCESS_NO}},
        {"/public", {GW_ACCESS_YES, GW_ACCESS_YES, GW_ACCESS_YES, GW_ACCESS_YES}},
        {"/signed-in", {GW_ACCESS_NEEDS_SIGN_IN, GW_ACCESS_YES, GW_ACCESS_YES, GW_ACCESS_YES}},
        {"/permission", {GW_ACCESS_NEEDS_SIGN_IN, GW_ACCESS_NO, GW_ACCESS_NO, GW_ACCESS_YES}},
        {"/role", {GW_ACCESS_NEEDS_SIGN_IN, GW_ACCESS_NO, GW_ACCESS_YES, GW_ACCESS_NO}},
    };
    const int roles[] = {GW_ROLE_NONE, GW_ROLE_UNKNOWN, gw_policy_role(x->p, GW_STR("admin")),
                         gw_policy_role(x->p, GW_STR("trader"))};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct gw_route *r = gw_policy_match(x->p, GW_METHOD_GET, gw_str(cases[i].path), GW_STR_NULL);
        for (size_t k = 0; k < 4; k++)
            assert_int_equal(gw_policy_access(x->p, r, roles[k]), cases[i].answers[k]);
    }
}

static void risk_has_a_careful_default(void **state)
{
    static const struct {
        const char *pattern;
        enum gw_risk risk;
    } cases[] = {
        {"GET /a", GW_RISK_NEUTRAL},  {"POST /b", GW_RISK_OPENS},  {"POST /c", GW_RISK_NEUTRAL},
        {"DELETE /d", GW_RISK_OPENS}, {"PUT /e", GW_RISK_NEUTRAL}, {"POST /f", GW_RISK_NEUTRAL},
        {"POST /g", GW_RISK_REDUCES}, {"GET /h", GW_RISK_OPENS},   {"PATCH /i", GW_RISK_NEUTRAL},
    };
    struct fixture *x = *state;
    load(x, UPSTREAM ROLES "routes:\n"
                           "  - {match: GET /a, permission: x:write}\n"
                           "  - {match: POST /b, permission: x:write}\n"
                           "  - {match: POST /c, permission: x:read}\n"
                           "  - {match: DELETE /d, role: admin}\n"
                           "  - {match: PUT /e, access: public}\n"
                           "  - {match: POST /f, access: signed-in}\n"
                           "  - {match: POST /g, permission: x:write, risk: reduces}\n"
                           "  - {match: GET /h, permission: x:write, risk: opens}\n"
                           "  - {match: PATCH /i, permission: x:write, risk: neutral}\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(gw_str_eq(gw_policy_route(x->p, i)->pattern, gw_str(cases[i].pattern)));
        assert_int_equal(gw_policy_route(x->p, i)->risk, cases[i].risk);
        assert_int_equal(gw_policy_route(x->p, i)->id, i);
    }
}

static void changes_leave_records_and_deletions_durable_ones(void **state)
{
    static const struct {
        enum gw_audit audit;
        const char *action;
    } cases[] = {
        {GW_AUDIT_NONE, "backend_read"},      {GW_AUDIT_RECORD, "backend_read"},    {GW_AUDIT_RECORD, "backend_change"},
        {GW_AUDIT_DURABLE, "backend_change"}, {GW_AUDIT_NONE, "backend_change"},    {GW_AUDIT_DURABLE, "data_export"},
        {GW_AUDIT_RECORD, "bot_stopped"},     {GW_AUDIT_DURABLE, "order_placed_2"},
    };
    struct fixture *x = *state;
    load(x, UPSTREAM ROLES "routes:\n"
                           "  - {match: GET /a, permission: x:write}\n"
                           "  - {match: GET /b, permission: x:write, audit: record}\n"
                           "  - {match: POST /c, permission: x:read}\n"
                           "  - {match: DELETE /d, role: admin}\n"
                           "  - {match: POST /e, permission: x:read, audit: none}\n"
                           "  - {match: GET /f, role: admin, audit: durable, action: data_export}\n"
                           "  - {match: POST /g, permission: x:write, risk: reduces, action: bot_stopped}\n"
                           "  - {match: PUT /h, permission: x:write, audit: durable, action: order_placed_2}\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct gw_route *r = gw_policy_route(x->p, i);
        assert_string_equal(gw_audit_name(r->audit), gw_audit_name(cases[i].audit));
        assert_true(gw_str_eq(r->action, gw_str(cases[i].action)));
    }
}

static void a_route_is_of_the_api_unless_it_says_page_or_asset(void **state)
{
    static const struct {
        enum gw_ui ui;
        const char *name;
    } cases[] = {
        {GW_UI_API, "api"}, {GW_UI_API, "api"}, {GW_UI_PAGE, "page"}, {GW_UI_PAGE, "page"}, {GW_UI_ASSET, "asset"}};
    struct fixture *x = *state;
    load(x, UPSTREAM ROLES "routes:\n"
                           "  - {match: GET /a, access: public}\n"
                           "  - {match: GET /b, access: public, ui: api}\n"
                           "  - {match: GET /c, access: signed-in, ui: page}\n"
                           "  - {match: POST /c, access: signed-in, ui: page}\n"
                           "  - {match: GET /d/**, access: public, ui: asset}\n");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(gw_policy_route(x->p, i)->ui, cases[i].ui);
        assert_string_equal(gw_ui_name(cases[i].ui), cases[i].name);
    }
    static const struct {
        const char *path;
        enum gw_ui ui;
    } built_in[] = {
        {"/", GW_UI_PAGE}, {"/aaiti/panic", GW_UI_PAGE}, {"/aaiti/health", GW_UI_API}, {"/aaiti/jwks.json", GW_UI_API}};
    for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++)
        assert_int_equal(gw_policy_match(x->p, GW_METHOD_GET, gw_str(built_in[i].path), GW_STR_NULL)->ui,
                         built_in[i].ui);
}

/* ---- upstream ---- */

static void credentials_of_each_kind_are_read(void **state)
{
    struct fixture *x = *state;
    load(x, "upstream: {url: 'http://[::1]:8080', credential: {basic: {key_file: keys/b}}}\n" ROLES);
    const struct gw_upstream *u = gw_policy_upstream(x->p);
    assert_int_equal(u->credential, GW_CREDENTIAL_BASIC);
    assert_true(gw_str_eq(u->key_file, GW_STR("keys/b")));
    assert_true(gw_str_eq(u->host, GW_STR("::1")));
    assert_int_equal(u->port, 8080);

    load(x, "upstream: {url: 'http://bot.local:80', credential: {header: {name: X-Api-Key, key_file: k}}}\n" ROLES);
    u = gw_policy_upstream(x->p);
    assert_int_equal(u->credential, GW_CREDENTIAL_HEADER);
    assert_true(gw_str_eq(u->header, GW_STR("X-Api-Key")));

    load(x, "upstream:\n  url: http://h:1\n  credential:\n    mint: hs256\n    key_file: k\n    ttl: 90s\n"
            "    claims: {sub: user_id, mail: email, iss: {literal: aaiti}}\n" ROLES);
    u = gw_policy_upstream(x->p);
    assert_int_equal(u->ttl_s, 90);
    assert_int_equal(u->claim_count, 3);
    assert_false(u->needs_upstream_id);
    assert_int_equal(u->claims[2].source, GW_CLAIM_LITERAL);
    assert_true(gw_str_eq(u->claims[2].literal, GW_STR("aaiti")));

    load(x, UPSTREAM ROLES);
    assert_int_equal(gw_policy_upstream(x->p)->credential, GW_CREDENTIAL_NONE);
}

static void settings_can_replace_the_upstream(void **state)
{
    static const char text[] = "upstream: {url: 'http://a:1', credential: {basic: {key_file: k}}}\n" ROLES;
    struct fixture *x = *state;
    struct gw_upstream_override o = {GW_STR("http://127.0.0.1:99"), GW_STR("/other.key")};
    assert_int_equal(load_over(x, text, &o), GW_OK);
    assert_int_equal(gw_policy_upstream(x->p)->port, 99);
    assert_true(gw_str_eq(gw_policy_upstream(x->p)->host, GW_STR("127.0.0.1")));
    assert_true(gw_str_eq(gw_policy_upstream(x->p)->key_file, GW_STR("/other.key")));

    o.url = GW_STR("https://127.0.0.1:99");
    assert_int_equal(load_over(x, text, &o), GW_EINVAL);
    o = (struct gw_upstream_override){GW_STR_NULL, GW_STR("/other.key")};
    assert_int_equal(load_over(x, UPSTREAM ROLES, &o), GW_EINVAL);
    assert_non_null(strstr(gw_faults_get(x->faults, 0)->message, "upstream.key_file"));
}

/* ---- rejection ---- */

#define ROUTES UPSTREAM ROLES "routes:\n" /* the first route stands in line 4 */
#define MINT(rest) "upstream: {url: 'http://h:1', credential: {mint: hs256, " rest "}}\n" ROLES

static void wrong_policies_are_refused_with_their_line(void **state)
{
    static const struct fault_case cases[] = {
        {ROLES, 0, "`upstream` is missing"},
        {UPSTREAM, 0, "`roles` is missing"},
        {UPSTREAM ROLES "rutes: []\n", 3, "did you mean `routes`?"},
        {UPSTREAM ROLES "routes: {}\n", 3, "expected a list"},
        {UPSTREAM ROLES "health: GET /x\n", 3, "expected a list"},
        {UPSTREAM ROLES "health: [POST /x]\n", 3, "expected GET"},
        {UPSTREAM ROLES "auth: {login: GET /login}\n", 3, "auth.login: expected POST"},
        {UPSTREAM ROLES "auth: {logout: GET /logout}\n", 3, "auth.logout: expected POST"},
        {UPSTREAM ROLES "auth: {profile: POST /me}\n", 3, "auth.profile: expected GET"},
        {UPSTREAM ROLES "auth: {logn: POST /login}\n", 3, "did you mean `login`?"},
        {UPSTREAM ROLES "auth: {login: POST /x, register: POST /x}\n", 3, "same requests as line 3"},
        {ROUTES "  - {match: GET /x, permission: a:b, acess: public}\n", 4, "did you mean `access`?"},
        {ROUTES "  - {match: GET /x}\n", 4, "exactly one of"},
        {ROUTES "  - {match: GET /x, access: public, permission: a:b}\n", 4, "exactly one of"},
        {ROUTES "  - {permission: a:b}\n", 4, "`match` is missing"},
        {ROUTES "  - GET /x\n", 4, "expected a map"},
        {ROUTES "  - {match: GET /x, access: admin}\n", 4, "deny or public or signed-in"},
        {ROUTES "  - {match: GET /x, permission: read}\n", 4, "expected a permission such as bots:read"},
        {ROUTES "  - {match: GET /x, permission: 'bots:*'}\n", 4, "expected a permission such as bots:read"},
        {ROUTES "  - {match: GET /x, role: amdin}\n", 4, "did you mean `admin`?"},
        {ROUTES "  - {match: GET /x, role: constructor}\n", 4, "unknown role"},
        {ROUTES "  - {match: GET /x, access: public, risk: high}\n", 4, "neutral or opens or reduces"},
        {ROUTES "  - {match: GET /x, access: public, audit: yes}\n", 4, "none or record or durable"},
        {ROUTES "  - {match: POST /x, permission: a:b, audit: none}\n", 4, "leaves a record"},
        {ROUTES "  - {match: DELETE /x, permission: a:b, risk: reduces, audit: none}\n", 4, "leaves a record"},
        {UPSTREAM ROLES "headers: {content_security: \"script-src 'self'\"}\n", 3, "with a default-src"},
        {UPSTREAM ROLES "headers: {content_security: \"default-src 'self', default-src *\"}\n", 3, "without commas"},
        {UPSTREAM ROLES "headers: {content_security: \"default-src 'self'; é\"}\n", 3, "in ASCII"},
        {UPSTREAM ROLES "headers: {content_security: \"default-src 'self';\\r\\nX: 1\"}\n", 3, "content_security"},
        {UPSTREAM ROLES "headers: {content_security: ''}\n", 3, "content_security"},
        {UPSTREAM ROLES "headers: {cookies: some}\n", 3, "pass or host-only or drop"},
        {UPSTREAM ROLES "headers: {csp: x}\n", 3, "unknown key"},
        {UPSTREAM ROLES "headers: [x]\n", 3, "headers: expected a map"},
        {ROUTES "  - {match: GET /x, access: public, ui: html}\n", 4, "api or page or asset"},
        {ROUTES "  - {match: GET /x, access: public, ui: [page]}\n", 4, "ui: expected"},
        {ROUTES "  - {match: POST /x, access: public, ui: asset}\n", 4, "ui: an asset is read: expected GET"},
        {ROUTES "  - {match: POST /x, permission: a:b, action: Bot-Created}\n", 4, "expected lower-case letters"},
        {ROUTES "  - {match: POST /x, permission: a:b, action: ''}\n", 4, "action: expected"},
        {ROUTES "  - {match: GET /x, access: public, query: {}}\n", 4, "expected a map of 1 to"},
        {ROUTES "  - {match: GET /x, access: public, query: {a: [b]}}\n", 4, "not a list"},
        {ROUTES "  - {match: GET /x, access: public, query: {a: 1, b: 2, c: 3, d: 4, e: 5}}\n", 4, "1 to 4"},
        {ROUTES "  - {match: /x, access: public}\n", 4, "expected a method"},
        {ROUTES "  - {match: get /x, access: public}\n", 4, "expected a method"},
        {ROUTES "  - {match: BREW /x, access: public}\n", 4, "expected a method"},
        {ROUTES "  - {match: OTHER /x, access: public}\n", 4, "expected a method"},
        {ROUTES "  - {match: HEAD /x, access: public}\n", 4, "HEAD follows GET"},
        {ROUTES "  - {match: GET, access: public}\n", 4, "begins with /"},
        {ROUTES "  - {match: GET x, access: public}\n", 4, "begins with /"},
        {ROUTES "  - {match: GET  /x, access: public}\n", 4, "begins with /"},
        {ROUTES "  - {match: GET /x y, access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: GET /a//b, access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: GET /a/../b, access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: GET /%61, access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: GET /%c3%a9, access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: GET /a%2Fb, access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: GET /é, access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: 'GET /a?x=1', access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: GET /a;b, access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: GET /a/*, access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: GET /**/a, access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: GET /a**, access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: 'GET /a{b}', access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: 'GET /{}', access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: 'GET /{a b}', access: public}\n", 4, "can never match"},
        {ROUTES "  - {match: 'GET /{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}', access: public}\n", 4, "more {parameters}"},
        {ROUTES
         "  - {match: GET /1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/33,"
         " access: public}\n",
         4, "more segments"},
        {ROUTES "  - {match: GET /aaiti, access: public}\n", 4, "the gateway's own"},
        {ROUTES "  - {match: POST /aaiti/v1/users, access: public}\n", 4, "the gateway's own"},
        {ROUTES "  - {match: GET /x, access: public}\n  - {match: GET /x, access: deny}\n", 5,
         "same requests as line 4"},
        {ROUTES "  - {match: 'GET /x/{a}', access: public}\n  - {match: 'GET /x/{b}', access: deny}\n", 5, "as line 4"},
        {ROUTES "  - {match: GET /x/**, access: public}\n  - {match: GET /x/**, access: deny}\n", 5, "as line 4"},
        {ROUTES
         "  - {match: GET /x, query: {a: 1, b: 2}, access: public}\n  - {match: GET /x, query: {b: 2, a: 1}, access: deny}\n",
         5, "as line 4"},
        {UPSTREAM ROLES "auth: {login: POST /l}\nroutes:\n  - {match: POST /l, query: {a: b}, access: deny}\n", 5,
         "as line 3"},
        {UPSTREAM ROLES "health: [GET /h]\nroutes:\n  - {match: GET /h, access: deny}\n", 5, "as line 3"},
        {UPSTREAM "roles: []\n", 2, "expected a map of roles"},
        {UPSTREAM "roles: {}\n", 2, "expected a map of roles"},
        {UPSTREAM "roles: {'a b': {}}\n", 2, "expected a role name"},
        {UPSTREAM "roles: {a123456789012345678901234567890123: {}}\n", 2, "expected a role name"},
        {UPSTREAM "roles: {a: [x:y]}\n", 2, "expected a map"},
        {UPSTREAM "roles: {a: {permission: [x:y]}}\n", 2, "did you mean `permissions`?"},
        {UPSTREAM "roles: {a: {permissions: x:y}}\n", 2, "expected a list of names"},
        {UPSTREAM "roles: {a: {permissions: [[x:y]]}}\n", 2, "expected a list of names"},
        {UPSTREAM "roles:\n  a:\n    permissions:\n      - x:y\n      - bad\n", 6, "expected a permission"},
        {UPSTREAM "roles: {a: {permissions: ['x:*']}}\n", 2, "no permission matches"},
        {UPSTREAM "roles: {a: {permissions: ['use*']}}\n", 2, "no permission matches"},
        {UPSTREAM "roles: {a: {permissions: ['*:read']}}\n", 2, "expected a permission"},
        {UPSTREAM "roles: {a: {inherits: [b]}}\n", 2, "unknown role `b`"},
        {UPSTREAM "roles: {a: {inherits: [a]}}\n", 2, "role `a` inherits from itself"},
        {"upstream: []\n" ROLES, 1, "expected a map"},
        {"upstream: {credential: none}\n" ROLES, 1, "`url` is missing"},
        {"upstream: {url: 'http://h:1'}\n" ROLES, 1, "`credential` is missing"},
        {"upstream: {url: 'https://h:1', credential: none}\n" ROLES, 1, "expected http://HOST:PORT"},
        {"upstream: {url: 'http://h', credential: none}\n" ROLES, 1, "expected http://HOST:PORT"},
        {"upstream: {url: 'http://h:1/', credential: none}\n" ROLES, 1, "expected http://HOST:PORT"},
        {"upstream: {url: 'http://h:1/api', credential: none}\n" ROLES, 1, "expected http://HOST:PORT"},
        {"upstream: {url: 'http://u:p@h:1', credential: none}\n" ROLES, 1, "expected http://HOST:PORT"},
        {"upstream: {url: 'http://h:70000', credential: none}\n" ROLES, 1, "expected http://HOST:PORT"},
        {"upstream: {url: 'http://h:0', credential: none}\n" ROLES, 1, "expected http://HOST:PORT"},
        {"upstream: {url: 'http://:1', credential: none}\n" ROLES, 1, "expected http://HOST:PORT"},
        {"upstream: {url: 'http://[::1:1', credential: none}\n" ROLES, 1, "expected http://HOST:PORT"},
        {"upstream: {url: 'http://[h]:1', credential: none}\n" ROLES, 1, "expected http://HOST:PORT"},
        {"upstream: {url: 'http://h;x:1', credential: none}\n" ROLES, 1, "expected http://HOST:PORT"},
        {"upstream: {url: 'http://h:1', credential: some}\n" ROLES, 1, "credential: expected"},
        {"upstream: {url: 'http://h:1', credential: {}}\n" ROLES, 1, "credential: expected"},
        {"upstream: {url: 'http://h:1', credential: {basic: k}}\n" ROLES, 1, "expected a map"},
        {"upstream: {url: 'http://h:1', credential: {basic: {}}}\n" ROLES, 1, "`key_file` is missing"},
        {"upstream: {url: 'http://h:1', credential: {basic: {key_file: k}, header: {}}}\n" ROLES, 1,
         "unknown key `header`"},
        {"upstream: {url: 'http://h:1', credential: {header: {key_file: k}}}\n" ROLES, 1, "`name` is missing"},
        {"upstream: {url: 'http://h:1', credential: {header: {name: 'a: b', key_file: k}}}\n" ROLES, 1,
         "expected a header"},
        {"upstream: {url: 'http://h:1', credential: {header: {name: Host, key_file: k}}}\n" ROLES, 1,
         "expected a header"},
        {"upstream: {url: 'http://h:1', credential: {mint: none, key_file: k, claims: {a: role}}}\n" ROLES, 1,
         "mint: expected hs256"},
        {MINT("key_file: k"), 1, "`claims` is missing"},
        {MINT("claims: {a: role}"), 1, "`key_file` is missing"},
        {MINT("key_file: k, claims: {}"), 1, "1 to 16 claims"},
        {MINT("key_file: k, claims: {a: password}"), 1, "claim: expected upstream_id or"},
        {MINT("key_file: k, claims: {exp: role}"), 1, "set by the gateway"},
        {MINT("key_file: k, claims: {'a b': role}"), 1, "expected a claim name"},
        {MINT("key_file: k, claims: {a: {litteral: x}}"), 1, "unknown key"},
        {MINT("key_file: k, ttl: 2h, claims: {a: role}"), 1, "ttl: expected 5s to 1h"},
        {"- a\n", 1, "expected a map"},
        {"a: [\n", 2, "not YAML"},
    };
    check_fault_cases(cases, sizeof(cases) / sizeof(cases[0]), read_wrong, *state);
}

static void a_cycle_of_roles_names_each_of_them(void **state)
{
    struct fixture *x = *state;
    load_over(
        x, UPSTREAM "roles:\n  a: {inherits: [b]}\n  b: {inherits: [c]}\n  c: {inherits: [a]}\n  d: {inherits: [a]}\n",
        NULL);
    assert_int_equal(gw_faults_count(x->faults), 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(gw_faults_get(x->faults, i)->line, 3 + i);
}

static void all_faults_are_listed_at_once(void **state)
{
    struct fixture *x = *state;
    load_over(x,
              "upstream: {url: ftp://x, credential: {mint: rs256}}\n" /* url, mint, key_file, claims */
              "roles: {a: {permissions: [x, 'y:*']}}\n"               /* two */
              "auth: {login: GET /x}\n"                               /* one */
              "routes:\n"
              "  - {match: GET /a b, permission: c, risk: d}\n" /* three */
              "  - {match: GET /a, access: public, x: y}\n"     /* one */
              "what: 1\n",                                      /* one */
              NULL);
    assert_int_equal(gw_faults_count(x->faults), 12);
}

static void limits_are_faults(void **state)
{
    struct fixture *x = *state;
    char *text = malloc(900000);
    size_t len = (size_t)sprintf(text, UPSTREAM "roles:\n");
    for (int i = 0; i <= GW_POLICY_ROLES_MAX; i++)
        len += (size_t)sprintf(text + len, "  r%d: {}\n", i);
    load_over(x, text, NULL);
    assert_int_equal(gw_faults_count(x->faults), 1);
    assert_non_null(strstr(gw_faults_get(x->faults, 0)->message, "more than 64 roles"));

    len = (size_t)sprintf(text, UPSTREAM ROLES "routes:\n");
    for (int i = 0; i < 250; i++)
        len += (size_t)sprintf(text + len, "  - {match: GET /%d, permission: p%d:x}\n", i, i);
    load_over(x, text, NULL);
    assert_non_null(strstr(gw_faults_get(x->faults, 0)->message, "more than 256 permissions"));

    len = (size_t)sprintf(text, UPSTREAM ROLES "routes:\n");
    for (int i = 0; i < GW_POLICY_ROUTES_MAX; i++)
        len += (size_t)sprintf(text + len, "  - {match: GET /%d, access: deny}\n", i);
    load_over(x, text, NULL);
    assert_non_null(strstr(gw_faults_get(x->faults, 0)->message, "more than 10000 routes"));
    free(text);
}

static void a_missing_file_is_a_fault(void **state)
{
    struct fixture *x = *state;
    struct gw_error err;
    assert_int_equal(gw_policy_load("/nonexistent.yaml", NULL, x->faults, &x->p, &err), GW_EINVAL);
    assert_int_equal(gw_faults_count(x->faults), 1);
}

static void methods_are_a_closed_set(void **state)
{
    (void)state;
    assert_int_equal(gw_method_parse(GW_STR("PATCH")), GW_METHOD_PATCH);
    assert_int_equal(gw_method_parse(GW_STR("patch")), GW_METHOD_OTHER);
    assert_int_equal(gw_method_parse(GW_STR("OTHER")), GW_METHOD_OTHER);
    assert_int_equal(gw_method_parse(GW_STR("")), GW_METHOD_OTHER);
    assert_true(gw_method_is_safe(GW_METHOD_OPTIONS));
    assert_false(gw_method_is_safe(GW_METHOD_OTHER));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_more_specific_pattern_wins_in_any_order),
        CASE(a_route_for_the_root_replaces_the_landing_page),
        CASE(no_policy_takes_the_gateways_own_paths),
        CASE(queries_choose_among_routes_of_one_path),
        CASE(a_thousand_routes_are_all_found),
        CASE(roles_hold_names_wildcards_and_what_they_inherit),
        CASE(access_is_decided_in_one_place),
        CASE(risk_has_a_careful_default),
        CASE(a_route_is_of_the_api_unless_it_says_page_or_asset),
        CASE(changes_leave_records_and_deletions_durable_ones),
        CASE(credentials_of_each_kind_are_read),
        CASE(settings_can_replace_the_upstream),
        CASE(wrong_policies_are_refused_with_their_line),
        CASE(a_cycle_of_roles_names_each_of_them),
        CASE(all_faults_are_listed_at_once),
        CASE(limits_are_faults),
        CASE(a_missing_file_is_a_fault),
        CASE(methods_are_a_closed_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
