/* SPDX-License-Identifier: Apache-2.0 */
#include <gw/str.h>

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void compares_bytes_and_ascii_case(void **state)
{
    (void)state;
    static const struct {
        struct gw_str a, b;
        bool eq, eq_nocase, starts;
    } cases[] = {
        {{"", 0}, {NULL, 0}, true, true, true},
        {{"abc", 3}, {"abc", 3}, true, true, true},
        {{"aBc", 3}, {"AbC", 3}, false, true, false},
        {{"abc", 3}, {"ab", 2}, false, false, true},
        {{"Bearer x", 8}, {"bearer ", 7}, false, false, false},
        {{"ab", 2}, {"abc", 3}, false, false, false},
        {{"a\0b", 3}, {"a\0c", 3}, false, false, false},
        /* Bytes that differ in the case bit alone, but are no letters. */
        {{"@", 1}, {"`", 1}, false, false, false},
        {{"[", 1}, {"{", 1}, false, false, false},
        {{"\xc3\x84", 2}, {"\xc3\xa4", 2}, false, false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(gw_str_eq(cases[i].a, cases[i].b), cases[i].eq);
        assert_int_equal(gw_str_eq_nocase(cases[i].a, cases[i].b), cases[i].eq_nocase);
        assert_int_equal(gw_str_starts(cases[i].a, cases[i].b), cases[i].starts);
    }
}

static void borrows_c_strings(void **state)
{
    (void)state;
    assert_true(gw_str_eq(gw_str("abc"), GW_STR("abc")));
    assert_int_equal(gw_str(NULL).len, 0);
    assert_null(gw_str(NULL).ptr);
    assert_int_equal(GW_STR("a\0b").len, 3);
}

static void sub_clips_to_the_span(void **state)
{
    (void)state;
    struct gw_str s = GW_STR("abcdef");
    assert_true(gw_str_eq(gw_str_sub(s, 1, 2), GW_STR("bc")));
    assert_true(gw_str_eq(gw_str_sub(s, 4, SIZE_MAX), GW_STR("ef")));
    assert_int_equal(gw_str_sub(s, 6, 1).len, 0);
    assert_int_equal(gw_str_sub(s, SIZE_MAX, SIZE_MAX).len, 0);
    assert_int_equal(gw_str_sub(GW_STR_NULL, 3, 3).len, 0);
}

static void trims_space_and_tab_only(void **state)
{
    (void)state;
    assert_true(gw_str_eq(gw_str_trim(GW_STR(" \t a b\t ")), GW_STR("a b")));
    assert_true(gw_str_eq(gw_str_trim(GW_STR("\na\r")), GW_STR("\na\r")));
    assert_int_equal(gw_str_trim(GW_STR(" \t")).len, 0);
    assert_int_equal(gw_str_trim(GW_STR_NULL).len, 0);
}

static void finds_the_first_byte(void **state)
{
    (void)state;
    assert_int_equal(gw_str_find(GW_STR("a:b:c"), ':'), 1);
    assert_int_equal(gw_str_find(GW_STR("abc"), ':'), 3);
    assert_int_equal(gw_str_find(GW_STR("a\0b"), '\0'), 1);
    assert_int_equal(gw_str_find(GW_STR_NULL, 'a'), 0);
}

static void splits_into_every_piece(void **state)
{
    (void)state;
    static const struct {
        struct gw_str text;
        const char *pieces; /* joined by '|' */
    } cases[] = {
        {{"a,b", 3}, "a|b|"}, {{"a,", 2}, "a||"},   {{",", 1}, "||"},
        {{"", 0}, "|"},       {{"abc", 3}, "abc|"}, {{NULL, 0}, ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gw_auto(gw_buf) struct gw_buf joined;
        gw_buf_init(&joined, 32);
        struct gw_str rest = cases[i].text, piece;
        while (gw_str_split(&rest, ',', &piece)) {
            gw_buf_add(&joined, piece);
            gw_buf_addc(&joined, '|');
        }
        assert_string_equal(gw_buf_str(&joined).ptr, cases[i].pieces);
    }
}

static void reads_decimal_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0}, {"7", 7}, {"10", 10}, {"9223372036854775807", INT64_MAX}};
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t value = -1;
        assert_true(gw_str_to_i64(gw_str(good[i].text), &value));
        assert_int_equal(value, good[i].value);
    }
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      "00",
                                      "01",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x1",
                                      "1a",
                                      "1e3",
                                      "9223372036854775808",
                                      "99999999999999999999999"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t value = -5;
        assert_false(gw_str_to_i64(gw_str(bad[i]), &value));
        assert_int_equal(value, -5);
    }
}

