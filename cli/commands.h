/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One function a command, each in its cmd_*.c; the table that names them is in main.c. Each returns an enum gw_exit. */
#include "command.h"

int cmd_control(struct gw_cli *cli, int argc, char **argv);
int cmd_completion(struct gw_cli *cli, int argc, char **argv);
