/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void base64url_of_known_values(void **state)
{
    (void)state;
    static const struct {
        struct gw_str bytes;
        const char *text;
    } cases[] = {
        {{"", 0}, ""},           {{"f", 1}, "Zg"},          {{"fo", 2}, "Zm8"},       {{"foo", 3}, "Zm9v"},
        {{"foob", 4}, "Zm9vYg"}, {{"fooba", 5}, "Zm9vYmE"}, {{"\xfb\xff", 2}, "-_8"}, {{"\0\0\0", 3}, "AAAA"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[16] = "";
        size_t len = gw_base64url_encode(cases[i].bytes.ptr, cases[i].bytes.len, text);
        assert_int_equal(len, GW_BASE64URL_LEN(cases[i].bytes.len));
        assert_string_equal(text, cases[i].text);
        char back[16];
        size_t back_len = 99;
        assert_int_equal(gw_base64url_decode((struct gw_str){text, len}, back, cases[i].bytes.len, &back_len), GW_OK);
        assert_int_equal(back_len, cases[i].bytes.len);
        assert_memory_equal(back, cases[i].bytes.ptr, back_len);
    }
}

static void base64url_round_trips_every_byte(void **state)
{
    (void)state;
    uint8_t bytes[256], back[256];
    char text[GW_BASE64URL_LEN(sizeof(bytes))];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7 + 3);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        size_t len = gw_base64url_encode(bytes, n, text), back_len;
        assert_int_equal(gw_base64url_decode((struct gw_str){text, len}, back, sizeof(back), &back_len), GW_OK);
        assert_int_equal(back_len, n);
        assert_memory_equal(back, bytes, n);
    }
}

static void base64url_refuses_foreign_bytes_at_every_place(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (int byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 7; at++) { /* a whole group and a tail of three, whose last digit has spare bits */
            char text[7] = {'A', 'A', 'A', 'A', 'A', 'A', 'A'};
            uint8_t out[5];
            size_t len;
            const char *digit = byte != 0 ? strchr(digits, byte) : NULL;
            bool good = digit != NULL && (at < 6 || (digit - digits) % 4 == 0);
            text[at] = (char)byte;
            assert_int_equal(gw_base64url_decode((struct gw_str){text, 7}, out, sizeof(out), &len),
                             good ? GW_OK : GW_EPARSE);
        }
    }
}

static void base64url_refuses(void **state)
{
    (void)state;
    static const struct {
        struct gw_str text;
        enum gw_code code;
    } cases[] = {
        {{"Z", 1}, GW_EPARSE},
        {{"Zm9vY", 5}, GW_EPARSE}, /* no such length */
        {{"Zg==", 4}, GW_EPARSE},
        {{"Zg=", 3}, GW_EPARSE}, /* padding */
        {{"Zh", 2}, GW_EPARSE},
        {{"Zm9", 3}, GW_EPARSE}, /* spare bits */
        {{"Zm9v Yg", 7}, GW_EPARSE},
        {{"Zm9v\n", 5}, GW_EPARSE},
        {{"Zm\09", 4}, GW_EPARSE},
        {{"+/+/", 4}, GW_EPARSE},
        {{"Zm9\xff", 4}, GW_EPARSE},
        {{"....", 4}, GW_EPARSE},
        {{"AAAAAAAAAAAA", 12}, GW_ELIMIT}, /* larger than the place for it */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char out[8];
        size_t len = 99;
        assert_int_equal(gw_base64url_decode(cases[i].text, out, sizeof(out), &len), cases[i].code);
        assert_int_equal(len, 99);
    }
}

