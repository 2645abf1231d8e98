/* SPDX-License-Identifier: Apache-2.0 */
#include "shared/rates.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_MS INT64_C(5000000)
#define MARK UINT64_C(0x51ed270b)
#define WHOLE GW_RATE_SHARE_WHOLE

static const struct gw_hash_key hash_key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

static struct {
    struct gw_rates t;
    struct gw_rates_head head;
    void *memory;
} x;

static void make(uint32_t addresses, uint32_t identities, uint32_t overflow)
{
    const uint32_t slots[GW_RATES_REGIONS] = {addresses, identities, overflow};
    size_t bytes = sizeof(uint64_t) * ((size_t)addresses + identities + overflow);
    memset(&x, 0, sizeof(x));
    x.memory = aligned_alloc(64, bytes);
    assert_non_null(x.memory);
    memset(x.memory, 0, bytes);
    gw_rates_init(&x.t, &x.head, x.memory, slots, &hash_key);
    gw_rates_sweep(&x.t, NOW_MS);
}

static int tear_down(void **state)
{
    (void)state;
    free(x.memory);
    return 0;
}

static struct gw_rate rate_of(int64_t limit, int64_t window_ms)
{
    struct gw_rate rate;
    assert_true(gw_rate_make(limit, window_ms, &rate));
    return rate;
}

static struct gw_rates_subject address(const char *text)
{
    struct gw_ip ip;
    assert_int_equal(gw_ip_parse(gw_str(text), &ip), GW_OK);
    return gw_rates_address(&x.t, &ip);
}

static struct gw_rates_subject v4(uint32_t n)
{
    struct gw_ip ip = {.b = {[10] = 0xff,
                             [11] = 0xff,
                             [12] = (uint8_t)(n >> 24),
                             [13] = (uint8_t)(n >> 16),
                             [14] = (uint8_t)(n >> 8),
                             [15] = (uint8_t)n}};
    return gw_rates_address(&x.t, &ip);
}

/* The n-th /64 of 2001:db8::/32. */
static struct gw_rates_subject attacker(uint32_t n)
{
    struct gw_ip ip = {.b = {0x20, 0x01, 0x0d, 0xb8, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
                             (uint8_t)n, 1, 2, 3, 4, 5, 6, 7, 8}};
    return gw_rates_address(&x.t, &ip);
}

static struct gw_charge charge(struct gw_rates_subject s, const struct gw_rate *rate, int64_t now_ms)
{
    return gw_rates_charge(&x.t, &s, MARK, rate, WHOLE, now_ms);
}

/* ---- who shares ---- */

static void counts_by_address_and_network_of_64(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool share;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},          {"192.0.2.1", "192.0.2.2", false},
        {"2001:db8::1", "2001:db8::ffff:1", true}, {"2001:db8::1", "2001:db8:0:1::1", false},
        {"::ffff:192.0.2.1", "192.0.2.1", true},
    };
    struct gw_rate rate = rate_of(1, 60000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make(1024, 1024, 64);
        assert_true(charge(address(cases[i].a), &rate, NOW_MS).answer.admitted);
        assert_int_equal(!charge(address(cases[i].b), &rate, NOW_MS).answer.admitted, cases[i].share);
        free(x.memory);
    }
    make(1024, 1024, 64);
}

static void each_rate_has_a_backlog_of_its_own(void **state)
{
    (void)state;
    make(1024, 1024, 64);
    struct gw_rate rate = rate_of(1, 60000);
    struct gw_rates_subject s = address("192.0.2.1");
    for (uint64_t mark = 0; mark < 8; mark++) {
        assert_true(gw_rates_charge(&x.t, &s, mark, &rate, WHOLE, NOW_MS).answer.admitted);
        assert_false(gw_rates_charge(&x.t, &s, mark, &rate, WHOLE, NOW_MS).answer.admitted);
    }
}

/* ---- against a table that never forgets ---- */

#define KEYS 300

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void agrees_with_a_table_that_never_forgets(void **state)
{
    (void)state;
    static uint64_t ends[KEYS];
    uint64_t seed = 42;
    make(4096, 1024, 64);
    struct gw_rate rate = rate_of(7, 10000);
    int64_t now_ms = NOW_MS;
    memset(ends, 0, sizeof(ends));
    for (int i = 0; i < 300000; i++) {
        now_ms += next(&seed) % 4 == 0 ? (int64_t)(next(&seed) % 60) : 0;
        uint64_t now = (uint64_t)now_ms * GW_RATE_TICKS_PER_MS;
        uint32_t k = (uint32_t)(next(&seed) % KEYS);
        struct gw_rate_answer want = gw_rate_ask(&rate, WHOLE, ends[k] > now ? ends[k] - now : 0);
        struct gw_charge got = charge(v4(k), &rate, now_ms);
        assert_false(got.shared);
        assert_int_equal(got.answer.admitted, want.admitted);
        assert_int_equal(got.answer.backlog, want.backlog);
        if (want.admitted)
            ends[k] = now + want.backlog;
        if (i % 50 == 0)
            gw_rates_sweep(&x.t, now_ms);
    }
}

