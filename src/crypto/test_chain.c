/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"
#include "base/file.h"
#include "crypto/certificate.h"
#include "crypto/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define NOW_S INT64_C(1764000000)
#define DAY_S INT64_C(86400)

/* An authority, one below it that signs, and what that has signed. */
enum { ROOT, SIGNING, LEAF, RSA_LEAF, CAST };
static EVP_PKEY *keys[CAST];
static X509 *certificates[CAST];

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static void certify(int who, int by, const char *name, const char *alternatives)
{
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), who + 1);
    ASN1_TIME_set(X509_getm_notBefore(x), NOW_S - DAY_S);
    ASN1_TIME_set(X509_getm_notAfter(x), NOW_S + 90 * DAY_S);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509 *issuer = by == who ? x : certificates[by];
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    X509_set_pubkey(x, keys[who]);
    extend(x, issuer, NID_basic_constraints, alternatives == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (alternatives != NULL) {
        extend(x, issuer, NID_subject_alt_name, alternatives);
        extend(x, issuer, NID_info_access,
               who == RSA_LEAF ? "OCSP;URI:http://a\x1b[2J" : "OCSP;URI:http://127.0.0.1:9/ocsp");
    }
    assert_true(X509_sign(x, keys[by], EVP_sha256()) > 0);
    certificates[who] = x;
}

static int make_cast(void **state)
{
    (void)state;
    for (int i = 0; i < CAST; i++)
        keys[i] = i == RSA_LEAF ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    certify(ROOT, ROOT, "Root", NULL);
    certify(SIGNING, ROOT, "Signing", NULL);
    certify(LEAF, SIGNING, "a\x1b[2J", "DNS:gw.example.com,IP:192.0.2.7,IP:2001:db8::1,email:ops@example.com");
    certify(RSA_LEAF, SIGNING, "gw.example.com", "DNS:gw.example.com");
    return 0;
}

static int free_cast(void **state)
{
    (void)state;
    for (int i = 0; i < CAST; i++) {
        EVP_PKEY_free(keys[i]);
        X509_free(certificates[i]);
    }
    return 0;
}

static void add(struct gw_buf *out, int who)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    PEM_write_bio_X509(bio, certificates[who]);
    long len = BIO_get_mem_data(bio, &text);
    gw_buf_add(out, (struct gw_str){text, (size_t)len});
    BIO_free(bio);
}

static void add_key(struct gw_buf *out, int who, const EVP_CIPHER *cipher)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    PEM_write_bio_PrivateKey(bio, keys[who], cipher, (const unsigned char *)"secret", cipher != NULL ? 6 : 0, NULL,
                             NULL);
    long len = BIO_get_mem_data(bio, &text);
    gw_buf_add(out, (struct gw_str){text, (size_t)len});
    BIO_free(bio);
}

/* Of the cast's members in that order, up to -1. */
static struct gw_chain *chain_of(const int *members)
{
    struct gw_chain *c = NULL;
    gw_auto(gw_buf) struct gw_buf pem = {0};
    gw_buf_init(&pem, GW_CHAIN_MAX_BYTES);
    for (; *members >= 0; members++)
        add(&pem, *members);
    assert_int_equal(gw_chain_parse(gw_buf_str(&pem), &c, NULL), GW_OK);
    return c;
}
#define CHAIN(...) chain_of((const int[]){__VA_ARGS__, -1})

