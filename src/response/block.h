/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Blocks of networks, and suspects: added by people, by rules and playbooks, all through here. The store first; the authority segment has it
 * before the call returns, so that every worker refuses from the next request on. What is added again is not added twice. Any thread.
 */
#include "audit/recorder.h"
#include "base/buf.h"
#include "shared/shared.h"
#include "store/store.h"

#define GW_BLOCK_FOR_MAX_S (INT64_C(365) * 86400)
#define GW_BLOCK_REMEMBERED_S (INT64_C(30) * 86400)
/* The largest that may be blocked: nobody means half of the Internet. */
#define GW_BLOCK_V4_BITS_MIN 8
#define GW_BLOCK_V6_BITS_MIN 16

/* What was refused because the list was full. Zeroed at first; of as many desks as there are of one store. */
#define GW_BLOCK_FULL_CAUSES 8 /* further ones count as one */
struct gw_block_full {
    _Atomic uint64_t refused; /* since gw_block_full_take */
    struct {
        char cause[GW_BLOCK_CAUSE_MAX + 1];
        int64_t next_ms; /* monotonic: when it may be told of again */
    } causes[GW_BLOCK_FULL_CAUSES];
    size_t count; /* of causes; these two while the store is held */
};

/* What a change needs; all borrowed. */
struct gw_block_desk {
    struct gw_store *store;
    struct gw_shared *shared; /* NULL offline: control loads at its start */
    struct gw_recorder *recorder;
    const struct gw_clock *clock;
    const struct gw_random *random;
    const struct gw_cidr *allow;
    size_t allow_count;
    int64_t capacity;
    struct gw_block_full *full; /* for gw_block_add alone */
};

struct gw_block_wish {
    struct gw_cidr network;
    bool is_suspect;
    int64_t for_s; /* 0: a suspect for an hour; a block for an hour, 24 hours the second time in 30 days, then 7 days */
    struct gw_str cause, author, reason; /* what does not fit is cut off, what is not printable is '?' */
};

/* "192.0.2.7", "192.0.2.0/24", "2001:db8::/32". A bare address of IPv6 is its /64: whoever has one has them all. GW_EINVAL says what is
 * expected. */
GW_MUST_CHECK enum gw_code gw_block_network_parse(struct gw_str text, struct gw_cidr *out, struct gw_error *err);

enum gw_block_change { GW_BLOCK_UNCHANGED, GW_BLOCK_ADDED, GW_BLOCK_EXTENDED };
/* *out is what is in force then. A block takes the place of a suspect, never the other way round; what is there already is made longer,
 * never shorter, and not at all where no time is asked for. GW_EINVAL: the network is too large, or the time is. GW_ECONFLICT: the allow list
 * has all of it. GW_ELIMIT: there is no room; nothing was dropped for it; it is counted, and the trail has a row `blocks_full` of its cause, once
 * an hour at most. err says how to mend it. */
GW_MUST_CHECK enum gw_code gw_block_add(const struct gw_block_desk *d, const struct gw_actor *by,
                                        const struct gw_block_wish *w, struct gw_block_row *out,
                                        enum gw_block_change *out_change, struct gw_error *err);
/* How many found no room since the last call. */
uint64_t gw_block_full_take(struct gw_block_full *f);
/* GW_ENOTFOUND. */
GW_MUST_CHECK enum gw_code gw_block_remove(const struct gw_block_desk *d, const struct gw_actor *by,
                                           const struct gw_uuid *id, struct gw_error *err);

/* Task of the schedule: ends what has expired, a batch at most. Workers have obeyed its end already. */
GW_MUST_CHECK enum gw_code gw_block_expire(const struct gw_block_desk *d, struct gw_error *err);
/* Forgets what ended so long ago that it makes no block longer. */
GW_MUST_CHECK enum gw_code gw_block_forget(const struct gw_block_desk *d, struct gw_error *err);
/* Puts all into the segment, between its begin and end of a load. */
GW_MUST_CHECK enum gw_code gw_block_publish(const struct gw_block_desk *d, struct gw_error *err);
