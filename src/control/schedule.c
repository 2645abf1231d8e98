/* SPDX-License-Identifier: Apache-2.0 */
#include "control/schedule.h"
#include "audit/consumer.h"
#include "audit/retention.h"
#include "control/expiry.h"
#include "control/log.h"
#include "control/modes.h"
#include "control/refusals.h"
#include "control/rotation.h"
#include "identity/sealed.h"
#include "journal/reader.h"
#include "response/block.h"
#include "response/kernel_drop.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECRETS_BATCHES 20 /* a turn: some 600 secrets, and other threads come in between */

static enum gw_code beat(struct gw_app *a, struct gw_error *err)
{
    (void)err;
    gw_shared_beat(gw_app_shared(a), gw_clock_real_s(gw_app_clock(a)));
    return GW_OK;
}

/* The guard outlives reloads, and so counts on. */
static void show_overflows(struct gw_app *a, struct gw_login_guard *guard)
{
    uint64_t count = gw_login_guard_take_overflows(guard);
    char number[24];
    if (count == 0)
        return;
    gw_shared_add_gauge(gw_app_shared(a), GW_GAUGE_LOGIN_OVERFLOWS, (int64_t)count);
    (void)snprintf(number, sizeof(number), "%" PRIu64, count);
    gw_log(GW_LOG_WARN, "login-guard", {"count", gw_str(number)},
           {"text", GW_STR("no room to count failed sign-ins by address; counting whole networks as one")});
}

static void show_refused_blocks(struct gw_app *a, const struct gw_app_view *v)
{
    const struct gw_block_desk desk = gw_app_blocks(a, v);
    uint64_t count = gw_block_full_take(desk.full);
    char number[24];
    if (count == 0)
        return;
    gw_shared_add_gauge(gw_app_shared(a), GW_GAUGE_BLOCKS_REFUSED, (int64_t)count);
    (void)snprintf(number, sizeof(number), "%" PRIu64, count);
    gw_log(GW_LOG_ERROR, "block", {"count", gw_str(number)},
           {"text", GW_STR("the list of blocks is full, and who should be in it is let in; remove some (aaiti block "
                           "remove), or raise block.capacity and restart control")});
}

/* In the lane of the signs: a database that another process holds keeps the figures from nobody. */
static enum gw_code show_gauges(struct gw_app *a, struct gw_error *err)
{
    struct gw_shared *shared = gw_app_shared(a);
    const struct gw_app_view *v = gw_app_view_get(a);
    struct gw_hasher_stats hasher;
    (void)err;
    gw_hasher_stats(v->hasher, &hasher);
    show_overflows(a, gw_identity_guard(v->identity));
    unsigned waiting = gw_login_guard_waiting(gw_identity_guard(v->identity));
    show_refused_blocks(a, v);
    gw_app_view_put(a, v);
    gw_shared_set_gauge(shared, GW_GAUGE_LOGIN_WAITING, waiting);
    gw_shared_set_gauge(shared, GW_GAUGE_LOGIN_QUEUE, hasher.waiting);
    gw_shared_set_gauge(shared, GW_GAUGE_HASHES_DONE, (int64_t)hasher.done);
    gw_shared_set_gauge(shared, GW_GAUGE_HASHES_REFUSED, (int64_t)hasher.refused);
    gw_shared_set_gauge(shared, GW_GAUGE_HASHES_GONE, (int64_t)hasher.gone);
    return GW_OK;
}

static void show_login_windows(struct gw_app *a)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    struct gw_login_guard_fill f;
    gw_login_guard_fill(gw_identity_guard(v->identity), &f);
    gw_app_view_put(a, v);
    gw_shared_set_gauge(gw_app_shared(a), GW_GAUGE_LOGIN_WINDOWS, (int64_t)f.live);
    gw_shared_set_gauge(gw_app_shared(a), GW_GAUGE_LOGIN_WINDOW_SLOTS, (int64_t)f.slots);
}

