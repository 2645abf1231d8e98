/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The page of the panic button (panic.html). embed_page.py makes it part of the library, with a Content-Security-Policy that names its
 * style and its script by their hashes; what differs from policy to policy stands outside both. Made once a snapshot. Any thread.
 */
#include "policy/policy.h"

#define GW_PANIC_PARTS 3
/* Between the parts stand the paths of sign-in and sign-out. */
extern const struct gw_str gw_panic_html[GW_PANIC_PARTS];
extern const struct gw_str gw_panic_policy;

/* The page with the paths of p; a call that p lacks is empty. GW_ENOMEM. */
GW_MUST_CHECK enum gw_code gw_panic_page(const struct gw_policy *p, struct gw_arena *a, struct gw_str *out);
