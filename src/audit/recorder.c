/* SPDX-License-Identifier: Apache-2.0 */
/* A number is used once, also when its transaction is rolled back: gaps say nothing here. */
#include "audit/recorder.h"

#include "audit/row.h"
#include <stdlib.h>
#include <string.h>

struct gw_recorder {
    const struct gw_random *random;
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
    c->random = random;
    c->clock = clock;
    c->writer = writer;
    *out = c;
    return GW_OK;
}

void gw_recorder_free(struct gw_recorder *c)
{
    free(c);
}

const struct gw_uuid *gw_recorder_writer(const struct gw_recorder *c)
{
    return &c->writer;
}

/* ---- rows ---- */

/* Whole, or not at all: half an object is none. */
static void set_details(const struct gw_actor *by, json_t *details, struct gw_audit_row *r)
{
    if (by->kind == GW_ACTOR_OPERATOR && details == NULL)
        details = json_object();
    if (by->kind == GW_ACTOR_OPERATOR)
        (void)json_object_set_new(details, "by", json_string("operator"));
    char *text = details != NULL ? json_dumps(details, JSON_COMPACT) : NULL;
    if (text != NULL && strlen(text) < sizeof(r->details))
        gw_audit_text(gw_str(text), r->details, sizeof(r->details));
    else if (text != NULL)
        gw_audit_text(GW_STR("{\"tooLong\":true}"), r->details, sizeof(r->details));
    free(text);
    json_decref(details);
}

static void set_resource(const struct gw_deed *d, struct gw_audit_row *r)
{
    if (d->resource_type == NULL)
        return;
    gw_audit_text(gw_str(d->resource_type), r->resource_type, sizeof(r->resource_type));
    if (d->resource != NULL)
        gw_uuid_format(d->resource, r->resource_id);
    else if (d->resource_name != NULL)
        gw_audit_text(gw_str(d->resource_name), r->resource_id, sizeof(r->resource_id));
}

void gw_recorder_row(const struct gw_actor *by, const struct gw_deed *d, struct gw_audit_row *out)
{
    struct gw_audit_row *r = out;
    memset(r, 0, sizeof(*r));
    r->outcome = GW_OUTCOME_DONE;
    r->user_id = d->user_id != NULL ? *d->user_id : by->user_id;
    r->session_id = d->session_id != NULL ? *d->session_id : by->session_id;
    r->request_id = by->request_id;
    if (by->kind == GW_ACTOR_CLIENT)
        gw_ip_format(&by->address, r->address);
    gw_audit_text(gw_str(d->action), r->action, sizeof(r->action));
    gw_audit_text(by->user_agent, r->user_agent, sizeof(r->user_agent));
    gw_audit_text(by->route, r->route, sizeof(r->route));
    gw_audit_path(by->path, r->path, sizeof(r->path));
    set_resource(d, r);
    set_details(by, d->details, r);
}

static void sign(struct gw_recorder *c, struct gw_audit_row *r)
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
}

enum gw_code gw_recorder_add(struct gw_recorder *c, struct gw_store *s, struct gw_audit_row *r, struct gw_error *err)
{
    sign(c, r);
    enum gw_code code = gw_store_audit_add(s, r, err);
    /* No conflict of the change's own, which callers match. */
    return code == GW_ECONFLICT ? gw_fail(err, GW_EBACKEND, "audit: this number of the writer is taken") : code;
}

/* ---- what has no transaction ---- */

enum gw_code gw_recorder_record(struct gw_recorder *c, struct gw_store *s, const struct gw_actor *by,
                                const struct gw_deed *d, struct gw_error *err)
{
    struct gw_audit_row row;
    gw_recorder_row(by, d, &row);
    GW_TRY(gw_store_begin(s, err));
    return gw_store_end(s, gw_recorder_add(c, s, &row, err), err);
}

enum gw_code gw_recorder_intend(struct gw_recorder *c, struct gw_store *s, struct gw_audit_row *r, struct gw_error *err)
{
    if (gw_uuid_is_nil(&r->request_id)) /* an operator's call; the outcome must find its own intent */
        GW_TRY(gw_uuid_v7(c->random, c->clock, &r->request_id, err));
    sign(c, r);
    r->outcome = GW_OUTCOME_PENDING;
    return gw_store_audit_open_put(s, r, err);
}

static enum gw_code move(struct gw_recorder *c, struct gw_store *s, struct gw_audit_row *r, enum gw_outcome outcome,
                         struct gw_error *err)
{
    r->outcome = outcome;
    r->ended_ms = gw_clock_real_ms(c->clock);
    return gw_store_audit_add(s, r, err);
}

static enum gw_code conclude(struct gw_recorder *c, struct gw_store *s, struct gw_audit_row *r, enum gw_outcome outcome,
                             struct gw_error *err)
{
    struct gw_audit_row intent;
    GW_TRY(gw_store_audit_open_take(s, &r->writer, &r->request_id, &intent, err));
    return move(c, s, r, outcome, err);
}

enum gw_code gw_recorder_conclude(struct gw_recorder *c, struct gw_store *s, struct gw_audit_row *r,
                                  enum gw_outcome outcome, struct gw_error *err)
{
    GW_TRY(gw_store_begin(s, err));
    return gw_store_end(s, conclude(c, s, r, outcome, err), err);
}

#define MEND_WRITERS_MAX 64 /* each is a life that was killed at work; more than that are mended at the start after */

struct writers {
    struct gw_uuid ids[MEND_WRITERS_MAX];
    size_t count;
};

static enum gw_code gather(void *ctx, const struct gw_uuid *writer, struct gw_error *err)
{
    struct writers *w = ctx;
    (void)err;
    if (w->count < MEND_WRITERS_MAX)
        w->ids[w->count++] = *writer;
    return GW_OK;
}

static enum gw_code mend_writer(struct gw_recorder *c, struct gw_store *s, const struct gw_uuid *writer, size_t *count,
                                struct gw_error *err)
{
    struct gw_audit_row r;
    enum gw_code code;
    while ((code = gw_store_audit_open_take(s, writer, NULL, &r, err)) == GW_OK) {
        GW_TRY(move(c, s, &r, GW_OUTCOME_UNKNOWN, err));
        ++*count;
    }
    return code == GW_ENOTFOUND ? GW_OK : code;
}

static enum gw_code mend(struct gw_recorder *c, struct gw_store *s, size_t *count, struct gw_error *err)
{
    struct writers w = {.count = 0};
    GW_TRY(gw_store_audit_open_each_writer(s, gather, &w, err));
    for (size_t i = 0; i < w.count; i++)
        GW_TRY(mend_writer(c, s, &w.ids[i], count, err));
    return GW_OK;
}

enum gw_code gw_recorder_mend(struct gw_recorder *c, struct gw_store *s, size_t *out_count, struct gw_error *err)
{
    size_t count = 0;
    GW_TRY(gw_store_begin(s, err));
    GW_TRY(gw_store_end(s, mend(c, s, &count, err), err));
    *out_count = count;
    return GW_OK;
}
