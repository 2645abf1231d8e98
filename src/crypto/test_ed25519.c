/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/encode.h"
#include "crypto/ed25519.h"

/* RFC 8032 section 7.1, test 2: a message of one byte. */
#define SEED "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs"
#define PUBLIC "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"
#define SIGNATURE "kqAJqfDUyrhyDoILX2QlQKKye1QWUD-Ps3YiI-vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA"

struct key {
    char bytes[GW_ED25519_SIGNATURE_BYTES];
    size_t len;
};

static struct key decoded(const char *text)
{
    struct key k = {.len = 0};
    assert_int_equal(gw_base64url_decode(gw_str(text), k.bytes, sizeof(k.bytes), &k.len), GW_OK);
    return k;
}

static struct gw_ed25519 *key_of(enum gw_code (*make)(struct gw_str, struct gw_ed25519 **, struct gw_error *),
                                 const char *text)
{
    struct key k = decoded(text);
    struct gw_ed25519 *out = NULL;
    assert_int_equal(make((struct gw_str){k.bytes, k.len}, &out, NULL), GW_OK);
    return out;
}

static void signs_and_verifies_as_the_rfc_does(void **state)
{
    (void)state;
    gw_auto(gw_ed25519) struct gw_ed25519 *private = key_of(gw_ed25519_new_private, SEED);
    gw_auto(gw_ed25519) struct gw_ed25519 *public = key_of(gw_ed25519_new_public, PUBLIC);
    struct key want = decoded(SIGNATURE), want_public = decoded(PUBLIC);
    uint8_t got[GW_ED25519_SIGNATURE_BYTES];
    assert_int_equal(gw_ed25519_sign(private, GW_STR("\x72"), got), GW_OK);
    assert_memory_equal(got, want.bytes, sizeof(got));
    assert_memory_equal(gw_ed25519_public(private).ptr, want_public.bytes, GW_ED25519_KEY_BYTES);
    assert_int_equal(gw_ed25519_verify(public, GW_STR("\x72"), (struct gw_str){(char *)got, sizeof(got)}), GW_OK);
    assert_int_equal(gw_ed25519_verify(private, GW_STR("\x72"), (struct gw_str){(char *)got, sizeof(got)}), GW_OK);
}

static void refuses_what_was_changed_or_cut(void **state)
{
    (void)state;
    gw_auto(gw_ed25519) struct gw_ed25519 *public = key_of(gw_ed25519_new_public, PUBLIC);
    struct key good = decoded(SIGNATURE);
    for (size_t i = 0; i < good.len; i++) {
        struct key bad = good;
        bad.bytes[i] ^= 1;
        assert_int_equal(gw_ed25519_verify(public, GW_STR("\x72"), (struct gw_str){bad.bytes, bad.len}), GW_EDENIED);
        assert_int_equal(gw_ed25519_verify(public, GW_STR("\x72"), (struct gw_str){good.bytes, i}), GW_EDENIED);
    }
    assert_int_equal(gw_ed25519_verify(public, GW_STR("\x73"), (struct gw_str){good.bytes, good.len}), GW_EDENIED);
    assert_int_equal(gw_ed25519_verify(public, GW_STR(""), (struct gw_str){good.bytes, good.len}), GW_EDENIED);
}

static void refuses_keys_of_another_size_and_signs_with_no_public_one(void **state)
{
    (void)state;
    gw_auto(gw_ed25519) struct gw_ed25519 *public = key_of(gw_ed25519_new_public, PUBLIC);
    struct gw_ed25519 *none = NULL;
    uint8_t got[GW_ED25519_SIGNATURE_BYTES];
    static const size_t sizes[] = {0, 31, 33, 64};
    char bytes[64] = {1};
    assert_int_equal(gw_ed25519_sign(public, GW_STR("x"), got), GW_EINVAL);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(gw_ed25519_new_private((struct gw_str){bytes, sizes[i]}, &none, NULL), GW_EINVAL);
        assert_int_equal(gw_ed25519_new_public((struct gw_str){bytes, sizes[i]}, &none, NULL), GW_EINVAL);
    }
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_and_verifies_as_the_rfc_does),
        cmocka_unit_test(refuses_what_was_changed_or_cut),
        cmocka_unit_test(refuses_keys_of_another_size_and_signs_with_no_public_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
