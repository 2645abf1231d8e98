/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API keys, and certificates that stand for users as keys do: a user's own by their session, another's with users:read and users:write,
 * anybody's by the operator. Never through a key.
 */
#include "base/encode.h"
#include "config/option_value.h"
#include "control/exchange.h"
#include "control/log.h"
#include <gw/gate.h>

#define DAY_S 86400
#define TTL_MAX_MS (INT64_C(3650) * DAY_S * 1000)
#define OVERLAP_MAX_MS (INT64_C(90) * DAY_S * 1000)
#define OVERLAP_DEFAULT_S DAY_S

/* ---- showing ---- */

static json_t *list_of(const char *words)
{
    json_t *list = json_array();
    struct gw_str rest = gw_str(words), one;
    while (rest.len > 0 && gw_str_split(&rest, ' ', &one))
        (void)json_array_append_new(list, json_stringn(one.ptr, one.len));
    return list;
}

static json_t *fingerprint_of(const struct gw_api_key_row *r)
{
    char text[2 * sizeof(r->hash) + 1] = "";
    gw_hex_encode(r->hash, sizeof(r->hash), text);
    return r->is_certificate ? json_string(text) : json_null();
}

static json_t *show(const struct gw_api_key_row *r, int64_t now_s)
{
    return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:b, s:o, s:b, s:o, s:o, s:o}", "id", gw_reply_uuid(&r->id), "key",
                     json_sprintf(GW_API_KEY_PREFIX "%s", r->public_id), "name", r->name, "userId",
                     gw_reply_uuid(&r->user_id), "scopes", list_of(r->scopes), "networks", list_of(r->networks),
                     "signed", (int)r->is_signed, "certificate", fingerprint_of(r), "expired",
                     (int)gw_api_key_is_over(r, now_s), "createdAt", gw_reply_time(r->created_s), "expiresAt",
                     gw_reply_time(r->expires_s), "lastUsedAt", gw_reply_time(r->last_used_s));
}

struct listing {
    json_t *keys;
    int64_t now_s;
};

static enum gw_code append(void *ctx, const struct gw_api_key_row *r, struct gw_error *err)
{
    const struct listing *l = ctx;
    if (json_array_append_new(l->keys, show(r, l->now_s)) != 0)
        return gw_fail(err, GW_ENOMEM, "no memory for a list of API keys");
    return GW_OK;
}

static int64_t now_s(const struct gw_exchange *x)
{
    return gw_clock_real_s(gw_app_clock(x->app));
}

/* Not in the callback of a walk: a walk holds the store, and this asks it again. */
static enum gw_code add_username(struct gw_exchange *x, json_t *key, struct gw_error *err)
{
    struct gw_user_row user = {0};
    enum gw_code code =
        gw_user_find(x->view->identity, gw_str(json_string_value(json_object_get(key, "userId"))), &user, err);
    if (code == GW_ENOTFOUND) /* deleted meanwhile */
        return GW_OK;
    GW_TRY(code);
    if (json_object_set_new(key, "username", json_string(user.username)) != 0)
        return gw_fail(err, GW_ENOMEM, "no memory for a list of API keys");
    return GW_OK;
}

/* ---- whose ---- */

/* name: ptr NULL: the caller's own. GW_EDENIED when they are another's and permission is not held. */
static enum gw_code find_owner(struct gw_exchange *x, struct gw_str name, const char *permission, struct gw_uuid *out,
                               struct gw_error *err)
{
    struct gw_user_row user;
    if (name.ptr == NULL && x->caller == NULL)
        return gw_fail(err, GW_EINVAL, "`user` is needed");
    if (name.ptr == NULL || (x->caller != NULL && gw_str_eq_nocase(name, gw_str(x->caller->user.username)))) {
        *out = x->caller->user.id;
        return GW_OK;
    }
    if (!gw_exchange_may(x, permission))
        return gw_fail(err, GW_EDENIED, "API keys of another");
    GW_TRY(gw_user_find(x->view->identity, name, &user, err));
    *out = user.id;
    return GW_OK;
}

/* GW_ENOTFOUND: there is none, or it is another's and not for the caller to touch: not told apart. */
static enum gw_code find_key(struct gw_exchange *x, struct gw_api_key_row *out, struct gw_error *err)
{
    GW_TRY(gw_api_key_find(x->view->identity, x->id, out, err));
    bool is_own = x->caller != NULL && gw_uuid_eq(&out->user_id, &x->caller->user.id);
    return is_own || gw_exchange_may(x, "users:write") ? GW_OK : gw_fail(err, GW_ENOTFOUND, "another's API key");
}

static void log_change(struct gw_exchange *x, const char *event, const struct gw_api_key_row *r)
{
    char owner[GW_UUID_LEN + 1];
    gw_uuid_format(&r->user_id, owner);
    gw_log(GW_LOG_INFO, event, {"key", gw_str(r->public_id)}, {"user", gw_str(owner)}, {"by", gw_exchange_actor(x)},
           {"address", gw_exchange_address(x)}, {"request", x->call->request_id});
}

/* ---- calls ---- */

