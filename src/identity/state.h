/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The inside of a gw_identity, for the files of this room alone: what it holds, and how every change is made.
 */
#include "identity/identity.h"
#include "token/jwt.h"
#include <pthread.h>

struct gw_identity {
    struct gw_identity_options options;
    pthread_mutex_t tokens; /* one thread at a time uses the two below */
    struct gw_token_key *signer;
    struct gw_jwt_verifier *verifier;
};

/* A list of ids, as walks gather them: a callback of a walk may not call the store. */
struct gw_id_list {
    struct gw_uuid *ids;
    size_t count, size;
};
GW_MUST_CHECK enum gw_code gw_id_list_add(struct gw_id_list *l, const struct gw_uuid *id, struct gw_error *err);
void gw_id_list_done(struct gw_id_list *l);
GW_DEFINE_AUTO_DONE(gw_id_list);

/* A change: one transaction with its row of the audit trail, and what the authority segment is told once that is on disk. The store is held until it has
 * been told, so that the segment hears of changes in the order of their commits, also from the services of an older
 * configuration that a call still uses. */
struct gw_change {
    struct gw_identity *identity;
    const struct gw_actor *by;       /* NULL: the schedule, or nothing is changed: no row */
    struct gw_audit_row row;         /* empty action: none yet */
    struct gw_id_list ended;         /* sessions to drop */
    const struct gw_uuid *drop_user; /* these three may be NULL, and are borrowed */
    const struct gw_user_row *put_user;
    const struct gw_session_row *put_session;
    struct gw_id_list dropped_keys;        /* API keys to drop, by the first half of their hash */
    const struct gw_live_key *put_keys[2]; /* NULL: none; borrowed. The first is new */
};

GW_MUST_CHECK enum gw_code gw_change_begin(struct gw_change *c, struct gw_identity *i, const struct gw_actor *by,
                                           struct gw_error *err);
/* Within a change, once: its row. */
GW_MUST_CHECK enum gw_code gw_change_record(struct gw_change *c, const struct gw_deed *deed, struct gw_error *err);
/* Commits and tells the segment when code is GW_OK, rolls back otherwise; gives the code to pass on. Asserts that somebody's change has its
 * row. What finds no slot in the segment is taken out of the store again, with a second row that says so: GW_EBACKEND. */
GW_MUST_CHECK enum gw_code gw_change_end(struct gw_change *c, enum gw_code code, struct gw_error *err);

/* Within a change: deletes sessions, and notes them for the segment. */
GW_MUST_CHECK enum gw_code gw_change_end_session(struct gw_change *c, const struct gw_uuid *id, struct gw_error *err);
/* All of the user's but keep (NULL: none kept). */
GW_MUST_CHECK enum gw_code gw_change_end_sessions(struct gw_change *c, const struct gw_uuid *user_id,
                                                  const struct gw_uuid *keep, struct gw_error *err);

/* Checks what is asked of a new API key and writes it into its row; GW_EINVAL: a field that breaks its rule (api_key_fields.c). */
GW_MUST_CHECK enum gw_code gw_api_key_fill(struct gw_identity *i, const struct gw_policy *p,
                                           const struct gw_api_key_new *n, struct gw_api_key_row *r,
                                           struct gw_error *err);
/* Within a change: deletes an API key with what is sealed of it, and notes it for the segment. */
GW_MUST_CHECK enum gw_code gw_change_end_key(struct gw_change *c, const struct gw_api_key_row *r, struct gw_error *err);
/* All of a user's; NULL: all of anybody's whose time has been over for a day. */
GW_MUST_CHECK enum gw_code gw_change_end_keys(struct gw_change *c, const struct gw_uuid *user_id, struct gw_error *err);
/* All of a user's, if they are to end; counts them. keys: NULL: they stay. */
GW_MUST_CHECK enum gw_code gw_change_settle_keys(struct gw_change *c, const struct gw_uuid *user_id,
                                                 struct gw_keys_settled *keys, struct gw_error *err);
/* GW_EDENIED: the user has another password by now, or is disabled. proof: NULL: none is asked for. */
GW_MUST_CHECK enum gw_code gw_change_check_proof(struct gw_change *c, const struct gw_proof *proof,
                                                 struct gw_error *err);
/* Into the segment, which is being loaded: every API key whose time is not over. */
GW_MUST_CHECK enum gw_code gw_publish_keys(struct gw_identity *i, struct gw_error *err);
/* Under the store's hold: last uses since the store last heard of them, into store and segment. */
GW_MUST_CHECK enum gw_code gw_save_last_used(struct gw_identity *i, struct gw_error *err);

/* Within a change: the family of refresh tokens that a session had is forgotten, and another begun with dst (GW_REFRESH_TOKEN_LEN + 1). */
GW_MUST_CHECK enum gw_code gw_change_begin_family(struct gw_change *c, const struct gw_uuid *session_id, char *dst,
                                                  struct gw_error *err);
/* Makes the access token of out->session and out->user, as of now, for as long as the settings say. */
GW_MUST_CHECK enum gw_code gw_sign_access(struct gw_identity *i, struct gw_signed_in *out, struct gw_error *err);
/* The same until end_s, or the session's end if that is sooner. */
GW_MUST_CHECK enum gw_code gw_sign_access_until(struct gw_identity *i, struct gw_signed_in *out, int64_t end_s,
                                                struct gw_error *err);

/* How the segment shows a row. */
void gw_live_session_of(const struct gw_identity *i, const struct gw_session_row *r, struct gw_live_session *out);
/* Into the segment, which must be there. GW_EBACKEND when it is full. */
GW_MUST_CHECK enum gw_code gw_put_live_user(struct gw_identity *i, const struct gw_user_row *u, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_put_live_session(struct gw_identity *i, const struct gw_live_session *live,
                                               struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_put_live_key(struct gw_identity *i, const struct gw_live_key *live, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_put_live_revocation(struct gw_identity *i, const struct gw_uuid *jti, int64_t expires_s,
                                                  struct gw_error *err);
/* The later of the row's time and the counter segment's. */
int64_t gw_last_seen_of(const struct gw_identity *i, const struct gw_session_row *r);
/* Past its absolute end, or idle for too long. */
bool gw_session_is_over(const struct gw_identity *i, const struct gw_session_row *r, int64_t last_seen_s);

/* What a sign-in goes by: unlike gw_user_find, no id. GW_ENOTFOUND. */
GW_MUST_CHECK enum gw_code gw_user_by_name_or_email(struct gw_store *store, struct gw_str name, struct gw_user_row *out,
                                                    struct gw_error *err);

/* So long is a device known by where it signed in from. */
#define GW_KNOWN_PAIR_S (INT64_C(30) * 86400)
/* What counts by the address alone does not count for this one. */
bool gw_guard_is_allowed(const struct gw_identity *i, const struct gw_ip *address);

/* Checks new_password by the rules for u and hashes it into dst (GW_PWHASH_LEN). */
GW_MUST_CHECK enum gw_code gw_user_hash_password(struct gw_identity *i, const struct gw_user_row *u,
                                                 struct gw_str new_password, const struct gw_hash_client *client,
                                                 char *dst, struct gw_error *err);
