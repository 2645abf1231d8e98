/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Against a slow exact model: every failure of every name in a list, without bound. In a table with room the two agree; in one
 * without, windows are never laxer than the model.
 */
#include "identity/windows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define START (1000 * MINUTE)

static const struct gw_window_limits guide = {5, 15 * MINUTE, 15 * MINUTE};
static const struct gw_hash_key key = {1, 2};

static struct gw_windows *table(size_t capacity)
{
    struct gw_windows *w = NULL;
    assert_int_equal(gw_windows_new(capacity, &key, &w, NULL), GW_OK);
    return w;
}

/* Distinct tags that fall all over the buckets. */
static struct gw_window_name name_of(unsigned n, enum gw_window_effect effect)
{
    const uint64_t hash = gw_hash(&key, &n, sizeof(n));
    return (struct gw_window_name){.tag = {hash, n + 1}, .effect = effect, .network = {{0x20, (uint8_t)(n % 3)}}};
}

static struct gw_window *open_window(struct gw_windows *w, unsigned n, enum gw_window_effect effect, int64_t now_ms)
{
    struct gw_window_name name = name_of(n, effect);
    return gw_windows_open(w, &guide, &name, now_ms);
}

static void fail_at(struct gw_window *window, int64_t now_ms)
{
    gw_window_begin(window);
    gw_window_fail(&guide, window, now_ms);
}

/* ---- one window ---- */

static void the_fifth_failure_locks_and_no_other(void **state)
{
    (void)state;
    gw_auto(gw_windows) struct gw_windows *w = table(64);
    struct gw_window *window = open_window(w, 1, GW_WINDOW_LOCKS, START);
    for (unsigned n = 1; n <= 4; n++) {
        fail_at(window, START + n);
        assert_int_equal(gw_window_failures(&guide, window, START + n), n);
        assert_int_equal(gw_window_locked_ms(&guide, window, START + n), 0);
    }
    fail_at(window, START + 5);
    assert_int_equal(gw_window_locked_ms(&guide, window, START + 5), 15 * MINUTE);
    assert_int_equal(gw_window_locked_ms(&guide, window, START + 4 + 15 * MINUTE), 1);
    assert_int_equal(gw_window_locked_ms(&guide, window, START + 5 + 15 * MINUTE), 0);
}

static void a_failure_counts_for_the_window_and_not_a_millisecond_longer(void **state)
{
    (void)state;
    gw_auto(gw_windows) struct gw_windows *w = table(64);
    struct gw_window *window = open_window(w, 1, GW_WINDOW_LOCKS, START);
    for (unsigned n = 0; n < 4; n++)
        fail_at(window, START + n * MINUTE);
    int64_t end = START + 15 * MINUTE;
    assert_int_equal(gw_window_failures(&guide, window, end - 1), 4);
    assert_int_equal(gw_window_failures(&guide, window, end), 3);
    fail_at(window, end); /* the first has just gone: the fourth again */
    assert_int_equal(gw_window_locked_ms(&guide, window, end), 0);
    fail_at(window, end + MINUTE - 1);
    assert_int_equal(gw_window_locked_ms(&guide, window, end + MINUTE - 1), 15 * MINUTE);
}

static void failures_meanwhile_do_not_extend_a_lock(void **state)
{
    (void)state;
    gw_auto(gw_windows) struct gw_windows *w = table(64);
    struct gw_window *window = open_window(w, 1, GW_WINDOW_LOCKS, START);
    for (unsigned n = 0; n < 5; n++)
        fail_at(window, START);
    fail_at(window, START + 10 * MINUTE);
    assert_int_equal(gw_window_locked_ms(&guide, window, START + 10 * MINUTE), 5 * MINUTE);
    /* And after it, five more are allowed. */
    int64_t after = START + 15 * MINUTE;
    assert_int_equal(gw_window_failures(&guide, window, after), 0);
}

