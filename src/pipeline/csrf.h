/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The token by which a page of ours shows that it is one, where the browser says neither Origin nor Sec-Fetch-Site: an HMAC under the access token of
 * the session, so that nobody makes it who does not hold that, and there is no key to keep. It tells nothing of it, and a page's script may read
 * it. For both planes. Any thread.
 */
#include <gw/error.h>
#include <gw/str.h>

#define GW_CSRF_LEN 43 /* base64url of 32 bytes */
#define GW_CSRF_FIELD "csrf"

/* access_token: as the cookie has it. out: GW_CSRF_LEN bytes and a NUL. */
GW_MUST_CHECK enum gw_code gw_csrf_make(struct gw_str access_token, char out[GW_CSRF_LEN + 1]);
/* Whether given is that of this token, in constant time; false where either is empty. */
bool gw_csrf_is_of(struct gw_str access_token, struct gw_str given);
