/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles and the permissions they hold. The permissions that exist are those that the gateway's own calls need, that routes
 * name, and that roles name; a wildcard stands for those among them. Inheritance is closed by Warshall's algorithm over one
 * 64-bit row a role; a role found in its own row inherits from itself.
 */
#include "policy/load.h"

#include "config/nearest.h"

#include <assert.h>

#define ROLE_NAME_MAX 32
#define PERMISSION_PART_MAX 32

static_assert(GW_POLICY_ROLES_MAX <= 64, "a row of inherited roles is one uint64_t");

static void set_add(struct gw_permission_set *set, size_t permission)
{
    set->bits[permission / 64] |= UINT64_C(1) << (permission % 64);
}

static void set_join(struct gw_permission_set *set, const struct gw_permission_set *more)
{
    for (size_t i = 0; i < sizeof(set->bits) / sizeof(set->bits[0]); i++)
        set->bits[i] |= more->bits[i];
}

/* ---- permissions ---- */

/* "bots:read" */
static bool is_permission(struct gw_str s)
{
    size_t colon = gw_str_find(s, ':');
    return gw_load_is_name(gw_str_sub(s, 0, colon), PERMISSION_PART_MAX) &&
           gw_load_is_name(gw_str_sub(s, colon + 1, s.len), PERMISSION_PART_MAX);
}

int gw_load_permission(struct gw_policy_loader *l, struct gw_str name, unsigned line)
{
    struct gw_policy *p = l->policy;
    int known = gw_policy_permission(p, name);
    if (known >= 0)
        return known;
    if (!is_permission(name)) {
        GW_LOAD_FAULT(l, line, "expected a permission such as bots:read, not \"%.*s\"", GW_STR_ARG(name));
        return -1;
    }
    if (p->permission_count == GW_POLICY_PERMISSIONS_MAX) {
        GW_LOAD_FAULT(l, line, "more than %d permissions", GW_POLICY_PERMISSIONS_MAX);
        return -1;
    }
    if (gw_arena_str(&p->arena, name, &p->permissions[p->permission_count]) != GW_OK) {
        GW_LOAD_FAULT(l, line, "no memory for the permissions");
        return -1;
    }
    return (int)p->permission_count++;
}

static bool is_wildcard(struct gw_str s)
{
    return s.len > 0 && s.ptr[s.len - 1] == '*';
}

/* "*" or "models:*" */
static void add_wildcard(struct gw_policy_loader *l, struct gw_role *role, struct gw_str text, unsigned line)
{
    struct gw_str prefix = gw_str_sub(text, 0, text.len - 1);
    bool any = false;
    bool whole = prefix.len == 0 || prefix.ptr[prefix.len - 1] == ':';
    for (size_t i = 0; whole && i < l->policy->permission_count; i++) {
        if (!gw_str_starts(l->policy->permissions[i], prefix))
            continue;
        set_add(&role->permissions, i);
        any = true;
    }
    if (!any)
        GW_LOAD_FAULT(l, line, "role `%.*s`: no permission matches \"%.*s\"; expected * or one such as bots:*",
                      GW_STR_ARG(role->name), GW_STR_ARG(text));
}

/* ---- names ---- */

static void add_role(struct gw_policy_loader *l, const struct gw_yaml *node)
{
    struct gw_policy *p = l->policy;
    if (!gw_load_is_name(node->key, ROLE_NAME_MAX)) {
        GW_LOAD_FAULT(l, node->key_line, "expected a role name of letters, digits, _ and -, at most %d, not \"%.*s\"",
                      ROLE_NAME_MAX, GW_STR_ARG(node->key));
        return;
    }
    if (p->role_count == GW_POLICY_ROLES_MAX) {
        GW_LOAD_FAULT(l, node->key_line, "more than %d roles", GW_POLICY_ROLES_MAX);
        return;
    }
    if (gw_arena_str(&p->arena, node->key, &p->roles[p->role_count].name) == GW_OK)
        p->role_count++;
    else
        GW_LOAD_FAULT(l, node->key_line, "no memory for the roles");
}

void gw_load_role_names(struct gw_policy_loader *l, const struct gw_yaml *section)
{
    static const struct gw_str own[] = {
#define GW_PERMISSION(text) GW_STR(text),
#include "policy/permission.def"
#undef GW_PERMISSION
    };
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        l->policy->permissions[l->policy->permission_count++] = own[i];

    if (section->kind != GW_YAML_MAP || section->count == 0) {
        GW_LOAD_FAULT(l, section->line, "roles: expected a map of roles, at least one");
        return;
    }
    for (const struct gw_yaml *node = section->first; node != NULL; node = node->next)
        add_role(l, node);
}

/* ---- what a role holds ---- */

