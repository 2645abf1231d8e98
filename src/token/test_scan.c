/* SPDX-License-Identifier: Apache-2.0 */
#include "token/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define S(literal)                   \
    {                                \
        literal, sizeof(literal) - 1 \
    }

/* The text in memory of its very size, so that a sanitizer sees one byte too many. */
static char *place(struct gw_scan *s, struct gw_str text)
{
    char *copy = malloc(text.len + 1);
    assert_non_null(copy);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    gw_scan_init(s, copy, text.len);
    return copy;
}

static bool is_json(struct gw_str text)
{
    struct gw_scan s;
    struct gw_str ignored;
    char *copy = place(&s, text);
    bool good = gw_scan_value(&s, &ignored) != GW_SCAN_BAD && gw_scan_done(&s);
    free(copy);
    return good;
}

static void takes_json(void **state)
{
    (void)state;
    static const struct gw_str cases[] = {
        S("{}"),
        S(" \t\r\n[ ] "),
        S("{\"a\":1,\"b\":[true,false,null,{}],\"c\":{\"a\":\"\"}}"),
        S("-0"),
        S("0.5"),
        S("1e400"),
        S("-12.50E-07"),
        S("\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\x7f\""),
        S("[[[[[[[[1]]]]]]]]"),     /* as deep as may be */
        S("[{\"a\":1},{\"a\":1}]"), /* the same name in two objects */
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(is_json(cases[i]));
}

static void decodes_strings_in_place(void **state)
{
    (void)state;
    static const struct {
        struct gw_str text, want;
    } cases[] = {
        {S("\"plain\""), S("plain")},
        {S("\"\""), S("")},
        {S("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), S("\"\\/\b\f\n\r\t")},
        {S("\"a\\u0041\\u00e4\\u20ac\\ud83d\\ude00z\""), S("aA\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z")},
        {S("\"\\uD83D\\uDE00\""), S("\xf0\x9f\x98\x80")},
        {S("\"\xc3\xa4\\n\xc3\xa4\""), S("\xc3\xa4\n\xc3\xa4")},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gw_scan s;
        struct gw_str got;
        char *copy = place(&s, cases[i].text);
        assert_int_equal(gw_scan_value(&s, &got), GW_SCAN_STRING);
        assert_true(gw_scan_done(&s));
        assert_true(gw_str_eq(got, cases[i].want));
        free(copy);
    }
}

static void refuses_what_is_no_json_or_no_token_json(void **state)
{
    (void)state;
    static const struct gw_str cases[] = {
        S(""),
        S(" "),
        S("{"),
        S("}"),
        S("["),
        S("[1"),
        S("[1,"),
        S("[1,]"),
        S("[,1]"),
        S("[1 2]"),
        S("[1}"),
        S("{\"a\""),
        S("{\"a\":"),
        S("{\"a\":1"),
        S("{\"a\":1,"),
        S("{\"a\":1,}"),
        S("{\"a\" 1}"),
        S("{a:1}"),
        S("{'a':1}"),
        S("{1:1}"),
        S("{} {}"),
        S("{}x"),
        S("{}\0"),
        S("\xef\xbb\xbf{}"),
        /* numbers */
        S("01"),
        S("-"),
        S("-01"),
        S("+1"),
        S(".5"),
        S("1."),
        S("1.e1"),
        S("1e"),
        S("1e+"),
        S("0x10"),
        S("Infinity"),
        S("NaN"),
        /* literals */
        S("tru"),
        S("True"),
        S("nul"),
        S("truex"),
        /* strings */
        S("\""),
        S("\"a"),
        S("\"\\"),
        S("\"\\\""),
        S("\"\\x\""),
        S("\"\\u\""),
        S("\"\\u12\""),
        S("\"\\u12"),
        S("\"\\u12g4\""),
        S("\"\\u0000\""),
        S("\"a\0b\""),
        S("\"\x1f\""),
        S("\"\n\""),
        S("\"\\ud800\""),
        S("\"\\ud800"),
        S("\"\\ud800\\"),
        S("\"\\ud800\\u"),
        S("\"\\ud800\\u0041\""),
        S("\"\\ud800\\ud800\""),
        S("\"\\udc00\""),
        S("\"\\udc00\\ud800\""),
        S("\"\xff\""),
        S("\"\xc3\""),
        S("\"\xc3"),
        S("\"\xc0\x80\""),
        S("\"\xed\xa0\x80\""),
        S("\"\xf4\x90\x80\x80\""),
        S("\"\\n\xff\""),
        /* twice the same name */
        S("{\"a\":1,\"a\":1}"),
        S("{\"a\":1,\"\\u0061\":1}"),
        S("{\"\\u0061\":1,\"a\":1}"),
        S("{\"\":1,\"\":1}"),
        S("[{\"b\":{\"a\":1,\"c\":2,\"a\":1}}]"),
        S("{\"a\":1,\"b\":{\"c\":1},\"a\":1}"),
        /* too deep */
        S("[[[[[[[[[1]]]]]]]]]"),
        S("[[[[[[[[{}]]]]]]]]"),
        S("[[[[[[[[[[[[[[[[[[[[[[[["),
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (is_json(cases[i]))
            fail_msg("taken: %.*s", (int)cases[i].len, cases[i].ptr);
    }
}

static bool takes_names(unsigned count)
{
    char text[4096], *w = text;
    for (unsigned i = 0; i < count; i++)
        w += snprintf(w, (size_t)(text + sizeof(text) - w), "%c\"n%u\":%u", i == 0 ? '{' : ',', i, i);
    *w++ = '}';
    return is_json((struct gw_str){text, (size_t)(w - text)});
}

static void caps_the_names_of_open_objects(void **state)
{
    (void)state;
    assert_true(takes_names(GW_SCAN_NAMES_MAX));
    assert_false(takes_names(GW_SCAN_NAMES_MAX + 1));
}

static void every_cut_of_a_text_is_refused(void **state)
{
    (void)state;
    static const struct gw_str whole = S("{\"a\":[1.5e+3,true,\"\\ud83d\\ude00\xc3\xa4\"],\"b\":{\"c\":null}}");
    assert_true(is_json(whole));
    for (size_t len = 0; len < whole.len; len++)
        assert_false(is_json(gw_str_sub(whole, 0, len)));
}

static void walks_members_and_items(void **state)
{
    (void)state;
    struct gw_scan s;
    struct gw_scan_list object, array;
    struct gw_str name, value;
    char *copy = place(&s, GW_STR(" { \"n\" : 12 , \"list\" : [ \"x\" , \"y\" ] } "));
    assert_true(gw_scan_enter(&s, '{', &object));
    assert_true(gw_scan_member(&s, &object, &name));
    assert_true(gw_str_eq(name, GW_STR("n")));
    assert_int_equal(gw_scan_value(&s, &value), GW_SCAN_NUMBER);
    assert_true(gw_str_eq(value, GW_STR("12")));
    assert_true(gw_scan_member(&s, &object, &name));
    assert_int_equal(gw_scan_peek(&s), GW_SCAN_ARRAY);
    assert_true(gw_scan_enter(&s, '[', &array));
    assert_true(gw_scan_item(&s, &array));
    assert_int_equal(gw_scan_value(&s, &value), GW_SCAN_STRING);
    assert_false(gw_scan_done(&s)); /* still inside */
    assert_true(gw_scan_item(&s, &array));
    assert_int_equal(gw_scan_value(&s, &value), GW_SCAN_STRING);
    assert_true(gw_str_eq(value, GW_STR("y")));
    assert_false(gw_scan_item(&s, &array));
    assert_false(gw_scan_member(&s, &object, &name));
    assert_true(gw_scan_done(&s));
    free(copy);
}

static void a_failure_sticks(void **state)
{
    (void)state;
    struct gw_scan s;
    struct gw_scan_list list;
    struct gw_str text;
    char *copy = place(&s, GW_STR("[1]"));
    assert_false(gw_scan_enter(&s, '{', &list));
    assert_int_equal(gw_scan_value(&s, &text), GW_SCAN_BAD);
    assert_false(gw_scan_done(&s));
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_json),
        cmocka_unit_test(decodes_strings_in_place),
        cmocka_unit_test(refuses_what_is_no_json_or_no_token_json),
        cmocka_unit_test(caps_the_names_of_open_objects),
        cmocka_unit_test(every_cut_of_a_text_is_refused),
        cmocka_unit_test(walks_members_and_items),
        cmocka_unit_test(a_failure_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
