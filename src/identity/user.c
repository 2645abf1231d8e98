/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users: added, found, changed, deleted. What must hold over several rows (names and addresses not mixed up, one active admin
 * left) is looked at inside the transaction that could break it.
 */
#include "identity/state.h"
#include "policy/policy.h"
#include <stdio.h>
#include <string.h>

/* The role that may manage users; without an active one nobody could let anybody in again. */
#define ADMIN_ROLE GW_STR("admin")

/* ---- fields ---- */

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '@' || c == '-';
}

static bool is_printable_byte(char c)
{
    return c > ' ' && c < 0x7f;
}

static bool all_bytes(struct gw_str s, bool (*is_allowed)(char c))
{
    for (size_t n = 0; n < s.len; n++) {
        if (!is_allowed(s.ptr[n]))
            return false;
    }
    return true;
}

/* A name of UUID form would be taken for an id by gw_user_find. */
static bool is_username(struct gw_str s)
{
    struct gw_uuid ignored;
    return s.len > 0 && s.len <= GW_USERNAME_MAX && s.ptr[0] != '.' && s.ptr[0] != '-' && all_bytes(s, is_name_byte) &&
           gw_uuid_parse(s, &ignored) != GW_OK;
}

/* One @ with something on both sides: whether the address exists is for a mail to show, not for a pattern. */
static bool is_email(struct gw_str s)
{
    size_t at = gw_str_find(s, '@');
    struct gw_str domain = gw_str_sub(s, at + 1, s.len);
    return s.len <= GW_EMAIL_MAX && at > 0 && domain.len > 0 && gw_str_find(domain, '@') == domain.len &&
           all_bytes(s, is_printable_byte);
}

static bool is_upstream_id(struct gw_str s)
{
    return s.len <= GW_UPSTREAM_ID_MAX && all_bytes(s, is_printable_byte);
}

static enum gw_code set_username(struct gw_user_row *u, struct gw_str name, struct gw_error *err)
{
    if (!is_username(name) || !gw_str_copy(name, u->username, sizeof(u->username)))
        return gw_fail(
            err, GW_EINVAL,
            "a user name has 1 to 64 of the characters A-Z a-z 0-9 . _ @ -, begins with no dot or dash and is no UUID");
    return GW_OK;
}

static enum gw_code set_email(struct gw_user_row *u, struct gw_str email, struct gw_error *err)
{
    if ((email.len > 0 && !is_email(email)) || !gw_str_copy(email, u->email, sizeof(u->email)))
        return gw_fail(err, GW_EINVAL, "an e-mail address has the form name@domain and at most %d characters",
                       GW_EMAIL_MAX);
    return GW_OK;
}

static enum gw_code set_upstream_id(struct gw_user_row *u, struct gw_str id, struct gw_error *err)
{
    if (!is_upstream_id(id) || !gw_str_copy(id, u->upstream_id, sizeof(u->upstream_id)))
        return gw_fail(err, GW_EINVAL, "an upstream id has at most %d printable characters and no space",
                       GW_UPSTREAM_ID_MAX);
    return GW_OK;
}

static enum gw_code fail_role(const struct gw_policy *p, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf names;
    gw_buf_init(&names, 256);
    for (unsigned n = 0; n < gw_policy_role_count(p); n++)
        gw_buf_addf(&names, "%s%.*s", n == 0 ? "" : ", ", GW_STR_ARG(gw_policy_role_name(p, n)));
    struct gw_str all = gw_buf_str(&names); /* a list too long ends early */
    return gw_fail(err, GW_EINVAL, "no such role; the policy has %.*s", GW_STR_ARG(all));
}

static enum gw_code set_role(struct gw_user_row *u, const struct gw_policy *p, struct gw_str role, struct gw_error *err)
{
    if (gw_policy_role(p, role) < 0)
        return fail_role(p, err);
    if (!gw_str_copy(role, u->role, sizeof(u->role)))
        return gw_fail(err, GW_EINVAL, "a role's name has at most %d characters", GW_ROLE_MAX);
    return GW_OK;
}

/* ---- what holds over several rows ---- */

/* found: what looking for other by a name or address of u gave. */
static enum gw_code check_is_self(enum gw_code found, const struct gw_user_row *other, const struct gw_user_row *u,
                                  struct gw_error *err)
{
    if (found == GW_OK && !gw_uuid_eq(&other->id, &u->id))
        return gw_fail(err, GW_ECONFLICT, "user name or e-mail is taken");
    return found == GW_ENOTFOUND ? GW_OK : found;
}

