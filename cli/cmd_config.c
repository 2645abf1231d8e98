/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti config check|show`: the settings as they are in force, file and environment together. */
#include "call.h"
#include "commands.h"
#include "control/keys.h"
#include "home.h"
#include "pairs.h"

#include <string.h>

/* The keys belong to the check: a start with weak or equal ones is refused. */
static void check_keys(struct gw_cli *cli, struct cli_home *h)
{
    struct gw_error err = {0};
    gw_auto(gw_keys) struct gw_keys keys = {0};
    const struct gw_keys_source source = {.home = cli->home,
                                          .settings = &h->settings,
                                          .upstream = gw_policy_upstream(h->policy),
                                          .getenv_fn = cli_getenv};
    gw_auto(gw_secret) struct gw_secret *encryption = NULL;
    if (gw_keys_load(&source, &keys, &err) != GW_OK) {
        gw_faults_add(h->faults, cli->home, 0, "%s", err.msg);
        return;
    }
    enum gw_code code = gw_keys_load_encryption(&source, &keys, &encryption, &err);
    if (code != GW_OK && !(code == GW_ENOTFOUND && gw_keys_file_is_ours(h->settings.encryption_key_file)))
        gw_faults_add(h->faults, cli->home, 0, "%s", err.msg);
}

int cmd_config_check(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    cli_auto_home struct cli_home h = {0};
    int status = cli_home_settings(cli, &h);
    /* Where the policy, the certificates and the keys are only sound settings tell. */
    if (status == GW_EXIT_YES && gw_faults_count(h.faults) == 0) {
        gw_pairs_check(&h.settings, cli->home, h.faults);
        status = cli_home_policy(cli, NULL, &h);
    }
    if (status == GW_EXIT_YES && h.policy != NULL)
        check_keys(cli, &h);
    if (status != GW_EXIT_YES)
        return status;
    if (gw_faults_count(h.faults) == 0 && !cli->json)
        fprintf(cli->out, "%s, %s, the keys and the certificates are sound.\n", h.settings_file, h.policy_file);
    return cli_print_faults(cli, h.faults);
}

/* The text form of a value is JSON, or a bare word (24h, deny) that stands for a string. */
static json_t *value_json(struct gw_str text)
{
    json_t *value = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
    return value != NULL ? value : json_stringn(text.ptr, text.len);
}

static int show_json(struct gw_cli *cli, const struct gw_settings *settings)
{
    gw_auto_json json_t *all = json_object();
    gw_auto(gw_buf) struct gw_buf line = {0};
    gw_buf_init(&line, 64 * 1024);
    for (size_t i = 0; i < gw_settings_option_count; i++) {
        const struct gw_option *row = &gw_settings_options[i];
        gw_buf_reset(&line);
        gw_options_print(row, 1, settings, &line);
        struct gw_str value = gw_str_sub(gw_buf_str(&line), strlen(row->key) + strlen(": "), line.len);
        value.len -= strlen("\n");
        json_object_set_new(all, row->key, value_json(value));
    }
    cli_print_json(cli, all);
    return GW_EXIT_YES;
}

int cmd_config_show(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    cli_auto_home struct cli_home h = {0};
    gw_auto(gw_buf) struct gw_buf text = {0};
    gw_buf_init(&text, 256 * 1024);
    int status = cli_home_settings(cli, &h);
    if (status != GW_EXIT_YES)
        return status;
    if (gw_faults_count(h.faults) > 0)
        return cli_fail_faults(cli, h.faults);
    gw_options_print(gw_settings_options, gw_settings_option_count, &h.settings, &text);
    if (cli->json)
        return show_json(cli, &h.settings);
    fputs(text.ptr, cli->out);
    return GW_EXIT_YES;
}
