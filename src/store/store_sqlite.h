/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the SQLite backend share: the list of statements and how values are bound to them. Inside the backend only.
 */
#include "base/buf.h"
#include "store/db.h"
#include "store/store_ops.h"
#include <string.h>

#define AUDIT_COLUMNS                                                                                                    \
    "writer, sequence, time_ms, ended_ms, action, resource_type, resource_id, user_id, session_id, request_id, address," \
    " user_agent, route, path, outcome, status, reason, severity, count, generation, details"
#define AUDIT_VALUES                                                                                          \
    "?1, ?2, ?3, ?4, ?5, nullif(?6, ''), nullif(?7, ''), nullif(?8, zeroblob(16)), nullif(?9, zeroblob(16))," \
    " nullif(?10, zeroblob(16)), nullif(?11, ''), ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21"

enum gw_sqlite_statement {
    USER_INSERT,
    USER_UPDATE,
    USER_DELETE,
    USER_GET,
    USER_BY_NAME,
    USER_BY_EMAIL,
    USER_COUNT_ACTIVE,
    USER_EACH,
    SESSION_INSERT,
    SESSION_GET,
    SESSION_DELETE,
    SESSION_TOUCH,
    SESSION_EACH,
    SESSION_EACH_OF_USER,
    REFRESH_INSERT,
    REFRESH_GET,
    REFRESH_NEWEST,
    REFRESH_SPEND,
    REFRESH_DELETE,
    KNOWN_PAIR_PUT,
    KNOWN_PAIR_TRIM,
    KNOWN_PAIR_COUNT,
    KNOWN_PAIR_PURGE,
    REVOCATION_INSERT,
    REVOCATION_EACH,
    REVOCATION_PURGE,
    BLOCK_INSERT,
    BLOCK_EXTEND,
    BLOCK_END,
    BLOCK_GET,
    BLOCK_OF_NETWORK,
    BLOCK_EACH,
    BLOCK_COUNT,
    BLOCK_COUNT_EARLIER,
    BLOCK_PURGE,
    API_KEY_INSERT,
    API_KEY_GET,
    API_KEY_BY_PUBLIC_ID,
    API_KEY_EACH,
    API_KEY_EACH_OF_USER,
    API_KEY_COUNT,
    API_KEY_EXPIRE,
    API_KEY_TOUCH,
    API_KEY_DELETE,
    RESET_PUT,
    RESET_GET,
    RESET_DELETE,
    DATA_KEY_INSERT,
    DATA_KEY_EACH,
    DATA_KEY_RESERVE,
    DATA_KEY_RETIRE,
    SEALED_PUT,
    SEALED_GET,
    SEALED_DELETE,
    SEALED_PURGE,
    SEALED_COUNT,
    SEALED_COUNT_OF_KEY,
    SEALED_EACH_OF_KEY,
    AUDIT_ADD,
    AUDIT_GET,
    AUDIT_EACH_AFTER,
    AUDIT_NEWEST,
    AUDIT_PRUNE,
    AUDIT_OPEN_PUT,
    AUDIT_OPEN_TAKE,
    AUDIT_OPEN_TAKE_OLDEST,
    AUDIT_OPEN_EACH_WRITER,
    JOURNAL_FILE_PUT,
    JOURNAL_FILE_GET,
    JOURNAL_FILE_DELETE,
    JOURNAL_WRITER_PUT,
    JOURNAL_WRITER_GET,
    JOURNAL_WRITER_DELETE,
    JOURNAL_WRITER_DELETE_FILES,
    JOURNAL_WRITER_EACH,
    STATEMENT_COUNT
};

#define INT(n) ((struct gw_db_value){.kind = GW_DB_INT, .number = (n)})
#define TEXT(array) ((struct gw_db_value){.kind = GW_DB_TEXT, .ptr = (array), .len = strlen(array)})
#define SPAN(s) ((struct gw_db_value){.kind = GW_DB_TEXT, .ptr = (s).len > 0 ? (s).ptr : "", .len = (s).len})
#define BLOB(p, n) ((struct gw_db_value){.kind = GW_DB_BLOB, .ptr = (p), .len = (n)})
#define UUID(id) BLOB((id)->b, sizeof((id)->b))
/* A list of values and its length: two arguments. */
#define VALUES(...)                            \
    (const struct gw_db_value[]){__VA_ARGS__}, \
        sizeof((const struct gw_db_value[]){__VA_ARGS__}) / sizeof(struct gw_db_value)

