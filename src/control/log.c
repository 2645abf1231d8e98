/* SPDX-License-Identifier: Apache-2.0 */
#include "control/log.h"
#include "base/clock.h"
#include "base/encode.h"
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)128 * 1024)

static const char *const level_names[] = {"info", "warn", "error"};

/* What is cut in the middle of a letter ends with U+FFFD. */
static void add_member(struct gw_buf *out, const char *name, struct gw_str value)
{
    gw_buf_addf(out, ",\"%s\":", name);
    gw_buf_add_json(out, gw_str_sub(value, 0, GW_LOG_VALUE_MAX));
}

void gw_log_print(struct gw_buf *out, int64_t now_ms, enum gw_log_level level, const char *event,
                  const struct gw_log_field *fields)
{
    char now[GW_TIME_LEN + 1];
    gw_time_format(now_ms / 1000, now);
    gw_buf_addf(out, "{\"time\":\"%.*s.%03dZ\"", GW_TIME_LEN - 1, now, (int)(now_ms % 1000));
    add_member(out, "level", gw_str(level_names[level]));
    add_member(out, "event", gw_str(event));
    for (; fields->name != NULL; fields++)
        add_member(out, fields->name, fields->value);
    gw_buf_add(out, GW_STR("}\n"));
}

void gw_log_write(enum gw_log_level level, const char *event, const struct gw_log_field *fields)
{
    gw_auto(gw_buf) struct gw_buf line = {0};
    gw_buf_init(&line, LINE_MAX_BYTES);
    gw_log_print(&line, gw_clock_real_ms(gw_system_clock()), level, event, fields);
    struct gw_str text = gw_buf_str(&line);
    /* Nothing can be done about a line that cannot be made or written, and it must not stop what was to be logged. */
    if (gw_buf_check(&line, NULL) != GW_OK || write(STDERR_FILENO, text.ptr, text.len) < 0)
        return;
}
