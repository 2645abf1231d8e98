/* SPDX-License-Identifier: Apache-2.0 */
/* What shared.h promises, for whichever backend is linked. */
#include "shared/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static const struct gw_shared_sizes sizes = {
    .sessions = 64, .users = 32, .revocations = 16, .blocks = 256, .rates = 64};
static const char hash_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char hash_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/gw-shared-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static void path_of(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", dir, name);
}

static int remove_dir(void **state)
{
    (void)state;
    static const char *const names[] = {"authority", "counters", "authority.lock"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        path_of(names[i], path);
        unlink(path);
    }
    return rmdir(dir); /* fails when a temporary file was left behind */
}

static struct gw_shared *open_as(enum gw_shared_role role)
{
    struct gw_shared *s = NULL;
    struct gw_error err = {0};
    if (gw_shared_open(dir, role, &sizes, &s, &err) != GW_OK)
        fail_msg("%s: %s", gw_code_name(err.code), err.msg);
    return s;
}

static enum gw_code try_open(enum gw_shared_role role)
{
    struct gw_shared *s = NULL;
    enum gw_code code = gw_shared_open(dir, role, &sizes, &s, NULL);
    gw_shared_close(s);
    return code;
}

static struct gw_shared *ready_writer(void)
{
    struct gw_shared *w = open_as(GW_SHARED_WRITER);
    gw_shared_begin_load(w);
    gw_shared_end_load(w);
    return w;
}

static struct gw_uuid uuid(uint8_t n)
{
    struct gw_uuid u;
    memset(u.b, n, sizeof(u.b));
    return u;
}

static struct gw_live_session session_of(uint8_t n)
{
    return (struct gw_live_session){
        .id = uuid(n), .user_id = uuid(200), .created_s = 100, .expires_s = 900, .last_seen_s = 100, .idle_s = 60};
}

static struct gw_live_user user_of(uint8_t n, const char *role)
{
    struct gw_live_user u = {.id = uuid(n), .version = n, .active = 1};
    snprintf(u.username, sizeof(u.username), "user%u", n);
    snprintf(u.role, sizeof(u.role), "%s", role);
    return u;
}

static void put_session(struct gw_shared *w, uint8_t n)
{
    struct gw_live_session session = session_of(n);
    assert_int_equal(gw_shared_put_session(w, &session, NULL), GW_OK);
}

static enum gw_code find_session(const struct gw_shared *s, uint8_t n)
{
    struct gw_live_session session;
    struct gw_uuid id = uuid(n);
    return gw_shared_get_session(s, &id, &session);
}

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

static struct gw_live_block block_of(const char *network, enum gw_block_kind kind, int64_t expires_s)
{
    struct gw_live_block b = {.kind = kind, .since_s = 100, .expires_s = expires_s};
    assert_int_equal(gw_cidr_parse(gw_str(network), &b.network), GW_OK);
    return b;
}

static void put_block(struct gw_shared *w, const char *network, enum gw_block_kind kind, int64_t expires_s)
{
    const struct gw_live_block b = block_of(network, kind, expires_s);
    assert_int_equal(gw_shared_put_block(w, &b, NULL), GW_OK);
}

static void drop_block(struct gw_shared *w, const char *network)
{
    const struct gw_live_block b = block_of(network, GW_BLOCK_FULL, 0);
    gw_shared_drop_block(w, &b.network);
}

static enum gw_code find_block(const struct gw_shared *s, const char *address, int64_t now_s, struct gw_live_block *out)
{
    struct gw_ip ip;
    assert_int_equal(gw_ip_parse(gw_str(address), &ip), GW_OK);
    return gw_shared_find_block(s, &ip, now_s, out);
}

