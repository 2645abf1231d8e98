/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring and the database change together under the store's hold: else a key could be retired between the sealing of a secret and its
 * writing, or its reading and its opening.
 *
 * Nonces are counted across restarts by reservation: the database holds what the sealing key may draw, which is raised in steps before
 * it is reached. A crash wastes the rest of a step, and no count is ever too low.
 */
#include "identity/sealed.h"

#include "crypto/keyring.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(GW_WRAPPED_KEY_BYTES == GW_KEYRING_WRAPPED_BYTES, "the store holds a wrapped key");
static_assert(GW_SEALED_MAX_BYTES + GW_KEYRING_OVERHEAD <= GW_ENVELOPE_MAX, "the store holds the largest envelope");

#define RESERVE_STEP 65536
#define ROTATE_AT (GW_KEYRING_SEALS_MAX / 2)

struct gw_sealed {
    struct gw_sealed_options options;
    struct gw_keyring *ring; /* and all below: under the store's hold */
    uint64_t reserved;       /* for the sealing key */
    uint32_t given_up;       /* keys up to this one have secrets that cannot be moved */
    struct {
        uint32_t key_id;
        char after[GW_SEALED_NAME_MAX + 1]; /* names up to this one have been seen to */
        size_t damaged;
    } pass;
    struct {
        struct gw_sealed_row rows[GW_SEALED_BATCH];
        size_t count;
    } batch;
};

/* ---- data keys ---- */

/* Raises the bound in the database first. */
static enum gw_code reserve(struct gw_sealed *s, struct gw_error *err)
{
    uint64_t bound = gw_keyring_seals(s->ring) + RESERVE_STEP;
    GW_TRY(gw_store_data_key_reserve(s->options.store, gw_keyring_sealing_id(s->ring), bound, err));
    s->reserved = bound;
    gw_keyring_allow(s->ring, bound);
    return GW_OK;
}

/* The row of a key that is in the ring and draws nonces up to the row's bound. */
static enum gw_code make_key(struct gw_sealed *s, uint32_t id, struct gw_error *err)
{
    struct gw_data_key_row row = {.id = id, .created_s = gw_clock_real_s(s->options.clock), .uses = RESERVE_STEP};
    GW_TRY(gw_keyring_make(s->ring, id, row.wrapped, err));
    GW_TRY(gw_keyring_add(s->ring, id, row.wrapped, 0, err));
    enum gw_code code = gw_store_data_key_insert(s->options.store, &row, err);
    if (code != GW_OK) {
        gw_keyring_drop(s->ring, id);
        return code;
    }
    s->reserved = RESERVE_STEP;
    s->given_up = 0;
    gw_keyring_allow(s->ring, RESERVE_STEP);
    return GW_OK;
}

struct loading {
    struct gw_keyring *ring;
    uint32_t last_id;
    uint32_t denied[GW_KEYRING_KEYS_MAX];
    size_t denied_count;
};

static enum gw_code load_key(void *ctx, const struct gw_data_key_row *row, struct gw_error *err)
{
    struct loading *l = ctx;
    l->last_id = row->id;
    if (row->retired_s != 0)
        return GW_OK;
    enum gw_code code = gw_keyring_add(l->ring, row->id, row->wrapped, row->uses, err);
    if (code != GW_EDENIED)
        return code;
    if (l->denied_count == GW_KEYRING_KEYS_MAX)
        return gw_fail(err, GW_EBACKEND, "the database holds more than %d data keys in use", GW_KEYRING_KEYS_MAX);
    l->denied[l->denied_count++] = row->id;
    return GW_OK;
}

static enum gw_code give_up_denied(struct gw_sealed *s, const struct loading *l, struct gw_error *err)
{
    for (size_t i = 0; i < l->denied_count; i++) {
        enum gw_code code =
            gw_store_data_key_retire(s->options.store, l->denied[i], gw_clock_real_s(s->options.clock), err);
        if (code == GW_ECONFLICT)
            return gw_fail(err, GW_EDENIED, "data key %u of the database was not wrapped by this key-encryption key",
                           l->denied[i]);
        GW_TRY(code);
    }
    return GW_OK;
}

