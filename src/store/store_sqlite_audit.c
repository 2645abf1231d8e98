/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit trail in SQLite. A query is put together from the clauses of the filters that are set, so that the planner sees which
 * index serves; what clients sent is bound, never part of the text.
 */
#include "store/store_sqlite.h"

/* ---- rows ---- */

#define AUDIT_ROW(r)                                                                                           \
    UUID(&(r)->writer), INT((int64_t)(r)->sequence), INT((r)->time_ms), INT((r)->ended_ms), TEXT((r)->action), \
        TEXT((r)->resource_type), TEXT((r)->resource_id), UUID(&(r)->user_id), UUID(&(r)->session_id),         \
        UUID(&(r)->request_id), TEXT((r)->address), TEXT((r)->user_agent), TEXT((r)->route), TEXT((r)->path),  \
        INT((r)->outcome), INT((r)->status), TEXT((r)->reason), INT((r)->severity), INT((r)->count),           \
        INT((int64_t)(r)->generation), TEXT((r)->details)

static enum gw_code read_optional_uuid(sqlite3_stmt *st, int column, struct gw_uuid *out, struct gw_error *err)
{
    if (sqlite3_column_type(st, column) != SQLITE_NULL)
        return gw_db_read_uuid(st, column, out, err);
    *out = (struct gw_uuid){{0}};
    return GW_OK;
}

static enum gw_code read_number_to(sqlite3_stmt *st, int column, int64_t max, int64_t *out, struct gw_error *err)
{
    *out = sqlite3_column_int64(st, column);
    if (*out < 0 || *out > max)
        return gw_fail(err, GW_EBACKEND, "database: column %s is out of its range", sqlite3_column_name(st, column));
    return GW_OK;
}

static enum gw_code read_numbers(sqlite3_stmt *st, struct gw_audit_row *r, struct gw_error *err)
{
    int64_t sequence, outcome, status, severity, count, generation;
    GW_TRY(read_number_to(st, 1, INT64_MAX, &sequence, err));
    GW_TRY(read_number_to(st, 14, GW_OUTCOME_COUNT - 1, &outcome, err));
    GW_TRY(read_number_to(st, 15, UINT16_MAX, &status, err));
    GW_TRY(read_number_to(st, 17, GW_SEVERITY_COUNT - 1, &severity, err));
    GW_TRY(read_number_to(st, 18, UINT32_MAX, &count, err));
    GW_TRY(read_number_to(st, 19, INT64_MAX, &generation, err));
    r->id = sqlite3_column_int64(st, 21);
    r->sequence = (uint64_t)sequence;
    r->time_ms = sqlite3_column_int64(st, 2);
    r->ended_ms = sqlite3_column_int64(st, 3);
    r->outcome = (enum gw_outcome)outcome;
    r->status = (uint16_t)status;
    r->severity = (enum gw_severity)severity;
    r->count = (uint32_t)count;
    r->generation = (uint64_t)generation;
    return GW_OK;
}

static enum gw_code read_audit(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    struct gw_audit_row *r = ctx; /* too large for a copy */
    const struct {
        int column;
        char *dst;
        size_t size;
    } texts[] = {
        {4, r->action, sizeof(r->action)},
        {5, r->resource_type, sizeof(r->resource_type)},
        {6, r->resource_id, sizeof(r->resource_id)},
        {10, r->address, sizeof(r->address)},
        {11, r->user_agent, sizeof(r->user_agent)},
        {12, r->route, sizeof(r->route)},
        {13, r->path, sizeof(r->path)},
        {16, r->reason, sizeof(r->reason)},
        {20, r->details, sizeof(r->details)},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        GW_TRY(gw_db_read_text(st, texts[i].column, texts[i].dst, texts[i].size, err));
    GW_TRY(gw_db_read_uuid(st, 0, &r->writer, err));
    GW_TRY(read_optional_uuid(st, 7, &r->user_id, err));
    GW_TRY(read_optional_uuid(st, 8, &r->session_id, err));
    GW_TRY(read_optional_uuid(st, 9, &r->request_id, err));
    return read_numbers(st, r, err);
}

enum gw_code gw_sqlite_audit_add(struct gw_store *s, const struct gw_audit_row *r, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), AUDIT_ADD, VALUES(AUDIT_ROW(r)), NULL, err);
}

enum gw_code gw_sqlite_audit_get(struct gw_store *s, const struct gw_uuid *writer, uint64_t sequence,
                                 struct gw_audit_row *out, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), AUDIT_GET, VALUES(UUID(writer), INT((int64_t)sequence)), read_audit, out,
                           "audit row", err);
}

struct audit_walk {
    gw_audit_fn fn;
    void *ctx;
};

static enum gw_code walk_audit(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    const struct audit_walk *w = ctx;
    struct gw_audit_row r;
    GW_TRY(read_audit(st, &r, err));
    return w->fn(w->ctx, &r, err);
}

