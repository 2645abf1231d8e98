/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files first, then control's own ring, then nginx. In between the workers hold older sets, and that is enough: the key that signs from
 * now on was their next, and the secret that the backend may ask for is tried when it says 401.
 */
#include "control/rotation.h"
#include "base/file.h"
#include "control/log.h"
#include "pipeline/mint.h"
#include "policy/policy.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARENA_MAX (64 * 1024)
/* The file is stamped before the last token is signed, and clocks of machines differ. */
#define EXPIRY_MARGIN_S 60

static bool is_given_by_environment(const struct gw_keys_source *source)
{
    const char *value = source->getenv_fn("JWT_SECRET");
    return value != NULL && value[0] != '\0';
}

/* Initialises a, which owns the names. */
static enum gw_code find_token_files(struct gw_arena *a, const struct gw_keys_source *source,
                                     struct gw_token_files *out, struct gw_error *err)
{
    gw_arena_init(a, ARENA_MAX);
    *out = gw_keys_token_files(a, source);
    return out->path != NULL ? GW_OK : gw_fail(err, GW_ENOMEM, "no memory for the name of the token key");
}

static bool signing_is_ours(const struct gw_keys_source *source)
{
    return !is_given_by_environment(source) && gw_keys_file_is_ours(source->settings->token_key_file);
}

enum gw_code gw_rotation_mend(const struct gw_keys_source *source, const struct gw_random *r, bool *out_changed,
                              struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    struct gw_error why = {0};
    struct gw_token_files files;
    GW_TRY(find_token_files(&a, source, &files, err));
    *out_changed = false;
    if (!signing_is_ours(source))
        return GW_OK;
    enum gw_code code = gw_token_files_mend(&files, r, out_changed, &why);
    if (code == GW_EBACKEND) {
        /* A directory that cannot be written is no reason not to serve; only a rotation will be refused. */
        gw_log(GW_LOG_WARN, "keys", {"error", gw_str(why.msg)},
               {"text", GW_STR("no next token key; going on without")});
        return GW_OK;
    }
    return code == GW_OK ? code : gw_fail(err, code, "token key: %s", why.msg);
}

/* ---- the signing key ---- */

int64_t gw_rotation_previous_until_s(const struct gw_token_ring *ring, const struct gw_settings *s)
{
    if (ring->keys[GW_TOKEN_PREVIOUS] == NULL)
        return 0;
    return ring->since_s[GW_TOKEN_PREVIOUS] + (s->token_ttl_ms + s->token_leeway_ms) / 1000 + EXPIRY_MARGIN_S;
}

static enum gw_code check_turn(struct gw_app *a, const struct gw_settings *s, enum gw_rotation_haste haste,
                               struct gw_error *err)
{
    char when[GW_TIME_LEN + 1];
    int64_t until_s = gw_rotation_previous_until_s(gw_app_ring(a), s);
    if (haste == GW_ROTATE_NOW || gw_clock_real_s(gw_app_clock(a)) >= until_s)
        return GW_OK;
    gw_time_format(until_s, when);
    return gw_fail(
        err, GW_ECONFLICT,
        "tokens of the previous signing key may live until %s; rotate again from then on, or end them now with: "
        "aaiti key rotate --signing --force",
        when);
}

static enum gw_code check_signing_is_ours(const struct gw_keys_source *source, const char *path, struct gw_error *err)
{
    if (signing_is_ours(source))
        return GW_OK;
    return gw_fail(
        err, GW_ECONFLICT,
        "the signing key %s is your own (JWT_SECRET, JWT_SECRET_FILE or a token.key_file outside the home "
        "directory): put another in its place, keep the old one beside it as %s.previous while its tokens live, and "
        "restart `aaiti serve`",
        is_given_by_environment(source) ? "of JWT_SECRET" : path, path);
}

