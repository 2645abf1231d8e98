/* SPDX-License-Identifier: Apache-2.0 */
#include "websocket/utf8.h"

#include <gw/str.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* In pieces of that size: 0 not UTF-8, 1 cut off, 2 whole. */
static int judge(const uint8_t *bytes, size_t len, size_t piece)
{
    struct gw_utf8 u = {0};
    for (size_t at = 0; at < len; at += piece)
        if (!gw_utf8_feed(&u, bytes + at, len - at < piece ? len - at : piece))
            return 0;
    return gw_utf8_is_whole(&u) ? 2 : 1;
}

static void is_whole_cut_off_or_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int is;
    } cases[] = {
        {"", 2},
        {"plain", 2},
        {"twenty-four bytes or more", 2},
        {"\xc3\xa4", 2},
        {"\xe2\x82\xac", 2},
        {"\xf0\x9f\x98\x80", 2},
        {"\xf4\x8f\xbf\xbf", 2},
        {"\xed\x9f\xbf\xee\x80\x80", 2},
        {"eight by\xc3\xa4teight by\xc3", 1},
        {"\xe2\x82", 1},
        {"\xf0", 1},
        {"\x80", 0},
        {"\xbf text", 0},
        {"\xc0\xaf", 0},
        {"\xc1\xbf", 0},
        {"\xe0\x80\xaf", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xed\xa0\x80", 0},
        {"\xed\xbf\xbf", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
        {"\xfe\xff", 0},
        {"\xc3(", 0},
        {"\xe2\x82(", 0},
        {"\xf0\x9f\x98(", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t piece = 1; piece <= 9; piece++)
            assert_int_equal(judge((const uint8_t *)cases[i].text, strlen(cases[i].text), piece), cases[i].is);
}

/* Every text of three bytes, against the one that base reads whole. */
static void agrees_with_base(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 1u << 24; n += 1) {
        const uint8_t bytes[3] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
        struct gw_str rest = {(const char *)bytes, sizeof(bytes)};
        size_t len = 0;
        while (rest.len > 0 && (len = gw_str_utf8(rest)) > 0)
            rest = gw_str_sub(rest, len, rest.len);
        struct gw_utf8 u = {0};
        bool is_utf8 = gw_utf8_feed(&u, bytes, sizeof(bytes)) && gw_utf8_is_whole(&u);
        assert_int_equal(is_utf8, rest.len == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_whole_cut_off_or_wrong),
        cmocka_unit_test(agrees_with_base),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
