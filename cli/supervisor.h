/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Child processes of `aaiti serve`: started with the identity they are to have, restarted with a growing pause when they die,
 * stopped gracefully, and never alive longer than their parent. Knows only the children it started, by pid. One thread.
 */
#include <gw/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define GW_RUN_AS_GROUPS_MAX 4
#define GW_CHILD_FD 3

struct gw_run_as {
    uid_t uid; /* (uid_t)-1: the parent's, groups too */
    gid_t gid;
    gid_t groups[GW_RUN_AS_GROUPS_MAX];
    size_t group_count;
    bool keeps_net_admin; /* of all capabilities that one, over execve; only with an uid */
};

struct gw_child {
    const char *name;
    const char *const *argv; /* argv[0] is the executable's path */
    const char *const *environment;
    struct gw_run_as run_as;
    int stop_signal;
    int inherits; /* the parent's descriptor that it finds as GW_CHILD_FD; 0: none */
    /* the supervisor's own */
    pid_t pid; /* 0: not running */
    int64_t started_ms, restart_at_ms, pause_ms;
};

/* Becomes that user for good. */
GW_MUST_CHECK enum gw_code gw_run_as_assume(const struct gw_run_as *as, struct gw_error *err);
/* access(2), asked as that user. */
bool gw_run_as_may(const struct gw_run_as *as, const char *path, int mode);

GW_MUST_CHECK enum gw_code gw_child_start(struct gw_child *c, int64_t now_ms, struct gw_error *err);
/* True when it has ended since it was last looked at; *out_status is waitpid's. It should be started again from restart_at_ms
 * on: 100 ms later after a life of ten seconds or more, else twice the last pause, up to 10 s. */
bool gw_child_has_ended(struct gw_child *c, int64_t now_ms, int *out_status);
/* Asks with the stop signal, waits, kills what is still there. A child that does not run is left alone. */
void gw_child_stop(struct gw_child *c, int64_t grace_ms);
