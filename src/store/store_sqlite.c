/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in SQLite: its statements, and how a row becomes a struct. The connection is db.c's.
 */
#include "store/store_sqlite.h"
#include <stdlib.h>

#define USER_COLUMNS \
    "id, username, email, role, upstream_id, password_hash, active, created_s, updated_s, last_login_s, version, service"
#define API_KEY_COLUMNS \
    "id, user_id, public_id, name, hash, scopes, networks, signed, created_s, expires_s, last_used_s"
#define REFRESH_COLUMNS "hash, session_id, number, spent_s"
#define SEALED_COLUMNS "name, key_id, envelope, expires_s"
#define BLOCK_COLUMNS "id, net, bits, suspect, since_s, expires_s, ended_s, cause, author, reason"
#define SESSION_COLUMNS "id, user_id, created_s, last_seen_s, expires_s, address, user_agent, country"

static const char *const statement_sql[STATEMENT_COUNT] = {
    [USER_INSERT] =
        "INSERT INTO users (" USER_COLUMNS ") VALUES (?1, ?2, nullif(?3, ''), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [USER_UPDATE] =
        "UPDATE users SET username = ?2, email = nullif(?3, ''), role = ?4, upstream_id = ?5, password_hash = ?6,"
        " active = ?7, created_s = ?8, updated_s = ?9, last_login_s = ?10, version = version + 1"
        " WHERE id = ?1 RETURNING version",
    [USER_DELETE] = "DELETE FROM users WHERE id = ?1",
    [USER_GET] = "SELECT " USER_COLUMNS " FROM users WHERE id = ?1",
    [USER_BY_NAME] = "SELECT " USER_COLUMNS " FROM users WHERE username = ?1",
    [USER_BY_EMAIL] = "SELECT " USER_COLUMNS " FROM users WHERE email = ?1",
    [USER_COUNT_ACTIVE] = "SELECT count(*) FROM users WHERE role = ?1 AND active = 1 AND service = 0",
    [USER_EACH] = "SELECT " USER_COLUMNS " FROM users ORDER BY username",
    [SESSION_INSERT] = "INSERT INTO sessions (" SESSION_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SESSION_GET] = "SELECT " SESSION_COLUMNS " FROM sessions WHERE id = ?1",
    [SESSION_DELETE] = "DELETE FROM sessions WHERE id = ?1",
    [SESSION_TOUCH] = "UPDATE sessions SET last_seen_s = max(last_seen_s, ?2) WHERE id = ?1",
    [SESSION_EACH] = "SELECT " SESSION_COLUMNS " FROM sessions ORDER BY last_seen_s, id",
    [SESSION_EACH_OF_USER] = "SELECT " SESSION_COLUMNS " FROM sessions WHERE user_id = ?1 ORDER BY last_seen_s, id",
    [REFRESH_INSERT] = "INSERT INTO refresh_tokens (" REFRESH_COLUMNS ") VALUES (?1, ?2, ?3, ?4)",
    [REFRESH_GET] = "SELECT " REFRESH_COLUMNS " FROM refresh_tokens WHERE hash = ?1",
    [REFRESH_NEWEST] =
        "SELECT " REFRESH_COLUMNS " FROM refresh_tokens WHERE session_id = ?1 ORDER BY number DESC LIMIT 1",
    [REFRESH_SPEND] = "UPDATE refresh_tokens SET spent_s = ?2 WHERE hash = ?1 AND spent_s = 0",
    [REFRESH_DELETE] = "DELETE FROM refresh_tokens WHERE session_id = ?1",
    [KNOWN_PAIR_PUT] = "INSERT INTO known_pairs (user_id, address, last_s) VALUES (?1, ?2, ?3)"
                       " ON CONFLICT (user_id, address) DO UPDATE SET last_s = max(last_s, excluded.last_s)",
    [KNOWN_PAIR_TRIM] = "DELETE FROM known_pairs WHERE user_id = ?1 AND address IN"
                        " (SELECT address FROM known_pairs WHERE user_id = ?1 ORDER BY last_s DESC, address"
                        " LIMIT -1 OFFSET ?2)",
    [KNOWN_PAIR_COUNT] = "SELECT count(*) FROM known_pairs WHERE user_id = ?1 AND address = ?2 AND last_s >= ?3",
    [KNOWN_PAIR_PURGE] = "DELETE FROM known_pairs WHERE last_s < ?1",
    [REVOCATION_INSERT] = "INSERT INTO revocations (jti, expires_s) VALUES (?1, ?2)"
                          " ON CONFLICT (jti) DO UPDATE SET expires_s = max(expires_s, excluded.expires_s)",
    [REVOCATION_EACH] = "SELECT jti, expires_s FROM revocations ORDER BY jti",
    [REVOCATION_PURGE] = "DELETE FROM revocations WHERE expires_s <= ?1",
    [BLOCK_INSERT] = "INSERT INTO blocks (" BLOCK_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [BLOCK_EXTEND] = "UPDATE blocks SET expires_s = ?2 WHERE id = ?1 AND ended_s = 0",
    [BLOCK_END] = "UPDATE blocks SET ended_s = ?2 WHERE id = ?1 AND ended_s = 0",
    [BLOCK_GET] = "SELECT " BLOCK_COLUMNS " FROM blocks WHERE id = ?1 AND ended_s = 0",
    [BLOCK_OF_NETWORK] = "SELECT " BLOCK_COLUMNS " FROM blocks WHERE net = ?1 AND bits = ?2 AND ended_s = 0",
    [BLOCK_EACH] = "SELECT " BLOCK_COLUMNS " FROM blocks WHERE ended_s = 0 AND id > ?1 AND expires_s <= ?2"
                   " ORDER BY id LIMIT ?3",
    [BLOCK_COUNT] = "SELECT count(*) FROM blocks WHERE ended_s = 0",
    [BLOCK_COUNT_EARLIER] = "SELECT count(*) FROM blocks WHERE net = ?1 AND bits = ?2 AND since_s >= ?3 AND suspect = 0"
                            " AND (ended_s = 0 OR ended_s >= expires_s)",
    [BLOCK_PURGE] = "DELETE FROM blocks WHERE ended_s <> 0 AND ended_s < ?1",
    [API_KEY_INSERT] =
        "INSERT INTO api_keys (" API_KEY_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [API_KEY_GET] = "SELECT " API_KEY_COLUMNS " FROM api_keys WHERE id = ?1",
    [API_KEY_BY_PUBLIC_ID] = "SELECT " API_KEY_COLUMNS " FROM api_keys WHERE public_id = ?1",
    [API_KEY_EACH] = "SELECT " API_KEY_COLUMNS " FROM api_keys ORDER BY created_s, id",
    [API_KEY_EACH_OF_USER] = "SELECT " API_KEY_COLUMNS " FROM api_keys WHERE user_id = ?1 ORDER BY created_s, id",
    [API_KEY_COUNT] = "SELECT count(*) FROM api_keys",
    [API_KEY_EXPIRE] = "UPDATE api_keys SET expires_s = iif(expires_s = 0, ?2, min(expires_s, ?2)) WHERE id = ?1",
    [API_KEY_TOUCH] = "UPDATE api_keys SET last_used_s = max(last_used_s, ?2) WHERE id = ?1",
    [API_KEY_DELETE] = "DELETE FROM api_keys WHERE id = ?1",
    [RESET_PUT] = "INSERT INTO reset_codes (user_id, code_hash, expires_s) VALUES (?1, ?2, ?3)"
                  " ON CONFLICT (user_id) DO UPDATE SET code_hash = excluded.code_hash, expires_s = excluded.expires_s",
    [RESET_GET] = "SELECT user_id FROM reset_codes WHERE code_hash = ?1 AND expires_s > ?2",
    [RESET_DELETE] = "DELETE FROM reset_codes WHERE user_id = ?1",
    [DATA_KEY_INSERT] = "INSERT INTO data_keys (id, wrapped, created_s, retired_s, uses) VALUES (?1, ?2, ?3, 0, ?4)",
    [DATA_KEY_EACH] = "SELECT id, wrapped, created_s, retired_s, uses FROM data_keys ORDER BY id",
    [DATA_KEY_RESERVE] = "UPDATE data_keys SET uses = max(uses, ?2) WHERE id = ?1",
    [DATA_KEY_RETIRE] = "UPDATE data_keys SET retired_s = ?2, wrapped = x'' WHERE id = ?1 AND retired_s = 0"
                        " AND NOT EXISTS (SELECT 1 FROM sealed WHERE key_id = ?1)",
    [SEALED_PUT] = "INSERT INTO sealed (" SEALED_COLUMNS ") VALUES (?1, ?2, ?3, ?4)"
                   " ON CONFLICT (name) DO UPDATE SET key_id = excluded.key_id, envelope = excluded.envelope,"
                   " expires_s = excluded.expires_s",
    [SEALED_GET] = "SELECT " SEALED_COLUMNS " FROM sealed WHERE name = ?1 AND (expires_s = 0 OR expires_s > ?2)",
    [SEALED_DELETE] = "DELETE FROM sealed WHERE name = ?1",
    [SEALED_PURGE] = "DELETE FROM sealed WHERE expires_s <> 0 AND expires_s <= ?1",
    [SEALED_COUNT] = "SELECT count(*) FROM sealed",
    [SEALED_COUNT_OF_KEY] = "SELECT count(*) FROM sealed WHERE key_id = ?1",
    [SEALED_EACH_OF_KEY] =
        "SELECT " SEALED_COLUMNS " FROM sealed WHERE key_id = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
    [AUDIT_ADD] = "INSERT INTO audit (" AUDIT_COLUMNS ") VALUES (" AUDIT_VALUES ")",
    [AUDIT_GET] = "SELECT " AUDIT_COLUMNS ", id FROM audit WHERE writer = ?1 AND sequence = ?2",
    [AUDIT_EACH_AFTER] = "SELECT " AUDIT_COLUMNS ", id FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2",
    [AUDIT_NEWEST] = "SELECT coalesce(max(id), 0) FROM audit",
    [AUDIT_PRUNE] = "DELETE FROM audit WHERE id IN"
                    " (SELECT id FROM audit WHERE time_ms < ?1 AND +id < (SELECT max(id) FROM audit)"
                    " ORDER BY time_ms LIMIT ?2) RETURNING time_ms",
    [AUDIT_OPEN_PUT] = "INSERT INTO audit_open (" AUDIT_COLUMNS ") VALUES (" AUDIT_VALUES ")",
    [AUDIT_OPEN_TAKE] = "DELETE FROM audit_open WHERE writer = ?1 AND sequence ="
                        " (SELECT min(sequence) FROM audit_open WHERE writer = ?1 AND request_id = ?2)"
                        " RETURNING " AUDIT_COLUMNS ", 0",
    [AUDIT_OPEN_TAKE_OLDEST] =
        "DELETE FROM audit_open WHERE writer = ?1 AND sequence ="
        " (SELECT min(sequence) FROM audit_open WHERE writer = ?1) RETURNING " AUDIT_COLUMNS ", 0",
    [AUDIT_OPEN_EACH_WRITER] =
        "SELECT DISTINCT writer FROM audit_open WHERE writer NOT IN (SELECT writer FROM journal_writers)",
    [JOURNAL_FILE_PUT] = "INSERT INTO journal_files (name, writer, offset_bytes) VALUES (?1, ?2, ?3)"
                         " ON CONFLICT (name) DO UPDATE SET offset_bytes = excluded.offset_bytes",
    [JOURNAL_FILE_GET] = "SELECT offset_bytes FROM journal_files WHERE name = ?1",
    [JOURNAL_FILE_DELETE] = "DELETE FROM journal_files WHERE name = ?1",
    [JOURNAL_WRITER_PUT] = "INSERT INTO journal_writers (writer, lost) VALUES (?1, ?2)"
                           " ON CONFLICT (writer) DO UPDATE SET lost = excluded.lost",
    [JOURNAL_WRITER_GET] = "SELECT lost FROM journal_writers WHERE writer = ?1",
    [JOURNAL_WRITER_DELETE] = "DELETE FROM journal_writers WHERE writer = ?1",
    [JOURNAL_WRITER_DELETE_FILES] = "DELETE FROM journal_files WHERE writer = ?1",
    [JOURNAL_WRITER_EACH] = "SELECT writer FROM journal_writers ORDER BY writer",
};

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

