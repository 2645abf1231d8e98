/* SPDX-License-Identifier: Apache-2.0 */
#include "token/key.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

struct gw_token_key {
    atomic_uint references;
    struct gw_mac *mac;         /* HS256 */
    struct gw_ed25519 *ed25519; /* EdDSA: one of the two is NULL */
    char public_text[GW_BASE64URL_LEN(GW_ED25519_KEY_BYTES) + 1];
    char id[GW_TOKEN_KEY_ID_MAX + 1];
    uint8_t text_digest[GW_MAC_BYTES];
};

static enum gw_code digest_of(struct gw_str text, uint8_t out[GW_MAC_BYTES], struct gw_error *err)
{
    static const char label[] = "aaiti-kid"; /* its NUL is hashed too */
    char labelled[sizeof(label) + GW_SECRET_MAX_BYTES];
    if (text.len > GW_SECRET_MAX_BYTES)
        return gw_fail(err, GW_EINVAL, "a key of more than %d bytes", GW_SECRET_MAX_BYTES);
    memcpy(labelled, label, sizeof(label));
    if (text.len > 0)
        memcpy(labelled + sizeof(label), text.ptr, text.len);
    enum gw_code code = gw_sha256((struct gw_str){labelled, sizeof(label) + text.len}, out, err);
    gw_wipe(labelled, sizeof(labelled));
    return code;
}

enum gw_code gw_token_key_own_id(struct gw_str text, char *dst, struct gw_error *err)
{
    uint8_t digest[GW_MAC_BYTES];
    GW_TRY(digest_of(text, digest, err));
    gw_hex_encode(digest, GW_TOKEN_KEY_ID_LEN / 2, dst);
    dst[GW_TOKEN_KEY_ID_LEN] = '\0';
    return GW_OK;
}

/* ---- life ---- */

static enum gw_code set_secret(struct gw_token_key *k, const struct gw_secret *text, struct gw_error *err)
{
    if (gw_secret_bytes(text).len < GW_SECRET_MIN_BYTES)
        return gw_fail(err, GW_EINVAL, "a token key shorter than %d bytes", GW_SECRET_MIN_BYTES);
    return gw_mac_new(text, &k->mac, err);
}

static enum gw_code set_ed25519(struct gw_token_key *k, enum gw_token_key_kind kind, const struct gw_secret *text,
                                struct gw_error *err)
{
    char bytes[GW_ED25519_KEY_BYTES];
    size_t n;
    if (gw_base64url_decode(gw_secret_bytes(text), bytes, sizeof(bytes), &n) != GW_OK || n != sizeof(bytes))
        return gw_fail(err, GW_EINVAL, "not %d bytes in base64url, as an Ed25519 key is", GW_ED25519_KEY_BYTES);
    struct gw_str key = {bytes, n};
    enum gw_code code = kind == GW_TOKEN_KEY_ED25519 ? gw_ed25519_new_private(key, &k->ed25519, err)
                                                     : gw_ed25519_new_public(key, &k->ed25519, err);
    gw_wipe(bytes, sizeof(bytes));
    if (code != GW_OK)
        return code;
    struct gw_str public_key = gw_ed25519_public(k->ed25519);
    k->public_text[gw_base64url_encode(public_key.ptr, public_key.len, k->public_text)] = '\0';
    return GW_OK;
}

static enum gw_code set_id(struct gw_token_key *k, const struct gw_secret *text, struct gw_str id, struct gw_error *err)
{
    GW_TRY(digest_of(gw_secret_bytes(text), k->text_digest, err));
    if (id.ptr == NULL)
        return gw_token_key_own_id(k->ed25519 != NULL ? gw_str(k->public_text) : gw_secret_bytes(text), k->id, err);
    return gw_str_copy(id, k->id, sizeof(k->id))
               ? GW_OK
               : gw_fail(err, GW_EINVAL, "a key id of more than %d bytes", GW_TOKEN_KEY_ID_MAX);
}

enum gw_code gw_token_key_new(enum gw_token_key_kind kind, const struct gw_secret *text, struct gw_str id,
                              struct gw_token_key **out, struct gw_error *err)
{
    gw_auto(gw_token_key) struct gw_token_key *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a token key");
    atomic_init(&k->references, 1);
    GW_TRY(kind == GW_TOKEN_KEY_HS256 ? set_secret(k, text, err) : set_ed25519(k, kind, text, err));
    GW_TRY(set_id(k, text, id, err));
    *out = gw_take(&k);
    return GW_OK;
}

struct gw_token_key *gw_token_key_ref(struct gw_token_key *k)
{
    if (k != NULL)
        atomic_fetch_add_explicit(&k->references, 1, memory_order_relaxed);
    return k;
}

void gw_token_key_unref(struct gw_token_key *k)
{
    if (k == NULL)
        return;
    unsigned before = atomic_fetch_sub_explicit(&k->references, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    gw_mac_free(k->mac);
    gw_ed25519_free(k->ed25519);
    free(k);
}

/* ---- what it is ---- */

struct gw_str gw_token_key_id(const struct gw_token_key *k)
{
    return gw_str(k->id);
}

struct gw_str gw_token_key_algorithm(const struct gw_token_key *k)
{
    return k->mac != NULL ? GW_STR("HS256") : GW_STR("EdDSA");
}

bool gw_token_key_is_slow(const struct gw_token_key *k)
{
    return k->ed25519 != NULL;
}

struct gw_str gw_token_key_public_text(const struct gw_token_key *k)
{
    return gw_str(k->public_text);
}

bool gw_token_key_is_text(const struct gw_token_key *k, const struct gw_secret *text)
{
    uint8_t digest[GW_MAC_BYTES];
    return digest_of(gw_secret_bytes(text), digest, NULL) == GW_OK &&
           gw_bytes_eq(digest, sizeof(digest), k->text_digest, sizeof(k->text_digest));
}

/* ---- what it does ---- */

enum gw_code gw_token_key_sign(const struct gw_token_key *k, struct gw_str msg, char out[GW_TOKEN_SIGNATURE_MAX],
                               size_t *out_len)
{
    if (k->mac != NULL) {
        GW_TRY(gw_mac_sign(k->mac, msg, (uint8_t *)out));
        *out_len = GW_MAC_BYTES;
        return GW_OK;
    }
    GW_TRY(gw_ed25519_sign(k->ed25519, msg, (uint8_t *)out));
    *out_len = GW_ED25519_SIGNATURE_BYTES;
    return GW_OK;
}

enum gw_code gw_token_key_verify(const struct gw_token_key *k, struct gw_str msg, struct gw_str signature)
{
    return k->mac != NULL ? gw_mac_verify(k->mac, msg, signature) : gw_ed25519_verify(k->ed25519, msg, signature);
}
