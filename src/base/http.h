/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An answer of HTTP/1 (RFC 9112) that came whole over a connection that ends with it: status, headers, body. For the few calls that the
 * program makes itself; no chunks, which an answer to HTTP/1.0 never has.
 */
#include <gw/error.h>
#include <gw/str.h>

struct gw_http_answer {
    unsigned status;          /* 100..999 */
    struct gw_str head, body; /* of the text; head: the header lines */
};

/* GW_EPARSE: it is none. */
GW_MUST_CHECK enum gw_code gw_http_parse(struct gw_str text, struct gw_http_answer *out, struct gw_error *err);
/* Whether its body has the length that it says, if it says one. */
bool gw_http_is_whole(const struct gw_http_answer *a);
/* The value of the first header of that name, trimmed. */
bool gw_http_header(const struct gw_http_answer *a, struct gw_str name, struct gw_str *out);
