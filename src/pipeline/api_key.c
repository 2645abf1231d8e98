/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first half of the hash finds the record and the second proves it, in constant time: how long a look-up takes tells of a hash, and
 * nobody can choose half of one.
 */
#include "pipeline/api_key.h"

#include "crypto/mac.h"
#include "crypto/secret.h"
#include "token/api_key.h"

#include <assert.h>
#include <string.h>

#define HALF sizeof(((struct gw_live_key *)NULL)->hash.b)
static_assert(2 * HALF == GW_MAC_BYTES, "two halves of a SHA-256");

enum gw_key_fault gw_key_judge_use(const struct gw_live_key *k, const struct gw_ip *from, int64_t now_s)
{
    if (k->expires_s != 0 && k->expires_s <= now_s)
        return GW_KEY_EXPIRED;
    return from == NULL || gw_live_key_admits(k, from) ? GW_KEY_OK : GW_KEY_ADDRESS;
}

/* Of a key by what is presented of it. */
static enum gw_code find(const struct gw_shared *s, struct gw_str text, uint8_t hash[GW_MAC_BYTES],
                         struct gw_live_key *out)
{
    struct gw_uuid half;
    GW_TRY(gw_sha256(text, hash, NULL));
    memcpy(half.b, hash, HALF);
    return gw_shared_get_key(s, &half, out);
}

/* It can be told only by its id: the secret of one that signs finds nothing. */
static enum gw_key_fault judge_unknown(const struct gw_shared *s, struct gw_str text, struct gw_str secret)
{
    struct gw_live_key key;
    uint8_t hash[GW_MAC_BYTES];
    bool signs = secret.len > 0 && find(s, gw_str_sub(text, 0, text.len - secret.len - 1), hash, &key) == GW_OK;
    gw_wipe(&key, sizeof(key));
    return signs ? GW_KEY_SECRET_SENT : GW_KEY_UNKNOWN;
}

enum gw_code gw_key_judge(const struct gw_shared *s, struct gw_str text, const struct gw_ip *from, int64_t now_s,
                          struct gw_live_key *out, enum gw_key_fault *fault)
{
    struct gw_api_key_text parts;
    uint8_t hash[GW_MAC_BYTES];
    *fault = GW_KEY_MALFORMED;
    if (gw_api_key_parse(text, &parts) != GW_OK)
        return GW_OK;
    enum gw_code code = find(s, text, hash, out);
    *fault = GW_KEY_UNKNOWN;
    if (code == GW_ENOTFOUND)
        *fault = judge_unknown(s, text, parts.secret);
    if (code != GW_OK)
        return code == GW_ENOTFOUND ? GW_OK : code;
    bool is_id = parts.secret.len == 0;
    if ((out->is_signed != 0) != is_id || out->is_certificate)
        return GW_OK;
    if (is_id || gw_bytes_eq(out->proof, HALF, hash + HALF, HALF))
        *fault = gw_key_judge_use(out, from, now_s);
    if (is_id && *fault == GW_KEY_OK)
        *fault = GW_KEY_WANTS_SIGNATURE;
    return GW_OK;
}

enum gw_code gw_key_judge_certificate(const struct gw_shared *s, const uint8_t fingerprint[GW_MAC_BYTES],
                                      const struct gw_ip *from, int64_t now_s, struct gw_live_key *out,
                                      enum gw_key_fault *fault)
{
    struct gw_uuid half;
    memcpy(half.b, fingerprint, HALF);
    enum gw_code code = gw_shared_get_key(s, &half, out);
    *fault = GW_KEY_UNKNOWN;
    if (code != GW_OK)
        return code == GW_ENOTFOUND ? GW_OK : code;
    if (out->is_certificate && gw_bytes_eq(out->proof, HALF, fingerprint + HALF, HALF))
        *fault = gw_key_judge_use(out, from, now_s);
    return GW_OK;
}

enum gw_code gw_key_judge_again(const struct gw_shared *s, const struct gw_live_key *key, const struct gw_ip *from,
                                int64_t now_s, enum gw_key_fault *fault)
{
    struct gw_live_key now;
    enum gw_code code = gw_shared_get_key(s, &key->hash, &now);
    *fault = GW_KEY_UNKNOWN;
    if (code != GW_OK)
        return code == GW_ENOTFOUND ? GW_OK : code;
    if (gw_uuid_eq(&now.id, &key->id))
        *fault = gw_key_judge_use(&now, from, now_s);
    return GW_OK;
}
