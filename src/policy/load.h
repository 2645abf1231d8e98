/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Reading a policy file: one loader, one function a section. A section adds its faults and goes on, so that all faults of a
 * file are listed at once; what it leaves half-built is thrown away with the policy.
 */
#include "policy/compiled.h"

struct gw_policy_loader {
    struct gw_policy *policy;
    const char *file;
    struct gw_faults *faults;
};

#define GW_LOAD_FAULT(l, line, ...) gw_faults_add((l)->faults, (l)->file, (line), __VA_ARGS__)

/* Sections, in this order: routes name limits and roles, a role's wildcards mean the permissions that routes name, and what makes safe is held
 * against the routes. */
void gw_load_upstream(struct gw_policy_loader *l, const struct gw_yaml *section,
                      const struct gw_upstream_override *override);
/* section NULL: what is built in. */
void gw_load_limits(struct gw_policy_loader *l, const struct gw_yaml *section);
void gw_load_headers(struct gw_policy_loader *l, const struct gw_yaml *section);
void gw_load_role_names(struct gw_policy_loader *l, const struct gw_yaml *section);
void gw_load_routes(struct gw_policy_loader *l, const struct gw_yaml *root);
void gw_load_role_permissions(struct gw_policy_loader *l, const struct gw_yaml *section);
void gw_load_make_safe(struct gw_policy_loader *l, const struct gw_yaml *section);

/* Index of a permission, added to the policy where it is new; -1 with a fault. */
int gw_load_permission(struct gw_policy_loader *l, struct gw_str name, unsigned line);

/* Index of a role; -1 with a fault. */
int gw_load_role(struct gw_policy_loader *l, struct gw_str name, unsigned line);

/* What a route's map says of one thing, into r. */
void gw_load_access(struct gw_policy_loader *l, const struct gw_yaml *map, struct gw_route *r);
void gw_load_risk(struct gw_policy_loader *l, const struct gw_yaml *map, struct gw_route *r);
/* Of the value itself. */
void gw_load_action(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_route *r);
/* `websocket` of that route, which has everything else; NULL with a fault. */
const struct gw_websocket *gw_load_websocket(struct gw_policy_loader *l, const struct gw_yaml *node,
                                             const struct gw_route *socket);

/* A rate such as 100/15m; what names it in faults. */
bool gw_load_rate(struct gw_policy_loader *l, const struct gw_yaml *node, const char *what, struct gw_rate *out,
                  int64_t *out_window_ms);
/* The class that a route names; NULL with a fault. */
const struct gw_limit_class *gw_load_limit_class(struct gw_policy_loader *l, const struct gw_yaml *node);

/* ---- for sections ---- */

/* Whether node is a map; faults for keys that are not among the known ones. */
bool gw_load_map(struct gw_policy_loader *l, const struct gw_yaml *node, const char *what, const struct gw_str *keys,
                 size_t count);
/* A scalar of 1..max bytes, into the policy's arena. what names it in faults. */
bool gw_load_text(struct gw_policy_loader *l, const struct gw_yaml *node, const char *what, int64_t max,
                  struct gw_str *out);
/* One of choices (NULL-terminated). */
bool gw_load_choice(struct gw_policy_loader *l, const struct gw_yaml *node, const char *what,
                    const char *const *choices, int *out);
/* Letters, digits, "_" and "-", beginning with a letter, 1..max bytes. */
bool gw_load_is_name(struct gw_str s, size_t max);
