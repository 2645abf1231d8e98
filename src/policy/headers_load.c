/* SPDX-License-Identifier: Apache-2.0 */
/* The section `headers`: what the policy says of answers' headers, and what holds where it says nothing. */
#include "policy/load.h"

#include "base/buf.h"

#define CONTENT_SECURITY_MAX 2000
#define NO_FRAMES "frame-ancestors 'none'"
/* Its own scripts, styles and connections; images that the page itself holds; nothing written into the page. */
#define DEFAULT_CONTENT_SECURITY \
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; " NO_FRAMES

static bool is_plain(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < ' ' || s.ptr[i] > '~' || s.ptr[i] == ',')
            return false;
    return true;
}

static bool has_directive(struct gw_str policy, struct gw_str name)
{
    struct gw_str directive;
    while (gw_str_split(&policy, ';', &directive)) {
        directive = gw_str_trim(directive);
        if (gw_str_eq_nocase(gw_str_sub(directive, 0, gw_str_find(directive, ' ')), name))
            return true;
    }
    return false;
}

/* Without default-src it would leave open whatever it does not name. */
static void load_content_security(struct gw_policy_loader *l, const struct gw_yaml *node)
{
    struct gw_str text, kept;
    if (!gw_load_text(l, node, "headers.content_security", CONTENT_SECURITY_MAX, &text))
        return;
    if (!is_plain(text) || !has_directive(text, GW_STR("default-src"))) {
        GW_LOAD_FAULT(l, node->line,
                      "headers.content_security: expected one Content-Security-Policy with a default-src, in ASCII and "
                      "without commas");
        return;
    }
    gw_auto(gw_buf) struct gw_buf b = {0};
    gw_buf_init(&b, CONTENT_SECURITY_MAX + 64);
    gw_buf_add(&b, text);
    if (!has_directive(text, GW_STR("frame-ancestors")))
        gw_buf_add(&b, GW_STR("; " NO_FRAMES));
    if (gw_buf_check(&b, NULL) == GW_OK && gw_arena_str(&l->policy->arena, gw_buf_str(&b), &kept) == GW_OK)
        l->policy->headers.content_security = kept;
    else
        GW_LOAD_FAULT(l, node->line, "no memory for the headers");
}

void gw_load_headers(struct gw_policy_loader *l, const struct gw_yaml *section)
{
    static const struct gw_str keys[] = {GW_STR("content_security"), GW_STR("cookies")};
    static const char *const cookies[] = {
        [GW_COOKIES_PASS] = "pass", [GW_COOKIES_HOST_ONLY] = "host-only", [GW_COOKIES_DROP] = "drop", NULL};
    struct gw_answer_headers *h = &l->policy->headers;
    *h = (struct gw_answer_headers){.content_security = GW_STR(DEFAULT_CONTENT_SECURITY), .cookies = GW_COOKIES_PASS};
    if (section == NULL || !gw_load_map(l, section, "headers", keys, sizeof(keys) / sizeof(keys[0])))
        return;
    const struct gw_yaml *security = gw_yaml_get(section, keys[0]), *cookie = gw_yaml_get(section, keys[1]);
    int choice;
    if (security != NULL)
        load_content_security(l, security);
    if (cookie != NULL && gw_load_choice(l, cookie, "headers.cookies", cookies, &choice))
        h->cookies = (enum gw_cookies)choice;
}
