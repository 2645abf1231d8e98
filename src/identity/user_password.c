/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three ways to a new password: by the old one, by an operator, by a one-time code. Hashing comes before the transaction,
 * so that nobody waits for the store behind a queue of hashes; what was proved before it is looked at again inside it.
 */
#include "crypto/mac.h"
#include "crypto/secret.h"
#include "identity/state.h"
#include <assert.h>
#include <string.h>

#define RESET_CODE_BYTES 16
static_assert(sizeof(((struct gw_user_row *)NULL)->password_hash) >= GW_PWHASH_LEN,
              "a row holds any hash that we make");
static_assert(GW_BASE64URL_LEN(RESET_CODE_BYTES) == GW_RESET_CODE_LEN, "128 bits as base64url");

static enum gw_code check_not_service(const struct gw_user_row *u, struct gw_error *err)
{
    if (u->service)
        return gw_fail(err, GW_ECONFLICT, "%s is a service user: it has no password, and signs in by API keys alone",
                       u->username);
    return GW_OK;
}

enum gw_code gw_user_hash_password(struct gw_identity *i, const struct gw_user_row *u, struct gw_str new_password,
                                   const struct gw_hash_client *client, char *dst, struct gw_error *err)
{
    GW_TRY(gw_password_check(i->options.rules, new_password, gw_str(u->username), gw_str(u->email), err));
    return gw_hasher_make(i->options.hasher, client, new_password, dst, err);
}

struct new_password {
    char hash[GW_PWHASH_LEN];
    const char *how;
    struct gw_keys_settled *keys; /* NULL: they stay */
};

/* Within a change: u is the row as it stands now. A code that somebody still holds must not undo the new password. */
static enum gw_code store_hash(struct gw_change *c, struct gw_user_row *u, const struct new_password *new,
                               const struct gw_uuid *keep_session, struct gw_error *err)
{
    bool by_code = c->by->kind == GW_ACTOR_CLIENT && gw_uuid_is_nil(&c->by->user_id);
    struct gw_store *store = c->identity->options.store;
    memcpy(u->password_hash, new->hash, GW_PWHASH_LEN);
    u->updated_s = gw_clock_real_s(c->identity->options.clock);
    GW_TRY(gw_store_user_update(store, u, err));
    GW_TRY(gw_store_reset_delete(store, &u->id, err));
    c->put_user = u;
    GW_TRY(gw_change_end_sessions(c, &u->id, keep_session, err));
    GW_TRY(gw_change_settle_keys(c, &u->id, new->keys, err));
    return gw_change_record(
        c,
        &(struct gw_deed){.action = "password_changed",
                          .resource_type = "users",
                          .resource = &u->id,
                          .user_id = by_code ? &u->id : NULL,
                          .details =
                              json_pack("{s:s, s:I, s:I}", "how", new->how, "endedSessions", (json_int_t)c->ended.count,
                                        "revokedApiKeys", (json_int_t)(new->keys != NULL ? new->keys->revoked : 0))},
        err);
}

/* ---- by the old one ---- */

static enum gw_code check_old(struct gw_identity *i, const struct gw_user_row *u, struct gw_str old_password,
                              const struct gw_hash_client *client, struct gw_error *err)
{
    const char *hash = u->active && u->password_hash[0] != '\0' ? u->password_hash : NULL;
    enum gw_code code = gw_hasher_verify(i->options.hasher, client, hash, old_password, err);
    return code == GW_EPARSE ? gw_fail(err, GW_EDENIED, "the stored hash is of no known kind") : code;
}

/* was: the row that the old password was proved against. */
static enum gw_code look_again(struct gw_change *c, const struct gw_uuid *id, const char *proved_hash,
                               struct gw_user_row *u, struct gw_error *err)
{
    GW_TRY(gw_store_user_get(c->identity->options.store, id, u, err));
    if (!u->active || strcmp(u->password_hash, proved_hash) != 0)
        return gw_fail(err, GW_EDENIED, "the password was changed meanwhile");
    return GW_OK;
}

static enum gw_code replace_proved(struct gw_change *c, const struct gw_user_row *was, const struct new_password *new,
                                   struct gw_kept_session *keep, struct gw_user_row *u, struct gw_error *err)
{
    GW_TRY(look_again(c, &was->id, was->password_hash, u, err));
    GW_TRY(store_hash(c, u, new, &keep->id, err));
    enum gw_code code = gw_change_begin_family(c, &keep->id, keep->refresh, err);
    if (code == GW_ENOTFOUND)
        keep->refresh[0] = '\0';
    return code == GW_ENOTFOUND ? GW_OK : code;
}

