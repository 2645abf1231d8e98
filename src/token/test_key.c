/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of either kind, what a verifier of several of them takes, and what it remembers. */
#include "token/jwt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "token/cache.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define NOW INT64_C(1900000000)
#define SECRET "kX3-9vQz_T7mWb2LpR8sYc5NfJ1hGd4K"
/* RFC 8037 appendix A. */
#define SEED "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
#define PUBLIC "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define OTHER_SEED "TM0Imyj_ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U-4pvs"

static const struct gw_jwt_profile profile = {.issuer = {"i", 1},
                                              .audience = {"a", 1},
                                              .type = {"at+jwt", 6},
                                              .require = GW_JWT_NEED_KEY_ID | GW_JWT_NEED_SESSION};
static struct gw_jwt_claims claims;

static struct gw_token_key *key_of(enum gw_token_key_kind kind, const char *text, struct gw_str id)
{
    gw_auto(gw_secret) struct gw_secret *secret = NULL;
    struct gw_token_key *key = NULL;
    assert_int_equal(gw_secret_new(gw_str(text), &secret, NULL), GW_OK);
    assert_int_equal(gw_token_key_new(kind, secret, id, &key, NULL), GW_OK);
    return key;
}

/* A token by key, good for a minute; n tells it from others. Static storage, one at a time. */
static struct gw_str token_by(const struct gw_token_key *key, uint8_t n)
{
    static char text[GW_JWT_MAX_BYTES];
    gw_auto(gw_buf) struct gw_buf b = {0};
    const struct gw_jwt_issue issue = {.issuer = GW_STR("i"),
                                       .audience = GW_STR("a"),
                                       .sub = GW_STR("018f3b5a-7c1e-7aaa-8bbb-0123456789ab"),
                                       .role = GW_STR("trader"),
                                       .sid = {{1}},
                                       .jti = {{2, n}},
                                       .iat_s = NOW,
                                       .exp_s = NOW + 60};
    gw_buf_init(&b, sizeof(text));
    assert_int_equal(gw_jwt_sign_access(key, &issue, &b, NULL), GW_OK);
    memcpy(text, b.ptr, b.len);
    return (struct gw_str){text, b.len};
}

static struct gw_jwt_verifier *verifier_of(struct gw_token_key *current, struct gw_token_key *next,
                                           struct gw_token_key *previous)
{
    const struct gw_token_ring ring = {.keys = {current, next, previous}};
    struct gw_jwt_verifier *v = NULL;
    assert_int_equal(gw_jwt_verifier_new(&ring, &profile, &v, NULL), GW_OK);
    return v;
}

static void a_pair_has_one_name_and_a_secret_shows_nothing(void **state)
{
    (void)state;
    gw_auto(gw_token_key) struct gw_token_key *private = key_of(GW_TOKEN_KEY_ED25519, SEED, GW_STR_NULL);
    gw_auto(gw_token_key) struct gw_token_key *public = key_of(GW_TOKEN_KEY_ED25519_PUBLIC, PUBLIC, GW_STR_NULL);
    gw_auto(gw_token_key) struct gw_token_key *secret = key_of(GW_TOKEN_KEY_HS256, SECRET, GW_STR_NULL);
    assert_string_equal(gw_token_key_public_text(private).ptr, PUBLIC);
    assert_true(gw_str_eq(gw_token_key_id(private), gw_token_key_id(public)));
    assert_int_equal(gw_token_key_id(private).len, GW_TOKEN_KEY_ID_LEN);
    assert_int_equal(gw_token_key_public_text(secret).len, 0);
    assert_string_equal(gw_token_key_algorithm(private).ptr, "EdDSA");
    assert_string_equal(gw_token_key_algorithm(secret).ptr, "HS256");
    char signature[GW_TOKEN_SIGNATURE_MAX];
    size_t n;
    assert_int_equal(gw_token_key_sign(public, GW_STR("x"), signature, &n), GW_EINVAL);
}

