/* SPDX-License-Identifier: Apache-2.0 */
/* X.509 (RFC 5280) in PEM (RFC 7468); names as RFC 9525 has it: subjectAltName alone. */
#include "crypto/chain.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/ip.h"
#include "crypto/certificate.h"
#include "crypto/mac.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define CERTIFICATES_MAX 16
#define TEXT_MAX 4096

struct gw_chain {
    X509 *item[CERTIFICATES_MAX];
    size_t count;
};

#define scoped(cleanup_fn) __attribute__((cleanup(cleanup_fn)))

static void bio_auto(BIO **p)
{
    BIO_free_all(*p);
}

static void key_auto(EVP_PKEY **p)
{
    EVP_PKEY_free(*p);
}

static void store_auto(X509_STORE **p)
{
    X509_STORE_free(*p);
}

static void store_ctx_auto(X509_STORE_CTX **p)
{
    X509_STORE_CTX_free(*p);
}

/* Borrowed, of a chain. */
static void stack_auto(STACK_OF(X509) * *p)
{
    sk_X509_free(*p);
}

/* The default would ask at the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return -1;
}

static BIO *reader_of(struct gw_str pem)
{
    return pem.len > 0 && pem.len <= GW_CHAIN_MAX_BYTES ? BIO_new_mem_buf(pem.ptr, (int)pem.len) : NULL;
}

/* ---- life ---- */

enum gw_code gw_chain_parse(struct gw_str pem, struct gw_chain **out, struct gw_error *err)
{
    gw_auto(gw_chain) struct gw_chain *c = calloc(1, sizeof(*c));
    scoped(bio_auto) BIO *bio = reader_of(pem);
    X509 *x;
    if (c == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a certificate chain");
    ERR_clear_error();
    while (bio != NULL && c->count < CERTIFICATES_MAX &&
           (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL)
        c->item[c->count++] = x;
    /* The end is told like a fault: no further line begins a certificate. */
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (c->count == 0 || !ended)
        return gw_fail(err, GW_EPARSE, "expected from 1 to %d certificates in PEM", CERTIFICATES_MAX - 1);
    *out = gw_take(&c);
    return GW_OK;
}

enum gw_code gw_chain_load(const char *path, struct gw_chain **out, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    struct gw_error why = {0};
    gw_buf_init(&text, GW_CHAIN_MAX_BYTES);
    GW_TRY(gw_file_read(path, &text, err));
    enum gw_code code = gw_chain_parse(gw_buf_str(&text), out, &why);
    return code == GW_OK ? GW_OK : gw_fail(err, code, "%s: %s", path, why.msg);
}

void gw_chain_free(struct gw_chain *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++)
        X509_free(c->item[i]);
    free(c);
}

/* ---- facts ---- */

static enum gw_code keep(BIO *bio, struct gw_arena *a, struct gw_str *out, struct gw_error *err)
{
    char *text = NULL;
    long len = bio != NULL ? BIO_get_mem_data(bio, &text) : 0;
    if (bio == NULL || gw_arena_str(a, (struct gw_str){text, len > 0 ? (size_t)len : 0}, out) != GW_OK)
        return gw_fail(err, GW_ENOMEM, "no memory for a certificate's names");
    return GW_OK;
}

/* RFC 2253 escapes what a terminal would obey. */
static enum gw_code keep_name(const X509_NAME *name, struct gw_arena *a, struct gw_str *out, struct gw_error *err)
{
    scoped(bio_auto) BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL)
        (void)X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    return keep(bio, a, out, err);
}

static void print_address(const ASN1_OCTET_STRING *s, BIO *bio)
{
    const unsigned char *b = ASN1_STRING_get0_data(s);
    struct gw_ip ip = {.b = {[10] = 0xff, [11] = 0xff}};
    char text[GW_IP_LEN + 1];
    int len = ASN1_STRING_length(s);
    if (len != 4 && len != 16)
        return;
    memcpy(ip.b + 16 - len, b, (size_t)len);
    gw_ip_format(&ip, text);
    (void)BIO_puts(bio, text);
}

static void print_alternative(const GENERAL_NAME *n, BIO *bio)
{
    if (n->type == GEN_IPADD)
        print_address(n->d.iPAddress, bio);
    else if (n->type == GEN_DNS || n->type == GEN_EMAIL || n->type == GEN_URI)
        (void)ASN1_STRING_print_ex(bio, n->d.ia5, ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_ESC_MSB);
    else
        (void)BIO_puts(bio, "(another kind)");
}

static enum gw_code keep_alternatives(X509 *x, struct gw_arena *a, struct gw_str *out, struct gw_error *err)
{
    scoped(bio_auto) BIO *bio = BIO_new(BIO_s_mem());
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; bio != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        if (i > 0)
            (void)BIO_puts(bio, ", ");
        print_alternative(sk_GENERAL_NAME_value(names, i), bio);
    }
    GENERAL_NAMES_free(names);
    return keep(bio, a, out, err);
}

