/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of answers by what they are, and what becomes of the upstream's. */
#include "pipeline/test_cast.h"

#include <stdio.h>
#include <string.h>

#define POLICY                                                                                                 \
    "upstream: {url: 'http://127.0.0.1:5000', credential: {mint: hs256, key_file: keys/upstream.key, claims: " \
    "{userId: upstream_id}}}\n"                                                                                \
    "roles: {admin: {permissions: ['*']}, trader: {permissions: ['x:read']}}\n"                                \
    "auth: {login: POST /api/auth/login}\n"                                                                    \
    "routes:\n"                                                                                                \
    "  - {match: 'GET /api/x', permission: 'x:read'}\n"                                                        \
    "  - {match: 'GET /ui', permission: 'x:read', ui: page}\n"                                                 \
    "  - {match: 'GET /ui/mine.js', permission: 'x:read', ui: asset}\n"                                        \
    "  - {match: 'GET /ui/open.js', access: public, ui: asset}\n"
#define DEFAULT_POLICY                                                                                   \
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; " \
    "frame-ancestors 'none'"

static void use(const char *headers)
{
    char text[4096];
    snprintf(text, sizeof(text), "%s%s", POLICY, headers);
    gw_rig_publish(&rig, SECOND_HASH, NULL, text);
    load_and_install();
}

static const char *value(enum gw_answer_class class, const char *name)
{
    static char text[512];
    size_t n;
    const struct gw_header_field *fields = gw_security_headers(class, GW_TRANSPORT_TLS, &n);
    for (size_t i = 0; i < n; i++)
        if (gw_str_eq(fields[i].name, gw_str(name))) {
            snprintf(text, sizeof(text), "%.*s", GW_STR_ARG(fields[i].value));
            return text;
        }
    return "";
}

static void test_classes_differ_where_they_should(void **state)
{
    (void)state;
    static const struct {
        const char *name, *of[3];
    } rows[] = {
        {"Cache-Control", {"no-store", "no-store", "private, no-cache"}},
        {"Referrer-Policy", {"no-referrer", "same-origin", "no-referrer"}},
        {"X-Content-Type-Options", {"nosniff", "nosniff", "nosniff"}},
        {"X-Frame-Options", {"DENY", "DENY", "DENY"}},
        {"Cross-Origin-Opener-Policy", {"same-origin", "same-origin", "same-origin"}},
        {"Cross-Origin-Resource-Policy", {"same-origin", "same-origin", "same-origin"}},
        {"Content-Security-Policy",
         {"default-src 'none'; frame-ancestors 'none'", "default-src 'none'; frame-ancestors 'none'",
          "default-src 'none'; frame-ancestors 'none'"}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int class = GW_CLASS_API; class <= GW_CLASS_ASSET; class ++)
            assert_string_equal(value((enum gw_answer_class) class, rows[i].name), rows[i].of[class]);
}

static void test_the_route_says_what_an_answer_is_and_a_refusal_is_none_of_it(void **state)
{
    (void)state;
    use("");
    const struct gw_decision *d = ASK("GET", "/ui", bearer(TRADER));
    assert_passed(d);
    assert_int_equal(d->answer, GW_CLASS_PAGE);
    assert_true(gw_str_eq(d->content_security, GW_STR(DEFAULT_POLICY)));
    d = ASK_BARE("GET", "/ui");
    assert_int_equal(d->action, GW_REFUSE);
    assert_int_equal(d->answer, GW_CLASS_API);
    assert_int_equal(d->content_security.len, 0);

    d = ASK("GET", "/ui/mine.js", bearer(TRADER));
    assert_int_equal(d->answer, GW_CLASS_ASSET);
    assert_int_equal(d->content_security.len, 0);
    assert_int_equal(d->field_count, 0); /* caches would show one user's limits to others */
    d = ASK("GET", "/api/x", bearer(TRADER));
    assert_int_equal(d->answer, GW_CLASS_API);
    assert_int_equal(d->content_security.len, 0);
    assert_int_equal(d->field_count, 5);
    assert_int_equal(ASK_BARE("GET", "/")->answer, GW_CLASS_PAGE);

    struct gw_decision later = *ASK("GET", "/ui", bearer(TRADER));
    change_user(TRADER, "trader", 0);
    assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &later), GW_HANDOVER_REFUSE);
    assert_int_equal(later.answer, GW_CLASS_API);
    assert_int_equal(later.content_security.len, 0);
}

static void test_the_policy_may_say_what_pages_may_do(void **state)
{
    (void)state;
    use("headers: {content_security: \"default-src 'self'; script-src 'self' 'unsafe-inline'\"}\n");
    assert_true(gw_str_eq(ASK("GET", "/ui", bearer(TRADER))->content_security,
                          GW_STR("default-src 'self'; script-src 'self' 'unsafe-inline'; frame-ancestors 'none'")));
}

static void test_frames_are_the_policys_to_allow(void **state)
{
    (void)state;
    use("headers: {content_security: \"default-src 'self'; FRAME-ancestors https://a.example\"}\n");
    assert_true(gw_str_eq(ASK("GET", "/ui", bearer(TRADER))->content_security,
                          GW_STR("default-src 'self'; FRAME-ancestors https://a.example")));
}

