/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One lock for all windows, and a condition that says that an attempt has ended. An attempt that may go on reserves a place in each of its windows, as
 * if it failed; its end makes that true or takes it back. So however many come at once, no more than the limit fail: the others wait
 * until places come free, or find themselves locked out.
 *
 * Who waits holds a thread of control, for libmicrohttpd cannot suspend a connection that has a thread of its own (control/server.c).
 * Their number is limited therefore, in all and by address, and a part is kept for devices that are known.
 */
#include "identity/login_guard.h"

#include "identity/guard_name.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE_MS 250 /* so often the client of a waiting attempt is asked after */
#define CROWDED_MS 2000
#define WAITING_ROOM 1024
#define RECORD_EVERY_MS (INT64_C(3600) * 1000)

struct gw_login_guard {
    struct gw_login_guard_options options;
    struct gw_hash_key keys[2]; /* each half of a tag */
    pthread_mutex_t lock;       /* guards all below */
    pthread_cond_t ended;
    struct gw_login_guard_limits limits;
    struct gw_windows *windows;
    struct gw_spraying *spraying;
    struct gw_ip waiting[WAITING_ROOM];
    size_t waiting_count;
    uint64_t overflows_told, overflows_recorded;
    int64_t record_from_ms; /* monotonic; so long no further row */
};

/* ---- judging, under the lock ---- */

static int64_t now_of(const struct gw_login_guard *g)
{
    return gw_clock_mono_ms(g->options.clock);
}

static int64_t locked_ms(struct gw_login_guard *g, const struct gw_attempt_by *by, int64_t now_ms)
{
    int64_t longest_ms = 0;
    for (enum gw_guard_scope scope = 0; scope < GW_GUARD_SCOPES; scope++) {
        if (!gw_guard_counts_by(by, scope))
            continue;
        struct gw_window_name name = gw_guard_name(g->keys, by, scope);
        const struct gw_window *window = gw_windows_find(g->windows, &name);
        int64_t left_ms = window != NULL ? gw_window_locked_ms(&g->limits.windows, window, now_ms) : 0;
        longest_ms = left_ms > longest_ms ? left_ms : longest_ms;
    }
    return longest_ms;
}

/* Two scopes without room share one window: it counts an attempt once. */
static bool is_among(struct gw_window *const *windows, size_t count, const struct gw_window *window)
{
    for (size_t i = 0; i < count; i++)
        if (windows[i] == window)
            return true;
    return false;
}

/* A known device whose address finds no room is not counted with its network, which may be the attackers': its pair still counts. */
static bool is_spared(const struct gw_login_guard *g, const struct gw_attempt_by *by, enum gw_guard_scope scope,
                      const struct gw_window *window)
{
    return scope == GW_GUARD_ADDRESS && by->device == GW_DEVICE_KNOWN && gw_windows_is_shared(g->windows, window);
}

/* Each is held from here on, so that opening the next cannot give it to somebody else. */
static void reserve(struct gw_login_guard *g, struct gw_attempt *a, int64_t now_ms)
{
    for (enum gw_guard_scope scope = 0; scope < GW_GUARD_SCOPES; scope++) {
        a->windows[scope] = NULL;
        if (!gw_guard_counts_by(&a->by, scope))
            continue;
        struct gw_window_name name = gw_guard_name(g->keys, &a->by, scope);
        struct gw_window *window = gw_windows_open(g->windows, &g->limits.windows, &name, now_ms);
        if (is_among(a->windows, scope, window) || is_spared(g, &a->by, scope, window))
            continue;
        gw_window_begin(window);
        a->windows[scope] = window;
    }
}

static void withdraw(struct gw_attempt *a)
{
    for (size_t i = 0; i < GW_GUARD_SCOPES; i++) {
        if (a->windows[i] != NULL)
            gw_window_withdraw(a->windows[i]);
        a->windows[i] = NULL;
    }
}

static int64_t delay_after(const struct gw_login_guard_limits *l, unsigned failures)
{
    int64_t ms = failures > 0 ? l->delay_ms : 0;
    for (unsigned n = 1; n < failures && ms < l->delay_max_ms; n++)
        ms *= 2;
    if (failures >= l->windows.failures)
        ms = l->delay_max_ms;
    return ms < l->delay_max_ms ? ms : l->delay_max_ms;
}

struct judgement {
    int64_t locked_ms, delay_ms;
    bool is_taken; /* as many others are under way as may yet fail */
};