static void test_the_longest_network_is_found_and_a_block_before_a_suspect(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        int64_t now_s;
        unsigned bits; /* 0: nothing */
        enum gw_block_kind kind;
    } rows[] = {
        {"192.0.2.1", 200, 128, GW_BLOCK_FULL},
        {"192.0.2.2", 200, 120, GW_BLOCK_FULL}, /* of its own a suspect alone */
        {"192.0.2.3", 200, 120, GW_BLOCK_FULL},
        {"192.0.3.3", 200, 112, GW_BLOCK_SUSPECT},
        {"192.1.2.1", 200, 0, GW_BLOCK_FULL},
        {"192.0.2.1", 900, 120, GW_BLOCK_FULL}, /* its own has expired */
        {"192.0.2.1", 1000, 112, GW_BLOCK_SUSPECT},
        {"192.0.2.1", 2000, 0, GW_BLOCK_FULL},
        {"2001:db8::1", 200, 32, GW_BLOCK_FULL},
        {"2001:db9::1", 200, 0, GW_BLOCK_FULL},
        {"::1", 200, 16, GW_BLOCK_SUSPECT}, /* and no address of IPv4 is in there */
    };
    gw_auto(gw_shared) struct gw_shared *w = open_as(GW_SHARED_WRITER);
    struct gw_live_block b;
    assert_int_equal(find_block(w, "192.0.2.1", 200, &b), GW_EBACKEND); /* not ready */
    gw_shared_begin_load(w);
    gw_shared_end_load(w);
    assert_int_equal(find_block(w, "192.0.2.1", 200, &b), GW_ENOTFOUND);
    put_block(w, "192.0.2.1", GW_BLOCK_FULL, 900);
    put_block(w, "192.0.2.2", GW_BLOCK_SUSPECT, 900);
    put_block(w, "192.0.2.0/24", GW_BLOCK_FULL, 1000);
    put_block(w, "192.0.0.0/16", GW_BLOCK_SUSPECT, 2000);
    put_block(w, "2001:db8::/32", GW_BLOCK_FULL, 900);
    put_block(w, "::/16", GW_BLOCK_SUSPECT, 900);
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum gw_code code = find_block(r, rows[i].address, rows[i].now_s, &b);
        if (code != (rows[i].bits == 0 ? GW_ENOTFOUND : GW_OK) ||
            (code == GW_OK && (b.network.bits != rows[i].bits || b.kind != rows[i].kind || b.since_s != 100)))
            fail_msg("row %zu: %s, %u bits, kind %d", i, gw_code_name(code), b.network.bits, (int)b.kind);
    }
    drop_block(w, "192.0.2.0/24");
    assert_int_equal(find_block(r, "192.0.2.3", 200, &b), GW_OK);
    assert_int_equal(b.network.bits, 112);
}

static uint32_t draw(uint32_t *seed)
{
    *seed = *seed * UINT32_C(1664525) + UINT32_C(1013904223);
    return *seed >> 8;
}

/* Few bits differ, so that networks lie in one another. */
static struct gw_ip draw_ip(uint32_t *seed)
{
    struct gw_ip ip;
    assert_int_equal(gw_ip_parse(draw(seed) % 2 == 0 ? GW_STR("192.0.2.0") : GW_STR("2001:db8::"), &ip), GW_OK);
    ip.b[13] = draw(seed) & 3;
    ip.b[14] = draw(seed) & 3;
    ip.b[15] = draw(seed) & 3;
    return ip;
}

#define LIST_MAX 200

struct naive {
    struct gw_live_block of[LIST_MAX];
    size_t count;
};

static void naive_drop(struct naive *n, const struct gw_cidr *network)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->of[i].network.bits == network->bits && gw_ip_eq(&n->of[i].network.net, &network->net))
            n->of[i--] = n->of[--n->count];
}

static const struct gw_live_block *naive_find(const struct naive *n, const struct gw_ip *ip, int64_t now_s)
{
    const struct gw_live_block *best = NULL;
    for (size_t i = 0; i < n->count; i++) {
        const struct gw_live_block *b = &n->of[i];
        if (b->expires_s <= now_s || !gw_cidr_contains(&b->network, ip))
            continue;
        if (best == NULL || b->kind < best->kind || (b->kind == best->kind && b->network.bits > best->network.bits))
            best = b;
    }
    return best;
}

static void test_blocks_are_found_as_in_a_naive_list(void **state)
{
    (void)state;
    static struct naive list;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    uint32_t seed = 7;
    list.count = 0;
    for (int step = 0; step < 20000; step++) {
        struct gw_ip ip = draw_ip(&seed);
        struct gw_live_block b = {
            .network = gw_cidr_around(&ip, 97 + draw(&seed) % 32),
            .kind = draw(&seed) % 2 == 0 ? GW_BLOCK_FULL : GW_BLOCK_SUSPECT,
            .since_s = step,
            .expires_s = draw(&seed) % 1000,
        };
        naive_drop(&list, &b.network);
        if (draw(&seed) % 3 > 0 && list.count < LIST_MAX) {
            assert_int_equal(gw_shared_put_block(w, &b, NULL), GW_OK);
            list.of[list.count++] = b;
        } else {
            gw_shared_drop_block(w, &b.network);
        }
        int64_t now_s = draw(&seed) % 1000;
        ip = draw_ip(&seed);
        struct gw_live_block got;
        const struct gw_live_block *want = naive_find(&list, &ip, now_s);
        enum gw_code code = gw_shared_find_block(r, &ip, now_s, &got);
        assert_int_equal(code, want != NULL ? GW_OK : GW_ENOTFOUND);
        if (want != NULL && (got.network.bits != want->network.bits || got.kind != want->kind ||
                             got.since_s != want->since_s || got.expires_s != want->expires_s))
            fail_msg("step %d: %u bits instead of %u", step, got.network.bits, want->network.bits);
    }
}

