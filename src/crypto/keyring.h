/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Secrets at rest. A key-encryption key (KEK), which is nowhere but in its file, wraps data keys; the newest data key seals, each one
 * opens what it sealed. An envelope is bound to the name of what it holds, so that it is worth nothing under another. Knows
 * no database: identity/sealed.c keeps wrapped keys and envelopes. One thread at a time.
 */
#include "base/buf.h"
#include "crypto/aead.h"

#define GW_KEK_BYTES GW_AEAD_KEY_BYTES

/* The KEK's text form: 64 hex digits, or base64 of 32 bytes in either alphabet, with or without its one `=`. GW_EINVAL: anything else, or
 * a weak one (gw_secret_check); err says what is wrong, and never the text. */
GW_MUST_CHECK enum gw_code gw_kek_parse(const struct gw_secret *text, struct gw_secret **out, struct gw_error *err);
/* Makes a file of 64 random hex digits, 0600. GW_ECONFLICT when something is there. */
GW_MUST_CHECK enum gw_code gw_kek_create(const char *path, const struct gw_random *r, struct gw_error *err);

struct gw_keyring;

/* The caller keeps kek, which must be of GW_KEK_BYTES and outlive the ring. */
GW_MUST_CHECK enum gw_code gw_keyring_new(const struct gw_secret *kek, const struct gw_random *r,
                                          struct gw_keyring **out, struct gw_error *err);
void gw_keyring_free(struct gw_keyring *k);
GW_DEFINE_AUTO_FREE(gw_keyring);

/* ---- data keys ---- */

#define GW_KEYRING_WRAPPED_BYTES (GW_AEAD_NONCE_BYTES + GW_AEAD_KEY_BYTES + GW_AEAD_TAG_BYTES)
#define GW_KEYRING_KEYS_MAX 64
/* NIST SP 800-38D section 8.3: so many random nonces may one key draw, that two are alike with a chance below 2^-32. */
#define GW_KEYRING_SEALS_MAX (UINT64_C(1) << 32)

/* A new key, wrapped; it is not in the ring yet. */
GW_MUST_CHECK enum gw_code gw_keyring_make(struct gw_keyring *k, uint32_t id, uint8_t wrapped[GW_KEYRING_WRAPPED_BYTES],
                                           struct gw_error *err);
/* Unwraps a key into the ring; the one of the highest id seals. seals: how many nonces it may have drawn; it draws no more until
 * gw_keyring_allow. GW_EDENIED: wrapped by another KEK, for another id, or damaged. GW_ELIMIT: the ring is full. */
GW_MUST_CHECK enum gw_code gw_keyring_add(struct gw_keyring *k, uint32_t id,
                                          const uint8_t wrapped[GW_KEYRING_WRAPPED_BYTES], uint64_t seals,
                                          struct gw_error *err);
/* What the sealing key may have drawn in all, from now on: at most GW_KEYRING_SEALS_MAX, whatever is given. */
void gw_keyring_allow(struct gw_keyring *k, uint64_t seals);
/* Wipes a key, which must be in the ring. */
void gw_keyring_drop(struct gw_keyring *k, uint32_t id);

/* The key that seals; 0: none. */
uint32_t gw_keyring_sealing_id(const struct gw_keyring *k);
/* The first key after id by number; 0: none. */
uint32_t gw_keyring_id_after(const struct gw_keyring *k, uint32_t id);
/* Nonces that the sealing key has drawn. */
uint64_t gw_keyring_seals(const struct gw_keyring *k);

/* ---- envelopes: version, key id (4 bytes, big-endian), nonce, ciphertext, tag ---- */

#define GW_KEYRING_OVERHEAD (1 + 4 + GW_AEAD_NONCE_BYTES + GW_AEAD_TAG_BYTES)

/* Appends the envelope of text, which may be empty, to out. GW_ELIMIT: the key may draw no more nonces, or out is full. */
GW_MUST_CHECK enum gw_code gw_keyring_seal(struct gw_keyring *k, struct gw_str name, struct gw_str text,
                                           struct gw_buf *out, struct gw_error *err);
/* Appends the text to out. GW_EDENIED: no envelope, of no key in the ring, of another name, or changed; out is then as it was. */
GW_MUST_CHECK enum gw_code gw_keyring_open(const struct gw_keyring *k, struct gw_str name, struct gw_str envelope,
                                           struct gw_buf *out, struct gw_error *err);
/* The id of the key that an envelope says it was sealed by; 0: it is no envelope. */
uint32_t gw_keyring_id_of(struct gw_str envelope);