static void what_slows_never_locks_and_knows_the_newest_failures(void **state)
{
    (void)state;
    gw_auto(gw_windows) struct gw_windows *w = table(64);
    struct gw_window *window = open_window(w, 1, GW_WINDOW_SLOWS, START);
    for (unsigned n = 0; n < 100; n++)
        fail_at(window, START + n * MINUTE);
    int64_t now = START + 99 * MINUTE;
    assert_int_equal(gw_window_locked_ms(&guide, window, now), 0);
    assert_int_equal(gw_window_failures(&guide, window, now), 5);
    assert_int_equal(gw_window_failures(&guide, window, now + 15 * MINUTE - 1), 1);
    gw_window_begin(window);
    assert_false(gw_window_is_taken(&guide, window, now));
    gw_window_withdraw(window);
}

static void attempts_under_way_count_as_if_they_failed(void **state)
{
    (void)state;
    gw_auto(gw_windows) struct gw_windows *w = table(64);
    struct gw_window *window = open_window(w, 1, GW_WINDOW_LOCKS, START);
    fail_at(window, START);
    for (unsigned n = 0; n < 4; n++) {
        assert_false(gw_window_is_taken(&guide, window, START));
        gw_window_begin(window);
    }
    assert_true(gw_window_is_taken(&guide, window, START));
    gw_window_withdraw(window);
    assert_false(gw_window_is_taken(&guide, window, START));
}

static void a_clock_that_steps_back_neither_frees_nor_locks_for_longer(void **state)
{
    (void)state;
    gw_auto(gw_windows) struct gw_windows *w = table(64);
    struct gw_window *window = open_window(w, 1, GW_WINDOW_LOCKS, START);
    for (unsigned n = 0; n < 4; n++)
        fail_at(window, START);
    assert_int_equal(gw_window_failures(&guide, window, START - 100 * MINUTE), 4);
    fail_at(window, START - 100 * MINUTE);
    assert_int_equal(gw_window_locked_ms(&guide, window, START - 100 * MINUTE), 15 * MINUTE);
    assert_int_equal(gw_window_locked_ms(&guide, window, START - 200 * MINUTE), 15 * MINUTE);
}

static void a_lowered_limit_holds_for_what_was_counted_before(void **state)
{
    (void)state;
    gw_auto(gw_windows) struct gw_windows *w = table(64);
    const struct gw_window_limits strict = {3, 15 * MINUTE, 15 * MINUTE};
    struct gw_window *window = open_window(w, 1, GW_WINDOW_LOCKS, START);
    for (unsigned n = 0; n < 4; n++)
        fail_at(window, START + n * MINUTE);
    assert_int_equal(gw_window_locked_ms(&strict, window, START + 4 * MINUTE), 14 * MINUTE);
}

/* ---- the table ---- */

static void what_still_counts_is_never_given_up(void **state)
{
    (void)state;
    gw_auto(gw_windows) struct gw_windows *w = table(16);
    struct gw_window *held[16];
    size_t count = 0;
    for (unsigned n = 0; count < 16; n++) {
        struct gw_window *window = open_window(w, n, GW_WINDOW_LOCKS, START);
        if (gw_windows_is_shared(w, window))
            continue;
        fail_at(window, START);
        held[count++] = window;
    }
    for (unsigned n = 1000; n < 2000; n++)
        assert_true(gw_windows_is_shared(w, open_window(w, n, GW_WINDOW_LOCKS, START + 15 * MINUTE - 1)));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(gw_window_failures(&guide, held[i], START + 15 * MINUTE - 1), 1);
    assert_true(gw_windows_overflows(w) >= 1000);
    assert_false(gw_windows_is_shared(w, open_window(w, 2000, GW_WINDOW_LOCKS, START + 15 * MINUTE)));
}

static void without_room_a_network_is_counted_as_one(void **state)
{
    (void)state;
    gw_auto(gw_windows) struct gw_windows *w = table(8);
    for (unsigned n = 0; n < 8; n++)
        fail_at(open_window(w, n, GW_WINDOW_LOCKS, START), START);
    for (unsigned n = 0; n < 5; n++) /* all of network 0 */
        fail_at(open_window(w, 300 + 3 * n, GW_WINDOW_LOCKS, START), START);
    assert_true(gw_window_locked_ms(&guide, open_window(w, 600, GW_WINDOW_LOCKS, START), START) > 0);
    assert_int_equal(gw_window_locked_ms(&guide, open_window(w, 601, GW_WINDOW_LOCKS, START), START), 0);
    assert_int_equal(gw_window_locked_ms(&guide, open_window(w, 600, GW_WINDOW_SLOWS, START), START), 0);
}