static void hex_both_ways(void **state)
{
    (void)state;
    char text[9] = "";
    gw_hex_encode("\x00\x9f\xa0\xff", 4, text);
    assert_string_equal(text, "009fa0ff");
    uint8_t bytes[4];
    assert_int_equal(gw_hex_decode(GW_STR("009FA0ff"), bytes, 4), GW_OK);
    assert_memory_equal(bytes, "\x00\x9f\xa0\xff", 4);
    static const char *const bad[] = {"", "009fa0f", "009fa0fff", "009fa0fg", "009fa0f ", "0x9fa0ff", "009fa0ff00"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(gw_hex_decode(gw_str(bad[i]), bytes, 4), GW_EPARSE);
}

static void hex_digits_are_sixteen_in_either_case(void **state)
{
    (void)state;
    int found = 0;
    for (int c = -128; c < 128; c++)
        found += gw_hex_digit((char)c) >= 0;
    assert_int_equal(found, 22);
    assert_int_equal(gw_hex_digit('f'), 15);
    assert_int_equal(gw_hex_digit('A'), 10);
}

static void uuid_both_ways(void **state)
{
    (void)state;
    struct gw_uuid u, again;
    assert_int_equal(gw_uuid_parse(GW_STR("017F22E2-79b0-7cc3-98c4-dc0c0c07398f"), &u), GW_OK);
    char text[GW_UUID_LEN + 1];
    gw_uuid_format(&u, text);
    assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    assert_int_equal(gw_uuid_parse(gw_str(text), &again), GW_OK);
    assert_true(gw_uuid_eq(&u, &again));
    again.b[15] ^= 1;
    assert_false(gw_uuid_eq(&u, &again));
}

static void only_zeroes_are_the_nil_uuid(void **state)
{
    (void)state;
    struct gw_uuid u = {{0}};
    assert_true(gw_uuid_is_nil(&u));
    for (size_t i = 0; i < sizeof(u.b); i++) {
        u.b[i] = 0x80;
        assert_false(gw_uuid_is_nil(&u));
        u.b[i] = 0;
    }
}

static void uuid_refuses_other_forms(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "017f22e279b07cc398c4dc0c0c07398f",
        "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "017f22e279b0--7cc3-98c4-dc0c0c07398f",
        "017f22e2_79b0-7cc3-98c4-dc0c0c07398f",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct gw_uuid u = {{7}};
        assert_int_equal(gw_uuid_parse(gw_str(bad[i]), &u), GW_EPARSE);
        assert_int_equal(u.b[0], 7);
    }
}

static void time_both_ways(void **state)
{
    (void)state;
    static const struct {
        int64_t unix_s;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {-1, "1969-12-31T23:59:59Z"},
        {1795494590, "2026-11-24T04:29:50Z"},
        {951782400, "2000-02-29T00:00:00Z"},
        {4107542400, "2100-03-01T00:00:00Z"},
        {253402300799, "9999-12-31T23:59:59Z"},
        {-62167219200, "0000-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[GW_TIME_LEN + 1];
        gw_time_format(cases[i].unix_s, text);
        assert_string_equal(text, cases[i].text);
        int64_t back;
        assert_int_equal(gw_time_parse(gw_str(text), &back), GW_OK);
        assert_int_equal(back, cases[i].unix_s);
    }
    char text[GW_TIME_LEN + 1];
    gw_time_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    gw_time_format(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
}

static void time_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026-11-24",
        "2026-11-24T04:29:50",
        "2026-11-24T04:29:50z",
        "2026-11-24 04:29:50Z",
        "2026-11-24T04:29:50+00:00",
        "2026-11-24T04:29:50.5Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:-1Z",
        " 026-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t t = -7;
        assert_int_equal(gw_time_parse(gw_str(bad[i]), &t), GW_EPARSE);
        assert_int_equal(t, -7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64url_of_known_values),
        cmocka_unit_test(base64url_round_trips_every_byte),
        cmocka_unit_test(base64url_refuses),
        cmocka_unit_test(base64url_refuses_foreign_bytes_at_every_place),
        cmocka_unit_test(hex_both_ways),
        cmocka_unit_test(hex_digits_are_sixteen_in_either_case),
        cmocka_unit_test(uuid_both_ways),
        cmocka_unit_test(only_zeroes_are_the_nil_uuid),
        cmocka_unit_test(uuid_refuses_other_forms),
        cmocka_unit_test(time_both_ways),
        cmocka_unit_test(time_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
