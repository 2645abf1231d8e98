/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event of a worker gone bad, made a row of the audit trail: what comes out is UTF-8 without control characters and fits the store.
 * The input is the six strings of an event, each after a byte with a quarter of its length.
 */
#include "audit/row.h"

#include "base/json.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gw_str take(struct gw_str *rest, size_t max_bytes)
{
    if (rest->len == 0)
        return GW_STR_NULL;
    size_t len = (size_t)(uint8_t)rest->ptr[0] * 4;
    struct gw_str s = gw_str_sub(*rest, 1, len < max_bytes ? len : max_bytes);
    *rest = gw_str_sub(*rest, 1 + s.len, rest->len);
    return s;
}

static void check_text(const char *text, size_t size)
{
    struct gw_str s = {text, strnlen(text, size)};
    assert(s.len < size);
    while (s.len > 0) {
        size_t n = gw_str_utf8(s);
        uint8_t first = (uint8_t)s.ptr[0];
        assert(n > 0 && first >= 0x20 && first != 0x7f);
        assert(n != 2 || first != 0xc2 || (uint8_t)s.ptr[1] >= 0xa0);
        s = gw_str_sub(s, n, s.len);
    }
}
#define CHECK(array) check_text((array), sizeof(array))

static void check_row(const struct gw_audit_row *r)
{
    gw_auto_json json_t *details = NULL;
    CHECK(r->action);
    CHECK(r->resource_type);
    CHECK(r->resource_id);
    CHECK(r->address);
    CHECK(r->user_agent);
    CHECK(r->route);
    CHECK(r->path);
    CHECK(r->reason);
    CHECK(r->details);
    assert(r->action[0] != '\0');
    assert((r->resource_type[0] == '\0') == (r->resource_id[0] == '\0'));
    assert(r->details[0] == '\0' ||
           (gw_json_parse(gw_str(r->details), GW_JSON_DEFAULT_LIMITS, &details, NULL) == GW_OK &&
            json_is_object(details)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_str rest = {(const char *)data, size};
    static struct gw_audit_row row, end;
    struct gw_event e = {.phase = GW_EVENT_INTENT, .count = 1, .generation = UINT64_MAX};
    e.action = take(&rest, GW_EVENT_ACTION_MAX);
    e.reason = take(&rest, GW_EVENT_REASON_MAX);
    e.route = take(&rest, GW_EVENT_ROUTE_MAX);
    e.path = take(&rest, GW_EVENT_PATH_MAX);
    e.user_agent = take(&rest, GW_EVENT_USER_AGENT_MAX);
    e.details = take(&rest, GW_EVENT_DETAILS_MAX);
    memcpy(e.address, e.path.ptr != NULL && e.path.len >= 16 ? e.path.ptr : "0123456789abcdef", sizeof(e.address));
    if (e.action.len == 0) /* the decoder lets none through */
        e.action = GW_STR("x");
    gw_audit_row_of_event(&e, &row);
    check_row(&row);
    e.phase = GW_EVENT_OUTCOME;
    e.reason = e.user_agent.len <= GW_EVENT_REASON_MAX ? e.user_agent : GW_STR_NULL;
    gw_audit_row_of_event(&e, &end);
    gw_audit_row_conclude(&row, &end);
    check_row(&row);
    return 0;
}
