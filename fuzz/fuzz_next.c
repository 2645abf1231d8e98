/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where to go after a sign-in, as anybody may have written it: whatever it is, it leads to this host, means the same to every browser, and comes
 * back whole through the login page.
 */
#include <assert.h>
#include <string.h>

#include "pipeline/next.h"
#include "policy/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 1u << 20);
    struct gw_str next = gw_next_or_root((struct gw_str){(const char *)data, size}), login, back = GW_STR("/");
    assert(next.len > 0 && next.len <= GW_NEXT_MAX_BYTES && next.ptr[0] == '/');
    assert(next.len == 1 || (next.ptr[1] != '/' && next.ptr[1] != '\\'));
    for (size_t i = 0; i < next.len; i++)
        assert(next.ptr[i] > ' ' && next.ptr[i] < 0x7f && strchr("\"<>\\#", next.ptr[i]) == NULL);
    assert(gw_next_login_target(next, &a, &login) == GW_OK);
    assert(gw_str_starts(login, GW_STR(GW_LOGIN_PAGE)));
    struct gw_str query = gw_str_sub(login, sizeof(GW_LOGIN_PAGE), login.len);
    enum gw_code code = gw_query_get(query, GW_STR("next"), &a, &back);
    assert(code == GW_OK || (code == GW_ENOTFOUND && next.len == 1));
    assert(gw_str_eq(gw_next_or_root(back), next));
    return 0;
}
