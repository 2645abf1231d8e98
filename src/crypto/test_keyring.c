/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/keyring.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KEK "kJ8s-2mQx7Vd_0aLwZ4pTn9cYb1rEoGh"
#define OTHER_KEK "Zq3_wX9vB-7nM1sK5dF8gH2jL6pO0iUy"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct rig {
    struct gw_fake_random random;
    struct gw_secret *kek;
    struct gw_keyring *ring;
    uint8_t wrapped[GW_KEYRING_WRAPPED_BYTES]; /* key 7, which is in the ring */
    struct gw_error err;
};

static struct gw_secret *secret_of(struct gw_str text)
{
    struct gw_secret *s = NULL;
    assert_int_equal(gw_secret_new(text, &s, NULL), GW_OK);
    return s;
}

static void add_key(struct rig *r, uint32_t id)
{
    assert_int_equal(gw_keyring_make(r->ring, id, r->wrapped, &r->err), GW_OK);
    assert_int_equal(gw_keyring_add(r->ring, id, r->wrapped, 0, &r->err), GW_OK);
    gw_keyring_allow(r->ring, GW_KEYRING_SEALS_MAX);
}

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    gw_fake_random_init(&r->random, 42);
    r->kek = secret_of(GW_STR(KEK));
    assert_int_equal(gw_keyring_new(r->kek, &r->random.random, &r->ring, &r->err), GW_OK);
    add_key(r, 7);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    gw_keyring_free(r->ring);
    gw_secret_free(r->kek);
    free(r);
    return 0;
}

static struct gw_buf sealed(struct rig *r, const char *name, struct gw_str text)
{
    struct gw_buf b;
    gw_buf_init(&b, 8192);
    if (gw_keyring_seal(r->ring, gw_str(name), text, &b, &r->err) != GW_OK)
        fail_msg("%s", r->err.msg);
    return b;
}

static enum gw_code open_as(struct rig *r, const char *name, struct gw_str envelope, struct gw_buf *out)
{
    gw_buf_init(out, 8192);
    return gw_keyring_open(r->ring, gw_str(name), envelope, out, &r->err);
}

static void assert_denied(struct rig *r, const char *name, struct gw_str envelope)
{
    gw_auto(gw_buf) struct gw_buf out = {0};
    assert_int_equal(open_as(r, name, envelope, &out), GW_EDENIED);
    assert_int_equal(out.len, 0);
}

/* ---- envelopes ---- */

static void what_was_sealed_opens_under_its_name_and_shows_nothing(void **state)
{
    struct rig *r = *state;
    static char large[4000];
    memset(large, 'p', sizeof(large));
    const struct gw_str rows[] = {
        GW_STR(""), GW_STR("x"), GW_STR("nul\0inside, and long enough to find"), {large, sizeof(large)}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        gw_auto(gw_buf) struct gw_buf envelope = sealed(r, "users/1/totp", rows[i]), out = {0};
        assert_int_equal(envelope.len, rows[i].len + GW_KEYRING_OVERHEAD);
        assert_int_equal(gw_keyring_id_of(gw_buf_str(&envelope)), 7);
        if (rows[i].len > 8)
            assert_null(memmem(envelope.ptr, envelope.len, rows[i].ptr, 8));
        assert_int_equal(open_as(r, "users/1/totp", gw_buf_str(&envelope), &out), GW_OK);
        assert_true(gw_str_eq(gw_buf_str(&out), rows[i]));
    }
}

static void no_nonce_comes_twice(void **state)
{
    struct rig *r = *state;
    gw_auto(gw_buf) struct gw_buf a = sealed(r, "n", GW_STR("same")), b = sealed(r, "n", GW_STR("same"));
    assert_memory_not_equal(a.ptr + 5, b.ptr + 5, GW_AEAD_NONCE_BYTES);
    assert_memory_not_equal(a.ptr + 17, b.ptr + 17, 4);
    assert_int_equal(gw_keyring_seals(r->ring), 2);
}

