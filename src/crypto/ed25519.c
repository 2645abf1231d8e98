/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL's one-shot EVP calls, with a context for each: so a key is shared by threads. The seed lies in a gw_secret, and OpenSSL's
 * own private key, which lies on the heap, is made anew for each signature and cleared after it: one is made at each sign-in,
 * where the 25 us it takes are nothing.
 */
#include "crypto/ed25519.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

struct gw_ed25519 {
    struct gw_secret *seed; /* NULL: public */
    EVP_PKEY *public_key;
    uint8_t public_bytes[GW_ED25519_KEY_BYTES];
};

static void free_pkey(EVP_PKEY **p)
{
    EVP_PKEY_free(*p);
}

static void free_context(EVP_MD_CTX **p)
{
    EVP_MD_CTX_free(*p);
}

#define AUTO_PKEY __attribute__((cleanup(free_pkey)))
#define AUTO_CONTEXT __attribute__((cleanup(free_context)))

static const unsigned char *bytes_of(struct gw_str s)
{
    return (const unsigned char *)s.ptr;
}

static enum gw_code set_public(struct gw_ed25519 *k, struct gw_error *err)
{
    k->public_key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, k->public_bytes, sizeof(k->public_bytes));
    return k->public_key != NULL ? GW_OK : gw_fail(err, GW_ECRYPTO, "cannot make an Ed25519 public key");
}

static EVP_PKEY *private_key(const struct gw_secret *seed)
{
    struct gw_str s = gw_secret_bytes(seed);
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes_of(s), s.len);
}

static enum gw_code derive_public(struct gw_ed25519 *k, struct gw_error *err)
{
    AUTO_PKEY EVP_PKEY *pkey = private_key(k->seed);
    size_t n = sizeof(k->public_bytes);
    if (pkey == NULL || EVP_PKEY_get_raw_public_key(pkey, k->public_bytes, &n) != 1 || n != sizeof(k->public_bytes))
        return gw_fail(err, GW_ECRYPTO, "cannot make an Ed25519 private key");
    return set_public(k, err);
}

static enum gw_code check_size(struct gw_str key, struct gw_error *err)
{
    return key.len == GW_ED25519_KEY_BYTES
               ? GW_OK
               : gw_fail(err, GW_EINVAL, "an Ed25519 key of other than %d bytes", GW_ED25519_KEY_BYTES);
}

enum gw_code gw_ed25519_new_private(struct gw_str seed, struct gw_ed25519 **out, struct gw_error *err)
{
    GW_TRY(check_size(seed, err));
    gw_auto(gw_ed25519) struct gw_ed25519 *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a key");
    GW_TRY(gw_secret_new(seed, &k->seed, err));
    GW_TRY(derive_public(k, err));
    *out = gw_take(&k);
    return GW_OK;
}

enum gw_code gw_ed25519_new_public(struct gw_str key, struct gw_ed25519 **out, struct gw_error *err)
{
    GW_TRY(check_size(key, err));
    gw_auto(gw_ed25519) struct gw_ed25519 *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a key");
    memcpy(k->public_bytes, key.ptr, sizeof(k->public_bytes));
    GW_TRY(set_public(k, err));
    *out = gw_take(&k);
    return GW_OK;
}

void gw_ed25519_free(struct gw_ed25519 *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->public_key);
    gw_secret_free(k->seed);
    free(k);
}

struct gw_str gw_ed25519_public(const struct gw_ed25519 *k)
{
    return (struct gw_str){(const char *)k->public_bytes, sizeof(k->public_bytes)};
}

enum gw_code gw_ed25519_sign(const struct gw_ed25519 *k, struct gw_str msg, uint8_t out[GW_ED25519_SIGNATURE_BYTES])
{
    if (k->seed == NULL)
        return GW_EINVAL;
    AUTO_PKEY EVP_PKEY *pkey = private_key(k->seed);
    AUTO_CONTEXT EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = GW_ED25519_SIGNATURE_BYTES;
    bool ok = pkey != NULL && ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
              EVP_DigestSign(ctx, out, &n, bytes_of(msg), msg.len) == 1 && n == GW_ED25519_SIGNATURE_BYTES;
    return ok ? GW_OK : GW_ECRYPTO;
}

enum gw_code gw_ed25519_verify(const struct gw_ed25519 *k, struct gw_str msg, struct gw_str signature)
{
    if (signature.len != GW_ED25519_SIGNATURE_BYTES)
        return GW_EDENIED;
    AUTO_CONTEXT EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k->public_key) != 1)
        return GW_ECRYPTO;
    /* Anything but 1 is a refusal: a malformed signature gives a negative number. */
    return EVP_DigestVerify(ctx, bytes_of(signature), signature.len, bytes_of(msg), msg.len) == 1 ? GW_OK : GW_EDENIED;
}
