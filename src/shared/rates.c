/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A word is 30 bits of the hash and 34 bits of time: the end of the backlog, in ticks, as a clock that comes round every 12 days; no backlog
 * is longer than one. 0 is no word. A key has two buckets of eight words; its word is the first of the sixteen that has its hash and has not ended.
 *
 * A word that has ended is free for anybody, its own key too. Two threads that come with the same new key at once may take two words: each looks
 * again after it took one, and who does not find its own first gives it back and charges the first. Loads and stores of words
 * are sequentially consistent, so that one of the two sees the other's.
 */
#include "shared/rates.h"

#include <assert.h>

#define TIME_BITS 34
#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)
#define LONGEST ((uint64_t)GW_RATE_WINDOW_MAX_MS * GW_RATE_TICKS_PER_MS + (uint64_t)GW_RATE_LIMIT_MAX)
static_assert(LONGEST < TIME_MASK / 8, "what has ended must not look alive again while nobody sweeps");

#define WAYS ((size_t)2 * GW_RATES_BUCKET)
#define ROOM_ENOUGH 3
#define TRIES_MAX 1000
#define SWEEP_BUCKETS 64u
#define SILENCE_MAX_MS GW_RATE_WINDOW_MAX_MS
#define STEP_BACK_MAX_MS INT64_C(60000) /* of the clock: another boot's */

void gw_rates_init(struct gw_rates *t, struct gw_rates_head *head, _Atomic uint64_t *memory,
                   const uint32_t slots[GW_RATES_REGIONS], const struct gw_hash_key *key)
{
    *t = (struct gw_rates){.head = head, .key = *key};
    for (int i = 0; i < GW_RATES_REGIONS; i++) {
        assert(slots[i] >= GW_RATES_SLOTS_MIN && (slots[i] & (slots[i] - 1)) == 0);
        t->words[i] = memory;
        t->slots[i] = slots[i];
        memory += slots[i];
    }
}

/* ---- who ---- */

struct gw_rates_subject gw_rates_address(const struct gw_rates *t, const struct gw_ip *ip)
{
    struct gw_ip key = gw_ip_limit_key(ip);
    /* ::ffff:a.b.c.d: its /24 is in the first 15 bytes, an IPv6 /32 in the first four; neither is a prefix of the other. */
    return (struct gw_rates_subject){
        .hash = gw_hash(&t->key, key.b, sizeof(key.b)),
        .network = gw_hash(&t->key, key.b, gw_ip_is_v4(ip) ? 15 : 4),
        .region = GW_RATES_ADDRESSES,
    };
}

struct gw_rates_subject gw_rates_identity(const struct gw_rates *t, const struct gw_uuid *id)
{
    uint64_t hash = gw_hash(&t->key, id->b, sizeof(id->b));
    return (struct gw_rates_subject){.hash = hash, .network = hash, .region = GW_RATES_IDENTITIES};
}

