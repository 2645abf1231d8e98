/* SPDX-License-Identifier: Apache-2.0 */
#include "control/keys.h"
#include "base/file.h"
#include "control/run_dir.h"
#include "crypto/keyring.h"
#include "pipeline/mint.h"
#include "policy/policy.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_ENV "JWT_SECRET"
#define ENCRYPTION_ENV "ENCRYPTION_KEY"

static enum gw_code check_token_text(const struct gw_secret *text, struct gw_error *err);
static enum gw_code check_encryption_text(const struct gw_secret *text, struct gw_error *err);

/* The secrets that may come by environment variable. */
enum { ENV_TOKEN, ENV_ENCRYPTION, ENV_COUNT };
static const struct variable {
    const char *name, *file_name; /* the secret's variable, and that of a file which holds it */
    const char *stash;            /* its file in the run directory */
    enum gw_code (*check)(const struct gw_secret *text, struct gw_error *err);
} variables[ENV_COUNT] = {
    [ENV_TOKEN] = {TOKEN_ENV, "JWT_SECRET_FILE", "keys/token.key", check_token_text},
    [ENV_ENCRYPTION] = {ENCRYPTION_ENV, "ENCRYPTION_KEY_FILE", "keys/encryption.key", check_encryption_text},
};

/* An empty variable counts as unset: compose files pass `JWT_SECRET=` for a variable that nobody gave. */
static const char *value_of(const struct variable *v, gw_getenv_fn getenv_fn)
{
    const char *value = getenv_fn(v->name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char *environment(const char *name)
{
    return getenv(name);
}

static enum gw_code check_token_text(const struct gw_secret *text, struct gw_error *err)
{
    struct gw_error why = {0};
    enum gw_code code = gw_secret_check(text, &why);
    if (code == GW_OK)
        return GW_OK;
    return gw_fail(err, code, TOKEN_ENV " of the environment: %s; set it to what `openssl rand -base64 48` prints",
                   why.msg);
}

static enum gw_code check_encryption_text(const struct gw_secret *text, struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *kek = NULL;
    struct gw_error why = {0};
    enum gw_code code = gw_kek_parse(text, &kek, &why);
    if (code == GW_OK)
        return GW_OK;
    return gw_fail(err, code, ENCRYPTION_ENV " of the environment: %s; set it to what `openssl rand -hex 32` prints",
                   why.msg);
}

static enum gw_code secret_of_text(const struct variable *v, const char *text, struct gw_secret **out,
                                   struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *s = NULL;
    GW_TRY(gw_secret_new(gw_str(text), &s, err));
    GW_TRY(v->check(s, err));
    *out = gw_take(&s);
    return GW_OK;
}

struct gw_token_files gw_keys_token_files(struct gw_arena *a, const struct gw_keys_source *source)
{
    const struct gw_settings *s = source->settings;
    return (struct gw_token_files){
        .path = gw_settings_path(a, source->home, s->token_key_file),
        .algorithm = s->token_algorithm == GW_TOKEN_SETTING_EDDSA ? GW_TOKEN_EDDSA : GW_TOKEN_HS256,
    };
}

bool gw_keys_file_is_ours(struct gw_str name)
{
    struct gw_str rest = name, part;
    while (gw_str_split(&rest, '/', &part))
        if (gw_str_eq(part, GW_STR("..")))
            return false;
    return name.len > 0 && name.ptr[0] != '/';
}

static enum gw_code load_token_files(const struct gw_keys_source *source, struct gw_arena *a, struct gw_token_ring *out,
                                     struct gw_error *err)
{
    struct gw_error why = {0};
    const struct gw_token_files files = gw_keys_token_files(a, source);
    if (files.path == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the name of the token key");
    enum gw_code code = gw_token_ring_load(&files, out, &why);
    return code == GW_OK ? code : gw_fail(err, code, "token key: %s", why.msg);
}

/* A variable holds one secret and has no generations. */
static enum gw_code ring_of_text(const struct gw_keys_source *source, const char *text, struct gw_token_ring *out,
                                 struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *secret = NULL;
    if (source->settings->token_algorithm == GW_TOKEN_SETTING_EDDSA)
        return gw_fail(err, GW_EINVAL,
                       TOKEN_ENV " is a secret for HS256, but token.algorithm is EdDSA; unset the variable, or set the "
                                 "algorithm to HS256");
    GW_TRY(secret_of_text(&variables[ENV_TOKEN], text, &secret, err));
    return gw_token_key_new(GW_TOKEN_KEY_HS256, secret, GW_STR_NULL, &out->keys[GW_TOKEN_CURRENT], err);
}

const char *gw_keys_upstream_file(struct gw_arena *a, const struct gw_keys_source *source)
{
    if (source->upstream == NULL || source->upstream->credential == GW_CREDENTIAL_NONE)
        return NULL;
    return gw_settings_path(a, source->home, source->upstream->key_file);
}

/* A key that signs is for the deployer to choose, so a random one mends it; the others are the backend's. */
static const char *upstream_mend(enum gw_credential credential)
{
    return credential == GW_CREDENTIAL_MINT_HS256
               ? "a random one that the backend knows too, as with: head -c 48 /dev/urandom | base64"
               : "what the backend expects, as with: cat";
}

static enum gw_code load_upstream_file(const char *path, const struct gw_upstream *u, struct gw_secret **out,
                                       struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *key = NULL;
    struct gw_error why = {0};

    if (path == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the name of the upstream key");
    enum gw_code code = gw_secret_load_foreign(path, &key, &why);
    if (code != GW_OK)
        return gw_fail(err, code, "upstream key: %s", why.msg);
    code = gw_mint_check(u, key, &why);
    if (code != GW_OK)
        return gw_fail(err, code, "upstream key: the secret is %s; put there %s > %s", why.msg,
                       upstream_mend(u->credential), path);
    *out = gw_take(&key);
    return GW_OK;
}

static enum gw_code check_differs(const struct gw_token_ring *ring, const struct gw_secret *upstream, const char *path,
                                  struct gw_error *err)
{
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++)
        if (ring->keys[i] != NULL && gw_token_key_is_text(ring->keys[i], upstream))
            return gw_fail(
                err, GW_EINVAL,
                "the token key and the upstream key `%s` are equal, so a client's token would be good at the "
                "backend itself; give the gateway a token key of its own: remove the file of token.key_file and "
                "run `aaiti init`, or set " TOKEN_ENV " to what `openssl rand -base64 48` prints",
                path);
    return GW_OK;
}

static enum gw_code load_upstream(const struct gw_keys_source *source, const struct gw_token_ring *ring,
                                  struct gw_arena *a, struct gw_keys *out, struct gw_error *err)
{
    char next[PATH_MAX];
    if (source->upstream == NULL || source->upstream->credential == GW_CREDENTIAL_NONE)
        return GW_OK;
    const char *path = gw_keys_upstream_file(a, source);
    GW_TRY(load_upstream_file(path, source->upstream, &out->upstream, err));
    GW_TRY(check_differs(ring, out->upstream, path, err));
    if (snprintf(next, sizeof(next), "%s.next", path) >= (int)sizeof(next))
        return gw_fail(err, GW_ELIMIT, "the name of the upstream key is too long");
    enum gw_code code = load_upstream_file(next, source->upstream, &out->upstream_next, err);
    if (code != GW_OK)
        return code == GW_ENOTFOUND ? GW_OK : code;
    return check_differs(ring, out->upstream_next, next, err);
}

/* ---- the key of request ids ---- */

static const char *request_id_file(struct gw_arena *a, const struct gw_keys_source *source)
{
    return gw_settings_path(a, source->home, source->settings->request_id_key_file);
}

static enum gw_code check_request_id(const struct gw_keys *k, const struct gw_token_ring *ring,
                                     const struct gw_keys_source *source, struct gw_error *err)
{
    bool used = (k->upstream != NULL && gw_secret_eq(k->request_id, k->upstream)) ||
                (k->upstream_next != NULL && gw_secret_eq(k->request_id, k->upstream_next));
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS && !used; i++)
        used = ring->keys[i] != NULL && gw_token_key_is_text(ring->keys[i], k->request_id);
    return used
               ? gw_fail(err, GW_EINVAL,
                         "the key of request ids `%.*s` is also a token key or the upstream's; remove the file and run "
                         "`aaiti init`",
                         GW_STR_ARG(source->settings->request_id_key_file))
               : GW_OK;
}

enum gw_code gw_keys_load_request_id(const struct gw_keys_source *source, struct gw_secret **out, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    struct gw_error why = {0};
    gw_arena_init(&a, 64 * 1024);
    const char *path = request_id_file(&a, source);
    if (path == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the name of the key of request ids");
    enum gw_code code = gw_secret_load(path, out, &why);
    return code == GW_OK ? code : gw_fail(err, code, "key of request ids: %s", why.msg);
}

/* Control makes a missing one, where it is ours. */
static enum gw_code load_request_id(const struct gw_keys_source *source, const struct gw_token_ring *ring,
                                    struct gw_keys *out, struct gw_error *err)
{
    enum gw_code code = gw_keys_load_request_id(source, &out->request_id, err);
    if (code == GW_ENOTFOUND && gw_keys_file_is_ours(source->settings->request_id_key_file))
        return GW_OK;
    return code == GW_OK ? check_request_id(out, ring, source, err) : code;
}

enum gw_code gw_keys_make_request_id(const struct gw_keys_source *source, const struct gw_random *r,
                                     struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_arena_init(&a, 64 * 1024);
    const char *path = request_id_file(&a, source);
    if (path == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the name of the key of request ids");
    return gw_keys_file_is_ours(source->settings->request_id_key_file) ? gw_secret_create(path, r, err) : GW_ECONFLICT;
}

/* ---- all of them ---- */

enum gw_code gw_keys_load(const struct gw_keys_source *source, struct gw_keys *out, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_auto(gw_keys) struct gw_keys k = {0};
    const char *given = value_of(&variables[ENV_TOKEN], source->getenv_fn);
    gw_arena_init(&a, 64 * 1024);
    GW_TRY(given != NULL ? ring_of_text(source, given, &k.ring, err) : load_token_files(source, &a, &k.ring, err));
    GW_TRY(load_upstream(source, &k.ring, &a, &k, err));
    GW_TRY(load_request_id(source, &k.ring, &k, err));
    *out = k;
    k = (struct gw_keys){0};
    return GW_OK;
}

enum gw_code gw_keys_load_others(const struct gw_keys_source *source, const struct gw_token_ring *ring,
                                 struct gw_keys *out, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_auto(gw_keys) struct gw_keys k = {0};
    gw_arena_init(&a, 64 * 1024);
    GW_TRY(load_upstream(source, ring, &a, &k, err));
    GW_TRY(load_request_id(source, ring, &k, err));
    *out = k;
    k = (struct gw_keys){0};
    return GW_OK;
}

/* ---- the key-encryption key ---- */

static const char *encryption_file(struct gw_arena *a, const struct gw_keys_source *source)
{
    return gw_settings_path(a, source->home, source->settings->encryption_key_file);
}

const char *gw_keys_encryption_origin(struct gw_arena *a, const struct gw_keys_source *source)
{
    return value_of(&variables[ENV_ENCRYPTION], source->getenv_fn) != NULL ? ENCRYPTION_ENV
                                                                           : encryption_file(a, source);
}

static enum gw_code load_encryption_file(const char *path, struct gw_secret **out, struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *text = NULL, *kek = NULL;
    struct gw_error why = {0};
    if (path == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the name of the encryption key");
    enum gw_code code = gw_secret_load_foreign(path, &text, &why); /* its strength is judged below */
    if (code != GW_OK)
        return gw_fail(err, code, "encryption key: %s", why.msg);
    code = gw_kek_parse(text, &kek, &why);
    if (code != GW_OK)
        return gw_fail(err, code,
                       "encryption key: %s: %s; put the right one back, or, where no secret has been stored yet, make "
                       "another with: openssl rand -hex 32 > %s",
                       path, why.msg, path);
    *out = gw_take(&text);
    return GW_OK;
}

/* Who holds one of the others, such as a worker, must not be able to open what is stored. */
enum gw_code gw_keys_check_encryption(const struct gw_secret *text, const struct gw_keys *others, struct gw_error *err)
{
    bool used = (others->upstream != NULL && gw_secret_eq(text, others->upstream)) ||
                (others->upstream_next != NULL && gw_secret_eq(text, others->upstream_next)) ||
                (others->request_id != NULL && gw_secret_eq(text, others->request_id));
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS && !used; i++)
        used = others->ring.keys[i] != NULL && gw_token_key_is_text(others->ring.keys[i], text);
    return used
               ? gw_fail(
                     err, GW_EINVAL,
                     "the encryption key is also a token key, the upstream's or that of request ids, which other processes "
                     "hold; give those another: what is stored can be opened by this one alone")
               : GW_OK;
}

enum gw_code gw_keys_load_encryption(const struct gw_keys_source *source, const struct gw_keys *others,
                                     struct gw_secret **out, struct gw_error *err)
{
    const struct variable *v = &variables[ENV_ENCRYPTION];
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_auto(gw_secret) struct gw_secret *text = NULL;
    const char *given = value_of(v, source->getenv_fn);
    gw_arena_init(&a, 64 * 1024);
    GW_TRY(given != NULL ? secret_of_text(v, given, &text, err)
                         : load_encryption_file(encryption_file(&a, source), &text, err));
    GW_TRY(gw_keys_check_encryption(text, others, err));
    *out = gw_take(&text);
    return GW_OK;
}

enum gw_code gw_keys_make_encryption(const struct gw_keys_source *source, const struct gw_random *r,
                                     struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_arena_init(&a, 64 * 1024);
    const char *path = encryption_file(&a, source);
    if (path == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the name of the encryption key");
    if (!gw_keys_file_is_ours(source->settings->encryption_key_file))
        return gw_fail(err, GW_EINVAL,
                       "encryption key: %s is missing; make it with: (umask 077; openssl rand -hex 32 > %s)", path,
                       path);
    return gw_kek_create(path, r, err);
}

/* ---- life, and the environment ---- */

void gw_keys_done(struct gw_keys *k)
{
    gw_token_ring_done(&k->ring);
    gw_secret_free(k->upstream);
    gw_secret_free(k->upstream_next);
    gw_secret_free(k->request_id);
    *k = (struct gw_keys){0};
}

void gw_keys_scrub_environment(void)
{
    for (const struct variable *v = variables; v < variables + ENV_COUNT; v++) {
        char *value = getenv(v->name);
        if (value != NULL)
            gw_wipe(value, strlen(value));
        (void)unsetenv(v->name); /* fails for malformed names only */
    }
}

/* Written beside and renamed over: a reader never sees half of it. */
static enum gw_code write_key(const struct variable *v, const char *run_dir, uid_t owner, const struct gw_secret *key,
                              struct gw_error *err)
{
    char next[GW_RUN_DIR_FILE_MAX], path[GW_RUN_DIR_FILE_MAX];
    (void)snprintf(next, sizeof(next), "%s/keys/.next", run_dir);
    (void)snprintf(path, sizeof(path), "%s/%s", run_dir, v->stash);
    (void)unlink(next); /* of a predecessor that was killed */
    GW_TRY(gw_file_create(next, 0600, gw_secret_bytes(key), err));
    if (lchown(next, owner, (gid_t)-1) != 0 || rename(next, path) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot write the key that came by %s to `%s`: %s", v->name, path,
                       strerror(errno));
    if (setenv(v->file_name, path, 1) != 0)
        return gw_fail(err, GW_ENOMEM, "cannot set %s", v->file_name);
    return GW_OK;
}

const char *gw_keys_stash_file(struct gw_arena *a, const char *run_dir)
{
    const struct variable *v = &variables[ENV_TOKEN];
    return value_of(v, environment) == NULL ? NULL : gw_settings_path(a, run_dir, gw_str(v->stash));
}

static enum gw_code stash(const struct variable *v, const char *run_dir, uid_t owner, struct gw_error *err)
{
    char dir[GW_RUN_DIR_FILE_MAX];
    gw_auto(gw_secret) struct gw_secret *key = NULL;
    const char *given = value_of(v, environment);
    if (given == NULL)
        return GW_OK;
    GW_TRY(secret_of_text(v, given, &key, err));
    (void)snprintf(dir, sizeof(dir), "%s/keys", run_dir);
    if ((mkdir(dir, 0700) != 0 && errno != EEXIST) || lchown(dir, owner, (gid_t)-1) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot make `%s`: %s", dir, strerror(errno));
    return write_key(v, run_dir, owner, key, err);
}

enum gw_code gw_keys_stash_environment(const char *run_dir, uid_t owner, struct gw_error *err)
{
    for (const struct variable *v = variables; v < variables + ENV_COUNT; v++)
        GW_TRY(stash(v, run_dir, owner, err));
    gw_keys_scrub_environment();
    return GW_OK;
}
