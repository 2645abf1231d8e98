/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mutex is recursive: gw_db_begin takes it and keeps it, so that a transaction belongs to a thread, whose own calls pass while
 * others wait. All statements are prepared at open, so a schema that does not fit them is found there.
 */
#include "store/db.h"

#include "store/migration.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <gw/cleanup.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 1633773940 /* "aait", set by the first migration */
#define BUSY_TIMEOUT_MS 5000

struct gw_db {
    sqlite3 *handle;
    pthread_mutex_t lock; /* recursive */
    bool has_lock;        /* lock was initialised */
    bool in_transaction;  /* under lock */
    bool in_walk;         /* under lock: a callback runs, which may not call the store */
    size_t statement_count;
    sqlite3_stmt **statements;
};

/* ---- errors and locking ---- */

static enum gw_code code_of(int rc)
{
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
        return GW_ECONFLICT;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return GW_ENOTFOUND;
    case SQLITE_NOMEM:
        return GW_ENOMEM;
    default:
        return GW_EBACKEND;
    }
}

static enum gw_code fail(struct gw_db *db, const char *doing, struct gw_error *err)
{
    return gw_fail(err, code_of(sqlite3_extended_errcode(db->handle)), "database: %s: %s", doing,
                   sqlite3_errmsg(db->handle));
}

void gw_db_hold(struct gw_db *db)
{
    int rc = pthread_mutex_lock(&db->lock);
    assert(rc == 0);
    assert(!db->in_walk);
}

void gw_db_release(struct gw_db *db)
{
    int rc = pthread_mutex_unlock(&db->lock);
    assert(rc == 0);
}

/* ---- running a statement ---- */

static enum gw_code execute(struct gw_db *db, const char *sql, const char *doing, struct gw_error *err)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? GW_OK : fail(db, doing, err);
}

