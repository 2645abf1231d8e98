/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/csrf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN GW_STR("header.claims.signature")

static void test_it_is_good_for_its_own_session_alone(void **state)
{
    char text[GW_CSRF_LEN + 1], longer[GW_CSRF_LEN + 2];
    (void)state;
    assert_int_equal(gw_csrf_make(TOKEN, text), GW_OK);
    assert_int_equal(strlen(text), GW_CSRF_LEN);
    assert_true(gw_csrf_is_of(TOKEN, gw_str(text)));
    assert_false(gw_csrf_is_of(GW_STR("header.claims.signaturf"), gw_str(text)));
    assert_false(gw_csrf_is_of(GW_STR(""), gw_str(text)));
    assert_false(gw_csrf_is_of(TOKEN, GW_STR_NULL));
    assert_false(gw_csrf_is_of(TOKEN, TOKEN));
    assert_false(gw_csrf_is_of(TOKEN, gw_str_sub(gw_str(text), 0, GW_CSRF_LEN - 1)));
    snprintf(longer, sizeof(longer), "%sA", text);
    assert_false(gw_csrf_is_of(TOKEN, gw_str(longer)));
    for (size_t i = 0; i < GW_CSRF_LEN; i++) {
        text[i] ^= 1;
        assert_false(gw_csrf_is_of(TOKEN, gw_str(text)));
        text[i] ^= 1;
    }
}

/* Of nobody: what anybody can make proves nothing. */
static void test_there_is_none_without_a_session(void **state)
{
    char text[GW_CSRF_LEN + 1];
    (void)state;
    assert_int_equal(gw_csrf_make(GW_STR_NULL, text), GW_OK);
    assert_false(gw_csrf_is_of(GW_STR_NULL, gw_str(text)));
    assert_false(gw_csrf_is_of(GW_STR_NULL, GW_STR_NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_good_for_its_own_session_alone),
        cmocka_unit_test(test_there_is_none_without_a_session),
    };
    return cmocka_run_group_tests_name("pipeline/csrf", tests, NULL, NULL);
}
