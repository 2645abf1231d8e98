/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/credential.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_a_bearer_header_gives_its_token(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool is_bearer;
        const char *token; /* "": none */
    } rows[] = {
        {"Bearer abc.def.ghi", true, "abc.def.ghi"},
        {"bearer abc", true, "abc"},
        {"BEARER abc", true, "abc"},
        {"  Bearer   abc ", true, "abc"},
        {"Bearer abc def", true, "abc def"},
        {"Bearer Null", true, "Null"},
        {"Bearer null", true, ""},
        {"Bearer undefined", true, ""},
        {"Bearer  undefined\t", true, ""},
        {"Bearer", true, ""},
        {"Bearer ", true, ""},
        {"Basic YTpi", false, ""},
        {"Basic Bearer abc", false, ""},
        {"Bearerabc", false, ""},
        {"Bearer\tabc", false, ""},
        {"abc.def.ghi", false, ""},
        {"", false, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_client_credential c = gw_credential_choose(gw_str(rows[i].header), GW_STR_NULL, GW_STR_NULL);
        if (c.has_bearer_scheme != rows[i].is_bearer || !gw_str_eq(c.token, gw_str(rows[i].token)))
            fail_msg("`%s`: scheme %d, token `%.*s`", rows[i].header, c.has_bearer_scheme, GW_STR_ARG(c.token));
        assert_int_equal(c.kind, rows[i].token[0] != '\0' ? GW_CREDENTIAL_BEARER : GW_CREDENTIAL_ABSENT);
    }
}

static void test_the_cookie_counts_where_there_is_no_token(void **state)
{
    (void)state;
    static const struct {
        const char *authorization, *cookie;
        enum gw_credential_kind kind;
        const char *token;
    } rows[] = {
        {"Bearer abc", "def", GW_CREDENTIAL_BEARER, "abc"},       {"Bearer null", "def", GW_CREDENTIAL_COOKIE, "def"},
        {"Basic YTpi", "def", GW_CREDENTIAL_COOKIE, "def"},       {"", "def", GW_CREDENTIAL_COOKIE, "def"},
        {"Bearer null", "null", GW_CREDENTIAL_ABSENT, ""},        {"", "undefined", GW_CREDENTIAL_ABSENT, ""},
        {"Bearer undefined", "", GW_CREDENTIAL_ABSENT, ""},       {"", "", GW_CREDENTIAL_ABSENT, ""},
        {"Bearer abc", "undefined", GW_CREDENTIAL_BEARER, "abc"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_client_credential c =
            gw_credential_choose(gw_str(rows[i].authorization), GW_STR_NULL, gw_str(rows[i].cookie));
        assert_int_equal(c.kind, rows[i].kind);
        assert_true(gw_str_eq(c.token, gw_str(rows[i].token)));
    }
}

static void test_a_key_counts_in_either_place_and_two_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *authorization, *api_key, *cookie;
        enum gw_credential_kind kind;
        const char *token;
    } rows[] = {
        {"", "aak_x", "", GW_CREDENTIAL_KEY, "aak_x"},
        {"", " aak_x ", "", GW_CREDENTIAL_KEY, "aak_x"},
        {"", "whatever", "", GW_CREDENTIAL_KEY, "whatever"}, /* who uses the header means a key */
        {"Bearer aak_x", "", "", GW_CREDENTIAL_KEY, "aak_x"},
        {"bearer aak_x", "", "abc", GW_CREDENTIAL_KEY, "aak_x"},
        {"Bearer aak_x", "aak_x", "", GW_CREDENTIAL_KEY, "aak_x"},
        {"", "aak_x", "abc", GW_CREDENTIAL_KEY, "aak_x"},
        {"Basic YTpi", "aak_x", "", GW_CREDENTIAL_KEY, "aak_x"},
        {"Bearer null", "aak_x", "", GW_CREDENTIAL_KEY, "aak_x"},
        {"Bearer abc", "null", "", GW_CREDENTIAL_BEARER, "abc"},
        {"", "undefined", "abc", GW_CREDENTIAL_COOKIE, "abc"},
        {"", "", "aak_x", GW_CREDENTIAL_COOKIE, "aak_x"}, /* a cookie is no place for a key: it will fail as a token */
        {"Bearer aak_x", "aak_y", "", GW_CREDENTIAL_TWO, ""},
        {"Bearer abc", "aak_x", "", GW_CREDENTIAL_TWO, ""},
        {"Bearer aak_x", "aak_x_", "abc", GW_CREDENTIAL_TWO, ""},
        {"Bearer AAK_x", "", "", GW_CREDENTIAL_BEARER, "AAK_x"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_client_credential c =
            gw_credential_choose(gw_str(rows[i].authorization), gw_str(rows[i].api_key), gw_str(rows[i].cookie));
        if (c.kind != rows[i].kind || !gw_str_eq(c.token, gw_str(rows[i].token)))
            fail_msg("row %zu: kind %d, token `%.*s`", i, c.kind, GW_STR_ARG(c.token));
    }
}

