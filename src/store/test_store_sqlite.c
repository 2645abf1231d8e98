/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is SQLite's own: the file, its rights, its schema, and what a spoilt one does.
 */
#include "store/migration.h"
#include "store/store.h"
#include "store/store_sqlite.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[32], path[64];
    struct gw_error err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    strcpy(f->dir, "/tmp/gw-sqlite-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/x.db", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm", "-other"};
    assert_int_equal(chmod(f->dir, 0700), 0);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[80];
        snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static void create(struct fixture *f)
{
    struct gw_store *s = NULL;
    assert_int_equal(gw_store_open_sqlite(f->path, &s, &f->err), GW_OK);
    gw_store_close(s);
}

/* Runs sql as somebody with an SQLite shell would. */
static void edit(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(chmod(f->path, 0600), 0);
}

static void expect_refusal(struct fixture *f, enum gw_code code, const char *says)
{
    struct gw_store *s = NULL;
    assert_int_equal(gw_store_open_sqlite(f->path, &s, &f->err), code);
    assert_null(s);
    if (strstr(f->err.msg, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", f->err.msg, says);
}

static void the_file_and_its_log_are_its_owners_alone(void **state)
{
    struct fixture *f = *state;
    mode_t old = umask(0);
    struct gw_store *s = NULL;
    assert_int_equal(gw_store_open_sqlite(f->path, &s, &f->err), GW_OK);
    umask(old);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        char path[80];
        struct stat st;
        snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    gw_store_close(s);
}

static void a_file_that_others_may_use_is_refused(void **state)
{
    struct fixture *f = *state;
    create(f);
    static const mode_t modes[] = {0604, 0640, 0660, 0602};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(chmod(f->path, modes[i]), 0);
        expect_refusal(f, GW_EINVAL, "chmod 600");
    }
    assert_int_equal(chmod(f->path, 0600), 0);
    create(f);
}

static void a_directory_that_others_may_write_to_is_refused(void **state)
{
    struct fixture *f = *state;
    static const mode_t modes[] = {0770, 0702, 01777};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        assert_int_equal(chmod(f->dir, modes[i]), 0);
        expect_refusal(f, GW_EINVAL, "chmod go-w");
    }
}

static void a_directory_that_is_missing_is_refused(void **state)
{
    struct fixture *f = *state;
    snprintf(f->path, sizeof(f->path), "%s/none/x.db", f->dir);
    expect_refusal(f, GW_EBACKEND, "No such file");
    snprintf(f->path, sizeof(f->path), "%s/x.db", f->dir);
}

static void a_directory_that_is_read_only_is_refused(void **state)
{
    struct fixture *f = *state;
    uid_t self = geteuid(), nobody = 65534;
    if (self == 0) { /* root may write anywhere */
        assert_int_equal(chown(f->dir, nobody, (gid_t)-1), 0);
        assert_int_equal(seteuid(nobody), 0);
    }
    assert_int_equal(chmod(f->dir, 0500), 0);
    expect_refusal(f, GW_EBACKEND, "Permission denied");
    assert_int_equal(seteuid(self), 0);
}

static void a_symbolic_link_is_refused(void **state)
{
    struct fixture *f = *state;
    char other[80];
    snprintf(other, sizeof(other), "%s-other", f->path);
    assert_int_equal(symlink(other, f->path), 0);
    expect_refusal(f, GW_EINVAL, "not a regular file");
    assert_int_equal(access(other, F_OK), -1);
}

static void a_spoilt_file_is_refused(void **state)
{
    struct fixture *f = *state;
    int fd = open(f->path, O_WRONLY | O_CREAT, 0600);
    char noise[8192];
    memset(noise, 'x', sizeof(noise));
    assert_int_equal(write(fd, noise, sizeof(noise)), sizeof(noise));
    assert_int_equal(close(fd), 0);
    expect_refusal(f, GW_EBACKEND, "not a database");
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    create(f);
    edit(f, "PRAGMA user_version = 99");
    expect_refusal(f, GW_EINVAL, "newer");
    char back[40];
    snprintf(back, sizeof(back), "PRAGMA user_version = %u", gw_migration_count);
    edit(f, back);
    create(f);
}

static void a_database_of_the_first_schema_keeps_its_rows(void **state)
{
    struct fixture *f = *state;
    struct gw_store *s = NULL;
    struct gw_user_row u;
    edit(f, gw_migrations[0]);
    edit(f, "PRAGMA user_version = 1");
    edit(f, "INSERT INTO users VALUES (zeroblob(16), 'alice', NULL, 'admin', '', '', 1, 0, 0, 0, 0)");
    assert_int_equal(chmod(f->path, 0600), 0);
    assert_int_equal(gw_store_open_sqlite(f->path, &s, &f->err), GW_OK);
    assert_int_equal(gw_store_user_by_name(s, GW_STR("alice"), &u, &f->err), GW_OK);
    assert_string_equal(u.role, "admin");
    gw_store_close(s);
}

static void a_database_of_another_program_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    edit(f, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    expect_refusal(f, GW_EINVAL, "another program");
    edit(f, "DELETE FROM theirs WHERE x = 1");
}

static void a_schema_that_lacks_a_table_is_refused(void **state)
{
    struct fixture *f = *state;
    create(f);
    edit(f, "DROP TABLE reset_codes");
    expect_refusal(f, GW_EBACKEND, "reset_codes");
}

static void a_row_that_was_edited_too_long_is_an_error_and_no_overrun(void **state)
{
    struct fixture *f = *state;
    create(f);
    edit(f, "INSERT INTO users VALUES (zeroblob(16), 'alice', NULL, hex(zeroblob(100)), '', '', 1, 0, 0, 0, 0, 0)");
    struct gw_store *s = NULL;
    struct gw_user_row u;
    assert_int_equal(gw_store_open_sqlite(f->path, &s, &f->err), GW_OK);
    assert_int_equal(gw_store_user_by_name(s, GW_STR("alice"), &u, &f->err), GW_EBACKEND);
    gw_store_close(s);
}

static void a_transaction_that_can_wait_does_not(void **state)
{
    struct fixture *f = *state;
    struct gw_store *s = NULL;
    sqlite3 *other = NULL;
    create(f);
    assert_int_equal(gw_store_open_sqlite(f->path, &s, &f->err), GW_OK);
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 20; i++) /* the time-out of 5 s each would not pass this test's own */
        assert_int_equal(gw_store_try_begin(s, &f->err), GW_ETIMEOUT);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(gw_store_try_begin(s, &f->err), GW_OK);
    assert_int_equal(gw_store_commit(s, &f->err), GW_OK);
    gw_store_close(s);
}

