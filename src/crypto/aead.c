/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A context of OpenSSL's holds the expanded key in ordinary memory, which is neither locked nor kept out of dumps. So none is kept:
 * each call makes one and frees it, which wipes it (docs/adr/0006); but for gw_aead_sealer, whose keys are good for an hour.
 */
#include "crypto/aead.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static void free_context(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX_free(*ctx);
}
#define auto_context __attribute__((cleanup(free_context)))

enum direction { OPEN, SEAL }; /* EVP's own numbers */

/* EVP takes no NULL for "no bytes": to it, that asks for something else. */
static const unsigned char *bytes_of(struct gw_str s)
{
    return (const unsigned char *)(s.len > 0 ? s.ptr : "");
}

static bool begin(EVP_CIPHER_CTX *ctx, enum direction direction, const struct gw_secret *key,
                  const struct gw_aead_message *m)
{
    struct gw_str k = gw_secret_bytes(key);
    int n;
    assert(k.len == GW_AEAD_KEY_BYTES);
    return EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, bytes_of(k), m->nonce, (int)direction) == 1 &&
           EVP_CIPHER_CTX_get_iv_length(ctx) == GW_AEAD_NONCE_BYTES &&
           EVP_CipherUpdate(ctx, NULL, &n, bytes_of(m->aad), (int)m->aad.len) == 1;
}

static bool run(EVP_CIPHER_CTX *ctx, struct gw_str text, uint8_t *out)
{
    int n;
    return EVP_CipherUpdate(ctx, out, &n, bytes_of(text), (int)text.len) == 1 && (size_t)n == text.len;
}

/* GCM has no last block: nothing is written here, but the tag is made or compared. */
static bool finish(EVP_CIPHER_CTX *ctx)
{
    unsigned char none[EVP_MAX_BLOCK_LENGTH];
    int n;
    return EVP_CipherFinal_ex(ctx, none, &n) == 1;
}

static enum gw_code make_context(const struct gw_aead_message *m, EVP_CIPHER_CTX **out, struct gw_error *err)
{
    if (m->text.len > GW_AEAD_MAX_BYTES || m->aad.len > GW_AEAD_MAX_BYTES)
        return gw_fail(err, GW_ELIMIT, "more than %zu bytes to seal or open", GW_AEAD_MAX_BYTES);
    *out = EVP_CIPHER_CTX_new();
    return *out != NULL ? GW_OK : gw_fail(err, GW_ENOMEM, "no memory for a cipher");
}

enum gw_code gw_aead_seal(const struct gw_secret *key, const struct gw_aead_message *m, uint8_t *out,
                          uint8_t tag[GW_AEAD_TAG_BYTES], struct gw_error *err)
{
    auto_context EVP_CIPHER_CTX *ctx = NULL;
    GW_TRY(make_context(m, &ctx, err));
    if (begin(ctx, SEAL, key, m) && run(ctx, m->text, out) && finish(ctx) &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, GW_AEAD_TAG_BYTES, tag) == 1)
        return GW_OK;
    return gw_fail(err, GW_ECRYPTO, "AES-256-GCM failed");
}

enum gw_code gw_aead_open(const struct gw_secret *key, const struct gw_aead_message *m,
                          const uint8_t tag[GW_AEAD_TAG_BYTES], uint8_t *out, struct gw_error *err)
{
    auto_context EVP_CIPHER_CTX *ctx = NULL;
    uint8_t want[GW_AEAD_TAG_BYTES]; /* EVP takes a tag that it could write to */
    memcpy(want, tag, sizeof(want));
    GW_TRY(make_context(m, &ctx, err));
    bool ran = begin(ctx, OPEN, key, m) && run(ctx, m->text, out) &&
               EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, GW_AEAD_TAG_BYTES, want) == 1;
    if (ran && finish(ctx))
        return GW_OK;
    if (m->text.len > 0)
        gw_wipe(out, m->text.len);
    return ran ? gw_fail(err, GW_EDENIED, "not sealed by this key, or changed since")
               : gw_fail(err, GW_ECRYPTO, "AES-256-GCM failed");
}

/* ---- for a path that must not allocate ---- */

struct gw_aead_sealer {
    EVP_CIPHER_CTX *ctx;
};

enum gw_code gw_aead_sealer_new(struct gw_aead_sealer **out, struct gw_error *err)
{
    gw_auto(gw_aead_sealer) struct gw_aead_sealer *s = calloc(1, sizeof(*s));
    if (s == NULL || (s->ctx = EVP_CIPHER_CTX_new()) == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a cipher");
    if (EVP_EncryptInit_ex(s->ctx, EVP_aes_256_gcm(), NULL, NULL, NULL) != 1)
        return gw_fail(err, GW_ECRYPTO, "AES-256-GCM is not to be had");
    *out = gw_take(&s);
    return GW_OK;
}

void gw_aead_sealer_free(struct gw_aead_sealer *s)
{
    if (s != NULL)
        EVP_CIPHER_CTX_free(s->ctx);
    free(s);
}

/* No cipher is named again, here and below: to name one is to have EVP look it up, with locks and memory. */
enum gw_code gw_aead_sealer_set_key(struct gw_aead_sealer *s, const uint8_t key[GW_AEAD_KEY_BYTES])
{
    return EVP_EncryptInit_ex(s->ctx, NULL, NULL, key, NULL) == 1 ? GW_OK : GW_ECRYPTO;
}

enum gw_code gw_aead_sealer_seal(struct gw_aead_sealer *s, const struct gw_aead_message *m, uint8_t *out,
                                 uint8_t tag[GW_AEAD_TAG_BYTES])
{
    int n;
    if (m->text.len > GW_AEAD_MAX_BYTES || m->aad.len > GW_AEAD_MAX_BYTES)
        return GW_ELIMIT;
    bool ok = EVP_EncryptInit_ex(s->ctx, NULL, NULL, NULL, m->nonce) == 1 &&
              EVP_CipherUpdate(s->ctx, NULL, &n, bytes_of(m->aad), (int)m->aad.len) == 1 && run(s->ctx, m->text, out) &&
              finish(s->ctx) && EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG, GW_AEAD_TAG_BYTES, tag) == 1;
    return ok ? GW_OK : GW_ECRYPTO;
}
