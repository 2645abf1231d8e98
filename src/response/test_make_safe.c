/* SPDX-License-Identifier: Apache-2.0 */
/* Runs over a scripted backend, on a clock of ours. */
#include "response/make_safe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define HEAD                                                                                     \
    "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n"                               \
    "roles: {admin: {permissions: ['*']}}\n"                                                     \
    "routes:\n"                                                                                  \
    "  - {match: GET /bots, permission: 'bots:read'}\n"                                          \
    "  - {match: 'POST /bots/{id}/stop', permission: 'bots:write', risk: reduces}\n"             \
    "  - {match: 'POST /bots/all/stop', permission: 'bots:write', risk: opens}\n"                \
    "  - {match: 'GET /bots/{id}/trades', permission: 'bots:read'}\n"                            \
    "  - {match: 'DELETE /bots/{id}/trades/{trade}', permission: 'bots:write', risk: reduces}\n" \
    "make_safe:\n  steps:\n"
#define BOTS "  - {list: bots, get: /bots, items: /bots}\n"
#define STOP "  - {call: 'POST /bots/{bots}/stop'}\n"
#define STOP_AGAIN "  - {call: 'POST /bots/{bots}/stop', repeat: true}\n"
#define TRADES "  - {list: trades, each: bots, get: '/bots/{bots}/trades', items: /trades, where: {status: open}}\n"
#define CLOSE "  - {call: 'DELETE /bots/{bots}/trades/{trades}'}\n"

/* ---- the backend ---- */

struct answer {
    enum gw_safe_end end;
    unsigned status;
    const char *type, *body; /* type: of a problem of the gateway's */
    int64_t takes_ms;
};
#define YES(body_)                     \
    {                                  \
        .status = 200, .body = (body_) \
    }
#define SAYS(status_)       \
    {                       \
        .status = (status_) \
    }
#define PROBLEM(status_, type_)              \
    {                                        \
        .status = (status_), .type = (type_) \
    }
#define NOT_REACHED              \
    {                            \
        .end = GW_SAFE_UNREACHED \
    }
#define NOT_ANSWERED              \
    {                             \
        .end = GW_SAFE_UNANSWERED \
    }

struct script {
    const char *call; /* "POST /bots/a/stop" */
    struct answer tries[GW_SAFE_TRIES + 1];
};

struct world {
    const struct script *scripts;
    size_t count;
    unsigned asked[8]; /* of each script; atomic */
    unsigned unscripted, at_once, most_at_once;
    int64_t waited_ms, longest_timeout_ms;
    bool stopped;
    struct gw_fake_clock clock;
    unsigned parallel;
    enum gw_safe_mode mode;
    char rows[4096], left[1024], body[256];
    struct gw_safe_summary summary;
};

static const char *body_of(const struct answer *a, char dst[200])
{
    if (a->type != NULL)
        snprintf(dst, 200, "{\"type\":\"urn:aaiti:problem:%s\",\"status\":%u}", a->type, a->status);
    return a->type != NULL ? dst : a->body != NULL ? a->body : "";
}

static enum gw_safe_end exchange(void *ctx, const struct gw_safe_request *q, struct gw_safe_answer *out)
{
    struct world *w = ctx;
    char call[300], body[200];
    size_t i = 0;
    snprintf(call, sizeof(call), "%.*s %.*s", GW_STR_ARG(q->method), GW_STR_ARG(q->target));
    snprintf(w->body, w->parallel == 1 ? sizeof(w->body) : 0, "%.*s", GW_STR_ARG(q->body));
    if (w->parallel == 1 && q->timeout_ms > w->longest_timeout_ms)
        w->longest_timeout_ms = q->timeout_ms;
    while (i < w->count && strcmp(w->scripts[i].call, call) != 0)
        i++;
    unsigned n = i < w->count ? __atomic_fetch_add(&w->asked[i], 1, __ATOMIC_RELAXED) : 0;
    if (i == w->count || n > GW_SAFE_TRIES) {
        __atomic_add_fetch(&w->unscripted, 1, __ATOMIC_RELAXED);
        return GW_SAFE_UNREACHED;
    }
    const struct answer *a = &w->scripts[i].tries[n];
    gw_fake_clock_advance(&w->clock, a->takes_ms);
    out->status = a->status;
    out->is_problem = a->type != NULL;
    gw_buf_add(&out->body, gw_str(body_of(a, body)));
    return a->end;
}