/* Of an attempt that has reserved. Its own places do not count against it. */
static struct judgement judge(struct gw_login_guard *g, const struct gw_attempt *a, int64_t now_ms)
{
    const struct gw_window_limits *l = &g->limits.windows;
    struct judgement j = {0};
    for (size_t i = 0; i < GW_GUARD_SCOPES; i++) {
        struct gw_window *window = a->windows[i];
        if (window == NULL)
            continue;
        int64_t left_ms = gw_window_locked_ms(l, window, now_ms);
        int64_t delay_ms = i == GW_GUARD_DEVICE ? 0 : delay_after(&g->limits, gw_window_failures(l, window, now_ms));
        j.locked_ms = left_ms > j.locked_ms ? left_ms : j.locked_ms;
        j.delay_ms = delay_ms > j.delay_ms ? delay_ms : j.delay_ms;
        gw_window_withdraw(window);
        j.is_taken = j.is_taken || gw_window_is_taken(l, window, now_ms);
        gw_window_begin(window);
    }
    return j;
}

/* ---- spraying ---- */

static bool note(struct gw_login_guard *g, struct gw_attempt *a, enum gw_spraying_cause cause,
                 const struct gw_guard_print *who, const struct gw_guard_print *what, int64_t now_ms)
{
    struct gw_guard_print f = *who;
    f.scope = (uint8_t)(GW_GUARD_SCOPES + cause); /* a tag of its own */
    if (!gw_spraying_note(g->spraying, &g->limits.spraying, gw_guard_print_hash(&g->keys[0], &f),
                          gw_guard_print_hash(&g->keys[0], what), now_ms, &a->sprayed.count))
        return false;
    a->sprayed.is_new = true;
    a->sprayed.cause = cause;
    return true;
}

/* An attempt in vain, whether it was looked at or found itself locked out. */
static void note_in_vain(struct gw_login_guard *g, struct gw_attempt *a, int64_t now_ms)
{
    if (a->by.call != GW_GUARDED_LOGIN || a->by.is_allowed)
        return;
    struct gw_guard_print account = gw_guard_print(&a->by, GW_GUARD_ACCOUNT);
    struct gw_guard_print address = gw_guard_print(&a->by, GW_GUARD_ADDRESS);
    struct gw_guard_print network = address;
    network.address = gw_login_guard_sprayer(&a->by.address, GW_SPRAYING_NETWORK).net;
    if (!note(g, a, GW_SPRAYING_ADDRESS, &address, &account, now_ms) &&
        !note(g, a, GW_SPRAYING_NETWORK, &network, &account, now_ms))
        (void)note(g, a, GW_SPRAYING_ACCOUNT, &account, &address, now_ms);
}

/* ---- waiting, under the lock ---- */

static unsigned waiting_of(const struct gw_login_guard *g, const struct gw_ip *key)
{
    unsigned n = 0;
    for (size_t i = 0; i < g->waiting_count; i++)
        n += gw_ip_eq(&g->waiting[i], key);
    return n;
}

static unsigned waiting_in(const struct gw_login_guard *g, const struct gw_ip *key)
{
    struct gw_ip network = gw_ip_limit_network(key);
    unsigned n = 0;
    for (size_t i = 0; i < g->waiting_count; i++) {
        struct gw_ip other = gw_ip_limit_network(&g->waiting[i]);
        n += gw_ip_eq(&other, &network);
    }
    return n;
}

/* A share for the address, and for strangers one for its network, in which there may be any number of addresses. */
static bool has_share(const struct gw_login_guard *g, const struct gw_attempt_by *by, const struct gw_ip *key,
                      size_t max)
{
    bool is_known = by->device == GW_DEVICE_KNOWN;
    return by->is_allowed ||
           (waiting_of(g, key) < g->limits.waiting_per_address_max && (is_known || waiting_in(g, key) < max - max / 2));
}

static bool start_waiting(struct gw_login_guard *g, const struct gw_attempt_by *by)
{
    struct gw_ip key = gw_ip_limit_key(&by->address);
    size_t max = g->limits.waiting_max < WAITING_ROOM ? g->limits.waiting_max : WAITING_ROOM;
    size_t kept = by->device != GW_DEVICE_KNOWN ? max / 4 : 0;
    if (g->waiting_count >= max - kept || !has_share(g, by, &key, max))
        return false;
    g->waiting[g->waiting_count++] = key;
    return true;
}

static void stop_waiting(struct gw_login_guard *g, const struct gw_attempt_by *by)
{
    struct gw_ip key = gw_ip_limit_key(&by->address);
    size_t i = 0;
    while (!gw_ip_eq(&g->waiting[i], &key))
        i++;
    g->waiting[i] = g->waiting[--g->waiting_count];
}

