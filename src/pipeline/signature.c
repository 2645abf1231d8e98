/* SPDX-License-Identifier: Apache-2.0 */
/* None of what is signed can hold an LF: nginx takes none in a method, a target or a value, and the other three have alphabets. */
#include "pipeline/signature.h"

#include "crypto/secret.h"

#include <string.h>

#define TIMESTAMP_DIGITS 10u /* from 2001 to 2286 */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_nonce_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_';
}

static bool is_all(struct gw_str s, bool (*is_one)(char))
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_one(s.ptr[i]))
            return false;
    return true;
}

static bool read_timestamp(struct gw_str s, int64_t *out_s)
{
    return s.len == TIMESTAMP_DIGITS && is_all(s, is_digit) && s.ptr[0] != '0' && gw_str_to_i64(s, out_s);
}

static bool is_nonce(struct gw_str s)
{
    return s.len >= GW_SIGNATURE_NONCE_MIN && s.len <= GW_NONCE_LEN_MAX && is_all(s, is_nonce_char);
}

enum gw_key_fault gw_signature_read(const struct gw_signature_fields *f, struct gw_signature *out)
{
    struct gw_signature sig = {.nonce = f->nonce};
    if (f->timestamp.ptr == NULL || f->nonce.ptr == NULL || f->content.ptr == NULL || f->signature.ptr == NULL)
        return GW_KEY_WANTS_SIGNATURE;
    if (!read_timestamp(f->timestamp, &sig.stamp_s) || !is_nonce(f->nonce) ||
        gw_hex_decode(f->content, sig.content, sizeof(sig.content)) != GW_OK ||
        gw_hex_decode(f->signature, sig.mac, sizeof(sig.mac)) != GW_OK)
        return GW_KEY_SIGNATURE_MALFORMED;
    *out = sig;
    return GW_KEY_OK;
}

enum gw_code gw_signature_verify(const struct gw_signed_request *r, const struct gw_signature *sig,
                                 const uint8_t mac_key[GW_MAC_BYTES], struct gw_arena *a)
{
    const struct gw_str parts[] = {r->method, r->target, r->fields->timestamp, r->fields->nonce, r->fields->content};
    const size_t count = sizeof(parts) / sizeof(parts[0]);
    uint8_t right[GW_MAC_BYTES];
    size_t len = count - 1;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;
    char *text = gw_arena_alloc(a, len), *at = text;
    if (text == NULL)
        return GW_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *at++ = '\n';
        if (parts[i].len > 0)
            memcpy(at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    GW_TRY(gw_mac_once(mac_key, (struct gw_str){text, len}, right));
    enum gw_code code = gw_bytes_eq(right, sizeof(right), sig->mac, sizeof(sig->mac)) ? GW_OK : GW_EDENIED;
    gw_wipe(right, sizeof(right));
    return code;
}
