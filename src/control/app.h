/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The control plane as an object: settings, policy, keys, store, shared segments, hashing pool and identity services of
 * one home directory. `aaiti control` serves it over its sockets; the command line, when control is down, opens it offline
 * and dispatches the same calls in its own process. A lock file in the home directory keeps the two apart.
 */
#include "config/settings.h"
#include "identity/identity.h"

struct gw_policy;
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
};

/* Faults of the files are added to f (GW_EINVAL); GW_ECONFLICT: another process holds the home directory. */
GW_MUST_CHECK enum gw_code gw_app_open(const struct gw_app_options *o, struct gw_faults *f, struct gw_app **out,
                                       struct gw_error *err);
void gw_app_close(struct gw_app *a);
static inline void gw_app_auto_(struct gw_app **a)
{
    gw_app_close(*a);
}

/* Checks gateway.yaml and the policy again and publishes a new bundle. On faults (GW_EINVAL) nothing changes. */
GW_MUST_CHECK enum gw_code gw_app_reload(struct gw_app *a, struct gw_faults *f, struct gw_error *err);

struct gw_identity *gw_app_identity(struct gw_app *a);
const struct gw_settings *gw_app_settings(const struct gw_app *a);
/* The policy in force, held until put back: a reload may replace it meanwhile. */
const struct gw_policy *gw_app_policy_get(struct gw_app *a);
void gw_app_policy_put(struct gw_app *a, const struct gw_policy *p);
struct gw_shared *gw_app_shared(struct gw_app *a); /* NULL offline */
