/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API keys. The database knows a key by its hash; what a signed one signs by, the hash of its whole text, must be read again, so
 * that is sealed.
 */
#include "base/encode.h"
#include "crypto/mac.h"
#include "crypto/secret.h"
#include "identity/sealed.h"
#include "identity/state.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* So long a key whose time is over is still listed, as expired, and its refusal can be explained. */
#define SHOWN_AFTER_S 86400
#define NAME_TRIES 8

static_assert(GW_API_KEY_ID_LEN == GW_API_KEY_PUBLIC_LEN, "a row holds the public id");
static_assert(GW_SHARED_KEY_PROOF_BYTES == GW_MAC_BYTES, "a signed key signs by a SHA-256");

/* ---- the secret ---- */

static struct gw_str secret_name(const struct gw_uuid *id, char dst[GW_SEALED_NAME_MAX + 1])
{
    return gw_sealed_name("api_keys", id, "secret", dst);
}

/* What is presented of a signed one is its public part. */
static struct gw_str presented_part(const struct gw_api_key_made *m)
{
    struct gw_str text = gw_str(m->text);
    return m->row.is_signed ? gw_str_sub(text, 0, sizeof(GW_API_KEY_PREFIX) - 1 + GW_API_KEY_PUBLIC_LEN) : text;
}

/* mac_key: of a signed one. */
static enum gw_code make_secret(struct gw_identity *i, struct gw_api_key_made *m, uint8_t mac_key[GW_MAC_BYTES],
                                struct gw_error *err)
{
    struct gw_api_key_text parts;
    GW_TRY(gw_api_key_make(i->options.random, m->text, err));
    GW_TRY(gw_api_key_parse(gw_str(m->text), &parts));
    if (!gw_str_copy(parts.public_id, m->row.public_id, sizeof(m->row.public_id)))
        return gw_fail(err, GW_EINTERNAL, "an API key without an id");
    if (m->row.is_certificate) { /* of the text no more than the id is wanted */
        gw_api_key_made_done(m);
        return GW_OK;
    }
    GW_TRY(gw_sha256(presented_part(m), m->row.hash, err));
    return gw_sha256(gw_str(m->text), mac_key, err);
}

/* ---- what the segment shows ---- */

static void fill_scopes(const struct gw_api_key_row *r, struct gw_live_key *out)
{
    struct gw_str rest = gw_str(r->scopes), one;
    while (rest.len > 0 && out->scope_count < GW_SHARED_KEY_SCOPES_MAX && gw_str_split(&rest, ' ', &one))
        out->scopes[out->scope_count++] = gw_key_scope(one);
}

static enum gw_code fill_networks(const struct gw_api_key_row *r, struct gw_live_key *out, struct gw_error *err)
{
    struct gw_str rest = gw_str(r->networks), one;
    while (rest.len > 0 && out->network_count < GW_SHARED_KEY_NETWORKS_MAX && gw_str_split(&rest, ' ', &one))
        if (gw_cidr_parse(one, &out->networks[out->network_count++]) != GW_OK)
            return gw_fail(err, GW_EBACKEND, "database: the networks of API key %s are damaged", r->public_id);
    return GW_OK;
}

/* mac_key: of a signed one. */
static enum gw_code live_key_of(const struct gw_api_key_row *r, const uint8_t mac_key[GW_MAC_BYTES],
                                struct gw_live_key *out, struct gw_error *err)
{
    *out = (struct gw_live_key){.id = r->id,
                                .user_id = r->user_id,
                                .expires_s = r->expires_s,
                                .last_used_s = r->last_used_s,
                                .is_signed = r->is_signed,
                                .is_certificate = r->is_certificate};
    memcpy(out->hash.b, r->hash, sizeof(out->hash.b));
    if (r->is_signed)
        memcpy(out->proof, mac_key, GW_MAC_BYTES);
    else
        memcpy(out->proof, r->hash + sizeof(out->hash.b), sizeof(r->hash) - sizeof(out->hash.b));
    fill_scopes(r, out);
    return fill_networks(r, out, err);
}

bool gw_api_key_is_over(const struct gw_api_key_row *r, int64_t now_s)
{
    return r->expires_s != 0 && r->expires_s <= now_s;
}

struct key_list {
    struct gw_api_key_row *rows;
    size_t count, size;
};

