/* SPDX-License-Identifier: Apache-2.0 */
#include "store/import_aaiti.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

/* The table as A.A.I.T.I v1.2.1 makes it. */
static const char schema[] =
    "CREATE TABLE users (id TEXT PRIMARY KEY, username TEXT UNIQUE NOT NULL, email TEXT UNIQUE NOT NULL, "
    "password_hash TEXT NOT NULL, role TEXT DEFAULT 'trader', created_at DATETIME DEFAULT CURRENT_TIMESTAMP, "
    "updated_at DATETIME, last_login DATETIME, is_active BOOLEAN DEFAULT 1);";
static const char rows[] = "INSERT INTO users (id, username, email, password_hash, role, is_active) VALUES "
                           "('id-z', 'zoe', 'zoe@example.com', '$2b$12$z', NULL, 0), "
                           "('id-a', 'ada', 'ada@example.com', '$2b$12$a', 'admin', 1);";

static char dir[64], path[96];

static void make(const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/gw-test-import-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/db", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

/* "username:id:role:active " for each. */
static enum gw_code collect(void *ctx, const struct gw_aaiti_user *u, struct gw_error *err)
{
    (void)err;
    char *text = ctx;
    snprintf(text + strlen(text), 200 - strlen(text), "%.*s:%.*s:%.*s:%d ", GW_STR_ARG(u->username), GW_STR_ARG(u->id),
             GW_STR_ARG(u->role), u->active);
    return GW_OK;
}

static enum gw_code stop_at_once(void *ctx, const struct gw_aaiti_user *u, struct gw_error *err)
{
    (void)u;
    ++*(int *)ctx;
    return gw_fail(err, GW_ELIMIT, "enough");
}

static void users_come_by_name_with_null_as_empty(void **state)
{
    (void)state;
    char text[200] = "";
    make(schema);
    make(rows);
    assert_int_equal(gw_aaiti_user_each(path, collect, text, NULL), GW_OK);
    assert_string_equal(text, "ada:id-a:admin:1 zoe:id-z::0 ");
}

static void a_failing_callback_ends_the_walk(void **state)
{
    (void)state;
    int calls = 0;
    make(schema);
    make(rows);
    assert_int_equal(gw_aaiti_user_each(path, stop_at_once, &calls, NULL), GW_ELIMIT);
    assert_int_equal(calls, 1);
}

static void refused_saying(const char *why)
{
    char text[200] = "";
    struct gw_error err = {0};
    assert_int_equal(gw_aaiti_user_each(path, collect, text, &err), GW_EINVAL);
    if (strstr(err.msg, why) == NULL || strstr(err.msg, "; give the database file") == NULL)
        fail_msg("no `%s` in: %s", why, err.msg);
}

static void write_text(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void what_is_no_such_database_is_refused(void **state)
{
    (void)state;
    refused_saying("No such file or directory");
    assert_int_not_equal(access(path, F_OK), 0); /* nothing was made of it */
    make("CREATE TABLE users (id TEXT, name TEXT);");
    refused_saying("no such column: username");
    write_text(
        "this is no database, whatever its name says; it is only text that is long enough to be read as a page.");
    refused_saying("is no SQLite database");
    write_text("");
    refused_saying("no such table: users");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(users_come_by_name_with_null_as_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failing_callback_ends_the_walk, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_such_database_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