/* The time of a word comes round every 12 days: nobody is found there for what he did a round ago. */
static void time_that_comes_round_revives_nothing(void **state)
{
    (void)state;
    const int64_t round_ms = (INT64_C(1) << 34) / GW_RATE_TICKS_PER_MS;
    make(1024, 16, 16);
    struct gw_rate rate = rate_of(5, 60000);
    for (int i = 0; i < 5; i++)
        assert_true(charge(address("192.0.2.1"), &rate, NOW_MS).answer.admitted);
    int64_t now_ms = NOW_MS;
    for (; now_ms < NOW_MS + round_ms; now_ms += 600000)
        gw_rates_sweep(&x.t, now_ms);
    assert_int_equal(charge(address("192.0.2.1"), &rate, NOW_MS + round_ms).answer.remaining, 4);
}

static void counts_go_on_until_nobody_has_swept_for_a_day(void **state)
{
    (void)state;
    static const struct {
        int64_t later_ms;
        uint32_t remaining;
    } cases[] = {{0, 8},     {1000, 8},  {3600 * 1000, 8}, {GW_RATE_WINDOW_MAX_MS + 1, 9},
                 {-1000, 8}, {-60001, 9}}; /* monotonic time went back: another boot */
    struct gw_rate rate = rate_of(10, GW_RATE_WINDOW_MAX_MS);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make(1024, 16, 16);
        assert_int_equal(charge(address("192.0.2.1"), &rate, NOW_MS).answer.remaining, 9);
        gw_rates_sweep(&x.t, NOW_MS + cases[i].later_ms);
        assert_int_equal(charge(address("192.0.2.1"), &rate, NOW_MS).answer.remaining, cases[i].remaining);
        free(x.memory);
    }
    make(1024, 16, 16);
}

static void tells_how_full_it_is(void **state)
{
    (void)state;
    make(2048, 1024, 64);
    struct gw_rate rate = rate_of(10, 60000);
    struct gw_rates_fill fill;
    for (uint32_t n = 0; n < 100; n++)
        assert_true(charge(v4(n), &rate, NOW_MS).answer.admitted);
    for (uint8_t n = 0; n < 7; n++)
        assert_true(charge(gw_rates_identity(&x.t, &(struct gw_uuid){{n}}), &rate, NOW_MS).answer.admitted);
    for (int i = 0; i < 14; i++)
        gw_rates_sweep(&x.t, NOW_MS);
    gw_rates_fill(&x.t, &fill);
    assert_int_equal(fill.live[GW_RATES_ADDRESSES], 100);
    assert_int_equal(fill.live[GW_RATES_IDENTITIES], 7);
    assert_int_equal(fill.slots[GW_RATES_ADDRESSES], 2048);
    assert_int_equal(fill.slots[GW_RATES_IDENTITIES], 1024);
    assert_int_equal(fill.overflows, 0);
    for (int i = 0; i < 14; i++)
        gw_rates_sweep(&x.t, NOW_MS + 60000);
    gw_rates_fill(&x.t, &fill);
    assert_int_equal(fill.live[GW_RATES_ADDRESSES] + fill.live[GW_RATES_IDENTITIES], 0);
}

/* ---- a table that is full ---- */

static void who_finds_no_room_shares_with_his_network(void **state)
{
    (void)state;
    make(GW_RATES_SLOTS_MIN, GW_RATES_SLOTS_MIN, 1024);
    struct gw_rate rate = rate_of(3, 60000);
    struct gw_rates_fill fill;
    for (uint32_t n = 0; n < GW_RATES_SLOTS_MIN; n++)
        assert_false(charge(v4(n << 16), &rate, NOW_MS).shared);
    /* one /24, one budget; another has its own */
    for (uint32_t n = 0; n < 6; n++) {
        struct gw_charge c = charge(v4(UINT32_C(0xc0000200) + n), &rate, NOW_MS);
        assert_true(c.shared);
        assert_int_equal(c.answer.admitted, n < 3);
    }
    assert_true(charge(v4(UINT32_C(0xc6336401)), &rate, NOW_MS).answer.admitted);
    /* one IPv6 /32, one budget */
    for (uint32_t n = 0; n < 6; n++)
        assert_int_equal(charge(attacker(n), &rate, NOW_MS).answer.admitted, n < 3);
    gw_rates_fill(&x.t, &fill);
    assert_int_equal(fill.overflows, 13);
    /* who was there before has lost nothing and got nothing */
    for (uint32_t n = 0; n < GW_RATES_SLOTS_MIN; n++) {
        struct gw_charge c = charge(v4(n << 16), &rate, NOW_MS);
        assert_false(c.shared);
        assert_int_equal(c.answer.remaining, 1);
    }
    /* identities have a region of their own */
    struct gw_uuid id = {{7}};
    struct gw_rates_subject s = gw_rates_identity(&x.t, &id);
    assert_false(charge(s, &rate, NOW_MS).shared);
    /* what has passed makes room */
    assert_false(charge(attacker(1), &rate, NOW_MS + 60000).shared);
}

