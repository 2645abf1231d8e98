/* SPDX-License-Identifier: Apache-2.0 */
/* Known answers are replayed from corpora in tests/replay. Costs here are the least the algorithms allow. */
#include "crypto/pwhash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct gw_pwhash_params cheap = {.memory_kib = 64, .passes = 1, .lanes = 1};

static void make(struct gw_str password, uint64_t seed, char hash[GW_PWHASH_LEN])
{
    struct gw_fake_random r;
    gw_fake_random_init(&r, seed);
    assert_int_equal(gw_pwhash_make(password, &cheap, &r.random, hash, NULL), GW_OK);
}

static void a_made_hash_verifies_its_password_alone(void **state)
{
    (void)state;
    char hash[GW_PWHASH_LEN], other[GW_PWHASH_LEN];
    make(GW_STR("correct horse"), 1, hash);
    assert_int_equal(strncmp(hash, "$argon2id$v=19$m=64,t=1,p=1$", 28), 0);
    assert_int_equal(gw_pwhash_verify(hash, GW_STR("correct horse"), NULL), GW_OK);
    assert_int_equal(gw_pwhash_verify(hash, GW_STR("correct horsf"), NULL), GW_EDENIED);
    assert_int_equal(gw_pwhash_verify(hash, GW_STR("correct hors"), NULL), GW_EDENIED);
    assert_int_equal(gw_pwhash_verify(hash, GW_STR(""), NULL), GW_EDENIED);
    assert_int_equal(gw_pwhash_verify(hash, GW_STR("correct horse\0"), NULL), GW_EDENIED);
    make(GW_STR("correct horse"), 2, other);
    assert_string_not_equal(hash, other); /* salted */
}

static void passwords_are_never_truncated_by_argon2id(void **state)
{
    (void)state;
    char hash[GW_PWHASH_LEN], password[GW_PASSWORD_MAX_BYTES + 1];
    struct gw_error err;
    memset(password, 'p', sizeof(password));
    make((struct gw_str){password, GW_PASSWORD_MAX_BYTES}, 1, hash);
    assert_int_equal(gw_pwhash_verify(hash, (struct gw_str){password, GW_PASSWORD_MAX_BYTES}, NULL), GW_OK);
    assert_int_equal(gw_pwhash_verify(hash, (struct gw_str){password, GW_PASSWORD_MAX_BYTES - 1}, NULL), GW_EDENIED);
    assert_int_equal(
        gw_pwhash_make((struct gw_str){password, sizeof(password)}, &cheap, gw_system_random(), hash, &err), GW_EINVAL);
    make(GW_STR("nul\0inside"), 1, hash);
    assert_int_equal(gw_pwhash_verify(hash, GW_STR("nul\0inside"), NULL), GW_OK);
    assert_int_equal(gw_pwhash_verify(hash, GW_STR("nul"), NULL), GW_EDENIED);
}