/* Walks whole tables. */
static enum gw_code show_fill(struct gw_app *a, struct gw_error *err)
{
    (void)err;
    struct gw_shared *shared = gw_app_shared(a);
    struct gw_shared_fill f;
    gw_shared_fill(shared, &f);
    gw_shared_set_gauge(shared, GW_GAUGE_SESSIONS, f.sessions);
    gw_shared_set_gauge(shared, GW_GAUGE_USERS, f.users);
    gw_shared_set_gauge(shared, GW_GAUGE_REVOCATIONS, f.revocations);
    gw_shared_set_gauge(shared, GW_GAUGE_BLOCKS, f.blocks);
    gw_shared_set_gauge(shared, GW_GAUGE_API_KEYS, f.api_keys);
    gw_shared_set_gauge(shared, GW_GAUGE_SESSION_SLOTS, f.session_slots);
    gw_shared_set_gauge(shared, GW_GAUGE_USER_SLOTS, f.user_slots);
    gw_shared_set_gauge(shared, GW_GAUGE_REVOCATION_SLOTS, f.revocation_slots);
    gw_shared_set_gauge(shared, GW_GAUGE_BLOCK_SLOTS, f.block_slots);
    gw_shared_set_gauge(shared, GW_GAUGE_API_KEY_SLOTS, f.api_key_slots);
    show_login_windows(a);
    return GW_OK;
}

static enum gw_code save_last_seen(struct gw_app *a, struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    enum gw_code code = gw_identity_save_last_seen(v->identity, err);
    gw_app_view_put(a, v);
    return code;
}

static enum gw_code clean_up(struct gw_app *a, struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    const struct gw_block_desk blocks = gw_app_blocks(a, v);
    enum gw_code code = gw_identity_clean_up(v->identity, err);
    if (code == GW_OK)
        code = gw_block_forget(&blocks, err);
    struct gw_sealed *sealed = NULL;
    gw_app_view_put(a, v);
    GW_TRY(code);
    GW_TRY(gw_app_sealed(a, &sealed, err));
    return gw_sealed_purge(sealed, err);
}

static enum gw_code expire_blocks(struct gw_app *a, struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    const struct gw_block_desk desk = gw_app_blocks(a, v);
    enum gw_code code = gw_block_expire(&desk, err);
    gw_app_view_put(a, v);
    return code;
}

static enum gw_code record_full_windows(struct gw_app *a, struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    enum gw_code code = gw_guard_record_full(v->identity, err);
    gw_app_view_put(a, v);
    return code;
}

static enum gw_code update_kernel(struct gw_app *a, struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    const struct gw_settings *s = v->settings;
    const struct gw_kernel_drop_options o = {
        .store = v->store,
        .recorder = gw_app_recorder(a),
        .clock = gw_app_clock(a),
        .allow = s->allow.item,
        .allow_count = s->allow.count,
        .proxies = s->trusted_proxies.item,
        .proxy_count = s->trusted_proxies.count,
        .listen = s->listen,
    };
    enum gw_code code = s->block_kernel == GW_KERNEL_DROP_NFTABLES
                            ? gw_kernel_drop_update(gw_app_kernel_drop(a), &o, err)
                            : gw_kernel_drop_end(gw_app_kernel_drop(a), err);
    gw_app_view_put(a, v);
    gw_shared_set_gauge(gw_app_shared(a), GW_GAUGE_KERNEL_IN_FORCE, gw_kernel_drop_is_made(gw_app_kernel_drop(a)));
    gw_shared_set_gauge(gw_app_shared(a), GW_GAUGE_KERNEL_FAILED, code != GW_OK);
    return code;
}

static void log_data_key(const char *text, uint32_t id)
{
    char number[16];
    (void)snprintf(number, sizeof(number), "%u", id);
    gw_log(GW_LOG_INFO, "key", {"what", gw_str(text)}, {"id", gw_str(number)});
}

static enum gw_code tend_secrets(struct gw_app *a, struct gw_error *err)
{
    struct gw_sealed *sealed = NULL;
    struct gw_sealed_turn turn;
    GW_TRY(gw_app_sealed(a, &sealed, err));
    enum gw_code code = gw_sealed_tend(sealed, SECRETS_BATCHES, &turn, err);
    if (turn.made != 0)
        log_data_key("data key made: the one before it has drawn half of its nonces", turn.made);
    if (turn.retired != 0)
        log_data_key("data key retired: all its secrets are sealed anew", turn.retired);
    return code;
}

/* Before what takes the journal. */
static enum gw_code write_refusals(struct gw_app *a, struct gw_error *err)
{
    return gw_refusals_flush(gw_app_refusals(a), err);
}

static void log_met(uint64_t count, const char *what)
{
    char number[24];
    if (count == 0)
        return;
    (void)snprintf(number, sizeof(number), "%" PRIu64, count);
    gw_log(GW_LOG_WARN, "journal", {"count", gw_str(number)}, {"text", gw_str(what)});
}

