/* SPDX-License-Identifier: Apache-2.0 */
#include "control/exchange.h"
#include "control/log.h"

static void log_change(struct gw_exchange *x, const char *event, const struct gw_user_row *u)
{
    gw_log(GW_LOG_INFO, event, {"user", gw_str(u->username)}, {"role", gw_str(u->role)},
           {"active", u->active ? GW_STR("yes") : GW_STR("no")}, {"by", gw_exchange_actor(x)},
           {"address", gw_exchange_address(x)}, {"request", x->call->request_id});
}

/* With the command that mends it where the user could not act at the backend. */
static json_t *with_notice(struct gw_exchange *x, const struct gw_user_row *u)
{
    json_t *body = gw_reply_user(u);
    if (body != NULL && u->upstream_id[0] == '\0' && gw_policy_upstream(x->view->policy)->needs_upstream_id)
        (void)json_object_set_new(body, "notice",
                                  json_sprintf("the backend will not know this user; set its id there with: "
                                               "aaiti user set %s --upstream-id ID",
                                               u->username));
    return body;
}

static enum gw_code append_user(void *ctx, const struct gw_user_row *u, struct gw_error *err)
{
    if (json_array_append_new(ctx, gw_reply_user(u)) != 0)
        return gw_fail(err, GW_ENOMEM, "no memory for a list of users");
    return GW_OK;
}

enum gw_code gw_handle_user_list(struct gw_exchange *x, struct gw_error *err)
{
    gw_auto_json json_t *users = json_array();
    GW_TRY(gw_store_user_each(x->view->store, append_user, users, err));
    return gw_reply_json(x, 200, json_pack("{s:O}", "users", users), err);
}

enum gw_code gw_handle_user_get(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_user_row user;
    GW_TRY(gw_user_find(x->view->identity, x->id, &user, err));
    return gw_reply_json(x, 200, gw_reply_user(&user), err);
}

/* What a user may, and what he signs in with, outlives the session that it is changed in. A key was given that right by name. */
static enum gw_code prove(struct gw_exchange *x, const char *action, struct gw_proof *room,
                          const struct gw_proof **out_proof, bool *out_proved, struct gw_error *err)
{
    *out_proof = NULL;
    *out_proved = x->caller != NULL && x->caller->by_key;
    return *out_proved ? GW_OK : gw_exchange_prove(x, "currentPassword", action, room, out_proof, out_proved, err);
}

enum gw_code gw_handle_user_add(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_user_row user;
    struct gw_proof proof;
    bool is_proved;
    struct gw_user_new new = {
        .username = gw_exchange_str(x, "username"),
        .email = gw_exchange_str(x, "email"),
        .role = gw_exchange_str(x, "role"),
        .upstream_id = gw_exchange_str(x, "upstreamId"),
        .password = gw_exchange_str(x, "password"),
        .service = json_is_true(json_object_get(x->body, "service")),
    };
    if (new.password.ptr != NULL && x->caller != NULL && x->caller->by_key)
        return gw_reply_refuse(x, 403, "Through an API key no password is set", NULL);
    GW_TRY(prove(x, "user_created", &proof, &new.proof, &is_proved, err));
    if (!is_proved)
        return GW_OK;
    GW_TRY(gw_user_add(x->view->identity, &x->by, x->view->policy, &new, &user, err));
    log_change(x, "user-add", &user);
    return gw_reply_json(x, 201, with_notice(x, &user), err);
}

enum gw_code gw_handle_user_import(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_user_row user;
    const struct gw_user_new new = {
        .username = gw_exchange_str(x, "username"),
        .email = gw_exchange_str(x, "email"),
        .role = gw_exchange_str(x, "role"),
        .upstream_id = gw_exchange_str(x, "upstreamId"),
        .password_hash = gw_exchange_str(x, "passwordHash"),
        .disabled = json_is_false(json_object_get(x->body, "active")),
    };
    GW_TRY(gw_user_add(x->view->identity, &x->by, x->view->policy, &new, &user, err));
    log_change(x, "user-import", &user);
    return gw_reply_json(x, 201, with_notice(x, &user), err);
}

static void take_change(struct gw_str value, unsigned flag, struct gw_str *dst, unsigned *set)
{
    if (value.ptr == NULL)
        return;
    *dst = value;
    *set |= flag;
}

enum gw_code gw_handle_user_change(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_user_row user;
    struct gw_user_change c = {0};
    struct gw_proof proof;
    bool is_proved = true;
    const json_t *active = json_object_get(x->body, "active");
    take_change(gw_exchange_str(x, "email"), GW_USER_SET_EMAIL, &c.email, &c.set);
    take_change(gw_exchange_str(x, "role"), GW_USER_SET_ROLE, &c.role, &c.set);
    take_change(gw_exchange_str(x, "upstreamId"), GW_USER_SET_UPSTREAM_ID, &c.upstream_id, &c.set);
    if (json_is_boolean(active)) {
        c.active = json_is_true(active);
        c.set |= GW_USER_SET_ACTIVE;
    }
    if (c.set == 0)
        return gw_fail(err, GW_EINVAL, "the body: nothing to change");
    GW_TRY(gw_user_find(x->view->identity, x->id, &user, err));
    if (c.set != GW_USER_SET_ACTIVE || c.active) /* to disable somebody needs haste, and gives nobody anything */
        GW_TRY(prove(x, "user_changed", &proof, &c.proof, &is_proved, err));
    if (!is_proved)
        return GW_OK;
    GW_TRY(gw_user_change(x->view->identity, &x->by, x->view->policy, &user.id, &c, &user, err));
    log_change(x, "user-change", &user);
    return gw_reply_json(x, 200, with_notice(x, &user), err);
}

enum gw_code gw_handle_user_delete(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_user_row user;
    GW_TRY(gw_user_find(x->view->identity, x->id, &user, err));
    GW_TRY(gw_user_delete(x->view->identity, &x->by, &user.id, err));
    log_change(x, "user-delete", &user);
    x->reply->status = 204;
    return GW_OK;
}
