/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit trail, shown. A reading leaves a row of its own, written after the walk and before the answer: after, because a long walk in
 * a transaction would hold up sign-ins, and because the row tells how much was shown; before, so that nobody looks unseen: what cannot
 * be recorded is not shown. `aaiti audit tail --follow` asks each second. Such a call leaves a row only where it found more than rows of
 * other readings: else two who follow would show each other their own rows for ever.
 */
#include "audit/row.h"
#include "base/buf.h"
#include "control/exchange.h"
#include <stdio.h>

#define LIMIT_DEFAULT 100
#define TIME_EXPECTED "a time such as 2026-11-24T04:29:50Z"
#define NUMBER_EXPECTED "the id of an event"

struct reading {
    struct gw_exchange *x;
    struct gw_audit_query query; /* borrows the members below */
    struct gw_uuid user_id, session_id, request_id;
    enum gw_outcome outcome;
    enum gw_severity severity;
    int64_t after_id; /* follows along from there; -1: does not */
    json_t *filters;  /* as they were understood */
    json_t *events;
    int64_t shown_id;  /* of the last of them; 0: none */
    int64_t follow_id; /* who follows along from there misses nothing */
    bool has_news;     /* more than readings of the trail */
};

/* ---- filters ---- */

static bool take_time(struct gw_str value, int64_t *out_ms)
{
    int64_t s;
    if (gw_time_parse(value, &s) != GW_OK)
        return false;
    *out_ms = s * 1000;
    return true;
}

static bool take_since(struct reading *r, struct gw_str *value)
{
    return take_time(*value, &r->query.since_ms);
}

static bool take_until(struct reading *r, struct gw_str *value)
{
    return take_time(*value, &r->query.until_ms) && r->query.until_ms > 0; /* 0 would filter nothing */
}

/* A deleted user is found by UUID alone. The filter is recorded as that UUID: what was typed may be anything, even a password. */
static bool take_user(struct reading *r, struct gw_str *value)
{
    struct gw_user_row user;
    char *text = gw_arena_alloc(r->x->arena, GW_UUID_LEN + 1);
    r->query.user_id = &r->user_id;
    if (text == NULL)
        return false;
    if (gw_uuid_parse(*value, &r->user_id) != GW_OK) {
        if (gw_user_find(r->x->view->identity, *value, &user, NULL) != GW_OK)
            return false;
        r->user_id = user.id;
    }
    gw_uuid_format(&r->user_id, text);
    *value = gw_str(text);
    return true;
}

static bool take_session(struct reading *r, struct gw_str *value)
{
    r->query.session_id = &r->session_id;
    return gw_uuid_parse(*value, &r->session_id) == GW_OK;
}

static bool take_request(struct reading *r, struct gw_str *value)
{
    r->query.request_id = &r->request_id;
    return gw_uuid_parse(*value, &r->request_id) == GW_OK;
}

static bool take_action(struct reading *r, struct gw_str *value)
{
    for (size_t i = 0; i < value->len; i++) {
        char c = value->ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
            return false;
    }
    r->query.action = *value;
    return value->len > 0 && value->len <= GW_EVENT_ACTION_MAX;
}

/* As rows hold it: ::ffff:192.0.2.7 is 192.0.2.7. */
static bool take_address(struct reading *r, struct gw_str *value)
{
    struct gw_ip ip;
    char *text = gw_arena_alloc(r->x->arena, GW_IP_LEN + 1);
    if (text == NULL || gw_ip_parse(*value, &ip) != GW_OK)
        return false;
    gw_ip_format(&ip, text);
    r->query.address = *value = gw_str(text);
    return true;
}

static bool take_resource(struct reading *r, struct gw_str *value, size_t max_bytes, struct gw_str *out)
{
    char *text = gw_arena_alloc(r->x->arena, 3 * max_bytes + 1);
    if (text == NULL || value->len == 0 || value->len > max_bytes)
        return false;
    gw_audit_path(*value, text, 3 * max_bytes + 1);
    *out = *value = gw_str(text);
    return out->len <= max_bytes;
}

static bool take_resource_type(struct reading *r, struct gw_str *value)
{
    return take_resource(r, value, GW_AUDIT_RESOURCE_TYPE_MAX, &r->query.resource_type);
}

static bool take_resource_id(struct reading *r, struct gw_str *value)
{
    return take_resource(r, value, GW_AUDIT_RESOURCE_ID_MAX, &r->query.resource_id);
}

