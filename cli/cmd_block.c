/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti block ...`: who is cut off, and who is suspicious. */
#include "base/encode.h"
#include "call.h"
#include "commands.h"

#include <string.h>

#define BLOCKS "/aaiti/v1/blocks"
#define PAGE "?limit=1000"

/* Without control the command changes the database alone, and workers go on with what control last told them. */
static void note_offline(struct gw_cli *cli)
{
    if (!cli_is_online())
        fprintf(cli->err, "aaiti: control is down; it counts once control runs\n");
}

int cmd_block_add(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    gw_auto_json json_t *answer = NULL;
    const char *duration = gw_cli_value(cli, "--for"), *reason = gw_cli_value(cli, "--reason");
    json_t *body = json_pack("{s:s, s:b}", "network", argv[1], "suspect", gw_cli_value(cli, "--suspect") != NULL);
    if (duration != NULL)
        (void)json_object_set_new(body, "for", json_string(duration));
    if (reason != NULL)
        (void)json_object_set_new(body, "reason", json_string(reason));
    int status = cli_call(cli, "POST", BLOCKS, body, &answer);
    if (status != GW_EXIT_YES)
        return status;
    note_offline(cli);
    if (cli->json)
        cli_print_json(cli, answer);
    else
        fprintf(cli->out, "%s: %s until %s\n", cli_text(answer, "network"),
                gw_cli_value(cli, "--suspect") != NULL ? "suspicious" : "blocked", cli_text(answer, "until"));
    return GW_EXIT_YES;
}

/* Of the last page: the list is true all the same. */
static void note_kernel(struct gw_cli *cli, const json_t *answer)
{
    if (strcmp(cli_text(answer, "kernel"), "failed") == 0)
        fprintf(
            cli->err,
            "aaiti: the kernel could not be told of these blocks (block.kernel); the gateway holds them, and control's log says "
            "why\n");
}

static int fetch_all(struct gw_cli *cli, json_t *out)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    cli_target(&target, BLOCKS PAGE, "", "");
    for (;;) {
        gw_auto_json json_t *answer = NULL;
        int status = cli_call(cli, "GET", target.ptr, NULL, &answer);
        if (status != GW_EXIT_YES)
            return status;
        (void)json_array_extend(out, json_object_get(answer, "blocks"));
        const char *next = json_string_value(json_object_get(answer, "next"));
        if (next == NULL) {
            note_kernel(cli, answer);
            return GW_EXIT_YES;
        }
        gw_buf_done(&target);
        cli_target(&target, BLOCKS PAGE "&after=", next, "");
    }
}

static void print_block(struct gw_cli *cli, const json_t *b)
{
    fprintf(cli->out, "%-24s  %-7s  %-20s  %-20s  %-12s  %s\n", cli_text(b, "network"), cli_text(b, "kind"),
            cli_text(b, "since"), cli_text(b, "until"), cli_text(b, "by"), cli_text(b, "reason"));
}

int cmd_block_list(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    gw_auto_json json_t *blocks = json_array();
    size_t i;
    json_t *b;
    int status = fetch_all(cli, blocks);
    if (status != GW_EXIT_YES)
        return status;
    if (cli->json) {
        cli_print_json(cli, blocks);
        return GW_EXIT_YES;
    }
    fprintf(cli->out, "%-24s  %-7s  %-20s  %-20s  %-12s  %s\n", "NETWORK", "KIND", "SINCE", "UNTIL", "BY", "REASON");
    json_array_foreach (blocks, i, b)
        print_block(cli, b);
    return GW_EXIT_YES;
}

int cmd_block_remove(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    gw_auto(gw_buf) struct gw_buf target = {0};
    struct gw_uuid id;
    bool is_id = gw_uuid_parse(gw_str(argv[1]), &id) == GW_OK;
    cli_target(&target, is_id ? BLOCKS "/" : BLOCKS "?network=", argv[1], "");
    int status = cli_call(cli, "DELETE", target.ptr, NULL, NULL);
    if (status != GW_EXIT_YES)
        return status;
    note_offline(cli);
    if (cli->json)
        fprintf(cli->out, "{\"removed\": 1}\n");
    else
        fprintf(cli->out, "Removed: %s\n", argv[1]);
    return GW_EXIT_YES;
}
