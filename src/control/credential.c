/* SPDX-License-Identifier: Apache-2.0 */
#include "control/credential.h"
#include "pipeline/head.h"

struct gw_str gw_credential_bearer(struct gw_str authorization)
{
    const struct gw_str scheme = GW_STR("Bearer ");
    authorization = gw_str_trim(authorization);
    if (!gw_str_starts_nocase(authorization, scheme))
        return GW_STR_NULL;
    struct gw_str token = gw_str_trim(gw_str_sub(authorization, scheme.len, authorization.len));
    if (gw_str_eq(token, GW_STR("null")) || gw_str_eq(token, GW_STR("undefined")))
        return GW_STR_NULL;
    return token;
}

struct gw_str gw_credential_cookie(struct gw_str cookie)
{
    struct gw_str pair, value = GW_STR_NULL;
    size_t count = 0;
    while (gw_str_split(&cookie, ';', &pair)) {
        pair = gw_str_trim(pair);
        size_t equals = gw_str_find(pair, '=');
        if (!gw_str_eq(gw_str_sub(pair, 0, equals), GW_STR(GW_SESSION_COOKIE)) || equals == pair.len)
            continue;
        value = gw_str_sub(pair, equals + 1, pair.len);
        count++;
    }
    return count == 1 ? value : GW_STR_NULL;
}
