/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/head.h"

#include <string.h>

/* ---- requests ---- */

enum match { EXACT, PREFIX };
enum field {
    OTHER,
    AUTHORIZATION,
    API_KEY,
    SIGNATURE_TIMESTAMP,
    SIGNATURE_NONCE,
    SIGNATURE_CONTENT,
    SIGNATURE,
    COOKIE,
    ORIGIN,
    FETCH_SITE,
    FETCH_MODE,
    CSRF,
    ACCEPT,
    HOST,
    USER_AGENT,
    FORWARDED_FOR,
    FORWARDED,
    FORWARDED_METHOD,
    FORWARDED_URI,
    FORWARDED_HOST,
    OVERRIDE,
    CONNECTION,
    UPGRADE,
    WEBSOCKET_KEY,
    WEBSOCKET_VERSION
};
enum fate { KEEP, DROP };

struct rule {
    struct gw_str name;
    enum match match;
    enum fate fate;
    enum field field;
};

/* The first row that matches decides. */
static const struct rule request_rules[] = {
    {GW_STR("authorization"), EXACT, DROP, AUTHORIZATION},
    {GW_STR("x-api-key"), EXACT, DROP, API_KEY},
    {GW_STR("x-api-timestamp"), EXACT, DROP, SIGNATURE_TIMESTAMP},
    {GW_STR("x-api-nonce"), EXACT, DROP, SIGNATURE_NONCE},
    {GW_STR("x-api-content-sha256"), EXACT, DROP, SIGNATURE_CONTENT},
    {GW_STR("x-api-signature"), EXACT, DROP, SIGNATURE},
    {GW_STR("cookie"), EXACT, KEEP, COOKIE}, /* rebuilt when ours is in it */
    {GW_STR("origin"), EXACT, KEEP, ORIGIN},
    {GW_STR("sec-fetch-site"), EXACT, KEEP, FETCH_SITE},
    {GW_STR("sec-fetch-mode"), EXACT, KEEP, FETCH_MODE},
    {GW_STR("x-csrf-token"), EXACT, KEEP, CSRF}, /* the backend may have one of its own: dropped when it was ours */
    {GW_STR("accept"), EXACT, KEEP, ACCEPT},
    {GW_STR("host"), EXACT, KEEP, HOST},
    {GW_STR("user-agent"), EXACT, KEEP, USER_AGENT},
    /* who the client is: the gateway's to say */
    {GW_STR("x-forwarded-for"), EXACT, DROP, FORWARDED_FOR},
    {GW_STR("x-forwarded-method"), EXACT, DROP, FORWARDED_METHOD},
    {GW_STR("x-forwarded-uri"), EXACT, DROP, FORWARDED_URI},
    {GW_STR("x-forwarded-host"), EXACT, DROP, FORWARDED_HOST},
    {GW_STR("x-forwarded-"), PREFIX, DROP, OTHER},
    {GW_STR("forwarded"), EXACT, DROP, FORWARDED},
    {GW_STR("x-real-ip"), EXACT, DROP, OTHER},
    {GW_STR("x-client-ip"), EXACT, DROP, OTHER},
    {GW_STR("x-cluster-client-ip"), EXACT, DROP, OTHER},
    {GW_STR("true-client-ip"), EXACT, DROP, OTHER},
    {GW_STR("cf-connecting-ip"), EXACT, DROP, OTHER},
    {GW_STR("x-user-"), PREFIX, DROP, OTHER},
    {GW_STR("x-aaiti-"), PREFIX, DROP, OTHER},
    {GW_STR("x-request-id"), EXACT, DROP, OTHER},
    /* a certificate that nobody has shown us */
    {GW_STR("client-cert"), PREFIX, DROP, OTHER}, /* RFC 9440: Client-Cert, Client-Cert-Chain */
    {GW_STR("x-client-cert"), PREFIX, DROP, OTHER},
    {GW_STR("x-client-verify"), PREFIX, DROP, OTHER},
    {GW_STR("x-ssl-"), PREFIX, DROP, OTHER},
    {GW_STR("ssl-client-"), PREFIX, DROP, OTHER},
    /* another target or method than the one that was judged */
    {GW_STR("x-original-url"), EXACT, DROP, OVERRIDE},
    {GW_STR("x-rewrite-url"), EXACT, DROP, OVERRIDE},
    {GW_STR("x-http-method-override"), EXACT, DROP, OVERRIDE},
    {GW_STR("x-http-method"), EXACT, DROP, OVERRIDE},
    {GW_STR("x-method-override"), EXACT, DROP, OVERRIDE},
    /* hop by hop, RFC 9110 section 7.6.1 */
    {GW_STR("connection"), EXACT, DROP, CONNECTION},
    {GW_STR("keep-alive"), EXACT, DROP, OTHER},
    {GW_STR("proxy-"), PREFIX, DROP, OTHER},
    {GW_STR("te"), EXACT, DROP, OTHER},
    {GW_STR("trailer"), EXACT, DROP, OTHER},
    {GW_STR("upgrade"), EXACT, DROP, UPGRADE},
    {GW_STR("http2-settings"), EXACT, DROP, OTHER},
    {GW_STR("sec-websocket-key"), EXACT, KEEP, WEBSOCKET_KEY},
    {GW_STR("sec-websocket-version"), EXACT, KEEP, WEBSOCKET_VERSION},
    {GW_STR("sec-websocket-extensions"), EXACT, DROP, OTHER}, /* compressed, text could not be read */
};

