/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aaiti token inspect`: what a token says and whether it is good. The token comes on standard input: an argument could be read by
 * everybody on the machine. Whether its session still lives only the gateway knows.
 */
#include "call.h"
#include "commands.h"
#include "control/keys.h"
#include "crypto/secret.h"
#include "home.h"
#include "token/jwt.h"

#include <string.h>
#include <unistd.h>

/* One part of the compact form as JSON; NULL when it is none. */
static json_t *decode_part(struct gw_str part)
{
    char text[GW_JWT_MAX_BYTES];
    size_t len;
    json_t *value = NULL;
    if (gw_base64url_decode(part, text, sizeof(text), &len) != GW_OK)
        return NULL;
    if (gw_json_parse((struct gw_str){text, len}, GW_JSON_DEFAULT_LIMITS, &value, NULL) != GW_OK)
        return NULL;
    return value;
}

/* The reason text of the verifier in force, or NULL when there are no settings or no key to verify with. */
static const char *verify(struct gw_cli *cli, struct gw_str token, bool *out_good)
{
    cli_auto_home struct cli_home h = {0};
    gw_auto(gw_keys) struct gw_keys keys = {0};
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = NULL;
    struct gw_jwt_claims claims;
    if (access(cli->home, F_OK) != 0 || cli_home_settings(cli, &h) != GW_EXIT_YES || gw_faults_count(h.faults) > 0)
        return NULL;
    const struct gw_keys_source source = {.home = cli->home, .settings = &h.settings, .getenv_fn = cli_getenv};
    if (gw_keys_load(&source, &keys, NULL) != GW_OK)
        return NULL;
    const struct gw_jwt_profile profile = {
        .issuer = h.settings.token_issuer,
        .audience = h.settings.token_audience,
        .type = GW_STR("at+jwt"),
        .leeway_s = h.settings.token_leeway_ms / 1000,
        .require = GW_JWT_NEED_KEY_ID | GW_JWT_NEED_SESSION,
    };
    if (gw_jwt_verifier_new(&keys.ring, &profile, &v, NULL) != GW_OK)
        return NULL;
    enum gw_jwt_reason reason = gw_jwt_verify(v, token, gw_clock_real_s(gw_system_clock()), &claims);
    *out_good = reason == GW_JWT_OK;
    return gw_jwt_reason_text(reason);
}

static void print_times(struct gw_cli *cli, const json_t *claims)
{
    static const char *const names[] = {"iat", "nbf", "exp"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *value = json_object_get(claims, names[i]);
        char text[GW_TIME_LEN + 1];
        if (!json_is_integer(value))
            continue;
        gw_time_format(json_integer_value(value), text);
        fprintf(cli->out, "%s        %s\n", names[i], text);
    }
}

static int inspect(struct gw_cli *cli, struct gw_str token)
{
    struct gw_str rest = token, head = {0}, body = {0};
    bool good = false;
    if (!gw_str_split(&rest, '.', &head) || !gw_str_split(&rest, '.', &body))
        return gw_cli_fail(cli, GW_EXIT_NO, "this is no token: it has not three parts");
    gw_auto_json json_t *header = decode_part(head);
    gw_auto_json json_t *claims = decode_part(body);
    if (header == NULL || claims == NULL)
        return gw_cli_fail(cli, GW_EXIT_NO, "this is no token: a part is not JSON in base64url");
    const char *reason = verify(cli, token, &good);
    const char *verdict = reason == NULL ? "unknown" : good ? "good" : "refused";
    int status = reason == NULL ? GW_EXIT_UNKNOWN : good ? GW_EXIT_YES : GW_EXIT_NO;
    if (reason == NULL)
        reason = "there is no token key to verify it with";
    if (cli->json) {
        gw_auto_json json_t *all =
            json_pack("{s:O, s:O, s:s, s:s}", "header", header, "claims", claims, "verdict", verdict, "reason", reason);
        cli_print_json(cli, all);
        return status;
    }
    fputs("header     ", cli->out);
    json_dumpf(header, cli->out, 0);
    fputs("\nclaims     ", cli->out);
    json_dumpf(claims, cli->out, 0);
    fputc('\n', cli->out);
    print_times(cli, claims);
    fprintf(cli->out, "verdict    %s: %s\n", verdict, reason);
    return status;
}

int cmd_token_inspect(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    char text[GW_JWT_MAX_BYTES + 2];
    size_t len = fread(text, 1, sizeof(text), cli->in);
    while (len > 0 && strchr("\r\n\t ", text[len - 1]) != NULL)
        len--;
    int status =
        len == 0 || len > GW_JWT_MAX_BYTES
            ? gw_cli_fail(cli, GW_EXIT_USAGE, "give one token of at most %d bytes on standard input", GW_JWT_MAX_BYTES)
            : inspect(cli, (struct gw_str){text, len});
    gw_wipe(text, sizeof(text));
    return status;
}