static void strangers_cannot_take_the_room_of_known_devices(void **state)
{
    (void)state;
    gw_auto(gw_windows) struct gw_windows *w = table(32);
    for (unsigned n = 0; n < 1000; n++)
        fail_at(open_window(w, n, GW_WINDOW_LOCKS, START), START);
    struct gw_window_name name = name_of(5000, GW_WINDOW_LOCKS);
    name.share = GW_WINDOW_KNOWN;
    struct gw_window *window = gw_windows_open(w, &guide, &name, START);
    assert_false(gw_windows_is_shared(w, window));
    fail_at(window, START);
    name.share = GW_WINDOW_STRANGERS; /* and is one window, whoever asks */
    assert_ptr_equal(gw_windows_find(w, &name), window);
}

/* ---- the model ---- */

#define NAMES 60
#define STEPS 60000

struct model {
    struct {
        int64_t failed[STEPS];
        size_t count;
        int64_t locked_until;
    } names[NAMES];
};

static bool model_is_locked(const struct model *m, unsigned n, int64_t now_ms)
{
    return m->names[n].locked_until > now_ms;
}

static unsigned model_failures(const struct model *m, unsigned n, int64_t now_ms)
{
    unsigned count = 0;
    for (size_t i = 0; i < m->names[n].count; i++)
        count += m->names[n].failed[i] > now_ms - guide.window_ms;
    return count;
}

static void model_fail(struct model *m, unsigned n, int64_t now_ms)
{
    m->names[n].failed[m->names[n].count++] = now_ms;
    if (model_failures(m, n, now_ms) < guide.failures)
        return;
    m->names[n].locked_until = now_ms + guide.lock_ms;
    m->names[n].count = 0;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

enum agreement { EXACTLY, AT_LEAST_AS_STRICT };

static void walk(size_t capacity, enum agreement agreement, uint64_t seed)
{
    static struct model m;
    gw_auto(gw_windows) struct gw_windows *w = table(capacity);
    int64_t now_ms = START;
    unsigned admitted = 0, refused = 0;
    memset(&m, 0, sizeof(m));
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned n = (unsigned)(next_random(&seed) % NAMES);
        now_ms += (int64_t)(next_random(&seed) % 8000);
        struct gw_window *window = open_window(w, n, GW_WINDOW_LOCKS, now_ms);
        bool locked = gw_window_locked_ms(&guide, window, now_ms) > 0, should = model_is_locked(&m, n, now_ms);
        if (should && !locked)
            fail_msg("step %u: name %u is locked and was let through", step, n);
        if (agreement == EXACTLY && locked != should)
            fail_msg("step %u: name %u is not locked and was refused", step, n);
        if (agreement == EXACTLY && !locked)
            assert_int_equal(gw_window_failures(&guide, window, now_ms), model_failures(&m, n, now_ms));
        refused += locked;
        if (locked)
            continue;
        admitted++;
        fail_at(window, now_ms);
        model_fail(&m, n, now_ms);
    }
    assert_true(admitted > STEPS / 50 && refused > STEPS / 50);
}

static void with_room_windows_are_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        walk(4096, EXACTLY, seed);
}

static void without_room_windows_are_never_laxer_than_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        walk(8 * (size_t)seed, AT_LEAST_AS_STRICT, seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fifth_failure_locks_and_no_other),
        cmocka_unit_test(a_failure_counts_for_the_window_and_not_a_millisecond_longer),
        cmocka_unit_test(failures_meanwhile_do_not_extend_a_lock),
        cmocka_unit_test(what_slows_never_locks_and_knows_the_newest_failures),
        cmocka_unit_test(attempts_under_way_count_as_if_they_failed),
        cmocka_unit_test(a_clock_that_steps_back_neither_frees_nor_locks_for_longer),
        cmocka_unit_test(a_lowered_limit_holds_for_what_was_counted_before),
        cmocka_unit_test(what_still_counts_is_never_given_up),
        cmocka_unit_test(without_room_a_network_is_counted_as_one),
        cmocka_unit_test(strangers_cannot_take_the_room_of_known_devices),
        cmocka_unit_test(with_room_windows_are_the_model),
        cmocka_unit_test(without_room_windows_are_never_laxer_than_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