static bool take_outcome(struct reading *r, struct gw_str *value)
{
    r->query.outcome = &r->outcome;
    for (int i = GW_OUTCOME_DONE; i < GW_OUTCOME_COUNT; i++) {
        r->outcome = (enum gw_outcome)i;
        if (gw_str_eq(gw_str(gw_outcome_text(r->outcome)), *value))
            return true;
    }
    return false;
}

static bool take_severity(struct reading *r, struct gw_str *value)
{
    r->query.severity = &r->severity;
    return gw_audit_severity_parse(*value, &r->severity) == GW_OK;
}

static bool take_before(struct reading *r, struct gw_str *value)
{
    return gw_str_to_i64(*value, &r->query.before_id) && r->query.before_id > 0;
}

static bool take_after(struct reading *r, struct gw_str *value)
{
    return gw_str_to_i64(*value, &r->after_id) && r->after_id >= 0;
}

static bool take_limit(struct reading *r, struct gw_str *value)
{
    int64_t limit;
    if (!gw_str_to_i64(*value, &limit) || limit < 1 || limit > GW_AUDIT_PAGE_MAX)
        return false;
    r->query.limit = (size_t)limit;
    return true;
}

static const struct parameter {
    struct gw_str name;
    bool (*take)(struct reading *r, struct gw_str *value); /* the value becomes what it was understood as */
    const char *expected;
} parameters[] = {
    {GW_STR("since"), take_since, TIME_EXPECTED},
    {GW_STR("until"), take_until, TIME_EXPECTED},
    {GW_STR("user"), take_user, "the name or e-mail address of a user there is, or a UUID"},
    {GW_STR("session"), take_session, "a UUID"},
    {GW_STR("request"), take_request, "a UUID"},
    {GW_STR("action"), take_action, "a name such as user_login"},
    {GW_STR("address"), take_address, "an IP address"},
    {GW_STR("resourceType"), take_resource_type, "a type such as users"},
    {GW_STR("resourceId"), take_resource_id, "an id of at most 128 bytes"},
    {GW_STR("outcome"), take_outcome, "done, failed, unknown, not-sent or refused"},
    {GW_STR("severity"), take_severity, "low, medium or high"},
    {GW_STR("before"), take_before, NUMBER_EXPECTED},
    {GW_STR("after"), take_after, NUMBER_EXPECTED ", or 0"},
    {GW_STR("limit"), take_limit, "a number from 1 to 1000"},
};
#define PARAMETER_COUNT (sizeof(parameters) / sizeof(parameters[0]))

static bool is_parameter(struct gw_str name)
{
    for (size_t i = 0; i < PARAMETER_COUNT; i++) {
        if (gw_str_eq(parameters[i].name, name))
            return true;
    }
    return false;
}

static enum gw_code refuse_name(struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf names = {0};
    gw_buf_init(&names, 256);
    for (size_t i = 0; i < PARAMETER_COUNT; i++) {
        gw_buf_addf(&names, "%s", i == 0 ? "" : i + 1 < PARAMETER_COUNT ? ", " : " or ");
        gw_buf_add(&names, parameters[i].name);
    }
    GW_TRY(gw_buf_check(&names, err));
    return gw_fail(err, GW_EINVAL, "query: expected %s", names.ptr);
}

/* A filter that is overlooked would show more than was asked for. */
static enum gw_code check_names(struct gw_str query, struct gw_error *err)
{
    struct gw_str piece;
    while (query.len > 0 && gw_str_split(&query, '&', &piece)) {
        if (!is_parameter(gw_str_sub(piece, 0, gw_str_find(piece, '='))))
            return refuse_name(err);
    }
    return GW_OK;
}

static enum gw_code take_parameter(struct reading *r, const struct parameter *p, struct gw_error *err)
{
    struct gw_str value;
    enum gw_code code = gw_exchange_query(r->x, p->name, &value, err);
    if (code != GW_OK)
        return code == GW_ENOTFOUND ? GW_OK : code;
    if (!p->take(r, &value))
        return gw_fail(err, GW_EINVAL, "query: `%.*s`: expected %s", GW_STR_ARG(p->name), p->expected);
    if (json_object_set_new(r->filters, p->name.ptr, json_stringn(value.ptr, value.len)) != 0)
        return gw_fail(err, GW_ENOMEM, "no memory for filters");
    return GW_OK;
}

