/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What must outlive everything: users, sessions, refresh tokens, revoked tokens, blocks, reset codes, sealed secrets; the audit trail
 * (store/audit.h). An interface; store_sqlite.c is the default backend. Called by the control plane only, from any thread. Each call is one transaction, on disk when it returns,
 * unless it stands between gw_store_begin and gw_store_commit of the same thread.
 *
 * Strings in a row are the row's own (fixed arrays); rows are plain values. One that is not terminated, or lacks its name,
 * role, address or country, is GW_EINVAL. A failure of the database is GW_EBACKEND.
 */
#include "base/encode.h"
#include "base/ip.h"
#include <gw/cleanup.h>
#include <gw/error.h>
#include <gw/str.h>

#define GW_USERNAME_MAX 64
#define GW_EMAIL_MAX 128
#define GW_ROLE_MAX 32
#define GW_UPSTREAM_ID_MAX 64
#define GW_USER_AGENT_MAX 256

struct gw_user_row {
    struct gw_uuid id;
    char username[GW_USERNAME_MAX + 1]; /* compared without ASCII case, unique */
    char email[GW_EMAIL_MAX + 1];       /* "" when none; compared without ASCII case, unique when not "" */
    char role[GW_ROLE_MAX + 1];
    char upstream_id[GW_UPSTREAM_ID_MAX + 1]; /* "" when none */
    char password_hash[161];                  /* "" : cannot sign in by password */
    bool active;
    bool service; /* a machine: never has a password, and so no session of its own making */
    int64_t created_s, updated_s, last_login_s; /* 0: never */
    uint32_t version;                           /* the store adds 1 at each update */
};

struct gw_session_row {
    struct gw_uuid id, user_id;
    int64_t created_s, last_seen_s, expires_s;
    char address[GW_IP_LEN + 1];
    char user_agent[GW_USER_AGENT_MAX + 1]; /* control bytes replaced by '?' */
    char country[8];                        /* "unknown" until there is a GeoIP file */
};

struct gw_refresh_row {
    uint8_t hash[32]; /* SHA-256 of the token: 256 random bits need no slow hash */
    struct gw_uuid session_id;
    int64_t number;  /* in its session, from 1; the largest is the newest */
    int64_t spent_s; /* 0: not yet; so is the newest alone */
};

#define GW_API_KEY_ID_LEN 8
#define GW_API_KEY_NAME_MAX 64
#define GW_API_KEY_SCOPES_MAX_BYTES 1120
#define GW_API_KEY_NETWORKS_MAX_BYTES 200
struct gw_api_key_row {
    struct gw_uuid id, user_id;            /* id: what stands for the session's in events */
    char public_id[GW_API_KEY_ID_LEN + 1]; /* the part of its text that is no secret; unique */
    char name[GW_API_KEY_NAME_MAX + 1];
    uint8_t hash[32]; /* SHA-256 of what is presented: 256 random bits need no slow hash; unique */
    char scopes[GW_API_KEY_SCOPES_MAX_BYTES + 1];     /* names with a blank between; "": all that the owner may */
    char networks[GW_API_KEY_NETWORKS_MAX_BYTES + 1]; /* the same of networks; "": anywhere */
    bool is_certificate;                              /* is a client's certificate, of which hash is the SHA-256 */
    bool is_signed;                                   /* proves itself by signatures; the secret is in `sealed` */
    int64_t created_s, expires_s, last_used_s;        /* 0: never */
};

struct gw_reset_row {
    struct gw_uuid user_id;
    uint8_t code_hash[32]; /* SHA-256 of the code: 128+ random bits need no slow hash */
    int64_t expires_s;
};

#define GW_WRAPPED_KEY_BYTES 60
struct gw_data_key_row {
    uint32_t id;                           /* from 1; never used again */
    uint8_t wrapped[GW_WRAPPED_KEY_BYTES]; /* zeroes once retired */
    int64_t created_s, retired_s;          /* 0: not retired */
    uint64_t uses;                         /* nonces drawn at most */
};

#define GW_SEALED_NAME_MAX 128
#define GW_ENVELOPE_MAX 4096
/* A secret as the database may see it: what identity/sealed.c makes. */
struct gw_sealed_row {
    char name[GW_SEALED_NAME_MAX + 1]; /* "table/row/field" */
    uint32_t key_id;
    uint8_t envelope[GW_ENVELOPE_MAX];
    size_t envelope_len;
    int64_t expires_s; /* 0: never */
};