static int bind_value(sqlite3_stmt *st, int column, const struct gw_db_value *v)
{
    switch (v->kind) {
    case GW_DB_INT:
        return sqlite3_bind_int64(st, column, v->number);
    case GW_DB_TEXT:
        return sqlite3_bind_text64(st, column, v->ptr, v->len, SQLITE_STATIC, SQLITE_UTF8);
    case GW_DB_BLOB:
        return sqlite3_bind_blob64(st, column, v->ptr, v->len, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

/* Steps to the end, so that a statement outside a transaction is committed, and hands each row to row. */
static enum gw_code step_all(struct gw_db *db, sqlite3_stmt *st, gw_db_row_fn row, void *ctx, struct gw_error *err)
{
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        GW_TRY(row(st, ctx, err));
    return rc == SQLITE_DONE ? GW_OK : fail(db, "step", err);
}

static enum gw_code run_statement(struct gw_db *db, sqlite3_stmt *st, const struct gw_db_value *values, size_t count,
                                  gw_db_row_fn row, void *ctx, struct gw_error *err)
{
    enum gw_code code = GW_OK;
    for (size_t i = 0; i < count && code == GW_OK; i++) {
        if (bind_value(st, (int)i + 1, &values[i]) != SQLITE_OK)
            code = fail(db, "bind", err);
    }
    if (code == GW_OK)
        code = step_all(db, st, row, ctx, err);
    sqlite3_reset(st); /* its result repeats that of the step, which has been looked at */
    sqlite3_clear_bindings(st);
    return code;
}

static enum gw_code run(struct gw_db *db, unsigned id, const struct gw_db_value *values, size_t count, gw_db_row_fn row,
                        void *ctx, struct gw_error *err)
{
    return run_statement(db, db->statements[id], values, count, row, ctx, err);
}

static enum gw_code no_row(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    (void)st, (void)ctx;
    return gw_fail(err, GW_EINTERNAL, "a row from a statement without result");
}

enum gw_code gw_db_change(struct gw_db *db, unsigned id, const struct gw_db_value *values, size_t count,
                          int *out_changed, struct gw_error *err)
{
    gw_db_hold(db);
    enum gw_code code = run(db, id, values, count, no_row, NULL, err);
    if (code == GW_OK && out_changed != NULL)
        *out_changed = sqlite3_changes(db->handle);
    gw_db_release(db);
    return code;
}

enum gw_code gw_db_change_one(struct gw_db *db, unsigned id, const struct gw_db_value *values, size_t count,
                              const char *noun, struct gw_error *err)
{
    int changed = 0;
    GW_TRY(gw_db_change(db, id, values, count, &changed, err));
    return changed > 0 ? GW_OK : gw_fail(err, GW_ENOTFOUND, "no such %s", noun);
}

/* A query for at most one row: what row is called with, and whether it was. */
struct single {
    gw_db_row_fn row;
    void *out;
    bool found;
};

static enum gw_code single_row(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    struct single *one = ctx;
    GW_TRY(one->row(st, one->out, err));
    one->found = true;
    return GW_OK;
}

enum gw_code gw_db_query_one(struct gw_db *db, unsigned id, const struct gw_db_value *values, size_t count,
                             gw_db_row_fn row, void *out, const char *noun, struct gw_error *err)
{
    struct single one = {.row = row, .out = out};
    gw_db_hold(db);
    enum gw_code code = run(db, id, values, count, single_row, &one, err);
    gw_db_release(db);
    GW_TRY(code);
    return one.found ? GW_OK : gw_fail(err, GW_ENOTFOUND, "no such %s", noun);
}

enum gw_code gw_db_walk(struct gw_db *db, unsigned id, const struct gw_db_value *values, size_t count, gw_db_row_fn row,
                        void *ctx, struct gw_error *err)
{
    gw_db_hold(db);
    db->in_walk = true;
    enum gw_code code = run(db, id, values, count, row, ctx, err);
    db->in_walk = false;
    gw_db_release(db);
    return code;
}

enum gw_code gw_db_walk_sql(struct gw_db *db, const char *sql, const struct gw_db_value *values, size_t count,
                            gw_db_row_fn row, void *ctx, struct gw_error *err)
{
    sqlite3_stmt *st = NULL;
    gw_db_hold(db);
    db->in_walk = true;
    enum gw_code code = sqlite3_prepare_v2(db->handle, sql, -1, &st, NULL) == SQLITE_OK
                            ? run_statement(db, st, values, count, row, ctx, err)
                            : fail(db, "prepare", err);
    db->in_walk = false;
    sqlite3_finalize(st);
    gw_db_release(db);
    return code;
}

/* ---- reading columns: a file that somebody edited must not overrun a row ---- */

enum gw_code gw_db_read_text(sqlite3_stmt *st, int column, char *dst, size_t dst_size, struct gw_error *err)
{
    bool is_null = sqlite3_column_type(st, column) == SQLITE_NULL; /* before text is asked for, which may convert it */
    const char *text = (const char *)sqlite3_column_text(st, column);
    if (text == NULL && !is_null) /* no "": a row read so would be written back so */
        return gw_fail(err, GW_ENOMEM, "database: no memory for column %s", sqlite3_column_name(st, column));
    struct gw_str s = {text, (size_t)sqlite3_column_bytes(st, column)};
    if (!gw_str_copy(s, dst, dst_size))
        return gw_fail(err, GW_EBACKEND, "database: column %s is too long or holds a NUL",
                       sqlite3_column_name(st, column));
    return GW_OK;
}

enum gw_code gw_db_read_uuid(sqlite3_stmt *st, int column, struct gw_uuid *out, struct gw_error *err)
{
    const void *blob = sqlite3_column_blob(st, column);
    if (blob == NULL || sqlite3_column_bytes(st, column) != sizeof(out->b))
        return gw_fail(err, GW_EBACKEND, "database: column %s is no UUID", sqlite3_column_name(st, column));
    memcpy(out->b, blob, sizeof(out->b));
    return GW_OK;
}

enum gw_code gw_db_read_blob(sqlite3_stmt *st, int column, void *dst, size_t dst_size, size_t *out_len,
                             struct gw_error *err)
{
    const void *blob = sqlite3_column_blob(st, column); /* NULL also when it is empty */
    size_t len = (size_t)sqlite3_column_bytes(st, column);
    if (len > dst_size)
        return gw_fail(err, GW_EBACKEND, "database: column %s is too long", sqlite3_column_name(st, column));
    if (len > 0)
        memcpy(dst, blob, len);
    *out_len = len;
    return GW_OK;
}

/* ---- transactions ---- */

enum gw_code gw_db_begin(struct gw_db *db, struct gw_error *err)
{
    gw_db_hold(db);
    assert(!db->in_transaction);
    enum gw_code code = execute(db, "BEGIN IMMEDIATE", "begin", err);
    if (code != GW_OK) {
        gw_db_release(db);
        return code;
    }
    db->in_transaction = true;
    return GW_OK;
}

enum gw_code gw_db_try_begin(struct gw_db *db, struct gw_error *err)
{
    gw_db_hold(db);
    sqlite3_busy_timeout(db->handle, 0);
    enum gw_code code = gw_db_begin(db, err);
    bool is_busy = code != GW_OK && (sqlite3_errcode(db->handle) & 0xff) == SQLITE_BUSY;
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    gw_db_release(db);
    return is_busy ? gw_fail(err, GW_ETIMEOUT, "database: another process holds it") : code;
}

static void leave(struct gw_db *db)
{
    /* SQLite has already rolled back by itself after some failures (disk full, I/O): then there is nothing to undo. */
    if (sqlite3_get_autocommit(db->handle) == 0)
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    db->in_transaction = false;
    gw_db_release(db);
}

void gw_db_rollback(struct gw_db *db)
{
    assert(db->in_transaction);
    leave(db);
}

enum gw_code gw_db_commit(struct gw_db *db, struct gw_error *err)
{
    assert(db->in_transaction);
    enum gw_code code = execute(db, "COMMIT", "commit", err);
    leave(db);
    return code;
}

/* ---- opening ---- */

static enum gw_code check_directory(const char *path, struct gw_error *err)
{
    char copy[PATH_MAX];
    if (!gw_str_copy(gw_str(path), copy, sizeof(copy)))
        return gw_fail(err, GW_EINVAL, "the database's file name is longer than %d bytes", PATH_MAX - 1);
    const char *dir = dirname(copy);
    struct stat st;
    if (stat(dir, &st) != 0)
        return gw_fail(err, GW_EBACKEND, "%s: %s", dir, strerror(errno));
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return gw_fail(err, GW_EINVAL, "%s belongs to another user; run: chown %u %s", dir, (unsigned)geteuid(), dir);
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return gw_fail(err, GW_EINVAL, "others may write to %s, which holds the database; run: chmod go-w %s", dir,
                       dir);
    return GW_OK;
}

/* Makes the file 0600 before SQLite sees it; SQLite gives its -wal and -shm files the mode of the database. An existing file is
 * looked at, not opened: closing a descriptor would drop the locks that another connection of this process holds on it. */
static enum gw_code check_file(const char *path, struct gw_error *err)
{
    gw_auto_fd int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        return GW_OK;
    if (errno != EEXIST)
        return gw_fail(err, GW_EBACKEND, "%s: %s", path, strerror(errno));
    struct stat st;
    if (lstat(path, &st) != 0)
        return gw_fail(err, GW_EBACKEND, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return gw_fail(err, GW_EINVAL, "%s is not a regular file", path);
    if (st.st_uid != geteuid())
        return gw_fail(err, GW_EINVAL, "%s belongs to another user; run: chown %u %s", path, (unsigned)geteuid(), path);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return gw_fail(err, GW_EINVAL, "others may use %s; run: chmod 600 %s", path, path);
    return GW_OK;
}

/* The one number that sql yields. */
static enum gw_code read_pragma(struct gw_db *db, const char *sql, int64_t *out, struct gw_error *err)
{
    sqlite3_stmt *st = NULL;
    bool ok = sqlite3_prepare_v2(db->handle, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW;
    enum gw_code code = ok ? GW_OK : fail(db, sql, err);
    if (ok)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return code;
}

static enum gw_code configure(struct gw_db *db, struct gw_error *err)
{
    /* The file's schema is not trusted to call functions, nor double quotes to be strings, nor anybody to write pages past SQL. */
    static const struct {
        int option, on;
    } options[] = {
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0}, {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},
    };
    sqlite3_extended_result_codes(db->handle, 1);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (sqlite3_db_config(db->handle, options[i].option, options[i].on, NULL) != SQLITE_OK)
            return fail(db, "configure", err);
    }
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    GW_TRY(execute(
        db,
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON",
        "configure", err));
    int64_t is_wal = 0;
    GW_TRY(read_pragma(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &is_wal, err));
    if (is_wal == 0)
        return gw_fail(err, GW_EBACKEND, "database: its file system cannot hold a write-ahead log");
    return GW_OK;
}

/* A file of somebody else's must not be migrated into ours. */
static enum gw_code check_origin(struct gw_db *db, int64_t version, struct gw_error *err)
{
    int64_t application = 0, tables = 0;
    GW_TRY(read_pragma(db, "PRAGMA application_id", &application, err));
    GW_TRY(read_pragma(db, "SELECT count(*) FROM sqlite_schema", &tables, err));
    bool is_new = version == 0 && application == 0 && tables == 0;
    if (!is_new && application != APPLICATION_ID)
        return gw_fail(err, GW_EINVAL, "the file is a database of another program");
    if (version > gw_migration_count)
        return gw_fail(err, GW_EINVAL,
                       "the database has schema %lld, newer than this program's %u; use the newer program",
                       (long long)version, gw_migration_count);
    return GW_OK;
}

static enum gw_code migrate_from(struct gw_db *db, int64_t version, struct gw_error *err)
{
    for (unsigned next = (unsigned)version; next < gw_migration_count; next++) {
        char set_version[40];
        snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %u", next + 1);
        GW_TRY(execute(db, gw_migrations[next], "migrate", err));
        GW_TRY(execute(db, set_version, "migrate", err));
    }
    return GW_OK;
}

static enum gw_code migrate(struct gw_db *db, struct gw_error *err)
{
    GW_TRY(execute(db, "BEGIN IMMEDIATE", "migrate", err));
    int64_t version = 0;
    enum gw_code code = read_pragma(db, "PRAGMA user_version", &version, err);
    if (code == GW_OK)
        code = check_origin(db, version, err);
    if (code == GW_OK)
        code = migrate_from(db, version, err);
    if (code == GW_OK)
        return execute(db, "COMMIT", "migrate", err);
    sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL); /* the failure that led here is the one to report */
    return code;
}

static enum gw_code prepare(struct gw_db *db, const char *const *sql, struct gw_error *err)
{
    for (size_t i = 0; i < db->statement_count; i++) {
        if (sqlite3_prepare_v3(db->handle, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL) !=
            SQLITE_OK)
            return fail(db, "prepare", err);
    }
    return GW_OK;
}

static enum gw_code make_lock(struct gw_db *db, struct gw_error *err)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    db->has_lock = pthread_mutex_init(&db->lock, &attr) == 0;
    pthread_mutexattr_destroy(&attr);
    return db->has_lock ? GW_OK : gw_fail(err, GW_EBACKEND, "cannot make a lock");
}

void gw_db_close(struct gw_db *db)
{
    assert(!db->in_transaction);
    for (size_t i = 0; i < db->statement_count; i++)
        sqlite3_finalize(db->statements[i]);
    free(db->statements);
    sqlite3_close(db->handle);
    if (db->has_lock)
        pthread_mutex_destroy(&db->lock);
    free(db);
}

static enum gw_code connect_to(struct gw_db *db, const char *path, int access, struct gw_error *err)
{
    /* Our lock serialises the connection, so SQLite's own would only cost. */
    int flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK)
        return db->handle != NULL ? fail(db, "open", err) : gw_fail(err, GW_ENOMEM, "database: open");
    return configure(db, err);
}

