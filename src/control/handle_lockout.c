/* SPDX-License-Identifier: Apache-2.0 */
/* Who is locked out of signing in, and an end to it. */
#include "control/exchange.h"
#include "control/log.h"
#include <stdio.h>
#include <stdlib.h>

#define LIST_MAX 1000

/* ---- showing ---- */

static json_t *show(const struct gw_lockout *l, int64_t now_s)
{
    static const struct gw_uuid nobody;
    static const struct gw_ip nowhere;
    char address[GW_IP_LEN + 1];
    bool has_address = !gw_ip_eq(&l->address, &nowhere), has_user = !gw_uuid_eq(&l->user_id, &nobody);
    gw_ip_format(&l->address, address);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:o, s:b}", "call", gw_guarded_text(l->call), "scope",
                     gw_guard_scope_text(l->scope), "state", l->left_ms > 0 ? "locked" : "delayed", "address",
                     has_address ? json_string(address) : json_null(), "userId",
                     has_user ? gw_reply_uuid(&l->user_id) : json_null(), "failures", (int)l->failures, "until",
                     gw_reply_time(l->left_ms > 0 ? now_s + (l->left_ms + 999) / 1000 : 0), "network",
                     (int)l->is_shared);
}

/* null: an account that there is not, or no longer. */
static enum gw_code add_username(struct gw_exchange *x, const struct gw_uuid *id, json_t *lockout, struct gw_error *err)
{
    struct gw_user_row user = {.active = false};
    enum gw_code code = gw_store_user_get(x->view->store, id, &user, err);
    if (code != GW_OK && code != GW_ENOTFOUND)
        return code;
    if (json_object_set_new(lockout, "user", code == GW_OK ? json_string(user.username) : json_null()) != 0)
        return gw_fail(err, GW_ENOMEM, "no memory for a list of lockouts");
    return GW_OK;
}

static enum gw_code append_all(struct gw_exchange *x, const struct gw_lockout *all, size_t count, json_t *list,
                               struct gw_error *err)
{
    int64_t now_s = gw_clock_real_s(gw_app_clock(x->app));
    for (size_t i = 0; i < count; i++) {
        json_t *lockout = show(&all[i], now_s);
        if (json_array_append_new(list, lockout) != 0)
            return gw_fail(err, GW_ENOMEM, "no memory for a list of lockouts");
        GW_TRY(add_username(x, &all[i].user_id, lockout, err));
    }
    return GW_OK;
}

enum gw_code gw_handle_lockout_list(struct gw_exchange *x, struct gw_error *err)
{
    gw_auto_json json_t *list = json_array();
    size_t total = 0;
    struct gw_lockout *all = calloc(LIST_MAX, sizeof(*all));
    if (all == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a list of lockouts");
    size_t count = gw_login_guard_list(gw_identity_guard(x->view->identity), all, LIST_MAX, &total);
    enum gw_code code = append_all(x, all, count, list, err);
    free(all);
    GW_TRY(code);
    return gw_reply_json(x, 200, json_pack("{s:O, s:I}", "lockouts", list, "total", (json_int_t)total), err);
}

/* ---- clearing ---- */

struct what {
    struct gw_ip address;
    struct gw_user_row user;
    bool has_address, has_user;
};

static enum gw_code read_what(struct gw_exchange *x, struct what *out, struct gw_error *err)
{
    struct gw_str text;
    enum gw_code code = gw_exchange_query(x, GW_STR("address"), &text, err);
    if (code == GW_OK && gw_ip_parse(text, &out->address) != GW_OK)
        return gw_fail(err, GW_EINVAL, "query: `address` is no address");
    out->has_address = code == GW_OK;
    if (code != GW_OK && code != GW_ENOTFOUND)
        return code;
    code = gw_exchange_query(x, GW_STR("user"), &text, err);
    if (code == GW_OK)
        GW_TRY(gw_user_find(x->view->identity, text, &out->user, err));
    out->has_user = code == GW_OK;
    return code == GW_ENOTFOUND ? GW_OK : code;
}

static enum gw_code record_clearing(struct gw_exchange *x, const struct what *w, size_t count, struct gw_error *err)
{
    struct gw_audit_row row;
    char address[GW_IP_LEN + 1] = "";
    if (w->has_address)
        gw_ip_format(&w->address, address);
    const struct gw_deed deed = {
        .action = "lockouts_cleared",
        .resource_type = w->has_user ? "users" : NULL,
        .resource = w->has_user ? &w->user.id : NULL,
        .details = json_pack("{s:I, s:s*}", "cleared", (json_int_t)count, "address", w->has_address ? address : NULL),
    };
    gw_recorder_row(&x->by, &deed, &row);
    return gw_recorder_add(gw_app_recorder(x->app), x->view->store, &row, err);
}

/* Within the transaction of its row: what cannot be recorded is not done. */
enum gw_code gw_handle_lockout_clear(struct gw_exchange *x, struct gw_error *err)
{
    struct what w = {.has_address = false};
    char number[24];
    GW_TRY(read_what(x, &w, err));
    GW_TRY(gw_store_begin(x->view->store, err));
    size_t count = gw_login_guard_clear(gw_identity_guard(x->view->identity), w.has_address ? &w.address : NULL,
                                        w.has_user ? &w.user.id : NULL);
    GW_TRY(gw_store_end(x->view->store, record_clearing(x, &w, count, err), err));
    (void)snprintf(number, sizeof(number), "%zu", count);
    gw_log(GW_LOG_INFO, "lockout-clear", {"count", gw_str(number)}, {"by", gw_exchange_actor(x)},
           {"address", gw_exchange_address(x)}, {"request", x->call->request_id});
    return gw_reply_json(x, 200, json_pack("{s:I}", "cleared", (json_int_t)count), err);
}
