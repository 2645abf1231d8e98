/* SPDX-License-Identifier: Apache-2.0 */
/* Time is a clock of ours, which waiting moves on; where attempts wait for one another there are threads. */
#include "identity/login_guard.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE INT64_C(60000)
#define LOCK (15 * MINUTE)

static struct gw_fake_clock fake;
static struct gw_fake_random fake_random;
static int64_t waited_ms;

static void wait_ms(void *ctx, int64_t ms)
{
    (void)ctx;
    waited_ms += ms;
    gw_fake_clock_advance(&fake, ms);
}

static const struct gw_login_guard_limits shipped = {
    .windows = {5, 15 * MINUTE, LOCK},
    .delay_ms = 500,
    .delay_max_ms = 8000,
    .waiting_max = 64,
    .waiting_per_address_max = 8,
    .spraying = {20, 15 * MINUTE},
};

static struct gw_login_guard *guard_of(size_t capacity)
{
    struct gw_login_guard *g = NULL;
    gw_fake_clock_init(&fake, 1800000000000);
    gw_fake_random_init(&fake_random, 11);
    waited_ms = 0;
    const struct gw_login_guard_options o = {
        .capacity = capacity, .clock = &fake.clock, .random = &fake_random.random, .wait_ms = wait_ms};
    assert_int_equal(gw_login_guard_new(&o, &g, NULL), GW_OK);
    gw_login_guard_set_limits(g, &shipped);
    return g;
}

static struct gw_attempt_by by(const char *address, const char *account)
{
    struct gw_attempt_by who = {.call = GW_GUARDED_LOGIN, .account = gw_str(account)};
    assert_int_equal(gw_ip_parse(gw_str(address), &who.address), GW_OK);
    return who;
}

static struct gw_attempt last;

/* The milliseconds it waited; -1: held up, as last tells. */
static int64_t try_by(struct gw_login_guard *g, struct gw_attempt_by who, enum gw_attempt_end end)
{
    waited_ms = 0;
    if (gw_login_guard_check(g, &who, &last, NULL) != GW_OK || gw_login_guard_begin(g, &who, &last, NULL) != GW_OK)
        return -1;
    gw_login_guard_end(g, &last, end);
    return waited_ms;
}

static int64_t try(struct gw_login_guard *g, const char *address, const char *account)
{
    return try_by(g, by(address, account), GW_ATTEMPT_FAILED);
}

static void lock_out(struct gw_login_guard *g, const char *address, const char *account)
{
    for (unsigned n = 0; n < 5; n++)
        assert_true(try(g, address, account) >= 0);
}

/* ---- who is locked, and who is not ---- */

static void five_failures_lock_after_a_growing_delay(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    static const int64_t delays[] = {0, 500, 1000, 2000, 4000};
    for (unsigned n = 0; n < 5; n++)
        assert_int_equal(try(g, "192.0.2.1", "alice"), delays[n]);
    assert_int_equal(try(g, "192.0.2.1", "alice"), -1);
    assert_int_equal(last.held_up.why, GW_HELD_UP_LOCKED);
    assert_int_equal(last.held_up.for_ms, LOCK);
    gw_fake_clock_advance(&fake, LOCK - 1);
    assert_int_equal(try(g, "192.0.2.1", "alice"), -1); /* however often one asks */
    assert_int_equal(last.held_up.for_ms, 1);
    gw_fake_clock_advance(&fake, 1);
    assert_true(try(g, "192.0.2.1", "alice") >= 0);
}

static void the_right_password_does_not_open_a_lock(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    lock_out(g, "192.0.2.1", "alice");
    assert_int_equal(try_by(g, by("192.0.2.1", "alice"), GW_ATTEMPT_SUCCEEDED), -1);
    assert_int_equal(last.held_up.for_ms, LOCK);
}

static void an_address_is_locked_whatever_accounts_it_tries(void **state)
{
    (void)state;
    static const char *const accounts[] = {"a", "b", "c", "d", "e"};
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    for (unsigned n = 0; n < 5; n++)
        assert_true(try(g, "192.0.2.1", accounts[n]) >= 0);
    assert_int_equal(try(g, "192.0.2.1", "f"), -1);
    assert_true(try(g, "192.0.2.2", "f") >= 0);
}

