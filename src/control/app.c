/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The app holds a reference to the generation in force, each call holds one to the one it began with, and the last to let go frees
 * it: so a call sees one consistent set, and a reload waits for nobody. The store, the segments, the token key and the lock live as
 * long as the app.
 */
#include "control/generation.h"
#include "identity/sealed.h"
#include "policy/policy.h"
#include <assert.h>
#include <unistd.h>

/* ---- generations ---- */

const struct gw_app_view *gw_app_view_get(struct gw_app *a)
{
    pthread_mutex_lock(&a->lock);
    struct gw_generation *g = a->current;
    g->refs++;
    pthread_mutex_unlock(&a->lock);
    return &g->view;
}

static void generation_put(struct gw_app *a, struct gw_generation *g)
{
    pthread_mutex_lock(&a->lock);
    assert(g->refs > 0);
    bool last = --g->refs == 0;
    pthread_mutex_unlock(&a->lock);
    if (last)
        gw_generation_free(g);
}

void gw_app_view_put(struct gw_app *a, const struct gw_app_view *v)
{
    /* A view is const for its users; here it is its generation again. */
    generation_put(a, (struct gw_generation *)(uintptr_t)v);
}

enum gw_code gw_app_reload(struct gw_app *a, struct gw_faults *f, struct gw_error *err)
{
    struct gw_generation *g = NULL, *old = NULL;
    pthread_mutex_lock(&a->reloading);
    enum gw_code code = gw_generation_new(a, f, &g, err);
    if (code == GW_OK)
        code = gw_generation_start(a, g, err);
    if (code == GW_OK)
        code = gw_generation_publish(a, g, err);
    if (code == GW_OK) {
        pthread_mutex_lock(&a->lock);
        old = a->current;
        a->current = gw_take(&g);
        pthread_mutex_unlock(&a->lock);
        gw_identity_set_guard(a->current->view.settings, a->guard);
        generation_put(a, old);
        /* Limits stand in the live sessions' own records: changed ones bite at once. */
        if (a->shared != NULL)
            code = gw_identity_publish(a->current->view.identity, err);
    }
    pthread_mutex_unlock(&a->reloading);
    gw_generation_free(g);
    return code;
}

/* ---- secrets in the database ---- */

enum gw_code gw_app_sealed(struct gw_app *a, struct gw_sealed **out, struct gw_error *err)
{
    if (a->sealed == NULL) {
        const struct gw_keys_source source = gw_app_keys_source(a, &a->current->view);
        GW_TRY(gw_app_load_encryption(a, &source, &(struct gw_keys){0}, err));
        GW_TRY(gw_app_open_sealed(a, &source, err));
    }
    *out = a->sealed;
    return GW_OK;
}

/* ---- keys ---- */

void gw_app_hold_keys(struct gw_app *a)
{
    pthread_mutex_lock(&a->reloading);
}

void gw_app_release_keys(struct gw_app *a)
{
    pthread_mutex_unlock(&a->reloading);
}

const struct gw_token_ring *gw_app_ring(const struct gw_app *a)
{
    return &a->ring;
}

bool gw_app_is_encryption_key(const struct gw_app *a, const struct gw_secret *secret)
{
    return a->encryption_text != NULL && gw_secret_eq(a->encryption_text, secret);
}

/* Services of an older set go on with the ring they have: what they sign is good as well, and they end with their calls. */
enum gw_code gw_app_set_ring(struct gw_app *a, struct gw_token_ring *ring, struct gw_error *err)
{
    GW_TRY(gw_identity_set_ring(a->current->view.identity, ring, err));
    gw_token_ring_done(&a->ring);
    a->ring = *ring;
    *ring = (struct gw_token_ring){0};
    return GW_OK;
}

struct gw_keys_source gw_app_keys_source(const struct gw_app *a, const struct gw_app_view *v)
{
    return (struct gw_keys_source){a->home, v->settings, gw_policy_upstream(v->policy), a->options.getenv_fn};
}

const struct gw_random *gw_app_random(const struct gw_app *a)
{
    return a->options.random;
}

bool gw_app_ring_doorbell(const struct gw_app *a)
{
    return a->options.doorbell != 0 && write(a->options.doorbell, "k", 1) == 1;
}

struct gw_shared *gw_app_shared(struct gw_app *a)
{
    return a->shared;
}

struct gw_refusals *gw_app_refusals(const struct gw_app *a)
{
    return a->refusals;
}

int gw_app_mode_dir(const struct gw_app *a)
{
    return a->mode_dir;
}

struct gw_presses *gw_app_presses(struct gw_app *a)
{
    return &a->presses;
}

int gw_app_journal_dir(const struct gw_app *a)
{
    return a->journal_dir;
}

const char *gw_app_run_dir(const struct gw_app *a)
{
    return a->run_dir[0] != '\0' ? a->run_dir : NULL;
}

const struct gw_clock *gw_app_clock(const struct gw_app *a)
{
    return a->options.clock;
}

struct gw_recorder *gw_app_recorder(const struct gw_app *a)
{
    return a->recorder;
}

struct gw_consumer *gw_app_consumer(const struct gw_app *a)
{
    return a->consumer;
}

struct gw_block_desk gw_app_blocks(struct gw_app *a, const struct gw_app_view *v)
{
    return (struct gw_block_desk){
        .store = a->store,
        .shared = a->shared,
        .recorder = a->recorder,
        .clock = a->options.clock,
        .random = a->options.random,
        .allow = v->settings->allow.item,
        .allow_count = v->settings->allow.count,
        .capacity = v->settings->block_capacity,
        .full = &a->blocks_full,
    };
}

struct gw_expiry *gw_app_expiries(struct gw_app *a)
{
    return a->expiries;
}

struct gw_kernel_drop *gw_app_kernel_drop(struct gw_app *a)
{
    return a->kernel_drop;
}

struct gw_making_safe *gw_app_making_safe(const struct gw_app *a)
{
    return a->making_safe;
}
