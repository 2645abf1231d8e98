/* SPDX-License-Identifier: Apache-2.0 */
/* What decides must stand once, or two readers could each believe another one. */
#include "pipeline/pipeline.h"

#include <string.h>

/* Like a cookie it is there by itself, so whatever else is presented counts in its place. A trusted proxy's is its own: the client is told by a header,
 * or the question is about another's request. */
static bool speaks_by_certificate(const struct gw_request *r)
{
    struct gw_ip peer;
    memcpy(peer.b, r->head->peer, sizeof(peer.b));
    return r->head->certificate != NULL && r->presented.kind == GW_CREDENTIAL_ABSENT && !gw_verify_is_asked(r->head) &&
           !gw_address_is_trusted(r, &peer);
}

/* nginx found it good when the connection began, or the session that this one resumes. */
bool gw_certificate_is_over(const struct gw_request *r)
{
    return r->head->certificate != NULL && r->head->certificate->not_after_s < r->now_s;
}

enum gw_code gw_stage_headers(struct gw_request *r, struct gw_verdict *v)
{
    struct gw_str credential_header = gw_mint_header(gw_policy_upstream(r->snapshot->policy));
    r->method = gw_method_parse(r->head->method);
    if (!gw_head_read(r->head, credential_header, &r->fields)) {
        r->out->cors = gw_cors_of_headers(&r->snapshot->cors, r->head->headers, r->head->header_count);
        return gw_refuse(v, GW_REASON_BAD_HEADERS, GW_DETAIL_NONE);
    }
    r->presented = gw_credential_choose(r->fields.authorization, r->fields.api_key, r->fields.cookies.session);
    if (speaks_by_certificate(r))
        r->presented.kind = GW_CREDENTIAL_CERTIFICATE;
    gw_cors_note(r);
    if (gw_certificate_is_over(r))
        return gw_refuse(v, GW_REASON_CLIENT_CERTIFICATE, GW_DETAIL_CERTIFICATE_OVER);
    if (r->presented.kind == GW_CREDENTIAL_TWO)
        return gw_refuse(v, GW_REASON_BAD_HEADERS, GW_DETAIL_NONE);
    return GW_OK;
}
