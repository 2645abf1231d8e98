/* SPDX-License-Identifier: Apache-2.0 */
/* The section `upstream`: where the backend is, and how the gateway presents a user to it. */
#include "policy/load.h"

#include <string.h>

#define CLAIMS_MAX 16
#define NAME_MAX_BYTES 64
#define FILE_MAX_BYTES 1000
#define URL_MAX_BYTES 300

/* ---- url ---- */

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
}

static bool is_host(struct gw_str host, bool in_brackets)
{
    struct gw_ip ip;
    if (in_brackets)
        return gw_ip_parse(host, &ip) == GW_OK && memchr(host.ptr, ':', host.len) != NULL;
    for (size_t i = 0; i < host.len; i++)
        if (!is_host_byte(host.ptr[i]))
            return false;
    return host.len > 0 && host.len <= 253;
}

/* http://HOST:PORT and nothing behind it: the path of a request is the client's, not the policy's. */
static bool read_url(struct gw_str url, struct gw_upstream *out)
{
    struct gw_str scheme = GW_STR("http://");
    if (!gw_str_starts(url, scheme))
        return false;
    struct gw_str rest = gw_str_sub(url, scheme.len, url.len);
    bool in_brackets = rest.len > 0 && rest.ptr[0] == '[';
    size_t end = gw_str_find(rest, in_brackets ? ']' : ':');
    struct gw_str host = in_brackets ? gw_str_sub(rest, 1, end - 1) : gw_str_sub(rest, 0, end);
    struct gw_str colon = gw_str_sub(rest, in_brackets ? end + 1 : end, rest.len);
    int64_t port = 0;
    if (!is_host(host, in_brackets) || colon.len == 0 || colon.ptr[0] != ':' ||
        !gw_str_to_i64(gw_str_sub(colon, 1, colon.len), &port) || port < 1 || port > 65535)
        return false;
    out->url = url;
    out->host = host;
    out->port = (unsigned)port;
    return true;
}

static void load_url(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_str override)
{
    struct gw_upstream *u = &l->policy->upstream;
    struct gw_str url;
    static const char expected[] = "expected http://HOST:PORT without a path";
    if (gw_load_text(l, node, "upstream.url", URL_MAX_BYTES, &url) && !read_url(url, u))
        GW_LOAD_FAULT(l, node->line, "upstream.url: %s, not \"%.*s\"", expected, GW_STR_ARG(url));
    if (override.len == 0)
        return;
    if (gw_arena_str(&l->policy->arena, override, &url) != GW_OK || !read_url(url, u))
        gw_faults_add(l->faults, "settings", 0, "upstream.url: %s, not \"%.*s\"", expected, GW_STR_ARG(override));
}

/* ---- claims ---- */

static bool load_literal(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_claim_rule *out)
{
    static const struct gw_str keys[] = {GW_STR("literal")};
    const struct gw_yaml *text = gw_yaml_get(node, keys[0]);
    if (!gw_load_map(l, node, "claim", keys, 1))
        return false;
    if (text == NULL) {
        GW_LOAD_FAULT(l, node->line, "claim: expected {literal: text}");
        return false;
    }
    out->source = GW_CLAIM_LITERAL;
    return gw_load_text(l, text, "claim.literal", 256, &out->literal);
}

