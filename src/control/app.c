/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A `generation` is everything that a reload makes anew. The app holds a reference to the one in force, each call holds one to the
 * one it began with, and the last to let go frees it: so a call sees one consistent set, and a reload waits for nobody. The
 * store, the segments, the token key and the lock live as long as the app.
 */
#include "control/app.h"
#include "audit/consumer.h"
#include "audit/recorder.h"
#include "base/file.h"
#include "base/json.h"
#include "control/bundle.h"
#include "control/home_dir.h"
#include "control/keys.h"
#include "control/log.h"
#include "control/making_safe.h"
#include "control/refusals.h"
#include "control/rotation.h"
#include "control/run_dir.h"
#include "crypto/keyring.h"
#include "identity/device.h"
#include "identity/sealed.h"
#include "policy/policy.h"
#include "response/block.h"
#include "response/kernel_drop.h"
#include "shared/mode.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define NONCES_PER_S 4000 /* words: a thousand signed requests a second, and most buckets far from full */
#define SETTINGS_BYTES_MAX (32 * 1024 * 1024) /* of the arena that a YAML file of 1 MiB and its settings live in */

struct generation {
    struct gw_app_view view; /* first, so that a view is its generation */
    unsigned refs;           /* under the app's lock */
    struct gw_arena arena;
    struct gw_settings settings;
    struct gw_policy *policy;
    struct gw_password_rules *rules;
    struct gw_buf policy_text; /* what policy was compiled from */
};

struct gw_app {
    struct gw_app_options options;
    char *home;
    char run_dir[GW_RUN_PATH_MAX + 1];
    int journal_dir, mode_dir;
    int lock_fd;
    struct gw_token_ring ring;               /* under reloading; without a current key until the files were read */
    struct gw_secret *encryption_text, *kek; /* NULL until they are needed */
    struct gw_login_guard *guard;
    struct gw_mac *device_key; /* NULL offline */
    struct gw_store *store;
    struct gw_recorder *recorder;
    struct gw_consumer *consumer;
    struct gw_refusals *refusals;
    struct gw_sealed *sealed;
    struct gw_making_safe *making_safe;
    struct gw_block_full blocks_full;
    struct gw_kernel_drop *kernel_drop;
    struct gw_shared *shared;
    pthread_mutex_t lock;      /* current, refs */
    pthread_mutex_t reloading; /* one reload or exchange of keys at a time */
    bool keys_were_mended;     /* at the start: nginx may have read them before */
    struct generation *current;
};

static void free_wiped(void *p)
{
    if (p != NULL)
        gw_wipe(p, malloc_usable_size(p));
    free(p);
}

/* ---- generations ---- */

static void generation_free(struct generation *g)
{
    if (g == NULL)
        return;
    gw_identity_free(g->view.identity);
    gw_hasher_free(g->view.hasher);
    gw_password_rules_free(g->rules);
    gw_policy_free(g->policy);
    gw_buf_done(&g->policy_text);
    gw_arena_done(&g->arena);
    free(g);
}

