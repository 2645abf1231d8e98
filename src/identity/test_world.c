/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/test_world.h"

#include "crypto/secret.h"
#include "identity/device.h"
#include "identity/sealed.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const files[] = {"x.db",           "x.db-wal", "x.db-shm", "authority",
                                    "authority.lock", "counters", "blocklist"};

/* ---- the policy: this room asks it for roles and permissions, and nothing else ---- */

static const char *const roles[] = {"admin", "trader", "viewer"};
const struct gw_policy *const world_policy = (const struct gw_policy *)(const void *)roles;

int gw_policy_role(const struct gw_policy *p, struct gw_str name)
{
    (void)p;
    for (int n = 0; n < (int)COUNT(roles); n++) {
        if (gw_str_eq(gw_str(roles[n]), name))
            return n;
    }
    return -1;
}

struct gw_str gw_policy_role_name(const struct gw_policy *p, unsigned role)
{
    (void)p;
    return gw_str(roles[role]);
}

static const char *const permissions[] = {"bots:read", "bots:write", "users:write"};

int gw_policy_permission(const struct gw_policy *p, struct gw_str name)
{
    (void)p;
    for (int n = 0; n < (int)COUNT(permissions); n++) {
        if (gw_str_eq(gw_str(permissions[n]), name))
            return n;
    }
    return -1;
}

struct gw_str gw_policy_permission_name(const struct gw_policy *p, unsigned permission)
{
    (void)p;
    return gw_str(permissions[permission]);
}

size_t gw_policy_permission_count(const struct gw_policy *p)
{
    (void)p;
    return COUNT(permissions);
}

size_t gw_policy_role_count(const struct gw_policy *p)
{
    (void)p;
    return COUNT(roles);
}

const struct gw_actor world_actor = {.user_id = {{0xaa}}, .user_agent = {"curl/8", 6}};

/* ---- the world ---- */

static void path_of(const struct world *w, const char *name, char dst[64])
{
    snprintf(dst, 64, "%s/%s", w->dir, name);
}

static void wait_ms(void *ctx, int64_t ms)
{
    struct world *w = ctx;
    __atomic_store_n(&w->waited_ms, ms, __ATOMIC_RELAXED);
}

void world_token_key(struct world *w, const char *secret)
{
    gw_auto(gw_secret) struct gw_secret *text = NULL;
    gw_token_ring_done(&w->ring);
    assert_int_equal(gw_secret_new(gw_str(secret), &text, &w->err), GW_OK);
    assert_int_equal(gw_token_key_new(GW_TOKEN_KEY_HS256, text, GW_STR_NULL, &w->ring.keys[GW_TOKEN_CURRENT], &w->err),
                     GW_OK);
}

void world_renew(struct world *w)
{
    gw_identity_free(w->identity);
    w->identity = NULL;
    gw_identity_set_guard(&w->settings, w->guard);
    const struct gw_identity_options o = {.store = w->store,
                                          .shared = w->shared,
                                          .sealed = w->sealed,
                                          .settings = &w->settings,
                                          .rules = w->rules,
                                          .hasher = w->hasher,
                                          .guard = w->guard,
                                          .device_key = w->device_key,
                                          .ring = &w->ring,
                                          .recorder = w->recorder,
                                          .clock = &w->clock.clock,
                                          .random = &w->random.random,
                                          .wait_ms = wait_ms,
                                          .wait_ctx = w};
    assert_int_equal(gw_identity_new(&o, &w->identity, &w->err), GW_OK);
}

void world_hasher(struct world *w, unsigned threads, unsigned queue_max)
{
    gw_hasher_free(w->hasher);
    w->hasher = NULL;
    const struct gw_hasher_options o = {.threads = threads,
                                        .queue_max = queue_max,
                                        .per_address_max = queue_max,
                                        .params = {.memory_kib = 64, .passes = 1, .lanes = 1},
                                        .random = &w->random.random};
    assert_int_equal(gw_hasher_new(&o, &w->hasher, &w->err), GW_OK);
    world_renew(w);
}

static void open_sealed(struct world *w)
{
    const struct gw_sealed_options o = {w->store, w->kek, &w->clock.clock, &w->random.random};
    assert_int_equal(gw_sealed_open(&o, &w->sealed, &w->err), GW_OK);
}

static void open_shared(struct world *w)
{
    const struct gw_shared_sizes sizes = {.sessions = 64, .users = 32, .revocations = 32, .api_keys = 8};
    assert_int_equal(gw_shared_open(w->dir, GW_SHARED_WRITER, &sizes, &w->shared, &w->err), GW_OK);
}

void world_restart(struct world *w)
{
    gw_shared_close(w->shared);
    w->shared = NULL;
    gw_sealed_free(w->sealed);
    w->sealed = NULL;
    open_sealed(w);
    open_shared(w);
    world_renew(w);
}

void world_advance(struct world *w, int64_t s)
{
    gw_fake_clock_advance(&w->clock, s * 1000);
}

static void write_blocklist(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "Password1!\n", 11), 11);
    assert_int_equal(close(fd), 0);
}