enum gw_code gw_sqlite_audit_each_after(struct gw_store *s, int64_t after_id, size_t limit, gw_audit_fn fn, void *ctx,
                                        struct gw_error *err)
{
    return gw_db_walk(gw_sqlite_reader(s), AUDIT_EACH_AFTER, VALUES(INT(after_id), INT((int64_t)limit)), walk_audit,
                      &(struct audit_walk){fn, ctx}, err);
}

static enum gw_code read_id(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    return read_number_to(st, 0, INT64_MAX, ctx, err);
}

enum gw_code gw_sqlite_audit_newest(struct gw_store *s, int64_t *out_id, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_reader(s), AUDIT_NEWEST, NULL, 0, read_id, out_id, "row", err);
}

/* ---- queries ---- */

/*
 * Nothing is ever sorted: rows come in the order of the index that finds them. Every index but the one by time gives rows of one value in
 * the order in which they were added, newest id first. A query that only the index by time serves comes in the order of times. So a
 * filter has a clause for either order. A unary `+` before a column keeps the planner from its index, where that would mean to sort.
 */
struct filter {
    const char *by_id, *by_time; /* clauses; by_time NULL: has an index that serves better than the one by time */
    bool is_set;
    struct gw_db_value value;
};

static bool is_by_time(const struct gw_audit_query *q, const struct filter *filters, size_t count)
{
    bool is_by_time = q->since_ms != 0 || q->until_ms != 0;
    for (size_t i = 0; i < count; i++)
        is_by_time = is_by_time && (!filters[i].is_set || filters[i].by_time != NULL);
    return is_by_time;
}

enum gw_code gw_sqlite_audit_sql(const struct gw_audit_query *q, struct gw_buf *out_sql,
                                 struct gw_db_value out_values[AUDIT_VALUES_MAX], size_t *out_count,
                                 struct gw_error *err)
{
    static const struct gw_uuid none;
    const struct gw_uuid *user = q->user_id != NULL ? q->user_id : &none;
    const struct gw_uuid *session = q->session_id != NULL ? q->session_id : &none;
    const struct gw_uuid *request = q->request_id != NULL ? q->request_id : &none;
    bool has_resource = q->resource_type.len > 0 && q->resource_id.len > 0; /* one of them has no index */
    const struct filter filters[] = {
        {" AND id < ?", " AND (time_ms, id) < (SELECT time_ms, id FROM audit WHERE id = ?)", q->before_id != 0,
         INT(q->before_id)},
        {" AND id <= ?", " AND +id <= ?", q->newest_id != 0, INT(q->newest_id)},
        {" AND +time_ms >= ?", " AND time_ms >= ?", q->since_ms != 0, INT(q->since_ms)},
        {" AND +time_ms < ?", " AND time_ms < ?", q->until_ms != 0, INT(q->until_ms)},
        {" AND user_id = ?", NULL, q->user_id != NULL, UUID(user)},
        {" AND session_id = ?", NULL, q->session_id != NULL, UUID(session)},
        {" AND request_id = ?", NULL, q->request_id != NULL, UUID(request)},
        {" AND action = ?", NULL, q->action.len > 0, SPAN(q->action)},
        {" AND address = ?", NULL, q->address.len > 0, SPAN(q->address)},
        {has_resource ? " AND resource_type = ?" : " AND +resource_type = ?",
         has_resource ? NULL : " AND +resource_type = ?", q->resource_type.len > 0, SPAN(q->resource_type)},
        {" AND resource_id = ?", has_resource ? NULL : " AND resource_id = ?", q->resource_id.len > 0,
         SPAN(q->resource_id)},
        {" AND outcome = ?", " AND outcome = ?", q->outcome != NULL, INT(q->outcome != NULL ? *q->outcome : 0)},
        {" AND severity = ?", NULL, q->severity != NULL, INT(q->severity != NULL ? *q->severity : 0)},
    };
    const size_t filter_count = sizeof(filters) / sizeof(filters[0]);
    _Static_assert(sizeof(filters) / sizeof(filters[0]) < AUDIT_VALUES_MAX, "and the limit");
    bool by_time = is_by_time(q, filters, filter_count);
    size_t count = 0;
    gw_buf_addf(out_sql, "SELECT %s, id FROM audit WHERE 1", AUDIT_COLUMNS);
    for (size_t i = 0; i < filter_count; i++) {
        if (!filters[i].is_set)
            continue;
        gw_buf_addf(out_sql, "%s", by_time ? filters[i].by_time : filters[i].by_id);
        out_values[count++] = filters[i].value;
    }
    out_values[count++] = INT((int64_t)q->limit);
    gw_buf_addf(out_sql, " ORDER BY %s LIMIT ?", by_time ? "time_ms DESC, id DESC" : "id DESC");
    *out_count = count;
    return gw_buf_check(out_sql, err);
}

enum gw_code gw_sqlite_audit_each(struct gw_store *s, const struct gw_audit_query *q, gw_audit_fn fn, void *ctx,
                                  struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf sql = {0};
    struct gw_db_value values[AUDIT_VALUES_MAX];
    size_t count;
    gw_buf_init(&sql, 4096);
    GW_TRY(gw_sqlite_audit_sql(q, &sql, values, &count, err));
    return gw_db_walk_sql(gw_sqlite_reader(s), sql.ptr, values, count, walk_audit, &(struct audit_walk){fn, ctx}, err);
}