#define CONNECTION_TOKENS_MAX 16

static bool matches(const struct rule *rule, struct gw_str name)
{
    size_t n = rule->name.len;
    if (name.len < n || (rule->match == EXACT && name.len != n) || name.ptr[0] != rule->name.ptr[0])
        return false;
    return memcmp(name.ptr, rule->name.ptr, n) == 0;
}

static const struct rule *rule_for(const struct rule *rules, size_t count, struct gw_str name)
{
    for (size_t i = 0; i < count; i++)
        if (matches(&rules[i], name))
            return &rules[i];
    return NULL;
}

/* CGI and WSGI servers read X_User_Id as X-User-Id. */
static bool has_underscore(struct gw_str name)
{
    return name.len > 0 && memchr(name.ptr, '_', name.len) != NULL;
}

static bool set_once(struct gw_str *field, struct gw_str value)
{
    if (field->ptr != NULL)
        return false;
    *field = value.ptr != NULL ? value : GW_STR("");
    return true;
}

/* Looked at by the one request that is asked about another: of any other a second one says nothing. */
static bool note_forwarded(struct gw_str *field, struct gw_str value, struct gw_forwarded_request *f)
{
    f->stands_twice = !set_once(field, value) || f->stands_twice;
    return true;
}

static bool read_field(enum field field, struct gw_header *h, struct gw_head_fields *out)
{
    switch (field) {
    case AUTHORIZATION:
        out->authorization_header = h;
        return set_once(&out->authorization, h->value);
    case API_KEY:
        out->api_key_header = h;
        return set_once(&out->api_key, h->value);
    case SIGNATURE_TIMESTAMP:
        return set_once(&out->signature.timestamp, h->value);
    case SIGNATURE_NONCE:
        return set_once(&out->signature.nonce, h->value);
    case SIGNATURE_CONTENT:
        return set_once(&out->signature.content, h->value);
    case SIGNATURE:
        return set_once(&out->signature.signature, h->value);
    case ORIGIN:
        return set_once(&out->origin, h->value);
    case FETCH_SITE:
        return set_once(&out->fetch_site, h->value);
    case HOST:
        return set_once(&out->host, h->value);
    case COOKIE:
        return gw_cookie_find_ours(h->value, &out->cookies);
    case CSRF:
        out->csrf_header = h;
        return set_once(&out->csrf, h->value);
    case USER_AGENT:
        (void)set_once(&out->user_agent, h->value);
        return true;
    case ACCEPT:
        (void)set_once(&out->accept, h->value);
        return true;
    case FETCH_MODE:
        (void)set_once(&out->fetch_mode, h->value);
        return true;
    case FORWARDED_FOR:
        out->forwarded_for_headers++;
        return true;
    case FORWARDED:
        out->forwarded_headers++;
        return true;
    case FORWARDED_METHOD:
        return note_forwarded(&out->forwarded_request.method, h->value, &out->forwarded_request);
    case FORWARDED_URI:
        return note_forwarded(&out->forwarded_request.uri, h->value, &out->forwarded_request);
    case FORWARDED_HOST:
        return note_forwarded(&out->forwarded_request.host, h->value, &out->forwarded_request);
    case OVERRIDE:
        out->overrides = true;
        return true;
    case CONNECTION:
        return set_once(&out->upgrade.connection, h->value);
    case UPGRADE:
        return set_once(&out->upgrade.upgrade, h->value);
    case WEBSOCKET_KEY:
        return set_once(&out->upgrade.key, h->value);
    case WEBSOCKET_VERSION:
        return set_once(&out->upgrade.version, h->value);
    case OTHER:
        return true;
    }
    return false;
}

