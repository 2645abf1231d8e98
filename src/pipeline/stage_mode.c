/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emergency mode: what is let through to the backend at the moment. A stronger mode refuses all that a weaker one does. The gateway's own
 * calls, sign-in and management, are refused by none: who is locked out could lift nothing.
 */
#include "pipeline/pipeline.h"

#include <stdio.h>

#define MEMBERS_MAX 640
#define RETRY_AFTER_S 60 /* of a mode without an end */
#define RETRY_AFTER_MAX_S 3600

static bool only_reads_or_reduces(const struct gw_request *r)
{
    return r->route->risk == GW_RISK_REDUCES || (gw_method_is_safe(r->method) && r->route->risk != GW_RISK_OPENS);
}

static bool is_administrator(const struct gw_request *r)
{
    return gw_request_holds(r, GW_STR("system:write"));
}

static enum gw_reason judge(const struct gw_request *r, enum gw_mode mode)
{
    switch (mode) {
    case GW_MODE_OFF:
        return GW_REASON_NONE;
    case GW_MODE_RISK_OFF:
        return r->route->risk == GW_RISK_OPENS ? GW_REASON_RISK_OFF : GW_REASON_NONE;
    case GW_MODE_READ_ONLY:
        return only_reads_or_reduces(r) ? GW_REASON_NONE : GW_REASON_READ_ONLY;
    case GW_MODE_STOPPED:
    case GW_MODE_COUNT:
        break;
    }
    return only_reads_or_reduces(r) && is_administrator(r) ? GW_REASON_NONE : GW_REASON_STOPPED;
}

static const char *quoted_time(int64_t time_s, char text[GW_TIME_LEN + 3])
{
    if (time_s == 0)
        return "null";
    text[0] = '"';
    gw_time_format(time_s, text + 1);
    text[GW_TIME_LEN + 1] = '"';
    text[GW_TIME_LEN + 2] = '\0';
    return text;
}

/* What the entry's texts hold never needs an escape (shared/mode.h). A user is not named: others share the address. */
static struct gw_str members_of(const struct gw_mode_entry *e, struct gw_arena *a)
{
    static const char *const scopes[GW_MODE_SCOPE_COUNT] = {
        [GW_MODE_GLOBAL] = "global", [GW_MODE_GROUP] = "group:", [GW_MODE_USER] = "user"};
    char since[GW_TIME_LEN + 3], until[GW_TIME_LEN + 3];
    char *text = gw_arena_alloc(a, MEMBERS_MAX);
    if (text == NULL)
        return GW_STR_NULL;
    int n = snprintf(text, MEMBERS_MAX,
                     ",\"mode\":\"%s\",\"scope\":\"%s%s\",\"reason\":\"%s\",\"since\":%s,\"until\":%s,"
                     "\"lift\":\"whoever holds system:write, by POST /aaiti/v1/mode; the operator, by aaiti resume\"",
                     gw_mode_name(e->mode), scopes[e->scope], e->scope == GW_MODE_GROUP ? e->name : "", e->reason,
                     quoted_time(e->since_s, since), quoted_time(e->until_s, until));
    return n > 0 && n < MEMBERS_MAX ? (struct gw_str){text, (size_t)n} : GW_STR_NULL;
}

static unsigned retry_after_s(const struct gw_mode_entry *e, int64_t now_s)
{
    if (e->until_s == 0)
        return RETRY_AFTER_S;
    return e->until_s - now_s < RETRY_AFTER_MAX_S ? (unsigned)(e->until_s - now_s) : RETRY_AFTER_MAX_S;
}

static enum gw_code check(const struct gw_request *r, const struct gw_mode_set *modes, struct gw_verdict *v)
{
    if (r->route->target != GW_TARGET_BACKEND || modes->count == 0)
        return GW_OK;
    const struct gw_uuid *user = r->signed_in ? &r->user.id : NULL;
    const struct gw_mode_entry *e = gw_mode_find(modes, user, r->route->group, r->now_s);
    enum gw_reason reason = e != NULL ? judge(r, e->mode) : GW_REASON_NONE;
    if (reason != GW_REASON_NONE)
        *v = (struct gw_verdict){
            .reason = reason, .members = members_of(e, r->arena), .retry_after_s = retry_after_s(e, r->now_s)};
    return GW_OK;
}

enum gw_code gw_stage_mode(struct gw_request *r, struct gw_verdict *v)
{
    return check(r, gw_mode_read(&r->gate->modes), v);
}

enum gw_code gw_rehearse_mode(struct gw_request *r, struct gw_verdict *v)
{
    return r->rehearsed_modes != NULL ? check(r, r->rehearsed_modes, v) : GW_OK;
}
