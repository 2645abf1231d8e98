/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aaiti explain ID`: why a request was refused (explain_id.c).
 *
 * `aaiti explain METHOD PATH [--as USER|ROLE | --key ID] [--from ADDRESS]`: what each stage would say to such a request and why. The gate's own stages are asked
 * (pipeline/rehearse.h); here are only the words for what they say. Nothing is sent anywhere.
 */
#include "call.h"
#include "commands.h"
#include "explain_id.h"
#include "home.h"
#include "modes.h"
#include "pipeline/rehearse.h"
#include "policy_text.h"
#include "token/api_key.h"

#include <string.h>

#define EXPLAIN_TEXT_MAX 1024
#define FOREIGN GW_STR("cross-site")

struct explain {
    struct gw_cli *cli;
    struct cli_home h;
    struct gw_mode_set modes;
    struct gw_str method, target;
    struct gw_ip client;
    bool has_client;
    struct gw_live_block block; /* that the client is under */
    bool has_block;
    bool signed_in, is_role; /* is_role: anybody of that role, no user in particular */
    struct gw_live_user who;
    bool by_key;
    struct gw_live_key key;
    char key_text[GW_API_KEY_LEN + 1]; /* its id, as the list shows it */
    json_t *key_shown;                 /* as control shows it */
    struct gw_rehearsed asked;         /* with a Bearer token or the key, or by nobody; the answer */
    struct gw_rehearsed by_cookie;     /* the same by cookie, without proof of the same origin */
    struct gw_rehearsed foreign;       /* the same from another site's page */
};

static void explain_done(struct explain *e)
{
    cli_home_done(&e->h);
    json_decref(e->key_shown);
}

/* ---- what the stages say ---- */

static enum gw_code rehearse(struct explain *e, enum gw_credential_kind by, struct gw_str fetch_site,
                             struct gw_rehearsed *out, struct gw_error *err)
{
    const struct gw_rehearsal request = {
        .policy = e->h.policy,
        .settings = &e->h.settings,
        .method = e->method,
        .target = e->target,
        .user = e->signed_in ? &e->who : NULL,
        .by = e->signed_in ? by : GW_CREDENTIAL_ABSENT,
        .fetch_site = fetch_site,
        .key = &e->key,
        .modes = &e->modes,
        .block = e->has_block ? &e->block : NULL,
        .client = e->client,
        .now_s = gw_clock_real_s(gw_system_clock()),
    };
    return gw_rehearse(&request, &e->h.arena, out, err);
}

static enum gw_code rehearse_all(struct explain *e, struct gw_error *err)
{
    if (e->key.is_certificate) { /* as by cookie */
        GW_TRY(rehearse(e, GW_CREDENTIAL_CERTIFICATE, GW_STR("same-origin"), &e->asked, err));
        GW_TRY(rehearse(e, GW_CREDENTIAL_CERTIFICATE, GW_STR_NULL, &e->by_cookie, err));
        return rehearse(e, GW_CREDENTIAL_CERTIFICATE, FOREIGN, &e->foreign, err);
    }
    if (e->by_key) { /* no browser attaches one by itself */
        GW_TRY(rehearse(e, GW_CREDENTIAL_KEY, GW_STR_NULL, &e->asked, err));
        e->by_cookie = e->foreign = e->asked;
        return GW_OK;
    }
    GW_TRY(rehearse(e, GW_CREDENTIAL_BEARER, GW_STR_NULL, &e->asked, err));
    GW_TRY(rehearse(e, GW_CREDENTIAL_COOKIE, GW_STR_NULL, &e->by_cookie, err));
    return rehearse(e, GW_CREDENTIAL_BEARER, FOREIGN, &e->foreign, err);
}

/* ---- in words ---- */

static void tell_address(const struct explain *e, struct gw_buf *b)
{
    size_t networks = e->h.settings.trusted_proxies.count;
    gw_buf_addf(b, "the peer's own; %s is believed from ",
                e->h.settings.proxy_header == GW_PROXY_FORWARDED ? "Forwarded" : "X-Forwarded-For");
    if (networks == 0)
        gw_buf_add(b, GW_STR("nobody"));
    else
        gw_buf_addf(b, "%zu network%s (trusted_proxies)", networks, networks == 1 ? "" : "s");
}

static void tell_block(const struct explain *e, struct gw_buf *b)
{
    char network[GW_CIDR_LEN + 1], until[GW_TIME_LEN + 1];
    if (!e->has_block) {
        gw_buf_add(b, e->has_client ? GW_STR("neither blocked nor suspicious")
                                    : GW_STR("as long as the client's address is not blocked"));
        return;
    }
    gw_cidr_format(&e->block.network, network);
    gw_time_format(e->block.expires_s, until);
    bool is_allowed = gw_cidrs_contain(e->h.settings.allow.item, e->h.settings.allow.count, &e->client);
    gw_buf_addf(b, "%s is %s until %s", network, e->block.kind == GW_BLOCK_FULL ? "blocked" : "suspicious", until);
    gw_buf_add(b, is_allowed                       ? GW_STR("; the setting `allow` wins")
                  : e->block.kind == GW_BLOCK_FULL ? GW_STR("; held until it is known who asks")
                                                   : GW_STR(": half of its limits, growing whole again"));
}

static void tell_class(const struct gw_limit_class *c, struct gw_buf *b)
{
    const char *between = "";
    gw_buf_addf(b, "%.*s (", GW_STR_ARG(c->name));
    for (int kind = 0; kind < GW_LIMIT_KINDS; kind++)
        if (c->rates[kind].rate.limit > 0) {
            gw_buf_addf(b, "%s%u in %u s", between, c->rates[kind].rate.limit, c->rates[kind].window_s);
            between = ", ";
        }
    gw_buf_add(b, GW_STR(")"));
}

static void tell_rate(const struct explain *e, struct gw_buf *b)
{
    gw_buf_add(b, GW_STR("as long as the address keeps below "));
    tell_class(gw_policy_limit(e->h.policy, GW_LIMIT_FLOOD), b);
}

static void tell_quota(const struct explain *e, struct gw_buf *b)
{
    const struct gw_budget *budget = &e->asked.budget;
    if (budget->of == GW_BUDGET_OF_NOBODY) {
        gw_buf_add(b, GW_STR("not counted: no limit keeps a user from what reduces risk"));
        return;
    }
    static const char *const whose[] = {
        [GW_BUDGET_OF_ADDRESS] = "address", [GW_BUDGET_OF_USER] = "user", [GW_BUDGET_OF_KEY] = "key"};
    gw_buf_addf(b, "counts for the %s in ", whose[budget->of]);
    for (size_t i = 0; i < budget->count; i++) {
        gw_buf_add(b, i > 0 ? GW_STR(" and ") : GW_STR(""));
        tell_class(budget->classes[i], b);
    }
}

static void tell_cors(const struct explain *e, struct gw_buf *b)
{
    struct gw_option_strings lists[GW_ORIGIN_LISTS];
    size_t count = 0, list_count = gw_settings_origins(&e->h.settings, lists);
    for (size_t i = 0; i < list_count; i++)
        count += lists[i].count;
    if (count == 0)
        gw_buf_add(b, GW_STR("as long as no page of another origin asks for it: cors.origins lists none"));
    else
        gw_buf_addf(b, "from no browser, our own pages, or those of %zu listed origin%s (cors.origins)", count,
                    count == 1 ? "" : "s");
}

static void tell_route(const struct explain *e, struct gw_buf *b)
{
    const struct gw_route *route = e->asked.route;
    char access[POLICY_TEXT_MAX];
    policy_access_text(e->h.policy, route, access);
    gw_buf_addf(b, "canonical form %.*s; ", GW_STR_ARG(e->asked.target));
    gw_buf_add(b, route->pattern);
    if (route->line > 0)
        gw_buf_addf(b, " (line %u)", route->line);
    gw_buf_addf(b, ": %s, risk %s, answered by %s", access, gw_risk_name(route->risk),
                policy_target_name(route->target));
    if (route->ui != GW_UI_API)
        gw_buf_addf(b, " with %s", route->ui == GW_UI_PAGE ? "a page" : "what a page is made of");
}

static void tell_held(const struct explain *e, struct gw_buf *b)
{
    if (e->asked.route->risk == GW_RISK_REDUCES)
        gw_buf_add(b, GW_STR("reduces risk: who is signed in gets through from a blocked address, too"));
    else
        gw_buf_add(b, GW_STR("nothing"));
}

static void add_list(struct gw_buf *b, const json_t *list)
{
    size_t i;
    const json_t *one;
    json_array_foreach (list, i, one)
        gw_buf_addf(b, "%s%s", i > 0 ? ", " : "", json_string_value(one));
}

static void tell_key(const struct explain *e, struct gw_buf *b)
{
    gw_buf_addf(b, "API key %s of %s, role %s", e->key_text, e->who.username, e->who.role);
    if (e->key.scope_count > 0) {
        gw_buf_add(b, GW_STR(", for "));
        add_list(b, json_object_get(e->key_shown, "scopes"));
    }
    if (e->key.is_signed)
        gw_buf_add(b, GW_STR("; if the signature is right"));
    if (e->key.network_count > 0 && !e->has_client) {
        gw_buf_add(b, GW_STR("; if it comes from "));
        add_list(b, json_object_get(e->key_shown, "networks"));
    }
}

/* Control takes no nonces, so it refuses what is signed; and it sees no certificate. */
static bool is_no_key_of_control(const struct explain *e)
{
    return e->by_key && (e->key.is_signed || e->key.is_certificate) && gw_target_is_control(e->asked.route->target);
}

static void tell_token(const struct explain *e, struct gw_buf *b)
{
    if (!e->signed_in)
        gw_buf_add(b, GW_STR("nobody is signed in"));
    else if (is_no_key_of_control(e))
        gw_buf_addf(b, "control takes no %s: it answers 401 where it wants to know who asks",
                    e->key.is_certificate ? "certificate" : "key that signs");
    else if (e->asked.route->target == GW_TARGET_CONTROL && e->asked.route->access == GW_ACCESS_PUBLIC)
        gw_buf_add(b, GW_STR("counts for the budget alone; control looks at it again, and decides"));
    else if (!e->asked.signed_in && e->asked.route->target != GW_TARGET_BACKEND)
        gw_buf_add(b, GW_STR("not looked at; the answer is anybody's"));
    else if (!e->asked.signed_in)
        gw_buf_addf(b, "%s is disabled, here as good as nobody", e->who.username);
    else if (e->by_key)
        tell_key(e, b);
    else if (e->is_role)
        gw_buf_addf(b, "anybody of role %s who has an id at the backend", e->who.role);
    else
        gw_buf_addf(b, "%s, role %s", e->who.username, e->who.role);
}

static void tell_access(const struct explain *e, struct gw_buf *b)
{
    const struct gw_route *route = e->asked.route;
    char access[POLICY_TEXT_MAX];
    policy_access_text(e->h.policy, route, access);
    gw_buf_addf(b, "allowed: %s", access);
    if (route->target == GW_TARGET_CONTROL)
        gw_buf_add(b, GW_STR("; control asks for the right that its call needs"));
}

static bool refuses_there(const struct gw_rehearsed *r)
{
    return r->opinions[GW_STAGE_CROSS_SITE].kind == GW_OPINION_REFUSES;
}

static void tell_mode(const struct explain *e, struct gw_buf *b)
{
    const struct gw_uuid *user = e->asked.signed_in ? &e->who.id : NULL;
    const struct gw_route *route = e->asked.route;
    const struct gw_mode_entry *in_force =
        gw_mode_find(&e->modes, user, route->group, gw_clock_real_s(gw_system_clock()));
    if (route->target != GW_TARGET_BACKEND)
        gw_buf_add(b, GW_STR("no mode refuses the gateway's own calls"));
    else if (in_force == NULL)
        gw_buf_addf(b, "off, for everybody and for group %.*s", GW_STR_ARG(route->group));
    else
        gw_buf_addf(b, "%s lets this through", gw_mode_name(in_force->mode));
}

static void tell_cross_site(const struct explain *e, struct gw_buf *b)
{
    unsigned status = gw_reason_status(GW_REASON_CROSS_SITE);
    if (e->key.is_certificate && refuses_there(&e->by_cookie))
        gw_buf_addf(
            b,
            "with proof of the same origin (Origin, Sec-Fetch-Site, an Authorization header of scheme Bearer); else %u",
            status);
    else if (refuses_there(&e->by_cookie))
        gw_buf_addf(b, "with a Bearer token; by cookie %u without proof of the same origin (Origin, Sec-Fetch-Site)",
                    status);
    else if (refuses_there(&e->foreign))
        gw_buf_addf(b, "from our own origin or no browser; from another site's page %u%s", status,
                    e->foreign.route->target == GW_TARGET_REFRESH ? "; the cookie counts with proof of our origin alone"
                                                                  : "");
    else if (gw_method_is_safe(gw_method_parse(e->method)))
        gw_buf_add(b, GW_STR("a safe method needs no proof of origin"));
    else
        gw_buf_add(b, GW_STR("no cookie decides here, so no proof of origin is needed"));
}

static void tell_identity(const struct explain *e, struct gw_buf *b)
{
    static const char *const credentials[] = {
        [GW_CREDENTIAL_NONE] = "no credential",
        [GW_CREDENTIAL_MINT_HS256] = "a minted HS256 token",
        [GW_CREDENTIAL_BASIC] = "Basic credentials",
        [GW_CREDENTIAL_HEADER] = "a fixed header",
    };
    const struct gw_upstream *u = gw_policy_upstream(e->h.policy);
    if (e->asked.route->target != GW_TARGET_BACKEND)
        gw_buf_addf(b, "the backend sees nothing; %s answers", policy_target_name(e->asked.route->target));
    else
        gw_buf_addf(b, "to %.*s with %s in place of the client's", GW_STR_ARG(u->url),
                    credentials[e->asked.shown ? u->credential : GW_CREDENTIAL_NONE]);
}

/* A new stage has no words here until the compiler has asked for them. */
static void tell(const struct explain *e, enum gw_stage_id stage, struct gw_buf *b)
{
    switch (stage) {
    case GW_STAGE_HEADERS:
        gw_buf_add(b, GW_STR("as long as no header that decides stands twice"));
        return;
    case GW_STAGE_ADDRESS:
        tell_address(e, b);
        return;
    case GW_STAGE_VERIFY:
        gw_buf_add(b, GW_STR("asked for itself, not by another proxy (docs/forward-auth.md)"));
        return;
    case GW_STAGE_BLOCK:
        tell_block(e, b);
        return;
    case GW_STAGE_RATE:
        tell_rate(e, b);
        return;
    case GW_STAGE_QUOTA:
        tell_quota(e, b);
        return;
    case GW_STAGE_CORS:
        tell_cors(e, b);
        return;
    case GW_STAGE_ROUTE:
        tell_route(e, b);
        return;
    case GW_STAGE_HELD:
        tell_held(e, b);
        return;
    case GW_STAGE_TOKEN:
        tell_token(e, b);
        return;
    case GW_STAGE_ACCESS:
        tell_access(e, b);
        return;
    case GW_STAGE_MODE:
        tell_mode(e, b);
        return;
    case GW_STAGE_CROSS_SITE:
        tell_cross_site(e, b);
        return;
    case GW_STAGE_IDENTITY:
        tell_identity(e, b);
        return;
    case GW_STAGE_COUNT:
        break;
    }
}

static void tell_refusal(const struct gw_opinion *o, struct gw_buf *b)
{
    gw_buf_addf(b, "%u: %s", gw_reason_status(o->reason), gw_reason_why(o->reason));
    if (o->detail != NULL)
        gw_buf_addf(b, " (%s)", o->detail);
}

static void print_stage(struct explain *e, size_t i, json_t *list)
{
    static const char *const marks[] = {
        [GW_OPINION_NOT_ASKED] = "--", [GW_OPINION_OK] = "ok", [GW_OPINION_REFUSES] = "NO"};
    const struct gw_opinion *o = &e->asked.opinions[i];
    gw_auto(gw_buf) struct gw_buf text = {0};
    gw_buf_init(&text, EXPLAIN_TEXT_MAX);
    if (o->kind == GW_OPINION_OK)
        tell(e, (enum gw_stage_id)i, &text);
    else if (o->kind == GW_OPINION_REFUSES)
        tell_refusal(o, &text);
    else
        gw_buf_add(&text, GW_STR("not asked"));
    struct gw_str shown = gw_buf_str(&text);
    if (!e->cli->json)
        fprintf(e->cli->out, "%-11s %s  %.*s\n", gw_stages[i].name, marks[o->kind], GW_STR_ARG(shown));
    json_t *ok = o->kind == GW_OPINION_NOT_ASKED ? json_null() : json_boolean(o->kind == GW_OPINION_OK);
    json_array_append_new(
        list, json_pack("{s:s, s:o, s:s%}", "stage", gw_stages[i].name, "ok", ok, "text", shown.ptr, shown.len));
}

static int print_all(struct explain *e)
{
    gw_auto_json json_t *list = json_array();
    for (size_t i = 0; i < GW_STAGE_COUNT; i++)
        print_stage(e, i, list);
    if (e->cli->json) {
        gw_auto_json json_t *all = json_pack("{s:b, s:O}", "allowed", e->asked.allowed, "stages", list);
        cli_print_json(e->cli, all);
    }
    return e->asked.allowed ? GW_EXIT_YES : GW_EXIT_NO;
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
    if (gw_uuid_parse(gw_str(cli_text(user, "id")), &e->who.id) != GW_OK)
        return gw_cli_fail(e->cli, GW_EXIT_UNKNOWN, "control's answer makes no sense");
    e->signed_in = true;
    e->who.active = json_is_true(json_object_get(user, "active"));
    if (!gw_str_copy(gw_str(cli_text(user, "username")), e->who.username, sizeof(e->who.username)) ||
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
    e->signed_in = e->is_role = true;
    e->who.active = 1;
    snprintf(e->who.role, sizeof(e->who.role), "%s", as);
    snprintf(e->who.upstream_id, sizeof(e->who.upstream_id), "any"); /* whether one has it is not the role's business */
    return GW_EXIT_YES;
}

static int take_scopes(struct explain *e)
{
    size_t i;
    const json_t *one;
    json_array_foreach (json_object_get(e->key_shown, "scopes"), i, one) {
        if (e->key.scope_count == GW_SHARED_KEY_SCOPES_MAX)
            return gw_cli_fail(e->cli, GW_EXIT_UNKNOWN, "control's answer makes no sense");
        e->key.scopes[e->key.scope_count++] = gw_key_scope(gw_str(json_string_value(one)));
    }
    json_array_foreach (json_object_get(e->key_shown, "networks"), i, one)
        if (e->key.network_count == GW_SHARED_KEY_NETWORKS_MAX ||
            gw_cidr_parse(gw_str(json_string_value(one)), &e->key.networks[e->key.network_count++]) != GW_OK)
            return gw_cli_fail(e->cli, GW_EXIT_UNKNOWN, "control's answer makes no sense");
    return GW_EXIT_YES;
}

static int take_key(struct explain *e)
{
    const json_t *k = e->key_shown;
    const char *ends = json_string_value(json_object_get(k, "expiresAt"));
    e->by_key = true;
    e->key.is_signed = json_is_true(json_object_get(k, "signed"));
    e->key.is_certificate = json_is_string(json_object_get(k, "certificate"));
    if (gw_uuid_parse(gw_str(cli_text(k, "id")), &e->key.id) != GW_OK ||
        gw_uuid_parse(gw_str(cli_text(k, "userId")), &e->key.user_id) != GW_OK ||
        (ends != NULL && gw_time_parse(gw_str(ends), &e->key.expires_s) != GW_OK) ||
        !gw_str_copy(gw_str(cli_text(k, "key")), e->key_text, sizeof(e->key_text)))
        return gw_cli_fail(e->cli, GW_EXIT_UNKNOWN, "control's answer makes no sense");
    return take_scopes(e);
}

/* By its public id or its UUID. A whole key belongs into no argument list, and is not looked for. */
static int find_key(struct explain *e, const char *id)
{
    gw_auto_json json_t *answer = NULL;
    size_t i;
    json_t *k;
    if (id == NULL)
        return GW_EXIT_YES;
    int status = cli_call(e->cli, "GET", "/aaiti/v1/api-keys?user=all", NULL, &answer);
    if (status != GW_EXIT_YES)
        return status;
    json_array_foreach (json_object_get(answer, "apiKeys"), i, k)
        if (strcmp(cli_text(k, "key"), id) == 0 || strcmp(cli_text(k, "id"), id) == 0)
            e->key_shown = json_incref(k);
    if (e->key_shown == NULL)
        return gw_cli_fail(e->cli, GW_EXIT_NO, "there is no such API key: `aaiti apikey list` shows their ids");
    status = take_key(e);
    return status == GW_EXIT_YES ? find_user(e, cli_text(e->key_shown, "userId")) : status;
}

/* Of those that the address is in: a block before a suspect, the longest network first, as workers choose. */
static int take_block(struct explain *e, const json_t *b)
{
    struct gw_live_block found = {.kind =
                                      strcmp(cli_text(b, "kind"), "suspect") == 0 ? GW_BLOCK_SUSPECT : GW_BLOCK_FULL};
    if (gw_cidr_parse(gw_str(cli_text(b, "network")), &found.network) != GW_OK ||
        gw_time_parse(gw_str(cli_text(b, "since")), &found.since_s) != GW_OK ||
        gw_time_parse(gw_str(cli_text(b, "until")), &found.expires_s) != GW_OK)
        return gw_cli_fail(e->cli, GW_EXIT_UNKNOWN, "control's answer makes no sense");
    if (!e->has_block || found.kind < e->block.kind ||
        (found.kind == e->block.kind && found.network.bits > e->block.network.bits))
        e->block = found;
    e->has_block = true;
    return GW_EXIT_YES;
}

static int find_block(struct explain *e, const char *from)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    gw_auto_json json_t *answer = NULL;
    size_t i;
    json_t *b;
    if (from == NULL)
        return GW_EXIT_YES;
    if (gw_ip_parse(gw_str(from), &e->client) != GW_OK)
        return gw_cli_fail(e->cli, GW_EXIT_USAGE, "--from wants an address such as 192.0.2.7 or 2001:db8::1");
    e->has_client = true;
    cli_target(&target, "/aaiti/v1/blocks?address=", from, "");
    int status = cli_call(e->cli, "GET", target.ptr, NULL, &answer);
    json_array_foreach (json_object_get(answer, "blocks"), i, b)
        if (status == GW_EXIT_YES)
            status = take_block(e, b);
    return status;
}

static int load(struct explain *e)
{
    int status = cli_home_settings(e->cli, &e->h);
    if (status == GW_EXIT_YES && gw_faults_count(e->h.faults) == 0)
        status = cli_home_policy(e->cli, NULL, &e->h);
    if (status != GW_EXIT_YES)
        return status;
    return e->h.policy != NULL ? cli_modes(e->cli, &e->modes) : cli_fail_faults(e->cli, e->h.faults);
}

static int explain(struct explain *e, char **argv)
{
    int status = load(e);
    if (status == GW_EXIT_YES)
        status = find_asker(e, gw_cli_value(e->cli, "--as"));
    if (status == GW_EXIT_YES)
        status = find_key(e, gw_cli_value(e->cli, "--key"));
    if (status == GW_EXIT_YES)
        status = find_block(e, gw_cli_value(e->cli, "--from"));
    if (status != GW_EXIT_YES)
        return status;
    e->method = gw_str(argv[1]);
    e->target = gw_str(argv[2]);
    struct gw_error err = {0};
    return rehearse_all(e, &err) == GW_OK ? print_all(e) : gw_cli_fail_error(e->cli, &err);
}

int cmd_explain(struct gw_cli *cli, int argc, char **argv)
{
    bool has_key = gw_cli_value(cli, "--key") != NULL, has_as = gw_cli_value(cli, "--as") != NULL;
    if (argc == 2 && (has_as || has_key || gw_cli_value(cli, "--from") != NULL))
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--as, --key and --from are for METHOD and PATH");
    if (has_as && has_key)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "a key speaks for its owner: give --as or --key");
    if (argc == 2)
        return cli_explain_id(cli, argv[1]);
    __attribute__((cleanup(explain_done))) struct explain e = {.cli = cli};
    return explain(&e, argv);
}
