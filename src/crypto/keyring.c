/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One format twice: a wrapped key is a message under the KEK, an envelope one under a data key. What is authenticated with either
 * begins with a label and the key's id, so that neither passes for the other, and ends with the name, so that no length is needed.
 * docs/adr/0006 says why so.
 */
#include "crypto/keyring.h"

#include "base/file.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define ID_BYTES 4
#define HEAD_BYTES (1 + ID_BYTES)
#define NAME_MAX_BYTES 256
#define KEK_HEX_LEN (2 * GW_KEK_BYTES)
#define KEK_BASE64_LEN GW_BASE64URL_LEN(GW_KEK_BYTES) /* without its = */

struct data_key {
    uint32_t id;
    struct gw_secret *key;
    uint64_t seals, allowed;
};

struct gw_keyring {
    const struct gw_secret *kek;
    const struct gw_random *random;
    struct data_key keys[GW_KEYRING_KEYS_MAX]; /* by id, ascending */
    size_t count;
};

/* ---- the key-encryption key ---- */

static enum gw_code decode_hex(struct gw_str text, uint8_t out[GW_KEK_BYTES])
{
    return gw_hex_decode(text, out, GW_KEK_BYTES);
}

/* base64 says + and / where base64url says - and _. */
static enum gw_code decode_base64(struct gw_str text, uint8_t out[GW_KEK_BYTES])
{
    char url[KEK_BASE64_LEN];
    size_t len;
    for (size_t i = 0; i < sizeof(url); i++)
        url[i] = text.ptr[i] == '+' ? '-' : text.ptr[i] == '/' ? '_' : text.ptr[i];
    enum gw_code code = gw_base64url_decode((struct gw_str){url, sizeof(url)}, out, GW_KEK_BYTES, &len);
    gw_wipe(url, sizeof(url));
    return code;
}

static enum gw_code decode(struct gw_str text, uint8_t out[GW_KEK_BYTES])
{
    if (text.len == KEK_HEX_LEN)
        return decode_hex(text, out);
    if (text.len == KEK_BASE64_LEN || (text.len == KEK_BASE64_LEN + 1 && text.ptr[KEK_BASE64_LEN] == '='))
        return decode_base64(text, out);
    return GW_EPARSE;
}

enum gw_code gw_kek_parse(const struct gw_secret *text, struct gw_secret **out, struct gw_error *err)
{
    uint8_t bytes[GW_KEK_BYTES] = {0};
    struct gw_error why = {0};
    enum gw_code code = decode(gw_secret_bytes(text), bytes);
    if (code != GW_OK)
        code = gw_fail(err, GW_EINVAL, "not 32 bytes as 64 hex digits or as base64");
    else if (gw_secret_check(text, &why) != GW_OK)
        code = gw_fail(err, GW_EINVAL, "%s", why.msg);
    else
        code = gw_secret_new((struct gw_str){(const char *)bytes, sizeof(bytes)}, out, err);
    gw_wipe(bytes, sizeof(bytes));
    return code;
}

enum gw_code gw_kek_create(const char *path, const struct gw_random *r, struct gw_error *err)
{
    uint8_t bytes[GW_KEK_BYTES];
    char text[KEK_HEX_LEN + 1];
    GW_TRY(gw_random_fill(r, bytes, sizeof(bytes), err));
    gw_hex_encode(bytes, sizeof(bytes), text);
    text[KEK_HEX_LEN] = '\n';
    enum gw_code code = gw_file_create(path, 0600, (struct gw_str){text, sizeof(text)}, err);
    gw_wipe(bytes, sizeof(bytes));
    gw_wipe(text, sizeof(text));
    return code;
}

/* ---- what is authenticated ---- */

struct bound {
    char bytes[16 + HEAD_BYTES + NAME_MAX_BYTES];
    size_t len;
};

static void put_head(uint8_t head[HEAD_BYTES], uint32_t id)
{
    head[0] = VERSION;
    for (int i = 0; i < ID_BYTES; i++)
        head[1 + i] = (uint8_t)(id >> (24 - 8 * i));
}

static enum gw_code bind(const char *label, uint32_t id, struct gw_str name, struct bound *out, struct gw_error *err)
{
    size_t label_len = strlen(label);
    if (name.len > NAME_MAX_BYTES)
        return gw_fail(err, GW_ELIMIT, "the name of a secret is longer than %d bytes", NAME_MAX_BYTES);
    memcpy(out->bytes, label, label_len);
    put_head((uint8_t *)out->bytes + label_len, id);
    if (name.len > 0)
        memcpy(out->bytes + label_len + HEAD_BYTES, name.ptr, name.len);
    out->len = label_len + HEAD_BYTES + name.len;
    return GW_OK;
}

