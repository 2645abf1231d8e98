/* SPDX-License-Identifier: Apache-2.0 */
#include "control/schedule.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int fast_runs, slow_runs;

static enum gw_code fast(struct gw_app *a, struct gw_error *err)
{
    (void)a;
    fast_runs++;
    return gw_fail(err, GW_EBACKEND, "the disk is full");
}

static enum gw_code slow(struct gw_app *a, struct gw_error *err)
{
    (void)a, (void)err;
    slow_runs++;
    return GW_OK;
}

static const struct gw_task table[] = {{"fast", 1000, fast}, {"slow", 60000, slow}};

static void a_task_that_fails_comes_again_and_stops_no_other(void **state)
{
    struct gw_agenda g;
    (void)state;
    fast_runs = slow_runs = 0;
    gw_agenda_init(&g, table, 2, 0);
    for (int64_t now_ms = 0; now_ms <= 120000; now_ms += 500)
        gw_agenda_run(&g, NULL, now_ms);
    assert_int_equal(fast_runs, 120);
    assert_int_equal(slow_runs, 2);
}

static void turns_that_were_missed_are_not_made_up_for(void **state)
{
    struct gw_agenda g;
    (void)state;
    fast_runs = 0;
    gw_agenda_init(&g, table, 2, 0);
    gw_agenda_run(&g, NULL, 3600000);
    gw_agenda_run(&g, NULL, 3600000);
    assert_int_equal(fast_runs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_that_fails_comes_again_and_stops_no_other),
        cmocka_unit_test(turns_that_were_missed_are_not_made_up_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
