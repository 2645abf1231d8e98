/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The matcher: a trie of path segments for each method, built while a policy is loaded, const afterwards. Matching
 * allocates nothing and is linear in the path: each node has one parent, so a search with backtracking sees it once.
 */
#include "policy/policy.h"

#define GW_ROUTE_SEGMENTS_MAX 32 /* of a pattern; bounds the recursion of a match */
#define GW_ROUTE_QUERY_MAX 4

struct gw_query_rule {
    struct gw_str name, value; /* decoded */
};

struct gw_compiled_route {
    struct gw_route route;
    struct gw_str path;                             /* of the pattern: "/api/bots/{id}" */
    struct gw_query_rule query[GW_ROUTE_QUERY_MAX]; /* by name */
    size_t query_count;
};

struct gw_matcher;

GW_MUST_CHECK enum gw_code gw_matcher_new(struct gw_arena *a, struct gw_matcher **out, struct gw_error *err);
/* Adds a route, whose pattern is well-formed. GW_ECONFLICT: *out_twin has the same method, shape and query, or one of the two is a
 * call of the gateway's own (auth, health), which shares its path with nothing. r must live as long as the matcher. */
GW_MUST_CHECK enum gw_code gw_matcher_add(struct gw_matcher *m, struct gw_arena *a, const struct gw_compiled_route *r,
                                          const struct gw_compiled_route **out_twin, struct gw_error *err);
/* After the last route: puts the nodes in order. */
GW_MUST_CHECK enum gw_code gw_matcher_finish(struct gw_matcher *m, struct gw_arena *a, struct gw_error *err);
/* As gw_policy_match, without the built-in routes. */
const struct gw_route *gw_matcher_find(const struct gw_matcher *m, enum gw_method method, struct gw_str path,
                                       struct gw_str query);