static enum gw_code open_owner(struct gw_db *db, const char *path, struct gw_error *err)
{
    GW_TRY(check_directory(path, err));
    GW_TRY(check_file(path, err));
    GW_TRY(connect_to(db, path, SQLITE_OPEN_READWRITE, err));
    return migrate(db, err);
}

static enum gw_code open_reader(struct gw_db *db, const char *path, struct gw_error *err)
{
    return connect_to(db, path, SQLITE_OPEN_READONLY, err);
}

typedef enum gw_code (*open_fn)(struct gw_db *db, const char *path, struct gw_error *err);

static enum gw_code open_all(struct gw_db *db, const char *path, open_fn open_file, const char *const *sql,
                             size_t count, struct gw_error *err)
{
    GW_TRY(make_lock(db, err));
    db->statements = calloc(count, sizeof(*db->statements));
    if (db->statements == NULL)
        return gw_fail(err, GW_ENOMEM, "database: open");
    db->statement_count = count;
    GW_TRY(open_file(db, path, err));
    return prepare(db, sql, err);
}

static enum gw_code open_new(const char *path, open_fn open_file, const char *const *sql, size_t count,
                             struct gw_db **out, struct gw_error *err)
{
    struct gw_db *db = calloc(1, sizeof(*db));
    if (db == NULL)
        return gw_fail(err, GW_ENOMEM, "database: open");
    enum gw_code code = open_all(db, path, open_file, sql, count, err);
    if (code != GW_OK) {
        gw_db_close(db);
        return code;
    }
    *out = db;
    return GW_OK;
}

enum gw_code gw_db_open(const char *path, const char *const *sql, size_t count, struct gw_db **out,
                        struct gw_error *err)
{
    return open_new(path, open_owner, sql, count, out, err);
}

enum gw_code gw_db_open_reader(const char *path, const char *const *sql, size_t count, struct gw_db **out,
                               struct gw_error *err)
{
    return open_new(path, open_reader, sql, count, out, err);
}
