/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The keys of a gateway: those that sign our tokens (JWT_SECRET, or the file token.key_file and its generations) and the upstream's (a
 * file that the policy or upstream.key_file names, and the next one staged beside it). They must differ: else a token of ours would be
 * good at the backend, past the gateway. Beside them the key-encryption key (ENCRYPTION_KEY, or the file encryption.key_file), which
 * control alone holds, and the one that seals the ids of refusals (the file request_id.key_file).
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
    struct gw_secret *request_id;    /* NULL: its file is the gateway's to make, and is not there yet */
};

struct gw_keys_source {
    const char *home;
    const struct gw_settings *settings;
    const struct gw_upstream *upstream; /* of the policy; NULL: none needed */
    gw_getenv_fn getenv_fn;
};

/* Missing, weak, readable by others or equal: err says so, with the command that mends it. */
GW_MUST_CHECK enum gw_code gw_keys_load(const struct gw_keys_source *source, struct gw_keys *out, struct gw_error *err);
/* All but the token keys, against those in use: what a reload may have changed. out->ring stays empty. */
GW_MUST_CHECK enum gw_code gw_keys_load_others(const struct gw_keys_source *source, const struct gw_token_ring *ring,
                                               struct gw_keys *out, struct gw_error *err);
/* The key-encryption key's text (gw_kek_parse), which must be none of the others'. GW_ENOTFOUND: it is a file, and there is none yet. */
GW_MUST_CHECK enum gw_code gw_keys_load_encryption(const struct gw_keys_source *source, const struct gw_keys *others,
                                                   struct gw_secret **out, struct gw_error *err);
/* Makes its file in the home directory; GW_EINVAL where it is the user's own to make (gw_keys_file_is_ours). */
GW_MUST_CHECK enum gw_code gw_keys_make_encryption(const struct gw_keys_source *source, const struct gw_random *r,
                                                   struct gw_error *err);
/* Where it comes from, for messages: the file's name in the arena, or ENCRYPTION_KEY. NULL without memory. */
const char *gw_keys_encryption_origin(struct gw_arena *a, const struct gw_keys_source *source);
/* The key of request ids alone; GW_ENOTFOUND: there is none. */
GW_MUST_CHECK enum gw_code gw_keys_load_request_id(const struct gw_keys_source *source, struct gw_secret **out,
                                                   struct gw_error *err);
/* Makes the key of request ids in the home directory, where it is the gateway's to make; GW_ECONFLICT: it is there. */
GW_MUST_CHECK enum gw_code gw_keys_make_request_id(const struct gw_keys_source *source, const struct gw_random *r,
                                                   struct gw_error *err);
/* It is none of the others, which a reload may have changed. */
GW_MUST_CHECK enum gw_code gw_keys_check_encryption(const struct gw_secret *text, const struct gw_keys *others,
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

/* For `aaiti serve`, before it starts anything: a JWT_SECRET and an ENCRYPTION_KEY of the environment are checked, written to
 * run_dir/keys/ (0600, owner's), wiped from the environment, and NAME_FILE set to the file, so that settings loaded afterwards and
 * every child find it there. What is not set is left alone. Not thread-safe: it changes the environment. */
GW_MUST_CHECK enum gw_code gw_keys_stash_environment(const char *run_dir, uid_t owner, struct gw_error *err);
/* Where it will write a JWT_SECRET, in the arena; NULL: none is set, or no memory. */
const char *gw_keys_stash_file(struct gw_arena *a, const char *run_dir);
/* Wipes the values of both where the kernel shows them (/proc/PID/environ) and removes the variables. Not thread-safe. */
void gw_keys_scrub_environment(void);
