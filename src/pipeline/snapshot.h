/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What one published bundle says, compiled: settings, policy, a verifier with its profile. Built in a pool thread, then
 * const but for its verifier and reference count, which belong to the event loop. The gate holds one reference, each
 * request under way another.
 */
#include "config/settings.h"
#include "crypto/secret.h"
#include "pipeline/cors.h"
#include "policy/policy.h"
#include "shared/shared.h"
#include "token/jwt.h"

struct gw_snapshot {
    struct gw_bundle_ref ref;
    uint32_t mark;         /* of the bundle's hash (request_id.h) */
    struct gw_arena arena; /* strings of the settings, the page */
    struct gw_settings settings;
    struct gw_policy *policy;
    struct gw_jwt_verifier *verifier;
    struct gw_jwt_verifier *tickets;
    struct gw_cors cors;
    struct gw_str panic_page; /* with the policy's own paths in it */
    uint64_t edition;         /* the gate numbers what it installs: unlike a generation never the same for two */
    unsigned references;
};

/* The secret in use, and one that is staged. */
#define GW_UPSTREAM_KEYS 2

struct gw_snapshot_source {
    const char *run_dir;
    const struct gw_bundle_ref *ref;
    const struct gw_token_ring *ring;
    const struct gw_secret *const *upstream_keys; /* GW_UPSTREAM_KEYS of them; NULL: none was given */
};

/* GW_EINVAL: a hash that is no hash, faults in the files (the first is named), or a policy that needs a key the master was not given.
 * One reference, the caller's. */
GW_MUST_CHECK enum gw_code gw_snapshot_load(const struct gw_snapshot_source *source, struct gw_snapshot **out,
                                            struct gw_error *err);
void gw_snapshot_ref(struct gw_snapshot *s);
void gw_snapshot_unref(struct gw_snapshot *s);
