/* SPDX-License-Identifier: Apache-2.0 */
/* The section `limits`. A class that the policy names takes the place of the built-in one whole: what it leaves out, it has not. */
#include "policy/load.h"

#include "base/buf.h"
#include "base/hash.h"
#include "config/nearest.h"
#include "config/option_value.h"
#include "policy/limit.h"

#define RATE_MAX_BYTES 40
#define POLICY_TEXT_MAX 256
#define SECOND_MS INT64_C(1000)

/* {burst, sustained} as {number, seconds}. `anonymous` is strict, for strangers have little to ask here. The others are
 * generous: a bot that polls ten endpoints a second is no attack. */
static const struct built_in {
    struct gw_str name;
    struct {
        int64_t limit, window_s;
    } rates[GW_LIMIT_KINDS];
    struct gw_slow_down slow_down;
} built_in[GW_LIMIT_BUILT_IN_COUNT] = {
    [GW_LIMIT_FLOOD] = {GW_STR("flood"), {{0, 0}, {2000, 10}}, {0, 0, 0}},
    [GW_LIMIT_ANONYMOUS] = {GW_STR("anonymous"), {{0, 0}, {100, 900}}, {10, 500, 5000}},
    [GW_LIMIT_AUTH] = {GW_STR("auth"), {{0, 0}, {300, 900}}, {0, 0, 0}},
    [GW_LIMIT_PAGE] = {GW_STR("page"), {{100, 10}, {3000, 900}}, {0, 0, 0}},
    [GW_LIMIT_USER] = {GW_STR("user"), {{200, 1}, {60000, 600}}, {0, 0, 0}},
    [GW_LIMIT_MACHINE] = {GW_STR("machine"), {{400, 1}, {120000, 600}}, {0, 0, 0}},
};

/* ---- a class, compiled ---- */

static void set_rate(struct gw_limit_class *c, enum gw_limit_kind kind, struct gw_rate rate, int64_t window_ms)
{
    c->rates[kind].rate = rate;
    c->rates[kind].window_s = (uint32_t)(window_ms / SECOND_MS);
}

static enum gw_code name_rate(struct gw_limit_class *c, enum gw_limit_kind kind, struct gw_arena *a,
                              struct gw_buf *policy)
{
    static const char *const suffixes[GW_LIMIT_KINDS] = {[GW_LIMIT_BURST] = "-burst", [GW_LIMIT_SUSTAINED] = ""};
    struct gw_limit_rate *r = &c->rates[kind];
    gw_auto(gw_buf) struct gw_buf b = {0};
    gw_buf_init(&b, POLICY_TEXT_MAX);
    gw_buf_addf(&b, "\"%.*s%s\"", GW_STR_ARG(c->name), suffixes[kind]);
    GW_TRY(gw_buf_check(&b, NULL));
    GW_TRY(gw_arena_str(a, gw_buf_str(&b), &r->shown));
    r->mark = gw_hash(&(struct gw_hash_key){1, 2 + (uint64_t)kind}, r->shown.ptr, r->shown.len);
    gw_buf_addf(policy, "%s%.*s;q=%u;w=%u", gw_buf_str(policy).len > 0 ? ", " : "", GW_STR_ARG(r->shown), r->rate.limit,
                r->window_s);
    return gw_buf_check(policy, NULL);
}

static enum gw_code finish(struct gw_limit_class *c, struct gw_arena *a)
{
    gw_auto(gw_buf) struct gw_buf policy = {0};
    gw_buf_init(&policy, POLICY_TEXT_MAX);
    for (int kind = 0; kind < GW_LIMIT_KINDS; kind++)
        if (c->rates[kind].rate.limit > 0)
            GW_TRY(name_rate(c, (enum gw_limit_kind)kind, a, &policy));
    return gw_arena_str(a, gw_buf_str(&policy), &c->policy);
}

static void add_built_in(struct gw_policy *p, const struct built_in *b)
{
    struct gw_limit_class *c = &p->limits[p->limit_count++];
    *c = (struct gw_limit_class){.name = b->name, .slow_down = b->slow_down};
    for (int kind = 0; kind < GW_LIMIT_KINDS; kind++) {
        struct gw_rate rate;
        int64_t window_ms = b->rates[kind].window_s * SECOND_MS;
        if (gw_rate_make(b->rates[kind].limit, window_ms, &rate))
            set_rate(c, (enum gw_limit_kind)kind, rate, window_ms);
    }
}

