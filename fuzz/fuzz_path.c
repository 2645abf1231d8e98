/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request targets: what has a canonical form has it once and for all, none of the hostile forms is left in it, and query and
 * matcher take any of them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/path.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policy_text[] =
    "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n"
    "roles: {admin: {permissions: ['*']}}\n"
    "auth: {login: POST /api/auth/login}\n"
    "routes:\n"
    "  - {match: 'GET /api/bots', permission: bots:read}\n"
    "  - {match: 'GET /api/bots/{id}', permission: bots:read}\n"
    "  - {match: 'GET /api/bots/export', access: deny}\n"
    "  - {match: 'GET /api/{kind}/list', access: signed-in}\n"
    "  - {match: 'GET /api/orders', query: {action: cancel order, 'ö': '%'}, permission: bots:write}\n"
    "  - {match: 'GET /api/orders', query: {action: show}, permission: bots:read}\n"
    "  - {match: 'GET /static/**', access: public}\n";

static struct gw_policy *policy;

static void set_up(void)
{
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    if (gw_faults_new(&f, NULL) != GW_OK ||
        gw_policy_load_text(gw_str(policy_text), "fuzz", NULL, f, &policy, NULL) != GW_OK)
        abort();
}

static bool contains(struct gw_str s, const char *part)
{
    return s.len > 0 && memmem(s.ptr, s.len, part, strlen(part)) != NULL;
}

static void check_canonical(const struct gw_target_uri *uri, struct gw_arena *a)
{
    static const char *const hostile[] = {"//",  "/./", "/../", ";",   "\\", "%2F", "%5C",
                                          "%25", "%00", "%2E",  "%2f", "#",  " "};
    struct gw_target_uri again;
    assert(gw_path_canonical(uri->canonical, a, &again, NULL) == GW_OK);
    assert(again.canonical.ptr == uri->canonical.ptr && again.canonical.len == uri->canonical.len);
    assert(gw_str_eq(again.path, uri->path) && gw_str_eq(again.query, uri->query));
    assert(uri->path.len > 0 && uri->path.ptr[0] == '/' && uri->path.len <= GW_PATH_MAX_BYTES);
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
        assert(!contains(uri->path, hostile[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (policy == NULL)
        set_up();
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 1u << 20);
    struct gw_str raw = {(const char *)data, size}, value;
    struct gw_target_uri uri;
    /* The query alone, also where no canonical target would let it in. */
    enum gw_code direct = gw_query_get(raw, GW_STR("action"), &a, &value);
    assert(direct != GW_OK || value.len <= size);
    if (gw_path_canonical(raw, &a, &uri, NULL) != GW_OK)
        return 0;
    check_canonical(&uri, &a);

    enum gw_code code = gw_query_get(uri.query, GW_STR("action"), &a, &value);
    const struct gw_route *r = gw_policy_match(policy, GW_METHOD_GET, uri.path, uri.query);
    assert(r == gw_policy_match(policy, GW_METHOD_HEAD, uri.path, uri.query));
    /* Two ways of looking at a parameter must not disagree. */
    if (gw_str_eq(uri.path, GW_STR("/api/orders")) && code != GW_OK)
        assert(r == NULL);
    return 0;
}
