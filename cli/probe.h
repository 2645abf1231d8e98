/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One GET, to see whether somebody answers and with what status: the gateway's own health through TLS, the backend's self-test
 * in the clear. Blocks, up to the time-out for each step. Not a general HTTP client.
 */
#include "config/settings.h"
#include "crypto/tls.h"

enum gw_probe_transport { GW_PROBE_PLAIN, GW_PROBE_TLS };

struct gw_probe {
    enum gw_probe_transport transport;
    struct gw_tls_terms terms; /* by TLS */
    struct gw_str host;        /* name or address, without brackets */
    unsigned port;
    struct gw_str path;
    struct gw_str header; /* one more line, "Authorization: Bearer …"; empty: none */
    int timeout_ms;
};

/* The status of the answer. GW_EBACKEND: nobody answered (err: refused, unreachable …); GW_ETIMEOUT; GW_EPARSE: not HTTP. */
GW_MUST_CHECK enum gw_code gw_probe_get(const struct gw_probe *p, unsigned *out_status, struct gw_error *err);
/* Whether the data plane of these settings and that home directory, where it listens, says that it is well. */
bool gw_probe_gateway(const struct gw_settings *s, const char *home);
/* The same, of who shows one of the certificates in that file. */
bool gw_probe_shows(const struct gw_settings *s, const char *home, const char *certificates);
