/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page is an array of words; each counter has as many words as its label sets have pairs, each histogram a row of buckets and a sum of
 * milliseconds for each label. Where they begin is known when this is compiled. Workers add with relaxed atomic operations: two workers of
 * a reload may share a page, and nobody needs one word to agree with another.
 */
#include "pipeline/metrics.h"

#include "base/buf.h"
#include "base/hash.h"
#include "pipeline/pipeline.h"
#include "pipeline/reading.h"
#include "pipeline/socket.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* Each worker has a page of its own; where there are more workers than pages, some share one. */
#define PAGES 32u
#define TEXT_MAX ((size_t)128 * 1024)

/* ---- labels ---- */

static const int64_t bucket_ms[] = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000};
#define BUCKETS (sizeof(bucket_ms) / sizeof(bucket_ms[0]))
#define HISTOGRAM_WORDS (BUCKETS + 2) /* the buckets, one for what is beyond the last of them, and the sum */

enum {
    N_NONE = 1,
    N_OUTCOME = GW_METRIC_OUTCOME_COUNT,
    N_STATUS = 6,
    N_STAGE = GW_STAGE_COUNT + 1, /* 0: none */
    N_REASON = GW_REASON_COUNT,
    N_ENDING = 4,
    N_MODE = GW_MODE_COUNT,
    N_VERSION = 1,
    N_ADMISSION = 2,
    N_SOCKET = 2,
    N_FATE = 2,
    N_CLASS = GW_LIMIT_BUILT_IN_COUNT + 2, /* 0: none; the last: the policy's own */
    N_REGION = GW_RATES_OVERFLOW,          /* overflow words have no names, so they fill up with nobody */
};

static const char *outcome_name(unsigned i)
{
    static const char *const names[] = {"passed", "control", "answered", "refused", "malformed"};
    return names[i];
}

static const char *status_name(unsigned i)
{
    static const char *const names[N_STATUS] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    return names[i];
}

static const char *stage_name(unsigned i)
{
    return i == 0 ? "none" : gw_stages[i - 1].name;
}

static const char *reason_name(unsigned i)
{
    return gw_reason_name((enum gw_reason)i);
}

static const char *ending_name(unsigned i)
{
    static const char *const names[] = {[GW_ENDING_ANSWERED] = "answered",
                                        [GW_ENDING_NOT_SENT] = "not-sent",
                                        [GW_ENDING_UNKNOWN] = "unknown",
                                        [GW_ENDING_VERIFIED] = "verified"};
    return names[i];
}

static const char *mode_name(unsigned i)
{
    return gw_mode_name((enum gw_mode)i);
}

static const char *admission_name(unsigned i)
{
    static const char *const names[N_ADMISSION] = {"accepted", "refused"};
    return names[i];
}

static const char *socket_name(unsigned i)
{
    static const char *const names[N_SOCKET] = {"opened", "ended"};
    return names[i];
}

static const char *fate_name(unsigned i)
{
    static const char *const names[N_FATE] = {[GW_MESSAGE_GOES_ON] = "passed", [GW_MESSAGE_IS_DROPPED] = "dropped"};
    return names[i];
}

static const char *version_name(unsigned i)
{
    (void)i;
    return AAITI_VERSION;
}

static const char *class_name(unsigned i)
{
    static const char *const names[N_CLASS] = {[0] = "none",
                                               [1 + GW_LIMIT_FLOOD] = "flood",
                                               [1 + GW_LIMIT_ANONYMOUS] = "anonymous",
                                               [1 + GW_LIMIT_AUTH] = "auth",
                                               [1 + GW_LIMIT_PAGE] = "page",
                                               [1 + GW_LIMIT_USER] = "user",
                                               [1 + GW_LIMIT_MACHINE] = "machine",
                                               [1 + GW_LIMIT_BUILT_IN_COUNT] = "other"};
    return names[i];
}

static const char *region_name(unsigned i)
{
    static const char *const names[N_REGION] = {
        [GW_RATES_ADDRESSES] = "addresses", [GW_RATES_IDENTITIES] = "identities"};
    return names[i];
}

enum label_set {
    SET_NONE,
    SET_OUTCOME,
    SET_STATUS,
    SET_STAGE,
    SET_REASON,
    SET_ENDING,
    SET_MODE,
    SET_VERSION,
    SET_ADMISSION,
    SET_SOCKET,
    SET_FATE,
    SET_CLASS,
    SET_REGION
};

