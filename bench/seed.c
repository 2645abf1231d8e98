/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for control in the benchmark: fills a run directory (bundle, authority segment with COUNT users who have a
 * session and two API keys each, a list of blocks) from HOME's gateway.yaml, whose policy is whole and whose run_dir exists, and prints a line
 * each: a token, a key, a key that signs.
 */
#include "base/clock.h"
#include "base/file.h"
#include "control/bundle.h"
#include "control/home_dir.h"
#include "control/keys.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "shared/mode.h"
#include "shared/shared.h"
#include "token/api_key.h"
#include "token/jwt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_S 3600
#define ADDRESSES_BLOCKED 1000u
#define NONCES (UINT32_C(1) << 22) /* wrk signs more often than the thousand a second that control makes room for */

struct seed {
    const char *home;
    uint32_t count;
    struct gw_arena arena;
    struct gw_settings settings;
    struct gw_token_ring ring;
    struct gw_shared *shared;
    char run_dir[101];
    int64_t now_s;
};

static const char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

static enum gw_code load(struct seed *s, struct gw_error *err)
{
    gw_auto(gw_faults) struct gw_faults *faults = NULL;
    GW_TRY(gw_faults_new(&faults, err));
    gw_settings_load(gw_settings_path(&s->arena, s->home, GW_STR("gateway.yaml")), no_environment, &s->arena,
                     &s->settings, faults);
    if (gw_faults_count(faults) != 0)
        return gw_fail(err, GW_EINVAL, "gateway.yaml: %s", gw_faults_get(faults, 0)->message);
    if (!gw_str_copy(s->settings.run_dir, s->run_dir, sizeof(s->run_dir)))
        return gw_fail(err, GW_EINVAL, "run_dir is too long");
    const struct gw_keys_source source = {.home = s->home, .settings = &s->settings, .getenv_fn = no_environment};
    const struct gw_token_files files = gw_keys_token_files(&s->arena, &source);
    return gw_token_ring_load(&files, &s->ring, err);
}

static enum gw_code publish(struct seed *s, struct gw_error *err)
{
    char hash[GW_BUNDLE_HASH_LEN + 1];
    gw_auto(gw_buf) struct gw_buf gateway = {0}, policy = {0};
    gw_buf_init(&gateway, GW_BUNDLE_FILE_MAX);
    gw_buf_init(&policy, GW_BUNDLE_FILE_MAX);
    GW_TRY(gw_bundle_settings(&s->settings, s->home, &gateway, err));
    GW_TRY(gw_file_read(gw_settings_path(&s->arena, s->home, s->settings.policy), &policy, err));
    const struct gw_bundle bundle = {.gateway = gw_buf_str(&gateway), .policy = gw_buf_str(&policy)};
    GW_TRY(gw_bundle_write(s->run_dir, &bundle, hash, err));
    gw_shared_set_bundle(s->shared, hash);
    return GW_OK;
}

enum kind { SENT, SIGNED };

/* Of the same user, after the token. */
static enum gw_code add_key(struct seed *s, const struct gw_live_session *session, enum kind kind, struct gw_error *err)
{
    char text[GW_API_KEY_LEN + 1];
    uint8_t hash[GW_MAC_BYTES];
    struct gw_live_key key = {.user_id = session->user_id, .is_signed = kind == SIGNED};
    GW_TRY(gw_api_key_make(gw_system_random(), text, err));
    GW_TRY(gw_random_fill(gw_system_random(), key.id.b, sizeof(key.id.b), err));
    (void)printf(" %s", text);
    GW_TRY(gw_sha256(gw_str(text), hash, err));
    if (kind == SIGNED) { /* found by its id, and signs by the hash of the whole */
        memcpy(key.proof, hash, sizeof(hash));
        GW_TRY(gw_sha256((struct gw_str){text, sizeof(GW_API_KEY_PREFIX) - 1 + GW_API_KEY_PUBLIC_LEN}, hash, err));
    } else {
        memcpy(key.proof, hash + sizeof(key.hash.b), sizeof(hash) - sizeof(key.hash.b));
    }
    memcpy(key.hash.b, hash, sizeof(key.hash.b));
    return gw_shared_put_key(s->shared, &key, err);
}

static enum gw_code print_token(struct seed *s, const struct gw_live_session *session, struct gw_error *err)
{
    char user_id[GW_UUID_LEN + 1];
    gw_auto(gw_buf) struct gw_buf token = {0};
    struct gw_jwt_issue issue = {
        .issuer = s->settings.token_issuer,
        .audience = s->settings.token_audience,
        .role = GW_STR("trader"),
        .sid = session->id,
        .iat_s = s->now_s,
        .exp_s = s->now_s + HOUR_S,
    };
    gw_uuid_format(&session->user_id, user_id);
    issue.sub = gw_str(user_id);
    gw_buf_init(&token, GW_JWT_MAX_BYTES);
    GW_TRY(gw_random_fill(gw_system_random(), issue.jti.b, sizeof(issue.jti.b), err));
    GW_TRY(gw_jwt_sign_access(s->ring.keys[GW_TOKEN_CURRENT], &issue, &token, err));
    (void)fputs(token.ptr, stdout);
    return GW_OK;
}

