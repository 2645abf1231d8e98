/* SPDX-License-Identifier: Apache-2.0 */
/* The sections `auth`, `health` and `routes`, and the built-in routes behind them. */
#include "policy/load.h"

#include "policy/path.h"

#include <string.h>

#define PARAM_MAX_BYTES 32
#define QUERY_MAX_BYTES 256

static const struct gw_str reserved = GW_STR("aaiti");

/* ---- pattern ---- */

static bool is_param(struct gw_str segment)
{
    return segment.len > 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}' &&
           gw_load_is_name(gw_str_sub(segment, 1, segment.len - 2), PARAM_MAX_BYTES);
}

/* A literal segment that a canonical path can hold. */
static bool is_literal(struct gw_str segment)
{
    char path[GW_PATH_MAX_BYTES];
    if (memchr(segment.ptr, '*', segment.len) != NULL || segment.len >= sizeof(path))
        return false;
    path[0] = '/';
    memcpy(path + 1, segment.ptr, segment.len);
    struct gw_arena none;
    gw_arena_init(&none, 0);
    struct gw_target_uri uri;
    /* An arena without room: what would have to change is refused, too. */
    return gw_path_canonical((struct gw_str){path, segment.len + 1}, &none, &uri, NULL) == GW_OK &&
           uri.query.ptr == NULL;
}

/* What is wrong with a pattern's path, or NULL. */
static const char *check_path(struct gw_str path)
{
    if (path.len == 0 || path.ptr[0] != '/' || path.len > GW_PATH_MAX_BYTES)
        return "expected a path that begins with /";
    struct gw_str rest = gw_str_sub(path, 1, path.len), segment;
    size_t segments = 0, params = 0;
    while (gw_str_split(&rest, '/', &segment)) {
        bool is_last = rest.ptr == NULL;
        if (++segments > GW_ROUTE_SEGMENTS_MAX)
            return "more segments than a pattern may have";
        if (segments == 1 && gw_str_eq(segment, reserved))
            return "paths at and below /aaiti are the gateway's own";
        if (segment.len == 0 && is_last)
            break; /* a trailing slash */
        if (gw_str_eq(segment, GW_STR("**")) && is_last)
            break;
        if (is_param(segment)) {
            if (++params > GW_POLICY_PARAMS_MAX)
                return "more {parameters} than a pattern may have";
            continue;
        }
        if (segment.len == 0 || !is_literal(segment))
            return "can never match: expected segments as they stand in a canonical path, {name}, or ** at the end";
    }
    return NULL;
}

static bool load_pattern(struct gw_policy_loader *l, const struct gw_yaml *node, const char *what,
                         struct gw_compiled_route *out)
{
    struct gw_str text;
    if (!gw_load_text(l, node, what, GW_PATH_MAX_BYTES, &text))
        return false;
    size_t space = gw_str_find(text, ' ');
    struct gw_str method = gw_str_sub(text, 0, space);
    out->route.method = gw_method_parse(method);
    out->route.pattern = text;
    out->route.line = node->line;
    out->path = gw_str_sub(text, space + 1, text.len);
    const char *wrong = check_path(out->path);
    if (out->route.method == GW_METHOD_OTHER)
        wrong = "expected a method (GET POST PUT PATCH DELETE OPTIONS) and a path";
    if (out->route.method == GW_METHOD_HEAD)
        wrong = "HEAD follows GET and is not named";
    if (wrong != NULL)
        GW_LOAD_FAULT(l, node->line, "%s: \"%.*s\": %s", what, GW_STR_ARG(text), wrong);
    return wrong == NULL;
}

/* ---- what a route asks ---- */

