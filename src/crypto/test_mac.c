/* SPDX-License-Identifier: Apache-2.0 */
/* Known answers by the hundred are replayed from a corpus in tests/replay; these cases hold the shape. */
#include "crypto/mac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct gw_mac *mac_of(struct gw_str key)
{
    gw_auto(gw_secret) struct gw_secret *s = NULL;
    struct gw_mac *m = NULL;
    assert_int_equal(gw_secret_new(key, &s, NULL), GW_OK);
    assert_int_equal(gw_mac_new(s, &m, NULL), GW_OK);
    return m;
}

static void unhex(const char *hex, uint8_t out[GW_MAC_BYTES])
{
    assert_int_equal(gw_hex_decode(gw_str(hex), out, GW_MAC_BYTES), GW_OK);
}

static char long_key[131];

/* RFC 4231 cases 2 and 6: a key shorter than a block, and one longer. */
static void tags_are_those_of_rfc_4231(void **state)
{
    (void)state;
    memset(long_key, 0xaa, sizeof(long_key));
    const struct {
        struct gw_str key, msg;
        const char *tag;
    } rows[] = {
        {GW_STR("Jefe"), GW_STR("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {{long_key, sizeof(long_key)},
         GW_STR("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_mac) struct gw_mac *m = mac_of(rows[i].key);
        uint8_t want[GW_MAC_BYTES], got[GW_MAC_BYTES];
        unhex(rows[i].tag, want);
        for (int again = 0; again < 3; again++) { /* the pads survive a use */
            assert_int_equal(gw_mac_sign(m, rows[i].msg, got), GW_OK);
            assert_memory_equal(got, want, sizeof(want));
        }
        assert_int_equal(gw_mac_verify(m, rows[i].msg, (struct gw_str){(char *)want, sizeof(want)}), GW_OK);
    }
}

static void wrong_tags_are_denied(void **state)
{
    (void)state;
    gw_auto(gw_mac) struct gw_mac *m = mac_of(GW_STR("a key of some length"));
    char tag[GW_MAC_BYTES + 1] = {0};
    assert_int_equal(gw_mac_sign(m, GW_STR("message"), (uint8_t *)tag), GW_OK);
    const struct {
        struct gw_str msg;
        size_t tag_len;
    } rows[] = {
        {GW_STR("Message"), GW_MAC_BYTES},
        {GW_STR("message"), 0},
        {GW_STR("message"), 16}, /* a truncated tag is a forged one */
        {GW_STR("message"), GW_MAC_BYTES - 1},
        {GW_STR("message"), GW_MAC_BYTES + 1},
        {GW_STR(""), GW_MAC_BYTES},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(gw_mac_verify(m, rows[i].msg, (struct gw_str){tag, rows[i].tag_len}), GW_EDENIED);
    assert_int_equal(gw_mac_verify(m, GW_STR("message"), GW_STR_NULL), GW_EDENIED);
    for (size_t bit = 0; bit < 8 * GW_MAC_BYTES; bit++) {
        tag[bit / 8] = (char)(tag[bit / 8] ^ (1 << (bit % 8)));
        assert_int_equal(gw_mac_verify(m, GW_STR("message"), (struct gw_str){tag, GW_MAC_BYTES}), GW_EDENIED);
        tag[bit / 8] = (char)(tag[bit / 8] ^ (1 << (bit % 8)));
    }
    assert_int_equal(gw_mac_verify(m, GW_STR("message"), (struct gw_str){tag, GW_MAC_BYTES}), GW_OK);
}

static void sha256_is_that_of_fips_180(void **state)
{
    (void)state;
    uint8_t want[GW_MAC_BYTES], got[GW_MAC_BYTES];
    unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", want);
    assert_int_equal(gw_sha256(GW_STR("abc"), got, NULL), GW_OK);
    assert_memory_equal(got, want, sizeof(want));
    unhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", want);
    assert_int_equal(gw_sha256(GW_STR_NULL, got, NULL), GW_OK);
    assert_memory_equal(got, want, sizeof(want));
}

static void pieces_are_as_one(void **state)
{
    (void)state;
    uint8_t want[GW_MAC_BYTES], got[GW_MAC_BYTES];
    const struct gw_str pieces[] = {GW_STR("a"), GW_STR_NULL, GW_STR("bc")};
    assert_int_equal(gw_sha256(GW_STR("abc"), want, NULL), GW_OK);
    assert_int_equal(gw_sha256_pieces(pieces, 3, got), GW_OK);
    assert_memory_equal(got, want, sizeof(want));
    assert_int_equal(gw_sha256(GW_STR_NULL, want, NULL), GW_OK);
    assert_int_equal(gw_sha256_pieces(NULL, 0, got), GW_OK);
    assert_memory_equal(got, want, sizeof(want));
}

static void a_tag_made_once_is_the_same(void **state)
{
    (void)state;
    uint8_t key[GW_MAC_BYTES], want[GW_MAC_BYTES], got[GW_MAC_BYTES];
    gw_auto(gw_secret) struct gw_secret *secret = NULL;
    gw_auto(gw_mac) struct gw_mac *m = NULL;
    assert_int_equal(gw_sha256(GW_STR("key"), key, NULL), GW_OK);
    assert_int_equal(gw_secret_new((struct gw_str){(const char *)key, sizeof(key)}, &secret, NULL), GW_OK);
    assert_int_equal(gw_mac_new(secret, &m, NULL), GW_OK);
    assert_int_equal(gw_mac_sign(m, GW_STR("message"), want), GW_OK);
    assert_int_equal(gw_mac_once(key, GW_STR("message"), got), GW_OK);
    assert_memory_equal(got, want, sizeof(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_those_of_rfc_4231),  cmocka_unit_test(wrong_tags_are_denied),
        cmocka_unit_test(sha256_is_that_of_fips_180),  cmocka_unit_test(pieces_are_as_one),
        cmocka_unit_test(a_tag_made_once_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
