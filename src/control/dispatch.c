/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order is the point: row, caller, right, body, handler. Nothing of a body is looked at for a caller who may not make the call, and
 * no handler decides a right of its own but over what belongs to the caller.
 */
#include "control/dispatch.h"
#include "control/exchange.h"
#include "control/form.h"
#include "control/log.h"
#include "pipeline/api_key.h"
#include "pipeline/csrf.h"
#include "pipeline/next.h"
#include "pipeline/pages.h"
#include "policy/path.h"
#include "shared/mode.h"
#include "token/jwt.h"
#include <gw/gate.h>
#include <stdio.h>
#include <string.h>

#define ARENA_MAX (256 * 1024)
#define RETRY_AFTER_S 2

/* ---- bodies ---- */

#define STRING(member, need_, min_, max_)                                                                  \
    {                                                                                                      \
        .name = (member), .type = GW_API_STRING, .need = (need_), .min_bytes = (min_), .max_bytes = (max_) \
    }
#define BOOL(member)                          \
    {                                         \
        .name = (member), .type = GW_API_BOOL \
    }
#define END          \
    {                \
        .name = NULL \
    }
/* What a password must be is the rules' business; here only what it can be at all. */
#define PASSWORD(member, need_) STRING(member, need_, 1, GW_PASSWORD_MAX_BYTES)

