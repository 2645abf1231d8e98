/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/answers.h"

#include "base/buf.h"

#include <inttypes.h>
#include <stdio.h>

enum problem {
#define GW_PROBLEM(name, http_status, problem_type, problem_title) PROBLEM_##name,
#include <gw/problem.def>
#undef GW_PROBLEM
};

static const struct gw_problem_text problems[] = {
#define GW_PROBLEM(name, http_status, problem_type, problem_title) {http_status, problem_type, problem_title},
#include <gw/problem.def>
#undef GW_PROBLEM
};

static const struct {
    const char *name, *why;
    enum problem problem;
} reasons[] = {
#define GW_REASON(reason, reason_problem, text) [GW_REASON_##reason] = {#reason, text, PROBLEM_##reason_problem},
#include <gw/reason.def>
#undef GW_REASON
};

unsigned gw_reason_status(enum gw_reason reason)
{
    return problems[reasons[reason].problem].status;
}

const char *gw_reason_name(enum gw_reason reason)
{
    return reasons[reason].name;
}

const char *gw_reason_why(enum gw_reason reason)
{
    return reasons[reason].why;
}

struct gw_str gw_reason_title(enum gw_reason reason)
{
    return gw_str(problems[reasons[reason].problem].title);
}

struct gw_str gw_reason_type(enum gw_reason reason)
{
    return gw_str(problems[reasons[reason].problem].type);
}

/* ---- problems, RFC 9457 ---- */

#define PROBLEM_MAX 512
#define INSTANCE_MAX 192

/* Only what is a UUID may be called one (RFC 9562 section 4); the sealed ids of refusals have a name of ours. */
const char *gw_instance_prefix(struct gw_str request_id)
{
    return request_id.len == GW_UUID_LEN ? "urn:uuid:" : "urn:aaiti:request:";
}

/* Types and titles are ours, a request id is a UUID or base64url: nothing here needs escaping. `error` is what the clients of the first backend
 * read. */
static struct gw_str write_problem(const struct gw_problem_text *p, unsigned status, struct gw_str request_id,
                                   struct gw_str members, struct gw_arena *a)
{
    size_t size = PROBLEM_MAX + members.len;
    char *text = gw_arena_alloc(a, size);
    if (text == NULL)
        return GW_STR_NULL;
    char instance[INSTANCE_MAX] = "";
    if (request_id.len > 0)
        snprintf(instance, sizeof(instance), "\"instance\":\"%s%.*s\",", gw_instance_prefix(request_id),
                 GW_STR_ARG(request_id));
    int n = snprintf(text, size,
                     "{\"type\":\"urn:aaiti:problem:%s\",\"title\":\"%s\",\"status\":%u,%s\"error\":\"%s\"%.*s}",
                     p->type, p->title, status, instance, p->title, GW_STR_ARG(members));
    return n > 0 && (size_t)n < size ? (struct gw_str){text, (size_t)n} : GW_STR_NULL;
}

struct gw_str gw_problem(enum gw_reason reason, struct gw_str request_id, struct gw_str members, struct gw_arena *a)
{
    return write_problem(&problems[reasons[reason].problem], gw_reason_status(reason), request_id, members, a);
}

const struct gw_problem_text *gw_problem_text(unsigned status)
{
    for (size_t i = 0; i < sizeof(problems) / sizeof(problems[0]); i++)
        if (problems[i].status == status)
            return &problems[i];
    return &problems[status < 500 ? PROBLEM_BAD_REQUEST : PROBLEM_INTERNAL];
}

struct gw_str gw_problem_outcome_unknown(unsigned status, struct gw_str request_id, struct gw_arena *a)
{
    return write_problem(&problems[PROBLEM_OUTCOME_UNKNOWN], status, request_id, GW_STR_NULL, a);
}

struct gw_str gw_problem_of_status(unsigned status, struct gw_str request_id, struct gw_arena *a)
{
    return write_problem(gw_problem_text(status), status, request_id, GW_STR_NULL, a);
}

/* ---- answers ---- */

#define HEALTH_MAX 160
#define JWKS_MAX 1024

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

/* Ids and keys are hex and base64url: nothing here needs escaping. */
enum gw_code gw_jwks_body(const struct gw_token_ring *ring, struct gw_arena *a, struct gw_str *out)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    const char *between = "";
    gw_buf_init(&b, JWKS_MAX);
    gw_buf_add(&b, GW_STR("{\"keys\":["));
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++) {
        const struct gw_token_key *k = ring->keys[i];
        struct gw_str x = k != NULL ? gw_token_key_public_text(k) : GW_STR_NULL;
        if (x.len == 0)
            continue;
        gw_buf_addf(
            &b,
            "%s{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"sig\",\"alg\":\"EdDSA\",\"kid\":\"%.*s\",\"x\":\"%.*s\"}",
            between, GW_STR_ARG(gw_token_key_id(k)), GW_STR_ARG(x));
        between = ",";
    }
    gw_buf_add(&b, GW_STR("]}"));
    GW_TRY(gw_buf_check(&b, NULL));
    return gw_arena_str(a, gw_buf_str(&b), out);
}

struct gw_str gw_landing_body(void)
{
    return GW_STR(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>aaiti</title></head>\n"
        "<body><h1>aaiti</h1><p>This is a security gateway in front of an API. <a href=\"/aaiti/login\">Sign in</a>; "
        "the <a href=\"/aaiti/panic\">panic button</a>; its <a href=\"/aaiti/health\">health</a>.</p>"
        "</body></html>\n");
}
