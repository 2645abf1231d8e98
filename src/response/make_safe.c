/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Step by step: what a step goes through (the items of a list) is shared out among threads, and the next step begins when all are
 * through. Retries follow from what is known of a try: nothing of it was sent (again), it may have happened (again only where twice
 * does what once does), an answer said no (never again). Reports come last, each by reading its list once more.
 */
#include "response/make_safe.h"

#include "base/json.h"
#include "policy/path.h"
#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)64 << 20)

static const struct gw_json_limits list_limits = {.max_bytes = GW_SAFE_ANSWER_MAX, .max_depth = 16};
static const int64_t backoff_ms[GW_SAFE_TRIES] = {250, 1000}; /* after the first try, after the second */

struct item {
    struct gw_str id;
    const struct item *of; /* of the list around; NULL: there is none */
};
struct items {
    struct item *item; /* GW_SAFE_ITEMS_MAX of them, once there is one */
    size_t count;
};

struct run {
    const struct gw_safe_options *options;
    const struct gw_make_safe *plan;
    int64_t deadline_ms;
    pthread_mutex_t lock; /* all below, and the callbacks */
    struct gw_arena arena;
    struct items lists[GW_SAFE_STEPS_MAX]; /* by step */
    struct gw_safe_summary summary;
    bool out_of_memory;
};

const char *gw_safe_outcome_text(enum gw_safe_outcome o)
{
    static const char *const texts[] = {
#define GW_SAFE_OUTCOME(name, text) [GW_SAFE_OUTCOME_##name] = (text),
#include "response/safe_outcome.def"
#undef GW_SAFE_OUTCOME
    };
    return texts[o];
}

/* ---- telling ---- */

static void count(struct gw_safe_summary *s, enum gw_safe_outcome outcome)
{
    s->calls++;
    s->ok += outcome == GW_SAFE_OUTCOME_DONE;
    s->unknown += outcome == GW_SAFE_OUTCOME_UNKNOWN;
    s->failed += outcome == GW_SAFE_OUTCOME_FAILED || outcome == GW_SAFE_OUTCOME_NOT_SENT;
}

static void tell(struct run *r, const struct gw_safe_row *row)
{
    pthread_mutex_lock(&r->lock);
    if (row->step->kind == GW_SAFE_CALL)
        count(&r->summary, row->outcome);
    else if (row->outcome != GW_SAFE_OUTCOME_DONE)
        r->summary.unread++;
    r->options->row(r->options->ctx, row);
    pthread_mutex_unlock(&r->lock);
}

/* ---- one target ---- */

/* The item of a list that item is, or is within. */
static const struct item *item_of(const struct run *r, size_t list, size_t over, const struct item *item)
{
    for (; list != over; over = r->plan->steps[over].over)
        item = item->of;
    return item;
}

static size_t list_of(const struct run *r, struct gw_str name)
{
    size_t i = 0;
    while (r->plan->steps[i].kind != GW_SAFE_LIST || !gw_str_eq(r->plan->steps[i].name, name))
        i++; /* the policy was refused if there were none */
    return i;
}

static void expand(const struct run *r, const struct gw_safe_step *s, const struct item *item, struct gw_buf *out)
{
    struct gw_str query = gw_str_sub(s->target, gw_str_find(s->target, '?'), s->target.len);
    struct gw_str rest = gw_str_sub(s->target, 1, s->target.len - query.len - 1), segment;
    while (gw_str_split(&rest, '/', &segment)) {
        gw_buf_addc(out, '/');
        if (segment.len > 2 && segment.ptr[0] == '{')
            gw_buf_add_percent(out, item_of(r, list_of(r, gw_str_sub(segment, 1, segment.len - 2)), s->over, item)->id);
        else
            gw_buf_add(out, segment);
    }
    gw_buf_add(out, query);
}

/* An id is the backend's word: it may lead nowhere but to the route that the policy was held against. */
static bool leads_to_route(const struct run *r, const struct gw_safe_step *s, struct gw_str target)
{
    struct gw_arena none;
    struct gw_target_uri uri;
    gw_arena_init(&none, 0); /* without room: what is not canonical is refused */
    return gw_path_canonical(target, &none, &uri, NULL) == GW_OK &&
           gw_policy_match(r->options->policy, s->method, uri.path, uri.query) == s->route;
}

/* ---- one call, with its retries ---- */

struct tried {
    unsigned tries, status;
    enum gw_safe_outcome outcome;
    const char *why;
};

/* What one try says. settled: an answer that another try would not change. */
struct verdict {
    enum gw_safe_outcome outcome;
    bool settled;
};

