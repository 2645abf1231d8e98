/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields of an answer, by what it is: an API's data, a page, or what pages are made of. What the upstream says of caches counts for the
 * last alone; its cookies, as the policy says.
 */
#include "pipeline/pipeline.h"

#include "base/buf.h"

#include <string.h>

/* ---- ours ---- */

/* Strict-Transport-Security last: it is left off where there is no TLS (RFC 6797 section 7.2). */
#define HEADERS(content_security, referrer, cache)                                                                     \
    {                                                                                                                  \
        {GW_STR("X-Content-Type-Options"), GW_STR("nosniff")}, {GW_STR("X-Frame-Options"), GW_STR("DENY")},            \
            {GW_STR("Content-Security-Policy"), GW_STR(content_security)},                                             \
            {GW_STR("Referrer-Policy"), GW_STR(referrer)},                                                             \
            {GW_STR("Permissions-Policy"), GW_STR("camera=(), geolocation=(), microphone=(), payment=(), usb=()")},    \
            {GW_STR("Cross-Origin-Opener-Policy"), GW_STR("same-origin")},                                             \
            {GW_STR("Cross-Origin-Resource-Policy"), GW_STR("same-origin")}, {GW_STR("Cache-Control"), GW_STR(cache)}, \
        {                                                                                                              \
            GW_STR("Strict-Transport-Security"), GW_STR("max-age=31536000; includeSubDomains")                         \
        }                                                                                                              \
    }
#define NOTHING "default-src 'none'; frame-ancestors 'none'"
#define COUNT 9

/* A page without referrers would send its forms from the origin `null`. A page's policy stands in the decision. */
static const struct gw_header_field headers[][COUNT] = {
    [GW_CLASS_API] = HEADERS(NOTHING, "no-referrer", "no-store"),
    [GW_CLASS_PAGE] = HEADERS(NOTHING, "same-origin", "no-store"),
    [GW_CLASS_ASSET] = HEADERS(NOTHING, "no-referrer", "private, no-cache"),
};

const struct gw_header_field *gw_security_headers(enum gw_answer_class answer, enum gw_transport transport,
                                                  size_t *out_count)
{
    *out_count = COUNT - (transport == GW_TRANSPORT_TLS ? 0 : 1);
    return headers[answer];
}

void gw_answer_classify(struct gw_request *r)
{
    static const enum gw_answer_class classes[] = {
        [GW_UI_API] = GW_CLASS_API, [GW_UI_PAGE] = GW_CLASS_PAGE, [GW_UI_ASSET] = GW_CLASS_ASSET};
    r->out->answer = classes[r->route->ui];
    if (r->route->ui == GW_UI_PAGE && r->route->target == GW_TARGET_BACKEND)
        r->out->content_security = gw_policy_headers(r->snapshot->policy)->content_security;
}

/* ---- the upstream's: caches ---- */

/* What lets a cache that others share keep it, and what we say ourselves. */
static bool is_for_sharing(struct gw_str directive)
{
    static const struct gw_str names[] = {GW_STR("public"), GW_STR("private"), GW_STR("s-maxage"),
                                          GW_STR("proxy-revalidate")};
    struct gw_str name = gw_str_trim(gw_str_sub(directive, 0, gw_str_find(directive, '=')));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (gw_str_eq_nocase(name, names[i]))
            return true;
    return name.len == 0;
}

struct gw_str gw_answer_cache_control(const struct gw_request *r, struct gw_str theirs, struct gw_arena *a)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    struct gw_str directive, kept;
    if (r->out->answer != GW_CLASS_ASSET)
        return GW_STR_NULL;
    if (r->route->access == GW_ACCESS_PUBLIC)
        return theirs;
    gw_buf_init(&b, theirs.len + sizeof("private") + 2 * theirs.len);
    gw_buf_add(&b, GW_STR("private"));
    while (gw_str_split(&theirs, ',', &directive)) {
        if (is_for_sharing(directive))
            continue;
        gw_buf_add(&b, GW_STR(", "));
        gw_buf_add(&b, gw_str_trim(directive));
    }
    bool is_good = gw_buf_check(&b, NULL) == GW_OK && gw_arena_str(a, gw_buf_str(&b), &kept) == GW_OK;
    return is_good ? kept : GW_STR_NULL;
}

/* ---- the upstream's: cookies ---- */

/* RFC 6265 section 5.2.3: without Domain it goes to the gateway's own host alone. */
static struct gw_str without_domain(struct gw_str cookie, struct gw_arena *a)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    struct gw_str piece, kept;
    gw_buf_init(&b, 2 * cookie.len + 2);
    for (size_t n = 0; gw_str_split(&cookie, ';', &piece); n++) {
        struct gw_str name = gw_str_trim(gw_str_sub(piece, 0, gw_str_find(piece, '=')));
        if (n > 0 && (name.len == 0 || gw_str_eq_nocase(name, GW_STR("Domain"))))
            continue;
        if (n > 0)
            gw_buf_add(&b, GW_STR("; "));
        gw_buf_add(&b, gw_str_trim(piece));
    }
    bool is_good = gw_buf_check(&b, NULL) == GW_OK && gw_arena_str(a, gw_buf_str(&b), &kept) == GW_OK;
    return is_good ? kept : GW_STR_NULL;
}

struct gw_str gw_answer_cookie(const struct gw_request *r, struct gw_str cookie, struct gw_arena *a)
{
    if (r->out->answer == GW_CLASS_ASSET) /* a cache would give it to others */
        return GW_STR_NULL;
    switch (gw_policy_headers(r->snapshot->policy)->cookies) {
    case GW_COOKIES_PASS:
        return cookie;
    case GW_COOKIES_HOST_ONLY:
        return without_domain(cookie, a);
    case GW_COOKIES_DROP:
        break;
    }
    return GW_STR_NULL;
}