static void wait_ms(void *ctx, int64_t ms)
{
    struct world *w = ctx;
    w->waited_ms += ms;
    gw_fake_clock_advance(&w->clock, ms);
}

static bool is_stopped(void *ctx)
{
    return ((struct world *)ctx)->stopped;
}

static void take_row(void *ctx, const struct gw_safe_row *row)
{
    struct world *w = ctx;
    size_t len = strlen(w->rows);
    int n = snprintf(w->rows + len, sizeof(w->rows) - len, "%.*s: %u x, %s %u", GW_STR_ARG(row->target), row->tries,
                     gw_safe_outcome_text(row->outcome), row->status);
    len += (size_t)n;
    if (row->step->kind != GW_SAFE_CALL)
        len += (size_t)snprintf(w->rows + len, sizeof(w->rows) - len, ", %zu items", row->items);
    snprintf(w->rows + len, sizeof(w->rows) - len, "%s%s\n", row->why != NULL ? ", " : "",
             row->why != NULL ? row->why : "");
}

static void take_left(void *ctx, const struct gw_safe_left *left)
{
    struct world *w = ctx;
    size_t len = strlen(w->left);
    snprintf(w->left + len, sizeof(w->left) - len, "%.*s: %.*s of %.*s\n", GW_STR_ARG(left->step->name),
             GW_STR_ARG(left->id), GW_STR_ARG(left->of));
}

static struct gw_policy *load(const char *text)
{
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    struct gw_policy *p = NULL;
    assert_int_equal(gw_faults_new(&f, NULL), GW_OK);
    if (gw_policy_load_text(gw_str(text), "p.yaml", NULL, f, &p, NULL) != GW_OK)
        fail_msg("line %u: %s", gw_faults_get(f, 0)->line, gw_faults_get(f, 0)->message);
    return p;
}

static void run(struct world *w, const char *policy_text, const struct script *scripts, size_t count)
{
    struct gw_policy *p = load(policy_text);
    struct gw_error err = {0};
    if (w->parallel == 0)
        w->parallel = 1;
    w->scripts = scripts;
    w->count = count;
    gw_fake_clock_init(&w->clock, 1800000000000);
    const struct gw_safe_options o = {.policy = p,
                                      .mode = w->mode,
                                      .exchange = exchange,
                                      .wait_ms = wait_ms,
                                      .is_stopped = is_stopped,
                                      .row = take_row,
                                      .left = take_left,
                                      .ctx = w,
                                      .clock = &w->clock.clock,
                                      .parallel = w->parallel};
    if (gw_make_safe_run(&o, &w->summary, &err) != GW_OK)
        fail_msg("%s", err.msg);
    gw_policy_free(p);
    assert_int_equal(w->unscripted, 0);
}

static void check(const struct world *w, size_t ok, size_t failed, size_t unknown, size_t unread)
{
    const struct gw_safe_summary *s = &w->summary;
    if (s->ok != ok || s->failed != failed || s->unknown != unknown || s->unread != unread ||
        (w->mode == GW_SAFE_RUN && s->calls != ok + failed + unknown))
        fail_msg("%zu calls, %zu ok, %zu failed, %zu unknown, %zu unread\n%s", s->calls, s->ok, s->failed, s->unknown,
                 s->unread, w->rows);
}

/* ---- order, lists, reports ---- */

