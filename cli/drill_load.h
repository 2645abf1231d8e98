/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The traffic of `aaiti panic --drill`: 200 requests a second of all kinds, by threads that keep their own time. */
#include "response/own_listener.h"

enum drill_kind { DRILL_READ, DRILL_OPEN, DRILL_CLOSE, DRILL_KINDS };

/* One request to the gateway, of bot 1 to DRILL_BOTS. 0: no answer came. */
#define DRILL_BOTS 20
unsigned drill_ask(const struct gw_own_listener *l, enum drill_kind kind, unsigned bot);

struct drill_load;

/* listener: borrowed. */
GW_MUST_CHECK enum gw_code drill_load_new(const struct gw_own_listener *listener, struct drill_load **out,
                                          struct gw_error *err);
/* Ends the traffic, and waits for it. */
void drill_load_free(struct drill_load *l);
GW_DEFINE_AUTO_FREE(drill_load);

struct drill_count {
    size_t sent, passed; /* passed: 2xx */
    unsigned other;      /* the last status that was no 2xx; 0: there was no answer, or all passed */
};
/* Of what was sent since then; monotonic milliseconds. */
void drill_load_count(struct drill_load *l, int64_t since_ms, struct drill_count out[DRILL_KINDS]);
