/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an API key's row says of its name, scopes and networks. Wildcards among scopes are written out when the key is made: what a
 * later policy adds under the same name was not meant.
 */
#include "identity/state.h"
#include "policy/policy.h"
#include <assert.h>
#include <gw/gate.h>
#include <string.h>

/* Printable ASCII that JSON needs no escapes for: it is shown on terminals and in records as it is. */
static bool is_name(struct gw_str s)
{
    for (size_t n = 0; n < s.len; n++)
        if (s.ptr[n] < ' ' || s.ptr[n] >= 0x7f || s.ptr[n] == '"' || s.ptr[n] == '\\')
            return false;
    return s.len <= GW_API_KEY_NAME_MAX;
}

/* A list of words with a blank between, as a row has it. */
struct words {
    char *text;
    size_t size, len, count, max;
};

static bool has_word(const struct words *w, struct gw_str word)
{
    struct gw_str rest = {w->text, w->len}, one;
    while (w->len > 0 && gw_str_split(&rest, ' ', &one))
        if (gw_str_eq(one, word))
            return true;
    return false;
}

/* False: there is no room. */
static bool add_word(struct words *w, struct gw_str word)
{
    if (has_word(w, word))
        return true;
    if (w->count == w->max || w->len + 1 + word.len >= w->size)
        return false;
    if (w->len > 0)
        w->text[w->len++] = ' ';
    memcpy(w->text + w->len, word.ptr, word.len);
    w->len += word.len;
    w->text[w->len] = '\0';
    w->count++;
    return true;
}

/* The next of a list with commas, without its blanks. An empty list has none, but "a," has an empty second one. */
static bool next_of(struct gw_str *rest, struct gw_str *out)
{
    if (!gw_str_split(rest, ',', out))
        return false;
    *out = gw_str_trim(*out);
    return true;
}

static enum gw_code add_scope(struct words *w, struct gw_str scope, struct gw_error *err)
{
    if (add_word(w, scope))
        return GW_OK;
    return gw_fail(err, GW_EINVAL,
                   "/scopes: more than %d permissions, wildcards counted as what they stand for; without scopes a key "
                   "has all that its owner has",
                   GW_SHARED_KEY_SCOPES_MAX);
}

static enum gw_code add_wildcard(struct words *w, const struct gw_policy *p, struct gw_str scope, struct gw_error *err)
{
    struct gw_str prefix = gw_str_sub(scope, 0, scope.len - 1);
    size_t before = w->count;
    for (unsigned n = 0; n < gw_policy_permission_count(p); n++)
        if (gw_str_starts(gw_policy_permission_name(p, n), prefix))
            GW_TRY(add_scope(w, gw_policy_permission_name(p, n), err));
    return w->count > before
               ? GW_OK
               : gw_fail(err, GW_EINVAL,
                         "/scopes: no permission of the policy matches `%.*s`, or none beyond those named",
                         GW_STR_ARG(scope));
}

static enum gw_code set_scopes(struct gw_api_key_row *r, const struct gw_policy *p, struct gw_str list,
                               struct gw_error *err)
{
    struct words w = {.text = r->scopes, .size = sizeof(r->scopes), .max = GW_SHARED_KEY_SCOPES_MAX};
    struct gw_str rest = list.len > 0 ? list : GW_STR_NULL, scope;
    while (next_of(&rest, &scope)) {
        bool is_wildcard = scope.len > 2 && gw_str_eq(gw_str_sub(scope, scope.len - 2, 2), GW_STR(":*"));
        bool is_known = gw_str_eq(scope, GW_STR(GW_SIGNED_IN_SCOPE)) || gw_policy_permission(p, scope) >= 0;
        if (!is_wildcard && !is_known)
            return gw_fail(err, GW_EINVAL, "/scopes: the policy has no permission `%.*s`", GW_STR_ARG(scope));
        GW_TRY(is_wildcard ? add_wildcard(&w, p, scope, err) : add_scope(&w, scope, err));
    }
    return GW_OK;
}

static enum gw_code set_networks(struct gw_api_key_row *r, struct gw_str list, struct gw_error *err)
{
    struct words w = {.text = r->networks, .size = sizeof(r->networks), .max = GW_SHARED_KEY_NETWORKS_MAX};
    struct gw_str rest = list.len > 0 ? list : GW_STR_NULL, text;
    struct gw_cidr ignored;
    while (next_of(&rest, &text)) {
        if (gw_cidr_parse(text, &ignored) != GW_OK)
            return gw_fail(err, GW_EINVAL, "/networks: expected CIDRs such as 192.0.2.0/24, not `%.*s`",
                           GW_STR_ARG(text));
        if (!add_word(&w, text))
            return gw_fail(err, GW_EINVAL, "/networks: more than %d networks", GW_SHARED_KEY_NETWORKS_MAX);
    }
    return GW_OK;
}

static_assert(GW_CLIENT_FINGERPRINT_BYTES == sizeof(((struct gw_api_key_row *)NULL)->hash), "both are a SHA-256");

/* It is good no longer than it is itself. */
static enum gw_code set_certificate(struct gw_api_key_row *r, const struct gw_client_certificate *c,
                                    struct gw_error *err)
{
    if (c == NULL)
        return GW_OK;
    if (r->is_signed)
        return gw_fail(err, GW_EINVAL, "/certificate: goes without `signed`");
    if (c->not_after_s <= r->created_s)
        return gw_fail(err, GW_EINVAL, "/certificate: its time is over");
    r->is_certificate = true;
    memcpy(r->hash, c->fingerprint, sizeof(r->hash));
    if (r->expires_s == 0 || r->expires_s > c->not_after_s)
        r->expires_s = c->not_after_s;
    return GW_OK;
}

enum gw_code gw_api_key_fill(struct gw_identity *i, const struct gw_policy *p, const struct gw_api_key_new *n,
                             struct gw_api_key_row *r, struct gw_error *err)
{
    r->user_id = *n->user_id;
    r->created_s = gw_clock_real_s(i->options.clock);
    r->expires_s = n->ttl_s > 0 ? r->created_s + n->ttl_s : 0;
    r->is_signed = n->is_signed;
    GW_TRY(set_certificate(r, n->certificate, err));
    if (!is_name(n->name) || !gw_str_copy(n->name, r->name, sizeof(r->name)))
        return gw_fail(err, GW_EINVAL, "/name: expected at most %d printable characters of ASCII, without \" and \\",
                       GW_API_KEY_NAME_MAX);
    GW_TRY(set_scopes(r, p, n->scopes, err));
    return set_networks(r, n->networks, err);
}
