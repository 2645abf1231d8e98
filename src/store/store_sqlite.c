/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in SQLite: its statements, its transactions and its table of operations. The connection is db.c's; how a row becomes a
 * struct, a file's each of the nouns.
 */
#include "store/store_sqlite.h"
#include <stdlib.h>

#define USER_COLUMNS \
    "id, username, email, role, upstream_id, password_hash, active, created_s, updated_s, last_login_s, version, service"
#define API_KEY_COLUMNS \
    "id, user_id, public_id, name, hash, scopes, networks, signed, created_s, expires_s, last_used_s, certificate"
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
        "INSERT INTO api_keys (" API_KEY_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
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

enum gw_code gw_sqlite_read_number(sqlite3_stmt *st, void *out, struct gw_error *err)
{
    (void)err;
    *(int64_t *)out = sqlite3_column_int64(st, 0);
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
    .user_insert = gw_sqlite_user_insert,
    .user_update = gw_sqlite_user_update,
    .user_delete = gw_sqlite_user_delete,
    .user_get = gw_sqlite_user_get,
    .user_by_name = gw_sqlite_user_by_name,
    .user_by_email = gw_sqlite_user_by_email,
    .user_count_active = gw_sqlite_user_count_active,
    .user_each = gw_sqlite_user_each,
    .session_insert = gw_sqlite_session_insert,
    .session_get = gw_sqlite_session_get,
    .session_delete = gw_sqlite_session_delete,
    .session_touch = gw_sqlite_session_touch,
    .session_each = gw_sqlite_session_each,
    .refresh_insert = gw_sqlite_refresh_insert,
    .refresh_get = gw_sqlite_refresh_get,
    .refresh_newest = gw_sqlite_refresh_newest,
    .refresh_spend = gw_sqlite_refresh_spend,
    .refresh_delete = gw_sqlite_refresh_delete,
    .known_pair_put = gw_sqlite_known_pair_put,
    .known_pair_has = gw_sqlite_known_pair_has,
    .known_pair_purge = gw_sqlite_known_pair_purge,
    .revocation_insert = gw_sqlite_revocation_insert,
    .revocation_each = gw_sqlite_revocation_each,
    .revocation_purge = gw_sqlite_revocation_purge,
    .block_insert = gw_sqlite_block_insert,
    .block_extend = gw_sqlite_block_extend,
    .block_end = gw_sqlite_block_end,
    .block_get = gw_sqlite_block_get,
    .block_of_network = gw_sqlite_block_of_network,
    .block_each = gw_sqlite_block_each,
    .block_count = gw_sqlite_block_count,
    .block_count_earlier = gw_sqlite_block_count_earlier,
    .block_purge = gw_sqlite_block_purge,
    .api_key_insert = gw_sqlite_api_key_insert,
    .api_key_get = gw_sqlite_api_key_get,
    .api_key_by_public_id = gw_sqlite_api_key_by_public_id,
    .api_key_each = gw_sqlite_api_key_each,
    .api_key_count = gw_sqlite_api_key_count,
    .api_key_expire = gw_sqlite_api_key_expire,
    .api_key_touch = gw_sqlite_api_key_touch,
    .api_key_delete = gw_sqlite_api_key_delete,
    .reset_put = gw_sqlite_reset_put,
    .reset_get = gw_sqlite_reset_get,
    .reset_delete = gw_sqlite_reset_delete,
    .data_key_insert = gw_sqlite_data_key_insert,
    .data_key_each = gw_sqlite_data_key_each,
    .data_key_reserve = gw_sqlite_data_key_reserve,
    .data_key_retire = gw_sqlite_data_key_retire,
    .sealed_put = gw_sqlite_sealed_put,
    .sealed_get = gw_sqlite_sealed_get,
    .sealed_delete = gw_sqlite_sealed_delete,
    .sealed_purge = gw_sqlite_sealed_purge,
    .sealed_count = gw_sqlite_sealed_count,
    .sealed_each_of_key = gw_sqlite_sealed_each_of_key,
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
