/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What control does by the clock: its sign of life, the taking of the journal into the audit trail and the moving of secrets to
 * the newest data key each second, last-seen times, the expiry of a signing key and the end of old audit rows each minute, clean-up each hour. The sign of life has
 * a thread of its own, so that no amount of work and no slow disk passes for control's death; another does the rest. A task that fails comes
 * again at its time. The log tells of a failure when it begins or changes, and of its end.
 */
#include "control/app.h"

/* One task; the code it returns is only logged. */
struct gw_task {
    const char *name;
    int64_t every_ms;
    enum gw_code (*run)(struct gw_app *a, struct gw_error *err);
};
#define GW_TASKS_MAX 16

/* When each task of a table is due, in monotonic time. */
struct gw_agenda {
    const struct gw_task *tasks;
    size_t count;
    int64_t due_ms[GW_TASKS_MAX];
    enum gw_code last[GW_TASKS_MAX]; /* what its last turn gave */
};

/* The first turn of every task is one period from now. */
void gw_agenda_init(struct gw_agenda *g, const struct gw_task *table, size_t count, int64_t now_ms);
/* Runs what is due; a task that was late is not made up for. */
void gw_agenda_run(struct gw_agenda *g, struct gw_app *a, int64_t now_ms);
/* When the next task is. */
int64_t gw_agenda_next_ms(const struct gw_agenda *g);

struct gw_schedule;
/* The threads that run control's own tables. Beats, and takes what an earlier life left in the journal, before it returns. */
GW_MUST_CHECK enum gw_code gw_schedule_start(struct gw_app *a, struct gw_schedule **out, struct gw_error *err);
void gw_schedule_stop(struct gw_schedule *s);
