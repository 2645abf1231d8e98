/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static void fake_clock_stands_until_moved(void **state)
{
    (void)state;
    struct gw_fake_clock f;
    gw_fake_clock_init(&f, 1700000000123);
    assert_int_equal(gw_clock_real_ms(&f.clock), 1700000000123);
    assert_int_equal(gw_clock_real_s(&f.clock), 1700000000);
    int64_t mono = gw_clock_mono_ms(&f.clock);
    gw_fake_clock_advance(&f, 1500);
    assert_int_equal(gw_clock_real_ms(&f.clock), 1700000001623);
    assert_int_equal(gw_clock_mono_ms(&f.clock), mono + 1500);
}

static void fake_clock_tells_the_two_times_apart(void **state)
{
    (void)state;
    struct gw_fake_clock f;
    gw_fake_clock_init(&f, 1700000000000);
    assert_int_not_equal(gw_clock_real_ms(&f.clock), gw_clock_mono_ms(&f.clock));
}

/* main() has set the offset to an hour back before the first reading. */
static void offset_moves_real_time_in_test_builds_only(void **state)
{
    (void)state;
    const struct gw_clock *c = gw_system_clock();
    int64_t offset_s = gw_clock_real_s(c) - (int64_t)time(NULL);
#ifdef GW_TEST_HOOKS
    assert_in_range(-offset_s, 3595, 3605);
#else
    assert_in_range(offset_s + 5, 0, 10);
#endif
    setenv("AAITI_TEST_CLOCK_OFFSET_S", "7200", 1);
    assert_in_range(gw_clock_real_s(c) - (int64_t)time(NULL) - offset_s + 5, 0, 10); /* read once */
}

static void system_clock_moves_forward(void **state)
{
    (void)state;
    const struct gw_clock *c = gw_system_clock();
    int64_t before = gw_clock_mono_ms(c);
    assert_true(gw_clock_mono_ms(c) >= before);
}

int main(void)
{
    setenv("AAITI_TEST_CLOCK_OFFSET_S", "-3600", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fake_clock_stands_until_moved),
        cmocka_unit_test(fake_clock_tells_the_two_times_apart),
        cmocka_unit_test(offset_moves_real_time_in_test_builds_only),
        cmocka_unit_test(system_clock_moves_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
