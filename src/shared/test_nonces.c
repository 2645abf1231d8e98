/* SPDX-License-Identifier: Apache-2.0 */
#include "shared/nonces.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_S INT64_C(1800000000)
#define WINDOW_S 30

static const struct gw_hash_key hash_key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

static struct {
    struct gw_nonces t;
    struct gw_nonces_head head;
    void *memory;
} x;

static void make(uint32_t slots, int64_t since_s)
{
    memset(&x, 0, sizeof(x));
    x.head.since_s = since_s;
    x.head.window_s = WINDOW_S;
    x.memory = aligned_alloc(64, slots * sizeof(uint64_t));
    assert_non_null(x.memory);
    memset(x.memory, 0, slots * sizeof(uint64_t));
    gw_nonces_init(&x.t, &x.head, x.memory, slots, &hash_key);
}

static int tear_down(void **state)
{
    (void)state;
    free(x.memory);
    return 0;
}

static enum gw_nonce_fault take(uint8_t key, const char *text, int64_t stamp_s, int64_t now_s)
{
    const struct gw_nonce n = {.key_id = {{key}}, .text = gw_str(text), .stamp_s = stamp_s};
    return gw_nonces_take(&x.t, &n, now_s);
}

static void each_is_taken_once_while_it_could_come_again(void **state)
{
    (void)state;
    make(64, 0);
    assert_int_equal(take(1, "0123456789abcdef", NOW_S, NOW_S), GW_NONCE_OK);
    assert_int_equal(take(1, "0123456789abcdef", NOW_S, NOW_S), GW_NONCE_REPLAYED);
    assert_int_equal(take(2, "0123456789abcdef", NOW_S, NOW_S), GW_NONCE_OK); /* another key's */
    assert_int_equal(take(1, "0123456789abcdeF", NOW_S, NOW_S), GW_NONCE_OK);
    assert_int_equal(take(1, "0123456789abcdef", NOW_S, NOW_S + WINDOW_S), GW_NONCE_REPLAYED);
    assert_int_equal(take(1, "0123456789abcdef", NOW_S, NOW_S + WINDOW_S + 1), GW_NONCE_STALE);
    assert_int_equal(take(1, "0123456789abcdef", NOW_S + WINDOW_S + 1, NOW_S + WINDOW_S + 1), GW_NONCE_OK);
}

static void timestamps_have_a_window(void **state)
{
    (void)state;
    static const struct {
        int64_t age_s;
        enum gw_nonce_fault fault;
    } rows[] = {
        {WINDOW_S + 1, GW_NONCE_STALE},
        {WINDOW_S, GW_NONCE_OK},
        {0, GW_NONCE_OK},
        {-GW_NONCES_AHEAD_S, GW_NONCE_OK},
        {-GW_NONCES_AHEAD_S - 1, GW_NONCE_EARLY},
    };
    make(64, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[24];
        snprintf(text, sizeof(text), "nonce-number-%05zu", i);
        assert_int_equal(take(1, text, NOW_S - rows[i].age_s, NOW_S), rows[i].fault);
    }
}

/* One from ahead is kept until its own timestamp is too old. */
static void one_from_ahead_is_kept_for_longer(void **state)
{
    (void)state;
    make(64, 0);
    assert_int_equal(take(1, "0123456789abcdef", NOW_S + GW_NONCES_AHEAD_S, NOW_S), GW_NONCE_OK);
    for (int64_t s = 0; s <= WINDOW_S + GW_NONCES_AHEAD_S; s++)
        assert_int_equal(take(1, "0123456789abcdef", NOW_S + GW_NONCES_AHEAD_S, NOW_S + s), GW_NONCE_REPLAYED);
}

/* Whatever the memory before could have taken up to its end. */
static void what_may_have_been_taken_before_is_refused(void **state)
{
    (void)state;
    make(64, NOW_S);
    assert_int_equal(take(1, "0123456789abcdef", NOW_S, NOW_S + 1), GW_NONCE_FORGOTTEN);
    assert_int_equal(take(1, "0123456789abcdef", NOW_S + GW_NONCES_AHEAD_S, NOW_S + 1), GW_NONCE_FORGOTTEN);
    assert_int_equal(take(1, "0123456789abcdef", NOW_S + GW_NONCES_AHEAD_S + 1, NOW_S + 1), GW_NONCE_OK);
}

static void a_clock_set_back_revives_nothing(void **state)
{
    (void)state;
    make(8, 0);
    assert_int_equal(take(1, "0123456789abcdef", NOW_S, NOW_S), GW_NONCE_OK);
    for (int i = 0; i < 8; i++) { /* over it */
        char text[24];
        snprintf(text, sizeof(text), "nonce-number-%05d", i);
        assert_int_equal(take(1, text, NOW_S + 100, NOW_S + 100), GW_NONCE_OK);
    }
    assert_int_equal(take(1, "0123456789abcdef", NOW_S, NOW_S), GW_NONCE_STALE);
}

static void a_full_bucket_refuses_and_forgets_none(void **state)
{
    (void)state;
    make(8, 0);
    char text[24];
    for (int i = 0; i < 8; i++) {
        snprintf(text, sizeof(text), "nonce-number-%05d", i);
        assert_int_equal(take(1, text, NOW_S - (i == 3), NOW_S), GW_NONCE_OK);
    }
    assert_int_equal(take(1, "0123456789abcdef", NOW_S, NOW_S), GW_NONCE_CROWDED);
    for (int i = 0; i < 8; i++) {
        snprintf(text, sizeof(text), "nonce-number-%05d", i);
        assert_int_equal(take(1, text, NOW_S - (i == 3), NOW_S), GW_NONCE_REPLAYED);
    }
    int64_t later_s = NOW_S + WINDOW_S; /* the fourth is over */
    assert_int_equal(take(1, "0123456789abcdef", later_s, later_s), GW_NONCE_OK);
    assert_int_equal(take(1, "0123456789abcdeg", later_s, later_s), GW_NONCE_CROWDED);
}

