/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/retention.h"

#include "audit/row.h"
#include <inttypes.h>
#include <stdio.h>

#define BATCH_ROWS 250
#define BATCHES_MAX 40
#define HOUR_MS INT64_C(3600000)

static enum gw_code tell(const struct gw_retention *r, const struct gw_audit_pruned *p, struct gw_error *err)
{
    char oldest[GW_TIME_LEN + 1], newest[GW_TIME_LEN + 1];
    struct gw_audit_row row = {.outcome = GW_OUTCOME_DONE, .count = (uint32_t)p->count};
    gw_time_format(p->oldest_ms / 1000, oldest);
    gw_time_format(p->newest_ms / 1000, newest);
    gw_audit_text(GW_STR("audit_pruned"), row.action, sizeof(row.action));
    (void)snprintf(row.details, sizeof(row.details), "{\"since\":\"%s\",\"until\":\"%s\"}", oldest, newest);
    return gw_recorder_add(r->recorder, r->store, &row, err);
}

static enum gw_code delete_batch(const struct gw_retention *r, int64_t before_ms, struct gw_audit_pruned *out,
                                 struct gw_error *err)
{
    GW_TRY(gw_store_audit_prune(r->store, before_ms, BATCH_ROWS, out, err));
    return out->count > 0 ? tell(r, out, err) : GW_OK;
}

enum gw_code gw_retention_run(const struct gw_retention *r, uint64_t *out_count, struct gw_error *err)
{
    /* In steps of an hour: else a quiet trail would gain an audit_pruned for each row that it loses. */
    int64_t before_ms = (gw_clock_real_ms(r->clock) - r->keep_ms) / HOUR_MS * HOUR_MS;
    struct gw_audit_pruned p = {.count = BATCH_ROWS};
    *out_count = 0;
    for (int i = 0; i < BATCHES_MAX && p.count == BATCH_ROWS; i++) {
        GW_TRY(gw_store_try_begin(r->store, err));
        GW_TRY(gw_store_end(r->store, delete_batch(r, before_ms, &p, err), err));
        *out_count += p.count;
    }
    return GW_OK;
}