static void load_query_rule(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_compiled_route *r)
{
    struct gw_query_rule rule;
    if (node->key.len == 0 || node->key.len > QUERY_MAX_BYTES ||
        gw_arena_str(&l->policy->arena, node->key, &rule.name) != GW_OK) {
        GW_LOAD_FAULT(l, node->key_line, "query: expected a parameter name of 1 to %d bytes", QUERY_MAX_BYTES);
        return;
    }
    if (!gw_load_text(l, node, "query", QUERY_MAX_BYTES, &rule.value))
        return;
    size_t at = r->query_count++;
    for (; at > 0 && strcmp(r->query[at - 1].name.ptr, rule.name.ptr) > 0; at--)
        r->query[at] = r->query[at - 1];
    r->query[at] = rule;
}

static void load_query(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_compiled_route *r)
{
    if (node->kind != GW_YAML_MAP || node->count == 0 || node->count > GW_ROUTE_QUERY_MAX) {
        GW_LOAD_FAULT(l, node->line, "query: expected a map of 1 to %d parameters", GW_ROUTE_QUERY_MAX);
        return;
    }
    for (const struct gw_yaml *child = node->first; child != NULL; child = child->next)
        load_query_rule(l, child, r);
}

void gw_load_access(struct gw_policy_loader *l, const struct gw_yaml *map, struct gw_route *r)
{
    static const char *const accesses[] = {[GW_ACCESS_DENY] = "deny",
                                           [GW_ACCESS_PUBLIC] = "public",
                                           [GW_ACCESS_SIGNED_IN] = "signed-in",
                                           [GW_ACCESS_PERMISSION] = NULL};
    const struct gw_yaml *access = gw_yaml_get(map, GW_STR("access"));
    const struct gw_yaml *permission = gw_yaml_get(map, GW_STR("permission"));
    const struct gw_yaml *role = gw_yaml_get(map, GW_STR("role"));
    if ((access != NULL) + (permission != NULL) + (role != NULL) != 1) {
        GW_LOAD_FAULT(l, map->line, "route: expected exactly one of `permission`, `access` and `role`");
        return;
    }
    struct gw_str name;
    int found = -1;
    if (access != NULL && gw_load_choice(l, access, "access", accesses, &found))
        r->access = (enum gw_access)found;
    if (permission != NULL && gw_load_text(l, permission, "permission", 100, &name)) {
        found = gw_load_permission(l, name, permission->line);
        r->access = GW_ACCESS_PERMISSION;
        r->permission = found >= 0 ? (unsigned)found : 0;
    }
    if (role != NULL && gw_load_text(l, role, "role", 100, &name)) {
        found = gw_load_role(l, name, role->line);
        r->access = GW_ACCESS_ROLE;
        r->role = found >= 0 ? (unsigned)found : 0;
    }
}

/* A change opens risk unless the policy says otherwise; what asks for no more than a read changes nothing. */
static enum gw_risk default_risk(const struct gw_policy *p, const struct gw_route *r)
{
    if (gw_method_is_safe(r->method) || r->access == GW_ACCESS_PUBLIC || r->access == GW_ACCESS_SIGNED_IN)
        return GW_RISK_NEUTRAL;
    if (r->access != GW_ACCESS_PERMISSION)
        return GW_RISK_OPENS;
    struct gw_str name = p->permissions[r->permission];
    struct gw_str action = gw_str_sub(name, gw_str_find(name, ':') + 1, name.len);
    return gw_str_eq(action, GW_STR("read")) ? GW_RISK_NEUTRAL : GW_RISK_OPENS;
}

void gw_load_risk(struct gw_policy_loader *l, const struct gw_yaml *map, struct gw_route *r)
{
    static const char *const risks[] = {
        [GW_RISK_NEUTRAL] = "neutral", [GW_RISK_OPENS] = "opens", [GW_RISK_REDUCES] = "reduces", NULL};
    const struct gw_yaml *node = gw_yaml_get(map, GW_STR("risk"));
    int risk = (int)default_risk(l->policy, r);
    if (node != NULL)
        gw_load_choice(l, node, "risk", risks, &risk);
    r->risk = (enum gw_risk)risk;
}