static void an_envelope_under_another_name_is_denied(void **state)
{
    struct rig *r = *state;
    gw_auto(gw_buf) struct gw_buf envelope = sealed(r, "users/1/totp", GW_STR("secret"));
    const char *const names[] = {"users/2/totp", "users/1/tot", "users/1/totp2", "", "sers/1/totp"};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_denied(r, names[i], gw_buf_str(&envelope));
}

static void every_truncation_and_every_flipped_bit_is_denied(void **state)
{
    struct rig *r = *state;
    gw_auto(gw_buf) struct gw_buf envelope = sealed(r, "n", GW_STR("secret")), out = {0};
    add_key(r, 6); /* so that a flipped bit of the id finds another key */
    add_key(r, 5);
    const struct gw_str whole = gw_buf_str(&envelope);
    for (size_t len = 0; len < whole.len; len++) {
        assert_denied(r, "n", gw_str_sub(whole, 0, len));
        assert_denied(r, "n", gw_str_sub(whole, whole.len - len, len));
    }
    for (size_t bit = 0; bit < 8 * whole.len; bit++) {
        envelope.ptr[bit / 8] = (char)(envelope.ptr[bit / 8] ^ (1 << (bit % 8)));
        assert_denied(r, "n", whole);
        envelope.ptr[bit / 8] = (char)(envelope.ptr[bit / 8] ^ (1 << (bit % 8)));
    }
    gw_buf_addc(&envelope, '\0');
    assert_denied(r, "n", gw_buf_str(&envelope));
    assert_int_equal(open_as(r, "n", whole, &out), GW_OK);
}

static void a_key_that_is_not_in_the_ring_opens_nothing(void **state)
{
    struct rig *r = *state;
    gw_auto(gw_buf) struct gw_buf old = sealed(r, "n", GW_STR("secret")), out = {0};
    add_key(r, 9);
    gw_auto(gw_buf) struct gw_buf new = sealed(r, "n", GW_STR("secret"));
    assert_int_equal(gw_keyring_id_of(gw_buf_str(&new)), 9);
    assert_int_equal(open_as(r, "n", gw_buf_str(&old), &out), GW_OK);
    gw_keyring_drop(r->ring, 7);
    assert_denied(r, "n", gw_buf_str(&old));
    gw_keyring_drop(r->ring, 9);
    assert_denied(r, "n", gw_buf_str(&new));
    assert_int_equal(gw_keyring_sealing_id(r->ring), 0);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct rig *r = *state;
    static char name[300];
    struct gw_buf small;
    memset(name, 'n', sizeof(name) - 1);
    gw_buf_init(&small, GW_KEYRING_OVERHEAD + 5);
    assert_int_equal(gw_keyring_seal(r->ring, gw_str(name), GW_STR("x"), &small, NULL), GW_ELIMIT);
    assert_int_equal(gw_keyring_seal(r->ring, GW_STR("n"), GW_STR("secret"), &small, NULL), GW_ELIMIT);
    gw_buf_done(&small);
}

/* ---- nonces ---- */

static void a_key_draws_no_more_nonces_than_it_is_allowed(void **state)
{
    struct rig *r = *state;
    struct gw_buf out;
    gw_buf_init(&out, 8192);
    assert_int_equal(gw_keyring_make(r->ring, 8, r->wrapped, NULL), GW_OK);
    assert_int_equal(gw_keyring_add(r->ring, 8, r->wrapped, GW_KEYRING_SEALS_MAX - 2, NULL), GW_OK);
    assert_int_equal(gw_keyring_seal(r->ring, GW_STR("n"), GW_STR("x"), &out, NULL), GW_ELIMIT);
    gw_keyring_allow(r->ring, GW_KEYRING_SEALS_MAX - 1);
    assert_int_equal(gw_keyring_seal(r->ring, GW_STR("n"), GW_STR("x"), &out, NULL), GW_OK);
    assert_int_equal(gw_keyring_seal(r->ring, GW_STR("n"), GW_STR("x"), &out, NULL), GW_ELIMIT);
    gw_keyring_allow(r->ring, UINT64_MAX);
    assert_int_equal(gw_keyring_seal(r->ring, GW_STR("n"), GW_STR("x"), &out, NULL), GW_OK);
    assert_int_equal(gw_keyring_seal(r->ring, GW_STR("n"), GW_STR("x"), &out, NULL), GW_ELIMIT);
    assert_int_equal(gw_keyring_seals(r->ring), GW_KEYRING_SEALS_MAX);
    gw_buf_done(&out);
}

