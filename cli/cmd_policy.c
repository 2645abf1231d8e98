/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti policy list|check|reload`: what the policy says, whether it is sound, and putting it in force. */
#include "call.h"
#include "commands.h"
#include "home.h"
#include "policy_text.h"

/* Settings with faults do not tell which policy is meant: then the faults are theirs, and h->policy stays NULL. */
static int load(struct gw_cli *cli, const char *file, struct cli_home *h)
{
    int status = cli_home_settings(cli, h);
    if (status != GW_EXIT_YES || gw_faults_count(h->faults) > 0)
        return status;
    return cli_home_policy(cli, file, h);
}

static void print_roles(struct gw_cli *cli, const struct gw_policy *p)
{
    fputs("\nRoles and what they hold:\n", cli->out);
    for (unsigned r = 0; r < gw_policy_role_count(p); r++) {
        struct gw_str name = gw_policy_role_name(p, r);
        fprintf(cli->out, "  %-12.*s", GW_STR_ARG(name));
        for (unsigned i = 0; i < gw_policy_permission_count(p); i++) {
            struct gw_str permission = gw_policy_permission_name(p, i);
            if (gw_policy_holds(p, (int)r, (int)i))
                fprintf(cli->out, " %.*s", GW_STR_ARG(permission));
        }
        fputc('\n', cli->out);
    }
}

static void print_routes(struct gw_cli *cli, const struct gw_policy *p)
{
    for (size_t i = 0; i < gw_policy_route_count(p); i++) {
        const struct gw_route *r = gw_policy_route(p, i);
        char access[POLICY_TEXT_MAX];
        policy_access_text(p, r, access);
        fprintf(cli->out, "%-55.*s %-26s %-8s %s\n", GW_STR_ARG(r->pattern), access, gw_risk_name(r->risk),
                policy_target_name(r->target));
    }
}

static json_t *routes_json(const struct gw_policy *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < gw_policy_route_count(p); i++) {
        const struct gw_route *r = gw_policy_route(p, i);
        char access[POLICY_TEXT_MAX];
        policy_access_text(p, r, access);
        json_array_append_new(list,
                              json_pack("{s:s%, s:s, s:s, s:s, s:s, s:s%, s:s, s:I}", "route", r->pattern.ptr,
                                        r->pattern.len, "access", access, "risk", gw_risk_name(r->risk), "answeredBy",
                                        policy_target_name(r->target), "audit", gw_audit_name(r->audit), "action",
                                        r->action.ptr != NULL ? r->action.ptr : "", r->action.len, "ui",
                                        gw_ui_name(r->ui), "line", (json_int_t)r->line));
    }
    return list;
}

int cmd_policy_list(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    cli_auto_home struct cli_home h = {0};
    int status = load(cli, NULL, &h);
    if (status != GW_EXIT_YES)
        return status;
    if (h.policy == NULL)
        return cli_fail_faults(cli, h.faults);
    if (cli->json) {
        gw_auto_json json_t *all = routes_json(h.policy);
        cli_print_json(cli, all);
        return GW_EXIT_YES;
    }
    print_routes(cli, h.policy);
    print_roles(cli, h.policy);
    return GW_EXIT_YES;
}

int cmd_policy_check(struct gw_cli *cli, int argc, char **argv)
{
    cli_auto_home struct cli_home h = {0};
    int status = load(cli, argc > 1 ? argv[1] : NULL, &h);
    if (status != GW_EXIT_YES)
        return status;
    if (gw_faults_count(h.faults) == 0 && !cli->json)
        fprintf(cli->out, "%s is sound: %zu routes.\n", h.policy_file, gw_policy_route_count(h.policy));
    return cli_print_faults(cli, h.faults);
}

/* As the answer holds them; the same lines that `policy check` prints. */
static void print_answered_faults(struct gw_cli *cli, const json_t *faults)
{
    size_t i;
    json_t *f;
    json_array_foreach ((json_t *)(uintptr_t)faults, i, f) {
        json_int_t line = json_integer_value(json_object_get(f, "line"));
        fprintf(cli->err, "%s:%lld: %s\n", cli_text(f, "file"), (long long)line, cli_text(f, "message"));
    }
}

int cmd_policy_reload(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    unsigned answer_status = 0;
    gw_auto_json json_t *answer = NULL;
    cli_auto_home struct cli_home h = {0};
    int status = cli_home_settings(cli, &h);
    if (status != GW_EXIT_YES)
        return status;
    /* Only sound settings tell where control is; without them its answer would be this one, too. */
    if (gw_faults_count(h.faults) > 0)
        return cli_print_faults(cli, h.faults);
    status = cli_try(cli, "POST", "/aaiti/v1/policy/reload", NULL, &answer_status, &answer);
    if (status != GW_EXIT_YES)
        return status;
    if (cli->json && answer != NULL)
        cli_print_json(cli, answer);
    if (answer_status >= 300) {
        print_answered_faults(cli, json_object_get(answer, "faults"));
        return gw_cli_fail(cli, answer_status < 500 ? GW_EXIT_NO : GW_EXIT_UNKNOWN, "%s", cli_text(answer, "error"));
    }
    json_int_t generation = json_integer_value(json_object_get(answer, "generation"));
    if (!cli->json && generation > 0)
        fprintf(cli->out, "In force as generation %lld.\n", (long long)generation);
    else if (!cli->json)
        fputs("The files are sound; control is not running and will read them when it starts.\n", cli->out);
    return GW_EXIT_YES;
}
