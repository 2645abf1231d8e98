/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where a call's token stands: the Authorization header, else our session cookie. */
#include <gw/str.h>

/* The token of "Bearer …"; empty for another scheme, and for `Bearer null`, `Bearer undefined` and an empty one, which A.A.I.T.I's
 * frontend sends when it means none. */
struct gw_str gw_credential_bearer(struct gw_str authorization);
/* The value of our session cookie in a Cookie header; empty when it stands there twice: no reader could be sure which one counts. */
struct gw_str gw_credential_cookie(struct gw_str cookie);