static enum gw_code load_ring(struct gw_app *a, const struct gw_token_files *files, enum gw_rotation_told *out_told,
                              struct gw_error *err)
{
    gw_auto(gw_token_ring) struct gw_token_ring ring = {0};
    GW_TRY(gw_token_ring_load(files, &ring, err));
    GW_TRY(gw_app_set_ring(a, &ring, err));
    *out_told = gw_app_ring_doorbell(a) ? GW_TOLD : GW_NOBODY_TOLD;
    return GW_OK;
}

static enum gw_code sign_by_next(struct gw_app *a, const struct gw_app_view *v, enum gw_rotation_haste haste,
                                 enum gw_rotation_told *out_told, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena arena = {0};
    const struct gw_keys_source source = gw_app_keys_source(a, v);
    struct gw_token_files files;
    bool changed;
    GW_TRY(find_token_files(&arena, &source, &files, err));
    GW_TRY(check_signing_is_ours(&source, files.path, err));
    GW_TRY(check_turn(a, v->settings, haste, err));
    GW_TRY(gw_token_files_mend(&files, gw_app_random(a), &changed, err));
    /* Workers never heard of a key that was made this moment; they must read it before it may sign. */
    if (changed && gw_app_shared(a) != NULL) {
        GW_TRY(load_ring(a, &files, out_told, err));
        return gw_fail(
            err, GW_ECONFLICT,
            "there was no next signing key, so one was made; when nginx has read it (`aaiti key list` shows it; where "
            "nginx is your own, reload it), rotate again");
    }
    GW_TRY(gw_token_files_rotate(&files, gw_app_clock(a), gw_app_random(a), err));
    return load_ring(a, &files, out_told, err);
}

enum gw_code gw_rotation_sign(struct gw_app *a, enum gw_rotation_haste haste, enum gw_rotation_told *out_told,
                              struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    gw_app_hold_keys(a);
    enum gw_code code = sign_by_next(a, v, haste, out_told, err);
    gw_app_release_keys(a);
    gw_app_view_put(a, v);
    return code;
}

static enum gw_code drop_expired(struct gw_app *a, const struct gw_app_view *v, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena arena = {0};
    const struct gw_keys_source source = gw_app_keys_source(a, v);
    struct gw_token_files files;
    enum gw_rotation_told told;
    int64_t until_s = gw_rotation_previous_until_s(gw_app_ring(a), v->settings);
    if (until_s == 0 || gw_clock_real_s(gw_app_clock(a)) < until_s || !signing_is_ours(&source))
        return GW_OK;
    GW_TRY(find_token_files(&arena, &source, &files, err));
    GW_TRY(gw_token_files_drop_previous(&files, err));
    GW_TRY(load_ring(a, &files, &told, err));
    gw_log(GW_LOG_INFO, "keys", {"text", GW_STR("dropped the previous signing key: its last token has expired")});
    return GW_OK;
}

enum gw_code gw_rotation_expire(struct gw_app *a, struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    gw_app_hold_keys(a);
    enum gw_code code = drop_expired(a, v, err);
    gw_app_release_keys(a);
    gw_app_view_put(a, v);
    return code;
}

/* ---- the upstream's secret ---- */

struct upstream_files {
    char current[PATH_MAX], next[PATH_MAX];
};

static enum gw_code upstream_files(const struct gw_keys_source *source, struct upstream_files *out,
                                   struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_arena_init(&a, ARENA_MAX);
    if (source->upstream->credential == GW_CREDENTIAL_NONE)
        return gw_fail(err, GW_ECONFLICT, "the policy shows the backend no credential, so there is no key to rotate");
    const char *path = gw_keys_upstream_file(&a, source);
    if (path == NULL || snprintf(out->current, sizeof(out->current), "%s", path) >= (int)sizeof(out->current) ||
        snprintf(out->next, sizeof(out->next), "%s.next", path) >= (int)sizeof(out->next))
        return gw_fail(err, GW_ELIMIT, "the name of the upstream key is too long");
    if (!gw_keys_file_is_ours(source->upstream->key_file))
        return gw_fail(
            err, GW_ECONFLICT,
            "the upstream key %s is your own (its name is not relative to the home directory): put the next one "
            "beside it as %s and reload the gateway; when the backend has moved, rename it over the old one",
            out->current, out->next);
    return GW_OK;
}

