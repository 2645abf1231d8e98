/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The headers of a request and of an answer: which of them decide something, which may go on. One table for each
 * direction, in head.c.
 */
#include <gw/arena.h>
#include <gw/gate.h>

#include "pipeline/credential.h"
#include "pipeline/signature.h"

/* What another proxy says that it was asked, where it asks us about it (stage_verify.c). */
struct gw_forwarded_request {
    struct gw_str method, uri, host;
    bool stands_twice;
};

/* Of a WebSocket handshake. */
struct gw_upgrade_fields {
    struct gw_str upgrade, connection, key, version;
};

/* The headers that decide; and the user agent, what it accepts, and why it asks, of which the first counts. ptr NULL: there was none. */
struct gw_head_fields {
    struct gw_str authorization, api_key, origin, fetch_site, host, csrf, user_agent, accept, fetch_mode;
    struct gw_signature_fields signature;
    struct gw_own_cookies cookies;
    struct gw_header *authorization_header, *api_key_header, *csrf_header;
    unsigned forwarded_for_headers, forwarded_headers;
    struct gw_forwarded_request forwarded_request;
    struct gw_upgrade_fields upgrade;
    bool overrides; /* a field that some backends take for the method or target */
};

/* Finds the deciding fields and marks every header that the backend must not see. credential_header: the one the policy fills itself;
 * empty: none. False: a deciding header stands twice, the session's cookie stands twice, or Connection lists more than it may. */
GW_MUST_CHECK bool gw_head_read(struct gw_request_head *head, struct gw_str credential_header,
                                struct gw_head_fields *out);
/* Marks every header of that name; name in lower case. */
void gw_head_drop(struct gw_request_head *head, struct gw_str name);
/* Control is to see the client's own credential, the backend is not. Cookies as far as fields still has ours. */
void gw_head_keep_credential(struct gw_request_head *head, const struct gw_head_fields *fields);
/* All Cookie headers as one without ours; empty when nothing is left. GW_ENOMEM. */
GW_MUST_CHECK enum gw_code gw_head_other_cookies(const struct gw_request_head *head, struct gw_arena *a,
                                                 struct gw_str *out);
