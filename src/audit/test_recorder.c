/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[32], path[48];
    struct gw_store *store;
    struct gw_fake_clock clock;
    struct gw_fake_random random;
    struct gw_recorder *recorder;
    struct gw_error err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    strcpy(f->dir, "/tmp/gw-recorder-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/test.db", f->dir);
    gw_fake_clock_init(&f->clock, 1795000000000);
    gw_fake_random_init(&f->random, 1);
    assert_int_equal(gw_store_open_sqlite(f->path, &f->store, &f->err), GW_OK);
    assert_int_equal(gw_recorder_new(&f->random.random, &f->clock.clock, &f->recorder, &f->err), GW_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    gw_recorder_free(f->recorder);
    gw_store_close(f->store);
    for (size_t i = 0; i < 3; i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static struct gw_audit_row deletion(void)
{
    struct gw_audit_row r = {.outcome = GW_OUTCOME_DONE};
    strcpy(r.action, "user_deleted");
    return r;
}

static void rows_are_numbered_dated_and_rated(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_row out;
    for (uint64_t n = 1; n <= 2; n++) {
        struct gw_audit_row r = deletion();
        assert_int_equal(gw_recorder_add(f->recorder, f->store, &r, &f->err), GW_OK);
        assert_int_equal(gw_store_audit_get(f->store, &r.writer, n, &out, &f->err), GW_OK);
        assert_int_equal(out.time_ms, 1795000000000);
        assert_int_equal(out.ended_ms, 1795000000000);
        assert_int_equal(out.severity, GW_SEVERITY_HIGH);
        assert_int_equal(out.count, 1);
    }
}

static void a_row_goes_with_the_change_that_failed(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_row r = deletion(), out;
    assert_int_equal(gw_store_begin(f->store, &f->err), GW_OK);
    assert_int_equal(gw_recorder_add(f->recorder, f->store, &r, &f->err), GW_OK);
    assert_int_equal(gw_store_end(f->store, GW_EDENIED, &f->err), GW_EDENIED);
    assert_int_equal(gw_store_audit_get(f->store, &r.writer, r.sequence, &out, &f->err), GW_ENOTFOUND);
}

static void two_lives_of_control_are_two_writers(void **state)
{
    struct fixture *f = *state;
    gw_auto(gw_recorder) struct gw_recorder *next = NULL;
    struct gw_audit_row a = deletion(), b = deletion();
    assert_int_equal(gw_recorder_new(&f->random.random, &f->clock.clock, &next, &f->err), GW_OK);
    assert_int_equal(gw_recorder_add(f->recorder, f->store, &a, &f->err), GW_OK);
    assert_int_equal(gw_recorder_add(next, f->store, &b, &f->err), GW_OK);
    assert_int_equal(a.sequence, b.sequence);
    assert_false(gw_uuid_eq(&a.writer, &b.writer));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rows_are_numbered_dated_and_rated),
        CASE(a_row_goes_with_the_change_that_failed),
        CASE(two_lives_of_control_are_two_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
