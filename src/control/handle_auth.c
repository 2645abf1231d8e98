/* SPDX-License-Identifier: Apache-2.0 */
/* The sign-in calls, in the shapes of the backend that the gateway answers for (A.A.I.T.I v1.2.1), or supersets of them. */
#include "control/exchange.h"
#include "control/log.h"
#include "pipeline/csrf.h"

static enum gw_code set_token_cookies(struct gw_exchange *x, const struct gw_signed_in *s, struct gw_error *err)
{
    int64_t left_s = s->session.expires_s - gw_clock_real_s(gw_app_clock(x->app));
    GW_TRY(gw_reply_session_cookie(x, gw_buf_str(&s->token), s->expires_in_s, err));
    return s->refresh[0] != '\0' ? gw_reply_refresh_cookie(x, gw_str(s->refresh), left_s, err) : GW_OK;
}

enum gw_code gw_reply_sign_in_cookies(struct gw_exchange *x, const struct gw_signed_in *s, struct gw_error *err)
{
    GW_TRY(set_token_cookies(x, s, err));
    return gw_reply_device_cookie(x, gw_str(s->device), err);
}

/* What login and refresh have in common: access token, user, and cookies for both tokens. The refresh token where there is one, and
 * somewhere to bring it. */
static enum gw_code reply_signed_in(struct gw_exchange *x, const char *message, const struct gw_signed_in *s,
                                    struct gw_error *err)
{
    struct gw_str token = gw_buf_str(&s->token);
    char csrf[GW_CSRF_LEN + 1];
    GW_TRY(set_token_cookies(x, s, err));
    GW_TRY(gw_csrf_make(token, csrf));
    return gw_reply_json(x, 200,
                         json_pack("{s:s, s:s%, s:s%, s:I, s:s, s:o}", "message", message, "token", token.ptr,
                                   token.len, "accessToken", token.ptr, token.len, "expiresIn",
                                   (json_int_t)s->expires_in_s, "csrfToken", csrf, "user",
                                   gw_reply_user_brief(&s->user)),
                         err);
}

static enum gw_code add_refresh_token(struct gw_exchange *x, const struct gw_signed_in *s, struct gw_error *err)
{
    if (s->refresh[0] == '\0' || gw_exchange_refresh_path(x).len == 0)
        return GW_OK;
    return gw_reply_add(x, "refreshToken", json_string(s->refresh), err);
}

static enum gw_code reply_login(struct gw_exchange *x, const struct gw_signed_in *s, struct gw_error *err)
{
    GW_TRY(reply_signed_in(x, "Login successful", s, err));
    GW_TRY(gw_reply_device_cookie(x, gw_str(s->device), err));
    GW_TRY(gw_reply_add(x, "endedSessions", json_integer((json_int_t)s->evicted_count), err));
    return add_refresh_token(x, s, err);
}

