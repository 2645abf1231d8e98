/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of work is made visible by the `gone` question, which a pool of one thread asks job by job: it can hold the thread at
 * a gate, and write down whose turn it is.
 */
#include "identity/hasher.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MAX_JOBS 16

static const struct gw_pwhash_params cheap = {.memory_kib = 64, .passes = 1, .lanes = 1};

static struct gw_fake_random fake_random;

static struct gw_hasher *pool(unsigned threads, unsigned queue_max, unsigned per_address_max)
{
    struct gw_hasher *h = NULL;
    gw_fake_random_init(&fake_random, 7);
    const struct gw_hasher_options o = {.threads = threads,
                                        .queue_max = queue_max,
                                        .per_address_max = per_address_max,
                                        .params = cheap,
                                        .random = &fake_random.random};
    assert_int_equal(gw_hasher_new(&o, &h, NULL), GW_OK);
    return h;
}

static struct gw_ip ip(const char *text)
{
    struct gw_ip out;
    assert_int_equal(gw_ip_parse(gw_str(text), &out), GW_OK);
    return out;
}

/* ---- a gate that jobs pass one by one ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open, reached; /* reached: a job stands before it */
    char order[MAX_JOBS + 1];
};

static void gate_init(struct gate *g)
{
    *g = (struct gate){.open = false};
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
}

