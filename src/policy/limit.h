/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The section `limits` of a policy: how often may be asked, by classes of requests. Each class has up to two rates, which all must have room: a
 * burst, and what holds in the long run. A policy without the section, or without one of the classes, has those of limits_load.c.
 */
#include "base/rate.h"
#include "policy/policy.h"

#define GW_LIMIT_CLASSES_MAX 64
#define GW_LIMIT_NAME_MAX 32
#define GW_SLOW_DOWN_MAX_MS 60000

enum gw_limit_built_in {
    GW_LIMIT_FLOOD, /* by address, whoever asks: `flood` */
    GW_LIMIT_ANONYMOUS,
    GW_LIMIT_AUTH,
    GW_LIMIT_PAGE,
    GW_LIMIT_USER,
    GW_LIMIT_MACHINE,
    GW_LIMIT_BUILT_IN_COUNT
};

enum gw_limit_kind { GW_LIMIT_BURST, GW_LIMIT_SUSTAINED, GW_LIMIT_KINDS };

struct gw_limit_rate {
    struct gw_rate rate; /* limit 0: the class has none of this kind */
    uint32_t window_s;
    uint64_t mark;       /* the same for all who load such a class (shared/rates.h) */
    struct gw_str shown; /* what RateLimit calls it, in quotes: "user-burst" */
};

/* Of the sustained rate: from the request after `after` on each is delayed by a step more than the one before. */
struct gw_slow_down {
    uint32_t after, step_ms, max_ms; /* step_ms 0: never */
};

struct gw_limit_class {
    struct gw_str name;
    struct gw_limit_rate rates[GW_LIMIT_KINDS];
    struct gw_slow_down slow_down;
    struct gw_str policy; /* RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers) */
};

const struct gw_limit_class *gw_policy_limit(const struct gw_policy *p, enum gw_limit_built_in which);
