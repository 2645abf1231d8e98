/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Text forms of bytes, one pair of functions each: base64url (RFC 4648 section 5, no padding, canonical), hex, UUID
 * (RFC 9562) and RFC 3339 times in UTC. Decoders write on success only, but for a buffer's content. None is constant-time.
 */
#include <gw/error.h>
#include <gw/str.h>
#include <string.h>

#define GW_BASE64URL_LEN(n) (((n)*4 + 2) / 3)
/* Writes GW_BASE64URL_LEN(n) bytes, no NUL. Returns that length. */
size_t gw_base64url_encode(const void *src, size_t n, char *dst);
/* Refuses padding, white space, foreign characters and non-zero spare bits. *out_len is the decoded length; dst_size must
 * hold it (3/4 of the text). */
GW_MUST_CHECK enum gw_code gw_base64url_decode(struct gw_str text, void *dst, size_t dst_size, size_t *out_len);

/* Writes 2n lower-case digits, no NUL. */
void gw_hex_encode(const void *src, size_t n, char *dst);
/* Exactly 2n digits, either case. */
GW_MUST_CHECK enum gw_code gw_hex_decode(struct gw_str text, void *dst, size_t n);
/* Value of one hex digit, or -1. */
int gw_hex_digit(char c);

struct gw_uuid {
    uint8_t b[16];
};
#define GW_UUID_LEN 36
/* 8-4-4-4-12 lower case and a NUL: dst holds GW_UUID_LEN + 1. */
void gw_uuid_format(const struct gw_uuid *u, char *dst);
/* The 8-4-4-4-12 form only, either case. */
GW_MUST_CHECK enum gw_code gw_uuid_parse(struct gw_str text, struct gw_uuid *out);
static inline bool gw_uuid_eq(const struct gw_uuid *a, const struct gw_uuid *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}
/* All zero (RFC 9562 section 5.9): what a member of type gw_uuid holds where there is none. */
static inline bool gw_uuid_is_nil(const struct gw_uuid *u)
{
    return gw_uuid_eq(u, &(struct gw_uuid){{0}});
}

#define GW_TIME_LEN 20 /* 2026-11-24T04:29:50Z */
/* With a NUL: dst holds GW_TIME_LEN + 1. Times outside the years 0 to 9999 become the nearest one inside. */
void gw_time_format(int64_t unix_s, char *dst);
/* That form only; no leap seconds. */
GW_MUST_CHECK enum gw_code gw_time_parse(struct gw_str text, int64_t *out_unix_s);