static void gate_open(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

static void gate_await(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    while (!g->reached)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

struct caller {
    struct gw_hasher *hasher;
    struct gate *gate;
    struct gw_ip address;
    enum gw_device device;
    char letter;
    bool gone;
    enum gw_code code;
    pthread_t thread;
};

static bool pass_gate(void *ctx)
{
    struct caller *c = ctx;
    pthread_mutex_lock(&c->gate->lock);
    c->gate->reached = true;
    pthread_cond_broadcast(&c->gate->changed);
    while (!c->gate->open)
        pthread_cond_wait(&c->gate->changed, &c->gate->lock);
    c->gate->order[strlen(c->gate->order)] = c->letter;
    pthread_mutex_unlock(&c->gate->lock);
    return c->gone;
}

static void *call(void *ctx)
{
    struct caller *c = ctx;
    const struct gw_hash_client client = {&c->address, c->device, pass_gate, c};
    c->code = gw_hasher_verify(c->hasher, &client, NULL, GW_STR("x"), NULL);
    return NULL;
}

/* Starts callers one after the other: the first is held at the gate, the others wait in the order given. */
static void start_callers(struct caller *callers, size_t count, struct gw_hasher *h, struct gate *gate)
{
    for (size_t i = 0; i < count; i++) {
        struct gw_hasher_stats stats;
        callers[i].hasher = h;
        callers[i].gate = gate;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
        if (i == 0)
            gate_await(gate);
        for (gw_hasher_stats(h, &stats); stats.waiting < i; gw_hasher_stats(h, &stats))
            sched_yield();
    }
}

static void join_callers(struct caller *callers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
}

/* ---- answers ---- */

static void passwords_are_made_and_verified(void **state)
{
    (void)state;
    struct gw_hasher *h = pool(2, 4, 4);
    struct gw_ip a = ip("192.0.1.1");
    char hash[GW_PWHASH_LEN];
    assert_int_equal(gw_hasher_make(h, &(struct gw_hash_client){.address = &a}, GW_STR("Str0ng!Pass"), hash, NULL),
                     GW_OK);
    assert_int_equal(gw_hasher_verify(h, &(struct gw_hash_client){.address = &a}, hash, GW_STR("Str0ng!Pass"), NULL),
                     GW_OK);
    assert_int_equal(gw_hasher_verify(h, &(struct gw_hash_client){.address = &a}, hash, GW_STR("Str0ng!pass"), NULL),
                     GW_EDENIED);
    assert_int_equal(gw_hasher_verify(h, &(struct gw_hash_client){.address = &a}, "nonsense", GW_STR("x"), NULL),
                     GW_EPARSE);
    gw_hasher_free(h);
}

static void a_user_that_does_not_exist_costs_a_hash_and_is_denied(void **state)
{
    (void)state;
    struct gw_hasher *h = pool(1, 4, 4);
    struct gw_ip a = ip("192.0.1.1");
    struct gw_hasher_stats stats;
    assert_int_equal(gw_hasher_verify(h, &(struct gw_hash_client){.address = &a}, NULL, GW_STR("Str0ng!Pass"), NULL),
                     GW_EDENIED);
    gw_hasher_stats(h, &stats);
    assert_int_equal(stats.done, 1);
    gw_hasher_free(h);
}

static void every_denial_costs_both_kinds_of_hash_while_there_are_both(void **state)
{
    (void)state;
    static const char bcrypt[] = "$2b$04$......................Vd5fJNrZ.RSWOzVbIQXBU3oWKl0yYFy";
    struct gw_hasher *h = pool(1, 4, 4);
    struct gw_ip a = ip("192.0.1.1");
    struct gw_hasher_stats stats;
    char argon2[GW_PWHASH_LEN];
    assert_int_equal(gw_hasher_make(h, &(struct gw_hash_client){.address = &a}, GW_STR("right"), argon2, NULL), GW_OK);
    const char *const hashes[] = {NULL, argon2, bcrypt};
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(
                gw_hasher_verify(h, &(struct gw_hash_client){.address = &a}, hashes[i], GW_STR("wrong"), NULL),
                GW_EDENIED);
        gw_hasher_stats(h, &stats);
        assert_int_equal(stats.evened, round * 3);
        gw_hasher_expect_bcrypt(h, 4);
        gw_hasher_expect_bcrypt(h, 0);
    }
    assert_int_equal(gw_hasher_verify(h, &(struct gw_hash_client){.address = &a}, argon2, GW_STR("right"), NULL),
                     GW_OK);
    gw_hasher_stats(h, &stats);
    assert_int_equal(stats.evened, 3);
    gw_hasher_free(h);
}

static void a_cheaper_bcrypt_hash_is_made_up_to_the_dearest(void **state)
{
    (void)state;
    static const struct {
        const char *hash;
        unsigned evened; /* of costs 4, 5 … to the highest, and an Argon2id one */
    } rows[] = {{NULL, 1},
                {"$2b$04$......................Vd5fJNrZ.RSWOzVbIQXBU3oWKl0yYFy", 3},
                {"$2b$05$......................Vd5fJNrZ.RSWOzVbIQXBU3oWKl0yYFy", 2},
                {"$2b$06$......................Vd5fJNrZ.RSWOzVbIQXBU3oWKl0yYFy", 1}};
    struct gw_hasher *h = pool(1, 4, 4);
    struct gw_ip a = ip("192.0.1.1");
    gw_hasher_expect_bcrypt(h, 6);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_hasher_stats before, after;
        gw_hasher_stats(h, &before);
        assert_int_equal(
            gw_hasher_verify(h, &(struct gw_hash_client){.address = &a}, rows[i].hash, GW_STR("wrong"), NULL),
            GW_EDENIED);
        gw_hasher_stats(h, &after);
        assert_int_equal(after.evened - before.evened, rows[i].evened);
    }
    gw_hasher_free(h);
}