/* By default what the right is for: "bots" of bots:write. */
static void load_group(struct gw_policy_loader *l, const struct gw_yaml *map, struct gw_route *r)
{
    const struct gw_yaml *node = gw_yaml_get(map, GW_STR("group"));
    struct gw_str right = r->access == GW_ACCESS_PERMISSION ? l->policy->permissions[r->permission] : GW_STR("other:");
    r->group = gw_str_sub(right, 0, gw_str_find(right, ':'));
    if (node != NULL && gw_load_text(l, node, "group", GW_POLICY_GROUP_MAX, &r->group) &&
        !gw_load_is_name(r->group, GW_POLICY_GROUP_MAX))
        GW_LOAD_FAULT(l, node->line, "group: expected letters, digits, _ and -, such as trading");
}

/* ---- what the journal gets ---- */

/* What is gone cannot be looked at again: its record is on disk first. */
static enum gw_audit default_audit(const struct gw_route *r)
{
    if (gw_method_is_safe(r->method))
        return GW_AUDIT_NONE;
    return r->method == GW_METHOD_DELETE ? GW_AUDIT_DURABLE : GW_AUDIT_RECORD;
}

static void load_audit(struct gw_policy_loader *l, const struct gw_yaml *map, struct gw_route *r)
{
    static const char *const audits[] = {
        [GW_AUDIT_NONE] = "none", [GW_AUDIT_RECORD] = "record", [GW_AUDIT_DURABLE] = "durable", NULL};
    const struct gw_yaml *node = gw_yaml_get(map, GW_STR("audit"));
    int audit = (int)default_audit(r);
    if (node != NULL)
        gw_load_choice(l, node, "audit", audits, &audit);
    r->audit = (enum gw_audit)audit;
    /* Only what was written can be none: no unsafe method is by default. */
    if (node != NULL && r->audit == GW_AUDIT_NONE && !gw_method_is_safe(r->method) && r->risk != GW_RISK_NEUTRAL)
        GW_LOAD_FAULT(l, node->line, "audit: what is not `risk: neutral` leaves a record: expected record or durable");
}

static bool is_action(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(s.ptr[i] >= 'a' && s.ptr[i] <= 'z') && !(s.ptr[i] >= '0' && s.ptr[i] <= '9') && s.ptr[i] != '_')
            return false;
    return gw_load_is_name(s, GW_POLICY_ACTION_MAX);
}

void gw_load_action(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_route *r)
{
    if (gw_load_text(l, node, "action", GW_POLICY_ACTION_MAX, &r->action) && !is_action(r->action))
        GW_LOAD_FAULT(l, node->line, "action: expected lower-case letters, digits and _, such as bot_created");
}

static void load_limit(struct gw_policy_loader *l, const struct gw_yaml *map, struct gw_route *r)
{
    const struct gw_yaml *node = gw_yaml_get(map, GW_STR("limit"));
    if (node != NULL && r->risk == GW_RISK_REDUCES)
        GW_LOAD_FAULT(l, node->line, "limit: no limit keeps a user from what is `risk: reduces`; leave it out");
    else if (node != NULL)
        r->limit = gw_load_limit_class(l, node);
}

/* An asset is what a page fetches, which is never a change. */
static void load_ui(struct gw_policy_loader *l, const struct gw_yaml *map, struct gw_route *r)
{
    static const char *const uis[] = {[GW_UI_API] = "api", [GW_UI_PAGE] = "page", [GW_UI_ASSET] = "asset", NULL};
    const struct gw_yaml *node = gw_yaml_get(map, GW_STR("ui"));
    int ui = GW_UI_API;
    if (node != NULL)
        gw_load_choice(l, node, "ui", uis, &ui);
    r->ui = (enum gw_ui)ui;
    if (r->ui == GW_UI_ASSET && !gw_method_is_safe(r->method))
        GW_LOAD_FAULT(l, node->line, "ui: an asset is read: expected GET");
}

/* ---- adding ---- */

