/* SPDX-License-Identifier: Apache-2.0 */
/* A ticket is base64url and dots, so a value that is percent-encoded is none of ours; its name may be, for the backend would decode that. */
#include "pipeline/ticket.h"

#include "policy/query.h"
#include <string.h>

static const struct gw_str name = GW_STR("ticket");

static bool is_it(struct gw_str pair)
{
    return gw_query_value_is(gw_str_sub(pair, 0, gw_str_find(pair, '=')), name);
}

/* All but that pair; the question mark goes with the last of them. */
static size_t write_others(struct gw_str target, size_t query_at, char *dst)
{
    struct gw_str rest = gw_str_sub(target, query_at, target.len), pair;
    size_t len = query_at;
    memcpy(dst, target.ptr, query_at);
    while (gw_str_split(&rest, '&', &pair)) {
        if (is_it(pair))
            continue;
        memcpy(dst + len, pair.ptr, pair.len);
        len += pair.len;
        dst[len++] = '&';
    }
    return len - 1;
}

enum gw_code gw_ticket_take(struct gw_str *io_target, struct gw_arena *a, struct gw_str *out_ticket)
{
    size_t query_at = gw_str_find(*io_target, '?') + 1;
    *out_ticket = GW_STR_NULL;
    switch (gw_query_find(gw_str_sub(*io_target, query_at, io_target->len), name, out_ticket)) {
    case GW_QUERY_NONE:
        return GW_OK;
    case GW_QUERY_AMBIGUOUS:
    case GW_QUERY_MALFORMED:
        return GW_EPARSE;
    case GW_QUERY_ONCE:
        break;
    }
    char *text = gw_arena_alloc(a, io_target->len + 1);
    if (text == NULL)
        return GW_ENOMEM;
    *io_target = (struct gw_str){text, write_others(*io_target, query_at, text)};
    return GW_OK;
}
