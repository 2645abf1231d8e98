/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Routes of a policy in words, for `policy list` and `explain`. */
#include "policy/policy.h"

#define POLICY_TEXT_MAX 160

/* "permission bots:read". dst holds POLICY_TEXT_MAX. */
void policy_access_text(const struct gw_policy *p, const struct gw_route *r, char *dst);
/* Who answers: "backend", "control", "gateway". */
const char *policy_target_name(enum gw_target t);