static bool problem_is(const struct gw_safe_answer *a, const char *const types[])
{
    static const struct gw_str urn = GW_STR("urn:aaiti:problem:");
    gw_auto_json json_t *body = NULL;
    struct gw_str type;
    if (!a->is_problem || gw_json_parse(gw_buf_str(&a->body), GW_JSON_DEFAULT_LIMITS, &body, NULL) != GW_OK ||
        gw_json_get_str(body, "type", 1, 100, &type, NULL) != GW_OK || !gw_str_starts(type, urn))
        return false;
    type = gw_str_sub(type, urn.len, type.len);
    for (; *types != NULL; types++)
        if (gw_str_eq(type, gw_str(*types)))
            return true;
    return false;
}

static struct verdict judge(enum gw_safe_end end, const struct gw_safe_answer *a)
{
    /* The gateway's own words (gw/problem.def): of a change it says bad-gateway and gateway-timeout only where nothing was sent. */
    static const char *const not_sent[] = {"bad-gateway", "gateway-timeout", "unavailable", NULL};
    static const char *const unknown[] = {"outcome-unknown", NULL};
    static const char *const by_mode[] = {"risk-off", "read-only", "stopped", NULL};
    if (end == GW_SAFE_UNREACHED)
        return (struct verdict){GW_SAFE_OUTCOME_NOT_SENT, false};
    if (end == GW_SAFE_UNANSWERED || (a->status >= 500 && problem_is(a, unknown)))
        return (struct verdict){GW_SAFE_OUTCOME_UNKNOWN, false};
    if (a->status >= 500 && problem_is(a, not_sent))
        return (struct verdict){GW_SAFE_OUTCOME_NOT_SENT, false};
    /* A backend that answers 5xx may have done a part; what the gateway refuses by its mode, it will refuse again. */
    if (a->status >= 500)
        return (struct verdict){GW_SAFE_OUTCOME_FAILED, problem_is(a, by_mode)};
    bool is_yes = a->status >= 200 && a->status < 300;
    return (struct verdict){is_yes ? GW_SAFE_OUTCOME_DONE : GW_SAFE_OUTCOME_FAILED, true};
}

/* A later try that tells less does not make an earlier one unmade: what may have happened stays unknown until an answer settles it. */
static void fold(struct tried *t, struct verdict v)
{
    bool is_first = t->tries == 1;
    if (!is_first && !v.settled && t->outcome == GW_SAFE_OUTCOME_UNKNOWN)
        return;
    if (!is_first && v.outcome == GW_SAFE_OUTCOME_NOT_SENT)
        return;
    t->outcome = v.outcome;
}

static const char *refuse_to_begin(const struct run *r, int64_t *out_left_ms)
{
    *out_left_ms = r->deadline_ms - gw_clock_mono_ms(r->options->clock);
    if (r->options->is_stopped(r->options->ctx))
        return "the run was stopped";
    return *out_left_ms <= 0 ? "the time of the run is over" : NULL;
}

/* The answer of the last try is left in a. */
static void try_call(struct run *r, const struct gw_safe_step *s, struct gw_str target, struct gw_safe_answer *a,
                     struct tried *t)
{
    bool may_repeat = gw_method_is_safe(s->method) || s->repeat;
    *t = (struct tried){.outcome = GW_SAFE_OUTCOME_NOT_SENT};
    for (;;) {
        int64_t left_ms;
        const char *why = refuse_to_begin(r, &left_ms);
        if (why != NULL) {
            t->why = why;
            return;
        }
        const struct gw_safe_request q = {.method = gw_str(gw_method_name(s->method)),
                                          .target = target,
                                          .body = s->body,
                                          .timeout_ms = left_ms < GW_SAFE_CALL_MS ? left_ms : GW_SAFE_CALL_MS};
        gw_buf_reset(&a->body);
        a->status = 0;
        a->is_problem = false;
        a->why = NULL;
        struct verdict v = judge(r->options->exchange(r->options->ctx, &q, a), a);
        t->tries++;
        t->status = a->status;
        t->why = a->why;
        fold(t, v);
        bool again = !v.settled && (v.outcome == GW_SAFE_OUTCOME_NOT_SENT || may_repeat);
        if (!again || t->tries == GW_SAFE_TRIES)
            return;
        r->options->wait_ms(r->options->ctx, backoff_ms[t->tries - 1]);
    }
}