int world_set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    char path[64];
    strcpy(w->dir, "/tmp/gw-identity-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    gw_fake_clock_init(&w->clock, WORLD_START_S * INT64_C(1000));
    gw_fake_random_init(&w->random, 42);
    w->settings = (struct gw_settings){.token_issuer = GW_STR("aaiti-api"),
                                       .token_audience = GW_STR("aaiti-client"),
                                       .token_ttl_ms = WORLD_TOKEN_S * 1000,
                                       .session_idle_ms = WORLD_IDLE_S * 1000,
                                       .session_absolute_ms = WORLD_ABSOLUTE_S * 1000,
                                       .session_per_user = 3,
                                       .session_at_limit = GW_SESSION_EVICT_OLDEST,
                                       .login_floor_ms = WORLD_FLOOR_MS,
                                       .login_attempts = GW_WINDOW_FAILURES_MAX,
                                       .login_window_ms = 900 * 1000,
                                       .login_lock_ms = 900 * 1000,
                                       .login_waiting = 64,
                                       .login_waiting_per_address = 64,
                                       .login_device_ttl_ms = INT64_C(90) * 86400 * 1000,
                                       .login_spraying = GW_SPRAYING_DISTINCT_MAX,
                                       .reset_code_ttl_ms = 600 * 1000,
                                       .api_key_capacity = 8,
                                       .api_key_per_user = 3};
    path_of(w, "blocklist", path);
    write_blocklist(path);
    assert_int_equal(gw_password_rules_new(GW_PASSWORD_GUIDE, path, &w->rules, &w->err), GW_OK);
    world_token_key(w, "kT7vX2mQ9sLw4cZr8bNf3hJd6gYp1aEu");
    path_of(w, "x.db", path);
    assert_int_equal(gw_store_open_sqlite(path, &w->store, &w->err), GW_OK);
    assert_int_equal(gw_secret_new(GW_STR("mB5xT8nV2cQ7zK4wR9yL1hF6jD3gS0pA"), &w->kek, &w->err), GW_OK);
    open_sealed(w);
    assert_int_equal(gw_device_key(w->kek, &w->device_key, &w->err), GW_OK);
    const struct gw_login_guard_options guard = {
        .capacity = 256, .clock = &w->clock.clock, .random = &w->random.random};
    assert_int_equal(gw_login_guard_new(&guard, &w->guard, &w->err), GW_OK);
    assert_int_equal(gw_recorder_new(&w->random.random, &w->clock.clock, &w->recorder, &w->err), GW_OK);
    open_shared(w);
    world_hasher(w, 2, 16); /* half of it for one network: test_login.c signs in eight at once */
    assert_int_equal(gw_identity_publish(w->identity, &w->err), GW_OK);
    *state = w;
    return 0;
}

int world_tear_down(void **state)
{
    struct world *w = *state;
    gw_identity_free(w->identity);
    gw_hasher_free(w->hasher);
    gw_login_guard_free(w->guard);
    gw_mac_free(w->device_key);
    gw_shared_close(w->shared);
    gw_sealed_free(w->sealed);
    gw_secret_free(w->kek);
    gw_recorder_free(w->recorder);
    gw_store_close(w->store);
    gw_token_ring_done(&w->ring);
    gw_password_rules_free(w->rules);
    for (size_t n = 0; n < COUNT(files); n++) {
        char path[64];
        path_of(w, files[n], path);
        unlink(path);
    }
    assert_int_equal(rmdir(w->dir), 0);
    free(w);
    return 0;
}

/* ---- what tests do often ---- */

struct gw_user_row world_add(struct world *w, const char *name, const char *role, const char *password)
{
    struct gw_user_row u;
    const struct gw_user_new n = {.username = gw_str(name), .role = gw_str(role), .password = gw_str(password)};
    if (gw_user_add(w->identity, &world_actor, world_policy, &n, &u, &w->err) != GW_OK)
        fail_msg("%s: %s", name, w->err.msg);
    return u;
}

struct gw_user_row world_get(struct world *w, const char *name)
{
    struct gw_user_row u;
    assert_int_equal(gw_user_find(w->identity, gw_str(name), &u, &w->err), GW_OK);
    return u;
}

enum gw_code world_login(struct world *w, const char *name, const char *password, struct gw_signed_in *out)
{
    const struct gw_login in = {.username = gw_str(name), .password = gw_str(password), .by = &world_actor};
    w->waited_ms = -1;
    return gw_login(w->identity, &in, out, &w->err);
}

struct gw_signed_in world_sign_in(struct world *w, const char *name)
{
    struct gw_signed_in s;
    if (world_login(w, name, GOOD_PASSWORD, &s) != GW_OK)
        fail_msg("%s: %s", name, w->err.msg);
    return s;
}

enum gw_code world_identify(struct world *w, const struct gw_signed_in *s)
{
    struct gw_caller caller;
    return gw_identify(w->identity, gw_buf_str(&s->token), &caller, &w->err);
}

static enum gw_code count(void *ctx, const struct gw_session_row *r, struct gw_error *err)
{
    (void)r, (void)err;
    ++*(size_t *)ctx;
    return GW_OK;
}

size_t world_session_count(struct world *w, const struct gw_uuid *user_id)
{
    size_t n = 0;
    assert_int_equal(gw_store_session_each(w->store, user_id, count, &n, &w->err), GW_OK);
    return n;
}

bool world_has_live_session(struct world *w, const struct gw_uuid *id)
{
    struct gw_live_session live;
    return gw_shared_get_session(w->shared, id, &live) == GW_OK;
}
