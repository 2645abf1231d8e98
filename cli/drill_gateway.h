/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The gateway of `aaiti panic --drill`: this same program, with a home directory below a temporary one. One thread. */
#include "command.h"
#include <stdint.h>
#include <sys/types.h>

#define DRILL_PATH_MAX 240

struct drill_gateway {
    char program[4096];
    char directory[200], home[210], log[210], certificate[DRILL_PATH_MAX];
    char listen[32]; /* 127.0.0.1:PORT */
    pid_t pid;       /* of `aaiti serve`; 0: it does not run */
};

/* Makes the home. Call drill_gateway_done in any case. */
GW_MUST_CHECK enum gw_code drill_gateway_init(struct drill_gateway *g, unsigned backend_port, struct gw_error *err);
void drill_gateway_done(struct drill_gateway *g);
/* Starts it and waits until it serves. */
GW_MUST_CHECK enum gw_code drill_gateway_start(struct drill_gateway *g, struct gw_error *err);
/* kill -9 of all its processes, or of control alone. */
void drill_gateway_kill(struct drill_gateway *g);
GW_MUST_CHECK enum gw_code drill_gateway_kill_control(const struct drill_gateway *g, struct gw_error *err);
/* Waits until control is up again. */
GW_MUST_CHECK enum gw_code drill_gateway_wait(const struct drill_gateway *g, struct gw_error *err);
/* Of the thread that calls. */
void drill_pause(int64_t ms);
/* `aaiti WORDS…` with its home; words: NULL-terminated. GW_EBACKEND: it did not end well. */
GW_MUST_CHECK enum gw_code drill_gateway_run(const struct drill_gateway *g, const char *const *words,
                                             struct gw_error *err);
