/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The generations of the token key, as files side by side and as a set in memory. Control signs with the current one; every verifier
 * holds all there are, so that a rotation needs nobody's acknowledgement: the key that becomes current was known to every
 * worker as the next one, and the previous one is kept until its last token has expired.
 *
 *     HS256   PATH, PATH.next, PATH.previous: the secrets
 *     EdDSA   PATH, PATH.next: the seeds, for control alone; PATH.pub, PATH.next.pub, PATH.previous.pub: the public keys
 *
 * ring.c tells what a kill at any moment leaves. Blocks; one thread, but for rings of one's own.
 */
#include "base/clock.h"
#include "token/key.h"

enum gw_token_generation { GW_TOKEN_CURRENT, GW_TOKEN_NEXT, GW_TOKEN_PREVIOUS, GW_TOKEN_GENERATIONS };
const char *gw_token_generation_name(enum gw_token_generation g);

enum gw_token_algorithm { GW_TOKEN_HS256, GW_TOKEN_EDDSA };

/* Owns a reference to each; any but the current may be NULL. */
struct gw_token_ring {
    struct gw_token_key *keys[GW_TOKEN_GENERATIONS];
    int64_t
        since_s[GW_TOKEN_GENERATIONS]; /* when its file was written; of the previous: when it stopped being current */
};
void gw_token_ring_copy(const struct gw_token_ring *ring, struct gw_token_ring *out);
void gw_token_ring_done(struct gw_token_ring *ring);
GW_DEFINE_AUTO_DONE(gw_token_ring);

struct gw_token_files {
    const char *path; /* of the current key */
    enum gw_token_algorithm algorithm;
};
/* What verifies: secrets, or public keys alone. */
GW_MUST_CHECK enum gw_code gw_token_ring_load_verifiers(const struct gw_token_files *f, struct gw_token_ring *out,
                                                        struct gw_error *err);
/* What control holds: the private keys of current and next as well. */
GW_MUST_CHECK enum gw_code gw_token_ring_load(const struct gw_token_files *f, struct gw_token_ring *out,
                                              struct gw_error *err);

/* Makes the current key and its public part. GW_ECONFLICT: it is there, and its public part may have been added. */
GW_MUST_CHECK enum gw_code gw_token_files_make_current(const struct gw_token_files *f, const struct gw_random *r,
                                                       struct gw_error *err);
/* Completes what a killed rotation left and makes a missing next key. *out_changed: nginx must read the files again. */
GW_MUST_CHECK enum gw_code gw_token_files_mend(const struct gw_token_files *f, const struct gw_random *r,
                                               bool *out_changed, struct gw_error *err);
/* previous := current, current := next, next := a new one. Files mended before. A previous key that is still there is dropped. */
GW_MUST_CHECK enum gw_code gw_token_files_rotate(const struct gw_token_files *f, const struct gw_clock *clock,
                                                 const struct gw_random *r, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_token_files_drop_previous(const struct gw_token_files *f, struct gw_error *err);
