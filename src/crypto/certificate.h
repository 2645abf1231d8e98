/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A self-signed TLS certificate for development: ECDSA P-256, for localhost, 127.0.0.1 and ::1, marked by its organisation
 * so that production can refuse it. Not a certificate authority.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "crypto/random.h"

#define GW_CERTIFICATE_DEVELOPMENT "aaiti development" /* O= of the subject */
#define GW_CERTIFICATE_DAYS 397                        /* longer ones are refused by browsers */

/* Makes both files, PEM: the key 0600, the certificate 0644. GW_ECONFLICT when either exists; then neither is touched. */
GW_MUST_CHECK enum gw_code gw_certificate_create(const char *certificate_path, const char *key_path,
                                                 const struct gw_clock *clock, const struct gw_random *random,
                                                 struct gw_error *err);
/* Whether the first certificate of a PEM file is one that gw_certificate_create made. GW_ENOTFOUND, GW_EPARSE. */
GW_MUST_CHECK enum gw_code gw_certificate_is_development(const char *certificate_path, bool *out, struct gw_error *err);
/* Adds the first certificate of a PEM file to out, as PEM: what else stands there, perhaps a private key, does not come along. GW_ENOTFOUND,
 * GW_EPARSE. */
GW_MUST_CHECK enum gw_code gw_certificate_first(const char *path, struct gw_buf *out, struct gw_error *err);
