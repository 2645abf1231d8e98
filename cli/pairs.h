/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The certificates that nginx shows, each with its key: one pair, or an ECDSA and an RSA one; and by what it knows clients' certificates. They are read and checked together, and nginx reads
 * copies of what was checked: what becomes of the files meanwhile, and an exchange of one before the other, never reaches it. One thread.
 */
#include "config/fault.h"
#include "config/settings.h"
#include "crypto/chain.h"

#define GW_PAIRS_MAX 2
#define GW_PAIRS_TRUST_ID_LEN 16

struct gw_pairs {
    size_t count;
    struct gw_buf text[GW_PAIRS_MAX];   /* key and chain, as one file for nginx */
    struct gw_buf firsts;               /* the certificates themselves, for whoever wants to know the gateway */
    bool names_responder;               /* of OCSP, any of them */
    struct gw_buf authorities, revoked; /* of clients' certificates, and which are not good any more; empty: none */
    char trust_id[GW_PAIRS_TRUST_ID_LEN +
                  1];   /* of the two, and how they are used: sessions begun under others are not resumed */
    bool wants_own;     /* calls of our own have to show something, too */
    uint8_t digest[32]; /* of all of it: whether anything has changed */
};

/* How many pairs the settings name. */
size_t gw_pairs_count(const struct gw_settings *s);
/* Reads the pairs that the settings name. GW_ENOTFOUND: a file is not there, or not to be read; GW_EPARSE, GW_EDENIED, GW_EINVAL: why they cannot
 * be used. Whether they are in force, or whoever asks trusts them, is not looked at: an expired one is shown rather than nothing. */
GW_MUST_CHECK enum gw_code gw_pairs_read(const struct gw_settings *s, const char *home, struct gw_pairs *out,
                                         struct gw_error *err);
/* Adds to out, as faults of the home, why gw_pairs_read would refuse: of each pair, and of clients' authorities and revocations. */
void gw_pairs_check(const struct gw_settings *s, const char *home, struct gw_faults *out);
/* Puts the copies into nginx's directory; and what calls of our own show, where clients have to show something and it is not there yet. */
GW_MUST_CHECK enum gw_code gw_pairs_write(const struct gw_pairs *p, const struct gw_settings *s, const char *nginx_dir,
                                          struct gw_error *err);
/* Whether those are what was last written there. GW_ECONFLICT: the settings here say of them what those of whoever has written do not; err shows the first of it. */
GW_MUST_CHECK enum gw_code gw_pairs_in_use(const struct gw_pairs *p, const struct gw_settings *s, const char *nginx_dir,
                                           bool *out, struct gw_error *err);
/* The name of copy i, for nginx.conf; dst holds size. */
void gw_pairs_file(const char *nginx_dir, size_t i, char *dst, size_t size);
void gw_pairs_done(struct gw_pairs *p);
GW_DEFINE_AUTO_DONE(gw_pairs);
