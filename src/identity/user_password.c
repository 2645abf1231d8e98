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

/* Within a change: u is the row as it stands now. A code that somebody still holds must not undo the new password. */
static enum gw_code store_hash(struct gw_change *c, struct gw_user_row *u, const char *hash, const char *how,
                               const struct gw_uuid *keep_session, struct gw_error *err)
{
    bool by_code = c->by->kind == GW_ACTOR_CLIENT && gw_uuid_is_nil(&c->by->user_id);
    struct gw_store *store = c->identity->options.store;
    memcpy(u->password_hash, hash, GW_PWHASH_LEN);
    u->updated_s = gw_clock_real_s(c->identity->options.clock);
    GW_TRY(gw_store_user_update(store, u, err));
    GW_TRY(gw_store_reset_delete(store, &u->id, err));
    c->put_user = u;
    GW_TRY(gw_change_end_sessions(c, &u->id, keep_session, err));
    return gw_change_record(
        c,
        &(struct gw_deed){.action = "password_changed",
                          .resource_type = "users",
                          .resource = &u->id,
                          .user_id = by_code ? &u->id : NULL,
                          .details = json_pack("{s:s, s:I}", "how", how, "endedSessions", (json_int_t)c->ended.count)},
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
static enum gw_code replace_proved(struct gw_change *c, const struct gw_user_row *was, const char *hash,
                                   struct gw_kept_session *keep, struct gw_user_row *u, struct gw_error *err)
{
    GW_TRY(gw_store_user_get(c->identity->options.store, &was->id, u, err));
    if (!u->active || strcmp(u->password_hash, was->password_hash) != 0)
        return gw_fail(err, GW_EDENIED, "the password was changed meanwhile");
    GW_TRY(store_hash(c, u, hash, "old-password", &keep->id, err));
    enum gw_code code = gw_change_begin_family(c, &keep->id, keep->refresh, err);
    if (code == GW_ENOTFOUND)
        keep->refresh[0] = '\0';
    return code == GW_ENOTFOUND ? GW_OK : code;
}

enum gw_code gw_user_change_password(struct gw_identity *i, const struct gw_actor *by, struct gw_str old_password,
                                     struct gw_str new_password, struct gw_kept_session *keep, struct gw_error *err)
{
    struct gw_change c;
    struct gw_user_row was, now;
    char hash[GW_PWHASH_LEN];
    const struct gw_hash_client client = {.address = &by->address, .device = GW_DEVICE_KNOWN};
    GW_TRY(gw_store_user_get(i->options.store, &by->user_id, &was, err));
    GW_TRY(check_old(i, &was, old_password, &client, err));
    GW_TRY(gw_user_hash_password(i, &was, new_password, &client, hash, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    return gw_change_end(&c, replace_proved(&c, &was, hash, keep, &now, err), err);
}

/* ---- by an operator ---- */

static enum gw_code replace(struct gw_change *c, const struct gw_uuid *id, const char *hash, struct gw_user_row *u,
                            struct gw_error *err)
{
    GW_TRY(gw_store_user_get(c->identity->options.store, id, u, err));
    return store_hash(c, u, hash, "operator", NULL, err);
}

enum gw_code gw_user_set_password(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *id,
                                  struct gw_str new_password, struct gw_error *err)
{
    static const struct gw_ip here = {{0}}; /* an operator waits in a lane of its own */
    static const struct gw_hash_client client = {.address = &here, .device = GW_DEVICE_KNOWN};
    struct gw_change c;
    struct gw_user_row u;
    char hash[GW_PWHASH_LEN];
    GW_TRY(gw_store_user_get(i->options.store, id, &u, err));
    GW_TRY(check_not_service(&u, err));
    GW_TRY(gw_user_hash_password(i, &u, new_password, &client, hash, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    return gw_change_end(&c, replace(&c, id, hash, &u, err), err);
}

/* ---- by a one-time code ---- */

static enum gw_code store_code(struct gw_change *c, const struct gw_reset_row *row, struct gw_error *err)
{
    struct gw_user_row u;
    GW_TRY(gw_store_user_get(c->identity->options.store, &row->user_id, &u, err));
    GW_TRY(check_not_service(&u, err));
    GW_TRY(gw_store_reset_put(c->identity->options.store, row, err));
    return gw_change_record(
        c, &(struct gw_deed){.action = "reset_code_made", .resource_type = "users", .resource = &row->user_id}, err);
}

enum gw_code gw_user_reset_begin(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *id, char *dst,
                                 struct gw_error *err)
{
    struct gw_change c;
    char code[GW_RESET_CODE_LEN + 1];
    struct gw_reset_row row = {.user_id = *id};
    row.expires_s = gw_clock_real_s(i->options.clock) + i->options.settings->reset_code_ttl_ms / 1000;
    GW_TRY(gw_random_text(i->options.random, RESET_CODE_BYTES, code, err));
    GW_TRY(gw_sha256(gw_str(code), row.code_hash, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    GW_TRY(gw_change_end(&c, store_code(&c, &row, err), err));
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
static enum gw_code replace_by_code(struct gw_change *c, const uint8_t code_hash[GW_MAC_BYTES], const char *hash,
                                    struct gw_user_row *u, struct gw_error *err)
{
    GW_TRY(find_by_code(c->identity, code_hash, u, err));
    return store_hash(c, u, hash, "code", NULL, err);
}

enum gw_code gw_user_reset_finish(struct gw_identity *i, const struct gw_actor *by, struct gw_str code,
                                  struct gw_str new_password, struct gw_error *err)
{
    struct gw_change c;
    struct gw_user_row u;
    uint8_t code_hash[GW_MAC_BYTES];
    char hash[GW_PWHASH_LEN];
    GW_TRY(gw_sha256(code, code_hash, err));
    GW_TRY(find_by_code(i, code_hash, &u, err));
    GW_TRY(gw_user_hash_password(i, &u, new_password, &(struct gw_hash_client){.address = &by->address}, hash, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    return gw_change_end(&c, replace_by_code(&c, code_hash, hash, &u, err), err);
}
