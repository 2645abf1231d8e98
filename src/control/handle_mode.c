/* SPDX-License-Identifier: Apache-2.0 */
/* The emergency mode: anybody signed in sees it, system:panic presses, system:write sets and lifts. */
#include "config/option_value.h"
#include "control/exchange.h"
#include "control/modes.h"
#include <string.h>

/* ---- showing ---- */

/* Who else is held back is not everybody's business. */
static bool may_see(const struct gw_exchange *x, const struct gw_mode_entry *e)
{
    return e->scope != GW_MODE_USER || gw_exchange_may(x, "system:read") ||
           (x->caller != NULL && gw_uuid_eq(&e->user, &x->caller->user.id));
}

static enum gw_code show(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_mode_set all, shown = {0};
    gw_modes_read(x->app, &all);
    for (size_t i = 0; i < all.count; i++)
        if (may_see(x, &all.entries[i]))
            shown.entries[shown.count++] = all.entries[i];
    return gw_reply_json(x, 200, gw_modes_json(&shown), err);
}

enum gw_code gw_handle_mode_get(struct gw_exchange *x, struct gw_error *err)
{
    return show(x, err);
}

/* ---- changing ---- */

static enum gw_code read_user(struct gw_exchange *x, struct gw_str name, struct gw_mode_entry *out,
                              struct gw_error *err)
{
    struct gw_user_row user;
    enum gw_code code = gw_user_find(x->view->identity, name, &user, err);
    if (code == GW_ENOTFOUND)
        return gw_fail(err, GW_EINVAL, "/scope: there is no user `%.*s`", GW_STR_ARG(name));
    GW_TRY(code);
    out->scope = GW_MODE_USER;
    out->user = user.id;
    gw_mode_text(gw_str(user.username), out->name, sizeof(out->name));
    return GW_OK;
}

static enum gw_code read_group(struct gw_exchange *x, struct gw_str name, struct gw_mode_entry *out,
                               struct gw_error *err)
{
    if (!gw_policy_has_group(x->view->policy, name))
        return gw_fail(err, GW_EINVAL, "/scope: no route of the policy is of group `%.*s`", GW_STR_ARG(name));
    out->scope = GW_MODE_GROUP;
    gw_mode_text(name, out->name, sizeof(out->name));
    return GW_OK;
}

/* What is in force can be lifted by the name it shows, when the user has been deleted or the policy has lost the group, too. */
static bool find_to_lift(struct gw_exchange *x, enum gw_mode_scope scope, struct gw_str name, struct gw_mode_entry *out)
{
    struct gw_mode_set set;
    if (out->mode != GW_MODE_OFF)
        return false;
    gw_modes_read(x->app, &set);
    return gw_mode_take_scope(&set, scope, name, out);
}

/* "global", "group:NAME" or "user:NAME". */
static enum gw_code read_scope(struct gw_exchange *x, struct gw_mode_entry *out, struct gw_error *err)
{
    struct gw_str text = gw_exchange_str(x, "scope"), kind;
    if (text.len == 0 || gw_str_eq(text, GW_STR("global")))
        return GW_OK;
    (void)gw_str_split(&text, ':', &kind);
    bool is_user = gw_str_eq(kind, GW_STR("user"));
    if (!is_user && !gw_str_eq(kind, GW_STR("group")))
        return gw_fail(err, GW_EINVAL, "/scope: expected global, group:NAME or user:NAME");
    if (find_to_lift(x, is_user ? GW_MODE_USER : GW_MODE_GROUP, text, out))
        return GW_OK;
    return is_user ? read_user(x, text, out, err) : read_group(x, text, out, err);
}

static enum gw_code read_until(struct gw_exchange *x, struct gw_mode_entry *out, struct gw_error *err)
{
    struct gw_str text = gw_exchange_str(x, "for");
    int64_t for_ms;
    if (text.ptr == NULL)
        return GW_OK;
    if (gw_duration_parse(text, &for_ms, err) != GW_OK || for_ms < 1000 || for_ms > GW_MODE_FOR_MAX_MS)
        return gw_fail(err, GW_EINVAL, "/for: expected a duration of 1s to 365d, such as 90s, 15m or 2h");
    out->until_s = gw_clock_real_s(gw_app_clock(x->app)) + for_ms / 1000;
    return GW_OK;
}

static enum gw_code read_entry(struct gw_exchange *x, struct gw_mode_entry *out, struct gw_error *err)
{
    GW_TRY(read_scope(x, out, err));
    GW_TRY(read_until(x, out, err));
    gw_mode_text(gw_exchange_actor(x), out->by, sizeof(out->by));
    gw_mode_text(gw_exchange_str(x, "reason"), out->reason, sizeof(out->reason));
    return GW_OK;
}

static enum gw_code change(struct gw_exchange *x, enum gw_mode_how how, const struct gw_mode_entry *e,
                           struct gw_error *err)
{
    bool recorded = false;
    enum gw_code code = gw_modes_change(x->app, &x->by, how, e, &recorded, err);
    if (code == GW_ELIMIT)
        return gw_fail(err, GW_ECONFLICT, "too many modes are in force: lift one first");
    GW_TRY(code);
    GW_TRY(show(x, err));
    return gw_reply_add(x, "recorded", json_boolean(recorded), err);
}

enum gw_code gw_handle_mode_set(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_mode_entry e = {.mode = gw_mode_parse(gw_exchange_str(x, "mode"))};
    if (e.mode == GW_MODE_COUNT)
        return gw_fail(err, GW_EINVAL, "/mode: expected off, risk-off, read-only or stopped");
    GW_TRY(read_entry(x, &e, err));
    return change(x, GW_MODE_SET, &e, err);
}

/* The button: it opens nothing to whoever may press it, so it closes nothing but risk, and to nobody in particular. */
enum gw_code gw_handle_panic(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_mode_entry e = {.mode = GW_MODE_RISK_OFF};
    GW_TRY(read_entry(x, &e, err));
    if (e.scope == GW_MODE_USER)
        return gw_fail(err, GW_EINVAL, "/scope: expected global or group:NAME; a user's mode is set by /aaiti/v1/mode");
    return change(x, GW_MODE_RAISE, &e, err);
}
