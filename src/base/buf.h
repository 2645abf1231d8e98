/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A growing byte buffer that cannot be made without a cap. Failure sticks: after one append that did not fit, all later
 * ones do nothing and gw_buf_check tells; so writers need to look once, at the end. Always NUL-terminated.
 */
#include <gw/error.h>
#include <gw/str.h>

struct gw_buf {
    char *ptr;
    size_t len, size, max_bytes;
    enum gw_code failed; /* GW_OK, GW_ENOMEM or GW_ELIMIT */
};

void gw_buf_init(struct gw_buf *b, size_t max_bytes);
/* Wipes what it held, then frees it: buffers carry passwords and tokens. */
void gw_buf_done(struct gw_buf *b);
void gw_buf_reset(struct gw_buf *b);

void gw_buf_add(struct gw_buf *b, struct gw_str s);
void gw_buf_addc(struct gw_buf *b, char c);
void gw_buf_addf(struct gw_buf *b, const char *fmt, ...) GW_PRINTF(2, 3);
/* A JSON string literal, quotes included; bytes that are not UTF-8 become U+FFFD, and all control characters are escaped: a terminal
 * may be shown it. */
void gw_buf_add_json(struct gw_buf *b, struct gw_str s);
/* For a segment of a path or a value of a query: all but the unreserved characters (RFC 3986 section 2.3) as %XX. */
void gw_buf_add_percent(struct gw_buf *b, struct gw_str s);
/* For log lines: control bytes, quotes, backslashes and non-ASCII as \xNN. */
void gw_buf_add_escaped(struct gw_buf *b, struct gw_str s);

/* Borrowed view; "" when empty. */
struct gw_str gw_buf_str(const struct gw_buf *b);
GW_MUST_CHECK enum gw_code gw_buf_check(const struct gw_buf *b, struct gw_error *err);

#include <gw/cleanup.h>
GW_DEFINE_AUTO_DONE(gw_buf);