static void hashes_of_other_kinds_or_lower_cost_are_outdated(void **state)
{
    (void)state;
    struct gw_hasher *h = pool(1, 1, 1);
    static const struct {
        const char *hash;
        bool outdated;
    } cases[] = {
        {"$2b$12$oBfibYsN1nBKizMrxMzUf.yy0H3A9tKjwhIhorlf3FSiJ23KQ46jC", true},
        {"$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$CWPUZTCPQ4EYwYgIRvhlyQ", false},
        {"$argon2id$v=19$m=32,t=1,p=1$c2FsdHNhbHRzYWx0$CWPUZTCPQ4EYwYgIRvhlyQ", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(gw_hasher_is_outdated(h, cases[i].hash), cases[i].outdated);
    gw_hasher_free(h);
}

/* ---- fairness and bounds ---- */

static void addresses_take_turns_whatever_one_of_them_queues(void **state)
{
    (void)state;
    struct gw_hasher *h = pool(1, 16, 8);
    struct gate gate;
    gate_init(&gate);
    struct caller callers[] = {
        {.address = ip("192.0.9.1"), .letter = 'x'},      {.address = ip("192.0.1.1"), .letter = 'a'},
        {.address = ip("192.0.1.1"), .letter = 'b'},      {.address = ip("192.0.1.1"), .letter = 'c'},
        {.address = ip("192.0.2.1"), .letter = 'p'},      {.address = ip("2001:db8::1"), .letter = 's'},
        {.address = ip("2001:db8::ffff"), .letter = 't'}, /* the same /64: the same turn */
        {.address = ip("192.0.2.1"), .letter = 'q'},
    };
    start_callers(callers, COUNT(callers), h, &gate);
    gate_open(&gate);
    join_callers(callers, COUNT(callers));
    assert_string_equal(gate.order, "xapsbqtc");
    gw_hasher_free(h);
}

static void an_address_that_queues_again_stands_behind_the_others(void **state)
{
    (void)state;
    struct gw_hasher *h = pool(1, 6, 4);
    for (int round = 0; round < 3; round++) { /* lanes are used again */
        struct gate gate;
        gate_init(&gate);
        struct caller callers[] = {
            {.address = ip("192.0.1.1"), .letter = 'a'}, {.address = ip("192.0.2.1"), .letter = 'b'},
            {.address = ip("192.0.2.1"), .letter = 'e'}, {.address = ip("192.0.1.1"), .letter = 'c'},
            {.address = ip("192.0.3.1"), .letter = 'd'},
        };
        start_callers(callers, COUNT(callers), h, &gate);
        gate_open(&gate);
        join_callers(callers, COUNT(callers));
        assert_string_equal(gate.order, "abcde");
    }
    gw_hasher_free(h);
}

static void a_full_queue_or_share_refuses_at_once(void **state)
{
    (void)state;
    struct gw_hasher *h = pool(1, 3, 2);
    struct gate gate;
    struct gw_hasher_stats stats;
    gate_init(&gate);
    struct caller callers[] = {
        {.address = ip("192.0.9.1"), .letter = 'x'},
        {.address = ip("192.0.1.1"), .letter = 'a'},
        {.address = ip("192.0.1.1"), .letter = 'b'},
        {.address = ip("192.0.2.1"), .letter = 'c'},
    };
    struct gw_ip greedy = ip("192.0.1.1"), other = ip("192.0.3.1");
    start_callers(callers, 3, h, &gate);
    assert_int_equal(gw_hasher_verify(h, &(struct gw_hash_client){.address = &greedy}, NULL, GW_STR("x"), NULL),
                     GW_ELIMIT);
    callers[3].hasher = h, callers[3].gate = &gate;
    assert_int_equal(pthread_create(&callers[3].thread, NULL, call, &callers[3]), 0);
    for (gw_hasher_stats(h, &stats); stats.waiting < 3; gw_hasher_stats(h, &stats))
        sched_yield();
    assert_int_equal(gw_hasher_verify(h, &(struct gw_hash_client){.address = &other}, NULL, GW_STR("x"), NULL),
                     GW_ELIMIT);
    gate_open(&gate);
    join_callers(callers, COUNT(callers));
    for (size_t i = 0; i < COUNT(callers); i++)
        assert_int_equal(callers[i].code, GW_EDENIED);
    gw_hasher_stats(h, &stats);
    assert_int_equal(stats.done, 4);
    assert_int_equal(stats.refused, 2);
    assert_int_equal(stats.waiting, 0);
    gw_hasher_free(h);
}

/* A /48 has 65536 addresses as limits count them, each with a share of its own. */
static void one_network_leaves_half_of_the_places_to_strangers_elsewhere(void **state)
{
    (void)state;
    struct gw_hasher *h = pool(1, 6, 6);
    struct gate gate;
    gate_init(&gate);
    struct caller callers[] = {
        {.address = ip("192.0.9.1"), .letter = 'x'},
        {.address = ip("2001:db8:0:1::1"), .letter = 'a'},
        {.address = ip("2001:db8:0:2::1"), .letter = 'b'},
        {.address = ip("2001:db8:0:3::1"), .letter = 'c'},
        {.address = ip("2001:db8:1:1::1"), .letter = 'd'},
        {.address = ip("2001:db8:0:4::1"), .letter = 'K', .device = GW_DEVICE_KNOWN},
    };
    struct gw_ip another = ip("2001:db8:0:5::1");
    start_callers(callers, 4, h, &gate);
    assert_int_equal(gw_hasher_verify(h, &(struct gw_hash_client){.address = &another}, NULL, GW_STR("x"), NULL),
                     GW_ELIMIT);
    for (size_t i = 4; i < COUNT(callers); i++) {
        struct gw_hasher_stats stats;
        callers[i].hasher = h, callers[i].gate = &gate;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
        for (gw_hasher_stats(h, &stats); stats.waiting < i; gw_hasher_stats(h, &stats))
            sched_yield();
    }
    gate_open(&gate);
    join_callers(callers, COUNT(callers));
    for (size_t i = 0; i < COUNT(callers); i++)
        assert_int_equal(callers[i].code, GW_EDENIED);
    gw_hasher_free(h);
}

static void known_devices_get_every_other_hash_however_many_strangers_wait(void **state)
{
    (void)state;
    struct gw_hasher *h = pool(1, 16, 8);
    struct gate gate;
    gate_init(&gate);
    struct caller callers[] = {
        {.address = ip("192.0.9.1"), .letter = 'x'},
        {.address = ip("192.0.1.1"), .letter = 'a'},
        {.address = ip("192.0.2.1"), .letter = 'b'},
        {.address = ip("192.0.3.1"), .letter = 'c'},
        {.address = ip("192.0.4.1"), .letter = 'd'},
        {.address = ip("198.51.100.1"), .letter = 'K', .device = GW_DEVICE_KNOWN},
        {.address = ip("198.51.100.2"), .letter = 'L', .device = GW_DEVICE_KNOWN},
    };
    start_callers(callers, COUNT(callers), h, &gate);
    gate_open(&gate);
    join_callers(callers, COUNT(callers));
    assert_string_equal(gate.order, "xKaLbcd");
    gw_hasher_free(h);
}

static void strangers_leave_places_for_known_devices(void **state)
{
    (void)state;
    struct gw_hasher *h = pool(1, 8, 8);
    struct gate gate;
    struct gw_hasher_stats stats;
    gate_init(&gate);
    struct caller callers[] = {
        {.address = ip("192.0.9.1"), .letter = 'x'},
        {.address = ip("192.0.1.1"), .letter = 'a'},
        {.address = ip("192.0.2.1"), .letter = 'b'},
        {.address = ip("192.0.3.1"), .letter = 'c'},
        {.address = ip("192.0.4.1"), .letter = 'd'},
        {.address = ip("192.0.5.1"), .letter = 'e'},
        {.address = ip("192.0.6.1"), .letter = 'f'},
        {.address = ip("192.0.7.1"), .letter = 'K', .device = GW_DEVICE_KNOWN},
    };
    struct gw_ip late = ip("192.0.8.1");
    start_callers(callers, COUNT(callers) - 1, h, &gate);
    assert_int_equal(gw_hasher_verify(h, &(struct gw_hash_client){.address = &late}, NULL, GW_STR("x"), NULL),
                     GW_ELIMIT);
    struct caller *known = &callers[COUNT(callers) - 1];
    known->hasher = h, known->gate = &gate;
    assert_int_equal(pthread_create(&known->thread, NULL, call, known), 0);
    for (gw_hasher_stats(h, &stats); stats.waiting < 7 && stats.refused < 2; gw_hasher_stats(h, &stats))
        sched_yield();
    gate_open(&gate);
    join_callers(callers, COUNT(callers));
    assert_string_equal(gate.order, "xKabcdef");
    assert_int_equal(known->code, GW_EDENIED);
    gw_hasher_free(h);
}

static void a_client_that_has_gone_is_not_hashed_for(void **state)
{
    (void)state;
    struct gw_hasher *h = pool(1, 4, 4);
    struct gate gate;
    struct gw_hasher_stats stats;
    gate_init(&gate);
    struct caller callers[] = {
        {.address = ip("192.0.1.1"), .letter = 'a'},
        {.address = ip("192.0.1.1"), .letter = 'b', .gone = true},
    };
    start_callers(callers, COUNT(callers), h, &gate);
    gate_open(&gate);
    join_callers(callers, COUNT(callers));
    assert_int_equal(callers[0].code, GW_EDENIED);
    assert_int_equal(callers[1].code, GW_ETIMEOUT);
    gw_hasher_stats(h, &stats);
    assert_int_equal(stats.done, 1);
    assert_int_equal(stats.gone, 1);
    gw_hasher_free(h);
}

static void *free_pool(void *h)
{
    gw_hasher_free(h);
    return NULL;
}

static void the_end_lets_running_jobs_end_and_refuses_waiting_ones(void **state)
{
    (void)state;
    struct gw_hasher *h = pool(1, 4, 4);
    struct gate gate;
    gate_init(&gate);
    struct caller callers[] = {
        {.address = ip("192.0.1.1"), .letter = 'a'},
        {.address = ip("192.0.1.1"), .letter = 'b'},
        {.address = ip("192.0.2.1"), .letter = 'c'},
    };
    pthread_t ender;
    start_callers(callers, COUNT(callers), h, &gate);
    assert_int_equal(pthread_create(&ender, NULL, free_pool, h), 0);
    join_callers(&callers[1], 2); /* refused while the first still runs */
    gate_open(&gate);
    join_callers(callers, 1);
    assert_int_equal(pthread_join(ender, NULL), 0);
    assert_int_equal(callers[0].code, GW_EDENIED);
    assert_int_equal(callers[1].code, GW_ELIMIT);
    assert_int_equal(callers[2].code, GW_ELIMIT);
    assert_string_equal(gate.order, "a");
}

static enum gw_code no_random(const struct gw_random *self, void *dst, size_t n)
{
    (void)self, (void)dst, (void)n;
    return GW_ECRYPTO;
}

static void without_randomness_there_is_no_pool(void **state)
{
    (void)state;
    const struct gw_random none = {no_random};
    const struct gw_hasher_options o = {
        .threads = 1, .queue_max = 1, .per_address_max = 1, .params = cheap, .random = &none};
    struct gw_hasher *h = NULL;
    assert_int_equal(gw_hasher_new(&o, &h, NULL), GW_ECRYPTO);
    assert_null(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords_are_made_and_verified),
        cmocka_unit_test(a_user_that_does_not_exist_costs_a_hash_and_is_denied),
        cmocka_unit_test(every_denial_costs_both_kinds_of_hash_while_there_are_both),
        cmocka_unit_test(a_cheaper_bcrypt_hash_is_made_up_to_the_dearest),
        cmocka_unit_test(hashes_of_other_kinds_or_lower_cost_are_outdated),
        cmocka_unit_test(addresses_take_turns_whatever_one_of_them_queues),
        cmocka_unit_test(an_address_that_queues_again_stands_behind_the_others),
        cmocka_unit_test(a_full_queue_or_share_refuses_at_once),
        cmocka_unit_test(one_network_leaves_half_of_the_places_to_strangers_elsewhere),
        cmocka_unit_test(known_devices_get_every_other_hash_however_many_strangers_wait),
        cmocka_unit_test(strangers_leave_places_for_known_devices),
        cmocka_unit_test(a_client_that_has_gone_is_not_hashed_for),
        cmocka_unit_test(the_end_lets_running_jobs_end_and_refuses_waiting_ones),
        cmocka_unit_test(without_randomness_there_is_no_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
