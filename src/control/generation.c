/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files first, then what is made of them: a fault in any of them leaves nothing behind, so that a reload which fails changes nothing.
 */
#include "control/generation.h"
#include "base/file.h"
#include "control/bundle.h"
#include "control/log.h"
#include "control/rotation.h"
#include "policy/policy.h"
#include <stdlib.h>
#include <string.h>

#define SETTINGS_BYTES_MAX (32 * 1024 * 1024) /* of the arena that a YAML file of 1 MiB and its settings live in */

void gw_generation_free(struct gw_generation *g)
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
static enum gw_code load_policy(struct gw_app *a, struct gw_generation *g, struct gw_faults *f, struct gw_error *err)
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
static enum gw_code check_algorithm(const struct gw_app *a, const struct gw_generation *g, struct gw_faults *f,
                                    struct gw_error *err)
{
    bool is_eddsa = gw_token_key_is_slow(a->ring.keys[GW_TOKEN_CURRENT]);
    if (is_eddsa == (g->settings.token_algorithm == GW_TOKEN_SETTING_EDDSA))
        return GW_OK;
    gw_faults_add(f, a->home, 0, "token.algorithm: a change takes a restart of `aaiti serve`");
    return gw_fail(err, GW_EINVAL, "token.algorithm was changed");
}

enum gw_code gw_app_load_encryption(struct gw_app *a, const struct gw_keys_source *source, const struct gw_keys *others,
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
    return a->options.mode == GW_APP_CONTROL ? gw_app_load_encryption(a, source, out, err) : GW_OK;
}

/* All are looked at each time; the token key in use stays what it was at the start, for the workers keep theirs too. */
static enum gw_code load_keys(struct gw_app *a, struct gw_generation *g, struct gw_faults *f, struct gw_error *err)
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

static enum gw_code load_rules(struct gw_app *a, struct gw_generation *g, struct gw_faults *f, struct gw_error *err)
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

static enum gw_code check_register_role(const struct gw_generation *g, const char *file, struct gw_faults *f,
                                        struct gw_error *err)
{
    const struct gw_str role = g->settings.register_role;
    if (!g->settings.register_enabled || gw_policy_role(g->policy, role) >= 0)
        return GW_OK;
    gw_faults_add(f, file, 0, "register.role: the policy knows no role `%.*s`", GW_STR_ARG(role));
    return gw_fail(err, GW_EINVAL, "register.role is not a role of the policy");
}

static enum gw_code generation_check(struct gw_app *a, struct gw_generation *g, struct gw_faults *f,
                                     struct gw_error *err)
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

enum gw_code gw_generation_start(struct gw_app *a, struct gw_generation *g, struct gw_error *err)
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

enum gw_code gw_generation_new(struct gw_app *a, struct gw_faults *f, struct gw_generation **out, struct gw_error *err)
{
    struct gw_generation *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a generation");
    g->refs = 1;
    gw_arena_init(&g->arena, SETTINGS_BYTES_MAX);
    enum gw_code code = generation_check(a, g, f, err);
    if (code != GW_OK) {
        gw_generation_free(g);
        return code;
    }
    *out = g;
    return GW_OK;
}

enum gw_code gw_generation_publish(struct gw_app *a, const struct gw_generation *g, struct gw_error *err)
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