static const struct gw_api_member login_body[] = {
    STRING("username", GW_API_OPTIONAL, 1, GW_EMAIL_MAX),
    STRING("email", GW_API_OPTIONAL, 1, GW_EMAIL_MAX),
    PASSWORD("password", GW_API_REQUIRED),
    END,
};
/* The hidden fields come from a page of ours, and whoever changed them is shown no less than anybody: as long as a body may be. */
#define HIDDEN(member) STRING(member, GW_API_OPTIONAL, 0, GW_CONTROL_BODY_MAX)
static const struct gw_api_member login_form[] = {
    STRING("username", GW_API_REQUIRED, 1, GW_EMAIL_MAX),
    PASSWORD("password", GW_API_REQUIRED),
    HIDDEN("next"),
    END,
};
static const struct gw_api_member logout_form[] = {HIDDEN(GW_CSRF_FIELD), END};
/* Longer than any of ours: what is none gets the one answer of all that are not good. */
static const struct gw_api_member refresh_body[] = {
    STRING("refreshToken", GW_API_OPTIONAL, 1, 512),
    END,
};
/* No role: A.A.I.T.I's own registration honours even `admin`. */
static const struct gw_api_member register_body[] = {
    STRING("username", GW_API_REQUIRED, 1, GW_USERNAME_MAX),
    STRING("email", GW_API_REQUIRED, 1, GW_EMAIL_MAX),
    PASSWORD("password", GW_API_REQUIRED),
    END,
};
static const struct gw_api_member password_body[] = {
    PASSWORD("currentPassword", GW_API_REQUIRED),
    PASSWORD("newPassword", GW_API_REQUIRED),
    BOOL("revokeApiKeys"),
    END,
};
static const struct gw_api_member reset_body[] = {
    STRING("code", GW_API_REQUIRED, 1, 64),
    PASSWORD("newPassword", GW_API_REQUIRED),
    BOOL("revokeApiKeys"),
    END,
};
static const struct gw_api_member set_password_body[] = {
    PASSWORD("newPassword", GW_API_REQUIRED),
    BOOL("revokeApiKeys"),
    END,
};
/* The caller's own, where a call asks for it; the operator has none. */
#define CURRENT_PASSWORD PASSWORD("currentPassword", GW_API_OPTIONAL)
static const struct gw_api_member reset_begin_body[] = {
    BOOL("revokeApiKeys"),
    CURRENT_PASSWORD,
    END,
};
static const struct gw_api_member user_add_body[] = {
    STRING("username", GW_API_REQUIRED, 1, GW_USERNAME_MAX),
    STRING("email", GW_API_OPTIONAL, 0, GW_EMAIL_MAX),
    STRING("role", GW_API_REQUIRED, 1, GW_ROLE_MAX),
    STRING("upstreamId", GW_API_OPTIONAL, 0, GW_UPSTREAM_ID_MAX),
    PASSWORD("password", GW_API_OPTIONAL),
    BOOL("service"),
    CURRENT_PASSWORD,
    END,
};
static const struct gw_api_member user_import_body[] = {
    STRING("username", GW_API_REQUIRED, 1, GW_USERNAME_MAX),
    STRING("email", GW_API_OPTIONAL, 0, GW_EMAIL_MAX),
    STRING("role", GW_API_REQUIRED, 1, GW_ROLE_MAX),
    STRING("upstreamId", GW_API_OPTIONAL, 0, GW_UPSTREAM_ID_MAX),
    STRING("passwordHash", GW_API_REQUIRED, 1, GW_PWHASH_LEN),
    BOOL("active"),
    END,
};
static const struct gw_api_member user_change_body[] = {
    STRING("email", GW_API_OPTIONAL, 0, GW_EMAIL_MAX),
    STRING("role", GW_API_OPTIONAL, 1, GW_ROLE_MAX),
    STRING("upstreamId", GW_API_OPTIONAL, 0, GW_UPSTREAM_ID_MAX),
    BOOL("active"),
    CURRENT_PASSWORD,
    END,
};
static const struct gw_api_member revoke_body[] = {
    STRING("jti", GW_API_REQUIRED, GW_UUID_LEN, GW_UUID_LEN),
    STRING("expires", GW_API_REQUIRED, GW_TIME_LEN, GW_TIME_LEN),
    END,
};
static const struct gw_api_member rotate_signing_body[] = {
    BOOL("force"),
    END,
};
/* How strong it must be depends on what it is for (gw_mint_check). */
static const struct gw_api_member stage_upstream_body[] = {
    STRING("secret", GW_API_REQUIRED, 1, GW_SECRET_MAX_BYTES),
    END,
};
#define GW_API_CERTIFICATE_MAX 16384
static const struct gw_api_member api_key_body[] = {
    STRING("user", GW_API_OPTIONAL, 1, GW_EMAIL_MAX),
    STRING("name", GW_API_OPTIONAL, 0, GW_API_KEY_NAME_MAX),
    STRING("scopes", GW_API_OPTIONAL, 0, GW_API_KEY_SCOPES_MAX_BYTES),
    STRING("networks", GW_API_OPTIONAL, 0, GW_API_KEY_NETWORKS_MAX_BYTES),
    STRING("expiresIn", GW_API_OPTIONAL, 1, 24),
    BOOL("signed"),
    STRING("certificate", GW_API_OPTIONAL, 1, GW_API_CERTIFICATE_MAX),
    PASSWORD("password", GW_API_OPTIONAL), /* the caller's own; who has none is the operator */
    END,
};
static const struct gw_api_member api_key_rotate_body[] = {
    STRING("overlap", GW_API_OPTIONAL, 1, 24),
    PASSWORD("password", GW_API_OPTIONAL),
    END,
};

/* A reason of any letters is cut, and not refused for its bytes: nobody who presses is to count them. */
#define REASON_MAX (4 * GW_MODE_REASON_MAX)
#define MODE_MEMBERS                                                                                             \
    STRING("scope", GW_API_OPTIONAL, 1, GW_MODE_NAME_MAX + 6), STRING("reason", GW_API_OPTIONAL, 0, REASON_MAX), \
        STRING("for", GW_API_OPTIONAL, 1, 24)
static const struct gw_api_member mode_body[] = {STRING("mode", GW_API_REQUIRED, 1, 16), MODE_MEMBERS, END};
static const struct gw_api_member panic_body[] = {MODE_MEMBERS, END};
static const struct gw_api_member ws_ticket_body[] = {
    STRING("path", GW_API_REQUIRED, 1, GW_JWT_CLAIM_MAX),
    END,
};
static const struct gw_api_member make_safe_body[] = {
    STRING("as", GW_API_OPTIONAL, 1, GW_EMAIL_MAX),
    BOOL("plan"),
    END,
};