/* Room was made for all; a route of wrong form is not added, but its faults are. */
static void add_route(struct gw_policy_loader *l, struct gw_compiled_route *r)
{
    struct gw_policy *p = l->policy;
    const struct gw_compiled_route *twin = NULL;
    r->route.id = (unsigned)p->route_count;
    struct gw_compiled_route *kept = &p->routes[p->route_count++];
    *kept = *r;
    enum gw_code code = gw_matcher_add(p->matcher, &p->arena, kept, &twin, NULL);
    if (code == GW_ECONFLICT)
        GW_LOAD_FAULT(l, r->route.line, "\"%.*s\" takes the same requests as line %u", GW_STR_ARG(r->route.pattern),
                      twin->route.line);
    else if (code != GW_OK)
        GW_LOAD_FAULT(l, r->route.line, "no memory for the routes");
}

static void load_route(struct gw_policy_loader *l, const struct gw_yaml *node)
{
    static const struct gw_str keys[] = {GW_STR("match"), GW_STR("permission"), GW_STR("access"), GW_STR("role"),
                                         GW_STR("risk"),  GW_STR("query"),      GW_STR("audit"),  GW_STR("action"),
                                         GW_STR("group"), GW_STR("limit"),      GW_STR("ui"),     GW_STR("websocket")};
    struct gw_compiled_route r = {.route = {.target = GW_TARGET_BACKEND}};
    if (!gw_load_map(l, node, "route", keys, sizeof(keys) / sizeof(keys[0])))
        return;
    const struct gw_yaml *match = gw_yaml_get(node, keys[0]);
    if (match == NULL) {
        GW_LOAD_FAULT(l, node->line, "route: `match` is missing");
        return;
    }
    bool good = load_pattern(l, match, "match", &r);
    const struct gw_yaml *query = gw_yaml_get(node, keys[5]);
    if (query != NULL)
        load_query(l, query, &r);
    gw_load_access(l, node, &r.route);
    gw_load_risk(l, node, &r.route);
    load_group(l, node, &r.route);
    load_audit(l, node, &r.route);
    const struct gw_yaml *action = gw_yaml_get(node, GW_STR("action"));
    r.route.action = gw_method_is_safe(r.route.method) ? GW_STR("backend_read") : GW_STR("backend_change");
    if (action != NULL)
        gw_load_action(l, action, &r.route);
    load_limit(l, node, &r.route);
    load_ui(l, node, &r.route);
    const struct gw_yaml *websocket = gw_yaml_get(node, GW_STR("websocket"));
    if (websocket != NULL && good)
        r.route.websocket = gw_load_websocket(l, websocket, &r.route);
    if (good)
        add_route(l, &r);
}

static void load_auth(struct gw_policy_loader *l, const struct gw_yaml *section)
{
    static const struct gw_str keys[] = {GW_STR("login"), GW_STR("refresh"), GW_STR("logout"), GW_STR("profile"),
                                         GW_STR("register")};
    static const struct {
        const char *what;
        enum gw_target target;
        enum gw_access access;
    } calls[] = {
        {"auth.login", GW_TARGET_LOGIN, GW_ACCESS_PUBLIC},
        {"auth.refresh", GW_TARGET_REFRESH, GW_ACCESS_PUBLIC},
        {"auth.logout", GW_TARGET_LOGOUT, GW_ACCESS_SIGNED_IN},
        {"auth.profile", GW_TARGET_PROFILE, GW_ACCESS_SIGNED_IN},
        {"auth.register", GW_TARGET_REGISTER, GW_ACCESS_PUBLIC},
    };
    if (!gw_load_map(l, section, "auth", keys, sizeof(keys) / sizeof(keys[0])))
        return;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        const struct gw_yaml *node = gw_yaml_get(section, keys[i]);
        struct gw_compiled_route r = {.route = {.target = calls[i].target, .access = calls[i].access}};
        if (node == NULL || !load_pattern(l, node, calls[i].what, &r))
            continue;
        /* A sign-in by GET could be made by any page's image. */
        if (gw_method_is_safe(r.route.method) == (calls[i].target == GW_TARGET_PROFILE))
            add_route(l, &r);
        else
            GW_LOAD_FAULT(l, node->line, "%s: expected %s", calls[i].what,
                          calls[i].target == GW_TARGET_PROFILE ? "GET" : "POST");
    }
}