void gw_head_drop(struct gw_request_head *head, struct gw_str name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (gw_str_eq_nocase(head->headers[i].name, name))
            head->headers[i].drop = true;
}

/* What Connection lists was meant for this hop. "close" and "keep-alive" name no header of the message. */
static bool drop_listed(struct gw_request_head *head, struct gw_str list)
{
    struct gw_str token;
    for (unsigned n = 0; gw_str_split(&list, ',', &token); n++) {
        if (n == CONNECTION_TOKENS_MAX)
            return false;
        token = gw_str_trim(token);
        if (!gw_str_eq_nocase(token, GW_STR("close")) && !gw_str_eq_nocase(token, GW_STR("keep-alive")))
            gw_head_drop(head, token);
    }
    return true;
}

bool gw_head_read(struct gw_request_head *head, struct gw_str credential_header, struct gw_head_fields *out)
{
    const size_t rule_count = sizeof(request_rules) / sizeof(request_rules[0]);
    *out = (struct gw_head_fields){0};
    for (size_t i = 0; i < head->header_count; i++) {
        struct gw_header *h = &head->headers[i];
        const struct rule *rule = rule_for(request_rules, rule_count, h->name);
        h->drop = (rule != NULL && rule->fate == DROP) || has_underscore(h->name) ||
                  (credential_header.len > 0 && gw_str_eq_nocase(h->name, credential_header));
        if (rule != NULL && !read_field(rule->field, h, out))
            return false;
    }
    if (gw_cookies_have_ours(&out->cookies))
        gw_head_drop(head, GW_STR("cookie"));
    return out->upgrade.connection.len == 0 || drop_listed(head, out->upgrade.connection);
}

void gw_head_keep_credential(struct gw_request_head *head, const struct gw_head_fields *fields)
{
    if (fields->authorization_header != NULL)
        fields->authorization_header->drop = false;
    if (fields->api_key_header != NULL)
        fields->api_key_header->drop = false;
    if (!gw_cookies_have_ours(&fields->cookies))
        return;
    for (size_t i = 0; i < head->header_count; i++)
        if (gw_str_eq(head->headers[i].name, GW_STR("cookie")))
            head->headers[i].drop = false;
}

static void append(char **at, struct gw_str s)
{
    memcpy(*at, s.ptr, s.len);
    *at += s.len;
}

enum gw_code gw_head_other_cookies(const struct gw_request_head *head, struct gw_arena *a, struct gw_str *out)
{
    size_t max = 0;
    for (size_t i = 0; i < head->header_count; i++)
        if (gw_str_eq(head->headers[i].name, GW_STR("cookie")))
            max += 2 * head->headers[i].value.len + 2; /* a separator a pair: "; " for ";" */
    char *text = gw_arena_alloc(a, max), *at = text;
    if (text == NULL)
        return GW_ENOMEM;
    for (size_t i = 0; i < head->header_count; i++) {
        struct gw_str list = head->headers[i].value, pair;
        if (!gw_str_eq(head->headers[i].name, GW_STR("cookie")))
            continue;
        while (gw_str_split(&list, ';', &pair)) {
            pair = gw_str_trim(pair);
            if (pair.len == 0 || gw_cookie_is_ours(pair))
                continue;
            if (at != text)
                append(&at, GW_STR("; "));
            append(&at, pair);
        }
    }
    *out = (struct gw_str){text, (size_t)(at - text)};
    return GW_OK;
}

/* ---- answers ---- */

