/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * `aaiti panic --drill`: the emergency mode, tried out. A gateway of its own with a home of its own, a backend of its own, traffic; then the
 * button is pressed, control is killed, the policy reloaded, everything killed. Touches nothing of a gateway that runs.
 */
#include "command.h"

/* An exit status: GW_EXIT_YES, where nothing opened risk and everything that closes passed. */
int cli_drill(struct gw_cli *cli);
