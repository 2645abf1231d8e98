/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run is checked where it is asked for, so that whoever asks hears what is wrong; the thread only does it. It holds the set of settings
 * and policy that it began with. Rows are kept as JSON, for they are only ever shown.
 */
#include "control/making_safe.h"

#include "control/log.h"
#include "control/run_dir.h"
#include "control/shown.h"
#include "policy/policy.h"
#include "response/own_listener.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROWS_MAX 10000 /* what comes after them is done and counted, and not shown */
#define LEFT_MAX 1000
#define GIVE_WAY_MS (GW_SAFE_CALL_MS + 2000) /* a plan that is told to ends with the call it makes */
#define SPARE_S 30                           /* of the session, beyond the longest run */
#define AGENT "aaiti make-safe "

struct run {
    struct gw_uuid id;
    char id_text[GW_UUID_LEN + 1];
    enum gw_safe_mode mode;
    const struct gw_app_view *view; /* NULL once it has ended */
    struct gw_arena arena;          /* of what by and listener borrow */
    struct gw_actor by;
    struct gw_signed_in signed_in;
    struct gw_own_listener listener;
    char user_agent[sizeof(AGENT) + GW_UUID_LEN];
    int64_t started_s;
    bool recorded; /* that it was started */
    /* under the lock */
    json_t *rows, *left;
    size_t dropped; /* rows beyond ROWS_MAX */
    struct gw_safe_summary summary;
};

struct gw_making_safe {
    struct gw_app *app;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;   /* atomic: the run ends soon, with the application */
    bool gives_way;  /* atomic: it ends soon, to make room */
    bool running;    /* the run's thread has not come to its end */
    bool has_thread; /* one is to be joined */
    pthread_t thread;
    struct run *run; /* the one under way, or the last; NULL: none yet */
};

static void run_free(struct run *r)
{
    if (r == NULL)
        return;
    gw_signed_in_done(&r->signed_in);
    json_decref(r->rows);
    json_decref(r->left);
    gw_arena_done(&r->arena);
    free(r);
}

/* ---- what the run tells (response/make_safe.h calls these with the struct gw_making_safe) ---- */

static enum gw_safe_end ask(void *ctx, const struct gw_safe_request *q, struct gw_safe_answer *out)
{
    struct gw_making_safe *s = ctx;
    return gw_own_listener_ask(&s->run->listener, q, out);
}

static bool is_stopped(void *ctx)
{
    struct gw_making_safe *s = ctx;
    return __atomic_load_n(&s->stopping, __ATOMIC_RELAXED) || __atomic_load_n(&s->gives_way, __ATOMIC_RELAXED);
}

static struct timespec after_ms(int64_t ms)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void wait_ms(void *ctx, int64_t ms)
{
    struct gw_making_safe *s = ctx;
    const struct timespec until = after_ms(ms);
    pthread_mutex_lock(&s->lock);
    while (!is_stopped(s) && pthread_cond_timedwait(&s->wake, &s->lock, &until) == 0)
        continue;
    pthread_mutex_unlock(&s->lock);
}

static json_t *row_json(const struct gw_safe_row *row)
{
    struct gw_str name = row->step->name;
    static const char *const kinds[] = {[GW_SAFE_LIST] = "list", [GW_SAFE_CALL] = "call", [GW_SAFE_REPORT] = "report"};
    json_t *o = json_pack("{s:s, s:s%, s:s%, s:I, s:s, s:I}", "kind", kinds[row->step->kind], "step", name.ptr,
                          name.len, "target", row->target.ptr, row->target.len, "tries", (json_int_t)row->tries,
                          "outcome", gw_safe_outcome_text(row->outcome), "status", (json_int_t)row->status);
    if (row->step->kind != GW_SAFE_CALL)
        (void)json_object_set_new(o, "items", json_integer((json_int_t)row->items));
    if (row->why != NULL)
        (void)json_object_set_new(o, "why", json_string(row->why));
    return o;
}

static void keep_row(void *ctx, const struct gw_safe_row *row)
{
    struct gw_making_safe *s = ctx;
    pthread_mutex_lock(&s->lock);
    if (json_array_size(s->run->rows) >= ROWS_MAX || json_array_append_new(s->run->rows, row_json(row)) != 0)
        s->run->dropped++;
    pthread_mutex_unlock(&s->lock);
}

