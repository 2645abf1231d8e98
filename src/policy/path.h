/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One canonical form of a request target decides, and the backend gets that form or nothing. Percent-encoded unreserved
 * characters (RFC 3986 section 2.3) are decoded, hex digits of the rest made upper case; whatever two servers could read
 * differently is refused: empty, "." and ".." segments, ";" parameters, encoded "/", "\", NUL, control bytes and "%"
 * itself, raw bytes outside the URI alphabet, a fragment, invalid UTF-8.
 */
#include <gw/arena.h>
#include <gw/error.h>
#include <gw/str.h>

#define GW_PATH_MAX_BYTES 2048
#define GW_QUERY_MAX_BYTES 4096

struct gw_target_uri {
    struct gw_str path;      /* canonical, still percent-encoded where it must be */
    struct gw_str query;     /* without "?"; NULL ptr when there was none */
    struct gw_str canonical; /* path?query, one span: what is sent on */
};

/* raw is origin-form ("/api/bots?x=1"). Results point into raw where nothing had to change, else into the arena. GW_EPARSE or
 * GW_ELIMIT: refuse with 400 or 414. */
GW_MUST_CHECK enum gw_code gw_path_canonical(struct gw_str raw, struct gw_arena *a, struct gw_target_uri *out,
                                             struct gw_error *err);

/* Value of a query parameter, percent- and plus-decoded into the arena. GW_ENOTFOUND; GW_ECONFLICT when it stands more than once
 * (in any encoding of its name); GW_EPARSE when it cannot be decoded. */
GW_MUST_CHECK enum gw_code gw_query_get(struct gw_str query, struct gw_str name, struct gw_arena *a,
                                        struct gw_str *out);
