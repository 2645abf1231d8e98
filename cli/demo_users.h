/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Three users to try the gateway with, one a role. */
#include "command.h"
#include <jansson.h>

/* Makes home/demo-users.json (0600) unless it is there, and adds its users unless they are. Passwords just made are
 * printed, and never again; *out is then the file's content, else left alone. 0, or an exit status with the reason printed. */
int demo_users_make(struct gw_cli *cli, json_t **out);
