/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aaiti explain ID`: why a request was refused (explain_id.c).
 *
 * `aaiti explain METHOD PATH [--as USER|ROLE | --key ID] [--from ADDRESS]`: what each stage would say to such a request and why. The gate's own stages are asked
 * (pipeline/rehearse.h); the words for what they say are those of explain_words.c. Nothing is sent anywhere.
 */
#include "call.h"
#include "commands.h"
#include "explain_id.h"
#include "explain_words.h"
#include "modes.h"

#include <string.h>

#define EXPLAIN_TEXT_MAX 1024
#define FOREIGN GW_STR("cross-site")

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

/* ---- what is printed ---- */

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
        cli_explain_tell(e, (enum gw_stage_id)i, &text);
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