/* A network with the longest length: "ffff:…:ffff/128". */
static const struct gw_api_member block_body[] = {
    STRING("network", GW_API_REQUIRED, 2, 49),
    STRING("for", GW_API_OPTIONAL, 1, 24),
    STRING("reason", GW_API_OPTIONAL, 0, 200),
    BOOL("suspect"),
    END,
};

/* ---- the table ---- */

#define AUTH(method_, path_, target_, access_, body_, handle_)                                        \
    {                                                                                                 \
        method_, path_, GW_TARGET_##target_, GW_API_##access_, NULL, body_, gw_handle_##handle_, NULL \
    }
#define CALL(method_, path_, access_, body_, handle_)                                                           \
    {                                                                                                           \
        method_, "/aaiti/v1" path_, GW_TARGET_CONTROL, GW_API_##access_, NULL, body_, gw_handle_##handle_, NULL \
    }
#define WITH(method_, path_, permission_, body_, handle_)                                                          \
    {                                                                                                              \
        method_, "/aaiti/v1" path_, GW_TARGET_CONTROL, GW_API_PERMISSION, permission_, body_, gw_handle_##handle_, \
            NULL                                                                                                   \
    }

#define FORM(path_, target_, access_, form_)                                                                  \
    {                                                                                                         \
        "POST", path_, GW_TARGET_##target_, GW_API_##access_, NULL, form_, gw_handle_##form_, gw_show_##form_ \
    }

static const struct gw_api_route routes[] = {
    AUTH("POST", "/api/auth/login", LOGIN, PUBLIC, login_body, login),
    AUTH("POST", "/api/auth/refresh", REFRESH, PUBLIC, refresh_body, refresh),
    AUTH("POST", "/api/auth/logout", LOGOUT, PERSONAL, NULL, logout),
    AUTH("GET", "/api/auth/profile", PROFILE, SIGNED_IN, NULL, profile),
    AUTH("POST", "/api/auth/register", REGISTER, REGISTRATION, register_body, register),

    FORM(GW_LOGIN_PAGE, LOGIN_FORM, PUBLIC, login_form),
    FORM(GW_LOGOUT_PAGE, LOGOUT_FORM, PERSONAL, logout_form),

    CALL("PUT", "/password", PERSONAL, password_body, password_change),
    CALL("POST", "/password/reset", PUBLIC, reset_body, password_reset),

    WITH("GET", "/users", "users:read", NULL, user_list),
    WITH("POST", "/users", "users:write", user_add_body, user_add),
    CALL("POST", "/users/import", OPERATOR, user_import_body, user_import),
    WITH("GET", "/users/{id}", "users:read", NULL, user_get),
    WITH("PATCH", "/users/{id}", "users:write", user_change_body, user_change),
    WITH("DELETE", "/users/{id}", "users:delete", NULL, user_delete),
    WITH("POST", "/users/{id}/reset", "users:write", reset_begin_body, reset_begin),
    CALL("PUT", "/users/{id}/password", OPERATOR, set_password_body, password_set),

    CALL("GET", "/sessions", PERSONAL, NULL, session_list),
    CALL("DELETE", "/sessions", PERSONAL, NULL, session_end_all),
    CALL("DELETE", "/sessions/{id}", PERSONAL, NULL, session_end),
    CALL("POST", "/ws-tickets", PERSONAL, ws_ticket_body, ws_ticket),
    CALL("GET", "/api-keys", PERSONAL, NULL, api_key_list),
    CALL("POST", "/api-keys", PERSONAL, api_key_body, api_key_add),
    CALL("POST", "/api-keys/{id}/rotate", PERSONAL, api_key_rotate_body, api_key_rotate),
    CALL("DELETE", "/api-keys/{id}", PERSONAL, NULL, api_key_revoke),
    WITH("POST", "/tokens/revoke", "users:write", revoke_body, token_revoke),

    WITH("GET", "/audit", "audit:read", NULL, audit_list),
    WITH("GET", "/audit/{id}", "audit:read", NULL, audit_get),

    CALL("GET", "/keys", OPERATOR, NULL, key_list),
    CALL("POST", "/keys/signing/rotate", OPERATOR, rotate_signing_body, key_rotate_signing),
    CALL("PUT", "/keys/upstream/next", OPERATOR, stage_upstream_body, key_stage_upstream),
    CALL("POST", "/keys/upstream/finish", OPERATOR, NULL, key_finish_upstream),
    CALL("POST", "/keys/data/rotate", OPERATOR, NULL, key_rotate_data),

    CALL("GET", "/refusals/{id}", OPERATOR, NULL, refusal_get),

    WITH("POST", "/make-safe", "system:write", make_safe_body, make_safe),
    WITH("GET", "/make-safe/{id}", "system:write", NULL, make_safe_get),

    CALL("GET", "/mode", SIGNED_IN, NULL, mode_get),
    WITH("POST", "/mode", "system:write", mode_body, mode_set),
    WITH("POST", "/panic", "system:panic", panic_body, panic),

    WITH("GET", "/lockouts", "system:read", NULL, lockout_list),
    WITH("DELETE", "/lockouts", "system:write", NULL, lockout_clear),

    WITH("GET", "/blocks", "system:read", NULL, block_list),
    WITH("POST", "/blocks", "system:write", block_body, block_add),
    WITH("DELETE", "/blocks", "system:write", NULL, block_remove_network),
    WITH("DELETE", "/blocks/{id}", "system:write", NULL, block_remove),

    WITH("POST", "/policy/reload", "system:write", NULL, policy_reload),
    WITH("GET", "/status", "system:read", NULL, status),
};
static const size_t route_count = sizeof(routes) / sizeof(routes[0]);

