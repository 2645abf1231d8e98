/* SPDX-License-Identifier: Apache-2.0 */
/* A policy file as a whole, and what its sections share. The YAML tree lives in an arena of its own, which ends with the load. */
#include "policy/load.h"

#include "config/nearest.h"

#include <stdlib.h>

#define TREE_MAX_BYTES ((size_t)64 << 20)
#define POLICY_MAX_BYTES ((size_t)64 << 20)

/* ---- shared by the sections ---- */

static void report_unknown(struct gw_policy_loader *l, const struct gw_yaml *node, const char *what,
                           const struct gw_str *keys, size_t count)
{
    struct gw_str meant = gw_nearest(node->key, keys, count);
    if (meant.len > 0)
        GW_LOAD_FAULT(l, node->key_line, "%s: unknown key `%.*s`; did you mean `%.*s`?", what, GW_STR_ARG(node->key),
                      GW_STR_ARG(meant));
    else
        GW_LOAD_FAULT(l, node->key_line, "%s: unknown key `%.*s`; docs/policy.md lists the keys", what,
                      GW_STR_ARG(node->key));
}

static bool is_among(struct gw_str key, const struct gw_str *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (gw_str_eq(keys[i], key))
            return true;
    return false;
}

bool gw_load_map(struct gw_policy_loader *l, const struct gw_yaml *node, const char *what, const struct gw_str *keys,
                 size_t count)
{
    if (node->kind != GW_YAML_MAP) {
        GW_LOAD_FAULT(l, node->line, "%s: expected a map", what);
        return false;
    }
    for (const struct gw_yaml *child = node->first; child != NULL; child = child->next)
        if (!is_among(child->key, keys, count))
            report_unknown(l, child, what, keys, count);
    return true;
}

static bool parse(struct gw_policy_loader *l, const struct gw_yaml *node, const struct gw_option *row, void *out)
{
    return gw_option_parse(row, node, l->file, &l->policy->arena, out, l->faults);
}

bool gw_load_text(struct gw_policy_loader *l, const struct gw_yaml *node, const char *what, int64_t max,
                  struct gw_str *out)
{
    return parse(l, node, &(struct gw_option){.key = what, .type = GW_OPT_STRING, .min = 1, .max = max}, out);
}

bool gw_load_choice(struct gw_policy_loader *l, const struct gw_yaml *node, const char *what,
                    const char *const *choices, int *out)
{
    return parse(l, node, &(struct gw_option){.key = what, .type = GW_OPT_ENUM, .choices = choices}, out);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool gw_load_is_name(struct gw_str s, size_t max)
{
    if (s.len == 0 || s.len > max || !is_letter(s.ptr[0]))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!is_letter(s.ptr[i]) && !(s.ptr[i] >= '0' && s.ptr[i] <= '9') && s.ptr[i] != '_' && s.ptr[i] != '-')
            return false;
    return true;
}

/* ---- the whole ---- */

static void load_sections(struct gw_policy_loader *l, const struct gw_yaml *root,
                          const struct gw_upstream_override *override)
{
    static const struct gw_str keys[] = {GW_STR("upstream"), GW_STR("auth"),      GW_STR("health"), GW_STR("roles"),
                                         GW_STR("routes"),   GW_STR("make_safe"), GW_STR("limits"), GW_STR("headers")};
    if (!gw_load_map(l, root, "policy", keys, sizeof(keys) / sizeof(keys[0])))
        return;
    const struct gw_yaml *upstream = gw_yaml_get(root, GW_STR("upstream"));
    if (upstream != NULL)
        gw_load_upstream(l, upstream, override);
    else
        GW_LOAD_FAULT(l, 0, "`upstream` is missing: the backend and how the gateway presents users to it");

    const struct gw_yaml *roles = gw_yaml_get(root, GW_STR("roles"));
    if (roles != NULL)
        gw_load_role_names(l, roles);
    else
        GW_LOAD_FAULT(l, 0, "`roles` is missing: the roles that users can have");
    gw_load_limits(l, gw_yaml_get(root, GW_STR("limits")));
    gw_load_headers(l, gw_yaml_get(root, GW_STR("headers")));
    gw_load_routes(l, root);
    if (roles != NULL)
        gw_load_role_permissions(l, roles);
    const struct gw_yaml *make_safe = gw_yaml_get(root, GW_STR("make_safe"));
    if (make_safe != NULL)
        gw_load_make_safe(l, make_safe);
}

static enum gw_code load_tree(const struct gw_yaml *root, const char *file, const struct gw_upstream_override *override,
                              struct gw_faults *f, struct gw_policy **out, struct gw_error *err)
{
    gw_auto(gw_policy) struct gw_policy *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the policy");
    gw_arena_init(&p->arena, POLICY_MAX_BYTES);
    struct gw_policy_loader l = {p, file, f};
    size_t before = gw_faults_count(f);
    load_sections(&l, root, override);
    if (gw_faults_count(f) > before)
        return gw_fail(err, GW_EINVAL, "the policy %s has faults", file);
    *out = gw_take(&p);
    return GW_OK;
}

enum gw_code gw_policy_load(const char *file, const struct gw_upstream_override *override, struct gw_faults *f,
                            struct gw_policy **out, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena tree;
    gw_arena_init(&tree, TREE_MAX_BYTES);
    const struct gw_yaml *root = gw_yaml_load(&tree, file, f);
    if (root == NULL)
        return gw_fail(err, GW_EINVAL, "the policy %s cannot be read", file);
    return load_tree(root, file, override, f, out, err);
}

enum gw_code gw_policy_load_text(struct gw_str text, const char *file, const struct gw_upstream_override *override,
                                 struct gw_faults *f, struct gw_policy **out, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena tree;
    gw_arena_init(&tree, TREE_MAX_BYTES);
    const struct gw_yaml *root = gw_yaml_parse(&tree, text, file, f);
    if (root == NULL)
        return gw_fail(err, GW_EINVAL, "the policy %s cannot be read", file);
    return load_tree(root, file, override, f, out, err);
}