/* Users by name; what else was sent in that field may be a password, and is nobody's to read. */
static void log_login(struct gw_exchange *x, const char *user, const char *outcome, const struct gw_uuid *session)
{
    char id[GW_UUID_LEN + 1] = "-";
    if (session != NULL)
        gw_uuid_format(session, id);
    gw_log(GW_LOG_INFO, "login", {"outcome", gw_str(outcome)}, {"user", user[0] != '\0' ? gw_str(user) : GW_STR("-")},
           {"address", gw_exchange_address(x)}, {"session", gw_str(id)}, {"request", x->call->request_id});
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

static struct gw_refused failed_login(const struct gw_login_refusal *r)
{
    return (struct gw_refused){
        .action = "user_login_failed", .reason = gw_login_reason_name(r->reason), .user_id = r->user_id};
}

enum gw_code gw_exchange_sign_in(struct gw_exchange *x, struct gw_str name,
                                 enum gw_code (*reply)(struct gw_exchange *x, const struct gw_signed_in *s,
                                                       struct gw_error *err),
                                 struct gw_error *err)
{
    gw_auto(gw_signed_in) struct gw_signed_in s = {0};
    struct gw_login_refusal refusal;
    struct gw_attempt attempt = {.by = {.call = GW_GUARDED_LOGIN}};
    char known[GW_USERNAME_MAX + 1] = "";
    const struct gw_login in = {
        .by = &x->by,
        .username = name,
        .password = gw_exchange_str(x, "password"),
        .device = x->call->device_cookie,
        .attempt = &attempt,
        .refusal = &refusal,
        .gone = x->call->gone,
        .gone_ctx = x->call->gone_ctx,
        .known = known,
    };
    enum gw_code code = gw_login(x->view->identity, &in, &s, err);
    gw_exchange_tell_spraying(x, &attempt);
    switch (code) {
    case GW_OK:
        log_login(x, known, "ok", &s.session.id);
        log_notices(x, &s);
        return reply(x, &s, err);
    case GW_EDENIED:
        log_login(x, known, "refused", NULL);
        x->refused = failed_login(&refusal);
        return gw_reply_refuse(x, 401, "Invalid credentials", NULL);
    case GW_ECONFLICT:
        log_login(x, known, "session-limit", NULL);
        x->refused = failed_login(&refusal);
        return gw_reply_refuse(x, 409, "Too many sessions; end one first", NULL);
    case GW_ELIMIT:
        if (attempt.held_up.why == GW_HELD_UP_NOT)
            log_login(x, known, "busy", NULL);
        return gw_exchange_held_up(x, &attempt, "user_login_failed", code);
    default:
        return code;
    }
}

enum gw_code gw_handle_login(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_str username = gw_exchange_str(x, "username"), email = gw_exchange_str(x, "email");
    if ((username.ptr == NULL) == (email.ptr == NULL))
        return gw_fail(err, GW_EINVAL, "/username: one of `username` and `email` is needed");
    return gw_exchange_sign_in(x, username.ptr != NULL ? username : email, reply_login, err);
}

enum gw_code gw_exchange_sign_out(struct gw_exchange *x, struct gw_error *err)
{
    if (x->caller == NULL)
        return gw_reply_refuse(x, 403, "An operator has no session", NULL);
    /* No token outlives its session, so the jti is not revoked too: whoever may sign in and out could fill that table. */
    enum gw_code code = gw_session_end(x->view->identity, &x->by, &x->caller->session_id, err);
    if (code != GW_OK && code != GW_ENOTFOUND) /* ended meanwhile by another call */
        return code;
    GW_TRY(gw_reply_session_cookie(x, GW_STR_NULL, 0, err));
    GW_TRY(gw_reply_refresh_cookie(x, GW_STR_NULL, 0, err));
    gw_log(GW_LOG_INFO, "logout", {"user", gw_exchange_actor(x)}, {"address", gw_exchange_address(x)},
           {"request", x->call->request_id});
    return GW_OK;
}

enum gw_code gw_handle_logout(struct gw_exchange *x, struct gw_error *err)
{
    enum gw_code code = gw_exchange_sign_out(x, err);
    if (code != GW_OK || x->reply->is_problem)
        return code;
    return gw_reply_json(x, 200, json_pack("{s:s}", "message", "Logout successful"), err);
}

/* ---- refresh ---- */

/* Whatever the reason: which it was stands in the log alone. */
static enum gw_code refuse_refresh(struct gw_exchange *x)
{
    return gw_reply_refuse(x, 401, "Invalid or expired token", NULL);
}

/* s: NULL: nobody's session. */
static void log_refresh(struct gw_exchange *x, const char *outcome, const struct gw_signed_in *s)
{
    char id[GW_UUID_LEN + 1] = "-";
    if (s != NULL)
        gw_uuid_format(&s->session.id, id);
    gw_log(GW_LOG_INFO, "refresh", {"outcome", gw_str(outcome)},
           {"user", s != NULL ? gw_str(s->user.username) : GW_STR("-")}, {"address", gw_exchange_address(x)},
           {"session", gw_str(id)}, {"request", x->call->request_id});
}

static void log_reuse(struct gw_exchange *x, const struct gw_signed_in *s)
{
    char id[GW_UUID_LEN + 1];
    gw_uuid_format(&s->session.id, id);
    gw_log(GW_LOG_WARN, "refresh-reuse", {"user", gw_str(s->user.username)}, {"address", gw_exchange_address(x)},
           {"agent", x->call->user_agent}, {"session", gw_str(id)}, {"request", x->call->request_id},
           {"text", GW_STR("a spent refresh token came again, so somebody stole it; ending the session")});
}

/* As A.A.I.T.I itself does it. The cookie, which a browser attaches to whatever a page asks for, is not enough. */
static enum gw_code refresh_by_access(struct gw_exchange *x, struct gw_error *err)
{
    gw_auto(gw_signed_in) struct gw_signed_in s = {0};
    enum gw_code code = GW_EDENIED;
    if (x->view->settings->refresh_bearer && x->call->is_bearer)
        code = gw_refresh_by_access(x->view->identity, x->call->token, &s, err);
    if (code == GW_EDENIED) {
        log_refresh(x, "no-token", NULL);
        return refuse_refresh(x);
    }
    GW_TRY(code);
    log_refresh(x, "ok-by-access", &s);
    return reply_signed_in(x, "Token refreshed successfully", &s, err);
}

enum refresh_way { BY_BODY, BY_COOKIE };

static enum gw_code reply_refreshed(struct gw_exchange *x, enum refresh_way way, const struct gw_refreshed *r,
                                    struct gw_error *err)
{
    const struct gw_signed_in *s = &r->signed_in;
    if (r->outcome == GW_REFRESH_TOO_OFTEN) {
        x->reply->retry_after_s = GW_REFRESH_EVERY_S;
        return gw_reply_refuse(x, 429, NULL, NULL);
    }
    if (!gw_refresh_is_given(r->outcome))
        return refuse_refresh(x);
    GW_TRY(reply_signed_in(x, "Token refreshed successfully", s, err));
    /* Who keeps it where no script of a page can read it does not get it where one can. */
    return way == BY_BODY ? add_refresh_token(x, s, err) : GW_OK;
}

/* A token in the body was written for this call; a cookie only came along. */
enum gw_code gw_handle_refresh(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_attempt attempt;
    struct gw_str token = gw_exchange_str(x, "refreshToken");
    enum refresh_way way = token.len > 0 ? BY_BODY : BY_COOKIE;
    if (way == BY_COOKIE)
        token = x->call->refresh_cookie;
    if (token.len == 0)
        return refresh_by_access(x, err);
    struct gw_refreshed r;
    enum gw_code code = gw_exchange_guard(x, GW_GUARDED_REFRESH, &attempt, err);
    if (code != GW_OK)
        return gw_exchange_held_up(x, &attempt, "token_refreshed", code);
    code = gw_refresh(x->view->identity, &x->by, token, &r, err);
    gw_guard_end(x->view->identity, &attempt, code == GW_OK && r.outcome == GW_REFRESH_UNKNOWN ? GW_EDENIED : code);
    GW_TRY(code);
    if (r.outcome == GW_REFRESH_REUSED)
        log_reuse(x, &r.signed_in);
    else
        log_refresh(x, gw_refresh_outcome_text(r.outcome), r.outcome != GW_REFRESH_UNKNOWN ? &r.signed_in : NULL);
    if (!gw_refresh_is_given(r.outcome))
        x->refused = (struct gw_refused){
            .action = "token_refreshed", .reason = gw_refresh_outcome_text(r.outcome), .user_id = r.signed_in.user.id};
    code = reply_refreshed(x, way, &r, err);
    gw_signed_in_done(&r.signed_in);
    return code;
}

/* ---- the rest ---- */

enum gw_code gw_handle_profile(struct gw_exchange *x, struct gw_error *err)
{
    if (x->caller == NULL)
        return gw_reply_refuse(x, 403, "An operator has no profile", NULL);
    GW_TRY(gw_reply_json(x, 200, json_pack("{s:o}", "user", gw_reply_user_brief(&x->caller->user)), err));
    char csrf[GW_CSRF_LEN + 1];
    if (x->call->is_bearer || x->call->is_api_key) /* it is for who comes by the cookie */
        return GW_OK;
    GW_TRY(gw_csrf_make(x->call->token, csrf));
    return gw_reply_add(x, "csrfToken", json_string(csrf), err);
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
    struct gw_attempt attempt;
    enum gw_code code = gw_exchange_guard(x, GW_GUARDED_REGISTER, &attempt, err);
    if (code != GW_OK)
        return gw_exchange_held_up(x, &attempt, "user_created", code);
    code = gw_user_add(x->view->identity, &x->by, x->view->policy, &new, &user, err);
    /* That a name is taken is what whoever looks for names is after. */
    gw_guard_end(x->view->identity, &attempt, code == GW_ECONFLICT ? GW_EDENIED : code);
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
