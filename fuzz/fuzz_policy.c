/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy files: any text either has faults or compiles, and in what compiles every route without a query is found by a path made
 * from its own pattern.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/path.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "/a/{id}/" and a tail become "/a/x/y". Returns the length. */
static size_t fill_pattern(struct gw_str pattern, char *dst)
{
    struct gw_str rest = gw_str_sub(pattern, gw_str_find(pattern, '/') + 1, pattern.len), segment;
    size_t len = 0;
    while (gw_str_split(&rest, '/', &segment)) {
        if (segment.len > 0 && segment.ptr[0] == '{')
            segment = GW_STR("x");
        else if (gw_str_eq(segment, GW_STR("**")))
            segment = GW_STR("y");
        dst[len++] = '/';
        memcpy(dst + len, segment.ptr, segment.len);
        len += segment.len;
    }
    return len;
}

static void check_routes(const struct gw_policy *p, struct gw_str text)
{
    static char path[GW_PATH_MAX_BYTES + 1];
    bool any_query = memmem(text.ptr, text.len, "query", 5) != NULL;
    for (size_t i = 0; i < gw_policy_route_count(p); i++) {
        const struct gw_route *r = gw_policy_route(p, i);
        if (r->method == GW_METHOD_OTHER)
            continue;
        struct gw_str filled = {path, fill_pattern(r->pattern, path)};
        assert(any_query || gw_policy_match(p, r->method, filled, GW_STR_NULL) != NULL);
        for (int role = GW_ROLE_UNKNOWN; role < (int)gw_policy_role_count(p); role++)
            assert(gw_policy_access(p, r, role) <= GW_ACCESS_NO);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_str text = {(const char *)data, size};
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    gw_auto(gw_policy) struct gw_policy *p = NULL;
    if (gw_faults_new(&f, NULL) != GW_OK)
        abort();
    enum gw_code code = gw_policy_load_text(text, "fuzz.yaml", NULL, f, &p, NULL);
    assert((code == GW_OK) == (gw_faults_count(f) == 0));
    assert((code == GW_OK) == (p != NULL));
    if (p != NULL)
        check_routes(p, text);

    gw_auto(gw_buf) struct gw_buf printed;
    gw_buf_init(&printed, 1u << 20);
    gw_faults_print(f, &printed);
    return 0;
}
