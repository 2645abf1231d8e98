/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/request_id.h"

#include "base/hash.h"
#include "crypto/aead.h"
#include "crypto/mac.h"

#include <assert.h>
#include <stdlib.h>

#define VERSION 1
#define LABEL "aaiti request id, AES-256-GCM key of an hour"
#define HOUR_MS INT64_C(3600000)
#define GENERATION_BYTES (GW_REFUSAL_GENERATION_BITS / 8)
#define MARKS 6
#define MARKS_AT (1 + GENERATION_BYTES)
#define PLAIN_BYTES (MARKS_AT + 4 * MARKS)

enum {
    NONCE_AT = 16,
    TEXT_AT = NONCE_AT + GW_AEAD_NONCE_BYTES,
    TAG_AT = TEXT_AT + PLAIN_BYTES,
    ID_BYTES = TAG_AT + GW_AEAD_TAG_BYTES
};
_Static_assert(GW_BASE64URL_LEN(ID_BYTES) == GW_SEALED_ID_LEN, "an id's bytes and its text");

struct gw_id_sealer {
    const struct gw_random *random;
    struct gw_mac *mac; /* by the file's key */
    struct gw_aead_sealer *aead;
    uint64_t hour; /* whose key aead has; UINT64_MAX: none yet */
};

uint32_t gw_name_mark(struct gw_str name)
{
    /* Fixed, for the marks must mean the same in every process; nobody gains by making two names alike. */
    static const struct gw_hash_key key = {UINT64_C(0x6161697469206964), UINT64_C(0x206f662061206e61)};
    uint32_t mark = (uint32_t)gw_hash(&key, name.ptr, name.len);
    return name.len == 0 ? 0 : mark != 0 ? mark : 1;
}

/* ---- the form ---- */

static void put_be(uint8_t *dst, size_t n, uint64_t value)
{
    for (size_t i = n; i-- > 0; value >>= 8)
        dst[i] = (uint8_t)value;
}

static uint64_t get_be(const uint8_t *src, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | src[i];
    return value;
}

static void encode(const struct gw_refusal *what, uint8_t plain[PLAIN_BYTES])
{
    const uint32_t marks[MARKS] = {what->bundle, what->reason, what->stage, what->detail, what->route, what->right};
    plain[0] = VERSION;
    put_be(plain + 1, GENERATION_BYTES, what->generation);
    for (size_t i = 0; i < MARKS; i++)
        put_be(plain + MARKS_AT + 4 * i, 4, marks[i]);
}

static enum gw_code decode(const uint8_t plain[PLAIN_BYTES], struct gw_refusal *out, struct gw_error *err)
{
    uint32_t *const marks[MARKS] = {&out->bundle, &out->reason, &out->stage, &out->detail, &out->route, &out->right};
    if (plain[0] != VERSION)
        return gw_fail(err, GW_EINVAL, "the id is of version %u, which this program does not know", plain[0]);
    out->generation = (uint32_t)get_be(plain + 1, GENERATION_BYTES);
    for (size_t i = 0; i < MARKS; i++)
        *marks[i] = (uint32_t)get_be(plain + MARKS_AT + 4 * i, 4);
    return GW_OK;
}

/* ---- the key of an hour ---- */

static uint64_t hour_of(const struct gw_uuid *request)
{
    return (uint64_t)(gw_uuid_v7_ms(request) / HOUR_MS);
}

static enum gw_code derive(const struct gw_mac *mac, uint64_t hour, uint8_t key[GW_MAC_BYTES])
{
    uint8_t msg[sizeof(LABEL) - 1 + 8];
    memcpy(msg, LABEL, sizeof(LABEL) - 1);
    put_be(msg + sizeof(LABEL) - 1, 8, hour);
    return gw_mac_sign(mac, (struct gw_str){(const char *)msg, sizeof(msg)}, key);
}
_Static_assert(GW_MAC_BYTES == GW_AEAD_KEY_BYTES, "a key of an hour is one tag");

static struct gw_aead_message message(const uint8_t *id, const uint8_t *text)
{
    return (struct gw_aead_message){
        .nonce = id + NONCE_AT, .aad = {(const char *)id, NONCE_AT}, .text = {(const char *)text, PLAIN_BYTES}};
}

