/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two mapped files (segment.h). authority: header, then tables (table.h) of sessions, users, revoked token ids, blocks and API keys. counters:
 * header, then buckets of eight words, one cache line each; a word is 32 bits of the session id's hash and 32 bits of
 * time. A ninth active session in one bucket pushes the longest unused out, which then falls back to the time that control
 * last wrote to its record: advice may be lost, an absolute end never. Behind them the words of rates (rates.h) and of nonces (nonces.h).
 *
 * What is read from a header is read once, at open, and held against the size of the file; later a mapping is only
 * ever indexed by this process's own copies.
 */
#include "shared/shared.h"

#include "shared/segment.h"
#include "shared/table.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdalign.h>
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
#define BUCKET 8u
#define CACHE_LINE 64
#define BUNDLE_WORDS 9 /* generation, 64 digits */
#define LENGTHS 128
#define LENGTH_WORDS 2
#define V4_LENGTH_MIN 97

/* gw_live_session in one cache line with its slot's head. The absolute end is whole; the other times are seconds that 32 bits hold until 2106. */
struct session {
    struct gw_uuid id, user_id;
    int64_t expires_s;
    uint32_t created_s, last_seen_s, idle_s, unused;
};

struct revocation {
    struct gw_uuid jti;
    int64_t expires_s;
};

/* The key is a hash of network and length, which are held against those looked for. */
struct block {
    struct gw_uuid key;
    struct gw_ip net;
    int64_t since_s, expires_s;
    uint8_t bits, kind, unused[6];
};

enum table_name { SESSIONS, USERS, REVOCATIONS, BLOCKS, API_KEYS, TABLES };
static const uint32_t record_bytes[TABLES] = {
    [SESSIONS] = sizeof(struct session),       [USERS] = sizeof(struct gw_live_user),
    [REVOCATIONS] = sizeof(struct revocation), [BLOCKS] = sizeof(struct block),
    [API_KEYS] = sizeof(struct gw_live_key),
};
static_assert(sizeof(struct gw_live_user) <= GW_TABLE_RECORD_MAX && sizeof(struct gw_live_key) <= GW_TABLE_RECORD_MAX,
              "raise GW_TABLE_RECORD_MAX");
static_assert(GW_TABLE_SLOT_WORDS(sizeof(struct session)) * sizeof(uint64_t) == CACHE_LINE &&
                  GW_TABLE_SLOT_WORDS(sizeof(struct block)) * sizeof(uint64_t) == CACHE_LINE,
              "of these there are many, and each request looks: one line each");

struct authority {
    uint64_t magic, layout;
    uint32_t slots[TABLES];
    struct gw_hash_key key;
    _Atomic uint32_t ready, retired, epoch, unused2;
    _Atomic int64_t heartbeat_s, caught_up_s, gauges[GW_GAUGE_COUNT];
    _Atomic uint64_t bundle_sequence, bundle[BUNDLE_WORDS];
    _Atomic uint64_t lengths[LENGTH_WORDS]; /* of blocked networks: bit n - 1, when there is one of n bits */
    alignas(CACHE_LINE) _Atomic uint64_t words[];
};

struct counters {
    uint64_t magic, layout;
    uint64_t slots;
    struct gw_hash_key key;
    uint32_t rate_slots[GW_RATES_REGIONS], nonce_slots, unused[2]; /* buckets begin on a cache line */
    struct gw_rates_head rates;
    struct gw_nonces_head nonces;
    _Atomic uint64_t words[];
};
static_assert(sizeof(struct counters) % CACHE_LINE == 0, "a bucket is one cache line");

struct gw_shared {
    struct gw_segment authority_segment, counters_segment;
    int lock_fd; /* writer */
    struct authority *authority;
    struct gw_table tables[TABLES];
    _Atomic uint64_t *counters;
    uint64_t buckets;
    struct gw_hash_key counters_key;
    struct gw_rates rates;
    struct gw_nonces nonces;
    enum gw_shared_role role;
    pthread_mutex_t lock;        /* writer */
    uint32_t of_length[LENGTHS]; /* writer: blocks whose network is of n + 1 bits */
};

/* ---- layout ---- */