static enum gw_code read_first_uuid(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    return gw_db_read_uuid(st, 0, ctx, err);
}

static enum gw_code read_number(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    (void)err;
    *(int64_t *)ctx = sqlite3_column_int64(st, 0);
    return GW_OK;
}

/* ---- transactions ---- */

static enum gw_code sqlite_begin(struct gw_store *s, struct gw_error *err)
{
    return gw_db_begin(gw_sqlite_db(s), err);
}

static enum gw_code sqlite_try_begin(struct gw_store *s, struct gw_error *err)
{
    return gw_db_try_begin(gw_sqlite_db(s), err);
}

static enum gw_code sqlite_commit(struct gw_store *s, struct gw_error *err)
{
    return gw_db_commit(gw_sqlite_db(s), err);
}

static void sqlite_rollback(struct gw_store *s)
{
    gw_db_rollback(gw_sqlite_db(s));
}

static void sqlite_hold(struct gw_store *s)
{
    gw_db_hold(gw_sqlite_db(s));
}

static void sqlite_release(struct gw_store *s)
{
    gw_db_release(gw_sqlite_db(s));
}

/* ---- users ---- */

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

static enum gw_code sqlite_user_insert(struct gw_store *s, const struct gw_user_row *u, struct gw_error *err)
{
    return user_conflict(
        gw_db_change(gw_sqlite_db(s), USER_INSERT, VALUES(USER_VALUES(u), INT(u->version), INT(u->service)), NULL, err),
        err);
}

