/* SPDX-License-Identifier: Apache-2.0 */
#include "control/schedule.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

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

static void what_is_due_first_is_waited_for(void **state)
{
    struct gw_agenda g;
    (void)state;
    gw_agenda_init(&g, table, 2, 0);
    assert_int_equal(gw_agenda_next_ms(&g), 1000);
    gw_agenda_run(&g, NULL, 1900); /* late: its next turn is later, too */
    assert_int_equal(gw_agenda_next_ms(&g), 2900);
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

static enum gw_code next_code;

static enum gw_code fickle(struct gw_app *a, struct gw_error *err)
{
    (void)a;
    return next_code == GW_OK ? GW_OK : gw_fail(err, next_code, "no");
}

static void a_failure_is_logged_once_and_its_end_too(void **state)
{
    static const struct gw_task one[] = {{"fickle", 1000, fickle}};
    static const enum gw_code codes[] = {GW_OK,       GW_ETIMEOUT, GW_ETIMEOUT, GW_ETIMEOUT, GW_EBACKEND,
                                         GW_EBACKEND, GW_OK,       GW_OK,       GW_ETIMEOUT};
    struct gw_agenda g;
    char text[4096];
    int ends[2], kept = dup(STDERR_FILENO);
    (void)state;
    gw_agenda_init(&g, one, 1, 0);
    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        next_code = codes[i];
        gw_agenda_run(&g, NULL, (int64_t)(i + 1) * 1000);
    }
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    close(ends[1]);
    ssize_t n = read(ends[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    close(ends[0]);
    size_t lines = 0;
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(lines, 4);
    assert_non_null(strstr(text, "ETIMEOUT"));
    assert_non_null(strstr(text, "EBACKEND"));
    assert_non_null(strstr(text, "passes again"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_that_fails_comes_again_and_stops_no_other),
        cmocka_unit_test(a_failure_is_logged_once_and_its_end_too),
        cmocka_unit_test(what_is_due_first_is_waited_for),
        cmocka_unit_test(turns_that_were_missed_are_not_made_up_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
