/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * AES-256-GCM (NIST SP 800-38D) with 96-bit nonces and whole 128-bit tags, and nothing else. Who calls it sees to it that no nonce
 * is used twice with one key. No state; any thread.
 */
#include "crypto/secret.h"

#define GW_AEAD_KEY_BYTES 32
#define GW_AEAD_NONCE_BYTES 12
#define GW_AEAD_TAG_BYTES 16
#define GW_AEAD_MAX_BYTES ((size_t)16 * 1024 * 1024) /* of a message, and of what is authenticated with it */

struct gw_aead_message {
    const uint8_t *nonce; /* GW_AEAD_NONCE_BYTES */
    struct gw_str aad;    /* authenticated, not part of the output */
    struct gw_str text;   /* what is to be sealed, or opened */
};

/* key is of GW_AEAD_KEY_BYTES. Writes text.len bytes to out and the tag. GW_ELIMIT: too long. */
GW_MUST_CHECK enum gw_code gw_aead_seal(const struct gw_secret *key, const struct gw_aead_message *m, uint8_t *out,
                                        uint8_t tag[GW_AEAD_TAG_BYTES], struct gw_error *err);
/* GW_EDENIED: not sealed by this key, nonce and aad, or changed since; out, text.len bytes, is then zeroes. GW_ELIMIT. */
GW_MUST_CHECK enum gw_code gw_aead_open(const struct gw_secret *key, const struct gw_aead_message *m,
                                        const uint8_t tag[GW_AEAD_TAG_BYTES], uint8_t *out, struct gw_error *err);

/* ---- for a path that must not allocate ---- */

/* A context that is made once and given a key again and again. The expanded key lies in ordinary memory, so only one that is good for a
 * short time belongs here (docs/adr/0009). One thread. */
struct gw_aead_sealer;
GW_MUST_CHECK enum gw_code gw_aead_sealer_new(struct gw_aead_sealer **out, struct gw_error *err);
void gw_aead_sealer_free(struct gw_aead_sealer *s);
GW_DEFINE_AUTO_FREE(gw_aead_sealer);
GW_MUST_CHECK enum gw_code gw_aead_sealer_set_key(struct gw_aead_sealer *s, const uint8_t key[GW_AEAD_KEY_BYTES]);
/* As gw_aead_seal. */
GW_MUST_CHECK enum gw_code gw_aead_sealer_seal(struct gw_aead_sealer *s, const struct gw_aead_message *m, uint8_t *out,
                                               uint8_t tag[GW_AEAD_TAG_BYTES]);
