/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_id.h"
#include "call.h"

#include <string.h>

#define LINE "%-8s "

static const char *without_prefix(const char *id)
{
    static const char *const prefixes[] = {"urn:aaiti:request:", "urn:uuid:"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncmp(id, prefixes[i], strlen(prefixes[i])) == 0)
            return id + strlen(prefixes[i]);
    return id;
}

static void print_request(struct gw_cli *cli, const json_t *told)
{
    fprintf(cli->out, LINE "%s at %s\n", "request", cli_text(told, "requestId"), cli_text(told, "time"));
}

static void print_reason(struct gw_cli *cli, const json_t *told)
{
    const json_t *status = json_object_get(told, "status");
    const char *detail = json_string_value(json_object_get(told, "detail"));
    if (status == NULL || json_is_null(status)) {
        fprintf(cli->out, LINE "for a reason that this version does not know\n", "refused");
        return;
    }
    fprintf(cli->out, LINE "%d %s: %s%s%s%s\n", "refused", (int)json_integer_value(status), cli_text(told, "reason"),
            cli_text(told, "why"), detail != NULL ? " (" : "", detail != NULL ? detail : "", detail != NULL ? ")" : "");
}

static bool is_unknown(const json_t *told, const char *member)
{
    size_t i;
    json_t *name;
    json_array_foreach (json_object_get(told, "unknown"), i, name)
        if (strcmp(json_string_value(name), member) == 0)
            return true;
    return false;
}

/* One that is unknown is another thing than none. */
static void print_name(struct gw_cli *cli, const json_t *told, const char *member, const char *unknown,
                       const char *none)
{
    const char *name = json_string_value(json_object_get(told, member));
    if (name == NULL)
        name = is_unknown(told, member) ? unknown : none;
    fprintf(cli->out, LINE "%s\n", member, name);
}

static void print_roles(struct gw_cli *cli, const json_t *roles)
{
    size_t i;
    json_t *role;
    if (json_array_size(roles) == 0)
        fputs(", which no role holds", cli->out);
    json_array_foreach ((json_t *)(uintptr_t)roles, i, role)
        fprintf(cli->out, "%s%s", i == 0 ? "; held by " : ", ", json_string_value(role));
}

static void print_needed(struct gw_cli *cli, const json_t *told)
{
    static const char *const access[][2] = {
        {"deny", "nothing helps: the route is denied to everybody"},
        {"public", "nothing: the route is open to everybody"},
        {"signed-in", "a live session, of any role"},
    };
    const json_t *needed = json_object_get(told, "needed");
    const char *name = json_string_value(json_object_get(needed, "access"));
    if (!json_is_object(needed))
        return;
    fprintf(cli->out, LINE, "needed");
    if (is_unknown(told, "needed"))
        fputs("a right that the policy in force does not know", cli->out);
    for (size_t i = 0; name != NULL && i < sizeof(access) / sizeof(access[0]); i++)
        if (strcmp(name, access[i][0]) == 0)
            fputs(access[i][1], cli->out);
    if ((name = json_string_value(json_object_get(needed, "role"))) != NULL)
        fprintf(cli->out, "role %s", name);
    if ((name = json_string_value(json_object_get(needed, "permission"))) != NULL) {
        fprintf(cli->out, "permission %s", name);
        print_roles(cli, json_object_get(needed, "roles"));
    }
    fputc('\n', cli->out);
}

static void print_policy(struct gw_cli *cli, const json_t *told)
{
    const json_t *policy = json_object_get(told, "policy"), *in_force = json_object_get(policy, "inForce");
    json_int_t generation = json_integer_value(json_object_get(policy, "generation"));
    if (generation == 0) {
        fprintf(cli->out, LINE "none yet\n", "policy");
        return;
    }
    fprintf(cli->out, LINE "generation %lld, ", "policy", (long long)generation);
    if (json_is_null(in_force))
        fputs("of a gateway that does not run now; names are as its files have them\n", cli->out);
    else if (json_is_true(in_force))
        fputs("still in force\n", cli->out);
    else
        fputs("no longer in force: settings or policy were changed since, and roles are as of now\n", cli->out);
}

int cli_explain_id(struct gw_cli *cli, const char *id)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    gw_auto_json json_t *told = NULL;
    cli_target(&target, "/aaiti/v1/refusals/", without_prefix(id), "");
    int status = gw_buf_check(&target, NULL) == GW_OK ? cli_call(cli, "GET", target.ptr, NULL, &told)
                                                      : gw_cli_fail(cli, GW_EXIT_NO, "that is too long for an id");
    if (status != GW_EXIT_YES)
        return status;
    if (cli->json) {
        cli_print_json(cli, told);
        return GW_EXIT_YES;
    }
    print_request(cli, told);
    print_reason(cli, told);
    print_name(cli, told, "stage", "one that this version does not have", "none: before, between or after them");
    print_name(cli, told, "route", "one that the policy in force does not have", "none of the policy");
    print_needed(cli, told);
    print_policy(cli, told);
    return GW_EXIT_YES;
}