static void sleep_for(struct gw_login_guard *g, int64_t ms)
{
    struct timespec until;
    ms = ms < SLICE_MS ? ms : SLICE_MS;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms * 1000000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    (void)pthread_cond_timedwait(&g->ended, &g->lock, &until);
}

static void wait_for(struct gw_login_guard *g, int64_t ms)
{
    if (g->options.wait_ms == NULL || ms == 0) {
        sleep_for(g, ms > 0 ? ms : SLICE_MS);
        return;
    }
    pthread_mutex_unlock(&g->lock);
    g->options.wait_ms(g->options.wait_ctx, ms);
    pthread_mutex_lock(&g->lock);
}

static bool is_gone(struct gw_login_guard *g, const struct gw_attempt_by *by)
{
    pthread_mutex_unlock(&g->lock);
    bool gone = by->gone != NULL && by->gone(by->gone_ctx);
    pthread_mutex_lock(&g->lock);
    return gone;
}

static enum gw_code hold_up(struct gw_attempt *a, enum gw_held_up_why why, int64_t for_ms, struct gw_error *err)
{
    a->held_up.why = why;
    a->held_up.for_ms = for_ms;
    return gw_fail(err, GW_ELIMIT, why == GW_HELD_UP_LOCKED ? "locked out" : "too many attempts wait");
}

/* What a step of an attempt comes to: GW_OK it may go on; GW_ECONFLICT not yet, and *out_wait_ms (0: until another ends). */
static enum gw_code step(struct gw_login_guard *g, struct gw_attempt *a, int64_t came_ms, int64_t *out_wait_ms,
                         struct gw_error *err)
{
    int64_t now_ms = now_of(g);
    reserve(g, a, now_ms);
    struct judgement j = judge(g, a, now_ms);
    if (j.locked_ms == 0 && came_ms + j.delay_ms <= now_ms && !j.is_taken)
        return GW_OK;
    withdraw(a);
    if (j.locked_ms > 0) {
        note_in_vain(g, a, now_ms);
        return hold_up(a, GW_HELD_UP_LOCKED, j.locked_ms, err);
    }
    int64_t ready_ms = came_ms + j.delay_ms - now_ms;
    *out_wait_ms = ready_ms > 0 ? ready_ms : 0;
    return GW_ECONFLICT;
}

static enum gw_code wait_in_turn(struct gw_login_guard *g, struct gw_attempt *a, int64_t came_ms, struct gw_error *err)
{
    int64_t wait_ms = 0;
    enum gw_code code = step(g, a, came_ms, &wait_ms, err);
    if (code != GW_ECONFLICT)
        return code;
    if (!start_waiting(g, &a->by))
        return hold_up(a, GW_HELD_UP_CROWDED, CROWDED_MS, err);
    do {
        wait_for(g, wait_ms);
        code =
            is_gone(g, &a->by) ? gw_fail(err, GW_ETIMEOUT, "the client has gone") : step(g, a, came_ms, &wait_ms, err);
    } while (code == GW_ECONFLICT);
    stop_waiting(g, &a->by);
    return code;
}

/* ---- an attempt ---- */

enum gw_code gw_login_guard_check(struct gw_login_guard *g, const struct gw_attempt_by *by, struct gw_attempt *a,
                                  struct gw_error *err)
{
    enum gw_code code = GW_OK;
    *a = (struct gw_attempt){.by = *by};
    pthread_mutex_lock(&g->lock);
    int64_t now_ms = now_of(g);
    int64_t left_ms = locked_ms(g, by, now_ms);
    if (left_ms > 0) {
        note_in_vain(g, a, now_ms);
        code = hold_up(a, GW_HELD_UP_LOCKED, left_ms, err);
    }
    pthread_mutex_unlock(&g->lock);
    return code;
}

enum gw_code gw_login_guard_begin(struct gw_login_guard *g, const struct gw_attempt_by *by, struct gw_attempt *a,
                                  struct gw_error *err)
{
    *a = (struct gw_attempt){.by = *by};
    pthread_mutex_lock(&g->lock);
    enum gw_code code = wait_in_turn(g, a, now_of(g), err);
    pthread_mutex_unlock(&g->lock);
    return code;
}

