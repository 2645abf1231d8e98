/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A route with `websocket` is asked for by a WebSocket handshake (RFC 6455 section 4.1) and nothing else: over it the backend would talk
 * with the client past every stage, so nobody may come to it by another way. Engine.IO has such a way, long polling, which is refused.
 */
#include "pipeline/pipeline.h"

#include "policy/query.h"
#include "policy/websocket.h"
#include "websocket/handshake.h"

static bool list_has(struct gw_str list, struct gw_str token)
{
    struct gw_str one;
    while (gw_str_split(&list, ',', &one))
        if (gw_str_eq_nocase(gw_str_trim(one), token))
            return true;
    return false;
}

/* Behind a handshake comes the first frame, which a backend might take for the body. */
static bool has_body(const struct gw_request_head *head)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (gw_str_eq(head->headers[i].name, GW_STR("transfer-encoding")) ||
            (gw_str_eq(head->headers[i].name, GW_STR("content-length")) &&
             !gw_str_eq(gw_str_trim(head->headers[i].value), GW_STR("0"))))
            return true;
    return false;
}

static enum gw_detail check_handshake(const struct gw_request *r)
{
    const struct gw_upgrade_fields *f = &r->fields.upgrade;
    if (!r->head->is_http_1_1)
        return GW_DETAIL_UPGRADE_VERSION_OF_HTTP;
    if (!gw_str_eq(r->head->method, GW_STR("GET")) || !gw_str_eq_nocase(gw_str_trim(f->upgrade), GW_STR("websocket")) ||
        !list_has(f->connection, GW_STR("upgrade")))
        return GW_DETAIL_UPGRADE_MISSING;
    if (!gw_str_eq(gw_str_trim(f->version), GW_STR("13")))
        return GW_DETAIL_UPGRADE_VERSION;
    if (!gw_websocket_key_is_good(gw_str_trim(f->key)))
        return GW_DETAIL_UPGRADE_KEY;
    return has_body(r->head) ? GW_DETAIL_UPGRADE_BODY : GW_DETAIL_NONE;
}

static bool query_is(struct gw_str query, struct gw_str name, struct gw_str wanted)
{
    struct gw_str raw;
    return gw_query_find(query, name, &raw) == GW_QUERY_ONCE && gw_query_value_is(raw, wanted);
}

/* A session of Engine.IO that began by polling has an id, and could be anybody's. */
static enum gw_detail check_transport(const struct gw_request *r)
{
    struct gw_str ignored, query = gw_str_sub(r->target, gw_str_find(r->target, '?') + 1, r->target.len);
    if (!query_is(query, GW_STR("EIO"), GW_STR("4")))
        return GW_DETAIL_UPGRADE_ENGINE;
    if (!query_is(query, GW_STR("transport"), GW_STR("websocket")) ||
        gw_query_find(query, GW_STR("sid"), &ignored) != GW_QUERY_NONE)
        return GW_DETAIL_UPGRADE_POLLING;
    return GW_DETAIL_NONE;
}

enum gw_code gw_stage_upgrade(struct gw_request *r, struct gw_verdict *v)
{
    const struct gw_websocket *w = r->route->websocket;
    if (w == NULL)
        return GW_OK;
    enum gw_detail fault = check_handshake(r);
    if (fault == GW_DETAIL_NONE && w->protocol == GW_WEBSOCKET_SOCKET_IO)
        fault = check_transport(r);
    if (fault != GW_DETAIL_NONE)
        return gw_refuse(v, GW_REASON_NO_UPGRADE, fault);
    r->out->upgrades = true;
    return GW_OK;
}

/* A rehearsed request brings no handshake. */
enum gw_code gw_rehearse_upgrade(struct gw_request *r, struct gw_verdict *v)
{
    (void)r, (void)v;
    return GW_OK;
}