static void steps_are_done_in_order_and_reports_come_last(void **state)
{
    static const struct script scripts[] = {
        {"GET /bots", {YES("{\"bots\":[{\"id\":\"a\"},{\"id\":\"b\"}]}")}},
        {"GET /bots/a/trades",
         {YES("{\"trades\":[{\"id\":\"t1\",\"status\":\"open\"},{\"id\":\"t2\",\"status\":\"closed\"},{\"id\":\"t3\",\"status\":\"open\"}]}"),
          YES("{\"trades\":[{\"id\":\"t3\",\"status\":\"open\"}]}")}},
        {"GET /bots/b/trades", {YES("{\"trades\":[]}"), YES("{\"trades\":[]}")}},
        {"DELETE /bots/a/trades/t1", {SAYS(204)}},
        {"DELETE /bots/a/trades/t3", {SAYS(409)}},
        {"POST /bots/a/stop", {SAYS(200)}},
        {"POST /bots/b/stop", {SAYS(202)}},
    };
    struct world w = {.stopped = false};
    (void)state;
    run(&w, HEAD BOTS TRADES "  - {report: trades, as: positions left open}\n" CLOSE STOP, scripts, COUNT(scripts));
    assert_string_equal(w.rows, "/bots: 1 x, done 200, 2 items\n"
                                "/bots/a/trades: 1 x, done 200, 2 items\n"
                                "/bots/b/trades: 1 x, done 200, 0 items\n"
                                "/bots/a/trades/t1: 1 x, done 204\n"
                                "/bots/a/trades/t3: 1 x, failed 409\n"
                                "/bots/a/stop: 1 x, done 200\n"
                                "/bots/b/stop: 1 x, done 202\n"
                                "/bots/a/trades: 1 x, done 200, 1 items\n"
                                "/bots/b/trades: 1 x, done 200, 0 items\n");
    assert_string_equal(w.left, "positions left open: t3 of a\n");
    check(&w, 3, 1, 0, 0);
    assert_int_equal(w.summary.left, 1);
    assert_int_equal(w.longest_timeout_ms, GW_SAFE_CALL_MS);
}

static void a_plan_reads_and_calls_nothing(void **state)
{
    static const struct script scripts[] = {
        {"GET /bots", {YES("{\"bots\":[{\"id\":\"a\"}]}")}},
        {"GET /bots/a/trades", {YES("{\"trades\":[{\"id\":\"t1\",\"status\":\"open\"}]}")}},
    };
    struct world w = {.mode = GW_SAFE_PLAN};
    (void)state;
    run(&w, HEAD BOTS TRADES CLOSE STOP "  - {report: trades}\n", scripts, COUNT(scripts));
    assert_string_equal(w.rows, "/bots: 1 x, done 200, 1 items\n"
                                "/bots/a/trades: 1 x, done 200, 1 items\n"
                                "/bots/a/trades/t1: 0 x, planned 0\n"
                                "/bots/a/stop: 0 x, planned 0\n");
    assert_string_equal(w.left, "trades: t1 of a\n");
    check(&w, 0, 0, 0, 0);
    assert_int_equal(w.summary.calls, 2);
}

static void a_list_that_cannot_be_read_hinders_nobody_else(void **state)
{
    static const struct script scripts[] = {
        {"GET /bots", {YES("{\"bots\":[{\"id\":\"a\"},{\"id\":\"b\"}]}")}},
        {"GET /bots/a/trades", {SAYS(404)}},
        {"GET /bots/b/trades", {YES("{\"trades\":[{\"id\":\"t\",\"status\":\"open\"}]}")}},
        {"DELETE /bots/b/trades/t", {SAYS(200)}},
        {"POST /bots/a/stop", {SAYS(200)}},
        {"POST /bots/b/stop", {SAYS(200)}},
    };
    struct world w = {.stopped = false};
    (void)state;
    run(&w, HEAD BOTS TRADES CLOSE STOP, scripts, COUNT(scripts));
    check(&w, 3, 0, 0, 1);
}