const struct gw_api_route *gw_api_routes(size_t *out_count)
{
    *out_count = route_count;
    return routes;
}

/* ---- finding the row ---- */

/* "{id}" matches one segment, anything else itself. */
static bool path_matches(struct gw_str pattern, struct gw_str path, struct gw_str *out_id)
{
    struct gw_str want, have;
    *out_id = GW_STR_NULL;
    while (gw_str_split(&pattern, '/', &want)) {
        if (!gw_str_split(&path, '/', &have))
            return false;
        if (gw_str_eq(want, GW_STR("{id}")) && have.len > 0)
            *out_id = have;
        else if (!gw_str_eq(want, have))
            return false;
    }
    return path.ptr == NULL;
}

static bool method_matches(const char *method, struct gw_str asked)
{
    if (gw_str_eq(asked, GW_STR("HEAD")))
        asked = GW_STR("GET");
    return gw_str_eq(gw_str(method), asked);
}

static enum gw_target target_of(const struct gw_exchange *x)
{
    if (gw_str_starts(x->call->path, GW_STR("/aaiti/v1/")))
        return GW_TARGET_CONTROL;
    const struct gw_route *r =
        gw_policy_match(x->view->policy, gw_method_parse(x->call->method), x->call->path, x->call->query);
    return r != NULL ? r->target : GW_TARGET_BACKEND;
}

static bool find_route(struct gw_exchange *x)
{
    enum gw_target target = target_of(x);
    for (size_t i = 0; i < route_count; i++) {
        const struct gw_api_route *r = &routes[i];
        bool fits = r->target == target;
        if (target == GW_TARGET_CONTROL)
            fits = fits && method_matches(r->method, x->call->method) &&
                   path_matches(gw_str(r->path), x->call->path, &x->id);
        if (fits) {
            x->route = r;
            return true;
        }
    }
    return false;
}

