/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who runs as whom. Started as root, control and the nginx workers get users of their own; started by anybody else, all
 * are that user. Where the machine is not prepared for it, development goes on as root with a warning and production refuses.
 */
#include "config/settings.h"
#include "supervisor.h"
#include <stdio.h>

struct gw_accounts {
    struct gw_run_as control;
    uid_t owner;   /* of the run directory: control's user */
    gid_t group;   /* of the run directory: the workers'; (gid_t)-1: not to be changed */
    char user[33]; /* of the workers, for nginx.conf; "": the master's */
    char group_name[33];
};

/* home: absolute. Warnings go to warn, a line each. GW_EDENIED: production, and the machine is not prepared; err has the mend. */
GW_MUST_CHECK enum gw_code gw_accounts_choose(const struct gw_settings *s, const char *home, FILE *warn,
                                              struct gw_accounts *out, struct gw_error *err);
/* Whether that user gets to this program: below /root, where a clone may lie, nobody but root does. */
bool gw_accounts_may_run(const struct gw_run_as *as);
