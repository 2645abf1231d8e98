/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the workers count, and its text for Prometheus (exposition format 0.0.4). Each worker adds to a page of its own in memory that the
 * master made and that all workers share, those of a reload too; whoever is asked sums all pages up. The memory holds numbers alone: no
 * length and no place is read from it. Counts end with the master; what must not be lost stands in the journal.
 *
 * The lists of metrics and of their labels are tables: metric.def, and shared/gauge.def for control's.
 */
#include <gw/arena.h>
#include <gw/error.h>
#include <gw/str.h>
#include <stdatomic.h>

struct gw_gate;
struct gw_request;

/* What became of a request. */
enum gw_metric_outcome {
    GW_METRIC_PASSED,
    GW_METRIC_CONTROL,
    GW_METRIC_ANSWERED,
    GW_METRIC_REFUSED,
    GW_METRIC_MALFORMED,
    GW_METRIC_OUTCOME_COUNT
};

enum gw_counter {
#define GW_COUNTER(id, name, labels, more, help) GW_COUNTER_##id,
#define GW_HISTOGRAM(id, name, labels, help)
#define GW_READING(function, type, name, labels, help)
#include "pipeline/metric.def"
#undef GW_COUNTER
#undef GW_HISTOGRAM
#undef GW_READING
    GW_COUNTER_COUNT
};

enum gw_histogram {
#define GW_COUNTER(id, name, labels, more, help)
#define GW_HISTOGRAM(id, name, labels, help) GW_HISTOGRAM_##id,
#define GW_READING(function, type, name, labels, help)
#include "pipeline/metric.def"
#undef GW_COUNTER
#undef GW_HISTOGRAM
#undef GW_READING
    GW_HISTOGRAM_COUNT
};

struct gw_metrics {
    _Atomic uint64_t *own;       /* this worker's page; NULL: nothing is counted */
    const _Atomic uint64_t *all; /* the pages of all workers, one behind the other */
};

/* Of all pages, zeroed at first; layout: of what this program believes is in them. */
size_t gw_metrics_bytes(void);
uint64_t gw_metrics_layout(void);
void gw_metrics_share(struct gw_metrics *m, void *memory, unsigned worker);
/* a, b: index in the row's label sets; 0 for NONE. */
void gw_metrics_add(const struct gw_metrics *m, enum gw_counter counter, unsigned a, unsigned b);
void gw_metrics_observe(const struct gw_metrics *m, enum gw_histogram histogram, unsigned a, int64_t ms);
/* A refusal of the stage of that name; NULL: of none. */
void gw_metrics_refusal(const struct gw_request *r, const char *stage, unsigned reason);

/* The text of all of them. GW_ENOMEM. */
GW_MUST_CHECK enum gw_code gw_metrics_body(struct gw_gate *g, struct gw_arena *a, struct gw_str *out);