/* One user's name may not be another's address: whoever signs in by it must be one and the same. */
static enum gw_code check_not_mixed_up(struct gw_store *store, const struct gw_user_row *u, struct gw_error *err)
{
    struct gw_user_row other;
    enum gw_code code = gw_store_user_by_email(store, gw_str(u->username), &other, err);
    GW_TRY(check_is_self(code, &other, u, err));
    code = gw_store_user_by_name(store, gw_str(u->email), &other, err);
    return check_is_self(code, &other, u, err);
}

static bool is_active_admin(const struct gw_user_row *u)
{
    return u->active && !u->service && gw_str_eq(gw_str(u->role), ADMIN_ROLE);
}

/* after NULL: the user goes. */
static enum gw_code check_admin_left(struct gw_store *store, const struct gw_user_row *before,
                                     const struct gw_user_row *after, struct gw_error *err)
{
    int64_t admins = 0;
    if (!is_active_admin(before) || (after != NULL && is_active_admin(after)))
        return GW_OK;
    GW_TRY(gw_store_user_count_active(store, ADMIN_ROLE, &admins, err));
    if (admins < 2)
        return gw_fail(err, GW_ECONFLICT, "%s is the last active admin; make another one first", before->username);
    return GW_OK;
}

/* ---- add ---- */

static enum gw_code set_password(struct gw_identity *i, const struct gw_ip *address, const struct gw_user_new *n,
                                 struct gw_user_row *u, struct gw_error *err)
{
    if (n->service && (n->password.len > 0 || n->password_hash.len > 0))
        return gw_fail(err, GW_EINVAL, "a service user has no password");
    if (n->password.len > 0 && n->password_hash.len > 0)
        return gw_fail(err, GW_EINVAL, "a user has a password or an imported hash, not both");
    if (n->password.len > 0)
        return gw_user_hash_password(i, u, n->password, &(struct gw_hash_client){.address = address}, u->password_hash,
                                     err);
    if (n->password_hash.len == 0)
        return GW_OK;
    if (!gw_pwhash_is_known(n->password_hash) ||
        !gw_str_copy(n->password_hash, u->password_hash, sizeof(u->password_hash)))
        return gw_fail(err, GW_EINVAL, "the password hash is neither bcrypt nor Argon2id");
    return GW_OK;
}

/* Nobody's call makes a user only where registration is open: then it is the user's own doing. */
static enum gw_code record_new(struct gw_change *c, const struct gw_user_row *u, struct gw_error *err)
{
    static const struct gw_uuid nobody;
    bool registers = c->by->kind == GW_ACTOR_CLIENT && gw_uuid_eq(&c->by->user_id, &nobody);
    return gw_change_record(
        c,
        &(struct gw_deed){.action = registers ? "user_registered" : "user_created",
                          .resource_type = "users",
                          .resource = &u->id,
                          .user_id = registers ? &u->id : NULL,
                          .details = json_pack("{s:s, s:s, s:b, s:o*}", "username", u->username, "role", u->role,
                                               "active", (int)u->active, "service", u->service ? json_true() : NULL)},
        err);
}

static enum gw_code insert(struct gw_change *c, const struct gw_proof *proof, const struct gw_user_row *u,
                           struct gw_error *err)
{
    struct gw_store *store = c->identity->options.store;
    GW_TRY(gw_change_check_proof(c, proof, err));
    GW_TRY(check_not_mixed_up(store, u, err));
    GW_TRY(gw_store_user_insert(store, u, err));
    c->put_user = u;
    return record_new(c, u, err);
}

