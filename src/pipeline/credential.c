/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9110 section 11.4 (the scheme has no case), RFC 6265 section 5.2 (blanks around name and value do not count). */
#include "pipeline/credential.h"

#include "token/api_key.h"

/* Where c keeps the value of such a pair; NULL: it is not ours. */
static struct gw_str *slot_of(struct gw_own_cookies *c, struct gw_str pair)
{
    struct gw_str name = gw_str_trim(gw_str_sub(pair, 0, gw_str_find(pair, '=')));
    if (gw_str_eq(name, GW_STR(GW_SESSION_COOKIE)))
        return &c->session;
    if (gw_str_eq(name, GW_STR(GW_REFRESH_COOKIE)))
        return &c->refresh;
    return gw_str_eq(name, GW_STR(GW_DEVICE_COOKIE)) ? &c->device : NULL;
}

bool gw_cookie_is_ours(struct gw_str pair)
{
    return slot_of(&(struct gw_own_cookies){.session = GW_STR_NULL}, pair) != NULL;
}

bool gw_cookie_find_ours(struct gw_str cookie, struct gw_own_cookies *io)
{
    struct gw_str pair;
    while (gw_str_split(&cookie, ';', &pair)) {
        struct gw_str *value = slot_of(io, pair);
        if (value == NULL)
            continue;
        if (value->ptr != NULL && value == &io->session)
            return false;
        *value = value->ptr != NULL ? GW_STR("") : gw_str_trim(gw_str_sub(pair, gw_str_find(pair, '=') + 1, pair.len));
    }
    return true;
}

static bool is_no_token(struct gw_str token)
{
    return token.len == 0 || gw_str_eq(token, GW_STR("null")) || gw_str_eq(token, GW_STR("undefined"));
}

/* The cookie is no second opinion: browsers send it by themselves. */
static void choose(struct gw_client_credential *c, struct gw_str token, struct gw_str api_key, struct gw_str cookie)
{
    bool has_token = !is_no_token(token), has_key = !is_no_token(api_key);
    if (has_key && has_token && !gw_str_eq(api_key, token)) {
        c->kind = GW_CREDENTIAL_TWO;
    } else if (has_key) {
        c->kind = GW_CREDENTIAL_KEY;
        c->token = api_key;
    } else if (has_token) {
        c->kind = gw_api_key_is_one(token) ? GW_CREDENTIAL_KEY : GW_CREDENTIAL_BEARER;
        c->token = token;
    } else if (!is_no_token(cookie)) {
        c->kind = GW_CREDENTIAL_COOKIE;
        c->token = cookie;
    }
}

struct gw_client_credential gw_credential_choose(struct gw_str authorization, struct gw_str api_key,
                                                 struct gw_str session_cookie)
{
    struct gw_client_credential c = {.kind = GW_CREDENTIAL_ABSENT};
    authorization = gw_str_trim(authorization);
    size_t space = gw_str_find(authorization, ' ');
    c.has_bearer_scheme = gw_str_eq_nocase(gw_str_sub(authorization, 0, space), GW_STR("Bearer"));
    struct gw_str token = gw_str_trim(gw_str_sub(authorization, space, authorization.len));
    choose(&c, c.has_bearer_scheme ? token : GW_STR_NULL, gw_str_trim(api_key), session_cookie);
    return c;
}
