/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const no_environment[] = {NULL};
static const char *const false_argv[] = {"/bin/false", NULL};
static const char *const absent_argv[] = {"/nowhere/at/all", NULL};
/* Says on descriptor 1 that the trap is set, then waits for ever without a child of its own. */
static const char *const stubborn_argv[] = {"/bin/sh", "-c", "trap '' TERM; echo; while read line; do :; done", NULL};
static const char *const gentle_argv[] = {"/bin/sh", "-c", "trap 'exit 0' TERM; echo; while read line; do :; done",
                                          NULL};

static struct gw_child child(const char *const *argv)
{
    return (struct gw_child){.name = "child",
                             .argv = argv,
                             .environment = no_environment,
                             .run_as = {.uid = (uid_t)-1},
                             .stop_signal = SIGTERM};
}

/* Runs to its end at that time; gives the status. */
static int live_and_die(struct gw_child *c, int64_t from_ms, int64_t to_ms)
{
    siginfo_t info;
    int status = -1;
    assert_int_equal(gw_child_start(c, from_ms, NULL), 0);
    assert_int_equal(waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT), 0);
    assert_true(gw_child_has_ended(c, to_ms, &status));
    assert_int_equal(c->pid, 0);
    return status;
}

static void pauses_grow_up_to_ten_seconds_and_start_anew_after_a_long_life(void **state)
{
    static const int64_t pauses[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};
    (void)state;
    struct gw_child c = child(false_argv);
    int64_t now = 1000;

    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        int status = live_and_die(&c, now, now + 5);
        assert_int_equal(WEXITSTATUS(status), 1);
        assert_int_equal(c.pause_ms, pauses[i]);
        assert_int_equal(c.restart_at_ms, now + 5 + pauses[i]);
        now = c.restart_at_ms;
    }
    (void)live_and_die(&c, now, now + 10000);
    assert_int_equal(c.pause_ms, 100);
}

static void a_program_that_is_not_there_ends_with_127(void **state)
{
    (void)state;
    struct gw_child c = child(absent_argv);
    assert_int_equal(WEXITSTATUS(live_and_die(&c, 0, 1)), 127);
}

static void a_child_that_never_ran_is_left_alone(void **state)
{
    (void)state;
    int status;
    struct gw_child c = child(false_argv);
    assert_false(gw_child_has_ended(&c, 0, &status));
    gw_child_stop(&c, 0);
}

/* Starts it with a pipe on its output and an endless input, and waits until it has set its trap. */
static void start_and_hear(struct gw_child *c)
{
    int output[2], input[2], saved_in = dup(0), saved_out = dup(1);
    char byte;
    assert_int_equal(pipe(output), 0);
    assert_int_equal(pipe(input), 0);
    assert_true(dup2(input[0], 0) == 0 && dup2(output[1], 1) == 1);
    enum gw_code code = gw_child_start(c, 0, NULL);
    assert_true(dup2(saved_in, 0) == 0 && dup2(saved_out, 1) == 1);
    assert_int_equal(code, GW_OK);
    assert_int_equal(read(output[0], &byte, 1), 1);
}

static void stops_gently_or_kills(void **state)
{
    static const char *const *const argvs[] = {gentle_argv, stubborn_argv};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct gw_child c = child(argvs[i]);
        start_and_hear(&c);
        pid_t pid = c.pid;
        gw_child_stop(&c, 50);
        assert_int_equal(c.pid, 0);
        assert_int_equal(kill(pid, 0), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_grow_up_to_ten_seconds_and_start_anew_after_a_long_life),
        cmocka_unit_test(a_program_that_is_not_there_ends_with_127),
        cmocka_unit_test(a_child_that_never_ran_is_left_alone),
        cmocka_unit_test(stops_gently_or_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
