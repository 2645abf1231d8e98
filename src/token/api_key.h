/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The text of an API key: `aak_`, a public id of 8 characters, `_`, 256 random bits as base64url. The prefix is for those who look for
 * secrets where none belong, the id for those who list keys; the hash of the whole is what is stored. Pure; any thread.
 */
#include "crypto/random.h"
#include <gw/error.h>
#include <gw/str.h>

#define GW_API_KEY_PREFIX "aak_"
#define GW_API_KEY_PUBLIC_LEN 8
#define GW_API_KEY_SECRET_BYTES 32
#define GW_API_KEY_SECRET_LEN GW_BASE64URL_LEN(GW_API_KEY_SECRET_BYTES)
#define GW_API_KEY_LEN (sizeof(GW_API_KEY_PREFIX) - 1 + GW_API_KEY_PUBLIC_LEN + 1 + GW_API_KEY_SECRET_LEN)

struct gw_api_key_text {
    struct gw_str public_id; /* borrows from the text, as does the next */
    struct gw_str secret;    /* empty: the text is the public part alone, as signed requests bring it */
};

/* It begins as one of ours does, whatever follows. */
bool gw_api_key_is_one(struct gw_str text);
/* GW_EPARSE: neither "aak_ID_SECRET" nor "aak_ID". Every text but one of a key's 256 bits is refused. */
GW_MUST_CHECK enum gw_code gw_api_key_parse(struct gw_str text, struct gw_api_key_text *out);
/* A new one: dst holds GW_API_KEY_LEN + 1, and is the caller's to wipe. */
GW_MUST_CHECK enum gw_code gw_api_key_make(const struct gw_random *r, char *dst, struct gw_error *err);
