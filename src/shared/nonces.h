/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Nonces of signed requests, in memory that all workers share: of equal ones at most one is taken. A nonce is one 64-bit word, changed
 * by compare-and-swap alone; nobody holds a lock, so nobody dies holding one.
 *
 * Bounded, and none is forgotten while the request that it came with could be sent again: who finds no room is refused. To be asked
 * only after the signature was found right, so that nobody without a key can fill it. What was taken before the memory was made is
 * not known, so nothing is taken that might be from then.
 *
 * Times are Unix seconds. Thread-safe but for gw_nonces_init.
 */
#include "base/encode.h"
#include "base/hash.h"
#include <gw/str.h>
#include <stdatomic.h>

#define GW_NONCES_BUCKET 8u /* words, one cache line */
#define GW_NONCES_AHEAD_S 5 /* how far a timestamp may lie ahead */
#define GW_NONCE_LEN_MAX 64u

/* In shared memory, before the words. */
struct gw_nonces_head {
    _Atomic int64_t latest_s; /* the latest time at which one was taken: a clock that is set back revives nothing */
    int64_t since_s,
        window_s; /* when the memory was made; how old a timestamp may be, which how long a nonce is kept depends on */
    _Atomic uint64_t cursor, live, live_of_pass;
    uint64_t unused[2];
};

struct gw_nonces {
    struct gw_nonces_head *head;
    _Atomic uint64_t *words;
    uint32_t slots; /* a power of two, at least GW_NONCES_BUCKET */
    int64_t since_s, window_s;
    struct gw_hash_key key;
};

/* words: on a cache line, zero at first. Since and window are the head's as of now. */
void gw_nonces_init(struct gw_nonces *t, struct gw_nonces_head *head, _Atomic uint64_t *words, uint32_t slots,
                    const struct gw_hash_key *key);

struct gw_nonce {
    struct gw_uuid key_id;
    struct gw_str text; /* at most GW_NONCE_LEN_MAX */
    int64_t stamp_s;    /* the timestamp that was signed with it */
};

enum gw_nonce_fault {
    GW_NONCE_OK,        /* taken, by this call alone */
    GW_NONCE_STALE,     /* the timestamp is older than the window */
    GW_NONCE_EARLY,     /* it lies ahead */
    GW_NONCE_FORGOTTEN, /* it may have been taken before the memory was made */
    GW_NONCE_REPLAYED,
    GW_NONCE_CROWDED, /* there is no room beside the nonces that are still good */
};
enum gw_nonce_fault gw_nonces_take(const struct gw_nonces *t, const struct gw_nonce *n, int64_t now_s);

/* Each process, some times a second: counts in a few buckets, which are remembered; never while a request is asked. */
void gw_nonces_look(const struct gw_nonces *t, int64_t now_s);
/* How many were remembered when somebody had last looked through all of them. */
uint64_t gw_nonces_live(const struct gw_nonces *t);