static const struct {
    const char *key;
    unsigned count;
    const char *(*name)(unsigned i);
} sets[] = {
    [SET_NONE] = {NULL, N_NONE, NULL},
    [SET_OUTCOME] = {"outcome", N_OUTCOME, outcome_name},
    [SET_STATUS] = {"status", N_STATUS, status_name},
    [SET_STAGE] = {"stage", N_STAGE, stage_name},
    [SET_REASON] = {"reason", N_REASON, reason_name},
    [SET_ENDING] = {"ending", N_ENDING, ending_name},
    [SET_MODE] = {"mode", N_MODE, mode_name},
    [SET_VERSION] = {"version", N_VERSION, version_name},
    [SET_ADMISSION] = {"admission", N_ADMISSION, admission_name},
    [SET_SOCKET] = {"event", N_SOCKET, socket_name},
    [SET_FATE] = {"fate", N_FATE, fate_name},
    [SET_CLASS] = {"class", N_CLASS, class_name},
    [SET_REGION] = {"region", N_REGION, region_name},
};

/* ---- the page ---- */

enum {
#define GW_COUNTER(id, name, labels, more, help) \
    AT_COUNTER_##id, LAST_COUNTER_##id = AT_COUNTER_##id + N_##labels * N_##more - 1,
#define GW_HISTOGRAM(id, name, labels, help) \
    AT_HISTOGRAM_##id, LAST_HISTOGRAM_##id = AT_HISTOGRAM_##id + N_##labels * (int)HISTOGRAM_WORDS - 1,
#define GW_READING(function, type, name, labels, help)
#include "pipeline/metric.def"
#undef GW_COUNTER
#undef GW_HISTOGRAM
#undef GW_READING
    USED_WORDS
};
/* Pages begin on a cache line. */
#define WORDS ((USED_WORDS + 7u) / 8u * 8u)

static const struct {
    const char *name, *help;
    unsigned at;
    enum label_set a, b;
} counters[] = {
#define GW_COUNTER(id, name, labels, more, help) {name, help, AT_COUNTER_##id, SET_##labels, SET_##more},
#define GW_HISTOGRAM(id, name, labels, help)
#define GW_READING(function, type, name, labels, help)
#include "pipeline/metric.def"
#undef GW_COUNTER
#undef GW_HISTOGRAM
#undef GW_READING
};

static const struct {
    const char *name, *help;
    unsigned at;
    enum label_set a;
} histograms[] = {
#define GW_COUNTER(id, name, labels, more, help)
#define GW_HISTOGRAM(id, name, labels, help) {name, help, AT_HISTOGRAM_##id, SET_##labels},
#define GW_READING(function, type, name, labels, help)
#include "pipeline/metric.def"
#undef GW_COUNTER
#undef GW_HISTOGRAM
#undef GW_READING
};

size_t gw_metrics_bytes(void)
{
    return PAGES * WORDS * sizeof(uint64_t);
}

uint64_t gw_metrics_layout(void)
{
    const struct gw_hash_key key = {3, 4};
    uint64_t mark = WORDS;
    for (size_t i = 0; i < GW_COUNTER_COUNT; i++) {
        mark = mark * 31 + gw_hash(&key, counters[i].name, strlen(counters[i].name));
        mark = mark * 31 + sets[counters[i].a].count;
    }
    return mark;
}

void gw_metrics_share(struct gw_metrics *m, void *memory, unsigned worker)
{
    m->all = memory;
    m->own = (_Atomic uint64_t *)memory + (size_t)(worker % PAGES) * WORDS;
}

static void add(const struct gw_metrics *m, size_t at, uint64_t n)
{
    if (m->own != NULL)
        atomic_fetch_add_explicit(&m->own[at], n, memory_order_relaxed);
}

void gw_metrics_add(const struct gw_metrics *m, enum gw_counter counter, unsigned a, unsigned b)
{
    unsigned more = sets[counters[counter].b].count;
    assert(a < sets[counters[counter].a].count && b < more);
    add(m, counters[counter].at + (size_t)a * more + b, 1);
}

void gw_metrics_observe(const struct gw_metrics *m, enum gw_histogram histogram, unsigned a, int64_t ms)
{
    assert(a < sets[histograms[histogram].a].count);
    size_t at = histograms[histogram].at + a * HISTOGRAM_WORDS, bucket = 0;
    while (bucket < BUCKETS && ms > bucket_ms[bucket])
        bucket++;
    add(m, at + bucket, 1);
    add(m, at + HISTOGRAM_WORDS - 1, ms > 0 ? (uint64_t)ms : 0);
}

/* ---- of a request ---- */

static unsigned index_of(const struct gw_request *r, const struct gw_limit_class *c)
{
    unsigned i = 0;
    while (i < GW_LIMIT_BUILT_IN_COUNT && gw_policy_limit(r->snapshot->policy, (enum gw_limit_built_in)i) != c)
        i++;
    return 1 + i;
}

