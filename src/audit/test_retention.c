/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/retention.h"
#include "audit/test_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)
#define NOW_MS INT64_C(1795000000000)
#define KEEP_MS (400 * DAY_MS)
/* The hour that ended KEEP_MS ago. */
#define LIMIT_MS ((NOW_MS - KEEP_MS) / 3600000 * 3600000)

static uint64_t pruned;

static enum gw_code prune(struct rig *g)
{
    const struct gw_retention r = {g->store, g->recorder, &g->journals.clock.clock, KEEP_MS};
    return gw_retention_run(&r, &pruned, &g->err);
}

static void add(struct rig *g, uint64_t n, int64_t time_ms)
{
    struct gw_audit_row r = {.writer = {{1}}, .sequence = n, .time_ms = time_ms, .ended_ms = time_ms, .count = 1};
    strcpy(r.action, "old");
    assert_int_equal(gw_store_audit_add(g->store, &r, &g->err), GW_OK);
}

static enum gw_code keep(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    (void)err;
    *(struct gw_audit_row *)ctx = *r;
    return GW_OK;
}

static void what_is_too_old_goes_and_that_is_told(void **state)
{
    (void)state;
    struct rig g;
    struct gw_audit_row r;
    rig_init(&g);
    static const int64_t times[] = {LIMIT_MS - DAY_MS, NOW_MS, LIMIT_MS - 1, LIMIT_MS, 1000, LIMIT_MS + 1};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        add(&g, i + 1, times[i]);
    assert_int_equal(prune(&g), GW_OK);
    assert_int_equal(pruned, 3);
    assert_string_equal(rig_rows(&g), "old:pending*1 old:pending*1 old:pending*1 audit_pruned:done*3");
    assert_int_equal(gw_store_audit_each(g.store, &(struct gw_audit_query){.limit = 1}, keep, &r, &g.err), GW_OK);
    assert_string_equal(r.details, "{\"since\":\"1970-01-01T00:00:01Z\",\"until\":\"2025-10-14T10:59:59Z\"}");
    /* Nothing more in this hour, nor a row that says so. */
    assert_int_equal(prune(&g), GW_OK);
    assert_int_equal(pruned, 0);
    assert_int_equal(rig_count_rows(&g), 7);
    gw_fake_clock_advance(&g.journals.clock, 3600000);
    assert_int_equal(prune(&g), GW_OK);
    assert_int_equal(pruned, 2);
    rig_done(&g);
}

static void a_turn_is_bounded_and_the_next_goes_on(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    assert_int_equal(gw_store_begin(g.store, &g.err), GW_OK);
    for (uint64_t n = 1; n <= 10101; n++)
        add(&g, n, 1000);
    assert_int_equal(gw_store_commit(g.store, &g.err), GW_OK);
    assert_int_equal(prune(&g), GW_OK);
    assert_int_equal(pruned, 10000);
    assert_int_equal(rig_count_rows(&g), 10101 + 40);
    assert_int_equal(prune(&g), GW_OK);
    assert_int_equal(pruned, 101);
    rig_done(&g);
}

static void an_id_is_never_given_again(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    add(&g, 1, NOW_MS);
    add(&g, 2, 1000); /* the newest, of a clock that was wrong */
    assert_int_equal(prune(&g), GW_OK);
    assert_int_equal(pruned, 0);
    add(&g, 3, NOW_MS);
    assert_int_equal(prune(&g), GW_OK);
    assert_int_equal(pruned, 1);
    assert_int_equal(rig_count_rows(&g), 4);
    rig_done(&g);
}

static void while_the_database_is_held_nothing_goes(void **state)
{
    (void)state;
    struct rig g;
    struct gw_store *other = NULL;
    rig_init(&g);
    add(&g, 1, 1000);
    add(&g, 2, NOW_MS);
    assert_int_equal(gw_store_open_sqlite(g.database, &other, &g.err), GW_OK);
    assert_int_equal(gw_store_begin(other, &g.err), GW_OK);
    assert_int_equal(prune(&g), GW_ETIMEOUT);
    gw_store_rollback(other);
    gw_store_close(other);
    assert_int_equal(prune(&g), GW_OK);
    assert_int_equal(pruned, 1);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_too_old_goes_and_that_is_told),
        cmocka_unit_test(a_turn_is_bounded_and_the_next_goes_on),
        cmocka_unit_test(an_id_is_never_given_again),
        cmocka_unit_test(while_the_database_is_held_nothing_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