/* ---- threads ---- */

#define THREADS 8
#define ROUNDS (GW_UNDER_TSAN ? 300 : 3000)

static _Atomic uint32_t taken[ROUNDS];
static pthread_barrier_t start;

/* Nonces of the first half are of a time that is over in the second, so that words are taken over. */
static void *take_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        char text[24];
        int64_t now_s = NOW_S + (int64_t)i / 4 * (WINDOW_S + 1);
        snprintf(text, sizeof(text), "nonce-number-%05d", i);
        if (i % 50 == 0)
            pthread_barrier_wait(&start);
        enum gw_nonce_fault fault = take(1, text, now_s, now_s);
        atomic_fetch_add(&taken[i], fault == GW_NONCE_OK ? 1 : 0);
    }
    return NULL;
}

static void run(void *(*work)(void *), size_t count)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&start, NULL, (unsigned)count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
}

static void of_equal_ones_at_most_one_is_taken_while_time_passes(void **state)
{
    (void)state;
    make(8, 0);
    run(take_all, THREADS);
    for (int i = 0; i < ROUNDS; i++)
        assert_true(atomic_load(&taken[i]) <= 1);
}

static _Atomic uint32_t taken_at_once[ROUNDS];

static void *take_at_once(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        char text[24];
        snprintf(text, sizeof(text), "nonce-number-%05d", i);
        if (i % 10 == 0)
            pthread_barrier_wait(&start);
        if (take(1, text, NOW_S, NOW_S) == GW_NONCE_OK)
            atomic_fetch_add(&taken_at_once[i], 1);
    }
    return NULL;
}

static void of_equal_ones_at_once_exactly_one_is_taken(void **state)
{
    (void)state;
    make(1 << 16, 0);
    run(take_at_once, THREADS);
    for (int i = 0; i < ROUNDS; i++)
        assert_int_equal(atomic_load(&taken_at_once[i]), 1);
}

/* Clocks that differ by a second: the first word is free to one thread, the second to the other. Who has the earlier time is there first as often
 * as not, so that both would take one if nobody looked again. */
#define ROUNDS_APART (GW_UNDER_TSAN ? 1000 : 30000)

static _Atomic uint32_t taken_apart;
static _Atomic int turn;
static _Atomic bool took_both;

static void *take_apart(void *arg)
{
    int64_t now_s = NOW_S + (int64_t)((uintptr_t)arg % 2);
    for (int i = 0; i < ROUNDS_APART; i++) {
        pthread_barrier_wait(&start);
        if (arg == NULL) {
            for (size_t w = 0; w < GW_NONCES_BUCKET; w++)
                atomic_store(&x.t.words[w], w == 0 ? (uint64_t)NOW_S : 0);
            atomic_store(&taken_apart, 0);
            atomic_store(&turn, 0);
        }
        pthread_barrier_wait(&start);
        atomic_fetch_add(&turn, 1);
        for (int spins = 0; atomic_load(&turn) < 2 && spins < 100000; spins++) {
        }
        if (take(1, "0123456789abcdef", NOW_S + 1, now_s) == GW_NONCE_OK)
            atomic_fetch_add(&taken_apart, 1);
        pthread_barrier_wait(&start);
        if (atomic_load(&taken_apart) > 1)
            atomic_store(&took_both, true);
    }
    return NULL;
}

static void of_equal_ones_at_most_one_is_taken_by_clocks_that_differ(void **state)
{
    (void)state;
    make(8, 0);
    run(take_apart, 2);
    assert_false(atomic_load(&took_both));
}

static void tells_how_many_are_remembered(void **state)
{
    (void)state;
    char text[32];
    make(2048, 0);
    for (int n = 0; n < 50; n++) {
        (void)snprintf(text, sizeof(text), "0123456789abcdef%d", n);
        assert_int_equal(take(1, text, NOW_S, NOW_S), GW_NONCE_OK);
    }
    assert_int_equal(gw_nonces_live(&x.t), 0); /* nobody has looked yet */
    for (int i = 0; i < 5; i++)
        gw_nonces_look(&x.t, NOW_S + WINDOW_S);
    assert_int_equal(gw_nonces_live(&x.t), 50);
    for (int i = 0; i < 8; i++)
        gw_nonces_look(&x.t, NOW_S + WINDOW_S + 1);
    assert_int_equal(gw_nonces_live(&x.t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_is_taken_once_while_it_could_come_again, tear_down),
        cmocka_unit_test_teardown(timestamps_have_a_window, tear_down),
        cmocka_unit_test_teardown(one_from_ahead_is_kept_for_longer, tear_down),
        cmocka_unit_test_teardown(what_may_have_been_taken_before_is_refused, tear_down),
        cmocka_unit_test_teardown(a_clock_set_back_revives_nothing, tear_down),
        cmocka_unit_test_teardown(a_full_bucket_refuses_and_forgets_none, tear_down),
        cmocka_unit_test_teardown(of_equal_ones_at_most_one_is_taken_while_time_passes, tear_down),
        cmocka_unit_test_teardown(of_equal_ones_at_most_one_is_taken_by_clocks_that_differ, tear_down),
        cmocka_unit_test_teardown(tells_how_many_are_remembered, tear_down),
        cmocka_unit_test_teardown(of_equal_ones_at_once_exactly_one_is_taken, tear_down),
    };
    return cmocka_run_group_tests_name("shared/nonces", tests, NULL, NULL);
}
