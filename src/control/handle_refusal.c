/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a refusal's id tells (pipeline/request_id.h). It holds marks of names; the names are looked for among those that this program and
 * the policy in force know, and what they do not know any more is listed as unknown.
 */
#include "control/exchange.h"
#include "pipeline/pipeline.h"

/* What is looked for in a list, and the list's i-th name; empty: the list has ended. */
typedef struct gw_str (*name_fn)(const struct gw_policy *p, size_t i);

static struct gw_str reason_name(const struct gw_policy *p, size_t i)
{
    (void)p;
    return i < GW_REASON_COUNT ? gw_str(gw_reason_name((enum gw_reason)i)) : GW_STR_NULL;
}

static struct gw_str stage_name(const struct gw_policy *p, size_t i)
{
    (void)p;
    return i < GW_STAGE_COUNT ? gw_str(gw_stages[i].name) : GW_STR_NULL;
}

static struct gw_str detail_name(const struct gw_policy *p, size_t i)
{
    (void)p;
    return i < GW_DETAIL_COUNT ? gw_str(gw_detail_name((enum gw_detail)i)) : GW_STR_NULL;
}

static struct gw_str route_name(const struct gw_policy *p, size_t i)
{
    return i < gw_policy_route_count(p) ? gw_policy_route(p, i)->pattern : GW_STR_NULL;
}

static struct gw_str access_name(const struct gw_policy *p, size_t i)
{
    static const struct gw_str names[] = {GW_STR("deny"), GW_STR("public"), GW_STR("signed-in")};
    (void)p;
    return i < sizeof(names) / sizeof(names[0]) ? names[i] : GW_STR_NULL;
}

static struct gw_str permission_name(const struct gw_policy *p, size_t i)
{
    return i < gw_policy_permission_count(p) ? gw_policy_permission_name(p, (unsigned)i) : GW_STR_NULL;
}

static struct gw_str role_name(const struct gw_policy *p, size_t i)
{
    return i < gw_policy_role_count(p) ? gw_policy_role_name(p, (unsigned)i) : GW_STR_NULL;
}

/* False: none of the names. */
static bool find(const struct gw_policy *p, name_fn name, uint32_t mark, size_t *out)
{
    for (size_t i = 0; name(p, i).len > 0; i++) {
        if (gw_name_mark(name(p, i)) != mark)
            continue;
        *out = i;
        return true;
    }
    return false;
}

static json_t *text(struct gw_str s)
{
    return json_stringn(s.ptr, s.len);
}

/* null where nothing was sealed; null and listed where it is not known here. */
static json_t *named(const struct gw_policy *p, name_fn name, uint32_t mark, const char *member, json_t *unknown)
{
    size_t i;
    if (mark == 0)
        return json_null();
    if (find(p, name, mark, &i))
        return text(name(p, i));
    (void)json_array_append_new(unknown, json_string(member));
    return json_null();
}

static json_t *holders(const struct gw_policy *p, size_t permission)
{
    json_t *roles = json_array();
    for (size_t i = 0; i < gw_policy_role_count(p); i++)
        if (gw_policy_holds(p, (int)i, (int)permission))
            (void)json_array_append_new(roles, text(gw_policy_role_name(p, (unsigned)i)));
    return roles;
}

/* What the route asked for then, and which roles have it now. */
static json_t *needed(const struct gw_policy *p, uint32_t mark, json_t *unknown)
{
    size_t i;
    if (mark == 0)
        return json_null();
    if (find(p, access_name, mark, &i))
        return json_pack("{s:o}", "access", text(access_name(p, i)));
    if (find(p, permission_name, mark, &i))
        return json_pack("{s:o, s:o}", "permission", text(permission_name(p, i)), "roles", holders(p, i));
    return json_pack("{s:o}", "role", named(p, role_name, mark, "needed", unknown));
}

/* {"generation", "inForce"}: null where nothing is, as offline. */
static json_t *policy_of(struct gw_exchange *x, const struct gw_refusal *r)
{
    struct gw_bundle_ref now;
    struct gw_shared *shared = gw_app_shared(x->app);
    bool is_known = shared != NULL && gw_shared_get_bundle(shared, &now) == GW_OK;
    json_t *in_force = is_known ? json_boolean(gw_name_mark(gw_str(now.hash)) == r->bundle) : json_null();
    return json_pack("{s:I, s:o}", "generation", (json_int_t)r->generation, "inForce", in_force);
}

static json_t *reason_text(const struct gw_refusal *r)
{
    size_t i;
    return find(NULL, reason_name, r->reason, &i) ? json_string(gw_reason_why((enum gw_reason)i)) : json_null();
}

static json_t *status_of(const struct gw_refusal *r)
{
    size_t i;
    return find(NULL, reason_name, r->reason, &i) ? json_integer(gw_reason_status((enum gw_reason)i)) : json_null();
}

static json_t *detail_text(const struct gw_refusal *r, json_t *unknown)
{
    size_t i;
    if (r->detail != 0 && find(NULL, detail_name, r->detail, &i))
        return json_string(gw_detail_text((enum gw_detail)i));
    return named(NULL, detail_name, r->detail, "detail", unknown);
}

static json_t *tell(struct gw_exchange *x, const struct gw_refusal *r)
{
    const struct gw_policy *p = x->view->policy;
    json_t *unknown = json_array();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "requestId", gw_reply_uuid(&r->request),
                     "time", gw_reply_time(gw_uuid_v7_ms(&r->request) / 1000), "status", status_of(r), "reason",
                     named(p, reason_name, r->reason, "reason", unknown), "why", reason_text(r), "detail",
                     detail_text(r, unknown), "stage", named(p, stage_name, r->stage, "stage", unknown), "route",
                     named(p, route_name, r->route, "route", unknown), "needed", needed(p, r->right, unknown), "policy",
                     policy_of(x, r), "unknown", unknown);
}

enum gw_code gw_handle_refusal_get(struct gw_exchange *x, struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *key = NULL;
    const struct gw_keys_source source = gw_app_keys_source(x->app, x->view);
    struct gw_uuid plain;
    struct gw_refusal r;
    if (gw_uuid_parse(x->id, &plain) == GW_OK)
        return gw_reply_refuse(x, 404, "No sealed id",
                               "this is the id of a request that the gate let pass, and tells nothing by itself; look "
                               "with `aaiti audit search --request-id`");
    enum gw_code code = gw_keys_load_request_id(&source, &key, err);
    if (code == GW_OK)
        code = gw_id_open(key, x->id, &r, err);
    if (code == GW_EDENIED || code == GW_ENOTFOUND)
        return gw_reply_refuse(x, 404, NULL, err->msg);
    GW_TRY(code);
    return gw_reply_json(x, 200, tell(x, &r), err);
}
