/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/share.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FLOOD 1000000

static struct gw_uuid user(unsigned n)
{
    return (struct gw_uuid){{(uint8_t)(n >> 8), (uint8_t)n, 1}};
}

static void a_flood_is_its_users_alone(void **state)
{
    (void)state;
    struct gw_share s = {.key = {1, 2}};
    for (unsigned n = 0; n < 4; n++)
        gw_share_add(&s, &(struct gw_uuid){{0, (uint8_t)n}}, FLOOD);
    gw_share_add(&s, &(struct gw_uuid){{0, 0}}, 1);
    assert_int_equal(gw_share_of(&s, &(struct gw_uuid){{0, 0}}), FLOOD + 1);
    unsigned met = 0;
    for (unsigned n = 0; n < 10000; n++) {
        const struct gw_uuid u = user(n);
        met += gw_share_of(&s, &u) > 0;
    }
    assert_true(met < 10); /* 4 of 1024 cells, twice: fewer than 1 expected */
}

static void who_is_counted_is_never_told_less(void **state)
{
    (void)state;
    struct gw_share s = {.key = {3, 4}};
    for (unsigned n = 0; n < 3000; n++) {
        const struct gw_uuid u = user(n);
        gw_share_add(&s, &u, n);
    }
    for (unsigned n = 0; n < 3000; n++) {
        const struct gw_uuid u = user(n);
        assert_true(gw_share_of(&s, &u) >= n);
    }
    const struct gw_hash_key key = s.key;
    gw_share_clear(&s);
    const struct gw_uuid u = user(7);
    assert_int_equal(gw_share_of(&s, &u), 0);
    assert_memory_equal(&s.key, &key, sizeof(key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_is_its_users_alone),
        cmocka_unit_test(who_is_counted_is_never_told_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