static enum gw_code keep_key(X509 *x, struct gw_arena *a, struct gw_str *out, struct gw_error *err)
{
    scoped(bio_auto) BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *key = X509_get0_pubkey(x);
    char group[64] = "";
    if (bio != NULL && key != NULL && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1)
        (void)BIO_printf(bio, "EC %s", group);
    else if (bio != NULL && key != NULL)
        (void)BIO_printf(bio, "%s %d", EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key));
    return keep(bio, a, out, err);
}

/* Of an address neither an escape that a terminal obeys is a part, nor a space. */
static bool is_address(struct gw_str uri)
{
    for (size_t i = 0; i < uri.len; i++)
        if ((unsigned char)uri.ptr[i] <= ' ' || (unsigned char)uri.ptr[i] >= 0x7f)
            return false;
    return gw_str_starts(uri, GW_STR("http://"));
}

static enum gw_code keep_responder(X509 *x, struct gw_arena *a, struct gw_str *out, struct gw_error *err)
{
    STACK_OF(OPENSSL_STRING) *all = X509_get1_ocsp(x);
    enum gw_code code = GW_OK;
    *out = GW_STR_NULL;
    for (int i = 0; i < sk_OPENSSL_STRING_num(all) && out->len == 0; i++)
        if (is_address(gw_str(sk_OPENSSL_STRING_value(all, i))))
            code = gw_arena_str(a, gw_str(sk_OPENSSL_STRING_value(all, i)), out);
    X509_email_free(all);
    return code == GW_OK ? GW_OK : gw_fail(err, code, "no memory for a certificate's responder");
}

static enum gw_code read_time(const ASN1_TIME *t, int64_t *out, struct gw_error *err)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    bool ok = epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1;
    ASN1_TIME_free(epoch);
    *out = days * INT64_C(86400) + seconds;
    return ok ? GW_OK : gw_fail(err, GW_EPARSE, "a time of the certificate cannot be read");
}

static bool is_development(X509 *x)
{
    char organisation[sizeof(GW_CERTIFICATE_DEVELOPMENT) + 1] = "";
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_organizationName, organisation,
                                    sizeof(organisation)); /* stays "" when it names none */
    return strcmp(organisation, GW_CERTIFICATE_DEVELOPMENT) == 0;
}

enum gw_code gw_chain_fingerprint(const struct gw_chain *c, uint8_t out[GW_FINGERPRINT_BYTES], int64_t *not_after_s,
                                  struct gw_error *err)
{
    GW_TRY(read_time(X509_get0_notAfter(c->item[0]), not_after_s, err));
    if (X509_digest(c->item[0], EVP_sha256(), out, NULL) != 1)
        return gw_fail(err, GW_ECRYPTO, "cannot hash a certificate");
    return GW_OK;
}

enum gw_code gw_chain_facts(const struct gw_chain *c, struct gw_arena *a, struct gw_chain_facts *out,
                            struct gw_error *err)
{
    X509 *x = c->item[0];
    uint8_t digest[GW_FINGERPRINT_BYTES];
    *out = (struct gw_chain_facts){.count = c->count, .is_development = is_development(x)};
    out->is_self_signed = X509_self_signed(x, 0) == 1;
    GW_TRY(keep_name(X509_get_subject_name(x), a, &out->subject, err));
    GW_TRY(keep_name(X509_get_issuer_name(x), a, &out->issuer, err));
    GW_TRY(keep_alternatives(x, a, &out->names, err));
    GW_TRY(keep_key(x, a, &out->key, err));
    GW_TRY(keep_responder(x, a, &out->responder, err));
    GW_TRY(read_time(X509_get0_notBefore(x), &out->not_before_s, err));
    GW_TRY(gw_chain_fingerprint(c, digest, &out->not_after_s, err));
    gw_hex_encode(digest, sizeof(digest), out->fingerprint);
    ERR_clear_error();
    return GW_OK;
}

enum gw_code gw_chain_not_after(const struct gw_chain *c, int64_t *out, struct gw_error *err)
{
    int64_t first_s = INT64_MAX, end_s = 0;
    for (size_t i = 0; i < c->count; i++) {
        GW_TRY(read_time(X509_get0_notAfter(c->item[i]), &end_s, err));
        first_s = end_s < first_s ? end_s : first_s;
    }
    *out = first_s;
    return GW_OK;
}

