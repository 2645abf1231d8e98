/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read from a header is read once, at open, and held against the size of the file; later a mapping is only
 * ever indexed by this process's own copies.
 */
#include "shared/shared_shm.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define AUTHORITY "authority"
#define COUNTERS "counters"
#define AUTHORITY_LOCK "authority.lock" /* what the writer holds */
#define AUTHORITY_MAGIC 0x6177747561693101u
#define COUNTERS_MAGIC 0x6177747561693102u
#define SLOTS_MAX (UINT32_C(1) << 24)
#define SLOTS_MIN UINT32_C(8)

static const uint32_t record_bytes[TABLES] = {
    [SESSIONS] = sizeof(struct gw_shm_session),       [USERS] = sizeof(struct gw_live_user),
    [REVOCATIONS] = sizeof(struct gw_shm_revocation), [BLOCKS] = sizeof(struct gw_shm_block),
    [API_KEYS] = sizeof(struct gw_live_key),
};
static_assert(sizeof(struct gw_live_user) <= GW_TABLE_RECORD_MAX && sizeof(struct gw_live_key) <= GW_TABLE_RECORD_MAX,
              "raise GW_TABLE_RECORD_MAX");
static_assert(GW_TABLE_SLOT_WORDS(sizeof(struct gw_shm_session)) * sizeof(uint64_t) == CACHE_LINE &&
                  GW_TABLE_SLOT_WORDS(sizeof(struct gw_shm_block)) * sizeof(uint64_t) == CACHE_LINE,
              "of these there are many, and each request looks: one line each");
static_assert(sizeof(struct gw_shm_counters) % CACHE_LINE == 0, "a bucket is one cache line");

/* ---- layout ---- */

/* Changes with whatever the compiled program believes of the files. */
static uint64_t layout_hash(void)
{
    const uint64_t shape[] = {sizeof(struct gw_shm_authority),
                              sizeof(struct gw_shm_counters),
                              GW_GAUGE_COUNT,
                              offsetof(struct gw_rates_head, live_of_pass),
                              offsetof(struct gw_nonces_head, cursor),
                              GW_TABLE_EPOCH_BITS,
                              sizeof(struct gw_shm_session),
                              sizeof(struct gw_live_user),
                              sizeof(struct gw_shm_revocation),
                              sizeof(struct gw_shm_block),
                              sizeof(struct gw_live_key),
                              GW_SHARED_NAME_MAX,
                              GW_SHARED_EMAIL_MAX,
                              GW_SHARED_ROLE_MAX,
                              GW_SHARED_UPSTREAM_ID_MAX,
                              BUCKET,
                              GW_RATES_BUCKET,
                              GW_NONCES_BUCKET,
                              GW_NONCES_AHEAD_S};
    return gw_hash(&(struct gw_hash_key){1, 2}, shape, sizeof(shape));
}

static uint32_t power_of_two_for(uint64_t wanted)
{
    uint32_t n = SLOTS_MIN;
    while (n < wanted && n < SLOTS_MAX)
        n *= 2;
    return n;
}

static bool is_slot_count(uint64_t n)
{
    return n >= SLOTS_MIN && n <= SLOTS_MAX && (n & (n - 1)) == 0;
}

static size_t authority_bytes(const uint32_t slots[TABLES])
{
    size_t n = sizeof(struct gw_shm_authority);
    for (int i = 0; i < TABLES; i++)
        n += gw_table_bytes(slots[i], record_bytes[i]);
    return n;
}

static size_t counters_bytes(uint64_t slots, const uint32_t rate_slots[GW_RATES_REGIONS], uint64_t nonce_slots)
{
    slots += nonce_slots;
    for (int i = 0; i < GW_RATES_REGIONS; i++)
        slots += rate_slots[i];
    return sizeof(struct gw_shm_counters) + slots * sizeof(uint64_t);
}

/* Takes the mapped authority into use. False: it is not such a file. */
static bool adopt_authority(struct gw_shared *s)
{
    struct gw_shm_authority *a = s->authority_segment.base;
    if (a == NULL)
        return false;
    uint32_t slots[TABLES];
    memcpy(slots, a->slots, sizeof(slots));
    if (a->magic != AUTHORITY_MAGIC || a->layout != layout_hash())
        return false;
    for (int i = 0; i < TABLES; i++)
        if (!is_slot_count(slots[i]))
            return false;
    if (authority_bytes(slots) != s->authority_segment.bytes)
        return false;
    s->authority = a;
    _Atomic uint64_t *words = a->words;
    for (int i = 0; i < TABLES; i++) {
        s->tables[i] =
            (struct gw_table){.words = words, .slots = slots[i], .record_bytes = record_bytes[i], .key = a->key};
        words += gw_table_bytes(slots[i], record_bytes[i]) / sizeof(uint64_t);
    }
    return true;
}

