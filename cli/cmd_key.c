/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti key …`: which keys there are, and their exchange without a refused request. A secret comes from a file or from standard input,
 * never from an argument, which every user of the machine can read. */
#include "base/file.h"
#include "call.h"
#include "commands.h"
#include "crypto/secret.h"
#include <string.h>

#define KEYS "/aaiti/v1/keys"

/* ---- list ---- */

static void print_keys(struct gw_cli *cli, const char *what, const json_t *keys)
{
    size_t i;
    json_t *k;
    json_array_foreach ((json_t *)(uintptr_t)keys, i, k)
        fprintf(cli->out, "%-10s %-10s %-18s %-20s  %s\n", what, cli_text(k, "generation"), cli_text(k, "kid"),
                cli_text(k, "since"), cli_text(k, "until"));
}

static void print_data_keys(struct gw_cli *cli, const json_t *keys)
{
    size_t i;
    json_t *k;
    json_array_foreach ((json_t *)(uintptr_t)keys, i, k) {
        char id[24], secrets[32];
        (void)snprintf(id, sizeof(id), "%lld", json_integer_value(json_object_get(k, "id")));
        (void)snprintf(secrets, sizeof(secrets), "%lld secrets", json_integer_value(json_object_get(k, "secrets")));
        fprintf(cli->out, "%-10s %-10s %-18s %-20s  %-20s  %s\n", "data", cli_text(k, "state"), id,
                cli_text(k, "since"), cli_text(k, "until"), secrets);
    }
}

int cmd_key_list(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    gw_auto_json json_t *answer = NULL;
    int status = cli_call(cli, "GET", KEYS, NULL, &answer);
    if (status != GW_EXIT_YES)
        return status;
    if (cli->json) {
        cli_print_json(cli, answer);
        return GW_EXIT_YES;
    }
    const json_t *signing = json_object_get(answer, "signing");
    fprintf(cli->out, "%-10s %-10s %-18s %-20s  %s\n", "KEY", "GENERATION", "KID", "SINCE", "UNTIL");
    print_keys(cli, cli_text(signing, "algorithm"), json_object_get(signing, "keys"));
    print_keys(cli, "upstream", json_object_get(json_object_get(answer, "upstream"), "keys"));
    fprintf(cli->out, "%-10s %-10s %-18s %-20s  -\n", "request-id", "current", "-",
            cli_text(json_object_get(answer, "requestId"), "since"));
    print_data_keys(cli, json_object_get(json_object_get(answer, "data"), "keys"));
    return GW_EXIT_YES;
}

/* ---- rotate ---- */

static int print_done(struct gw_cli *cli, const json_t *answer, const char *done)
{
    if (cli->json) {
        cli_print_json(cli, answer);
        return GW_EXIT_YES;
    }
    fprintf(cli->out, "%s\n", done);
    if (strcmp(cli_text(answer, "nginx"), "told") != 0)
        fputs("Nothing here looks after nginx. If it runs, reload it: nginx -s reload\n", cli->out);
    return GW_EXIT_YES;
}

static int rotate_signing(struct gw_cli *cli)
{
    gw_auto_json json_t *answer = NULL;
    bool force = gw_cli_value(cli, "--force") != NULL;
    int status = cli_call(cli, "POST", KEYS "/signing/rotate", json_pack("{s:b}", "force", force), &answer);
    if (status != GW_EXIT_YES)
        return status;
    return print_done(cli, answer,
                      "The next signing key signs now. Tokens of the one before are good until they expire.");
}

static enum gw_code read_secret(struct gw_cli *cli, struct gw_buf *out, struct gw_error *err)
{
    const char *file = gw_cli_value(cli, "--file");
    char chunk[512];
    size_t n;
    gw_buf_init(out, GW_SECRET_MAX_BYTES + 1);
    if (file != NULL)
        return gw_file_read(file, out, err);
    while ((n = fread(chunk, 1, sizeof(chunk), cli->in)) > 0)
        gw_buf_add(out, (struct gw_str){chunk, n});
    gw_wipe(chunk, sizeof(chunk));
    return gw_buf_check(out, err);
}

static int stage_upstream(struct gw_cli *cli)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    gw_auto_json json_t *answer = NULL;
    struct gw_error err = {0};
    if (read_secret(cli, &text, &err) != GW_OK)
        return gw_cli_fail_error(cli, &err);
    struct gw_str secret = gw_buf_str(&text);
    if (secret.len > 0 && secret.ptr[secret.len - 1] == '\n')
        secret.len--;
    if (secret.len == 0)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "the next secret is empty; give it with --file or on standard input");
    json_t *body = json_pack("{s:s%}", "secret", secret.ptr, secret.len);
    if (body == NULL)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "the next secret is not UTF-8 text");
    int status = cli_call(cli, "PUT", KEYS "/upstream/next", body, &answer);
    if (status != GW_EXIT_YES)
        return status;
    return print_done(
        cli, answer,
        "Staged: used from the backend's first 401 or 403 on. In ten seconds, when nginx's workers of before have ended, "
        "change the backend's secret. When all of it has moved: aaiti key rotate --upstream --finish");
}

static int finish_upstream(struct gw_cli *cli)
{
    gw_auto_json json_t *answer = NULL;
    int status = cli_call(cli, "POST", KEYS "/upstream/finish", NULL, &answer);
    if (status != GW_EXIT_YES)
        return status;
    return print_done(cli, answer, "The staged secret is the upstream's only one now.");
}

static int rotate_data(struct gw_cli *cli)
{
    gw_auto_json json_t *answer = NULL;
    int status = cli_call(cli, "POST", KEYS "/data/rotate", NULL, &answer);
    if (status != GW_EXIT_YES)
        return status;
    if (cli->json)
        cli_print_json(cli, answer);
    else
        fputs(
            "Another data key encrypts now. What older ones encrypted is moved while control runs; `aaiti key list` tells "
            "how much is left.\n",
            cli->out);
    return GW_EXIT_YES;
}

int cmd_key_rotate(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bool signing = gw_cli_value(cli, "--signing") != NULL, upstream = gw_cli_value(cli, "--upstream") != NULL;
    bool finish = gw_cli_value(cli, "--finish") != NULL, from_file = gw_cli_value(cli, "--file") != NULL;
    bool data = gw_cli_value(cli, "--data") != NULL;
    if (signing + upstream + data != 1)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "say which: --signing, --upstream or --data");
    if (data && (finish || from_file || gw_cli_value(cli, "--force") != NULL))
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--data stands alone");
    if (data)
        return rotate_data(cli);
    if (signing && (finish || from_file))
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--finish and --file are for --upstream");
    if (upstream && (gw_cli_value(cli, "--force") != NULL || (finish && from_file)))
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--force is for --signing, and --file not for --finish");
    if (signing)
        return rotate_signing(cli);
    return finish ? finish_upstream(cli) : stage_upstream(cli);
}
