/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti session …`: who is signed in, and the end of it. */
#include "call.h"
#include "commands.h"

#define SESSIONS "/aaiti/v1/sessions"

static void print_session(struct gw_cli *cli, const json_t *s)
{
    fprintf(cli->out, "%-36s  %-16s %-20s  %-20s  %-15s  %s\n", cli_text(s, "id"), cli_text(s, "username"),
            cli_text(s, "createdAt"), cli_text(s, "lastSeenAt"), cli_text(s, "address"), cli_text(s, "userAgent"));
}

int cmd_session_list(struct gw_cli *cli, int argc, char **argv)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    gw_auto_json json_t *answer = NULL;
    size_t i;
    json_t *s;
    if (argc > 1)
        cli_target(&target, SESSIONS "?user=", argv[1], "");
    else
        cli_target(&target, SESSIONS, "", "");
    int status = cli_call(cli, "GET", target.ptr, NULL, &answer);
    if (status != GW_EXIT_YES)
        return status;
    json_t *sessions = json_object_get(answer, "sessions");
    if (cli->json) {
        cli_print_json(cli, sessions);
        return GW_EXIT_YES;
    }
    fprintf(cli->out, "%-36s  %-16s %-20s  %-20s  %-15s  %s\n", "ID", "USER", "SINCE", "LAST SEEN", "ADDRESS", "AGENT");
    json_array_foreach (sessions, i, s)
        print_session(cli, s);
    return GW_EXIT_YES;
}

int cmd_session_end(struct gw_cli *cli, int argc, char **argv)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    gw_auto_json json_t *answer = NULL;
    const char *user = gw_cli_value(cli, "--user");
    if ((argc > 1) == (user != NULL))
        return gw_cli_fail(cli, GW_EXIT_USAGE, "give the id of a session, or --user NAME for all sessions of a user");
    if (user != NULL)
        cli_target(&target, SESSIONS "?user=", user, "");
    else
        cli_target(&target, SESSIONS "/", argv[1], "");
    int status = cli_call(cli, "DELETE", target.ptr, NULL, &answer);
    if (status != GW_EXIT_YES)
        return status;
    json_int_t ended = user != NULL ? json_integer_value(json_object_get(answer, "ended")) : 1;
    if (cli->json)
        fprintf(cli->out, "{\"ended\": %lld}\n", (long long)ended);
    else
        fprintf(cli->out, "Ended: %lld\n", (long long)ended);
    return GW_EXIT_YES;
}