static bool load_claim(struct gw_policy_loader *l, const struct gw_yaml *node, struct gw_claim_rule *out)
{
    static const char *const sources[] = {
        [GW_CLAIM_UPSTREAM_ID] = "upstream_id",
        [GW_CLAIM_USER_ID] = "user_id",
        [GW_CLAIM_USERNAME] = "username",
        [GW_CLAIM_EMAIL] = "email",
        [GW_CLAIM_ROLE] = "role",
        [GW_CLAIM_LITERAL] = NULL,
    };
    if (!gw_load_is_name(node->key, NAME_MAX_BYTES)) {
        GW_LOAD_FAULT(l, node->key_line, "expected a claim name of letters, digits, _ and -, not \"%.*s\"",
                      GW_STR_ARG(node->key));
        return false;
    }
    if (gw_str_eq(node->key, GW_STR("iat")) || gw_str_eq(node->key, GW_STR("exp"))) {
        GW_LOAD_FAULT(l, node->key_line, "claim `%.*s` is set by the gateway", GW_STR_ARG(node->key));
        return false;
    }
    if (gw_arena_str(&l->policy->arena, node->key, &out->name) != GW_OK) {
        GW_LOAD_FAULT(l, node->key_line, "no memory for the claims");
        return false;
    }
    if (node->kind == GW_YAML_MAP)
        return load_literal(l, node, out);
    int source = 0;
    if (!gw_load_choice(l, node, "claim", sources, &source))
        return false;
    out->source = (enum gw_claim_source)source;
    return true;
}

static void load_claims(struct gw_policy_loader *l, const struct gw_yaml *node)
{
    struct gw_upstream *u = &l->policy->upstream;
    if (node->kind != GW_YAML_MAP || node->count == 0 || node->count > CLAIMS_MAX) {
        GW_LOAD_FAULT(l, node->line, "claims: expected a map of 1 to %d claims", CLAIMS_MAX);
        return;
    }
    struct gw_claim_rule *claims = gw_arena_calloc(&l->policy->arena, node->count, sizeof(*claims));
    if (claims == NULL) {
        GW_LOAD_FAULT(l, node->line, "no memory for the claims");
        return;
    }
    for (const struct gw_yaml *child = node->first; child != NULL; child = child->next) {
        struct gw_claim_rule *claim = &claims[u->claim_count];
        if (!load_claim(l, child, claim))
            continue;
        u->claim_count++;
        u->needs_upstream_id = u->needs_upstream_id || claim->source == GW_CLAIM_UPSTREAM_ID;
    }
    u->claims = claims;
}

/* ---- credential ---- */

static const struct gw_yaml *need(struct gw_policy_loader *l, const struct gw_yaml *map, const char *key)
{
    const struct gw_yaml *node = gw_yaml_get(map, gw_str(key));
    if (node == NULL)
        GW_LOAD_FAULT(l, map->line, "`%s` is missing here", key);
    return node;
}

static void load_key_file(struct gw_policy_loader *l, const struct gw_yaml *map)
{
    const struct gw_yaml *node = need(l, map, "key_file");
    if (node != NULL)
        gw_load_text(l, node, "key_file", FILE_MAX_BYTES, &l->policy->upstream.key_file);
}

static void load_mint(struct gw_policy_loader *l, const struct gw_yaml *map)
{
    static const struct gw_str keys[] = {GW_STR("mint"), GW_STR("key_file"), GW_STR("ttl"), GW_STR("claims")};
    static const char *const algorithms[] = {"hs256", NULL};
    static const struct gw_option ttl_row = {.key = "ttl", .type = GW_OPT_DURATION, .min = 5000, .max = 3600000};
    struct gw_upstream *u = &l->policy->upstream;
    int algorithm;
    int64_t ttl_ms = 60000;
    gw_load_map(l, map, "credential", keys, sizeof(keys) / sizeof(keys[0]));
    gw_load_choice(l, gw_yaml_get(map, keys[0]), "mint", algorithms, &algorithm);
    load_key_file(l, map);
    const struct gw_yaml *ttl = gw_yaml_get(map, keys[2]);
    if (ttl != NULL)
        gw_option_parse(&ttl_row, ttl, l->file, &l->policy->arena, &ttl_ms, l->faults);
    const struct gw_yaml *claims = need(l, map, "claims");
    if (claims != NULL)
        load_claims(l, claims);
    u->credential = GW_CREDENTIAL_MINT_HS256;
    u->ttl_s = ttl_ms / 1000;
}

static void load_basic(struct gw_policy_loader *l, const struct gw_yaml *map)
{
    static const struct gw_str outer[] = {GW_STR("basic")}, inner[] = {GW_STR("key_file")};
    const struct gw_yaml *basic = gw_yaml_get(map, outer[0]);
    gw_load_map(l, map, "credential", outer, 1);
    if (gw_load_map(l, basic, "basic", inner, 1))
        load_key_file(l, basic);
    l->policy->upstream.credential = GW_CREDENTIAL_BASIC;
}