static void an_ipv6_address_is_its_64(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    static const char *const addresses[] = {"2001:db8::1", "2001:db8::2", "2001:db8::3",
                                            "2001:db8:0:0:ffff::", "2001:db8::5"};
    for (unsigned n = 0; n < 5; n++)
        assert_true(try(g, addresses[n], "alice") >= 0);
    assert_int_equal(try(g, "2001:db8::6", "bob"), -1);
    assert_true(try(g, "2001:db8:0:1::1", "bob") >= 0);
}

static void nobody_locks_the_owner_out_from_elsewhere(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(4096);
    char address[16];
    for (unsigned n = 1; n <= 200; n++) {
        (void)snprintf(address, sizeof(address), "198.51.100.%u", n);
        assert_true(try(g, address, "alice") >= 0);
    }
    /* From a device that nobody knows it takes the longest delay; from one that is known, none. */
    assert_int_equal(try_by(g, by("203.0.113.9", "alice"), GW_ATTEMPT_SUCCEEDED), 8000);
    struct gw_attempt_by known = by("203.0.113.10", "alice");
    known.device = GW_DEVICE_KNOWN;
    assert_int_equal(try_by(g, known, GW_ATTEMPT_SUCCEEDED), 0);
    /* And neither success has cleared the account. */
    assert_int_equal(try_by(g, by("203.0.113.11", "alice"), GW_ATTEMPT_WITHDRAWN), 8000);
}

static void a_success_clears_its_own_pair_alone(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    for (unsigned n = 0; n < 4; n++)
        assert_true(try(g, "192.0.2.1", "alice") >= 0);
    assert_true(try_by(g, by("192.0.2.1", "mallory"), GW_ATTEMPT_SUCCEEDED) >= 0);
    assert_int_equal(try(g, "192.0.2.1", "alice"), 4000);
    assert_int_equal(try(g, "192.0.2.1", "alice"), -1);
    assert_int_equal(try_by(g, by("192.0.2.1", "mallory"), GW_ATTEMPT_SUCCEEDED), -1);

    struct gw_attempt_by allowed = by("192.0.2.2", "alice");
    allowed.is_allowed = true;
    for (unsigned n = 0; n < 4; n++)
        assert_true(try_by(g, allowed, GW_ATTEMPT_FAILED) >= 0);
    assert_true(try_by(g, allowed, GW_ATTEMPT_SUCCEEDED) >= 0);
    for (unsigned n = 0; n < 5; n++)
        assert_true(try_by(g, allowed, GW_ATTEMPT_FAILED) >= 0);
    assert_int_equal(try_by(g, allowed, GW_ATTEMPT_FAILED), -1);
}

static void allowed_addresses_are_exempt_from_their_own_lock_and_no_other(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(4096);
    char account[16];
    struct gw_attempt_by allowed = by("192.0.2.2", "x");
    allowed.is_allowed = true;
    for (unsigned n = 0; n < 50; n++) {
        (void)snprintf(account, sizeof(account), "user-%u", n);
        allowed.account = gw_str(account);
        assert_int_equal(try_by(g, allowed, GW_ATTEMPT_FAILED), 0);
    }
    for (unsigned n = 0; n < 4; n++)
        assert_true(try_by(g, allowed, GW_ATTEMPT_FAILED) >= 0);
    assert_int_equal(try_by(g, allowed, GW_ATTEMPT_FAILED), -1);
}

static void case_makes_no_other_account(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    struct gw_attempt_by who = by("192.0.2.2", "Alice");
    who.is_allowed = true;
    for (unsigned n = 0; n < 5; n++) {
        who.account = n % 2 == 0 ? GW_STR("aLiCe") : GW_STR("ALICE");
        assert_true(try_by(g, who, GW_ATTEMPT_FAILED) >= 0);
    }
    who.account = GW_STR("alice");
    assert_int_equal(try_by(g, who, GW_ATTEMPT_FAILED), -1);
    who.account = GW_STR("alice2");
    assert_int_equal(try_by(g, who, GW_ATTEMPT_FAILED), 0);
}

static void an_undecided_attempt_counts_for_nothing(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    for (unsigned n = 0; n < 50; n++)
        assert_int_equal(try_by(g, by("192.0.2.1", "alice"), GW_ATTEMPT_WITHDRAWN), 0);
}

