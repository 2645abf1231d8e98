/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The start-up self-test: fetches one path of the backend with a credential minted for one of our users, and says in words
 * what is wrong when the backend does not accept it.
 */
#include "policy/policy.h"

struct gw_self_test {
    const char *run_dir; /* control is asked for a user */
    struct gw_str path;
    const struct gw_upstream *upstream;
    const char *key_file; /* NULL: the backend needs no credential */
};

/* GW_OK: the backend answered below 400. Any failure's message names the cause and where to look. Blocks for seconds at most. */
GW_MUST_CHECK enum gw_code gw_self_test_run(const struct gw_self_test *t, struct gw_error *err);
