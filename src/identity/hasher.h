/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The hashing pool: a few niced threads behind a bounded queue that is fair by client address (round robin over
 * addresses, first come within one), so that one address cannot keep the others waiting. A quarter of the queue is kept for devices
 * that are known, and while any of them waits, every other hash is one of theirs: so that no number of addresses can keep them
 * waiting either. Callers block until their hash is done, the queue is full, or their client has gone; a client that has gone is not hashed for.
 */
#include "base/ip.h"
#include "crypto/pwhash.h"
#include <gw/cleanup.h>

struct gw_hasher;

struct gw_hasher_options {
    unsigned threads; /* 1.. */
    unsigned
        queue_max; /* waiting jobs in all; a quarter is for known devices, half at most for the strangers of one network */
    unsigned per_address_max; /* waiting jobs of one limit key */
    struct gw_pwhash_params params;
    const struct gw_random *random;
};

/* Asked just before a job is begun; true: the client has gone. May be NULL. */
typedef bool (*gw_gone_fn)(void *ctx);

enum gw_device { GW_DEVICE_UNKNOWN, GW_DEVICE_KNOWN };

/* Whom a hash is for. */
struct gw_hash_client {
    const struct gw_ip *address;
    enum gw_device device; /* known for the very account that it asks for, or signed in */
    gw_gone_fn gone;
    void *gone_ctx;
};

GW_MUST_CHECK enum gw_code gw_hasher_new(const struct gw_hasher_options *o, struct gw_hasher **out,
                                         struct gw_error *err);
/* Lets running jobs end, refuses waiting ones. */
void gw_hasher_free(struct gw_hasher *h);
GW_DEFINE_AUTO_FREE(gw_hasher);

/* As gw_pwhash_verify, and: GW_ELIMIT when the queue or the address's share is full (answer 503 + Retry-After), GW_ETIMEOUT when
 * the client has gone. hash NULL: the user does not exist; costs the same work and gives GW_EDENIED. */
GW_MUST_CHECK enum gw_code gw_hasher_verify(struct gw_hasher *h, const struct gw_hash_client *client, const char *hash,
                                            struct gw_str password, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_hasher_make(struct gw_hasher *h, const struct gw_hash_client *client,
                                          struct gw_str password, char *dst, struct gw_error *err);

/* Some user has an imported bcrypt hash of that cost (0: of none, which changes nothing). From then on whoever is denied has cost an Argon2id and a bcrypt hash, so that
 * time tells neither that a user exists nor where he came from, however busy the machine is: the floor of a sign-in hides only what
 * is shorter than itself. The highest cost counts. */
void gw_hasher_expect_bcrypt(struct gw_hasher *h, unsigned cost);

/* Made at lower cost than this pool's params, or not by Argon2id: make a new one while the password is at hand. */
bool gw_hasher_is_outdated(const struct gw_hasher *h, const char *hash);

struct gw_hasher_stats {
    uint64_t done, refused, gone; /* jobs; of hashes, done and evened were made */
    uint64_t evened;              /* hashes made for their time alone, to make denials alike */
    unsigned waiting;
};
void gw_hasher_stats(struct gw_hasher *h, struct gw_hasher_stats *out);