static enum gw_code sqlite_user_update(struct gw_store *s, struct gw_user_row *u, struct gw_error *err)
{
    int64_t version = 0;
    GW_TRY(user_conflict(
        gw_db_query_one(gw_sqlite_db(s), USER_UPDATE, VALUES(USER_VALUES(u)), read_number, &version, "user", err),
        err));
    u->version = (uint32_t)version;
    return GW_OK;
}

static enum gw_code sqlite_user_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), USER_DELETE, VALUES(UUID(id)), "user", err);
}

static enum gw_code sqlite_user_get(struct gw_store *s, const struct gw_uuid *id, struct gw_user_row *out,
                                    struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), USER_GET, VALUES(UUID(id)), read_user, out, "user", err);
}

static enum gw_code sqlite_user_by_name(struct gw_store *s, struct gw_str username, struct gw_user_row *out,
                                        struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), USER_BY_NAME, VALUES(SPAN(username)), read_user, out, "user", err);
}

static enum gw_code sqlite_user_by_email(struct gw_store *s, struct gw_str email, struct gw_user_row *out,
                                         struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), USER_BY_EMAIL, VALUES(SPAN(email)), read_user, out, "user", err);
}

static enum gw_code sqlite_user_count_active(struct gw_store *s, struct gw_str role, int64_t *out, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), USER_COUNT_ACTIVE, VALUES(SPAN(role)), read_number, out, "count", err);
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