static void test_a_successor_goes_on_with_the_blocks(void **state)
{
    (void)state;
    struct gw_live_block b;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    put_block(w, "192.0.2.1", GW_BLOCK_FULL, 900);
    put_block(w, "192.0.2.0/24", GW_BLOCK_FULL, 900);
    gw_shared_close(gw_take(&w));
    w = open_as(GW_SHARED_WRITER);
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    assert_int_equal(find_block(r, "192.0.2.1", 200, &b), GW_OK);
    drop_block(w, "192.0.2.1");
    assert_int_equal(find_block(r, "192.0.2.1", 200, &b), GW_OK);
    assert_int_equal(b.network.bits, 120);
    gw_shared_begin_load(w);
    put_block(w, "198.51.100.0/28", GW_BLOCK_FULL, 900);
    assert_int_equal(find_block(r, "192.0.2.1", 200, &b), GW_OK);
    gw_shared_end_load(w);
    assert_int_equal(find_block(r, "192.0.2.1", 200, &b), GW_ENOTFOUND);
    assert_int_equal(find_block(r, "198.51.100.7", 200, &b), GW_OK);
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

/* A broken worker can write the counters, so it can cut them short: control loses advice, not its life. */
static void test_control_survives_counters_cut_short(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    struct gw_live_session session = session_of(1);
    char path[128];
    path_of("counters", path);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(gw_shared_last_seen(w, &session), session.last_seen_s);
    gw_shared_touch(w, &session.id, session.last_seen_s + 5);
    assert_int_equal(gw_shared_last_seen(w, &session), session.last_seen_s + 5);
}

static void test_files_have_the_modes_that_keep_workers_out(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    static const struct {
        const char *name;
        mode_t mode;
    } rows[] = {{"authority", 0640}, {"counters", 0660}, {"authority.lock", 0600}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char path[128];
        struct stat st;
        path_of(rows[i].name, path);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, rows[i].mode);
    }
}

/* First address of the file's mapping in this process. */
static char *mapping_of(const char *name)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512], *found = NULL;
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
        if (strstr(line, name) != NULL && strstr(line, dir) != NULL)
            found = (char *)strtoul(line, NULL, 16); /* NOLINT: an address is what we read */
    if (maps != NULL)
        fclose(maps);
    return found;
}

static void test_a_session_lies_in_one_cache_line(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    put_session(w, 1);
    const char *base = mapping_of("authority");
    struct gw_uuid id = uuid(1);
    char path[128];
    struct stat st;
    path_of("authority", path);
    assert_int_equal(stat(path, &st), 0);
    const char *key = memmem(base, (size_t)st.st_size, id.b, sizeof(id.b));
    assert_non_null(key);
    assert_int_equal((uintptr_t)key % 64, 8); /* after its slot's head */
}

static void test_a_reader_that_writes_to_the_authority_dies(void **state)
{
    (void)state;
    gw_shared_close(ready_writer());
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    volatile char *authority = mapping_of("authority");
    assert_non_null(authority);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        authority[4] = 1;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#else
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
#endif
}

/* A writer that dies inside a write: says so in the head, one word before the record's key, and is gone. */
static void die_while_writing(const struct gw_uuid *sid)
{
    char path[128];
    path_of("authority", path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        _exit(1);
    char *base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *key = memmem(base, (size_t)st.st_size, sid->b, sizeof(sid->b));
    if (key == NULL)
        _exit(1);
    key[-8] |= 1;
    memset(key + 16, 0x5a, 8); /* half of a new record */
    raise(SIGKILL);
}

static void test_killed_in_mid_write_reads_as_not_ready_until_mended(void **state)
{
    (void)state;
    struct gw_shared *w = ready_writer();
    put_session(w, 1);
    put_session(w, 2);
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    gw_shared_close(w);
    struct gw_uuid sid = uuid(1);
    pid_t child = fork();
    if (child == 0)
        die_while_writing(&sid);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));

    assert_int_equal(find_session(r, 1), GW_EBACKEND); /* 503, neither 401 nor a mixture */
    gw_auto(gw_shared) struct gw_shared *next = open_as(GW_SHARED_WRITER);
    assert_true(gw_shared_is_ready(r));
    assert_int_equal(find_session(r, 1), GW_EBACKEND);
    gw_shared_begin_load(next);
    put_session(next, 1);
    put_session(next, 2);
    gw_shared_end_load(next);
    struct gw_live_session session;
    assert_int_equal(gw_shared_get_session(r, &sid, &session), GW_OK);
    assert_memory_equal(session.user_id.b, uuid(200).b, 16);
    assert_int_equal(find_session(r, 2), GW_OK);
    struct gw_shared_fill fill;
    gw_shared_fill(next, &fill);
    assert_int_equal(fill.sessions, 2);
}