/* The class that had no room, where that is why it is refused; else the last that it counted in, which is that of whoever asked. */
static unsigned class_of_refusal(const struct gw_request *r, unsigned reason)
{
    const struct gw_quota *q = &r->quota;
    if (gw_reason_status((enum gw_reason)reason) == 429 && q->tightest != NULL)
        return index_of(r, q->tightest);
    return q->is_counted && q->budget.count > 0 ? index_of(r, q->budget.classes[q->budget.count - 1]) : 0;
}

void gw_metrics_refusal(const struct gw_request *r, const char *stage, unsigned reason)
{
    const struct gw_metrics *m = &r->gate->metrics;
    unsigned i = GW_STAGE_COUNT;
    while (stage != NULL && i > 0 && strcmp(gw_stages[i - 1].name, stage) != 0)
        i--;
    gw_metrics_add(m, GW_COUNTER_REFUSALS, stage != NULL ? i : 0, reason);
    gw_metrics_add(m, GW_COUNTER_CLASS_REFUSALS, class_of_refusal(r, reason), reason);
}

static void count_by_class(const struct gw_metrics *m, const struct gw_request *r, enum gw_metric_outcome outcome)
{
    if (r == NULL || !r->quota.is_counted || r->quota.budget.count == 0) {
        bool is_flood = r != NULL && !r->quota.is_counted && r->quota.tightest != NULL;
        gw_metrics_add(m, GW_COUNTER_CLASS_REQUESTS, is_flood ? index_of(r, r->quota.tightest) : 0, outcome);
        return;
    }
    for (size_t i = 0; i < r->quota.budget.count; i++)
        gw_metrics_add(m, GW_COUNTER_CLASS_REQUESTS, index_of(r, r->quota.budget.classes[i]), outcome);
}

static enum gw_metric_outcome outcome_of(const struct gw_request *r)
{
    if (r == NULL)
        return GW_METRIC_MALFORMED;
    switch (r->out->action) {
    case GW_PASS:
    case GW_VERIFIED:
        return GW_METRIC_PASSED;
    case GW_CONTROL:
        return GW_METRIC_CONTROL;
    case GW_ANSWER:
        return GW_METRIC_ANSWERED;
    case GW_REFUSE:
        break;
    }
    return GW_METRIC_REFUSED;
}

void gw_gate_count_request(struct gw_gate *g, const struct gw_request *r, unsigned status, int64_t duration_ms)
{
    const struct gw_metrics *m = &g->metrics;
    enum gw_metric_outcome outcome = outcome_of(r);
    gw_metrics_add(m, GW_COUNTER_REQUESTS, outcome, 0);
    count_by_class(m, r, outcome);
    gw_metrics_add(m, GW_COUNTER_RESPONSES, status >= 100 && status < 600 ? status / 100 : 0, 0);
    if (r == NULL || r->socket == NULL) /* how long a socket lasts says nothing of how long an answer takes */
        gw_metrics_observe(m, GW_HISTOGRAM_DURATION, outcome, duration_ms);
}

/* ---- readings and gauges ---- */

static const struct {
    bool (*read)(struct gw_gate *g, unsigned i, int64_t *out);
    const char *type, *name, *help;
    enum label_set a;
} readings[] = {
#define GW_COUNTER(id, name, labels, more, help)
#define GW_HISTOGRAM(id, name, labels, help)
#define GW_READING(function, type, name, labels, help) {gw_##function, type, name, help, SET_##labels},
#include "pipeline/metric.def"
#undef GW_COUNTER
#undef GW_HISTOGRAM
#undef GW_READING
};
#define READINGS (sizeof(readings) / sizeof(readings[0]))

static const struct {
    const char *type, *name, *labels, *help;
} gauges[GW_GAUGE_COUNT] = {
#define GW_GAUGE(id, type, name, labels, help) {type, name, labels, help},
#include "shared/gauge.def"
#undef GW_GAUGE
};

/* ---- text ---- */

