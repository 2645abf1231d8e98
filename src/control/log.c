/* SPDX-License-Identifier: Apache-2.0 */
#include "control/log.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include <unistd.h>

static const char *const level_names[] = {"info", "warn", "error"};

void gw_log_write(enum gw_log_level level, const char *event, const struct gw_log_field *fields)
{
    char now[GW_TIME_LEN + 1];
    gw_auto(gw_buf) struct gw_buf line = {0};
    gw_buf_init(&line, 8 * 1024);
    gw_time_format(gw_clock_real_s(gw_system_clock()), now);
    gw_buf_addf(&line, "time=%s level=%s event=%s", now, level_names[level], event);
    for (; fields->name != NULL; fields++) {
        gw_buf_addf(&line, " %s=\"", fields->name);
        gw_buf_add_escaped(&line, gw_str_sub(fields->value, 0, 512));
        gw_buf_addc(&line, '"');
    }
    gw_buf_addc(&line, '\n');
    struct gw_str text = gw_buf_str(&line);
    /* Nothing can be done about a log that cannot be written, and it must not stop what was logged. */
    if (write(STDERR_FILENO, text.ptr, text.len) < 0)
        return;
}