/* ---- caches ---- */

static void test_only_assets_are_kept_and_those_of_users_by_no_shared_cache(void **state)
{
    (void)state;
    static const struct {
        const char *theirs, *of_users; /* a public asset's is theirs */
    } rows[] = {
        {"no-store", "private, no-store"},
        {"public, max-age=60", "private, max-age=60"},
        {"Public,s-maxage=600 , max-age=60,immutable", "private, max-age=60, immutable"},
        {"private", "private"},
        {"private=\"x\", max-age=1", "private, max-age=1"},
        {"PROXY-REVALIDATE, s-maxage = 5", "private"},
        {"", "private"},
        {",,", "private"},
        {"max-age=60", "private, max-age=60"},
    };
    use("");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_str theirs = gw_str(rows[i].theirs);
        (void)ASK("GET", "/ui/open.js", bearer(TRADER));
        assert_true(gw_str_eq(gw_answer_cache_control(rig.request, theirs, &rig.arena), theirs));
        (void)ASK("GET", "/ui/mine.js", bearer(TRADER));
        struct gw_str got = gw_answer_cache_control(rig.request, theirs, &rig.arena);
        if (!gw_str_eq(got, gw_str(rows[i].of_users)))
            fail_msg("%s: %.*s", rows[i].theirs, GW_STR_ARG(got));
        (void)ASK("GET", "/ui", bearer(TRADER));
        assert_int_equal(gw_answer_cache_control(rig.request, theirs, &rig.arena).len, 0);
        (void)ASK("GET", "/api/x", bearer(TRADER));
        assert_int_equal(gw_answer_cache_control(rig.request, theirs, &rig.arena).len, 0);
    }
    gw_auto(gw_arena) struct gw_arena none;
    gw_arena_init(&none, 0);
    (void)ASK("GET", "/ui/mine.js", bearer(TRADER));
    assert_int_equal(gw_answer_cache_control(rig.request, GW_STR("max-age=60"), &none).len, 0);
}

/* ---- cookies ---- */

static const struct {
    const char *cookie, *host_only;
} cookies[] = {
    {"a=1", "a=1"},
    {"a=1; Path=/; Secure", "a=1; Path=/; Secure"},
    {"a=1; Domain=example.com; Path=/", "a=1; Path=/"},
    {"a=1;domain=.example.com;DOMAIN = x; HttpOnly", "a=1; HttpOnly"},
    {"Domain=1; Path=/", "Domain=1; Path=/"},
    {"a=1; Domain", "a=1"},
    {"a=1;; Max-Age=1", "a=1; Max-Age=1"},
};

static void test_cookies_of_the_backend_go_on_unless_the_policy_says_otherwise(void **state)
{
    (void)state;
    use("");
    (void)ASK("GET", "/api/x", bearer(TRADER));
    for (size_t i = 0; i < sizeof(cookies) / sizeof(cookies[0]); i++)
        assert_true(
            gw_str_eq(gw_answer_cookie(rig.request, gw_str(cookies[i].cookie), &rig.arena), gw_str(cookies[i].cookie)));
    (void)ASK("GET", "/ui/open.js", bearer(TRADER));
    assert_null(gw_answer_cookie(rig.request, GW_STR("a=1"), &rig.arena).ptr);
}

static void test_cookies_may_be_held_to_our_host(void **state)
{
    (void)state;
    use("headers: {cookies: host-only}\n");
    (void)ASK("GET", "/api/x", bearer(TRADER));
    for (size_t i = 0; i < sizeof(cookies) / sizeof(cookies[0]); i++) {
        struct gw_str got = gw_answer_cookie(rig.request, gw_str(cookies[i].cookie), &rig.arena);
        if (!gw_str_eq(got, gw_str(cookies[i].host_only)))
            fail_msg("%s: %.*s", cookies[i].cookie, GW_STR_ARG(got));
    }
    gw_auto(gw_arena) struct gw_arena none;
    gw_arena_init(&none, 0);
    assert_null(gw_answer_cookie(rig.request, GW_STR("a=1"), &none).ptr);
}

static void test_cookies_may_be_dropped(void **state)
{
    (void)state;
    use("headers: {cookies: drop}\n");
    (void)ASK("GET", "/api/x", bearer(TRADER));
    assert_null(gw_answer_cookie(rig.request, GW_STR("a=1"), &rig.arena).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_classes_differ_where_they_should),
        CASE(test_the_route_says_what_an_answer_is_and_a_refusal_is_none_of_it),
        CASE(test_the_policy_may_say_what_pages_may_do),
        CASE(test_frames_are_the_policys_to_allow),
        CASE(test_only_assets_are_kept_and_those_of_users_by_no_shared_cache),
        CASE(test_cookies_of_the_backend_go_on_unless_the_policy_says_otherwise),
        CASE(test_cookies_may_be_held_to_our_host),
        CASE(test_cookies_may_be_dropped),
    };
    return cmocka_run_group_tests_name("pipeline/answer_head", tests, NULL, NULL);
}
