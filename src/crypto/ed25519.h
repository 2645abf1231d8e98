/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Ed25519 signatures (RFC 8032, pure). A key is public, or private with its public part. Immutable; any thread. Verifying takes
 * 75 us and allocates, so whoever verifies the same thing often keeps the result (token/cache.h).
 */
#include "crypto/secret.h"

#define GW_ED25519_KEY_BYTES 32 /* a private key's seed, and a public key */
#define GW_ED25519_SIGNATURE_BYTES 64

struct gw_ed25519;

/* seed: exactly GW_ED25519_KEY_BYTES (GW_EINVAL); copied. */
GW_MUST_CHECK enum gw_code gw_ed25519_new_private(struct gw_str seed, struct gw_ed25519 **out, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_ed25519_new_public(struct gw_str key, struct gw_ed25519 **out, struct gw_error *err);
void gw_ed25519_free(struct gw_ed25519 *k);
GW_DEFINE_AUTO_FREE(gw_ed25519);

/* GW_ED25519_KEY_BYTES, borrowed. */
struct gw_str gw_ed25519_public(const struct gw_ed25519 *k);
/* GW_EINVAL: the key is public. */
GW_MUST_CHECK enum gw_code gw_ed25519_sign(const struct gw_ed25519 *k, struct gw_str msg,
                                           uint8_t out[GW_ED25519_SIGNATURE_BYTES]);
/* GW_EDENIED when the signature, of whatever length, is not msg's. */
GW_MUST_CHECK enum gw_code gw_ed25519_verify(const struct gw_ed25519 *k, struct gw_str msg, struct gw_str signature);
