/* SPDX-License-Identifier: Apache-2.0 */
#include "policy_text.h"

#include <stdio.h>

void policy_access_text(const struct gw_policy *p, const struct gw_route *r, char *dst)
{
    static const char *const plain[] = {
        [GW_ACCESS_DENY] = "denied",
        [GW_ACCESS_PUBLIC] = "public",
        [GW_ACCESS_SIGNED_IN] = "signed-in",
    };
    if (r->access == GW_ACCESS_PERMISSION) {
        struct gw_str name = gw_policy_permission_name(p, r->permission);
        snprintf(dst, POLICY_TEXT_MAX, "permission %.*s", GW_STR_ARG(name));
    } else if (r->access == GW_ACCESS_ROLE) {
        struct gw_str name = gw_policy_role_name(p, r->role);
        snprintf(dst, POLICY_TEXT_MAX, "role %.*s", GW_STR_ARG(name));
    } else {
        snprintf(dst, POLICY_TEXT_MAX, "%s", plain[r->access]);
    }
}

const char *policy_target_name(enum gw_target t)
{
    static const char *const names[] = {
        [GW_TARGET_BACKEND] = "backend",     [GW_TARGET_LOGIN] = "control",       [GW_TARGET_REFRESH] = "control",
        [GW_TARGET_LOGOUT] = "control",      [GW_TARGET_PROFILE] = "control",     [GW_TARGET_REGISTER] = "control",
        [GW_TARGET_HEALTH] = "gateway",      [GW_TARGET_LANDING] = "gateway",     [GW_TARGET_CONTROL] = "control",
        [GW_TARGET_JWKS] = "gateway",        [GW_TARGET_PANIC] = "gateway",       [GW_TARGET_METRICS] = "gateway",
        [GW_TARGET_LOGIN_PAGE] = "gateway",  [GW_TARGET_LOGOUT_PAGE] = "gateway", [GW_TARGET_LOGIN_FORM] = "control",
        [GW_TARGET_LOGOUT_FORM] = "control",
    };
    return names[t];
}