static void a_cookie_that_fails_too_often_makes_no_known_device(void **state)
{
    (void)state;
    static const uint8_t cookie[GW_DEVICE_NONCE_BYTES] = {1}, other[GW_DEVICE_NONCE_BYTES] = {2};
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    char address[16];
    for (unsigned n = 0; n < 5; n++) {
        (void)snprintf(address, sizeof(address), "192.0.2.%u", n + 1);
        struct gw_attempt_by who = by(address, "alice");
        who.device = GW_DEVICE_KNOWN;
        who.cookie = cookie;
        assert_false(gw_login_guard_is_spent(g, cookie));
        assert_int_equal(try_by(g, who, GW_ATTEMPT_FAILED), 0);
    }
    assert_true(gw_login_guard_is_spent(g, cookie));
    assert_false(gw_login_guard_is_spent(g, other));
    gw_fake_clock_advance(&fake, 15 * MINUTE);
    assert_false(gw_login_guard_is_spent(g, cookie));
}

static void each_call_has_windows_of_its_own(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    static const enum gw_guarded calls[] = {GW_GUARDED_RESET, GW_GUARDED_REGISTER, GW_GUARDED_REFRESH};
    for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
        struct gw_attempt_by who = by("192.0.2.1", "");
        who.call = calls[c];
        for (unsigned n = 0; n < 5; n++)
            assert_true(try_by(g, who, GW_ATTEMPT_FAILED) >= 0);
        assert_int_equal(try_by(g, who, GW_ATTEMPT_FAILED), -1);
        who.is_allowed = true;
        assert_int_equal(try_by(g, who, GW_ATTEMPT_FAILED), 0);
    }
    struct gw_attempt_by mine = by("192.0.2.1", "0123456789abcdef"), theirs = by("192.0.2.1", "fedcba9876543210");
    mine.call = theirs.call = GW_GUARDED_PASSWORD;
    for (unsigned n = 0; n < 5; n++)
        assert_true(try_by(g, mine, GW_ATTEMPT_FAILED) >= 0);
    assert_int_equal(try_by(g, mine, GW_ATTEMPT_FAILED), -1);
    assert_int_equal(try_by(g, theirs, GW_ATTEMPT_FAILED), 0);
    assert_int_equal(try(g, "192.0.2.1", "alice"), 0);
}

/* ---- many at once ---- */

struct crowd {
    struct gw_login_guard *guard;
    struct gw_attempt_by by;
    pthread_t thread;
    enum gw_attempt_end end;
    enum gw_code code;
    struct gw_attempt attempt;
    unsigned *under_way, *most, *looked_at;
    pthread_mutex_t *lock;
};

static void *join_crowd(void *ctx)
{
    struct crowd *c = ctx;
    c->code = gw_login_guard_begin(c->guard, &c->by, &c->attempt, NULL);
    if (c->code != GW_OK)
        return NULL;
    pthread_mutex_lock(c->lock);
    ++*c->looked_at;
    if (++*c->under_way > *c->most)
        *c->most = *c->under_way;
    pthread_mutex_unlock(c->lock);
    for (unsigned n = 0; n < 200; n++)
        sched_yield();
    pthread_mutex_lock(c->lock);
    --*c->under_way;
    pthread_mutex_unlock(c->lock);
    gw_login_guard_end(c->guard, &c->attempt, c->end);
    return NULL;
}

#define CROWD 40

/* How many were looked at; at most so many at once. */
static unsigned crowd_in(struct gw_login_guard *g, enum gw_attempt_end end, unsigned *out_most)
{
    static struct crowd crowd[CROWD];
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    unsigned under_way = 0, looked_at = 0;
    *out_most = 0;
    for (unsigned n = 0; n < CROWD; n++) {
        crowd[n] = (struct crowd){.guard = g,
                                  .by = by("192.0.2.1", "alice"),
                                  .end = end,
                                  .under_way = &under_way,
                                  .most = out_most,
                                  .looked_at = &looked_at,
                                  .lock = &lock};
        assert_int_equal(pthread_create(&crowd[n].thread, NULL, join_crowd, &crowd[n]), 0);
    }
    for (unsigned n = 0; n < CROWD; n++)
        assert_int_equal(pthread_join(crowd[n].thread, NULL), 0);
    return looked_at;
}

