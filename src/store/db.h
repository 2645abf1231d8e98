/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One SQLite connection: opened and migrated, guarded for threads, its statements prepared once and run with bound values. Knows
 * no table by name; the store_sqlite files do, and are its only callers.
 */
#include "base/encode.h"
#include <gw/error.h>
#include <gw/str.h>
#include <sqlite3.h>

struct gw_db;

/* A value for ?1, ?2 …; borrows what it points at. Made by the macros below. */
struct gw_db_value {
    enum { GW_DB_INT, GW_DB_TEXT, GW_DB_BLOB } kind;
    int64_t number;
    const void *ptr;
    size_t len;
};

/* Reads the current row of st. A walk goes on while it gives GW_OK. */
typedef enum gw_code (*gw_db_row_fn)(sqlite3_stmt *st, void *ctx, struct gw_error *err);

/* sql[i] becomes statement i. Opening faults as gw_store_open_sqlite. */
GW_MUST_CHECK enum gw_code gw_db_open(const char *path, const char *const *sql, size_t count, struct gw_db **out,
                                      struct gw_error *err);
/* Another connection to a database that this process has open: it only reads, what is committed when a statement begins, and neither
 * waits for who writes nor makes him wait. Closed before the first one. */
GW_MUST_CHECK enum gw_code gw_db_open_reader(const char *path, const char *const *sql, size_t count, struct gw_db **out,
                                             struct gw_error *err);
void gw_db_close(struct gw_db *db);

GW_MUST_CHECK enum gw_code gw_db_begin(struct gw_db *db, struct gw_error *err);
/* GW_ETIMEOUT at once when another process holds the database. */
GW_MUST_CHECK enum gw_code gw_db_try_begin(struct gw_db *db, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_db_commit(struct gw_db *db, struct gw_error *err);
void gw_db_rollback(struct gw_db *db);
/* Takes the lock once more, and gives it back. */
void gw_db_hold(struct gw_db *db);
void gw_db_release(struct gw_db *db);

/* A change; *out_changed (may be NULL) tells how many rows it touched. GW_ECONFLICT: not unique; GW_ENOTFOUND: a row that it refers
 * to is missing. */
GW_MUST_CHECK enum gw_code gw_db_change(struct gw_db *db, unsigned id, const struct gw_db_value *values, size_t count,
                                        int *out_changed, struct gw_error *err);
/* A change of a row that must be there: GW_ENOTFOUND. */
GW_MUST_CHECK enum gw_code gw_db_change_one(struct gw_db *db, unsigned id, const struct gw_db_value *values,
                                            size_t count, const char *noun, struct gw_error *err);
/* A statement that yields one row or none: GW_ENOTFOUND. row reads it into out. */
GW_MUST_CHECK enum gw_code gw_db_query_one(struct gw_db *db, unsigned id, const struct gw_db_value *values,
                                           size_t count, gw_db_row_fn row, void *out, const char *noun,
                                           struct gw_error *err);
/* Every row, in the statement's order. row may not call the store. */
GW_MUST_CHECK enum gw_code gw_db_walk(struct gw_db *db, unsigned id, const struct gw_db_value *values, size_t count,
                                      gw_db_row_fn row, void *ctx, struct gw_error *err);
/* The same with a statement put together for this once: of constant pieces alone. */
GW_MUST_CHECK enum gw_code gw_db_walk_sql(struct gw_db *db, const char *sql, const struct gw_db_value *values,
                                          size_t count, gw_db_row_fn row, void *ctx, struct gw_error *err);

/* Columns of unexpected size are GW_EBACKEND: a file that somebody edited must not overrun a row. */
GW_MUST_CHECK enum gw_code gw_db_read_text(sqlite3_stmt *st, int column, char *dst, size_t dst_size,
                                           struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_db_read_uuid(sqlite3_stmt *st, int column, struct gw_uuid *out, struct gw_error *err);
/* Up to dst_size bytes. */
GW_MUST_CHECK enum gw_code gw_db_read_blob(sqlite3_stmt *st, int column, void *dst, size_t dst_size, size_t *out_len,
                                           struct gw_error *err);
