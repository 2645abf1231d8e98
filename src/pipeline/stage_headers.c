/* SPDX-License-Identifier: Apache-2.0 */
/* What decides must stand once, or two readers could each believe another one. */
#include "pipeline/pipeline.h"

enum gw_code gw_stage_headers(struct gw_request *r, struct gw_verdict *v)
{
    struct gw_str credential_header = gw_mint_header(gw_policy_upstream(r->snapshot->policy));
    r->method = gw_method_parse(r->head->method);
    if (!gw_head_read(r->head, credential_header, &r->fields)) {
        r->out->cors = gw_cors_of_headers(&r->snapshot->cors, r->head->headers, r->head->header_count);
        return gw_refuse(v, GW_REASON_BAD_HEADERS, GW_DETAIL_NONE);
    }
    r->presented = gw_credential_choose(r->fields.authorization, r->fields.api_key, r->fields.cookies.session);
    gw_cors_note(r);
    if (r->presented.kind == GW_CREDENTIAL_TWO)
        return gw_refuse(v, GW_REASON_BAD_HEADERS, GW_DETAIL_NONE);
    return GW_OK;
}
