/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/spraying.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WINDOW INT64_C(900000)
static const struct gw_spraying_limits limits = {20, WINDOW};
static const struct gw_hash_key key = {3, 4};

static struct gw_spraying *spraying(void)
{
    struct gw_spraying *s = NULL;
    assert_int_equal(gw_spraying_new(&s, NULL), GW_OK);
    return s;
}

static uint64_t hash(unsigned n)
{
    return gw_hash(&key, &n, sizeof(n));
}

/* The how-manieth of different things makes it tell; 0: none up to max. */
static unsigned told_at(struct gw_spraying *s, unsigned cause, unsigned max, int64_t now_ms)
{
    struct gw_spraying_count count;
    for (unsigned n = 1; n <= max; n++)
        if (gw_spraying_note(s, &limits, hash(cause), hash(1000 * cause + n), now_ms, &count))
            return n;
    return 0;
}

static void one_thing_tried_again_and_again_is_no_spraying(void **state)
{
    (void)state;
    gw_auto(gw_spraying) struct gw_spraying *s = spraying();
    struct gw_spraying_count count;
    for (unsigned n = 0; n < 10000; n++)
        assert_false(gw_spraying_note(s, &limits, hash(1), hash(n % 19), 5, &count));
}

static void many_things_are_told_of_once_a_window(void **state)
{
    (void)state;
    for (unsigned cause = 1; cause <= 50; cause++) {
        gw_auto(gw_spraying) struct gw_spraying *s = spraying();
        unsigned at = told_at(s, cause, 100, 5);
        assert_in_range(at, 20, 24); /* two that met in one bit cost one more */
        assert_int_equal(told_at(s, cause, 200, 6), 0);
        assert_in_range(told_at(s, cause, 100, 5 + WINDOW), 20, 24);
    }
}

static void the_count_tells_of_attempts_too(void **state)
{
    (void)state;
    gw_auto(gw_spraying) struct gw_spraying *s = spraying();
    struct gw_spraying_count count = {0};
    for (unsigned n = 0; n < 100; n++)
        (void)gw_spraying_note(s, &limits, hash(1), hash(0), 5, &count);
    for (unsigned n = 1; !gw_spraying_note(s, &limits, hash(1), hash(n), 5, &count); n++)
        assert_true(n < 30);
    assert_int_equal(count.distinct, 20);
    assert_in_range(count.attempts, 119, 125);
}

static void what_is_spread_over_windows_is_not_added_up(void **state)
{
    (void)state;
    gw_auto(gw_spraying) struct gw_spraying *s = spraying();
    struct gw_spraying_count count;
    for (unsigned n = 0; n < 200; n++)
        assert_false(gw_spraying_note(s, &limits, hash(1), hash(n), n * WINDOW / 10, &count));
}

static void one_who_sprays_is_not_pushed_out_by_many_who_slip(void **state)
{
    (void)state;
    gw_auto(gw_spraying) struct gw_spraying *s = spraying();
    struct gw_spraying_count count;
    bool told = false;
    for (unsigned n = 0; n < 3; n++)
        assert_false(gw_spraying_note(s, &limits, hash(1), hash(n), 5, &count));
    for (unsigned n = 3; n < 30; n++) {
        told = gw_spraying_note(s, &limits, hash(1), hash(n), 5, &count) || told;
        for (unsigned other = 0; other < 3000; other++)
            assert_false(gw_spraying_note(s, &limits, hash(100 + n * 3000 + other), hash(n), 5, &count));
    }
    assert_true(told);
}

static void no_more_than_a_hundred_are_told_of_in_a_window(void **state)
{
    (void)state;
    gw_auto(gw_spraying) struct gw_spraying *s = spraying();
    unsigned told = 0;
    for (unsigned cause = 1; cause <= 300; cause++)
        told += told_at(s, cause, 40, WINDOW) != 0;
    assert_int_equal(told, 100);
    assert_int_not_equal(told_at(s, 999, 40, 2 * WINDOW), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thing_tried_again_and_again_is_no_spraying),
        cmocka_unit_test(many_things_are_told_of_once_a_window),
        cmocka_unit_test(the_count_tells_of_attempts_too),
        cmocka_unit_test(what_is_spread_over_windows_is_not_added_up),
        cmocka_unit_test(one_who_sprays_is_not_pushed_out_by_many_who_slip),
        cmocka_unit_test(no_more_than_a_hundred_are_told_of_in_a_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
