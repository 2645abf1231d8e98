/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two mapped files (segment.h). authority: header, then tables (table.h) of sessions, users, revoked token ids, blocks and API keys. counters:
 * header, then buckets of last uses (shared_shm_seen.c), and behind them the words of rates (rates.h) and of nonces (nonces.h). Here
 * is what reads and writes the records; shared_shm_open.c makes the files and takes them into use.
 */
#include "shared/shared_shm.h"

#include <assert.h>
#include <string.h>

/* ---- reading ---- */

bool gw_shared_is_retired(const struct gw_shared *s)
{
    return atomic_load_explicit(&s->authority->retired, memory_order_acquire) != 0;
}

bool gw_shared_is_ready(const struct gw_shared *s)
{
    return atomic_load_explicit(&s->authority->ready, memory_order_acquire) != 0;
}

static enum gw_code get(const struct gw_shared *s, enum gw_shm_table table, const struct gw_uuid *key, void *out)
{
    if (!gw_shared_is_ready(s))
        return GW_EBACKEND;
    return gw_table_get(&s->tables[table], key, out);
}

enum gw_code gw_shared_get_session(const struct gw_shared *s, const struct gw_uuid *sid, struct gw_live_session *out)
{
    struct gw_shm_session r;
    enum gw_code code = get(s, SESSIONS, sid, &r);
    if (code == GW_OK)
        *out = (struct gw_live_session){.id = r.id,
                                        .user_id = r.user_id,
                                        .created_s = r.created_s,
                                        .expires_s = r.expires_s,
                                        .last_seen_s = r.last_seen_s,
                                        .idle_s = r.idle_s};
    return code;
}

enum gw_code gw_shared_get_user(const struct gw_shared *s, const struct gw_uuid *id, struct gw_live_user *out)
{
    return get(s, USERS, id, out);
}

enum gw_code gw_shared_is_revoked(const struct gw_shared *s, const struct gw_uuid *jti, bool *out_revoked)
{
    struct gw_shm_revocation r;
    enum gw_code code = get(s, REVOCATIONS, jti, &r);
    if (code != GW_OK && code != GW_ENOTFOUND)
        return code;
    *out_revoked = code == GW_OK;
    return GW_OK;
}

enum gw_code gw_shared_get_key(const struct gw_shared *s, const struct gw_uuid *hash, struct gw_live_key *out)
{
    return get(s, API_KEYS, hash, out);
}

enum gw_code gw_shared_get_bundle(const struct gw_shared *s, struct gw_bundle_ref *out)
{
    struct gw_shm_authority *a = s->authority;
    uint64_t words[BUNDLE_WORDS];
    for (int tries = 0; tries < 64; tries++) {
        uint64_t before = atomic_load_explicit(&a->bundle_sequence, memory_order_acquire);
        for (size_t i = 0; i < BUNDLE_WORDS; i++)
            words[i] = atomic_load_explicit(&a->bundle[i], memory_order_acquire);
        if ((before & 1) != 0 || atomic_load_explicit(&a->bundle_sequence, memory_order_relaxed) != before)
            continue;
        if (words[0] == 0)
            return GW_ENOTFOUND;
        out->generation = words[0];
        memcpy(out->hash, &words[1], sizeof(out->hash) - 1);
        out->hash[sizeof(out->hash) - 1] = '\0';
        return GW_OK;
    }
    return GW_EBACKEND;
}

int64_t gw_shared_heartbeat(const struct gw_shared *s)
{
    return atomic_load_explicit(&s->authority->heartbeat_s, memory_order_relaxed);
}

int64_t gw_shared_gauge(const struct gw_shared *s, enum gw_gauge gauge)
{
    return atomic_load_explicit(&s->authority->gauges[gauge], memory_order_relaxed);
}

int64_t gw_shared_caught_up(const struct gw_shared *s)
{
    return atomic_load_explicit(&s->authority->caught_up_s, memory_order_relaxed);
}

void gw_shared_fill(const struct gw_shared *s, struct gw_shared_fill *out)
{
    *out = (struct gw_shared_fill){
        .sessions = gw_table_count(&s->tables[SESSIONS]),
        .users = gw_table_count(&s->tables[USERS]),
        .revocations = gw_table_count(&s->tables[REVOCATIONS]),
        .blocks = gw_table_count(&s->tables[BLOCKS]),
        .block_slots = s->tables[BLOCKS].slots,
        .api_keys = gw_table_count(&s->tables[API_KEYS]),
        .session_slots = s->tables[SESSIONS].slots,
        .user_slots = s->tables[USERS].slots,
        .revocation_slots = s->tables[REVOCATIONS].slots,
        .api_key_slots = s->tables[API_KEYS].slots,
    };
}

enum gw_changed gw_shared_next_change(const struct gw_shared *s, uint64_t *io_position, struct gw_uuid *out_user)
{
    return gw_changes_next(&s->authority->changes, io_position, out_user);
}

/* ---- counters ---- */

