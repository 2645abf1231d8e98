/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a policy is made of inside this room: tables in one arena, filled by the loaders, const afterwards.
 */
#include "policy/limit.h"
#include "policy/policy.h"
#include "policy/route_match.h"

struct gw_permission_set {
    uint64_t bits[GW_POLICY_PERMISSIONS_MAX / 64];
};

struct gw_role {
    struct gw_str name;
    struct gw_permission_set permissions; /* inherited ones too */
};

struct gw_policy {
    struct gw_arena arena;
    struct gw_upstream upstream;
    struct gw_answer_headers headers;
    struct gw_str permissions[GW_POLICY_PERMISSIONS_MAX];
    size_t permission_count;
    struct gw_role roles[GW_POLICY_ROLES_MAX];
    size_t role_count;
    struct gw_compiled_route *routes; /* the built-in ones last, in the order of enum gw_built_in */
    size_t route_count;
    struct gw_matcher *matcher;
    const struct gw_make_safe *make_safe; /* NULL: no such section */
    struct gw_limit_class *limits;        /* the built-in ones first, in the order of enum gw_limit_built_in */
    size_t limit_count;
};

/* Routes that no policy file can take. */
enum gw_built_in {
    GW_BUILT_IN_HEALTH,
    GW_BUILT_IN_CONTROL,
    GW_BUILT_IN_LANDING,
    GW_BUILT_IN_JWKS,
    GW_BUILT_IN_PANIC,
    GW_BUILT_IN_METRICS,
    GW_BUILT_IN_PRESS,
    GW_BUILT_IN_MAKE_SAFE,
    GW_BUILT_IN_SAFE_RUN,
    GW_BUILT_IN_LOGIN_PAGE,
    GW_BUILT_IN_LOGOUT_PAGE,
    GW_BUILT_IN_LOGIN_FORM,
    GW_BUILT_IN_LOGOUT_FORM,
    GW_BUILT_IN_COUNT
};
