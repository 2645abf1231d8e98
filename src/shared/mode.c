/* SPDX-License-Identifier: Apache-2.0 */
#include "shared/mode.h"

#include <string.h>

static const char *const names[GW_MODE_COUNT] = {
    [GW_MODE_OFF] = "off",
    [GW_MODE_RISK_OFF] = "risk-off",
    [GW_MODE_READ_ONLY] = "read-only",
    [GW_MODE_STOPPED] = "stopped",
};

const char *gw_mode_name(enum gw_mode mode)
{
    return names[mode];
}

enum gw_mode gw_mode_parse(struct gw_str name)
{
    enum gw_mode mode = GW_MODE_OFF;
    while (mode < GW_MODE_COUNT && !gw_str_eq(name, gw_str(names[mode])))
        mode++;
    return mode;
}

/* ---- texts ---- */

static char plain(unsigned char c)
{
    if (c == '"')
        return '\'';
    if (c == '\\')
        return '/';
    return c < ' ' || c == 0x7f ? ' ' : '?';
}

void gw_mode_text(struct gw_str text, char *dst, size_t size)
{
    size_t n = 0;
    while (text.len > 0) {
        bool is_kept = gw_str_printable(text) > 0 && text.ptr[0] != '"' && text.ptr[0] != '\\';
        size_t bytes = is_kept ? gw_str_printable(text) : 1;
        if (n + bytes >= size)
            break;
        memcpy(dst + n, text.ptr, bytes);
        if (!is_kept)
            dst[n] = plain((unsigned char)text.ptr[0]);
        n += bytes;
        text = gw_str_sub(text, bytes, text.len);
    }
    dst[n] = '\0';
}

bool gw_mode_is_text(const char *text)
{
    char same[GW_MODE_REASON_MAX + 1];
    gw_mode_text(gw_str(text), same, sizeof(same));
    return strcmp(text, same) == 0;
}

/* ---- a set ---- */

bool gw_mode_has_ended(const struct gw_mode_entry *entry, int64_t now_s)
{
    return entry->until_s != 0 && now_s >= entry->until_s;
}

static bool applies(const struct gw_mode_entry *e, const struct gw_uuid *user, struct gw_str group)
{
    switch ((enum gw_mode_scope)e->scope) {
    case GW_MODE_GLOBAL:
        return true;
    case GW_MODE_GROUP:
        return gw_str_eq(gw_str(e->name), group);
    case GW_MODE_USER:
        return user != NULL && gw_uuid_eq(&e->user, user);
    case GW_MODE_SCOPE_COUNT:
        break;
    }
    return false;
}

const struct gw_mode_entry *gw_mode_find(const struct gw_mode_set *set, const struct gw_uuid *user, struct gw_str group,
                                         int64_t now_s)
{
    const struct gw_mode_entry *strongest = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct gw_mode_entry *e = &set->entries[i];
        if (!gw_mode_has_ended(e, now_s) && applies(e, user, group) && (strongest == NULL || e->mode > strongest->mode))
            strongest = e;
    }
    return strongest;
}

static bool same_scope(const struct gw_mode_entry *a, const struct gw_mode_entry *b)
{
    return a->scope == b->scope && (a->scope != GW_MODE_USER || gw_uuid_eq(&a->user, &b->user)) &&
           (a->scope != GW_MODE_GROUP || strcmp(a->name, b->name) == 0);
}

const struct gw_mode_entry *gw_mode_of_scope(const struct gw_mode_set *set, const struct gw_mode_entry *scope)
{
    const struct gw_mode_entry *strongest = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct gw_mode_entry *e = &set->entries[i];
        if (same_scope(e, scope) && (strongest == NULL || e->mode > strongest->mode))
            strongest = e;
    }
    return strongest;
}