/* ---- sealing ---- */

enum gw_code gw_id_sealer_new(const struct gw_secret *key, const struct gw_random *r, struct gw_id_sealer **out,
                              struct gw_error *err)
{
    gw_auto(gw_id_sealer) struct gw_id_sealer *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory to seal request ids");
    s->random = r;
    s->hour = UINT64_MAX;
    GW_TRY(gw_mac_new(key, &s->mac, err));
    GW_TRY(gw_aead_sealer_new(&s->aead, err));
    *out = gw_take(&s);
    return GW_OK;
}

void gw_id_sealer_free(struct gw_id_sealer *s)
{
    if (s == NULL)
        return;
    gw_aead_sealer_free(s->aead);
    gw_mac_free(s->mac);
    free(s);
}

static enum gw_code take_key_of(struct gw_id_sealer *s, uint64_t hour)
{
    uint8_t key[GW_MAC_BYTES];
    if (s->hour == hour)
        return GW_OK;
    s->hour = UINT64_MAX;
    GW_TRY(derive(s->mac, hour, key));
    enum gw_code code = gw_aead_sealer_set_key(s->aead, key);
    gw_wipe(key, sizeof(key));
    if (code == GW_OK)
        s->hour = hour;
    return code;
}

enum gw_code gw_id_seal(struct gw_id_sealer *s, const struct gw_refusal *what, char *dst)
{
    uint8_t id[ID_BYTES], plain[PLAIN_BYTES];
    memcpy(id, what->request.b, sizeof(what->request.b));
    GW_TRY(take_key_of(s, hour_of(&what->request)));
    GW_TRY(gw_random_fill(s->random, id + NONCE_AT, GW_AEAD_NONCE_BYTES, NULL));
    encode(what, plain);
    const struct gw_aead_message m = message(id, plain);
    GW_TRY(gw_aead_sealer_seal(s->aead, &m, id + TEXT_AT, id + TAG_AT));
    (void)gw_base64url_encode(id, sizeof(id), dst);
    return GW_OK;
}

/* ---- opening ---- */

static enum gw_code open_by(const struct gw_mac *mac, uint64_t hour, const uint8_t id[ID_BYTES],
                            uint8_t plain[PLAIN_BYTES], struct gw_error *err)
{
    uint8_t bytes[GW_MAC_BYTES];
    gw_auto(gw_secret) struct gw_secret *key = NULL;
    if (derive(mac, hour, bytes) != GW_OK)
        return gw_fail(err, GW_ECRYPTO, "HMAC-SHA256 failed");
    enum gw_code code = gw_secret_new((struct gw_str){(const char *)bytes, sizeof(bytes)}, &key, err);
    gw_wipe(bytes, sizeof(bytes));
    GW_TRY(code);
    const struct gw_aead_message m = message(id, id + TEXT_AT);
    return gw_aead_open(key, &m, id + TAG_AT, plain, err);
}

enum gw_code gw_id_open(const struct gw_secret *key, struct gw_str text, struct gw_refusal *out, struct gw_error *err)
{
    uint8_t id[ID_BYTES], plain[PLAIN_BYTES];
    struct gw_refusal found;
    size_t n = 0;
    gw_auto(gw_mac) struct gw_mac *mac = NULL;
    if (text.len != GW_SEALED_ID_LEN || gw_base64url_decode(text, id, sizeof(id), &n) != GW_OK)
        return gw_fail(err, GW_EPARSE, "not the id of a refusal: that is %d letters of base64url", GW_SEALED_ID_LEN);
    assert(n == sizeof(id));
    GW_TRY(gw_mac_new(key, &mac, err));
    memcpy(found.request.b, id, sizeof(found.request.b));
    enum gw_code code = open_by(mac, hour_of(&found.request), id, plain, err);
    if (code == GW_EDENIED)
        return gw_fail(err, GW_EDENIED, "no refusal of this gateway has this id, or its key was exchanged since");
    GW_TRY(code);
    GW_TRY(decode(plain, &found, err));
    *out = found;
    return GW_OK;
}
