/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The writing side of the journal: events appended to mapped files that were allocated in advance, with no system call. One
 * process writes one gw_journal; what it appended survives the death of any process at once, and of the machine after a
 * sync. Control reads the files (journal/reader.h) and removes those it has taken.
 *
 * The files are SERIES-WRITER-NUMBER.journal in one directory; WRITER is an UUID made for this process, so that (writer,
 * sequence) names an event for ever. Each file is locked (flock) by its living writer.
 *
 * Threads: new files and syncs block, so they are made of two or three calls, of which only the one so marked may run in a
 * pool thread, one at a time. All other calls come from one thread.
 */
#include "base/clock.h"
#include "crypto/random.h"
#include "journal/event.h"
#include <gw/cleanup.h>
#include <sys/types.h>

#define GW_JOURNAL_FILE_MIN_BYTES (64 * 1024)
#define GW_JOURNAL_FILE_MAX_BYTES (64 * 1024 * 1024)
#define GW_JOURNAL_SERIES_MAX 16
#define GW_JOURNAL_NAME_MAX 96
#define GW_JOURNAL_SUFFIX ".journal"

struct gw_journal;

struct gw_journal_options {
    int dir;            /* borrowed: its directory, open for the journal's life */
    mode_t mode;        /* of its files; few may read one, for who can lock it passes for a writer that lives */
    const char *series; /* lower-case letters: "changes", "refusals" */
    size_t file_bytes;
    unsigned files_max;   /* of this series, of all writers, in the directory */
    size_t reserve_bytes; /* at the end of a file without a spare, what only GW_JOURNAL_RESERVED may use; 0: none */
    /* Both only while files are scarce: half of files_max wait for control, or the last could not be made. */
    size_t
        neutral_bytes;  /* at the end of such a file, what GW_JOURNAL_NEUTRAL may not use, reserve included; 0: none */
    size_t share_bytes; /* the most that one user may take of it, GW_JOURNAL_RESERVED apart; 0: all of it */
    const struct gw_random *random;
    const struct gw_clock *clock;
};

/* Makes no file yet: see gw_journal_file_new. */
GW_MUST_CHECK enum gw_code gw_journal_new(const struct gw_journal_options *o, struct gw_journal **out,
                                          struct gw_error *err);
/* Files stay, for control. */
void gw_journal_free(struct gw_journal *j);
GW_DEFINE_AUTO_FREE(gw_journal);

/* ---- appending ---- */

enum gw_journal_priority {
    GW_JOURNAL_NEUTRAL, /* what neither opens nor reduces risk: the first to find no room */
    GW_JOURNAL_NORMAL,
    GW_JOURNAL_RESERVED, /* what must not fail: outcomes, and requests that reduce risk */
};
/* GW_ELIMIT: no room, or no file at all; GW_EDENIED: none for that user. */
GW_MUST_CHECK enum gw_code gw_journal_append(struct gw_journal *j, const struct gw_event *e,
                                             enum gw_journal_priority priority);
/* Whether an event of any length could be appended now: the codes of gw_journal_append. */
GW_MUST_CHECK enum gw_code gw_journal_check_room(const struct gw_journal *j, const struct gw_uuid *user,
                                                 enum gw_journal_priority priority);
/* An event could not be recorded, and what it tells of happened all the same: counted, and told to control. */
void gw_journal_count_lost(struct gw_journal *j);
/* Of the last event appended; the first is 1. */
uint64_t gw_journal_sequence(const struct gw_journal *j);

/* ---- files made in advance ---- */

struct gw_journal_file;
/* There is no spare file: make one. */
bool gw_journal_wants_file(const struct gw_journal *j);
/* Pool thread, while one is wanted. GW_ELIMIT: files_max are there, or three quarters of them where this writer has a file already: the
 * last quarter is for writers that begin while all others have filled theirs. GW_EBACKEND: no space. Changes nothing that the other
 * calls use. */
GW_MUST_CHECK enum gw_code gw_journal_file_new(const struct gw_journal *j, struct gw_journal_file **out,
                                               struct gw_error *err);
/* Takes it as the spare, or, when there is no current one, as that. */
void gw_journal_file_take(struct gw_journal *j, struct gw_journal_file *f);
/* None could be made. */
void gw_journal_file_miss(struct gw_journal *j);

/* ---- to disk ---- */

#define GW_JOURNAL_SYNC_FILES_MAX 8
struct gw_journal_sync {
    uint64_t sequence;     /* all events up to this one are on disk after a run that gave GW_OK */
    uint64_t sealed_count; /* files sealed until it began, ever */
    int fds[GW_JOURNAL_SYNC_FILES_MAX];
    size_t count;
    int dir;                    /* borrowed; -1: no name in it is new */
    uint64_t placed_file_count; /* files that had got their name, ever */
};
/* Somebody waits for the disk to have the last event: returns its sequence. Sync until gw_journal_synced has reached it. */
uint64_t gw_journal_want_sync(struct gw_journal *j);
/* Somebody wants on disk what no sync has covered yet. */
bool gw_journal_is_waited_for(const struct gw_journal *j);
GW_MUST_CHECK enum gw_code gw_journal_sync_begin(struct gw_journal *j, struct gw_journal_sync *out,
                                                 struct gw_error *err);
/* Pool thread. */
GW_MUST_CHECK enum gw_code gw_journal_sync_run(struct gw_journal_sync *s, struct gw_error *err);
/* In place of the run. */
void gw_journal_sync_drop(struct gw_journal_sync *s);
/* code: what the run gave. */
void gw_journal_sync_end(struct gw_journal *j, const struct gw_journal_sync *s, enum gw_code code);
/* All events that somebody wanted on disk, up to this one, are there. */
uint64_t gw_journal_synced(const struct gw_journal *j);
