/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The files that come with the gateway (data/ of the source: policies, password blocklist): beside the build directory of the
 * running executable, else where they were installed.
 */
#include <gw/arena.h>
#include <gw/error.h>

/* "policies/aaiti.yaml". The path is in the arena. GW_ENOTFOUND: neither place has it. */
GW_MUST_CHECK enum gw_code gw_data_file(const char *name, struct gw_arena *a, const char **out_path,
                                        struct gw_error *err);
