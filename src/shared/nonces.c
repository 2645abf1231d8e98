/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A word is 32 bits of the hash of key and nonce, and the second up to which its request could be sent again, inclusive. 0 is no word. A
 * nonce has one bucket. Two nonces that meet in 32 bits and a bucket are one, which refuses the later: stricter only.
 *
 * A word that is over is free for anybody; none is given back. Those who come at once with the same nonce find the same first free
 * word, and one gets it; should they differ over what is over, for each has his own time, each looks at the whole bucket again after the swap,
 * and who finds another there is refused: loads and swaps are sequentially consistent, so that the later one sees the earlier's.
 */
#include "shared/nonces.h"

#include <assert.h>
#include <string.h>

#define TIME_MASK UINT64_C(0xffffffff)
#define LOOK_BUCKETS 64u

void gw_nonces_init(struct gw_nonces *t, struct gw_nonces_head *head, _Atomic uint64_t *words, uint32_t slots,
                    const struct gw_hash_key *key)
{
    assert(slots >= GW_NONCES_BUCKET && (slots & (slots - 1)) == 0);
    *t = (struct gw_nonces){.head = head,
                            .words = words,
                            .slots = slots,
                            .since_s = head->since_s,
                            .window_s = head->window_s,
                            .key = *key};
}

static uint64_t hash_of(const struct gw_nonces *t, const struct gw_nonce *n)
{
    uint8_t text[sizeof(n->key_id.b) + GW_NONCE_LEN_MAX];
    assert(n->text.len > 0 && n->text.len <= GW_NONCE_LEN_MAX);
    memcpy(text, n->key_id.b, sizeof(n->key_id.b));
    memcpy(text + sizeof(n->key_id.b), n->text.ptr, n->text.len);
    return gw_hash(&t->key, text, sizeof(n->key_id.b) + n->text.len);
}

static bool is_over(uint64_t word, int64_t now_s)
{
    return (int64_t)(word & TIME_MASK) < now_s;
}

static bool is_same(uint64_t a, uint64_t b)
{
    return ((a ^ b) & ~TIME_MASK) == 0;
}

static void raise_latest(_Atomic int64_t *latest_s, int64_t now_s)
{
    int64_t seen = atomic_load(latest_s);
    while (seen < now_s && !atomic_compare_exchange_weak(latest_s, &seen, now_s)) {
    }
}

static enum gw_nonce_fault judge_stamp(const struct gw_nonces *t, int64_t stamp_s, int64_t now_s)
{
    int64_t latest_s = atomic_load(&t->head->latest_s);
    if (latest_s < now_s)
        latest_s = now_s;
    if (stamp_s < latest_s - t->window_s)
        return GW_NONCE_STALE;
    if (stamp_s > now_s + GW_NONCES_AHEAD_S)
        return GW_NONCE_EARLY;
    return stamp_s - GW_NONCES_AHEAD_S <= t->since_s ? GW_NONCE_FORGOTTEN : GW_NONCE_OK;
}

struct place {
    _Atomic uint64_t *at; /* the first that is free; NULL: none */
    uint64_t word;        /* as it was seen */
    bool is_taken;        /* the nonce stands somewhere but at `besides` */
};

static struct place look(_Atomic uint64_t *bucket, uint64_t word, const _Atomic uint64_t *besides, int64_t now_s)
{
    struct place p = {.at = NULL};
    for (size_t i = 0; i < GW_NONCES_BUCKET; i++) {
        uint64_t seen = atomic_load(&bucket[i]);
        if (is_over(seen, now_s)) {
            if (p.at == NULL)
                p = (struct place){&bucket[i], seen, p.is_taken};
        } else if (is_same(seen, word) && &bucket[i] != besides) {
            p.is_taken = true;
        }
    }
    return p;
}

/* Each turn that fails is one in which another took a word, of which there are eight. */
static enum gw_nonce_fault take(_Atomic uint64_t *bucket, uint64_t word, int64_t now_s)
{
    for (;;) {
        struct place p = look(bucket, word, NULL, now_s);
        if (p.is_taken)
            return GW_NONCE_REPLAYED;
        if (p.at == NULL)
            return GW_NONCE_CROWDED;
        if (atomic_compare_exchange_strong(p.at, &p.word, word))
            return look(bucket, word, p.at, now_s).is_taken ? GW_NONCE_REPLAYED : GW_NONCE_OK;
    }
}

/* The timestamp is judged again at the end: another, whose time is later, may have put a word in the place of this nonce's. */
enum gw_nonce_fault gw_nonces_take(const struct gw_nonces *t, const struct gw_nonce *n, int64_t now_s)
{
    enum gw_nonce_fault fault = judge_stamp(t, n->stamp_s, now_s);
    if (fault != GW_NONCE_OK)
        return fault;
    raise_latest(&t->head->latest_s, now_s);
    uint64_t hash = hash_of(t, n), bucket = hash & (t->slots / GW_NONCES_BUCKET - 1);
    uint64_t word = (hash & ~TIME_MASK) | ((uint64_t)(n->stamp_s + t->window_s) & TIME_MASK);
    fault = take(&t->words[bucket * GW_NONCES_BUCKET], word, now_s);
    return fault == GW_NONCE_OK ? judge_stamp(t, n->stamp_s, now_s) : fault;
}

/* ---- how full it is ---- */

static uint64_t count_live(const _Atomic uint64_t *bucket, int64_t now_s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < GW_NONCES_BUCKET; i++)
        n += !is_over(atomic_load_explicit(&bucket[i], memory_order_relaxed), now_s);
    return n;
}

void gw_nonces_look(const struct gw_nonces *t, int64_t now_s)
{
    uint64_t buckets = t->slots / GW_NONCES_BUCKET;
    uint64_t from = atomic_fetch_add(&t->head->cursor, LOOK_BUCKETS);
    for (uint64_t i = from; i < from + LOOK_BUCKETS; i++) {
        if (i % buckets == 0)
            atomic_store(&t->head->live, atomic_exchange(&t->head->live_of_pass, 0));
        atomic_fetch_add(&t->head->live_of_pass, count_live(&t->words[i % buckets * GW_NONCES_BUCKET], now_s));
    }
}

uint64_t gw_nonces_live(const struct gw_nonces *t)
{
    return atomic_load(&t->head->live);
}