enum gw_code gw_user_add(struct gw_identity *i, const struct gw_actor *by, const struct gw_policy *p,
                         const struct gw_user_new *n, struct gw_user_row *out, struct gw_error *err)
{
    struct gw_change c;
    struct gw_user_row u = {.active = !n->disabled, .service = n->service};
    u.created_s = u.updated_s = gw_clock_real_s(i->options.clock);
    GW_TRY(gw_uuid_v7(i->options.random, i->options.clock, &u.id, err));
    GW_TRY(set_username(&u, n->username, err));
    GW_TRY(set_email(&u, n->email, err));
    GW_TRY(set_upstream_id(&u, n->upstream_id, err));
    GW_TRY(set_role(&u, p, n->role, err));
    GW_TRY(set_password(i, &by->address, n, &u, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    GW_TRY(gw_change_end(&c, insert(&c, n->proof, &u, err), err));
    gw_hasher_expect_bcrypt(i->options.hasher, gw_pwhash_bcrypt_cost(u.password_hash));
    *out = u;
    return GW_OK;
}

/* ---- find ---- */

enum gw_code gw_user_by_name_or_email(struct gw_store *store, struct gw_str name, struct gw_user_row *out,
                                      struct gw_error *err)
{
    enum gw_code code = gw_store_user_by_name(store, name, out, err);
    return code == GW_ENOTFOUND ? gw_store_user_by_email(store, name, out, err) : code;
}

enum gw_code gw_user_find(struct gw_identity *i, struct gw_str name, struct gw_user_row *out, struct gw_error *err)
{
    struct gw_uuid id;
    if (gw_uuid_parse(name, &id) == GW_OK)
        return gw_store_user_get(i->options.store, &id, out, err);
    return gw_user_by_name_or_email(i->options.store, name, out, err);
}

/* ---- change and delete ---- */

static enum gw_code apply(const struct gw_user_change *change, const struct gw_policy *p, struct gw_user_row *u,
                          struct gw_error *err)
{
    if ((change->set & GW_USER_SET_EMAIL) != 0)
        GW_TRY(set_email(u, change->email, err));
    if ((change->set & GW_USER_SET_ROLE) != 0)
        GW_TRY(set_role(u, p, change->role, err));
    if ((change->set & GW_USER_SET_UPSTREAM_ID) != 0)
        GW_TRY(set_upstream_id(u, change->upstream_id, err));
    if ((change->set & GW_USER_SET_ACTIVE) != 0)
        u->active = change->active;
    return GW_OK;
}

static void add_change(json_t *details, const char *member, json_t *from, json_t *to)
{
    if (json_equal(from, to) == 0)
        (void)json_object_set_new(details, member, json_pack("{s:O, s:O}", "from", from, "to", to));
    json_decref(from);
    json_decref(to);
}

/* What an address or id became is in the user's own row; the trail outlives that, so it tells only that they changed. */
static json_t *changes_of(const struct gw_user_row *before, const struct gw_user_row *after)
{
    json_t *details = json_pack("{s:s}", "username", after->username);
    add_change(details, "role", json_string(before->role), json_string(after->role));
    add_change(details, "active", json_boolean(before->active), json_boolean(after->active));
    if (strcmp(before->email, after->email) != 0)
        (void)json_object_set_new(details, "email", json_string("changed"));
    if (strcmp(before->upstream_id, after->upstream_id) != 0)
        (void)json_object_set_new(details, "upstreamId", json_string("changed"));
    return details;
}

static enum gw_code update(struct gw_change *c, const struct gw_policy *p, const struct gw_user_change *change,
                           struct gw_user_row *u, struct gw_error *err)
{
    struct gw_store *store = c->identity->options.store;
    struct gw_user_row before;
    GW_TRY(gw_change_check_proof(c, change->proof, err));
    GW_TRY(gw_store_user_get(store, &u->id, &before, err));
    *u = before;
    GW_TRY(apply(change, p, u, err));
    GW_TRY(check_not_mixed_up(store, u, err));
    GW_TRY(check_admin_left(store, &before, u, err));
    u->updated_s = gw_clock_real_s(c->identity->options.clock);
    GW_TRY(gw_store_user_update(store, u, err));
    c->put_user = u;
    if (!u->active)
        GW_TRY(gw_change_end_sessions(c, &u->id, NULL, err));
    return gw_change_record(
        c,
        &(struct gw_deed){
            .action = "user_changed", .resource_type = "users", .resource = &u->id, .details = changes_of(&before, u)},
        err);
}

enum gw_code gw_user_change(struct gw_identity *i, const struct gw_actor *by, const struct gw_policy *p,
                            const struct gw_uuid *id, const struct gw_user_change *change, struct gw_user_row *out,
                            struct gw_error *err)
{
    struct gw_change c;
    struct gw_user_row u = {.id = *id};
    GW_TRY(gw_change_begin(&c, i, by, err));
    GW_TRY(gw_change_end(&c, update(&c, p, change, &u, err), err));
    *out = u;
    return GW_OK;
}

static enum gw_code remove_user(struct gw_change *c, const struct gw_uuid *id, struct gw_error *err)
{
    struct gw_store *store = c->identity->options.store;
    struct gw_user_row u;
    GW_TRY(gw_store_user_get(store, id, &u, err));
    GW_TRY(check_admin_left(store, &u, NULL, err));
    GW_TRY(gw_change_end_sessions(c, id, NULL, err));
    GW_TRY(gw_change_end_keys(c, id, err));
    GW_TRY(gw_store_user_delete(store, id, err));
    c->drop_user = id;
    return gw_change_record(
        c,
        &(struct gw_deed){.action = "user_deleted",
                          .resource_type = "users",
                          .resource = id,
                          .details = json_pack("{s:s, s:s}", "username", u.username, "role", u.role)},
        err);
}

enum gw_code gw_user_delete(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *id,
                            struct gw_error *err)
{
    struct gw_change c;
    GW_TRY(gw_change_begin(&c, i, by, err));
    return gw_change_end(&c, remove_user(&c, id, err), err);
}
