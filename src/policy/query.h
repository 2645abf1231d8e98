/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Query parameters compared where they stand, without memory: for the matcher. `a=1&b=x+y`; names and values are percent-
 * and plus-decoded; a name without "=" has an empty value.
 */
#include <gw/str.h>

enum gw_query_answer {
    GW_QUERY_NONE,
    GW_QUERY_ONCE,
    GW_QUERY_AMBIGUOUS, /* two servers could read it differently: it stands twice, or as name[…] */
    GW_QUERY_MALFORMED, /* something in the query does not decode, or decodes to a NUL byte */
};
/* Looks for a parameter. *out_raw (its value, still encoded) is written for GW_QUERY_ONCE only. */
enum gw_query_answer gw_query_find(struct gw_str query, struct gw_str name, struct gw_str *out_raw);
/* Whether a raw value decodes to plain. */
bool gw_query_value_is(struct gw_str raw, struct gw_str plain);
