/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti user …`: the management calls for users, from the terminal. */
#include "call.h"
#include "commands.h"
#include "password.h"

#include <string.h>

#define USERS "/aaiti/v1/users"

static void print_user(struct gw_cli *cli, const json_t *u)
{
    fprintf(cli->out, "%-20s %-10s %-9s %-8s %-38s %s\n", cli_text(u, "username"), cli_text(u, "role"),
            json_is_true(json_object_get(u, "active")) ? "active" : "disabled",
            json_is_true(json_object_get(u, "service")) ? "service" : "person", cli_text(u, "upstreamId"),
            cli_text(u, "email"));
}

/* Shows the answer as JSON, or says that it is done; a notice tells what the user still lacks. */
static int finish(struct gw_cli *cli, int status, json_t *answer, const char *done)
{
    gw_auto_json json_t *owned = answer;
    const char *notice = json_string_value(json_object_get(owned, "notice"));
    if (status != GW_EXIT_YES)
        return status;
    if (cli->json)
        cli_print_json(cli, owned);
    else
        fprintf(cli->out, "%s\n", done);
    if (notice != NULL)
        fprintf(cli->err, "aaiti: %s\n", notice);
    return GW_EXIT_YES;
}

static void set_string(struct gw_cli *cli, json_t *body, const char *option, const char *member)
{
    const char *value = gw_cli_value(cli, option);
    if (value != NULL)
        json_object_set_new(body, member, json_string(value));
}

int cmd_user_add(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    gw_auto(gw_buf) struct gw_buf password = {0};
    json_t *answer = NULL;
    const char *role = gw_cli_value(cli, "--role");
    if (role == NULL)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--role is needed; `aaiti policy list` shows the roles");
    gw_auto_json json_t *body = json_pack("{s:s, s:s}", "username", argv[1], "role", role);
    if (body == NULL)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "the name is not UTF-8");
    set_string(cli, body, "--email", "email");
    set_string(cli, body, "--upstream-id", "upstreamId");
    bool is_service = gw_cli_value(cli, "--service") != NULL;
    if (is_service && gw_cli_value(cli, "--password-stdin") != NULL)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "a service user has no password; leave --password-stdin away");
    if (is_service)
        json_object_set_new(body, "service", json_true());
    if (!is_service && gw_cli_value(cli, "--no-password") == NULL) {
        int status = cli_read_password(cli, argv[1], &password);
        if (status != GW_EXIT_YES)
            return status;
        json_object_set_new(body, "password", json_stringn(password.ptr, password.len));
    }
    int status = cli_call(cli, "POST", USERS, json_incref(body), &answer);
    return finish(cli, status, answer, "The user was added.");
}

int cmd_user_list(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    gw_auto_json json_t *answer = NULL;
    size_t i;
    json_t *u;
    int status = cli_call(cli, "GET", USERS, NULL, &answer);
    if (status != GW_EXIT_YES)
        return status;
    const json_t *users = json_object_get(answer, "users");
    if (cli->json) {
        cli_print_json(cli, users);
        return GW_EXIT_YES;
    }
    fprintf(cli->out, "%-20s %-10s %-9s %-8s %-38s %s\n", "USERNAME", "ROLE", "STATE", "KIND", "UPSTREAM ID", "E-MAIL");
    json_array_foreach ((json_t *)(uintptr_t)users, i, u)
        print_user(cli, u);
    return GW_EXIT_YES;
}

static int change(struct gw_cli *cli, const char *name, json_t *body, const char *done)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    json_t *answer = NULL;
    cli_target(&target, USERS "/", name, "");
    int status = cli_call(cli, "PATCH", target.ptr, body, &answer);
    return finish(cli, status, answer, done);
}

int cmd_user_set(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    gw_auto_json json_t *body = json_object();
    set_string(cli, body, "--role", "role");
    set_string(cli, body, "--email", "email");
    set_string(cli, body, "--upstream-id", "upstreamId");
    if (json_object_size(body) == 0)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "nothing to set; give --role, --email or --upstream-id");
    return change(cli, argv[1], json_incref(body), "The user was changed.");
}

int cmd_user_set_role(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    return change(cli, argv[1], json_pack("{s:s}", "role", argv[2]), "The role was changed; it counts from now on.");
}

int cmd_user_enable(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    return change(cli, argv[1], json_pack("{s:b}", "active", 1), "The user may sign in.");
}

int cmd_user_disable(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    return change(cli, argv[1], json_pack("{s:b}", "active", 0),
                  "The user is disabled and all its sessions have ended.");
}

int cmd_user_delete(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    gw_auto(gw_buf) struct gw_buf target = {0};
    json_t *answer = NULL;
    cli_target(&target, USERS "/", argv[1], "");
    int status = cli_call(cli, "DELETE", target.ptr, NULL, &answer);
    if (status == GW_EXIT_YES && answer == NULL)
        answer = json_pack("{s:s}", "deleted", argv[1]);
    return finish(cli, status, answer, "The user was deleted.");
}

/* A new password shuts nobody out who has a key. */
static void tell_keys(struct gw_cli *cli, const json_t *answer)
{
    json_int_t left = json_integer_value(json_object_get(answer, "apiKeys"));
    if (left > 0)
        fprintf(cli->err, "aaiti: API keys of the user that go on: %lld (`aaiti apikey list`, --revoke-api-keys)\n",
                (long long)left);
}

int cmd_user_passwd(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    gw_auto(gw_buf) struct gw_buf target = {0};
    gw_auto(gw_buf) struct gw_buf password = {0};
    json_t *answer = NULL;
    int revokes = gw_cli_value(cli, "--revoke-api-keys") != NULL;
    if (gw_cli_value(cli, "--reset-code") != NULL) {
        cli_target(&target, USERS "/", argv[1], "/reset");
        int status = cli_call(cli, "POST", target.ptr, json_pack("{s:b}", "revokeApiKeys", revokes), &answer);
        tell_keys(cli, answer);
        /* The code is what was asked for: it goes to the terminal and nowhere else. */
        gw_auto(gw_buf) struct gw_buf done = {0};
        gw_buf_init(&done, 512);
        gw_buf_addf(&done, "One-time code: %s", cli_text(answer, "code"));
        return finish(cli, status, answer, done.ptr);
    }
    int status = cli_read_password(cli, argv[1], &password);
    if (status != GW_EXIT_YES)
        return status;
    cli_target(&target, USERS "/", argv[1], "/password");
    json_t *body = json_pack("{s:s%, s:b}", "newPassword", password.ptr, password.len, "revokeApiKeys", revokes);
    status = cli_call(cli, "PUT", target.ptr, body, &answer);
    tell_keys(cli, answer);
    return finish(cli, status, answer, "The password was changed and all sessions of the user have ended.");
}