static void of_many_at_once_no_more_than_five_are_looked_at(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    struct gw_login_guard_limits l = shipped;
    unsigned most;
    l.delay_ms = l.delay_max_ms = 0;
    l.waiting_max = l.waiting_per_address_max = 128;
    gw_login_guard_set_limits(g, &l);
    assert_int_equal(crowd_in(g, GW_ATTEMPT_FAILED, &most), 5);
}

static void those_who_succeed_all_come_through(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    struct gw_login_guard_limits l = shipped;
    unsigned most;
    l.delay_ms = l.delay_max_ms = 0;
    l.waiting_max = l.waiting_per_address_max = 128;
    gw_login_guard_set_limits(g, &l);
    assert_int_equal(crowd_in(g, GW_ATTEMPT_SUCCEEDED, &most), CROWD);
    assert_in_range(most, 1, 5);
}

static bool is_gone(void *ctx)
{
    (void)ctx;
    return true;
}

static void a_client_that_leaves_while_it_waits_is_forgotten(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    assert_int_equal(try(g, "192.0.2.1", "alice"), 0);
    struct gw_attempt_by who = by("192.0.2.1", "alice");
    who.gone = is_gone;
    for (unsigned n = 0; n < 20; n++)
        assert_int_equal(gw_login_guard_begin(g, &who, &last, NULL), GW_ETIMEOUT);
    assert_int_equal(try(g, "192.0.2.1", "alice"), 500);
}

/* Who would wait when there is no place is refused at once, and known devices have a quarter for themselves. */
static void places_to_wait_are_few_and_shared(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    struct gw_login_guard_limits l = shipped;
    l.waiting_max = 0;
    gw_login_guard_set_limits(g, &l);
    assert_int_equal(try(g, "192.0.2.1", "alice"), 0);
    assert_int_equal(try(g, "192.0.2.1", "alice"), -1);
    assert_int_equal(last.held_up.why, GW_HELD_UP_CROWDED);
    assert_int_equal(waited_ms, 0);
    l.waiting_max = 8;
    l.waiting_per_address_max = 0;
    gw_login_guard_set_limits(g, &l);
    assert_int_equal(try(g, "192.0.2.1", "alice"), -1);
    assert_int_equal(last.held_up.why, GW_HELD_UP_CROWDED);
    l.waiting_per_address_max = 1;
    gw_login_guard_set_limits(g, &l);
    assert_int_equal(try(g, "192.0.2.1", "alice"), 500);
}

static struct gw_login_guard *asked;
static unsigned waiting_meanwhile;

static bool note_waiting(void *ctx)
{
    (void)ctx;
    waiting_meanwhile = gw_login_guard_waiting(asked);
    return false;
}

static void tells_who_waits_and_how_many_windows_count(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    struct gw_login_guard_fill fill;
    gw_login_guard_fill(g, &fill);
    assert_int_equal(fill.live, 0);
    assert_int_equal(fill.slots, 256 + 64);
    assert_int_equal(try(g, "192.0.2.1", "alice"), 0);
    gw_login_guard_fill(g, &fill);
    assert_int_equal(fill.live, 3); /* address, pair, account */
    struct gw_attempt_by who = by("192.0.2.1", "alice");
    who.gone = note_waiting;
    asked = g;
    assert_int_equal(try_by(g, who, GW_ATTEMPT_FAILED), 500);
    assert_int_equal(waiting_meanwhile, 1);
    assert_int_equal(gw_login_guard_waiting(g), 0);
    gw_fake_clock_advance(&fake, 16 * MINUTE);
    gw_login_guard_fill(g, &fill);
    assert_int_equal(fill.live, 0);
}

static unsigned waiting;

/* While one waits, the next of another address of the network comes. */
static bool crowd_behind(void *ctx)
{
    struct gw_login_guard *g = ctx;
    char address[40];
    struct gw_attempt_by next;
    struct gw_attempt a;
    (void)snprintf(address, sizeof(address), "2001:db8:0:%x::1", ++waiting);
    next = by(address, "alice");
    next.gone = crowd_behind;
    next.gone_ctx = g;
    if (waiting < 50 && gw_login_guard_begin(g, &next, &a, NULL) == GW_ELIMIT) {
        struct gw_attempt_by other = by("2001:db8:1::1", "alice");
        other.gone = is_gone;
        assert_int_equal(a.held_up.why, GW_HELD_UP_CROWDED);
        assert_int_equal(gw_login_guard_begin(g, &other, &a, NULL), GW_ETIMEOUT); /* it had a place */
    }
    return true;
}

