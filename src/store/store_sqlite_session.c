/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions in SQLite, their refresh tokens, and revoked access tokens. */
#include "store/store_sqlite.h"

/* ---- sessions ---- */

static enum gw_code read_session(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    struct gw_session_row r = {0};
    GW_TRY(gw_db_read_uuid(st, 0, &r.id, err));
    GW_TRY(gw_db_read_uuid(st, 1, &r.user_id, err));
    r.created_s = sqlite3_column_int64(st, 2);
    r.last_seen_s = sqlite3_column_int64(st, 3);
    r.expires_s = sqlite3_column_int64(st, 4);
    GW_TRY(gw_db_read_text(st, 5, r.address, sizeof(r.address), err));
    GW_TRY(gw_db_read_text(st, 6, r.user_agent, sizeof(r.user_agent), err));
    GW_TRY(gw_db_read_text(st, 7, r.country, sizeof(r.country), err));
    *(struct gw_session_row *)ctx = r;
    return GW_OK;
}

enum gw_code gw_sqlite_session_insert(struct gw_store *s, const struct gw_session_row *r, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), SESSION_INSERT,
                        VALUES(UUID(&r->id), UUID(&r->user_id), INT(r->created_s), INT(r->last_seen_s),
                               INT(r->expires_s), TEXT(r->address), TEXT(r->user_agent), TEXT(r->country)),
                        NULL, err);
}

enum gw_code gw_sqlite_session_get(struct gw_store *s, const struct gw_uuid *id, struct gw_session_row *out,
                                   struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), SESSION_GET, VALUES(UUID(id)), read_session, out, "session", err);
}

enum gw_code gw_sqlite_session_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), SESSION_DELETE, VALUES(UUID(id)), "session", err);
}

enum gw_code gw_sqlite_session_touch(struct gw_store *s, const struct gw_uuid *id, int64_t last_seen_s,
                                     struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), SESSION_TOUCH, VALUES(UUID(id), INT(last_seen_s)), "session", err);
}

struct session_walk {
    gw_session_fn fn;
    void *ctx;
};

static enum gw_code walk_session(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    const struct session_walk *w = ctx;
    struct gw_session_row r;
    GW_TRY(read_session(st, &r, err));
    return w->fn(w->ctx, &r, err);
}

enum gw_code gw_sqlite_session_each(struct gw_store *s, const struct gw_uuid *user_id, gw_session_fn fn, void *ctx,
                                    struct gw_error *err)
{
    struct session_walk w = {fn, ctx};
    if (user_id == NULL)
        return gw_db_walk(gw_sqlite_db(s), SESSION_EACH, NULL, 0, walk_session, &w, err);
    return gw_db_walk(gw_sqlite_db(s), SESSION_EACH_OF_USER, VALUES(UUID(user_id)), walk_session, &w, err);
}

/* ---- refresh tokens ---- */

static enum gw_code read_refresh(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    struct gw_refresh_row r = {0};
    size_t len;
    GW_TRY(gw_db_read_blob(st, 0, r.hash, sizeof(r.hash), &len, err));
    if (len != sizeof(r.hash))
        return gw_fail(err, GW_EBACKEND, "database: a refresh token is damaged");
    GW_TRY(gw_db_read_uuid(st, 1, &r.session_id, err));
    r.number = sqlite3_column_int64(st, 2);
    r.spent_s = sqlite3_column_int64(st, 3);
    *(struct gw_refresh_row *)ctx = r;
    return GW_OK;
}

enum gw_code gw_sqlite_refresh_insert(struct gw_store *s, const struct gw_refresh_row *r, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), REFRESH_INSERT,
                        VALUES(BLOB(r->hash, sizeof(r->hash)), UUID(&r->session_id), INT(r->number), INT(r->spent_s)),
                        NULL, err);
}

enum gw_code gw_sqlite_refresh_get(struct gw_store *s, const uint8_t hash[32], struct gw_refresh_row *out,
                                   struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), REFRESH_GET, VALUES(BLOB(hash, 32)), read_refresh, out, "refresh token",
                           err);
}

enum gw_code gw_sqlite_refresh_newest(struct gw_store *s, const struct gw_uuid *session_id, struct gw_refresh_row *out,
                                      struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), REFRESH_NEWEST, VALUES(UUID(session_id)), read_refresh, out,
                           "refresh token", err);
}

enum gw_code gw_sqlite_refresh_spend(struct gw_store *s, const uint8_t hash[32], int64_t now_s, struct gw_error *err)
{
    int changed = 0;
    GW_TRY(gw_db_change(gw_sqlite_db(s), REFRESH_SPEND, VALUES(BLOB(hash, 32), INT(now_s)), &changed, err));
    return changed > 0 ? GW_OK : gw_fail(err, GW_ECONFLICT, "the refresh token is spent, or unknown");
}

enum gw_code gw_sqlite_refresh_delete(struct gw_store *s, const struct gw_uuid *session_id, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), REFRESH_DELETE, VALUES(UUID(session_id)), NULL, err);
}

/* ---- revocations ---- */

enum gw_code gw_sqlite_revocation_insert(struct gw_store *s, const struct gw_uuid *jti, int64_t expires_s,
                                         struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), REVOCATION_INSERT, VALUES(UUID(jti), INT(expires_s)), NULL, err);
}

struct revocation_walk {
    gw_revocation_fn fn;
    void *ctx;
};

static enum gw_code walk_revocation(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    const struct revocation_walk *w = ctx;
    struct gw_uuid jti;
    GW_TRY(gw_db_read_uuid(st, 0, &jti, err));
    return w->fn(w->ctx, &jti, sqlite3_column_int64(st, 1), err);
}

enum gw_code gw_sqlite_revocation_each(struct gw_store *s, gw_revocation_fn fn, void *ctx, struct gw_error *err)
{
    return gw_db_walk(gw_sqlite_db(s), REVOCATION_EACH, NULL, 0, walk_revocation, &(struct revocation_walk){fn, ctx},
                      err);
}

enum gw_code gw_sqlite_revocation_purge(struct gw_store *s, int64_t now_s, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), REVOCATION_PURGE, VALUES(INT(now_s)), NULL, err);
}
