/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the files of the backend share: how the two mapped files are laid out, and what a process that has them open holds. Inside the
 * backend only.
 */
#include "shared/changes.h"
#include "shared/segment.h"
#include "shared/shared.h"
#include "shared/table.h"
#include <pthread.h>
#include <stdalign.h>

#define BUCKET 8u
#define CACHE_LINE 64
#define BUNDLE_WORDS 9 /* generation, 64 digits */
#define LENGTHS 128
#define LENGTH_WORDS 2

/* gw_live_session in one cache line with its slot's head. The absolute end is whole; the other times are seconds that 32 bits hold until 2106. */
struct gw_shm_session {
    struct gw_uuid id, user_id;
    int64_t expires_s;
    uint32_t created_s, last_seen_s, idle_s, unused;
};

struct gw_shm_revocation {
    struct gw_uuid jti;
    int64_t expires_s;
};

/* The key is a hash of network and length, which are held against those looked for. */
struct gw_shm_block {
    struct gw_uuid key;
    struct gw_ip net;
    int64_t since_s, expires_s;
    uint8_t bits, kind, unused[6];
};

enum gw_shm_table { SESSIONS, USERS, REVOCATIONS, BLOCKS, API_KEYS, TABLES };

struct gw_shm_authority {
    uint64_t magic, layout;
    uint32_t slots[TABLES];
    struct gw_hash_key key;
    _Atomic uint32_t ready, retired, epoch, unused2;
    _Atomic int64_t heartbeat_s, caught_up_s, gauges[GW_GAUGE_COUNT];
    _Atomic uint64_t bundle_sequence, bundle[BUNDLE_WORDS];
    struct gw_changes changes;
    _Atomic uint64_t lengths[LENGTH_WORDS]; /* of blocked networks: bit n - 1, when there is one of n bits */
    alignas(CACHE_LINE) _Atomic uint64_t words[];
};

struct gw_shm_counters {
    uint64_t magic, layout;
    uint64_t slots;
    struct gw_hash_key key;
    uint32_t rate_slots[GW_RATES_REGIONS], nonce_slots, unused[2]; /* buckets begin on a cache line */
    struct gw_rates_head rates;
    struct gw_nonces_head nonces;
    _Atomic uint64_t words[];
};

struct gw_shared {
    struct gw_segment authority_segment, counters_segment;
    int lock_fd; /* writer */
    struct gw_shm_authority *authority;
    struct gw_table tables[TABLES];
    _Atomic uint64_t *counters;
    uint64_t buckets;
    struct gw_hash_key counters_key;
    struct gw_rates rates;
    struct gw_nonces nonces;
    enum gw_shared_role role;
    pthread_mutex_t lock;        /* writer */
    uint32_t of_length[LENGTHS]; /* writer: blocks whose network is of n + 1 bits */
};

/* Of a writer: one thread at a time changes the authority. */
void gw_shm_lock(struct gw_shared *s);
void gw_shm_unlock(struct gw_shared *s);
/* Under the lock. */
GW_MUST_CHECK enum gw_code gw_shm_put_locked(struct gw_shared *s, enum gw_shm_table table, const void *record,
                                             struct gw_error *err);

/* Lengths of blocked networks, from the records, where a predecessor left them or some were dropped (shared_shm_block.c). */
void gw_shm_count_lengths(struct gw_shared *s);
/* Writes down which there are. Under the lock, after a count. */
void gw_shm_map_lengths(struct gw_shared *s);
