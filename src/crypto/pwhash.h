/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Password hashes. New ones are Argon2id in PHC string form (RFC 9106); bcrypt ($2a$ $2b$ $2y$) verifies so that imported
 * users can sign in once and be upgraded. Slow on purpose: only the hashing pool of the control plane calls these.
 */
#include "crypto/random.h"
#include <gw/error.h>
#include <gw/str.h>

struct gw_pwhash_params {
    uint32_t memory_kib, passes, lanes; /* RFC 9106 m, t, p */
};

#define GW_PASSWORD_MAX_BYTES 512 /* 128 characters of UTF-8 */
#define GW_PWHASH_LEN 160

/* dst holds GW_PWHASH_LEN: a NUL-terminated $argon2id$v=19$... string. */
GW_MUST_CHECK enum gw_code gw_pwhash_make(struct gw_str password, const struct gw_pwhash_params *params,
                                          const struct gw_random *r, char *dst, struct gw_error *err);
/* GW_OK: the password is right. GW_EDENIED: it is wrong. GW_EPARSE: a hash of no kind we know, or whose cost is beyond
 * sense (Argon2 memory above 1 GiB, 64 passes or 16 lanes, bcrypt above 15), which would let a database row freeze the pool. A
 * password with a NUL byte is wrong for any bcrypt hash: crypt would look no further than it. */
GW_MUST_CHECK enum gw_code gw_pwhash_verify(const char *hash, struct gw_str password, struct gw_error *err);
/* Not Argon2id, or of lower cost than params. */
bool gw_pwhash_is_outdated(const char *hash, const struct gw_pwhash_params *params);
/* 0: no bcrypt hash. */
unsigned gw_pwhash_bcrypt_cost(const char *hash);
/* A bcrypt hash of that cost which no password fits, to be measured by. dst holds GW_PWHASH_LEN. */
void gw_pwhash_bcrypt_dummy(unsigned cost, char *dst);
/* A form that gw_pwhash_verify can read. Used by imports. */
bool gw_pwhash_is_known(struct gw_str hash);
