/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the gateway shows the backend in a user's place: a token minted for this user, or a fixed credential. Minted tokens
 * are kept in a small table, so that a busy user costs one signature per three quarters of a token's life.
 * One thread.
 */
#include "crypto/mac.h"
#include "policy/policy.h"
#include "shared/shared.h"
#include <gw/arena.h>

struct gw_mint;

/* Whether key can stand behind the credential of u: one that signs must be strong; `user:password` and a header's value are the
 * backend's choice, but must not break the header that they go into. GW_EINVAL says what is wrong, without the secret. */
GW_MUST_CHECK enum gw_code gw_mint_check(const struct gw_upstream *u, const struct gw_secret *key,
                                         struct gw_error *err);
/* key NULL: no credential can be made. Borrowed. */
GW_MUST_CHECK enum gw_code gw_mint_new(const struct gw_secret *key, struct gw_mint **out, struct gw_error *err);
void gw_mint_free(struct gw_mint *m);
GW_DEFINE_AUTO_FREE(gw_mint);

/* The credential of user by the rules of u, in the arena: "Bearer …", "Basic …" or a header's value. edition names the
 * snapshot that u is of: a token kept from another is not used. The name of its header is gw_mint_header. */
GW_MUST_CHECK enum gw_code gw_mint_credential(struct gw_mint *m, const struct gw_upstream *u,
                                              const struct gw_live_user *user, uint64_t edition, int64_t now_s,
                                              struct gw_arena *a, struct gw_str *out);
/* Empty when there is no credential. */
struct gw_str gw_mint_header(const struct gw_upstream *u);