static enum gw_code no_randomness(const struct gw_random *self, void *dst, size_t n)
{
    (void)self, (void)dst, (void)n;
    return GW_ECRYPTO;
}

static void without_randomness_nothing_is_sealed(void **state)
{
    struct rig *r = *state;
    struct gw_buf out;
    gw_buf_init(&out, 8192);
    r->random.random.fill = no_randomness;
    assert_int_equal(gw_keyring_seal(r->ring, GW_STR("n"), GW_STR("x"), &out, NULL), GW_ECRYPTO);
    assert_int_equal(gw_keyring_make(r->ring, 8, r->wrapped, NULL), GW_ECRYPTO);
    assert_int_equal(out.len, 0);
    gw_buf_done(&out);
}

/* ---- data keys ---- */

static void the_key_of_the_highest_id_seals_in_whatever_order_they_come(void **state)
{
    struct rig *r = *state;
    const uint32_t ids[] = {9, 1, 4294967295u, 8};
    for (size_t i = 0; i < COUNT(ids); i++)
        add_key(r, ids[i]);
    assert_int_equal(gw_keyring_sealing_id(r->ring), 4294967295u);
    const uint32_t order[] = {1, 7, 8, 9, 4294967295u, 0};
    for (size_t i = 0; i + 1 < COUNT(order); i++)
        assert_int_equal(gw_keyring_id_after(r->ring, order[i]), order[i + 1]);
    gw_keyring_drop(r->ring, 8);
    assert_int_equal(gw_keyring_id_after(r->ring, 7), 9);
}