static void log_turn(const struct gw_consumer_turn *t)
{
    log_met(t->unknown, "changes were begun by a worker that died; recording their outcome as unknown");
    log_met(t->lost, "events found no room in a worker's journal; recording how many");
    log_met(t->damaged_bytes, "bytes of the journal cannot be read; passing them over and recording that");
    log_met(t->missing, "events of a worker are nowhere, as if somebody had removed a journal file; recording that");
    log_met(t->foreign, "files in the journal's directory are no journals; setting them aside and recording that");
    log_met(t->conflicts, "events have a name that another has; recording both");
    log_met((uint64_t)t->stepped_ms, "milliseconds the clock was set back by; recording that");
}

static enum gw_code count_file(void *files, const char *name, struct gw_error *err)
{
    (void)name;
    (void)err;
    ++*(int64_t *)files;
    return GW_OK;
}

/* What stands in the way of listing them all, the consumer says. */
static void show_journal_files(struct gw_app *a)
{
    int64_t files = 0;
    enum gw_code code = gw_journal_each(gw_app_journal_dir(a), count_file, &files, NULL);
    if (code == GW_OK || code == GW_ELIMIT)
        gw_shared_set_gauge(gw_app_shared(a), GW_GAUGE_JOURNAL_FILES, files);
}

static enum gw_code take_journal(struct gw_app *a, struct gw_error *err)
{
    struct gw_shared *shared = gw_app_shared(a);
    struct gw_consumer_turn turn;
    int64_t began_s = gw_clock_real_s(gw_app_clock(a));
    enum gw_code code = gw_consumer_run(gw_app_consumer(a), gw_app_journal_dir(a), &turn, err);
    log_turn(&turn);
    gw_shared_add_gauge(shared, GW_GAUGE_AUDIT_EVENTS, (int64_t)turn.events);
    gw_shared_add_gauge(shared, GW_GAUGE_AUDIT_LOST, (int64_t)turn.lost);
    if (code == GW_OK && !turn.is_cut)
        gw_shared_set_caught_up(shared, began_s);
    show_journal_files(a);
    return code;
}

static enum gw_code prune_audit(struct gw_app *a, struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    const struct gw_retention r = {v->store, gw_app_recorder(a), gw_app_clock(a), v->settings->audit_retention_ms};
    uint64_t count;
    enum gw_code code = gw_retention_run(&r, &count, err);
    gw_app_view_put(a, v);
    return code;
}

static const struct gw_task signs[] = {{"beat", 1000, beat}, {"gauges", 1000, show_gauges}};

enum {
    TASK_REFUSALS,
    TASK_JOURNAL,
    TASK_MODES,
    TASK_BLOCKS,
    TASK_WINDOWS,
    TASK_KERNEL,
    TASK_SECRETS,
    TASK_FILL,
    TASK_LAST_SEEN,
    TASK_KEYS,
    TASK_PRUNE,
    TASK_CLEAN_UP,
    TASK_EXPIRY
};
static const struct gw_task tasks[] = {
    [TASK_REFUSALS] = {"refusals", 1000, write_refusals},
    [TASK_JOURNAL] = {"journal", 1000, take_journal},
    [TASK_MODES] = {"modes", 1000, gw_modes_expire},
    [TASK_SECRETS] = {"secrets", 1000, tend_secrets},
    [TASK_FILL] = {"fill", 15 * 1000, show_fill},
    [TASK_LAST_SEEN] = {"last-seen", 60 * 1000, save_last_seen},
    [TASK_KEYS] = {"keys", 60 * 1000, gw_rotation_expire},
    [TASK_PRUNE] = {"prune", 60 * 1000, prune_audit},
    [TASK_BLOCKS] = {"blocks", 1000, expire_blocks},
    [TASK_KERNEL] = {"kernel-drop", 2000, update_kernel},
    [TASK_WINDOWS] = {"login-windows", 1000, record_full_windows},
    [TASK_CLEAN_UP] = {"clean-up", 3600 * 1000, clean_up},
    [TASK_EXPIRY] = {"expiry", 60 * 1000, gw_expiry_look},
};
static_assert(sizeof(tasks) / sizeof(tasks[0]) <= GW_TASKS_MAX, "gw_agenda has no room for them");

void gw_agenda_init(struct gw_agenda *g, const struct gw_task *table, size_t count, int64_t now_ms)
{
    assert(count <= GW_TASKS_MAX);
    *g = (struct gw_agenda){.tasks = table, .count = count};
    for (size_t i = 0; i < count; i++)
        g->due_ms[i] = now_ms + table[i].every_ms;
}

