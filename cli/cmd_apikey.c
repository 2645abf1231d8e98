/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti apikey …`: keys for programs, and certificates that stand for users. A new key goes to standard output, once, and nowhere else. */
#include "call.h"
#include "commands.h"
#include "crypto/chain.h"

#define API_KEYS "/aaiti/v1/api-keys"

static void set_string(struct gw_cli *cli, json_t *body, const char *option, const char *member)
{
    const char *value = gw_cli_value(cli, option);
    if (value != NULL)
        json_object_set_new(body, member, json_string(value));
}

static int show_made(struct gw_cli *cli, int status, const json_t *key)
{
    if (status != GW_EXIT_YES)
        return status;
    if (cli->json) {
        cli_print_json(cli, key);
        return GW_EXIT_YES;
    }
    if (json_is_string(json_object_get(key, "certificate"))) {
        fprintf(cli->out, "%s\n", cli_text(key, "key"));
        fprintf(cli->err, "aaiti: whoever shows the certificate is %s; `aaiti apikey revoke %s` ends it\n",
                cli_text(key, "username"), cli_text(key, "key"));
        return GW_EXIT_YES;
    }
    fprintf(cli->out, "%s\n", cli_text(key, "secret"));
    fprintf(cli->err, "aaiti: it is shown this once; `aaiti apikey revoke %s` ends it\n", cli_text(key, "key"));
    return GW_EXIT_YES;
}

/* Of a file with more in it, a private key perhaps, the first certificate alone. */
static enum gw_code set_certificate(struct gw_cli *cli, json_t *body, struct gw_error *err)
{
    gw_auto(gw_chain) struct gw_chain *chain = NULL;
    gw_auto(gw_buf) struct gw_buf first = {0};
    const char *file = gw_cli_value(cli, "--certificate");
    if (file == NULL)
        return GW_OK;
    gw_buf_init(&first, GW_CHAIN_MAX_BYTES);
    GW_TRY(gw_chain_load(file, &chain, err));
    GW_TRY(gw_chain_add_first(chain, &first, err));
    json_object_set_new(body, "certificate", json_stringn(first.ptr, first.len));
    return GW_OK;
}

int cmd_apikey_add(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    struct gw_error err = {0};
    gw_auto_json json_t *answer = NULL;
    gw_auto_json json_t *body = json_pack("{s:s}", "user", argv[1]);
    if (body == NULL)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "the name is not UTF-8");
    set_string(cli, body, "--name", "name");
    set_string(cli, body, "--scope", "scopes");
    set_string(cli, body, "--from", "networks");
    set_string(cli, body, "--expires", "expiresIn");
    if (gw_cli_value(cli, "--signed") != NULL)
        json_object_set_new(body, "signed", json_true());
    if (set_certificate(cli, body, &err) != GW_OK)
        return gw_cli_fail_error(cli, &err);
    int status = cli_call(cli, "POST", API_KEYS, json_incref(body), &answer);
    return show_made(cli, status, answer);
}

int cmd_apikey_rotate(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    gw_auto(gw_buf) struct gw_buf target = {0};
    gw_auto_json json_t *answer = NULL;
    gw_auto_json json_t *body = json_object();
    set_string(cli, body, "--overlap", "overlap");
    cli_target(&target, API_KEYS "/", argv[1], "/rotate");
    int status = cli_call(cli, "POST", target.ptr, json_incref(body), &answer);
    return show_made(cli, status, answer);
}

int cmd_apikey_revoke(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    gw_auto(gw_buf) struct gw_buf target = {0};
    gw_auto_json json_t *answer = NULL;
    cli_target(&target, API_KEYS "/", argv[1], "");
    int status = cli_call(cli, "DELETE", target.ptr, NULL, &answer);
    if (status != GW_EXIT_YES)
        return status;
    if (cli->json) {
        gw_auto_json json_t *revoked = json_pack("{s:s}", "revoked", argv[1]);
        cli_print_json(cli, revoked);
    } else {
        fprintf(cli->out, "The API key was revoked.\n");
    }
    return GW_EXIT_YES;
}

/* "bots:read,bots:write"; none where the list is empty. */
static void print_list(struct gw_cli *cli, const json_t *list, const char *none)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        fprintf(cli->out, "%s%s", i == 0 ? "" : ",", json_string_value(json_array_get(list, i)));
    if (json_array_size(list) == 0)
        fputs(none, cli->out);
}

static const char *secret_of(const json_t *k)
{
    if (json_is_string(json_object_get(k, "certificate")))
        return "cert";
    return json_is_true(json_object_get(k, "signed")) ? "signs" : "shown";
}

static void print_key(struct gw_cli *cli, const json_t *k)
{
    fprintf(cli->out, "%-12s  %-16s  %-7s  %-6s  %-20s  %-20s  %-16s  ", cli_text(k, "key"), cli_text(k, "username"),
            json_is_true(json_object_get(k, "expired")) ? "expired" : "live", secret_of(k), cli_text(k, "expiresAt"),
            cli_text(k, "lastUsedAt"), cli_text(k, "name"));
    print_list(cli, json_object_get(k, "scopes"), "all");
    fputs("  ", cli->out);
    print_list(cli, json_object_get(k, "networks"), "anywhere");
    fputc('\n', cli->out);
}

int cmd_apikey_list(struct gw_cli *cli, int argc, char **argv)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    gw_auto_json json_t *answer = NULL;
    size_t i;
    json_t *k;
    cli_target(&target, API_KEYS "?user=", argc > 1 ? argv[1] : "all", "");
    int status = cli_call(cli, "GET", target.ptr, NULL, &answer);
    if (status != GW_EXIT_YES)
        return status;
    json_t *keys = json_object_get(answer, "apiKeys");
    if (cli->json) {
        cli_print_json(cli, keys);
        return GW_EXIT_YES;
    }
    fprintf(cli->out, "%-12s  %-16s  %-7s  %-6s  %-20s  %-20s  %-16s  %s\n", "KEY", "USER", "STATE", "SECRET",
            "EXPIRES", "LAST USED", "NAME", "SCOPES  FROM");
    json_array_foreach (keys, i, k)
        print_key(cli, k);
    return GW_EXIT_YES;
}
