/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Control's log: one line an outcome on stderr, key=value, values in quotes with hostile bytes escaped. No secret, token or
 * password is ever a field. Any thread; a line is one write.
 */
#include <gw/str.h>

enum gw_log_level {
    GW_LOG_INFO,
    GW_LOG_WARN,  /* the text ends "; doing X" */
    GW_LOG_ERROR, /* an operator must act */
};

struct gw_log_field {
    const char *name;
    struct gw_str value;
};

/* gw_log(GW_LOG_INFO, "login", {"outcome", GW_STR("ok")}, {"user", name}); at least one field. */
#define gw_log(level, event, ...) \
    gw_log_write((level), (event), (const struct gw_log_field[]){__VA_ARGS__, {NULL, GW_STR_NULL}})
/* fields end with one whose name is NULL. */
void gw_log_write(enum gw_log_level level, const char *event, const struct gw_log_field *fields);