/* ---- how the audit trail is walked ---- */

/* The plan's lines, one after the other. */
static void explain(sqlite3 *db, const char *sql, char *out, size_t out_size)
{
    char text[4200];
    sqlite3_stmt *st = NULL;
    out[0] = '\0';
    snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        size_t used = strlen(out);
        snprintf(out + used, out_size - used, "%s; ", (const char *)sqlite3_column_text(st, 3));
    }
    assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
}

static void no_query_of_the_audit_trail_sorts(void **state)
{
    struct fixture *f = *state;
    static const struct gw_uuid user = {{1}};
    static const enum gw_outcome refused = GW_OUTCOME_REFUSED;
    static const enum gw_severity high = GW_SEVERITY_HIGH;
    /* All filters together and without each other, each with a period and without, from the start and from a page on. */
    static const struct {
        struct gw_audit_query q;
        const char *index; /* NULL: of rows */
        const char *index_in_period;
    } cases[] = {
        {{0}, NULL, "audit_by_time"},
        {{.outcome = &refused}, NULL, "audit_by_time"},
        {{.resource_type = GW_STR("bots")}, NULL, "audit_by_time"},
        {{.resource_id = GW_STR("7")}, NULL, "audit_by_time"},
        {{.user_id = &user}, "audit_by_user", "audit_by_user"},
        {{.session_id = &user}, "audit_by_session", "audit_by_session"},
        {{.request_id = &user}, "audit_by_request", "audit_by_request"},
        {{.action = GW_STR("user_login")}, "audit_by_action", "audit_by_action"},
        {{.address = GW_STR("192.0.2.1")}, "audit_by_address", "audit_by_address"},
        {{.severity = &high}, "audit_by_severity", "audit_by_severity"},
        {{.resource_type = GW_STR("bots"), .resource_id = GW_STR("7")}, "audit_by_resource", "audit_by_resource"},
        {{.user_id = &user, .action = GW_STR("user_login"), .outcome = &refused}, "audit_by_", "audit_by_"},
    };
    struct gw_store *s = NULL;
    sqlite3 *db = NULL;
    assert_int_equal(gw_store_open_sqlite(f->path, &s, &f->err), GW_OK);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    for (size_t i = 0; i < 8 * sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_audit_query q = cases[i / 8].q;
        q.limit = 100;
        q.since_ms = i & 1 ? 1 : 0;
        q.before_id = i & 2 ? 7 : 0;
        q.newest_id = i & 4 ? 9 : 0;
        gw_auto(gw_buf) struct gw_buf sql = {0};
        struct gw_db_value values[AUDIT_VALUES_MAX];
        size_t count;
        char plan[1024];
        gw_buf_init(&sql, 4096);
        assert_int_equal(gw_sqlite_audit_sql(&q, &sql, values, &count, &f->err), GW_OK);
        explain(db, sql.ptr, plan, sizeof(plan));
        const char *index = i & 1 ? cases[i / 8].index_in_period : cases[i / 8].index;
        bool is_walked_so = index != NULL ? strstr(plan, index) != NULL : strstr(plan, "INDEX audit_by") == NULL;
        if (!is_walked_so || strstr(plan, "TEMP B-TREE") != NULL)
            fail_msg("%s: %s", sql.ptr, plan);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    gw_store_close(s);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_file_and_its_log_are_its_owners_alone),
        CASE(a_file_that_others_may_use_is_refused),
        CASE(a_directory_that_others_may_write_to_is_refused),
        CASE(a_directory_that_is_missing_is_refused),
        CASE(a_directory_that_is_read_only_is_refused),
        CASE(a_symbolic_link_is_refused),
        CASE(a_spoilt_file_is_refused),
        CASE(a_newer_schema_is_refused_and_left_alone),
        CASE(a_database_of_the_first_schema_keeps_its_rows),
        CASE(a_database_of_another_program_is_refused_and_left_alone),
        CASE(a_schema_that_lacks_a_table_is_refused),
        CASE(a_row_that_was_edited_too_long_is_an_error_and_no_overrun),
        CASE(a_transaction_that_can_wait_does_not),
        CASE(no_query_of_the_audit_trail_sorts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
