/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One function a command, each in its cmd_*.c; the table that names them is in main.c. Each returns an enum gw_exit. */
#include "command.h"

int cmd_init(struct gw_cli *cli, int argc, char **argv);
int cmd_serve(struct gw_cli *cli, int argc, char **argv);
int cmd_control(struct gw_cli *cli, int argc, char **argv);
int cmd_health(struct gw_cli *cli, int argc, char **argv);
int cmd_user_add(struct gw_cli *cli, int argc, char **argv);
int cmd_user_list(struct gw_cli *cli, int argc, char **argv);
int cmd_user_set(struct gw_cli *cli, int argc, char **argv);
int cmd_user_set_role(struct gw_cli *cli, int argc, char **argv);
int cmd_user_enable(struct gw_cli *cli, int argc, char **argv);
int cmd_user_disable(struct gw_cli *cli, int argc, char **argv);
int cmd_user_delete(struct gw_cli *cli, int argc, char **argv);
int cmd_user_passwd(struct gw_cli *cli, int argc, char **argv);
int cmd_user_import(struct gw_cli *cli, int argc, char **argv);
int cmd_lockout_list(struct gw_cli *cli, int argc, char **argv);
int cmd_lockout_clear(struct gw_cli *cli, int argc, char **argv);
int cmd_apikey_add(struct gw_cli *cli, int argc, char **argv);
int cmd_apikey_list(struct gw_cli *cli, int argc, char **argv);
int cmd_apikey_revoke(struct gw_cli *cli, int argc, char **argv);
int cmd_apikey_rotate(struct gw_cli *cli, int argc, char **argv);

int cmd_session_list(struct gw_cli *cli, int argc, char **argv);
int cmd_session_end(struct gw_cli *cli, int argc, char **argv);
int cmd_token_inspect(struct gw_cli *cli, int argc, char **argv);
int cmd_audit_tail(struct gw_cli *cli, int argc, char **argv);
int cmd_audit_search(struct gw_cli *cli, int argc, char **argv);
int cmd_audit_show(struct gw_cli *cli, int argc, char **argv);
int cmd_block_add(struct gw_cli *cli, int argc, char **argv);
int cmd_block_list(struct gw_cli *cli, int argc, char **argv);
int cmd_block_remove(struct gw_cli *cli, int argc, char **argv);
int cmd_key_list(struct gw_cli *cli, int argc, char **argv);
int cmd_key_rotate(struct gw_cli *cli, int argc, char **argv);
int cmd_cert_show(struct gw_cli *cli, int argc, char **argv);
int cmd_cert_check(struct gw_cli *cli, int argc, char **argv);
int cmd_cert_reload(struct gw_cli *cli, int argc, char **argv);
int cmd_cert_self_signed(struct gw_cli *cli, int argc, char **argv);
int cmd_panic(struct gw_cli *cli, int argc, char **argv);
int cmd_resume(struct gw_cli *cli, int argc, char **argv);
int cmd_mode(struct gw_cli *cli, int argc, char **argv);
int cmd_config_check(struct gw_cli *cli, int argc, char **argv);
int cmd_config_show(struct gw_cli *cli, int argc, char **argv);
int cmd_policy_list(struct gw_cli *cli, int argc, char **argv);
int cmd_policy_check(struct gw_cli *cli, int argc, char **argv);
int cmd_policy_reload(struct gw_cli *cli, int argc, char **argv);
int cmd_make_safe(struct gw_cli *cli, int argc, char **argv);
int cmd_explain(struct gw_cli *cli, int argc, char **argv);
int cmd_completion(struct gw_cli *cli, int argc, char **argv);
int cmd_manual(struct gw_cli *cli, int argc, char **argv);