/* A canonical path still carries %40 and its kin. */
static enum gw_code decode_id(struct gw_exchange *x, struct gw_error *err)
{
    char *text = gw_arena_alloc(x->arena, x->id.len + 1);
    size_t n = 0;
    if (text == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for an id");
    for (size_t i = 0; i < x->id.len; i++) {
        if (x->id.ptr[i] != '%') {
            text[n++] = x->id.ptr[i];
            continue;
        }
        int high = i + 2 < x->id.len ? gw_hex_digit(x->id.ptr[i + 1]) : -1;
        int low = i + 2 < x->id.len ? gw_hex_digit(x->id.ptr[i + 2]) : -1;
        if (high < 0 || low < 0)
            return gw_fail(err, GW_EPARSE, "the path is not percent-encoded as it should be");
        text[n++] = (char)(high * 16 + low);
        i += 2;
    }
    x->id = (struct gw_str){text, n};
    return GW_OK;
}

/* ---- the caller and the right ---- */

static bool key_leaves(const struct gw_exchange *x, const char *right)
{
    return !x->caller->by_key || gw_live_key_leaves(&x->caller->key, gw_str(right));
}

bool gw_exchange_may(const struct gw_exchange *x, const char *permission)
{
    if (x->call->kind == GW_CALLER_OPERATOR)
        return true;
    if (x->caller == NULL)
        return false;
    const struct gw_policy *p = x->view->policy;
    return gw_policy_holds(p, gw_policy_role(p, gw_str(x->caller->user.role)),
                           gw_policy_permission(p, gw_str(permission))) &&
           key_leaves(x, permission);
}

/* 0, or the status of the refusal. */
static unsigned refuse_access(const struct gw_exchange *x)
{
    switch (x->route->access) {
    case GW_API_PUBLIC:
        return 0;
    case GW_API_REGISTRATION:
        return x->view->settings->register_enabled ? 0 : 403;
    case GW_API_SIGNED_IN:
        if (x->call->kind == GW_CALLER_OPERATOR)
            return 0;
        if (x->caller == NULL)
            return 401;
        return key_leaves(x, GW_SIGNED_IN_SCOPE) ? 0 : 403;
    case GW_API_PERSONAL:
        if (x->call->kind == GW_CALLER_OPERATOR)
            return 0;
        if (x->caller == NULL)
            return 401;
        return x->caller->by_key ? 403 : 0;
    case GW_API_PERMISSION:
        if (gw_exchange_may(x, x->route->permission))
            return 0;
        return x->caller != NULL ? 403 : 401;
    case GW_API_OPERATOR:
        if (x->call->kind == GW_CALLER_OPERATOR)
            return 0;
        return x->caller != NULL ? 403 : 401;
    }
    return 403;
}

static enum gw_code identify_key(struct gw_exchange *x, struct gw_caller *caller, struct gw_error *err)
{
    struct gw_live_key key;
    enum gw_key_fault fault = GW_KEY_UNKNOWN;
    struct gw_shared *shared = gw_app_shared(x->app);
    if (shared == NULL)
        return gw_fail(err, GW_EBACKEND, "no API key can be checked while control is down");
    int64_t now_s = gw_clock_real_s(gw_app_clock(x->app));
    enum gw_code code = gw_key_judge(shared, x->call->token, &x->call->address, now_s, &key, &fault);
    if (code != GW_OK)
        return gw_fail(err, code, "an API key could not be looked up");
    if (fault != GW_KEY_OK)
        return gw_fail(err, GW_EDENIED, "API key refused");
    return gw_identify_key(x->view->identity, &key, caller, err);
}

/* A public call is nobody's: a stale token sent along must not hinder signing in. */
static enum gw_code identify(struct gw_exchange *x, struct gw_caller *caller, struct gw_error *err)
{
    bool is_public = x->route->access == GW_API_PUBLIC || x->route->access == GW_API_REGISTRATION;
    if (x->call->kind == GW_CALLER_OPERATOR || is_public || x->call->token.len == 0)
        return GW_OK;
    enum gw_code code = x->call->is_api_key ? identify_key(x, caller, err)
                                            : gw_identify(x->view->identity, x->call->token, caller, err);
    if (code == GW_OK)
        x->caller = caller;
    return code == GW_EDENIED ? GW_OK : code;
}

/* ---- the body ---- */

static enum gw_code check_member(const struct gw_api_member *m, const json_t *body, struct gw_error *err)
{
    struct gw_str text;
    bool truth;
    enum gw_code code = m->type == GW_API_BOOL ? gw_json_get_bool(body, m->name, &truth, err)
                                               : gw_json_get_str(body, m->name, m->min_bytes, m->max_bytes, &text, err);
    if (code == GW_ENOTFOUND && m->need == GW_API_OPTIONAL)
        return GW_OK;
    return code == GW_ENOTFOUND ? gw_fail(err, GW_EINVAL, "/%s: missing", m->name) : code;
}

static enum gw_code parse_json(struct gw_exchange *x, struct gw_error *err)
{
    const char *names[GW_API_MEMBERS_MAX + 1] = {NULL};
    struct gw_str text = x->call->body.len > 0 ? x->call->body : GW_STR("{}");
    enum gw_code code = gw_json_parse(text, GW_JSON_DEFAULT_LIMITS, &x->body, err);
    if (code != GW_OK)
        return code == GW_ELIMIT ? gw_fail(err, GW_EPARSE, "JSON text is nested too deep") : code;
    if (!json_is_object(x->body))
        return gw_fail(err, GW_EINVAL, "the body: expected a JSON object");
    for (size_t i = 0; x->route->body[i].name != NULL; i++)
        names[i] = x->route->body[i].name;
    return gw_json_only(x->body, names, err);
}

static enum gw_code parse_body(struct gw_exchange *x, struct gw_error *err)
{
    GW_TRY(x->route->show != NULL ? gw_form_read(x->call->body, x->route->body, &x->body, err) : parse_json(x, err));
    for (size_t i = 0; x->route->body[i].name != NULL; i++)
        GW_TRY(check_member(&x->route->body[i], x->body, err));
    return GW_OK;
}

struct gw_str gw_exchange_str(const struct gw_exchange *x, const char *name)
{
    const json_t *value = json_object_get(x->body, name);
    return json_is_string(value) ? (struct gw_str){json_string_value(value), json_string_length(value)} : GW_STR_NULL;
}

enum gw_code gw_exchange_query(const struct gw_exchange *x, struct gw_str name, struct gw_str *out,
                               struct gw_error *err)
{
    enum gw_code code = gw_query_get(x->call->query, name, x->arena, out);
    if (code == GW_ECONFLICT || code == GW_EPARSE)
        return gw_fail(err, GW_EINVAL, "query: `%.*s` stands twice or cannot be decoded", GW_STR_ARG(name));
    return code;
}

struct gw_str gw_exchange_actor(const struct gw_exchange *x)
{
    if (x->call->kind == GW_CALLER_OPERATOR)
        return GW_STR("operator");
    return x->caller != NULL ? gw_str(x->caller->user.username) : GW_STR("nobody");
}

struct gw_str gw_exchange_address(const struct gw_exchange *x)
{
    char *text = gw_arena_alloc(x->arena, GW_IP_LEN + 1);
    if (text == NULL)
        return GW_STR_NULL;
    gw_ip_format(&x->call->address, text);
    return gw_str(text);
}

/* ---- the flow ---- */

/* What a failure of a step says to the client. The message of an error is written for operators; it is shown only for the
 * codes whose messages speak of the caller's own input. */
static const struct {
    enum gw_code code;
    unsigned status;
    enum { HIDE, SHOW } message;
    enum { FINAL, RETRY } again;
    const char *error; /* NULL: the status's title */
} refusals[] = {
    {GW_EINVAL, 400, SHOW, FINAL, NULL},    {GW_EPARSE, 400, SHOW, FINAL, NULL},
    {GW_ENOTFOUND, 404, HIDE, FINAL, NULL}, {GW_ECONFLICT, 409, SHOW, FINAL, NULL},
    {GW_EDENIED, 403, HIDE, FINAL, NULL},   {GW_ELIMIT, 503, HIDE, RETRY, "Too busy, try again"},
    {GW_ETIMEOUT, 503, HIDE, RETRY, NULL}, /* the client has gone: nobody reads it */
    {GW_EBACKEND, 503, HIDE, RETRY, NULL},
};

static void refuse_for(struct gw_exchange *x, const struct gw_error *err)
{
    size_t i = 0;
    const size_t count = sizeof(refusals) / sizeof(refusals[0]);
    while (i < count && refusals[i].code != err->code)
        i++;
    bool known = i < count;
    if (!known || err->code == GW_EBACKEND)
        gw_log(GW_LOG_ERROR, "call", {"method", x->call->method}, {"path", x->call->path},
               {"request", x->call->request_id}, {"code", gw_str(gw_code_name(err->code))},
               {"where", gw_str(err->where)}, {"error", gw_str(err->msg)});
    if (!known) {
        (void)gw_reply_refuse(x, 500, NULL, NULL);
        return;
    }
    x->reply->retry_after_s = refusals[i].again == RETRY ? RETRY_AFTER_S : 0;
    (void)gw_reply_refuse(x, refusals[i].status, refusals[i].error,
                          refusals[i].message == SHOW && err->msg[0] != '\0' ? err->msg : NULL);
}

/* A page that did not come out whole is none: the problem stands for it. */
static void show_refusal(struct gw_exchange *x)
{
    if (x->route == NULL || x->route->show == NULL || !x->reply->is_problem)
        return;
    x->route->show(x);
    if (gw_buf_check(&x->reply->page, NULL) != GW_OK)
        gw_buf_reset(&x->reply->page);
}

static enum gw_code answer(struct gw_exchange *x, struct gw_caller *caller, struct gw_error *err)
{
    if (!find_route(x))
        return gw_reply_refuse(x, 404, NULL, NULL);
    GW_TRY(decode_id(x, err));
    GW_TRY(identify(x, caller, err));
    gw_exchange_set_actor(x);
    unsigned refusal = refuse_access(x);
    if (refusal != 0)
        return gw_reply_refuse(x, refusal, NULL, NULL);
    if (x->route->body != NULL) {
        if (x->call->body.len > GW_CONTROL_BODY_MAX)
            return gw_reply_refuse(x, 413, NULL, NULL);
        if (x->route->show != NULL && !gw_form_is_one(x->call->media_type))
            return gw_reply_refuse(x, 415, NULL, NULL);
        GW_TRY(parse_body(x, err));
    }
    return x->route->handle(x, err);
}

void gw_dispatch(struct gw_app *a, const struct gw_call *call, struct gw_reply *out)
{
    gw_auto(gw_arena) struct gw_arena arena = {0};
    struct gw_caller caller = {0};
    struct gw_error err = {0};
    gw_arena_init(&arena, ARENA_MAX);
    *out = (struct gw_reply){.status = 500};
    gw_buf_init(&out->session_cookie, 8 * 1024);
    gw_buf_init(&out->refresh_cookie, 8 * 1024);
    gw_buf_init(&out->device_cookie, 8 * 1024);
    gw_buf_init(&out->page, GW_PAGE_MAX);
    gw_buf_init(&out->location, GW_NEXT_MAX_BYTES + 1);
    const struct gw_app_view *view = gw_app_view_get(a);
    struct gw_exchange x = {.app = a, .view = view, .call = call, .arena = &arena, .reply = out};
    enum gw_code code = answer(&x, &caller, &err);
    if (code != GW_OK) {
        err.code = code; /* not every failing call has words */
        refuse_for(&x, &err);
    }
    gw_exchange_count_refusal(&x);
    show_refusal(&x);
    json_decref(x.body);
    gw_app_view_put(a, view);
}
