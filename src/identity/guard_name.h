/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What an attempt is counted by: the scopes that its call has, and what tells one address, account or device from another in each. It
 * counts nothing; identity/login_guard.c, its one caller, does. No state: any thread.
 */
#include "identity/login_guard.h"

#define GW_GUARD_ACCOUNT_MAX 256 /* longer names are as good as their beginning */

/* Hashed as a whole: zero where nothing was put. */
struct gw_guard_print {
    uint8_t call, scope;
    struct gw_ip address; /* the unit that limits count by */
    uint8_t cookie[GW_DEVICE_NONCE_BYTES];
    uint8_t account_len[2];
    char account[GW_GUARD_ACCOUNT_MAX]; /* without ASCII case, as the store compares */
};
struct gw_guard_print gw_guard_print(const struct gw_attempt_by *by, enum gw_guard_scope scope);
uint64_t gw_guard_print_hash(const struct gw_hash_key *key, const struct gw_guard_print *p);

bool gw_guard_counts_by(const struct gw_attempt_by *by, enum gw_guard_scope scope);
/* keys: of each half of the tag. */
struct gw_window_name gw_guard_name(const struct gw_hash_key keys[2], const struct gw_attempt_by *by,
                                    enum gw_guard_scope scope);
