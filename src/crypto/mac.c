/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC as two SHA-256 states that have already eaten the inner and the outer pad (RFC 2104); a tag copies each once.
 * Measured with OpenSSL 3.0 on 257 bytes: copied states 385 ns, EVP_MAC re-initialised without a key 465 ns, pads hashed anew 480 ns,
 * of which SHA-256 itself is 235 ns. The algorithm is fetched once: a fetch for each call costs more than the hash.
 */
#include "crypto/mac.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#define BLOCK_BYTES 64

struct gw_mac {
    EVP_MD_CTX *inner, *outer; /* pads absorbed, never finished */
    EVP_MD_CTX *work;
};

static EVP_MD *sha256_md; /* NULL when the provider has none */
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static const EVP_MD *sha256(void)
{
    pthread_once(&sha256_once, fetch_sha256);
    return sha256_md;
}

static bool absorb_pad(EVP_MD_CTX *ctx, const uint8_t key[BLOCK_BYTES], uint8_t mask)
{
    uint8_t pad[BLOCK_BYTES];
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        pad[i] = key[i] ^ mask;
    bool ok = EVP_DigestInit_ex2(ctx, sha256(), NULL) == 1 && EVP_DigestUpdate(ctx, pad, sizeof(pad)) == 1;
    gw_wipe(pad, sizeof(pad));
    return ok;
}

/* A gw_mac with contexts and nothing in them. */
static enum gw_code mac_alloc(struct gw_mac **out, struct gw_error *err)
{
    if (sha256() == NULL)
        return gw_fail(err, GW_ECRYPTO, "OpenSSL offers no SHA-256");
    gw_auto(gw_mac) struct gw_mac *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a MAC");
    m->inner = EVP_MD_CTX_new();
    m->outer = EVP_MD_CTX_new();
    m->work = EVP_MD_CTX_new();
    if (m->inner == NULL || m->outer == NULL || m->work == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a MAC");
    *out = gw_take(&m);
    return GW_OK;
}

enum gw_code gw_mac_new(const struct gw_secret *key, struct gw_mac **out, struct gw_error *err)
{
    gw_auto(gw_mac) struct gw_mac *m = NULL;
    GW_TRY(mac_alloc(&m, err));
    struct gw_str bytes = gw_secret_bytes(key);
    uint8_t block[BLOCK_BYTES] = {0};
    if (bytes.len > BLOCK_BYTES)
        GW_TRY(gw_sha256(bytes, block, err)); /* RFC 2104 section 2: longer keys are hashed first */
    else
        for (size_t i = 0; i < bytes.len; i++)
            block[i] = (uint8_t)bytes.ptr[i];
    bool ok = absorb_pad(m->inner, block, 0x36) && absorb_pad(m->outer, block, 0x5c);
    gw_wipe(block, sizeof(block));
    if (!ok)
        return gw_fail(err, GW_ECRYPTO, "SHA-256 failed");
    *out = gw_take(&m);
    return GW_OK;
}

enum gw_code gw_mac_dup(const struct gw_mac *m, struct gw_mac **out, struct gw_error *err)
{
    gw_auto(gw_mac) struct gw_mac *copy = NULL;
    GW_TRY(mac_alloc(&copy, err));
    if (EVP_MD_CTX_copy_ex(copy->inner, m->inner) != 1 || EVP_MD_CTX_copy_ex(copy->outer, m->outer) != 1)
        return gw_fail(err, GW_ECRYPTO, "SHA-256 failed");
    *out = gw_take(&copy);
    return GW_OK;
}

void gw_mac_free(struct gw_mac *m)
{
    if (m == NULL)
        return;
    EVP_MD_CTX_free(m->inner); /* OpenSSL wipes digest states as it frees them */
    EVP_MD_CTX_free(m->outer);
    EVP_MD_CTX_free(m->work);
    free(m);
}

static bool digest_from(EVP_MD_CTX *work, const EVP_MD_CTX *prepared, const void *msg, size_t len,
                        uint8_t out[GW_MAC_BYTES])
{
    return EVP_MD_CTX_copy_ex(work, prepared) == 1 && EVP_DigestUpdate(work, msg, len) == 1 &&
           EVP_DigestFinal_ex(work, out, NULL) == 1;
}

enum gw_code gw_mac_sign(struct gw_mac *m, struct gw_str msg, uint8_t out[GW_MAC_BYTES])
{
    uint8_t inner[GW_MAC_BYTES];
    if (!digest_from(m->work, m->inner, msg.ptr, msg.len, inner))
        return GW_ECRYPTO;
    if (!digest_from(m->work, m->outer, inner, sizeof(inner), out))
        return GW_ECRYPTO;
    return GW_OK;
}

enum gw_code gw_mac_verify(struct gw_mac *m, struct gw_str msg, struct gw_str tag)
{
    uint8_t right[GW_MAC_BYTES];
    GW_TRY(gw_mac_sign(m, msg, right));
    return gw_bytes_eq(right, sizeof(right), tag.ptr, tag.len) ? GW_OK : GW_EDENIED;
}

enum gw_code gw_sha256(struct gw_str msg, uint8_t out[GW_MAC_BYTES], struct gw_error *err)
{
    const EVP_MD *md = sha256();
    if (md == NULL || EVP_Digest(msg.ptr, msg.len, out, NULL, md, NULL) != 1)
        return gw_fail(err, GW_ECRYPTO, "SHA-256 failed");
    return GW_OK;
}