static void what_a_body_says_is_sent(void **state)
{
    static const struct script scripts[] = {
        {"GET /bots", {YES("{\"bots\":[{\"id\":\"a\"}]}")}},
        {"POST /bots/a/stop", {SAYS(200)}},
    };
    struct world w = {.stopped = false};
    (void)state;
    run(&w, HEAD BOTS "  - {call: 'POST /bots/{bots}/stop', body: {now: true}}\n", scripts, COUNT(scripts));
    assert_string_equal(w.body, "{\"now\":true}");
}

/* ---- tries ---- */

static const struct {
    const char *what;
    struct answer tries[GW_SAFE_TRIES];
    unsigned once, repeatable; /* tries made: of a call, and of one that may be repeated */
    enum gw_safe_outcome outcome, repeatable_outcome;
} retries[] = {
#define O(name) GW_SAFE_OUTCOME_##name
    {"an answer", {SAYS(200)}, 1, 1, O(DONE), O(DONE)},
    {"a redirect", {SAYS(302)}, 1, 1, O(FAILED), O(FAILED)},
    {"no", {SAYS(409), SAYS(200)}, 1, 1, O(FAILED), O(FAILED)},
    {"no right", {PROBLEM(403, "forbidden"), SAYS(200)}, 1, 1, O(FAILED), O(FAILED)},
    {"nobody there, then one", {NOT_REACHED, NOT_REACHED, SAYS(200)}, 3, 3, O(DONE), O(DONE)},
    {"nobody there", {NOT_REACHED, NOT_REACHED, NOT_REACHED}, 3, 3, O(NOT_SENT), O(NOT_SENT)},
    {"not sent, then done", {PROBLEM(502, "bad-gateway"), SAYS(200)}, 2, 2, O(DONE), O(DONE)},
    {"not sent in time, then done", {PROBLEM(504, "gateway-timeout"), SAYS(200)}, 2, 2, O(DONE), O(DONE)},
    {"starting, then done", {PROBLEM(503, "unavailable"), SAYS(200)}, 2, 2, O(DONE), O(DONE)},
    {"starting for ever",
     {PROBLEM(503, "unavailable"), PROBLEM(503, "unavailable"), PROBLEM(503, "unavailable")},
     3,
     3,
     O(NOT_SENT),
     O(NOT_SENT)},
    {"refused by the mode", {PROBLEM(503, "stopped"), SAYS(200)}, 1, 1, O(FAILED), O(FAILED)},
    {"unknown, then done", {PROBLEM(502, "outcome-unknown"), SAYS(200)}, 1, 2, O(UNKNOWN), O(DONE)},
    {"unknown in time, then done", {PROBLEM(504, "outcome-unknown"), SAYS(200)}, 1, 2, O(UNKNOWN), O(DONE)},
    {"no answer, then done", {NOT_ANSWERED, SAYS(200)}, 1, 2, O(UNKNOWN), O(DONE)},
    {"no answer, then no", {NOT_ANSWERED, SAYS(409)}, 1, 2, O(UNKNOWN), O(FAILED)},
    {"no answer, then not sent", {NOT_ANSWERED, NOT_REACHED, NOT_REACHED}, 1, 3, O(UNKNOWN), O(UNKNOWN)},
    {"no answer, then a fault", {NOT_ANSWERED, SAYS(500), SAYS(500)}, 1, 3, O(UNKNOWN), O(UNKNOWN)},
    {"not sent, then no answer", {NOT_REACHED, NOT_ANSWERED, SAYS(200)}, 2, 3, O(UNKNOWN), O(DONE)},
    {"a fault, then done", {SAYS(500), SAYS(200)}, 1, 2, O(FAILED), O(DONE)},
    {"the backend's own 502", {SAYS(502), SAYS(200)}, 1, 2, O(FAILED), O(DONE)},
    {"the backend's own 503", {SAYS(503), SAYS(200)}, 1, 2, O(FAILED), O(DONE)},
    {"a fault, then not sent", {SAYS(500), NOT_REACHED, NOT_REACHED}, 1, 3, O(FAILED), O(FAILED)},
    {"a status that is none of ours",
     {{.status = 503, .body = "{\"type\":\"urn:aaiti:problem:unavailable\"}"}, SAYS(200)},
     1,
     2,
     O(FAILED),
     O(DONE)},
#undef O
};

