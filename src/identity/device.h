/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The text in a device's cookie: which account signed in there, until when that counts, and a signature. It opens nothing: an attempt that shows
 * it is told from strangers', no more. Pure; any thread.
 */
#include "crypto/mac.h"
#include "identity/login_guard.h"

struct gw_device_cookie {
    struct gw_uuid user_id;
    int64_t expires_s;
    uint8_t nonce[GW_DEVICE_NONCE_BYTES]; /* what failures with this cookie are counted by */
};

#define GW_DEVICE_COOKIE_BYTES (1 + 16 + 8 + GW_DEVICE_NONCE_BYTES + GW_MAC_BYTES)
#define GW_DEVICE_COOKIE_LEN GW_BASE64URL_LEN(GW_DEVICE_COOKIE_BYTES)

/* The key of these cookies, derived from the key-encryption key: it is no other key, and changes only with that one. */
GW_MUST_CHECK enum gw_code gw_device_key(const struct gw_secret *kek, struct gw_mac **out, struct gw_error *err);
/* dst holds GW_DEVICE_COOKIE_LEN + 1. */
GW_MUST_CHECK enum gw_code gw_device_make(const struct gw_mac *key, const struct gw_device_cookie *c, char *dst,
                                          struct gw_error *err);
/* GW_EDENIED: not made by this key, or expired. */
GW_MUST_CHECK enum gw_code gw_device_read(const struct gw_mac *key, struct gw_str text, int64_t now_s,
                                          struct gw_device_cookie *out);
