/* SPDX-License-Identifier: Apache-2.0 */
#include "store/import_aaiti.h"

#include <gw/cleanup.h>
#include <sqlite3.h>
#include <string.h>

#define BUSY_TIMEOUT_MS 5000

static const char select_users[] =
    "SELECT id, username, email, password_hash, role, is_active FROM users ORDER BY username";
enum { COLUMN_ID, COLUMN_USERNAME, COLUMN_EMAIL, COLUMN_PASSWORD_HASH, COLUMN_ROLE, COLUMN_IS_ACTIVE };

static void db_auto(sqlite3 **db)
{
    sqlite3_close(*db);
}

static void statement_auto(sqlite3_stmt **s)
{
    sqlite3_finalize(*s);
}

static struct gw_str column(sqlite3_stmt *s, int i)
{
    /* The text before its length: sqlite3_column_bytes then counts the converted form. */
    const char *text = (const char *)sqlite3_column_text(s, i);
    int len = sqlite3_column_bytes(s, i);
    return text != NULL ? (struct gw_str){text, (size_t)len} : GW_STR("");
}

/* SQLite opens any file, and a missing table is an error of the statement: what it says is made plain, with what to do. */
static enum gw_code refuse(const char *path, sqlite3 *db, int rc, struct gw_error *err)
{
    static const char mend[] = "give the database file of the A.A.I.T.I backend";
    const char *why = db != NULL ? sqlite3_errmsg(db) : "no memory";
    if ((rc & 0xff) == SQLITE_CANTOPEN && db != NULL && sqlite3_system_errno(db) != 0)
        why = strerror(sqlite3_system_errno(db));
    if ((rc & 0xff) == SQLITE_NOTADB)
        return gw_fail(err, GW_EINVAL, "%s is no SQLite database; %s", path, mend);
    if ((rc & 0xff) == SQLITE_ERROR)
        return gw_fail(err, GW_EINVAL, "%s has no users table of the A.A.I.T.I kind (%s); %s", path, why, mend);
    return gw_fail(err, GW_EINVAL, "cannot read %s: %s; %s", path, why, mend);
}

enum gw_code gw_aaiti_user_each(const char *path, gw_aaiti_user_fn fn, void *ctx, struct gw_error *err)
{
    __attribute__((cleanup(db_auto))) sqlite3 *db = NULL;
    __attribute__((cleanup(statement_auto))) sqlite3_stmt *s = NULL;
    int rc;

    rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_PRIVATECACHE, NULL);
    if (rc != SQLITE_OK)
        return refuse(path, db, rc, err);
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    rc = sqlite3_prepare_v2(db, select_users, sizeof(select_users), &s, NULL);
    if (rc != SQLITE_OK)
        return refuse(path, db, rc, err);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct gw_aaiti_user u = {
            .id = column(s, COLUMN_ID),
            .username = column(s, COLUMN_USERNAME),
            .email = column(s, COLUMN_EMAIL),
            .password_hash = column(s, COLUMN_PASSWORD_HASH),
            .role = column(s, COLUMN_ROLE),
            .active = sqlite3_column_int(s, COLUMN_IS_ACTIVE) != 0,
        };
        GW_TRY(fn(ctx, &u, err));
    }
    if (rc != SQLITE_DONE)
        return gw_fail(err, GW_EBACKEND, "cannot read %s: %s", path, sqlite3_errmsg(db));
    return GW_OK;
}