static void make_call(struct run *r, const struct gw_safe_step *s, const struct item *item)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    struct gw_safe_answer answer = {.status = 0};
    struct tried t = {.outcome = GW_SAFE_OUTCOME_FAILED, .why = "the id cannot stand in the path of this call"};
    gw_buf_init(&target, GW_PATH_MAX_BYTES + GW_QUERY_MAX_BYTES);
    gw_buf_init(&answer.body, GW_SAFE_ANSWER_MAX);
    expand(r, s, item, &target);
    bool good = gw_buf_check(&target, NULL) == GW_OK && leads_to_route(r, s, gw_buf_str(&target));
    if (good && r->options->mode == GW_SAFE_PLAN)
        t = (struct tried){.outcome = GW_SAFE_OUTCOME_PLANNED};
    else if (good)
        try_call(r, s, gw_buf_str(&target), &answer, &t);
    tell(r, &(struct gw_safe_row){s, gw_buf_str(&target), t.tries, t.outcome, t.status, 0, t.why});
    gw_buf_done(&answer.body);
}

/* ---- lists ---- */

/* RFC 6901 section 4, but for "-"; NULL: nothing is there. */
static const json_t *look(const json_t *value, struct gw_str pointer)
{
    struct gw_str rest = gw_str_sub(pointer, 1, pointer.len), token;
    if (pointer.len == 0)
        return value;
    while (value != NULL && gw_str_split(&rest, '/', &token)) {
        char name[GW_SAFE_ID_MAX + 1];
        size_t n = 0;
        int64_t index;
        for (size_t i = 0; i < token.len && n < sizeof(name) - 1; i++) {
            bool escaped = token.ptr[i] == '~' && i + 1 < token.len;
            name[n++] = !escaped ? token.ptr[i] : token.ptr[++i] == '1' ? '/' : '~';
        }
        name[n] = '\0';
        if (json_is_array(value))
            value = gw_str_to_i64(token, &index) ? json_array_get(value, (size_t)index) : NULL;
        else
            value = json_object_get(value, name);
    }
    return value;
}

/* A string as it is, an integer in digits, true and false. False: none of them, or longer than dst. */
static bool write_scalar(const json_t *value, char dst[GW_SAFE_ID_MAX + 1])
{
    if (json_is_string(value))
        return gw_str_copy((struct gw_str){json_string_value(value), json_string_length(value)}, dst,
                           GW_SAFE_ID_MAX + 1);
    if (json_is_integer(value))
        return snprintf(dst, GW_SAFE_ID_MAX + 1, "%lld", (long long)json_integer_value(value)) > 0;
    if (json_is_boolean(value))
        return snprintf(dst, GW_SAFE_ID_MAX + 1, "%s", json_is_true(value) ? "true" : "false") > 0;
    return false;
}

static bool fits(const json_t *value, const struct gw_safe_step *s)
{
    char text[GW_SAFE_ID_MAX + 1];
    for (size_t i = 0; i < s->where_count; i++)
        if (!write_scalar(json_object_get(value, s->where[i].member.ptr), text) ||
            !gw_str_eq(gw_str(text), s->where[i].value))
            return false;
    return true;
}

static const char *add_item(struct run *r, struct items *list, const char *id, const struct item *of)
{
    struct item new = {.of = of};
    if (list->item == NULL)
        list->item = gw_arena_calloc(&r->arena, GW_SAFE_ITEMS_MAX, sizeof(*list->item));
    if (list->item == NULL || gw_arena_str(&r->arena, gw_str(id), &new.id) != GW_OK) {
        r->out_of_memory = true;
        return "no memory for the items";
    }
    if (list->count == GW_SAFE_ITEMS_MAX)
        return "the list is longer than a run takes; the rest was left out";
    list->item[list->count++] = new;
    return NULL;
}

/* Takes what fits; what is wrong with the rest, or NULL. */
static const char *take_items(struct run *r, const struct gw_safe_step *s, const json_t *array, const struct item *of,
                              size_t *out_count)
{
    struct items *list = &r->lists[s - r->plan->steps];
    const char *wrong = NULL;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *value = json_array_get(array, i), *id = look(value, s->id);
        char text[GW_SAFE_ID_MAX + 1];
        if (!fits(value, s))
            continue;
        const char *why = "an item has no id that is text or an integer";
        if (!json_is_boolean(id) && write_scalar(id, text) && text[0] != '\0')
            why = add_item(r, list, text, of);
        *out_count += why == NULL;
        if (why != NULL)
            wrong = why;
    }
    return wrong;
}

static void take_answer(struct run *r, const struct gw_safe_step *s, struct gw_str text, const struct item *of,
                        struct tried *t, size_t *out_count)
{
    gw_auto_json json_t *answer = NULL;
    t->why = "the answer is no JSON, too long or nested too deep";
    if (gw_json_parse(text, list_limits, &answer, NULL) == GW_OK) {
        const json_t *array = look(answer, s->items);
        t->why = "the answer has no list where `items` points to";
        pthread_mutex_lock(&r->lock);
        if (json_is_array(array))
            t->why = take_items(r, s, array, of, out_count);
        pthread_mutex_unlock(&r->lock);
    }
    if (t->why != NULL)
        t->outcome = GW_SAFE_OUTCOME_FAILED;
}

