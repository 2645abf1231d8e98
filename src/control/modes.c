/* SPDX-License-Identifier: Apache-2.0 */
#include "control/modes.h"

#include "control/exchange.h"
#include "control/log.h"
#include "control/presses.h"
#include <assert.h>
#include <stdio.h>

void gw_modes_scope_text(const struct gw_mode_entry *entry, char *dst)
{
    static const char *const kinds[GW_MODE_SCOPE_COUNT] = {
        [GW_MODE_GLOBAL] = "global", [GW_MODE_GROUP] = "group:", [GW_MODE_USER] = "user:"};
    (void)snprintf(dst, GW_MODE_SCOPE_TEXT, "%s%s", kinds[entry->scope], entry->name);
}

json_t *gw_modes_json(const struct gw_mode_set *set)
{
    const struct gw_mode_entry *global = gw_mode_of_scope(set, &(struct gw_mode_entry){.scope = GW_MODE_GLOBAL});
    json_t *entries = json_array();
    for (size_t i = 0; i < set->count; i++) {
        const struct gw_mode_entry *e = &set->entries[i];
        char scope[GW_MODE_SCOPE_TEXT];
        gw_modes_scope_text(e, scope);
        (void)json_array_append_new(entries, json_pack("{s:s, s:s, s:o, s:o, s:s, s:s}", "mode", gw_mode_name(e->mode),
                                                       "scope", scope, "since", gw_reply_time(e->since_s), "until",
                                                       gw_reply_time(e->until_s), "by", e->by, "reason", e->reason));
    }
    return json_pack("{s:s, s:o}", "mode", gw_mode_name(global != NULL ? global->mode : GW_MODE_OFF), "entries",
                     entries);
}

/* ---- the record ---- */

json_t *gw_modes_details(const struct gw_mode_entry *e)
{
    char until[GW_TIME_LEN + 1] = "";
    if (e->until_s != 0)
        gw_time_format(e->until_s, until);
    json_t *details = json_pack("{s:s}", "mode", gw_mode_name(e->mode));
    if (until[0] != '\0')
        (void)json_object_set_new(details, "until", json_string(until));
    if (e->reason[0] != '\0')
        (void)json_object_set_new(details, "reason", json_string(e->reason));
    return details;
}

static enum gw_code add_row(struct gw_app *a, const struct gw_actor *actor, const char *action,
                            const struct gw_mode_entry *e, struct gw_error *err)
{
    char scope[GW_MODE_SCOPE_TEXT];
    const struct gw_app_view *view = gw_app_view_get(a);
    gw_modes_scope_text(e, scope);
    const struct gw_deed deed = {
        .action = action, .resource_type = "mode", .resource_name = scope, .details = gw_modes_details(e)};
    enum gw_code code = gw_recorder_record(gw_app_recorder(a), view->store, actor, &deed, err);
    gw_app_view_put(a, view);
    return code;
}

/* ---- changes ---- */

struct change {
    enum gw_mode_how how;
    struct gw_mode_entry entry;
    int64_t now_s;
};

/* What stays what it was has been so since then. */
static enum gw_code put(void *ctx, struct gw_mode_set *set, struct gw_error *err)
{
    struct change *c = ctx;
    const struct gw_mode_entry *now = gw_mode_of_scope(set, &c->entry);
    if (c->how == GW_MODE_RAISE)
        return gw_mode_raise(set, &c->entry, c->now_s, err);
    if (now != NULL && now->mode == c->entry.mode && !gw_mode_has_ended(now, c->now_s))
        c->entry.since_s = now->since_s;
    return gw_mode_put(set, &c->entry, err);
}

/* Whether all of it is in force already, and who asks has been told so often enough. */
static bool is_one_too_many(struct gw_app *a, const struct gw_actor *actor, const struct change *c)
{
    struct gw_mode_set set;
    if (c->how != GW_MODE_RAISE)
        return false;
    gw_modes_read(a, &set);
    return gw_mode_holds(&set, &c->entry, c->now_s) &&
           !gw_presses_take(gw_app_presses(a), &actor->user_id, (uint64_t)gw_clock_mono_ms(gw_app_clock(a)));
}

enum gw_code gw_modes_change(struct gw_app *a, const struct gw_actor *actor, enum gw_mode_how how,
                             const struct gw_mode_entry *entry, bool *out_recorded, struct gw_error *err)
{
    struct change c = {.how = how, .entry = *entry, .now_s = gw_clock_real_s(gw_app_clock(a))};
    struct gw_error why = {0};
    char scope[GW_MODE_SCOPE_TEXT];
    c.entry.since_s = c.now_s;
    if (is_one_too_many(a, actor, &c)) {
        *out_recorded = false;
        return GW_OK;
    }
    GW_TRY(gw_mode_change(gw_app_mode_dir(a), put, &c, err));
    gw_modes_scope_text(&c.entry, scope);
    gw_log(GW_LOG_WARN, "mode", {"mode", gw_str(gw_mode_name(c.entry.mode))}, {"scope", gw_str(scope)},
           {"by", gw_str(c.entry.by)}, {"reason", gw_str(c.entry.reason)}, {"text", GW_STR("in force")});
    *out_recorded = add_row(a, actor, "mode_changed", &c.entry, &why) == GW_OK;
    if (!*out_recorded)
        gw_log(GW_LOG_ERROR, "audit", {"action", GW_STR("mode_changed")}, {"scope", gw_str(scope)},
               {"error", gw_str(why.msg)}, {"text", GW_STR("the mode is in force, but the change is not recorded")});
    return GW_OK;
}

void gw_modes_read(struct gw_app *a, struct gw_mode_set *out)
{
    gw_mode_load(gw_app_mode_dir(a), out);
    (void)gw_mode_expire(out, gw_clock_real_s(gw_app_clock(a)));
}

/* ---- the end of their time ---- */

struct ended {
    int64_t now_s;
    struct gw_mode_set set; /* those that have */
};

static enum gw_code take_ended(void *ctx, struct gw_mode_set *set, struct gw_error *err)
{
    struct ended *e = ctx;
    (void)err;
    for (size_t i = 0; i < set->count; i++)
        if (gw_mode_has_ended(&set->entries[i], e->now_s))
            e->set.entries[e->set.count++] = set->entries[i];
    (void)gw_mode_expire(set, e->now_s);
    return GW_OK;
}

static bool some_have_ended(struct gw_app *a, int64_t now_s)
{
    struct gw_mode_set set;
    gw_mode_load(gw_app_mode_dir(a), &set);
    return gw_mode_expire(&set, now_s) > 0;
}

enum gw_code gw_modes_expire(struct gw_app *a, struct gw_error *err)
{
    static const struct gw_actor nobody = {.kind = GW_ACTOR_CLIENT};
    struct ended e = {.now_s = gw_clock_real_s(gw_app_clock(a))};
    if (!some_have_ended(a, e.now_s))
        return GW_OK;
    GW_TRY(gw_mode_change(gw_app_mode_dir(a), take_ended, &e, err));
    for (size_t i = 0; i < e.set.count; i++) {
        char scope[GW_MODE_SCOPE_TEXT];
        gw_modes_scope_text(&e.set.entries[i], scope);
        gw_log(GW_LOG_WARN, "mode", {"mode", gw_str(gw_mode_name(e.set.entries[i].mode))}, {"scope", gw_str(scope)},
               {"text", GW_STR("has ended at its time")});
        GW_TRY(add_row(a, &nobody, "mode_ended", &e.set.entries[i], err));
    }
    return GW_OK;
}