static void test_ours_is_found_among_other_cookies(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool is_there;
        const char *value;
    } rows[] = {
        {"__Secure-aaiti_refresh=abc", false, ""},
        {"__Host-aaiti_session=abc", true, "abc"},
        {"theme=dark; __Host-aaiti_session=abc; x=y", true, "abc"},
        {"theme=dark;__Host-aaiti_session=abc;x=y", true, "abc"},
        {" __Host-aaiti_session = abc ;", true, "abc"},
        {"__Host-aaiti_session=a=b", true, "a=b"},
        {"__Host-aaiti_session=", true, ""},
        {"__Host-aaiti_session", true, ""},
        {"__host-aaiti_session=abc", false, ""},
        {"x__Host-aaiti_session=abc", false, ""},
        {"__Host-aaiti_sessions=abc", false, ""},
        {"x=__Host-aaiti_session", false, ""},
        {"=__Host-aaiti_session=abc", false, ""},
        {";;;", false, ""},
        {"", false, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_own_cookies c = {0};
        assert_true(gw_cookie_find_ours(gw_str(rows[i].header), &c));
        if ((c.session.ptr != NULL) != rows[i].is_there || !gw_str_eq(c.session, gw_str(rows[i].value)))
            fail_msg("`%s` gave `%.*s`", rows[i].header, GW_STR_ARG(c.session));
    }
}

static void test_both_of_ours_are_found_side_by_side(void **state)
{
    (void)state;
    struct gw_own_cookies c = {0};
    assert_false(gw_cookies_have_ours(&c));
    assert_true(gw_cookie_find_ours(GW_STR("a=1; __Secure-aaiti_refresh=r; __Secure-aaiti_refreshed=x"), &c));
    assert_null(c.session.ptr);
    assert_true(gw_cookies_have_ours(&c));
    assert_true(gw_cookie_find_ours(GW_STR("__Host-aaiti_session=s"), &c));
    assert_true(gw_str_eq(c.session, GW_STR("s")));
    assert_true(gw_str_eq(c.refresh, GW_STR("r")));
    struct gw_own_cookies device = {0};
    assert_true(gw_cookie_find_ours(GW_STR("__Secure-aaiti_device=d; __Secure-aaiti_device2=x"), &device));
    assert_true(gw_str_eq(device.device, GW_STR("d")));
    assert_true(gw_cookies_have_ours(&device)); /* so that no backend sees it */
    assert_int_equal(gw_credential_choose(GW_STR_NULL, GW_STR_NULL, device.session).kind, GW_CREDENTIAL_ABSENT);
}

static void test_the_session_twice_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"__Host-aaiti_session=abc; __Host-aaiti_session=def", ""},
        {"__Host-aaiti_session=abc;__Host-aaiti_session=abc", ""},
        {"__Host-aaiti_session; __Host-aaiti_session =abc", ""},
        {"__Host-aaiti_session=abc", "__Host-aaiti_session=abc"},
        {"__Host-aaiti_session", "theme=dark; __Host-aaiti_session=abc"},
        {"__Host-aaiti_session=", "__Host-aaiti_session="},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_own_cookies c = {0};
        if (gw_cookie_find_ours(gw_str(rows[i][0]), &c) && gw_cookie_find_ours(gw_str(rows[i][1]), &c))
            fail_msg("row %zu gave `%.*s` and `%.*s`", i, GW_STR_ARG(c.session), GW_STR_ARG(c.refresh));
    }
}

/* A page of another host of the site can have browsers send such a one beside ours, at every path. */
static void test_those_that_a_neighbour_can_set_are_none_if_they_stand_twice(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"__Secure-aaiti_refresh=abc; __Secure-aaiti_refresh=abc", "__Secure-aaiti_device=a; __Secure-aaiti_device=b"},
        {"__Secure-aaiti_device; __Secure-aaiti_refresh=abc", "__Secure-aaiti_device=b; __Secure-aaiti_refresh"},
        {"__Secure-aaiti_device=a; __Secure-aaiti_refresh=a; __Secure-aaiti_device=a; __Secure-aaiti_device=a",
         "__Secure-aaiti_refresh=a; __Secure-aaiti_refresh=a"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_own_cookies c = {0};
        assert_true(gw_cookie_find_ours(gw_str(rows[i][0]), &c) && gw_cookie_find_ours(gw_str(rows[i][1]), &c));
        assert_int_equal(c.refresh.len + c.device.len, 0);
        assert_non_null(c.refresh.ptr); /* they are taken off nevertheless */
        assert_non_null(c.device.ptr);
        assert_true(gw_cookie_find_ours(GW_STR("__Host-aaiti_session=s"), &c));
        assert_true(gw_str_eq(c.session, GW_STR("s")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bearer_header_gives_its_token),
        cmocka_unit_test(test_the_cookie_counts_where_there_is_no_token),
        cmocka_unit_test(test_a_key_counts_in_either_place_and_two_are_none),
        cmocka_unit_test(test_ours_is_found_among_other_cookies),
        cmocka_unit_test(test_both_of_ours_are_found_side_by_side),
        cmocka_unit_test(test_the_session_twice_is_refused),
        cmocka_unit_test(test_those_that_a_neighbour_can_set_are_none_if_they_stand_twice),
    };
    return cmocka_run_group_tests_name("pipeline/credential", tests, NULL, NULL);
}
