/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The files that come with the gateway, and where they are: in the tree that the running executable was built in, or where
 * it was installed with them. For the control plane and the command line; the module is loaded by its path and needs none.
 */
#include <gw/arena.h>
#include <gw/error.h>

enum gw_shipped {
    GW_SHIPPED_DATA,   /* data/ of the source: "policies/aaiti.yaml", "passwords/blocklist.txt" */
    GW_SHIPPED_MODULE, /* nginx's: "ngx_http_gw_module.so" */
};

/* The absolute path, in the arena. GW_ENOTFOUND: it is not where it belongs. */
GW_MUST_CHECK enum gw_code gw_shipped_file(enum gw_shipped kind, const char *name, struct gw_arena *a,
                                           const char **out_path, struct gw_error *err);