/* ---- reading ---- */

bool gw_load_rate(struct gw_policy_loader *l, const struct gw_yaml *node, const char *what, struct gw_rate *out,
                  int64_t *out_window_ms)
{
    struct gw_str text, number;
    if (!gw_load_text(l, node, what, RATE_MAX_BYTES, &text))
        return false;
    struct gw_str rest = text;
    int64_t limit, window_ms;
    gw_str_split(&rest, '/', &number);
    if (!gw_str_to_i64(number, &limit) || gw_duration_parse(rest, &window_ms, NULL) != GW_OK ||
        window_ms % SECOND_MS != 0 || !gw_rate_make(limit, window_ms, out)) {
        GW_LOAD_FAULT(l, node->line,
                      "%s: expected a number and whole seconds such as 100/15m, 1s to 24h, at most %d a second, "
                      "not \"%.*s\"",
                      what, GW_RATE_PER_SECOND_MAX, GW_STR_ARG(text));
        return false;
    }
    *out_window_ms = window_ms;
    return true;
}

static bool load_rate(struct gw_policy_loader *l, const struct gw_yaml *node, const char *what, enum gw_limit_kind kind,
                      struct gw_limit_class *c)
{
    struct gw_rate rate;
    int64_t window_ms;
    if (!gw_load_rate(l, node, what, &rate, &window_ms))
        return false;
    set_rate(c, kind, rate, window_ms);
    return true;
}

static bool load_number(struct gw_policy_loader *l, const struct gw_yaml *map, const char *key,
                        enum gw_option_type type, int64_t max, int64_t *out)
{
    const struct gw_yaml *node = gw_yaml_get(map, gw_str(key));
    const struct gw_option row = {.key = key, .type = type, .min = 1, .max = max};
    if (node == NULL) {
        GW_LOAD_FAULT(l, map->line, "slow_down: `%s` is missing", key);
        return false;
    }
    return gw_option_parse(&row, node, l->file, &l->policy->arena, out, l->faults);
}

static void load_slow_down(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_limit_class *c)
{
    static const struct gw_str keys[] = {GW_STR("after"), GW_STR("step"), GW_STR("max")};
    int64_t after, step_ms, max_ms;
    if (!gw_load_map(l, node, "slow_down", keys, sizeof(keys) / sizeof(keys[0])))
        return;
    bool good = load_number(l, node, "after", GW_OPT_INT, GW_RATE_LIMIT_MAX, &after);
    good = load_number(l, node, "step", GW_OPT_DURATION, GW_SLOW_DOWN_MAX_MS, &step_ms) && good;
    good = load_number(l, node, "max", GW_OPT_DURATION, GW_SLOW_DOWN_MAX_MS, &max_ms) && good;
    if (!good)
        return;
    if (step_ms > max_ms)
        GW_LOAD_FAULT(l, node->line, "slow_down: expected a `step` that is at most `max`");
    if (after >= c->rates[GW_LIMIT_SUSTAINED].rate.limit)
        GW_LOAD_FAULT(l, node->line, "slow_down: expected `after` less than what `sustained` allows");
    c->slow_down = (struct gw_slow_down){(uint32_t)after, (uint32_t)step_ms, (uint32_t)max_ms};
}

static struct gw_limit_class *find(struct gw_policy *p, struct gw_str name)
{
    for (size_t i = 0; i < p->limit_count; i++)
        if (gw_str_eq(p->limits[i].name, name))
            return &p->limits[i];
    return NULL;
}

static struct gw_limit_class *place_of(struct gw_policy_loader *l, const struct gw_yaml *node)
{
    struct gw_policy *p = l->policy;
    struct gw_limit_class *c = find(p, node->key);
    if (c == &p->limits[GW_LIMIT_FLOOD] || !gw_load_is_name(node->key, GW_LIMIT_NAME_MAX)) {
        GW_LOAD_FAULT(
            l, node->key_line,
            "limits: expected a class with a name of letters, digits, _ and -, such as orders, and none called flood");
        return NULL;
    }
    if (c == NULL && p->limit_count == GW_LIMIT_CLASSES_MAX) {
        GW_LOAD_FAULT(l, node->key_line, "limits: more than %d classes", GW_LIMIT_CLASSES_MAX);
        return NULL;
    }
    c = c != NULL ? c : &p->limits[p->limit_count++];
    *c = (struct gw_limit_class){.name = GW_STR_NULL};
    if (gw_arena_str(&p->arena, node->key, &c->name) != GW_OK)
        GW_LOAD_FAULT(l, node->key_line, "limits: no memory");
    return c;
}

