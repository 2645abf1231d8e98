/* SPDX-License-Identifier: Apache-2.0 */
#include "control/exchange.h"
#include "pipeline/answers.h"
#include "pipeline/credential.h"
#include "pipeline/next.h"

enum gw_code gw_reply_json(struct gw_exchange *x, unsigned status, json_t *body, struct gw_error *err)
{
    if (body == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for an answer");
    json_decref(x->reply->body);
    x->reply->body = body;
    x->reply->status = status;
    return GW_OK;
}

enum gw_code gw_reply_add(struct gw_exchange *x, const char *name, json_t *value, struct gw_error *err)
{
    if (json_object_set_new(x->reply->body, name, value) != 0)
        return gw_fail(err, GW_ENOMEM, "no memory for an answer");
    return GW_OK;
}

void gw_reply_problem(struct gw_reply *r, struct gw_str request_id, unsigned status, const char *error,
                      const char *detail)
{
    const struct gw_problem_text *p = gw_problem_text(status);
    json_decref(r->body);
    /* Without memory the body stays NULL, and the status tells. */
    r->body = json_pack("{s:o, s:s, s:i, s:s, s:o*}", "type", json_sprintf("urn:aaiti:problem:%s", p->type), "title",
                        p->title, "status", (int)status, "error", error != NULL ? error : p->title, "detail",
                        detail != NULL ? json_string(detail) : NULL);
    if (r->body != NULL && request_id.len > 0)
        (void)json_object_set_new(r->body, "instance",
                                  json_sprintf("%s%.*s", gw_instance_prefix(request_id), GW_STR_ARG(request_id)));
    r->status = status;
    r->is_problem = true;
}

enum gw_code gw_reply_refuse(struct gw_exchange *x, unsigned status, const char *error, const char *detail)
{
    gw_reply_problem(x->reply, x->call->request_id, status, error, detail);
    return GW_OK;
}

void gw_reply_done(struct gw_reply *r)
{
    json_decref(r->body);
    r->body = NULL;
    gw_buf_done(&r->session_cookie);
    gw_buf_done(&r->refresh_cookie);
    gw_buf_done(&r->device_cookie);
    gw_buf_done(&r->page);
    gw_buf_done(&r->location);
}

/* ---- cookies ---- */

struct gw_str gw_exchange_refresh_path(const struct gw_exchange *x)
{
    return gw_policy_auth_path(x->view->policy, GW_TARGET_REFRESH);
}

/* The part of a route's path that stands for itself. */
static struct gw_str cookie_path(struct gw_str path)
{
    size_t n = 0;
    while (n < path.len && strchr("{*", path.ptr[n]) == NULL)
        n++;
    return gw_str_sub(path, 0, n);
}

static enum gw_code add_cookie(struct gw_buf *dst, struct gw_str token, int64_t max_age_s, const char *name,
                               struct gw_str path, const char *same_site, struct gw_error *err)
{
    gw_buf_addf(dst, "%s=%.*s; Path=%.*s; Secure; HttpOnly; SameSite=%s; Max-Age=%lld", name, GW_STR_ARG(token),
                GW_STR_ARG(path), same_site, token.len > 0 ? (long long)max_age_s : 0LL);
    return gw_buf_check(dst, err);
}

enum gw_code gw_reply_session_cookie(struct gw_exchange *x, struct gw_str token, int64_t max_age_s,
                                     struct gw_error *err)
{
    return add_cookie(&x->reply->session_cookie, token, max_age_s, GW_SESSION_COOKIE, GW_STR("/"), "Lax", err);
}

enum gw_code gw_reply_refresh_cookie(struct gw_exchange *x, struct gw_str token, int64_t max_age_s,
                                     struct gw_error *err)
{
    struct gw_str path = cookie_path(gw_exchange_refresh_path(x));
    if (path.len == 0)
        return GW_OK;
    return add_cookie(&x->reply->refresh_cookie, token, max_age_s, GW_REFRESH_COOKIE, path, "Strict", err);
}

enum gw_code gw_reply_device_cookie(struct gw_exchange *x, struct gw_str text, struct gw_error *err)
{
    bool by_form = x->route->target == GW_TARGET_LOGIN_FORM;
    struct gw_str path =
        by_form ? GW_STR(GW_LOGIN_PAGE) : cookie_path(gw_policy_auth_path(x->view->policy, GW_TARGET_LOGIN));
    if (path.len == 0 || text.len == 0)
        return GW_OK;
    return add_cookie(&x->reply->device_cookie, text, x->view->settings->login_device_ttl_ms / 1000, GW_DEVICE_COOKIE,
                      path, "Strict", err);
}

/* ---- held up ---- */

static unsigned ceil_div(int64_t n, int64_t by)
{
    int64_t result = (n + by - 1) / by;
    return result > 0 ? (unsigned)result : 1;
}

enum gw_code gw_reply_held_up(struct gw_exchange *x, const struct gw_held_up *h)
{
    char text[96];
    unsigned minutes = ceil_div(h->for_ms, 60000);
    x->reply->retry_after_s = ceil_div(h->for_ms, 1000);
    (void)snprintf(text, sizeof(text), "Too many failed attempts, try again in %u minute%s", minutes,
                   minutes == 1 ? "" : "s");
    return gw_reply_refuse(x, 429, h->why == GW_HELD_UP_LOCKED ? text : NULL, NULL);
}

/* ---- shapes ---- */

json_t *gw_reply_time(int64_t unix_s)
{
    char text[GW_TIME_LEN + 1];
    if (unix_s == 0)
        return json_null();
    gw_time_format(unix_s, text);
    return json_string(text);
}

json_t *gw_reply_uuid(const struct gw_uuid *u)
{
    char text[GW_UUID_LEN + 1];
    gw_uuid_format(u, text);
    return json_string(text);
}

json_t *gw_reply_user_brief(const struct gw_user_row *u)
{
    return json_pack("{s:o, s:s, s:s, s:s}", "id", gw_reply_uuid(&u->id), "username", u->username, "email", u->email,
                     "role", u->role);
}

json_t *gw_reply_user(const struct gw_user_row *u)
{
    return json_pack("{s:o, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:o}", "id", gw_reply_uuid(&u->id), "username",
                     u->username, "email", u->email, "role", u->role, "upstreamId", u->upstream_id, "active",
                     (int)u->active, "service", (int)u->service, "hasPassword", u->password_hash[0] != '\0',
                     "createdAt", gw_reply_time(u->created_s), "updatedAt", gw_reply_time(u->updated_s), "lastLoginAt",
                     gw_reply_time(u->last_login_s));
}