static enum gw_code add(struct seed *s, uint32_t i, struct gw_error *err)
{
    struct gw_live_user user = {.version = 1, .active = 1, .role = "trader"};
    struct gw_live_session session = {
        .created_s = s->now_s, .expires_s = s->now_s + 24 * HOUR_S, .last_seen_s = s->now_s, .idle_s = 24 * HOUR_S};
    GW_TRY(gw_random_fill(gw_system_random(), user.id.b, sizeof(user.id.b), err));
    GW_TRY(gw_random_fill(gw_system_random(), session.id.b, sizeof(session.id.b), err));
    (void)snprintf(user.username, sizeof(user.username), "bench%u", i);
    (void)snprintf(user.email, sizeof(user.email), "bench%u@example.org", i);
    gw_uuid_format(&user.id, user.upstream_id);
    session.user_id = user.id;
    GW_TRY(gw_shared_put_user(s->shared, &user, err));
    GW_TRY(gw_shared_put_session(s->shared, &session, err));
    GW_TRY(print_token(s, &session, err));
    GW_TRY(add_key(s, &session, SENT, err));
    GW_TRY(add_key(s, &session, SIGNED, err));
    (void)puts("");
    return GW_OK;
}

static enum gw_code block(struct seed *s, const char *network, struct gw_error *err)
{
    struct gw_live_block b = {.kind = GW_BLOCK_FULL, .since_s = s->now_s, .expires_s = s->now_s + 24 * HOUR_S};
    GW_TRY(gw_cidr_parse(gw_str(network), &b.network));
    return gw_shared_put_block(s->shared, &b, err);
}

/* A list such as there is: a thousand addresses, a network of each kind, and the one that bench/load.lua asks from. */
static enum gw_code add_blocks(struct seed *s, struct gw_error *err)
{
    char address[32];
    for (unsigned i = 0; i < ADDRESSES_BLOCKED; i++) {
        (void)snprintf(address, sizeof(address), "172.16.%u.%u", i / 250, i % 250);
        GW_TRY(block(s, address, err));
    }
    GW_TRY(block(s, "2001:db8::/64", err));
    GW_TRY(block(s, "198.51.100.0/24", err));
    return block(s, "10.2.0.0/16", err);
}

static enum gw_code make_mode(const struct seed *s, struct gw_error *err)
{
    gw_auto_fd int dir = -1;
    GW_TRY(gw_home_dir_open(&gw_mode_dir, s->home, s->run_dir, &dir, err));
    return gw_mode_ensure(dir, err);
}

static enum gw_code seed(struct seed *s, struct gw_error *err)
{
    const struct gw_shared_sizes sizes = {
        .sessions = s->count,
        .users = s->count,
        .revocations = s->count,
        .blocks = 2 * ADDRESSES_BLOCKED,
        .rates = s->count,
        .api_keys = 2 * s->count,
        .nonces = NONCES,
        .nonce_window_s = 30,
        .clock = gw_system_clock(),
    };
    GW_TRY(load(s, err));
    GW_TRY(make_mode(s, err));
    GW_TRY(gw_shared_open(s->run_dir, GW_SHARED_WRITER, &sizes, &s->shared, err));
    gw_shared_begin_load(s->shared);
    for (uint32_t i = 0; i < s->count; i++)
        GW_TRY(add(s, i, err));
    GW_TRY(add_blocks(s, err));
    GW_TRY(publish(s, err));
    gw_shared_end_load(s->shared);
    gw_shared_beat(s->shared, s->now_s);
    return GW_OK;
}

int main(int argc, char **argv)
{
    struct gw_error err = {0};
    struct seed s = {.now_s = gw_clock_real_s(gw_system_clock())};
    if (argc != 3) {
        (void)fprintf(stderr, "usage: seed HOME COUNT\n");
        return 2;
    }
    s.home = argv[1];
    s.count = (uint32_t)strtoul(argv[2], NULL, 10);
    gw_arena_init(&s.arena, 1 << 20);
    enum gw_code code = seed(&s, &err);
    gw_shared_close(s.shared);
    gw_token_ring_done(&s.ring);
    gw_arena_done(&s.arena);
    if (code != GW_OK)
        (void)fprintf(stderr, "seed: %s\n", err.msg);
    return code == GW_OK ? 0 : 1;
}