static enum gw_code gather(void *ctx, const struct gw_api_key_row *r, struct gw_error *err)
{
    struct key_list *l = ctx;
    if (l->count == l->size) {
        size_t size = l->size == 0 ? 16 : l->size * 2;
        struct gw_api_key_row *rows = reallocarray(l->rows, size, sizeof(*rows));
        if (rows == NULL)
            return gw_fail(err, GW_ENOMEM, "a list of API keys");
        l->rows = rows;
        l->size = size;
    }
    l->rows[l->count++] = *r;
    return GW_OK;
}

static enum gw_code open_secret(struct gw_identity *i, const struct gw_api_key_row *r, uint8_t mac_key[GW_MAC_BYTES],
                                struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf secret = {0};
    char name[GW_SEALED_NAME_MAX + 1];
    gw_buf_init(&secret, 2 * GW_MAC_BYTES);
    GW_TRY(gw_sealed_get(i->options.sealed, secret_name(&r->id, name), &secret, err));
    if (secret.len != GW_MAC_BYTES)
        return gw_fail(err, GW_ECRYPTO, "the secret of API key %s is damaged", r->public_id);
    memcpy(mac_key, secret.ptr, GW_MAC_BYTES);
    return GW_OK;
}

/* A key that cannot be read is one that nobody has, and no reason to serve nobody. */
static enum gw_code publish_one(struct gw_identity *i, const struct gw_api_key_row *r, struct gw_error *err)
{
    uint8_t mac_key[GW_MAC_BYTES] = {0};
    struct gw_live_key live;
    bool is_readable = !r->is_signed || open_secret(i, r, mac_key, NULL) == GW_OK;
    is_readable = is_readable && live_key_of(r, mac_key, &live, NULL) == GW_OK;
    enum gw_code code = is_readable ? gw_put_live_key(i, &live, err) : GW_OK;
    gw_wipe(mac_key, sizeof(mac_key));
    gw_wipe(&live, sizeof(live));
    return code;
}

enum gw_code gw_publish_keys(struct gw_identity *i, struct gw_error *err)
{
    struct key_list all = {0};
    int64_t now_s = gw_clock_real_s(i->options.clock);
    enum gw_code code = gw_store_api_key_each(i->options.store, NULL, gather, &all, err);
    for (size_t n = 0; code == GW_OK && n < all.count; n++)
        if (!gw_api_key_is_over(&all.rows[n], now_s))
            code = publish_one(i, &all.rows[n], err);
    free(all.rows);
    return code;
}

/* ---- making ---- */

void gw_api_key_made_done(struct gw_api_key_made *m)
{
    gw_wipe(m->text, sizeof(m->text));
}

static enum gw_code check_room(struct gw_change *c, const struct gw_uuid *user_id, struct gw_error *err)
{
    const struct gw_settings *settings = c->identity->options.settings;
    struct gw_store *store = c->identity->options.store;
    struct key_list own = {0};
    int64_t all = 0;
    GW_TRY(gw_store_api_key_count(store, &all, err));
    if (all >= settings->api_key_capacity)
        return gw_fail(err, GW_ECONFLICT, "there are %lld API keys, as many as there is room for (api_key.capacity)",
                       (long long)all);
    enum gw_code code = gw_store_api_key_each(store, user_id, gather, &own, err);
    free(own.rows);
    GW_TRY(code);
    if (own.count >= (size_t)settings->api_key_per_user)
        return gw_fail(err, GW_ECONFLICT, "the user has %zu API keys; revoke one first (api_key.per_user)", own.count);
    return GW_OK;
}

/* Nothing of the secret. */
static json_t *details_of(const struct gw_api_key_row *r, const struct gw_uuid *replaced)
{
    char owner[GW_UUID_LEN + 1], old[GW_UUID_LEN + 1] = "", expires[GW_TIME_LEN + 1] = "never";
    char fingerprint[2 * sizeof(r->hash) + 1] = "";
    gw_uuid_format(&r->user_id, owner);
    if (replaced != NULL)
        gw_uuid_format(replaced, old);
    if (r->expires_s != 0)
        gw_time_format(r->expires_s, expires);
    json_t *details =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "key", r->public_id, "name", r->name, "owner", owner, "scopes",
                  r->scopes, "networks", r->networks, "expires", expires, "signed", (int)r->is_signed);
    gw_hex_encode(r->hash, sizeof(r->hash), fingerprint);
    if (r->is_certificate) /* no secret, unlike the hash of a text */
        (void)json_object_set_new(details, "certificate", json_string(fingerprint));
    if (replaced != NULL)
        (void)json_object_set_new(details, "replaces", json_string(old));
    return details;
}

