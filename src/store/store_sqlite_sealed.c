/* SPDX-License-Identifier: Apache-2.0 */
/* Data keys in SQLite, and what they seal. */
#include "store/store_sqlite.h"

enum gw_code gw_sqlite_data_key_insert(struct gw_store *s, const struct gw_data_key_row *k, struct gw_error *err)
{
    return gw_db_change(
        gw_sqlite_db(s), DATA_KEY_INSERT,
        VALUES(INT(k->id), BLOB(k->wrapped, sizeof(k->wrapped)), INT(k->created_s), INT((int64_t)k->uses)), NULL, err);
}

struct data_key_walk {
    gw_data_key_fn fn;
    void *ctx;
};

static enum gw_code walk_data_key(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    const struct data_key_walk *w = ctx;
    size_t len;
    struct gw_data_key_row k = {
        .id = (uint32_t)sqlite3_column_int64(st, 0),
        .created_s = sqlite3_column_int64(st, 2),
        .retired_s = sqlite3_column_int64(st, 3),
        .uses = (uint64_t)sqlite3_column_int64(st, 4),
    };
    GW_TRY(gw_db_read_blob(st, 1, k.wrapped, sizeof(k.wrapped), &len, err));
    if (len != (k.retired_s == 0 ? sizeof(k.wrapped) : 0))
        return gw_fail(err, GW_EBACKEND, "database: data key %u is damaged", k.id);
    return w->fn(w->ctx, &k, err);
}

enum gw_code gw_sqlite_data_key_each(struct gw_store *s, gw_data_key_fn fn, void *ctx, struct gw_error *err)
{
    return gw_db_walk(gw_sqlite_db(s), DATA_KEY_EACH, NULL, 0, walk_data_key, &(struct data_key_walk){fn, ctx}, err);
}

enum gw_code gw_sqlite_data_key_reserve(struct gw_store *s, uint32_t id, uint64_t uses, struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), DATA_KEY_RESERVE, VALUES(INT(id), INT((int64_t)uses)), "data key", err);
}

enum gw_code gw_sqlite_data_key_retire(struct gw_store *s, uint32_t id, int64_t now_s, struct gw_error *err)
{
    int changed = 0;
    GW_TRY(gw_db_change(gw_sqlite_db(s), DATA_KEY_RETIRE, VALUES(INT(id), INT(now_s)), &changed, err));
    return changed > 0 ? GW_OK : gw_fail(err, GW_ECONFLICT, "data key %u is in use, or retired", id);
}

static enum gw_code read_sealed(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    struct gw_sealed_row *r = ctx; /* too large for a copy */
    r->key_id = (uint32_t)sqlite3_column_int64(st, 1);
    r->expires_s = sqlite3_column_int64(st, 3);
    GW_TRY(gw_db_read_text(st, 0, r->name, sizeof(r->name), err));
    return gw_db_read_blob(st, 2, r->envelope, sizeof(r->envelope), &r->envelope_len, err);
}

enum gw_code gw_sqlite_sealed_put(struct gw_store *s, const struct gw_sealed_row *r, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), SEALED_PUT,
                        VALUES(TEXT(r->name), INT(r->key_id), BLOB(r->envelope, r->envelope_len), INT(r->expires_s)),
                        NULL, err);
}

enum gw_code gw_sqlite_sealed_get(struct gw_store *s, struct gw_str name, int64_t now_s, struct gw_sealed_row *out,
                                  struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), SEALED_GET, VALUES(SPAN(name), INT(now_s)), read_sealed, out, "secret",
                           err);
}

enum gw_code gw_sqlite_sealed_delete(struct gw_store *s, struct gw_str name, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), SEALED_DELETE, VALUES(SPAN(name)), NULL, err);
}

enum gw_code gw_sqlite_sealed_purge(struct gw_store *s, int64_t now_s, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), SEALED_PURGE, VALUES(INT(now_s)), NULL, err);
}

enum gw_code gw_sqlite_sealed_count(struct gw_store *s, uint32_t key_id, int64_t *out, struct gw_error *err)
{
    if (key_id == 0)
        return gw_db_query_one(gw_sqlite_db(s), SEALED_COUNT, NULL, 0, gw_sqlite_read_number, out, "count", err);
    return gw_db_query_one(gw_sqlite_db(s), SEALED_COUNT_OF_KEY, VALUES(INT(key_id)), gw_sqlite_read_number, out,
                           "count", err);
}

struct sealed_walk {
    gw_sealed_fn fn;
    void *ctx;
};

static enum gw_code walk_sealed(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    const struct sealed_walk *w = ctx;
    struct gw_sealed_row r;
    GW_TRY(read_sealed(st, &r, err));
    return w->fn(w->ctx, &r, err);
}

enum gw_code gw_sqlite_sealed_each_of_key(struct gw_store *s, uint32_t key_id, struct gw_str after, size_t count,
                                          gw_sealed_fn fn, void *ctx, struct gw_error *err)
{
    return gw_db_walk(gw_sqlite_db(s), SEALED_EACH_OF_KEY, VALUES(INT(key_id), SPAN(after), INT((int64_t)count)),
                      walk_sealed, &(struct sealed_walk){fn, ctx}, err);
}