/* A subject's hash is secret and even already; so one bijection is enough to part its rates (splitmix64, Steele et al. 2014). */
static uint64_t mix(uint64_t hash, uint64_t mark)
{
    uint64_t z = hash ^ mark;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* ---- words ---- */

struct key {
    uint64_t tag; /* in its place */
    _Atomic uint64_t *bucket[2];
};

static struct key key_of(const struct gw_rates *t, const struct gw_rates_subject *s, uint64_t mark)
{
    uint64_t hash = mix(s->hash, mark), buckets = t->slots[s->region] / GW_RATES_BUCKET;
    uint64_t tag = hash >> TIME_BITS, first = hash & (buckets - 1);
    uint64_t second = first ^ ((tag * UINT64_C(0x9e3779b1) | 1) & (buckets - 1));
    if (tag == 0)
        tag = 1;
    return (struct key){
        .tag = tag << TIME_BITS,
        .bucket = {&t->words[s->region][first * GW_RATES_BUCKET], &t->words[s->region][second * GW_RATES_BUCKET]}};
}

static uint64_t ticks_of(int64_t ms)
{
    return (uint64_t)ms * GW_RATE_TICKS_PER_MS;
}

/* 0: it has ended. */
static uint64_t backlog_of(uint64_t word, uint64_t now)
{
    uint64_t left = (word - now) & TIME_MASK;
    return word != 0 && left <= LONGEST ? left : 0;
}

static uint64_t word_of(uint64_t tag, uint64_t now, uint64_t backlog)
{
    return tag | ((now + backlog) & TIME_MASK);
}

static _Atomic uint64_t *way(const struct key *k, size_t i)
{
    return &k->bucket[i / GW_RATES_BUCKET][i % GW_RATES_BUCKET];
}

struct place {
    _Atomic uint64_t *at; /* NULL: all are taken */
    uint64_t word;        /* as it was seen */
    bool mine;
};

/* The first word of this key, else a free one: of its first bucket, unless that is nearly full and the second is not. So most are found
 * in one cache line, and the last bucket overflows when nearly all of the table is in use. */
static struct place find(const struct key *k, uint64_t now)
{
    struct place free[2] = {{.at = NULL}, {.at = NULL}};
    unsigned room[2] = {0, 0};
    for (size_t i = 0; i < WAYS; i++) {
        uint64_t word = atomic_load(way(k, i));
        bool lives = backlog_of(word, now) > 0;
        if (lives && (word & ~TIME_MASK) == k->tag)
            return (struct place){way(k, i), word, true};
        size_t b = i / GW_RATES_BUCKET;
        if (!lives && room[b]++ == 0)
            free[b] = (struct place){way(k, i), word, false};
    }
    return room[0] >= ROOM_ENOUGH || room[0] >= room[1] ? free[0] : free[1];
}

/* A new word stands at p->at. True: no other thread has taken one before it for the same key meanwhile; else it is given back. */
static bool settle(const struct key *k, const struct place *p, uint64_t taken, uint64_t now)
{
    struct place first = find(k, now);
    if (!first.mine || first.at == p->at)
        return true;
    return !atomic_compare_exchange_strong(p->at, &taken, 0); /* who charged it meanwhile counts there */
}

/* ---- charging ---- */

/* One try. True: *out is the answer. False: another thread changed the word meanwhile, so look again. */
static bool try_charge(const struct key *k, const struct gw_rate *rate, uint32_t share, uint64_t now, struct place *p,
                       struct gw_rate_answer *out)
{
    *out = gw_rate_ask(rate, share, p->mine ? backlog_of(p->word, now) : 0);
    if (!out->admitted)
        return true;
    uint64_t word = word_of(k->tag, now, out->backlog), seen = p->word;
    if (!atomic_compare_exchange_strong(p->at, &seen, word))
        return false;
    return p->mine || settle(k, p, word, now);
}

/* Where others change the same words a thousand times meanwhile, nobody may say that this one is within its rate. */
static struct gw_rate_answer crowded(const struct gw_rate *rate)
{
    return gw_rate_ask(rate, GW_RATE_SHARE_WHOLE, gw_rate_full(rate));
}

static struct gw_charge charge_shared(const struct gw_rates *t, const struct gw_rates_subject *s, uint64_t mark,
                                      const struct gw_rate *rate, uint32_t share, uint64_t now)
{
    uint64_t slot = mix(s->network, mark) & (t->slots[GW_RATES_OVERFLOW] - 1);
    struct key k = {.tag = (uint64_t)1 << TIME_BITS};
    struct place p = {.at = &t->words[GW_RATES_OVERFLOW][slot], .mine = true};
    struct gw_charge c = {.shared = true};
    atomic_fetch_add_explicit(&t->head->overflows, 1, memory_order_relaxed);
    for (int i = 0; i < TRIES_MAX; i++) {
        p.word = atomic_load(p.at);
        if (try_charge(&k, rate, share, now, &p, &c.answer))
            return c;
    }
    c.answer = crowded(rate);
    return c;
}

struct gw_charge gw_rates_charge(const struct gw_rates *t, const struct gw_rates_subject *s, uint64_t mark,
                                 const struct gw_rate *rate, uint32_t share, int64_t now_ms)
{
    struct key k = key_of(t, s, mark);
    uint64_t now = ticks_of(now_ms);
    struct gw_charge c = {.shared = false};
    for (int i = 0; i < TRIES_MAX; i++) {
        struct place p = find(&k, now);
        if (p.at == NULL)
            return charge_shared(t, s, mark, rate, share, now);
        if (try_charge(&k, rate, share, now, &p, &c.answer))
            return c;
    }
    c.answer = crowded(rate);
    return c;
}

/* ---- sweeping ---- */

static uint64_t sweep_words(_Atomic uint64_t *words, size_t count, uint64_t now)
{
    uint64_t live = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t word = atomic_load(&words[i]);
        if (backlog_of(word, now) > 0)
            live++;
        else if (word != 0)
            atomic_compare_exchange_strong(&words[i], &word, 0);
    }
    return live;
}

static uint32_t all_slots(const struct gw_rates *t)
{
    return t->slots[GW_RATES_ADDRESSES] + t->slots[GW_RATES_IDENTITIES] + t->slots[GW_RATES_OVERFLOW];
}

static enum gw_rates_region region_of(const struct gw_rates *t, uint64_t word)
{
    enum gw_rates_region region = GW_RATES_ADDRESSES;
    while (region < GW_RATES_OVERFLOW && word >= t->slots[region])
        word -= t->slots[region++];
    return region;
}

/* The regions stand behind one another. The pass counts all but overflow words. */
static void sweep_some(const struct gw_rates *t, int64_t now_ms)
{
    uint64_t buckets = all_slots(t) / GW_RATES_BUCKET, now = ticks_of(now_ms);
    assert(buckets > 0); /* each region has some: its opener saw to it */
    uint64_t from = atomic_fetch_add(&t->head->cursor, SWEEP_BUCKETS);
    for (uint64_t i = from; i < from + SWEEP_BUCKETS; i++) {
        uint64_t bucket = i % buckets;
        for (int of = 0; bucket == 0 && of < GW_RATES_OVERFLOW; of++)
            atomic_store(&t->head->live[of], atomic_exchange(&t->head->live_of_pass[of], 0));
        uint64_t live = sweep_words(&t->words[0][bucket * GW_RATES_BUCKET], GW_RATES_BUCKET, now);
        enum gw_rates_region region = region_of(t, bucket * GW_RATES_BUCKET);
        if (region < GW_RATES_OVERFLOW)
            atomic_fetch_add(&t->head->live_of_pass[region], live);
    }
}

void gw_rates_sweep(const struct gw_rates *t, int64_t now_ms)
{
    int64_t before = atomic_load(&t->head->swept_ms);
    bool is_stale = now_ms - before > SILENCE_MAX_MS || before - now_ms > STEP_BACK_MAX_MS;
    if (!atomic_compare_exchange_strong(&t->head->swept_ms, &before, now_ms))
        return; /* another process is at it */
    if (is_stale)
        for (size_t i = 0; i < all_slots(t); i++)
            atomic_store(&t->words[0][i], 0);
    sweep_some(t, now_ms);
}

void gw_rates_fill(const struct gw_rates *t, struct gw_rates_fill *out)
{
    out->overflows = atomic_load(&t->head->overflows);
    for (int i = 0; i < GW_RATES_OVERFLOW; i++) {
        out->live[i] = atomic_load(&t->head->live[i]);
        out->slots[i] = t->slots[i];
    }
}