static void copies_what_fits_and_refuses_nul(void **state)
{
    (void)state;
    char dst[4];
    assert_true(gw_str_copy(GW_STR("abc"), dst, sizeof(dst)));
    assert_string_equal(dst, "abc");
    assert_false(gw_str_copy(GW_STR("abcd"), dst, sizeof(dst)));
    assert_string_equal(dst, "");
    assert_false(gw_str_copy(GW_STR("a\0b"), dst, sizeof(dst)));
    assert_string_equal(dst, "");
    assert_true(gw_str_copy(GW_STR_NULL, dst, sizeof(dst)));
    assert_string_equal(dst, "");
}

static void tells_what_a_terminal_obeys(void **state)
{
    (void)state;
    static const struct {
        struct gw_str s;
        size_t want;
    } cases[] = {
        {GW_STR("a"), 1},        {GW_STR("~"), 1},
        {GW_STR(" "), 1},        {GW_STR("\x1f"), 0},
        {GW_STR("\x7f"), 0},     {GW_STR("\xc2\x80"), 0},
        {GW_STR("\xc2\x9f"), 0}, {GW_STR("\xc2\xa0"), 2},
        {GW_STR("\xc3\x80"), 2}, {GW_STR("\xe2\x82\xac"), 3},
        {GW_STR("\xff"), 0},     {GW_STR(""), 0},
        {GW_STR("\0"), 0},
    };
    /* What turns text around, or breaks a line: each end of each range, and its neighbours. */
    static const struct {
        struct gw_str s;
        size_t want;
    } layout[] = {
        {GW_STR("\xd8\x9b"), 2},     {GW_STR("\xd8\x9c"), 0},     {GW_STR("\xd8\x9d"), 2},
        {GW_STR("\xe2\x80\x8d"), 3}, {GW_STR("\xe2\x80\x8e"), 0}, {GW_STR("\xe2\x80\x8f"), 0},
        {GW_STR("\xe2\x80\x90"), 3}, {GW_STR("\xe2\x80\xa7"), 3}, {GW_STR("\xe2\x80\xa8"), 0},
        {GW_STR("\xe2\x80\xae"), 0}, {GW_STR("\xe2\x80\xaf"), 3}, {GW_STR("\xe2\x81\xa5"), 3},
        {GW_STR("\xe2\x81\xa6"), 0}, {GW_STR("\xe2\x81\xa9"), 0}, {GW_STR("\xe2\x81\xaa"), 3},
    };
    for (size_t i = 0; i < sizeof(layout) / sizeof(layout[0]); i++)
        assert_int_equal(gw_str_printable(layout[i].s), layout[i].want);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(gw_str_printable(cases[i].s), cases[i].want);
}

static void measures_utf8_sequences(void **state)
{
    (void)state;
    static const struct {
        struct gw_str s;
        size_t want;
    } cases[] = {
        {{"", 0}, 0},
        {{"\0", 1}, 1},
        {{"\x7f", 1}, 1},
        {{"\xc2\x80", 2}, 2},
        {{"\xe2\x82\xac", 3}, 3},
        {{"\xf4\x8f\xbf\xbf", 4}, 4},
        {{"\x80", 1}, 0},             /* a continuation alone */
        {{"\xc1\xbf", 2}, 0},         /* overlong */
        {{"\xe0\x9f\xbf", 3}, 0},     /* overlong */
        {{"\xf0\x8f\xbf\xbf", 4}, 0}, /* overlong */
        {{"\xed\xa0\x80", 3}, 0},     /* surrogate */
        {{"\xf4\x90\x80\x80", 4}, 0}, /* beyond U+10FFFF */
        {{"\xff", 1}, 0},
        {{"\xe2\x82\xac", 2}, 0}, /* cut short */
        {{"\xe2\x82"
          "a",
          3},
         0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(gw_str_utf8(cases[i].s), cases[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_bytes_and_ascii_case), cmocka_unit_test(borrows_c_strings),
        cmocka_unit_test(sub_clips_to_the_span),         cmocka_unit_test(trims_space_and_tab_only),
        cmocka_unit_test(finds_the_first_byte),          cmocka_unit_test(splits_into_every_piece),
        cmocka_unit_test(reads_decimal_numbers),         cmocka_unit_test(copies_what_fits_and_refuses_nul),
        cmocka_unit_test(measures_utf8_sequences),       cmocka_unit_test(tells_what_a_terminal_obeys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
