/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each step needs the ones before it: the lock, the files, the database, what is sealed in it, the segments, the services; then the
 * workers are told.
 */
#include "audit/consumer.h"
#include "audit/recorder.h"
#include "base/json.h"
#include "control/generation.h"
#include "control/home_dir.h"
#include "control/log.h"
#include "control/making_safe.h"
#include "control/refusals.h"
#include "control/run_dir.h"
#include "crypto/keyring.h"
#include "identity/device.h"
#include "identity/sealed.h"
#include "response/kernel_drop.h"
#include "shared/mode.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define NONCES_PER_S 4000 /* words: a thousand signed requests a second, and most buckets far from full */

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

enum gw_code gw_app_open_sealed(struct gw_app *a, const struct gw_keys_source *source, struct gw_error *err)
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

/* ---- opening ---- */

static void free_wiped(void *p)
{
    if (p != NULL)
        gw_wipe(p, malloc_usable_size(p));
    free(p);
}

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
    GW_TRY(gw_generation_new(a, f, &a->current, err));
    GW_TRY(open_store(a, err));
    GW_TRY(open_recorder(a, err));
    if (a->options.mode == GW_APP_CONTROL) {
        const struct gw_keys_source source = {
            .home = a->home, .settings = &a->current->settings, .getenv_fn = a->options.getenv_fn};
        GW_TRY(gw_app_open_sealed(a, &source, err));
    }
    GW_TRY(open_guard(a, err));
    GW_TRY(open_shared(a, &a->current->settings, err));
    GW_TRY(gw_generation_start(a, a->current, err));
    if (a->shared == NULL)
        return GW_OK;
    GW_TRY(gw_identity_publish(a->current->view.identity, err));
    GW_TRY(gw_making_safe_new(a, &a->making_safe, err));
    GW_TRY(gw_kernel_drop_new(&a->kernel_drop, err));
    if (a->keys_were_mended)
        (void)gw_app_ring_doorbell(a);
    return gw_generation_publish(a, a->current, err);
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
    gw_generation_free(a->current);
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