/* Retired is asked last: what was taken while it was not, is older than all that the next memory takes. */
enum gw_code gw_shared_take_nonce(const struct gw_shared *s, const struct gw_nonce *n, int64_t now_s,
                                  enum gw_nonce_fault *out)
{
    enum gw_nonce_fault fault = gw_nonces_take(&s->nonces, n, now_s);
    if (gw_shared_is_retired(s))
        return GW_EBACKEND;
    *out = fault;
    return GW_OK;
}

const struct gw_rates *gw_shared_rates(const struct gw_shared *s)
{
    assert(s->role == GW_SHARED_READER);
    return &s->rates;
}

const struct gw_nonces *gw_shared_nonces(const struct gw_shared *s)
{
    assert(s->role == GW_SHARED_READER);
    return &s->nonces;
}

/* ---- writing ---- */

void gw_shm_lock(struct gw_shared *s)
{
    assert(s->role == GW_SHARED_WRITER);
    pthread_mutex_lock(&s->lock);
}

void gw_shm_unlock(struct gw_shared *s)
{
    pthread_mutex_unlock(&s->lock);
}

enum gw_code gw_shm_put_locked(struct gw_shared *s, enum gw_shm_table table, const void *record, struct gw_error *err)
{
    enum gw_code code = gw_table_put(&s->tables[table], record, atomic_load(&s->authority->epoch));
    return code == GW_ELIMIT ? gw_fail(err, code, "the authority segment has no room for another record") : code;
}

static enum gw_code put(struct gw_shared *s, enum gw_shm_table table, const void *record, struct gw_error *err)
{
    gw_shm_lock(s);
    enum gw_code code = gw_shm_put_locked(s, table, record, err);
    gw_shm_unlock(s);
    return code;
}

/* What was there and is another now, concerns its owner. old and record: of one type; owner: in it. */
static enum gw_code replace(struct gw_shared *s, enum gw_shm_table table, const struct gw_uuid *key, const void *record,
                            void *old, size_t size, const struct gw_uuid *owner, struct gw_error *err)
{
    gw_shm_lock(s);
    enum gw_code found = gw_table_get(&s->tables[table], key, old);
    bool is_another = found != GW_ENOTFOUND && (found != GW_OK || memcmp(old, record, size) != 0);
    enum gw_code code = gw_shm_put_locked(s, table, record, err);
    if (code == GW_OK && is_another)
        gw_changes_add(&s->authority->changes, owner);
    gw_shm_unlock(s);
    return code;
}

/* old is read into, and owner is in it. */
static void drop(struct gw_shared *s, enum gw_shm_table table, const struct gw_uuid *key, void *old,
                 const struct gw_uuid *owner)
{
    gw_shm_lock(s);
    bool is_known = gw_table_get(&s->tables[table], key, old) == GW_OK;
    if (gw_table_drop(&s->tables[table], key))
        gw_changes_add(&s->authority->changes, is_known ? owner : NULL);
    gw_shm_unlock(s);
}

/* What is outside of 32 bits becomes the nearest in them. Later than 2106 reads as earlier, and so ends sooner. */
static uint32_t short_time(int64_t time_s)
{
    return time_s < 0 ? 0 : time_s > UINT32_MAX ? UINT32_MAX : (uint32_t)time_s;
}

enum gw_code gw_shared_put_session(struct gw_shared *s, const struct gw_live_session *session, struct gw_error *err)
{
    const struct gw_shm_session r = {.id = session->id,
                                     .user_id = session->user_id,
                                     .expires_s = session->expires_s,
                                     .created_s = short_time(session->created_s),
                                     .last_seen_s = short_time(session->last_seen_s),
                                     .idle_s = session->idle_s};
    return put(s, SESSIONS, &r, err);
}

void gw_shared_drop_session(struct gw_shared *s, const struct gw_uuid *sid)
{
    struct gw_shm_session old = {.created_s = 0};
    drop(s, SESSIONS, sid, &old, &old.user_id);
}

static void copy_text(char *zeroed, const char *text, size_t size)
{
    memcpy(zeroed, text, strnlen(text, size - 1));
}

enum gw_code gw_shared_put_user(struct gw_shared *s, const struct gw_live_user *user, struct gw_error *err)
{
    struct gw_live_user clean;
    memset(&clean, 0, sizeof(clean));
    clean.id = user->id;
    clean.version = user->version;
    clean.active = user->active;
    copy_text(clean.username, user->username, sizeof(clean.username));
    copy_text(clean.email, user->email, sizeof(clean.email));
    copy_text(clean.role, user->role, sizeof(clean.role));
    copy_text(clean.upstream_id, user->upstream_id, sizeof(clean.upstream_id));
    struct gw_live_user old;
    return replace(s, USERS, &clean.id, &clean, &old, sizeof(old), &clean.id, err);
}

void gw_shared_drop_user(struct gw_shared *s, const struct gw_uuid *id)
{
    struct gw_live_user old = {.version = 0};
    drop(s, USERS, id, &old, &old.id);
}

