/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The header Forwarded (RFC 7239): who a proxy says asked it. Used by stage_address.c alone, for what a trusted proxy sent; but all that stands
 * to the left of its own element came from whoever asked it.
 */
#include "base/ip.h"

/* Of one header line. */
#define GW_FORWARDED_HOPS_MAX 32

/* The values of `for` in the order of the line, quotes taken off; an element without a `for` is empty, which is no address. GW_EPARSE: the line is
 * none of RFC 7239's, as a whole: of a line that is only partly read, a quote to the left could swallow what the proxy wrote. GW_ELIMIT: more
 * hops than the cap. */
GW_MUST_CHECK enum gw_code gw_forwarded_parse(struct gw_str line, struct gw_str hops[GW_FORWARDED_HOPS_MAX],
                                              size_t *out_count);
/* "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "[2001:db8::1]:80"; the port may be obfuscated. GW_EPARSE: else, as "unknown" and "_hidden". */
GW_MUST_CHECK enum gw_code gw_forwarded_address(struct gw_str node, struct gw_ip *out);
