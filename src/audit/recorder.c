/* SPDX-License-Identifier: Apache-2.0 */
/* A number is used once, also when its transaction is rolled back: gaps say nothing here. */
#include "audit/recorder.h"

#include "audit/row.h"
#include <stdlib.h>

struct gw_recorder {
    const struct gw_clock *clock;
    struct gw_uuid writer;
    uint64_t sequence; /* atomic: of the last row */
};

enum gw_code gw_recorder_new(const struct gw_random *random, const struct gw_clock *clock, struct gw_recorder **out,
                             struct gw_error *err)
{
    struct gw_uuid writer;
    GW_TRY(gw_uuid_v7(random, clock, &writer, err));
    struct gw_recorder *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a recorder");
    c->clock = clock;
    c->writer = writer;
    *out = c;
    return GW_OK;
}

void gw_recorder_free(struct gw_recorder *c)
{
    free(c);
}

enum gw_code gw_recorder_add(struct gw_recorder *c, struct gw_store *s, struct gw_audit_row *r, struct gw_error *err)
{
    r->writer = c->writer;
    r->sequence = __atomic_add_fetch(&c->sequence, 1, __ATOMIC_RELAXED);
    r->severity = gw_audit_severity(gw_str(r->action));
    if (r->time_ms == 0)
        r->time_ms = gw_clock_real_ms(c->clock);
    if (r->ended_ms == 0)
        r->ended_ms = r->time_ms;
    if (r->count == 0)
        r->count = 1;
    return gw_store_audit_add(s, r, err);
}
