/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The keys of a gateway: those that sign our tokens (JWT_SECRET, or the file token.key_file and its generations) and the upstream's (a
 * file that the policy or upstream.key_file names, and the next one staged beside it). They must differ: else a token of ours would be
 * good at the backend, past the gateway.
 */
#include "config/settings.h"
#include "crypto/secret.h"
#include "token/ring.h"
#include <sys/types.h>

struct gw_upstream;

struct gw_keys {
    struct gw_token_ring ring;
    struct gw_secret *upstream;      /* NULL when the policy needs none */
    struct gw_secret *upstream_next; /* NULL when none is staged */
};

struct gw_keys_source {
    const char *home;
    const struct gw_settings *settings;
    const struct gw_upstream *upstream; /* of the policy; NULL: none needed */
    gw_getenv_fn getenv_fn;
};

/* Missing, weak, readable by others or equal: err says so, with the command that mends it. */
GW_MUST_CHECK enum gw_code gw_keys_load(const struct gw_keys_source *source, struct gw_keys *out, struct gw_error *err);
/* The upstream's alone, against the token keys in use: what a reload may have changed. */
GW_MUST_CHECK enum gw_code gw_keys_check_upstream(const struct gw_keys_source *source, const struct gw_token_ring *ring,
                                                  struct gw_error *err);
void gw_keys_done(struct gw_keys *k);
GW_DEFINE_AUTO_DONE(gw_keys);

/* The files of the token key; path, in the arena, is NULL without memory. */
struct gw_token_files gw_keys_token_files(struct gw_arena *a, const struct gw_keys_source *source);
/* The upstream's file, in the arena; NULL when there is none, or without memory. */
const char *gw_keys_upstream_file(struct gw_arena *a, const struct gw_keys_source *source);
/* Whether the gateway may exchange a key file by itself: one that is named relative to the home directory. Others, and a key that came by
 * JWT_SECRET, are the user's own. */
bool gw_keys_file_is_ours(struct gw_str name);

/* For `aaiti serve`, before it starts anything: a JWT_SECRET of the environment is checked, written to run_dir/keys/token.key (0600,
 * owner's), wiped from the environment, and JWT_SECRET_FILE set to that file, so that settings loaded afterwards and
 * every child find it there. Nothing happens when JWT_SECRET is not set. Not thread-safe: it changes the environment. */
GW_MUST_CHECK enum gw_code gw_keys_stash_environment(const char *run_dir, uid_t owner, struct gw_error *err);
/* Where it will write, in the arena; NULL: no JWT_SECRET is set, or no memory. */
const char *gw_keys_stash_file(struct gw_arena *a, const char *run_dir);
/* Wipes the value of JWT_SECRET where the kernel shows it (/proc/PID/environ) and removes the variable. Not thread-safe. */
void gw_keys_scrub_environment(void);
