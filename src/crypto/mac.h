/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * SHA-256 and HMAC-SHA256 (FIPS 180-4, RFC 2104), and SHA-1 where a protocol wants it and nothing depends on it. A gw_mac keeps the keyed pads prepared, so that one tag costs little
 * more than its blocks, and allocates nothing for it. Immutable after gw_mac_new; any thread.
 */
#include "crypto/secret.h"

#define GW_MAC_BYTES 32

struct gw_mac;

GW_MUST_CHECK enum gw_code gw_mac_new(const struct gw_secret *key, struct gw_mac **out, struct gw_error *err);
void gw_mac_free(struct gw_mac *m);
GW_DEFINE_AUTO_FREE(gw_mac);

GW_MUST_CHECK enum gw_code gw_mac_sign(const struct gw_mac *m, struct gw_str msg, uint8_t out[GW_MAC_BYTES]);
/* GW_EDENIED when the tag is not msg's; constant time in the tag. */
GW_MUST_CHECK enum gw_code gw_mac_verify(const struct gw_mac *m, struct gw_str msg, struct gw_str tag);

/* By a key of which a tag is wanted once: nothing is prepared, nothing allocated. */
GW_MUST_CHECK enum gw_code gw_mac_once(const uint8_t key[GW_MAC_BYTES], struct gw_str msg, uint8_t out[GW_MAC_BYTES]);

/* Of the pieces in their order as one. */
GW_MUST_CHECK enum gw_code gw_sha256_pieces(const struct gw_str *pieces, size_t count, uint8_t out[GW_MAC_BYTES]);
GW_MUST_CHECK enum gw_code gw_sha256(struct gw_str msg, uint8_t out[GW_MAC_BYTES], struct gw_error *err);

#define GW_SHA1_BYTES 20
/* For the WebSocket handshake alone. */
GW_MUST_CHECK enum gw_code gw_sha1_pieces(const struct gw_str *pieces, size_t count, uint8_t out[GW_SHA1_BYTES]);
