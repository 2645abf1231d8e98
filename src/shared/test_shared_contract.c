/* SPDX-License-Identifier: Apache-2.0 */
/* What shared.h promises, for whichever backend is linked. */
#include "shared/test_segments.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const char hash_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char hash_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static void test_reader_waits_for_a_writer_and_for_ready(void **state)
{
    (void)state;
    assert_int_equal(try_open(GW_SHARED_READER), GW_ENOTFOUND);
    gw_auto(gw_shared) struct gw_shared *w = open_as(GW_SHARED_WRITER);
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    struct gw_uuid id = uuid(1);
    struct gw_live_user user;
    bool revoked;
    assert_false(gw_shared_is_ready(r));
    assert_int_equal(find_session(r, 1), GW_EBACKEND);
    assert_int_equal(gw_shared_get_user(r, &id, &user), GW_EBACKEND);
    assert_int_equal(gw_shared_is_revoked(r, &id, &revoked), GW_EBACKEND);
    gw_shared_begin_load(w);
    put_session(w, 1);
    assert_int_equal(find_session(r, 1), GW_EBACKEND);
    gw_shared_end_load(w);
    assert_true(gw_shared_is_ready(r));
    assert_int_equal(find_session(r, 1), GW_OK);
    assert_int_equal(find_session(r, 2), GW_ENOTFOUND);
}

/* The change that is told next; user: of which it is. */
static enum gw_changed next(const struct gw_shared *r, uint64_t *position, uint8_t user)
{
    struct gw_uuid told, wanted = uuid(user);
    enum gw_changed changed = gw_shared_next_change(r, position, &told);
    if (changed == GW_CHANGED_USER)
        assert_true(gw_uuid_eq(&told, &wanted));
    return changed;
}

static void test_what_may_end_something_is_told(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    uint64_t at = 0;
    struct gw_live_user user = user_of(7, "trader");
    struct gw_live_session session = session_of(3);
    session.user_id = uuid(8);
    struct gw_live_key key = {.hash = uuid(9), .id = uuid(10), .user_id = uuid(11)};
    struct gw_live_block block = {.since_s = 1, .expires_s = INT64_MAX};
    struct gw_uuid jti = uuid(12);
    assert_int_equal(gw_cidr_parse(GW_STR("192.0.2.0/24"), &block.network), GW_OK);
    assert_int_equal(next(r, &at, 0), GW_CHANGED_ANYBODY); /* it was made ready */
    assert_int_equal(gw_shared_put_user(w, &user, NULL), GW_OK);
    assert_int_equal(gw_shared_put_session(w, &session, NULL), GW_OK);
    assert_int_equal(gw_shared_put_key(w, &key, NULL), GW_OK);
    assert_int_equal(gw_shared_put_user(w, &user, NULL), GW_OK);
    assert_int_equal(gw_shared_put_key(w, &key, NULL), GW_OK);
    assert_int_equal(next(r, &at, 0), GW_CHANGED_NOBODY);
    user.version++;
    assert_int_equal(gw_shared_put_user(w, &user, NULL), GW_OK);
    assert_int_equal(next(r, &at, 7), GW_CHANGED_USER);
    gw_shared_drop_session(w, &session.id);
    assert_int_equal(next(r, &at, 8), GW_CHANGED_USER);
    gw_shared_drop_session(w, &session.id);
    assert_int_equal(next(r, &at, 0), GW_CHANGED_NOBODY);
    key.expires_s = 5;
    assert_int_equal(gw_shared_put_key(w, &key, NULL), GW_OK);
    gw_shared_drop_key(w, &key.hash);
    assert_int_equal(next(r, &at, 11), GW_CHANGED_USER);
    assert_int_equal(next(r, &at, 11), GW_CHANGED_USER);
    gw_shared_drop_user(w, &user.id);
    assert_int_equal(next(r, &at, 7), GW_CHANGED_USER);
    assert_int_equal(gw_shared_put_revocation(w, &jti, 1, NULL), GW_OK);
    assert_int_equal(next(r, &at, 0), GW_CHANGED_ANYBODY);
    assert_int_equal(gw_shared_put_block(w, &block, NULL), GW_OK);
    assert_int_equal(next(r, &at, 0), GW_CHANGED_ANYBODY);
    assert_int_equal(next(r, &at, 0), GW_CHANGED_NOBODY);
}