#define GW_BLOCK_CAUSE_MAX 32
#define GW_BLOCK_AUTHOR_MAX 64
#define GW_BLOCK_REASON_MAX 200
struct gw_block_row {
    struct gw_uuid id; /* a UUIDv7 */
    struct gw_cidr network;
    bool is_suspect;
    int64_t since_s, expires_s, ended_s; /* 0: it has not ended; sooner than expires_s: it was lifted */
    char cause[GW_BLOCK_CAUSE_MAX + 1];  /* what found it out: "operator", a rule's name */
    char author[GW_BLOCK_AUTHOR_MAX + 1];
    char reason[GW_BLOCK_REASON_MAX + 1]; /* may be empty */
};

struct gw_store;

/* Opens (creates, migrates) an SQLite database file: WAL, synchronous FULL, foreign keys, 0600, busy time-out 5 s.
 * GW_EINVAL: a directory that others may write to, a file that others may use or that is another program's, a schema newer
 * than this program's; err says so, with the command that mends it where there is one. */
GW_MUST_CHECK enum gw_code gw_store_open_sqlite(const char *path, struct gw_store **out, struct gw_error *err);
void gw_store_close(struct gw_store *s);
static inline void gw_store_auto_(struct gw_store **s)
{
    gw_store_close(*s);
}

