/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aaiti explain METHOD PATH [--as USER|ROLE]`: what each stage would say to such a request and why, in the order of the
 * pipeline, by the same functions. Nothing is sent anywhere.
 */
#include "call.h"
#include "commands.h"
#include "home.h"
#include "policy/path.h"
#include "policy_text.h"

#include <stdarg.h>

#define EXPLAIN_TEXT_MAX 512
#define NAME_MAX_BYTES 128 /* of users, roles and ids, with room */

struct asker {
    bool signed_in, active;
    char user[NAME_MAX_BYTES], role[NAME_MAX_BYTES], upstream_id[NAME_MAX_BYTES];
    bool is_user; /* a user of the gateway, not a role alone */
};

struct explain {
    struct gw_cli *cli;
    struct cli_home h;
    struct gw_target_uri uri;
    const struct gw_route *route;
    enum gw_method method;
    struct asker who;
    json_t *stages;
    bool refused;
};

static void explain_done(struct explain *e)
{
    json_decref(e->stages);
    cli_home_done(&e->h);
}

enum outcome { PASSES, REFUSES };

static void GW_PRINTF(4, 5) say(struct explain *e, const char *stage, enum outcome outcome, const char *fmt, ...)
{
    char text[EXPLAIN_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    e->refused = e->refused || outcome == REFUSES;
    if (!e->cli->json)
        fprintf(e->cli->out, "%-14s %s  %s\n", stage, outcome == PASSES ? "ok" : "NO", text);
    json_array_append_new(e->stages,
                          json_pack("{s:s, s:b, s:s}", "stage", stage, "ok", outcome == PASSES, "text", text));
}

/* ---- the stages, in the order of pipeline/pipeline.c ---- */

static void explain_path(struct explain *e, const char *raw)
{
    struct gw_error err = {0};
    enum gw_code code = gw_path_canonical(gw_str(raw), &e->h.arena, &e->uri, &err);
    if (code == GW_OK)
        say(e, "path", PASSES, "canonical form %.*s", GW_STR_ARG(e->uri.canonical));
    else
        say(e, "path", REFUSES, "%d: %s", code == GW_ELIMIT ? 414 : 400, err.msg);
}

static void explain_route(struct explain *e)
{
    char access[POLICY_TEXT_MAX];
    e->route = gw_policy_match(e->h.policy, e->method, e->uri.path, e->uri.query);
    if (e->route == NULL) {
        say(e, "route", REFUSES, "403: no route of the policy names this method and path");
        return;
    }
    policy_access_text(e->h.policy, e->route, access);
    say(e, "route", PASSES, "%.*s (line %u): %s, risk %s, answered by %s", GW_STR_ARG(e->route->pattern),
        e->route->line, access, gw_risk_name(e->route->risk), policy_target_name(e->route->target));
}

static void explain_authenticate(struct explain *e)
{
    const struct asker *who = &e->who;
    if (!who->signed_in)
        say(e, "authenticate", PASSES, "nobody is signed in");
    else if (who->is_user && !who->active)
        say(e, "authenticate", REFUSES, "401: %s is disabled", who->user);
    else
        say(e, "authenticate", PASSES, "%s%s%s", who->user, who->is_user ? ", role " : "",
            who->is_user ? who->role : "");
}

static void explain_authorise(struct explain *e)
{
    int role = e->who.signed_in ? gw_policy_role(e->h.policy, gw_str(e->who.role)) : -1;
    switch (gw_policy_access(e->h.policy, e->route, role)) {
    case GW_ACCESS_YES:
        say(e, "authorise", PASSES, "allowed");
        return;
    case GW_ACCESS_NEEDS_SIGN_IN:
        say(e, "authorise", REFUSES, "401: the route wants somebody signed in");
        return;
    case GW_ACCESS_NO:
        say(e, "authorise", REFUSES,
            e->route->access == GW_ACCESS_DENY ? "403: the route is denied to everybody"
                                               : "403: the role lacks the right");
        return;
    }
}

static void explain_cross_site(struct explain *e)
{
    if (e->who.signed_in && !gw_method_is_safe(e->method))
        say(e, "cross-site", PASSES, "with a Bearer token; by cookie it needs proof of the same origin");
}

static void explain_identity(struct explain *e)
{
    const struct gw_upstream *u = gw_policy_upstream(e->h.policy);
    static const char *const credentials[] = {
        [GW_CREDENTIAL_NONE] = "no credential",
        [GW_CREDENTIAL_MINT_HS256] = "a minted HS256 token",
        [GW_CREDENTIAL_BASIC] = "Basic credentials",
        [GW_CREDENTIAL_HEADER] = "a fixed header",
    };
    if (e->route->target != GW_TARGET_BACKEND)
        return;
    if (u->needs_upstream_id && e->who.is_user && e->who.upstream_id[0] == '\0')
        say(e, "identity", REFUSES,
            "403: %s has no id at the backend; set one with `aaiti user set %s --upstream-id ID`", e->who.user,
            e->who.user);
    else
        say(e, "identity", PASSES, "to %.*s with %s in place of the client's", GW_STR_ARG(u->url),
            credentials[u->credential]);
}

static void explain_all(struct explain *e, const char *raw)
{
    explain_path(e, raw);
    if (!e->refused)
        explain_route(e);
    if (!e->refused)
        explain_authenticate(e);
    if (!e->refused)
        explain_authorise(e);
    if (!e->refused)
        explain_cross_site(e);
    if (!e->refused)
        explain_identity(e);
}

/* ---- who asks ---- */

static int find_user(struct explain *e, const char *name)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    gw_auto_json json_t *user = NULL;
    cli_target(&target, "/aaiti/v1/users/", name, "");
    int status = cli_call(e->cli, "GET", target.ptr, NULL, &user);
    if (status != GW_EXIT_YES)
        return status;
    const char *upstream_id = json_string_value(json_object_get(user, "upstreamId"));
    e->who =
        (struct asker){.signed_in = true, .is_user = true, .active = json_is_true(json_object_get(user, "active"))};
    if (!gw_str_copy(gw_str(cli_text(user, "username")), e->who.user, sizeof(e->who.user)) ||
        !gw_str_copy(gw_str(cli_text(user, "role")), e->who.role, sizeof(e->who.role)) ||
        !gw_str_copy(gw_str(upstream_id), e->who.upstream_id, sizeof(e->who.upstream_id)))
        return gw_cli_fail(e->cli, GW_EXIT_UNKNOWN, "control's answer makes no sense");
    return GW_EXIT_YES;
}

static int find_asker(struct explain *e, const char *as)
{
    if (as == NULL)
        return GW_EXIT_YES;
    if (gw_policy_role(e->h.policy, gw_str(as)) < 0)
        return find_user(e, as);
    e->who.signed_in = true;
    snprintf(e->who.user, sizeof(e->who.user), "role %s", as);
    snprintf(e->who.role, sizeof(e->who.role), "%s", as);
    return GW_EXIT_YES;
}

static int load(struct explain *e)
{
    int status = cli_home_settings(e->cli, &e->h);
    if (status == GW_EXIT_YES && gw_faults_count(e->h.faults) == 0)
        status = cli_home_policy(e->cli, NULL, &e->h);
    if (status != GW_EXIT_YES || e->h.policy != NULL)
        return status;
    cli_print_faults(e->cli, e->h.faults);
    return GW_EXIT_UNKNOWN;
}

static int explain(struct explain *e, char **argv)
{
    int status = load(e);
    if (status == GW_EXIT_YES)
        status = find_asker(e, gw_cli_value(e->cli, "--as"));
    if (status != GW_EXIT_YES)
        return status;
    e->method = gw_method_parse(gw_str(argv[1]));
    e->stages = json_array();
    explain_all(e, argv[2]);
    if (e->cli->json) {
        gw_auto_json json_t *all = json_pack("{s:b, s:O}", "allowed", !e->refused, "stages", e->stages);
        cli_print_json(e->cli, all);
    }
    return e->refused ? GW_EXIT_NO : GW_EXIT_YES;
}

int cmd_explain(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    __attribute__((cleanup(explain_done))) struct explain e = {.cli = cli};
    return explain(&e, argv);
}