enum gw_code gw_handle_api_key_list(struct gw_exchange *x, struct gw_error *err)
{
    gw_auto_json json_t *keys = json_array();
    struct listing l = {keys, now_s(x)};
    struct gw_str name = GW_STR_NULL;
    struct gw_uuid owner;
    size_t i;
    json_t *key;
    enum gw_code code = gw_exchange_query(x, GW_STR("user"), &name, err);
    if (code != GW_ENOTFOUND)
        GW_TRY(code);
    bool all = gw_str_eq(name, GW_STR("all")) || (name.ptr == NULL && x->caller == NULL);
    if (all && !gw_exchange_may(x, "users:read"))
        return gw_fail(err, GW_EDENIED, "API keys of others");
    if (!all)
        GW_TRY(find_owner(x, name, "users:read", &owner, err));
    GW_TRY(gw_api_key_each(x->view->identity, all ? NULL : &owner, append, &l, err));
    json_array_foreach (keys, i, key)
        GW_TRY(add_username(x, key, err));
    return gw_reply_json(x, 200, json_pack("{s:O}", "apiKeys", keys), err);
}

static enum gw_code answer_made(struct gw_exchange *x, const struct gw_api_key_made *made, struct gw_error *err)
{
    GW_TRY(gw_reply_json(x, 201, show(&made->row, now_s(x)), err));
    GW_TRY(add_username(x, x->reply->body, err));
    return made->row.is_certificate ? GW_OK : gw_reply_add(x, "secret", json_string(made->text), err);
}

/* max_ms: as the texts of the callers say. */
static enum gw_code read_span(struct gw_exchange *x, const char *member, int64_t min_ms, int64_t max_ms, int64_t *io_s,
                              struct gw_error *err)
{
    struct gw_str text = gw_exchange_str(x, member);
    int64_t ms;
    if (text.ptr == NULL)
        return GW_OK;
    if (gw_duration_parse(text, &ms, err) != GW_OK || ms < min_ms || ms > max_ms)
        return gw_fail(err, GW_EINVAL, "/%s: expected a duration of %llds to %lldd, such as 12h or 90d", member,
                       (long long)(min_ms / 1000), (long long)(max_ms / 1000 / DAY_S));
    *io_s = ms / 1000;
    return GW_OK;
}

/* Who owns one may have everybody that shows it act as himself, so it is not for users to take one. */
static enum gw_code read_certificate(struct gw_exchange *x, struct gw_client_certificate *room,
                                     const struct gw_client_certificate **out, struct gw_error *err)
{
    struct gw_str pem = gw_exchange_str(x, "certificate");
    if (pem.ptr == NULL)
        return GW_OK;
    if (!gw_exchange_may(x, "users:write"))
        return gw_fail(err, GW_EDENIED, "a certificate");
    if (gw_client_certificate_read(pem, room, NULL) != GW_OK)
        return gw_fail(err, GW_EINVAL, "/certificate: expected a certificate in PEM");
    *out = room;
    return GW_OK;
}

enum gw_code gw_handle_api_key_add(struct gw_exchange *x, struct gw_error *err)
{
    gw_auto(gw_api_key_made) struct gw_api_key_made made = {.text = ""};
    struct gw_proof proof;
    bool is_proved;
    struct gw_uuid owner;
    struct gw_api_key_new new = {.user_id = &owner,
                                 .name = gw_exchange_str(x, "name"),
                                 .scopes = gw_exchange_str(x, "scopes"),
                                 .networks = gw_exchange_str(x, "networks"),
                                 .is_signed = json_is_true(json_object_get(x->body, "signed"))};
    struct gw_client_certificate certificate;
    GW_TRY(read_span(x, "expiresIn", 1000, TTL_MAX_MS, &new.ttl_s, err));
    GW_TRY(read_certificate(x, &certificate, &new.certificate, err));
    GW_TRY(find_owner(x, gw_exchange_str(x, "user"), "users:write", &owner, err));
    GW_TRY(gw_exchange_prove(x, "password", "api_key_made", &proof, &new.proof, &is_proved, err));
    if (!is_proved)
        return GW_OK;
    GW_TRY(gw_api_key_add(x->view->identity, &x->by, x->view->policy, &new, &made, err));
    log_change(x, "api-key-add", &made.row);
    return answer_made(x, &made, err);
}

enum gw_code gw_handle_api_key_rotate(struct gw_exchange *x, struct gw_error *err)
{
    gw_auto(gw_api_key_made) struct gw_api_key_made made = {.text = ""};
    struct gw_api_key_row old;
    struct gw_api_key_turn turn = {.id = &old.id, .overlap_s = OVERLAP_DEFAULT_S};
    struct gw_proof proof;
    bool is_proved;
    GW_TRY(read_span(x, "overlap", 0, OVERLAP_MAX_MS, &turn.overlap_s, err));
    GW_TRY(find_key(x, &old, err));
    GW_TRY(gw_exchange_prove(x, "password", "api_key_rotated", &proof, &turn.proof, &is_proved, err));
    if (!is_proved)
        return GW_OK;
    GW_TRY(gw_api_key_rotate(x->view->identity, &x->by, &turn, &made, err));
    log_change(x, "api-key-rotate", &made.row);
    return answer_made(x, &made, err);
}

enum gw_code gw_handle_api_key_revoke(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_api_key_row r;
    GW_TRY(find_key(x, &r, err));
    GW_TRY(gw_api_key_revoke(x->view->identity, &x->by, &r.id, err));
    log_change(x, "api-key-revoke", &r);
    x->reply->status = 204;
    return GW_OK;
}
