/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing from SipHash(key). Records never move, so that a reader cannot miss one that is
 * being moved past it. Invariant: between a key's home and its slot no slot is EMPTY; therefore a dropped record
 * becomes a TOMB, and a TOMB becomes EMPTY only when the next slot is EMPTY, for then no chain runs across it.
 *
 * Each slot is a sequence lock. Its first word, the head, is sequence, epoch, state and one bit that says it is being written: the
 * writer sets the bit, stores the record's words, then the next head. The words are stored with release and loaded with acquire instead
 * of fences: a reader that sees a new word therefore sees the bit set before it, a reader's second look at the head
 * cannot come before its words, both cost nothing on x86, and ThreadSanitizer understands it. A change of the state alone is one store.
 * A reader is deceived if it loses its core between its looks for as long as the sequence takes to come round: 2^37 writes of one slot, hours.
 */
#include "shared/table.h"

#include <sched.h>
#include <string.h>

#define RECORD_WORDS_MAX GW_TABLE_WORDS(GW_TABLE_RECORD_MAX)
#define KEY_WORDS 2

/* Half-full tables of a million slots have runs of about 80; beyond this the table counts as full. */
#define PROBE_MAX 256u
/* A write takes 100 ns, but its writer can lose its core in the middle: spin, then let it run, then give up. */
#define TRIES_MAX 512
#define TRIES_BEFORE_YIELD 64

/* Of the head, from its lowest bit: being written, state, epoch, sequence. */
#define BEING_WRITTEN UINT64_C(1)
#define STATE_SHIFT 1
#define STATE_MASK 3u
#define EPOCH_SHIFT 3
#define SEQUENCE_SHIFT (EPOCH_SHIFT + GW_TABLE_EPOCH_BITS)

enum state { EMPTY, LIVE, TOMB };

typedef _Atomic uint64_t word;

static word *slot_at(const struct gw_table *t, uint32_t index)
{
    return t->words + (size_t)(index & (t->slots - 1)) * GW_TABLE_SLOT_WORDS(t->record_bytes);
}

static uint32_t home_of(const struct gw_table *t, const struct gw_uuid *key)
{
    return (uint32_t)gw_hash(&t->key, key->b, sizeof(key->b)) & (t->slots - 1);
}

static uint32_t probes_of(const struct gw_table *t)
{
    return t->slots < PROBE_MAX ? t->slots : PROBE_MAX;
}

static enum state state_of(uint64_t head)
{
    return (enum state)(head >> STATE_SHIFT & STATE_MASK);
}

static uint32_t epoch_of(uint64_t head)
{
    return (uint32_t)(head >> EPOCH_SHIFT) & (GW_TABLE_EPOCHS - 1);
}

static uint64_t head_after(uint64_t head, enum state state, uint32_t epoch)
{
    return ((head >> SEQUENCE_SHIFT) + 1) << SEQUENCE_SHIFT | (uint64_t)(epoch & (GW_TABLE_EPOCHS - 1)) << EPOCH_SHIFT |
           (uint64_t)state << STATE_SHIFT;
}

size_t gw_table_bytes(uint32_t slots, uint32_t record_bytes)
{
    return (size_t)slots * GW_TABLE_SLOT_WORDS(record_bytes) * sizeof(uint64_t);
}

/* ---- reading ---- */

static void load_words(const word *from, uint64_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = atomic_load_explicit(&from[i], memory_order_acquire);
}

/* One consistent look at a slot; the whole record only when it is the key's. False: it changed meanwhile. */
static bool look(const struct gw_table *t, const word *slot, const uint64_t *key, uint64_t *head, uint64_t *record,
                 bool *match)
{
    *head = atomic_load_explicit(slot, memory_order_acquire);
    if ((*head & BEING_WRITTEN) != 0)
        return false;
    load_words(slot + 1, record, KEY_WORDS);
    *match = state_of(*head) == LIVE && record[0] == key[0] && record[1] == key[1];
    if (*match)
        load_words(slot + 1 + KEY_WORDS, record + KEY_WORDS, GW_TABLE_WORDS(t->record_bytes) - KEY_WORDS);
    return atomic_load_explicit(slot, memory_order_relaxed) == *head;
}

static bool look_patiently(const struct gw_table *t, const word *slot, const uint64_t *key, uint64_t *head,
                           uint64_t *record, bool *match)
{
    for (int i = 1; i <= TRIES_MAX; i++) {
        if (look(t, slot, key, head, record, match))
            return true;
        if (i % TRIES_BEFORE_YIELD == 0)
            sched_yield();
    }
    return false;
}

