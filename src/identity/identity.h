/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Users, sessions and sign-in. Every change goes to the store first and then to the authority segment, so that the segment
 * never knows more than the database and a crash between the two is mended at the next start. Any thread.
 *
 * `by` is who makes the change: its row of the audit trail is in the same transaction, and a change that cannot write its row is not
 * made. Refusals change nothing and leave no row here; control counts them (control/refusals.h).
 *
 * The services share one object, made by the control plane (or by the CLI when control is down).
 */
#include "audit/recorder.h"
#include "config/settings.h"
#include "crypto/mac.h"
#include "identity/hasher.h"
#include "identity/login_guard.h"
#include "identity/password.h"
#include "shared/shared.h"
#include "store/store.h"
#include "token/api_key.h"
#include "token/ring.h"

struct gw_policy;
struct gw_sealed;
struct gw_identity;

struct gw_identity_options {
    struct gw_store *store;   /* all borrowed, must outlive */
    struct gw_shared *shared; /* NULL offline: control is down and will load at its start */
    struct gw_sealed *sealed; /* NULL offline */
    const struct gw_settings *settings;
    const struct gw_password_rules *rules;
    struct gw_hasher *hasher;
    struct gw_login_guard *guard;
    const struct gw_mac
        *device_key; /* of device cookies (identity/device.h); NULL: none are made or known, as offline */
    const struct gw_token_ring *ring; /* its keys are shared */
    struct gw_recorder *recorder;
    const struct gw_clock *clock;
    const struct gw_random *random;
    enum gw_code (*also_publish)(void *ctx,
                                 struct gw_error *err); /* what else the segment is filled with; NULL: nothing */
    void *also_ctx;
    void (*wait_ms)(void *ctx, int64_t ms); /* how a sign-in waits for its floor; NULL: sleeps */
    void *wait_ctx;
};

GW_MUST_CHECK enum gw_code gw_identity_new(const struct gw_identity_options *o, struct gw_identity **out,
                                           struct gw_error *err);
/* Signs with the ring's current key and takes tokens by any of its keys from now on. After a failure: as before. */
GW_MUST_CHECK enum gw_code gw_identity_set_ring(struct gw_identity *i, const struct gw_token_ring *ring,
                                                struct gw_error *err);
