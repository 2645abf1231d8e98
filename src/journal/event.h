/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One event: what somebody did or tried, as the journal holds it and the audit trail shows it. Encoding and decoding of its
 * bytes. Control reads what workers wrote, so the decoder trusts nothing. Pure; any thread.
 */
#include "base/encode.h"
#include <gw/error.h>
#include <gw/str.h>

#define GW_EVENT_ACTION_MAX 48
#define GW_EVENT_REASON_MAX 48
#define GW_EVENT_ROUTE_MAX 192
#define GW_EVENT_PATH_MAX 512
#define GW_EVENT_USER_AGENT_MAX 256
#define GW_EVENT_DETAILS_MAX 1024
#define GW_EVENT_BYTES_MAX 2304 /* fixed part and all strings at their longest */

/* Numbers are stored: add at the end only. */
enum gw_event_phase {
    GW_EVENT_INTENT,  /* about to be handed to the backend */
    GW_EVENT_OUTCOME, /* of the intent with the same request id */
    GW_EVENT_SINGLE,  /* complete in itself */
    GW_EVENT_TALLY,   /* count alike, the first at time_ms, the last at last_ms */
    GW_EVENT_PHASE_COUNT
};

enum gw_outcome {
#define GW_OUTCOME(name, text) GW_OUTCOME_##name,
#include "journal/outcome.def"
#undef GW_OUTCOME
    GW_OUTCOME_COUNT
};
/* "done". Static storage. */
const char *gw_outcome_text(enum gw_outcome outcome);

struct gw_event {
    int64_t time_ms; /* real time */
    int64_t last_ms; /* TALLY; else 0 */
    enum gw_event_phase phase;
    enum gw_outcome outcome;
    uint16_t status;                                /* HTTP status of the answer; 0: none */
    uint32_t count;                                 /* TALLY; else 1 */
    uint64_t generation;                            /* of the policy it was judged by; 0: none */
    struct gw_uuid request_id, user_id, session_id; /* zero: none */
    uint8_t address[16];                            /* IPv4 as ::ffff:a.b.c.d; zero: none */
    /* Cut at their caps when encoded. Bytes of clients, as they came: whoever shows them escapes them. */
    struct gw_str action;     /* "bot_created", "user_login"; never empty */
    struct gw_str reason;     /* name of a gw_reason; empty: none */
    struct gw_str route;      /* pattern, "POST /api/bots/{id}/stop"; empty: none */
    struct gw_str path;       /* canonical, without query */
    struct gw_str user_agent; /* empty: none */
    struct gw_str details;    /* a JSON object of allow-listed members, or empty; never a secret */
};

/* Into dst, which holds GW_EVENT_BYTES_MAX. Returns the length. */
size_t gw_event_encode(const struct gw_event *e, uint8_t *dst);
/* Strings point into bytes. GW_EPARSE: not one whole event. */
GW_MUST_CHECK enum gw_code gw_event_decode(struct gw_str bytes, struct gw_event *out);