static enum gw_code sqlite_user_each(struct gw_store *s, gw_user_fn fn, void *ctx, struct gw_error *err)
{
    return gw_db_walk(gw_sqlite_db(s), USER_EACH, NULL, 0, walk_user, &(struct user_walk){fn, ctx}, err);
}

/* ---- sessions ---- */

static enum gw_code sqlite_session_insert(struct gw_store *s, const struct gw_session_row *r, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), SESSION_INSERT,
                        VALUES(UUID(&r->id), UUID(&r->user_id), INT(r->created_s), INT(r->last_seen_s),
                               INT(r->expires_s), TEXT(r->address), TEXT(r->user_agent), TEXT(r->country)),
                        NULL, err);
}

static enum gw_code sqlite_session_get(struct gw_store *s, const struct gw_uuid *id, struct gw_session_row *out,
                                       struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), SESSION_GET, VALUES(UUID(id)), read_session, out, "session", err);
}

static enum gw_code sqlite_session_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), SESSION_DELETE, VALUES(UUID(id)), "session", err);
}

static enum gw_code sqlite_session_touch(struct gw_store *s, const struct gw_uuid *id, int64_t last_seen_s,
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

static enum gw_code sqlite_session_each(struct gw_store *s, const struct gw_uuid *user_id, gw_session_fn fn, void *ctx,
                                        struct gw_error *err)
{
    struct session_walk w = {fn, ctx};
    if (user_id == NULL)
        return gw_db_walk(gw_sqlite_db(s), SESSION_EACH, NULL, 0, walk_session, &w, err);
    return gw_db_walk(gw_sqlite_db(s), SESSION_EACH_OF_USER, VALUES(UUID(user_id)), walk_session, &w, err);
}

/* ---- refresh tokens ---- */

static enum gw_code sqlite_refresh_insert(struct gw_store *s, const struct gw_refresh_row *r, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), REFRESH_INSERT,
                        VALUES(BLOB(r->hash, sizeof(r->hash)), UUID(&r->session_id), INT(r->number), INT(r->spent_s)),
                        NULL, err);
}