static void what_it_says_of_itself(void **state)
{
    (void)state;
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_auto(gw_chain) struct gw_chain *c = CHAIN(LEAF, SIGNING), *rsa = CHAIN(RSA_LEAF), *root = CHAIN(ROOT);
    struct gw_chain_facts f;
    gw_arena_init(&a, 65536);
    assert_int_equal(gw_chain_facts(c, &a, &f, NULL), GW_OK);
    assert_string_equal(f.subject.ptr, "CN=a\\1B[2J"); /* nothing that a terminal obeys */
    assert_string_equal(f.issuer.ptr, "CN=Signing");
    assert_string_equal(f.names.ptr, "gw.example.com, 192.0.2.7, 2001:db8::1, ops@example.com");
    assert_string_equal(f.key.ptr, "EC prime256v1");
    assert_string_equal(f.responder.ptr, "http://127.0.0.1:9/ocsp");
    assert_int_equal(f.not_before_s, NOW_S - DAY_S);
    assert_int_equal(f.not_after_s, NOW_S + 90 * DAY_S);
    assert_int_equal(strlen(f.fingerprint), GW_FINGERPRINT_LEN);
    assert_int_equal(f.count, 2);
    assert_false(f.is_development || f.is_self_signed);
    assert_int_equal(gw_chain_facts(rsa, &a, &f, NULL), GW_OK);
    assert_string_equal(f.key.ptr, "RSA 2048");
    assert_int_equal(f.responder.len, 0); /* of an escape in it, too */
    assert_int_equal(gw_chain_facts(root, &a, &f, NULL), GW_OK);
    assert_true(f.is_self_signed);
    assert_int_equal(f.responder.len, 0);
    int64_t end_s = 0;
    assert_int_equal(gw_chain_not_after(c, &end_s, NULL), GW_OK);
    assert_int_equal(end_s, NOW_S + 90 * DAY_S);
    assert_false(gw_chain_same_kind(c, rsa));
    assert_true(gw_chain_same_kind(c, root));
}

static void names_are_those_of_the_first_one(void **state)
{
    static const struct {
        const char *name;
        bool is_covered;
    } rows[] = {
        {"gw.example.com", true},
        {"GW.example.com", true},
        {"192.0.2.7", true},
        {"2001:db8::1", true},
        {"192.0.2.8", false},
        {"example.com", false},
        {"Signing", false},
        {"a", false},
        {"", false},
        {"gw.example.com.evil.org", false},
    };
    (void)state;
    gw_auto(gw_chain) struct gw_chain *c = CHAIN(LEAF, SIGNING);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (gw_chain_covers(c, gw_str(rows[i].name)) != rows[i].is_covered)
            fail_msg("%s", rows[i].name);
    assert_false(gw_chain_covers(c, (struct gw_str){"gw.example.com\0x", 16}));
}

static void a_key_is_its_own_or_refused(void **state)
{
    (void)state;
    gw_auto(gw_chain) struct gw_chain *c = CHAIN(LEAF, SIGNING);
    struct {
        int key;
        const EVP_CIPHER *cipher;
        enum gw_code code;
    } rows[] = {{LEAF, NULL, GW_OK},
                {SIGNING, NULL, GW_EDENIED},
                {RSA_LEAF, NULL, GW_EDENIED},
                {LEAF, EVP_aes_128_cbc(), GW_EPARSE}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_buf) struct gw_buf key = {0};
        gw_buf_init(&key, 8192);
        add_key(&key, rows[i].key, rows[i].cipher);
        assert_int_equal(gw_chain_check_key(c, gw_buf_str(&key), NULL), rows[i].code);
        assert_int_equal(gw_chain_check_key(c, gw_str_sub(gw_buf_str(&key), 0, key.len / 2), NULL), GW_EPARSE);
    }
    assert_int_equal(gw_chain_check_key(c, GW_STR_NULL, NULL), GW_EPARSE);
}

