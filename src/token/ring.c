/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rotation is a list of steps, each one system call that changes a name or a time. Whoever is killed between two of them leaves
 * a set that every reader can use, and gw_token_files_mend, which control runs at its start, completes it:
 *
 *     killed after                         what lies there                        mended by
 *     the time is stamped on the current   as before                              nothing
 *     previous is linked to the current    the same key twice                     dropping previous: nothing was rotated
 *     EdDSA: the seed of next is current   public key of current is the old one   public keys follow their seeds
 *     next is current                      no next                                making one
 *
 * So a key never stops being accepted before its time, and the current one never is one that verifiers do not hold.
 */
#include "token/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"

#ifdef GW_TEST_HOOKS
/* Test builds die here when told to: AAITI_TEST_KILL_AT_KEY_STEP is the number of a rotation's step. */
static void about_to_take(size_t step)
{
    int64_t at;
    if (gw_str_to_i64(gw_str(getenv("AAITI_TEST_KILL_AT_KEY_STEP")), &at) && at == (int64_t)step)
        (void)raise(SIGKILL);
}
#else
static void about_to_take(size_t step)
{
    (void)step;
}
#endif

const char *gw_token_generation_name(enum gw_token_generation g)
{
    static const char *const names[GW_TOKEN_GENERATIONS] = {"current", "next", "previous"};
    return names[g];
}

/* ---- rings ---- */

void gw_token_ring_copy(const struct gw_token_ring *ring, struct gw_token_ring *out)
{
    *out = *ring;
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++)
        (void)gw_token_key_ref(out->keys[i]);
}

void gw_token_ring_done(struct gw_token_ring *ring)
{
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++)
        gw_token_key_unref(ring->keys[i]);
    *ring = (struct gw_token_ring){0};
}

/* ---- names ---- */

enum part { PART_PUBLIC, PART_PRIVATE }; /* with HS256 they are one */

static enum gw_code name_of(const struct gw_token_files *f, enum gw_token_generation g, enum part part,
                            char dst[PATH_MAX], struct gw_error *err)
{
    static const char *const suffixes[GW_TOKEN_GENERATIONS] = {"", ".next", ".previous"};
    const char *public_suffix = f->algorithm == GW_TOKEN_EDDSA && part == PART_PUBLIC ? ".pub" : "";
    int n = snprintf(dst, PATH_MAX, "%s%s%s", f->path, suffixes[g], public_suffix);
    return n > 0 && n < PATH_MAX ? GW_OK : gw_fail(err, GW_ELIMIT, "the name of the token key is too long");
}

static enum gw_token_key_kind kind_of(const struct gw_token_files *f, enum part part)
{
    if (f->algorithm == GW_TOKEN_HS256)
        return GW_TOKEN_KEY_HS256;
    return part == PART_PRIVATE ? GW_TOKEN_KEY_ED25519 : GW_TOKEN_KEY_ED25519_PUBLIC;
}

/* ---- loading ---- */

static enum gw_code load_key(const struct gw_token_files *f, enum gw_token_generation g, enum part part,
                             struct gw_token_key **out, struct gw_error *err)
{
    char path[PATH_MAX];
    gw_auto(gw_secret) struct gw_secret *text = NULL;
    struct gw_error why = {0};
    GW_TRY(name_of(f, g, part, path, err));
    GW_TRY(gw_secret_load(path, &text, err));
    enum gw_code code = gw_token_key_new(kind_of(f, part), text, GW_STR_NULL, out, &why);
    return code == GW_OK ? code : gw_fail(err, code, "%s: %s", path, why.msg);
}

static enum gw_code load_one(const struct gw_token_files *f, enum gw_token_generation g, enum part part,
                             struct gw_token_ring *ring, struct gw_error *err)
{
    char path[PATH_MAX];
    struct stat st;
    enum gw_code code = load_key(f, g, part, &ring->keys[g], err);
    if (code == GW_ENOTFOUND && g != GW_TOKEN_CURRENT)
        return GW_OK;
    if (code != GW_OK)
        return code;
    GW_TRY(name_of(f, g, part, path, err));
    if (stat(path, &st) == 0)
        ring->since_s[g] = st.st_mtim.tv_sec;
    return GW_OK;
}

