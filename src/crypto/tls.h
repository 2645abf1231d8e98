/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The client's side of TLS over a connected, blocking socket: enough to ask this machine's own listener. Who it is is known by its
 * certificate itself, which stands in a file here, and by no authority or name.
 */
#include <gw/cleanup.h>
#include <gw/error.h>
#include <gw/str.h>

struct gw_tls;

/* What a connection to a listener begins with. */
enum gw_tls_preamble {
    GW_TLS_PLAIN,   /* the handshake */
    GW_TLS_PROXIED, /* a header of the PROXY protocol that speaks for nobody else */
};

struct gw_tls_terms {
    enum gw_tls_preamble preamble;
    /* A PEM file with certificates of which the other end must show one, else GW_EDENIED; NULL: anybody will do, so nothing secret may be sent. */
    const char *certificates;
    const char *
        own; /* a PEM file with key and certificate, to be shown where that is asked for; NULL, or one that is not there: none */
};

/* Says the preamble and shakes hands. fd stays the caller's and its time-outs bound every call. */
GW_MUST_CHECK enum gw_code gw_tls_connect(int fd, const struct gw_tls_terms *terms, struct gw_tls **out,
                                          struct gw_error *err);
void gw_tls_free(struct gw_tls *t);
GW_DEFINE_AUTO_FREE(gw_tls);

GW_MUST_CHECK enum gw_code gw_tls_write(struct gw_tls *t, struct gw_str data, struct gw_error *err);
/* At most size bytes; *out_len is 0 at the end. */
GW_MUST_CHECK enum gw_code gw_tls_read(struct gw_tls *t, void *dst, size_t size, size_t *out_len, struct gw_error *err);
