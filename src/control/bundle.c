/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle is written under a name no reader looks for and renamed, so that a worker sees all of it or nothing. The run
 * directory is on tmpfs: nothing is synced.
 */
#include "control/bundle.h"
#include "base/file.h"
#include "control/run_dir.h"
#include "crypto/mac.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUNDLES_KEPT 4
#define BUNDLE_YOUNG_S 60
#define BUNDLES_MAX 256

enum gw_code gw_bundle_settings(const struct gw_settings *s, const char *home, struct gw_buf *out, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    struct gw_settings effective = *s;
    struct gw_str *const files[] = {&effective.policy,
                                    &effective.upstream_key_file,
                                    &effective.tls_certificate,
                                    &effective.tls_key,
                                    &effective.tls_second_certificate,
                                    &effective.tls_second_key,
                                    &effective.tls_acme_dir,
                                    &effective.token_key_file,
                                    &effective.encryption_key_file,
                                    &effective.request_id_key_file,
                                    &effective.password_blocklist};
    gw_arena_init(&a, 64 * 1024);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i]->len == 0)
            continue;
        const char *path = gw_settings_path(&a, home, *files[i]);
        if (path == NULL)
            return gw_fail(err, GW_ENOMEM, "no memory for the settings of a bundle");
        *files[i] = gw_str(path);
    }
    gw_options_print(gw_settings_options, gw_settings_option_count, &effective, out);
    return gw_buf_check(out, err);
}

/* Over the hashes of the files, so that no shift of bytes between the two gives the same name. */
static enum gw_code name_of(const struct gw_bundle *b, char *hash, struct gw_error *err)
{
    uint8_t digests[2 * GW_MAC_BYTES], digest[GW_MAC_BYTES];
    GW_TRY(gw_sha256(b->gateway, digests, err));
    GW_TRY(gw_sha256(b->policy, digests + GW_MAC_BYTES, err));
    GW_TRY(gw_sha256((struct gw_str){(const char *)digests, sizeof(digests)}, digest, err));
    gw_hex_encode(digest, sizeof(digest), hash);
    hash[GW_BUNDLE_HASH_LEN] = '\0';
    return GW_OK;
}

static void remove_bundle(int bundles, const char *name)
{
    gw_auto_fd int dir = openat(bundles, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return;
    (void)unlinkat(dir, "gateway.yaml", 0);
    (void)unlinkat(dir, "policy.yaml", 0);
    (void)unlinkat(bundles, name, AT_REMOVEDIR);
}

static enum gw_code open_bundles(const char *run_dir, int *out_fd, struct gw_error *err)
{
    char path[GW_RUN_DIR_FILE_MAX];
    (void)snprintf(path, sizeof(path), "%s/bundles", run_dir);
    bool made = mkdir(path, 0750) == 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (made && fchmod(fd, 02750) != 0)) {
        gw_fd_auto_(&fd);
        return gw_fail(err, GW_EBACKEND, "cannot open `%s`: %s", path, strerror(errno));
    }
    *out_fd = fd;
    return GW_OK;
}

static enum gw_code fill(const char *dir, const struct gw_bundle *b, struct gw_error *err)
{
    char path[GW_RUN_DIR_FILE_MAX + sizeof("/gateway.yaml")];
    if (mkdir(dir, 0750) != 0 || chmod(dir, 02750) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot make a bundle's directory `%s`: %s", dir, strerror(errno));
    (void)snprintf(path, sizeof(path), "%s/gateway.yaml", dir);
    GW_TRY(gw_file_create(path, 0640, b->gateway, err));
    (void)snprintf(path, sizeof(path), "%s/policy.yaml", dir);
    return gw_file_create(path, 0640, b->policy, err);
}

enum gw_code gw_bundle_write(const char *run_dir, const struct gw_bundle *b, char *hash, struct gw_error *err)
{
    static const char next[] = ".next"; /* control is the only writer */
    char dir[GW_RUN_DIR_FILE_MAX];
    gw_auto_fd int bundles = -1;
    GW_TRY(open_bundles(run_dir, &bundles, err));
    GW_TRY(name_of(b, hash, err));
    if (utimensat(bundles, hash, NULL, AT_SYMLINK_NOFOLLOW) ==
        0) /* there already: young again, so that nothing prunes it */
        return GW_OK;
    remove_bundle(bundles, next); /* of a predecessor that was killed */
    (void)snprintf(dir, sizeof(dir), "%s/bundles/%s", run_dir, next);
    enum gw_code code = fill(dir, b, err);
    if (code == GW_OK && renameat(bundles, next, bundles, hash) != 0)
        code = gw_fail(err, GW_EBACKEND, "cannot name a bundle: %s", strerror(errno));
    if (code != GW_OK)
        remove_bundle(bundles, next);
    return code;
}

struct found {
    char hash[GW_BUNDLE_HASH_LEN + 1];
    int64_t made_s;
};

static int newest_first(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return (x->made_s < y->made_s) - (x->made_s > y->made_s);
}

static size_t list(DIR *dir, struct found *found)
{
    size_t n = 0;
    struct dirent *e;
    struct stat st;
    while (n < BUNDLES_MAX && (e = readdir(dir)) != NULL) {
        if (!gw_str_copy(gw_str(e->d_name), found[n].hash, sizeof(found[n].hash)) ||
            strlen(e->d_name) != GW_BUNDLE_HASH_LEN || fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        found[n++].made_s = st.st_mtim.tv_sec;
    }
    return n;
}

enum gw_code gw_bundle_prune(const char *run_dir, const char *hash_in_force, int64_t now_s, struct gw_error *err)
{
    int fd = -1;
    GW_TRY(open_bundles(run_dir, &fd, err));
    DIR *dir = fdopendir(fd);
    struct found *found = calloc(BUNDLES_MAX, sizeof(*found));
    enum gw_code code = GW_OK;
    if (dir == NULL || found == NULL) {
        code = gw_fail(err, GW_ENOMEM, "no memory to list bundles");
    } else {
        size_t n = list(dir, found);
        qsort(found, n, sizeof(*found), newest_first);
        for (size_t i = BUNDLES_KEPT; i < n; i++) {
            if (strcmp(found[i].hash, hash_in_force) != 0 && now_s - found[i].made_s >= BUNDLE_YOUNG_S)
                remove_bundle(dirfd(dir), found[i].hash);
        }
    }
    free(found);
    if (dir != NULL)
        (void)closedir(dir);
    else
        gw_fd_auto_(&fd);
    return code;
}