enum gw_code gw_shared_put_key(struct gw_shared *s, const struct gw_live_key *key, struct gw_error *err)
{
    struct gw_live_key clean;
    memset(&clean, 0, sizeof(clean));
    clean.hash = key->hash;
    clean.id = key->id;
    clean.user_id = key->user_id;
    clean.expires_s = key->expires_s;
    clean.last_used_s = key->last_used_s;
    clean.scope_count = key->scope_count;
    clean.network_count = key->network_count;
    clean.is_signed = key->is_signed;
    clean.is_certificate = key->is_certificate;
    memcpy(clean.scopes, key->scopes, sizeof(clean.scopes));
    memcpy(clean.networks, key->networks, sizeof(clean.networks));
    memcpy(clean.proof, key->proof, sizeof(clean.proof));
    struct gw_live_key old;
    return replace(s, API_KEYS, &clean.hash, &clean, &old, sizeof(old), &clean.user_id, err);
}

void gw_shared_drop_key(struct gw_shared *s, const struct gw_uuid *hash)
{
    struct gw_live_key old = {.expires_s = 0};
    drop(s, API_KEYS, hash, &old, &old.user_id);
}

/* Keeps the later end: a token revoked twice stays so for as long as either says. */
enum gw_code gw_shared_put_revocation(struct gw_shared *s, const struct gw_uuid *jti, int64_t expires_s,
                                      struct gw_error *err)
{
    struct gw_shm_revocation r = {.jti = *jti, .expires_s = expires_s}, old;
    gw_shm_lock(s);
    if (gw_table_get(&s->tables[REVOCATIONS], jti, &old) == GW_OK && old.expires_s > expires_s)
        r.expires_s = old.expires_s;
    enum gw_code code = gw_shm_put_locked(s, REVOCATIONS, &r, err);
    if (code == GW_OK)
        gw_changes_add(&s->authority->changes, NULL); /* whose token it was, nobody says here */
    gw_shm_unlock(s);
    return code;
}

/* Verifiers forgive clocks that differ by up to a minute; so must this. */
#define REVOCATION_GRACE_S 60

static bool has_expired(const void *record, uint32_t epoch, const void *now_s)
{
    (void)epoch;
    struct gw_shm_revocation r;
    memcpy(&r, record, sizeof(r));
    return r.expires_s + REVOCATION_GRACE_S < *(const int64_t *)now_s;
}

void gw_shared_purge_revocations(struct gw_shared *s, int64_t now_s)
{
    gw_shm_lock(s);
    gw_table_drop_if(&s->tables[REVOCATIONS], has_expired, &now_s);
    gw_shm_unlock(s);
}

void gw_shared_begin_load(struct gw_shared *s)
{
    gw_shm_lock(s);
    atomic_store(&s->authority->epoch, (atomic_load(&s->authority->epoch) + 1) % GW_TABLE_EPOCHS);
    gw_shm_unlock(s);
}

static bool is_of_another_epoch(const void *record, uint32_t epoch, const void *current)
{
    (void)record;
    return epoch != *(const uint32_t *)current;
}

void gw_shared_end_load(struct gw_shared *s)
{
    gw_shm_lock(s);
    uint32_t epoch = atomic_load(&s->authority->epoch);
    for (int i = 0; i < TABLES; i++) {
        gw_table_mend(&s->tables[i]);
        gw_table_drop_if(&s->tables[i], is_of_another_epoch, &epoch);
    }
    gw_shm_count_lengths(s);
    gw_shm_map_lengths(s);
    atomic_store_explicit(&s->authority->ready, 1, memory_order_release);
    gw_changes_add(&s->authority->changes, NULL);
    gw_shm_unlock(s);
}

void gw_shared_set_bundle(struct gw_shared *s, const char *hash)
{
    assert(strlen(hash) == 64);
    gw_shm_lock(s);
    struct gw_shm_authority *a = s->authority;
    uint64_t words[BUNDLE_WORDS] = {atomic_load(&a->bundle[0]) + 1};
    memcpy(&words[1], hash, 64);
    uint64_t before = atomic_load(&a->bundle_sequence) & ~(uint64_t)1;
    atomic_store_explicit(&a->bundle_sequence, before + 1, memory_order_relaxed);
    for (size_t i = 0; i < BUNDLE_WORDS; i++)
        atomic_store_explicit(&a->bundle[i], words[i], memory_order_release);
    atomic_store_explicit(&a->bundle_sequence, before + 2, memory_order_release);
    gw_shm_unlock(s);
}

void gw_shared_beat(struct gw_shared *s, int64_t now_s)
{
    atomic_store_explicit(&s->authority->heartbeat_s, now_s, memory_order_relaxed);
}

void gw_shared_set_caught_up(struct gw_shared *s, int64_t now_s)
{
    atomic_store_explicit(&s->authority->caught_up_s, now_s, memory_order_relaxed);
}

void gw_shared_set_gauge(struct gw_shared *s, enum gw_gauge gauge, int64_t value)
{
    atomic_store_explicit(&s->authority->gauges[gauge], value, memory_order_relaxed);
}

void gw_shared_add_gauge(struct gw_shared *s, enum gw_gauge gauge, int64_t value)
{
    atomic_fetch_add_explicit(&s->authority->gauges[gauge], value, memory_order_relaxed);
}