static void end_window(struct gw_login_guard *g, struct gw_attempt *a, enum gw_guard_scope scope,
                       enum gw_attempt_end end, int64_t now_ms)
{
    struct gw_window *window = a->windows[scope];
    if (end == GW_ATTEMPT_FAILED) {
        gw_window_fail(&g->limits.windows, window, now_ms);
        return;
    }
    gw_window_withdraw(window);
    bool is_own = scope == GW_GUARD_PAIR || a->by.call == GW_GUARDED_PASSWORD;
    if (end == GW_ATTEMPT_SUCCEEDED && is_own && !gw_windows_is_shared(g->windows, window))
        gw_window_clear(window);
}

void gw_login_guard_end(struct gw_login_guard *g, struct gw_attempt *a, enum gw_attempt_end end)
{
    pthread_mutex_lock(&g->lock);
    int64_t now_ms = now_of(g);
    for (enum gw_guard_scope scope = 0; scope < GW_GUARD_SCOPES; scope++)
        if (a->windows[scope] != NULL)
            end_window(g, a, scope, end, now_ms);
    memset(a->windows, 0, sizeof(a->windows));
    if (end == GW_ATTEMPT_FAILED)
        note_in_vain(g, a, now_ms);
    pthread_cond_broadcast(&g->ended);
    pthread_mutex_unlock(&g->lock);
}

void gw_login_guard_name(struct gw_login_guard *g, struct gw_attempt *a, const struct gw_uuid *user_id)
{
    pthread_mutex_lock(&g->lock);
    for (enum gw_guard_scope scope = GW_GUARD_PAIR; scope < GW_GUARD_SCOPES; scope++)
        if (a->windows[scope] != NULL && !gw_windows_is_shared(g->windows, a->windows[scope]))
            a->windows[scope]->user_id = *user_id;
    pthread_mutex_unlock(&g->lock);
}

void gw_login_guard_forgive(struct gw_login_guard *g, const struct gw_ip *address, struct gw_str account)
{
    const struct gw_attempt_by by = {.call = GW_GUARDED_LOGIN, .address = *address, .account = account};
    struct gw_window_name name = gw_guard_name(g->keys, &by, GW_GUARD_PAIR);
    pthread_mutex_lock(&g->lock);
    struct gw_window *window = gw_windows_find(g->windows, &name);
    if (window != NULL)
        gw_window_clear(window);
    pthread_mutex_unlock(&g->lock);
}

bool gw_login_guard_is_spent(struct gw_login_guard *g, const uint8_t cookie[GW_DEVICE_NONCE_BYTES])
{
    const struct gw_attempt_by by = {.call = GW_GUARDED_LOGIN, .cookie = cookie};
    struct gw_window_name name = gw_guard_name(g->keys, &by, GW_GUARD_DEVICE);
    pthread_mutex_lock(&g->lock);
    const struct gw_window *window = gw_windows_find(g->windows, &name);
    const struct gw_window_limits *l = &g->limits.windows;
    bool is_spent = window != NULL && gw_window_failures(l, window, now_of(g)) >= l->failures;
    pthread_mutex_unlock(&g->lock);
    return is_spent;
}

/* ---- who is held up ---- */

struct listing {
    struct gw_login_guard *guard;
    int64_t now_ms;
    struct gw_lockout *out;
    size_t count, max, total;
};

static void list_one(void *ctx, struct gw_window *window)
{
    struct listing *s = ctx;
    const struct gw_window_limits *l = &s->guard->limits.windows;
    struct gw_lockout o = {.call = window->kind / GW_GUARD_SCOPES,
                           .scope = window->kind % GW_GUARD_SCOPES,
                           .address = window->address,
                           .user_id = window->user_id,
                           .failures = gw_window_failures(l, window, s->now_ms),
                           .left_ms = gw_window_locked_ms(l, window, s->now_ms),
                           .is_shared = gw_windows_is_shared(s->guard->windows, window)};
    if (o.left_ms == 0 && (o.scope == GW_GUARD_DEVICE || o.failures < l->failures))
        return;
    if (o.left_ms > 0)
        o.failures = l->failures; /* they became the lock */
    s->total++;
    if (s->count < s->max)
        s->out[s->count++] = o;
}

size_t gw_login_guard_list(struct gw_login_guard *g, struct gw_lockout *out, size_t max, size_t *out_total)
{
    pthread_mutex_lock(&g->lock);
    struct listing s = {.guard = g, .now_ms = now_of(g), .out = out, .max = max};
    gw_windows_each(g->windows, &g->limits.windows, s.now_ms, list_one, &s);
    pthread_mutex_unlock(&g->lock);
    *out_total = s.total;
    return s.count;
}

struct clearing {
    const struct gw_ip *address;
    const struct gw_uuid *user_id;
    size_t count;
};

