/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which workers of a running nginx accept connections, as their processes are named. Those of before an exchange go on for a moment beside those that
 * follow: until they have left, a connection may still be judged by what was. One thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define GW_NGINX_WORKERS_MAX 512

struct gw_nginx_workers {
    pid_t pid[GW_NGINX_WORKERS_MAX];
    size_t count;
};

/* Of the nginx whose files are in that directory. None: it does not run, or this machine does not tell. */
void gw_nginx_workers_find(const char *nginx_dir, struct gw_nginx_workers *out);
/* None of them accepts any more. */
bool gw_nginx_workers_have_left(const struct gw_nginx_workers *w);
