/* SPDX-License-Identifier: Apache-2.0 */
/* API keys in SQLite. */
#include "store/store_sqlite.h"

static enum gw_code read_api_key(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    struct gw_api_key_row r = {0};
    size_t len;
    GW_TRY(gw_db_read_uuid(st, 0, &r.id, err));
    GW_TRY(gw_db_read_uuid(st, 1, &r.user_id, err));
    GW_TRY(gw_db_read_text(st, 2, r.public_id, sizeof(r.public_id), err));
    GW_TRY(gw_db_read_text(st, 3, r.name, sizeof(r.name), err));
    GW_TRY(gw_db_read_blob(st, 4, r.hash, sizeof(r.hash), &len, err));
    if (len != sizeof(r.hash))
        return gw_fail(err, GW_EBACKEND, "database: an API key is damaged");
    GW_TRY(gw_db_read_text(st, 5, r.scopes, sizeof(r.scopes), err));
    GW_TRY(gw_db_read_text(st, 6, r.networks, sizeof(r.networks), err));
    r.is_signed = sqlite3_column_int(st, 7) != 0;
    r.created_s = sqlite3_column_int64(st, 8);
    r.expires_s = sqlite3_column_int64(st, 9);
    r.last_used_s = sqlite3_column_int64(st, 10);
    r.is_certificate = sqlite3_column_int(st, 11) != 0;
    *(struct gw_api_key_row *)ctx = r;
    return GW_OK;
}

enum gw_code gw_sqlite_api_key_insert(struct gw_store *s, const struct gw_api_key_row *r, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), API_KEY_INSERT,
                        VALUES(UUID(&r->id), UUID(&r->user_id), TEXT(r->public_id), TEXT(r->name),
                               BLOB(r->hash, sizeof(r->hash)), TEXT(r->scopes), TEXT(r->networks), INT(r->is_signed),
                               INT(r->created_s), INT(r->expires_s), INT(r->last_used_s), INT(r->is_certificate)),
                        NULL, err);
}

enum gw_code gw_sqlite_api_key_get(struct gw_store *s, const struct gw_uuid *id, struct gw_api_key_row *out,
                                   struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), API_KEY_GET, VALUES(UUID(id)), read_api_key, out, "API key", err);
}

enum gw_code gw_sqlite_api_key_by_public_id(struct gw_store *s, struct gw_str public_id, struct gw_api_key_row *out,
                                            struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), API_KEY_BY_PUBLIC_ID, VALUES(SPAN(public_id)), read_api_key, out, "API key",
                           err);
}

struct api_key_walk {
    gw_api_key_fn fn;
    void *ctx;
};

static enum gw_code walk_api_key(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    const struct api_key_walk *w = ctx;
    struct gw_api_key_row r;
    GW_TRY(read_api_key(st, &r, err));
    return w->fn(w->ctx, &r, err);
}

enum gw_code gw_sqlite_api_key_each(struct gw_store *s, const struct gw_uuid *user_id, gw_api_key_fn fn, void *ctx,
                                    struct gw_error *err)
{
    struct api_key_walk w = {fn, ctx};
    if (user_id == NULL)
        return gw_db_walk(gw_sqlite_db(s), API_KEY_EACH, NULL, 0, walk_api_key, &w, err);
    return gw_db_walk(gw_sqlite_db(s), API_KEY_EACH_OF_USER, VALUES(UUID(user_id)), walk_api_key, &w, err);
}

enum gw_code gw_sqlite_api_key_count(struct gw_store *s, int64_t *out, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), API_KEY_COUNT, NULL, 0, gw_sqlite_read_number, out, "count", err);
}

enum gw_code gw_sqlite_api_key_expire(struct gw_store *s, const struct gw_uuid *id, int64_t expires_s,
                                      struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), API_KEY_EXPIRE, VALUES(UUID(id), INT(expires_s)), "API key", err);
}

enum gw_code gw_sqlite_api_key_touch(struct gw_store *s, const struct gw_uuid *id, int64_t last_used_s,
                                     struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), API_KEY_TOUCH, VALUES(UUID(id), INT(last_used_s)), NULL, err);
}

enum gw_code gw_sqlite_api_key_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), API_KEY_DELETE, VALUES(UUID(id)), "API key", err);
}
