/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/answers.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    const char *name, *type, *title, *why;
    unsigned status;
} reasons[] = {
#define GW_REASON(reason_name, http_status, problem, problem_title, text) \
    [GW_REASON_##reason_name] = {                                         \
        .name = #reason_name, .type = problem, .title = problem_title, .why = text, .status = http_status},
#include <gw/reason.def>
#undef GW_REASON
};

unsigned gw_reason_status(enum gw_reason reason)
{
    return reasons[reason].status;
}

const char *gw_reason_name(enum gw_reason reason)
{
    return reasons[reason].name;
}

const char *gw_reason_why(enum gw_reason reason)
{
    return reasons[reason].why;
}

/* ---- problems, RFC 9457 ---- */

struct problem {
    const char *type, *title;
    unsigned status;
};

#define PROBLEM_MAX 512

/* Types and titles are ours and a request id is a UUID: nothing here needs escaping. `error` is what the clients of the first backend
 * read. */
static struct gw_str write_problem(const struct problem *p, struct gw_str request_id, struct gw_arena *a)
{
    char *text = gw_arena_alloc(a, PROBLEM_MAX);
    if (text == NULL)
        return GW_STR_NULL;
    const char *before = request_id.len > 0 ? "\"instance\":\"urn:uuid:" : "", *after = request_id.len > 0 ? "\"," : "";
    int n = snprintf(text, PROBLEM_MAX,
                     "{\"type\":\"urn:aaiti:problem:%s\",\"title\":\"%s\",\"status\":%u,%s%.*s%s\"error\":\"%s\"}",
                     p->type, p->title, p->status, before, GW_STR_ARG(request_id), after, p->title);
    return n > 0 && n < PROBLEM_MAX ? (struct gw_str){text, (size_t)n} : GW_STR_NULL;
}

struct gw_str gw_problem(enum gw_reason reason, struct gw_str request_id, struct gw_arena *a)
{
    const struct problem p = {reasons[reason].type, reasons[reason].title, reasons[reason].status};
    return write_problem(&p, request_id, a);
}

static const struct problem by_status[] = {
    {"unauthorized", "Authentication required", 401},
    {"forbidden", "Forbidden", 403},
    {"not-found", "Not found", 404},
    {"method-not-allowed", "Method not allowed", 405},
    {"timeout", "The request took too long to arrive", 408},
    {"length-required", "A Content-Length is required", 411},
    {"too-large", "The request body is too large", 413},
    {"target-too-long", "The request target is too long", 414},
    {"unsupported-media-type", "Unsupported media type", 415},
    {"too-many-requests", "Too many requests", 429},
    {"headers-too-large", "The request headers are too large", 431},
    {"not-implemented", "Not implemented", 501},
    {"bad-gateway", "Bad gateway", 502},
    {"unavailable", "Service unavailable", 503},
    {"gateway-timeout", "The backend took too long", 504},
};

struct gw_str gw_problem_of_status(unsigned status, struct gw_str request_id, struct gw_arena *a)
{
    for (size_t i = 0; i < sizeof(by_status) / sizeof(by_status[0]); i++)
        if (by_status[i].status == status)
            return write_problem(&by_status[i], request_id, a);
    struct problem p = {"internal", "Internal error", status};
    if (status < 500)
        p = (struct problem){"bad-request", "Bad request", status};
    return write_problem(&p, request_id, a);
}

/* ---- answers ---- */

#define HEALTH_MAX 160

enum gw_code gw_health_body(const struct gw_health *health, struct gw_arena *a, struct gw_str *out)
{
    char *text = gw_arena_alloc(a, HEALTH_MAX);
    if (text == NULL)
        return GW_ENOMEM;
    bool is_ok = health->ready && health->control_up;
    int n =
        snprintf(text, HEALTH_MAX,
                 "{\"status\":\"%s\",\"version\":\"" AAITI_VERSION "\",\"control\":\"%s\",\"generation\":%" PRIu64 "}",
                 is_ok ? "ok" : "degraded", health->control_up ? "up" : "down", health->generation);
    if (n < 0 || n >= HEALTH_MAX)
        return GW_EINTERNAL;
    *out = (struct gw_str){text, (size_t)n};
    return GW_OK;
}

struct gw_str gw_landing_body(void)
{
    return GW_STR("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>aaiti</title></head>\n"
                  "<body><h1>aaiti</h1><p>This is a security gateway in front of an API. Sign in with "
                  "<code>POST /api/auth/login</code>; its state is at <a href=\"/aaiti/health\">/aaiti/health</a>.</p>"
                  "</body></html>\n");
}