static enum gw_code load_ring(const struct gw_token_files *f, enum part part, struct gw_token_ring *out,
                              struct gw_error *err)
{
    gw_auto(gw_token_ring) struct gw_token_ring ring = {0};
    GW_TRY(load_one(f, GW_TOKEN_CURRENT, part, &ring, err));
    GW_TRY(load_one(f, GW_TOKEN_NEXT, part, &ring, err));
    GW_TRY(load_one(f, GW_TOKEN_PREVIOUS, PART_PUBLIC, &ring, err));
    *out = ring;
    ring = (struct gw_token_ring){0};
    return GW_OK;
}

enum gw_code gw_token_ring_load_verifiers(const struct gw_token_files *f, struct gw_token_ring *out,
                                          struct gw_error *err)
{
    return load_ring(f, PART_PUBLIC, out, err);
}

enum gw_code gw_token_ring_load(const struct gw_token_files *f, struct gw_token_ring *out, struct gw_error *err)
{
    return load_ring(f, PART_PRIVATE, out, err);
}

/* ---- making and mending ---- */

/* In one step: what a killed predecessor left half-written never has the name. */
static enum gw_code make_private(const struct gw_token_files *f, enum gw_token_generation g, const struct gw_random *r,
                                 struct gw_error *err)
{
    char path[PATH_MAX], text[GW_BASE64URL_LEN(GW_SECRET_CREATE_BYTES) + 1];
    size_t random_bytes = f->algorithm == GW_TOKEN_HS256 ? GW_SECRET_CREATE_BYTES : GW_ED25519_KEY_BYTES;
    size_t len = GW_BASE64URL_LEN(random_bytes);
    GW_TRY(name_of(f, g, PART_PRIVATE, path, err));
    if (access(path, F_OK) == 0)
        return gw_fail(err, GW_ECONFLICT, "%s exists", path);
    GW_TRY(gw_random_text(r, random_bytes, text, err));
    text[len] = '\n'; /* in place of the NUL */
    enum gw_code code = gw_file_replace(path, 0600, (struct gw_str){text, len + 1}, err);
    gw_wipe(text, sizeof(text));
    return code;
}

/* The public part follows the private one, whatever stood there. */
static enum gw_code sync_public(const struct gw_token_files *f, enum gw_token_generation g, bool *changed,
                                struct gw_error *err)
{
    gw_auto(gw_token_key) struct gw_token_key *private = NULL, *public = NULL;
    char path[PATH_MAX], text[GW_BASE64URL_LEN(GW_ED25519_KEY_BYTES) + 2];
    if (f->algorithm == GW_TOKEN_HS256)
        return GW_OK;
    GW_TRY(load_key(f, g, PART_PRIVATE, &private, err));
    struct gw_str want = gw_token_key_public_text(private);
    if (load_key(f, g, PART_PUBLIC, &public, NULL) == GW_OK && gw_str_eq(gw_token_key_public_text(public), want))
        return GW_OK;
    GW_TRY(name_of(f, g, PART_PUBLIC, path, err));
    (void)snprintf(text, sizeof(text), "%.*s\n", GW_STR_ARG(want));
    *changed = true;
    return gw_file_replace(path, 0600, gw_str(text), err);
}

enum gw_code gw_token_files_make_current(const struct gw_token_files *f, const struct gw_random *r,
                                         struct gw_error *err)
{
    bool changed;
    enum gw_code code = make_private(f, GW_TOKEN_CURRENT, r, err);
    if (code != GW_OK && code != GW_ECONFLICT)
        return code;
    GW_TRY(sync_public(f, GW_TOKEN_CURRENT, &changed, err));
    return code;
}

enum gw_code gw_token_files_drop_previous(const struct gw_token_files *f, struct gw_error *err)
{
    char path[PATH_MAX];
    GW_TRY(name_of(f, GW_TOKEN_PREVIOUS, PART_PUBLIC, path, err));
    if (unlink(path) != 0 && errno != ENOENT)
        return gw_fail(err, GW_EBACKEND, "cannot remove %s: %s", path, strerror(errno));
    return GW_OK;
}

