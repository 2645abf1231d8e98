/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * State that both planes see at once, in two mapped files on tmpfs.
 *
 * Authority segment: live users, live sessions, revoked tokens, blocked networks, API keys, bundle generation. Control is its only writer; workers
 * map it read-only, so that a broken worker can revive nothing. Each record has a sequence lock: nobody dies holding it; a
 * record that stays odd (control was killed inside a write) reads as GW_EBACKEND (answered 503) until control is back and
 * rewrites it. Until the ready flag is set, all look-ups give GW_EBACKEND.
 *
 * Counter segment: last-seen times, the backlogs of rates (rates.h) and nonces (nonces.h), written by workers with compare-and-swap only. Last-seen times are
 * advice: they can push out an idle timeout, never an absolute one.
 *
 * A gw_shared is used by one process; reader calls are thread-safe; writer calls are serialised by a lock inside.
 */
#include "base/clock.h"
#include "base/encode.h"
#include "base/ip.h"
#include "shared/changes.h"
#include "shared/nonces.h"
#include "shared/rates.h"
#include <gw/cleanup.h>
#include <gw/error.h>
#include <gw/str.h>

#define GW_SHARED_NAME_MAX 64
#define GW_SHARED_EMAIL_MAX 128
#define GW_SHARED_UPSTREAM_ID_MAX 64
#define GW_SHARED_ROLE_MAX 32

struct gw_live_user {
    struct gw_uuid id;
    uint32_t version; /* grows with each change: caches keyed by (id, version) are never stale */
    uint8_t active;
    char username[GW_SHARED_NAME_MAX + 1];
    char email[GW_SHARED_EMAIL_MAX + 1];
    char role[GW_SHARED_ROLE_MAX + 1]; /* by name: indices are a snapshot's own */
    char upstream_id[GW_SHARED_UPSTREAM_ID_MAX + 1];
};

struct gw_live_session {
    struct gw_uuid id, user_id;
    int64_t created_s, expires_s; /* absolute end */
    int64_t last_seen_s;          /* as control knew it; gw_shared_last_seen is fresher */
    uint32_t idle_s;
};

/* What is known of a network. A block cuts it off. A suspect has half of its limits at first, and more and more of them until its time is over. */
enum gw_block_kind { GW_BLOCK_FULL, GW_BLOCK_SUSPECT };
struct gw_live_block {
    struct gw_cidr network; /* at least one bit long; of IPv4 at least 97 */
    enum gw_block_kind kind;
    int64_t since_s, expires_s;
};

#define GW_SHARED_KEY_SCOPES_MAX 16
#define GW_SHARED_KEY_NETWORKS_MAX 4
#define GW_SHARED_KEY_PROOF_BYTES 32

/* An API key, found by half of a hash; the other half proves it. */
struct gw_live_key {
    struct gw_uuid hash; /* first half of the SHA-256 of what is presented */
    struct gw_uuid id, user_id;
    int64_t expires_s;                                   /* 0: never */
    int64_t last_used_s;                                 /* as control knew it; gw_shared_key_last_used is fresher */
    uint64_t scopes[GW_SHARED_KEY_SCOPES_MAX];           /* gw_key_scope of each; none: all that the owner may */
    struct gw_cidr networks[GW_SHARED_KEY_NETWORKS_MAX]; /* none: from anywhere */
    uint8_t proof[GW_SHARED_KEY_PROOF_BYTES];            /* the second half and zeroes; signed: what it signs by */
    uint8_t scope_count, network_count, is_signed;
    uint8_t is_certificate; /* the hash is of a client's certificate, and no text is this key */
};
/* A right by its name, as a record holds it. Names are the policy's; a record outlives policies, whose numbers change. */
uint64_t gw_key_scope(struct gw_str right);
/* A scope beside the permissions: what the policy leaves to whoever is signed in. */
#define GW_SIGNED_IN_SCOPE "signed-in"
/* Whether the key leaves its owner that right. */
bool gw_live_key_leaves(const struct gw_live_key *k, struct gw_str right);
/* Whether it may be used from there. */
bool gw_live_key_admits(const struct gw_live_key *k, const struct gw_ip *from);

struct gw_shared_sizes {
    uint32_t sessions, users, revocations, blocks, api_keys;
    uint32_t rates; /* backlogs of addresses; those of identities go by users */
    /* slots wanted; twice as many are made */
    uint32_t nonces;              /* words as they are */
    int64_t nonce_window_s;       /* how old a signed request may be */
    const struct gw_clock *clock; /* since when nonces are known; NULL: no signed request is let through */
};

enum gw_shared_role { GW_SHARED_READER, GW_SHARED_WRITER };
struct gw_shared;

/* Opens dir/authority and dir/counters. The writer creates them (0640 and 0660) or takes over what a predecessor left
 * when magic, layout and sizes agree, still serving; otherwise it marks the old file retired and makes a new one. A
 * reader gets GW_ENOTFOUND while there is none yet. */
GW_MUST_CHECK enum gw_code gw_shared_open(const char *dir, enum gw_shared_role role,
                                          const struct gw_shared_sizes *sizes, struct gw_shared **out,
                                          struct gw_error *err);
void gw_shared_close(struct gw_shared *s);
static inline void gw_shared_auto_(struct gw_shared **s)
{
    gw_shared_close(*s);
}
/* The writer replaced the file: open again. */
bool gw_shared_is_retired(const struct gw_shared *s);
bool gw_shared_is_ready(const struct gw_shared *s);

/* Readers. GW_OK copies the record; GW_ENOTFOUND: there is none; GW_EBACKEND: not ready or torn, answer 503. */
GW_MUST_CHECK enum gw_code gw_shared_get_session(const struct gw_shared *s, const struct gw_uuid *sid,
                                                 struct gw_live_session *out);
