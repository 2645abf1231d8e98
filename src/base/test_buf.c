/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* What the last free() of a block of watched_size bytes saw in it: the linker sends buf.c's free() here. */
static size_t watched_size, freed_count;
static bool freed_dirty;
void __real_free(void *ptr);
void __wrap_free(void *ptr);

void __wrap_free(void *ptr)
{
    const char *bytes = ptr;
    for (size_t i = 0; ptr != NULL && i < watched_size; i++)
        freed_dirty = freed_dirty || bytes[i] != 0;
    freed_count += ptr != NULL && watched_size > 0;
    __real_free(ptr);
}

static void appends_and_terminates(void **state)
{
    (void)state;
    gw_auto(gw_buf) struct gw_buf b;
    gw_buf_init(&b, 1000);
    assert_string_equal(gw_buf_str(&b).ptr, "");
    gw_buf_add(&b, GW_STR("ab"));
    gw_buf_addc(&b, 'c');
    gw_buf_addf(&b, "%d-%s", 42, "x");
    gw_buf_add(&b, GW_STR_NULL);
    assert_string_equal(b.ptr, "abc42-x");
    assert_int_equal(gw_buf_str(&b).len, 7);
    assert_int_equal(gw_buf_check(&b, NULL), GW_OK);
}

static void grows_up_to_the_cap_and_no_further(void **state)
{
    (void)state;
    gw_auto(gw_buf) struct gw_buf b;
    gw_buf_init(&b, 1000);
    for (int i = 0; i < 1000; i++)
        gw_buf_addc(&b, 'x');
    assert_int_equal(gw_buf_check(&b, NULL), GW_OK);
    assert_int_equal(b.len, 1000);
    gw_buf_addc(&b, 'y');
    struct gw_error err;
    assert_int_equal(gw_buf_check(&b, &err), GW_ELIMIT);
    assert_int_equal(b.len, 1000);
}

static void failure_sticks_until_reset(void **state)
{
    (void)state;
    gw_auto(gw_buf) struct gw_buf b;
    gw_buf_init(&b, 4);
    gw_buf_add(&b, GW_STR("ab"));
    gw_buf_addf(&b, "%s", "cde");
    gw_buf_add(&b, GW_STR("f"));
    assert_string_equal(b.ptr, "ab");
    assert_int_equal(gw_buf_check(&b, NULL), GW_ELIMIT);
    gw_buf_reset(&b);
    gw_buf_add(&b, GW_STR("wxyz"));
    assert_string_equal(b.ptr, "wxyz");
    assert_int_equal(gw_buf_check(&b, NULL), GW_OK);
}

static void a_cap_of_zero_takes_nothing(void **state)
{
    (void)state;
    gw_auto(gw_buf) struct gw_buf b;
    gw_buf_init(&b, 0);
    gw_buf_addf(&b, "%s", "");
    assert_int_equal(gw_buf_check(&b, NULL), GW_OK);
    gw_buf_addc(&b, 'x');
    assert_int_equal(gw_buf_check(&b, NULL), GW_ELIMIT);
}

static void wipes_on_growth_and_when_done(void **state)
{
    (void)state;
    struct gw_buf b;
    gw_buf_init(&b, 1000);
    gw_buf_add(&b, GW_STR("secret-secret-secret-secret-secret-secret"));
    freed_count = 0;
    freed_dirty = false;
    watched_size = b.size;
    gw_buf_add(&b, GW_STR("secret-secret-secret-secret-secret-secret")); /* outgrows the first block */
    assert_int_equal(freed_count, 1);
    gw_buf_done(&b);
    watched_size = 0;
    assert_int_equal(freed_count, 2);
    assert_false(freed_dirty);
}

static void reset_wipes(void **state)
{
    (void)state;
    gw_auto(gw_buf) struct gw_buf b;
    gw_buf_init(&b, 100);
    gw_buf_add(&b, GW_STR("secret"));
    gw_buf_reset(&b);
    for (size_t i = 0; i < b.size; i++)
        assert_int_equal(b.ptr[i], 0);
}

struct text_case {
    struct gw_str in;
    const char *out;
};

static void writes_json_strings(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {{"", 0}, "\"\""},
        {{"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""},
        {{"\0\n\x1f\x7f", 4}, "\"\\u0000\\u000a\\u001f\\u007f\""},
        {{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9}, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {{"\xff", 1}, "\"\xef\xbf\xbd\""},
        {{"\xc3", 1}, "\"\xef\xbf\xbd\""},                                 /* cut short */
        {{"\xc0\xaf", 2}, "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
        {{"\xe2\x82\"", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\\\"\""},           /* does not swallow the quote */
        {{"\xf4\x90\x80\x80", 4}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* beyond U+10FFFF */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gw_auto(gw_buf) struct gw_buf b;
        gw_buf_init(&b, 1000);
        gw_buf_add_json(&b, cases[i].in);
        assert_string_equal(gw_buf_str(&b).ptr, cases[i].out);
    }
}

static void escapes_for_logs(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {{"plain /path?x=1", 15}, "plain /path?x=1"},
        {{"a\r\nb", 4}, "a\\x0d\\x0ab"},
        {{"\"\\\0\x7f\xc3", 5}, "\\x22\\x5c\\x00\\x7f\\xc3"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gw_auto(gw_buf) struct gw_buf b;
        gw_buf_init(&b, 1000);
        gw_buf_add_escaped(&b, cases[i].in);
        assert_string_equal(gw_buf_str(&b).ptr, cases[i].out);
    }
}

static void percent_encodes_all_but_the_unreserved(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {{"aZ09-._~", 8}, "aZ09-._~"},
        {{"a/b?c#d%e&f=g;h", 15}, "a%2Fb%3Fc%23d%25e%26f%3Dg%3Bh"},
        {{" \"\0\xff\xc3\xa9", 6}, "%20%22%00%FF%C3%A9"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gw_auto(gw_buf) struct gw_buf b;
        gw_buf_init(&b, 1000);
        gw_buf_add_percent(&b, cases[i].in);
        assert_string_equal(gw_buf_str(&b).ptr, cases[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_terminates),
        cmocka_unit_test(grows_up_to_the_cap_and_no_further),
        cmocka_unit_test(failure_sticks_until_reset),
        cmocka_unit_test(a_cap_of_zero_takes_nothing),
        cmocka_unit_test(wipes_on_growth_and_when_done),
        cmocka_unit_test(reset_wipes),
        cmocka_unit_test(writes_json_strings),
        cmocka_unit_test(escapes_for_logs),
        cmocka_unit_test(percent_encodes_all_but_the_unreserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
