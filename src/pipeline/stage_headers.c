/* SPDX-License-Identifier: Apache-2.0 */
/* What decides must stand once, or two readers could each believe another one. */
#include "pipeline/pipeline.h"

enum gw_code gw_stage_headers(struct gw_request *r, struct gw_verdict *v)
{
    struct gw_str credential_header = gw_mint_header(gw_policy_upstream(r->snapshot->policy));
    if (!gw_head_read(r->head, credential_header, &r->fields))
        return gw_refuse(v, GW_REASON_BAD_HEADERS, GW_DETAIL_NONE);
    r->presented = gw_credential_choose(r->fields.authorization, r->fields.api_key, r->fields.cookies.session);
    if (r->presented.kind == GW_CREDENTIAL_TWO)
        return gw_refuse(v, GW_REASON_BAD_HEADERS, GW_DETAIL_NONE);
    return GW_OK;
}
