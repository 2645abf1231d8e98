/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The section `make_safe`. It comes after the routes, which decide: a target is looked up as a request would be, with a sample in place of
 * each id. That an id does not lead to another route is seen to when it is known.
 */
#include "policy/make_safe.h"

#include "config/nearest.h"
#include "policy/load.h"
#include "policy/path.h"

#define NAME_MAX_BYTES 32
#define TEXT_MAX_BYTES 128
#define USERNAME_MAX_BYTES 64 /* store.h's; a longer one is nobody's */
#define BODY_MAX_BYTES 4096

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- lists and their nesting ---- */

static size_t find_list(const struct gw_make_safe *m, struct gw_str name)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->steps[i].kind == GW_SAFE_LIST && gw_str_eq(m->steps[i].name, name))
            return i;
    return GW_SAFE_NONE;
}

static size_t need_list(struct gw_policy_loader *l, const struct gw_make_safe *m, struct gw_str name, unsigned line)
{
    struct gw_str names[GW_SAFE_STEPS_MAX];
    size_t count = 0, found = find_list(m, name);
    if (found != GW_SAFE_NONE)
        return found;
    for (size_t i = 0; i < m->count; i++)
        if (m->steps[i].kind == GW_SAFE_LIST)
            names[count++] = m->steps[i].name;
    struct gw_str meant = gw_nearest(name, names, count);
    if (meant.len > 0)
        GW_LOAD_FAULT(l, line, "no list `%.*s` stands above; did you mean `%.*s`?", GW_STR_ARG(name),
                      GW_STR_ARG(meant));
    else
        GW_LOAD_FAULT(l, line, "no list `%.*s` stands above", GW_STR_ARG(name));
    return GW_SAFE_NONE;
}

/* Whether outer is list itself or one that it is read for each item of. */
static bool is_around(const struct gw_make_safe *m, size_t outer, size_t list)
{
    while (list != GW_SAFE_NONE && list != outer)
        list = m->steps[list].over;
    return list == outer;
}

static size_t depth_of(const struct gw_make_safe *m, size_t list)
{
    size_t depth = 0;
    for (; list != GW_SAFE_NONE; list = m->steps[list].over)
        depth++;
    return depth;
}

/* ---- targets ---- */

static bool is_braced(struct gw_str segment)
{
    return segment.len > 2 && segment.ptr[0] == '{' && segment.ptr[segment.len - 1] == '}';
}

/* Sets s->over to the innermost list that stands in braces. */
static bool load_over(struct gw_policy_loader *l, const struct gw_make_safe *m, struct gw_safe_step *s)
{
    struct gw_str rest = gw_str_sub(s->target, 0, gw_str_find(s->target, '?')), segment;
    s->over = GW_SAFE_NONE;
    while (gw_str_split(&rest, '/', &segment)) {
        if (!is_braced(segment))
            continue;
        size_t list = need_list(l, m, gw_str_sub(segment, 1, segment.len - 2), s->line);
        if (list == GW_SAFE_NONE)
            return false;
        if (s->over == GW_SAFE_NONE || is_around(m, s->over, list))
            s->over = list;
        if (!is_around(m, list, s->over)) {
            GW_LOAD_FAULT(l, s->line, "\"%.*s\": lists in one path must be one for `each` item of the other",
                          GW_STR_ARG(s->target));
            return false;
        }
    }
    return true;
}

/* The target with a sample for each id. */
static void write_sample(struct gw_str target, struct gw_buf *out)
{
    struct gw_str query = gw_str_sub(target, gw_str_find(target, '?'), target.len);
    struct gw_str rest = gw_str_sub(target, 0, target.len - query.len), segment;
    for (bool is_first = true; gw_str_split(&rest, '/', &segment); is_first = false) {
        if (!is_first)
            gw_buf_addc(out, '/');
        gw_buf_add(out, is_braced(segment) ? GW_STR("0") : segment);
    }
    gw_buf_add(out, query);
}

static const struct gw_route *find_route(struct gw_policy_loader *l, const struct gw_safe_step *s)
{
    gw_auto(gw_buf) struct gw_buf sample = {0};
    struct gw_arena none; /* without room: what would have to change is refused, too */
    struct gw_target_uri uri;
    gw_buf_init(&sample, GW_PATH_MAX_BYTES);
    gw_arena_init(&none, 0);
    write_sample(s->target, &sample);
    if (gw_buf_check(&sample, NULL) != GW_OK || gw_path_canonical(gw_buf_str(&sample), &none, &uri, NULL) != GW_OK) {
        GW_LOAD_FAULT(l, s->line, "\"%.*s\": expected a path as it stands in a canonical request, ids as {LIST}",
                      GW_STR_ARG(s->target));
        return NULL;
    }
    const struct gw_route *r = gw_policy_match(l->policy, s->method, uri.path, uri.query);
    if (r == NULL)
        GW_LOAD_FAULT(l, s->line, "\"%.*s\": no route of the policy takes it", GW_STR_ARG(s->target));
    return r;
}

