/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/row.h"

#include "base/json.h"
#include <stdio.h>
#include <string.h>

/* ---- severity ---- */

static const struct {
    struct gw_str action;
    enum gw_severity severity;
} severities[] = {
#define GW_SEVERITY(action, severity) {GW_STR(action), GW_SEVERITY_##severity},
#include "audit/severity.def"
#undef GW_SEVERITY
};

static const char *const severity_texts[] = {
    [GW_SEVERITY_LOW] = "low",
    [GW_SEVERITY_MEDIUM] = "medium",
    [GW_SEVERITY_HIGH] = "high",
};

enum gw_severity gw_audit_severity(struct gw_str action)
{
    for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++) {
        if (gw_str_eq(severities[i].action, action))
            return severities[i].severity;
    }
    return GW_SEVERITY_LOW;
}

const char *gw_audit_severity_text(enum gw_severity severity)
{
    return severity_texts[severity];
}

enum gw_code gw_audit_severity_parse(struct gw_str text, enum gw_severity *out)
{
    for (size_t i = 0; i < GW_SEVERITY_COUNT; i++) {
        if (!gw_str_eq(gw_str(severity_texts[i]), text))
            continue;
        *out = (enum gw_severity)i;
        return GW_OK;
    }
    return GW_EINVAL;
}

/* ---- text ---- */

static size_t mark(uint8_t byte, char *dst)
{
    (void)byte;
    *dst = '?';
    return 1;
}

static size_t percent(uint8_t byte, char *dst)
{
    static const char digits[] = "0123456789ABCDEF";
    dst[0] = '%';
    dst[1] = digits[byte >> 4];
    dst[2] = digits[byte & 15];
    return 3;
}

static void copy(struct gw_str s, char *dst, size_t dst_size, size_t (*replace)(uint8_t byte, char *dst))
{
    char other[3];
    size_t used = 0;
    while (s.len > 0) {
        size_t taken = gw_str_printable(s), put = taken;
        const char *from = s.ptr;
        if (taken == 0) {
            put = replace((uint8_t)s.ptr[0], other);
            from = other;
            taken = 1;
        }
        if (put >= dst_size - used)
            break;
        memcpy(dst + used, from, put);
        used += put;
        s = gw_str_sub(s, taken, s.len);
    }
    dst[used] = '\0';
}

void gw_audit_text(struct gw_str text, char *dst, size_t dst_size)
{
    copy(text, dst, dst_size, mark);
}

void gw_audit_path(struct gw_str path, char *dst, size_t dst_size)
{
    copy(path, dst, dst_size, percent);
}

/* ---- resource ---- */

void gw_audit_resource(struct gw_str route, struct gw_str path, struct gw_audit_row *r)
{
    struct gw_str type = GW_STR_NULL, id = GW_STR_NULL, literal = GW_STR_NULL, wanted, got;
    struct gw_str pattern = gw_str_sub(route, gw_str_find(route, '/'), route.len);
    if (path.len >= GW_EVENT_PATH_MAX)
        return; /* cut, perhaps in the middle of an id */
    while (pattern.len > 0 && gw_str_split(&pattern, '/', &wanted) && gw_str_split(&path, '/', &got)) {
        if (wanted.len == 0 || wanted.ptr[0] != '{') {
            literal = wanted;
            continue;
        }
        type = literal;
        id = got;
    }
    if (type.len == 0 || id.len == 0 || type.len > GW_AUDIT_RESOURCE_TYPE_MAX || id.len > GW_AUDIT_RESOURCE_ID_MAX)
        return;
    gw_audit_path(type, r->resource_type, sizeof(r->resource_type));
    gw_audit_path(id, r->resource_id, sizeof(r->resource_id));
}

/* ---- events ---- */

static bool is_object(struct gw_str text)
{
    gw_auto_json json_t *json = NULL;
    return gw_json_parse(text, GW_JSON_DEFAULT_LIMITS, &json, NULL) == GW_OK && json_is_object(json);
}

/* Looked at as it will be shown: two names that differ by a control character are one name then. */
static void set_details(struct gw_str details, struct gw_audit_row *r)
{
    gw_audit_text(details, r->details, sizeof(r->details));
    if (details.len > 0 && !is_object(gw_str(r->details)))
        gw_audit_text(GW_STR("{\"unreadable\":true}"), r->details, sizeof(r->details));
}

static void set_address(const uint8_t address[16], struct gw_audit_row *r)
{
    static const uint8_t none[16];
    struct gw_ip ip;
    if (memcmp(address, none, sizeof(none)) == 0)
        return;
    memcpy(ip.b, address, sizeof(ip.b));
    gw_ip_format(&ip, r->address);
}

static uint64_t stored(uint64_t n)
{
    return n <= INT64_MAX ? n : INT64_MAX;
}

void gw_audit_row_of_event(const struct gw_event *e, struct gw_audit_row *out)
{
    struct gw_audit_row *r = out;
    r->id = 0;
    r->time_ms = e->time_ms;
    r->ended_ms = e->phase == GW_EVENT_TALLY ? e->last_ms : e->time_ms;
    r->user_id = e->user_id;
    r->session_id = e->session_id;
    r->request_id = e->request_id;
    r->outcome = e->outcome;
    r->status = e->status;
    r->count = e->count;
    r->generation = stored(e->generation);
    r->severity = gw_audit_severity(e->action);
    r->address[0] = r->resource_type[0] = r->resource_id[0] = '\0';
    set_address(e->address, r);
    gw_audit_text(e->action, r->action, sizeof(r->action));
    gw_audit_text(e->reason, r->reason, sizeof(r->reason));
    gw_audit_text(e->route, r->route, sizeof(r->route));
    gw_audit_text(e->user_agent, r->user_agent, sizeof(r->user_agent));
    gw_audit_path(e->path, r->path, sizeof(r->path));
    gw_audit_resource(e->route, e->path, r);
    set_details(e->details, r);
}

void gw_audit_row_conclude(struct gw_audit_row *r, const struct gw_audit_row *outcome)
{
    r->ended_ms = outcome->ended_ms;
    r->outcome = outcome->outcome;
    r->status = outcome->status;
    if (outcome->reason[0] != '\0')
        memcpy(r->reason, outcome->reason, sizeof(r->reason));
    if (outcome->details[0] != '\0')
        memcpy(r->details, outcome->details, sizeof(r->details));
}
