/* SPDX-License-Identifier: Apache-2.0 */
#include "control/exchange.h"
#include "control/log.h"

static struct gw_keys_settled keys_of(const struct gw_exchange *x)
{
    bool ends = json_is_true(json_object_get(x->body, "revokeApiKeys"));
    return (struct gw_keys_settled){.fate = ends ? GW_KEYS_REVOKED : GW_KEYS_STAY};
}

/* Who has a new password may believe that nobody else gets in any more. */
static enum gw_code add_keys(struct gw_exchange *x, const struct gw_keys_settled *keys, struct gw_error *err)
{
    GW_TRY(gw_reply_add(x, "apiKeys", json_integer((json_int_t)keys->left), err));
    return gw_reply_add(x, "revokedApiKeys", json_integer((json_int_t)keys->revoked), err);
}

static enum gw_code reply_done(struct gw_exchange *x, const char *event, struct gw_str user,
                               const struct gw_keys_settled *keys, struct gw_error *err)
{
    gw_log(GW_LOG_INFO, event, {"user", user}, {"by", gw_exchange_actor(x)}, {"address", gw_exchange_address(x)},
           {"request", x->call->request_id});
    GW_TRY(gw_reply_json(x, 200, json_pack("{s:s}", "message", "Password changed"), err));
    return add_keys(x, keys, err);
}

/* The session goes on, but with other refresh tokens than those that somebody may have seen. */
static enum gw_code reply_kept(struct gw_exchange *x, const struct gw_kept_session *keep, struct gw_error *err)
{
    if (keep->refresh[0] == '\0' || gw_exchange_refresh_path(x).len == 0)
        return GW_OK;
    GW_TRY(gw_reply_refresh_cookie(x, gw_str(keep->refresh), x->view->settings->session_absolute_ms / 1000, err));
    return gw_reply_add(x, "refreshToken", json_string(keep->refresh), err);
}

static enum gw_code refuse_wrong(struct gw_exchange *x, const char *event, const char *action)
{
    gw_log(GW_LOG_INFO, event, {"outcome", GW_STR("refused")}, {"user", gw_exchange_actor(x)},
           {"address", gw_exchange_address(x)}, {"request", x->call->request_id});
    x->refused = (struct gw_refused){.action = action, .reason = "WRONG_PASSWORD"};
    return gw_reply_refuse(x, 403, "The current password is wrong", NULL);
}

enum gw_code gw_exchange_prove(struct gw_exchange *x, const char *member, const char *action, struct gw_proof *room,
                               const struct gw_proof **out_proof, bool *out_proved, struct gw_error *err)
{
    struct gw_str password = gw_exchange_str(x, member);
    struct gw_attempt attempt;
    *out_proved = x->call->kind == GW_CALLER_OPERATOR;
    *out_proof = *out_proved ? NULL : room;
    if (*out_proved)
        return GW_OK;
    if (password.ptr == NULL)
        return gw_fail(err, GW_EINVAL, "/%s: the caller's own password is needed", member);
    enum gw_code code = gw_exchange_guard(x, GW_GUARDED_PASSWORD, &attempt, err);
    if (code != GW_OK)
        return gw_exchange_held_up(x, &attempt, action, code);
    code = gw_user_prove(x->view->identity, &x->by, password, room, err);
    gw_guard_end(x->view->identity, &attempt, code);
    *out_proved = code == GW_OK;
    return code == GW_EDENIED ? refuse_wrong(x, "password-proof", action) : code;
}

enum gw_code gw_handle_password_change(struct gw_exchange *x, struct gw_error *err)
{
    if (x->caller == NULL)
        return gw_reply_refuse(x, 403, "An operator has no password", NULL);
    struct gw_kept_session keep = {.id = x->caller->session_id};
    struct gw_keys_settled keys = keys_of(x);
    struct gw_attempt attempt;
    enum gw_code code = gw_exchange_guard(x, GW_GUARDED_PASSWORD, &attempt, err);
    if (code != GW_OK)
        return gw_exchange_held_up(x, &attempt, "password_changed", code);
    code = gw_user_change_password(x->view->identity, &x->by, gw_exchange_str(x, "currentPassword"),
                                   gw_exchange_str(x, "newPassword"), &keep, &keys, err);
    gw_guard_end(x->view->identity, &attempt, code);
    if (code == GW_EDENIED)
        return refuse_wrong(x, "password-change", "password_changed");
    if (code == GW_OK)
        code = reply_done(x, "password-change", gw_exchange_actor(x), &keys, err);
    if (code == GW_OK)
        code = reply_kept(x, &keep, err);
    gw_wipe(keep.refresh, sizeof(keep.refresh));
    return code;
}

enum gw_code gw_handle_password_reset(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_attempt attempt;
    struct gw_keys_settled keys = keys_of(x);
    enum gw_code code = gw_exchange_guard(x, GW_GUARDED_RESET, &attempt, err);
    if (code != GW_OK)
        return gw_exchange_held_up(x, &attempt, "password_changed", code);
    code = gw_user_reset_finish(x->view->identity, &x->by, gw_exchange_str(x, "code"),
                                gw_exchange_str(x, "newPassword"), &keys, err);
    gw_guard_end(x->view->identity, &attempt, code);
    if (code == GW_EDENIED) {
        gw_log(GW_LOG_INFO, "password-reset", {"outcome", GW_STR("refused")}, {"address", gw_exchange_address(x)},
               {"request", x->call->request_id});
        x->refused = (struct gw_refused){.action = "password_changed", .reason = "WRONG_CODE"};
        return gw_reply_refuse(x, 403, "The code is not valid", NULL);
    }
    return code == GW_OK ? reply_done(x, "password-reset", GW_STR("by code"), &keys, err) : code;
}

enum gw_code gw_handle_password_set(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_user_row user;
    struct gw_keys_settled keys = keys_of(x);
    GW_TRY(gw_user_find(x->view->identity, x->id, &user, err));
    GW_TRY(gw_user_set_password(x->view->identity, &x->by, &user.id, gw_exchange_str(x, "newPassword"), &keys, err));
    return reply_done(x, "password-set", gw_str(user.username), &keys, err);
}

enum gw_code gw_handle_reset_begin(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_user_row user;
    char code[GW_RESET_CODE_LEN + 1];
    struct gw_keys_settled keys = keys_of(x);
    struct gw_proof room;
    const struct gw_proof *proof;
    bool is_proved;
    if (x->caller != NULL && x->caller->by_key) /* who has the code signs in, and stays when the key is revoked */
        return gw_reply_refuse(x, 403, NULL, NULL);
    GW_TRY(gw_user_find(x->view->identity, x->id, &user, err));
    GW_TRY(gw_exchange_prove(x, "currentPassword", "reset_code_made", &room, &proof, &is_proved, err));
    if (!is_proved)
        return GW_OK;
    GW_TRY(gw_user_reset_begin(x->view->identity, &x->by, &user.id, proof, &keys, code, err));
    gw_log(GW_LOG_INFO, "password-reset-code", {"user", gw_str(user.username)}, {"by", gw_exchange_actor(x)},
           {"address", gw_exchange_address(x)}, {"request", x->call->request_id});
    json_t *body =
        json_pack("{s:s, s:I}", "code", code, "expiresIn", (json_int_t)(x->view->settings->reset_code_ttl_ms / 1000));
    gw_wipe(code, sizeof(code));
    GW_TRY(gw_reply_json(x, 201, body, err));
    return add_keys(x, &keys, err);
}