static enum gw_code load_keys(struct gw_sealed *s, struct gw_error *err)
{
    struct loading l = {.ring = s->ring};
    GW_TRY(gw_store_data_key_each(s->options.store, load_key, &l, err));
    GW_TRY(give_up_denied(s, &l, err));
    if (gw_keyring_sealing_id(s->ring) != l.last_id || l.last_id == 0)
        return make_key(s, l.last_id + 1, err);
    /* On a full disk control must start all the same: until the database takes a bound (see_to_nonces) nothing is sealed, and what is
     * sealed can be opened. */
    enum gw_code code = reserve(s, err);
    if (code != GW_EBACKEND)
        return code;
    s->reserved = gw_keyring_seals(s->ring);
    return GW_OK;
}

enum gw_code gw_sealed_open(const struct gw_sealed_options *o, struct gw_sealed **out, struct gw_error *err)
{
    gw_auto(gw_sealed) struct gw_sealed *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for sealed secrets");
    s->options = *o;
    GW_TRY(gw_keyring_new(o->kek, o->random, &s->ring, err));
    gw_store_hold(o->store);
    enum gw_code code = load_keys(s, err);
    gw_store_release(o->store);
    if (code == GW_OK)
        *out = gw_take(&s);
    return code;
}

void gw_sealed_free(struct gw_sealed *s)
{
    if (s == NULL)
        return;
    gw_keyring_free(s->ring);
    free(s);
}

enum gw_code gw_sealed_rotate(struct gw_sealed *s, uint32_t *out_id, struct gw_error *err)
{
    gw_store_hold(s->options.store);
    uint32_t id = gw_keyring_sealing_id(s->ring) + 1;
    enum gw_code code = make_key(s, id, err);
    gw_store_release(s->options.store);
    if (code == GW_OK)
        *out_id = id;
    return code;
}

/* ---- secrets ---- */

struct gw_str gw_sealed_name(const char *table, const struct gw_uuid *row, const char *field,
                             char dst[GW_SEALED_NAME_MAX + 1])
{
    char id[GW_UUID_LEN + 1];
    gw_uuid_format(row, id);
    (void)snprintf(dst, GW_SEALED_NAME_MAX + 1, "%s/%s/%s", table, id, field);
    return gw_str(dst);
}

static enum gw_code seal_row(struct gw_sealed *s, struct gw_str name, struct gw_str secret, int64_t expires_s,
                             struct gw_sealed_row *out, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf envelope = {0};
    gw_buf_init(&envelope, sizeof(out->envelope));
    if (!gw_str_copy(name, out->name, sizeof(out->name)))
        return gw_fail(err, GW_EINVAL, "the name of a secret is longer than %d bytes or holds a NUL",
                       GW_SEALED_NAME_MAX);
    GW_TRY(gw_keyring_seal(s->ring, name, secret, &envelope, err));
    out->key_id = gw_keyring_sealing_id(s->ring);
    out->expires_s = expires_s;
    out->envelope_len = envelope.len;
    memcpy(out->envelope, envelope.ptr, envelope.len);
    return GW_OK;
}

static enum gw_code open_row(struct gw_sealed *s, const struct gw_sealed_row *row, struct gw_buf *out,
                             struct gw_error *err)
{
    const struct gw_str envelope = {(const char *)row->envelope, row->envelope_len};
    struct gw_error why = {0};
    if (gw_keyring_id_of(envelope) != row->key_id) /* the database would retire the key that it needs */
        return gw_fail(err, GW_ECRYPTO, "the secret `%s` is filed under another key than its own", row->name);
    enum gw_code code = gw_keyring_open(s->ring, gw_str(row->name), envelope, out, &why);
    if (code == GW_EDENIED)
        return gw_fail(err, GW_ECRYPTO, "the secret `%s` cannot be opened: %s", row->name, why.msg);
    return code == GW_OK ? code : gw_fail(err, code, "%s", why.msg);
}