static void test_records_come_back_as_they_were_put(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    struct gw_live_user user = user_of(7, "trader"), got;
    strcpy(user.upstream_id, "u-7");
    strcpy(user.email, "seven@example.org");
    assert_int_equal(gw_shared_put_user(w, &user, NULL), GW_OK);
    assert_int_equal(gw_shared_get_user(r, &user.id, &got), GW_OK);
    assert_string_equal(got.username, "user7");
    assert_string_equal(got.role, "trader");
    assert_string_equal(got.upstream_id, "u-7");
    assert_string_equal(got.email, "seven@example.org");
    assert_int_equal(got.version, 7);

    user.active = 0, user.version = 8;
    assert_int_equal(gw_shared_put_user(w, &user, NULL), GW_OK);
    assert_int_equal(gw_shared_get_user(r, &user.id, &got), GW_OK);
    assert_int_equal(got.active, 0);
    assert_int_equal(got.version, 8);

    gw_shared_drop_user(w, &user.id);
    assert_int_equal(gw_shared_get_user(r, &user.id, &got), GW_ENOTFOUND);

    struct gw_live_session put = session_of(3), session;
    assert_int_equal(gw_shared_put_session(w, &put, NULL), GW_OK);
    assert_int_equal(gw_shared_get_session(r, &put.id, &session), GW_OK);
    assert_int_equal(session.expires_s, 900);
    assert_int_equal(session.idle_s, 60);
    gw_shared_drop_session(w, &put.id);
    assert_int_equal(find_session(r, 3), GW_ENOTFOUND);
}

static void test_times_of_a_session_come_back_within_what_its_record_holds(void **state)
{
    (void)state;
    static const struct {
        int64_t put, got; /* but of the end, which comes back as it was put */
    } rows[] = {
        {0, 0},
        {-1, 0},
        {1800000000, 1800000000},
        {UINT32_MAX, UINT32_MAX},
        {INT64_C(1) << 32, UINT32_MAX},
        {INT64_MAX, UINT32_MAX},
    };
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t time_s = rows[i].put;
        const struct gw_live_session put = {.id = uuid(1),
                                            .user_id = uuid(2),
                                            .created_s = time_s,
                                            .expires_s = time_s,
                                            .last_seen_s = time_s,
                                            .idle_s = UINT32_MAX};
        struct gw_live_session got;
        assert_int_equal(gw_shared_put_session(w, &put, NULL), GW_OK);
        assert_int_equal(gw_shared_get_session(r, &put.id, &got), GW_OK);
        assert_memory_equal(&got.user_id, &put.user_id, sizeof(got.user_id));
        assert_int_equal(got.created_s, rows[i].got);
        assert_int_equal(got.last_seen_s, rows[i].got);
        assert_int_equal(got.expires_s, time_s);
        assert_int_equal(got.idle_s, UINT32_MAX);
    }
}

static void test_revocations_last_until_their_token_has_expired(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    struct gw_uuid jti = uuid(9), other = uuid(10);
    bool revoked = true;
    assert_int_equal(gw_shared_is_revoked(r, &jti, &revoked), GW_OK);
    assert_false(revoked);
    assert_int_equal(gw_shared_put_revocation(w, &jti, 1000, NULL), GW_OK);
    assert_int_equal(gw_shared_put_revocation(w, &jti, 500, NULL), GW_OK); /* the later end stays */
    assert_int_equal(gw_shared_put_revocation(w, &other, 5000, NULL), GW_OK);
    static const struct {
        int64_t now_s;
        bool revoked;
    } rows[] = {{999, true}, {1000, true}, {1060, true}, {1061, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_shared_purge_revocations(w, rows[i].now_s);
        assert_int_equal(gw_shared_is_revoked(r, &jti, &revoked), GW_OK);
        assert_int_equal(revoked, rows[i].revoked);
    }
    assert_int_equal(gw_shared_is_revoked(r, &other, &revoked), GW_OK);
    assert_true(revoked);
}

#define RACES 20000 /* about half of the runs of 3000 met the fault */

struct revoker {
    struct gw_shared *w;
    pthread_barrier_t *step;
    atomic_uint *arrived; /* a barrier's wake-up would set the two too far apart to meet */
    int64_t expires_s;
    unsigned lost; /* rounds after which the later end was not there */
};

static void *revoke_in_rounds(void *ctx)
{
    struct revoker *r = ctx;
    struct gw_uuid jti = uuid(9);
    for (unsigned n = 0; n < RACES; n++) {
        pthread_barrier_wait(r->step);
        gw_shared_purge_revocations(r->w, 10000); /* both */
        atomic_fetch_add(r->arrived, 1);
        for (unsigned spins = 1; atomic_load(r->arrived) < 2 * (n + 1); spins++)
            if (spins % 4096 == 0)
                sched_yield();
        bool put = gw_shared_put_revocation(r->w, &jti, r->expires_s, NULL) == GW_OK, revoked = false;
        pthread_barrier_wait(r->step);
        gw_shared_purge_revocations(r->w, 600); /* past the earlier end only */
        bool read = gw_shared_is_revoked(r->w, &jti, &revoked) == GW_OK;
        r->lost += !put || !read || !revoked;
    }
    return NULL;
}

static void test_of_two_revocations_at_once_the_later_end_stays(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    pthread_barrier_t step;
    pthread_t thread;
    pthread_barrier_init(&step, NULL, 2);
    atomic_uint arrived = 0;
    struct revoker early = {w, &step, &arrived, 500, 0}, late = {w, &step, &arrived, 1000, 0};
    assert_int_equal(pthread_create(&thread, NULL, revoke_in_rounds, &early), 0);
    revoke_in_rounds(&late);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&step);
    assert_int_equal(early.lost, 0);
    assert_int_equal(late.lost, 0);
}