static void trust_wants_every_link_and_the_time(void **state)
{
    (void)state;
    gw_auto(gw_buf) struct gw_buf root = {0};
    gw_auto(gw_chain) struct gw_chain *whole = CHAIN(LEAF, SIGNING), *broken = CHAIN(LEAF),
                                      *odd = CHAIN(LEAF, RSA_LEAF), *authority = CHAIN(SIGNING);
    gw_buf_init(&root, 8192);
    add(&root, ROOT);
    const struct {
        const struct gw_chain *chain;
        struct gw_str authorities;
        int64_t now_s;
        enum gw_code code;
    } rows[] = {
        {whole, gw_buf_str(&root), NOW_S, GW_OK},
        {whole, GW_STR_NULL, NOW_S, GW_EDENIED},
        {broken, gw_buf_str(&root), NOW_S, GW_EDENIED},
        {odd, gw_buf_str(&root), NOW_S, GW_EDENIED},
        {authority, gw_buf_str(&root), NOW_S, GW_OK},
        {whole, gw_buf_str(&root), NOW_S + 91 * DAY_S, GW_EDENIED},
        {whole, gw_buf_str(&root), NOW_S - 2 * DAY_S, GW_EDENIED},
        {whole, GW_STR("nonsense"), NOW_S, GW_EPARSE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (gw_chain_check_trust(rows[i].chain, rows[i].authorities, rows[i].now_s, NULL) != rows[i].code)
            fail_msg("row %zu", i);
}

static void what_is_no_chain_is_refused(void **state)
{
    static const struct gw_str texts[] = {
        GW_STR_NULL,
        GW_STR("\0"),
        GW_STR("nonsense\n"),
        GW_STR("-----BEGIN CERTIFICATE-----\n"),
        GW_STR("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
        GW_STR("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
        GW_STR("-----BEGIN CERTIFICATE-----\n####\n-----END CERTIFICATE-----\n"),
        GW_STR("-----BEGIN CERTIFICATE-----\nMAA=\n-----END PRIVATE KEY-----\n"),
        GW_STR("-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n"),
        GW_STR("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"),
    };
    (void)state;
    gw_auto(gw_buf) struct gw_buf one = {0}, many = {0}, large = {0};
    struct gw_chain *c = NULL;
    gw_buf_init(&large, GW_CHAIN_MAX_BYTES + 8192);
    gw_buf_init(&one, 8192);
    gw_buf_init(&many, GW_CHAIN_MAX_BYTES);
    add(&one, LEAF);
    for (int i = 0; i < 17; i++)
        add(&many, LEAF);
    struct gw_str pem = gw_buf_str(&one);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (gw_chain_parse(texts[i], &c, NULL) != GW_EPARSE)
            fail_msg("row %zu", i);
    assert_int_equal(gw_chain_parse(gw_buf_str(&many), &c, NULL), GW_EPARSE);
    while (large.len < GW_CHAIN_MAX_BYTES)
        gw_buf_addc(&large, '\n');
    add(&large, LEAF);
    assert_int_equal(gw_chain_parse(gw_buf_str(&large), &c, NULL), GW_EPARSE);
    for (size_t len = 0; len < pem.len - 30; len++)
        assert_int_equal(gw_chain_parse(gw_str_sub(pem, 0, len), &c, NULL), GW_EPARSE);
    /* One that can be read, then one that cannot. */
    gw_buf_add(&one, gw_str_sub(pem, 0, pem.len / 2));
    assert_int_equal(gw_chain_parse(gw_buf_str(&one), &c, NULL), GW_EPARSE);
    assert_int_equal(gw_chain_load("/nonexistent/cert.pem", &c, NULL), GW_ENOTFOUND);
    assert_null(c);
}

/* end_s 0: it names none. */
static void add_list(struct gw_buf *out, int64_t end_s)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *begin = ASN1_TIME_set(NULL, NOW_S), *end = ASN1_TIME_set(NULL, end_s);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(certificates[ROOT]));
    X509_CRL_set1_lastUpdate(crl, begin);
    if (end_s != 0)
        X509_CRL_set1_nextUpdate(crl, end);
    assert_true(X509_CRL_sign(crl, keys[ROOT], EVP_sha256()) > 0);
    PEM_write_bio_X509_CRL(bio, crl);
    long len = BIO_get_mem_data(bio, &text);
    gw_buf_add(out, (struct gw_str){text, (size_t)len});
    BIO_free(bio);
    ASN1_TIME_free(begin);
    ASN1_TIME_free(end);
    X509_CRL_free(crl);
}

static void lists_end_with_the_first_of_them(void **state)
{
    static const struct {
        int64_t end_s[2]; /* -1: no second one */
        int64_t wanted_s;
    } rows[] = {
        {{NOW_S + DAY_S, -1}, NOW_S + DAY_S},
        {{NOW_S + DAY_S, NOW_S + 9 * DAY_S}, NOW_S + DAY_S},
        {{NOW_S + 9 * DAY_S, NOW_S - DAY_S}, NOW_S - DAY_S},
        {{0, NOW_S + DAY_S}, NOW_S + DAY_S},
        {{0, -1}, INT64_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_buf) struct gw_buf pem = {0};
        int64_t end_s = 7;
        gw_buf_init(&pem, 8192);
        add(&pem, ROOT); /* of others than lists nothing is taken */
        for (size_t k = 0; k < 2 && rows[i].end_s[k] >= 0; k++)
            add_list(&pem, rows[i].end_s[k]);
        assert_int_equal(gw_chain_check_revoked(gw_buf_str(&pem), &end_s, NULL), GW_OK);
        assert_int_equal(end_s, rows[i].wanted_s);
        end_s = 7;
        assert_int_equal(gw_chain_check_revoked(gw_str_sub(gw_buf_str(&pem), 0, pem.len - 40), &end_s, NULL),
                         GW_EPARSE);
        assert_int_equal(end_s, 7);
    }
}

/* Some keep both in one file, in either order. */
static void the_first_one_comes_without_what_stands_beside_it(void **state)
{
    (void)state;
    gw_auto(gw_buf) struct gw_buf file = {0}, first = {0}, again = {0};
    gw_auto(gw_chain) struct gw_chain *c = NULL;
    gw_buf_init(&file, 65536);
    gw_buf_init(&first, 8192);
    gw_buf_init(&again, 8192);
    add_key(&file, LEAF, NULL);
    add(&file, LEAF);
    add(&file, SIGNING);
    add(&first, LEAF);
    assert_int_equal(gw_chain_parse(gw_buf_str(&file), &c, NULL), GW_OK);
    assert_int_equal(gw_chain_add_first(c, &again, NULL), GW_OK);
    assert_string_equal(again.ptr, first.ptr);
}

static void ours_for_development_is_known_by_what_is_in_it(void **state)
{
    char dir[] = "/tmp/gw-test-chain-XXXXXX", certificate[64], key[64];
    struct gw_fake_clock clock;
    struct gw_fake_random random;
    struct gw_chain_facts f;
    (void)state;
    gw_auto(gw_chain) struct gw_chain *c = NULL;
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_arena_init(&a, 65536);
    assert_non_null(mkdtemp(dir));
    snprintf(certificate, sizeof(certificate), "%s/a-desk.pem", dir);
    snprintf(key, sizeof(key), "%s/key.pem", dir);
    gw_fake_clock_init(&clock, NOW_S * 1000);
    gw_fake_random_init(&random, 1);
    assert_int_equal(gw_certificate_create(certificate, key, GW_STR_NULL, &clock.clock, &random.random, NULL), GW_OK);
    assert_int_equal(gw_chain_load(certificate, &c, NULL), GW_OK);
    assert_int_equal(gw_chain_facts(c, &a, &f, NULL), GW_OK);
    assert_true(f.is_development && f.is_self_signed);
    uint8_t fingerprint[GW_FINGERPRINT_BYTES];
    char hex[GW_FINGERPRINT_LEN + 1] = "";
    int64_t not_after_s;
    assert_int_equal(gw_chain_fingerprint(c, fingerprint, &not_after_s, NULL), GW_OK);
    gw_hex_encode(fingerprint, sizeof(fingerprint), hex);
    assert_string_equal(hex, f.fingerprint);
    assert_int_equal(not_after_s, f.not_after_s);
    unlink(certificate);
    unlink(key);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says_of_itself),
        cmocka_unit_test(names_are_those_of_the_first_one),
        cmocka_unit_test(a_key_is_its_own_or_refused),
        cmocka_unit_test(trust_wants_every_link_and_the_time),
        cmocka_unit_test(what_is_no_chain_is_refused),
        cmocka_unit_test(lists_end_with_the_first_of_them),
        cmocka_unit_test(the_first_one_comes_without_what_stands_beside_it),
        cmocka_unit_test(ours_for_development_is_known_by_what_is_in_it),
    };
    return cmocka_run_group_tests(tests, make_cast, free_cast);
}