/* A /48 has 65536 addresses as limits count them. */
static void one_network_leaves_half_of_the_places_to_wait(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    struct gw_login_guard_limits l = shipped;
    struct gw_attempt_by first = by("2001:db8::1", "alice");
    l.waiting_max = 8;
    gw_login_guard_set_limits(g, &l);
    assert_int_equal(try(g, "2001:db8::1", "alice"), 0); /* the account delays from here on */
    waiting = 0;
    first.gone = crowd_behind;
    first.gone_ctx = g;
    assert_int_equal(gw_login_guard_begin(g, &first, &last, NULL), GW_ETIMEOUT);
    assert_int_equal(waiting, 4);
}

/* ---- no room ---- */

static void a_full_table_locks_whole_networks_and_spares_known_devices(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(64);
    char address[40];
    unsigned refused = 0;
    for (unsigned n = 0; n < 2000; n++) { /* one /32, a /64 each */
        (void)snprintf(address, sizeof(address), "2001:db8:%x::1", n);
        refused += try(g, address, "alice") < 0;
    }
    assert_true(refused > 1500);
    assert_true(gw_login_guard_take_overflows(g) > 0);
    assert_int_equal(gw_login_guard_take_overflows(g), 0);
    uint64_t unrecorded = gw_login_guard_unrecorded(g);
    assert_true(unrecorded > 0);
    assert_true(gw_login_guard_unrecorded(g) == unrecorded); /* until it has been */
    gw_login_guard_recorded(g, unrecorded);
    assert_true(try(g, "2001:db8:fffe::1", "alice") < 0 || gw_login_guard_take_overflows(g) > 0);
    assert_true(gw_login_guard_unrecorded(g) == 0); /* for an hour */
    assert_true(try(g, "203.0.113.1", "bob") >= 0); /* others find theirs still open */
    struct gw_attempt_by known = by("2001:db8:ffff::1", "carol");
    assert_int_equal(try_by(g, known, GW_ATTEMPT_SUCCEEDED), -1);
    known.device = GW_DEVICE_KNOWN;
    for (unsigned n = 0; n < 5; n++)
        assert_true(try_by(g, known, GW_ATTEMPT_FAILED) >= 0);
    assert_int_equal(try_by(g, known, GW_ATTEMPT_FAILED), -1);
}

/* ---- spraying ---- */

static void spraying_is_told_of_also_while_it_is_locked_out(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(4096);
    char account[16];
    unsigned told = 0, tried = 0;
    enum gw_spraying_cause cause = GW_SPRAYING_CAUSES;
    for (unsigned n = 0; n < 10000; n++) {
        (void)snprintf(account, sizeof(account), "user-%u", n);
        tried += try(g, "192.0.2.1", account) >= 0;
        told += last.sprayed.is_new;
        cause = told == 1 && last.sprayed.is_new ? last.sprayed.cause : cause;
    }
    assert_int_equal(tried, 5);
    assert_int_equal(cause, GW_SPRAYING_ADDRESS);
    assert_int_equal(told, 2); /* the address, and its network */
}

static void a_network_and_an_account_are_causes_too(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(4096);
    char address[16], account[16];
    bool network = false, one_account = false;
    for (unsigned n = 1; n <= 40; n++) {
        (void)snprintf(address, sizeof(address), "192.0.2.%u", n);
        (void)snprintf(account, sizeof(account), "user-%u", n);
        assert_true(try(g, address, account) >= 0);
        network = network || (last.sprayed.is_new && last.sprayed.cause == GW_SPRAYING_NETWORK);
    }
    for (unsigned n = 1; n <= 40; n++) {
        (void)snprintf(address, sizeof(address), "10.%u.0.1", n);
        assert_true(try(g, address, "alice") >= 0);
        one_account = one_account || (last.sprayed.is_new && last.sprayed.cause == GW_SPRAYING_ACCOUNT);
    }
    assert_true(network && one_account);
}

/* ---- listing and clearing ---- */