GW_MUST_CHECK enum gw_code gw_shared_get_user(const struct gw_shared *s, const struct gw_uuid *id,
                                              struct gw_live_user *out);
GW_MUST_CHECK enum gw_code gw_shared_is_revoked(const struct gw_shared *s, const struct gw_uuid *jti,
                                                bool *out_revoked);
/* The block that an address is under, by the longest network of those that have not expired; where there is none, the suspect likewise. */
GW_MUST_CHECK enum gw_code gw_shared_find_block(const struct gw_shared *s, const struct gw_ip *ip, int64_t now_s,
                                                struct gw_live_block *out);
/* By the first half of the hash. Who has found one has proved nothing yet. */
GW_MUST_CHECK enum gw_code gw_shared_get_key(const struct gw_shared *s, const struct gw_uuid *hash,
                                             struct gw_live_key *out);
/* The later of its record and the counter segment, where gw_shared_touch notes keys by their id, too. */
int64_t gw_shared_key_last_used(const struct gw_shared *s, const struct gw_live_key *key);
/* Freshest last-seen time of a live session: the later of its record and the counter segment. */
int64_t gw_shared_last_seen(const struct gw_shared *s, const struct gw_live_session *session);
/* Notes that the session was used; a step back is ignored. Any process. */
void gw_shared_touch(struct gw_shared *s, const struct gw_uuid *sid, int64_t now_s);
/* The nonce of a signed request, after its signature was found right. GW_EBACKEND: the segments are being replaced, and what was taken will
 * be forgotten. */
GW_MUST_CHECK enum gw_code gw_shared_take_nonce(const struct gw_shared *s, const struct gw_nonce *n, int64_t now_s,
                                                enum gw_nonce_fault *out);
/* Of a reader: the writer does not look at that map. */
const struct gw_rates *gw_shared_rates(const struct gw_shared *s);
const struct gw_nonces *gw_shared_nonces(const struct gw_shared *s);

/* The next change that may end what is open, since *io_position (changes.h): of a session, a user, a key, a revoked token, a block, or after a rebuild. What is new
 * changes nothing. */
enum gw_changed gw_shared_next_change(const struct gw_shared *s, uint64_t *io_position, struct gw_uuid *out_user);

/* Writer. A full table is GW_ELIMIT, and what was there stays. */
GW_MUST_CHECK enum gw_code gw_shared_put_session(struct gw_shared *s, const struct gw_live_session *session,
                                                 struct gw_error *err);
void gw_shared_drop_session(struct gw_shared *s, const struct gw_uuid *sid);
GW_MUST_CHECK enum gw_code gw_shared_put_user(struct gw_shared *s, const struct gw_live_user *user,
                                              struct gw_error *err);
void gw_shared_drop_user(struct gw_shared *s, const struct gw_uuid *id);
GW_MUST_CHECK enum gw_code gw_shared_put_revocation(struct gw_shared *s, const struct gw_uuid *jti, int64_t expires_s,
                                                    struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_shared_put_key(struct gw_shared *s, const struct gw_live_key *key, struct gw_error *err);
void gw_shared_drop_key(struct gw_shared *s, const struct gw_uuid *hash);
/* Entries whose tokens have expired by themselves, the most lenient verifier's leeway included. */
void gw_shared_purge_revocations(struct gw_shared *s, int64_t now_s);

/* One a network: what was known of it before is replaced. */
GW_MUST_CHECK enum gw_code gw_shared_put_block(struct gw_shared *s, const struct gw_live_block *block,
                                               struct gw_error *err);
void gw_shared_drop_block(struct gw_shared *s, const struct gw_cidr *network);

/* Rebuild from the database at start: between the two calls put everything that should be there; the second drops every
 * record not put since the first, and sets ready. Readers are served all along when the file was taken over. */
void gw_shared_begin_load(struct gw_shared *s);
void gw_shared_end_load(struct gw_shared *s);

/* Bundle to use: its number grows with each publication; hash is the name of its directory (64 hex digits). */
struct gw_bundle_ref {
    uint64_t generation;
    char hash[65];
};
void gw_shared_set_bundle(struct gw_shared *s, const char *hash);
/* GW_ENOTFOUND before the first publication. */
GW_MUST_CHECK enum gw_code gw_shared_get_bundle(const struct gw_shared *s, struct gw_bundle_ref *out);

/* Control's sign of life, real time. */
void gw_shared_beat(struct gw_shared *s, int64_t now_s);
int64_t gw_shared_heartbeat(const struct gw_shared *s);

/* Figures of control's own (gauge.def), for /aaiti/metrics. Set by the writer, read by anybody. */
enum gw_gauge {
#define GW_GAUGE(id, type, name, labels, help) GW_GAUGE_##id,
#include "shared/gauge.def"
#undef GW_GAUGE
    GW_GAUGE_COUNT
};
#define GW_GAUGE_NOTHING INT64_MIN /* there is none that could be told of */
void gw_shared_set_gauge(struct gw_shared *s, enum gw_gauge gauge, int64_t value);
void gw_shared_add_gauge(struct gw_shared *s, enum gw_gauge gauge, int64_t value);
int64_t gw_shared_gauge(const struct gw_shared *s, enum gw_gauge gauge);
/* When all that stood in the journal was in the audit trail, real time; 0: never yet. */
void gw_shared_set_caught_up(struct gw_shared *s, int64_t now_s);
int64_t gw_shared_caught_up(const struct gw_shared *s);

struct gw_shared_fill {
    uint32_t sessions, users, revocations, blocks, api_keys;
    uint32_t session_slots, user_slots, revocation_slots, block_slots, api_key_slots;
};
void gw_shared_fill(const struct gw_shared *s, struct gw_shared_fill *out);