static void only_what_is_safe_to_repeat_is_repeated(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * COUNT(retries); i++) {
        bool repeat = i % 2 != 0;
        struct script scripts[] = {{"GET /bots", {YES("{\"bots\":[{\"id\":\"a\"}]}")}},
                                   {"POST /bots/a/stop", {SAYS(0)}}};
        struct world w = {.stopped = false};
        memcpy(scripts[1].tries, retries[i / 2].tries, sizeof(retries[0].tries));
        run(&w, repeat ? HEAD BOTS STOP_AGAIN : HEAD BOTS STOP, scripts, COUNT(scripts));
        unsigned tries = repeat ? retries[i / 2].repeatable : retries[i / 2].once;
        char wanted[60];
        snprintf(wanted, sizeof(wanted), "/bots/a/stop: %u x, %s ", tries,
                 gw_safe_outcome_text(repeat ? retries[i / 2].repeatable_outcome : retries[i / 2].outcome));
        if (w.asked[1] != tries || strstr(w.rows, wanted) == NULL)
            fail_msg("%s, %s: %u tries\n%s", retries[i / 2].what, repeat ? "repeatable" : "once", w.asked[1], w.rows);
        assert_int_equal(w.waited_ms, tries == 1 ? 0 : tries == 2 ? 250 : 1250);
    }
}

static void reading_is_always_safe_to_repeat(void **state)
{
    static const struct script scripts[] = {
        {"GET /bots", {NOT_ANSWERED, SAYS(500), YES("{\"bots\":[{\"id\":\"a\"}]}")}},
        {"POST /bots/a/stop", {SAYS(200)}},
    };
    struct world w = {.stopped = false};
    (void)state;
    run(&w, HEAD BOTS STOP, scripts, COUNT(scripts));
    check(&w, 1, 0, 0, 0);
}

static void when_the_time_is_over_nothing_more_is_begun(void **state)
{
    static const struct script scripts[] = {
        {"GET /bots", {YES("{\"bots\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"c\"}]}")}},
        {"POST /bots/a/stop", {{.status = 200, .takes_ms = GW_SAFE_TOTAL_MS - 1000}}},
        {"POST /bots/b/stop", {{.end = GW_SAFE_UNANSWERED, .takes_ms = 900}, {.status = 200, .takes_ms = 0}}},
    };
    struct world w = {.stopped = false};
    (void)state;
    run(&w, HEAD BOTS STOP_AGAIN, scripts, COUNT(scripts));
    assert_string_equal(w.rows, "/bots: 1 x, done 200, 3 items\n"
                                "/bots/a/stop: 1 x, done 200\n"
                                "/bots/b/stop: 1 x, unknown 0, the time of the run is over\n"
                                "/bots/c/stop: 0 x, not-sent 0, the time of the run is over\n");
    check(&w, 1, 1, 1, 0);
}

static void a_stopped_run_begins_nothing(void **state)
{
    struct world w = {.stopped = true};
    (void)state;
    run(&w, HEAD BOTS STOP, NULL, 0);
    assert_string_equal(w.rows, "/bots: 0 x, not-sent 0, 0 items, the run was stopped\n");
    check(&w, 0, 0, 0, 1);
}

/* ---- hostile answers ---- */

