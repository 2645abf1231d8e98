/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Key 00..0f and message 00..len-1: the paper's appendix A gives len 15, its reference vectors the others. */
static void agrees_with_the_reference_vectors(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {
        {0, 0x726fdb47dd0e0e31}, {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},
        {8, 0x93f5f5799a932462}, {15, 0xa129ca6149be45e5}, {63, 0x958a324ceb064572},
    };
    const struct gw_hash_key key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    uint8_t message[64];
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_true(gw_hash(&key, message, cases[i].len) == cases[i].hash);
}

static void depends_on_the_key(void **state)
{
    (void)state;
    const struct gw_hash_key a = {1, 2}, b = {1, 3};
    assert_true(gw_hash(&a, "abc", 3) != gw_hash(&b, "abc", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference_vectors),
        cmocka_unit_test(depends_on_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