/* Under a sanitizer each count takes a hundred times as long: there the same is shown of a sixteenth. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHRUNK 4
#endif
#endif
#ifndef SHRUNK
#define SHRUNK 0
#endif
#define ESTABLISHED (1000000u >> SHRUNK)
#define FLOOD (10000000u >> SHRUNK)
#define FLOODED_SLOTS ((UINT32_C(1) << 21) >> SHRUNK)

/* A million who were here first, then ten million more out of one network. */
static void a_flood_of_one_network_hurts_nobody_else(void **state)
{
    (void)state;
    make(FLOODED_SLOTS, 1024, UINT32_C(1) << 15);
    struct gw_rate rate = rate_of(100, 900000);
    uint32_t established_shared = 0, flood_shared = 0, flood_refused = 0;
    for (uint32_t n = 0; n < ESTABLISHED; n++)
        established_shared += charge(v4(n * 2654435761u), &rate, NOW_MS).shared;
    for (uint32_t n = 0; n < FLOOD; n++) {
        struct gw_charge c = charge(attacker(n), &rate, NOW_MS);
        flood_shared += c.shared;
        flood_refused += !c.answer.admitted;
        if (!c.answer.admitted)
            assert_in_range(gw_rate_seconds(c.answer.wait), 1, 9);
    }
    assert_int_equal(established_shared, 0);
    assert_in_range(flood_shared, FLOOD - FLOODED_SLOTS, FLOOD);
    assert_int_equal(flood_refused, flood_shared - 100); /* all that is not its own: one budget */
    uint32_t wrong = 0, newcomers = 0;
    for (uint32_t n = 0; n < ESTABLISHED; n++) {
        struct gw_charge c = charge(v4(n * 2654435761u), &rate, NOW_MS);
        wrong += c.shared || c.answer.remaining != 98;
    }
    assert_int_equal(wrong, 0);
    for (uint32_t n = 0; n < 100; n++)
        newcomers += charge(v4(UINT32_C(0xcb007100) + n * 256), &rate, NOW_MS).answer.admitted;
    assert_int_equal(newcomers, 100);
}

/* ---- threads ---- */

#define THREADS 8
#define EACH 20000
#define CONTESTED 50

static struct gw_rate contested_rate;
static _Atomic uint32_t admitted[CONTESTED];
static pthread_barrier_t start;

static void *ask_all(void *arg)
{
    uint64_t seed = 1 + (uint64_t)(uintptr_t)arg;
    pthread_barrier_wait(&start);
    for (int i = 0; i < EACH; i++) {
        uint32_t n = (uint32_t)(next(&seed) % CONTESTED);
        if (charge(v4(n), &contested_rate, NOW_MS).answer.admitted)
            atomic_fetch_add(&admitted[n], 1);
    }
    return NULL;
}

static void threads_get_the_budget_together_and_no_more(void **state)
{
    (void)state;
    make(128, 16, 16); /* crowded: words are born side by side */
    contested_rate = rate_of(1000, 60000);
    for (uint32_t n = 0; n < CONTESTED; n++)
        admitted[n] = 0;
    pthread_t threads[THREADS];
    pthread_barrier_init(&start, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_all, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    for (uint32_t n = 0; n < CONTESTED; n++)
        assert_int_equal(admitted[n], 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(counts_by_address_and_network_of_64, tear_down),
        cmocka_unit_test_teardown(each_rate_has_a_backlog_of_its_own, tear_down),
        cmocka_unit_test_teardown(agrees_with_a_table_that_never_forgets, tear_down),
        cmocka_unit_test_teardown(time_that_comes_round_revives_nothing, tear_down),
        cmocka_unit_test_teardown(counts_go_on_until_nobody_has_swept_for_a_day, tear_down),
        cmocka_unit_test_teardown(tells_how_full_it_is, tear_down),
        cmocka_unit_test_teardown(who_finds_no_room_shares_with_his_network, tear_down),
        cmocka_unit_test_teardown(a_flood_of_one_network_hurts_nobody_else, tear_down),
        cmocka_unit_test_teardown(threads_get_the_budget_together_and_no_more, tear_down),
    };
    return cmocka_run_group_tests_name("shared/rates", tests, NULL, NULL);
}
