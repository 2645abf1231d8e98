/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static json_t *parsed(const char *text)
{
    json_t *value = NULL;
    assert_int_equal(gw_json_parse(gw_str(text), GW_JSON_DEFAULT_LIMITS, &value, NULL), GW_OK);
    return value;
}

static void accepts_one_value(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",
        "[]",
        " {\"a\": [1, 2.5, true, null]}\r\n\t",
        "\"text\"",
        "0",
        "null",
        "\"\\ud83d\\ude00\"",
        "[[[[[]]]]]",
        "{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}",
        "\"[[[[[[[{{{{\"",
        "\"\\\"[[[[[[\"",
        "[[],[],[],[],[],[]]",
    };
    for (size_t i = 0; i < COUNT(good); i++)
        json_decref(parsed(good[i]));
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        struct gw_str text;
        enum gw_code code;
    } cases[] = {
        {{"", 0}, GW_EPARSE},
        {{" ", 1}, GW_EPARSE},
        {{"{", 1}, GW_EPARSE},
        {{"{}{}", 4}, GW_EPARSE},
        {{"{} x", 4}, GW_EPARSE},
        {{"{'a':1}", 7}, GW_EPARSE},
        {{"{\"a\":1,}", 8}, GW_EPARSE},
        {{"[1,]", 4}, GW_EPARSE},
        {{"01", 2}, GW_EPARSE},
        {{"NaN", 3}, GW_EPARSE},
        {{"1e999", 5}, GW_EPARSE},
        {{"\xef\xbb\xbf{}", 5}, GW_EPARSE},
        {{"\"\xff\"", 3}, GW_EPARSE},
        {{"\"\xc0\xaf\"", 4}, GW_EPARSE},
        {{"\"\xed\xa0\x80\"", 5}, GW_EPARSE},
        {{"\"\\ud800\"", 8}, GW_EPARSE},
        {{"\"\\udc00\"", 8}, GW_EPARSE},
        {{"\"\\u0000\"", 8}, GW_EPARSE},
        {{"{\"\\u0000\":1}", 12}, GW_EPARSE},
        {{"\"a\0b\"", 5}, GW_EPARSE},
        {{"{}\0", 3}, GW_EPARSE},
        {{"\0{}", 3}, GW_EPARSE},
        {{"\"a\nb\"", 5}, GW_EPARSE},
        {{"{\"a\":1,\"a\":2}", 13}, GW_EPARSE},
        {{"{\"a\":1,\"\\u0061\":2}", 18}, GW_EPARSE},
        {{"[[[[[[]]]]]]", 12}, GW_ELIMIT},
        {{"[{\"a\":[{\"b\":[{}]}]}]", 20}, GW_ELIMIT},
        {{"[[[[[[", 6}, GW_ELIMIT},
        {{"\"\\\\\"[[[[[[", 10}, GW_ELIMIT}, /* an escaped backslash ends no string early or late */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *value = NULL;
        struct gw_error err;
        assert_int_equal(gw_json_parse(cases[i].text, GW_JSON_DEFAULT_LIMITS, &value, &err), cases[i].code);
        assert_null(value);
        assert_true(err.msg[0] != '\0');
    }
}

static void refuses_many_levels_without_recursion(void **state)
{
    (void)state;
    enum { LEVELS = 5000 };
    char text[2 * LEVELS];
    memset(text, '[', LEVELS);
    memset(text + LEVELS, ']', LEVELS);
    json_t *value = NULL;
    struct gw_error err;
    assert_int_equal(gw_json_parse((struct gw_str){text, sizeof(text)}, GW_JSON_DEFAULT_LIMITS, &value, &err),
                     GW_ELIMIT);
}

static void holds_the_size_limit_to_the_byte(void **state)
{
    (void)state;
    json_t *value = NULL;
    const struct gw_json_limits limits = {.max_bytes = 4, .max_depth = 1};
    assert_int_equal(gw_json_parse(GW_STR("[12]"), limits, &value, NULL), GW_OK);
    json_decref(value);
    value = NULL;
    assert_int_equal(gw_json_parse(GW_STR("[123]"), limits, &value, NULL), GW_ELIMIT);
    assert_null(value);
}