struct gw_store_sqlite {
    struct gw_store base; /* first */
    struct gw_db *db;
    struct gw_db *reader; /* of the audit trail: what takes long and need not be of one moment with a change */
};

static inline struct gw_db *gw_sqlite_db(struct gw_store *s)
{
    return ((struct gw_store_sqlite *)s)->db;
}

static inline struct gw_db *gw_sqlite_reader(struct gw_store *s)
{
    return ((struct gw_store_sqlite *)s)->reader;
}

#define AUDIT_VALUES_MAX 16
/* The query as a statement, and the values to bind to it. */
enum gw_code gw_sqlite_audit_sql(const struct gw_audit_query *q, struct gw_buf *out_sql,
                                 struct gw_db_value out_values[AUDIT_VALUES_MAX], size_t *out_count,
                                 struct gw_error *err);

/* For a statement of one number: out is an int64_t. */
enum gw_code gw_sqlite_read_number(sqlite3_stmt *st, void *out, struct gw_error *err);

/* Users: store_sqlite_user.c. */
enum gw_code gw_sqlite_user_insert(struct gw_store *s, const struct gw_user_row *u, struct gw_error *err);
enum gw_code gw_sqlite_user_update(struct gw_store *s, struct gw_user_row *u, struct gw_error *err);
enum gw_code gw_sqlite_user_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err);
enum gw_code gw_sqlite_user_get(struct gw_store *s, const struct gw_uuid *id, struct gw_user_row *out,
                                struct gw_error *err);
enum gw_code gw_sqlite_user_by_name(struct gw_store *s, struct gw_str username, struct gw_user_row *out,
                                    struct gw_error *err);
enum gw_code gw_sqlite_user_by_email(struct gw_store *s, struct gw_str email, struct gw_user_row *out,
                                     struct gw_error *err);
enum gw_code gw_sqlite_user_count_active(struct gw_store *s, struct gw_str role, int64_t *out, struct gw_error *err);
enum gw_code gw_sqlite_user_each(struct gw_store *s, gw_user_fn fn, void *ctx, struct gw_error *err);
enum gw_code gw_sqlite_known_pair_put(struct gw_store *s, const struct gw_uuid *user_id, const struct gw_ip *address,
                                      int64_t now_s, struct gw_error *err);
enum gw_code gw_sqlite_known_pair_has(struct gw_store *s, const struct gw_uuid *user_id, const struct gw_ip *address,
                                      int64_t since_s, bool *out, struct gw_error *err);
enum gw_code gw_sqlite_known_pair_purge(struct gw_store *s, int64_t before_s, struct gw_error *err);
enum gw_code gw_sqlite_reset_put(struct gw_store *s, const struct gw_reset_row *r, struct gw_error *err);
enum gw_code gw_sqlite_reset_get(struct gw_store *s, const uint8_t code_hash[32], int64_t now_s,
                                 struct gw_uuid *out_user_id, struct gw_error *err);
enum gw_code gw_sqlite_reset_delete(struct gw_store *s, const struct gw_uuid *user_id, struct gw_error *err);

/* Sessions: store_sqlite_session.c. */
enum gw_code gw_sqlite_session_insert(struct gw_store *s, const struct gw_session_row *r, struct gw_error *err);
enum gw_code gw_sqlite_session_get(struct gw_store *s, const struct gw_uuid *id, struct gw_session_row *out,
                                   struct gw_error *err);
enum gw_code gw_sqlite_session_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err);
enum gw_code gw_sqlite_session_touch(struct gw_store *s, const struct gw_uuid *id, int64_t last_seen_s,
                                     struct gw_error *err);