/* ---- the end of old rows ---- */

static enum gw_code count_pruned(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    struct gw_audit_pruned *p = ctx;
    int64_t time_ms = sqlite3_column_int64(st, 0);
    (void)err;
    if (p->count == 0 || time_ms < p->oldest_ms)
        p->oldest_ms = time_ms;
    if (p->count == 0 || time_ms > p->newest_ms)
        p->newest_ms = time_ms;
    p->count++;
    return GW_OK;
}

enum gw_code gw_sqlite_audit_prune(struct gw_store *s, int64_t before_ms, size_t limit, struct gw_audit_pruned *out,
                                   struct gw_error *err)
{
    *out = (struct gw_audit_pruned){0};
    return gw_db_walk(gw_sqlite_db(s), AUDIT_PRUNE, VALUES(INT(before_ms), INT((int64_t)limit)), count_pruned, out,
                      err);
}

/* ---- intents without outcome ---- */

enum gw_code gw_sqlite_audit_open_put(struct gw_store *s, const struct gw_audit_row *r, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), AUDIT_OPEN_PUT, VALUES(AUDIT_ROW(r)), NULL, err);
}

enum gw_code gw_sqlite_audit_open_take(struct gw_store *s, const struct gw_uuid *writer,
                                       const struct gw_uuid *request_id, struct gw_audit_row *out, struct gw_error *err)
{
    struct gw_db *db = gw_sqlite_db(s);
    if (request_id == NULL)
        return gw_db_query_one(db, AUDIT_OPEN_TAKE_OLDEST, VALUES(UUID(writer)), read_audit, out, "intent", err);
    return gw_db_query_one(db, AUDIT_OPEN_TAKE, VALUES(UUID(writer), UUID(request_id)), read_audit, out, "intent", err);
}

struct writer_walk {
    gw_journal_writer_fn fn;
    void *ctx;
};

static enum gw_code walk_writer(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    const struct writer_walk *w = ctx;
    struct gw_uuid writer;
    GW_TRY(gw_db_read_uuid(st, 0, &writer, err));
    return w->fn(w->ctx, &writer, err);
}

enum gw_code gw_sqlite_audit_open_each_writer(struct gw_store *s, gw_journal_writer_fn fn, void *ctx,
                                              struct gw_error *err)
{
    return gw_db_walk(gw_sqlite_db(s), AUDIT_OPEN_EACH_WRITER, NULL, 0, walk_writer, &(struct writer_walk){fn, ctx},
                      err);
}

/* ---- how far the journal has been taken ---- */

static enum gw_code read_offset(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    int64_t n;
    GW_TRY(read_number_to(st, 0, INT64_MAX, &n, err));
    *(uint64_t *)ctx = (uint64_t)n;
    return GW_OK;
}

enum gw_code gw_sqlite_journal_file_put(struct gw_store *s, struct gw_str name, const struct gw_uuid *writer,
                                        uint64_t offset, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), JOURNAL_FILE_PUT, VALUES(SPAN(name), UUID(writer), INT((int64_t)offset)), NULL,
                        err);
}

enum gw_code gw_sqlite_journal_file_get(struct gw_store *s, struct gw_str name, uint64_t *out_offset,
                                        struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), JOURNAL_FILE_GET, VALUES(SPAN(name)), read_offset, out_offset,
                           "journal file", err);
}

enum gw_code gw_sqlite_journal_file_delete(struct gw_store *s, struct gw_str name, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), JOURNAL_FILE_DELETE, VALUES(SPAN(name)), NULL, err);
}

enum gw_code gw_sqlite_journal_writer_put(struct gw_store *s, const struct gw_uuid *writer, uint64_t lost,
                                          struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), JOURNAL_WRITER_PUT, VALUES(UUID(writer), INT((int64_t)lost)), NULL, err);
}

enum gw_code gw_sqlite_journal_writer_get(struct gw_store *s, const struct gw_uuid *writer, uint64_t *out_lost,
                                          struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), JOURNAL_WRITER_GET, VALUES(UUID(writer)), read_offset, out_lost,
                           "journal writer", err);
}

enum gw_code gw_sqlite_journal_writer_delete(struct gw_store *s, const struct gw_uuid *writer, struct gw_error *err)
{
    GW_TRY(gw_db_change(gw_sqlite_db(s), JOURNAL_WRITER_DELETE_FILES, VALUES(UUID(writer)), NULL, err));
    return gw_db_change(gw_sqlite_db(s), JOURNAL_WRITER_DELETE, VALUES(UUID(writer)), NULL, err);
}

enum gw_code gw_sqlite_journal_writer_each(struct gw_store *s, gw_journal_writer_fn fn, void *ctx, struct gw_error *err)
{
    return gw_db_walk(gw_sqlite_db(s), JOURNAL_WRITER_EACH, NULL, 0, walk_writer, &(struct writer_walk){fn, ctx}, err);
}