static void keep_left(void *ctx, const struct gw_safe_left *left)
{
    struct gw_making_safe *s = ctx;
    struct gw_str name = left->step->name;
    json_t *of = left->of.len > 0 ? json_stringn(left->of.ptr, left->of.len) : json_null();
    pthread_mutex_lock(&s->lock);
    if (json_array_size(s->run->left) < LEFT_MAX)
        (void)json_array_append_new(s->run->left, json_pack("{s:s%, s:s%, s:O}", "report", name.ptr, name.len, "id",
                                                            left->id.ptr, left->id.len, "of", of));
    pthread_mutex_unlock(&s->lock);
    json_decref(of);
}

/* ---- the end ---- */

static json_t *counts_json(const struct gw_safe_summary *t)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "calls", (json_int_t)t->calls, "ok", (json_int_t)t->ok, "failed",
                     (json_int_t)t->failed, "unknown", (json_int_t)t->unknown, "unread", (json_int_t)t->unread,
                     "leftCount", (json_int_t)t->left);
}

static struct gw_deed deed_of(const struct run *r, const char *action, json_t *details)
{
    (void)json_object_set_new(details, "as", json_string(r->signed_in.user.username));
    (void)json_object_set_new(details, "plan", json_boolean(r->mode == GW_SAFE_PLAN));
    return (struct gw_deed){.action = action, .resource_type = "make-safe", .resource = &r->id, .details = details};
}

/* What cannot be recorded was done all the same; the session ends by itself soon. */
static void record_end(struct run *r)
{
    struct gw_error err = {0};
    const struct gw_deed deed = deed_of(r, "make_safe_ended", counts_json(&r->summary));
    if (gw_errand_end(r->view->identity, &r->by, &deed, &r->signed_in.session.id, &err) != GW_OK)
        gw_log(GW_LOG_WARN, "make-safe", {"run", gw_str(r->id_text)}, {"error", gw_str(err.msg)},
               {"text", GW_STR("its end could not be recorded; leaving its session to its limit")});
}

static void log_end(const struct run *r)
{
    char calls[24], ok[24], left[24];
    (void)snprintf(calls, sizeof(calls), "%zu", r->summary.calls);
    (void)snprintf(ok, sizeof(ok), "%zu", r->summary.ok);
    (void)snprintf(left, sizeof(left), "%zu", r->summary.left);
    gw_log(GW_LOG_INFO, "make-safe", {"run", gw_str(r->id_text)}, {"text", GW_STR("ended")}, {"calls", gw_str(calls)},
           {"ok", gw_str(ok)}, {"left", gw_str(left)});
}