static void lockouts_are_listed_and_cleared(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    struct gw_lockout list[8];
    size_t total = 0;
    const struct gw_uuid alice = {{1}};
    for (unsigned n = 0; n < 5; n++) {
        struct gw_attempt_by who = by("192.0.2.1", "alice");
        assert_int_equal(gw_login_guard_begin(g, &who, &last, NULL), GW_OK);
        gw_login_guard_name(g, &last, &alice);
        gw_login_guard_end(g, &last, GW_ATTEMPT_FAILED);
    }
    assert_int_equal(gw_login_guard_list(g, list, 8, &total), 3);
    bool seen[GW_GUARD_SCOPES] = {false};
    for (size_t i = 0; i < total; i++) {
        seen[list[i].scope] = true;
        assert_int_equal(list[i].call, GW_GUARDED_LOGIN);
        assert_int_equal(list[i].left_ms, list[i].scope == GW_GUARD_ACCOUNT ? 0 : LOCK);
        assert_int_equal(list[i].failures, 5);
        assert_int_equal(gw_uuid_eq(&list[i].user_id, &alice), list[i].scope != GW_GUARD_ADDRESS);
    }
    assert_true(seen[GW_GUARD_ADDRESS] && seen[GW_GUARD_PAIR] && seen[GW_GUARD_ACCOUNT]);
    assert_int_equal(gw_login_guard_list(g, list, 1, &total), 1);
    assert_int_equal(total, 3);
    assert_int_equal(gw_login_guard_clear(g, NULL, &alice), 2);
    assert_int_equal(try(g, "192.0.2.1", "alice"), -1); /* the address is locked still */
    struct gw_ip address = by("192.0.2.1", "").address;
    assert_int_equal(gw_login_guard_clear(g, &address, NULL), 1);
    assert_int_equal(try(g, "192.0.2.1", "alice"), 0);
    assert_int_equal(gw_login_guard_clear(g, NULL, NULL), 3);
    assert_int_equal(gw_login_guard_list(g, list, 8, &total), 0);
}

static void the_other_name_of_an_account_is_forgiven_too(void **state)
{
    (void)state;
    gw_auto(gw_login_guard) struct gw_login_guard *g = guard_of(256);
    struct gw_attempt_by who = by("192.0.2.1", "alice@example.com");
    who.is_allowed = true;
    for (unsigned n = 0; n < 5; n++)
        assert_true(try_by(g, who, GW_ATTEMPT_FAILED) >= 0);
    assert_int_equal(try_by(g, who, GW_ATTEMPT_FAILED), -1);
    gw_login_guard_forgive(g, &who.address, GW_STR("Alice@example.com"));
    assert_int_equal(try_by(g, who, GW_ATTEMPT_WITHDRAWN), 8000); /* its account's window stays */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_lock_after_a_growing_delay),
        cmocka_unit_test(the_right_password_does_not_open_a_lock),
        cmocka_unit_test(an_address_is_locked_whatever_accounts_it_tries),
        cmocka_unit_test(an_ipv6_address_is_its_64),
        cmocka_unit_test(nobody_locks_the_owner_out_from_elsewhere),
        cmocka_unit_test(a_success_clears_its_own_pair_alone),
        cmocka_unit_test(allowed_addresses_are_exempt_from_their_own_lock_and_no_other),
        cmocka_unit_test(case_makes_no_other_account),
        cmocka_unit_test(an_undecided_attempt_counts_for_nothing),
        cmocka_unit_test(a_cookie_that_fails_too_often_makes_no_known_device),
        cmocka_unit_test(each_call_has_windows_of_its_own),
        cmocka_unit_test(of_many_at_once_no_more_than_five_are_looked_at),
        cmocka_unit_test(those_who_succeed_all_come_through),
        cmocka_unit_test(a_client_that_leaves_while_it_waits_is_forgotten),
        cmocka_unit_test(places_to_wait_are_few_and_shared),
        cmocka_unit_test(one_network_leaves_half_of_the_places_to_wait),
        cmocka_unit_test(tells_who_waits_and_how_many_windows_count),
        cmocka_unit_test(a_full_table_locks_whole_networks_and_spares_known_devices),
        cmocka_unit_test(spraying_is_told_of_also_while_it_is_locked_out),
        cmocka_unit_test(a_network_and_an_account_are_causes_too),
        cmocka_unit_test(lockouts_are_listed_and_cleared),
        cmocka_unit_test(the_other_name_of_an_account_is_forgiven_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