static void load_class(struct gw_policy_loader *l, const struct gw_yaml *node)
{
    static const struct gw_str keys[] = {GW_STR("burst"), GW_STR("sustained"), GW_STR("slow_down")};
    struct gw_limit_class *c = place_of(l, node);
    if (c == NULL || !gw_load_map(l, node, "limits.classes", keys, sizeof(keys) / sizeof(keys[0])))
        return;
    const struct gw_yaml *burst = gw_yaml_get(node, keys[0]), *sustained = gw_yaml_get(node, keys[1]);
    const struct gw_yaml *slow_down = gw_yaml_get(node, keys[2]);
    if (burst == NULL && sustained == NULL)
        GW_LOAD_FAULT(l, node->line, "limits.classes: expected `burst`, `sustained` or both");
    if (burst != NULL)
        load_rate(l, burst, "burst", GW_LIMIT_BURST, c);
    bool counts = sustained != NULL && load_rate(l, sustained, "sustained", GW_LIMIT_SUSTAINED, c);
    if (slow_down != NULL && sustained == NULL)
        GW_LOAD_FAULT(l, slow_down->line, "slow_down: goes by `sustained`, which is missing");
    else if (slow_down != NULL && counts)
        load_slow_down(l, slow_down, c);
}

static void load_section(struct gw_policy_loader *l, const struct gw_yaml *section)
{
    static const struct gw_str keys[] = {GW_STR("classes"), GW_STR("flood")};
    if (!gw_load_map(l, section, "limits", keys, sizeof(keys) / sizeof(keys[0])))
        return;
    const struct gw_yaml *classes = gw_yaml_get(section, keys[0]), *flood = gw_yaml_get(section, keys[1]);
    if (flood != NULL)
        load_rate(l, flood, "flood", GW_LIMIT_SUSTAINED, &l->policy->limits[GW_LIMIT_FLOOD]);
    if (classes == NULL)
        return;
    if (classes->kind != GW_YAML_MAP) {
        GW_LOAD_FAULT(l, classes->line, "limits.classes: expected a map of classes");
        return;
    }
    for (const struct gw_yaml *node = classes->first; node != NULL; node = node->next)
        load_class(l, node);
}

void gw_load_limits(struct gw_policy_loader *l, const struct gw_yaml *section)
{
    struct gw_policy *p = l->policy;
    p->limits = gw_arena_calloc(&p->arena, GW_LIMIT_CLASSES_MAX, sizeof(*p->limits));
    if (p->limits == NULL) {
        GW_LOAD_FAULT(l, 0, "no memory for the limits");
        return;
    }
    for (int i = 0; i < GW_LIMIT_BUILT_IN_COUNT; i++)
        add_built_in(p, &built_in[i]);
    if (section != NULL)
        load_section(l, section);
    for (size_t i = 0; i < p->limit_count; i++)
        if (finish(&p->limits[i], &p->arena) != GW_OK)
            GW_LOAD_FAULT(l, 0, "no memory for the limits");
}

/* ---- of a route ---- */

const struct gw_limit_class *gw_load_limit_class(struct gw_policy_loader *l, const struct gw_yaml *node)
{
    struct gw_policy *p = l->policy;
    struct gw_str name, names[GW_LIMIT_CLASSES_MAX];
    if (p->limits == NULL || !gw_load_text(l, node, "limit", GW_LIMIT_NAME_MAX, &name))
        return NULL;
    const struct gw_limit_class *c = find(p, name);
    if (c != NULL && c != &p->limits[GW_LIMIT_FLOOD])
        return c;
    for (size_t i = 1; i < p->limit_count; i++)
        names[i - 1] = p->limits[i].name;
    struct gw_str meant = gw_nearest(name, names, p->limit_count - 1);
    GW_LOAD_FAULT(l, node->line, "limit: `limits` has no class `%.*s`%s%.*s%s", GW_STR_ARG(name),
                  meant.len > 0 ? "; did you mean `" : "", GW_STR_ARG(meant), meant.len > 0 ? "`?" : "");
    return NULL;
}