static enum gw_code record(struct gw_change *c, const char *action, const struct gw_api_key_row *r,
                           const struct gw_uuid *replaced, struct gw_error *err)
{
    return gw_change_record(
        c,
        &(struct gw_deed){
            .action = action, .resource_type = "api_keys", .resource = &r->id, .details = details_of(r, replaced)},
        err);
}

/* The whole of its SHA-256 is unique: a certificate stands for one at a time. */
static enum gw_code check_certificate(const struct gw_identity *i, const struct gw_api_key_row *r, struct gw_error *err)
{
    struct key_list all = {0};
    bool stands = false;
    if (!r->is_certificate)
        return GW_OK;
    enum gw_code code = gw_store_api_key_each(i->options.store, NULL, gather, &all, err);
    for (size_t n = 0; code == GW_OK && n < all.count; n++)
        stands = stands || memcmp(all.rows[n].hash, r->hash, sizeof(r->hash)) == 0;
    free(all.rows);
    GW_TRY(code);
    return stands ? gw_fail(err, GW_ECONFLICT, "the certificate stands for a user already; revoke that first") : GW_OK;
}

/* Public ids have 40 bits, so that two keys may draw the same one: then another is drawn. */
static enum gw_code insert(struct gw_change *c, struct gw_api_key_made *m, struct gw_live_key *live,
                           struct gw_error *err)
{
    struct gw_identity *i = c->identity;
    uint8_t mac_key[GW_MAC_BYTES] = {0};
    char name[GW_SEALED_NAME_MAX + 1];
    enum gw_code code = GW_ECONFLICT;
    for (int tries = 0; code == GW_ECONFLICT && tries < NAME_TRIES; tries++) {
        GW_TRY(make_secret(i, m, mac_key, err));
        code = gw_store_api_key_insert(i->options.store, &m->row, err);
    }
    if (code == GW_OK && m->row.is_signed)
        code = gw_sealed_put(i->options.sealed, secret_name(&m->row.id, name),
                             (struct gw_str){(const char *)mac_key, sizeof(mac_key)}, 0, err);
    if (code == GW_OK)
        code = live_key_of(&m->row, mac_key, live, err);
    gw_wipe(mac_key, sizeof(mac_key));
    c->put_keys[0] = live;
    return code;
}

static enum gw_code add(struct gw_change *c, const struct gw_proof *proof, struct gw_api_key_made *m,
                        struct gw_live_key *live, struct gw_error *err)
{
    struct gw_user_row owner;
    GW_TRY(gw_change_check_proof(c, proof, err));
    GW_TRY(gw_store_user_get(c->identity->options.store, &m->row.user_id, &owner, err));
    GW_TRY(check_room(c, &m->row.user_id, err));
    GW_TRY(check_certificate(c->identity, &m->row, err));
    GW_TRY(insert(c, m, live, err));
    return record(c, "api_key_made", &m->row, NULL, err);
}

static enum gw_code check_sealing(const struct gw_identity *i, bool is_signed, struct gw_error *err)
{
    if (is_signed && i->options.sealed == NULL)
        return gw_fail(err, GW_ECONFLICT,
                       "an API key that signs is made by a running control alone; start it and ask again");
    return GW_OK;
}

