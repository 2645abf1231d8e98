/* SPDX-License-Identifier: Apache-2.0 */
/* Version, user id, expiry (8 bytes, big-endian), nonce, HMAC-SHA256 of all before it; as base64url. */
#include "identity/device.h"

#define VERSION 1
#define USER_AT 1
#define EXPIRES_AT (USER_AT + 16)
#define NONCE_AT (EXPIRES_AT + 8)
#define MAC_AT (NONCE_AT + GW_DEVICE_NONCE_BYTES)

enum gw_code gw_device_key(const struct gw_secret *kek, struct gw_mac **out, struct gw_error *err)
{
    gw_auto(gw_mac) struct gw_mac *parent = NULL;
    gw_auto(gw_secret) struct gw_secret *key = NULL;
    uint8_t bytes[GW_MAC_BYTES];
    GW_TRY(gw_mac_new(kek, &parent, err));
    if (gw_mac_sign(parent, GW_STR("aaiti device cookie 1"), bytes) != GW_OK)
        return gw_fail(err, GW_ECRYPTO, "cannot derive the key of device cookies");
    enum gw_code code = gw_secret_new((struct gw_str){(const char *)bytes, sizeof(bytes)}, &key, err);
    gw_wipe(bytes, sizeof(bytes));
    GW_TRY(code);
    return gw_mac_new(key, out, err);
}

enum gw_code gw_device_make(const struct gw_mac *key, const struct gw_device_cookie *c, char *dst, struct gw_error *err)
{
    uint8_t bytes[GW_DEVICE_COOKIE_BYTES] = {VERSION};
    memcpy(bytes + USER_AT, c->user_id.b, sizeof(c->user_id.b));
    for (unsigned i = 0; i < 8; i++)
        bytes[EXPIRES_AT + i] = (uint8_t)((uint64_t)c->expires_s >> (56 - 8 * i));
    memcpy(bytes + NONCE_AT, c->nonce, sizeof(c->nonce));
    if (gw_mac_sign(key, (struct gw_str){(const char *)bytes, MAC_AT}, bytes + MAC_AT) != GW_OK)
        return gw_fail(err, GW_ECRYPTO, "cannot sign a device cookie");
    size_t len = gw_base64url_encode(bytes, sizeof(bytes), dst);
    dst[len] = '\0';
    return GW_OK;
}

enum gw_code gw_device_read(const struct gw_mac *key, struct gw_str text, int64_t now_s, struct gw_device_cookie *out)
{
    uint8_t bytes[GW_DEVICE_COOKIE_BYTES];
    struct gw_device_cookie c = {.expires_s = 0};
    uint64_t expires_s = 0;
    size_t len = 0;
    if (text.len != GW_DEVICE_COOKIE_LEN || gw_base64url_decode(text, bytes, sizeof(bytes), &len) != GW_OK ||
        len != sizeof(bytes))
        return GW_EDENIED;
    const struct gw_str signed_part = {(const char *)bytes, MAC_AT};
    if (gw_mac_verify(key, signed_part, (struct gw_str){(const char *)bytes + MAC_AT, GW_MAC_BYTES}) != GW_OK)
        return GW_EDENIED;
    for (unsigned i = 0; i < 8; i++)
        expires_s = expires_s << 8 | bytes[EXPIRES_AT + i];
    c.expires_s = (int64_t)expires_s;
    if (bytes[0] != VERSION || c.expires_s <= now_s)
        return GW_EDENIED;
    memcpy(c.user_id.b, bytes + USER_AT, sizeof(c.user_id.b));
    memcpy(c.nonce, bytes + NONCE_AT, sizeof(c.nonce));
    *out = c;
    return GW_OK;
}
