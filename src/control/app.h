/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The control plane as an object: settings, policy, keys, store, shared segments, hashing pool and identity services of
 * one home directory. `aaiti control` serves it over its sockets; the command line, when control is down, opens it offline
 * and dispatches the same calls in its own process. A lock file in the home directory keeps the two apart. Any thread, but
 * open and close.
 */
#include "config/settings.h"
#include "control/keys.h"
#include "identity/identity.h"

struct gw_block_desk;
struct gw_consumer;
struct gw_expiry;
struct gw_kernel_drop;
struct gw_making_safe;
struct gw_policy;
struct gw_recorder;
struct gw_refusals;
struct gw_sealed;
struct gw_app;

enum gw_app_mode {
    GW_APP_CONTROL, /* takes the lock, owns the authority segment */
    GW_APP_OFFLINE, /* takes the lock, touches no segment */
};

struct gw_app_options {
    const char *home;
    enum gw_app_mode mode;
    gw_getenv_fn getenv_fn;
    const struct gw_clock *clock;
    const struct gw_random *random;
    int doorbell; /* where a byte tells `aaiti serve` that nginx is to read its key files again; 0: nobody listens */
};

/* Faults of the files and keys are added to f (GW_EINVAL); GW_ECONFLICT: another process holds the home directory; GW_ENOTFOUND: there
 * is no such home. Makes jansson wipe what it frees, for the whole process: bodies hold passwords. */
GW_MUST_CHECK enum gw_code gw_app_open(const struct gw_app_options *o, struct gw_faults *f, struct gw_app **out,
                                       struct gw_error *err);
void gw_app_close(struct gw_app *a);
static inline void gw_app_auto_(struct gw_app **a)
{
    gw_app_close(*a);
}

/* Checks gateway.yaml and the policy again, makes all services anew from them, and publishes a new bundle. On faults (GW_EINVAL)
 * nothing changes. What a start decides stays until the next: the token key, the run directory, the segment's capacities. */
GW_MUST_CHECK enum gw_code gw_app_reload(struct gw_app *a, struct gw_faults *f, struct gw_error *err);

/* What one reload put in force: settings, policy and the services made from them, one consistent set. */
struct gw_app_view {
    const struct gw_settings *settings;
    const struct gw_policy *policy;
    struct gw_identity *identity;
    struct gw_hasher *hasher;
    struct gw_store *store;
};
/* The set in force, held until put back: a reload may replace it meanwhile. */
const struct gw_app_view *gw_app_view_get(struct gw_app *a);
void gw_app_view_put(struct gw_app *a, const struct gw_app_view *v);

struct gw_shared *gw_app_shared(struct gw_app *a);           /* NULL offline */
const char *gw_app_run_dir(const struct gw_app *a);          /* NULL offline */
struct gw_refusals *gw_app_refusals(const struct gw_app *a); /* NULL offline: nobody is refused there */
int gw_app_mode_dir(const struct gw_app *a);                 /* the same, of shared/mode.h */
int gw_app_journal_dir(const struct gw_app *a);              /* open for reading; -1 offline */
const struct gw_clock *gw_app_clock(const struct gw_app *a);
/* What control itself does is told here: this life of the app as a writer of the audit trail. */
struct gw_recorder *gw_app_recorder(const struct gw_app *a);
/* What takes the journal into the audit trail; NULL offline. For the schedule's thread. */
struct gw_consumer *gw_app_consumer(const struct gw_app *a);
/* What changes blocks (response/block.h); good as long as the view is. */
struct gw_block_desk gw_app_blocks(struct gw_app *a, const struct gw_app_view *v);
/* For the schedule's thread. */
struct gw_expiry *gw_app_expiries(struct gw_app *a); /* one for each of enum gw_expiring */
/* For the schedule's thread; NULL offline. */
struct gw_kernel_drop *gw_app_kernel_drop(struct gw_app *a);
struct gw_presses *gw_app_presses(struct gw_app *a); /* how often each user has repeated a press */
/* The runs of make_safe; NULL offline: workers hear of no session that is made there. */
struct gw_making_safe *gw_app_making_safe(const struct gw_app *a);
/* The secrets in the database. Always there while control runs; offline they are opened by the first call, which may fail for want of
 * the encryption key. */
GW_MUST_CHECK enum gw_code gw_app_sealed(struct gw_app *a, struct gw_sealed **out, struct gw_error *err);

/* ---- for the exchange of keys (control/rotation.h) ---- */

/* One exchange or reload at a time. */
void gw_app_hold_keys(struct gw_app *a);
void gw_app_release_keys(struct gw_app *a);
/* What follows wants the keys held. */
const struct gw_token_ring *gw_app_ring(const struct gw_app *a);
/* Whether secret is the encryption key's text; false offline, where it is not known. */
bool gw_app_is_encryption_key(const struct gw_app *a, const struct gw_secret *secret);
/* Takes the ring over: control signs and verifies by it from now on. After a failure: as before, and the ring is the caller's. */
GW_MUST_CHECK enum gw_code gw_app_set_ring(struct gw_app *a, struct gw_token_ring *ring, struct gw_error *err);
/* Where the keys of the set in force are. */
struct gw_keys_source gw_app_keys_source(const struct gw_app *a, const struct gw_app_view *v);
const struct gw_random *gw_app_random(const struct gw_app *a);
/* Has nginx read its key files again. False: nobody listens, and whoever runs nginx must. */
bool gw_app_ring_doorbell(const struct gw_app *a);
