/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a page of that origin may ask for a change, or for leave to (a preflight). What only reads goes on: without the fields that
 * gw_cors_answer_to gives to a listed origin the browser keeps the answer from the page. Before the route, so that who is not listed gets
 * the same answer whatever he asked for.
 */
#include "pipeline/pipeline.h"

/* "https://" + Host; over plain connections TLS may end before us, so that both schemes are ours. */
static bool is_of_our_host(const struct gw_request *r)
{
    static const struct gw_str schemes[] = {GW_STR("https://"), GW_STR("http://")};
    struct gw_str origin = r->fields.origin, host = r->fields.host;
    for (size_t i = 0; i < (r->head->tls ? 1u : 2u); i++) {
        struct gw_str rest = gw_str_sub(origin, schemes[i].len, origin.len);
        if (host.len > 0 && gw_str_starts(origin, schemes[i]) && gw_str_eq_nocase(rest, host))
            return true;
    }
    return false;
}

/* Sec-Fetch-Site no page can write. A form of a page without referrers comes from `null`, and this tells that it is ours. */
static enum gw_origin classify(const struct gw_request *r, const struct gw_cors_origin *listed)
{
    if (listed != NULL)
        return GW_ORIGIN_LISTED;
    if (is_of_our_host(r) || gw_str_eq(r->fields.fetch_site, GW_STR("same-origin")))
        return GW_ORIGIN_OWN;
    return GW_ORIGIN_FOREIGN;
}

/* A preflight names what will be asked, and browsers send it without a credential: whose it brings nevertheless counts for nothing. */
static void note_preflight(struct gw_request *r, struct gw_str method)
{
    r->is_preflight = true;
    r->method = gw_method_parse(method);
    r->presented = (struct gw_client_credential){.kind = GW_CREDENTIAL_ABSENT};
}

void gw_cors_note(struct gw_request *r)
{
    const struct gw_cors *cors = &r->snapshot->cors;
    struct gw_str method;
    r->out->cors = gw_cors_answer_to(cors, NULL);
    if (r->fields.origin.ptr == NULL)
        return;
    const struct gw_cors_origin *listed = gw_cors_find(cors, r->fields.origin);
    r->out->cors = gw_cors_answer_to(cors, listed);
    r->origin = classify(r, listed);
    if (r->origin != GW_ORIGIN_OWN)
        gw_head_drop(r->head, GW_STR("origin")); /* judged here; a backend's own list would know another answer */
    if (gw_cors_is_preflight(r->head, &method))
        note_preflight(r, method);
}

enum gw_code gw_stage_cors(struct gw_request *r, struct gw_verdict *v)
{
    if (r->is_preflight && r->origin != GW_ORIGIN_LISTED)
        return gw_refuse(v, GW_REASON_ORIGIN_REFUSED, GW_DETAIL_PREFLIGHT);
    if (r->origin == GW_ORIGIN_FOREIGN && !gw_method_is_safe(r->method))
        return gw_refuse(v, GW_REASON_ORIGIN_REFUSED, GW_DETAIL_NONE);
    return GW_OK;
}