/* Holds the store for the calling thread until commit or rollback. */
GW_MUST_CHECK enum gw_code gw_store_begin(struct gw_store *s, struct gw_error *err);
/* For what can as well be done later: GW_ETIMEOUT at once when another process holds the database. */
GW_MUST_CHECK enum gw_code gw_store_try_begin(struct gw_store *s, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_commit(struct gw_store *s, struct gw_error *err);
void gw_store_rollback(struct gw_store *s);
/* Commits when code is GW_OK, rolls back otherwise; gives the code to pass on. A failed commit has been rolled back. */
GW_MUST_CHECK enum gw_code gw_store_end(struct gw_store *s, enum gw_code code, struct gw_error *err);

/* Keeps other threads out over a commit, for what must follow commits in their order (the authority segment). Nests. */
void gw_store_hold(struct gw_store *s);
void gw_store_release(struct gw_store *s);

/* Users. Insert and update: GW_ECONFLICT when the name or the address is taken. Get, update and delete: GW_ENOTFOUND. */
GW_MUST_CHECK enum gw_code gw_store_user_insert(struct gw_store *s, const struct gw_user_row *u, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_user_update(struct gw_store *s, struct gw_user_row *u,
                                                struct gw_error *err); /* sets u->version */
GW_MUST_CHECK enum gw_code gw_store_user_delete(struct gw_store *s, const struct gw_uuid *id,
                                                struct gw_error *err); /* and its sessions, codes and API keys */
GW_MUST_CHECK enum gw_code gw_store_user_get(struct gw_store *s, const struct gw_uuid *id, struct gw_user_row *out,
                                             struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_user_by_name(struct gw_store *s, struct gw_str username, struct gw_user_row *out,
                                                 struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_user_by_email(struct gw_store *s, struct gw_str email, struct gw_user_row *out,
                                                  struct gw_error *err);
/* Of those who can sign in: a service user cannot. */
GW_MUST_CHECK enum gw_code gw_store_user_count_active(struct gw_store *s, struct gw_str role, int64_t *out,
                                                      struct gw_error *err);

/* Walks rows in a stable order; a callback that fails ends the walk with its code. No store calls inside a callback. */
typedef enum gw_code (*gw_user_fn)(void *ctx, const struct gw_user_row *u, struct gw_error *err);
typedef enum gw_code (*gw_session_fn)(void *ctx, const struct gw_session_row *r, struct gw_error *err);
typedef enum gw_code (*gw_revocation_fn)(void *ctx, const struct gw_uuid *jti, int64_t expires_s, struct gw_error *err);
/* By username. */
GW_MUST_CHECK enum gw_code gw_store_user_each(struct gw_store *s, gw_user_fn fn, void *ctx, struct gw_error *err);

/* Sessions. Insert: GW_ENOTFOUND when there is no such user. Get, delete, touch: GW_ENOTFOUND. */
GW_MUST_CHECK enum gw_code gw_store_session_insert(struct gw_store *s, const struct gw_session_row *r,
                                                   struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_session_get(struct gw_store *s, const struct gw_uuid *id,
                                                struct gw_session_row *out, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_session_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err);
/* Later of old and given. */
GW_MUST_CHECK enum gw_code gw_store_session_touch(struct gw_store *s, const struct gw_uuid *id, int64_t last_seen_s,
                                                  struct gw_error *err);
/* Of one user (NULL: of all), oldest last use first. */
GW_MUST_CHECK enum gw_code gw_store_session_each(struct gw_store *s, const struct gw_uuid *user_id, gw_session_fn fn,
                                                 void *ctx, struct gw_error *err);

/* Refresh tokens, the family of a session; they go with it. Insert: GW_ENOTFOUND when there is no such session; GW_ECONFLICT when the hash or
 * the number is taken, or another of the family is not spent yet. Get and newest: GW_ENOTFOUND. Spend: GW_ECONFLICT when it is spent
 * already, or unknown. Deleting none is no fault. */
GW_MUST_CHECK enum gw_code gw_store_refresh_insert(struct gw_store *s, const struct gw_refresh_row *r,
                                                   struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_refresh_get(struct gw_store *s, const uint8_t hash[32], struct gw_refresh_row *out,
                                                struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_refresh_newest(struct gw_store *s, const struct gw_uuid *session_id,
                                                   struct gw_refresh_row *out, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_refresh_spend(struct gw_store *s, const uint8_t hash[32], int64_t now_s,
                                                  struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_refresh_delete(struct gw_store *s, const struct gw_uuid *session_id,
                                                   struct gw_error *err);

/* From where a user has signed in with success: pairs of user and limit key (base/ip.h). Put: again at a later time; GW_ENOTFOUND when there
 * is no such user; of one user's, those longest ago go beyond GW_KNOWN_PAIRS_MAX, at the latest with the next put. Has: since since_s. */
#define GW_KNOWN_PAIRS_MAX 64
GW_MUST_CHECK enum gw_code gw_store_known_pair_put(struct gw_store *s, const struct gw_uuid *user_id,
                                                   const struct gw_ip *address, int64_t now_s, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_known_pair_has(struct gw_store *s, const struct gw_uuid *user_id,
                                                   const struct gw_ip *address, int64_t since_s, bool *out,
                                                   struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_known_pair_purge(struct gw_store *s, int64_t before_s, struct gw_error *err);

/* Revoked tokens, kept until they would have expired. Inserting one again keeps the later expiry. */
GW_MUST_CHECK enum gw_code gw_store_revocation_insert(struct gw_store *s, const struct gw_uuid *jti, int64_t expires_s,
                                                      struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_revocation_each(struct gw_store *s, gw_revocation_fn fn, void *ctx,
                                                    struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_revocation_purge(struct gw_store *s, int64_t now_s, struct gw_error *err);

/* Blocks and suspects; a network has one at a time that has not ended. Insert: GW_ECONFLICT when it has. Extend and end: GW_ENOTFOUND when it
 * has ended. Each: of those that have not, by id, after the one given (NULL: from the start), count of them at most; due: only those that
 * expire until then (INT64_MAX: all). Earlier: blocks, no suspects, of that very network that began since then and were not lifted. Purge:
 * those that ended before. */
typedef enum gw_code (*gw_block_fn)(void *ctx, const struct gw_block_row *b, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_block_insert(struct gw_store *s, const struct gw_block_row *b,
                                                 struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_block_extend(struct gw_store *s, const struct gw_uuid *id, int64_t expires_s,
                                                 struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_block_end(struct gw_store *s, const struct gw_uuid *id, int64_t ended_s,
                                              struct gw_error *err);
/* GW_ENOTFOUND: there is none, or it has ended. */
GW_MUST_CHECK enum gw_code gw_store_block_get(struct gw_store *s, const struct gw_uuid *id, struct gw_block_row *out,
                                              struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_block_of_network(struct gw_store *s, const struct gw_cidr *network,
                                                     struct gw_block_row *out, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_block_each(struct gw_store *s, const struct gw_uuid *after, int64_t due_s,
                                               size_t count, gw_block_fn fn, void *ctx, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_block_count(struct gw_store *s, int64_t *out, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_block_count_earlier(struct gw_store *s, const struct gw_cidr *network,
                                                        int64_t since_s, int64_t *out, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_block_purge(struct gw_store *s, int64_t before_s, struct gw_error *err);
/* API keys. Insert: GW_ENOTFOUND when there is no such user; GW_ECONFLICT when an id or the hash is taken. Get, expire and delete:
 * GW_ENOTFOUND. Each: of one user (NULL: of all), oldest first. Expire never puts the end off. Touch: later of old and given; none is no
 * fault. */
typedef enum gw_code (*gw_api_key_fn)(void *ctx, const struct gw_api_key_row *r, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_api_key_insert(struct gw_store *s, const struct gw_api_key_row *r,
                                                   struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_api_key_get(struct gw_store *s, const struct gw_uuid *id,
                                                struct gw_api_key_row *out, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_api_key_by_public_id(struct gw_store *s, struct gw_str public_id,
                                                         struct gw_api_key_row *out, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_api_key_each(struct gw_store *s, const struct gw_uuid *user_id, gw_api_key_fn fn,
                                                 void *ctx, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_api_key_count(struct gw_store *s, int64_t *out, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_api_key_expire(struct gw_store *s, const struct gw_uuid *id, int64_t expires_s,
                                                   struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_api_key_touch(struct gw_store *s, const struct gw_uuid *id, int64_t last_used_s,
                                                  struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_api_key_delete(struct gw_store *s, const struct gw_uuid *id, struct gw_error *err);

/* One-time reset codes: at most one a user, the last wins. Get: GW_ENOTFOUND when unknown or expired at now_s. Whoever
 * honours a code deletes it in the same transaction; deleting none is no fault. */
GW_MUST_CHECK enum gw_code gw_store_reset_put(struct gw_store *s, const struct gw_reset_row *r, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_reset_get(struct gw_store *s, const uint8_t code_hash[32], int64_t now_s,
                                              struct gw_uuid *out_user_id, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_reset_delete(struct gw_store *s, const struct gw_uuid *user_id,
                                                 struct gw_error *err);

/* Data keys. Insert: GW_ECONFLICT when there has been such an id. Each: by id. Reserve raises uses, never lowers it; GW_ENOTFOUND. Retire
 * destroys the material; GW_ECONFLICT: a sealed row still needs it, or it is retired. */
typedef enum gw_code (*gw_data_key_fn)(void *ctx, const struct gw_data_key_row *k, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_data_key_insert(struct gw_store *s, const struct gw_data_key_row *k,
                                                    struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_data_key_each(struct gw_store *s, gw_data_key_fn fn, void *ctx,
                                                  struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_data_key_reserve(struct gw_store *s, uint32_t id, uint64_t uses,
                                                     struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_data_key_retire(struct gw_store *s, uint32_t id, int64_t now_s,
                                                    struct gw_error *err);

/* Sealed secrets. Put: over what has the name; GW_ENOTFOUND when there is no such key. Get: GW_ENOTFOUND also when expired at now_s.
 * Deleting none is no fault. */
typedef enum gw_code (*gw_sealed_fn)(void *ctx, const struct gw_sealed_row *r, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_sealed_put(struct gw_store *s, const struct gw_sealed_row *r, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_sealed_get(struct gw_store *s, struct gw_str name, int64_t now_s,
                                               struct gw_sealed_row *out, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_sealed_delete(struct gw_store *s, struct gw_str name, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_sealed_purge(struct gw_store *s, int64_t now_s, struct gw_error *err);
/* Of one key; 0: of all. */
GW_MUST_CHECK enum gw_code gw_store_sealed_count(struct gw_store *s, uint32_t key_id, int64_t *out,
                                                 struct gw_error *err);
/* The first count of a key's by name, after the name given ("": from the start). */
GW_MUST_CHECK enum gw_code gw_store_sealed_each_of_key(struct gw_store *s, uint32_t key_id, struct gw_str after,
                                                       size_t count, gw_sealed_fn fn, void *ctx, struct gw_error *err);
