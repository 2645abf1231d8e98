/* SPDX-License-Identifier: Apache-2.0 */
/* A ticket is a token of another type, by the key of access tokens: so every worker can tell a good one, and none can make one where tokens are EdDSA. */
#include "identity/identity.h"

#include "identity/state.h"

enum gw_code gw_sign_ticket(struct gw_identity *i, const struct gw_caller *caller, struct gw_str path,
                            struct gw_buf *out, struct gw_error *err)
{
    const struct gw_settings *settings = i->options.settings;
    char sub[GW_UUID_LEN + 1];
    struct gw_jwt_issue issue = {
        .type = GW_STR(GW_JWT_TICKET_TYPE),
        .issuer = settings->token_issuer,
        .audience = settings->token_audience,
        .path = path,
        .sid = caller->session_id,
        .iat_s = gw_clock_real_s(i->options.clock),
    };
    gw_uuid_format(&caller->user.id, sub);
    issue.sub = gw_str(sub);
    issue.exp_s = issue.iat_s + GW_TICKET_S;
    GW_TRY(gw_uuid_v7(i->options.random, i->options.clock, &issue.jti, err));
    gw_buf_init(out, GW_JWT_MAX_BYTES);
    pthread_mutex_lock(&i->tokens);
    enum gw_code code = gw_jwt_sign_access(i->signer, &issue, out, err);
    pthread_mutex_unlock(&i->tokens);
    return code;
}