static bool adopt_counters(struct gw_shared *s)
{
    struct gw_shm_counters *c = s->counters_segment.base;
    if (c == NULL)
        return false;
    uint64_t slots = c->slots, words = slots;
    uint32_t rate_slots[GW_RATES_REGIONS], nonce_slots = c->nonce_slots;
    memcpy(rate_slots, c->rate_slots, sizeof(rate_slots));
    if (c->magic != COUNTERS_MAGIC || c->layout != layout_hash() || !is_slot_count(slots) ||
        !is_slot_count(nonce_slots))
        return false;
    for (int i = 0; i < GW_RATES_REGIONS; i++) {
        if (!is_slot_count(rate_slots[i]) || rate_slots[i] < GW_RATES_SLOTS_MIN)
            return false;
        words += rate_slots[i];
    }
    if (counters_bytes(slots, rate_slots, nonce_slots) != s->counters_segment.bytes)
        return false;
    s->counters = c->words;
    s->buckets = slots / BUCKET;
    s->counters_key = c->key;
    gw_rates_init(&s->rates, &c->rates, c->words + slots, rate_slots, &s->counters_key);
    gw_nonces_init(&s->nonces, &c->nonces, c->words + words, nonce_slots, &s->counters_key);
    return true;
}

/* ---- open ---- */

static enum gw_code random_key(struct gw_hash_key *out, struct gw_error *err)
{
    if (getrandom(out, sizeof(*out), 0) != (ssize_t)sizeof(*out))
        return gw_fail(err, GW_ECRYPTO, "no randomness for the segment's key");
    return GW_OK;
}

struct wanted {
    uint32_t slots[TABLES];
    uint64_t counters;
    uint32_t rates[GW_RATES_REGIONS], nonces;
    int64_t nonce_window_s;
    const struct gw_clock *clock;
};

#define RATES_PER_USER 8      /* of a class two, of a route's class two more, and half of it empty */
#define RATES_PER_OVERFLOW 64 /* of networks there are fewer than of addresses */
#define OVERFLOW_MIN 1024

static uint32_t rate_slots_for(uint64_t wanted, uint32_t least)
{
    uint32_t n = power_of_two_for(wanted);
    return n > least ? n : least;
}

/* Twice as many as wanted: chains stay short while the table is half empty. */
static struct wanted wanted_of(const struct gw_shared_sizes *sizes)
{
    uint64_t rates = sizes->rates;
    return (struct wanted){
        .slots = {[SESSIONS] = power_of_two_for(2 * (uint64_t)sizes->sessions),
                  [USERS] = power_of_two_for(2 * (uint64_t)sizes->users),
                  [REVOCATIONS] = power_of_two_for(2 * (uint64_t)sizes->revocations),
                  [BLOCKS] = power_of_two_for(2 * (uint64_t)sizes->blocks),
                  [API_KEYS] = power_of_two_for(2 * (uint64_t)sizes->api_keys)},
        .counters = power_of_two_for(4 * (uint64_t)sizes->sessions),
        .rates = {[GW_RATES_ADDRESSES] = rate_slots_for(2 * rates, GW_RATES_SLOTS_MIN),
                  [GW_RATES_IDENTITIES] = rate_slots_for(RATES_PER_USER * (uint64_t)sizes->users, GW_RATES_SLOTS_MIN),
                  [GW_RATES_OVERFLOW] = rate_slots_for(2 * rates / RATES_PER_OVERFLOW, OVERFLOW_MIN)},
        .nonces = power_of_two_for(sizes->nonces),
        .nonce_window_s = sizes->nonce_window_s,
        .clock = sizes->clock,
    };
}

static enum gw_code make_counters(struct gw_shared *s, int dir, const struct wanted *w, struct gw_error *err)
{
    struct gw_hash_key key;
    GW_TRY(random_key(&key, err));
    gw_segment_done(&s->counters_segment);
    GW_TRY(gw_segment_create(dir, COUNTERS, 0660, counters_bytes(w->counters, w->rates, w->nonces),
                             &s->counters_segment, err));
    struct gw_shm_counters *c = s->counters_segment.base;
    c->key = key;
    c->layout = layout_hash();
    c->slots = w->counters;
    memcpy(c->rate_slots, w->rates, sizeof(c->rate_slots));
    c->nonce_slots = w->nonces;
    c->nonces.window_s = w->nonce_window_s;
    /* After the old authority was retired: what is taken later by its nonces is refused (gw_shared_take_nonce). */
    c->nonces.since_s = w->clock != NULL ? gw_clock_real_s(w->clock) : INT64_MAX;
    c->magic = COUNTERS_MAGIC;
    return gw_segment_publish(dir, &s->counters_segment, COUNTERS, GW_SEGMENT_REPLACE, err);
}

