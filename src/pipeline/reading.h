/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What nobody counts for /aaiti/metrics, because it stands somewhere already: in the gate, its modes, the segments. Read when it is asked for. Any worker.
 */
#include <stdbool.h>
#include <stdint.h>

struct gw_gate;

/* One for each row of metric.def: what it is now, for the label of that index. False: there is nothing to show. */
#define GW_COUNTER(id, name, labels, more, help)
#define GW_HISTOGRAM(id, name, labels, help)
#define GW_READING(function, type, name, labels, help) bool gw_##function(struct gw_gate *g, unsigned i, int64_t *out);
#include "pipeline/metric.def"
#undef GW_COUNTER
#undef GW_HISTOGRAM
#undef GW_READING

/* Whether control shows signs of life. */
bool gw_is_control_up(const struct gw_gate *g);
