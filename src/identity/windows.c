/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets of eight windows; a name belongs to one bucket and stands anywhere in it. A window is live while a failure or a lock of it
 * counts or an attempt is under way; one that is not live is free. The shared windows are looked up by network alone and carry no
 * name, so that networks that meet in one only make each other's limits stricter. While a network's shared window counts, whoever of that network has no
 * window yet is counted there too, room or not: somebody who failed there does not begin anew in a window of his own.
 *
 * A lock takes the place of the failures that made it: when it ends, counting begins anew.
 */
#include "identity/windows.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 8
#define SHARED_COUNT 1024

struct region {
    struct gw_window *windows;
    size_t buckets;
};

struct gw_windows {
    struct region regions[2]; /* by enum gw_window_share */
    struct gw_window *shared; /* SHARED_COUNT that lock, then as many that slow */
    struct gw_hash_key key;
    uint64_t overflows;
};

/* ---- one window ---- */

int64_t gw_window_locked_ms(const struct gw_window_limits *l, const struct gw_window *window, int64_t now_ms)
{
    int64_t until_ms = window->locked_until_ms;
    if (window->effect != GW_WINDOW_LOCKS)
        return 0;
    if (window->count >= l->failures) /* the limit was lowered */
        until_ms = window->failed_ms[window->count - 1] + l->lock_ms;
    int64_t left_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    return left_ms < l->lock_ms ? left_ms : l->lock_ms;
}

/* A time that lies ahead was taken by a clock that has been set back: it counts. */
static unsigned count_since(const struct gw_window_limits *l, const struct gw_window *window, int64_t now_ms)
{
    unsigned expired = 0;
    while (expired < window->count && now_ms - window->failed_ms[expired] >= l->window_ms)
        expired++;
    return window->count - expired;
}

unsigned gw_window_failures(const struct gw_window_limits *l, const struct gw_window *window, int64_t now_ms)
{
    unsigned n = count_since(l, window, now_ms);
    return n < l->failures ? n : l->failures;
}

bool gw_window_is_taken(const struct gw_window_limits *l, const struct gw_window *window, int64_t now_ms)
{
    return window->effect == GW_WINDOW_LOCKS && window->pending > 0 &&
           gw_window_failures(l, window, now_ms) + window->pending >= l->failures;
}

void gw_window_begin(struct gw_window *window)
{
    assert(window->pending < UINT16_MAX);
    window->pending++;
}

void gw_window_withdraw(struct gw_window *window)
{
    assert(window->pending > 0);
    window->pending--;
}

static void add_failure(const struct gw_window_limits *l, struct gw_window *window, int64_t now_ms)
{
    unsigned kept = count_since(l, window, now_ms);
    unsigned room = l->failures - 1;
    kept = kept < room ? kept : room;
    memmove(window->failed_ms, window->failed_ms + window->count - kept, kept * sizeof(window->failed_ms[0]));
    for (unsigned i = 0; i < kept; i++)
        window->failed_ms[i] = window->failed_ms[i] < now_ms ? window->failed_ms[i] : now_ms;
    window->failed_ms[kept] = now_ms;
    window->count = (uint16_t)(kept + 1);
}

void gw_window_fail(const struct gw_window_limits *l, struct gw_window *window, int64_t now_ms)
{
    assert(l->failures > 0 && l->failures <= GW_WINDOW_FAILURES_MAX);
    gw_window_withdraw(window);
    if (gw_window_locked_ms(l, window, now_ms) > 0)
        return;
    add_failure(l, window, now_ms);
    if (window->effect != GW_WINDOW_LOCKS || window->count < l->failures)
        return;
    window->locked_until_ms = now_ms + l->lock_ms;
    window->count = 0;
}

void gw_window_clear(struct gw_window *window)
{
    window->count = 0;
    window->locked_until_ms = 0;
}

/* ---- the table ---- */

static bool is_live(const struct gw_window_limits *l, const struct gw_window *window, int64_t now_ms)
{
    return window->pending > 0 || window->locked_until_ms > now_ms || count_since(l, window, now_ms) > 0;
}

static struct gw_window *bucket_of(const struct region *r, const struct gw_window_name *name)
{
    return &r->windows[name->tag[0] % r->buckets * WAYS];
}

static struct gw_window *find_in(const struct region *r, const struct gw_window_name *name)
{
    struct gw_window *bucket = bucket_of(r, name);
    for (size_t i = 0; i < WAYS; i++)
        if (bucket[i].tag[0] == name->tag[0] && bucket[i].tag[1] == name->tag[1])
            return &bucket[i];
    return NULL;
}