enum gw_code gw_api_key_add(struct gw_identity *i, const struct gw_actor *by, const struct gw_policy *p,
                            const struct gw_api_key_new *n, struct gw_api_key_made *out, struct gw_error *err)
{
    gw_auto(gw_api_key_made) struct gw_api_key_made made = {.text = ""};
    struct gw_live_key live = {.id = {{0}}};
    struct gw_change c;
    GW_TRY(check_sealing(i, n->is_signed, err));
    GW_TRY(gw_uuid_v7(i->options.random, i->options.clock, &made.row.id, err));
    GW_TRY(gw_api_key_fill(i, p, n, &made.row, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    enum gw_code code = gw_change_end(&c, add(&c, n->proof, &made, &live, err), err);
    gw_wipe(&live, sizeof(live));
    if (code == GW_OK)
        *out = made;
    return code;
}

/* ---- rotation ---- */

static enum gw_code shorten(struct gw_change *c, struct gw_api_key_row *old, int64_t overlap_s,
                            struct gw_live_key *live, struct gw_error *err)
{
    struct gw_identity *i = c->identity;
    GW_TRY(gw_store_api_key_expire(i->options.store, &old->id, gw_clock_real_s(i->options.clock) + overlap_s, err));
    GW_TRY(gw_store_api_key_get(i->options.store, &old->id, old, err));
    if (i->options.shared == NULL || gw_shared_get_key(i->options.shared, &live->hash, live) != GW_OK)
        return GW_OK; /* not there any more: its time was over */
    live->expires_s = old->expires_s;
    c->put_keys[1] = live;
    return GW_OK;
}

static enum gw_code rotate(struct gw_change *c, const struct gw_api_key_turn *turn, struct gw_api_key_made *m,
                           struct gw_live_key live[2], struct gw_error *err)
{
    struct gw_identity *i = c->identity;
    struct gw_api_key_row old;
    GW_TRY(gw_change_check_proof(c, turn->proof, err));
    GW_TRY(gw_store_api_key_get(i->options.store, turn->id, &old, err));
    GW_TRY(check_sealing(i, old.is_signed, err));
    if (old.is_certificate)
        return gw_fail(err, GW_ECONFLICT, "a certificate has no other in its place: add the next one, and revoke this");
    GW_TRY(check_room(c, &old.user_id, err));
    struct gw_uuid new_id = m->row.id;
    m->row = old;
    m->row.id = new_id;
    m->row.created_s = gw_clock_real_s(i->options.clock);
    m->row.last_used_s = 0;
    if (old.expires_s != 0)
        m->row.expires_s = m->row.created_s + (old.expires_s - old.created_s);
    GW_TRY(insert(c, m, &live[0], err));
    memcpy(live[1].hash.b, old.hash, sizeof(live[1].hash.b));
    GW_TRY(shorten(c, &old, turn->overlap_s, &live[1], err));
    return record(c, "api_key_rotated", &m->row, turn->id, err);
}

enum gw_code gw_api_key_rotate(struct gw_identity *i, const struct gw_actor *by, const struct gw_api_key_turn *turn,
                               struct gw_api_key_made *out, struct gw_error *err)
{
    gw_auto(gw_api_key_made) struct gw_api_key_made made = {.text = ""};
    struct gw_live_key live[2] = {{.id = {{0}}}};
    struct gw_change c;
    GW_TRY(gw_uuid_v7(i->options.random, i->options.clock, &made.row.id, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    enum gw_code code = gw_change_end(&c, rotate(&c, turn, &made, live, err), err);
    gw_wipe(live, sizeof(live));
    if (code == GW_OK)
        *out = made;
    return code;
}

/* ---- ending ---- */

enum gw_code gw_change_end_key(struct gw_change *c, const struct gw_api_key_row *r, struct gw_error *err)
{
    struct gw_store *store = c->identity->options.store;
    char name[GW_SEALED_NAME_MAX + 1];
    struct gw_uuid hash;
    memcpy(hash.b, r->hash, sizeof(hash.b));
    GW_TRY(gw_store_sealed_delete(store, secret_name(&r->id, name), err));
    GW_TRY(gw_store_api_key_delete(store, &r->id, err));
    return gw_id_list_add(&c->dropped_keys, &hash, err);
}

enum gw_code gw_change_end_keys(struct gw_change *c, const struct gw_uuid *user_id, struct gw_error *err)
{
    struct key_list found = {0};
    int64_t now_s = gw_clock_real_s(c->identity->options.clock);
    enum gw_code code = gw_store_api_key_each(c->identity->options.store, user_id, gather, &found, err);
    for (size_t n = 0; code == GW_OK && n < found.count; n++)
        if (user_id != NULL || gw_api_key_is_over(&found.rows[n], now_s - SHOWN_AFTER_S))
            code = gw_change_end_key(c, &found.rows[n], err);
    free(found.rows);
    return code;
}

enum gw_code gw_change_settle_keys(struct gw_change *c, const struct gw_uuid *user_id, struct gw_keys_settled *keys,
                                   struct gw_error *err)
{
    struct key_list found = {0};
    int64_t now_s = gw_clock_real_s(c->identity->options.clock);
    if (keys == NULL)
        return GW_OK;
    keys->revoked = keys->left = 0;
    enum gw_code code = gw_store_api_key_each(c->identity->options.store, user_id, gather, &found, err);
    for (size_t n = 0; code == GW_OK && n < found.count; n++) {
        bool ends = keys->fate == GW_KEYS_REVOKED, is_live = !gw_api_key_is_over(&found.rows[n], now_s);
        keys->revoked += ends && is_live;
        keys->left += !ends && is_live;
        if (ends)
            code = gw_change_end_key(c, &found.rows[n], err);
    }
    free(found.rows);
    return code;
}

static enum gw_code revoke(struct gw_change *c, const struct gw_uuid *id, struct gw_error *err)
{
    struct gw_api_key_row r;
    GW_TRY(gw_store_api_key_get(c->identity->options.store, id, &r, err));
    GW_TRY(gw_change_end_key(c, &r, err));
    return record(c, "api_key_revoked", &r, NULL, err);
}

enum gw_code gw_api_key_revoke(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *id,
                               struct gw_error *err)
{
    struct gw_change c;
    GW_TRY(gw_change_begin(&c, i, by, err));
    return gw_change_end(&c, revoke(&c, id, err), err);
}

/* ---- finding ---- */

enum gw_code gw_api_key_find(struct gw_identity *i, struct gw_str name, struct gw_api_key_row *out,
                             struct gw_error *err)
{
    struct gw_uuid id;
    if (gw_uuid_parse(name, &id) == GW_OK)
        return gw_store_api_key_get(i->options.store, &id, out, err);
    if (gw_api_key_is_one(name))
        name = gw_str_sub(name, sizeof(GW_API_KEY_PREFIX) - 1, name.len);
    return gw_store_api_key_by_public_id(i->options.store, name, out, err);
}

static int64_t last_used_of(const struct gw_identity *i, const struct gw_api_key_row *r)
{
    const struct gw_live_key key = {.id = r->id, .last_used_s = r->last_used_s};
    return i->options.shared != NULL ? gw_shared_key_last_used(i->options.shared, &key) : r->last_used_s;
}

struct walk {
    const struct gw_identity *identity;
    gw_api_key_fn fn;
    void *ctx;
};

static enum gw_code freshen(void *ctx, const struct gw_api_key_row *r, struct gw_error *err)
{
    const struct walk *w = ctx;
    struct gw_api_key_row fresh = *r;
    fresh.last_used_s = last_used_of(w->identity, r);
    return w->fn(w->ctx, &fresh, err);
}

enum gw_code gw_api_key_each(struct gw_identity *i, const struct gw_uuid *user_id, gw_api_key_fn fn, void *ctx,
                             struct gw_error *err)
{
    struct walk w = {i, fn, ctx};
    return gw_store_api_key_each(i->options.store, user_id, freshen, &w, err);
}

/* ---- last uses ---- */

static enum gw_code save_one(struct gw_identity *i, const struct gw_api_key_row *r, struct gw_error *err)
{
    struct gw_live_key live;
    struct gw_uuid hash;
    int64_t last_used_s = last_used_of(i, r);
    if (last_used_s <= r->last_used_s)
        return GW_OK;
    GW_TRY(gw_store_api_key_touch(i->options.store, &r->id, last_used_s, err));
    memcpy(hash.b, r->hash, sizeof(hash.b));
    if (gw_shared_get_key(i->options.shared, &hash, &live) != GW_OK)
        return GW_OK;
    live.last_used_s = last_used_s;
    enum gw_code code = gw_put_live_key(i, &live, err);
    gw_wipe(&live, sizeof(live));
    return code;
}

static enum gw_code save_all(struct gw_identity *i, const struct key_list *all, struct gw_error *err)
{
    for (size_t n = 0; n < all->count; n++)
        GW_TRY(save_one(i, &all->rows[n], err));
    return GW_OK;
}

enum gw_code gw_save_last_used(struct gw_identity *i, struct gw_error *err)
{
    struct gw_store *store = i->options.store;
    struct key_list all = {0};
    enum gw_code code = gw_store_api_key_each(store, NULL, gather, &all, err);
    if (code == GW_OK && all.count > 0) {
        code = gw_store_begin(store, err);
        if (code == GW_OK)
            code = gw_store_end(store, save_all(i, &all, err), err);
    }
    free(all.rows);
    return code;
}
