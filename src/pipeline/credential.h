/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Which credential a client presents: an API key, by its own header or as a Bearer token; else a Bearer token; else our session cookie,
 * which carries the same token. The data plane and
 * control read it here alike: with two readings, one would act on what the other did not see.
 */
#include <gw/error.h>
#include <gw/str.h>

#define GW_SESSION_COOKIE "__Host-aaiti_session"
/* Not __Host-, which wants Path=/: this one is sent on the refresh path alone. */
#define GW_REFRESH_COOKIE "__Secure-aaiti_refresh"
/* Sent on the sign-in path alone. It is no credential: it tells a device that has signed in before from one that has not. */
#define GW_DEVICE_COOKIE "__Secure-aaiti_device"

/* Values of our cookies; ptr NULL: it was not there. A bare name has an empty value. */
struct gw_own_cookies {
    struct gw_str session, refresh, device;
};

enum gw_credential_kind {
    GW_CREDENTIAL_ABSENT,
    GW_CREDENTIAL_BEARER,
    GW_CREDENTIAL_COOKIE,
    GW_CREDENTIAL_KEY,
    GW_CREDENTIAL_CERTIFICATE, /* of the connection, and nothing else: the data plane alone sees it (stage_headers.c) */
    GW_CREDENTIAL_TICKET,      /* of a target's query, for a WebSocket; the data plane alone sees it (stage_route.c) */
    GW_CREDENTIAL_TWO,         /* a key and something else that is not it: nobody can tell who is meant */
};

struct gw_client_credential {
    enum gw_credential_kind kind;
    bool has_bearer_scheme; /* an Authorization header of scheme Bearer, whatever follows */
    struct gw_str token;    /* borrows from the headers; empty: none */
};

/* A "name=value" pair, or a bare "name", of a Cookie header. */
bool gw_cookie_is_ours(struct gw_str pair);
/* Adds what the value of one Cookie header holds of ours; *io is zero before the first header. False: the session's stands twice, and no
 * reader could be sure which one counts. Of the others, which any host of the site can set beside ours, none counts then: their values are
 * empty. Refused they would keep a user from everything until he has found and removed them. */
GW_MUST_CHECK bool gw_cookie_find_ours(struct gw_str cookie, struct gw_own_cookies *io);
static inline bool gw_cookies_have_ours(const struct gw_own_cookies *c)
{
    return c->session.ptr != NULL || c->refresh.ptr != NULL || c->device.ptr != NULL;
}
/* Empty, `null` and `undefined`, which a frontend sends when its storage holds no token, are none. api_key: of X-API-Key. */
struct gw_client_credential gw_credential_choose(struct gw_str authorization, struct gw_str api_key,
                                                 struct gw_str session_cookie);
