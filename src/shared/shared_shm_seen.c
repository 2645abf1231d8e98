/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When sessions and keys were last used: buckets of eight words, one cache line each; a word is 32 bits of the id's hash and 32 bits of
 * time. A ninth active session in one bucket pushes the longest unused out, which then falls back to the time that control
 * last wrote to its record: advice may be lost, an absolute end never.
 */
#include "shared/shared_shm.h"

#include <string.h>
#include <unistd.h>

/* Index of the bucket's first word. */
static size_t bucket_of(const struct gw_shared *s, const struct gw_uuid *sid, uint64_t *out_tag)
{
    uint64_t hash = gw_hash(&s->counters_key, sid->b, sizeof(sid->b));
    *out_tag = hash & ~(uint64_t)UINT32_MAX;
    return (hash & (s->buckets - 1)) * BUCKET;
}

/* Control does not read the map: a broken worker could cut the file short, and a look at the map would then be a SIGBUS. What
 * cannot be read holds no advice. */
static void read_bucket(const struct gw_shared *s, size_t first, uint64_t words[BUCKET])
{
    memset(words, 0, BUCKET * sizeof(words[0]));
    if (s->role == GW_SHARED_READER) {
        for (size_t i = 0; i < BUCKET; i++)
            words[i] = atomic_load_explicit(&s->counters[first + i], memory_order_relaxed);
        return;
    }
    off_t offset = (off_t)(sizeof(struct gw_shm_counters) + first * sizeof(words[0]));
    if (pread(s->counters_segment.fd, words, BUCKET * sizeof(words[0]), offset) < 0)
        memset(words, 0, BUCKET * sizeof(words[0]));
}

static int64_t latest_of(const struct gw_shared *s, const struct gw_uuid *id, int64_t latest)
{
    uint64_t tag, words[BUCKET];
    read_bucket(s, bucket_of(s, id, &tag), words);
    for (size_t i = 0; i < BUCKET; i++) {
        int64_t seen_s = (int64_t)(words[i] & UINT32_MAX);
        if ((words[i] & ~(uint64_t)UINT32_MAX) == tag && seen_s > latest)
            latest = seen_s;
    }
    return latest;
}

int64_t gw_shared_last_seen(const struct gw_shared *s, const struct gw_live_session *session)
{
    return latest_of(s, &session->id, session->last_seen_s);
}

int64_t gw_shared_key_last_used(const struct gw_shared *s, const struct gw_live_key *key)
{
    return latest_of(s, &key->id, key->last_used_s);
}

/* One try: when another worker changes the word first, a request of this second was noted there, or the advice is lost. */
static void note(struct gw_shared *s, size_t index, uint64_t old, uint64_t word)
{
    if (s->role == GW_SHARED_READER)
        atomic_compare_exchange_strong_explicit(&s->counters[index], &old, word, memory_order_relaxed,
                                                memory_order_relaxed);
    else if (pwrite(s->counters_segment.fd, &word, sizeof(word),
                    (off_t)(sizeof(struct gw_shm_counters) + index * sizeof(word))) < 0)
        return; /* advice lost */
}

void gw_shared_touch(struct gw_shared *s, const struct gw_uuid *sid, int64_t now_s)
{
    uint64_t tag, words[BUCKET];
    size_t first = bucket_of(s, sid, &tag), victim = 0;
    read_bucket(s, first, words);
    for (size_t i = 0; i < BUCKET; i++) {
        if ((words[i] & UINT32_MAX) < (words[victim] & UINT32_MAX))
            victim = i;
    }
    for (size_t i = 0; i < BUCKET; i++) {
        if ((words[i] & ~(uint64_t)UINT32_MAX) == tag && words[i] != 0)
            victim = i;
    }
    if ((int64_t)(words[victim] & UINT32_MAX) < now_s && now_s <= UINT32_MAX)
        note(s, first + victim, words[victim], tag | (uint64_t)now_s);
}
