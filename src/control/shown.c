/* SPDX-License-Identifier: Apache-2.0 */
#include "control/shown.h"
#include "control/log.h"
#include "control/run_dir.h"
#include "crypto/chain.h"
#include "shared/shared.h"
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define DAY_S INT64_C(86400)
#define ARENA_MAX_BYTES ((size_t)16 * 1024)

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

enum gw_code gw_shown_certificates(const struct gw_app *a, const struct gw_app_view *v, struct gw_arena *arena,
                                   const char **out, struct gw_error *err)
{
    const struct gw_keys_source source = gw_app_keys_source(a, v);
    const char *shown, *file = gw_settings_path(arena, source.home, v->settings->tls_certificate);
    GW_TRY(name_in_nginx_dir(a, GW_RUN_CERTIFICATE, arena, &shown, err));
    if (file == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the name of a certificate");
    *out = access(shown, R_OK) == 0 ? shown : file;
    return GW_OK;
}

enum gw_code gw_shown_own(const struct gw_app *a, struct gw_arena *arena, const char **out, struct gw_error *err)
{
    return name_in_nginx_dir(a, GW_RUN_OWN, arena, out, err);
}

int gw_expiry_step(struct gw_expiry *e, int64_t not_after_s, int64_t now_s)
{
    static const int warnings[] = {30, 14, 7, 1, 0}; /* days */
    unsigned due = 0;
    if (e->not_after_s != not_after_s)
        *e = (struct gw_expiry){.not_after_s = not_after_s};
    while (due < sizeof(warnings) / sizeof(warnings[0]) && not_after_s - now_s <= warnings[due] * DAY_S)
        due++;
    if (due <= e->told)
        return -1;
    e->told = due;
    return warnings[due - 1];
}

static void warn(int days, int64_t not_after_s)
{
    char end[GW_TIME_LEN + 1], left[16];
    gw_time_format(not_after_s, end);
    (void)snprintf(left, sizeof(left), "%d", days);
    if (days == 0)
        gw_log(GW_LOG_ERROR, "certificate", {"not_after", gw_str(end)},
               {"text", GW_STR("the certificate has expired, and clients refuse it; put a new one in its place "
                               "(docs/tls.md)")});
    else
        gw_log(GW_LOG_WARN, "certificate", {"not_after", gw_str(end)}, {"days", gw_str(left)},
               {"text", GW_STR("the certificate has no more than so many days left; showing it")});
}

static enum gw_code look(struct gw_app *a, const struct gw_app_view *v, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena arena = {0};
    gw_auto(gw_chain) struct gw_chain *all = NULL;
    int64_t now_s = gw_clock_real_s(gw_app_clock(a)), not_after_s = 0;
    const char *file;
    gw_arena_init(&arena, ARENA_MAX_BYTES);
    GW_TRY(gw_shown_certificates(a, v, &arena, &file, err));
    GW_TRY(gw_chain_load(file, &all, err));
    GW_TRY(gw_chain_not_after(all, &not_after_s, err));
    gw_shared_set_gauge(gw_app_shared(a), GW_GAUGE_CERTIFICATE_LEFT, not_after_s - now_s);
    int days = gw_expiry_step(gw_app_expiry(a), not_after_s, now_s);
    if (days >= 0)
        warn(days, not_after_s);
    return GW_OK;
}

enum gw_code gw_shown_look(struct gw_app *a, struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    enum gw_code code = look(a, v, err);
    gw_app_view_put(a, v);
    return code;
}
