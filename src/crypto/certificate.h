/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A self-signed TLS certificate for development: ECDSA P-256, for localhost, 127.0.0.1, ::1 and what else is named, marked by its organisation
 * so that production can refuse it. Not a certificate authority.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "crypto/random.h"

#define GW_CERTIFICATE_DEVELOPMENT "aaiti development" /* O= of the subject */
#define GW_CERTIFICATE_DAYS 397                        /* longer ones are refused by browsers */

/* Makes both files, PEM: the key 0600, the certificate 0644. names: further host names and addresses, with commas; empty: none. GW_ECONFLICT when
 * either file exists, GW_EINVAL that a name is none; then neither is touched. */
GW_MUST_CHECK enum gw_code gw_certificate_create(const char *certificate_path, const char *key_path,
                                                 struct gw_str names, const struct gw_clock *clock,
                                                 const struct gw_random *random, struct gw_error *err);
#define GW_CERTIFICATE_OWN "aaiti own calls" /* CN= of the subject */

/* Adds to out, as PEM, what the gateway shows its own listener where that asks clients for certificates: key, self-signed certificate, and the
 * empty list of what it has revoked, without which nobody who looks at such lists takes it. It names nobody and is good for ten years. */
GW_MUST_CHECK enum gw_code gw_certificate_make_own(struct gw_buf *out, const struct gw_clock *clock,
                                                   const struct gw_random *random, struct gw_error *err);
