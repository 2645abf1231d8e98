/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocked networks. Their key is a hash of network and length, so that an address is looked for once a length that there is: a map in
 * the header says which those are, and the longest is tried first.
 */
#include "shared/shared_shm.h"

#include <assert.h>
#include <string.h>

#define V4_LENGTH_MIN 97

/* ---- reading ---- */

static struct gw_uuid block_key(const struct gw_shared *s, const struct gw_cidr *network)
{
    uint8_t text[sizeof(network->net.b) + 1];
    memcpy(text, network->net.b, sizeof(network->net.b));
    text[sizeof(network->net.b)] = network->bits;
    const struct gw_hash_key first = s->tables[BLOCKS].key, second = {~first.k0, first.k1};
    const uint64_t hashes[] = {gw_hash(&first, text, sizeof(text)), gw_hash(&second, text, sizeof(text))};
    struct gw_uuid key;
    memcpy(key.b, hashes, sizeof(key.b));
    return key;
}

static enum gw_code get_block(const struct gw_shared *s, const struct gw_cidr *network, int64_t now_s,
                              struct gw_live_block *out)
{
    struct gw_shm_block b;
    const struct gw_uuid key = block_key(s, network);
    GW_TRY(gw_table_get(&s->tables[BLOCKS], &key, &b));
    if (b.bits != network->bits || !gw_ip_eq(&b.net, &network->net) || b.expires_s <= now_s)
        return GW_ENOTFOUND;
    *out = (struct gw_live_block){*network, (enum gw_block_kind)b.kind, b.since_s, b.expires_s};
    return GW_OK;
}

/* Length of the longest network that is left of those in the map, which then is taken off it; 0: none is left. */
static unsigned take_longest(uint64_t lengths[LENGTH_WORDS])
{
    for (unsigned i = LENGTH_WORDS; i-- > 0;)
        if (lengths[i] != 0) {
            unsigned top = 63 - (unsigned)__builtin_clzll(lengths[i]);
            lengths[i] &= ~(UINT64_C(1) << top);
            return i * 64 + top + 1;
        }
    return 0;
}

enum gw_code gw_shared_find_block(const struct gw_shared *s, const struct gw_ip *ip, int64_t now_s,
                                  struct gw_live_block *out)
{
    if (!gw_shared_is_ready(s))
        return GW_EBACKEND;
    uint64_t lengths[LENGTH_WORDS];
    for (size_t i = 0; i < LENGTH_WORDS; i++)
        lengths[i] = atomic_load_explicit(&s->authority->lengths[i], memory_order_acquire);
    unsigned shortest = gw_ip_is_v4(ip) ? V4_LENGTH_MIN : 1;
    enum gw_code found = GW_ENOTFOUND;
    for (unsigned bits; (bits = take_longest(lengths)) >= shortest;) {
        const struct gw_cidr network = gw_cidr_around(ip, bits);
        struct gw_live_block b;
        enum gw_code code = get_block(s, &network, now_s, &b);
        if (code != GW_OK && code != GW_ENOTFOUND)
            return code;
        if (code == GW_OK && (found != GW_OK || b.kind == GW_BLOCK_FULL)) {
            *out = b;
            found = GW_OK;
        }
        if (code == GW_OK && b.kind == GW_BLOCK_FULL)
            return GW_OK;
    }
    return found;
}

/* ---- writing ---- */

static bool count_length(const void *record, uint32_t epoch, const void *counts)
{
    (void)epoch;
    struct gw_shm_block b;
    memcpy(&b, record, sizeof(b));
    if (b.bits >= 1 && b.bits <= LENGTHS)
        (*(uint32_t *const *)counts)[b.bits - 1]++;
    return false;
}

void gw_shm_count_lengths(struct gw_shared *s)
{
    uint32_t *counts = s->of_length;
    memset(s->of_length, 0, sizeof(s->of_length));
    gw_table_drop_if(&s->tables[BLOCKS], count_length, &counts);
}

/* The map of lengths names every one that a reader may find: set before the record is there, cleared after the last has gone. */
static void map_length(struct gw_shared *s, unsigned bits, bool present)
{
    _Atomic uint64_t *word_ = &s->authority->lengths[(bits - 1) / 64];
    uint64_t bit = UINT64_C(1) << ((bits - 1) % 64), old = atomic_load(word_);
    atomic_store_explicit(word_, present ? old | bit : old & ~bit, memory_order_release);
}

void gw_shm_map_lengths(struct gw_shared *s)
{
    for (unsigned bits = 1; bits <= LENGTHS; bits++)
        map_length(s, bits, s->of_length[bits - 1] > 0);
}

enum gw_code gw_shared_put_block(struct gw_shared *s, const struct gw_live_block *block, struct gw_error *err)
{
    const struct gw_cidr *n = &block->network;
    assert(n->bits >= (gw_ip_is_v4(&n->net) ? V4_LENGTH_MIN : 1));
    struct gw_shm_block b = {.key = block_key(s, n),
                             .net = n->net,
                             .since_s = block->since_s,
                             .expires_s = block->expires_s,
                             .bits = n->bits,
                             .kind = (uint8_t)block->kind},
                        old;
    gw_shm_lock(s);
    bool is_new = gw_table_get(&s->tables[BLOCKS], &b.key, &old) != GW_OK;
    map_length(s, n->bits, true);
    enum gw_code code = gw_shm_put_locked(s, BLOCKS, &b, err);
    if (code == GW_OK && is_new)
        s->of_length[n->bits - 1]++;
    if (code == GW_OK)
        gw_changes_add(&s->authority->changes, NULL);
    map_length(s, n->bits, s->of_length[n->bits - 1] > 0);
    gw_shm_unlock(s);
    return code;
}

void gw_shared_drop_block(struct gw_shared *s, const struct gw_cidr *network)
{
    const struct gw_uuid key = block_key(s, network);
    gw_shm_lock(s);
    uint32_t *count = &s->of_length[network->bits - 1];
    if (gw_table_drop(&s->tables[BLOCKS], &key) && --*count == 0)
        map_length(s, network->bits, false);
    gw_shm_unlock(s);
}