/* Tells the pool which imported hashes there are, once at the start: gw_user_add tells it of later ones. */
GW_MUST_CHECK enum gw_code gw_identity_expect_imported(struct gw_identity *i, struct gw_error *err);
/* The guard's limits by the settings. */
void gw_identity_set_guard(const struct gw_settings *s, struct gw_login_guard *g);
void gw_identity_free(struct gw_identity *i);
GW_DEFINE_AUTO_FREE(gw_identity);
/* Fills the authority segment from the store and sets it ready. After a failure it is not set ready. */
GW_MUST_CHECK enum gw_code gw_identity_publish(struct gw_identity *i, struct gw_error *err);
/* Hourly: ends sessions past their limits, purges revocations; each minute: writes fresher last-seen times back. */
GW_MUST_CHECK enum gw_code gw_identity_clean_up(struct gw_identity *i, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_identity_save_last_seen(struct gw_identity *i, struct gw_error *err);

/* ---- users (identity/user.c) ---- */

struct gw_proof;
struct gw_user_new {
    struct gw_str username, email, role, upstream_id;
    struct gw_str password;      /* empty: none; checked by the rules */
    struct gw_str password_hash; /* imported; instead of password */
    bool disabled;
    bool service;                 /* a machine: no password, so no sign-in, and API keys alone */
    const struct gw_proof *proof; /* that who asks knows his own password; NULL: none is asked for */
};
/* GW_EINVAL: a field that breaks its rule, or a role that the policy has not (err names those it has). GW_ECONFLICT: the name or the
 * address is taken, also as another user's address or name. Names: 1..64 of [A-Za-z0-9._@-], no leading dot or dash. */
GW_MUST_CHECK enum gw_code gw_user_add(struct gw_identity *i, const struct gw_actor *by, const struct gw_policy *p,
                                       const struct gw_user_new *n, struct gw_user_row *out, struct gw_error *err);
/* By user name, e-mail or UUID. GW_ENOTFOUND. */
GW_MUST_CHECK enum gw_code gw_user_find(struct gw_identity *i, struct gw_str name, struct gw_user_row *out,
                                        struct gw_error *err);

#define GW_USER_SET_EMAIL 1u
#define GW_USER_SET_ROLE 2u
#define GW_USER_SET_ACTIVE 4u
#define GW_USER_SET_UPSTREAM_ID 8u
struct gw_user_change {
    unsigned set;
    struct gw_str email, role, upstream_id;
    bool active;
    const struct gw_proof *proof; /* as above */
};
/* GW_ENOTFOUND; GW_EINVAL and GW_ECONFLICT as gw_user_add, and GW_ECONFLICT when it would leave no active admin. A disabled
 * user's sessions end. Bites on the next request. */
GW_MUST_CHECK enum gw_code gw_user_change(struct gw_identity *i, const struct gw_actor *by, const struct gw_policy *p,
                                          const struct gw_uuid *id, const struct gw_user_change *change,
                                          struct gw_user_row *out, struct gw_error *err);
/* With all sessions and API keys. GW_ENOTFOUND; GW_ECONFLICT: the last active admin. */
GW_MUST_CHECK enum gw_code gw_user_delete(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *id,
                                          struct gw_error *err);

#define GW_REFRESH_TOKEN_LEN 43
/* The session that a change of password leaves alive. */
struct gw_kept_session {
    struct gw_uuid id;
    char refresh[GW_REFRESH_TOKEN_LEN + 1]; /* out: its refresh token from now on; "": it has ended meanwhile */
};
/* What becomes of a user's API keys, for which no password is asked, when that is a new one. They are revoked in the same transaction. */
struct gw_keys_settled {
    enum gw_keys_fate { GW_KEYS_STAY, GW_KEYS_REVOKED } fate;
    size_t revoked, left; /* out: live ones */
};
/* Own change, of the user of `by`: old password proved; ends the user's other sessions (all but keep), and the refresh tokens of that one that
 * somebody may hold. GW_EDENIED: old one wrong. keys (NULL: they stay), as of the next three. */
GW_MUST_CHECK enum gw_code gw_user_change_password(struct gw_identity *i, const struct gw_actor *by,
                                                   struct gw_str old_password, struct gw_str new_password,
                                                   struct gw_kept_session *keep, struct gw_keys_settled *keys,
                                                   struct gw_error *err);
/* By an operator at the machine; ends all sessions. GW_ECONFLICT: a service user, as of the next two. */
GW_MUST_CHECK enum gw_code gw_user_set_password(struct gw_identity *i, const struct gw_actor *by,
                                                const struct gw_uuid *id, struct gw_str new_password,
                                                struct gw_keys_settled *keys, struct gw_error *err);
/* Admin reset: a one-time code (text, 128 bits) to hand to the user; dst holds GW_RESET_CODE_LEN + 1. Keys that are revoked end now.
 * GW_EDENIED: the proof is none any more. */
#define GW_RESET_CODE_LEN 22
GW_MUST_CHECK enum gw_code gw_user_reset_begin(struct gw_identity *i, const struct gw_actor *by,
                                               const struct gw_uuid *id, const struct gw_proof *proof,
                                               struct gw_keys_settled *keys, char *dst, struct gw_error *err);
/* GW_EDENIED: code unknown, used or expired. Ends all sessions. */
GW_MUST_CHECK enum gw_code gw_user_reset_finish(struct gw_identity *i, const struct gw_actor *by, struct gw_str code,
                                                struct gw_str new_password, struct gw_keys_settled *keys,
                                                struct gw_error *err);

/* That whoever asks knows his password, for what a session alone must not do: it may be stolen, and what is made by it would outlive it. */
struct gw_proof {
    struct gw_uuid user_id;
    char password_hash[GW_PWHASH_LEN]; /* proves nothing any more once the user has another */
};
/* Of the user of `by`. GW_EDENIED: wrong; GW_ELIMIT: the queue is full. */
GW_MUST_CHECK enum gw_code gw_user_prove(struct gw_identity *i, const struct gw_actor *by, struct gw_str password,
                                         struct gw_proof *out, struct gw_error *err);

/* ---- sign-in (identity/login.c) ---- */

/* Why a sign-in was refused, and whose it would have been: for the audit trail, never for the client. */
struct gw_login_refusal {
    enum gw_login_reason {
#define GW_LOGIN_REASON(name) GW_LOGIN_##name,
#include "identity/login_reason.def"
#undef GW_LOGIN_REASON
    } reason;
    struct gw_uuid user_id; /* zero: unknown. The name as typed is told to nobody: people type passwords there. */
};

/* "WRONG_PASSWORD". Static storage. */
const char *gw_login_reason_name(enum gw_login_reason reason);

struct gw_login {
    const struct gw_actor *by; /* address, user agent, request id */
    struct gw_str username;    /* user name or e-mail */
    struct gw_str password;
    struct gw_str device;             /* its cookie; empty: none */
    struct gw_attempt *attempt;       /* what became of it: held_up on GW_ELIMIT, sprayed */
    struct gw_login_refusal *refusal; /* filled on GW_EDENIED and GW_ECONFLICT; may be NULL */
    gw_gone_fn gone;
    void *gone_ctx;
    /* GW_USERNAME_MAX + 1 bytes, or NULL: becomes the name of the user that was meant, also where the answer is no; "" where there is
     * none. For records: what was sent may be a password in the wrong field. */
    char *known;
};
#define GW_DEVICE_TEXT_MAX 120
struct gw_signed_in {
    struct gw_user_row user;
    struct gw_session_row session;
    struct gw_buf token; /* compact JWT */
    int64_t expires_in_s;
    char refresh[GW_REFRESH_TOKEN_LEN + 1]; /* shown this once */
    char device[GW_DEVICE_TEXT_MAX + 1];    /* the device's cookie from now on; "": none */
    size_t evicted_count;                   /* older sessions that had to go (session.at_limit: evict-oldest) */
    bool is_new_device; /* no session of the user that we know of came from this address with this user agent */
};
/* Wipes the tokens. */
void gw_signed_in_done(struct gw_signed_in *s);
GW_DEFINE_AUTO_DONE(gw_signed_in);
/* GW_OK; GW_EDENIED: unknown user, wrong password or disabled, alike; GW_ELIMIT: held up by the guard (429), or hashing queue full (503);
 * GW_ECONFLICT: session limit reached under `deny`; GW_ETIMEOUT: the client has gone. Returns no sooner than the floor after it was called, except for GW_ELIMIT
 * and GW_ETIMEOUT. Upgrades an outdated hash. */
GW_MUST_CHECK enum gw_code gw_login(struct gw_identity *i, const struct gw_login *in, struct gw_signed_in *out,
                                    struct gw_error *err);

/* ---- other calls that may be tried again and again (identity/guard.c) ---- */

/* An attempt by `by`, whose call, gone and gone_ctx stand in a->by: it counts for the user for a password, for the address for the others.
 * As gw_login_guard_begin; where it gave GW_OK, the call is made, and gw_guard_end is told its code: GW_OK it succeeded, GW_EDENIED it
 * failed, else it was not decided. A sign-in does all that itself. */
GW_MUST_CHECK enum gw_code gw_guard_begin(struct gw_identity *i, const struct gw_actor *by, struct gw_attempt *a,
                                          struct gw_error *err);
void gw_guard_end(struct gw_identity *i, struct gw_attempt *a, enum gw_code code);
/* A row `login_windows_full` of the trail, where the guard has counted networks as one for want of room; once an hour at most. */
GW_MUST_CHECK enum gw_code gw_guard_record_full(struct gw_identity *i, struct gw_error *err);
/* The guard, for those who list and clear. */
struct gw_login_guard *gw_identity_guard(const struct gw_identity *i);

/* Who a token speaks for, by the same rules as the data plane. GW_EDENIED, or GW_EBACKEND. */
struct gw_caller {
    struct gw_user_row user;
    struct gw_uuid session_id, jti; /* of an API key: its id, and none */
    int64_t token_expires_s;
    bool by_key;
    struct gw_live_key key; /* by_key */
};
GW_MUST_CHECK enum gw_code gw_identify(struct gw_identity *i, struct gw_str token, struct gw_caller *out,
                                       struct gw_error *err);
/* The same of an API key that has proved itself (pipeline/api_key.h). key is copied. */
GW_MUST_CHECK enum gw_code gw_identify_key(struct gw_identity *i, const struct gw_live_key *key, struct gw_caller *out,
                                           struct gw_error *err);

/* What opens one WebSocket on that path (canonical, without query) in the caller's session; *out is initialised. GW_TICKET_S seconds long. */
GW_MUST_CHECK enum gw_code gw_sign_ticket(struct gw_identity *i, const struct gw_caller *caller, struct gw_str path,
                                          struct gw_buf *out, struct gw_error *err);

/* ---- refresh tokens (identity/refresh.c) ---- */

enum gw_refresh_outcome {
#define GW_REFRESH_OUTCOME(name, text) GW_REFRESH_##name,
#include "identity/refresh.def"
#undef GW_REFRESH_OUTCOME
};
const char *gw_refresh_outcome_text(enum gw_refresh_outcome outcome);
/* ROTATED or REPEATED: signed_in holds new tokens. */
bool gw_refresh_is_given(enum gw_refresh_outcome outcome);

struct gw_refreshed {
    enum gw_refresh_outcome outcome;
    struct gw_signed_in signed_in; /* user and session unless UNKNOWN; tokens when given. Caller gw_signed_in_done */
};
/* A family gets a new token no more often, in the long run: TOO_OFTEN. */
#define GW_REFRESH_EVERY_S 30
/* A use of a refresh token: spends it and gives the next, and an access token of the same session, which has been used thereby. What else may come
 * of it is an outcome too; REUSED has ended the session. GW_EBACKEND offline. */
GW_MUST_CHECK enum gw_code gw_refresh(struct gw_identity *i, const struct gw_actor *by, struct gw_str token,
                                      struct gw_refreshed *out, struct gw_error *err);
/* The backend's own way: an access token for one that is good. out->refresh is "". GW_EDENIED as gw_identify. */
GW_MUST_CHECK enum gw_code gw_refresh_by_access(struct gw_identity *i, struct gw_str token, struct gw_signed_in *out,
                                                struct gw_error *err);

/* ---- API keys (identity/api_key.c) ---- */

struct gw_client_certificate; /* gw/gate.h */
struct gw_api_key_new {
    const struct gw_uuid *user_id;
    struct gw_str name; /* for lists; may be empty */
    struct gw_str
        scopes; /* permissions with a comma between, "bots:*" for those that there are now; empty: all that the owner may */
    struct gw_str networks;                          /* CIDRs with a comma between; empty: anywhere */
    int64_t ttl_s;                                   /* 0: for ever */
    bool is_signed;                                  /* proves itself by signatures (pipeline/signature.h) */
    const struct gw_client_certificate *certificate; /* stands for the user in place of a text; NULL: a text is made */
    const struct gw_proof *proof;                    /* that who asks knows his own password; NULL: an operator */
};
struct gw_api_key_made {
    struct gw_api_key_row row;
    char text[GW_API_KEY_LEN + 1]; /* shown this once; "": it is a certificate */
};
/* Wipes the text. */
void gw_api_key_made_done(struct gw_api_key_made *m);
GW_DEFINE_AUTO_DONE(gw_api_key_made);

/* GW_EINVAL: a field that breaks its rule (err says which), or a certificate whose time is over. GW_ENOTFOUND: no such user. GW_ECONFLICT: the user has api_key.per_user
 * already, or all have api_key.capacity. GW_EDENIED: the proof is none any more. GW_EBACKEND: a signed one while control is down, or no room. Caller gw_api_key_made_done. */
GW_MUST_CHECK enum gw_code gw_api_key_add(struct gw_identity *i, const struct gw_actor *by, const struct gw_policy *p,
                                          const struct gw_api_key_new *n, struct gw_api_key_made *out,
                                          struct gw_error *err);
/* Another with the same name, scopes, networks and span of life; the one there is ends in overlap_s, if not sooner. GW_ENOTFOUND; the rest
 * as gw_api_key_add. */
struct gw_api_key_turn {
    const struct gw_uuid *id;
    int64_t overlap_s;
    const struct gw_proof *proof; /* as above */
};
GW_MUST_CHECK enum gw_code gw_api_key_rotate(struct gw_identity *i, const struct gw_actor *by,
                                             const struct gw_api_key_turn *turn, struct gw_api_key_made *out,
                                             struct gw_error *err);
/* At once. GW_ENOTFOUND. */
GW_MUST_CHECK enum gw_code gw_api_key_revoke(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *id,
                                             struct gw_error *err);
/* By its public id, with or without "aak_", or its UUID. GW_ENOTFOUND. */
GW_MUST_CHECK enum gw_code gw_api_key_find(struct gw_identity *i, struct gw_str name, struct gw_api_key_row *out,
                                           struct gw_error *err);
/* Its time has ended. */
bool gw_api_key_is_over(const struct gw_api_key_row *r, int64_t now_s);
/* Of one user (NULL: of all), with last_used_s freshened from the counter segment; also those whose time is over. fn may not call the
 * store. */
GW_MUST_CHECK enum gw_code gw_api_key_each(struct gw_identity *i, const struct gw_uuid *user_id, gw_api_key_fn fn,
                                           void *ctx, struct gw_error *err);

/* ---- errands: sessions that control itself makes (identity/errand.c) ---- */

/* For calls that the gateway makes as a user: no password is asked, no limit of sessions counts, nobody is pushed out, and there is no
 * refresh token. */
struct gw_errand {
    const struct gw_uuid *user_id;
    const char *user_agent; /* what lists of sessions show; an address of this machine goes with it */
    int64_t ttl_s;          /* of session and access token, whatever the settings say */
};
/* deed becomes the row of the trail, in the same transaction; its details are taken over in any case. Where the store takes nothing (a full
 * disk), the session is in the authority segment alone, and *out_recorded false. GW_ENOTFOUND; GW_EDENIED: the user is disabled. Caller
 * gw_signed_in_done. */
GW_MUST_CHECK enum gw_code gw_errand_begin(struct gw_identity *i, const struct gw_actor *by, const struct gw_deed *deed,
                                           const struct gw_errand *e, struct gw_signed_in *out, bool *out_recorded,
                                           struct gw_error *err);
/* The same of the end; a session that has ended meanwhile is no fault. Whatever comes back, it has ended. */
GW_MUST_CHECK enum gw_code gw_errand_end(struct gw_identity *i, const struct gw_actor *by, const struct gw_deed *deed,
                                         const struct gw_uuid *session_id, struct gw_error *err);

/* ---- sessions (identity/session.c) ---- */

/* GW_ENOTFOUND. */
GW_MUST_CHECK enum gw_code gw_session_end(struct gw_identity *i, const struct gw_actor *by,
                                          const struct gw_uuid *session_id, struct gw_error *err);
/* All of a user's but keep (NULL: none kept). *out_count may be NULL. */
GW_MUST_CHECK enum gw_code gw_session_end_all(struct gw_identity *i, const struct gw_actor *by,
                                              const struct gw_uuid *user_id, const struct gw_uuid *keep,
                                              size_t *out_count, struct gw_error *err);
/* Live ones only, with last_seen_s freshened from the counter segment. fn may not call the store. */
GW_MUST_CHECK enum gw_code gw_session_each(struct gw_identity *i, const struct gw_uuid *user_id, gw_session_fn fn,
                                           void *ctx, struct gw_error *err);
/* Until expires_s and the longest leeway of a verifier. GW_EBACKEND when the segment has no room: then it is not stored either. */
GW_MUST_CHECK enum gw_code gw_token_revoke(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *jti,
                                           int64_t expires_s, struct gw_error *err);
