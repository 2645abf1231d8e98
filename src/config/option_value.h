/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The text form of one option value: printing is the inverse of gw_option_parse, and both stand in option_value.c.
 */
#include "config/option.h"

/* The value at base as YAML: 24h, 19MiB, "text", ["10.0.0.0/8"]. */
void gw_option_print(const struct gw_option *row, const void *base, struct gw_buf *out);
/* 90s, 15m, 24h, a number alone: seconds. GW_EINVAL says what is expected. */
GW_MUST_CHECK enum gw_code gw_duration_parse(struct gw_str text, int64_t *out_ms, struct gw_error *err);
/* "text", "duration, at least 1m" … for the documentation. */
void gw_option_print_type(const struct gw_option *row, struct gw_buf *out);
