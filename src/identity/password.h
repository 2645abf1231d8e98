/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Password rules (AUTH-1): the profiles `guide` (8 or more characters with upper case, lower case, digit and special) and
 * `nist` (15 or more, no composition), both at most 128 characters, not in the blocklist, not containing the user name
 * or e-mail. Immutable after load; any thread.
 */
#include "base/buf.h"
#include "config/settings.h"

struct gw_password_rules;

/* blocklist: a file, one password a line, compared without ASCII case; NULL: the one that comes with the gateway. */
GW_MUST_CHECK enum gw_code gw_password_rules_new(enum gw_password_profile profile, const char *blocklist,
                                                 struct gw_password_rules **out, struct gw_error *err);
void gw_password_rules_free(struct gw_password_rules *r);
GW_DEFINE_AUTO_FREE(gw_password_rules);

/* GW_OK, or GW_EINVAL with err saying all that is missing, in words fit for the user; the password is not in it. */
GW_MUST_CHECK enum gw_code gw_password_check(const struct gw_password_rules *r, struct gw_str password,
                                             struct gw_str username, struct gw_str email, struct gw_error *err);