enum gw_code gw_sqlite_session_each(struct gw_store *s, const struct gw_uuid *user_id, gw_session_fn fn, void *ctx,
                                    struct gw_error *err);
enum gw_code gw_sqlite_refresh_insert(struct gw_store *s, const struct gw_refresh_row *r, struct gw_error *err);
enum gw_code gw_sqlite_refresh_get(struct gw_store *s, const uint8_t hash[32], struct gw_refresh_row *out,
                                   struct gw_error *err);
enum gw_code gw_sqlite_refresh_newest(struct gw_store *s, const struct gw_uuid *session_id, struct gw_refresh_row *out,
                                      struct gw_error *err);
enum gw_code gw_sqlite_refresh_spend(struct gw_store *s, const uint8_t hash[32], int64_t now_s, struct gw_error *err);
enum gw_code gw_sqlite_refresh_delete(struct gw_store *s, const struct gw_uuid *session_id, struct gw_error *err);
enum gw_code gw_sqlite_revocation_insert(struct gw_store *s, const struct gw_uuid *jti, int64_t expires_s,
                                         struct gw_error *err);
enum gw_code gw_sqlite_revocation_each(struct gw_store *s, gw_revocation_fn fn, void *ctx, struct gw_error *err);
enum gw_code gw_sqlite_revocation_purge(struct gw_store *s, int64_t now_s, struct gw_error *err);

/* Blocks: store_sqlite_block.c. */
enum gw_code gw_sqlite_block_insert(struct gw_store *s, const struct gw_block_row *b, struct gw_error *err);
enum gw_code gw_sqlite_block_extend(struct gw_store *s, const struct gw_uuid *id, int64_t expires_s,
                                    struct gw_error *err);
enum gw_code gw_sqlite_block_end(struct gw_store *s, const struct gw_uuid *id, int64_t ended_s, struct gw_error *err);
enum gw_code gw_sqlite_block_get(struct gw_store *s, const struct gw_uuid *id, struct gw_block_row *out,
                                 struct gw_error *err);
enum gw_code gw_sqlite_block_of_network(struct gw_store *s, const struct gw_cidr *network, struct gw_block_row *out,
                                        struct gw_error *err);
enum gw_code gw_sqlite_block_each(struct gw_store *s, const struct gw_uuid *after, int64_t due_s, size_t count,
                                  gw_block_fn fn, void *ctx, struct gw_error *err);
enum gw_code gw_sqlite_block_count(struct gw_store *s, int64_t *out, struct gw_error *err);
enum gw_code gw_sqlite_block_count_earlier(struct gw_store *s, const struct gw_cidr *network, int64_t since_s,
                                           int64_t *out, struct gw_error *err);
enum gw_code gw_sqlite_block_purge(struct gw_store *s, int64_t before_s, struct gw_error *err);

/* Data keys and secrets: store_sqlite_sealed.c. */
enum gw_code gw_sqlite_data_key_insert(struct gw_store *s, const struct gw_data_key_row *k, struct gw_error *err);
enum gw_code gw_sqlite_data_key_each(struct gw_store *s, gw_data_key_fn fn, void *ctx, struct gw_error *err);
enum gw_code gw_sqlite_data_key_reserve(struct gw_store *s, uint32_t id, uint64_t uses, struct gw_error *err);
enum gw_code gw_sqlite_data_key_retire(struct gw_store *s, uint32_t id, int64_t now_s, struct gw_error *err);
enum gw_code gw_sqlite_sealed_put(struct gw_store *s, const struct gw_sealed_row *r, struct gw_error *err);
enum gw_code gw_sqlite_sealed_get(struct gw_store *s, struct gw_str name, int64_t now_s, struct gw_sealed_row *out,
                                  struct gw_error *err);
enum gw_code gw_sqlite_sealed_delete(struct gw_store *s, struct gw_str name, struct gw_error *err);
enum gw_code gw_sqlite_sealed_purge(struct gw_store *s, int64_t now_s, struct gw_error *err);
enum gw_code gw_sqlite_sealed_count(struct gw_store *s, uint32_t key_id, int64_t *out, struct gw_error *err);
enum gw_code gw_sqlite_sealed_each_of_key(struct gw_store *s, uint32_t key_id, struct gw_str after, size_t count,
                                          gw_sealed_fn fn, void *ctx, struct gw_error *err);

