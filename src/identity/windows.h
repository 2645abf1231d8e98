/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sliding windows of failures, a fixed number of them: when each counted thing (an address, an account, a pair of both) last failed,
 * how many of its attempts are under way, and until when it is locked. Knows neither what is counted nor how late it is: names and
 * times come from identity/login_guard.c, its one caller. One thread at a time.
 *
 * Nothing that still counts is ever given up for something new. Whose window finds no room is counted in one that its whole network
 * shares, so a full table is stricter and never forgets.
 */
#include "base/encode.h"
#include "base/hash.h"
#include "base/ip.h"
#include <gw/cleanup.h>

#define GW_WINDOW_FAILURES_MAX 10

/* The same for all windows of a table; may change between calls. */
struct gw_window_limits {
    unsigned failures;          /* 1..GW_WINDOW_FAILURES_MAX: so many are too many */
    int64_t window_ms, lock_ms; /* the lock is no shorter than the window */
};

/* Which windows lock when they are full; the others only tell that they are. */
enum gw_window_effect { GW_WINDOW_LOCKS, GW_WINDOW_SLOWS };
/* Rooms of their own, so that strangers cannot take the room of devices that are known. */
enum gw_window_share { GW_WINDOW_STRANGERS, GW_WINDOW_KNOWN };

struct gw_window {
    uint64_t tag[2];        /* of its name; zeroes: never used */
    struct gw_ip address;   /* zero: of no address, or of a whole network */
    struct gw_uuid user_id; /* whose it is, once that is known; zero: nobody's that there is */
    int64_t locked_until_ms;
    int64_t failed_ms[GW_WINDOW_FAILURES_MAX]; /* oldest first */
    uint16_t count, pending;
    uint8_t kind;   /* the caller's */
    uint8_t effect; /* enum gw_window_effect */
};

struct gw_window_name {
    uint64_t tag[2]; /* keyed hash of what is counted */
    uint8_t kind;
    enum gw_window_effect effect;
    enum gw_window_share share;
    struct gw_ip address; /* for lists; zero: none */
    struct gw_ip network; /* whose shared window serves where there is no room */
};

struct gw_windows;

/* capacity: windows of strangers; known devices have a quarter as many. Memory is touched as it is needed. */
GW_MUST_CHECK enum gw_code gw_windows_new(size_t capacity, const struct gw_hash_key *key, struct gw_windows **out,
                                          struct gw_error *err);
void gw_windows_free(struct gw_windows *w);
GW_DEFINE_AUTO_FREE(gw_windows);

/* The window of that name, or NULL. */
struct gw_window *gw_windows_find(struct gw_windows *w, const struct gw_window_name *name);
/* The same, made where there is none; the network's shared one where there is no room. Valid until the next call that may make one,
 * and as long as an attempt of it is under way. */
struct gw_window *gw_windows_open(struct gw_windows *w, const struct gw_window_limits *l,
                                  const struct gw_window_name *name, int64_t now_ms);
bool gw_windows_is_shared(const struct gw_windows *w, const struct gw_window *window);
/* How often a window found no room. */
uint64_t gw_windows_overflows(const struct gw_windows *w);
/* Places for windows, shared ones left out. */
size_t gw_windows_slots(const struct gw_windows *w);
/* All windows that still count, shared ones too. */
typedef void (*gw_window_fn)(void *ctx, struct gw_window *window);
void gw_windows_each(struct gw_windows *w, const struct gw_window_limits *l, int64_t now_ms, gw_window_fn fn,
                     void *ctx);

/* ---- one window ---- */

/* How long it is locked from now on; 0: it is not. Never more than lock_ms, whatever the clock did. */
int64_t gw_window_locked_ms(const struct gw_window_limits *l, const struct gw_window *window, int64_t now_ms);
/* Failures that still count, at most l->failures. */
unsigned gw_window_failures(const struct gw_window_limits *l, const struct gw_window *window, int64_t now_ms);
/* So many attempts are under way that the window would lock, should all of them fail. */
bool gw_window_is_taken(const struct gw_window_limits *l, const struct gw_window *window, int64_t now_ms);
/* An attempt begins, and ends: it failed, or does not count. The failure that makes it l->failures locks, where the window locks. */
void gw_window_begin(struct gw_window *window);
void gw_window_fail(const struct gw_window_limits *l, struct gw_window *window, int64_t now_ms);
void gw_window_withdraw(struct gw_window *window);
/* Forgets failures and lock. */
void gw_window_clear(struct gw_window *window);