static enum gw_code sqlite_refresh_get(struct gw_store *s, const uint8_t hash[32], struct gw_refresh_row *out,
                                       struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), REFRESH_GET, VALUES(BLOB(hash, 32)), read_refresh, out, "refresh token",
                           err);
}

static enum gw_code sqlite_refresh_newest(struct gw_store *s, const struct gw_uuid *session_id,
                                          struct gw_refresh_row *out, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), REFRESH_NEWEST, VALUES(UUID(session_id)), read_refresh, out,
                           "refresh token", err);
}

static enum gw_code sqlite_refresh_spend(struct gw_store *s, const uint8_t hash[32], int64_t now_s,
                                         struct gw_error *err)
{
    int changed = 0;
    GW_TRY(gw_db_change(gw_sqlite_db(s), REFRESH_SPEND, VALUES(BLOB(hash, 32), INT(now_s)), &changed, err));
    return changed > 0 ? GW_OK : gw_fail(err, GW_ECONFLICT, "the refresh token is spent, or unknown");
}

static enum gw_code sqlite_refresh_delete(struct gw_store *s, const struct gw_uuid *session_id, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), REFRESH_DELETE, VALUES(UUID(session_id)), NULL, err);
}

/* ---- from where users have signed in ---- */

static enum gw_code sqlite_known_pair_put(struct gw_store *s, const struct gw_uuid *user_id,
                                          const struct gw_ip *address, int64_t now_s, struct gw_error *err)
{
    GW_TRY(gw_db_change(gw_sqlite_db(s), KNOWN_PAIR_PUT,
                        VALUES(UUID(user_id), BLOB(address->b, sizeof(address->b)), INT(now_s)), NULL, err));
    return gw_db_change(gw_sqlite_db(s), KNOWN_PAIR_TRIM, VALUES(UUID(user_id), INT(GW_KNOWN_PAIRS_MAX)), NULL, err);
}

static enum gw_code sqlite_known_pair_has(struct gw_store *s, const struct gw_uuid *user_id,
                                          const struct gw_ip *address, int64_t since_s, bool *out, struct gw_error *err)
{
    int64_t count = 0;
    GW_TRY(gw_db_query_one(gw_sqlite_db(s), KNOWN_PAIR_COUNT,
                           VALUES(UUID(user_id), BLOB(address->b, sizeof(address->b)), INT(since_s)), read_number,
                           &count, "count", err));
    *out = count > 0;
    return GW_OK;
}

static enum gw_code sqlite_known_pair_purge(struct gw_store *s, int64_t before_s, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), KNOWN_PAIR_PURGE, VALUES(INT(before_s)), NULL, err);
}

/* ---- revocations ---- */

static enum gw_code sqlite_revocation_insert(struct gw_store *s, const struct gw_uuid *jti, int64_t expires_s,
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

static enum gw_code sqlite_revocation_each(struct gw_store *s, gw_revocation_fn fn, void *ctx, struct gw_error *err)
{
    return gw_db_walk(gw_sqlite_db(s), REVOCATION_EACH, NULL, 0, walk_revocation, &(struct revocation_walk){fn, ctx},
                      err);
}

static enum gw_code sqlite_revocation_purge(struct gw_store *s, int64_t now_s, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), REVOCATION_PURGE, VALUES(INT(now_s)), NULL, err);
}

/* ---- blocks ---- */

