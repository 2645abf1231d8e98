/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate against two slow models: a bucket in exact fractions, which must agree on every single request, and a log of when each was
 * admitted, by which no stretch of time got more than was said, and nobody who kept to the limit was ever refused.
 */
#include "base/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define TICKS(ms) ((uint64_t)(ms)*GW_RATE_TICKS_PER_MS)

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct gw_rate rate_of(int64_t limit, int64_t window_ms)
{
    struct gw_rate rate;
    assert_true(gw_rate_make(limit, window_ms, &rate));
    return rate;
}

/* ---- fixed cases ---- */

static void refuses_what_is_no_rate(void **state)
{
    (void)state;
    static const struct {
        int64_t limit, window_ms;
    } bad[] = {{0, 1000},      {-1, 1000},    {INT64_MIN, 1000}, {INT64_MAX, 1000},
               {1, 999},       {1, 0},        {1, -1000},        {1, INT64_MIN},
               {1, INT64_MAX}, {10001, 1000}, {1, 86400001},     {GW_RATE_LIMIT_MAX + 1, GW_RATE_WINDOW_MAX_MS}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct gw_rate rate = {.limit = 77};
        assert_false(gw_rate_make(bad[i].limit, bad[i].window_ms, &rate));
        assert_int_equal(rate.limit, 77);
    }
    static const struct {
        int64_t limit, window_ms;
        uint64_t interval;
    } good[] = {{1, 1000, 16000},
                {10000, 1000, 2},
                {3, 1000, 5334}, /* 5333.3: rounded to the strict side */
                {100, 900000, 144000},
                {1, GW_RATE_WINDOW_MAX_MS, (uint64_t)GW_RATE_WINDOW_MAX_MS * 16},
                {GW_RATE_LIMIT_MAX, GW_RATE_WINDOW_MAX_MS, 139}};
    for (size_t i = 0; i < COUNT(good); i++)
        assert_int_equal(rate_of(good[i].limit, good[i].window_ms).interval, good[i].interval);
}

static void admits_the_limit_at_once_then_one_an_interval(void **state)
{
    (void)state;
    struct gw_rate rate = rate_of(100, 900000);
    struct gw_rate_answer a = {0};
    for (uint32_t n = 1; n <= 100; n++) {
        a = gw_rate_ask(&rate, GW_RATE_SHARE_WHOLE, a.backlog);
        assert_true(a.admitted);
        assert_int_equal(a.used, n);
        assert_int_equal(a.remaining, 100 - n);
    }
    uint64_t full = a.backlog;
    assert_int_equal(full, TICKS(900000));
    a = gw_rate_ask(&rate, GW_RATE_SHARE_WHOLE, full);
    assert_false(a.admitted);
    assert_int_equal(a.backlog, full); /* what is refused costs nothing */
    assert_int_equal(gw_rate_seconds(a.wait), 9);
    assert_false(gw_rate_ask(&rate, GW_RATE_SHARE_WHOLE, full - TICKS(9000) + 1).admitted);
    assert_true(gw_rate_ask(&rate, GW_RATE_SHARE_WHOLE, full - TICKS(9000)).admitted);
}

static void a_share_grants_so_much_of_it(void **state)
{
    (void)state;
    static const struct {
        int64_t limit;
        uint32_t share, granted;
    } cases[] = {{100, 1000, 100}, {100, 500, 50}, {100, 750, 75}, {10, 999, 9}, {1, 500, 1}, {1, 1, 1}, {100, 1, 1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gw_rate rate = rate_of(cases[i].limit, 60000);
        uint64_t backlog = 0;
        uint32_t granted = 0;
        for (;;) {
            struct gw_rate_answer a = gw_rate_ask(&rate, cases[i].share, backlog);
            if (!a.admitted)
                break;
            backlog = a.backlog;
            granted++;
        }
        assert_int_equal(granted, cases[i].granted);
    }
}

/* A policy that is exchanged may leave a backlog that its new rate could not have made. */
static void a_backlog_of_another_rate_is_at_most_a_full_one(void **state)
{
    (void)state;
    struct gw_rate rate = rate_of(2, 1000);
    struct gw_rate_answer a = gw_rate_ask(&rate, GW_RATE_SHARE_WHOLE, UINT64_MAX / 2);
    assert_false(a.admitted);
    assert_int_equal(a.backlog, gw_rate_full(&rate));
    assert_int_equal(gw_rate_seconds(a.wait), 1);
}

/* ---- the exact bucket ---- */

/* Level in units of 1 / (limit * share) tick, so that nothing is ever rounded: a request adds window * 1000, a tick takes limit * share. */
struct bucket {
    unsigned __int128 level, room, drop, leak;
};

static struct bucket bucket_of(uint64_t limit, uint64_t window_ticks, uint32_t share)
{
    unsigned __int128 leak = (unsigned __int128)limit * share;
    return (struct bucket){
        .room = window_ticks * leak, .drop = (unsigned __int128)window_ticks * GW_RATE_SHARE_WHOLE, .leak = leak};
}

static bool bucket_asks(struct bucket *b, uint64_t passed)
{
    unsigned __int128 leaked = b->leak * passed;
    b->level = b->level > leaked ? b->level - leaked : 0;
    if (b->level + b->drop > b->room)
        return false;
    b->level += b->drop;
    return true;
}

static const int64_t divisors[] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 25, 30, 40, 48, 50, 60, 100, 120, 240};

