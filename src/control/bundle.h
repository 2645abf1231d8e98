/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bundles: what the workers are to enforce, as a directory that never changes once it has its name. RUN/bundles/HASH holds the
 * effective gateway.yaml (environment applied, paths absolute) and the policy; HASH is 64 hex digits of a SHA-256 over both. Control
 * writes them; workers read them (group). One thread at a time.
 */
#include "config/settings.h"

#define GW_BUNDLE_HASH_LEN 64
#define GW_BUNDLE_FILE_MAX (1024 * 1024)

struct gw_bundle {
    struct gw_str gateway, policy; /* texts of the two files */
};

/* gateway.yaml of a bundle. */
GW_MUST_CHECK enum gw_code gw_bundle_settings(const struct gw_settings *s, const char *home, struct gw_buf *out,
                                              struct gw_error *err);
/* Makes the bundle's directory, or finds that it is there. hash holds GW_BUNDLE_HASH_LEN + 1. */
GW_MUST_CHECK enum gw_code gw_bundle_write(const char *run_dir, const struct gw_bundle *b, char *hash,
                                           struct gw_error *err);
/* Removes all but the newest four, what is younger than a minute (a worker may still be loading it), and the one in force. */
GW_MUST_CHECK enum gw_code gw_bundle_prune(const char *run_dir, const char *hash_in_force, int64_t now_s,
                                           struct gw_error *err);
