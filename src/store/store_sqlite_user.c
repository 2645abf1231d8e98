/* SPDX-License-Identifier: Apache-2.0 */
/* Users in SQLite, their reset codes, and from where they have signed in. */
#include "store/store_sqlite.h"

/* ---- users ---- */

static enum gw_code read_user(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    struct gw_user_row u = {0};
    GW_TRY(gw_db_read_uuid(st, 0, &u.id, err));
    GW_TRY(gw_db_read_text(st, 1, u.username, sizeof(u.username), err));
    GW_TRY(gw_db_read_text(st, 2, u.email, sizeof(u.email), err));
    GW_TRY(gw_db_read_text(st, 3, u.role, sizeof(u.role), err));
    GW_TRY(gw_db_read_text(st, 4, u.upstream_id, sizeof(u.upstream_id), err));
    GW_TRY(gw_db_read_text(st, 5, u.password_hash, sizeof(u.password_hash), err));
    u.active = sqlite3_column_int(st, 6) != 0;
    u.created_s = sqlite3_column_int64(st, 7);
    u.updated_s = sqlite3_column_int64(st, 8);
    u.last_login_s = sqlite3_column_int64(st, 9);
    u.version = (uint32_t)sqlite3_column_int64(st, 10);
    u.service = sqlite3_column_int(st, 11) != 0;
    *(struct gw_user_row *)ctx = u;
    return GW_OK;
}

#define USER_VALUES(u)                                                                              \
    UUID(&(u)->id), TEXT((u)->username), TEXT((u)->email), TEXT((u)->role), TEXT((u)->upstream_id), \
        TEXT((u)->password_hash), INT((u)->active), INT((u)->created_s), INT((u)->updated_s), INT((u)->last_login_s)

/* Says for operators and clients alike what SQLite would say in its own words. */
static enum gw_code user_conflict(enum gw_code code, struct gw_error *err)
{
    if (code == GW_ECONFLICT)
        return gw_fail(err, GW_ECONFLICT, "user name or e-mail is taken");
    return code;
}

enum gw_code gw_sqlite_user_insert(struct gw_store *s, const struct gw_user_row *u, struct gw_error *err)
{
    return user_conflict(
        gw_db_change(gw_sqlite_db(s), USER_INSERT, VALUES(USER_VALUES(u), INT(u->version), INT(u->service)), NULL, err),
        err);
}

enum gw_code gw_sqlite_user_update(struct gw_store *s, struct gw_user_row *u, struct gw_error *err)
{
    int64_t version = 0;
    GW_TRY(user_conflict(gw_db_query_one(gw_sqlite_db(s), USER_UPDATE, VALUES(USER_VALUES(u)), gw_sqlite_read_number,
                                         &version, "user", err),
                         err));
    u->version = (uint32_t)version;
    return GW_OK;
}

enum gw_code gw_sqlite_user_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), USER_DELETE, VALUES(UUID(id)), "user", err);
}

enum gw_code gw_sqlite_user_get(struct gw_store *s, const struct gw_uuid *id, struct gw_user_row *out,
                                struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), USER_GET, VALUES(UUID(id)), read_user, out, "user", err);
}

enum gw_code gw_sqlite_user_by_name(struct gw_store *s, struct gw_str username, struct gw_user_row *out,
                                    struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), USER_BY_NAME, VALUES(SPAN(username)), read_user, out, "user", err);
}

enum gw_code gw_sqlite_user_by_email(struct gw_store *s, struct gw_str email, struct gw_user_row *out,
                                     struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), USER_BY_EMAIL, VALUES(SPAN(email)), read_user, out, "user", err);
}

enum gw_code gw_sqlite_user_count_active(struct gw_store *s, struct gw_str role, int64_t *out, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), USER_COUNT_ACTIVE, VALUES(SPAN(role)), gw_sqlite_read_number, out, "count",
                           err);
}

struct user_walk {
    gw_user_fn fn;
    void *ctx;
};

static enum gw_code walk_user(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    const struct user_walk *w = ctx;
    struct gw_user_row u;
    GW_TRY(read_user(st, &u, err));
    return w->fn(w->ctx, &u, err);
}

enum gw_code gw_sqlite_user_each(struct gw_store *s, gw_user_fn fn, void *ctx, struct gw_error *err)
{
    return gw_db_walk(gw_sqlite_db(s), USER_EACH, NULL, 0, walk_user, &(struct user_walk){fn, ctx}, err);
}

/* ---- from where users have signed in ---- */

enum gw_code gw_sqlite_known_pair_put(struct gw_store *s, const struct gw_uuid *user_id, const struct gw_ip *address,
                                      int64_t now_s, struct gw_error *err)
{
    GW_TRY(gw_db_change(gw_sqlite_db(s), KNOWN_PAIR_PUT,
                        VALUES(UUID(user_id), BLOB(address->b, sizeof(address->b)), INT(now_s)), NULL, err));
    return gw_db_change(gw_sqlite_db(s), KNOWN_PAIR_TRIM, VALUES(UUID(user_id), INT(GW_KNOWN_PAIRS_MAX)), NULL, err);
}

enum gw_code gw_sqlite_known_pair_has(struct gw_store *s, const struct gw_uuid *user_id, const struct gw_ip *address,
                                      int64_t since_s, bool *out, struct gw_error *err)
{
    int64_t count = 0;
    GW_TRY(gw_db_query_one(gw_sqlite_db(s), KNOWN_PAIR_COUNT,
                           VALUES(UUID(user_id), BLOB(address->b, sizeof(address->b)), INT(since_s)),
                           gw_sqlite_read_number, &count, "count", err));
    *out = count > 0;
    return GW_OK;
}

enum gw_code gw_sqlite_known_pair_purge(struct gw_store *s, int64_t before_s, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), KNOWN_PAIR_PURGE, VALUES(INT(before_s)), NULL, err);
}

/* ---- reset codes ---- */

static enum gw_code read_first_uuid(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    return gw_db_read_uuid(st, 0, ctx, err);
}

enum gw_code gw_sqlite_reset_put(struct gw_store *s, const struct gw_reset_row *r, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), RESET_PUT,
                        VALUES(UUID(&r->user_id), BLOB(r->code_hash, sizeof(r->code_hash)), INT(r->expires_s)), NULL,
                        err);
}

enum gw_code gw_sqlite_reset_get(struct gw_store *s, const uint8_t code_hash[32], int64_t now_s,
                                 struct gw_uuid *out_user_id, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), RESET_GET, VALUES(BLOB(code_hash, 32), INT(now_s)), read_first_uuid,
                           out_user_id, "reset code", err);
}

enum gw_code gw_sqlite_reset_delete(struct gw_store *s, const struct gw_uuid *user_id, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), RESET_DELETE, VALUES(UUID(user_id)), NULL, err);
}
