/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in a compiled policy, and the decision who may use a route. */
#include "policy/policy.h"

#include "policy/compiled.h"
#include "policy/limit.h"
#include "policy/make_safe.h"

#include <stdlib.h>
#include <string.h>

static const struct gw_str method_names[] = {
#define GW_METHOD(name) GW_STR(#name),
#include "policy/method.def"
#undef GW_METHOD
};

enum gw_method gw_method_parse(struct gw_str name)
{
    for (size_t i = 0; i < GW_METHOD_OTHER; i++)
        if (gw_str_eq(method_names[i], name))
            return (enum gw_method)i;
    return GW_METHOD_OTHER;
}

const char *gw_method_name(enum gw_method m)
{
    return method_names[m].ptr;
}

bool gw_method_is_safe(enum gw_method m)
{
    return m == GW_METHOD_GET || m == GW_METHOD_HEAD || m == GW_METHOD_OPTIONS;
}

const char *gw_risk_name(enum gw_risk r)
{
    static const char *const names[] = {
        [GW_RISK_NEUTRAL] = "neutral", [GW_RISK_OPENS] = "opens", [GW_RISK_REDUCES] = "reduces"};
    return names[r];
}

const char *gw_ui_name(enum gw_ui u)
{
    static const char *const names[] = {[GW_UI_API] = "api", [GW_UI_PAGE] = "page", [GW_UI_ASSET] = "asset"};
    return names[u];
}

const char *gw_audit_name(enum gw_audit a)
{
    static const char *const names[] = {
        [GW_AUDIT_NONE] = "none", [GW_AUDIT_RECORD] = "record", [GW_AUDIT_DURABLE] = "durable"};
    return names[a];
}

void gw_policy_free(struct gw_policy *p)
{
    if (p == NULL)
        return;
    gw_arena_done(&p->arena);
    free(p);
}

const struct gw_upstream *gw_policy_upstream(const struct gw_policy *p)
{
    return &p->upstream;
}

const struct gw_answer_headers *gw_policy_headers(const struct gw_policy *p)
{
    return &p->headers;
}

size_t gw_policy_route_count(const struct gw_policy *p)
{
    return p->route_count;
}

const struct gw_route *gw_policy_route(const struct gw_policy *p, size_t i)
{
    return &p->routes[i].route;
}

const struct gw_make_safe *gw_policy_make_safe(const struct gw_policy *p)
{
    return p->make_safe;
}

const struct gw_limit_class *gw_policy_limit(const struct gw_policy *p, enum gw_limit_built_in which)
{
    return &p->limits[which];
}

/* ---- roles and permissions ---- */

int gw_policy_role(const struct gw_policy *p, struct gw_str name)
{
    for (size_t i = 0; i < p->role_count; i++)
        if (gw_str_eq(p->roles[i].name, name))
            return (int)i;
    return GW_ROLE_UNKNOWN;
}

struct gw_str gw_policy_role_name(const struct gw_policy *p, unsigned role)
{
    return p->roles[role].name;
}

size_t gw_policy_role_count(const struct gw_policy *p)
{
    return p->role_count;
}

int gw_policy_permission(const struct gw_policy *p, struct gw_str name)
{
    for (size_t i = 0; i < p->permission_count; i++)
        if (gw_str_eq(p->permissions[i], name))
            return (int)i;
    return -1;
}

struct gw_str gw_policy_permission_name(const struct gw_policy *p, unsigned permission)
{
    return p->permissions[permission];
}

size_t gw_policy_permission_count(const struct gw_policy *p)
{
    return p->permission_count;
}

bool gw_policy_holds(const struct gw_policy *p, int role, int permission)
{
    if (role < 0 || permission < 0)
        return false;
    return (p->roles[role].permissions.bits[permission / 64] >> (permission % 64) & 1) != 0;
}

