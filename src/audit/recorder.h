/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Control's own actions, as rows of the audit trail: added in the same transaction as the change that they tell of, so that neither
 * is there without the other. One recorder is one life of control (or of a command that works while control is down): a writer
 * with an UUID of its own, whose rows are numbered. Any thread.
 */
#include "base/clock.h"
#include "crypto/random.h"
#include "store/audit.h"

struct gw_recorder;

GW_MUST_CHECK enum gw_code gw_recorder_new(const struct gw_random *random, const struct gw_clock *clock,
                                           struct gw_recorder **out, struct gw_error *err);
void gw_recorder_free(struct gw_recorder *c);
GW_DEFINE_AUTO_FREE(gw_recorder);

/* Between the caller's gw_store_begin and its end. Sets writer, sequence and severity; the times where they are 0, to now; count where it
 * is 0, to 1. The rest is the caller's: strings as audit/row.h makes them. */
GW_MUST_CHECK enum gw_code gw_recorder_add(struct gw_recorder *c, struct gw_store *s, struct gw_audit_row *r,
                                           struct gw_error *err);
