/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A home directory of a test's own, with keys, settings and a policy. */
#include "control/app.h"

struct gw_test_home {
    char path[64], run_dir[80];
    struct gw_fake_clock clock;
};

extern const char gw_test_policy[]; /* a new route may be appended */

/* Aborts the test when something fails. */
void gw_test_home_make(struct gw_test_home *h);
void gw_test_home_remove(struct gw_test_home *h);
/* A file of the home, over what was there. */
void gw_test_home_put(const struct gw_test_home *h, const char *name, const char *text);
/* gateway.yaml: neither floor nor delay for logins, 192.0.2.0/24 exempt from locks, the run directory inside the home, and more. */
void gw_test_home_settings(const struct gw_test_home *h, const char *more);
struct gw_app *gw_test_home_open(struct gw_test_home *h);
const char *gw_test_no_env(const char *name);
