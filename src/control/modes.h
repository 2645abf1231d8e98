/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Changes of the emergency mode that control makes: the file first, then the row of the audit trail. A database that is locked or a
 * disk that is full keeps no mode from being in force. Any thread.
 */
#include "audit/recorder.h"
#include "control/app.h"
#include "shared/mode.h"

enum gw_mode_how {
    GW_MODE_SET,   /* as it says; off lifts */
    GW_MODE_RAISE, /* never weakens or shortens what is in force: may be asked for again and again */
};

/* entry: scope, mode, until_s, by and reason; since_s is set. GW_ELIMIT: too many are in force. Failures of the file are passed on; that the
 * change could not be recorded is logged, and *out_recorded false; so it is, and nothing is written, where a user raises what is in force
 * already again and again (control/presses.h). */
GW_MUST_CHECK enum gw_code gw_modes_change(struct gw_app *a, const struct gw_actor *actor, enum gw_mode_how how,
                                           const struct gw_mode_entry *entry, bool *out_recorded, struct gw_error *err);
/* What is in force, what has ended left out. */
void gw_modes_read(struct gw_app *a, struct gw_mode_set *out);
/* Task of the schedule: takes away what has ended, and records that. */
GW_MUST_CHECK enum gw_code gw_modes_expire(struct gw_app *a, struct gw_error *err);
/* {"mode": for everybody, "entries": […]}, as calls and commands show them. NULL without memory. */
json_t *gw_modes_json(const struct gw_mode_set *set);
/* What the audit trail tells of an entry. NULL without memory. */
json_t *gw_modes_details(const struct gw_mode_entry *entry);
/* "global", "group:bots", "user:anna". dst holds GW_MODE_SCOPE_TEXT. */
#define GW_MODE_SCOPE_TEXT (GW_MODE_NAME_MAX + sizeof("group:"))
void gw_modes_scope_text(const struct gw_mode_entry *entry, char *dst);