static bool check_route(struct gw_policy_loader *l, const struct gw_safe_step *s)
{
    const struct gw_route *r = s->route;
    if (r->target != GW_TARGET_BACKEND || r->access == GW_ACCESS_DENY)
        GW_LOAD_FAULT(l, s->line, "\"%.*s\": the route of line %u never reaches the backend", GW_STR_ARG(s->target),
                      r->line);
    else if (s->kind == GW_SAFE_CALL && r->risk != GW_RISK_REDUCES)
        GW_LOAD_FAULT(l, s->line, "\"%.*s\": the route of line %u is `risk: %s`; what makes safe must be `reduces`",
                      GW_STR_ARG(s->target), r->line, gw_risk_name(r->risk));
    else if (s->kind == GW_SAFE_LIST && r->risk == GW_RISK_OPENS)
        GW_LOAD_FAULT(l, s->line, "\"%.*s\": the route of line %u is `risk: opens`, which is no way to read a list",
                      GW_STR_ARG(s->target), r->line);
    else
        return true;
    return false;
}

/* s has kind, method, target and line. */
static bool load_target(struct gw_policy_loader *l, const struct gw_make_safe *m, struct gw_safe_step *s)
{
    if (!load_over(l, m, s))
        return false;
    s->route = find_route(l, s);
    return s->route != NULL && check_route(l, s);
}

/* ---- bodies ---- */

static bool is_number(struct gw_str s)
{
    int64_t ignored;
    if (s.len > 1 && s.ptr[0] == '-')
        s = gw_str_sub(s, 1, s.len);
    size_t point = gw_str_find(s, '.');
    struct gw_str fraction = gw_str_sub(s, point + 1, s.len);
    for (size_t i = 0; i < fraction.len; i++)
        if (fraction.ptr[i] < '0' || fraction.ptr[i] > '9')
            return false;
    return gw_str_to_i64(gw_str_sub(s, 0, point), &ignored) && (point == s.len || fraction.len > 0);
}

static bool is_literal(const struct gw_yaml *node)
{
    return !node->quoted && (gw_str_eq(node->text, GW_STR("true")) || gw_str_eq(node->text, GW_STR("false")) ||
                             gw_str_eq(node->text, GW_STR("null")) || is_number(node->text));
}

/* Recursion is bounded by what gw_yaml_parse lets in. */
static void write_json(struct gw_buf *b, const struct gw_yaml *node)
{
    bool is_map = node->kind == GW_YAML_MAP;
    if (node->kind == GW_YAML_SCALAR) {
        if (is_literal(node))
            gw_buf_add(b, node->text);
        else
            gw_buf_add_json(b, node->text);
        return;
    }
    gw_buf_addc(b, is_map ? '{' : '[');
    for (const struct gw_yaml *child = node->first; child != NULL; child = child->next) {
        if (child != node->first)
            gw_buf_addc(b, ',');
        if (is_map) {
            gw_buf_add_json(b, child->key);
            gw_buf_addc(b, ':');
        }
        write_json(b, child);
    }
    gw_buf_addc(b, is_map ? '}' : ']');
}

static void load_body(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_safe_step *s)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    gw_buf_init(&text, BODY_MAX_BYTES);
    if (node->kind != GW_YAML_MAP) {
        GW_LOAD_FAULT(l, node->line, "body: expected a map");
        return;
    }
    write_json(&text, node);
    if (gw_buf_check(&text, NULL) != GW_OK || gw_arena_str(&l->policy->arena, gw_buf_str(&text), &s->body) != GW_OK)
        GW_LOAD_FAULT(l, node->line, "body: longer than %d bytes of JSON", BODY_MAX_BYTES);
}

/* ---- one step ---- */

/* RFC 6901 section 3. */
static bool is_pointer(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '~' && (i + 1 == s.len || (s.ptr[i + 1] != '0' && s.ptr[i + 1] != '1')))
            return false;
    return s.len == 0 || s.ptr[0] == '/';
}