static const struct gw_mode_entry *entry_named(const struct gw_mode_set *set, enum gw_mode_scope scope,
                                               struct gw_str name)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct gw_mode_entry *e = &set->entries[i];
        if (e->scope == scope &&
            (scope == GW_MODE_USER ? gw_str_eq_nocase(gw_str(e->name), name) : gw_str_eq(gw_str(e->name), name)))
            return e;
    }
    return NULL;
}

bool gw_mode_take_scope(const struct gw_mode_set *set, enum gw_mode_scope scope, struct gw_str name,
                        struct gw_mode_entry *out)
{
    const struct gw_mode_entry *e = entry_named(set, scope, name);
    if (e == NULL)
        return false;
    out->scope = e->scope;
    out->user = e->user;
    memcpy(out->name, e->name, sizeof(out->name));
    return true;
}

static void take_away(struct gw_mode_set *set, size_t i)
{
    set->count--;
    memmove(&set->entries[i], &set->entries[i + 1], (set->count - i) * sizeof(set->entries[0]));
}

/* Places that none but GLOBAL takes: it has one for each mode at most. */
static size_t kept_places(const struct gw_mode_set *set)
{
    size_t kept = GW_MODE_COUNT - 1;
    for (size_t i = 0; i < set->count; i++)
        kept -= set->entries[i].scope == GW_MODE_GLOBAL && kept > 0;
    return kept;
}

static enum gw_code append(struct gw_mode_set *set, const struct gw_mode_entry *entry, struct gw_error *err)
{
    size_t kept = entry->scope == GW_MODE_GLOBAL ? 0 : kept_places(set);
    if (set->count + kept >= GW_MODE_ENTRIES_MAX)
        return gw_fail(err, GW_ELIMIT, "%u modes are in force, which is the limit: lift one of them first", set->count);
    set->entries[set->count++] = *entry;
    return GW_OK;
}

enum gw_code gw_mode_put(struct gw_mode_set *set, const struct gw_mode_entry *entry, struct gw_error *err)
{
    for (size_t i = set->count; i-- > 0;)
        if (same_scope(&set->entries[i], entry))
            take_away(set, i);
    return entry->mode == GW_MODE_OFF ? GW_OK : append(set, entry, err);
}

size_t gw_mode_expire(struct gw_mode_set *set, int64_t now_s)
{
    size_t before = set->count;
    for (size_t i = set->count; i-- > 0;)
        if (gw_mode_has_ended(&set->entries[i], now_s))
            take_away(set, i);
    return before - set->count;
}

static bool outlasts(const struct gw_mode_entry *a, const struct gw_mode_entry *b)
{
    return a->until_s == 0 || (b->until_s != 0 && b->until_s <= a->until_s);
}

/* Nothing of b is left that a would not refuse, at any time. */
static bool covers(const struct gw_mode_entry *a, const struct gw_mode_entry *b)
{
    return a->mode >= b->mode && outlasts(a, b);
}

bool gw_mode_holds(const struct gw_mode_set *set, const struct gw_mode_entry *entry, int64_t now_s)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct gw_mode_entry *e = &set->entries[i];
        if (same_scope(e, entry) && !gw_mode_has_ended(e, now_s) && covers(e, entry))
            return true;
    }
    return false;
}

enum gw_code gw_mode_raise(struct gw_mode_set *set, const struct gw_mode_entry *entry, int64_t now_s,
                           struct gw_error *err)
{
    struct gw_mode_entry raised = *entry;
    if (gw_mode_holds(set, entry, now_s))
        return GW_OK;
    for (size_t i = 0; i < set->count; i++) {
        const struct gw_mode_entry *e = &set->entries[i];
        if (same_scope(e, entry) && !gw_mode_has_ended(e, now_s) && e->mode == raised.mode)
            raised.since_s = e->since_s;
    }
    for (size_t i = set->count; i-- > 0;) {
        const struct gw_mode_entry *e = &set->entries[i];
        if (same_scope(e, entry) && (gw_mode_has_ended(e, now_s) || covers(&raised, e)))
            take_away(set, i);
    }
    return append(set, &raised, err);
}
