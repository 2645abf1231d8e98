/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The section `make_safe` of a policy: the calls of the backend that close what is open, in their order. Compiled with the policy and
 * const like it; src/response runs it. Each step was held against the routes: what it calls reduces risk, what it reads opens none.
 */
#include "policy/policy.h"

#define GW_SAFE_STEPS_MAX 32
#define GW_SAFE_NEST_MAX \
    3 /* a list for each item of a list for each item of a list: as deep as paths of such APIs go */
#define GW_SAFE_WHERE_MAX 4
#define GW_SAFE_NONE SIZE_MAX

enum gw_safe_kind {
    GW_SAFE_LIST,   /* read a list of items */
    GW_SAFE_CALL,   /* make a call for each item of a list, or once */
    GW_SAFE_REPORT, /* at the end: read a list again, and tell what is left in it */
};

/* An item counts when its member has this value; numbers and booleans as JSON writes them. */
struct gw_safe_where {
    struct gw_str member, value;
};

struct gw_safe_step {
    enum gw_safe_kind kind;
    unsigned line;
    struct gw_str
        name;    /* LIST: the list's; CALL: "POST /api/bots/{bots}/stop"; REPORT: what the left items are called */
    size_t over; /* index of the list whose items it goes through; GW_SAFE_NONE: of none, it is done once */
    /* of LIST and CALL */
    const struct gw_route *route;
    enum gw_method method;
    struct gw_str target; /* path and query; a segment {bots} stands for the id of an item of that list */
    /* of LIST */
    struct gw_str items, id; /* JSON Pointers (RFC 6901): to the array in the answer, to the id in an item */
    struct gw_safe_where where[GW_SAFE_WHERE_MAX];
    size_t where_count;
    /* of CALL */
    bool repeat;        /* made twice it does what it does made once */
    struct gw_str body; /* JSON text; empty: none */
};

struct gw_make_safe {
    struct gw_str as; /* user name; empty: whoever starts it must say */
    struct gw_safe_step *steps;
    size_t count;
};

/* NULL: the policy has no such section. */
const struct gw_make_safe *gw_policy_make_safe(const struct gw_policy *p);
