/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti user import`: takes over the users of an A.A.I.T.I database, with their bcrypt hashes and their ids there. */
#include "call.h"
#include "commands.h"
#include "store/import_aaiti.h"

#include <string.h>

struct import {
    struct gw_cli *cli;
    json_t *results; /* {username, result, detail} for each */
    unsigned refused;
    int status; /* why the walk was ended, when it was */
};

static void report(struct import *im, struct gw_str username, const char *result, const char *detail)
{
    if (!im->cli->json)
        fprintf(im->cli->out, "%-8s %.*s%s%s\n", result, GW_STR_ARG(username), detail != NULL ? ": " : "",
                detail != NULL ? detail : "");
    json_array_append_new(im->results, json_pack("{s:s%, s:s, s:s*}", "username", username.ptr, username.len, "result",
                                                 result, "detail", detail));
}

static enum gw_code import_user(void *ctx, const struct gw_aaiti_user *u, struct gw_error *err)
{
    struct import *im = ctx;
    unsigned answer = 0;
    gw_auto_json json_t *body = NULL;
    json_t *user =
        json_pack("{s:s%, s:s%, s:s%, s:s%, s:s%, s:b}", "username", u->username.ptr, u->username.len, "email",
                  u->email.ptr, u->email.len, "role", u->role.ptr, u->role.len, "upstreamId", u->id.ptr, u->id.len,
                  "passwordHash", u->password_hash.ptr, u->password_hash.len, "active", (int)u->active);
    if (user == NULL) {
        im->refused++;
        report(im, GW_STR("?"), "refused", "the row is not UTF-8");
        return GW_OK;
    }
    im->status = cli_try(im->cli, "POST", "/aaiti/v1/users/import", user, &answer, &body);
    if (im->status != GW_EXIT_YES)
        return gw_fail(err, GW_EBACKEND, "the call failed");
    if (answer < 300)
        report(im, u->username, "added", NULL);
    else if (answer == 409)
        report(im, u->username, "kept", "a user of that name or e-mail is there");
    else {
        const char *detail = json_string_value(json_object_get(body, "detail"));
        im->refused++;
        report(im, u->username, "refused", detail != NULL ? detail : cli_text(body, "error"));
    }
    return GW_OK;
}

int cmd_user_import(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct gw_error err = {0};
    struct import im = {.cli = cli};
    const char *file = gw_cli_value(cli, "--from-aaiti");
    if (file == NULL)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--from-aaiti FILE.db is needed");
    gw_auto_json json_t *results = im.results = json_array();
    enum gw_code code = gw_aaiti_user_each(file, import_user, &im, &err);
    if (im.status != GW_EXIT_YES)
        return im.status; /* was said */
    if (code != GW_OK)
        return gw_cli_fail_error(cli, &err);
    if (cli->json)
        cli_print_json(cli, results);
    return im.refused == 0 ? GW_EXIT_YES : GW_EXIT_NO;
}
