/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 version 3 (RFC 5280): basicConstraints CA:FALSE, so that whoever trusts the certificate trusts no other; names in
 * subjectAltName, the only place where clients look (RFC 9525). The key pair comes from OpenSSL's own generator.
 */
#include "crypto/certificate.h"
#include "base/file.h"
#include "base/ip.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

static void key_auto(EVP_PKEY **p)
{
    EVP_PKEY_free(*p);
}

static void x509_auto(X509 **p)
{
    X509_free(*p);
}

static void crl_auto(X509_CRL **p)
{
    X509_CRL_free(*p);
}

static void bio_auto(BIO **p)
{
    BIO_free_all(*p);
}
#define scoped(cleanup_fn) __attribute__((cleanup(cleanup_fn)))

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e != NULL && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool add_name(X509_NAME *name, const char *field, const char *value)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC, (const unsigned char *)value, -1, -1, 0) == 1;
}

/* 127 random bits: positive and never short of entropy (CA/Browser Forum: 64 at least). */
static bool set_serial(X509 *x, const uint8_t bytes[16])
{
    uint8_t positive[16];
    for (size_t i = 0; i < sizeof(positive); i++)
        positive[i] = bytes[i];
    positive[0] = (uint8_t)((positive[0] & 0x7f) | 0x40);
    BIGNUM *n = BN_bin2bn(positive, sizeof(positive), NULL);
    bool ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL;
    BN_free(n);
    return ok;
}

#define NAMES_MAX_BYTES 4096

/* What OpenSSL's own syntax for extensions has no other meaning for. */
static bool is_host(struct gw_str name)
{
    struct gw_str rest = gw_str_starts(name, GW_STR("*.")) ? gw_str_sub(name, 2, name.len) : name;
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_letter && ((c != '.' && c != '-') || i == 0))
            return false;
    }
    return rest.len > 0 && name.len <= 253;
}

static enum gw_code print_names(struct gw_str names, struct gw_buf *out, struct gw_error *err)
{
    struct gw_str name;
    struct gw_ip ip;
    gw_buf_add(out, GW_STR("DNS:localhost,IP:127.0.0.1,IP:::1"));
    if (names.len == 0)
        return GW_OK;
    while (gw_str_split(&names, ',', &name)) {
        name = gw_str_trim(name);
        bool is_address = gw_ip_parse(name, &ip) == GW_OK;
        if (!is_address && !is_host(name))
            return gw_fail(err, GW_EINVAL, "`%.*s` is neither a host name nor an address", GW_STR_ARG(name));
        gw_buf_addf(out, ",%s:%.*s", is_address ? "IP" : "DNS", GW_STR_ARG(name));
    }
    return gw_buf_check(out, err);
}

#define DAY_S (INT64_C(24) * 60 * 60)
#define OWN_DAYS 3650

/* An hour back, for clients whose clock is behind. */
static bool set_times(X509 *x, int64_t now_s, int64_t days)
{
    return ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(now_s - 3600)) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(now_s + days * DAY_S - 3600)) != NULL;
}

static bool fill(X509 *x, EVP_PKEY *key, const uint8_t serial[16], const char *names, int64_t now_s)
{
    X509_NAME *name = X509_get_subject_name(x);
    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x, serial) &&
           set_times(x, now_s, GW_CERTIFICATE_DAYS) && add_name(name, "O", GW_CERTIFICATE_DEVELOPMENT) &&
           add_name(name, "CN", "localhost") && X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
           add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x, NID_ext_key_usage, "serverAuth") && add_extension(x, NID_subject_alt_name, names) &&
           X509_sign(x, key, EVP_sha256()) > 0;
}

/* Moves what was written into the memory BIO to a file. */
static enum gw_code store(BIO *bio, const char *path, mode_t mode, struct gw_error *err)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    return gw_file_create(path, mode, (struct gw_str){text, len > 0 ? (size_t)len : 0}, err);
}

