/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Management calls as commands make them: what goes wrong is said on the terminal, once, here. The connection is opened by the
 * first call and ends with the program.
 */
#include "base/buf.h"
#include "base/json.h"
#include "command.h"
#include "config/fault.h"
#include "control/client.h"

/* Opens the connection that calls go by, which they else do themselves. when_down as gw_operator_open: one that was opened here as another is
 * exchanged. 0, or an exit status with the reason printed. */
int cli_connect(struct gw_cli *cli, enum gw_app_mode when_down);

/* As root, becomes the owner of the home directory for good: root has no business in files that another user may exchange. 0, or an exit
 * status with the reason printed. Calls do it by themselves. */
int cli_become_owner(struct gw_cli *cli);

/* Makes a call (control/client.h). Takes body over. 0 with the answer's body in *out (NULL when it has none; caller json_decrefs; out
 * may be NULL), or an exit status with the reason printed. */
int cli_call(struct gw_cli *cli, const char *method, const char *target, json_t *body, json_t **out);
/* The same, silent about a refusal: *out_status tells it, and *out holds its body. For commands that go on. */
int cli_try(struct gw_cli *cli, const char *method, const char *target, json_t *body, unsigned *out_status,
            json_t **out);

/* A path with a name given by the user as its last segment: "/aaiti/v1/users/" "bob" "/sessions". */
void cli_target(struct gw_buf *b, const char *before, const char *name, const char *after);

/* Calls are made of a control that runs, not in this process. */
bool cli_is_online(void);

void cli_print_json(struct gw_cli *cli, const json_t *value);
/* Of a check, whose answer they are: on err, or as JSON on out. GW_EXIT_YES when there are none, else GW_EXIT_NO. */
int cli_print_faults(struct gw_cli *cli, const struct gw_faults *f);
/* Of all others, who can give no answer for them: on err. GW_EXIT_UNKNOWN. */
int cli_fail_faults(struct gw_cli *cli, const struct gw_faults *f);
/* "-" for an absent or empty member: a column that is never empty can be cut by scripts. */
const char *cli_text(const json_t *object, const char *member);