enum gw_code gw_sealed_put(struct gw_sealed *s, struct gw_str name, struct gw_str secret, int64_t expires_s,
                           struct gw_error *err)
{
    struct gw_sealed_row row;
    if (secret.len > GW_SEALED_MAX_BYTES)
        return gw_fail(err, GW_ELIMIT, "a secret of more than %d bytes", GW_SEALED_MAX_BYTES);
    gw_store_hold(s->options.store);
    enum gw_code code = seal_row(s, name, secret, expires_s, &row, err);
    if (code == GW_OK)
        code = gw_store_sealed_put(s->options.store, &row, err);
    gw_store_release(s->options.store);
    return code;
}

enum gw_code gw_sealed_get(struct gw_sealed *s, struct gw_str name, struct gw_buf *out, struct gw_error *err)
{
    struct gw_sealed_row row;
    gw_store_hold(s->options.store);
    enum gw_code code = gw_store_sealed_get(s->options.store, name, gw_clock_real_s(s->options.clock), &row, err);
    if (code == GW_OK)
        code = open_row(s, &row, out, err);
    gw_store_release(s->options.store);
    return code;
}

enum gw_code gw_sealed_delete(struct gw_sealed *s, struct gw_str name, struct gw_error *err)
{
    return gw_store_sealed_delete(s->options.store, name, err);
}

enum gw_code gw_sealed_purge(struct gw_sealed *s, struct gw_error *err)
{
    return gw_store_sealed_purge(s->options.store, gw_clock_real_s(s->options.clock), err);
}

/* ---- the work in the background ---- */

static enum gw_code see_to_nonces(struct gw_sealed *s, struct gw_sealed_turn *t, struct gw_error *err)
{
    uint64_t seals = gw_keyring_seals(s->ring);
    if (seals >= ROTATE_AT) {
        GW_TRY(make_key(s, gw_keyring_sealing_id(s->ring) + 1, err));
        t->made = gw_keyring_sealing_id(s->ring);
        return GW_OK;
    }
    return s->reserved - seals < RESERVE_STEP / 2 ? reserve(s, err) : GW_OK;
}

/* The oldest key whose secrets can be moved; 0: none. */
static uint32_t old_key(const struct gw_sealed *s)
{
    uint32_t id = gw_keyring_id_after(s->ring, s->given_up);
    return id != gw_keyring_sealing_id(s->ring) ? id : 0;
}

static enum gw_code gather(void *ctx, const struct gw_sealed_row *row, struct gw_error *err)
{
    struct gw_sealed *s = ctx;
    (void)err;
    s->batch.rows[s->batch.count++] = *row;
    return GW_OK;
}

/* GW_ECRYPTO: the old envelope cannot be opened. */
static enum gw_code move_row(struct gw_sealed *s, const struct gw_sealed_row *row, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf secret = {0};
    struct gw_sealed_row moved;
    gw_buf_init(&secret, GW_ENVELOPE_MAX);
    GW_TRY(open_row(s, row, &secret, err));
    GW_TRY(seal_row(s, gw_str(row->name), gw_buf_str(&secret), row->expires_s, &moved, err));
    return gw_store_sealed_put(s->options.store, &moved, err);
}

static enum gw_code move_rows(struct gw_sealed *s, size_t *out_damaged, struct gw_error *err)
{
    for (size_t i = 0; i < s->batch.count; i++) {
        enum gw_code code = move_row(s, &s->batch.rows[i], err);
        if (code == GW_ECRYPTO)
            ++*out_damaged;
        else
            GW_TRY(code);
    }
    return GW_OK;
}

/* After the last batch. */
static enum gw_code finish_pass(struct gw_sealed *s, struct gw_sealed_turn *t, struct gw_error *err)
{
    uint32_t id = s->pass.key_id;
    size_t damaged = s->pass.damaged;
    s->pass.key_id = 0;
    if (damaged > 0) {
        s->given_up = id;
        return gw_fail(err, GW_ECRYPTO, "%zu secrets of data key %u cannot be opened, so it is kept", damaged, id);
    }
    GW_TRY(gw_store_data_key_retire(s->options.store, id, gw_clock_real_s(s->options.clock), err));
    gw_keyring_drop(s->ring, id);
    t->retired = id;
    return GW_OK;
}

