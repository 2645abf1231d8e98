/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a page of another origin may be told: the origins that the settings list, each with the fields of every answer to it, made when the
 * snapshot is. A request that no browser sent has no `Origin` and costs one look. Who may do what, stage_cors.c decides.
 */
#include "config/settings.h"
#include <gw/arena.h>
#include <gw/gate.h>

struct gw_cors_origin {
    struct gw_str text;
    struct gw_header_field fields[3];
};

struct gw_cors {
    const struct gw_cors_origin *origins;
    size_t count; /* 0: no page of another origin is told anything, and no answer differs by origin */
};

/* Strings stay the settings'. GW_ENOMEM. */
GW_MUST_CHECK enum gw_code gw_cors_load(const struct gw_settings *settings, struct gw_arena *a, struct gw_cors *out);
/* The origin byte for byte, or NULL. */
const struct gw_cors_origin *gw_cors_find(const struct gw_cors *cors, struct gw_str origin);
/* origin: as found; NULL: none of them. */
struct gw_cors_answer gw_cors_answer_to(const struct gw_cors *cors, const struct gw_cors_origin *origin);
/* Of a head as it came; none where `Origin` stands twice. */
struct gw_cors_answer gw_cors_of_headers(const struct gw_cors *cors, const struct gw_header *headers, size_t count);

/* Whether it is a preflight (the Fetch standard, "CORS-preflight request"), and the method that it asks about. */
bool gw_cors_is_preflight(const struct gw_request_head *head, struct gw_str *out_method);

struct gw_policy;
/* What a preflight is told besides: the methods that the policy's routes really take there, the fields that a page may send, and for how
 * long. GW_ENOMEM. */
GW_MUST_CHECK enum gw_code gw_cors_allow(const struct gw_policy *policy, struct gw_str target, struct gw_arena *a,
                                         const struct gw_header_field **out_fields, size_t *out_count);
