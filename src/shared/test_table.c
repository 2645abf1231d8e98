/* SPDX-License-Identifier: Apache-2.0 */
#include "shared/table.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

struct record {
    struct gw_uuid key;
    uint64_t a, b, c;
};

#define SLOTS_MAX 4096u
#define SLOT GW_TABLE_SLOT_WORDS(sizeof(struct record))
static alignas(64) _Atomic uint64_t memory[SLOTS_MAX * SLOT];

/* Of a slot's first word. */
#define BEING_WRITTEN 1u
enum { EMPTY, LIVE };
static unsigned state_of(uint64_t head)
{
    return head >> 1 & 3;
}

static struct gw_table table_of(uint32_t slots)
{
    memset(memory, 0, sizeof(memory));
    return (struct gw_table){.words = memory, .slots = slots, .record_bytes = sizeof(struct record), .key = {7, 9}};
}

static struct record record_of(uint64_t n)
{
    struct record r = {.a = n, .b = ~n, .c = n * 3};
    memcpy(r.key.b, &n, sizeof(n));
    return r;
}

static bool has(const struct gw_table *t, uint64_t n)
{
    struct record want = record_of(n), got;
    return gw_table_get(t, &want.key, &got) == GW_OK && memcmp(&got, &want, sizeof(got)) == 0;
}

static _Atomic uint64_t *slot_of(const struct gw_table *t, uint64_t n)
{
    struct record r = record_of(n);
    for (uint32_t i = 0; i < t->slots; i++) {
        _Atomic uint64_t *slot = t->words + (size_t)i * SLOT;
        if (memcmp((const void *)(uintptr_t)(slot + 1), &r.key, sizeof(r.key)) == 0 && state_of(slot[0]) == LIVE)
            return slot;
    }
    return NULL;
}

/* Against a plain array, through far more changes than there are slots: tombs must neither hide a record nor pile up. */
static void test_behaves_like_a_map_under_churn(void **state)
{
    (void)state;
    enum { KEYS = 48 };
    struct gw_table t = table_of(64);
    bool in[KEYS] = {false};
    uint64_t x = 88172645463325252u;
    for (int step = 0; step < 20000; step++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        uint64_t n = x % KEYS;
        struct record r = record_of(n);
        if ((x >> 32 & 1) != 0) {
            assert_int_equal(gw_table_put(&t, &r, 1), GW_OK);
            in[n] = true;
        } else {
            assert_int_equal(gw_table_drop(&t, &r.key), in[n]);
            in[n] = false;
        }
        for (uint64_t k = 0; k < KEYS; k++)
            assert_int_equal(has(&t, k), in[k]);
    }
    for (uint64_t k = 0; k < KEYS; k++) {
        struct record r = record_of(k);
        gw_table_drop(&t, &r.key);
    }
    for (uint32_t i = 0; i < t.slots; i++)
        assert_int_equal(state_of(t.words[(size_t)i * SLOT]), EMPTY); /* every tomb went with the last record */
}

static void test_refuses_when_full_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct gw_table t = table_of(16);
    for (uint64_t n = 0; n < 16; n++) {
        struct record r = record_of(n);
        assert_int_equal(gw_table_put(&t, &r, 1), GW_OK);
    }
    struct record one_more = record_of(99), known = record_of(3), got;
    assert_int_equal(gw_table_put(&t, &one_more, 1), GW_ELIMIT);
    assert_int_equal(gw_table_put(&t, &known, 1), GW_OK);
    assert_int_equal(gw_table_get(&t, &one_more.key, &got), GW_ENOTFOUND);
    for (uint64_t n = 0; n < 16; n++)
        assert_true(has(&t, n));
    assert_int_equal(gw_table_count(&t), 16);
}

static void test_half_written_record_blocks_its_readers_until_mended(void **state)
{
    (void)state;
    struct gw_table t = table_of(64);
    struct record r = record_of(5), got;
    assert_int_equal(gw_table_put(&t, &r, 1), GW_OK);
    slot_of(&t, 5)[0] |= BEING_WRITTEN;
    assert_int_equal(gw_table_get(&t, &r.key, &got), GW_EBACKEND);
    assert_int_equal(gw_table_put(&t, &r, 2), GW_OK); /* beside it: what the torn slot held is unknown */
    assert_int_equal(gw_table_get(&t, &r.key, &got), GW_EBACKEND);
    gw_table_mend(&t);
    assert_true(has(&t, 5));
    assert_int_equal(gw_table_count(&t), 1);
}

