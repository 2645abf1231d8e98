/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The emergency mode as a command reads it: from the file, whether or not anything runs. */
#include "command.h"
#include "shared/mode.h"

/* What is in force; nothing, where control has never run. 0, or an exit status with the reason printed. */
int cli_modes(struct gw_cli *cli, struct gw_mode_set *out);
/* Opens HOME/mode; *out is the caller's to close, -1 where control has never run. */
int cli_mode_dir(struct gw_cli *cli, int *out);
