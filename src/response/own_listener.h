/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Calls of the backend through the gateway's own TLS listener, as any client makes them: so that what the gateway makes of a client's
 * call (rights, minting, mode, journal, audit trail) it makes of these. One connection a call. Any thread.
 */
#include "crypto/tls.h"
#include "response/make_safe.h"

struct gw_own_listener {
    struct gw_str listen; /* the setting: 127.0.0.1:8443 */
    struct gw_tls_terms
        terms;           /* certificates: the file that nginx shows; to nobody who shows another the token is sent */
    struct gw_str token; /* access token */
    struct gw_str user_agent;
    const struct gw_clock *clock;
};

/* A gw_safe_exchange_fn. */
enum gw_safe_end gw_own_listener_ask(const struct gw_own_listener *l, const struct gw_safe_request *q,
                                     struct gw_safe_answer *out);