enum gw_code gw_user_change_password(struct gw_identity *i, const struct gw_actor *by, struct gw_str old_password,
                                     struct gw_str new_password, struct gw_kept_session *keep,
                                     struct gw_keys_settled *keys, struct gw_error *err)
{
    struct gw_change c;
    struct gw_user_row was, now;
    struct new_password new = {.how = "old-password", .keys = keys};
    const struct gw_hash_client client = {.address = &by->address, .device = GW_DEVICE_KNOWN};
    GW_TRY(gw_store_user_get(i->options.store, &by->user_id, &was, err));
    GW_TRY(check_old(i, &was, old_password, &client, err));
    GW_TRY(gw_user_hash_password(i, &was, new_password, &client, new.hash, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    return gw_change_end(&c, replace_proved(&c, &was, &new, keep, &now, err), err);
}

enum gw_code gw_user_prove(struct gw_identity *i, const struct gw_actor *by, struct gw_str password,
                           struct gw_proof *out, struct gw_error *err)
{
    struct gw_user_row u;
    const struct gw_hash_client client = {.address = &by->address, .device = GW_DEVICE_KNOWN};
    GW_TRY(gw_store_user_get(i->options.store, &by->user_id, &u, err));
    GW_TRY(check_old(i, &u, password, &client, err));
    out->user_id = u.id;
    memcpy(out->password_hash, u.password_hash, sizeof(out->password_hash));
    return GW_OK;
}

enum gw_code gw_change_check_proof(struct gw_change *c, const struct gw_proof *proof, struct gw_error *err)
{
    struct gw_user_row u;
    return proof == NULL ? GW_OK : look_again(c, &proof->user_id, proof->password_hash, &u, err);
}

/* ---- by an operator ---- */

static enum gw_code replace(struct gw_change *c, const struct gw_uuid *id, const struct new_password *new,
                            struct gw_user_row *u, struct gw_error *err)
{
    GW_TRY(gw_store_user_get(c->identity->options.store, id, u, err));
    return store_hash(c, u, new, NULL, err);
}

enum gw_code gw_user_set_password(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *id,
                                  struct gw_str new_password, struct gw_keys_settled *keys, struct gw_error *err)
{
    static const struct gw_ip here = {{0}}; /* an operator waits in a lane of its own */
    static const struct gw_hash_client client = {.address = &here, .device = GW_DEVICE_KNOWN};
    struct gw_change c;
    struct gw_user_row u;
    struct new_password new = {.how = "operator", .keys = keys};
    GW_TRY(gw_store_user_get(i->options.store, id, &u, err));
    GW_TRY(check_not_service(&u, err));
    GW_TRY(gw_user_hash_password(i, &u, new_password, &client, new.hash, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    return gw_change_end(&c, replace(&c, id, &new, &u, err), err);
}

/* ---- by a one-time code ---- */

static enum gw_code store_code(struct gw_change *c, const struct gw_proof *proof, const struct gw_reset_row *row,
                               struct gw_keys_settled *keys, struct gw_error *err)
{
    struct gw_user_row u;
    GW_TRY(gw_change_check_proof(c, proof, err));
    GW_TRY(gw_store_user_get(c->identity->options.store, &row->user_id, &u, err));
    GW_TRY(check_not_service(&u, err));
    GW_TRY(gw_store_reset_put(c->identity->options.store, row, err));
    GW_TRY(gw_change_settle_keys(c, &row->user_id, keys, err));
    return gw_change_record(c,
                            &(struct gw_deed){.action = "reset_code_made",
                                              .resource_type = "users",
                                              .resource = &row->user_id,
                                              .details = json_pack("{s:I}", "revokedApiKeys",
                                                                   (json_int_t)(keys != NULL ? keys->revoked : 0))},
                            err);
}

enum gw_code gw_user_reset_begin(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *id,
                                 const struct gw_proof *proof, struct gw_keys_settled *keys, char *dst,
                                 struct gw_error *err)
{
    struct gw_change c;
    char code[GW_RESET_CODE_LEN + 1];
    struct gw_reset_row row = {.user_id = *id};
    row.expires_s = gw_clock_real_s(i->options.clock) + i->options.settings->reset_code_ttl_ms / 1000;
    GW_TRY(gw_random_text(i->options.random, RESET_CODE_BYTES, code, err));
    GW_TRY(gw_sha256(gw_str(code), row.code_hash, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    GW_TRY(gw_change_end(&c, store_code(&c, proof, &row, keys, err), err));
    memcpy(dst, code, sizeof(code));
    gw_wipe(code, sizeof(code));
    return GW_OK;
}

/* Whose code it is, or GW_EDENIED. */
static enum gw_code find_by_code(struct gw_identity *i, const uint8_t code_hash[GW_MAC_BYTES], struct gw_user_row *out,
                                 struct gw_error *err)
{
    struct gw_uuid id;
    struct gw_store *store = i->options.store;
    enum gw_code code = gw_store_reset_get(store, code_hash, gw_clock_real_s(i->options.clock), &id, err);
    if (code == GW_OK)
        code = gw_store_user_get(store, &id, out, err);
    if (code == GW_ENOTFOUND || (code == GW_OK && (!out->active || out->service)))
        return gw_fail(err, GW_EDENIED, "the code is unknown, used or expired");
    return code;
}

/* The second look at the code is what makes it good once: store_hash deletes it in the same transaction. */
static enum gw_code replace_by_code(struct gw_change *c, const uint8_t code_hash[GW_MAC_BYTES],
                                    const struct new_password *new, struct gw_user_row *u, struct gw_error *err)
{
    GW_TRY(find_by_code(c->identity, code_hash, u, err));
    return store_hash(c, u, new, NULL, err);
}

enum gw_code gw_user_reset_finish(struct gw_identity *i, const struct gw_actor *by, struct gw_str code,
                                  struct gw_str new_password, struct gw_keys_settled *keys, struct gw_error *err)
{
    struct gw_change c;
    struct gw_user_row u;
    uint8_t code_hash[GW_MAC_BYTES];
    struct new_password new = {.how = "code", .keys = keys};
    GW_TRY(gw_sha256(code, code_hash, err));
    GW_TRY(find_by_code(i, code_hash, &u, err));
    GW_TRY(
        gw_user_hash_password(i, &u, new_password, &(struct gw_hash_client){.address = &by->address}, new.hash, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    return gw_change_end(&c, replace_by_code(&c, code_hash, &new, &u, err), err);
}
