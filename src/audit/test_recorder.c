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

/* ---- whole rows ---- */

static struct gw_actor somebody(void)
{
    struct gw_actor a = {.user_agent = GW_STR("curl\x1b[31m"),
                         .route = GW_STR("DELETE /aaiti/v1/users/{id}"),
                         .path = GW_STR("/aaiti/v1/users/bob")};
    a.user_id.b[0] = 1;
    a.session_id.b[0] = 2;
    a.request_id.b[0] = 3;
    assert_int_equal(gw_ip_parse(GW_STR("192.0.2.7"), &a.address), GW_OK);
    return a;
}

static void a_row_tells_who_did_what(void **state)
{
    struct gw_audit_row r;
    struct gw_actor by = somebody();
    const struct gw_uuid bob = {{9}};
    (void)state;
    gw_recorder_row(&by,
                    &(struct gw_deed){.action = "user_deleted",
                                      .resource_type = "users",
                                      .resource = &bob,
                                      .details = json_pack("{s:s}", "username", "bob\x7f\n")},
                    &r);
    assert_string_equal(r.action, "user_deleted");
    assert_string_equal(r.resource_type, "users");
    assert_string_equal(r.resource_id, "09000000-0000-0000-0000-000000000000");
    assert_string_equal(r.address, "192.0.2.7");
    assert_string_equal(r.user_agent, "curl?[31m");
    assert_string_equal(r.route, "DELETE /aaiti/v1/users/{id}");
    assert_string_equal(r.path, "/aaiti/v1/users/bob");
    assert_string_equal(r.details, "{\"username\":\"bob?\\n\"}");
    assert_int_equal(r.outcome, GW_OUTCOME_DONE);
    assert_int_equal(r.user_id.b[0], 1);
    assert_int_equal(r.session_id.b[0], 2);
    assert_int_equal(r.request_id.b[0], 3);
}

static void an_operator_has_no_address_and_is_named(void **state)
{
    struct gw_audit_row r;
    struct gw_actor by = {.kind = GW_ACTOR_OPERATOR};
    (void)state;
    gw_recorder_row(&by, &(struct gw_deed){.action = "key_rotated", .resource_type = "keys", .resource_name = "data"},
                    &r);
    assert_string_equal(r.address, "");
    assert_string_equal(r.resource_id, "data");
    assert_string_equal(r.details, "{\"by\":\"operator\"}");
}

static void details_too_long_for_a_row_are_left_out_whole(void **state)
{
    struct gw_audit_row r;
    char text[GW_EVENT_DETAILS_MAX + 1];
    (void)state;
    memset(text, 'x', GW_EVENT_DETAILS_MAX);
    text[GW_EVENT_DETAILS_MAX] = '\0';
    gw_recorder_row(&(struct gw_actor){0},
                    &(struct gw_deed){.action = "user_changed", .details = json_pack("{s:s}", "a", text)}, &r);
    assert_string_equal(r.details, "{\"tooLong\":true}");
}

/* ---- what has no transaction ---- */

static void an_intent_becomes_a_row_with_its_outcome(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_row first = deletion(), second = deletion(), out;
    assert_int_equal(gw_recorder_intend(f->recorder, f->store, &first, &f->err), GW_OK);
    assert_int_equal(gw_recorder_intend(f->recorder, f->store, &second, &f->err), GW_OK);
    assert_int_equal(gw_store_audit_get(f->store, &first.writer, first.sequence, &out, &f->err), GW_ENOTFOUND);
    gw_fake_clock_advance(&f->clock, 5);
    /* The later one first: each finds its own. */
    assert_int_equal(gw_recorder_conclude(f->recorder, f->store, &second, GW_OUTCOME_FAILED, &f->err), GW_OK);
    assert_int_equal(gw_store_audit_get(f->store, &second.writer, second.sequence, &out, &f->err), GW_OK);
    assert_int_equal(out.outcome, GW_OUTCOME_FAILED);
    assert_int_equal(out.ended_ms - out.time_ms, 5);
    assert_int_equal(gw_store_audit_get(f->store, &first.writer, first.sequence, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_recorder_conclude(f->recorder, f->store, &first, GW_OUTCOME_DONE, &f->err), GW_OK);
    assert_int_equal(gw_recorder_conclude(f->recorder, f->store, &first, GW_OUTCOME_DONE, &f->err), GW_ENOTFOUND);
}

static void the_next_life_ends_what_a_killed_one_began(void **state)
{
    struct fixture *f = *state;
    gw_auto(gw_recorder) struct gw_recorder *next = NULL;
    struct gw_audit_row mine = deletion(), workers = deletion(), out;
    size_t count = 9;
    const struct gw_uuid worker = {{7}};
    assert_int_equal(gw_recorder_intend(f->recorder, f->store, &mine, &f->err), GW_OK);
    /* A worker's intent is the journal's to end. */
    workers.writer = worker;
    workers.sequence = workers.count = 1;
    assert_int_equal(gw_store_audit_open_put(f->store, &workers, &f->err), GW_OK);
    assert_int_equal(gw_store_journal_writer_put(f->store, &worker, 0, &f->err), GW_OK);
    assert_int_equal(gw_recorder_new(&f->random.random, &f->clock.clock, &next, &f->err), GW_OK);
    assert_int_equal(gw_recorder_mend(next, f->store, &count, &f->err), GW_OK);
    assert_int_equal(count, 1);
    assert_int_equal(gw_store_audit_get(f->store, &mine.writer, mine.sequence, &out, &f->err), GW_OK);
    assert_int_equal(out.outcome, GW_OUTCOME_UNKNOWN);
    assert_int_equal(gw_store_audit_get(f->store, &worker, 1, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_recorder_mend(next, f->store, &count, &f->err), GW_OK);
    assert_int_equal(count, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(rows_are_numbered_dated_and_rated),        CASE(a_row_goes_with_the_change_that_failed),
        CASE(two_lives_of_control_are_two_writers),     CASE(a_row_tells_who_did_what),
        CASE(an_operator_has_no_address_and_is_named),  CASE(details_too_long_for_a_row_are_left_out_whole),
        CASE(an_intent_becomes_a_row_with_its_outcome), CASE(the_next_life_ends_what_a_killed_one_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
