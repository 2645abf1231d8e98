/* SPDX-License-Identifier: Apache-2.0 */
#include "control/exchange.h"
#include <stdio.h>

/* RFC 9457; the type and title of a status, so that no two refusals of one status can be told apart by them. */
static const struct {
    unsigned status;
    const char *type, *title;
} problems[] = {
    {400, "bad-request", "Bad request"},
    {401, "unauthorized", "Authentication required"},
    {403, "forbidden", "Forbidden"},
    {404, "not-found", "Not found"},
    {409, "conflict", "Conflict"},
    {413, "too-large", "The body is too large"},
    {422, "faulty-configuration", "The configuration has faults"},
    {503, "unavailable", "Unavailable"},
    {500, "internal", "Internal error"}, /* last: of every other status */
};

static size_t problem_of(unsigned status)
{
    size_t i = 0;
    while (i + 1 < sizeof(problems) / sizeof(problems[0]) && problems[i].status != status)
        i++;
    return i;
}

enum gw_code gw_reply_json(struct gw_exchange *x, unsigned status, json_t *body, struct gw_error *err)
{
    if (body == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for an answer");
    json_decref(x->reply->body);
    x->reply->body = body;
    x->reply->status = status;
    return GW_OK;
}

enum gw_code gw_reply_refuse(struct gw_exchange *x, unsigned status, const char *error, const char *detail)
{
    struct gw_reply *r = x->reply;
    size_t i = problem_of(status);
    char type[64];
    (void)snprintf(type, sizeof(type), "urn:aaiti:problem:%s", problems[i].type);
    json_decref(r->body);
    /* Without memory the body stays NULL, and the status tells. */
    r->body = json_pack("{s:s, s:s, s:i, s:s, s:o*}", "type", type, "title", problems[i].title, "status", (int)status,
                        "error", error != NULL ? error : problems[i].title, "detail",
                        detail != NULL ? json_string(detail) : NULL);
    if (r->body != NULL && x->call->request_id.len > 0)
        (void)json_object_set_new(r->body, "instance", json_sprintf("urn:uuid:%.*s", GW_STR_ARG(x->call->request_id)));
    r->status = status;
    r->is_problem = true;
    return GW_OK;
}

void gw_reply_done(struct gw_reply *r)
{
    json_decref(r->body);
    r->body = NULL;
    gw_buf_done(&r->set_cookie);
}

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
    return json_pack("{s:o, s:s, s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:o}", "id", gw_reply_uuid(&u->id), "username",
                     u->username, "email", u->email, "role", u->role, "upstreamId", u->upstream_id, "active",
                     (int)u->active, "hasPassword", u->password_hash[0] != '\0', "createdAt",
                     gw_reply_time(u->created_s), "updatedAt", gw_reply_time(u->updated_s), "lastLoginAt",
                     gw_reply_time(u->last_login_s));
}
