/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bounded JSON for the control plane: jansson behind the limits that hostile input needs. Not for the request path.
 */
#include <gw/error.h>
#include <gw/str.h>
#include <jansson.h>

struct gw_json_limits {
    size_t max_bytes, max_depth;
};
#define GW_JSON_DEFAULT_LIMITS ((struct gw_json_limits){.max_bytes = 64 * 1024, .max_depth = 5})

/* One RFC 8259 value and nothing else: UTF-8 checked, duplicate names, NUL bytes (raw or \u0000), lone surrogates and
 * depth beyond the limit refused (GW_EPARSE, position in err; GW_ELIMIT for size and depth). Caller json_decrefs. */
GW_MUST_CHECK enum gw_code gw_json_parse(struct gw_str text, struct gw_json_limits limits, json_t **out,
                                         struct gw_error *err);

/* A member of a JSON object read as a string of min..max bytes. GW_ENOTFOUND when absent or null, GW_EINVAL when of another
 * type or length; err names the JSON Pointer and what was expected. The span is borrowed from obj. */
GW_MUST_CHECK enum gw_code gw_json_get_str(const json_t *obj, const char *name, size_t min_bytes, size_t max_bytes,
                                           struct gw_str *out, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_json_get_bool(const json_t *obj, const char *name, bool *out, struct gw_error *err);
/* Refuses members of obj that are not in the NULL-terminated list: GW_EINVAL names the first. */
GW_MUST_CHECK enum gw_code gw_json_only(const json_t *obj, const char *const names[], struct gw_error *err);

static inline void gw_json_auto_(json_t **p)
{
    json_decref(*p);
}
#define gw_auto_json __attribute__((cleanup(gw_json_auto_)))
