/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The reading side of the journal: control's. It knows the files of a directory, gives their events from any offset on, tells
 * whether more may come, and gets over what a power cut or a torn write left behind. It trusts nothing it reads: workers wrote
 * it. What has been taken is the caller's to remember, and what is taken for good the caller's to remove. One thread.
 */
#include "journal/event.h"
#include <gw/cleanup.h>

enum gw_journal_end {
    GW_JOURNAL_OPEN,      /* its writer lives and may append more */
    GW_JOURNAL_SEALED,    /* its writer has gone on to the next file */
    GW_JOURNAL_ABANDONED, /* its writer is dead */
};

struct gw_journal_reader;

/* Names of journal files in dir (series, then writers by age, then numbers). Temporary files of dead writers are removed. Workers may make
 * as many names as they like, so it looks at so many, and gives GW_ELIMIT after the last when there were more. */
#define GW_JOURNAL_ENTRIES_MAX 16384
typedef enum gw_code (*gw_journal_name_fn)(void *ctx, const char *name, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_journal_each(int dir, gw_journal_name_fn fn, void *ctx, struct gw_error *err);

/* GW_EPARSE: not a journal file, or one of another version. Whether more may come is settled now, before anything is read. */
GW_MUST_CHECK enum gw_code gw_journal_reader_open(int dir, const char *name, struct gw_journal_reader **out,
                                                  struct gw_error *err);
void gw_journal_reader_close(struct gw_journal_reader *r);
static inline void gw_journal_reader_auto_(struct gw_journal_reader **r)
{
    gw_journal_reader_close(*r);
}

enum gw_journal_end gw_journal_reader_end(const struct gw_journal_reader *r);
const struct gw_uuid *gw_journal_reader_writer(const struct gw_journal_reader *r);
/* Events that this writer could not record, since its start. */
uint64_t gw_journal_reader_lost(const struct gw_journal_reader *r);

/* Goes to where an earlier reader stood (gw_journal_reader_offset); 0: the first record. */
void gw_journal_reader_seek(struct gw_journal_reader *r, uint64_t offset);
uint64_t gw_journal_reader_offset(const struct gw_journal_reader *r);

/* The next event; its strings live until the next call. GW_ENOTFOUND: no more for now (OPEN), or none will come. A record of a
 * finished file that does not check is passed over: bytes add up in gw_journal_reader_damaged. */
GW_MUST_CHECK enum gw_code gw_journal_reader_next(struct gw_journal_reader *r, struct gw_event *out,
                                                  uint64_t *out_sequence, struct gw_error *err);
uint64_t gw_journal_reader_damaged(const struct gw_journal_reader *r);
