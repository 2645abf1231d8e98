/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti health`: is the gateway of this home directory serving? Asks both planes, each at its own door. */
#include "call.h"
#include "commands.h"
#include "control/client.h"
#include "control/run_dir.h"
#include "home.h"
#include "probe.h"

#include <string.h>

static const char *control_state(struct gw_cli *cli, const struct gw_settings *s)
{
    char run_dir[GW_RUN_PATH_MAX + 1];
    gw_auto(gw_answer) struct gw_answer answer = {0};
    if (gw_run_dir_name(s, cli->home, run_dir, NULL) != GW_OK)
        return "down";
    struct gw_error err = {0};
    enum gw_code code = gw_client_ask(run_dir, "/aaiti/v1/status", &answer, &err);
    if (code == GW_ETIMEOUT)
        fprintf(cli->err, "aaiti: %s\n", err.msg);
    if (code == GW_EDENIED)
        return "unknown";
    return code == GW_OK && answer.status == 200 ? "up" : "down";
}

int cmd_health(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    cli_auto_home struct cli_home h = {0};
    int status = cli_home_settings(cli, &h);
    if (status != GW_EXIT_YES)
        return status;
    if (gw_faults_count(h.faults) > 0)
        return cli_fail_faults(cli, h.faults);
    const char *data = gw_probe_gateway(&h.settings, cli->home) ? "up" : "down";
    const char *control = control_state(cli, &h.settings);
    if (cli->json)
        fprintf(cli->out, "{\"dataPlane\": \"%s\", \"control\": \"%s\"}\n", data, control);
    else
        fprintf(cli->out, "data plane %s\ncontrol    %s\n", data, control);
    /* "unknown": control's socket is not for this user; whoever may connect to the data plane alone is told of that. */
    return strcmp(data, "up") == 0 && strcmp(control, "down") != 0 ? GW_EXIT_YES : GW_EXIT_NO;
}
