/* SPDX-License-Identifier: Apache-2.0 */
/* What a page may hold of words that a stranger chose. */
#include "pipeline/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HOSTILE GW_STR("\"><script>alert('&')</script>")
#define ESCAPED "&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"

enum page { LOGIN, SIGNED_IN, SIGN_OUT, SIGNED_OUT, REFUSAL, PAGES };

static void make(struct gw_buf *b, enum page page, struct gw_str words)
{
    gw_buf_init(b, GW_PAGE_MAX);
    if (page == LOGIN)
        gw_page_login(b, &(struct gw_login_page){.next = words, .name = words, .trouble = words});
    if (page == SIGNED_IN)
        gw_page_signed_in(b, &(struct gw_signed_in_page){.user = words, .csrf = words, .next = words});
    if (page == SIGN_OUT)
        gw_page_signed_in(b, &(struct gw_signed_in_page){.user = words, .csrf = words, .trouble = words});
    if (page == SIGNED_OUT)
        gw_page_signed_out(b);
    if (page == REFUSAL)
        gw_page_refusal(b, words, words);
    assert_int_equal(gw_buf_check(b, NULL), GW_OK);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        n++;
    return n;
}

static void test_what_others_say_is_text(void **state)
{
    static const size_t times[PAGES] = {[LOGIN] = 3, [SIGNED_IN] = 3, [SIGN_OUT] = 3, [REFUSAL] = 3};
    (void)state;
    for (int page = 0; page < PAGES; page++) {
        gw_auto(gw_buf) struct gw_buf b = {0};
        make(&b, (enum page)page, HOSTILE);
        assert_null(strstr(b.ptr, "<script"));
        if (count(b.ptr, ESCAPED) != times[page])
            fail_msg("page %d: %zu times", page, count(b.ptr, ESCAPED));
    }
}

static void test_each_is_whole_and_has_one_heading_and_a_title(void **state)
{
    (void)state;
    for (int page = 0; page < PAGES; page++) {
        gw_auto(gw_buf) struct gw_buf b = {0};
        make(&b, (enum page)page, GW_STR("words"));
        static const char *const once[] = {"<!doctype html>", "<title>", "<h1>", "<main>", "</main>", "</html>"};
        for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
            assert_int_equal(count(b.ptr, once[i]), 1);
        static const char *const absent[] = {"<script", " style=", " src=", "http:", "https:", "@main@", "@title@"};
        for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
            assert_null(strstr(b.ptr, absent[i]));
    }
}

static void test_password_managers_know_their_fields(void **state)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    (void)state;
    make(&b, LOGIN, GW_STR("/app"));
    assert_non_null(strstr(b.ptr, "<form method=\"post\" action=\"/aaiti/login\">"));
    assert_non_null(strstr(b.ptr, "name=\"username\" value=\"/app\" autocomplete=\"username\""));
    assert_non_null(strstr(b.ptr, "name=\"password\" type=\"password\" autocomplete=\"current-password\""));
    assert_non_null(strstr(b.ptr, "role=\"alert\""));
}

static void test_its_policy_lets_no_script_run_and_no_form_go_elsewhere(void **state)
{
    (void)state;
    assert_true(gw_str_starts(gw_page_policy, GW_STR("default-src 'none'; style-src 'sha256-")));
    assert_non_null(strstr(gw_page_policy.ptr, "='; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"));
    assert_null(strstr(gw_page_policy.ptr, "script-src"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_others_say_is_text),
        cmocka_unit_test(test_each_is_whole_and_has_one_heading_and_a_title),
        cmocka_unit_test(test_password_managers_know_their_fields),
        cmocka_unit_test(test_its_policy_lets_no_script_run_and_no_form_go_elsewhere),
    };
    return cmocka_run_group_tests_name("pipeline/pages", tests, NULL, NULL);
}