static void clear_one(void *ctx, struct gw_window *window)
{
    struct clearing *c = ctx;
    if (c->address != NULL && !gw_ip_eq(c->address, &window->address))
        return;
    if (c->user_id != NULL && !gw_uuid_eq(c->user_id, &window->user_id))
        return;
    c->count += window->count > 0 || window->locked_until_ms > 0;
    gw_window_clear(window);
}

size_t gw_login_guard_clear(struct gw_login_guard *g, const struct gw_ip *address, const struct gw_uuid *user_id)
{
    struct gw_ip key;
    if (address != NULL)
        key = gw_ip_limit_key(address);
    struct clearing c = {address != NULL ? &key : NULL, user_id, 0};
    pthread_mutex_lock(&g->lock);
    gw_windows_each(g->windows, &g->limits.windows, now_of(g), clear_one, &c);
    pthread_cond_broadcast(&g->ended);
    pthread_mutex_unlock(&g->lock);
    return c.count;
}

uint64_t gw_login_guard_take_overflows(struct gw_login_guard *g)
{
    pthread_mutex_lock(&g->lock);
    uint64_t all = gw_windows_overflows(g->windows), n = all - g->overflows_told;
    g->overflows_told = all;
    pthread_mutex_unlock(&g->lock);
    return n;
}

unsigned gw_login_guard_waiting(struct gw_login_guard *g)
{
    pthread_mutex_lock(&g->lock);
    unsigned n = (unsigned)g->waiting_count;
    pthread_mutex_unlock(&g->lock);
    return n;
}

struct filling {
    const struct gw_windows *windows;
    size_t live;
};

static void count_own(void *ctx, struct gw_window *window)
{
    struct filling *f = ctx;
    f->live += !gw_windows_is_shared(f->windows, window);
}

void gw_login_guard_fill(struct gw_login_guard *g, struct gw_login_guard_fill *out)
{
    pthread_mutex_lock(&g->lock);
    struct filling f = {.windows = g->windows};
    gw_windows_each(g->windows, &g->limits.windows, now_of(g), count_own, &f);
    *out = (struct gw_login_guard_fill){.live = f.live, .slots = gw_windows_slots(g->windows)};
    pthread_mutex_unlock(&g->lock);
}

uint64_t gw_login_guard_unrecorded(struct gw_login_guard *g)
{
    pthread_mutex_lock(&g->lock);
    bool is_due = now_of(g) >= g->record_from_ms;
    uint64_t n = is_due ? gw_windows_overflows(g->windows) - g->overflows_recorded : 0;
    pthread_mutex_unlock(&g->lock);
    return n;
}

void gw_login_guard_recorded(struct gw_login_guard *g, uint64_t count)
{
    pthread_mutex_lock(&g->lock);
    g->overflows_recorded += count;
    g->record_from_ms = now_of(g) + RECORD_EVERY_MS;
    pthread_mutex_unlock(&g->lock);
}

/* ---- life ---- */

void gw_login_guard_set_limits(struct gw_login_guard *g, const struct gw_login_guard_limits *l)
{
    assert(l->windows.failures > 0 && l->windows.failures <= GW_WINDOW_FAILURES_MAX);
    pthread_mutex_lock(&g->lock);
    g->limits = *l;
    pthread_cond_broadcast(&g->ended);
    pthread_mutex_unlock(&g->lock);
}

static void init_lock(struct gw_login_guard *g)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&g->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

enum gw_code gw_login_guard_new(const struct gw_login_guard_options *o, struct gw_login_guard **out,
                                struct gw_error *err)
{
    struct gw_login_guard *made = calloc(1, sizeof(*made));
    if (made == NULL)
        return gw_fail(err, GW_ENOMEM, "login guard");
    init_lock(made);
    gw_auto(gw_login_guard) struct gw_login_guard *g = made;
    g->options = *o;
    g->record_from_ms = now_of(g);
    g->limits.windows = (struct gw_window_limits){5, 15 * 60 * 1000, 15 * 60 * 1000};
    GW_TRY(gw_random_fill(o->random, g->keys, sizeof(g->keys), err));
    GW_TRY(gw_windows_new(o->capacity, &g->keys[1], &g->windows, err));
    GW_TRY(gw_spraying_new(&g->spraying, err));
    *out = gw_take(&g);
    return GW_OK;
}

void gw_login_guard_free(struct gw_login_guard *g)
{
    if (g == NULL)
        return;
    gw_windows_free(g->windows);
    gw_spraying_free(g->spraying);
    pthread_cond_destroy(&g->ended);
    pthread_mutex_destroy(&g->lock);
    free(g);
}
