/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A certificate chain in PEM as a server shows it, its own certificate first, and what can be told of it. It is read from bytes, so that what
 * was checked is what is used. Any thread, one at a time for each chain.
 */
#include "base/buf.h"
#include <gw/arena.h>

#define GW_CHAIN_MAX_BYTES ((size_t)256 * 1024) /* of a file with a chain or a key */
#define GW_FINGERPRINT_LEN 64

struct gw_chain;

struct gw_chain_facts {
    struct gw_str subject, issuer; /* RFC 2253 */
    struct gw_str names;           /* of subjectAltName, "localhost, 127.0.0.1" */
    struct gw_str key;             /* "EC prime256v1", "RSA 2048" */
    struct gw_str responder;       /* of OCSP, the first that is named with http; empty: none */
    int64_t not_before_s, not_after_s;
    char fingerprint[GW_FINGERPRINT_LEN + 1]; /* SHA-256, hex */
    bool is_development;                      /* gw_certificate_create made it */
    bool is_self_signed;
    size_t count; /* of the chain */
};

/* What else stands among the certificates, perhaps a private key, is passed over. GW_EPARSE: there is no certificate, one that cannot be read, or
 * more than 16. */
GW_MUST_CHECK enum gw_code gw_chain_parse(struct gw_str pem, struct gw_chain **out, struct gw_error *err);
/* name is for messages. GW_ENOTFOUND, GW_EPARSE, GW_ELIMIT. */
GW_MUST_CHECK enum gw_code gw_chain_load(const char *path, struct gw_chain **out, struct gw_error *err);
void gw_chain_free(struct gw_chain *c);
GW_DEFINE_AUTO_FREE(gw_chain);

/* Of its first certificate. Strings live in the arena. */
GW_MUST_CHECK enum gw_code gw_chain_facts(const struct gw_chain *c, struct gw_arena *a, struct gw_chain_facts *out,
                                          struct gw_error *err);
#define GW_FINGERPRINT_BYTES (GW_FINGERPRINT_LEN / 2)
/* The first certificate's SHA-256, and when it expires. GW_EPARSE, GW_ECRYPTO. */
GW_MUST_CHECK enum gw_code gw_chain_fingerprint(const struct gw_chain *c, uint8_t out[GW_FINGERPRINT_BYTES],
                                                int64_t *not_after_s, struct gw_error *err);
/* When the first of all its certificates to do so expires. GW_EPARSE. */
GW_MUST_CHECK enum gw_code gw_chain_not_after(const struct gw_chain *c, int64_t *out, struct gw_error *err);
/* The first certificate is good for that host name or address. */
bool gw_chain_covers(const struct gw_chain *c, struct gw_str name);
/* key: PEM, not encrypted. GW_EDENIED: it is another one's; GW_EPARSE: it is none. */
GW_MUST_CHECK enum gw_code gw_chain_check_key(const struct gw_chain *c, struct gw_str key, struct gw_error *err);
/* Each is signed by the next, up to an authority that this machine trusts or (authorities: PEM; empty: none) that stands there; all are in force at
 * now_s. GW_EDENIED tells what is not so. */
GW_MUST_CHECK enum gw_code gw_chain_check_trust(const struct gw_chain *c, struct gw_str authorities, int64_t now_s,
                                                struct gw_error *err);
/* Lists of revoked certificates in PEM, one at least; when the first of them is over: INT64_MAX where none says so. GW_EPARSE: there is none, or one
 * that cannot be read. */
GW_MUST_CHECK enum gw_code gw_chain_check_revoked(struct gw_str pem, int64_t *out_end_s, struct gw_error *err);
/* Both begin with a certificate of the same kind of key, so that no client could be shown the second. */
bool gw_chain_same_kind(const struct gw_chain *a, const struct gw_chain *b);
/* Adds the first certificate to out, as PEM. */
GW_MUST_CHECK enum gw_code gw_chain_add_first(const struct gw_chain *c, struct gw_buf *out, struct gw_error *err);