#define KEY_LABEL "aaiti data key"
#define TEXT_LABEL "aaiti secret"

/* ---- life ---- */

enum gw_code gw_keyring_new(const struct gw_secret *kek, const struct gw_random *r, struct gw_keyring **out,
                            struct gw_error *err)
{
    assert(gw_secret_bytes(kek).len == GW_KEK_BYTES);
    struct gw_keyring *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a key ring");
    k->kek = kek;
    k->random = r;
    *out = k;
    return GW_OK;
}

void gw_keyring_free(struct gw_keyring *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < k->count; i++)
        gw_secret_free(k->keys[i].key);
    free(k);
}

/* ---- data keys ---- */

static const struct data_key *find(const struct gw_keyring *k, uint32_t id)
{
    for (size_t i = 0; i < k->count; i++)
        if (k->keys[i].id == id)
            return &k->keys[i];
    return NULL;
}

static struct data_key *sealing(struct gw_keyring *k)
{
    return k->count > 0 ? &k->keys[k->count - 1] : NULL;
}

/* A wrapped key: nonce, key, tag. The KEK draws a nonce for each key that is ever made: nowhere near any limit. */
enum gw_code gw_keyring_make(struct gw_keyring *k, uint32_t id, uint8_t wrapped[GW_KEYRING_WRAPPED_BYTES],
                             struct gw_error *err)
{
    uint8_t key[GW_AEAD_KEY_BYTES], made[GW_KEYRING_WRAPPED_BYTES], *box = made + GW_AEAD_NONCE_BYTES;
    struct bound bound;
    GW_TRY(bind(KEY_LABEL, id, GW_STR_NULL, &bound, err));
    GW_TRY(gw_random_fill(k->random, made, GW_AEAD_NONCE_BYTES, err));
    GW_TRY(gw_random_fill(k->random, key, sizeof(key), err));
    const struct gw_aead_message m = {made, {bound.bytes, bound.len}, {(const char *)key, sizeof(key)}};
    enum gw_code code = gw_aead_seal(k->kek, &m, box, box + sizeof(key), err);
    gw_wipe(key, sizeof(key));
    if (code == GW_OK)
        memcpy(wrapped, made, sizeof(made));
    return code;
}

static enum gw_code unwrap(const struct gw_keyring *k, uint32_t id, const uint8_t *wrapped, struct gw_secret **out,
                           struct gw_error *err)
{
    uint8_t key[GW_AEAD_KEY_BYTES];
    const uint8_t *box = wrapped + GW_AEAD_NONCE_BYTES;
    struct bound bound;
    GW_TRY(bind(KEY_LABEL, id, GW_STR_NULL, &bound, err));
    const struct gw_aead_message m = {wrapped, {bound.bytes, bound.len}, {(const char *)box, sizeof(key)}};
    enum gw_code code = gw_aead_open(k->kek, &m, box + sizeof(key), key, err);
    if (code == GW_OK)
        code = gw_secret_new((struct gw_str){(const char *)key, sizeof(key)}, out, err);
    gw_wipe(key, sizeof(key));
    return code;
}

enum gw_code gw_keyring_add(struct gw_keyring *k, uint32_t id, const uint8_t wrapped[GW_KEYRING_WRAPPED_BYTES],
                            uint64_t seals, struct gw_error *err)
{
    struct gw_secret *key = NULL;
    size_t at = k->count;
    assert(id != 0 && find(k, id) == NULL);
    if (k->count == GW_KEYRING_KEYS_MAX)
        return gw_fail(err, GW_ELIMIT, "%d data keys are in use; wait until the secrets of the oldest are sealed anew",
                       GW_KEYRING_KEYS_MAX);
    GW_TRY(unwrap(k, id, wrapped, &key, err));
    for (; at > 0 && k->keys[at - 1].id > id; at--)
        k->keys[at] = k->keys[at - 1];
    k->keys[at] = (struct data_key){.id = id, .key = key, .seals = seals, .allowed = seals};
    k->count++;
    return GW_OK;
}

void gw_keyring_allow(struct gw_keyring *k, uint64_t seals)
{
    struct data_key *d = sealing(k);
    assert(d != NULL);
    d->allowed = seals < GW_KEYRING_SEALS_MAX ? seals : GW_KEYRING_SEALS_MAX;
}