static void *run_thread(void *arg)
{
    struct gw_making_safe *s = arg;
    struct run *r = s->run;
    struct gw_safe_summary summary = {0};
    struct gw_error err = {0};
    const struct gw_safe_options o = {.policy = r->view->policy,
                                      .mode = r->mode,
                                      .exchange = ask,
                                      .wait_ms = wait_ms,
                                      .is_stopped = is_stopped,
                                      .row = keep_row,
                                      .left = keep_left,
                                      .ctx = s,
                                      .clock = gw_app_clock(s->app),
                                      .parallel = GW_SAFE_PARALLEL};
    if (gw_make_safe_run(&o, &summary, &err) != GW_OK) {
        gw_log(GW_LOG_ERROR, "make-safe", {"run", gw_str(r->id_text)}, {"error", gw_str(err.msg)});
        summary.unread++;
    }
    pthread_mutex_lock(&s->lock);
    r->summary = summary;
    pthread_mutex_unlock(&s->lock);
    record_end(r);
    log_end(r);
    gw_app_view_put(s->app, r->view);
    pthread_mutex_lock(&s->lock);
    r->view = NULL;
    gw_buf_done(&r->signed_in.token);
    s->running = false;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- the start ---- */

static enum gw_code check_user(const struct gw_policy *p, const struct gw_user_row *u, struct gw_error *err)
{
    const struct gw_make_safe *m = gw_policy_make_safe(p);
    int role = gw_policy_role(p, gw_str(u->role));
    if (!u->active)
        return gw_fail(err, GW_EINVAL, "as: the user %s is disabled", u->username);
    if (gw_policy_upstream(p)->needs_upstream_id && u->upstream_id[0] == '\0')
        return gw_fail(err, GW_EINVAL, "as: the user %s has no upstream_id, so the backend does not know them",
                       u->username);
    for (size_t i = 0; i < m->count; i++) {
        const struct gw_safe_step *step = &m->steps[i];
        if (step->route == NULL || gw_policy_access(p, step->route, role) == GW_ACCESS_YES)
            continue;
        return gw_fail(err, GW_EINVAL, "as: the user %s (role %s) may not use \"%.*s\", which asks for %.*s",
                       u->username, u->role, GW_STR_ARG(step->route->pattern),
                       GW_STR_ARG(gw_policy_right(p, step->route)));
    }
    return GW_OK;
}

static enum gw_code find_user(const struct run *r, struct gw_str as, struct gw_user_row *out, struct gw_error *err)
{
    if (gw_policy_make_safe(r->view->policy) == NULL)
        return gw_fail(err, GW_EINVAL, "the policy has no section `make_safe`, so there is nothing to do");
    if (as.len == 0)
        return gw_fail(err, GW_EINVAL, "as: name a user; the policy's `make_safe` names none");
    enum gw_code code = gw_user_find(r->view->identity, as, out, err);
    if (code == GW_ENOTFOUND)
        return gw_fail(err, GW_EINVAL, "as: there is no user %.*s", GW_STR_ARG(as));
    GW_TRY(code);
    return check_user(r->view->policy, out, err);
}

static enum gw_code copy_actor(struct run *r, const struct gw_actor *by, struct gw_error *err)
{
    r->by = *by;
    if (gw_arena_str(&r->arena, by->user_agent, &r->by.user_agent) != GW_OK ||
        gw_arena_str(&r->arena, by->route, &r->by.route) != GW_OK ||
        gw_arena_str(&r->arena, by->path, &r->by.path) != GW_OK)
        return gw_fail(err, GW_ENOMEM, "no memory for a run");
    return GW_OK;
}

static enum gw_code prepare_listener(struct gw_app *a, struct run *r, struct gw_error *err)
{
    const char *certificate = NULL, *own = NULL;
    GW_TRY(gw_shown_file(a, r->view, GW_RUN_CERTIFICATE, r->view->settings->tls_certificate, &r->arena, &certificate,
                         err));
    GW_TRY(gw_shown_own(a, &r->arena, &own, err));
    r->listener = (struct gw_own_listener){
        .listen = r->view->settings->listen,
        .terms = {.preamble = r->view->settings->listen_proxy_protocol ? GW_TLS_PROXIED : GW_TLS_PLAIN,
                  .certificates = certificate,
                  .own = own},
        .token = gw_buf_str(&r->signed_in.token),
        .user_agent = gw_str(r->user_agent),
        .clock = gw_app_clock(a),
    };
    return GW_OK;
}

static enum gw_code sign_in(struct run *r, const struct gw_user_row *u, struct gw_error *err)
{
    const struct gw_errand errand = {
        .user_id = &u->id, .user_agent = r->user_agent, .ttl_s = GW_SAFE_TOTAL_MS / 1000 + SPARE_S};
    r->signed_in.user = *u;
    const struct gw_deed deed = deed_of(r, "make_safe_started", json_object());
    enum gw_code code = gw_errand_begin(r->view->identity, &r->by, &deed, &errand, &r->signed_in, &r->recorded, err);
    if (code == GW_EDENIED)
        return gw_fail(err, GW_EINVAL, "as: the user %s was disabled meanwhile", u->username);
    /* What closes positions waits for no room on a disk. */
    if (code == GW_OK && !r->recorded)
        gw_log(GW_LOG_ERROR, "make-safe", {"run", gw_str(r->id_text)}, {"as", gw_str(u->username)},
               {"error", gw_str(err->msg)}, {"text", GW_STR("its start could not be recorded; running all the same")});
    return code;
}

/* r has its view. */
static enum gw_code prepare(struct gw_app *a, struct run *r, const struct gw_making_safe_start *how,
                            struct gw_error *err)
{
    struct gw_user_row user;
    gw_arena_init(&r->arena, 64 * 1024);
    r->mode = how->mode;
    r->started_s = gw_clock_real_s(gw_app_clock(a));
    r->rows = json_array();
    r->left = json_array();
    if (r->rows == NULL || r->left == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a run");
    GW_TRY(gw_uuid_v7(gw_app_random(a), gw_app_clock(a), &r->id, err));
    gw_uuid_format(&r->id, r->id_text);
    (void)snprintf(r->user_agent, sizeof(r->user_agent), AGENT "%s", r->id_text);
    GW_TRY(copy_actor(r, how->by, err));
    GW_TRY(find_user(r, how->as, &user, err));
    GW_TRY(sign_in(r, &user, err));
    return prepare_listener(a, r, err);
}

/* The lock is held: a second start waits, and then finds this one. */
static enum gw_code start(struct gw_making_safe *s, struct run *r, struct gw_error *err)
{
    if (s->has_thread)
        (void)pthread_join(s->thread, NULL); /* has come to its end */
    s->has_thread = false;
    run_free(s->run);
    s->run = r;
    __atomic_store_n(&s->gives_way, false, __ATOMIC_RELAXED);
    int failed = pthread_create(&s->thread, NULL, run_thread, s);
    if (failed != 0)
        return gw_fail(err, GW_EBACKEND, "cannot start a thread: %s", strerror(failed));
    s->has_thread = s->running = true;
    return GW_OK;
}

/* Nothing of it was called. */
static void give_up(struct gw_making_safe *s, struct run *r)
{
    if (r->signed_in.token.len > 0)
        record_end(r);
    gw_app_view_put(s->app, r->view);
    if (s->run == r)
        s->run = NULL;
    run_free(r);
}

static enum gw_code start_new(struct gw_making_safe *s, const struct gw_making_safe_start *how, struct gw_uuid *out_id,
                              struct gw_error *err)
{
    struct run *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a run");
    r->view = gw_app_view_get(s->app);
    enum gw_code code = prepare(s->app, r, how, err);
    if (code == GW_OK)
        code = start(s, r, err);
    if (code != GW_OK) {
        give_up(s, r);
        return code;
    }
    *out_id = r->id;
    return GW_OK;
}

/* What only looks does not keep waiting what closes. */
static void push_out_plan(struct gw_making_safe *s)
{
    const struct timespec until = after_ms(GIVE_WAY_MS);
    const struct run *plan = s->run;
    __atomic_store_n(&s->gives_way, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&s->wake);
    while (s->running && s->run == plan && pthread_cond_timedwait(&s->wake, &s->lock, &until) == 0)
        continue;
}

enum gw_code gw_making_safe_start(struct gw_making_safe *s, const struct gw_making_safe_start *how,
                                  struct gw_uuid *out_id, struct gw_error *err)
{
    pthread_mutex_lock(&s->lock);
    enum gw_code code;
    if (s->running && s->run->mode == GW_SAFE_PLAN && how->mode == GW_SAFE_RUN)
        push_out_plan(s);
    if (s->running) {
        *out_id = s->run->id;
        code = gw_fail(err, GW_ECONFLICT, "a run is under way: %s", s->run->id_text);
    } else {
        code = start_new(s, how, out_id, err);
    }
    pthread_mutex_unlock(&s->lock);
    return code;
}

/* ---- watching ---- */

/* What of its rows comes after the first `after` of them, and the number of the last. Copies, for they leave the lock. */
static json_t *page_of(const struct run *r, size_t after, size_t *out_next)
{
    json_t *page = json_array();
    size_t count = json_array_size(r->rows), i = after < count ? after : count;
    for (; i < count && json_array_size(page) < GW_MAKING_SAFE_PAGE; i++)
        (void)json_array_append_new(page, json_deep_copy(json_array_get(r->rows, i)));
    *out_next = i;
    return page;
}

static json_t *summary_json(const struct run *r)
{
    json_t *o = counts_json(&r->summary);
    (void)json_object_set_new(o, "left", json_deep_copy(r->left));
    return o;
}

enum gw_code gw_making_safe_show(struct gw_making_safe *s, const struct gw_uuid *id, size_t after, json_t **out,
                                 struct gw_error *err)
{
    json_t *shown = NULL;
    pthread_mutex_lock(&s->lock);
    const struct run *r = s->run;
    bool found = r != NULL && gw_uuid_eq(&r->id, id);
    if (found) {
        size_t next;
        json_t *page = page_of(r, after, &next);
        char started[GW_TIME_LEN + 1];
        gw_time_format(r->started_s, started);
        shown =
            json_pack("{s:s, s:s, s:b, s:s, s:b, s:s, s:o, s:I, s:I, s:o}", "id", r->id_text, "as",
                      r->signed_in.user.username, "plan", r->mode == GW_SAFE_PLAN, "startedAt", started, "recorded",
                      r->recorded, "state", s->running ? "running" : "ended", "rows", page, "next", (json_int_t)next,
                      "rowsDropped", (json_int_t)r->dropped, "summary", s->running ? json_null() : summary_json(r));
    }
    pthread_mutex_unlock(&s->lock);
    if (!found)
        return gw_fail(err, GW_ENOTFOUND, "no such run");
    if (shown == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a run's rows");
    *out = shown;
    return GW_OK;
}

/* ---- life ---- */

enum gw_code gw_making_safe_new(struct gw_app *a, struct gw_making_safe **out, struct gw_error *err)
{
    struct gw_making_safe *s = calloc(1, sizeof(*s));
    pthread_condattr_t monotonic;
    if (s == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for making safe");
    s->app = a;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *out = s;
    return GW_OK;
}

void gw_making_safe_free(struct gw_making_safe *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    __atomic_store_n(&s->stopping, true, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->has_thread)
        (void)pthread_join(s->thread, NULL);
    run_free(s->run);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