static void a_fault_never_quotes_the_input(void **state)
{
    (void)state;
    json_t *value = NULL;
    struct gw_error err;
    assert_int_equal(gw_json_parse(GW_STR("{\"password\":\"hunter2\" hunter2"), GW_JSON_DEFAULT_LIMITS, &value, &err),
                     GW_EPARSE);
    assert_null(strstr(err.msg, "hunter2"));
    assert_non_null(strstr(err.msg, "line 1, column"));
}

static void reads_strings_within_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum gw_code code;
        const char *value, *message;
    } cases[] = {
        {"good", GW_OK, "abc", ""},
        {"gone", GW_ENOTFOUND, NULL, "/gone: missing"},
        {"null", GW_ENOTFOUND, NULL, "/null: missing"},
        {"number", GW_EINVAL, NULL, "/number: expected a string"},
        {"object", GW_EINVAL, NULL, "/object: expected a string"},
        {"short", GW_EINVAL, NULL, "/short: expected a string of 2 to 4 bytes"},
        {"long", GW_EINVAL, NULL, "/long: expected a string of 2 to 4 bytes"},
    };
    gw_auto_json json_t *obj =
        parsed("{\"good\":\"abc\",\"null\":null,\"number\":1,\"object\":{\"a\":1},\"short\":\"a\","
               "\"long\":\"abcde\"}");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gw_str out = GW_STR_NULL;
        struct gw_error err = {0};
        assert_int_equal(gw_json_get_str(obj, cases[i].name, 2, 4, &out, &err), cases[i].code);
        assert_true(gw_str_eq(out, gw_str(cases[i].value)));
        assert_string_equal(err.msg, cases[i].message);
    }
}

static void reads_booleans(void **state)
{
    (void)state;
    gw_auto_json json_t *obj = parsed("{\"yes\":true,\"no\":false,\"text\":\"true\"}");
    bool out = false;
    assert_int_equal(gw_json_get_bool(obj, "yes", &out, NULL), GW_OK);
    assert_true(out);
    assert_int_equal(gw_json_get_bool(obj, "no", &out, NULL), GW_OK);
    assert_false(out);
    assert_int_equal(gw_json_get_bool(obj, "text", &out, NULL), GW_EINVAL);
    assert_int_equal(gw_json_get_bool(obj, "gone", &out, NULL), GW_ENOTFOUND);
}

static void members_of_what_is_no_object_are_refused(void **state)
{
    (void)state;
    gw_auto_json json_t *list = parsed("[\"a\"]");
    struct gw_str text;
    bool flag;
    const char *const names[] = {"a", NULL};
    assert_int_equal(gw_json_get_str(list, "a", 0, 9, &text, NULL), GW_EINVAL);
    assert_int_equal(gw_json_get_bool(list, "a", &flag, NULL), GW_EINVAL);
    assert_int_equal(gw_json_only(list, names, NULL), GW_EINVAL);
}

static void names_the_unknown_member_escaped_and_cut(void **state)
{
    (void)state;
    const char *const names[] = {"a", "b", NULL};
    struct gw_error err;
    gw_auto_json json_t *good = parsed("{\"b\":1}");
    assert_int_equal(gw_json_only(good, names, &err), GW_OK);
    gw_auto_json json_t *bad = parsed("{\"a\":1,\"x\\ny\":1}");
    assert_int_equal(gw_json_only(bad, names, &err), GW_EINVAL);
    assert_string_equal(err.msg, "/x\\x0ay: unknown member");
    char text[512] = "{\"";
    memset(text + 2, 'n', 300);
    memcpy(text + 302, "\":1}", 5);
    gw_auto_json json_t *large = parsed(text);
    assert_int_equal(gw_json_only(large, names, &err), GW_EINVAL);
    assert_true(strlen(err.msg) < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_one_value),
        cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_many_levels_without_recursion),
        cmocka_unit_test(holds_the_size_limit_to_the_byte),
        cmocka_unit_test(a_fault_never_quotes_the_input),
        cmocka_unit_test(reads_strings_within_bounds),
        cmocka_unit_test(reads_booleans),
        cmocka_unit_test(members_of_what_is_no_object_are_refused),
        cmocka_unit_test(names_the_unknown_member_escaped_and_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
