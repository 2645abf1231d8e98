/* SPDX-License-Identifier: Apache-2.0 */
#include "drill_load.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS 10
#define PERIOD_MS 50 /* of a thread: 200 requests a second together */
#define TIMEOUT_MS 10000
#define RECORDS_MAX 65536

struct record {
    int64_t sent_ms;
    enum drill_kind kind;
    unsigned status;
};

struct drill_load {
    const struct gw_own_listener *listener;
    pthread_t threads[THREADS];
    size_t thread_count;
    pthread_mutex_t lock; /* all below */
    bool stopping;
    unsigned next;
    size_t count;
    struct record records[RECORDS_MAX];
};

unsigned drill_ask(const struct gw_own_listener *l, enum drill_kind kind, unsigned bot)
{
    static const char *const rests[DRILL_KINDS] = {[DRILL_READ] = "", [DRILL_OPEN] = "/start", [DRILL_CLOSE] = "/stop"};
    char target[64];
    (void)snprintf(target, sizeof(target), "/api/bots/%u%s", bot, rests[kind]);
    const struct gw_safe_request q = {.method = kind == DRILL_READ ? GW_STR("GET") : GW_STR("POST"),
                                      .target = gw_str(target),
                                      .timeout_ms = TIMEOUT_MS};
    struct gw_safe_answer answer = {0};
    gw_buf_init(&answer.body, GW_SAFE_ANSWER_MAX);
    bool is_answered = gw_own_listener_ask(l, &q, &answer) == GW_SAFE_ANSWERED;
    gw_buf_done(&answer.body);
    return is_answered ? answer.status : 0;
}

/* Four reads, three that open, three that close. */
static enum drill_kind kind_of(unsigned n)
{
    static const enum drill_kind mix[] = {DRILL_READ,  DRILL_OPEN, DRILL_CLOSE, DRILL_READ,  DRILL_OPEN,
                                          DRILL_CLOSE, DRILL_READ, DRILL_OPEN,  DRILL_CLOSE, DRILL_READ};
    return mix[n % (sizeof(mix) / sizeof(mix[0]))];
}

static bool take_number(struct drill_load *l, unsigned *out)
{
    pthread_mutex_lock(&l->lock);
    bool goes_on = !l->stopping;
    *out = l->next++;
    pthread_mutex_unlock(&l->lock);
    return goes_on;
}

static void keep(struct drill_load *l, const struct record *r)
{
    pthread_mutex_lock(&l->lock);
    if (l->count < RECORDS_MAX)
        l->records[l->count++] = *r;
    pthread_mutex_unlock(&l->lock);
}

static void *run(void *arg)
{
    struct drill_load *l = arg;
    struct timespec next;
    unsigned n;
    (void)clock_gettime(CLOCK_MONOTONIC, &next);
    while (take_number(l, &n)) {
        struct record r = {.kind = kind_of(n), .sent_ms = gw_clock_mono_ms(gw_system_clock())};
        r.status = drill_ask(l->listener, r.kind, n % DRILL_BOTS + 1);
        keep(l, &r);
        next.tv_nsec += PERIOD_MS * 1000000L;
        next.tv_sec += next.tv_nsec / 1000000000L;
        next.tv_nsec %= 1000000000L;
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    return NULL;
}

enum gw_code drill_load_new(const struct gw_own_listener *listener, struct drill_load **out, struct gw_error *err)
{
    gw_auto(drill_load) struct drill_load *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for traffic");
    l->listener = listener;
    pthread_mutex_init(&l->lock, NULL);
    for (; l->thread_count < THREADS; l->thread_count++)
        if (pthread_create(&l->threads[l->thread_count], NULL, run, l) != 0)
            return gw_fail(err, GW_EBACKEND, "cannot start threads for the traffic");
    *out = gw_take(&l);
    return GW_OK;
}

void drill_load_free(struct drill_load *l)
{
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_mutex_unlock(&l->lock);
    while (l->thread_count > 0)
        (void)pthread_join(l->threads[--l->thread_count], NULL);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void drill_load_count(struct drill_load *l, int64_t since_ms, struct drill_count out[DRILL_KINDS])
{
    for (size_t i = 0; i < DRILL_KINDS; i++)
        out[i] = (struct drill_count){0};
    pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->count; i++) {
        const struct record *r = &l->records[i];
        bool passed = r->status >= 200 && r->status < 300;
        if (r->sent_ms < since_ms)
            continue;
        out[r->kind].sent++;
        out[r->kind].passed += passed;
        out[r->kind].other = passed ? out[r->kind].other : r->status;
    }
    pthread_mutex_unlock(&l->lock);
}
