/* SPDX-License-Identifier: Apache-2.0 */
#include "control/shown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DAY_S INT64_C(86400)
#define END_S (INT64_C(1764000000) + 90 * DAY_S)

/* What is told when so much is left, one after the other. */
struct step {
    int64_t left_s;
    int told;
};

static void walk(const struct step *steps, size_t count)
{
    struct gw_expiry e = {0};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(gw_expiry_step(&e, END_S, END_S - steps[i].left_s), steps[i].told);
}
#define WALK(...) \
    walk((const struct step[]){__VA_ARGS__}, sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void each_warning_is_given_once(void **state)
{
    (void)state;
    WALK({90 * DAY_S, -1}, {30 * DAY_S + 1, -1}, {30 * DAY_S, 30}, {30 * DAY_S - 60, -1}, {14 * DAY_S, 14},
         {8 * DAY_S, -1}, {7 * DAY_S, 7}, {DAY_S + 1, -1}, {DAY_S, 1}, {1, -1}, {0, 0}, {-DAY_S, -1});
}

static void of_several_the_last_is_given(void **state)
{
    (void)state;
    WALK({10 * DAY_S, 14}, {10 * DAY_S, -1}, {-1, 0}, {-2, -1});
}

static void a_clock_that_goes_back_repeats_nothing(void **state)
{
    (void)state;
    WALK({7 * DAY_S, 7}, {20 * DAY_S, -1}, {7 * DAY_S, -1});
}

static void a_new_certificate_begins_anew(void **state)
{
    (void)state;
    struct gw_expiry e = {0};
    assert_int_equal(gw_expiry_step(&e, END_S, END_S - DAY_S), 1);
    assert_int_equal(gw_expiry_step(&e, END_S + 90 * DAY_S, END_S - DAY_S), -1);
    assert_int_equal(gw_expiry_step(&e, END_S + 90 * DAY_S, END_S + 61 * DAY_S), 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_warning_is_given_once),
        cmocka_unit_test(of_several_the_last_is_given),
        cmocka_unit_test(a_clock_that_goes_back_repeats_nothing),
        cmocka_unit_test(a_new_certificate_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
