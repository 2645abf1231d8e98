/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The emergency mode: what the gateway lets through to the backend at the moment, for everybody, a group of routes or one user. One file
 * on disk that workers map read-only and see change at once; it outlives every process and reboot. Whoever may write to its
 * directory changes it, control or the command line alone: no other process need live, and the disk may be full.
 *
 * A reader is used by one thread. Changes are serialised between processes by a lock file.
 */
#include "base/encode.h"
#include "shared/segment.h"
#include <gw/str.h>

#define GW_MODE_ENTRIES_MAX 64
#define GW_MODE_NAME_MAX 64
#define GW_MODE_BY_MAX 64
#define GW_MODE_REASON_MAX 200
#define GW_MODE_FOR_MAX_MS (INT64_C(365) * 86400 * 1000)

/* In order of strength: what one refuses, all behind it refuse. Numbers are stored. */
enum gw_mode {
    GW_MODE_OFF,
    GW_MODE_RISK_OFF,  /* nothing that opens risk */
    GW_MODE_READ_ONLY, /* reads, and what reduces risk */
    GW_MODE_STOPPED,   /* the same, and for administrators only */
    GW_MODE_COUNT
};
/* "risk-off". Static storage. */
const char *gw_mode_name(enum gw_mode mode);
/* GW_MODE_COUNT: no mode has that name. */
enum gw_mode gw_mode_parse(struct gw_str name);

/* Numbers are stored. */
enum gw_mode_scope { GW_MODE_GLOBAL, GW_MODE_GROUP, GW_MODE_USER, GW_MODE_SCOPE_COUNT };

/* As it stands in the file. */
struct gw_mode_entry {
    uint32_t mode, scope;
    struct gw_uuid user;             /* USER; else zero */
    int64_t since_s, until_s;        /* real time; until 0: until it is lifted */
    char name[GW_MODE_NAME_MAX + 1]; /* of the group or the user; GLOBAL: "" */
    char by[GW_MODE_BY_MAX + 1];     /* who did it: a user's name, or "operator" */
    char reason[GW_MODE_REASON_MAX + 1];
};

struct gw_mode_set {
    uint32_t count, unused;
    struct gw_mode_entry entries[GW_MODE_ENTRIES_MAX];
};

/* ---- a set ---- */

/* Copies what fits, at most size - 1 bytes of whole characters. What would need an escape in JSON or on a terminal becomes a plain
 * character, so that no text of an entry ever needs one. */
void gw_mode_text(struct gw_str text, char *dst, size_t size);
/* It is such a text. */
bool gw_mode_is_text(const char *text);

/* The strongest entry that is in force for this user (NULL: nobody is signed in) and group; NULL: off. */
const struct gw_mode_entry *gw_mode_find(const struct gw_mode_set *set, const struct gw_uuid *user, struct gw_str group,
                                         int64_t now_s);
/* The strongest entry of that scope, in force or not; NULL: there is none. name is looked at for a group, user for a user. */
const struct gw_mode_entry *gw_mode_of_scope(const struct gw_mode_set *set, const struct gw_mode_entry *scope);
/* Makes out's scope that of the entry which shows this name, whether or not the group or the user is still there: so what is in force
 * can be lifted. False: there is none. */
bool gw_mode_take_scope(const struct gw_mode_set *set, enum gw_mode_scope scope, struct gw_str name,
                        struct gw_mode_entry *out);
/* Takes the place of all entries of its scope; GW_MODE_OFF: only takes those away. GW_ELIMIT: the set is full, which it never is for
 * GLOBAL. */
GW_MUST_CHECK enum gw_code gw_mode_put(struct gw_mode_set *set, const struct gw_mode_entry *entry,
                                       struct gw_error *err);
/* Beside what is in force for that scope, of which it weakens, shortens and lengthens nothing: a stronger one that ends sooner ends at
 * its time. What is there already stays as it is; what adds nothing to the new one goes. GW_ELIMIT as above. */
GW_MUST_CHECK enum gw_code gw_mode_raise(struct gw_mode_set *set, const struct gw_mode_entry *entry, int64_t now_s,
                                         struct gw_error *err);
/* Raising it would add nothing. */
bool gw_mode_holds(const struct gw_mode_set *set, const struct gw_mode_entry *entry, int64_t now_s);
/* Its time is over. */
bool gw_mode_has_ended(const struct gw_mode_entry *entry, int64_t now_s);
/* Takes away what has ended; returns how many were. */
size_t gw_mode_expire(struct gw_mode_set *set, int64_t now_s);

/* ---- the file ---- */

#define GW_MODE_DIR "mode" /* in the home directory */

/* Makes it, with nothing in force, where no mode has ever been changed; else leaves what is there, or is not. dir: its directory, open. */
GW_MUST_CHECK enum gw_code gw_mode_ensure(int dir, struct gw_error *err);

/* Changes the set it is given, or says why not: then nothing is changed. */
typedef enum gw_code (*gw_mode_change_fn)(void *ctx, struct gw_mode_set *set, struct gw_error *err);
/* Reads, changes and writes, as one step; workers see it before this returns, and it is on disk. What a reader takes a damaged or
 * removed file for stays in force beside the change, unless the change lifts it. GW_ECONFLICT: another
 * process has held the lock for seconds; GW_EDENIED: not this user's to write. */
GW_MUST_CHECK enum gw_code gw_mode_change(int dir, gw_mode_change_fn change, void *ctx, struct gw_error *err);

/* What is in force, for who reads once; see gw_mode_read. */
void gw_mode_load(int dir, struct gw_mode_set *out);

struct gw_mode_reader {
    int dir; /* borrowed; -1: none, so nothing can be read */
    struct gw_segment file;
    uint64_t seen[2]; /* sequence of each half when it was last looked at */
    bool is_doubtful; /* the newer half did not check: look again at the next poll */
    struct gw_mode_set set;
};
void gw_mode_reader_init(struct gw_mode_reader *r, int dir);
void gw_mode_reader_done(struct gw_mode_reader *r);
/* Some times a second: opens the file where that is not open, or has been removed or replaced. */
void gw_mode_reader_poll(struct gw_mode_reader *r);
/* What is in force now; valid until the next call. No system call. Of a file that is damaged, or is not there, it says risk-off for
 * everybody. */
const struct gw_mode_set *gw_mode_read(struct gw_mode_reader *r);
