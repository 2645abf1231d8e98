/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Control's log: one line an outcome on stderr, each a JSON object. No secret, token or password is ever a field. Any thread; a line
 * is one write.
 */
#include "base/buf.h"

enum gw_log_level {
    GW_LOG_INFO,
    GW_LOG_WARN,  /* the text ends "; doing X" */
    GW_LOG_ERROR, /* an operator must act */
};

#define GW_LOG_VALUE_MAX 512 /* of a value; the rest is cut off */

/* name: a plain word, and none of "time", "level", "event". */
struct gw_log_field {
    const char *name;
    struct gw_str value;
};

/* gw_log(GW_LOG_INFO, "login", {"outcome", GW_STR("ok")}, {"user", name}); at least one field. */
#define gw_log(level, event, ...) \
    gw_log_write((level), (event), (const struct gw_log_field[]){__VA_ARGS__, {NULL, GW_STR_NULL}})
/* fields end with one whose name is NULL. */
void gw_log_write(enum gw_log_level level, const char *event, const struct gw_log_field *fields);
/* The line alone, with its newline, appended to out. */
void gw_log_print(struct gw_buf *out, int64_t now_ms, enum gw_log_level level, const char *event,
                  const struct gw_log_field *fields);