/* Whichever region it was made in: a device that becomes known keeps its window. */
struct gw_window *gw_windows_find(struct gw_windows *w, const struct gw_window_name *name)
{
    struct gw_window *window = find_in(&w->regions[GW_WINDOW_STRANGERS], name);
    return window != NULL ? window : find_in(&w->regions[GW_WINDOW_KNOWN], name);
}

static struct gw_window *free_in(const struct region *r, const struct gw_window_limits *l,
                                 const struct gw_window_name *name, int64_t now_ms)
{
    struct gw_window *bucket = bucket_of(r, name);
    for (size_t i = 0; i < WAYS; i++)
        if (!is_live(l, &bucket[i], now_ms))
            return &bucket[i];
    return NULL;
}

static struct gw_window *shared_of(struct gw_windows *w, const struct gw_window_name *name)
{
    uint64_t hash = gw_hash(&w->key, name->network.b, sizeof(name->network.b));
    size_t first = name->effect == GW_WINDOW_LOCKS ? 0 : SHARED_COUNT;
    return &w->shared[first + hash % SHARED_COUNT];
}

static struct gw_window *use_shared(struct gw_windows *w, struct gw_window *window, const struct gw_window_name *name)
{
    window->kind = name->kind;
    window->effect = (uint8_t)name->effect;
    w->overflows++;
    return window;
}

struct gw_window *gw_windows_open(struct gw_windows *w, const struct gw_window_limits *l,
                                  const struct gw_window_name *name, int64_t now_ms)
{
    struct gw_window *window = gw_windows_find(w, name);
    if (window != NULL)
        return window;
    struct gw_window *shared = shared_of(w, name);
    bool is_counting = name->share == GW_WINDOW_STRANGERS && is_live(l, shared, now_ms);
    window = is_counting ? NULL : free_in(&w->regions[name->share], l, name, now_ms);
    if (window == NULL)
        return use_shared(w, shared, name);
    *window = (struct gw_window){.tag = {name->tag[0], name->tag[1]},
                                 .address = name->address,
                                 .kind = name->kind,
                                 .effect = (uint8_t)name->effect};
    return window;
}

bool gw_windows_is_shared(const struct gw_windows *w, const struct gw_window *window)
{
    return window >= w->shared && window < w->shared + (size_t)2 * SHARED_COUNT;
}

uint64_t gw_windows_overflows(const struct gw_windows *w)
{
    return w->overflows;
}

size_t gw_windows_slots(const struct gw_windows *w)
{
    return (w->regions[GW_WINDOW_STRANGERS].buckets + w->regions[GW_WINDOW_KNOWN].buckets) * WAYS;
}

void gw_windows_each(struct gw_windows *w, const struct gw_window_limits *l, int64_t now_ms, gw_window_fn fn, void *ctx)
{
    const struct {
        struct gw_window *windows;
        size_t count;
    } all[] = {{w->regions[0].windows, w->regions[0].buckets * WAYS},
               {w->regions[1].windows, w->regions[1].buckets * WAYS},
               {w->shared, (size_t)2 * SHARED_COUNT}};
    for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++)
        for (size_t i = 0; i < all[n].count; i++)
            if (is_live(l, &all[n].windows[i], now_ms))
                fn(ctx, &all[n].windows[i]);
}

/* ---- life ---- */

static struct region make_region(size_t capacity)
{
    struct region r = {.buckets = (capacity + WAYS - 1) / WAYS};
    r.windows = calloc(r.buckets * WAYS, sizeof(*r.windows));
    return r;
}

enum gw_code gw_windows_new(size_t capacity, const struct gw_hash_key *key, struct gw_windows **out,
                            struct gw_error *err)
{
    assert(capacity > 0);
    gw_auto(gw_windows) struct gw_windows *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return gw_fail(err, GW_ENOMEM, "windows of failures");
    w->key = *key;
    w->regions[GW_WINDOW_STRANGERS] = make_region(capacity);
    w->regions[GW_WINDOW_KNOWN] = make_region((capacity + 3) / 4);
    w->shared = calloc((size_t)2 * SHARED_COUNT, sizeof(*w->shared));
    if (w->regions[0].windows == NULL || w->regions[1].windows == NULL || w->shared == NULL)
        return gw_fail(err, GW_ENOMEM, "windows of failures");
    *out = gw_take(&w);
    return GW_OK;
}

void gw_windows_free(struct gw_windows *w)
{
    if (w == NULL)
        return;
    free(w->regions[0].windows);
    free(w->regions[1].windows);
    free(w->shared);
    free(w);
}