static void load_pointer(struct gw_policy_loader *l, const struct gw_yaml *map, const char *key, struct gw_str *out)
{
    const struct gw_option row = {.key = key, .type = GW_OPT_STRING, .max = TEXT_MAX_BYTES};
    const struct gw_yaml *node = gw_yaml_get(map, gw_str(key));
    if (node != NULL && gw_option_parse(&row, node, l->file, &l->policy->arena, out, l->faults) && !is_pointer(*out))
        GW_LOAD_FAULT(l, node->line, "%s: expected a JSON Pointer such as /%s, not \"%.*s\"", key, key,
                      GW_STR_ARG(*out));
}

static void load_where(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_safe_step *s)
{
    if (node->kind != GW_YAML_MAP || node->count == 0 || node->count > GW_SAFE_WHERE_MAX) {
        GW_LOAD_FAULT(l, node->line, "where: expected a map of 1 to %d members", GW_SAFE_WHERE_MAX);
        return;
    }
    for (const struct gw_yaml *child = node->first; child != NULL; child = child->next) {
        struct gw_safe_where *w = &s->where[s->where_count++];
        if (gw_load_text(l, child, "where", TEXT_MAX_BYTES, &w->value) &&
            gw_arena_str(&l->policy->arena, child->key, &w->member) != GW_OK)
            GW_LOAD_FAULT(l, child->line, "no memory for make_safe");
    }
}

static void check_each(struct gw_policy_loader *l, const struct gw_make_safe *m, const struct gw_yaml *map,
                       const struct gw_safe_step *s)
{
    const struct gw_yaml *each = gw_yaml_get(map, GW_STR("each"));
    struct gw_str name = GW_STR_NULL, over = s->over != GW_SAFE_NONE ? m->steps[s->over].name : GW_STR_NULL;
    if (each != NULL && !gw_load_text(l, each, "each", NAME_MAX_BYTES, &name))
        return;
    if (!gw_str_eq(name, over))
        GW_LOAD_FAULT(l, each != NULL ? each->line : s->line,
                      "each: expected the list whose items stand in braces in `get`, the innermost of them");
    else if (depth_of(m, s->over) >= GW_SAFE_NEST_MAX)
        GW_LOAD_FAULT(l, s->line, "each: more than %d lists in one another", GW_SAFE_NEST_MAX);
}

static bool load_list(struct gw_policy_loader *l, const struct gw_make_safe *m, const struct gw_yaml *map,
                      struct gw_safe_step *s)
{
    static const struct gw_str keys[] = {GW_STR("list"),  GW_STR("each"), GW_STR("get"),
                                         GW_STR("items"), GW_STR("id"),   GW_STR("where")};
    const struct gw_yaml *name = gw_yaml_get(map, keys[0]), *get = gw_yaml_get(map, keys[2]);
    const struct gw_yaml *where = gw_yaml_get(map, keys[5]);
    s->method = GW_METHOD_GET;
    s->id = GW_STR("/id");
    gw_load_map(l, map, "list", keys, COUNT(keys));
    if (!gw_load_text(l, name, "list", NAME_MAX_BYTES, &s->name))
        return false;
    if (!gw_load_is_name(s->name, NAME_MAX_BYTES) || find_list(m, s->name) != GW_SAFE_NONE) {
        GW_LOAD_FAULT(l, name->line, "list: expected a name that no list above has, not \"%.*s\"", GW_STR_ARG(s->name));
        return false;
    }
    load_pointer(l, map, "items", &s->items);
    load_pointer(l, map, "id", &s->id);
    if (where != NULL)
        load_where(l, where, s);
    if (get == NULL) {
        GW_LOAD_FAULT(l, s->line, "list: `get` is missing: the path that the list is read from");
        return false;
    }
    if (!gw_load_text(l, get, "get", GW_PATH_MAX_BYTES - 1, &s->target) || !load_target(l, m, s))
        return false;
    check_each(l, m, map, s);
    return true;
}

