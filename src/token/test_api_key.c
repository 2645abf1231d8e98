/* SPDX-License-Identifier: Apache-2.0 */
#include "token/api_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ID "aak_abcdef27"
#define SECRET "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static void test_a_key_is_taken_apart(void **state)
{
    (void)state;
    struct gw_api_key_text t;
    assert_int_equal(gw_api_key_parse(GW_STR(ID "_" SECRET), &t), GW_OK);
    assert_true(gw_str_eq(t.public_id, GW_STR("abcdef27")));
    assert_true(gw_str_eq(t.secret, GW_STR(SECRET)));
    assert_int_equal(gw_api_key_parse(GW_STR(ID), &t), GW_OK);
    assert_true(gw_str_eq(t.public_id, GW_STR("abcdef27")));
    assert_int_equal(t.secret.len, 0);
}

static void test_what_is_no_key(void **state)
{
    (void)state;
    static const struct gw_str rows[] = {
        GW_STR(""),
        GW_STR("aak"),
        GW_STR("aak_"),
        GW_STR("aak_abcdef2"),           /* id too short */
        GW_STR("aak_abcdef277"),         /* too long */
        GW_STR("aak_abcdef2_" SECRET),   /* too short, with a secret */
        GW_STR("aak_abcdef2A_" SECRET),  /* upper case */
        GW_STR("aak_abcdef21_" SECRET),  /* a digit that the alphabet lacks */
        GW_STR("aak_abcdef2\0_" SECRET), /* a NUL, which ends the alphabet's string */
        GW_STR("AAK_abcdef27_" SECRET),
        GW_STR("sk_abcdef27_" SECRET),
        GW_STR(" " ID "_" SECRET),
        GW_STR(ID "_" SECRET " "),
        GW_STR(ID "_"),
        GW_STR(ID "-" SECRET),
        GW_STR(ID "_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh"),  /* secret too short */
        GW_STR(ID "_" SECRET "A"),                                 /* too long */
        GW_STR(ID "_" SECRET "="),                                 /* padded */
        GW_STR(ID "_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9"), /* spare bits: another text of the same secret */
        GW_STR(ID "_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBka+xwdHh8"), /* base64, not base64url */
        GW_STR(ID "_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBka.xwdHh8"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_api_key_text t = {.public_id = GW_STR("untouched")};
        if (gw_api_key_parse(rows[i], &t) != GW_EPARSE)
            fail_msg("row %zu, `%.*s`, is taken", i, GW_STR_ARG(rows[i]));
        assert_true(gw_str_eq(t.public_id, GW_STR("untouched")));
    }
}

static void test_a_new_key_is_one_and_no_two_are_alike(void **state)
{
    (void)state;
    struct gw_fake_random random;
    char keys[2][GW_API_KEY_LEN + 1];
    struct gw_api_key_text t[2];
    gw_fake_random_init(&random, 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(gw_api_key_make(&random.random, keys[i], NULL), GW_OK);
        assert_int_equal(strlen(keys[i]), GW_API_KEY_LEN);
        assert_int_equal(gw_api_key_parse(gw_str(keys[i]), &t[i]), GW_OK);
    }
    assert_false(gw_str_eq(t[0].public_id, t[1].public_id));
    assert_false(gw_str_eq(t[0].secret, t[1].secret));
}

static void test_what_begins_like_one_is_told_from_a_token(void **state)
{
    (void)state;
    assert_true(gw_api_key_is_one(GW_STR("aak_")));
    assert_true(gw_api_key_is_one(GW_STR(ID "_" SECRET)));
    assert_false(gw_api_key_is_one(GW_STR("eyJhbGciOiJIUzI1NiJ9.e30.x")));
    assert_false(gw_api_key_is_one(GW_STR("AAK_x")));
    assert_false(gw_api_key_is_one(GW_STR_NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_key_is_taken_apart),
        cmocka_unit_test(test_what_is_no_key),
        cmocka_unit_test(test_a_new_key_is_one_and_no_two_are_alike),
        cmocka_unit_test(test_what_begins_like_one_is_told_from_a_token),
    };
    return cmocka_run_group_tests_name("token/api_key", tests, NULL, NULL);
}
