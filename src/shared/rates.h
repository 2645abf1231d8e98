/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Backlogs of rates (base/rate.h) in memory that all workers share: who has asked how much. A backlog is one 64-bit word, changed by
 * compare-and-swap alone; nobody holds a lock, so nobody dies holding one. What has no backlog has no word.
 *
 * Bounded, and nobody who has a backlog is ever pushed out. Who comes when both of his buckets are full is counted in an overflow word,
 * which he shares with his network: an IPv4 /24, an IPv6 /32. So whoever owns a network can fill the table, and then has one budget for all of it; who
 * was counted before notices nothing, and nothing is let through uncounted. Overflow words have no names: two networks may share one, which is
 * stricter only. Identities have a region of their own, so that no crowd of addresses touches them.
 *
 * Times are monotonic milliseconds of the clock that all processes of a boot share. Thread-safe but for gw_rates_init.
 */
#include "base/encode.h"
#include "base/hash.h"
#include "base/ip.h"
#include "base/rate.h"
#include <stdatomic.h>
#include <stddef.h>

enum gw_rates_region { GW_RATES_ADDRESSES, GW_RATES_IDENTITIES, GW_RATES_OVERFLOW, GW_RATES_REGIONS };

/* In shared memory, before the words; zero at first. */
struct gw_rates_head {
    _Atomic int64_t swept_ms;
    _Atomic uint64_t cursor;
    _Atomic uint64_t overflows;
    _Atomic uint64_t live[GW_RATES_OVERFLOW], live_of_pass[GW_RATES_OVERFLOW]; /* addresses, identities */
    uint64_t unused;                                                           /* the words begin on a cache line */
};

struct gw_rates {
    struct gw_rates_head *head;
    _Atomic uint64_t *words[GW_RATES_REGIONS];
    uint32_t slots[GW_RATES_REGIONS]; /* powers of two, at least GW_RATES_SLOTS_MIN */
    struct gw_hash_key key;
};

#define GW_RATES_BUCKET 8u /* words, one cache line */
#define GW_RATES_SLOTS_MIN (2 * GW_RATES_BUCKET)
/* memory: of all regions' words in their order, on a cache line. */
void gw_rates_init(struct gw_rates *t, struct gw_rates_head *head, _Atomic uint64_t *memory,
                   const uint32_t slots[GW_RATES_REGIONS], const struct gw_hash_key *key);

/* Who is counted, hashed once for all rates. */
struct gw_rates_subject {
    uint64_t hash, network;
    enum gw_rates_region region;
};
/* An IPv4 address, or an IPv6 /64. */
struct gw_rates_subject gw_rates_address(const struct gw_rates *t, const struct gw_ip *ip);
struct gw_rates_subject gw_rates_identity(const struct gw_rates *t, const struct gw_uuid *id);

struct gw_charge {
    struct gw_rate_answer answer;
    bool shared; /* counted with others, for the table is full */
};
/* Asks the rate, and notes the request where it was admitted. mark: which rate it is, the same for all processes and after a reload; its own
 * backlog for each subject and mark. */
struct gw_charge gw_rates_charge(const struct gw_rates *t, const struct gw_rates_subject *s, uint64_t mark,
                                 const struct gw_rate *rate, uint32_t share, int64_t now_ms);

/* Each process, some times a second: clears a few words of which the backlog has passed, so that none is ever old enough for its time to
 * come round again; and all of them where nobody has swept for a day. */
void gw_rates_sweep(const struct gw_rates *t, int64_t now_ms);

struct gw_rates_fill {
    uint64_t live[GW_RATES_OVERFLOW], slots[GW_RATES_OVERFLOW]; /* live as of the last whole sweep */
    uint64_t overflows; /* requests that were counted with others, since the segment was made */
};
void gw_rates_fill(const struct gw_rates *t, struct gw_rates_fill *out);