/* Changes with whatever the compiled program believes of the files. */
static uint64_t layout_hash(void)
{
    const uint64_t shape[] = {sizeof(struct authority),
                              sizeof(struct counters),
                              GW_TABLE_EPOCH_BITS,
                              sizeof(struct session),
                              sizeof(struct gw_live_user),
                              sizeof(struct revocation),
                              sizeof(struct block),
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
    size_t n = sizeof(struct authority);
    for (int i = 0; i < TABLES; i++)
        n += gw_table_bytes(slots[i], record_bytes[i]);
    return n;
}

static size_t counters_bytes(uint64_t slots, const uint32_t rate_slots[GW_RATES_REGIONS], uint64_t nonce_slots)
{
    slots += nonce_slots;
    for (int i = 0; i < GW_RATES_REGIONS; i++)
        slots += rate_slots[i];
    return sizeof(struct counters) + slots * sizeof(uint64_t);
}

/* Takes the mapped authority into use. False: it is not such a file. */
static bool adopt_authority(struct gw_shared *s)
{
    struct authority *a = s->authority_segment.base;
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
    struct counters *c = s->counters_segment.base;
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
    struct counters *c = s->counters_segment.base;
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
    struct authority *a = made.base;
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

static bool count_length(const void *record, uint32_t epoch, const void *counts)
{
    (void)epoch;
    struct block b;
    memcpy(&b, record, sizeof(b));
    if (b.bits >= 1 && b.bits <= LENGTHS)
        (*(uint32_t *const *)counts)[b.bits - 1]++;
    return false;
}

/* From the records, where a predecessor left them or some were dropped. */
static void count_lengths(struct gw_shared *s)
{
    uint32_t *counts = s->of_length;
    memset(s->of_length, 0, sizeof(s->of_length));
    gw_table_drop_if(&s->tables[BLOCKS], count_length, &counts);
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
        gw_segment_open(dir, AUTHORITY, GW_SEGMENT_WRITE, sizeof(struct authority), &s->authority_segment, err);
    if (code != GW_OK && code != GW_ENOTFOUND)
        return code;
    enum gw_segment_publish how = code == GW_OK ? GW_SEGMENT_REPLACE : GW_SEGMENT_NEW;
    code = gw_segment_open(dir, COUNTERS, GW_SEGMENT_WRITE, sizeof(struct counters), &s->counters_segment, err);
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
    GW_TRY(gw_segment_open(dir, AUTHORITY, GW_SEGMENT_READ, sizeof(struct authority), &s->authority_segment, err));
    GW_TRY(gw_segment_open(dir, COUNTERS, GW_SEGMENT_WRITE, sizeof(struct counters), &s->counters_segment, err));
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
        count_lengths(s);
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

/* ---- reading ---- */

bool gw_shared_is_retired(const struct gw_shared *s)
{
    return atomic_load_explicit(&s->authority->retired, memory_order_acquire) != 0;
}

bool gw_shared_is_ready(const struct gw_shared *s)
{
    return atomic_load_explicit(&s->authority->ready, memory_order_acquire) != 0;
}

static enum gw_code get(const struct gw_shared *s, enum table_name table, const struct gw_uuid *key, void *out)
{
    if (!gw_shared_is_ready(s))
        return GW_EBACKEND;
    return gw_table_get(&s->tables[table], key, out);
}

enum gw_code gw_shared_get_session(const struct gw_shared *s, const struct gw_uuid *sid, struct gw_live_session *out)
{
    struct session r;
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
    struct revocation r;
    enum gw_code code = get(s, REVOCATIONS, jti, &r);
    if (code != GW_OK && code != GW_ENOTFOUND)
        return code;
    *out_revoked = code == GW_OK;
    return GW_OK;
}

static struct gw_uuid block_key(const struct gw_shared *s, const struct gw_cidr *network)
{
    uint8_t text[sizeof(network->net.b) + 1];
    memcpy(text, network->net.b, sizeof(network->net.b));
    text[sizeof(network->net.b)] = network->bits;
    const struct gw_hash_key first = s->tables[BLOCKS].key, second = {~first.k0, first.k1};
    const uint64_t hashes[] = {gw_hash(&first, text, sizeof(text)), gw_hash(&second, text, sizeof(text))};
    struct gw_uuid key;
    memcpy(key.b, hashes, sizeof(key.b));
    return key;
}

static enum gw_code get_block(const struct gw_shared *s, const struct gw_cidr *network, int64_t now_s,
                              struct gw_live_block *out)
{
    struct block b;
    const struct gw_uuid key = block_key(s, network);
    GW_TRY(gw_table_get(&s->tables[BLOCKS], &key, &b));
    if (b.bits != network->bits || !gw_ip_eq(&b.net, &network->net) || b.expires_s <= now_s)
        return GW_ENOTFOUND;
    *out = (struct gw_live_block){*network, (enum gw_block_kind)b.kind, b.since_s, b.expires_s};
    return GW_OK;
}

/* Length of the longest network that is left of those in the map, which then is taken off it; 0: none is left. */
static unsigned take_longest(uint64_t lengths[LENGTH_WORDS])
{
    for (unsigned i = LENGTH_WORDS; i-- > 0;)
        if (lengths[i] != 0) {
            unsigned top = 63 - (unsigned)__builtin_clzll(lengths[i]);
            lengths[i] &= ~(UINT64_C(1) << top);
            return i * 64 + top + 1;
        }
    return 0;
}

enum gw_code gw_shared_find_block(const struct gw_shared *s, const struct gw_ip *ip, int64_t now_s,
                                  struct gw_live_block *out)
{
    if (!gw_shared_is_ready(s))
        return GW_EBACKEND;
    uint64_t lengths[LENGTH_WORDS];
    for (size_t i = 0; i < LENGTH_WORDS; i++)
        lengths[i] = atomic_load_explicit(&s->authority->lengths[i], memory_order_acquire);
    unsigned shortest = gw_ip_is_v4(ip) ? V4_LENGTH_MIN : 1;
    enum gw_code found = GW_ENOTFOUND;
    for (unsigned bits; (bits = take_longest(lengths)) >= shortest;) {
        const struct gw_cidr network = gw_cidr_around(ip, bits);
        struct gw_live_block b;
        enum gw_code code = get_block(s, &network, now_s, &b);
        if (code != GW_OK && code != GW_ENOTFOUND)
            return code;
        if (code == GW_OK && (found != GW_OK || b.kind == GW_BLOCK_FULL)) {
            *out = b;
            found = GW_OK;
        }
        if (code == GW_OK && b.kind == GW_BLOCK_FULL)
            return GW_OK;
    }
    return found;
}

enum gw_code gw_shared_get_key(const struct gw_shared *s, const struct gw_uuid *hash, struct gw_live_key *out)
{
    return get(s, API_KEYS, hash, out);
}

enum gw_code gw_shared_get_bundle(const struct gw_shared *s, struct gw_bundle_ref *out)
{
    struct authority *a = s->authority;
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

/* ---- counters ---- */

/* Index of the bucket's first word. */
static size_t bucket_of(const struct gw_shared *s, const struct gw_uuid *sid, uint64_t *out_tag)
{
    uint64_t hash = gw_hash(&s->counters_key, sid->b, sizeof(sid->b));
    *out_tag = hash & ~(uint64_t)UINT32_MAX;
    return (hash & (s->buckets - 1)) * BUCKET;
}

/* Control does not read the map: a broken worker could cut the file short, and a look at the map would then be a SIGBUS. What
 * cannot be read holds no advice. */
static void read_bucket(const struct gw_shared *s, size_t first, uint64_t words[BUCKET])
{
    memset(words, 0, BUCKET * sizeof(words[0]));
    if (s->role == GW_SHARED_READER) {
        for (size_t i = 0; i < BUCKET; i++)
            words[i] = atomic_load_explicit(&s->counters[first + i], memory_order_relaxed);
        return;
    }
    off_t offset = (off_t)(sizeof(struct counters) + first * sizeof(words[0]));
    if (pread(s->counters_segment.fd, words, BUCKET * sizeof(words[0]), offset) < 0)
        memset(words, 0, BUCKET * sizeof(words[0]));
}

static int64_t latest_of(const struct gw_shared *s, const struct gw_uuid *id, int64_t latest)
{
    uint64_t tag, words[BUCKET];
    read_bucket(s, bucket_of(s, id, &tag), words);
    for (size_t i = 0; i < BUCKET; i++) {
        int64_t seen_s = (int64_t)(words[i] & UINT32_MAX);
        if ((words[i] & ~(uint64_t)UINT32_MAX) == tag && seen_s > latest)
            latest = seen_s;
    }
    return latest;
}

int64_t gw_shared_last_seen(const struct gw_shared *s, const struct gw_live_session *session)
{
    return latest_of(s, &session->id, session->last_seen_s);
}

int64_t gw_shared_key_last_used(const struct gw_shared *s, const struct gw_live_key *key)
{
    return latest_of(s, &key->id, key->last_used_s);
}

/* One try: when another worker changes the word first, a request of this second was noted there, or the advice is lost. */
static void note(struct gw_shared *s, size_t index, uint64_t old, uint64_t word)
{
    if (s->role == GW_SHARED_READER)
        atomic_compare_exchange_strong_explicit(&s->counters[index], &old, word, memory_order_relaxed,
                                                memory_order_relaxed);
    else if (pwrite(s->counters_segment.fd, &word, sizeof(word),
                    (off_t)(sizeof(struct counters) + index * sizeof(word))) < 0)
        return; /* advice lost */
}

void gw_shared_touch(struct gw_shared *s, const struct gw_uuid *sid, int64_t now_s)
{
    uint64_t tag, words[BUCKET];
    size_t first = bucket_of(s, sid, &tag), victim = 0;
    read_bucket(s, first, words);
    for (size_t i = 0; i < BUCKET; i++) {
        if ((words[i] & UINT32_MAX) < (words[victim] & UINT32_MAX))
            victim = i;
    }
    for (size_t i = 0; i < BUCKET; i++) {
        if ((words[i] & ~(uint64_t)UINT32_MAX) == tag && words[i] != 0)
            victim = i;
    }
    if ((int64_t)(words[victim] & UINT32_MAX) < now_s && now_s <= UINT32_MAX)
        note(s, first + victim, words[victim], tag | (uint64_t)now_s);
}

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

/* ---- writing ---- */

static void lock(struct gw_shared *s)
{
    assert(s->role == GW_SHARED_WRITER);
    pthread_mutex_lock(&s->lock);
}

static void unlock(struct gw_shared *s)
{
    pthread_mutex_unlock(&s->lock);
}

/* Under the lock. */
static enum gw_code put_locked(struct gw_shared *s, enum table_name table, const void *record, struct gw_error *err)
{
    enum gw_code code = gw_table_put(&s->tables[table], record, atomic_load(&s->authority->epoch));
    return code == GW_ELIMIT ? gw_fail(err, code, "the authority segment has no room for another record") : code;
}

static enum gw_code put(struct gw_shared *s, enum table_name table, const void *record, struct gw_error *err)
{
    lock(s);
    enum gw_code code = put_locked(s, table, record, err);
    unlock(s);
    return code;
}

static void drop(struct gw_shared *s, enum table_name table, const struct gw_uuid *key)
{
    lock(s);
    gw_table_drop(&s->tables[table], key);
    unlock(s);
}

/* What is outside of 32 bits becomes the nearest in them. Later than 2106 reads as earlier, and so ends sooner. */
static uint32_t short_time(int64_t time_s)
{
    return time_s < 0 ? 0 : time_s > UINT32_MAX ? UINT32_MAX : (uint32_t)time_s;
}

enum gw_code gw_shared_put_session(struct gw_shared *s, const struct gw_live_session *session, struct gw_error *err)
{
    const struct session r = {.id = session->id,
                              .user_id = session->user_id,
                              .expires_s = session->expires_s,
                              .created_s = short_time(session->created_s),
                              .last_seen_s = short_time(session->last_seen_s),
                              .idle_s = session->idle_s};
    return put(s, SESSIONS, &r, err);
}

void gw_shared_drop_session(struct gw_shared *s, const struct gw_uuid *sid)
{
    drop(s, SESSIONS, sid);
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
    return put(s, USERS, &clean, err);
}

void gw_shared_drop_user(struct gw_shared *s, const struct gw_uuid *id)
{
    drop(s, USERS, id);
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
    memcpy(clean.scopes, key->scopes, sizeof(clean.scopes));
    memcpy(clean.networks, key->networks, sizeof(clean.networks));
    memcpy(clean.proof, key->proof, sizeof(clean.proof));
    return put(s, API_KEYS, &clean, err);
}

void gw_shared_drop_key(struct gw_shared *s, const struct gw_uuid *hash)
{
    drop(s, API_KEYS, hash);
}

/* Keeps the later end: a token revoked twice stays so for as long as either says. */
enum gw_code gw_shared_put_revocation(struct gw_shared *s, const struct gw_uuid *jti, int64_t expires_s,
                                      struct gw_error *err)
{
    struct revocation r = {.jti = *jti, .expires_s = expires_s}, old;
    lock(s);
    if (gw_table_get(&s->tables[REVOCATIONS], jti, &old) == GW_OK && old.expires_s > expires_s)
        r.expires_s = old.expires_s;
    enum gw_code code = put_locked(s, REVOCATIONS, &r, err);
    unlock(s);
    return code;
}

/* Verifiers forgive clocks that differ by up to a minute; so must this. */
#define REVOCATION_GRACE_S 60

static bool has_expired(const void *record, uint32_t epoch, const void *now_s)
{
    (void)epoch;
    struct revocation r;
    memcpy(&r, record, sizeof(r));
    return r.expires_s + REVOCATION_GRACE_S < *(const int64_t *)now_s;
}

void gw_shared_purge_revocations(struct gw_shared *s, int64_t now_s)
{
    lock(s);
    gw_table_drop_if(&s->tables[REVOCATIONS], has_expired, &now_s);
    unlock(s);
}

/* The map of lengths names every one that a reader may find: set before the record is there, cleared after the last has gone. */
static void map_length(struct gw_shared *s, unsigned bits, bool present)
{
    _Atomic uint64_t *word_ = &s->authority->lengths[(bits - 1) / 64];
    uint64_t bit = UINT64_C(1) << ((bits - 1) % 64), old = atomic_load(word_);
    atomic_store_explicit(word_, present ? old | bit : old & ~bit, memory_order_release);
}

enum gw_code gw_shared_put_block(struct gw_shared *s, const struct gw_live_block *block, struct gw_error *err)
{
    const struct gw_cidr *n = &block->network;
    assert(n->bits >= (gw_ip_is_v4(&n->net) ? V4_LENGTH_MIN : 1));
    struct block b = {.key = block_key(s, n),
                      .net = n->net,
                      .since_s = block->since_s,
                      .expires_s = block->expires_s,
                      .bits = n->bits,
                      .kind = (uint8_t)block->kind},
                 old;
    lock(s);
    bool is_new = gw_table_get(&s->tables[BLOCKS], &b.key, &old) != GW_OK;
    map_length(s, n->bits, true);
    enum gw_code code = put_locked(s, BLOCKS, &b, err);
    if (code == GW_OK && is_new)
        s->of_length[n->bits - 1]++;
    map_length(s, n->bits, s->of_length[n->bits - 1] > 0);
    unlock(s);
    return code;
}

void gw_shared_drop_block(struct gw_shared *s, const struct gw_cidr *network)
{
    const struct gw_uuid key = block_key(s, network);
    lock(s);
    uint32_t *count = &s->of_length[network->bits - 1];
    if (gw_table_drop(&s->tables[BLOCKS], &key) && --*count == 0)
        map_length(s, network->bits, false);
    unlock(s);
}

void gw_shared_begin_load(struct gw_shared *s)
{
    lock(s);
    atomic_store(&s->authority->epoch, (atomic_load(&s->authority->epoch) + 1) % GW_TABLE_EPOCHS);
    unlock(s);
}

static bool is_of_another_epoch(const void *record, uint32_t epoch, const void *current)
{
    (void)record;
    return epoch != *(const uint32_t *)current;
}

void gw_shared_end_load(struct gw_shared *s)
{
    lock(s);
    uint32_t epoch = atomic_load(&s->authority->epoch);
    for (int i = 0; i < TABLES; i++) {
        gw_table_mend(&s->tables[i]);
        gw_table_drop_if(&s->tables[i], is_of_another_epoch, &epoch);
    }
    count_lengths(s);
    for (unsigned bits = 1; bits <= LENGTHS; bits++)
        map_length(s, bits, s->of_length[bits - 1] > 0);
    atomic_store_explicit(&s->authority->ready, 1, memory_order_release);
    unlock(s);
}

void gw_shared_set_bundle(struct gw_shared *s, const char *hash)
{
    assert(strlen(hash) == 64);
    lock(s);
    struct authority *a = s->authority;
    uint64_t words[BUNDLE_WORDS] = {atomic_load(&a->bundle[0]) + 1};
    memcpy(&words[1], hash, 64);
    uint64_t before = atomic_load(&a->bundle_sequence) & ~(uint64_t)1;
    atomic_store_explicit(&a->bundle_sequence, before + 1, memory_order_relaxed);
    for (size_t i = 0; i < BUNDLE_WORDS; i++)
        atomic_store_explicit(&a->bundle[i], words[i], memory_order_release);
    atomic_store_explicit(&a->bundle_sequence, before + 2, memory_order_release);
    unlock(s);
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