/* The old one's lock is held until the new one has the name. */
static enum gw_code make_authority(struct gw_shared *s, int dir, const struct wanted *w, enum gw_segment_publish how,
                                   struct gw_error *err)
{
    struct gw_hash_key key;
    GW_TRY(random_key(&key, err));
    gw_auto(gw_segment) struct gw_segment made = GW_SEGMENT_NONE;
    GW_TRY(gw_segment_create(dir, AUTHORITY, 0640, authority_bytes(w->slots), &made, err));
    struct gw_shm_authority *a = made.base;
    a->key = key;
    memcpy(a->slots, w->slots, sizeof(a->slots));
    a->layout = layout_hash();
    a->magic = AUTHORITY_MAGIC;
    GW_TRY(gw_segment_publish(dir, &made, AUTHORITY, how, err));
    gw_segment_done(&s->authority_segment);
    s->authority_segment = made;
    made = GW_SEGMENT_NONE;
    return GW_OK;
}

static bool has_sizes(const struct gw_shared *s, const struct wanted *w)
{
    for (int i = 0; i < TABLES; i++)
        if (s->tables[i].slots != w->slots[i])
            return false;
    if (s->nonces.slots != w->nonces || s->nonces.window_s != w->nonce_window_s)
        return false;
    return s->buckets * BUCKET == w->counters && memcmp(s->rates.slots, w->rates, sizeof(w->rates)) == 0;
}

/* Readers stop believing the old file before there is a new one: a crash between the two leaves a retired file, which the
 * next writer replaces. */
static void retire(struct gw_shared *s)
{
    if (adopt_authority(s))
        atomic_store(&s->authority->retired, 1);
}

static enum gw_code open_writer(struct gw_shared *s, int dir, const struct gw_shared_sizes *sizes, struct gw_error *err)
{
    struct wanted w = wanted_of(sizes);
    GW_TRY(gw_segment_lock(dir, AUTHORITY_LOCK, &s->lock_fd, err));
    enum gw_code code =
        gw_segment_open(dir, AUTHORITY, GW_SEGMENT_WRITE, sizeof(struct gw_shm_authority), &s->authority_segment, err);
    if (code != GW_OK && code != GW_ENOTFOUND)
        return code;
    enum gw_segment_publish how = code == GW_OK ? GW_SEGMENT_REPLACE : GW_SEGMENT_NEW;
    code = gw_segment_open(dir, COUNTERS, GW_SEGMENT_WRITE, sizeof(struct gw_shm_counters), &s->counters_segment, err);
    if (code != GW_OK && code != GW_ENOTFOUND)
        return code;
    if (adopt_authority(s) && adopt_counters(s) && has_sizes(s, &w) && atomic_load(&s->authority->retired) == 0)
        return GW_OK;
    retire(s);
    /* Counters first: who finds an authority finds its counters. */
    GW_TRY(make_counters(s, dir, &w, err));
    GW_TRY(make_authority(s, dir, &w, how, err));
    if (!adopt_authority(s) || !adopt_counters(s))
        return gw_fail(err, GW_EINTERNAL, "a new segment does not have its own layout");
    return GW_OK;
}

static enum gw_code open_reader(struct gw_shared *s, int dir, struct gw_error *err)
{
    GW_TRY(
        gw_segment_open(dir, AUTHORITY, GW_SEGMENT_READ, sizeof(struct gw_shm_authority), &s->authority_segment, err));
    GW_TRY(gw_segment_open(dir, COUNTERS, GW_SEGMENT_WRITE, sizeof(struct gw_shm_counters), &s->counters_segment, err));
    if (!adopt_authority(s) || !adopt_counters(s))
        return gw_fail(err, GW_EPARSE, "the segments are not of this program's layout");
    if (atomic_load(&s->authority->retired) != 0)
        return gw_fail(err, GW_ENOTFOUND, "the segments are being replaced");
    return GW_OK;
}

enum gw_code gw_shared_open(const char *dir, enum gw_shared_role role, const struct gw_shared_sizes *sizes,
                            struct gw_shared **out, struct gw_error *err)
{
    gw_auto_fd int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd < 0 && errno == ENOENT)
        return gw_fail(err, GW_ENOTFOUND, "no directory %s yet", dir);
    if (dir_fd < 0)
        return gw_fail(err, GW_EBACKEND, "cannot open directory %s: %s", dir, strerror(errno));
    gw_auto(gw_shared) struct gw_shared *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the segments");
    s->authority_segment = s->counters_segment = GW_SEGMENT_NONE;
    s->lock_fd = -1;
    s->role = role;
    pthread_mutex_init(&s->lock, NULL);
    GW_TRY(role == GW_SHARED_WRITER ? open_writer(s, dir_fd, sizes, err) : open_reader(s, dir_fd, err));
    if (role == GW_SHARED_WRITER)
        gw_shm_count_lengths(s);
    *out = gw_take(&s);
    return GW_OK;
}

void gw_shared_close(struct gw_shared *s)
{
    if (s == NULL)
        return;
    gw_segment_done(&s->counters_segment);
    gw_segment_done(&s->authority_segment);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
