/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/snapshot.h"
#include "pipeline/mint.h"
#include "pipeline/panic_page.h"
#include "pipeline/request_id.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX_BYTES ((size_t)1 << 20)

static void free_snapshot(struct gw_snapshot *s)
{
    if (s == NULL)
        return;
    gw_jwt_verifier_free(s->verifier);
    gw_jwt_verifier_free(s->tickets);
    gw_policy_free(s->policy);
    gw_arena_done(&s->arena);
    free(s);
}

static void free_scoped(struct gw_snapshot **s)
{
    free_snapshot(*s);
}

/* A bundle holds effective settings: the environment was applied by control, and is not the workers' to apply again. */
static const char *no_environment(const char *name)
{
    (void)name;
    return NULL;
}

static enum gw_code bundle_file(const struct gw_snapshot_source *source, const char *name, char path[PATH_MAX],
                                struct gw_error *err)
{
    int n = snprintf(path, PATH_MAX, "%s/bundles/%s/%s", source->run_dir, source->ref->hash, name);
    if (n < 0 || n >= PATH_MAX)
        return gw_fail(err, GW_ELIMIT, "the run directory's name is too long");
    return GW_OK;
}

/* The hash becomes a directory's name: 64 hex digits and nothing else, whoever wrote it. */
static bool is_hash(const char *text)
{
    size_t n = strnlen(text, 65);
    if (n != 64)
        return false;
    for (size_t i = 0; i < n; i++)
        if (gw_hex_digit(text[i]) < 0)
            return false;
    return true;
}

static enum gw_code first_fault(const struct gw_faults *f, struct gw_error *err)
{
    const struct gw_fault *fault = gw_faults_get(f, 0);
    return gw_fail(err, GW_EINVAL, "%s:%u: %s (%zu faults in all)", fault->file, fault->line, fault->message,
                   gw_faults_count(f));
}

static enum gw_code load_settings(struct gw_snapshot *s, const struct gw_snapshot_source *source, struct gw_faults *f,
                                  struct gw_error *err)
{
    char path[PATH_MAX];
    GW_TRY(bundle_file(source, "gateway.yaml", path, err));
    gw_settings_load(path, no_environment, &s->arena, &s->settings, f);
    return gw_faults_count(f) == 0 ? GW_OK : first_fault(f, err);
}

static enum gw_code check_upstream_keys(const struct gw_upstream *u, const struct gw_secret *const *keys,
                                        struct gw_error *err)
{
    static const char *const names[GW_UPSTREAM_KEYS] = {"upstream key", "staged upstream key"};
    struct gw_error why = {0};

    if (u->credential == GW_CREDENTIAL_NONE)
        return GW_OK;
    if (keys[0] == NULL)
        return gw_fail(err, GW_EINVAL,
                       "the policy presents a credential to the backend, but the gateway was started "
                       "without its key; restart `aaiti serve`");
    for (size_t i = 0; i < GW_UPSTREAM_KEYS; i++) {
        enum gw_code code = keys[i] != NULL ? gw_mint_check(u, keys[i], &why) : GW_OK;
        if (code != GW_OK)
            return gw_fail(err, code, "the %s that the gateway was started with is %s", names[i], why.msg);
    }
    return GW_OK;
}

static enum gw_code load_policy(struct gw_snapshot *s, const struct gw_snapshot_source *source, struct gw_faults *f,
                                struct gw_error *err)
{
    char path[PATH_MAX];
    GW_TRY(bundle_file(source, "policy.yaml", path, err));
    const struct gw_upstream_override override = {.url = s->settings.upstream_url,
                                                  .key_file = s->settings.upstream_key_file};
    enum gw_code code = gw_policy_load(path, &override, f, &s->policy, err);
    if (gw_faults_count(f) != 0)
        return first_fault(f, err);
    GW_TRY(code);
    return check_upstream_keys(gw_policy_upstream(s->policy), source->upstream_keys, err);
}

static enum gw_code make_verifiers(struct gw_snapshot *s, const struct gw_token_ring *ring, struct gw_error *err)
{
    struct gw_jwt_profile profile = {
        .issuer = s->settings.token_issuer,
        .audience = s->settings.token_audience,
        .type = GW_STR(GW_JWT_ACCESS_TYPE),
        .leeway_s = s->settings.token_leeway_ms / 1000,
        .max_lifetime_s = s->settings.session_absolute_ms / 1000, /* no token outlives its session */
        .require = GW_JWT_NEED_KEY_ID | GW_JWT_NEED_SESSION,
    };
    GW_TRY(gw_jwt_verifier_new(ring, &profile, &s->verifier, err));
    profile.type = GW_STR(GW_JWT_TICKET_TYPE);
    profile.leeway_s = 0; /* whoever gave it has the same clock */
    profile.max_lifetime_s = GW_TICKET_S;
    return gw_jwt_verifier_new(ring, &profile, &s->tickets, err);
}

enum gw_code gw_snapshot_load(const struct gw_snapshot_source *source, struct gw_snapshot **out, struct gw_error *err)
{
    if (!is_hash(source->ref->hash))
        return gw_fail(err, GW_EINVAL, "the published bundle's name is not a hash");
    __attribute__((cleanup(free_scoped))) struct gw_snapshot *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a snapshot");
    gw_arena_init(&s->arena, ARENA_MAX_BYTES);
    s->ref = *source->ref;
    s->mark = gw_name_mark(gw_str(source->ref->hash));
    s->references = 1;
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    GW_TRY(gw_faults_new(&f, err));
    GW_TRY(load_settings(s, source, f, err));
    GW_TRY(load_policy(s, source, f, err));
    GW_TRY(make_verifiers(s, source->ring, err));
    GW_TRY(gw_cors_load(&s->settings, &s->arena, &s->cors));
    GW_TRY(gw_panic_page(s->policy, &s->arena, &s->panic_page));
    *out = gw_take(&s);
    return GW_OK;
}

void gw_snapshot_ref(struct gw_snapshot *s)
{
    s->references++;
}

void gw_snapshot_unref(struct gw_snapshot *s)
{
    if (s == NULL)
        return;
    assert(s->references > 0);
    if (--s->references == 0)
        free_snapshot(s);
}
