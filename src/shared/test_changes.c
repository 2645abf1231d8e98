/* SPDX-License-Identifier: Apache-2.0 */
#include "shared/changes.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gw_changes ring;

static struct gw_uuid user(uint64_t n)
{
    struct gw_uuid u;
    uint64_t words[2] = {n, ~n};
    memcpy(u.b, words, sizeof(words));
    return u;
}

static void add(uint64_t n)
{
    struct gw_uuid u = user(n);
    gw_changes_add(&ring, &u);
}

static int empty(void **state)
{
    (void)state;
    memset(&ring, 0, sizeof(ring));
    return 0;
}

static void each_is_told_once_in_its_order(void **state)
{
    (void)state;
    uint64_t position = 0;
    struct gw_uuid told, wanted;
    assert_int_equal(gw_changes_next(&ring, &position, &told), GW_CHANGED_NOBODY);
    for (uint64_t n = 1; n < 3 * GW_CHANGES_SLOTS; n++) {
        add(n);
        if (n % 7 != 0)
            continue;
        for (uint64_t k = n - 6; k <= n; k++) {
            assert_int_equal(gw_changes_next(&ring, &position, &told), GW_CHANGED_USER);
            wanted = user(k);
            assert_true(gw_uuid_eq(&told, &wanted));
        }
        assert_int_equal(gw_changes_next(&ring, &position, &told), GW_CHANGED_NOBODY);
    }
}

static void who_is_late_is_told_of_anybody(void **state)
{
    (void)state;
    uint64_t position = 0;
    struct gw_uuid told;
    for (uint64_t n = 1; n <= GW_CHANGES_SLOTS; n++)
        add(n);
    assert_int_equal(gw_changes_next(&ring, &position, &told), GW_CHANGED_ANYBODY);
    assert_int_equal(gw_changes_next(&ring, &position, &told), GW_CHANGED_NOBODY);
    add(7);
    assert_int_equal(gw_changes_next(&ring, &position, &told), GW_CHANGED_USER);
    gw_changes_add(&ring, NULL);
    add(8);
    assert_int_equal(gw_changes_next(&ring, &position, &told), GW_CHANGED_ANYBODY);
    assert_int_equal(gw_changes_next(&ring, &position, &told), GW_CHANGED_NOBODY);
    empty(NULL); /* as another segment would look */
    assert_int_equal(gw_changes_next(&ring, &position, &told), GW_CHANGED_ANYBODY);
}

#define ROUNDS (GW_UNDER_TSAN ? 20000 : 200000)

static void *write_all(void *arg)
{
    (void)arg;
    for (uint64_t n = 1; n <= ROUNDS; n++)
        add(n);
    return NULL;
}

/* Whatever is told was written so, none is told twice, and what was not told of by name was told as anybody's. */
static void nothing_is_told_that_was_not_written(void **state)
{
    (void)state;
    uint64_t position = 0, last = 0;
    pthread_t writer;
    struct gw_uuid told;
    assert_int_equal(pthread_create(&writer, NULL, write_all, NULL), 0);
    while (last < ROUNDS) {
        enum gw_changed change = gw_changes_next(&ring, &position, &told);
        if (change == GW_CHANGED_ANYBODY)
            last = position;
        if (change != GW_CHANGED_USER)
            continue;
        uint64_t words[2];
        memcpy(words, told.b, sizeof(words));
        assert_int_equal(words[0], ~words[1]);
        assert_int_equal(words[0], last + 1);
        last = words[0];
    }
    pthread_join(writer, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_is_told_once_in_its_order, empty),
        cmocka_unit_test_setup(who_is_late_is_told_of_anybody, empty),
        cmocka_unit_test_setup(nothing_is_told_that_was_not_written, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
