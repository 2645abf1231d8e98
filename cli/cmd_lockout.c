/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti lockout …`: who is held up at signing in, and an end to it. */
#include "call.h"
#include "commands.h"

#define LOCKOUTS "/aaiti/v1/lockouts"
#define ROW "%-9s %-8s %-8s %-39s  %-16s %8s  %s\n"

static void print_lockout(struct gw_cli *cli, const json_t *l)
{
    char failures[24];
    (void)snprintf(failures, sizeof(failures), "%lld", (long long)json_integer_value(json_object_get(l, "failures")));
    const char *address = json_is_true(json_object_get(l, "network")) ? "(a whole network)" : cli_text(l, "address");
    fprintf(cli->out, ROW, cli_text(l, "call"), cli_text(l, "scope"), cli_text(l, "state"), address,
            cli_text(l, "user"), failures, cli_text(l, "until"));
}

int cmd_lockout_list(struct gw_cli *cli, int argc, char **argv)
{
    gw_auto_json json_t *answer = NULL;
    size_t i;
    json_t *l;
    (void)argc, (void)argv;
    int status = cli_call(cli, "GET", LOCKOUTS, NULL, &answer);
    if (status != GW_EXIT_YES)
        return status;
    const json_t *lockouts = json_object_get(answer, "lockouts");
    if (cli->json) {
        cli_print_json(cli, lockouts);
        return GW_EXIT_YES;
    }
    fprintf(cli->out, ROW, "CALL", "SCOPE", "STATE", "ADDRESS", "USER", "FAILURES", "UNTIL");
    json_array_foreach (lockouts, i, l)
        print_lockout(cli, l);
    json_int_t total = json_integer_value(json_object_get(answer, "total"));
    if (total > (json_int_t)json_array_size(lockouts))
        fprintf(cli->out, "and %lld more\n", (long long)total - (long long)json_array_size(lockouts));
    return GW_EXIT_YES;
}

/* The part of the query that one option gives. */
static void add_filter(struct gw_buf *b, const char *name, const char *value)
{
    gw_auto(gw_buf) struct gw_buf one = {0};
    if (value == NULL)
        return;
    cli_target(&one, "", value, "");
    gw_buf_addf(b, "%s%s=%s", b->len > 0 ? "&" : "?", name, one.ptr);
}

int cmd_lockout_clear(struct gw_cli *cli, int argc, char **argv)
{
    gw_auto(gw_buf) struct gw_buf query = {0}, target = {0};
    gw_auto_json json_t *answer = NULL;
    const char *address = gw_cli_value(cli, "--address"), *user = gw_cli_value(cli, "--user");
    (void)argc, (void)argv;
    if ((gw_cli_value(cli, "--all") != NULL) == (address != NULL || user != NULL))
        return gw_cli_fail(cli, GW_EXIT_USAGE, "give --address, --user or both, or --all");
    gw_buf_init(&query, 4096);
    gw_buf_init(&target, 8192);
    add_filter(&query, "address", address);
    add_filter(&query, "user", user);
    gw_buf_addf(&target, LOCKOUTS "%s", query.len > 0 ? query.ptr : "");
    int status = cli_call(cli, "DELETE", target.ptr, NULL, &answer);
    if (status != GW_EXIT_YES)
        return status;
    if (cli->json)
        cli_print_json(cli, answer);
    else
        fprintf(cli->out, "Cleared: %lld\n", (long long)json_integer_value(json_object_get(answer, "cleared")));
    return GW_EXIT_YES;
}
