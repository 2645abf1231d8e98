/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Origins of web pages (RFC 6454 section 6.2) as browsers write them in `Origin`, so that they can be compared byte by byte. Only what an
 * operator lists is looked at here; what a client sends is compared, never parsed. Any thread.
 */
#include <gw/str.h>

/* scheme://host[:port] for http and https. NULL: it is one; else what was expected, for "expected …". Static storage. */
const char *gw_origin_fault(struct gw_str text);
/* Of an origin: what its pages hold, anybody on the way to its server may have written: http, and not to this machine. */
bool gw_origin_is_exposed(struct gw_str origin);
