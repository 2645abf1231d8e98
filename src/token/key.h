/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A key that signs or verifies our tokens. It belongs to exactly one algorithm and has one name (kid): the name picks the key, the
 * key decides the algorithm, and what a token's header says of either is only compared (RFC 8725 section 3.1).
 *
 * Counted references, for rings, verifiers and calls under way share keys. Immutable; any thread.
 */
#include "crypto/ed25519.h"
#include "crypto/mac.h"

enum gw_token_key_kind {
    GW_TOKEN_KEY_HS256,          /* the text is the secret itself */
    GW_TOKEN_KEY_ED25519,        /* base64url of the seed: signs */
    GW_TOKEN_KEY_ED25519_PUBLIC, /* base64url of the public key: verifies only */
};
#define GW_TOKEN_SIGNATURE_MAX GW_ED25519_SIGNATURE_BYTES
#define GW_TOKEN_KEY_ID_LEN 16
#define GW_TOKEN_KEY_ID_MAX 64

struct gw_token_key;

/* text: what the key's file holds. id, copied: empty for none; ptr NULL for the key's own (gw_token_key_own_id of the secret, or of the
 * public key's text).
 * GW_EINVAL: a text that is no key of its kind, or a secret shorter than GW_SECRET_MIN_BYTES. One reference. */
GW_MUST_CHECK enum gw_code gw_token_key_new(enum gw_token_key_kind kind, const struct gw_secret *text, struct gw_str id,
                                            struct gw_token_key **out, struct gw_error *err);
struct gw_token_key *gw_token_key_ref(struct gw_token_key *k); /* NULL stays NULL */
void gw_token_key_unref(struct gw_token_key *k);
static inline void gw_token_key_auto_(struct gw_token_key **k)
{
    gw_token_key_unref(*k);
}

/* 16 hex digits of SHA-256 over "aaiti-kid\0" and the text, so that it tells nothing of a secret. dst holds GW_TOKEN_KEY_ID_LEN + 1. */
GW_MUST_CHECK enum gw_code gw_token_key_own_id(struct gw_str text, char *dst, struct gw_error *err);

struct gw_str gw_token_key_id(const struct gw_token_key *k);
struct gw_str gw_token_key_algorithm(const struct gw_token_key *k); /* "HS256", "EdDSA" */
/* A verification costs so much that its result is worth keeping. */
bool gw_token_key_is_slow(const struct gw_token_key *k);
/* base64url of the public key; empty for a secret. */
struct gw_str gw_token_key_public_text(const struct gw_token_key *k);
/* Whether the key's text is this secret. */
bool gw_token_key_is_text(const struct gw_token_key *k, const struct gw_secret *text);

/* GW_EINVAL: a public key. */
GW_MUST_CHECK enum gw_code gw_token_key_sign(const struct gw_token_key *k, struct gw_str msg,
                                             char out[GW_TOKEN_SIGNATURE_MAX], size_t *out_len);
/* GW_EDENIED when the signature, of whatever length, is not msg's by this key. */
GW_MUST_CHECK enum gw_code gw_token_key_verify(const struct gw_token_key *k, struct gw_str msg,
                                               struct gw_str signature);
