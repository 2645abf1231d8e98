/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is asking. The peer, unless it is a trusted proxy: then the rightmost address of the header that the settings name which is not itself
 * one, for everything to the left of that was written by whoever stands there. The other header is not looked at: a proxy that sets one of
 * them passes the other on as the client made it up.
 */
#include "pipeline/forwarded.h"
#include "pipeline/pipeline.h"

bool gw_address_is_trusted(const struct gw_request *r, const struct gw_ip *ip)
{
    const struct gw_option_cidrs *proxies = &r->snapshot->settings.trusted_proxies;
    return gw_cidrs_contain(proxies->item, proxies->count, ip);
}

/* Cuts the last element off the list. False: the list was empty. */
static bool cut_last(struct gw_str *list, struct gw_str *out)
{
    if (list->ptr == NULL)
        return false;
    size_t start = list->len;
    while (start > 0 && list->ptr[start - 1] != ',')
        start--;
    *out = gw_str_trim(gw_str_sub(*list, start, list->len));
    *list = start == 0 ? GW_STR_NULL : gw_str_sub(*list, 0, start - 1);
    return true;
}

enum walk { FOUND, GO_ON, MALFORMED };

static enum walk walk_list(const struct gw_request *r, struct gw_str list, struct gw_ip *client)
{
    struct gw_str hop;
    while (cut_last(&list, &hop)) {
        if (gw_ip_parse(hop, client) != GW_OK)
            return MALFORMED;
        if (!gw_address_is_trusted(r, client))
            return FOUND;
    }
    return GO_ON;
}

static enum walk walk_forwarded(const struct gw_request *r, struct gw_str line, struct gw_ip *client)
{
    struct gw_str hops[GW_FORWARDED_HOPS_MAX];
    size_t count;
    if (gw_forwarded_parse(line, hops, &count) != GW_OK)
        return MALFORMED;
    while (count-- > 0) {
        if (gw_forwarded_address(hops[count], client) != GW_OK)
            return MALFORMED;
        if (!gw_address_is_trusted(r, client))
            return FOUND;
    }
    return GO_ON;
}

static const struct {
    struct gw_str name;
    enum walk (*walk)(const struct gw_request *r, struct gw_str line, struct gw_ip *client);
} headers[] = {
    [GW_PROXY_X_FORWARDED_FOR] = {GW_STR("x-forwarded-for"), walk_list},
    [GW_PROXY_FORWARDED] = {GW_STR("forwarded"), walk_forwarded},
};

bool gw_address_is_told(const struct gw_request *r)
{
    return (r->snapshot->settings.proxy_header == GW_PROXY_FORWARDED ? r->fields.forwarded_headers
                                                                     : r->fields.forwarded_for_headers) > 0;
}

static enum walk walk_headers(const struct gw_request *r, struct gw_ip *client)
{
    int64_t chosen = r->snapshot->settings.proxy_header;
    enum walk walk = GO_ON;
    for (size_t i = r->head->header_count; walk == GO_ON && i-- > 0;)
        if (gw_str_eq(r->head->headers[i].name, headers[chosen].name))
            walk = headers[chosen].walk(r, r->head->headers[i].value, client);
    return walk;
}

enum gw_code gw_stage_address(struct gw_request *r, struct gw_verdict *v)
{
    struct gw_ip client = r->client; /* the peer, so far */
    if (gw_address_is_told(r) && gw_address_is_trusted(r, &client) && walk_headers(r, &client) == MALFORMED)
        return gw_refuse(v, GW_REASON_BAD_ADDRESS, GW_DETAIL_NONE);
    r->client = client;
    return GW_OK;
}

bool gw_client_is_allowed(const struct gw_request *r)
{
    const struct gw_option_cidrs *allow = &r->snapshot->settings.allow;
    return gw_cidrs_contain(allow->item, allow->count, &r->client);
}
