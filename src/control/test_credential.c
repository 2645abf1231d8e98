/* SPDX-License-Identifier: Apache-2.0 */
#include "control/credential.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_span(struct gw_str got, const char *want, const char *input)
{
    if (!gw_str_eq(got, gw_str(want)))
        fail_msg("`%s` gave `%.*s`, not `%s`", input, GW_STR_ARG(got), want);
}

static void a_bearer_header_gives_its_token(void **state)
{
    static const struct {
        const char *header, *token;
    } rows[] = {
        {"Bearer abc.def.ghi", "abc.def.ghi"},
        {"bearer abc", "abc"},
        {"  Bearer   abc ", "abc"},
        {"Bearer null", ""},
        {"Bearer undefined", ""},
        {"Bearer", ""},
        {"Bearer ", ""},
        {"Basic YTpi", ""},
        {"Bearerabc", ""},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_span(gw_credential_bearer(gw_str(rows[i].header)), rows[i].token, rows[i].header);
}

static void only_one_cookie_of_ours_counts(void **state)
{
    static const struct {
        const char *header, *token;
    } rows[] = {
        {"__Host-aaiti_session=abc", "abc"},
        {"theme=dark; __Host-aaiti_session=abc; x=y", "abc"},
        {"__Host-aaiti_session=abc; __Host-aaiti_session=def", ""},
        {"__Host-aaiti_session=abc;__Host-aaiti_session=abc", ""},
        {"__host-aaiti_session=abc", ""},
        {"x__Host-aaiti_session=abc", ""},
        {"__Host-aaiti_session", ""},
        {"__Host-aaiti_session=", ""},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_span(gw_credential_cookie(gw_str(rows[i].header)), rows[i].token, rows[i].header);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bearer_header_gives_its_token),
        cmocka_unit_test(only_one_cookie_of_ours_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