static enum gw_code take_parameters(struct reading *r, struct gw_error *err)
{
    GW_TRY(check_names(r->x->call->query, err));
    for (size_t i = 0; i < PARAMETER_COUNT; i++)
        GW_TRY(take_parameter(r, &parameters[i], err));
    size_t alone = 1 + (json_object_get(r->filters, "limit") != NULL);
    if (r->after_id >= 0 && json_object_size(r->filters) != alone)
        return gw_fail(err, GW_EINVAL, "query: `after` goes with `limit` alone");
    return GW_OK;
}

/* ---- events ---- */

static json_t *time_json(int64_t ms)
{
    char text[GW_TIME_LEN + 1];
    int64_t s = ms / 1000, rest = ms % 1000;
    gw_time_format(rest < 0 ? s - 1 : s, text);
    text[GW_TIME_LEN - 1] = '\0';
    return json_sprintf("%s.%03dZ", text, (int)(rest < 0 ? rest + 1000 : rest));
}

static json_t *uuid_json(const struct gw_uuid *u)
{
    return gw_uuid_is_nil(u) ? NULL : gw_reply_uuid(u);
}

static json_t *text_json(const char *text)
{
    return text[0] != '\0' ? json_string(text) : NULL;
}

static json_t *details_json(const char *text)
{
    json_t *details = NULL;
    if (text[0] == '\0' || gw_json_parse(gw_str(text), GW_JSON_DEFAULT_LIMITS, &details, NULL) != GW_OK)
        return text_json(text);
    return details;
}

/* What there is none of is left out. */
static json_t *event_json(const struct gw_audit_row *r)
{
    json_t *event = json_pack("{s:I, s:o, s:o, s:s, s:s, s:s, s:o*, s:i, s:I}", "id", (json_int_t)r->id, "time",
                              time_json(r->time_ms), "endedAt", time_json(r->ended_ms), "action", r->action, "severity",
                              gw_audit_severity_text(r->severity), "outcome", gw_outcome_text(r->outcome), "reason",
                              text_json(r->reason), "status", (int)r->status, "count", (json_int_t)r->count);
    json_t *more =
        json_pack("{s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:I, s:o*, s:o, s:I}", "userId",
                  uuid_json(&r->user_id), "sessionId", uuid_json(&r->session_id), "requestId",
                  uuid_json(&r->request_id), "address", text_json(r->address), "userAgent", text_json(r->user_agent),
                  "route", text_json(r->route), "path", text_json(r->path), "resourceType", text_json(r->resource_type),
                  "resourceId", text_json(r->resource_id), "generation", (json_int_t)r->generation, "details",
                  details_json(r->details), "writer", gw_reply_uuid(&r->writer), "sequence", (json_int_t)r->sequence);
    if (event == NULL || json_object_update(event, more) != 0) {
        json_decref(event);
        event = NULL;
    }
    json_decref(more);
    return event;
}

static enum gw_code append_event(void *ctx, const struct gw_audit_row *row, struct gw_error *err)
{
    struct reading *r = ctx;
    if (json_array_append_new(r->events, event_json(row)) != 0)
        return gw_fail(err, GW_ENOMEM, "no memory for a list of events");
    r->shown_id = row->id;
    r->has_news = r->has_news || !gw_str_eq(gw_str(row->action), GW_STR("audit_read"));
    return GW_OK;
}

/* After the walk, for a walk holds the store. A user who was deleted since has no name. */
static enum gw_code add_usernames(struct reading *r, struct gw_error *err)
{
    size_t i;
    json_t *event;
    json_array_foreach (r->events, i, event) {
        const char *id = json_string_value(json_object_get(event, "userId"));
        struct gw_user_row user;
        if (id == NULL)
            continue;
        enum gw_code code = gw_user_find(r->x->view->identity, gw_str(id), &user, err);
        if (code == GW_ENOTFOUND)
            continue;
        GW_TRY(code);
        if (json_object_set_new(event, "username", json_string(user.username)) != 0)
            return gw_fail(err, GW_ENOMEM, "no memory for a list of events");
    }
    return GW_OK;
}

/* ---- the reading's own row ---- */

