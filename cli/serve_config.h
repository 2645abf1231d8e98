/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What `aaiti serve` goes by: settings, policy and certificates of one home directory, which one load has read and checked together, keys included. One that
 * is refused never takes the place of one that is in use. One thread.
 */
#include "config/settings.h"
#include "control/keys.h"
#include "pairs.h"
#include "policy/policy.h"
#include <stdio.h>

struct gw_serve_config {
    struct gw_arena arena;
    struct gw_settings settings;
    struct gw_policy *policy;
    struct gw_pairs pairs; /* as they were last read */
};

/* Faults go to told, a line each. After a failure out is as it was. */
GW_MUST_CHECK enum gw_code gw_serve_config_load(const char *home, FILE *told, struct gw_serve_config *out,
                                                struct gw_error *err);
/* The certificates that its settings name, once more; bad ones change nothing. */
GW_MUST_CHECK enum gw_code gw_serve_config_read_pairs(struct gw_serve_config *c, const char *home,
                                                      struct gw_error *err);
/* Where its keys are. */
struct gw_keys_source gw_serve_config_keys(const struct gw_serve_config *c, const char *home);
void gw_serve_config_done(struct gw_serve_config *c);
GW_DEFINE_AUTO_DONE(gw_serve_config);
