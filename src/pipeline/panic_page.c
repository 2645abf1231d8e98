/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/panic_page.h"

#include "base/buf.h"

#define PAGE_MAX ((size_t)64 * 1024)

/* Of what a canonical path may hold, only & means something in an attribute. */
static void add_path(struct gw_buf *b, struct gw_str path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '&')
            gw_buf_add(b, GW_STR("&amp;"));
        else
            gw_buf_addc(b, path.ptr[i]);
    }
}

enum gw_code gw_panic_page(const struct gw_policy *p, struct gw_arena *a, struct gw_str *out)
{
    static const enum gw_target between[GW_PANIC_PARTS - 1] = {GW_TARGET_LOGIN, GW_TARGET_LOGOUT};
    gw_auto(gw_buf) struct gw_buf b = {0};
    gw_buf_init(&b, PAGE_MAX);
    for (size_t i = 0; i < GW_PANIC_PARTS; i++) {
        gw_buf_add(&b, gw_panic_html[i]);
        if (i < GW_PANIC_PARTS - 1)
            add_path(&b, gw_policy_auth_path(p, between[i]));
    }
    GW_TRY(gw_buf_check(&b, NULL));
    return gw_arena_str(a, gw_buf_str(&b), out);
}
