/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A span of bytes that somebody else owns. Not NUL-terminated; may hold any byte. ptr may be NULL only when len is 0.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_str {
    const char *ptr;
    size_t len;
};

#define GW_STR(literal) ((struct gw_str){"" literal, sizeof(literal) - 1})
#define GW_STR_NULL ((struct gw_str){NULL, 0})
/* For printf("%.*s"). */
#define GW_STR_ARG(s) (int)(s).len, (s).ptr != NULL ? (s).ptr : ""

/* Borrows a C string; NULL gives the empty span. */
struct gw_str gw_str(const char *cstr);
bool gw_str_eq(struct gw_str a, struct gw_str b);
/* ASCII case only. */
bool gw_str_eq_nocase(struct gw_str a, struct gw_str b);
bool gw_str_starts(struct gw_str s, struct gw_str prefix);
/* Bytes from..from+len, clipped to s. */
struct gw_str gw_str_sub(struct gw_str s, size_t from, size_t len);
/* Without leading and trailing space and tab. */
struct gw_str gw_str_trim(struct gw_str s);
/* Index of the first byte, or s.len. */
size_t gw_str_find(struct gw_str s, char byte);
/* Cuts *rest at the first sep: returns what stands before it and moves *rest past it. False when *rest was used up
 * (ptr NULL); a trailing separator yields one last empty piece. */
bool gw_str_split(struct gw_str *rest, char sep, struct gw_str *out_piece);
/* Decimal digits only, no sign, no leading zero but "0" itself, fits in 63 bits. */
bool gw_str_to_i64(struct gw_str s, int64_t *out);
/* Copies with NUL into a fixed array; false when it does not fit or s holds a NUL (dst is then ""). */
bool gw_str_copy(struct gw_str s, char *dst, size_t dst_size);
/* Length of the well-formed UTF-8 sequence (RFC 3629 section 4) that s begins with, or 0. */
size_t gw_str_utf8(struct gw_str s);
/* The same, but 0 for what a terminal obeys: C0 and C1 controls (U+0080 to U+009F) and DEL, line separators, and what turns the
 * direction of text around (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069). */
size_t gw_str_printable(struct gw_str s);
