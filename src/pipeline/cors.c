/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Origins are compared byte by byte: gw_origin_fault has let nothing into the settings that a browser would write in another way. Few are
 * listed, so they are tried one by one.
 */
#include "pipeline/cors.h"

#include "policy/policy.h"

#include <string.h>

/* Of ours what tells a client of limits and refusals, and of backends what the guide names. */
#define EXPOSED                                                                                                                \
    "X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, X-Rate-Limit-Limit, X-Rate-Limit-Remaining, X-Rate-Limit-Reset, " \
    "X-Total-Count"
#define HEADERS                                                                                                \
    "Origin, X-Requested-With, Content-Type, Accept, Authorization, X-API-Key, X-API-Timestamp, X-API-Nonce, " \
    "X-API-Content-SHA256, X-API-Signature"
/* So long a change of the policy may stay unknown to a page that is open. */
#define MAX_AGE "600"
#define METHODS_MAX 64

enum gw_code gw_cors_load(const struct gw_settings *settings, struct gw_arena *a, struct gw_cors *out)
{
    struct gw_option_strings lists[GW_ORIGIN_LISTS];
    size_t list_count = gw_settings_origins(settings, lists), count = 0;
    for (size_t i = 0; i < list_count; i++)
        count += lists[i].count;
    if (count == 0) {
        *out = (struct gw_cors){.count = 0};
        return GW_OK;
    }
    struct gw_cors_origin *origins = gw_arena_calloc(a, count, sizeof(*origins));
    if (origins == NULL)
        return GW_ENOMEM;
    struct gw_cors_origin *at = origins;
    for (size_t i = 0; i < list_count; i++)
        for (size_t k = 0; k < lists[i].count; k++, at++)
            *at = (struct gw_cors_origin){.text = lists[i].item[k],
                                          .fields = {{GW_STR("Access-Control-Allow-Origin"), lists[i].item[k]},
                                                     {GW_STR("Access-Control-Allow-Credentials"), GW_STR("true")},
                                                     {GW_STR("Access-Control-Expose-Headers"), GW_STR(EXPOSED)}}};
    *out = (struct gw_cors){origins, count};
    return GW_OK;
}

const struct gw_cors_origin *gw_cors_find(const struct gw_cors *cors, struct gw_str origin)
{
    for (size_t i = 0; i < cors->count; i++)
        if (gw_str_eq(cors->origins[i].text, origin))
            return &cors->origins[i];
    return NULL;
}

struct gw_cors_answer gw_cors_answer_to(const struct gw_cors *cors, const struct gw_cors_origin *origin)
{
    struct gw_cors_answer answer = {.varies = cors->count > 0};
    if (origin == NULL)
        return answer;
    answer.fields = origin->fields;
    answer.field_count = sizeof(origin->fields) / sizeof(origin->fields[0]);
    return answer;
}

/* False: it is not there, or more than once. */
static bool find_once(const struct gw_header *headers, size_t count, struct gw_str name, struct gw_str *out)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        if (gw_str_eq(headers[i].name, name)) {
            *out = headers[i].value;
            found++;
        }
    return found == 1;
}

struct gw_cors_answer gw_cors_of_headers(const struct gw_cors *cors, const struct gw_header *headers, size_t count)
{
    struct gw_str origin;
    bool has_one = cors->count > 0 && find_once(headers, count, GW_STR("origin"), &origin);
    return gw_cors_answer_to(cors, has_one ? gw_cors_find(cors, origin) : NULL);
}

/* ---- preflights ---- */

bool gw_cors_is_preflight(const struct gw_request_head *head, struct gw_str *out_method)
{
    struct gw_str origin;
    return gw_str_eq(head->method, GW_STR("OPTIONS")) &&
           find_once(head->headers, head->header_count, GW_STR("origin"), &origin) &&
           find_once(head->headers, head->header_count, GW_STR("access-control-request-method"), out_method);
}

static char *put(char *at, struct gw_str s)
{
    memcpy(at, s.ptr, s.len);
    return at + s.len;
}

static bool takes(const struct gw_policy *policy, enum gw_method m, struct gw_str path, struct gw_str query)
{
    const struct gw_route *route = gw_policy_match(policy, m, path, query);
    return route != NULL && route->access != GW_ACCESS_DENY;
}

enum gw_code gw_cors_allow(const struct gw_policy *policy, struct gw_str target, struct gw_arena *a,
                           const struct gw_header_field **out_fields, size_t *out_count)
{
    size_t path = gw_str_find(target, '?');
    struct gw_str query = gw_str_sub(target, path + 1, target.len);
    char *text = gw_arena_alloc(a, METHODS_MAX), *at = text;
    struct gw_header_field *fields = gw_arena_calloc(a, 3, sizeof(*fields));
    if (text == NULL || fields == NULL)
        return GW_ENOMEM;
    for (int m = 0; m < GW_METHOD_OTHER; m++) {
        if (!takes(policy, (enum gw_method)m, gw_str_sub(target, 0, path), query))
            continue;
        if (at != text)
            at = put(at, GW_STR(", "));
        at = put(at, gw_str(gw_method_name((enum gw_method)m)));
    }
    fields[0] = (struct gw_header_field){GW_STR("Access-Control-Allow-Methods"), {text, (size_t)(at - text)}};
    fields[1] = (struct gw_header_field){GW_STR("Access-Control-Allow-Headers"), GW_STR(HEADERS)};
    fields[2] = (struct gw_header_field){GW_STR("Access-Control-Max-Age"), GW_STR(MAX_AGE)};
    *out_fields = fields;
    *out_count = 3;
    return GW_OK;
}
