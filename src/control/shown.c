/* SPDX-License-Identifier: Apache-2.0 */
#include "control/shown.h"
#include "control/run_dir.h"
#include <unistd.h>

static enum gw_code name_in_nginx_dir(const struct gw_app *a, const char *file, struct gw_arena *arena,
                                      const char **out, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf name = {0};
    struct gw_str kept;
    gw_buf_init(&name, 1024);
    gw_buf_addf(&name, "%s" GW_RUN_NGINX_SUFFIX "/%s", gw_app_run_dir(a), file);
    GW_TRY(gw_buf_check(&name, err));
    if (gw_arena_str(arena, gw_buf_str(&name), &kept) != GW_OK)
        return gw_fail(err, GW_ENOMEM, "no memory for the name of a certificate");
    *out = kept.ptr;
    return GW_OK;
}

enum gw_code gw_shown_file(const struct gw_app *a, const struct gw_app_view *v, const char *copy, struct gw_str file,
                           struct gw_arena *arena, const char **out, struct gw_error *err)
{
    const struct gw_keys_source source = gw_app_keys_source(a, v);
    const char *copied, *named = gw_settings_path(arena, source.home, file);
    GW_TRY(name_in_nginx_dir(a, copy, arena, &copied, err));
    if (named == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the name of a certificate");
    *out = access(copied, R_OK) == 0 ? copied : named;
    return GW_OK;
}

enum gw_code gw_shown_own(const struct gw_app *a, struct gw_arena *arena, const char **out, struct gw_error *err)
{
    return name_in_nginx_dir(a, GW_RUN_OWN, arena, out, err);
}
