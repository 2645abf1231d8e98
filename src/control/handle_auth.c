/* SPDX-License-Identifier: Apache-2.0 */
/* The sign-in calls, in the shapes of the backend that the gateway answers for (A.A.I.T.I v1.2.1), or supersets of them. */
#include "control/exchange.h"
#include "control/log.h"
#include "pipeline/credential.h"

#define COOKIE GW_SESSION_COOKIE "="
#define COOKIE_RULES "; Path=/; Secure; HttpOnly; SameSite=Lax"

static enum gw_code reply_signed_in(struct gw_exchange *x, const struct gw_signed_in *s, struct gw_error *err)
{
    struct gw_str token = gw_buf_str(&s->token);
    gw_buf_addf(&x->reply->set_cookie, COOKIE "%.*s" COOKIE_RULES "; Max-Age=%lld", GW_STR_ARG(token),
                (long long)s->expires_in_s);
    GW_TRY(gw_buf_check(&x->reply->set_cookie, err));
    return gw_reply_json(x, 200,
                         json_pack("{s:s, s:s%, s:s%, s:I, s:I, s:o}", "message", "Login successful", "token",
                                   token.ptr, token.len, "accessToken", token.ptr, token.len, "expiresIn",
                                   (json_int_t)s->expires_in_s, "endedSessions", (json_int_t)s->evicted_count, "user",
                                   gw_reply_user_brief(&s->user)),
                         err);
}

static void log_login(struct gw_exchange *x, struct gw_str username, const char *outcome, const struct gw_uuid *session)
{
    char id[GW_UUID_LEN + 1] = "-";
    if (session != NULL)
        gw_uuid_format(session, id);
    gw_log(GW_LOG_INFO, "login", {"outcome", gw_str(outcome)}, {"user", username}, {"address", gw_exchange_address(x)},
           {"session", gw_str(id)}, {"request", x->call->request_id});
}

/* What the user should hear of; until there are notices, the log does. */
static void log_notices(struct gw_exchange *x, const struct gw_signed_in *s)
{
    char count[24];
    if (s->is_new_device)
        gw_log(GW_LOG_INFO, "new-device", {"user", gw_str(s->user.username)}, {"address", gw_str(s->session.address)},
               {"agent", gw_str(s->session.user_agent)}, {"request", x->call->request_id});
    if (s->evicted_count == 0)
        return;
    (void)snprintf(count, sizeof(count), "%zu", s->evicted_count);
    gw_log(GW_LOG_INFO, "session-evict", {"user", gw_str(s->user.username)}, {"count", gw_str(count)},
           {"request", x->call->request_id});
}

enum gw_code gw_handle_login(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_str username = gw_exchange_str(x, "username"), email = gw_exchange_str(x, "email");
    struct gw_signed_in s = {0};
    if ((username.ptr == NULL) == (email.ptr == NULL))
        return gw_fail(err, GW_EINVAL, "/username: one of `username` and `email` is needed");
    const struct gw_login in = {
        .by = &x->by,
        .username = username.ptr != NULL ? username : email,
        .password = gw_exchange_str(x, "password"),
        .gone = x->call->gone,
        .gone_ctx = x->call->gone_ctx,
    };
    enum gw_code code = gw_login(x->view->identity, &in, &s, err);
    switch (code) {
    case GW_OK:
        log_login(x, in.username, "ok", &s.session.id);
        log_notices(x, &s);
        code = reply_signed_in(x, &s, err);
        gw_buf_done(&s.token);
        return code;
    case GW_EDENIED:
        log_login(x, in.username, "refused", NULL);
        return gw_reply_refuse(x, 401, "Invalid credentials", NULL);
    case GW_ECONFLICT:
        log_login(x, in.username, "session-limit", NULL);
        return gw_reply_refuse(x, 409, "Too many sessions; end one first", NULL);
    case GW_ELIMIT:
        log_login(x, in.username, "busy", NULL);
        return code;
    default:
        return code;
    }
}

enum gw_code gw_handle_logout(struct gw_exchange *x, struct gw_error *err)
{
    if (x->caller == NULL)
        return gw_reply_refuse(x, 403, "An operator has no session", NULL);
    /* No token outlives its session, so the jti is not revoked too: whoever may sign in and out could fill that table. */
    enum gw_code code = gw_session_end(x->view->identity, &x->by, &x->caller->session_id, err);
    if (code != GW_OK && code != GW_ENOTFOUND) /* ended meanwhile by another call */
        return code;
    gw_buf_add(&x->reply->set_cookie, GW_STR(COOKIE COOKIE_RULES "; Max-Age=0"));
    GW_TRY(gw_buf_check(&x->reply->set_cookie, err));
    gw_log(GW_LOG_INFO, "logout", {"user", gw_exchange_actor(x)}, {"address", gw_exchange_address(x)},
           {"request", x->call->request_id});
    return gw_reply_json(x, 200, json_pack("{s:s}", "message", "Logout successful"), err);
}

/* Refresh tokens come with their own issue; until then login gives none and there is nothing here. */
enum gw_code gw_handle_refresh(struct gw_exchange *x, struct gw_error *err)
{
    (void)err;
    return gw_reply_refuse(x, 404, NULL, NULL);
}

enum gw_code gw_handle_profile(struct gw_exchange *x, struct gw_error *err)
{
    if (x->caller == NULL)
        return gw_reply_refuse(x, 403, "An operator has no profile", NULL);
    return gw_reply_json(x, 200, json_pack("{s:o}", "user", gw_reply_user_brief(&x->caller->user)), err);
}

enum gw_code gw_handle_register(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_user_row user;
    const struct gw_user_new new = {
        .username = gw_exchange_str(x, "username"),
        .email = gw_exchange_str(x, "email"),
        .role = x->view->settings->register_role,
        .password = gw_exchange_str(x, "password"),
    };
    enum gw_code code = gw_user_add(x->view->identity, &x->by, x->view->policy, &new, &user, err);
    if (code == GW_ECONFLICT)
        return gw_reply_refuse(x, 409, "Username or email already exists", NULL);
    if (code != GW_OK)
        return code;
    gw_log(GW_LOG_INFO, "register", {"user", gw_str(user.username)}, {"address", gw_exchange_address(x)},
           {"request", x->call->request_id});
    json_t *body = json_pack("{s:s, s:o}", "message", "User created successfully", "user", gw_reply_user_brief(&user));
    if (gw_policy_upstream(x->view->policy)->needs_upstream_id)
        (void)json_object_set_new(body, "notice",
                                  json_string("An administrator must give this user an identity at the backend"));
    return gw_reply_json(x, 201, body, err);
}
