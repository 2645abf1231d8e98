/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node stands for the segments that lead to it. While routes are added, its literal children are a list; gw_matcher_finish turns
 * each list into an array sorted by length and bytes, for binary search. A node's routes (those that end at it, and
 * those whose "**" begins at it) are chains, most query rules first.
 *
 * A query that can be read in two ways stops the search: another pattern must not take what this one could not judge.
 */
#include "policy/route_match.h"

#include "policy/query.h"

#include <stdlib.h>
#include <string.h>

struct chain {
    const struct gw_compiled_route *route;
    struct chain *next;
};

struct node {
    struct gw_str segment; /* of a literal child */
    struct node *next;     /* sibling, while adding */
    struct node *first;    /* literal children, while adding */
    struct node **literal; /* literal children, sorted */
    size_t literal_count;
    struct node *param; /* child by {name} */
    struct chain *end;  /* routes that end here */
    struct chain *rest; /* routes that go on here with "**" */
};

struct gw_matcher {
    struct node root[GW_METHOD_COUNT];
};

enum gw_code gw_matcher_new(struct gw_arena *a, struct gw_matcher **out, struct gw_error *err)
{
    struct gw_matcher *m = gw_arena_calloc(a, 1, sizeof(*m));
    if (m == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the routes");
    *out = m;
    return GW_OK;
}

/* ---- adding ---- */

static struct node **find_child(struct node *n, struct gw_str segment)
{
    if (segment.len > 0 && segment.ptr[0] == '{')
        return &n->param;
    struct node **at = &n->first;
    while (*at != NULL && !gw_str_eq((*at)->segment, segment))
        at = &(*at)->next;
    return at;
}

static struct node *child(struct gw_arena *a, struct node *n, struct gw_str segment)
{
    struct node **at = find_child(n, segment);
    if (*at != NULL)
        return *at;
    struct node *made = gw_arena_calloc(a, 1, sizeof(*made));
    if (made == NULL)
        return NULL;
    made->segment = segment;
    n->literal_count += at != &n->param;
    *at = made;
    return made;
}

static bool same_query(const struct gw_compiled_route *a, const struct gw_compiled_route *b)
{
    if (a->query_count != b->query_count)
        return false;
    for (size_t i = 0; i < a->query_count; i++)
        if (!gw_str_eq(a->query[i].name, b->query[i].name) || !gw_str_eq(a->query[i].value, b->query[i].value))
            return false;
    return true;
}

static bool stands_alone(const struct gw_compiled_route *r)
{
    return r->route.target != GW_TARGET_BACKEND;
}

static enum gw_code add_to_chain(struct chain **at, struct gw_arena *a, const struct gw_compiled_route *r,
                                 const struct gw_compiled_route **out_twin, struct gw_error *err)
{
    for (const struct chain *c = *at; c != NULL; c = c->next) {
        if (!same_query(c->route, r) && !stands_alone(c->route) && !stands_alone(r))
            continue;
        *out_twin = c->route;
        return GW_ECONFLICT;
    }
    struct chain *link = gw_arena_calloc(a, 1, sizeof(*link));
    if (link == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the routes");
    while (*at != NULL && (*at)->route->query_count >= r->query_count)
        at = &(*at)->next;
    *link = (struct chain){r, *at};
    *at = link;
    return GW_OK;
}

enum gw_code gw_matcher_add(struct gw_matcher *m, struct gw_arena *a, const struct gw_compiled_route *r,
                            const struct gw_compiled_route **out_twin, struct gw_error *err)
{
    struct node *n = &m->root[r->route.method];
    struct gw_str rest = gw_str_sub(r->path, 1, r->path.len), segment;
    while (gw_str_split(&rest, '/', &segment)) {
        if (gw_str_eq(segment, GW_STR("**")))
            return add_to_chain(&n->rest, a, r, out_twin, err);
        n = child(a, n, segment);
        if (n == NULL)
            return gw_fail(err, GW_ENOMEM, "no memory for the routes");
    }
    return add_to_chain(&n->end, a, r, out_twin, err);
}

/* ---- finishing ---- */

static int compare(struct gw_str a, struct gw_str b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len > 0 ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

static int compare_nodes(const void *a, const void *b)
{
    const struct node *const *x = a, *const *y = b;
    return compare((*x)->segment, (*y)->segment);
}

/* Recursion is as deep as the longest pattern: GW_ROUTE_SEGMENTS_MAX. */
static bool sort_children(struct node *n, struct gw_arena *a)
{
    if (n->param != NULL && !sort_children(n->param, a))
        return false;
    if (n->literal_count == 0)
        return true;
    n->literal = gw_arena_calloc(a, n->literal_count, sizeof(struct node *));
    if (n->literal == NULL)
        return false;
    size_t i = 0;
    for (struct node *c = n->first; c != NULL; c = c->next) {
        n->literal[i++] = c;
        if (!sort_children(c, a))
            return false;
    }
    qsort(n->literal, n->literal_count, sizeof(struct node *), compare_nodes);
    return true;
}

enum gw_code gw_matcher_finish(struct gw_matcher *m, struct gw_arena *a, struct gw_error *err)
{
    for (size_t i = 0; i < GW_METHOD_COUNT; i++)
        if (!sort_children(&m->root[i], a))
            return gw_fail(err, GW_ENOMEM, "no memory for the routes");
    return GW_OK;
}

/* ---- matching ---- */

struct search {
    struct gw_str query;
    bool ambiguous;
};

static bool query_fits(struct search *s, const struct gw_compiled_route *r)
{
    bool fits = true;
    for (size_t i = 0; i < r->query_count; i++) {
        struct gw_str raw = GW_STR_NULL;
        enum gw_query_answer answer = gw_query_find(s->query, r->query[i].name, &raw);
        if (answer == GW_QUERY_AMBIGUOUS || answer == GW_QUERY_MALFORMED)
            s->ambiguous = true;
        fits = fits && answer == GW_QUERY_ONCE && gw_query_value_is(raw, r->query[i].value);
    }
    return fits;
}

static const struct gw_route *pick(struct search *s, const struct chain *c)
{
    const struct gw_route *found = NULL;
    /* All are looked at: a parameter in doubt refuses, whichever route looks at it. */
    for (; c != NULL; c = c->next)
        if (query_fits(s, c->route) && found == NULL)
            found = &c->route->route;
    return s->ambiguous ? NULL : found;
}

static const struct node *find_literal(const struct node *n, struct gw_str segment)
{
    size_t low = 0, high = n->literal_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(segment, n->literal[middle]->segment);
        if (order == 0)
            return n->literal[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* rest: what follows the node, its ptr NULL when nothing does. */
static const struct gw_route *search(struct search *s, const struct node *n, struct gw_str rest)
{
    const struct gw_route *found = NULL;
    struct gw_str segment;
    if (!gw_str_split(&rest, '/', &segment)) {
        found = pick(s, n->end);
    } else {
        const struct node *next = find_literal(n, segment);
        if (next != NULL)
            found = search(s, next, rest);
        if (found == NULL && !s->ambiguous && n->param != NULL && segment.len > 0)
            found = search(s, n->param, rest);
    }
    if (found == NULL && !s->ambiguous)
        found = pick(s, n->rest);
    return found;
}

const struct gw_route *gw_matcher_find(const struct gw_matcher *m, enum gw_method method, struct gw_str path,
                                       struct gw_str query)
{
    struct search s = {query, false};
    return search(&s, &m->root[method], gw_str_sub(path, 1, path.len));
}
