/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tokens that were verified, so that an Ed25519 signature is checked once a worker and not once a request. What is remembered is that
 * the bytes are a good token and what they claim; the times, and everything that may have changed since, are still to be looked
 * at. A verifier owns one and empties it by ending: a cache never outlives its key set or its profile.
 *
 * Bounded: 8192 tokens in sets of eight, the longest unused makes room. One thread.
 */
#include "crypto/mac.h"

struct gw_jwt_claims;
struct gw_token_cache;

/* SHA-256 of a token's bytes: nobody makes two tokens with one. */
struct gw_token_digest {
    uint8_t bytes[GW_MAC_BYTES];
};
GW_MUST_CHECK enum gw_code gw_token_digest_of(struct gw_str token, struct gw_token_digest *out);

GW_MUST_CHECK enum gw_code gw_token_cache_new(struct gw_token_cache **out, struct gw_error *err);
void gw_token_cache_free(struct gw_token_cache *c);

/* False: not remembered. Fills all claims but iss. */
bool gw_token_cache_get(struct gw_token_cache *c, const struct gw_token_digest *d, struct gw_jwt_claims *out);
/* Claims longer than ours are not kept. */
void gw_token_cache_put(struct gw_token_cache *c, const struct gw_token_digest *d, const struct gw_jwt_claims *claims);