bool gw_chain_covers(const struct gw_chain *c, struct gw_str name)
{
    struct gw_ip ip;
    char text[256];
    if (!gw_str_copy(name, text, sizeof(text)) || name.len == 0)
        return false;
    if (gw_ip_parse(name, &ip) == GW_OK)
        return X509_check_ip_asc(c->item[0], text, 0) == 1;
    return X509_check_host(c->item[0], text, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
}

bool gw_chain_same_kind(const struct gw_chain *a, const struct gw_chain *b)
{
    const EVP_PKEY *x = X509_get0_pubkey(a->item[0]), *y = X509_get0_pubkey(b->item[0]);
    return x == NULL || y == NULL || EVP_PKEY_get_base_id(x) == EVP_PKEY_get_base_id(y);
}

enum gw_code gw_chain_add_first(const struct gw_chain *c, struct gw_buf *out, struct gw_error *err)
{
    scoped(bio_auto) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio == NULL || PEM_write_bio_X509(bio, c->item[0]) != 1)
        return gw_fail(err, GW_ENOMEM, "no memory for a certificate");
    long len = BIO_get_mem_data(bio, &text);
    gw_buf_add(out, (struct gw_str){text, len > 0 ? (size_t)len : 0});
    return gw_buf_check(out, err);
}

/* ---- checks ---- */

enum gw_code gw_chain_check_key(const struct gw_chain *c, struct gw_str key, struct gw_error *err)
{
    scoped(bio_auto) BIO *bio = reader_of(key);
    scoped(key_auto) EVP_PKEY *k = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    bool matches = k != NULL && X509_check_private_key(c->item[0], k) == 1;
    ERR_clear_error();
    if (k == NULL)
        return gw_fail(err, GW_EPARSE, "expected a private key in PEM that is not encrypted");
    return matches ? GW_OK : gw_fail(err, GW_EDENIED, "the private key is not the certificate's");
}

static enum gw_code add_authorities(X509_STORE *store, struct gw_str pem, struct gw_error *err)
{
    gw_auto(gw_chain) struct gw_chain *all = NULL;
    if (pem.len == 0)
        return GW_OK;
    GW_TRY(gw_chain_parse(pem, &all, err));
    for (size_t i = 0; i < all->count; i++)
        if (X509_STORE_add_cert(store, all->item[i]) != 1)
            return gw_fail(err, GW_ECRYPTO, "an authority's certificate cannot be used");
    return GW_OK;
}

enum gw_code gw_chain_check_trust(const struct gw_chain *c, struct gw_str authorities, int64_t now_s,
                                  struct gw_error *err)
{
    scoped(store_auto) X509_STORE *store = X509_STORE_new();
    scoped(store_ctx_auto) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    scoped(stack_auto) STACK_OF(X509) *rest = sk_X509_new_null();
    if (store == NULL || ctx == NULL || rest == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory to check a chain");
    for (size_t i = 1; i < c->count; i++)
        if (sk_X509_push(rest, c->item[i]) <= 0)
            return gw_fail(err, GW_ENOMEM, "no memory to check a chain");
    GW_TRY(add_authorities(store, authorities, err));
    if (X509_STORE_set_default_paths(store) != 1 || X509_STORE_CTX_init(ctx, store, c->item[0], rest) != 1 ||
        X509_STORE_CTX_set_default(ctx, "ssl_server") != 1)
        return gw_fail(err, GW_ECRYPTO, "cannot check a chain");
    X509_STORE_CTX_set_time(ctx, 0, (time_t)now_s);
    bool ok = X509_verify_cert(ctx) == 1;
    int fault = X509_STORE_CTX_get_error(ctx), depth = X509_STORE_CTX_get_error_depth(ctx);
    ERR_clear_error();
    return ok ? GW_OK
              : gw_fail(err, GW_EDENIED, "certificate %d of the chain: %s", depth + 1,
                        X509_verify_cert_error_string(fault));
}

static enum gw_code end_of_list(const X509_CRL *crl, int64_t *first_s, struct gw_error *err)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);
    int64_t end_s = INT64_MAX;
    if (next != NULL)
        GW_TRY(read_time(next, &end_s, err));
    *first_s = end_s < *first_s ? end_s : *first_s;
    return GW_OK;
}

enum gw_code gw_chain_check_revoked(struct gw_str pem, int64_t *out_end_s, struct gw_error *err)
{
    scoped(bio_auto) BIO *bio = reader_of(pem);
    X509_CRL *crl;
    size_t count = 0;
    int64_t end_s = INT64_MAX;
    enum gw_code code = GW_OK;
    ERR_clear_error();
    while (code == GW_OK && bio != NULL && (crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL)) != NULL) {
        code = end_of_list(crl, &end_s, err);
        X509_CRL_free(crl);
        count++;
    }
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (code != GW_OK)
        return code;
    if (count == 0 || !ended)
        return gw_fail(err, GW_EPARSE, "expected lists of revoked certificates in PEM");
    *out_end_s = end_s;
    return GW_OK;
}
