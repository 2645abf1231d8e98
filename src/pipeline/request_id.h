/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The id of a refused request tells whoever holds the key why it was refused, and tells nothing to anybody else: `aaiti explain ID`
 * opens it, also after the logs are gone. Workers seal, control opens. A sealer is used by one thread; opening, by any.
 *
 * An id is the base64url text of
 *     the request's own UUIDv7 (16 bytes) | nonce (12) | AES-256-GCM of what follows (28) | tag (16)
 *     version 1 (1) | generation of the policy (3) | marks of its bundle, reason, stage, detail, route and right (4 each)
 * with the UUID as associated data. All ids are of one length, so that none tells what it holds. The UUID is in the clear: it says when
 * the request came, which its sender knows, and it finds the request in the audit trail even when the key is gone.
 *
 * A mark is a hash of a name, so that an id keeps its meaning when lists grow or a policy's routes move. Generations begin again when the
 * whole gateway is restarted: which settings and policy it was is told by the bundle.
 *
 * Nonces are random. A key that draws 2^32 of them repeats one with a probability of 2^-33 (NIST SP 800-38D section 8.3), so none draws
 * more: the key of each hour is HMAC-SHA256(key, label | hour of the UUID), and 2^32 an hour are 1.2 million refusals a second. The file's
 * own key is never given to the cipher.
 */
#include "base/encode.h"
#include "crypto/random.h"
#include "crypto/secret.h"

#define GW_SEALED_ID_LEN 96
#define GW_REFUSAL_GENERATION_BITS 24

/* The names are marks; 0: none. */
struct gw_refusal {
    struct gw_uuid request;
    uint32_t generation; /* its low GW_REFUSAL_GENERATION_BITS; 0: there was no policy yet */
    uint32_t bundle, reason, stage, detail, route;
    uint32_t right; /* what the route asks for (gw_right_of_route) */
};

/* 0 for the empty name alone. */
uint32_t gw_name_mark(struct gw_str name);

struct gw_id_sealer;
/* key is borrowed for the call alone. */
GW_MUST_CHECK enum gw_code gw_id_sealer_new(const struct gw_secret *key, const struct gw_random *r,
                                            struct gw_id_sealer **out, struct gw_error *err);
void gw_id_sealer_free(struct gw_id_sealer *s);
GW_DEFINE_AUTO_FREE(gw_id_sealer);
/* Writes GW_SEALED_ID_LEN bytes, no NUL. Allocates nothing. The same refusal twice gives two ids. */
GW_MUST_CHECK enum gw_code gw_id_seal(struct gw_id_sealer *s, const struct gw_refusal *what, char *dst);

/* GW_EPARSE: not of that form. GW_EDENIED: not sealed by this key. GW_EINVAL: by a later version of this program. */
GW_MUST_CHECK enum gw_code gw_id_open(const struct gw_secret *key, struct gw_str text, struct gw_refusal *out,
                                      struct gw_error *err);
