/* SPDX-License-Identifier: Apache-2.0 */
/* Known answers by the dozen are replayed from a corpus in tests/replay; these cases hold the shape. */
#include "crypto/aead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t nonce[GW_AEAD_NONCE_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static struct gw_secret *key;

static int set_up(void **state)
{
    (void)state;
    return gw_secret_new(GW_STR("kJ8s-2mQx7Vd_0aLwZ4pTn9cYb1rEoGh"), &key, NULL) == GW_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    gw_secret_free(key);
    return 0;
}

/* The Galois/Counter Mode submission's test case 13: the empty message under the zero key. */
static void an_empty_message_has_the_tag_of_the_specification(void **state)
{
    static const char zero[GW_AEAD_KEY_BYTES];
    const uint8_t zero_nonce[GW_AEAD_NONCE_BYTES] = {0};
    const struct gw_aead_message m = {zero_nonce, GW_STR_NULL, GW_STR_NULL};
    gw_auto(gw_secret) struct gw_secret *zero_key = NULL;
    uint8_t tag[GW_AEAD_TAG_BYTES], want[GW_AEAD_TAG_BYTES], out[1];
    (void)state;
    assert_int_equal(gw_secret_new((struct gw_str){zero, sizeof(zero)}, &zero_key, NULL), GW_OK);
    assert_int_equal(gw_hex_decode(GW_STR("530f8afbc74536b9a963b4f1c4cb738b"), want, sizeof(want)), GW_OK);
    assert_int_equal(gw_aead_seal(zero_key, &m, out, tag, NULL), GW_OK);
    assert_memory_equal(tag, want, sizeof(want));
    assert_int_equal(gw_aead_open(zero_key, &m, tag, out, NULL), GW_OK);
}

static void what_was_sealed_opens_to_what_it_was(void **state)
{
    static char text[5000];
    static uint8_t sealed[sizeof(text)], opened[sizeof(text)];
    const size_t lengths[] = {0, 1, 15, 16, 17, 4096, sizeof(text)};
    uint8_t tag[GW_AEAD_TAG_BYTES];
    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct gw_aead_message m = {nonce, GW_STR("users/1/totp"), {text, lengths[i]}};
        assert_int_equal(gw_aead_seal(key, &m, sealed, tag, NULL), GW_OK);
        if (lengths[i] >= 15)
            assert_memory_not_equal(sealed, text, lengths[i]);
        m.text.ptr = (const char *)sealed;
        assert_int_equal(gw_aead_open(key, &m, tag, opened, NULL), GW_OK);
        assert_memory_equal(opened, text, lengths[i]);
    }
}

static void assert_denied(const struct gw_secret *k, const struct gw_aead_message *m, const uint8_t *tag)
{
    uint8_t out[64];
    static const uint8_t zeroes[sizeof(out)];
    memset(out, 0xaa, sizeof(out));
    assert_int_equal(gw_aead_open(k, m, tag, out, NULL), GW_EDENIED);
    assert_memory_equal(out, zeroes, m->text.len);
}

static void whatever_was_changed_is_denied_and_nothing_of_it_is_handed_out(void **state)
{
    gw_auto(gw_secret) struct gw_secret *other = NULL;
    uint8_t sealed[6], tag[GW_AEAD_TAG_BYTES], other_nonce[GW_AEAD_NONCE_BYTES];
    const struct gw_aead_message m = {nonce, GW_STR("name"), GW_STR("secret")};
    (void)state;
    assert_int_equal(gw_secret_new(GW_STR("Zq3_wX9vB-7nM1sK5dF8gH2jL6pO0iUy"), &other, NULL), GW_OK);
    assert_int_equal(gw_aead_seal(key, &m, sealed, tag, NULL), GW_OK);
    memcpy(other_nonce, nonce, sizeof(nonce));
    other_nonce[11] ^= 1;
    const struct gw_str text = {(const char *)sealed, sizeof(sealed)};
    const struct gw_aead_message rows[] = {
        {nonce, GW_STR("nam"), text},
        {nonce, GW_STR("namf"), text},
        {nonce, GW_STR_NULL, text},
        {other_nonce, GW_STR("name"), text},
        {nonce, GW_STR("name"), gw_str_sub(text, 0, 5)},
        {nonce, GW_STR("name"), GW_STR_NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_denied(key, &rows[i], tag);
    const struct gw_aead_message good = {nonce, GW_STR("name"), text};
    assert_denied(other, &good, tag);
    for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_denied(key, &good, tag);
        sealed[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    for (size_t bit = 0; bit < 8 * sizeof(tag); bit++) {
        tag[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_denied(key, &good, tag);
        tag[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    uint8_t out[6];
    assert_int_equal(gw_aead_open(key, &good, tag, out, NULL), GW_OK);
}

static void absurd_lengths_are_refused_before_anything_is_read(void **state)
{
    uint8_t tag[GW_AEAD_TAG_BYTES] = {0}, out[1];
    const struct gw_str absurd = {"x", GW_AEAD_MAX_BYTES + 1};
    const struct gw_aead_message rows[] = {{nonce, GW_STR_NULL, absurd}, {nonce, absurd, GW_STR_NULL}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(gw_aead_seal(key, &rows[i], out, tag, NULL), GW_ELIMIT);
        assert_int_equal(gw_aead_open(key, &rows[i], tag, out, NULL), GW_ELIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_message_has_the_tag_of_the_specification),
        cmocka_unit_test(what_was_sealed_opens_to_what_it_was),
        cmocka_unit_test(whatever_was_changed_is_denied_and_nothing_of_it_is_handed_out),
        cmocka_unit_test(absurd_lengths_are_refused_before_anything_is_read),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
