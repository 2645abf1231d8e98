/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the client's address is blocked, or suspicious. Only the authority segment is asked, which with an empty list costs two loads.
 *
 * A list that cannot be read may hold anybody. So the request is held, with a credential or without, and the stage HELD refuses it; but there
 * it is known whether only the gateway's health was asked for, which is then to say that it is not ready.
 */
#include "pipeline/pipeline.h"

#define SUSPECT_FACTOR 0.5

/* Half at first, and from there in a straight line to the whole at the end. */
static double factor_of(const struct gw_live_block *b, int64_t now_s)
{
    int64_t whole = b->expires_s - b->since_s, left = b->expires_s - now_s;
    if (whole <= 0 || left >= whole)
        return SUSPECT_FACTOR;
    return 1.0 - (1.0 - SUSPECT_FACTOR) * (double)left / (double)whole;
}

static enum gw_code judge(struct gw_request *r, const struct gw_live_block *b, struct gw_verdict *v)
{
    if (gw_client_is_allowed(r))
        return GW_OK;
    if (b->kind == GW_BLOCK_FULL)
        return gw_hold(r, v, (struct gw_verdict){.reason = GW_REASON_BLOCKED});
    r->limit_factor = factor_of(b, r->now_s);
    return GW_OK;
}

static enum gw_code hold_unread(struct gw_request *r, enum gw_detail detail)
{
    if (r->held.reason == GW_REASON_NONE)
        r->held = (struct gw_verdict){.reason = GW_REASON_NOT_READY, .detail = detail};
    return GW_OK;
}

enum gw_code gw_stage_block(struct gw_request *r, struct gw_verdict *v)
{
    r->limit_factor = 1.0;
    if (r->gate->shared == NULL)
        return hold_unread(r, GW_DETAIL_NO_SEGMENT);
    struct gw_live_block b;
    enum gw_code code = gw_shared_find_block(r->gate->shared, &r->client, r->now_s, &b);
    if (code == GW_EBACKEND)
        return hold_unread(r, GW_DETAIL_SEGMENT_UNREADABLE);
    if (code == GW_ENOTFOUND)
        return GW_OK;
    return code == GW_OK ? judge(r, &b, v) : code;
}

enum gw_code gw_rehearse_block(struct gw_request *r, struct gw_verdict *v)
{
    r->limit_factor = 1.0;
    return r->rehearsed_block != NULL ? judge(r, r->rehearsed_block, v) : GW_OK;
}