static bool load_call(struct gw_policy_loader *l, const struct gw_make_safe *m, const struct gw_yaml *map,
                      struct gw_safe_step *s)
{
    static const struct gw_str keys[] = {GW_STR("call"), GW_STR("repeat"), GW_STR("body")};
    static const struct gw_option repeat_row = {.key = "repeat", .type = GW_OPT_BOOL};
    const struct gw_yaml *repeat = gw_yaml_get(map, keys[1]), *body = gw_yaml_get(map, keys[2]);
    gw_load_map(l, map, "call", keys, COUNT(keys));
    if (repeat != NULL)
        gw_option_parse(&repeat_row, repeat, l->file, &l->policy->arena, &s->repeat, l->faults);
    if (body != NULL)
        load_body(l, body, s);
    if (!gw_load_text(l, gw_yaml_get(map, keys[0]), "call", GW_PATH_MAX_BYTES - 1, &s->name))
        return false;
    size_t space = gw_str_find(s->name, ' ');
    s->method = gw_method_parse(gw_str_sub(s->name, 0, space));
    s->target = gw_str_sub(s->name, space + 1, s->name.len);
    if (s->method == GW_METHOD_OTHER || s->method == GW_METHOD_HEAD) {
        GW_LOAD_FAULT(l, s->line, "call: expected a method and a path such as \"POST /bots/{bots}/stop\"");
        return false;
    }
    return load_target(l, m, s);
}

static bool load_report(struct gw_policy_loader *l, const struct gw_make_safe *m, const struct gw_yaml *map,
                        struct gw_safe_step *s)
{
    static const struct gw_str keys[] = {GW_STR("report"), GW_STR("as")};
    const struct gw_yaml *as = gw_yaml_get(map, keys[1]);
    gw_load_map(l, map, "report", keys, COUNT(keys));
    if (!gw_load_text(l, gw_yaml_get(map, keys[0]), "report", NAME_MAX_BYTES, &s->name))
        return false;
    s->over = need_list(l, m, s->name, s->line);
    if (as != NULL)
        gw_load_text(l, as, "as", TEXT_MAX_BYTES, &s->name);
    return s->over != GW_SAFE_NONE;
}

/* ---- the section ---- */

static void load_step(struct gw_policy_loader *l, struct gw_make_safe *m, const struct gw_yaml *map)
{
    static const struct {
        struct gw_str key;
        bool (*load)(struct gw_policy_loader *l, const struct gw_make_safe *m, const struct gw_yaml *map,
                     struct gw_safe_step *s);
    } kinds[] = {[GW_SAFE_LIST] = {GW_STR("list"), load_list},
                 [GW_SAFE_CALL] = {GW_STR("call"), load_call},
                 [GW_SAFE_REPORT] = {GW_STR("report"), load_report}};
    for (size_t i = 0; map->kind == GW_YAML_MAP && i < COUNT(kinds); i++) {
        if (gw_yaml_get(map, kinds[i].key) == NULL)
            continue;
        struct gw_safe_step s = {.kind = (enum gw_safe_kind)i, .line = map->line, .over = GW_SAFE_NONE};
        if (kinds[i].load(l, m, map, &s))
            m->steps[m->count++] = s;
        return;
    }
    GW_LOAD_FAULT(l, map->line, "make_safe: expected a step: {list: …}, {call: …} or {report: …}");
}

static void load_steps(struct gw_policy_loader *l, struct gw_make_safe *m, const struct gw_yaml *list)
{
    if (list->kind != GW_YAML_LIST || list->count == 0 || list->count > GW_SAFE_STEPS_MAX) {
        GW_LOAD_FAULT(l, list->line, "make_safe.steps: expected a list of 1 to %d steps", GW_SAFE_STEPS_MAX);
        return;
    }
    m->steps = gw_arena_calloc(&l->policy->arena, list->count, sizeof(*m->steps));
    if (m->steps == NULL) {
        GW_LOAD_FAULT(l, list->line, "no memory for make_safe");
        return;
    }
    for (const struct gw_yaml *node = list->first; node != NULL; node = node->next)
        load_step(l, m, node);
}

void gw_load_make_safe(struct gw_policy_loader *l, const struct gw_yaml *section)
{
    static const struct gw_str keys[] = {GW_STR("as"), GW_STR("steps")};
    if (!gw_load_map(l, section, "make_safe", keys, COUNT(keys)) || l->policy->matcher == NULL)
        return;
    struct gw_make_safe *m = gw_arena_calloc(&l->policy->arena, 1, sizeof(*m));
    if (m == NULL) {
        GW_LOAD_FAULT(l, section->line, "no memory for make_safe");
        return;
    }
    const struct gw_yaml *as = gw_yaml_get(section, keys[0]), *steps = gw_yaml_get(section, keys[1]);
    if (as != NULL)
        gw_load_text(l, as, "make_safe.as", USERNAME_MAX_BYTES, &m->as);
    if (steps != NULL)
        load_steps(l, m, steps);
    else
        GW_LOAD_FAULT(l, section->line, "make_safe: `steps` is missing: what is read and called, in its order");
    l->policy->make_safe = m;
}