/* ---- what must be refused ---- */

static void overwrite(const char *name, off_t at, const void *bytes, size_t n)
{
    char path[128];
    path_of(name, path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
    close(fd);
}

static void test_damaged_headers_are_refused_by_readers_and_replaced_by_the_writer(void **state)
{
    (void)state;
    static const uint8_t junk[8] = {0xff, 0xff, 0xff, 0x7f, 3, 0, 0, 0};
    static const struct {
        const char *name;
        off_t at;
        size_t n;
    } rows[] = {
        {"authority", 0, 8},  /* magic */
        {"authority", 8, 8},  /* layout */
        {"authority", 16, 4}, /* session slots */
        {"authority", 20, 4}, /* user slots */
        {"authority", 24, 4}, /* revocation slots */
        {"counters", 0, 8},   {"counters", 8, 8}, {"counters", 16, 8},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_shared_close(ready_writer());
        overwrite(rows[i].name, rows[i].at, junk, rows[i].n);
        assert_int_equal(try_open(GW_SHARED_READER), GW_EPARSE);
        struct gw_shared *w = open_as(GW_SHARED_WRITER);
        assert_false(gw_shared_is_ready(w)); /* nothing of the damaged one is believed */
        gw_shared_close(w);
        assert_int_equal(try_open(GW_SHARED_READER), GW_OK);
    }
}

static void test_truncated_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        off_t bytes;
    } rows[] = {{"authority", 0}, {"authority", 7}, {"authority", 1024}, {"counters", 0}, {"counters", 64}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_shared_close(ready_writer());
        char path[128];
        path_of(rows[i].name, path);
        assert_int_equal(truncate(path, rows[i].bytes), 0);
        assert_int_equal(try_open(GW_SHARED_READER), GW_EPARSE);
        gw_shared_close(open_as(GW_SHARED_WRITER));
        assert_int_equal(try_open(GW_SHARED_READER), GW_OK);
    }
}

static void test_symlinks_are_never_followed(void **state)
{
    (void)state;
    static const char *const names[] = {"authority", "counters"};
    for (size_t i = 0; i < 2; i++) {
        gw_shared_close(ready_writer());
        char path[128], elsewhere[128];
        path_of(names[i], path);
        path_of("elsewhere", elsewhere);
        assert_int_equal(rename(path, elsewhere), 0);
        assert_int_equal(symlink(elsewhere, path), 0);
        assert_int_equal(try_open(GW_SHARED_READER), GW_EDENIED);
        assert_int_equal(try_open(GW_SHARED_WRITER), GW_EDENIED);
        unlink(path);
        unlink(elsewhere);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_reader_waits_for_a_writer_and_for_ready),
        CASE(test_records_come_back_as_they_were_put),
        CASE(test_times_of_a_session_come_back_within_what_its_record_holds),
        CASE(test_a_session_lies_in_one_cache_line),
        CASE(test_revocations_last_until_their_token_has_expired),
        CASE(test_of_two_revocations_at_once_the_later_end_stays),
        CASE(test_the_longest_network_is_found_and_a_block_before_a_suspect),
        CASE(test_blocks_are_found_as_in_a_naive_list),
        CASE(test_a_successor_goes_on_with_the_blocks),
        CASE(test_load_drops_what_was_not_put_again),
        CASE(test_successor_takes_over_while_readers_are_served),
        CASE(test_other_sizes_retire_the_old_file),
        CASE(test_rates_are_shared_and_outlive_writers),
        CASE(test_one_writer_at_a_time),
        CASE(test_full_table_keeps_what_it_has),
        CASE(test_last_seen_only_moves_forward),
        CASE(test_crowded_counters_lose_advice_but_invent_none),
        CASE(test_heartbeat_and_bundle_are_published),
        CASE(test_control_survives_counters_cut_short),
        CASE(test_files_have_the_modes_that_keep_workers_out),
        CASE(test_a_reader_that_writes_to_the_authority_dies),
        CASE(test_killed_in_mid_write_reads_as_not_ready_until_mended),
        CASE(test_damaged_headers_are_refused_by_readers_and_replaced_by_the_writer),
        CASE(test_truncated_files_are_refused),
        CASE(test_symlinks_are_never_followed),
    };
    return cmocka_run_group_tests_name("shared/contract", tests, NULL, NULL);
}
