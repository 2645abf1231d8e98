/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which credential a client presents: a Bearer token, else our session cookie, which carries the same token. The data plane and
 * control read it here alike: with two readings, one would act on what the other did not see.
 */
#include <gw/error.h>
#include <gw/str.h>

#define GW_SESSION_COOKIE "__Host-aaiti_session"

enum gw_credential_kind { GW_CREDENTIAL_ABSENT, GW_CREDENTIAL_BEARER, GW_CREDENTIAL_COOKIE };

struct gw_client_credential {
    enum gw_credential_kind kind;
    bool has_bearer_scheme; /* an Authorization header of scheme Bearer, whatever follows */
    struct gw_str token;    /* borrows from the headers; empty: none */
};

/* A "name=value" pair, or a bare "name", of a Cookie header. */
bool gw_cookie_is_ours(struct gw_str pair);
/* Looks for our cookie in the value of one Cookie header. *io_value is GW_STR_NULL before the first header, and stays so until ours is
 * found; a bare name has an empty value. False: ours stands twice, and no reader could be sure which one counts. */
GW_MUST_CHECK bool gw_cookie_find_ours(struct gw_str cookie, struct gw_str *io_value);
/* Empty, `null` and `undefined`, which a frontend sends when its storage holds no token, are none. */
struct gw_client_credential gw_credential_choose(struct gw_str authorization, struct gw_str session_cookie);
