/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Browsers read "\" as "/", drop tabs and line ends, and take "//host" for another host; a canonical target has none of them and no empty
 * segment. So what is canonical already, byte for byte, can lead nowhere else.
 */
#include "pipeline/next.h"

#include "base/buf.h"
#include "policy/path.h"

static bool is_or_is_below(struct gw_str path, struct gw_str own)
{
    return gw_str_starts(path, own) && (path.len == own.len || path.ptr[own.len] == '/');
}

struct gw_str gw_next_or_root(struct gw_str given)
{
    const struct gw_str root = GW_STR("/");
    struct gw_target_uri uri;
    struct gw_arena none;
    gw_arena_init(&none, 0); /* without room: what would have to change is refused, too */
    if (given.len == 0 || given.len > GW_NEXT_MAX_BYTES || given.ptr[0] != '/' ||
        gw_path_canonical(given, &none, &uri, NULL) != GW_OK || !gw_str_eq(uri.canonical, given))
        return root;
    /* There it would only be asked again. */
    if (is_or_is_below(uri.path, GW_STR(GW_LOGIN_PAGE)) || is_or_is_below(uri.path, GW_STR(GW_LOGOUT_PAGE)))
        return root;
    return given;
}

enum gw_code gw_next_login_target(struct gw_str target, struct gw_arena *a, struct gw_str *out)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    target = gw_next_or_root(target);
    gw_buf_init(&b, sizeof(GW_LOGIN_PAGE "?next=") + 3 * (size_t)GW_NEXT_MAX_BYTES);
    gw_buf_add(&b, GW_STR(GW_LOGIN_PAGE));
    if (!gw_str_eq(target, GW_STR("/"))) {
        gw_buf_add(&b, GW_STR("?next="));
        gw_buf_add_percent(&b, target);
    }
    GW_TRY(gw_buf_check(&b, NULL));
    return gw_arena_str(a, gw_buf_str(&b), out);
}