static enum gw_code mend_previous(const struct gw_token_files *f, struct gw_error *err)
{
    gw_auto(gw_token_key) struct gw_token_key *current = NULL, *previous = NULL;
    GW_TRY(load_key(f, GW_TOKEN_CURRENT, PART_PUBLIC, &current, err));
    enum gw_code code = load_key(f, GW_TOKEN_PREVIOUS, PART_PUBLIC, &previous, err);
    if (code == GW_ENOTFOUND)
        return GW_OK;
    if (code != GW_OK)
        return code;
    return gw_str_eq(gw_token_key_id(current), gw_token_key_id(previous)) ? gw_token_files_drop_previous(f, err)
                                                                          : GW_OK;
}

static enum gw_code mend_next(const struct gw_token_files *f, const struct gw_random *r, bool *changed,
                              struct gw_error *err)
{
    enum gw_code code = make_private(f, GW_TOKEN_NEXT, r, err);
    if (code != GW_OK && code != GW_ECONFLICT)
        return code;
    *changed = *changed || code == GW_OK;
    return sync_public(f, GW_TOKEN_NEXT, changed, err);
}

enum gw_code gw_token_files_mend(const struct gw_token_files *f, const struct gw_random *r, bool *out_changed,
                                 struct gw_error *err)
{
    bool changed = false;
    GW_TRY(sync_public(f, GW_TOKEN_CURRENT, &changed, err));
    GW_TRY(mend_previous(f, err));
    GW_TRY(mend_next(f, r, &changed, err));
    *out_changed = changed;
    return GW_OK;
}

/* ---- rotating ---- */

struct rotation {
    const struct gw_token_files *files;
    int64_t now_s;
    const struct gw_random *random;
};

static enum gw_code drop_previous(const struct rotation *r, struct gw_error *err)
{
    return gw_token_files_drop_previous(r->files, err);
}

/* Before the link: a previous key with the time it was made would seem to have expired. */
static enum gw_code stamp_current(const struct rotation *r, struct gw_error *err)
{
    char path[PATH_MAX];
    const struct timespec times[2] = {{.tv_sec = r->now_s}, {.tv_sec = r->now_s}};
    GW_TRY(name_of(r->files, GW_TOKEN_CURRENT, PART_PUBLIC, path, err));
    if (utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot set the time of %s: %s", path, strerror(errno));
    return GW_OK;
}

/* A link, not a rename: there is a current key at every moment. */
static enum gw_code keep_current(const struct rotation *r, struct gw_error *err)
{
    char path[PATH_MAX], previous[PATH_MAX];
    GW_TRY(name_of(r->files, GW_TOKEN_CURRENT, PART_PUBLIC, path, err));
    GW_TRY(name_of(r->files, GW_TOKEN_PREVIOUS, PART_PUBLIC, previous, err));
    if (link(path, previous) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot keep %s as %s: %s", path, previous, strerror(errno));
    return GW_OK;
}

static enum gw_code promote(const struct rotation *r, enum part part, struct gw_error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    GW_TRY(name_of(r->files, GW_TOKEN_NEXT, part, from, err));
    GW_TRY(name_of(r->files, GW_TOKEN_CURRENT, part, to, err));
    return gw_file_rename(from, to, err);
}

static enum gw_code promote_private(const struct rotation *r, struct gw_error *err)
{
    return promote(r, PART_PRIVATE, err);
}

static enum gw_code promote_public(const struct rotation *r, struct gw_error *err)
{
    return r->files->algorithm == GW_TOKEN_EDDSA ? promote(r, PART_PUBLIC, err) : GW_OK;
}

static enum gw_code make_next(const struct rotation *r, struct gw_error *err)
{
    return make_private(r->files, GW_TOKEN_NEXT, r->random, err);
}

static enum gw_code sync_next(const struct rotation *r, struct gw_error *err)
{
    bool changed;
    return sync_public(r->files, GW_TOKEN_NEXT, &changed, err);
}

enum gw_code gw_token_files_rotate(const struct gw_token_files *f, const struct gw_clock *clock,
                                   const struct gw_random *r, struct gw_error *err)
{
    static enum gw_code (*const steps[])(const struct rotation *, struct gw_error *) = {
        drop_previous, stamp_current, keep_current, promote_private, promote_public, make_next, sync_next,
    };
    const struct rotation rotation = {f, gw_clock_real_s(clock), r};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        about_to_take(i);
        GW_TRY(steps[i](&rotation, err));
    }
    return GW_OK;
}