/* The bundle must hold the very bytes that were checked, so a file that changes meanwhile is a fault. */
static enum gw_code load_policy(struct gw_app *a, struct generation *g, struct gw_faults *f, struct gw_error *err)
{
    const struct gw_upstream_override override = {g->settings.upstream_url, g->settings.upstream_key_file};
    const char *path = gw_settings_path(&g->arena, a->home, g->settings.policy);
    gw_auto(gw_buf) struct gw_buf again = {0};
    struct gw_error why = {0};
    if (path == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the policy's name");
    gw_buf_init(&g->policy_text, GW_BUNDLE_FILE_MAX);
    gw_buf_init(&again, GW_BUNDLE_FILE_MAX);
    if (gw_file_read(path, &g->policy_text, &why) != GW_OK) {
        gw_faults_add(f, path, 0, "%s", why.msg);
        return gw_fail(err, GW_EINVAL, "%s", why.msg);
    }
    GW_TRY(gw_policy_load(path, &override, f, &g->policy, err));
    GW_TRY(gw_file_read(path, &again, err));
    if (!gw_str_eq(gw_buf_str(&again), gw_buf_str(&g->policy_text))) {
        gw_faults_add(f, path, 0, "changed while it was read; try again");
        return gw_fail(err, GW_EINVAL, "`%s` changed while it was read", path);
    }
    return GW_OK;
}

/* Workers have the keys of the one that they were started with. */
static enum gw_code check_algorithm(const struct gw_app *a, const struct generation *g, struct gw_faults *f,
                                    struct gw_error *err)
{
    bool is_eddsa = gw_token_key_is_slow(a->ring.keys[GW_TOKEN_CURRENT]);
    if (is_eddsa == (g->settings.token_algorithm == GW_TOKEN_SETTING_EDDSA))
        return GW_OK;
    gw_faults_add(f, a->home, 0, "token.algorithm: a change takes a restart of `aaiti serve`");
    return gw_fail(err, GW_EINVAL, "token.algorithm was changed");
}

/* A file that is not there yet is made once the database has told that nothing needs the one that was (open_sealed). */
static enum gw_code load_encryption(struct gw_app *a, const struct gw_keys_source *source, const struct gw_keys *others,
                                    struct gw_error *err)
{
    if (a->encryption_text != NULL)
        return gw_keys_check_encryption(a->encryption_text, others, err);
    enum gw_code code = gw_keys_load_encryption(source, others, &a->encryption_text, err);
    return code == GW_ENOTFOUND ? GW_OK : code;
}

/* Nothing is lost with the one that was but the meaning of ids from before. */
static enum gw_code make_request_id_key(const struct gw_app *a, const struct gw_keys_source *source,
                                        struct gw_error *err)
{
    enum gw_code code = gw_keys_make_request_id(source, a->options.random, err);
    if (code == GW_OK)
        gw_log(GW_LOG_INFO, "key", {"text", GW_STR("made a key of request ids")},
               {"file", source->settings->request_id_key_file});
    return code == GW_ECONFLICT ? GW_OK : code;
}

static enum gw_code load_all_keys(struct gw_app *a, const struct gw_keys_source *source, struct gw_keys *out,
                                  struct gw_error *err)
{
    bool is_first = a->ring.keys[GW_TOKEN_CURRENT] == NULL;
    if (is_first && a->options.mode == GW_APP_CONTROL)
        GW_TRY(gw_rotation_mend(source, a->options.random, &a->keys_were_mended, err));
    if (a->options.mode == GW_APP_CONTROL)
        GW_TRY(make_request_id_key(a, source, err));
    GW_TRY(is_first ? gw_keys_load(source, out, err) : gw_keys_load_others(source, &a->ring, out, err));
    return a->options.mode == GW_APP_CONTROL ? load_encryption(a, source, out, err) : GW_OK;
}

/* All are looked at each time; the token key in use stays what it was at the start, for the workers keep theirs too. */
static enum gw_code load_keys(struct gw_app *a, struct generation *g, struct gw_faults *f, struct gw_error *err)
{
    const struct gw_keys_source source = {a->home, &g->settings, gw_policy_upstream(g->policy), a->options.getenv_fn};
    gw_auto(gw_keys) struct gw_keys keys = {0};
    struct gw_error why = {0};
    bool is_first = a->ring.keys[GW_TOKEN_CURRENT] == NULL;
    if (!is_first)
        GW_TRY(check_algorithm(a, g, f, err));
    if (load_all_keys(a, &source, &keys, &why) != GW_OK) {
        gw_faults_add(f, a->home, 0, "%s", why.msg);
        return gw_fail(err, GW_EINVAL, "%s", why.msg);
    }
    if (is_first) {
        a->ring = keys.ring;
        keys.ring = (struct gw_token_ring){0};
    }
    return GW_OK;
}

static enum gw_code load_rules(struct gw_app *a, struct generation *g, struct gw_faults *f, struct gw_error *err)
{
    const struct gw_str name = g->settings.password_blocklist;
    const char *blocklist = name.len > 0 ? gw_settings_path(&g->arena, a->home, name) : NULL;
    struct gw_error why = {0};
    if (gw_password_rules_new((enum gw_password_profile)g->settings.password_profile, blocklist, &g->rules, &why) ==
        GW_OK)
        return GW_OK;
    gw_faults_add(f, blocklist != NULL ? blocklist : a->home, 0, "%s", why.msg);
    return gw_fail(err, GW_EINVAL, "%s", why.msg);
}

static enum gw_code check_register_role(const struct generation *g, const char *file, struct gw_faults *f,
                                        struct gw_error *err)
{
    const struct gw_str role = g->settings.register_role;
    if (!g->settings.register_enabled || gw_policy_role(g->policy, role) >= 0)
        return GW_OK;
    gw_faults_add(f, file, 0, "register.role: the policy knows no role `%.*s`", GW_STR_ARG(role));
    return gw_fail(err, GW_EINVAL, "register.role is not a role of the policy");
}

/* What the files alone decide: settings, policy, keys, password rules. */
static enum gw_code generation_check(struct gw_app *a, struct generation *g, struct gw_faults *f, struct gw_error *err)
{
    const char *file = gw_settings_path(&g->arena, a->home, GW_STR("gateway.yaml"));
    if (file == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the settings' name");
    gw_settings_load(file, a->options.getenv_fn, &g->arena, &g->settings, f);
    if (gw_faults_count(f) > 0)
        return gw_fail(err, GW_EINVAL, "`%s` has faults", file);
    GW_TRY(load_policy(a, g, f, err));
    GW_TRY(check_register_role(g, file, f, err));
    GW_TRY(load_rules(a, g, f, err));
    return load_keys(a, g, f, err);
}

static enum gw_code publish_blocks(void *app, struct gw_error *err)
{
    const struct gw_app *a = app;
    return gw_block_publish(&(struct gw_block_desk){.store = a->store, .shared = a->shared, .clock = a->options.clock},
                            err);
}

/* What works with them. The store and the segments must be open. */
static enum gw_code generation_start(struct gw_app *a, struct generation *g, struct gw_error *err)
{
    const struct gw_hasher_options pool = {
        .threads = (unsigned)g->settings.login_hash_threads,
        .queue_max = (unsigned)g->settings.login_queue,
        .per_address_max = (unsigned)g->settings.login_queue_per_address,
        .params = {.memory_kib = (uint32_t)(g->settings.argon2_memory_bytes / 1024),
                   .passes = (uint32_t)g->settings.argon2_passes,
                   .lanes = 1},
        .random = a->options.random,
    };
    GW_TRY(gw_hasher_new(&pool, &g->view.hasher, err));
    const struct gw_identity_options services = {
        .store = a->store,
        .shared = a->shared,
        .sealed = a->sealed,
        .settings = &g->settings,
        .rules = g->rules,
        .hasher = g->view.hasher,
        .guard = a->guard,
        .device_key = a->device_key,
        .ring = &a->ring,
        .recorder = a->recorder,
        .clock = a->options.clock,
        .random = a->options.random,
        .also_publish = publish_blocks,
        .also_ctx = a,
    };
    GW_TRY(gw_identity_new(&services, &g->view.identity, err));
    GW_TRY(gw_identity_expect_imported(g->view.identity, err));
    g->view.settings = &g->settings;
    g->view.policy = g->policy;
    g->view.store = a->store;
    return GW_OK;
}

static enum gw_code generation_new(struct gw_app *a, struct gw_faults *f, struct generation **out, struct gw_error *err)
{
    struct generation *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a generation");
    g->refs = 1;
    gw_arena_init(&g->arena, SETTINGS_BYTES_MAX);
    enum gw_code code = generation_check(a, g, f, err);
    if (code != GW_OK) {
        generation_free(g);
        return code;
    }
    *out = g;
    return GW_OK;
}

const struct gw_app_view *gw_app_view_get(struct gw_app *a)
{
    pthread_mutex_lock(&a->lock);
    struct generation *g = a->current;
    g->refs++;
    pthread_mutex_unlock(&a->lock);
    return &g->view;
}

static void generation_put(struct gw_app *a, struct generation *g)
{
    pthread_mutex_lock(&a->lock);
    assert(g->refs > 0);
    bool last = --g->refs == 0;
    pthread_mutex_unlock(&a->lock);
    if (last)
        generation_free(g);
}

void gw_app_view_put(struct gw_app *a, const struct gw_app_view *v)
{
    /* A view is const for its users; here it is its generation again. */
    generation_put(a, (struct generation *)(uintptr_t)v);
}

/* ---- publication ---- */

static enum gw_code publish(struct gw_app *a, const struct generation *g, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf gateway = {0};
    char hash[GW_BUNDLE_HASH_LEN + 1];
    struct gw_bundle_ref in_force;
    struct gw_error ignored = {0};
    if (a->shared == NULL)
        return GW_OK;
    gw_buf_init(&gateway, GW_BUNDLE_FILE_MAX);
    GW_TRY(gw_bundle_settings(&g->settings, a->home, &gateway, err));
    const struct gw_bundle bundle = {gw_buf_str(&gateway), gw_buf_str(&g->policy_text)};
    GW_TRY(gw_bundle_write(a->run_dir, &bundle, hash, err));
    /* The same content again is no news for the workers. */
    if (gw_shared_get_bundle(a->shared, &in_force) != GW_OK || strcmp(in_force.hash, hash) != 0)
        gw_shared_set_bundle(a->shared, hash);
    if (gw_bundle_prune(a->run_dir, hash, gw_clock_real_s(a->options.clock), &ignored) != GW_OK)
        gw_log(GW_LOG_WARN, "bundle", {"error", gw_str(ignored.msg)}, {"text", GW_STR("old bundles; leaving them")});
    return GW_OK;
}

enum gw_code gw_app_reload(struct gw_app *a, struct gw_faults *f, struct gw_error *err)
{
    struct generation *g = NULL, *old = NULL;
    pthread_mutex_lock(&a->reloading);
    enum gw_code code = generation_new(a, f, &g, err);
    if (code == GW_OK)
        code = generation_start(a, g, err);
    if (code == GW_OK)
        code = publish(a, g, err);
    if (code == GW_OK) {
        pthread_mutex_lock(&a->lock);
        old = a->current;
        a->current = gw_take(&g);
        pthread_mutex_unlock(&a->lock);
        gw_identity_set_guard(a->current->view.settings, a->guard);
        generation_put(a, old);
        /* Limits stand in the live sessions' own records: changed ones bite at once. */
        if (a->shared != NULL)
            code = gw_identity_publish(a->current->view.identity, err);
    }
    pthread_mutex_unlock(&a->reloading);
    generation_free(g);
    return code;
}

/* ---- lock, segments, database ---- */

static enum gw_code take_lock(struct gw_app *a, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf path = {0};
    gw_buf_init(&path, 8 * 1024);
    gw_buf_addf(&path, "%s/control.lock", a->home);
    GW_TRY(gw_buf_check(&path, err));
    a->lock_fd = open(path.ptr, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (a->lock_fd < 0 && errno == ENOENT)
        return gw_fail(err, GW_ENOTFOUND, "there is no `%s`; make a home with `aaiti init --home %s`", a->home,
                       a->home);
    if (a->lock_fd < 0)
        return gw_fail(err, GW_EBACKEND, "`%s`: %s", path.ptr, strerror(errno));
    if (flock(a->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return GW_OK;
    return gw_fail(err, errno == EWOULDBLOCK ? GW_ECONFLICT : GW_EBACKEND,
                   "another process (aaiti control, or a command) holds the home directory `%s`; try again in a moment",
                   a->home);
}

static enum gw_code open_shared(struct gw_app *a, const struct gw_settings *s, struct gw_error *err)
{
    const struct gw_shared_sizes sizes = {
        .sessions = (uint32_t)s->session_capacity,
        .users = (uint32_t)s->user_capacity,
        .revocations = (uint32_t)s->revocation_capacity,
        .blocks = (uint32_t)s->block_capacity,
        .rates = (uint32_t)s->limit_capacity,
        .api_keys = (uint32_t)s->api_key_capacity,
        .nonces = (uint32_t)(s->api_key_clock_window_ms / 1000 + GW_NONCES_AHEAD_S) * NONCES_PER_S,
        .nonce_window_s = s->api_key_clock_window_ms / 1000,
        .clock = a->options.clock,
    };
    if (a->options.mode == GW_APP_OFFLINE)
        return GW_OK;
    GW_TRY(gw_run_dir_name(s, a->home, a->run_dir, err));
    GW_TRY(gw_run_dir_make(a->run_dir, geteuid(), (gid_t)-1, err));
    GW_TRY(gw_home_dir_open(&gw_journal_dir, a->home, a->run_dir, &a->journal_dir, err));
    GW_TRY(gw_home_dir_open(&gw_mode_dir, a->home, a->run_dir, &a->mode_dir, err));
    GW_TRY(gw_mode_ensure(a->mode_dir, err));
    GW_TRY(gw_consumer_new(&(struct gw_consumer_options){a->store, a->recorder, a->options.clock}, &a->consumer, err));
    GW_TRY(gw_refusals_new(a->journal_dir, a->options.random, a->options.clock, &a->refusals, err));
    return gw_shared_open(a->run_dir, GW_SHARED_WRITER, &sizes, &a->shared, err);
}

static enum gw_code open_store(struct gw_app *a, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf path = {0};
    gw_buf_init(&path, 8 * 1024);
    gw_buf_addf(&path, "%s/aaiti.db", a->home);
    GW_TRY(gw_buf_check(&path, err));
    return gw_store_open_sqlite(path.ptr, &a->store, err);
}

/* ---- secrets in the database ---- */

/* For a home that is older than the encryption key. Never where one has sealed a secret, which would be lost for good. */
static enum gw_code make_encryption(struct gw_app *a, const struct gw_keys_source *source, const char *origin,
                                    struct gw_error *err)
{
    int64_t secrets = 0;
    GW_TRY(gw_store_sealed_count(a->store, 0, &secrets, err));
    if (secrets > 0)
        return gw_fail(err, GW_EINVAL,
                       "encryption key: %s is missing, and the database holds what only that key can open; put it back "
                       "from a backup",
                       origin);
    GW_TRY(gw_keys_make_encryption(source, a->options.random, err));
    gw_log(GW_LOG_INFO, "key", {"text", GW_STR("made an encryption key; back it up, apart from the database")},
           {"file", gw_str(origin)});
    return gw_keys_load_encryption(source, &(struct gw_keys){0}, &a->encryption_text, err);
}

static enum gw_code open_sealed_by(struct gw_app *a, const struct gw_keys_source *source, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena arena = {0};
    struct gw_error why = {0};
    gw_arena_init(&arena, 16 * 1024);
    const char *origin = gw_keys_encryption_origin(&arena, source);
    if (origin == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the name of the encryption key");
    /* What has expired must not keep an encryption key necessary. On a full disk it does, and nothing else comes of that. */
    enum gw_code purged = gw_store_sealed_purge(a->store, gw_clock_real_s(a->options.clock), err);
    if (purged != GW_OK && purged != GW_EBACKEND)
        return purged;
    if (a->encryption_text == NULL)
        GW_TRY(make_encryption(a, source, origin, err));
    if (a->kek == NULL)
        GW_TRY(gw_kek_parse(a->encryption_text, &a->kek, err));
    const struct gw_sealed_options o = {a->store, a->kek, a->options.clock, a->options.random};
    enum gw_code code = gw_sealed_open(&o, &a->sealed, &why);
    if (code == GW_EDENIED)
        return gw_fail(err, GW_EINVAL, "encryption key: %s: %s; put back the one that this home was run with", origin,
                       why.msg);
    return code == GW_OK ? code : gw_fail(err, code, "%s", why.msg);
}

enum gw_code gw_app_sealed(struct gw_app *a, struct gw_sealed **out, struct gw_error *err)
{
    if (a->sealed == NULL) {
        const struct gw_keys_source source = gw_app_keys_source(a, &a->current->view);
        GW_TRY(load_encryption(a, &source, &(struct gw_keys){0}, err));
        GW_TRY(open_sealed_by(a, &source, err));
    }
    *out = a->sealed;
    return GW_OK;
}

/* ---- opening ---- */

/* We hold the home directory: whoever left an intent without outcome is dead. */
static enum gw_code open_recorder(struct gw_app *a, struct gw_error *err)
{
    char number[24];
    size_t count = 0;
    GW_TRY(gw_recorder_new(a->options.random, a->options.clock, &a->recorder, err));
    GW_TRY(gw_recorder_mend(a->recorder, a->store, &count, err));
    (void)snprintf(number, sizeof(number), "%zu", count);
    if (count > 0)
        gw_log(GW_LOG_WARN, "audit", {"count", gw_str(number)},
               {"text", GW_STR("killed in the middle of exchanging keys or configuration; their outcome is unknown")});
    return GW_OK;
}

/* Outlives reloads: an attacker must not get new attempts by them. */
static enum gw_code open_guard(struct gw_app *a, struct gw_error *err)
{
    const struct gw_settings *s = &a->current->settings;
    const struct gw_login_guard_options o = {
        .capacity = (size_t)s->login_capacity, .clock = a->options.clock, .random = a->options.random};
    GW_TRY(gw_login_guard_new(&o, &a->guard, err));
    gw_identity_set_guard(s, a->guard);
    return a->kek != NULL ? gw_device_key(a->kek, &a->device_key, err) : GW_OK;
}

static enum gw_code open_all(struct gw_app *a, struct gw_faults *f, struct gw_error *err)
{
    GW_TRY(take_lock(a, err));
    GW_TRY(generation_new(a, f, &a->current, err));
    GW_TRY(open_store(a, err));
    GW_TRY(open_recorder(a, err));
    if (a->options.mode == GW_APP_CONTROL) {
        const struct gw_keys_source source = {
            .home = a->home, .settings = &a->current->settings, .getenv_fn = a->options.getenv_fn};
        GW_TRY(open_sealed_by(a, &source, err));
    }
    GW_TRY(open_guard(a, err));
    GW_TRY(open_shared(a, &a->current->settings, err));
    GW_TRY(generation_start(a, a->current, err));
    if (a->shared == NULL)
        return GW_OK;
    GW_TRY(gw_identity_publish(a->current->view.identity, err));
    GW_TRY(gw_making_safe_new(a, &a->making_safe, err));
    GW_TRY(gw_kernel_drop_new(&a->kernel_drop, err));
    if (a->keys_were_mended)
        (void)gw_app_ring_doorbell(a);
    return publish(a, a->current, err);
}

enum gw_code gw_app_open(const struct gw_app_options *o, struct gw_faults *f, struct gw_app **out, struct gw_error *err)
{
    struct gw_app *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the application");
    json_set_alloc_funcs(malloc, free_wiped);
    a->options = *o;
    a->lock_fd = a->journal_dir = a->mode_dir = -1;
    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->reloading, NULL);
    a->home = strdup(o->home);
    enum gw_code code = a->home != NULL ? open_all(a, f, err) : gw_fail(err, GW_ENOMEM, "no memory for a name");
    if (code != GW_OK) {
        gw_app_close(a);
        return code;
    }
    *out = a;
    return GW_OK;
}

void gw_app_close(struct gw_app *a)
{
    if (a == NULL)
        return;
    gw_kernel_drop_free(a->kernel_drop);
    gw_making_safe_free(a->making_safe); /* uses all the rest until it has ended */
    generation_free(a->current);
    gw_login_guard_free(a->guard);
    gw_mac_free(a->device_key);
    gw_shared_close(a->shared);
    gw_sealed_free(a->sealed);
    gw_consumer_free(a->consumer);
    gw_recorder_free(a->recorder);
    gw_store_close(a->store);
    gw_secret_free(a->kek);
    gw_secret_free(a->encryption_text);
    gw_token_ring_done(&a->ring);
    gw_refusals_free(a->refusals);
    gw_fd_auto_(&a->journal_dir);
    gw_fd_auto_(&a->mode_dir);
    gw_fd_auto_(&a->lock_fd);
    pthread_mutex_destroy(&a->lock);
    pthread_mutex_destroy(&a->reloading);
    free(a->home);
    free(a);
}

/* ---- keys ---- */

void gw_app_hold_keys(struct gw_app *a)
{
    pthread_mutex_lock(&a->reloading);
}

void gw_app_release_keys(struct gw_app *a)
{
    pthread_mutex_unlock(&a->reloading);
}

const struct gw_token_ring *gw_app_ring(const struct gw_app *a)
{
    return &a->ring;
}

bool gw_app_is_encryption_key(const struct gw_app *a, const struct gw_secret *secret)
{
    return a->encryption_text != NULL && gw_secret_eq(a->encryption_text, secret);
}

/* Services of an older set go on with the ring they have: what they sign is good as well, and they end with their calls. */
enum gw_code gw_app_set_ring(struct gw_app *a, struct gw_token_ring *ring, struct gw_error *err)
{
    GW_TRY(gw_identity_set_ring(a->current->view.identity, ring, err));
    gw_token_ring_done(&a->ring);
    a->ring = *ring;
    *ring = (struct gw_token_ring){0};
    return GW_OK;
}

struct gw_keys_source gw_app_keys_source(const struct gw_app *a, const struct gw_app_view *v)
{
    return (struct gw_keys_source){a->home, v->settings, gw_policy_upstream(v->policy), a->options.getenv_fn};
}

const struct gw_random *gw_app_random(const struct gw_app *a)
{
    return a->options.random;
}

bool gw_app_ring_doorbell(const struct gw_app *a)
{
    return a->options.doorbell != 0 && write(a->options.doorbell, "k", 1) == 1;
}

struct gw_shared *gw_app_shared(struct gw_app *a)
{
    return a->shared;
}

struct gw_refusals *gw_app_refusals(const struct gw_app *a)
{
    return a->refusals;
}

int gw_app_mode_dir(const struct gw_app *a)
{
    return a->mode_dir;
}

int gw_app_journal_dir(const struct gw_app *a)
{
    return a->journal_dir;
}

const char *gw_app_run_dir(const struct gw_app *a)
{
    return a->run_dir[0] != '\0' ? a->run_dir : NULL;
}

const struct gw_clock *gw_app_clock(const struct gw_app *a)
{
    return a->options.clock;
}

struct gw_recorder *gw_app_recorder(const struct gw_app *a)
{
    return a->recorder;
}

struct gw_consumer *gw_app_consumer(const struct gw_app *a)
{
    return a->consumer;
}

struct gw_block_desk gw_app_blocks(struct gw_app *a, const struct gw_app_view *v)
{
    return (struct gw_block_desk){
        .store = a->store,
        .shared = a->shared,
        .recorder = a->recorder,
        .clock = a->options.clock,
        .random = a->options.random,
        .allow = v->settings->allow.item,
        .allow_count = v->settings->allow.count,
        .capacity = v->settings->block_capacity,
        .full = &a->blocks_full,
    };
}

struct gw_kernel_drop *gw_app_kernel_drop(struct gw_app *a)
{
    return a->kernel_drop;
}

struct gw_making_safe *gw_app_making_safe(const struct gw_app *a)
{
    return a->making_safe;
}