enum gw_code gw_table_get(const struct gw_table *t, const struct gw_uuid *key, void *out_record)
{
    uint64_t record[RECORD_WORDS_MAX], wanted[KEY_WORDS], head;
    bool match;
    memcpy(wanted, key->b, sizeof(wanted));
    uint32_t home = home_of(t, key), probes = probes_of(t);
    for (uint32_t i = 0; i < probes; i++) {
        if (!look_patiently(t, slot_at(t, home + i), wanted, &head, record, &match))
            return GW_EBACKEND;
        if (match) {
            memcpy(out_record, record, t->record_bytes);
            return GW_OK;
        }
        if (state_of(head) == EMPTY)
            return GW_ENOTFOUND;
    }
    return GW_ENOTFOUND;
}

/* ---- writing ---- */

/* The writer is alone: what it reads cannot change under it. */
static uint64_t head_at(const word *slot)
{
    return atomic_load_explicit(slot, memory_order_relaxed);
}

/* Left half-written by a predecessor. */
static bool is_torn(const word *slot)
{
    return (head_at(slot) & BEING_WRITTEN) != 0;
}

static void store_record(const struct gw_table *t, word *slot, uint32_t epoch, const void *record)
{
    uint64_t words[RECORD_WORDS_MAX] = {0}, head = head_at(slot);
    memcpy(words, record, t->record_bytes);
    atomic_store_explicit(slot, head | BEING_WRITTEN, memory_order_relaxed);
    for (size_t i = 0; i < GW_TABLE_WORDS(t->record_bytes); i++)
        atomic_store_explicit(&slot[1 + i], words[i], memory_order_release);
    atomic_store_explicit(slot, head_after(head, LIVE, epoch), memory_order_release);
}

static void store_state(word *slot, enum state state)
{
    atomic_store_explicit(slot, head_after(head_at(slot), state, 0), memory_order_release);
}

/* Slot of the key, or NULL; *free is then where it may go, or NULL. A torn slot is neither: what it held is unknown. */
static word *find(const struct gw_table *t, const struct gw_uuid *key, uint32_t *out_index, word **free_slot)
{
    uint64_t wanted[KEY_WORDS], found[KEY_WORDS];
    memcpy(wanted, key->b, sizeof(wanted));
    uint32_t home = home_of(t, key), probes = probes_of(t);
    *free_slot = NULL;
    for (uint32_t i = 0; i < probes; i++) {
        word *slot = slot_at(t, home + i);
        if (is_torn(slot))
            continue;
        enum state state = state_of(head_at(slot));
        load_words(slot + 1, found, KEY_WORDS);
        if (state == LIVE && memcmp(found, wanted, sizeof(found)) == 0) {
            *out_index = home + i;
            return slot;
        }
        if (state != LIVE && *free_slot == NULL)
            *free_slot = slot;
        if (state == EMPTY)
            return NULL;
    }
    return NULL;
}

enum gw_code gw_table_put(const struct gw_table *t, const void *record, uint32_t epoch)
{
    struct gw_uuid key;
    memcpy(&key, record, sizeof(key));
    uint32_t index;
    word *free_slot, *slot = find(t, &key, &index, &free_slot);
    if (slot == NULL)
        slot = free_slot;
    if (slot == NULL)
        return GW_ELIMIT;
    store_record(t, slot, epoch, record);
    return GW_OK;
}

static bool is_in_state(const word *slot, enum state state)
{
    return !is_torn(slot) && state_of(head_at(slot)) == state;
}

/* Makes a slot free, and the tombs before it empty when no chain can run across them any more. */
static void release(const struct gw_table *t, uint32_t index)
{
    if (!is_in_state(slot_at(t, index + 1), EMPTY)) {
        store_state(slot_at(t, index), TOMB);
        return;
    }
    store_state(slot_at(t, index), EMPTY);
    while (is_in_state(slot_at(t, --index), TOMB))
        store_state(slot_at(t, index), EMPTY);
}

bool gw_table_drop(const struct gw_table *t, const struct gw_uuid *key)
{
    uint32_t index;
    word *free_slot;
    if (find(t, key, &index, &free_slot) == NULL)
        return false;
    release(t, index);
    return true;
}

void gw_table_drop_if(const struct gw_table *t, gw_table_doomed_fn doomed, const void *ctx)
{
    for (uint32_t i = 0; i < t->slots; i++) {
        const word *slot = slot_at(t, i);
        if (!is_in_state(slot, LIVE))
            continue;
        uint64_t record[RECORD_WORDS_MAX];
        load_words(slot + 1, record, GW_TABLE_WORDS(t->record_bytes));
        if (doomed(record, epoch_of(head_at(slot)), ctx))
            release(t, i);
    }
}

void gw_table_mend(const struct gw_table *t)
{
    for (uint32_t i = 0; i < t->slots; i++)
        if (is_torn(slot_at(t, i)))
            release(t, i);
}

uint32_t gw_table_count(const struct gw_table *t)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->slots; i++)
        n += is_in_state(slot_at(t, i), LIVE);
    return n;
}