/* API keys: store_sqlite_api_key.c. */
enum gw_code gw_sqlite_api_key_insert(struct gw_store *s, const struct gw_api_key_row *r, struct gw_error *err);
enum gw_code gw_sqlite_api_key_get(struct gw_store *s, const struct gw_uuid *id, struct gw_api_key_row *out,
                                   struct gw_error *err);
enum gw_code gw_sqlite_api_key_by_public_id(struct gw_store *s, struct gw_str public_id, struct gw_api_key_row *out,
                                            struct gw_error *err);
enum gw_code gw_sqlite_api_key_each(struct gw_store *s, const struct gw_uuid *user_id, gw_api_key_fn fn, void *ctx,
                                    struct gw_error *err);
enum gw_code gw_sqlite_api_key_count(struct gw_store *s, int64_t *out, struct gw_error *err);
enum gw_code gw_sqlite_api_key_expire(struct gw_store *s, const struct gw_uuid *id, int64_t expires_s,
                                      struct gw_error *err);
enum gw_code gw_sqlite_api_key_touch(struct gw_store *s, const struct gw_uuid *id, int64_t last_used_s,
                                     struct gw_error *err);
enum gw_code gw_sqlite_api_key_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err);

/* The audit trail's operations: store_sqlite_audit.c. */
enum gw_code gw_sqlite_audit_add(struct gw_store *s, const struct gw_audit_row *r, struct gw_error *err);
enum gw_code gw_sqlite_audit_each(struct gw_store *s, const struct gw_audit_query *q, gw_audit_fn fn, void *ctx,
                                  struct gw_error *err);
enum gw_code gw_sqlite_audit_each_after(struct gw_store *s, int64_t after_id, size_t limit, gw_audit_fn fn, void *ctx,
                                        struct gw_error *err);
enum gw_code gw_sqlite_audit_newest(struct gw_store *s, int64_t *out_id, struct gw_error *err);
enum gw_code gw_sqlite_audit_get(struct gw_store *s, const struct gw_uuid *writer, uint64_t sequence,
                                 struct gw_audit_row *out, struct gw_error *err);
enum gw_code gw_sqlite_audit_prune(struct gw_store *s, int64_t before_ms, size_t limit, struct gw_audit_pruned *out,
                                   struct gw_error *err);
enum gw_code gw_sqlite_audit_open_put(struct gw_store *s, const struct gw_audit_row *r, struct gw_error *err);
enum gw_code gw_sqlite_audit_open_take(struct gw_store *s, const struct gw_uuid *writer,
                                       const struct gw_uuid *request_id, struct gw_audit_row *out,
                                       struct gw_error *err);
enum gw_code gw_sqlite_audit_open_each_writer(struct gw_store *s, gw_journal_writer_fn fn, void *ctx,
                                              struct gw_error *err);
enum gw_code gw_sqlite_journal_file_put(struct gw_store *s, struct gw_str name, const struct gw_uuid *writer,
                                        uint64_t offset, struct gw_error *err);
enum gw_code gw_sqlite_journal_file_get(struct gw_store *s, struct gw_str name, uint64_t *out_offset,
                                        struct gw_error *err);
enum gw_code gw_sqlite_journal_file_delete(struct gw_store *s, struct gw_str name, struct gw_error *err);
enum gw_code gw_sqlite_journal_writer_put(struct gw_store *s, const struct gw_uuid *writer, uint64_t lost,
                                          struct gw_error *err);
enum gw_code gw_sqlite_journal_writer_get(struct gw_store *s, const struct gw_uuid *writer, uint64_t *out_lost,
                                          struct gw_error *err);
enum gw_code gw_sqlite_journal_writer_delete(struct gw_store *s, const struct gw_uuid *writer, struct gw_error *err);
enum gw_code gw_sqlite_journal_writer_each(struct gw_store *s, gw_journal_writer_fn fn, void *ctx,
                                           struct gw_error *err);