enum gw_access_answer gw_policy_access(const struct gw_policy *p, const struct gw_route *r, int role)
{
    if (r->access == GW_ACCESS_PUBLIC)
        return GW_ACCESS_YES;
    if (r->access == GW_ACCESS_DENY)
        return GW_ACCESS_NO;
    if (role == GW_ROLE_NONE)
        return GW_ACCESS_NEEDS_SIGN_IN;
    bool may = r->access == GW_ACCESS_SIGNED_IN || (r->access == GW_ACCESS_ROLE && role == (int)r->role) ||
               (r->access == GW_ACCESS_PERMISSION && gw_policy_holds(p, role, (int)r->permission));
    return may ? GW_ACCESS_YES : GW_ACCESS_NO;
}

struct gw_str gw_policy_right(const struct gw_policy *p, const struct gw_route *r)
{
    switch (r->access) {
    case GW_ACCESS_DENY:
        return GW_STR("deny");
    case GW_ACCESS_PUBLIC:
        return GW_STR("public");
    case GW_ACCESS_SIGNED_IN:
        return GW_STR("signed-in");
    case GW_ACCESS_PERMISSION:
        return gw_policy_permission_name(p, r->permission);
    case GW_ACCESS_ROLE:
        return gw_policy_role_name(p, r->role);
    }
    return GW_STR_NULL;
}

bool gw_policy_has_group(const struct gw_policy *p, struct gw_str group)
{
    for (size_t i = 0; i < p->route_count; i++) {
        const struct gw_route *r = &p->routes[i].route;
        if (r->target == GW_TARGET_BACKEND && gw_str_eq(r->group, group))
            return true;
    }
    return false;
}

/* ---- routes ---- */

static const struct gw_route *built_in(const struct gw_policy *p, enum gw_built_in which)
{
    return &p->routes[p->route_count - GW_BUILT_IN_COUNT + which].route;
}

static struct gw_str path_of(const struct gw_route *r)
{
    return gw_str_sub(r->pattern, gw_str_find(r->pattern, ' ') + 1, r->pattern.len);
}

struct gw_str gw_policy_auth_path(const struct gw_policy *p, enum gw_target target)
{
    for (size_t i = 0; i < p->route_count; i++) {
        if (p->routes[i].route.target == target)
            return path_of(&p->routes[i].route);
    }
    return GW_STR_NULL;
}

static bool is_safe_run(enum gw_method m, struct gw_str path)
{
    struct gw_str runs = GW_STR("/aaiti/v1/make-safe/");
    return m == GW_METHOD_GET && gw_str_starts(path, runs) && path.len > runs.len &&
           memchr(path.ptr + runs.len, '/', path.len - runs.len) == NULL;
}

/* Everything at and below /aaiti is the gateway's own, whatever the policy says. */
static const struct gw_route *match_own(const struct gw_policy *p, enum gw_method m, struct gw_str path)
{
    for (enum gw_built_in which = 0; which < GW_BUILT_IN_COUNT; which++) {
        const struct gw_route *r = built_in(p, which);
        if (r->method == m && gw_str_eq(path, path_of(r)))
            return r;
    }
    if (is_safe_run(m, path))
        return built_in(p, GW_BUILT_IN_SAFE_RUN);
    if (gw_str_eq(path, GW_STR("/aaiti/v1")) || gw_str_starts(path, GW_STR("/aaiti/v1/")))
        return built_in(p, GW_BUILT_IN_CONTROL);
    return NULL;
}

const struct gw_route *gw_policy_match(const struct gw_policy *p, enum gw_method m, struct gw_str path,
                                       struct gw_str query)
{
    if (m == GW_METHOD_OTHER)
        return NULL;
    if (m == GW_METHOD_HEAD)
        m = GW_METHOD_GET;
    struct gw_str own = GW_STR("/aaiti");
    if (gw_str_starts(path, own) && (path.len == own.len || path.ptr[own.len] == '/'))
        return match_own(p, m, path);

    const struct gw_route *found = gw_matcher_find(p->matcher, m, path, query);
    if (found == NULL && m == GW_METHOD_GET && gw_str_eq(path, GW_STR("/")))
        return built_in(p, GW_BUILT_IN_LANDING);
    return found;
}
