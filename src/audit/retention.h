/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The end of old rows of the audit trail: control's task each minute. What is deleted leaves a row that tells how many there were, and of
 * which time, in the transaction that deletes them: a gap in the trail always has its cause beside it. One thread.
 */
#include "audit/recorder.h"

struct gw_retention { /* all borrowed */
    struct gw_store *store;
    struct gw_recorder *recorder;
    const struct gw_clock *clock;
    int64_t keep_ms;
};

/* Deletes the rows from before now - keep_ms, rounded down to a full hour: what becomes too old within an hour goes together at its end.
 * At most some thousands a turn, in transactions of some milliseconds. GW_ETIMEOUT: another process holds the database. */
GW_MUST_CHECK enum gw_code gw_retention_run(const struct gw_retention *r, uint64_t *out_count, struct gw_error *err);
