/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_words.h"

#include "call.h"
#include "policy_text.h"

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
void cli_explain_tell(const struct explain *e, enum gw_stage_id stage, struct gw_buf *b)
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
    case GW_STAGE_UPGRADE:
        gw_buf_add(b, e->asked.route->websocket != NULL ? GW_STR("as the handshake of a WebSocket, which it opens")
                                                        : GW_STR("no socket"));
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
