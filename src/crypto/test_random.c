/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static enum gw_code broken_fill(const struct gw_random *self, void *dst, size_t n)
{
    (void)self;
    (void)dst;
    (void)n;
    return GW_ECRYPTO;
}

static const struct gw_random broken = {.fill = broken_fill};

static void system_random_fills_all_and_differs(void **state)
{
    (void)state;
    uint8_t a[1000] = {0}, b[1000] = {0};
    assert_int_equal(gw_random_fill(gw_system_random(), a, sizeof(a), NULL), GW_OK);
    assert_int_equal(gw_random_fill(gw_system_random(), b, sizeof(b), NULL), GW_OK);
    assert_memory_not_equal(a, b, sizeof(a));
    /* 32 zero bytes in a row happen once in 2^256: the end was filled too. */
    uint8_t zero[32] = {0};
    assert_memory_not_equal(a + sizeof(a) - 32, zero, 32);
}

static void fake_random_repeats_by_seed(void **state)
{
    (void)state;
    struct gw_fake_random f, g, h;
    gw_fake_random_init(&f, 1);
    gw_fake_random_init(&g, 1);
    gw_fake_random_init(&h, 2);
    uint8_t a[13], b[13], c[13];
    assert_int_equal(gw_random_fill(&f.random, a, sizeof(a), NULL), GW_OK);
    assert_int_equal(gw_random_fill(&g.random, b, sizeof(b), NULL), GW_OK);
    assert_int_equal(gw_random_fill(&h.random, c, sizeof(c), NULL), GW_OK);
    assert_memory_equal(a, b, sizeof(a));
    assert_memory_not_equal(a, c, sizeof(a));
    assert_int_equal(gw_random_fill(&f.random, b, sizeof(b), NULL), GW_OK);
    assert_memory_not_equal(a, b, sizeof(a)); /* it moves on */
}

static void uuid_v7_holds_time_version_and_variant(void **state)
{
    (void)state;
    struct gw_fake_random r;
    struct gw_fake_clock clock;
    gw_fake_random_init(&r, 7);
    gw_fake_clock_init(&clock, INT64_C(0x017f22e279b0)); /* the instant of RFC 9562 appendix A.6 */
    for (int i = 0; i < 64; i++) {
        struct gw_uuid u;
        char text[GW_UUID_LEN + 1];
        assert_int_equal(gw_uuid_v7(&r.random, &clock.clock, &u, NULL), GW_OK);
        gw_uuid_format(&u, text);
        assert_memory_equal(text, "017f22e2-79b0-7", 15);
        assert_int_equal(gw_uuid_v7_ms(&u), INT64_C(0x017f22e279b0));
        assert_non_null(strchr("89ab", text[19]));
    }
}

static void random_text_has_its_length_and_alphabet(void **state)
{
    (void)state;
    struct gw_fake_random r;
    gw_fake_random_init(&r, 3);
    for (size_t n = 0; n <= 48; n++) {
        char text[GW_BASE64URL_LEN(48) + 1];
        assert_int_equal(gw_random_text(&r.random, n, text, NULL), GW_OK);
        assert_int_equal(strlen(text), GW_BASE64URL_LEN(n));
        assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                         strlen(text));
    }
}

static void a_failing_generator_ends_what_asked_for_it(void **state)
{
    (void)state;
    struct gw_error err;
    struct gw_uuid u = {{9}};
    char text[65] = "untouched";
    struct gw_fake_clock clock;
    gw_fake_clock_init(&clock, 1);
    assert_int_equal(gw_random_fill(&broken, text, 4, &err), GW_ECRYPTO);
    assert_int_equal(gw_uuid_v7(&broken, &clock.clock, &u, &err), GW_ECRYPTO);
    assert_int_equal(u.b[0], 9);
    assert_int_equal(gw_random_text(&broken, 48, text, &err), GW_ECRYPTO);
    assert_string_equal(text, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_random_fills_all_and_differs),
        cmocka_unit_test(fake_random_repeats_by_seed),
        cmocka_unit_test(uuid_v7_holds_time_version_and_variant),
        cmocka_unit_test(random_text_has_its_length_and_alphabet),
        cmocka_unit_test(a_failing_generator_ends_what_asked_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
