/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reads the users of an A.A.I.T.I database: an SQLite file with a table `users`. The file is opened read-only and may be in
 * use by a running backend. What the rows hold is foreign: whoever takes them checks them.
 */
#include <gw/error.h>
#include <gw/str.h>

/* Borrowed until the callback returns; "" where the table holds NULL. */
struct gw_aaiti_user {
    struct gw_str id, username, email, password_hash, role;
    bool active;
};

/* A callback that fails ends the walk with its code. */
typedef enum gw_code (*gw_aaiti_user_fn)(void *ctx, const struct gw_aaiti_user *u, struct gw_error *err);

/* By username. GW_EINVAL: no such file, no SQLite database, or no such table. */
GW_MUST_CHECK enum gw_code gw_aaiti_user_each(const char *path, gw_aaiti_user_fn fn, void *ctx, struct gw_error *err);