static enum gw_code read_block(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    struct gw_block_row b = {0};
    size_t len;
    GW_TRY(gw_db_read_uuid(st, 0, &b.id, err));
    GW_TRY(gw_db_read_blob(st, 1, b.network.net.b, sizeof(b.network.net.b), &len, err));
    int bits = sqlite3_column_int(st, 2);
    if (len != sizeof(b.network.net.b) || bits < 1 || bits > 128)
        return gw_fail(err, GW_EBACKEND, "database: a blocked network is damaged");
    b.network = gw_cidr_around(&b.network.net, (unsigned)bits);
    b.is_suspect = sqlite3_column_int(st, 3) != 0;
    b.since_s = sqlite3_column_int64(st, 4);
    b.expires_s = sqlite3_column_int64(st, 5);
    b.ended_s = sqlite3_column_int64(st, 6);
    GW_TRY(gw_db_read_text(st, 7, b.cause, sizeof(b.cause), err));
    GW_TRY(gw_db_read_text(st, 8, b.author, sizeof(b.author), err));
    GW_TRY(gw_db_read_text(st, 9, b.reason, sizeof(b.reason), err));
    *(struct gw_block_row *)ctx = b;
    return GW_OK;
}

#define NETWORK(n) BLOB((n)->net.b, sizeof((n)->net.b)), INT((n)->bits)

static enum gw_code sqlite_block_insert(struct gw_store *s, const struct gw_block_row *b, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), BLOCK_INSERT,
                        VALUES(UUID(&b->id), NETWORK(&b->network), INT(b->is_suspect), INT(b->since_s),
                               INT(b->expires_s), INT(b->ended_s), TEXT(b->cause), TEXT(b->author), TEXT(b->reason)),
                        NULL, err);
}

static enum gw_code sqlite_block_extend(struct gw_store *s, const struct gw_uuid *id, int64_t expires_s,
                                        struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), BLOCK_EXTEND, VALUES(UUID(id), INT(expires_s)), "block", err);
}

static enum gw_code sqlite_block_end(struct gw_store *s, const struct gw_uuid *id, int64_t ended_s,
                                     struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), BLOCK_END, VALUES(UUID(id), INT(ended_s)), "block", err);
}

static enum gw_code sqlite_block_get(struct gw_store *s, const struct gw_uuid *id, struct gw_block_row *out,
                                     struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), BLOCK_GET, VALUES(UUID(id)), read_block, out, "block", err);
}

static enum gw_code sqlite_block_of_network(struct gw_store *s, const struct gw_cidr *network, struct gw_block_row *out,
                                            struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), BLOCK_OF_NETWORK, VALUES(NETWORK(network)), read_block, out, "block", err);
}

struct block_walk {
    gw_block_fn fn;
    void *ctx;
};

static enum gw_code walk_block(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    const struct block_walk *w = ctx;
    struct gw_block_row b;
    GW_TRY(read_block(st, &b, err));
    return w->fn(w->ctx, &b, err);
}

static enum gw_code sqlite_block_each(struct gw_store *s, const struct gw_uuid *after, int64_t due_s, size_t count,
                                      gw_block_fn fn, void *ctx, struct gw_error *err)
{
    static const struct gw_uuid first;
    return gw_db_walk(gw_sqlite_db(s), BLOCK_EACH,
                      VALUES(UUID(after != NULL ? after : &first), INT(due_s), INT((int64_t)count)), walk_block,
                      &(struct block_walk){fn, ctx}, err);
}

static enum gw_code sqlite_block_count(struct gw_store *s, int64_t *out, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), BLOCK_COUNT, NULL, 0, read_number, out, "count", err);
}

static enum gw_code sqlite_block_count_earlier(struct gw_store *s, const struct gw_cidr *network, int64_t since_s,
                                               int64_t *out, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), BLOCK_COUNT_EARLIER, VALUES(NETWORK(network), INT(since_s)), read_number,
                           out, "count", err);
}

static enum gw_code sqlite_block_purge(struct gw_store *s, int64_t before_s, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), BLOCK_PURGE, VALUES(INT(before_s)), NULL, err);
}

/* ---- reset codes ---- */

