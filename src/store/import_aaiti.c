/* SPDX-License-Identifier: Apache-2.0 */
#include "store/import_aaiti.h"

#include <gw/cleanup.h>
#include <sqlite3.h>

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

enum gw_code gw_aaiti_user_each(const char *path, gw_aaiti_user_fn fn, void *ctx, struct gw_error *err)
{
    __attribute__((cleanup(db_auto))) sqlite3 *db = NULL;
    __attribute__((cleanup(statement_auto))) sqlite3_stmt *s = NULL;
    int rc;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_PRIVATECACHE, NULL) != SQLITE_OK)
        return gw_fail(err, GW_EINVAL, "cannot open %s: %s", path, db != NULL ? sqlite3_errmsg(db) : "no memory");
    sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
    if (sqlite3_prepare_v2(db, select_users, sizeof(select_users), &s, NULL) != SQLITE_OK)
        return gw_fail(err, GW_EINVAL, "%s has no users table of the A.A.I.T.I kind: %s", path, sqlite3_errmsg(db));
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
