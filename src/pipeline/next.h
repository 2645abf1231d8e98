/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where a browser goes after it has signed in: back to where it came from, which it was told by a query or a form that anybody may have
 * written, and so nowhere but here. For both planes. Any thread.
 */
#include <gw/arena.h>
#include <gw/error.h>
#include <gw/str.h>

#define GW_LOGIN_PAGE "/aaiti/login"
#define GW_LOGOUT_PAGE "/aaiti/logout"
/* What is longer is forgotten, not cut. */
#define GW_NEXT_MAX_BYTES 1024

/* given, where it is a canonical target of this host (policy/path.h) and neither of the two pages; else "/". */
struct gw_str gw_next_or_root(struct gw_str given);
/* The login page's target that comes back to this one: "/aaiti/login?next=…", without the query where that would lead to "/" anyway.
 * GW_ENOMEM. */
GW_MUST_CHECK enum gw_code gw_next_login_target(struct gw_str target, struct gw_arena *a, struct gw_str *out);