static void load_health(struct gw_policy_loader *l, const struct gw_yaml *section)
{
    if (section->kind != GW_YAML_LIST) {
        GW_LOAD_FAULT(l, section->line, "health: expected a list such as [GET /api/health]");
        return;
    }
    for (const struct gw_yaml *node = section->first; node != NULL; node = node->next) {
        struct gw_compiled_route r = {.route = {.target = GW_TARGET_HEALTH, .access = GW_ACCESS_PUBLIC}};
        if (!load_pattern(l, node, "health", &r))
            continue;
        if (r.route.method == GW_METHOD_GET)
            add_route(l, &r);
        else
            GW_LOAD_FAULT(l, node->line, "health: expected GET");
    }
}

static void load_list(struct gw_policy_loader *l, const struct gw_yaml *section)
{
    if (section->kind != GW_YAML_LIST) {
        GW_LOAD_FAULT(l, section->line, "routes: expected a list");
        return;
    }
    for (const struct gw_yaml *node = section->first; node != NULL; node = node->next)
        load_route(l, node);
}

/* Not in the matcher: gw_policy_match looks for them itself. Of control's calls, those that reduce risk and nothing else stand apart, with
 * the right that control asks for, too: no block or limit keeps from them who has it. */
static void add_built_in(struct gw_policy *p)
{
    static const struct gw_route routes[GW_BUILT_IN_COUNT] = {
        [GW_BUILT_IN_HEALTH] = {.pattern = GW_STR("GET /aaiti/health"),
                                .method = GW_METHOD_GET,
                                .target = GW_TARGET_HEALTH,
                                .access = GW_ACCESS_PUBLIC},
        [GW_BUILT_IN_CONTROL] = {.pattern = GW_STR("ANY /aaiti/v1/**"),
                                 .method = GW_METHOD_OTHER,
                                 .target = GW_TARGET_CONTROL,
                                 .access = GW_ACCESS_PUBLIC},
        [GW_BUILT_IN_LANDING] = {.pattern = GW_STR("GET /"),
                                 .method = GW_METHOD_GET,
                                 .target = GW_TARGET_LANDING,
                                 .access = GW_ACCESS_PUBLIC,
                                 .ui = GW_UI_PAGE},
        [GW_BUILT_IN_JWKS] = {.pattern = GW_STR("GET /aaiti/jwks.json"),
                              .method = GW_METHOD_GET,
                              .target = GW_TARGET_JWKS,
                              .access = GW_ACCESS_PUBLIC},
        [GW_BUILT_IN_PANIC] = {.pattern = GW_STR("GET /aaiti/panic"),
                               .method = GW_METHOD_GET,
                               .target = GW_TARGET_PANIC,
                               .access = GW_ACCESS_PUBLIC,
                               .follows_press = true,
                               .ui = GW_UI_PAGE},
        [GW_BUILT_IN_METRICS] = {.pattern = GW_STR("GET /aaiti/metrics"),
                                 .method = GW_METHOD_GET,
                                 .target = GW_TARGET_METRICS,
                                 .access = GW_ACCESS_PERMISSION},
        [GW_BUILT_IN_PRESS] = {.pattern = GW_STR("POST /aaiti/v1/panic"),
                               .method = GW_METHOD_POST,
                               .target = GW_TARGET_CONTROL,
                               .access = GW_ACCESS_PERMISSION,
                               .risk = GW_RISK_REDUCES},
        [GW_BUILT_IN_MAKE_SAFE] = {.pattern = GW_STR("POST /aaiti/v1/make-safe"),
                                   .method = GW_METHOD_POST,
                                   .target = GW_TARGET_CONTROL,
                                   .access = GW_ACCESS_PERMISSION,
                                   .risk = GW_RISK_REDUCES},
        [GW_BUILT_IN_SAFE_RUN] = {.pattern = GW_STR("GET /aaiti/v1/make-safe/{id}"),
                                  .method = GW_METHOD_GET,
                                  .target = GW_TARGET_CONTROL,
                                  .access = GW_ACCESS_PERMISSION,
                                  .follows_press = true},
        [GW_BUILT_IN_LOGIN_PAGE] = {.pattern = GW_STR("GET /aaiti/login"),
                                    .method = GW_METHOD_GET,
                                    .target = GW_TARGET_LOGIN_PAGE,
                                    .access = GW_ACCESS_PUBLIC,
                                    .ui = GW_UI_PAGE},
        [GW_BUILT_IN_LOGOUT_PAGE] = {.pattern = GW_STR("GET /aaiti/logout"),
                                     .method = GW_METHOD_GET,
                                     .target = GW_TARGET_LOGOUT_PAGE,
                                     .access = GW_ACCESS_PUBLIC,
                                     .ui = GW_UI_PAGE},
        [GW_BUILT_IN_LOGIN_FORM] = {.pattern = GW_STR("POST /aaiti/login"),
                                    .method = GW_METHOD_POST,
                                    .target = GW_TARGET_LOGIN_FORM,
                                    .access = GW_ACCESS_PUBLIC,
                                    .ui = GW_UI_PAGE},
        [GW_BUILT_IN_LOGOUT_FORM] = {.pattern = GW_STR("POST /aaiti/logout"),
                                     .method = GW_METHOD_POST,
                                     .target = GW_TARGET_LOGOUT_FORM,
                                     .access = GW_ACCESS_SIGNED_IN,
                                     .ui = GW_UI_PAGE},
    };
    static const struct gw_str permissions[GW_BUILT_IN_COUNT] = {[GW_BUILT_IN_PANIC] = GW_STR("system:panic"),
                                                                 [GW_BUILT_IN_METRICS] = GW_STR("system:read"),
                                                                 [GW_BUILT_IN_PRESS] = GW_STR("system:panic"),
                                                                 [GW_BUILT_IN_MAKE_SAFE] = GW_STR("system:write"),
                                                                 [GW_BUILT_IN_SAFE_RUN] = GW_STR("system:write")};
    for (size_t i = 0; i < GW_BUILT_IN_COUNT; i++) {
        struct gw_compiled_route *r = &p->routes[p->route_count];
        r->route = routes[i];
        if (permissions[i].len > 0)
            r->route.permission = (unsigned)gw_policy_permission(p, permissions[i]);
        r->route.id = (unsigned)p->route_count++;
    }
}