static void add_head(struct gw_buf *b, const char *name, const char *type, const char *help)
{
    gw_buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* {a="…",b="…"}, or nothing. */
static void add_labels(struct gw_buf *b, enum label_set set_a, unsigned a, enum label_set set_b, unsigned b_index)
{
    if (set_a == SET_NONE)
        return;
    gw_buf_addf(b, "{%s=\"%s\"", sets[set_a].key, sets[set_a].name(a));
    if (set_b != SET_NONE)
        gw_buf_addf(b, ",%s=\"%s\"", sets[set_b].key, sets[set_b].name(b_index));
    gw_buf_addc(b, '}');
}

static uint64_t sum_at(const struct gw_metrics *m, size_t at)
{
    uint64_t n = 0;
    for (size_t page = 0; m->all != NULL && page < PAGES; page++)
        n += atomic_load_explicit(&m->all[page * WORDS + at], memory_order_relaxed);
    return n;
}

static void add_counter(const struct gw_metrics *m, size_t row, struct gw_buf *b)
{
    enum label_set set_a = counters[row].a, set_b = counters[row].b;
    add_head(b, counters[row].name, "counter", counters[row].help);
    for (unsigned i = 0; i < sets[set_a].count * sets[set_b].count; i++) {
        uint64_t n = sum_at(m, counters[row].at + i);
        if (n == 0 && set_b != SET_NONE)
            continue;
        gw_buf_add(b, gw_str(counters[row].name));
        add_labels(b, set_a, i / sets[set_b].count, set_b, i % sets[set_b].count);
        gw_buf_addf(b, " %" PRIu64 "\n", n);
    }
}

/* In this format a bucket counts all that is below it, too. The last, +Inf, is printed as the count as well, so that the two cannot differ. */
static void add_series(const struct gw_metrics *m, size_t row, unsigned label, struct gw_buf *b)
{
    const char *name = histograms[row].name, *key = sets[histograms[row].a].key;
    const char *value = sets[histograms[row].a].name(label);
    size_t at = histograms[row].at + label * HISTOGRAM_WORDS;
    uint64_t n = 0, sum_ms = sum_at(m, at + HISTOGRAM_WORDS - 1);
    for (size_t i = 0; i < BUCKETS; i++) {
        n += sum_at(m, at + i);
        gw_buf_addf(b, "%s_bucket{%s=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, key, value, (double)bucket_ms[i] / 1e3, n);
    }
    n += sum_at(m, at + BUCKETS);
    gw_buf_addf(b, "%s_bucket{%s=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, key, value, n);
    gw_buf_addf(b, "%s_sum{%s=\"%s\"} %" PRIu64 ".%03u\n", name, key, value, sum_ms / 1000, (unsigned)(sum_ms % 1000));
    gw_buf_addf(b, "%s_count{%s=\"%s\"} %" PRIu64 "\n", name, key, value, n);
}

static void add_reading(struct gw_gate *g, size_t row, struct gw_buf *b)
{
    enum label_set set = readings[row].a;
    int64_t value;
    if (row == 0 || strcmp(readings[row - 1].name, readings[row].name) != 0)
        add_head(b, readings[row].name, readings[row].type, readings[row].help);
    for (unsigned i = 0; i < sets[set].count; i++) {
        if (!readings[row].read(g, i, &value))
            continue;
        gw_buf_add(b, gw_str(readings[row].name));
        add_labels(b, set, i, SET_NONE, 0);
        gw_buf_addf(b, " %" PRId64 "\n", value);
    }
}

static bool begins_family(size_t gauge)
{
    return gauge == 0 || strcmp(gauges[gauge - 1].name, gauges[gauge].name) != 0;
}

static void add_gauge(const struct gw_gate *g, size_t i, struct gw_buf *b)
{
    const char *labels = gauges[i].labels;
    int64_t value = gw_shared_gauge(g->shared, (enum gw_gauge)i);
    if (begins_family(i))
        add_head(b, gauges[i].name, gauges[i].type, gauges[i].help);
    if (value == GW_GAUGE_NOTHING)
        return;
    gw_buf_add(b, gw_str(gauges[i].name));
    if (labels[0] != '\0')
        gw_buf_addf(b, "{%s}", labels);
    gw_buf_addf(b, " %" PRId64 "\n", value);
}

static void print(struct gw_gate *g, struct gw_buf *b)
{
    for (size_t i = 0; i < GW_COUNTER_COUNT; i++)
        add_counter(&g->metrics, i, b);
    for (size_t i = 0; i < GW_HISTOGRAM_COUNT; i++) {
        add_head(b, histograms[i].name, "histogram", histograms[i].help);
        for (unsigned label = 0; label < sets[histograms[i].a].count; label++)
            add_series(&g->metrics, i, label, b);
    }
    for (size_t i = 0; i < READINGS; i++)
        add_reading(g, i, b);
    /* A dead process' figures would pass for its present ones. */
    for (size_t i = 0; i < GW_GAUGE_COUNT && gw_is_control_up(g); i++)
        add_gauge(g, i, b);
}

enum gw_code gw_metrics_body(struct gw_gate *g, struct gw_arena *a, struct gw_str *out)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    gw_buf_init(&b, TEXT_MAX);
    print(g, &b);
    GW_TRY(gw_buf_check(&b, NULL));
    return gw_arena_str(a, gw_buf_str(&b), out);
}