void gw_keyring_drop(struct gw_keyring *k, uint32_t id)
{
    const struct data_key *d = find(k, id);
    assert(d != NULL);
    size_t at = (size_t)(d - k->keys);
    gw_secret_free(d->key);
    k->count--;
    memmove(&k->keys[at], &k->keys[at + 1], (k->count - at) * sizeof(k->keys[0]));
}

uint32_t gw_keyring_sealing_id(const struct gw_keyring *k)
{
    return k->count > 0 ? k->keys[k->count - 1].id : 0;
}

uint32_t gw_keyring_id_after(const struct gw_keyring *k, uint32_t id)
{
    for (size_t i = 0; i < k->count; i++)
        if (k->keys[i].id > id)
            return k->keys[i].id;
    return 0;
}

uint64_t gw_keyring_seals(const struct gw_keyring *k)
{
    return k->count > 0 ? k->keys[k->count - 1].seals : 0;
}

/* ---- envelopes ---- */

static void add_bytes(struct gw_buf *out, const void *bytes, size_t n)
{
    gw_buf_add(out, (struct gw_str){bytes, n});
}

/* box holds text.len bytes. */
static enum gw_code seal(struct gw_keyring *k, struct data_key *d, const struct bound *bound, struct gw_str text,
                         uint8_t *box, struct gw_buf *out, struct gw_error *err)
{
    uint8_t head[HEAD_BYTES], nonce[GW_AEAD_NONCE_BYTES], tag[GW_AEAD_TAG_BYTES];
    GW_TRY(gw_random_fill(k->random, nonce, sizeof(nonce), err));
    d->seals++; /* whatever becomes of it */
    const struct gw_aead_message m = {nonce, {bound->bytes, bound->len}, text};
    GW_TRY(gw_aead_seal(d->key, &m, box, tag, err));
    put_head(head, d->id);
    add_bytes(out, head, sizeof(head));
    add_bytes(out, nonce, sizeof(nonce));
    add_bytes(out, box, text.len);
    add_bytes(out, tag, sizeof(tag));
    return gw_buf_check(out, err);
}

enum gw_code gw_keyring_seal(struct gw_keyring *k, struct gw_str name, struct gw_str text, struct gw_buf *out,
                             struct gw_error *err)
{
    struct data_key *d = sealing(k);
    struct bound bound;
    assert(d != NULL);
    if (d->seals >= d->allowed)
        return gw_fail(err, GW_ELIMIT, "data key %u may draw no more nonces for now", d->id);
    GW_TRY(bind(TEXT_LABEL, d->id, name, &bound, err));
    uint8_t *box = malloc(text.len + 1);
    if (box == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a secret");
    enum gw_code code = seal(k, d, &bound, text, box, out, err);
    free(box);
    return code;
}

uint32_t gw_keyring_id_of(struct gw_str envelope)
{
    uint32_t id = 0;
    if (envelope.len < GW_KEYRING_OVERHEAD || envelope.ptr[0] != VERSION)
        return 0;
    for (int i = 0; i < ID_BYTES; i++)
        id = id << 8 | (uint8_t)envelope.ptr[1 + i];
    return id;
}

static enum gw_code open_box(const struct data_key *d, const struct bound *bound, struct gw_str envelope, uint8_t *box,
                             struct gw_buf *out, struct gw_error *err)
{
    const char *nonce = envelope.ptr + HEAD_BYTES, *text = nonce + GW_AEAD_NONCE_BYTES;
    size_t len = envelope.len - GW_KEYRING_OVERHEAD;
    const struct gw_aead_message m = {(const uint8_t *)nonce, {bound->bytes, bound->len}, {text, len}};
    GW_TRY(gw_aead_open(d->key, &m, (const uint8_t *)text + len, box, err));
    add_bytes(out, box, len);
    gw_wipe(box, len + 1);
    return gw_buf_check(out, err);
}

enum gw_code gw_keyring_open(const struct gw_keyring *k, struct gw_str name, struct gw_str envelope, struct gw_buf *out,
                             struct gw_error *err)
{
    uint32_t id = gw_keyring_id_of(envelope);
    const struct data_key *d = find(k, id);
    struct bound bound;
    if (d == NULL)
        return gw_fail(err, GW_EDENIED, "sealed by no key that is here");
    GW_TRY(bind(TEXT_LABEL, id, name, &bound, err));
    uint8_t *box = malloc(envelope.len);
    if (box == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a secret");
    enum gw_code code = open_box(d, &bound, envelope, box, out, err);
    free(box);
    return code;
}
