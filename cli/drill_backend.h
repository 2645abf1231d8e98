/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The backend of `aaiti panic --drill`: says yes to everything, on a free port of 127.0.0.1, and writes down when what arrived. It runs in
 * threads of this process, so that its clock is the one that the button is pressed by.
 */
#include <gw/cleanup.h>
#include <gw/error.h>
#include <stddef.h>
#include <stdint.h>

struct drill_backend;

GW_MUST_CHECK enum gw_code drill_backend_new(struct drill_backend **out, struct gw_error *err);
void drill_backend_free(struct drill_backend *b);
GW_DEFINE_AUTO_FREE(drill_backend);
unsigned drill_backend_port(const struct drill_backend *b);

/* What opens risk is a POST to …/start. Monotonic milliseconds. */
struct drill_ledger {
    size_t opens_since;   /* the time asked for */
    int64_t last_open_ms; /* 0: none came */
};
void drill_backend_ledger(struct drill_backend *b, int64_t since_ms, struct drill_ledger *out);