static const struct rule response_rules[] = {
    {GW_STR("access-control-"), PREFIX, DROP, OTHER},
    {GW_STR("ratelimit"), PREFIX, DROP, OTHER},
    {GW_STR("x-ratelimit-"), PREFIX, DROP, OTHER},
    {GW_STR("x-rate-limit-"), PREFIX, DROP, OTHER},
    {GW_STR("timing-allow-origin"), EXACT, DROP, OTHER},
    {GW_STR("x-powered-by"), EXACT, DROP, OTHER},
    {GW_STR("x-aspnet"), PREFIX, DROP, OTHER},
    {GW_STR("x-generator"), EXACT, DROP, OTHER},
    {GW_STR("x-runtime"), EXACT, DROP, OTHER},
    {GW_STR("x-served-by"), EXACT, DROP, OTHER},
    {GW_STR("x-backend-server"), EXACT, DROP, OTHER},
    {GW_STR("server"), EXACT, DROP, OTHER},
    {GW_STR("set-cookie"), EXACT, KEEP, COOKIE},
    /* of this hop, and who stands behind it */
    {GW_STR("upgrade"), EXACT, DROP, OTHER},
    {GW_STR("sec-websocket-extensions"), EXACT, DROP, OTHER},
    {GW_STR("trailer"), EXACT, DROP, OTHER},
    {GW_STR("via"), EXACT, DROP, OTHER},
    {GW_STR("proxy-"), PREFIX, DROP, OTHER},
    {GW_STR("authorization"), EXACT, DROP, OTHER}, /* a token that the backend renews is no client's */
    {GW_STR("x-aaiti-"), PREFIX, DROP, OTHER},
    /* would end the session, or send the client past the gateway or its reports elsewhere */
    {GW_STR("clear-site-data"), EXACT, DROP, OTHER},
    {GW_STR("alt-svc"), EXACT, DROP, OTHER},
    {GW_STR("refresh"), EXACT, DROP, OTHER},
    {GW_STR("nel"), EXACT, DROP, OTHER},
    {GW_STR("report-to"), EXACT, DROP, OTHER},
    {GW_STR("reporting-endpoints"), EXACT, DROP, OTHER},
    {GW_STR("content-security-policy-report-only"), EXACT, DROP, OTHER},
    {GW_STR("x-request-id"), EXACT, DROP, OTHER},
    /* the gateway's own: once */
    {GW_STR("x-content-type-options"), EXACT, DROP, OTHER},
    {GW_STR("x-frame-options"), EXACT, DROP, OTHER},
    {GW_STR("content-security-policy"), EXACT, DROP, OTHER},
    {GW_STR("referrer-policy"), EXACT, DROP, OTHER},
    {GW_STR("permissions-policy"), EXACT, DROP, OTHER},
    {GW_STR("cross-origin-opener-policy"), EXACT, DROP, OTHER},
    {GW_STR("cross-origin-resource-policy"), EXACT, DROP, OTHER},
    {GW_STR("strict-transport-security"), EXACT, DROP, OTHER},
    {GW_STR("feature-policy"), EXACT, DROP, OTHER},
    {GW_STR("service-worker-allowed"), EXACT, DROP, OTHER},
    /* what caches obey rather than the next */
    {GW_STR("surrogate-control"), EXACT, DROP, OTHER},
    {GW_STR("cdn-cache-control"), EXACT, DROP, OTHER},
    {GW_STR("cloudflare-cdn-cache-control"), EXACT, DROP, OTHER},
    {GW_STR("akamai-cache-control"), EXACT, DROP, OTHER},
    {GW_STR("cache-control"), EXACT, DROP, OTHER},
};

/* A cookie without a name goes out again as its bare value: "=NAME=x" would come back to us as NAME=x. */
static bool sets_cookie_of_ours(struct gw_str value)
{
    struct gw_str pair = gw_str_sub(value, 0, gw_str_find(value, ';'));
    size_t equals = gw_str_find(pair, '=');
    bool has_name = equals < pair.len && gw_str_trim(gw_str_sub(pair, 0, equals)).len > 0;
    return !has_name || gw_cookie_is_ours(pair);
}

bool gw_response_header_is_dropped(struct gw_str name, struct gw_str value)
{
    const struct rule *rule = rule_for(response_rules, sizeof(response_rules) / sizeof(response_rules[0]), name);
    if (rule == NULL)
        return false;
    return rule->fate == DROP || sets_cookie_of_ours(value);
}

/* RFC 9110 section 12.5.5: a list of names, or `*`, which names all. */
bool gw_vary_has_origin(struct gw_str value)
{
    struct gw_str name;
    while (gw_str_split(&value, ',', &name)) {
        name = gw_str_trim(name);
        if (gw_str_eq(name, GW_STR("*")) || gw_str_eq_nocase(name, GW_STR("Origin")))
            return true;
    }
    return false;
}