static void test_load_drops_what_was_not_put_again(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    put_session(w, 1);
    put_session(w, 2);
    gw_shared_begin_load(w);
    put_session(w, 2);
    put_session(w, 3);
    assert_int_equal(find_session(r, 1), GW_OK); /* served meanwhile */
    gw_shared_end_load(w);
    assert_int_equal(find_session(r, 1), GW_ENOTFOUND);
    assert_int_equal(find_session(r, 2), GW_OK);
    assert_int_equal(find_session(r, 3), GW_OK);
}

static void test_successor_takes_over_while_readers_are_served(void **state)
{
    (void)state;
    struct gw_shared *w = ready_writer();
    put_session(w, 1);
    gw_shared_set_bundle(w, hash_a);
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    gw_shared_close(w);
    assert_int_equal(find_session(r, 1), GW_OK);
    gw_auto(gw_shared) struct gw_shared *next = open_as(GW_SHARED_WRITER);
    assert_false(gw_shared_is_retired(r));
    assert_true(gw_shared_is_ready(next));
    assert_int_equal(find_session(r, 1), GW_OK);
    gw_shared_drop_session(next, &(struct gw_uuid){{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}});
    assert_int_equal(find_session(r, 1), GW_ENOTFOUND);
    gw_shared_set_bundle(next, hash_b);
    struct gw_bundle_ref ref;
    assert_int_equal(gw_shared_get_bundle(r, &ref), GW_OK);
    assert_int_equal(ref.generation, 2);
    assert_string_equal(ref.hash, hash_b);
}

static void test_other_sizes_retire_the_old_file(void **state)
{
    (void)state;
    struct gw_shared *w = ready_writer();
    put_session(w, 1);
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    gw_shared_close(w);
    struct gw_shared *bigger = NULL;
    const struct gw_shared_sizes more = {.sessions = 640, .users = 32, .revocations = 16, .rates = 64};
    assert_int_equal(gw_shared_open(dir, GW_SHARED_WRITER, &more, &bigger, NULL), GW_OK);
    assert_true(gw_shared_is_retired(r));
    gw_auto(gw_shared) struct gw_shared *again = open_as(GW_SHARED_READER);
    assert_false(gw_shared_is_retired(again));
    assert_int_equal(find_session(again, 1), GW_EBACKEND); /* never "no such session" before it is loaded */
    gw_shared_close(bigger);
}

static void test_rates_are_shared_and_outlive_writers(void **state)
{
    (void)state;
    struct gw_shared *w = ready_writer();
    struct gw_rate rate;
    const struct gw_ip ip = {.b = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1}};
    assert_true(gw_rate_make(4, 60000, &rate));
    for (uint32_t n = 0; n < 4; n++) {
        gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
        const struct gw_rates *rates = gw_shared_rates(r);
        gw_rates_sweep(rates, 1000);
        const struct gw_rates_subject s = gw_rates_address(rates, &ip);
        assert_int_equal(gw_rates_charge(rates, &s, 1, &rate, GW_RATE_SHARE_WHOLE, 1000).answer.remaining, 3 - n);
        if (n == 1) {
            gw_shared_close(w);
            w = open_as(GW_SHARED_WRITER);
        }
    }
    gw_shared_close(w);
}

