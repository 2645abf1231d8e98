/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The inside of a gw_app, for the files that it is made of: app.c, app_open.c and generation.c. A generation is everything that a
 * reload makes anew: settings, policy, password rules and the services made from them.
 */
#include "base/buf.h"
#include "control/app.h"
#include "control/expiry.h"
#include "control/presses.h"
#include "control/run_dir.h"
#include "response/block.h"
#include <gw/arena.h>
#include <pthread.h>

struct gw_generation {
    struct gw_app_view view; /* first, so that a view is its generation */
    unsigned refs;           /* under the app's lock */
    struct gw_arena arena;
    struct gw_settings settings;
    struct gw_policy *policy;
    struct gw_password_rules *rules;
    struct gw_buf policy_text; /* what policy was compiled from */
};

struct gw_app {
    struct gw_app_options options;
    char *home;
    char run_dir[GW_RUN_PATH_MAX + 1];
    int journal_dir, mode_dir;
    int lock_fd;
    struct gw_token_ring ring;               /* under reloading; without a current key until the files were read */
    struct gw_secret *encryption_text, *kek; /* NULL until they are needed */
    struct gw_login_guard *guard;
    struct gw_mac *device_key; /* NULL offline */
    struct gw_store *store;
    struct gw_recorder *recorder;
    struct gw_consumer *consumer;
    struct gw_refusals *refusals;
    struct gw_sealed *sealed;
    struct gw_making_safe *making_safe;
    struct gw_block_full blocks_full;
    struct gw_expiry expiries[GW_EXPIRING_COUNT];
    struct gw_kernel_drop *kernel_drop;
    struct gw_presses presses;
    struct gw_shared *shared;
    pthread_mutex_t lock;      /* current, refs */
    pthread_mutex_t reloading; /* one reload or exchange of keys at a time */
    bool keys_were_mended;     /* at the start: nginx may have read them before */
    struct gw_generation *current;
};

/* What the files alone decide, checked: settings, policy, keys, password rules. Faults as gw_app_open. */
GW_MUST_CHECK enum gw_code gw_generation_new(struct gw_app *a, struct gw_faults *f, struct gw_generation **out,
                                             struct gw_error *err);
/* What works with them. The store and the segments must be open. */
GW_MUST_CHECK enum gw_code gw_generation_start(struct gw_app *a, struct gw_generation *g, struct gw_error *err);
/* Writes its bundle and has the workers take it up. Nothing offline. */
GW_MUST_CHECK enum gw_code gw_generation_publish(struct gw_app *a, const struct gw_generation *g, struct gw_error *err);
void gw_generation_free(struct gw_generation *g);

/* A file that is not there yet is made once the database has told that nothing needs the one that was (gw_app_open_sealed). */
GW_MUST_CHECK enum gw_code gw_app_load_encryption(struct gw_app *a, const struct gw_keys_source *source,
                                                  const struct gw_keys *others, struct gw_error *err);
/* Opens what is sealed in the database, by the encryption key of source. */
GW_MUST_CHECK enum gw_code gw_app_open_sealed(struct gw_app *a, const struct gw_keys_source *source,
                                              struct gw_error *err);