static enum gw_code add_row(struct gw_exchange *x, const char *id, json_t *details, struct gw_audit_row *out,
                            struct gw_error *err)
{
    gw_recorder_row(
        &x->by,
        &(struct gw_deed){.action = "audit_read", .resource_type = "audit", .resource_name = id, .details = details},
        out);
    GW_TRY(gw_recorder_add(gw_app_recorder(x->app), x->view->store, out, err));
    return gw_store_audit_get(x->view->store, &out->writer, out->sequence, out, err);
}

static enum gw_code record(struct gw_exchange *x, const char *id, json_t *details, int64_t *out_id,
                           struct gw_error *err)
{
    struct gw_audit_row row;
    enum gw_code code = gw_store_begin(x->view->store, err);
    if (code != GW_OK) {
        json_decref(details);
        return code;
    }
    GW_TRY(gw_store_end(x->view->store, add_row(x, id, details, &row, err), err));
    *out_id = row.id;
    return GW_OK;
}

/* ---- pages ---- */

static enum gw_code read_new(struct reading *r, struct gw_error *err)
{
    GW_TRY(gw_store_audit_each_after(r->x->view->store, r->after_id, r->query.limit, append_event, r, err));
    r->follow_id = r->shown_id != 0 ? r->shown_id : r->after_id;
    return GW_OK;
}

/* What is added meanwhile is for who follows along. */
static enum gw_code read_page(struct reading *r, struct gw_error *err)
{
    GW_TRY(gw_store_audit_newest(r->x->view->store, &r->follow_id, err));
    r->query.newest_id = r->follow_id;
    return gw_store_audit_each(r->x->view->store, &r->query, append_event, r, err);
}

static enum gw_code record_page(struct reading *r, struct gw_error *err)
{
    int64_t own_id;
    json_t *details = json_pack("{s:O, s:I}", "filters", r->filters, "shown", (json_int_t)json_array_size(r->events));
    GW_TRY(record(r->x, NULL, details, &own_id, err));
    if (own_id == r->follow_id + 1) /* nothing stands between, so whoever follows along need not be shown this row */
        r->follow_id = own_id;
    return GW_OK;
}

static enum gw_code reply_page(struct reading *r, struct gw_error *err)
{
    bool more = r->after_id < 0 && json_array_size(r->events) == r->query.limit;
    return gw_reply_json(r->x, 200,
                         json_pack("{s:O, s:o, s:I}", "events", r->events, "next",
                                   more ? json_integer(r->shown_id) : json_null(), "last", (json_int_t)r->follow_id),
                         err);
}

/* ---- calls ---- */

static enum gw_code list(struct reading *r, struct gw_error *err)
{
    if (r->filters == NULL || r->events == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a list of events");
    GW_TRY(take_parameters(r, err));
    bool follows = r->after_id >= 0;
    GW_TRY(follows ? read_new(r, err) : read_page(r, err));
    GW_TRY(add_usernames(r, err));
    if (!follows || r->has_news)
        GW_TRY(record_page(r, err));
    return reply_page(r, err);
}

enum gw_code gw_handle_audit_list(struct gw_exchange *x, struct gw_error *err)
{
    struct reading r = {
        .x = x, .query = {.limit = LIMIT_DEFAULT}, .after_id = -1, .filters = json_object(), .events = json_array()};
    enum gw_code code = list(&r, err);
    json_decref(r.filters);
    json_decref(r.events);
    return code;
}

static enum gw_code read_one(struct reading *r, int64_t id, struct gw_error *err)
{
    char number[24];
    int64_t own_id;
    GW_TRY(gw_store_audit_each(r->x->view->store, &r->query, append_event, r, err));
    if (r->shown_id != id)
        return gw_fail(err, GW_ENOTFOUND, "no such event");
    GW_TRY(add_usernames(r, err));
    (void)snprintf(number, sizeof(number), "%lld", (long long)id);
    return record(r->x, number, NULL, &own_id, err);
}

enum gw_code gw_handle_audit_get(struct gw_exchange *x, struct gw_error *err)
{
    gw_auto_json json_t *events = json_array();
    int64_t id;
    if (!gw_str_to_i64(x->id, &id) || id < 1)
        return gw_reply_refuse(x, 404, NULL, NULL);
    struct reading r = {.x = x, .query = {.limit = 1, .newest_id = id}, .events = events};
    GW_TRY(read_one(&r, id, err));
    return gw_reply_json(x, 200, json_incref(json_array_get(events, 0)), err);
}