static void test_one_writer_at_a_time(void **state)
{
    (void)state;
    struct gw_shared *w = open_as(GW_SHARED_WRITER);
    assert_int_equal(try_open(GW_SHARED_WRITER), GW_ECONFLICT);
    gw_shared_close(w);
    assert_int_equal(try_open(GW_SHARED_WRITER), GW_OK);
}

static void test_full_table_keeps_what_it_has(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    unsigned put = 0;
    enum gw_code code = GW_OK;
    for (unsigned n = 0; code == GW_OK && n < 255; n++) {
        struct gw_live_user user = user_of((uint8_t)n, "viewer");
        code = gw_shared_put_user(w, &user, NULL);
        put += code == GW_OK;
    }
    assert_int_equal(code, GW_ELIMIT);
    assert_in_range(put, sizes.users, 254);
    for (unsigned n = 0; n < put; n++) {
        struct gw_live_user user;
        struct gw_uuid id = uuid((uint8_t)n);
        assert_int_equal(gw_shared_get_user(w, &id, &user), GW_OK);
        assert_int_equal(user.version, n);
    }
    struct gw_shared_fill fill;
    gw_shared_fill(w, &fill);
    assert_int_equal(fill.users, put);
    assert_int_equal(fill.sessions, 0);
}

static void test_last_seen_only_moves_forward(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    struct gw_live_session session = session_of(4);
    static const struct {
        int64_t touch_s, seen_s;
    } rows[] = {{50, 100}, {120, 120}, {110, 120}, {121, 121}, {-5, 121}};
    assert_int_equal(gw_shared_last_seen(r, &session), 100);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_shared_touch(r, &session.id, rows[i].touch_s);
        assert_int_equal(gw_shared_last_seen(w, &session), rows[i].seen_s);
    }
    struct gw_live_session other = session_of(5);
    assert_int_equal(gw_shared_last_seen(r, &other), 100);
}

static void test_crowded_counters_lose_advice_but_invent_none(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    unsigned kept = 0;
    for (unsigned n = 0; n < 4096; n++) {
        struct gw_live_session session = session_of(0);
        memcpy(session.id.b, &n, sizeof(n));
        gw_shared_touch(w, &session.id, 1000 + n);
    }
    for (unsigned n = 0; n < 4096; n++) {
        struct gw_live_session session = session_of(0);
        memcpy(session.id.b, &n, sizeof(n));
        int64_t seen_s = gw_shared_last_seen(w, &session);
        assert_true(seen_s == 100 || seen_s == 1000 + (int64_t)n);
        kept += seen_s != 100;
    }
    assert_in_range(kept, 200, 256);
}

static void test_heartbeat_and_bundle_are_published(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    struct gw_bundle_ref ref;
    assert_int_equal(gw_shared_get_bundle(r, &ref), GW_ENOTFOUND);
    gw_shared_set_bundle(w, hash_a);
    assert_int_equal(gw_shared_get_bundle(r, &ref), GW_OK);
    assert_int_equal(ref.generation, 1);
    assert_string_equal(ref.hash, hash_a);
    gw_shared_beat(w, 1234);
    assert_int_equal(gw_shared_heartbeat(r), 1234);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_reader_waits_for_a_writer_and_for_ready),
        CASE(test_what_may_end_something_is_told),
        CASE(test_records_come_back_as_they_were_put),
        CASE(test_times_of_a_session_come_back_within_what_its_record_holds),
        CASE(test_revocations_last_until_their_token_has_expired),
        CASE(test_of_two_revocations_at_once_the_later_end_stays),
        CASE(test_load_drops_what_was_not_put_again),
        CASE(test_successor_takes_over_while_readers_are_served),
        CASE(test_other_sizes_retire_the_old_file),
        CASE(test_rates_are_shared_and_outlive_writers),
        CASE(test_one_writer_at_a_time),
        CASE(test_full_table_keeps_what_it_has),
        CASE(test_last_seen_only_moves_forward),
        CASE(test_crowded_counters_lose_advice_but_invent_none),
        CASE(test_heartbeat_and_bundle_are_published),
    };
    return cmocka_run_group_tests_name("shared/contract", tests, NULL, NULL);
}