static void bcrypt_verifies(void **state)
{
    (void)state;
    const struct {
        const char *hash;
        struct gw_str password;
        enum gw_code want;
    } rows[] = {
        {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", GW_STR("U*U"), GW_OK},
        {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", GW_STR("U*V"), GW_EDENIED},
        {"$2b$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", GW_STR(""), GW_OK},
        /* Not "": crypt stops at a NUL. */
        {"$2b$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", GW_STR("\0rest"), GW_EDENIED},
        {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", GW_STR("U*U\0rest"), GW_EDENIED},
        /* Made elsewhere of more than 72 bytes: verifies as it did there. */
        {"$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
         GW_STR("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored"),
         GW_OK},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(gw_pwhash_verify(rows[i].hash, rows[i].password, NULL), rows[i].want);
}

/* What no pool may be frozen or fooled by. */
static void unknown_and_costly_hashes_are_refused(void **state)
{
    (void)state;
#define TAIL "$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
    const char *const rows[] = {
        "",
        "plain",
        "$1$abc$def",
        "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
        "$2$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWx",
        "$2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$5$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWx",
        "$2a$0:$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWW",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO W",
        "*0",
        "*",
        "$argon2i$v=19$m=64,t=1,p=1" TAIL,
        "$argon2d$v=19$m=64,t=1,p=1" TAIL,
        "$argon2id$m=64,t=1,p=1" TAIL,
        "$argon2id$v=16$m=64,t=1,p=1" TAIL,
        "$argon2id$v=19$m=1048577,t=1,p=1" TAIL,
        "$argon2id$v=19$m=64,t=65,p=1" TAIL,
        "$argon2id$v=19$m=64,t=1,p=17" TAIL,
        "$argon2id$v=19$m=4294967360,t=1,p=1" TAIL,
        "$argon2id$v=19$m=0,t=1,p=1" TAIL,
        "$argon2id$v=19$m=064,t=1,p=1" TAIL,
        "$argon2id$v=19$m=-64,t=1,p=1" TAIL,
        "$argon2id$v=19$m=64,t=0,p=1" TAIL,
        "$argon2id$v=19$t=1,m=64,p=1" TAIL,
        "$argon2id$v=19$m=64,t=1" TAIL,
        "$argon2id$v=19$m=64,t=1,p=1,data=x" TAIL,
        "$argon2id$v=19$m=64,t=1,p=1," TAIL,
        "$argon2id$v=19$m=64,t=1,p=1",
        "$argon2id$v=19$m=64,t=1,p=1$$",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA",
        "$argon2id$v=19$m=64,t=1,p=1" TAIL "$more",
        "$argon2id$v=19$m=64,t=1,p=1" TAIL
        "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPcCTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_error err = {.code = GW_OK};
        assert_false(gw_pwhash_is_known(gw_str(rows[i])));
        assert_int_equal(gw_pwhash_verify(rows[i], GW_STR("password"), &err), GW_EPARSE);
        assert_true(rows[i][0] == '\0' || strstr(err.msg, rows[i]) == NULL);
        assert_true(gw_pwhash_is_outdated(rows[i], &cheap));
    }
    /* Of a known form, but the library finds the salt too short or the text no base64. */
    assert_int_equal(gw_pwhash_verify("$argon2id$v=19$m=64,t=1,p=1$c29t$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                                      GW_STR("password"), NULL),
                     GW_EPARSE);
    assert_int_equal(
        gw_pwhash_verify("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$!!!!", GW_STR("password"), NULL),
        GW_EPARSE);
}

static void costs_beyond_sense_are_not_made(void **state)
{
    (void)state;
    char hash[GW_PWHASH_LEN];
    const struct gw_pwhash_params rows[] = {
        {1024 * 1024 + 1, 1, 1}, {64, 65, 1}, {64, 1, 17}, {64, 0, 1}, {0, 1, 1}, {64, 1, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_not_equal(gw_pwhash_make(GW_STR("x"), &rows[i], gw_system_random(), hash, NULL), GW_OK);
}

static void what_is_weaker_than_the_settings_is_outdated(void **state)
{
    (void)state;
    const struct {
        const char *hash;
        struct gw_pwhash_params params;
        bool want;
    } rows[] = {
        {"$argon2id$v=19$m=64,t=2,p=1" TAIL, {64, 2, 1}, false},
        {"$argon2id$v=19$m=64,t=2,p=1" TAIL, {65, 2, 1}, true},
        {"$argon2id$v=19$m=64,t=2,p=1" TAIL, {64, 3, 1}, true},
        {"$argon2id$v=19$m=65,t=3,p=1" TAIL, {64, 2, 1}, false},
        {"$argon2id$v=19$m=64,t=2,p=1" TAIL, {64, 2, 4}, false}, /* lanes are no cost */
        {"$2b$12$oBfibYsN1nBKizMrxMzUf.yy0H3A9tKjwhIhorlf3FSiJ23KQ46jC", {64, 1, 1}, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(gw_pwhash_is_known(gw_str(rows[i].hash)));
        assert_int_equal(gw_pwhash_is_outdated(rows[i].hash, &rows[i].params), rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_made_hash_verifies_its_password_alone),
        cmocka_unit_test(passwords_are_never_truncated_by_argon2id),
        cmocka_unit_test(bcrypt_verifies),
        cmocka_unit_test(unknown_and_costly_hashes_are_refused),
        cmocka_unit_test(costs_beyond_sense_are_not_made),
        cmocka_unit_test(what_is_weaker_than_the_settings_is_outdated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
