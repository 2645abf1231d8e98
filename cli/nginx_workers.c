/* SPDX-License-Identifier: Apache-2.0 */
/* By /proc: the master's children, and the title that nginx gives each of them, which tells from "nginx: worker process is shutting down" on that it accepts
 * nothing more. */
#include "nginx_workers.h"
#include "base/file.h"
#include "control/run_dir.h"
#include <inttypes.h>
#include <stdio.h>

#define ACCEPTING GW_STR("nginx: worker process")
#define LEAVING GW_STR("nginx: worker process is shutting down")

static bool read_file(const char *path, struct gw_buf *out)
{
    gw_buf_init(out, 64 * 1024);
    return gw_file_read(path, out, NULL) == GW_OK;
}

static bool accepts(int64_t pid)
{
    char path[64];
    gw_auto(gw_buf) struct gw_buf title = {0};
    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/cmdline", pid);
    return read_file(path, &title) && gw_str_starts(gw_buf_str(&title), ACCEPTING) &&
           !gw_str_starts(gw_buf_str(&title), LEAVING);
}

void gw_nginx_workers_find(const char *nginx_dir, struct gw_nginx_workers *out)
{
    char path[GW_RUN_DIR_FILE_MAX];
    int64_t master, pid;
    gw_auto(gw_buf) struct gw_buf text = {0}, children = {0};
    *out = (struct gw_nginx_workers){.count = 0};
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_NGINX_PID, nginx_dir);
    if (!read_file(path, &text))
        return;
    struct gw_str line = gw_buf_str(&text);
    if (!gw_str_to_i64(gw_str_sub(line, 0, gw_str_find(line, '\n')), &master))
        return;
    (void)snprintf(path, sizeof(path), "/proc/%" PRId64 "/task/%" PRId64 "/children", master, master);
    if (!read_file(path, &children))
        return;
    struct gw_str rest = gw_buf_str(&children), one;
    while (out->count < GW_NGINX_WORKERS_MAX && gw_str_split(&rest, ' ', &one))
        if (gw_str_to_i64(one, &pid) && accepts(pid))
            out->pid[out->count++] = (pid_t)pid;
}

bool gw_nginx_workers_have_left(const struct gw_nginx_workers *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (accepts(w->pid[i]))
            return false;
    return true;
}