static void refuses_texts_that_are_no_keys(void **state)
{
    static const struct {
        enum gw_token_key_kind kind;
        const char *text;
    } rows[] = {
        {GW_TOKEN_KEY_HS256, "short"},
        {GW_TOKEN_KEY_ED25519, ""},
        {GW_TOKEN_KEY_ED25519, SEED "="},
        {GW_TOKEN_KEY_ED25519, SEED "AAAA"},
        {GW_TOKEN_KEY_ED25519_PUBLIC, "11qYAY"},
        {GW_TOKEN_KEY_ED25519_PUBLIC, "a public key of ours? surely not this t"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        gw_auto(gw_secret) struct gw_secret *secret = NULL;
        struct gw_token_key *key = NULL;
        assert_int_equal(gw_secret_new(gw_str(rows[i].text), &secret, NULL), GW_OK);
        assert_int_equal(gw_token_key_new(rows[i].kind, secret, GW_STR_NULL, &key, NULL), GW_EINVAL);
        assert_null(key);
    }
}

static void every_key_of_a_ring_is_taken_and_no_other(void **state)
{
    (void)state;
    gw_auto(gw_token_key) struct gw_token_key *a = key_of(GW_TOKEN_KEY_HS256, "a" SECRET, GW_STR_NULL);
    gw_auto(gw_token_key) struct gw_token_key *b = key_of(GW_TOKEN_KEY_HS256, "b" SECRET, GW_STR_NULL);
    gw_auto(gw_token_key) struct gw_token_key *c = key_of(GW_TOKEN_KEY_HS256, "c" SECRET, GW_STR_NULL);
    gw_auto(gw_token_key) struct gw_token_key *d = key_of(GW_TOKEN_KEY_HS256, "d" SECRET, GW_STR_NULL);
    gw_auto(gw_token_key) struct gw_token_key *as_a = key_of(GW_TOKEN_KEY_HS256, "b" SECRET, gw_token_key_id(a));
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = verifier_of(a, b, c);
    assert_int_equal(gw_jwt_verify(v, token_by(a, 0), NOW, &claims), GW_JWT_OK);
    assert_int_equal(gw_jwt_verify(v, token_by(b, 0), NOW, &claims), GW_JWT_OK);
    assert_int_equal(gw_jwt_verify(v, token_by(c, 0), NOW, &claims), GW_JWT_OK);
    assert_int_equal(gw_jwt_verify(v, token_by(d, 0), NOW, &claims), GW_JWT_KEY_ID);
    assert_int_equal(gw_jwt_verify(v, token_by(as_a, 0), NOW, &claims),
                     GW_JWT_SIGNATURE); /* b's signature under a's name */
}

/* What public texts there are, tried as an HMAC secret: the attack that a header-chosen algorithm allows. */
static void the_key_decides_the_algorithm(void **state)
{
    (void)state;
    gw_auto(gw_token_key) struct gw_token_key *ed = key_of(GW_TOKEN_KEY_ED25519, SEED, GW_STR_NULL);
    gw_auto(gw_token_key) struct gw_token_key *public = key_of(GW_TOKEN_KEY_ED25519_PUBLIC, PUBLIC, GW_STR_NULL);
    gw_auto(gw_token_key) struct gw_token_key *forger = key_of(GW_TOKEN_KEY_HS256, PUBLIC, gw_token_key_id(ed));
    gw_auto(gw_token_key) struct gw_token_key *secret = key_of(GW_TOKEN_KEY_HS256, SECRET, GW_STR_NULL);
    gw_auto(gw_token_key) struct gw_token_key *ed_as_secret =
        key_of(GW_TOKEN_KEY_ED25519, SEED, gw_token_key_id(secret));
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *eddsa = verifier_of(public, NULL, NULL);
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *hs256 = verifier_of(secret, NULL, NULL);
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *both = verifier_of(secret, public, NULL);
    assert_int_equal(gw_jwt_verify(eddsa, token_by(ed, 0), NOW, &claims), GW_JWT_OK);
    assert_int_equal(gw_jwt_verify(both, token_by(ed, 0), NOW, &claims), GW_JWT_OK);
    assert_int_equal(gw_jwt_verify(both, token_by(secret, 0), NOW, &claims), GW_JWT_OK);
    assert_int_equal(gw_jwt_verify(eddsa, token_by(forger, 0), NOW, &claims), GW_JWT_ALGORITHM);
    assert_int_equal(gw_jwt_verify(both, token_by(forger, 0), NOW, &claims), GW_JWT_ALGORITHM);
    assert_int_equal(gw_jwt_verify(hs256, token_by(ed_as_secret, 0), NOW, &claims), GW_JWT_ALGORITHM);
    assert_int_equal(gw_jwt_verify(both, token_by(ed_as_secret, 0), NOW, &claims), GW_JWT_ALGORITHM);
}

static void a_remembered_token_still_ends_and_begins_in_its_time(void **state)
{
    (void)state;
    gw_auto(gw_token_key) struct gw_token_key *ed = key_of(GW_TOKEN_KEY_ED25519, SEED, GW_STR_NULL);
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = verifier_of(ed, NULL, NULL);
    struct gw_str token = token_by(ed, 7);
    for (int again = 0; again < 3; again++) {
        memset(&claims, 0xee, sizeof(claims));
        assert_int_equal(gw_jwt_verify(v, token, NOW, &claims), GW_JWT_OK);
        assert_true(gw_str_eq(claims.sub, GW_STR("018f3b5a-7c1e-7aaa-8bbb-0123456789ab")));
        assert_true(gw_str_eq(claims.role, GW_STR("trader")));
        assert_true(gw_str_eq(claims.iss, GW_STR("i")));
        assert_int_equal(claims.sid.b[0], 1);
        assert_int_equal(claims.jti.b[1], 7);
        assert_int_equal(claims.iat_s, NOW);
        assert_int_equal(claims.exp_s, NOW + 60);
        assert_int_equal(claims.nbf_s, 0);
    }
    assert_int_equal(gw_jwt_verify(v, token, NOW + 60, &claims), GW_JWT_EXPIRED);
    assert_int_equal(gw_jwt_verify(v, token, NOW - 1, &claims), GW_JWT_NOT_YET);
    char forged[GW_JWT_MAX_BYTES];
    memcpy(forged, token.ptr, token.len);
    forged[token.len - 4] = forged[token.len - 4] == 'A' ? 'B' : 'A';
    assert_int_equal(gw_jwt_verify(v, (struct gw_str){forged, token.len}, NOW, &claims), GW_JWT_SIGNATURE);
    assert_int_equal(gw_jwt_verify(v, (struct gw_str){forged, token.len}, NOW, &claims), GW_JWT_SIGNATURE);
}

static void what_is_remembered_ends_with_the_verifier(void **state)
{
    (void)state;
    gw_auto(gw_token_key) struct gw_token_key *ed = key_of(GW_TOKEN_KEY_ED25519, SEED, GW_STR_NULL);
    gw_auto(gw_token_key) struct gw_token_key *other = key_of(GW_TOKEN_KEY_ED25519, OTHER_SEED, GW_STR_NULL);
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = verifier_of(ed, NULL, NULL),
                                                    *later = verifier_of(other, NULL, NULL);
    struct gw_str token = token_by(ed, 0);
    assert_int_equal(gw_jwt_verify(v, token, NOW, &claims), GW_JWT_OK);
    assert_int_equal(gw_jwt_verify(later, token, NOW, &claims), GW_JWT_KEY_ID);
}

static struct gw_token_digest digest(uint16_t set, uint8_t n)
{
    return (struct gw_token_digest){{(uint8_t)set, (uint8_t)(set >> 8), n}};
}

static void the_cache_is_bounded_and_keeps_what_is_used(void **state)
{
    (void)state;
    struct gw_token_cache *c = NULL;
    const struct gw_jwt_claims kept = {.sub = GW_STR("u"), .exp_s = NOW};
    assert_int_equal(gw_token_cache_new(&c, NULL), GW_OK);
    struct gw_token_digest used = digest(5, 0);
    gw_token_cache_put(c, &used, &kept);
    for (uint8_t n = 1; n < 100; n++) { /* far more than a set holds */
        struct gw_token_digest d = digest(5, n);
        gw_token_cache_put(c, &d, &kept);
        assert_true(gw_token_cache_get(c, &d, &claims));
        assert_true(gw_token_cache_get(c, &used, &claims));
    }
    struct gw_token_digest old = digest(5, 50), elsewhere = digest(6, 0);
    assert_false(gw_token_cache_get(c, &old, &claims));
    assert_false(gw_token_cache_get(c, &elsewhere, &claims));
    char longer[64];
    memset(longer, 'x', sizeof(longer));
    const struct gw_jwt_claims strange = {.sub = {longer, sizeof(longer)}};
    gw_token_cache_put(c, &elsewhere, &strange);
    assert_false(gw_token_cache_get(c, &elsewhere, &claims));
    gw_token_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_has_one_name_and_a_secret_shows_nothing),
        cmocka_unit_test(refuses_texts_that_are_no_keys),
        cmocka_unit_test(every_key_of_a_ring_is_taken_and_no_other),
        cmocka_unit_test(the_key_decides_the_algorithm),
        cmocka_unit_test(a_remembered_token_still_ends_and_begins_in_its_time),
        cmocka_unit_test(what_is_remembered_ends_with_the_verifier),
        cmocka_unit_test(the_cache_is_bounded_and_keeps_what_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
