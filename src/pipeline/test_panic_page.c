/* SPDX-License-Identifier: Apache-2.0 */
/* The page against its own Content-Security-Policy: what the browser will run is what stands in the page. */
#include "pipeline/panic_page.h"

#include "base/encode.h"
#include "crypto/mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define POLICY(auth)                                                                                                   \
    "upstream: {url: \"http://127.0.0.1:5000\", credential: none}\n" auth "roles: {admin: {permissions: [\"a:b\"]}}\n" \
    "routes: [{match: \"GET /x\", permission: \"a:b\"}]\n"

struct page {
    struct gw_arena arena;
    struct gw_policy *policy;
    struct gw_str text;
};

static void make_page(const char *policy, struct page *out)
{
    static const struct gw_upstream_override nothing;
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    gw_arena_init(&out->arena, (size_t)1 << 20);
    assert_int_equal(gw_faults_new(&f, NULL), GW_OK);
    enum gw_code code = gw_policy_load_text(gw_str(policy), "policy.yaml", &nothing, f, &out->policy, NULL);
    if (code != GW_OK)
        fail_msg("%s", gw_faults_get(f, 0)->message);
    assert_int_equal(gw_panic_page(out->policy, &out->arena, &out->text), GW_OK);
}

static void free_page(struct page *p)
{
    gw_policy_free(p->policy);
    gw_arena_done(&p->arena);
}

static void test_the_policys_own_paths_stand_in_the_page(void **state)
{
    static const struct {
        const char *policy, *body;
    } rows[] = {
        {POLICY("auth: {login: POST /api/auth/login, logout: POST /api/auth/logout}\n"),
         "<body data-login=\"/api/auth/login\" data-logout=\"/api/auth/logout\">"},
        {POLICY("auth: {login: POST /a&lt}\n"), "<body data-login=\"/a&amp;lt\" data-logout=\"\">"},
        {POLICY(""), "<body data-login=\"\" data-logout=\"\">"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct page page = {0};
        make_page(rows[i].policy, &page);
        if (strstr(page.text.ptr, rows[i].body) == NULL)
            fail_msg("no %s", rows[i].body);
        free_page(&page);
    }
}

/* 'sha256-…' of what stands between start and end. CSP takes base64url as well, but the page's tool writes plain base64. */
static void hash_between(const char *page, const char *start, const char *end, char dst[64])
{
    uint8_t hash[GW_MAC_BYTES];
    char text[GW_BASE64URL_LEN(GW_MAC_BYTES) + 1] = "";
    const char *from = strstr(page, start);
    assert_non_null(from);
    from += strlen(start);
    const char *to = strstr(from, end);
    assert_non_null(to);
    assert_int_equal(gw_sha256((struct gw_str){from, (size_t)(to - from)}, hash, NULL), GW_OK);
    gw_base64url_encode(hash, sizeof(hash), text);
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    snprintf(dst, 64, "'sha256-%s='", text);
}

static void test_the_security_policy_lets_these_bytes_run_and_nothing_else(void **state)
{
    struct page page = {0};
    char script[64], style[64], expected[512];
    (void)state;
    make_page(POLICY("auth: {login: POST /l}\n"), &page);
    hash_between(page.text.ptr, "<script>", "</script>", script);
    hash_between(page.text.ptr, "<style>", "</style>", style);
    snprintf(
        expected, sizeof(expected),
        "default-src 'none'; script-src %s; style-src %s; connect-src 'self'; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        script, style);
    assert_string_equal(gw_panic_policy.ptr, expected);
    free_page(&page);
}

/* A source that is read by eye: what puts markup in, keeps or sends on must not stand there. */
static void test_the_page_has_no_way_to_keep_or_to_run_what_it_is_sent(void **state)
{
    static const char *const absent[] = {"innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(",
                                         "Function(", "cookie =",  "localStorage",   "sessionStorage", "indexedDB",
                                         "src=",      "href=",     "import(",        "http:",          "https:"};
    struct page page = {0};
    (void)state;
    make_page(POLICY("auth: {login: POST /l}\n"), &page);
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        if (strstr(page.text.ptr, absent[i]) != NULL)
            fail_msg("the page has %s", absent[i]);
    assert_non_null(strstr(page.text.ptr, "credentials: \"omit\""));
    free_page(&page);
}

static void test_without_memory_there_is_no_page(void **state)
{
    struct page page = {0};
    struct gw_arena small;
    struct gw_str out;
    (void)state;
    make_page(POLICY("auth: {login: POST /l}\n"), &page);
    gw_arena_init(&small, 1024);
    assert_int_equal(gw_panic_page(page.policy, &small, &out), GW_ENOMEM);
    gw_arena_done(&small);
    free_page(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_policys_own_paths_stand_in_the_page),
        cmocka_unit_test(test_the_security_policy_lets_these_bytes_run_and_nothing_else),
        cmocka_unit_test(test_the_page_has_no_way_to_keep_or_to_run_what_it_is_sent),
        cmocka_unit_test(test_without_memory_there_is_no_page),
    };
    return cmocka_run_group_tests_name("pipeline/panic_page", tests, NULL, NULL);
}