static enum gw_code move_batch(struct gw_sealed *s, struct gw_sealed_turn *t, struct gw_error *err)
{
    struct gw_store *store = s->options.store;
    size_t damaged = 0;
    s->batch.count = 0;
    GW_TRY(gw_store_sealed_each_of_key(store, s->pass.key_id, gw_str(s->pass.after), GW_SEALED_BATCH, gather, s, err));
    if (s->batch.count == 0)
        return finish_pass(s, t, err);
    GW_TRY(gw_store_begin(store, err));
    GW_TRY(gw_store_end(store, move_rows(s, &damaged, err), err));
    s->pass.damaged += damaged;
    t->moved += s->batch.count - damaged;
    memcpy(s->pass.after, s->batch.rows[s->batch.count - 1].name, sizeof(s->pass.after));
    return GW_OK;
}

static enum gw_code tend_once(struct gw_sealed *s, bool *out_more, struct gw_sealed_turn *t, struct gw_error *err)
{
    GW_TRY(see_to_nonces(s, t, err));
    uint32_t id = old_key(s);
    *out_more = id != 0;
    if (id == 0)
        return GW_OK;
    if (s->pass.key_id != id) {
        s->pass.key_id = id;
        s->pass.after[0] = '\0';
        s->pass.damaged = 0;
    }
    return move_batch(s, t, err);
}

enum gw_code gw_sealed_tend(struct gw_sealed *s, size_t batches, struct gw_sealed_turn *out, struct gw_error *err)
{
    bool more = true;
    enum gw_code code = GW_OK;
    *out = (struct gw_sealed_turn){0};
    for (size_t i = 0; i < batches && more && code == GW_OK; i++) {
        gw_store_hold(s->options.store);
        code = tend_once(s, &more, out, err);
        gw_store_release(s->options.store);
    }
    return code;
}

/* ---- what there is ---- */

struct listing {
    struct gw_data_key *keys;
    size_t count, size;
    uint32_t sealing_id;
};

static enum gw_code list_key(void *ctx, const struct gw_data_key_row *row, struct gw_error *err)
{
    struct listing *l = ctx;
    if (l->count == l->size) {
        size_t size = l->size == 0 ? 16 : l->size * 2;
        struct gw_data_key *keys = reallocarray(l->keys, size, sizeof(*keys));
        if (keys == NULL)
            return gw_fail(err, GW_ENOMEM, "no memory for a list of keys");
        l->keys = keys;
        l->size = size;
    }
    enum gw_data_key_state state = row->retired_s != 0        ? GW_DATA_KEY_RETIRED
                                   : row->id == l->sealing_id ? GW_DATA_KEY_SEALING
                                                              : GW_DATA_KEY_OPENING;
    l->keys[l->count++] =
        (struct gw_data_key){.id = row->id, .state = state, .created_s = row->created_s, .retired_s = row->retired_s};
    return GW_OK;
}

static enum gw_code list_keys(struct gw_sealed *s, struct listing *l, struct gw_error *err)
{
    GW_TRY(gw_store_data_key_each(s->options.store, list_key, l, err));
    for (size_t i = 0; i < l->count; i++)
        GW_TRY(gw_store_sealed_count(s->options.store, l->keys[i].id, &l->keys[i].rows, err));
    return GW_OK;
}

enum gw_code gw_sealed_keys(struct gw_sealed *s, struct gw_data_key **out, size_t *out_count, struct gw_error *err)
{
    struct listing l = {0};
    gw_store_hold(s->options.store);
    l.sealing_id = gw_keyring_sealing_id(s->ring);
    enum gw_code code = list_keys(s, &l, err);
    gw_store_release(s->options.store);
    if (code != GW_OK) {
        free(l.keys);
        return code;
    }
    *out = l.keys;
    *out_count = l.count;
    return GW_OK;
}