static enum gw_code sqlite_reset_put(struct gw_store *s, const struct gw_reset_row *r, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), RESET_PUT,
                        VALUES(UUID(&r->user_id), BLOB(r->code_hash, sizeof(r->code_hash)), INT(r->expires_s)), NULL,
                        err);
}

static enum gw_code sqlite_reset_get(struct gw_store *s, const uint8_t code_hash[32], int64_t now_s,
                                     struct gw_uuid *out_user_id, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), RESET_GET, VALUES(BLOB(code_hash, 32), INT(now_s)), read_first_uuid,
                           out_user_id, "reset code", err);
}

static enum gw_code sqlite_reset_delete(struct gw_store *s, const struct gw_uuid *user_id, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), RESET_DELETE, VALUES(UUID(user_id)), NULL, err);
}

/* ---- data keys and what they seal ---- */

static enum gw_code sqlite_data_key_insert(struct gw_store *s, const struct gw_data_key_row *k, struct gw_error *err)
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

static enum gw_code sqlite_data_key_each(struct gw_store *s, gw_data_key_fn fn, void *ctx, struct gw_error *err)
{
    return gw_db_walk(gw_sqlite_db(s), DATA_KEY_EACH, NULL, 0, walk_data_key, &(struct data_key_walk){fn, ctx}, err);
}

static enum gw_code sqlite_data_key_reserve(struct gw_store *s, uint32_t id, uint64_t uses, struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), DATA_KEY_RESERVE, VALUES(INT(id), INT((int64_t)uses)), "data key", err);
}

static enum gw_code sqlite_data_key_retire(struct gw_store *s, uint32_t id, int64_t now_s, struct gw_error *err)
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

static enum gw_code sqlite_sealed_put(struct gw_store *s, const struct gw_sealed_row *r, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), SEALED_PUT,
                        VALUES(TEXT(r->name), INT(r->key_id), BLOB(r->envelope, r->envelope_len), INT(r->expires_s)),
                        NULL, err);
}

static enum gw_code sqlite_sealed_get(struct gw_store *s, struct gw_str name, int64_t now_s, struct gw_sealed_row *out,
                                      struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), SEALED_GET, VALUES(SPAN(name), INT(now_s)), read_sealed, out, "secret",
                           err);
}

static enum gw_code sqlite_sealed_delete(struct gw_store *s, struct gw_str name, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), SEALED_DELETE, VALUES(SPAN(name)), NULL, err);
}

static enum gw_code sqlite_sealed_purge(struct gw_store *s, int64_t now_s, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), SEALED_PURGE, VALUES(INT(now_s)), NULL, err);
}

