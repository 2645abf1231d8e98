/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A hash table of fixed-size records in shared memory: one writer, any number of readers in any process, no locks that
 * a dead process could hold. Each record begins with its 16-byte key. Used by shared_shm.c alone; a gw_table is a view whose bounds the
 * opener has validated, so nothing in the mapping is trusted for a length.
 */
#include "base/encode.h"
#include "base/hash.h"
#include <gw/error.h>
#include <stdatomic.h>

#define GW_TABLE_HEAD_WORDS 2   /* sequence; state and epoch */
#define GW_TABLE_RECORD_MAX 320 /* bytes */

struct gw_table {
    _Atomic uint64_t *words; /* a reader's mapping is read-only: only the writer calls what stores */
    uint32_t slots;          /* power of two */
    uint32_t record_bytes;
    struct gw_hash_key key;
};

/* Bytes of a table, a multiple of 8. */
size_t gw_table_bytes(uint32_t slots, uint32_t record_bytes);

/* Reader. GW_OK copies the record; GW_ENOTFOUND; GW_EBACKEND: a record on the way is being written for too long. */
GW_MUST_CHECK enum gw_code gw_table_get(const struct gw_table *t, const struct gw_uuid *key, void *out_record);

/* Writer, serialised by the caller. Adds or replaces; GW_ELIMIT when there is no room near the key's place. */
GW_MUST_CHECK enum gw_code gw_table_put(const struct gw_table *t, const void *record, uint32_t epoch);
/* True when it was there. */
bool gw_table_drop(const struct gw_table *t, const struct gw_uuid *key);
/* Drops live records for which doomed() is true. */
typedef bool (*gw_table_doomed_fn)(const void *record, uint32_t epoch, const void *ctx);
void gw_table_drop_if(const struct gw_table *t, gw_table_doomed_fn doomed, const void *ctx);
/* Gives up records that a killed writer left half-written. */
void gw_table_mend(const struct gw_table *t);
uint32_t gw_table_count(const struct gw_table *t);