static void a_wrapped_key_is_denied_when_anything_is_wrong_with_it(void **state)
{
    struct rig *r = *state;
    gw_auto(gw_secret) struct gw_secret *other = secret_of(GW_STR(OTHER_KEK));
    gw_auto(gw_keyring) struct gw_keyring *wrong = NULL, *right = NULL;
    assert_int_equal(gw_keyring_new(other, &r->random.random, &wrong, NULL), GW_OK);
    assert_int_equal(gw_keyring_new(r->kek, &r->random.random, &right, NULL), GW_OK);
    assert_int_equal(gw_keyring_add(wrong, 7, r->wrapped, 0, NULL), GW_EDENIED);
    assert_int_equal(gw_keyring_add(right, 8, r->wrapped, 0, NULL), GW_EDENIED); /* another's id */
    for (size_t bit = 0; bit < 8 * sizeof(r->wrapped); bit++) {
        r->wrapped[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        assert_int_equal(gw_keyring_add(right, 7, r->wrapped, 0, NULL), GW_EDENIED);
        r->wrapped[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    assert_int_equal(gw_keyring_sealing_id(right), 0);
    assert_int_equal(gw_keyring_add(right, 7, r->wrapped, 0, NULL), GW_OK);
}

static void a_full_ring_takes_no_more(void **state)
{
    struct rig *r = *state;
    for (uint32_t id = 100; id < 100 + GW_KEYRING_KEYS_MAX - 1; id++)
        add_key(r, id);
    assert_int_equal(gw_keyring_make(r->ring, 1000, r->wrapped, NULL), GW_OK);
    assert_int_equal(gw_keyring_add(r->ring, 1000, r->wrapped, 0, &r->err), GW_ELIMIT);
}

/* ---- the key-encryption key ---- */

#define HEX "4d1f9b0a7c3e5d286fa1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607"
#define BASE64 "TR+bCnw+XShvobLD1OX2BxgpOktcbX6PkKGyw9Tl9gc"
#define BASE64URL "TR-bCnw-XShvobLD1OX2BxgpOktcbX6PkKGyw9Tl9gc"

static void a_kek_is_32_bytes_in_any_of_its_forms(void **state)
{
    const char *const rows[] = {HEX, BASE64, BASE64 "=", BASE64URL, BASE64URL "="};
    uint8_t want[GW_KEK_BYTES];
    (void)state;
    assert_int_equal(gw_hex_decode(GW_STR(HEX), want, sizeof(want)), GW_OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        gw_auto(gw_secret) struct gw_secret *text = secret_of(gw_str(rows[i])), *kek = NULL;
        assert_int_equal(gw_kek_parse(text, &kek, NULL), GW_OK);
        assert_int_equal(gw_secret_bytes(kek).len, sizeof(want));
        assert_memory_equal(gw_secret_bytes(kek).ptr, want, sizeof(want));
    }
}

static void a_kek_of_other_size_form_or_strength_is_refused_and_not_told(void **state)
{
    static const struct gw_str rows[] = {
        GW_STR(""),
        GW_STR("4d1f9b0a7c3e5d286fa1b2c3d4e5f607"), /* 16 bytes */
        GW_STR("4d1f9b0a7c3e5d286fa1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6"),
        GW_STR(HEX "0a"),
        GW_STR("4d1f9b0a7c3e5d286fa1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60g"),
        GW_STR("TR+bCnw+XShvobLD1OX2BxgpOktcbX6PkKGyw9Tl9g=="), /* 31 bytes */
        GW_STR("TR+bCnw+XShvobLD1OX2BxgpOktcbX6PkKGyw9Tl9gd"),  /* spare bits */
        GW_STR("TR+bCnw+XShvobLD1OX2BxgpOktcbX6PkKGyw9Tl9gcA"), /* 33 bytes */
        GW_STR("TR+bCnw+XShvobLD1OX2Bxgp ktcbX6PkKGyw9Tl9gc"),
        GW_STR("TR+bCnw+XShvobLD1OX2Bxgp\0ktcbX6PkKGyw9Tl9gc"),
        GW_STR("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        GW_STR("0000000000000000000000000000000000000000000000000000000000000000"),
        GW_STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        GW_STR(" " BASE64),
        GW_STR(KEK),
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        gw_auto(gw_secret) struct gw_secret *text = secret_of(rows[i]), *kek = NULL;
        struct gw_error err = {0};
        if (gw_kek_parse(text, &kek, &err) != GW_EINVAL)
            fail_msg("row %zu was taken", i);
        assert_true(err.msg[0] != '\0');
        assert_null(kek);
        assert_null(strstr(err.msg, "4d1f"));
        assert_null(strstr(err.msg, "TR+b"));
    }
}

static void a_made_kek_is_its_owners_and_never_replaced(void **state)
{
    struct rig *r = *state;
    char dir[] = "/tmp/gw_kek_XXXXXX", path[40];
    gw_auto(gw_secret) struct gw_secret *text = NULL, *kek = NULL;
    struct stat st;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/k", dir);
    assert_int_equal(gw_kek_create(path, &r->random.random, NULL), GW_OK);
    assert_int_equal(gw_kek_create(path, &r->random.random, NULL), GW_ECONFLICT);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(gw_secret_load(path, &text, NULL), GW_OK);
    assert_int_equal(gw_kek_parse(text, &kek, NULL), GW_OK);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_was_sealed_opens_under_its_name_and_shows_nothing),
        CASE(no_nonce_comes_twice),
        CASE(an_envelope_under_another_name_is_denied),
        CASE(every_truncation_and_every_flipped_bit_is_denied),
        CASE(a_key_that_is_not_in_the_ring_opens_nothing),
        CASE(what_does_not_fit_is_refused),
        CASE(a_key_draws_no_more_nonces_than_it_is_allowed),
        CASE(without_randomness_nothing_is_sealed),
        CASE(the_key_of_the_highest_id_seals_in_whatever_order_they_come),
        CASE(a_wrapped_key_is_denied_when_anything_is_wrong_with_it),
        CASE(a_full_ring_takes_no_more),
        CASE(a_kek_is_32_bytes_in_any_of_its_forms),
        CASE(a_kek_of_other_size_form_or_strength_is_refused_and_not_told),
        CASE(a_made_kek_is_its_owners_and_never_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
