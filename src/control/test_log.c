/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "control/log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(1800000000007)

/* The line as an object, after a look at its form: one line, ASCII or UTF-8, no byte that a terminal would obey. */
static json_t *line_of(const struct gw_log_field *fields)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    json_t *line = NULL;
    struct gw_error err = {.msg = ""};
    gw_buf_init(&b, 128 * 1024);
    gw_log_print(&b, NOW_MS, GW_LOG_WARN, "sample", fields);
    struct gw_str text = gw_buf_str(&b);
    assert_int_equal(gw_str_find(text, '\n'), text.len - 1);
    for (size_t i = 0; i + 1 < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        assert_true(c >= 0x20 && c != 0x7f);
        assert_false(c == 0xc2 && (uint8_t)text.ptr[i + 1] < 0xa0);
    }
    const struct gw_json_limits limits = {.max_bytes = 128 * 1024, .max_depth = 1};
    if (gw_json_parse(gw_str_sub(text, 0, text.len - 1), limits, &line, &err) != GW_OK)
        fail_msg("%s in %s", err.msg, text.ptr);
    return line;
}

static const char *member(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    assert_non_null(text);
    return text;
}

static void a_line_says_when_how_bad_and_what(void **state)
{
    const struct gw_log_field fields[] = {{"user", GW_STR("anna")}, {"empty", GW_STR_NULL}, {NULL, GW_STR_NULL}};
    gw_auto_json json_t *line = line_of(fields);
    (void)state;
    assert_string_equal(member(line, "time"), "2027-01-15T08:00:00.007Z");
    assert_string_equal(member(line, "level"), "warn");
    assert_string_equal(member(line, "event"), "sample");
    assert_string_equal(member(line, "user"), "anna");
    assert_string_equal(member(line, "empty"), "");
    assert_int_equal(json_object_size(line), 5);
}

static void whatever_a_value_holds_the_line_stays_one_object(void **state)
{
    static const struct {
        struct gw_str value;
        const char *read; /* as a reader of JSON gets it */
    } rows[] = {
        {GW_STR("a\"},{\"level\":\"error"), "a\"},{\"level\":\"error"},
        {GW_STR("line\nlevel=error\r\n"), "line\nlevel=error\r\n"},
        {GW_STR("\x1b]0;owned\x07\\"), "\x1b]0;owned\x07\\"},
        {GW_STR("\xc2\x9b"
                "31m"),
         "\xc2\x9b"
         "31m"}, /* a terminal's escape in one letter */
        {GW_STR("\xff\xfe\xc3"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {GW_STR("M\xc3\xbcller"), "M\xc3\xbcller"},
        {GW_STR("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* half of a surrogate pair */
        {GW_STR("\x7f"), "\x7f"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_log_field fields[] = {{"value", rows[i].value}, {NULL, GW_STR_NULL}};
        gw_auto_json json_t *line = line_of(fields);
        assert_string_equal(member(line, "value"), rows[i].read);
        assert_int_equal(json_object_size(line), 4);
    }
}

static void long_values_are_cut_and_the_longest_line_is_whole(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"};
    enum { COUNT = sizeof(names) / sizeof(names[0]) };
    static char bytes[4 * GW_LOG_VALUE_MAX];
    struct gw_log_field fields[COUNT + 1] = {{NULL, GW_STR_NULL}};
    (void)state;
    memset(bytes, 1, sizeof(bytes));
    for (size_t i = 0; i < COUNT; i++)
        fields[i] = (struct gw_log_field){names[i], {bytes, sizeof(bytes)}};
    gw_auto_json json_t *line = line_of(fields);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(json_string_length(json_object_get(line, names[i])), GW_LOG_VALUE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_when_how_bad_and_what),
        cmocka_unit_test(whatever_a_value_holds_the_line_stays_one_object),
        cmocka_unit_test(long_values_are_cut_and_the_longest_line_is_whole),
    };
    return cmocka_run_group_tests_name("control/log", tests, NULL, NULL);
}