static void run_one(const struct gw_task *t, struct gw_app *a, enum gw_code *last)
{
    struct gw_error err = {0};
    enum gw_code code = t->run(a, &err);
    if (code != GW_OK && code != *last)
        gw_log(GW_LOG_ERROR, "schedule", {"task", gw_str(t->name)}, {"code", gw_str(gw_code_name(code))},
               {"error", gw_str(err.msg)});
    if (code == GW_OK && *last != GW_OK)
        gw_log(GW_LOG_INFO, "schedule", {"task", gw_str(t->name)}, {"text", GW_STR("passes again")});
    *last = code;
}

void gw_agenda_run(struct gw_agenda *g, struct gw_app *a, int64_t now_ms)
{
    for (size_t i = 0; i < g->count; i++) {
        if (now_ms < g->due_ms[i])
            continue;
        g->due_ms[i] = now_ms + g->tasks[i].every_ms;
        run_one(&g->tasks[i], a, &g->last[i]);
    }
}

int64_t gw_agenda_next_ms(const struct gw_agenda *g)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < g->count; i++)
        next_ms = g->due_ms[i] < next_ms ? g->due_ms[i] : next_ms;
    return next_ms;
}

/* A thread and what it does. */
struct lane {
    struct gw_schedule *schedule;
    struct gw_agenda agenda;
    pthread_t thread;
};

enum { LANE_SIGNS, LANE_TASKS, LANE_COUNT };

struct gw_schedule {
    struct gw_app *app;
    struct lane lanes[LANE_COUNT];
    size_t running; /* of them */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
};

static void *run(void *arg)
{
    struct lane *l = arg;
    struct gw_schedule *s = l->schedule;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        pthread_mutex_unlock(&s->lock);
        gw_agenda_run(&l->agenda, s->app, gw_clock_mono_ms(gw_app_clock(s->app)));
        pthread_mutex_lock(&s->lock);
        int64_t next_ms = gw_agenda_next_ms(&l->agenda);
        const struct timespec until = {.tv_sec = next_ms / 1000, .tv_nsec = next_ms % 1000 * 1000000};
        if (!s->stopping)
            (void)pthread_cond_timedwait(&s->wake, &s->lock, &until);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static struct gw_schedule *new_schedule(struct gw_app *a)
{
    struct gw_schedule *s = calloc(1, sizeof(*s));
    int64_t now_ms = gw_clock_mono_ms(gw_app_clock(a));
    pthread_condattr_t monotonic;
    if (s == NULL)
        return NULL;
    s->app = a;
    gw_agenda_init(&s->lanes[LANE_SIGNS].agenda, signs, sizeof(signs) / sizeof(signs[0]), now_ms);
    gw_agenda_init(&s->lanes[LANE_TASKS].agenda, tasks, sizeof(tasks) / sizeof(tasks[0]), now_ms);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return s;
}

static void stop_threads(struct gw_schedule *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < s->running; i++)
        (void)pthread_join(s->lanes[i].thread, NULL);
}

static void free_schedule(struct gw_schedule *s)
{
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static void run_now(struct gw_schedule *s, size_t task)
{
    run_one(&tasks[task], s->app, &s->lanes[LANE_TASKS].agenda.last[task]);
}

enum gw_code gw_schedule_start(struct gw_app *a, struct gw_schedule **out, struct gw_error *err)
{
    struct gw_schedule *s = new_schedule(a);
    if (s == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the schedule");
    (void)beat(a, err);
    run_now(s, TASK_JOURNAL);
    run_now(s, TASK_FILL);
    run_now(s, TASK_EXPIRY);
    for (; s->running < LANE_COUNT; s->running++) {
        struct lane *l = &s->lanes[s->running];
        l->schedule = s;
        int failed = pthread_create(&l->thread, NULL, run, l);
        if (failed == 0)
            continue;
        stop_threads(s);
        free_schedule(s);
        return gw_fail(err, GW_EBACKEND, "cannot start a thread: %s", strerror(failed));
    }
    *out = s;
    return GW_OK;
}

void gw_schedule_stop(struct gw_schedule *s)
{
    if (s == NULL)
        return;
    stop_threads(s);
    /* The segments may not outlive us: the machine may be going down. */
    run_now(s, TASK_LAST_SEEN);
    run_now(s, TASK_REFUSALS);
    run_now(s, TASK_JOURNAL);
    free_schedule(s);
}