/* teller: the step that wants to know, the list itself or a report of it. */
static void read_list(struct run *r, const struct gw_safe_step *s, const struct gw_safe_step *teller,
                      const struct item *of)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    struct gw_safe_answer answer = {.status = 0};
    struct tried t = {.outcome = GW_SAFE_OUTCOME_FAILED, .why = "the id cannot stand in the path of this list"};
    size_t items = 0;
    gw_buf_init(&target, GW_PATH_MAX_BYTES + GW_QUERY_MAX_BYTES);
    gw_buf_init(&answer.body, GW_SAFE_ANSWER_MAX);
    expand(r, s, of, &target);
    if (gw_buf_check(&target, NULL) == GW_OK && leads_to_route(r, s, gw_buf_str(&target)))
        try_call(r, s, gw_buf_str(&target), &answer, &t);
    if (t.outcome == GW_SAFE_OUTCOME_DONE)
        take_answer(r, s, gw_buf_str(&answer.body), of, &t, &items);
    tell(r, &(struct gw_safe_row){teller, gw_buf_str(&target), t.tries, t.outcome, t.status, items, t.why});
    gw_buf_done(&answer.body);
}

/* ---- a step, shared out ---- */

struct batch {
    struct run *run;
    const struct gw_safe_step *step, *teller;
    size_t count;
    size_t next; /* atomic */
};

static void *work_off(void *arg)
{
    struct batch *b = arg;
    size_t over = b->step->over, i;
    while ((i = __atomic_fetch_add(&b->next, 1, __ATOMIC_RELAXED)) < b->count) {
        const struct item *item = over != GW_SAFE_NONE ? &b->run->lists[over].item[i] : NULL;
        if (b->step->kind == GW_SAFE_CALL)
            make_call(b->run, b->step, item);
        else
            read_list(b->run, b->step, b->teller, item);
    }
    return NULL;
}

/* This thread takes its part: without any other all is done all the same. */
static void run_batch(struct run *r, const struct gw_safe_step *step, const struct gw_safe_step *teller)
{
    struct batch b = {.run = r, .step = step, .teller = teller};
    pthread_t threads[GW_SAFE_PARALLEL];
    size_t started = 0;
    b.count = step->over != GW_SAFE_NONE ? r->lists[step->over].count : 1;
    size_t helpers = (b.count < r->options->parallel ? b.count : r->options->parallel);
    while (started + 1 < helpers && pthread_create(&threads[started], NULL, work_off, &b) == 0)
        started++;
    (void)work_off(&b);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
}

static void report(struct run *r, const struct gw_safe_step *teller)
{
    const struct gw_safe_step *list = &r->plan->steps[teller->over];
    struct items *items = &r->lists[teller->over];
    /* A plan has changed nothing since. */
    if (r->options->mode == GW_SAFE_RUN) {
        items->count = 0;
        run_batch(r, list, teller);
    }
    for (size_t i = 0; i < items->count; i++) {
        const struct item *of = items->item[i].of;
        const struct gw_safe_left left = {teller, items->item[i].id, of != NULL ? of->id : GW_STR_NULL};
        r->summary.left++;
        r->options->left(r->options->ctx, &left);
    }
}

enum gw_code gw_make_safe_run(const struct gw_safe_options *o, struct gw_safe_summary *out, struct gw_error *err)
{
    struct run *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for making safe");
    assert(o->parallel >= 1 && o->parallel <= GW_SAFE_PARALLEL);
    r->options = o;
    r->plan = gw_policy_make_safe(o->policy);
    r->deadline_ms = gw_clock_mono_ms(o->clock) + GW_SAFE_TOTAL_MS;
    pthread_mutex_init(&r->lock, NULL);
    gw_arena_init(&r->arena, ARENA_MAX);
    for (size_t i = 0; i < r->plan->count; i++)
        if (r->plan->steps[i].kind != GW_SAFE_REPORT)
            run_batch(r, &r->plan->steps[i], &r->plan->steps[i]);
    for (size_t i = 0; i < r->plan->count; i++)
        if (r->plan->steps[i].kind == GW_SAFE_REPORT)
            report(r, &r->plan->steps[i]);
    *out = r->summary;
    bool out_of_memory = r->out_of_memory;
    pthread_mutex_destroy(&r->lock);
    gw_arena_done(&r->arena);
    free(r);
    return out_of_memory ? gw_fail(err, GW_ENOMEM, "no memory for all items of a list") : GW_OK;
}