static size_t count_of(const struct gw_yaml *section)
{
    return section != NULL ? section->count : 0;
}

void gw_load_routes(struct gw_policy_loader *l, const struct gw_yaml *root)
{
    const struct gw_yaml *auth = gw_yaml_get(root, GW_STR("auth"));
    const struct gw_yaml *health = gw_yaml_get(root, GW_STR("health"));
    const struct gw_yaml *routes = gw_yaml_get(root, GW_STR("routes"));
    struct gw_policy *p = l->policy;
    size_t most = count_of(auth) + count_of(health) + count_of(routes) + GW_BUILT_IN_COUNT;
    if (most > GW_POLICY_ROUTES_MAX) {
        GW_LOAD_FAULT(l, 0, "more than %d routes", GW_POLICY_ROUTES_MAX);
        return;
    }
    p->routes = gw_arena_calloc(&p->arena, most, sizeof(*p->routes));
    if (p->routes == NULL || gw_matcher_new(&p->arena, &p->matcher, NULL) != GW_OK) {
        GW_LOAD_FAULT(l, 0, "no memory for the routes");
        return;
    }
    if (auth != NULL)
        load_auth(l, auth);
    if (health != NULL)
        load_health(l, health);
    if (routes != NULL)
        load_list(l, routes);
    add_built_in(p);
    if (gw_matcher_finish(p->matcher, &p->arena, NULL) != GW_OK)
        GW_LOAD_FAULT(l, 0, "no memory for the routes");
}
