/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Texts that the gate answers by itself, and what a problem says, for control too. Problems written out are declared in gw/gate.h.
 */
#include "token/ring.h"
#include <gw/arena.h>
#include <gw/gate.h>

/* A row of gw/problem.def. Static storage. */
struct gw_problem_text {
    unsigned status; /* of the row: another one than asked for, where that has no row */
    const char *type, *title;
};
const struct gw_problem_text *gw_problem_text(unsigned status);
/* What the problem of a reason says. Static storage. */
struct gw_str gw_reason_title(enum gw_reason reason);
/* Its type: the last part of the problem's URN. */
struct gw_str gw_reason_type(enum gw_reason reason);
/* What makes a request id a problem's `instance`: "urn:uuid:" or "urn:aaiti:request:". */
const char *gw_instance_prefix(struct gw_str request_id);

struct gw_health {
    bool ready, control_up;
    uint64_t generation;
};

/* {"status":"ok|degraded","version":…,"control":"up|down","generation":N}. GW_ENOMEM. */
GW_MUST_CHECK enum gw_code gw_health_body(const struct gw_health *health, struct gw_arena *a, struct gw_str *out);
/* The public keys of the ring as a JSON Web Key Set (RFC 7517, RFC 8037 section 2); of secrets, none. GW_ENOMEM. */
GW_MUST_CHECK enum gw_code gw_jwks_body(const struct gw_token_ring *ring, struct gw_arena *a, struct gw_str *out);
/* Static storage. */
struct gw_str gw_landing_body(void);
