/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The files of the home directory as a command reads them by itself, without control: settings and policy, with all their faults. */
#include "command.h"
#include "config/settings.h"
#include "policy/policy.h"

struct cli_home {
    struct gw_arena arena;
    struct gw_settings settings;
    struct gw_policy *policy; /* NULL: faults */
    struct gw_faults *faults;
    const char *settings_file, *policy_file;
};

/* Whether there is a home directory at all; where there is none, what makes one is printed. */
int cli_home_is_there(struct gw_cli *cli);
/* gateway.yaml alone. 0 also when there are faults; else the reason was printed. Call cli_home_done in any case. */
int cli_home_settings(struct gw_cli *cli, struct cli_home *out);
/* And the policy: file, or (NULL) the one that gateway.yaml names. */
int cli_home_policy(struct gw_cli *cli, const char *file, struct cli_home *h);
void cli_home_done(struct cli_home *h);
#define cli_auto_home __attribute__((cleanup(cli_home_done)))

/* After a GW_ECONFLICT of whoever wants the home directory for itself (control/app.h): waits a little for what was killed to be gone, for a
 * command to end, or for control to listen. False: it has been waited for long enough. *waited_ms starts at 0. */
bool cli_home_wait(unsigned *waited_ms);

/* getenv, as the settings want it. */
const char *cli_getenv(const char *name);