int gw_load_role(struct gw_policy_loader *l, struct gw_str name, unsigned line)
{
    struct gw_policy *p = l->policy;
    int role = gw_policy_role(p, name);
    if (role >= 0)
        return role;
    struct gw_str names[GW_POLICY_ROLES_MAX];
    for (size_t i = 0; i < p->role_count; i++)
        names[i] = p->roles[i].name;
    struct gw_str meant = gw_nearest(name, names, p->role_count);
    if (meant.len > 0)
        GW_LOAD_FAULT(l, line, "unknown role `%.*s`; did you mean `%.*s`?", GW_STR_ARG(name), GW_STR_ARG(meant));
    else
        GW_LOAD_FAULT(l, line, "unknown role `%.*s`; expected one of `roles`", GW_STR_ARG(name));
    return -1;
}

/* A role as the file has it: the first names of its lists, NULL where one is missing, empty or wrong. */
struct draft {
    int role;
    unsigned line;
    const struct gw_yaml *permissions, *inherits;
};

static const struct gw_yaml *first_of(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_str key)
{
    const struct gw_yaml *list = gw_yaml_get(node, key);
    if (list == NULL)
        return NULL;
    bool good = list->kind == GW_YAML_LIST;
    for (const struct gw_yaml *item = good ? list->first : NULL; item != NULL; item = item->next)
        good = good && item->kind == GW_YAML_SCALAR;
    if (!good)
        GW_LOAD_FAULT(l, list->line, "%.*s: expected a list of names", GW_STR_ARG(key));
    return good ? list->first : NULL;
}

static bool read_draft(struct gw_policy_loader *l, const struct gw_yaml *node, struct draft *out)
{
    static const struct gw_str keys[] = {GW_STR("permissions"), GW_STR("inherits")};
    int role = gw_policy_role(l->policy, node->key);
    if (!gw_load_map(l, node, "role", keys, 2) || role < 0)
        return false;
    *out = (struct draft){role, node->key_line, first_of(l, node, keys[0]), first_of(l, node, keys[1])};
    return true;
}

static void load_names(struct gw_policy_loader *l, const struct draft *d)
{
    struct gw_role *role = &l->policy->roles[d->role];
    for (const struct gw_yaml *item = d->permissions; item != NULL; item = item->next) {
        if (is_wildcard(item->text))
            continue;
        int permission = gw_load_permission(l, item->text, item->line);
        if (permission >= 0)
            set_add(&role->permissions, (size_t)permission);
    }
}

static void load_wildcards(struct gw_policy_loader *l, const struct draft *d)
{
    struct gw_role *role = &l->policy->roles[d->role];
    for (const struct gw_yaml *item = d->permissions; item != NULL; item = item->next)
        if (is_wildcard(item->text))
            add_wildcard(l, role, item->text, item->line);
}

static uint64_t load_inherits(struct gw_policy_loader *l, const struct draft *d)
{
    uint64_t row = 0;
    for (const struct gw_yaml *item = d->inherits; item != NULL; item = item->next) {
        int role = gw_load_role(l, item->text, item->line);
        if (role >= 0)
            row |= UINT64_C(1) << role;
    }
    return row;
}

static void close_over(uint64_t *rows, size_t count)
{
    for (size_t via = 0; via < count; via++)
        for (size_t i = 0; i < count; i++)
            if (rows[i] >> via & 1)
                rows[i] |= rows[via];
}

/* Each role's own set is joined into those that inherit it, not sets already joined: rows are closed. */
static void join_inherited(struct gw_policy_loader *l, const uint64_t *rows)
{
    struct gw_policy *p = l->policy;
    struct gw_permission_set own[GW_POLICY_ROLES_MAX];
    for (size_t i = 0; i < p->role_count; i++)
        own[i] = p->roles[i].permissions;
    for (size_t i = 0; i < p->role_count; i++)
        for (size_t k = 0; k < p->role_count; k++)
            if (rows[i] >> k & 1)
                set_join(&p->roles[i].permissions, &own[k]);
}

void gw_load_role_permissions(struct gw_policy_loader *l, const struct gw_yaml *section)
{
    struct draft drafts[GW_POLICY_ROLES_MAX];
    size_t count = 0;
    uint64_t rows[GW_POLICY_ROLES_MAX] = {0};
    for (const struct gw_yaml *node = section->first; node != NULL && count < GW_POLICY_ROLES_MAX; node = node->next)
        count += read_draft(l, node, &drafts[count]);
    /* Names of all roles before any wildcard, so that "bots:*" does not depend on the order of roles. */
    for (size_t i = 0; i < count; i++) {
        load_names(l, &drafts[i]);
        rows[drafts[i].role] = load_inherits(l, &drafts[i]);
    }
    for (size_t i = 0; i < count; i++)
        load_wildcards(l, &drafts[i]);
    close_over(rows, l->policy->role_count);
    for (size_t i = 0; i < count; i++)
        if ((rows[drafts[i].role] >> drafts[i].role & 1) != 0)
            GW_LOAD_FAULT(l, drafts[i].line, "role `%.*s` inherits from itself",
                          GW_STR_ARG(l->policy->roles[drafts[i].role].name));
    join_inherited(l, rows);
}