enum gw_code gw_certificate_create(const char *certificate_path, const char *key_path, struct gw_str names,
                                   const struct gw_clock *clock, const struct gw_random *random, struct gw_error *err)
{
    uint8_t serial[16];
    gw_auto(gw_buf) struct gw_buf alternatives = {0};
    gw_buf_init(&alternatives, NAMES_MAX_BYTES);
    GW_TRY(print_names(names, &alternatives, err));
    if (access(certificate_path, F_OK) == 0 || access(key_path, F_OK) == 0)
        return gw_fail(err, GW_ECONFLICT, "%s or %s exists", certificate_path, key_path);
    GW_TRY(gw_random_fill(random, serial, sizeof(serial), err));

    scoped(key_auto) EVP_PKEY *key = EVP_EC_gen("P-256");
    scoped(x509_auto) X509 *x = X509_new();
    /* Secure memory: what held the key is wiped when it is freed. */
    scoped(bio_auto) BIO *key_text = BIO_new(BIO_s_secmem());
    scoped(bio_auto) BIO *certificate_text = BIO_new(BIO_s_mem());
    if (key == NULL || x == NULL || key_text == NULL || certificate_text == NULL ||
        !fill(x, key, serial, alternatives.ptr, gw_clock_real_s(clock)) ||
        PEM_write_bio_PrivateKey(key_text, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_X509(certificate_text, x) != 1)
        return gw_fail(err, GW_ECRYPTO, "cannot make a certificate");

    GW_TRY(store(key_text, key_path, 0600, err));
    enum gw_code code = store(certificate_text, certificate_path, 0644, err);
    if (code != GW_OK)
        unlink(key_path); /* made above; alone it would be in the way of the next try */
    return code;
}

/* ---- for calls of our own ---- */

static bool fill_own(X509 *x, EVP_PKEY *key, const uint8_t serial[16], int64_t now_s)
{
    X509_NAME *name = X509_get_subject_name(x);
    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x, serial) && set_times(x, now_s, OWN_DAYS) &&
           add_name(name, "CN", GW_CERTIFICATE_OWN) && X509_set_issuer_name(x, name) == 1 &&
           X509_set_pubkey(x, key) == 1 && add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, NID_key_usage, "critical,digitalSignature,cRLSign") &&
           add_extension(x, NID_ext_key_usage, "clientAuth") && X509_sign(x, key, EVP_sha256()) > 0;
}

static bool fill_revoked(X509_CRL *crl, const X509 *x, EVP_PKEY *key)
{
    return X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
           X509_CRL_set_issuer_name(crl, X509_get_subject_name(x)) == 1 &&
           X509_CRL_set1_lastUpdate(crl, X509_get0_notBefore(x)) == 1 &&
           X509_CRL_set1_nextUpdate(crl, X509_get0_notAfter(x)) == 1 && X509_CRL_sign(crl, key, EVP_sha256()) > 0;
}

enum gw_code gw_certificate_make_own(struct gw_buf *out, const struct gw_clock *clock, const struct gw_random *random,
                                     struct gw_error *err)
{
    uint8_t serial[16];
    char *pem = NULL;
    GW_TRY(gw_random_fill(random, serial, sizeof(serial), err));
    scoped(key_auto) EVP_PKEY *key = EVP_EC_gen("P-256");
    scoped(x509_auto) X509 *x = X509_new();
    scoped(crl_auto) X509_CRL *crl = X509_CRL_new();
    scoped(bio_auto) BIO *text = BIO_new(BIO_s_secmem());
    if (key == NULL || x == NULL || crl == NULL || text == NULL || !fill_own(x, key, serial, gw_clock_real_s(clock)) ||
        !fill_revoked(crl, x, key) || PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_X509(text, x) != 1 || PEM_write_bio_X509_CRL(text, crl) != 1)
        return gw_fail(err, GW_ECRYPTO, "cannot make a certificate for the gateway's own calls");
    long len = BIO_get_mem_data(text, &pem);
    gw_buf_add(out, (struct gw_str){pem, len > 0 ? (size_t)len : 0});
    return gw_buf_check(out, err);
}