static enum gw_code check_staged(struct gw_app *a, const struct gw_keys_source *source, const struct upstream_files *f,
                                 const struct gw_secret *secret, struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *current = NULL;
    gw_auto(gw_keys) struct gw_keys others = {0};
    struct gw_error why = {0};
    if (gw_mint_check(source->upstream, secret, &why) != GW_OK)
        return gw_fail(err, GW_EINVAL, "the secret is %s", why.msg);
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++) {
        const struct gw_token_key *key = gw_app_ring(a)->keys[i];
        if (key != NULL && gw_token_key_is_text(key, secret))
            return gw_fail(err, GW_EINVAL, "the secret equals a signing key of the gateway");
    }
    if (gw_app_is_encryption_key(a, secret))
        return gw_fail(err, GW_EINVAL, "the secret equals the encryption key of the gateway");
    GW_TRY(gw_keys_load_others(source, gw_app_ring(a), &others, err));
    if (others.request_id != NULL && gw_secret_eq(others.request_id, secret))
        return gw_fail(err, GW_EINVAL, "the secret equals the key of request ids of the gateway");
    GW_TRY(gw_secret_load_foreign(f->current, &current, err));
    return gw_secret_eq(current, secret) ? gw_fail(err, GW_EINVAL, "the secret is the current one") : GW_OK;
}

static enum gw_code stage(struct gw_app *a, const struct gw_app_view *v, struct gw_str text,
                          enum gw_rotation_told *out_told, struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *secret = NULL;
    const struct gw_keys_source source = gw_app_keys_source(a, v);
    struct upstream_files f;
    GW_TRY(upstream_files(&source, &f, err));
    GW_TRY(gw_secret_new(text, &secret, err));
    GW_TRY(check_staged(a, &source, &f, secret, err));
    GW_TRY(gw_file_replace(f.next, 0600, text, err));
    *out_told = gw_app_ring_doorbell(a) ? GW_TOLD : GW_NOBODY_TOLD;
    return GW_OK;
}

enum gw_code gw_rotation_stage_upstream(struct gw_app *a, struct gw_str secret, enum gw_rotation_told *out_told,
                                        struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    gw_app_hold_keys(a);
    enum gw_code code = stage(a, v, secret, out_told, err);
    gw_app_release_keys(a);
    gw_app_view_put(a, v);
    return code;
}

static enum gw_code finish(struct gw_app *a, const struct gw_app_view *v, enum gw_rotation_told *out_told,
                           struct gw_error *err)
{
    const struct gw_keys_source source = gw_app_keys_source(a, v);
    struct upstream_files f;
    GW_TRY(upstream_files(&source, &f, err));
    enum gw_code code = gw_file_rename(f.next, f.current, err);
    if (code == GW_ENOTFOUND)
        return gw_fail(err, GW_ECONFLICT,
                       "no next upstream secret is staged; stage one with: aaiti key rotate --upstream");
    if (code != GW_OK)
        return code;
    *out_told = gw_app_ring_doorbell(a) ? GW_TOLD : GW_NOBODY_TOLD;
    return GW_OK;
}

enum gw_code gw_rotation_finish_upstream(struct gw_app *a, enum gw_rotation_told *out_told, struct gw_error *err)
{
    const struct gw_app_view *v = gw_app_view_get(a);
    gw_app_hold_keys(a);
    enum gw_code code = finish(a, v, out_told, err);
    gw_app_release_keys(a);
    gw_app_view_put(a, v);
    return code;
}