/* Gaps of all sizes: none, less than an interval, about one, and long silence. */
static uint64_t gap(uint64_t *seed, const struct gw_rate *rate)
{
    switch (next(seed) % 8) {
    case 0:
    case 1:
    case 2:
        return 0;
    case 3:
    case 4:
        return next(seed) % (rate->interval + 1);
    case 5:
        return rate->interval - 1 + next(seed) % 3;
    case 6:
        return next(seed) % (4 * rate->interval + 1);
    default:
        return next(seed) % (2 * gw_rate_full(rate) + 1);
    }
}

static void agrees_with_a_bucket_in_fractions(void **state)
{
    (void)state;
    static const uint32_t shares[] = {1000, 500, 250, 200, 125, 100};
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
    for (int run = 0; run < 4000; run++) {
        int64_t limit = divisors[next(&seed) % COUNT(divisors)];
        int64_t window_ms = 1200 * (int64_t)(1 + next(&seed) % 750);
        uint32_t share = shares[next(&seed) % COUNT(shares)];
        struct gw_rate rate = rate_of(limit, window_ms);
        if (TICKS(window_ms) % (uint64_t)limit != 0 || limit * share < GW_RATE_SHARE_WHOLE)
            continue; /* such a one is rounded: see below */
        struct bucket bucket = bucket_of((uint64_t)limit, TICKS(window_ms), share);
        uint64_t backlog = 0;
        for (int i = 0; i < 300; i++) {
            uint64_t passed = gap(&seed, &rate);
            backlog = backlog > passed ? backlog - passed : 0;
            struct gw_rate_answer a = gw_rate_ask(&rate, share, backlog);
            if (a.admitted != bucket_asks(&bucket, passed))
                fail_msg("run %d, request %d: %s, the bucket says otherwise", run, i,
                         a.admitted ? "admitted" : "refused");
            assert_true(a.admitted || a.backlog == backlog);
            backlog = a.backlog;
        }
    }
}

/* ---- the log ---- */

#define LOG_MAX 600

struct admitted {
    uint64_t at[LOG_MAX];
    size_t count;
};

/* In every stretch that begins and ends with one of them: the limit, and one more for each interval that it is long. */
static void check_log(const struct admitted *log, const struct gw_rate *rate)
{
    for (size_t i = 0; i < log->count; i++)
        for (size_t j = i; j < log->count; j++)
            assert_true(j - i + 1 <= rate->limit + (log->at[j] - log->at[i]) / rate->interval);
}

/* Any rate, rounded ones too. What a sliding log would take of this client (at most the limit in any window) is never refused. */
static void never_more_than_was_said_and_never_less(void **state)
{
    (void)state;
    uint64_t seed = UINT64_C(0xd1342543de82ef95);
    static struct admitted log, polite;
    for (int run = 0; run < 3000; run++) {
        int64_t limit = 1 + (int64_t)(next(&seed) % 40);
        int64_t window_ms = 1000 + (int64_t)(next(&seed) % 100000);
        struct gw_rate rate = rate_of(limit, window_ms);
        uint64_t now = 1, backlog = 0, polite_backlog = 0, polite_at = 1;
        log.count = polite.count = 0;
        for (int i = 0; i < 200; i++) {
            uint64_t passed = gap(&seed, &rate);
            now += passed;
            backlog = backlog > passed ? backlog - passed : 0;
            struct gw_rate_answer a = gw_rate_ask(&rate, GW_RATE_SHARE_WHOLE, backlog);
            if (!a.admitted)
                assert_true(gw_rate_ask(&rate, GW_RATE_SHARE_WHOLE, backlog - a.wait).admitted &&
                            !gw_rate_ask(&rate, GW_RATE_SHARE_WHOLE, backlog - a.wait + 1).admitted);
            if (a.admitted)
                log.at[log.count++] = now;
            backlog = a.backlog;
            /* The same client, who leaves out what would be more than the limit in a (rounded) window. */
            size_t n = polite.count;
            if (n >= rate.limit && now - polite.at[n - rate.limit] < gw_rate_full(&rate))
                continue;
            polite_backlog = polite_backlog > now - polite_at ? polite_backlog - (now - polite_at) : 0;
            polite_at = now;
            struct gw_rate_answer p = gw_rate_ask(&rate, GW_RATE_SHARE_WHOLE, polite_backlog);
            assert_true(p.admitted);
            polite_backlog = p.backlog;
            polite.at[polite.count++] = now;
        }
        check_log(&log, &rate);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_rate),
        cmocka_unit_test(admits_the_limit_at_once_then_one_an_interval),
        cmocka_unit_test(a_share_grants_so_much_of_it),
        cmocka_unit_test(a_backlog_of_another_rate_is_at_most_a_full_one),
        cmocka_unit_test(agrees_with_a_bucket_in_fractions),
        cmocka_unit_test(never_more_than_was_said_and_never_less),
    };
    return cmocka_run_group_tests_name("base/rate", tests, NULL, NULL);
}