/* Headers that say where a message ends or goes: a secret in their place would change the request itself. */
static bool is_framing_header(struct gw_str name)
{
    static const struct gw_str names[] = {GW_STR("host"),         GW_STR("connection"),        GW_STR("content-length"),
                                          GW_STR("content-type"), GW_STR("transfer-encoding"), GW_STR("upgrade"),
                                          GW_STR("te"),           GW_STR("trailer"),           GW_STR("expect"),
                                          GW_STR("keep-alive")};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (gw_str_eq_nocase(names[i], name))
            return true;
    return false;
}

static void load_header(struct gw_policy_loader *l, const struct gw_yaml *map)
{
    static const struct gw_str outer[] = {GW_STR("header")}, inner[] = {GW_STR("name"), GW_STR("key_file")};
    struct gw_upstream *u = &l->policy->upstream;
    const struct gw_yaml *header = gw_yaml_get(map, outer[0]);
    u->credential = GW_CREDENTIAL_HEADER;
    gw_load_map(l, map, "credential", outer, 1);
    if (!gw_load_map(l, header, "header", inner, 2))
        return;
    load_key_file(l, header);
    const struct gw_yaml *name = need(l, header, "name");
    if (name == NULL || !gw_load_text(l, name, "header.name", NAME_MAX_BYTES, &u->header))
        return;
    if (!gw_load_is_name(u->header, NAME_MAX_BYTES) || is_framing_header(u->header))
        GW_LOAD_FAULT(l, name->line, "header.name: expected a header such as X-Api-Key, not \"%.*s\"",
                      GW_STR_ARG(u->header));
}

static void load_credential(struct gw_policy_loader *l, const struct gw_yaml *node)
{
    static const struct {
        struct gw_str key;
        void (*load)(struct gw_policy_loader *l, const struct gw_yaml *map);
    } kinds[] = {{GW_STR("mint"), load_mint}, {GW_STR("basic"), load_basic}, {GW_STR("header"), load_header}};
    if (node->kind == GW_YAML_SCALAR && gw_str_eq(node->text, GW_STR("none")))
        return;
    for (size_t i = 0; node->kind == GW_YAML_MAP && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (gw_yaml_get(node, kinds[i].key) == NULL)
            continue;
        kinds[i].load(l, node);
        return;
    }
    GW_LOAD_FAULT(l, node->line, "credential: expected {mint: hs256, …}, {basic: …}, {header: …} or none");
}

static void override_key_file(struct gw_policy_loader *l, struct gw_str key_file)
{
    struct gw_upstream *u = &l->policy->upstream;
    if (key_file.len == 0)
        return;
    if (u->credential == GW_CREDENTIAL_NONE)
        gw_faults_add(l->faults, "settings", 0,
                      "upstream.key_file: the policy's credential is none, which needs no key");
    else if (gw_arena_str(&l->policy->arena, key_file, &u->key_file) != GW_OK)
        gw_faults_add(l->faults, "settings", 0, "upstream.key_file: no memory");
}

void gw_load_upstream(struct gw_policy_loader *l, const struct gw_yaml *section,
                      const struct gw_upstream_override *override)
{
    static const struct gw_str keys[] = {GW_STR("url"), GW_STR("credential")};
    static const struct gw_upstream_override nothing = {GW_STR_NULL, GW_STR_NULL};
    const struct gw_upstream_override *set = override != NULL ? override : &nothing;
    if (!gw_load_map(l, section, "upstream", keys, 2))
        return;
    const struct gw_yaml *url = need(l, section, "url");
    if (url != NULL)
        load_url(l, url, set->url);
    const struct gw_yaml *credential = need(l, section, "credential");
    if (credential == NULL)
        return;
    load_credential(l, credential);
    override_key_file(l, set->key_file);
}
