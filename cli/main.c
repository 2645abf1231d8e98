/* SPDX-License-Identifier: Apache-2.0 */
/* The command table of `aaiti`. A new command is a row here and a cmd_*.c. */
#include "commands.h"
#include <stdlib.h>

static const struct gw_command commands[] = {
    {.name = "control",
     .run = cmd_control,
     .arguments = "",
     .min_args = 0,
     .max_args = 0,
     .summary = "Run the control plane in the foreground",
     .help = "`aaiti serve` starts it as the right user. TERM ends it, HUP makes it reload its configuration."},
    {.name = "completion",
     .run = cmd_completion,
     .arguments = "bash",
     .min_args = 1,
     .max_args = 1,
     .summary = "Print a completion script for the shell",
     .help = "source <(aaiti completion bash)"},
};
static const size_t command_count = sizeof commands / sizeof commands[0];

int cmd_completion(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    if (argv[1][0] != 'b')
        return gw_cli_fail(cli, GW_EXIT_USAGE, "only bash is known, not `%s`", argv[1]);
    gw_cli_complete_bash(commands, command_count, cli->out);
    return GW_EXIT_YES;
}

int main(int argc, char **argv)
{
    const char *home = getenv("AAITI_HOME");
    struct gw_cli cli = {
        .home = home != NULL && home[0] != '\0' ? home : "/var/lib/aaiti",
        .in = stdin,
        .out = stdout,
        .err = stderr,
    };
    return gw_cli_main(&cli, commands, command_count, argc, argv);
}
