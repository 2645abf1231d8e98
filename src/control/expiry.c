/* SPDX-License-Identifier: Apache-2.0 */
#include "control/expiry.h"
#include "base/file.h"
#include "control/log.h"
#include "control/run_dir.h"
#include "control/shown.h"
#include "crypto/chain.h"
#include "shared/shared.h"
#include <stdio.h>

#define DAY_S INT64_C(86400)
#define ARENA_MAX_BYTES ((size_t)16 * 1024)
#define NEVER_S INT64_MAX

/* ---- when each of them ends; NEVER_S: there is none, or none that does ---- */

static enum gw_code end_of_chain(const char *file, int64_t *out, struct gw_error *err)
{
    gw_auto(gw_chain) struct gw_chain *all = NULL;
    GW_TRY(gw_chain_load(file, &all, err));
    return gw_chain_not_after(all, out, err);
}

static enum gw_code end_of_certificate(const struct gw_app *a, const struct gw_app_view *v, struct gw_arena *arena,
                                       int64_t *out, struct gw_error *err)
{
    const char *file = NULL;
    GW_TRY(gw_shown_file(a, v, GW_RUN_CERTIFICATE, v->settings->tls_certificate, arena, &file, err));
    return end_of_chain(file, out, err);
}

static enum gw_code end_of_client_ca(const struct gw_app *a, const struct gw_app_view *v, struct gw_arena *arena,
                                     int64_t *out, struct gw_error *err)
{
    const char *file = NULL;
    *out = NEVER_S;
    if (v->settings->tls_client_certificates == GW_CLIENT_CERTIFICATES_OFF)
        return GW_OK;
    GW_TRY(gw_shown_file(a, v, GW_RUN_CLIENT_CA, v->settings->tls_client_ca, arena, &file, err));
    return end_of_chain(file, out, err);
}

static enum gw_code end_of_client_crl(const struct gw_app *a, const struct gw_app_view *v, struct gw_arena *arena,
                                      int64_t *out, struct gw_error *err)
{
    const struct gw_settings *s = v->settings;
    gw_auto(gw_buf) struct gw_buf text = {0};
    struct gw_error why = {0};
    const char *file = NULL;
    *out = NEVER_S;
    if (s->tls_client_certificates == GW_CLIENT_CERTIFICATES_OFF || s->tls_client_crl.len == 0)
        return GW_OK;
    GW_TRY(gw_shown_file(a, v, GW_RUN_CLIENT_CRL, s->tls_client_crl, arena, &file, err));
    gw_buf_init(&text, GW_CHAIN_MAX_BYTES);
    GW_TRY(gw_file_read(file, &text, err));
    enum gw_code code = gw_chain_check_revoked(gw_buf_str(&text), out, &why);
    return code == GW_OK ? GW_OK : gw_fail(err, code, "%s: %s", file, why.msg);
}

static const struct {
    const char *event, *ends, *is_over;
    enum gw_gauge gauge;
    enum gw_code (*end)(const struct gw_app *a, const struct gw_app_view *v, struct gw_arena *arena, int64_t *out,
                        struct gw_error *err);
} expiring[GW_EXPIRING_COUNT] = {
    [GW_EXPIRING_CERTIFICATE] = {.event = "certificate",
                                 .ends = "the certificate has no more than so many days left; showing it",
                                 .is_over = "the certificate has expired, and clients refuse it; put a new one in its "
                                            "place (docs/tls.md)",
                                 .gauge = GW_GAUGE_CERTIFICATE_LEFT,
                                 .end = end_of_certificate},
    [GW_EXPIRING_CLIENT_CA] = {.event = "client-ca",
                               .ends = "an authority of clients' certificates has no more than so many days left; "
                                       "trusting it",
                               .is_over = "an authority of clients' certificates has expired, and no client of its is "
                                          "let in; put a new one in its place (docs/tls.md)",
                               .gauge = GW_GAUGE_CLIENT_CA_LEFT,
                               .end = end_of_client_ca},
    [GW_EXPIRING_CLIENT_CRL] = {.event = "client-crl",
                                .ends = "the list of revoked certificates has no more than so many days left; going "
                                        "by it",
                                .is_over = "the list of revoked certificates is over, and no client of its authority "
                                           "is let in; put a new one in its place (docs/tls.md)",
                                .gauge = GW_GAUGE_CLIENT_CRL_LEFT,
                                .end = end_of_client_crl},
};

/* ---- looking ---- */

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

static void warn(enum gw_expiring which, int days, int64_t not_after_s)
{
    char end[GW_TIME_LEN + 1], left[16];
    gw_time_format(not_after_s, end);
    (void)snprintf(left, sizeof(left), "%d", days);
    if (days == 0)
        gw_log(GW_LOG_ERROR, expiring[which].event, {"not_after", gw_str(end)},
               {"text", gw_str(expiring[which].is_over)});
    else
        gw_log(GW_LOG_WARN, expiring[which].event, {"not_after", gw_str(end)}, {"days", gw_str(left)},
               {"text", gw_str(expiring[which].ends)});
}

static enum gw_code look(struct gw_app *a, const struct gw_app_view *v, enum gw_expiring which, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena arena = {0};
    int64_t now_s = gw_clock_real_s(gw_app_clock(a)), not_after_s = NEVER_S;
    gw_arena_init(&arena, ARENA_MAX_BYTES);
    GW_TRY(expiring[which].end(a, v, &arena, &not_after_s, err));
    bool ends = not_after_s != NEVER_S;
    gw_shared_set_gauge(gw_app_shared(a), expiring[which].gauge, ends ? not_after_s - now_s : GW_GAUGE_NOTHING);
    int days = ends ? gw_expiry_step(&gw_app_expiries(a)[which], not_after_s, now_s) : -1;
    if (days >= 0)
        warn(which, days, not_after_s);
    return GW_OK;
}

enum gw_code gw_expiry_look(struct gw_app *a, struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    enum gw_code first = GW_OK;
    for (int i = 0; i < GW_EXPIRING_COUNT; i++) {
        enum gw_code code = look(a, v, (enum gw_expiring)i, first == GW_OK ? err : NULL);
        first = first == GW_OK ? code : first;
    }
    gw_app_view_put(a, v);
    return first;
}
