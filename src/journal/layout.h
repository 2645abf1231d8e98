/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A journal file, as its writer maps it and its reader reads it: a header of one page, then records, each a multiple of 8
 * bytes. The file is made whole and zero; a record exists when its length is not 0, which is stored last, so that a writer
 * killed at any instruction leaves whole records and nothing else. A power cut may leave any page out: the check tells.
 * Words in the machine's own order: a journal is read where it was written. Inside the room only.
 */
#include "base/encode.h"
#include "base/hash.h"

#define GW_JOURNAL_MAGIC 0x6c6e726a74696161u /* "aaitjrnl" */
#define GW_JOURNAL_VERSION 1u
#define GW_JOURNAL_HEADER_BYTES 4096u

enum gw_journal_seal { GW_JOURNAL_UNSEALED, GW_JOURNAL_IS_SEALED };

struct gw_journal_header {
    uint64_t magic;
    uint32_t version, seal; /* gw_journal_seal; stored when the writer went on to the next file */
    struct gw_uuid writer;
    uint64_t number;         /* of the file among its writer's, from 1 */
    uint64_t first_sequence; /* of its first record */
    /* Of the records' checks, random: no byte that a client chose can pass for a record. */
    struct gw_hash_key key;
    uint64_t lost; /* events that this writer could not record since its start */
};

struct gw_journal_head {
    uint32_t length; /* of the whole record, head included, before padding to 8; 0: none yet */
    uint32_t reserved;
    uint64_t check; /* over sequence and event, keyed */
    uint64_t sequence;
};

_Static_assert(sizeof(struct gw_journal_header) == 72, "the header has no padding");
_Static_assert(sizeof(struct gw_journal_head) == 24, "a record's head has no padding");

/* sequence and event stand together in memory from &head->sequence on. */
static inline uint64_t gw_journal_check(const struct gw_hash_key *key, const struct gw_journal_head *head,
                                        size_t length)
{
    return gw_hash(key, &head->sequence, length - offsetof(struct gw_journal_head, sequence));
}
static inline size_t gw_journal_padded(size_t length)
{
    return (length + 7) & ~(size_t)7;
}
