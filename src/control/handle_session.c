/* SPDX-License-Identifier: Apache-2.0 */
/* Everybody lists and ends their own sessions; others' need users:read and users:write. */
#include "control/exchange.h"
#include "control/log.h"

struct listing {
    json_t *sessions;
    const struct gw_uuid *current; /* NULL: none */
};

static enum gw_code append_session(void *ctx, const struct gw_session_row *r, struct gw_error *err)
{
    struct listing *l = ctx;
    bool current = l->current != NULL && gw_uuid_eq(l->current, &r->id);
    json_t *s = json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:b}", "id", gw_reply_uuid(&r->id), "userId",
                          gw_reply_uuid(&r->user_id), "createdAt", gw_reply_time(r->created_s), "lastSeenAt",
                          gw_reply_time(r->last_seen_s), "expiresAt", gw_reply_time(r->expires_s), "address",
                          r->address, "userAgent", r->user_agent, "country", r->country, "current", (int)current);
    if (json_array_append_new(l->sessions, s) != 0)
        return gw_fail(err, GW_ENOMEM, "no memory for a list of sessions");
    return GW_OK;
}

/* After the walk, for a walk holds the store. */
static enum gw_code add_usernames(struct gw_exchange *x, json_t *sessions, struct gw_error *err)
{
    struct gw_user_row user = {0};
    size_t i;
    json_t *s;
    json_array_foreach (sessions, i, s) {
        enum gw_code code =
            gw_user_find(x->view->identity, gw_str(json_string_value(json_object_get(s, "userId"))), &user, err);
        if (code == GW_ENOTFOUND) /* deleted meanwhile */
            continue;
        GW_TRY(code);
        if (json_object_set_new(s, "username", json_string(user.username)) != 0)
            return gw_fail(err, GW_ENOMEM, "no memory for a list of sessions");
    }
    return GW_OK;
}

/* Whose sessions: user=NAME, else the caller's own. GW_EDENIED when they are another's and permission is not held. */
static enum gw_code find_owner(struct gw_exchange *x, const char *permission, struct gw_uuid *out, struct gw_error *err)
{
    struct gw_str name;
    struct gw_user_row user;
    enum gw_code code = gw_exchange_query(x, GW_STR("user"), &name, err);
    if (code == GW_ENOTFOUND && x->caller == NULL)
        return gw_fail(err, GW_EINVAL, "query: `user` is needed");
    if (code == GW_ENOTFOUND ||
        (code == GW_OK && x->caller != NULL && gw_str_eq_nocase(name, gw_str(x->caller->user.username)))) {
        *out = x->caller->user.id;
        return GW_OK;
    }
    GW_TRY(code);
    if (!gw_exchange_may(x, permission))
        return gw_fail(err, GW_EDENIED, "sessions of another");
    GW_TRY(gw_user_find(x->view->identity, name, &user, err));
    *out = user.id;
    return GW_OK;
}

static bool asks_for_all(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_str name;
    enum gw_code code = gw_exchange_query(x, GW_STR("user"), &name, err);
    return (code == GW_OK && gw_str_eq(name, GW_STR("all"))) || (code == GW_ENOTFOUND && x->caller == NULL);
}

enum gw_code gw_handle_session_list(struct gw_exchange *x, struct gw_error *err)
{
    gw_auto_json json_t *sessions = json_array();
    struct listing l = {sessions, x->caller != NULL ? &x->caller->session_id : NULL};
    struct gw_uuid owner;
    bool all = asks_for_all(x, err);
    if (all && !gw_exchange_may(x, "users:read"))
        return gw_fail(err, GW_EDENIED, "sessions of others");
    if (!all)
        GW_TRY(find_owner(x, "users:read", &owner, err));
    GW_TRY(gw_session_each(x->view->identity, all ? NULL : &owner, append_session, &l, err));
    GW_TRY(add_usernames(x, sessions, err));
    return gw_reply_json(x, 200, json_pack("{s:O}", "sessions", sessions), err);
}

enum gw_code gw_handle_session_end_all(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_uuid owner;
    size_t ended = 0;
    GW_TRY(find_owner(x, "users:write", &owner, err));
    bool own = x->caller != NULL && gw_uuid_eq(&owner, &x->caller->user.id);
    GW_TRY(gw_session_end_all(x->view->identity, &x->by, &owner, own ? &x->caller->session_id : NULL, &ended, err));
    char id[GW_UUID_LEN + 1];
    gw_uuid_format(&owner, id);
    gw_log(GW_LOG_INFO, "session-end-all", {"user", gw_str(id)}, {"by", gw_exchange_actor(x)},
           {"address", gw_exchange_address(x)}, {"request", x->call->request_id});
    return gw_reply_json(x, 200, json_pack("{s:I}", "ended", (json_int_t)ended), err);
}

struct search {
    const struct gw_uuid *id;
    bool found;
};

static enum gw_code look_for(void *ctx, const struct gw_session_row *r, struct gw_error *err)
{
    struct search *s = ctx;
    (void)err;
    s->found = s->found || gw_uuid_eq(s->id, &r->id);
    return GW_OK;
}

enum gw_code gw_handle_session_end(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_uuid id;
    struct search s = {&id, false};
    if (gw_uuid_parse(x->id, &id) != GW_OK)
        return gw_reply_refuse(x, 404, NULL, NULL);
    if (!gw_exchange_may(x, "users:write")) {
        GW_TRY(gw_session_each(x->view->identity, &x->caller->user.id, look_for, &s, err));
        if (!s.found) /* another's or none: not told apart */
            return gw_reply_refuse(x, 404, NULL, NULL);
    }
    GW_TRY(gw_session_end(x->view->identity, &x->by, &id, err));
    gw_log(GW_LOG_INFO, "session-end", {"session", x->id}, {"by", gw_exchange_actor(x)},
           {"address", gw_exchange_address(x)}, {"request", x->call->request_id});
    x->reply->status = 204;
    return GW_OK;
}

enum gw_code gw_handle_token_revoke(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_uuid jti;
    int64_t expires_s;
    if (gw_uuid_parse(gw_exchange_str(x, "jti"), &jti) != GW_OK)
        return gw_fail(err, GW_EINVAL, "/jti: expected a UUID");
    if (gw_time_parse(gw_exchange_str(x, "expires"), &expires_s) != GW_OK)
        return gw_fail(err, GW_EINVAL, "/expires: expected a time such as 2026-11-24T04:29:50Z");
    GW_TRY(gw_token_revoke(x->view->identity, &x->by, &jti, expires_s, err));
    gw_log(GW_LOG_INFO, "token-revoke", {"jti", gw_exchange_str(x, "jti")}, {"by", gw_exchange_actor(x)},
           {"address", gw_exchange_address(x)}, {"request", x->call->request_id});
    x->reply->status = 204;
    return GW_OK;
}