/* Else a reader would take the words of two records for one. */
static void test_no_two_changes_leave_the_same_head(void **state)
{
    (void)state;
    struct gw_table t = table_of(64);
    struct record r = record_of(5);
    uint64_t heads[8];
    assert_int_equal(gw_table_put(&t, &r, 1), GW_OK);
    const _Atomic uint64_t *slot = slot_of(&t, 5);
    for (size_t i = 0; i < 8; i++) {
        if (i % 3 == 2)
            assert_true(gw_table_drop(&t, &r.key));
        else
            assert_int_equal(gw_table_put(&t, &r, 1), GW_OK);
        heads[i] = *slot;
        for (size_t before = 0; before < i; before++)
            assert_int_not_equal(heads[before], heads[i]);
    }
}

static bool is_old(const void *record, uint32_t epoch, const void *ctx)
{
    (void)record;
    return epoch < *(const uint32_t *)ctx;
}

static void test_drops_by_epoch(void **state)
{
    (void)state;
    struct gw_table t = table_of(64);
    for (uint64_t n = 0; n < 32; n++) {
        struct record r = record_of(n);
        assert_int_equal(gw_table_put(&t, &r, n % 2 == 0 ? GW_TABLE_EPOCHS - 2 : GW_TABLE_EPOCHS - 1), GW_OK);
    }
    uint32_t current = GW_TABLE_EPOCHS - 1;
    gw_table_drop_if(&t, is_old, &current);
    for (uint64_t n = 0; n < 32; n++)
        assert_int_equal(has(&t, n), n % 2 == 1);
}

/* Readers look for records that stay while the writer inserts, changes and drops others all around them. A miss, a mixture
 * of two versions, or an absent key found is a failure. */
struct race {
    struct gw_table t;
    atomic_bool stop;
    atomic_uint wrong, blocked;
};
#define STAYING 40u
#define CHURNING 400u

static void *read_on(void *ctx)
{
    struct race *race = ctx;
    for (uint64_t n = 0; !atomic_load(&race->stop); n++) {
        struct record want = record_of(n % STAYING), absent = record_of(1000000 + n), got;
        enum gw_code code = gw_table_get(&race->t, &want.key, &got);
        if (code == GW_EBACKEND)
            atomic_fetch_add(&race->blocked, 1);
        else if (code != GW_OK || got.b != ~got.a || got.c != got.a * 3)
            atomic_fetch_add(&race->wrong, 1);
        if (gw_table_get(&race->t, &absent.key, &got) == GW_OK)
            atomic_fetch_add(&race->wrong, 1);
    }
    return NULL;
}

static void test_readers_never_miss_a_record_that_stays(void **state)
{
    (void)state;
    static struct race race;
    race.t = table_of(1024);
    for (uint64_t n = 0; n < CHURNING; n++) { /* among the churning ones, so that chains run across tombs */
        struct record r = record_of(n);
        assert_int_equal(gw_table_put(&race.t, &r, 1), GW_OK);
    }
    pthread_t readers[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &race), 0);
    for (uint64_t step = 0; step < 300000; step++) {
        struct record churn = record_of(STAYING + step * 7919 % (CHURNING - STAYING)), stay = record_of(step % STAYING);
        gw_table_drop(&race.t, &churn.key);
        if (step % 3 != 0)
            assert_int_equal(gw_table_put(&race.t, &churn, 1), GW_OK);
        stay.a = step, stay.b = ~step, stay.c = step * 3;
        assert_int_equal(gw_table_put(&race.t, &stay, 1), GW_OK);
    }
    atomic_store(&race.stop, true);
    for (size_t i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(race.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_behaves_like_a_map_under_churn),
        cmocka_unit_test(test_refuses_when_full_and_keeps_what_it_has),
        cmocka_unit_test(test_half_written_record_blocks_its_readers_until_mended),
        cmocka_unit_test(test_no_two_changes_leave_the_same_head),
        cmocka_unit_test(test_drops_by_epoch),
        cmocka_unit_test(test_readers_never_miss_a_record_that_stays),
    };
    return cmocka_run_group_tests_name("shared/table", tests, NULL, NULL);
}
