/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Passwords come from a prompt without echo or from standard input, never from arguments, which every user of the machine can read. */
#include "base/buf.h"
#include "command.h"

/* With --password-stdin one line of standard input, else asked for twice on the terminal. *out is wiped by gw_buf_done. 0, or an exit
 * status with the reason printed. */
int cli_read_password(struct gw_cli *cli, const char *user, struct gw_buf *out);