static void lists_are_taken_only_as_they_should_be(void **state)
{
    static const struct {
        const char *body;
        size_t items, unread;
    } cases[] = {
        {"{\"bots\":[]}", 0, 0},
        {"{\"bots\":[{\"id\":7},{\"id\":-1},{\"id\":\"x\"}]}", 3, 0},
        {"", 0, 1},
        {"[]", 0, 1},
        {"null", 0, 1},
        {"{\"bots\":{\"id\":\"a\"}}", 0, 1},
        {"{\"bots\":null}", 0, 1},
        {"{\"bots\":[{\"id\":\"a\"}]", 0, 1},
        {"{\"bots\":[{\"id\":\"a\"}]}x", 0, 1},
        {"{\"bots\":[],\"bots\":[{\"id\":\"a\"}]}", 0, 1},
        {"{\"bots\":[{\"id\":\"a\\u0000b\"}]}", 0, 1},
        {"{\"bots\":[{\"id\":\"\\ud800\"}]}", 0, 1},
        {"{\"bots\":[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]}", 0, 1},
        {"{\"bots\":[null,1,\"a\",[],{},{\"id\":null},{\"id\":1.5},{\"id\":true},{\"id\":{}},{\"id\":\"\"}]}", 0, 1},
        {"{\"bots\":[{\"id\":{}},{\"id\":\"a\"}]}", 1, 1},
        {"{\"bots\":[{\"id\":1e400}]}", 0, 1},
        {"{\"bots\":[{\"id\":99999999999999999999}]}", 0, 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct script scripts[] = {{"GET /bots", {YES(cases[i].body)}}};
        struct world w = {.mode = GW_SAFE_PLAN};
        run(&w, HEAD BOTS STOP, scripts, COUNT(scripts));
        if (w.summary.calls != cases[i].items || w.summary.unread != cases[i].unread)
            fail_msg("%s: %zu items, %zu unread\n%s", cases[i].body, w.summary.calls, w.summary.unread, w.rows);
    }
}

static void an_id_leads_nowhere_but_to_its_route(void **state)
{
    static const struct {
        const char *id, *call; /* NULL: none is made */
    } cases[] = {
        {"a-b._~9", "POST /bots/a-b._~9/stop"},
        {"a b", "POST /bots/a%20b/stop"},
        {"a\\\"b", "POST /bots/a%22b/stop"},
        {"a?x=1", "POST /bots/a%3Fx%3D1/stop"},
        {"a#b", "POST /bots/a%23b/stop"},
        {"{bots}", "POST /bots/%7Bbots%7D/stop"},
        {"\\u00e9", "POST /bots/%C3%A9/stop"},
        {"a/b", NULL},
        {"../secret", NULL},
        {"..", NULL},
        {".", NULL},
        {"a\\\\b", NULL},
        {"a%2fb", NULL},
        {"a;b", NULL},
        {"a\\r\\nX: y", NULL},
        {"all", NULL}, /* a route of its own, which opens risk */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[200];
        snprintf(body, sizeof(body), "{\"bots\":[{\"id\":\"%s\"}]}", cases[i].id);
        const struct script scripts[] = {{"GET /bots", {YES(body)}},
                                         {cases[i].call != NULL ? cases[i].call : "", {SAYS(200)}}};
        struct world w = {.stopped = false};
        run(&w, HEAD BOTS STOP, scripts, COUNT(scripts));
        if (w.summary.ok != (cases[i].call != NULL) || w.summary.failed != (cases[i].call == NULL))
            fail_msg("%s\n%s", cases[i].id, w.rows);
    }
}

static void an_id_that_is_too_long_is_left_out(void **state)
{
    char body[400];
    snprintf(body, sizeof(body), "{\"bots\":[{\"id\":\"%0129d\"},{\"id\":\"%0128d\"}]}", 0, 0);
    const struct script scripts[] = {{"GET /bots", {YES(body)}}};
    struct world w = {.mode = GW_SAFE_PLAN};
    (void)state;
    run(&w, HEAD BOTS STOP, scripts, COUNT(scripts));
    assert_int_equal(w.summary.calls, 1);
    assert_int_equal(w.summary.unread, 1);
}

/* The first thousand are stopped all the same, and the run says that there are more. */
static void a_list_that_is_too_long_is_taken_up_to_its_limit(void **state)
{
    static char body[40000];
    size_t len = (size_t)sprintf(body, "{\"bots\":[");
    for (int i = 0; i <= GW_SAFE_ITEMS_MAX; i++)
        len += (size_t)sprintf(body + len, "%s{\"id\":\"b%d\"}", i > 0 ? "," : "", i);
    sprintf(body + len, "]}");
    const struct script scripts[] = {{"GET /bots", {YES(body)}}};
    struct world w = {.mode = GW_SAFE_PLAN, .rows = ""};
    (void)state;
    run(&w, HEAD BOTS "  - {report: bots}\n", scripts, COUNT(scripts));
    assert_string_equal(
        w.rows, "/bots: 1 x, failed 200, 1000 items, the list is longer than a run takes; the rest was left out\n");
    assert_int_equal(w.summary.left, GW_SAFE_ITEMS_MAX);
    check(&w, 0, 0, 0, 1);
}

static void an_answer_that_is_too_long_is_no_list(void **state)
{
    char *body = malloc(GW_SAFE_ANSWER_MAX + 100);
    memset(body, ' ', GW_SAFE_ANSWER_MAX + 99);
    body[GW_SAFE_ANSWER_MAX + 99] = '\0';
    memcpy(body, "{\"bots\":[]}", 11);
    const struct script scripts[] = {{"GET /bots", {YES(body)}}};
    struct world w = {.stopped = false};
    (void)state;
    run(&w, HEAD BOTS STOP, scripts, COUNT(scripts));
    check(&w, 0, 0, 0, 1);
    free(body);
}

static void pointers_find_what_they_name(void **state)
{
    static const struct {
        const char *items, *id, *body, *found;
    } cases[] = {
        {"''", "''", "[\"a\"]", "a"},
        {"''", "/0", "[[\"a\",\"b\"]]", "a"},
        {"/x/1/y", "/p/q", "{\"x\":[0,{\"y\":[{\"p\":{\"q\":\"a\"}}]}]}", "a"},
        {"'/a~1b~0c'", "'/'", "{\"a/b~c\":[{\"\":\"a\"}]}", "a"},
        {"/x/01", "''", "{\"x\":[0,[\"a\"]]}", ""},
        {"/x/-", "''", "{\"x\":[[\"a\"]]}", ""},
        {"/x/y", "''", "{\"x\":1}", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[1500], wanted[40];
        const struct script scripts[] = {{"GET /bots", {YES(cases[i].body)}}};
        struct world w = {.mode = GW_SAFE_PLAN};
        snprintf(text, sizeof(text), HEAD "  - {list: bots, get: /bots, items: %s, id: %s}\n  - {report: bots}\n",
                 cases[i].items, cases[i].id);
        run(&w, text, scripts, COUNT(scripts));
        snprintf(wanted, sizeof(wanted), cases[i].found[0] != '\0' ? "bots: %s of \n" : "%s", cases[i].found);
        if (strcmp(w.left, wanted) != 0)
            fail_msg("%s %s: %s%s", cases[i].items, cases[i].id, w.left, w.rows);
    }
}

static void an_item_counts_when_all_members_have_their_values(void **state)
{
    static const struct script scripts[] = {
        {"GET /bots",
         {YES(
             "{\"bots\":[{\"id\":\"a\",\"s\":\"on\",\"n\":1,\"b\":true},{\"id\":\"b\",\"s\":\"on\",\"n\":\"1\",\"b\":true},"
             "{\"id\":\"c\",\"s\":\"on\",\"n\":1},{\"id\":\"d\",\"s\":\"ON\",\"n\":1,\"b\":true},"
             "{\"id\":\"e\",\"s\":[\"on\"],\"n\":1,\"b\":true},{\"s\":\"off\"}]}")}},
    };
    struct world w = {.mode = GW_SAFE_PLAN};
    (void)state;
    run(&w, HEAD "  - {list: bots, get: /bots, items: /bots, where: {s: on, n: 1, b: true}}\n  - {report: bots}\n",
        scripts, COUNT(scripts));
    assert_string_equal(w.left, "bots: a of \nbots: b of \n");
    check(&w, 0, 0, 0, 0);
}

/* ---- threads ---- */

static enum gw_safe_end answer_all(void *ctx, const struct gw_safe_request *q, struct gw_safe_answer *out)
{
    struct world *w = ctx;
    unsigned now = __atomic_add_fetch(&w->at_once, 1, __ATOMIC_RELAXED);
    unsigned most = __atomic_load_n(&w->most_at_once, __ATOMIC_RELAXED);
    while (now > most &&
           !__atomic_compare_exchange_n(&w->most_at_once, &most, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        ;
    if (gw_str_eq(q->target, GW_STR("/bots"))) {
        gw_buf_add(&out->body, GW_STR("{\"bots\":["));
        for (unsigned i = 0; i < 300; i++)
            gw_buf_addf(&out->body, "%s{\"id\":%u}", i > 0 ? "," : "", i);
        gw_buf_add(&out->body, GW_STR("]}"));
    } else {
        gw_buf_add(&out->body, GW_STR("{\"trades\":[{\"id\":1,\"status\":\"open\"},{\"id\":2,\"status\":\"open\"}]}"));
    }
    out->status = 200;
    __atomic_sub_fetch(&w->at_once, 1, __ATOMIC_RELAXED);
    return GW_SAFE_ANSWERED;
}

static void count_row(void *ctx, const struct gw_safe_row *row)
{
    struct world *w = ctx;
    w->asked[row->step->kind]++; /* unguarded: one at a time */
}

static void many_calls_are_shared_out_and_bounded(void **state)
{
    struct world w = {.parallel = GW_SAFE_PARALLEL};
    struct gw_policy *p = load(HEAD BOTS TRADES CLOSE STOP);
    (void)state;
    gw_fake_clock_init(&w.clock, 1800000000000);
    const struct gw_safe_options o = {.policy = p,
                                      .mode = GW_SAFE_RUN,
                                      .exchange = answer_all,
                                      .wait_ms = wait_ms,
                                      .is_stopped = is_stopped,
                                      .row = count_row,
                                      .left = take_left,
                                      .ctx = &w,
                                      .clock = &w.clock.clock,
                                      .parallel = GW_SAFE_PARALLEL};
    assert_int_equal(gw_make_safe_run(&o, &w.summary, NULL), GW_OK);
    gw_policy_free(p);
    check(&w, 600 + 300, 0, 0, 0);
    assert_int_equal(w.asked[GW_SAFE_CALL], 900);
    assert_int_equal(w.asked[GW_SAFE_LIST], 301);
    assert_in_range(w.most_at_once, 1, GW_SAFE_PARALLEL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_done_in_order_and_reports_come_last),
        cmocka_unit_test(a_plan_reads_and_calls_nothing),
        cmocka_unit_test(a_list_that_cannot_be_read_hinders_nobody_else),
        cmocka_unit_test(what_a_body_says_is_sent),
        cmocka_unit_test(only_what_is_safe_to_repeat_is_repeated),
        cmocka_unit_test(reading_is_always_safe_to_repeat),
        cmocka_unit_test(when_the_time_is_over_nothing_more_is_begun),
        cmocka_unit_test(a_stopped_run_begins_nothing),
        cmocka_unit_test(lists_are_taken_only_as_they_should_be),
        cmocka_unit_test(an_id_leads_nowhere_but_to_its_route),
        cmocka_unit_test(an_id_that_is_too_long_is_left_out),
        cmocka_unit_test(a_list_that_is_too_long_is_taken_up_to_its_limit),
        cmocka_unit_test(an_answer_that_is_too_long_is_no_list),
        cmocka_unit_test(pointers_find_what_they_name),
        cmocka_unit_test(an_item_counts_when_all_members_have_their_values),
        cmocka_unit_test(many_calls_are_shared_out_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