static enum gw_code sqlite_sealed_count(struct gw_store *s, uint32_t key_id, int64_t *out, struct gw_error *err)
{
    if (key_id == 0)
        return gw_db_query_one(gw_sqlite_db(s), SEALED_COUNT, NULL, 0, read_number, out, "count", err);
    return gw_db_query_one(gw_sqlite_db(s), SEALED_COUNT_OF_KEY, VALUES(INT(key_id)), read_number, out, "count", err);
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

static enum gw_code sqlite_sealed_each_of_key(struct gw_store *s, uint32_t key_id, struct gw_str after, size_t count,
                                              gw_sealed_fn fn, void *ctx, struct gw_error *err)
{
    return gw_db_walk(gw_sqlite_db(s), SEALED_EACH_OF_KEY, VALUES(INT(key_id), SPAN(after), INT((int64_t)count)),
                      walk_sealed, &(struct sealed_walk){fn, ctx}, err);
}

/* ---- the backend ---- */

static void sqlite_close(struct gw_store *s)
{
    if (gw_sqlite_reader(s) != NULL)
        gw_db_close(gw_sqlite_reader(s));
    gw_db_close(gw_sqlite_db(s));
    free(s);
}

static const struct gw_store_ops sqlite_ops = {
    .close = sqlite_close,
    .begin = sqlite_begin,
    .try_begin = sqlite_try_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .hold = sqlite_hold,
    .release = sqlite_release,
    .user_insert = sqlite_user_insert,
    .user_update = sqlite_user_update,
    .user_delete = sqlite_user_delete,
    .user_get = sqlite_user_get,
    .user_by_name = sqlite_user_by_name,
    .user_by_email = sqlite_user_by_email,
    .user_count_active = sqlite_user_count_active,
    .user_each = sqlite_user_each,
    .session_insert = sqlite_session_insert,
    .session_get = sqlite_session_get,
    .session_delete = sqlite_session_delete,
    .session_touch = sqlite_session_touch,
    .session_each = sqlite_session_each,
    .refresh_insert = sqlite_refresh_insert,
    .refresh_get = sqlite_refresh_get,
    .refresh_newest = sqlite_refresh_newest,
    .refresh_spend = sqlite_refresh_spend,
    .refresh_delete = sqlite_refresh_delete,
    .known_pair_put = sqlite_known_pair_put,
    .known_pair_has = sqlite_known_pair_has,
    .known_pair_purge = sqlite_known_pair_purge,
    .revocation_insert = sqlite_revocation_insert,
    .revocation_each = sqlite_revocation_each,
    .revocation_purge = sqlite_revocation_purge,
    .block_insert = sqlite_block_insert,
    .block_extend = sqlite_block_extend,
    .block_end = sqlite_block_end,
    .block_get = sqlite_block_get,
    .block_of_network = sqlite_block_of_network,
    .block_each = sqlite_block_each,
    .block_count = sqlite_block_count,
    .block_count_earlier = sqlite_block_count_earlier,
    .block_purge = sqlite_block_purge,
    .api_key_insert = gw_sqlite_api_key_insert,
    .api_key_get = gw_sqlite_api_key_get,
    .api_key_by_public_id = gw_sqlite_api_key_by_public_id,
    .api_key_each = gw_sqlite_api_key_each,
    .api_key_count = gw_sqlite_api_key_count,
    .api_key_expire = gw_sqlite_api_key_expire,
    .api_key_touch = gw_sqlite_api_key_touch,
    .api_key_delete = gw_sqlite_api_key_delete,
    .reset_put = sqlite_reset_put,
    .reset_get = sqlite_reset_get,
    .reset_delete = sqlite_reset_delete,
    .data_key_insert = sqlite_data_key_insert,
    .data_key_each = sqlite_data_key_each,
    .data_key_reserve = sqlite_data_key_reserve,
    .data_key_retire = sqlite_data_key_retire,
    .sealed_put = sqlite_sealed_put,
    .sealed_get = sqlite_sealed_get,
    .sealed_delete = sqlite_sealed_delete,
    .sealed_purge = sqlite_sealed_purge,
    .sealed_count = sqlite_sealed_count,
    .sealed_each_of_key = sqlite_sealed_each_of_key,
    .audit_add = gw_sqlite_audit_add,
    .audit_each = gw_sqlite_audit_each,
    .audit_each_after = gw_sqlite_audit_each_after,
    .audit_newest = gw_sqlite_audit_newest,
    .audit_get = gw_sqlite_audit_get,
    .audit_prune = gw_sqlite_audit_prune,
    .audit_open_put = gw_sqlite_audit_open_put,
    .audit_open_take = gw_sqlite_audit_open_take,
    .audit_open_each_writer = gw_sqlite_audit_open_each_writer,
    .journal_file_put = gw_sqlite_journal_file_put,
    .journal_file_get = gw_sqlite_journal_file_get,
    .journal_file_delete = gw_sqlite_journal_file_delete,
    .journal_writer_put = gw_sqlite_journal_writer_put,
    .journal_writer_get = gw_sqlite_journal_writer_get,
    .journal_writer_delete = gw_sqlite_journal_writer_delete,
    .journal_writer_each = gw_sqlite_journal_writer_each,
};

enum gw_code gw_store_open_sqlite(const char *path, struct gw_store **out, struct gw_error *err)
{
    struct gw_store_sqlite *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return gw_fail(err, GW_ENOMEM, "database: open");
    q->base.ops = &sqlite_ops;
    enum gw_code code = gw_db_open(path, statement_sql, STATEMENT_COUNT, &q->db, err);
    if (code != GW_OK) {
        free(q);
        return code;
    }
    code = gw_db_open_reader(path, statement_sql, STATEMENT_COUNT, &q->reader, err);
    if (code != GW_OK) {
        sqlite_close(&q->base);
        return code;
    }
    *out = &q->base;
    return GW_OK;
}
