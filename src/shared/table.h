/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A hash table of fixed-size records in shared memory: one writer, any number of readers in any process, no locks that
 * a dead process could hold. Each record begins with its 16-byte key. Used by the files of shared_shm alone; a gw_table is a view whose bounds the
 * opener has validated, so nothing in the mapping is trusted for a length.
 */
#include "base/encode.h"
#include "base/hash.h"
#include <gw/error.h>
#include <stdatomic.h>

#define GW_TABLE_RECORD_MAX 320 /* bytes */
#define GW_TABLE_WORDS(bytes) (((bytes) + 7u) / 8u)
/* A slot is a head word and its record: half a cache line, or whole ones, so that none has a line more than it must. */
#define GW_TABLE_SLOT_WORDS(record_bytes) \
    (GW_TABLE_WORDS(record_bytes) < 4 ? 4u : (GW_TABLE_WORDS(record_bytes) + 8u) & ~7u)

/* Of loads in a row that were begun and not ended, before two could be taken for one. */
#define GW_TABLE_EPOCH_BITS 24
#define GW_TABLE_EPOCHS (UINT32_C(1) << GW_TABLE_EPOCH_BITS)

struct gw_table {
    _Atomic uint64_t *words; /* on a cache line; a reader's mapping is read-only: only the writer calls what stores */
    uint32_t slots;          /* power of two */
    uint32_t record_bytes;
    struct gw_hash_key key;
};

/* Bytes of a table, of eight slots or more a multiple of a cache line. */
size_t gw_table_bytes(uint32_t slots, uint32_t record_bytes);

/* Reader. GW_OK copies the record; GW_ENOTFOUND; GW_EBACKEND: a record on the way is being written for too long. */
GW_MUST_CHECK enum gw_code gw_table_get(const struct gw_table *t, const struct gw_uuid *key, void *out_record);

/* Writer, serialised by the caller. epoch: below GW_TABLE_EPOCHS. Adds or replaces; GW_ELIMIT when there is no room near the key's place. */
GW_MUST_CHECK enum gw_code gw_table_put(const struct gw_table *t, const void *record, uint32_t epoch);
/* True when it was there. */
bool gw_table_drop(const struct gw_table *t, const struct gw_uuid *key);
/* Drops live records for which doomed() is true. */
typedef bool (*gw_table_doomed_fn)(const void *record, uint32_t epoch, const void *ctx);
void gw_table_drop_if(const struct gw_table *t, gw_table_doomed_fn doomed, const void *ctx);
/* Gives up records that a killed writer left half-written. */
void gw_table_mend(const struct gw_table *t);
uint32_t gw_table_count(const struct gw_table *t);
