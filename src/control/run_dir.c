/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev/shm is writable by everybody, so the directory may have been planted there before us. It is opened without following
 * a link, and all that decides is asked of the open descriptor, never of the name again.
 */
#include "control/run_dir.h"
#include "crypto/mac.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_DIR_MODE 02750 /* setgid: what control makes belongs to the workers' group */
#define RUN_DIR_DEPTH 3    /* nginx/client_body/, bundles/HASH/ */
#define SHM "/dev/shm"
#define RUN "/run"

static enum gw_code take_name(struct gw_str name, char *dst, struct gw_error *err)
{
    if (!gw_str_copy(name, dst, GW_RUN_PATH_MAX + 1))
        return gw_fail(
            err, GW_EINVAL,
            "the run directory `%.*s` has a name longer than %d bytes: a socket could not be made in it; set run_dir",
            GW_STR_ARG(name), GW_RUN_PATH_MAX);
    return GW_OK;
}

static enum gw_code name_in(const char *parent, const char *real_home, uid_t owner, char *dst, struct gw_error *err)
{
    uint8_t digest[GW_MAC_BYTES];
    char hash[8 + 1] = "";
    gw_auto(gw_buf) struct gw_buf name = {0};
    GW_TRY(gw_sha256(gw_str(real_home), digest, err));
    gw_hex_encode(digest, 4, hash);
    gw_buf_init(&name, 256);
    gw_buf_addf(&name, "%s/aaiti-%ju-%s", parent, (uintmax_t)owner, hash);
    GW_TRY(gw_buf_check(&name, err));
    return take_name(gw_buf_str(&name), dst, err);
}

/* Root's gateway needs a place that its workers get to, and nobody else may write to: without /dev/shm that is /run, and who
 * comes later as control's user finds the directory there. */
static enum gw_code name_without_shm(const char *real_home, uid_t owner, char *dst, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf name = {0};
    GW_TRY(name_in(RUN, real_home, owner, dst, err));
    if (geteuid() == 0 || access(dst, F_OK) == 0)
        return GW_OK;
    gw_buf_init(&name, 8192);
    gw_buf_addf(&name, "%s/run", real_home);
    GW_TRY(gw_buf_check(&name, err));
    return take_name(gw_buf_str(&name), dst, err);
}

enum gw_code gw_run_dir_name(const struct gw_settings *s, const char *home, char *dst, struct gw_error *err)
{
    char real_home[PATH_MAX];
    struct stat st;
    if (s->run_dir.len > 0)
        return take_name(s->run_dir, dst, err);
    if (realpath(home, real_home) == NULL || stat(real_home, &st) != 0)
        return gw_fail(err, errno == ENOENT ? GW_ENOTFOUND : GW_EBACKEND,
                       "home directory `%s`: %s; make one with `aaiti init --home %s`", home, strerror(errno), home);
    return access(SHM, W_OK | X_OK) == 0 ? name_in(SHM, real_home, st.st_uid, dst, err)
                                         : name_without_shm(real_home, st.st_uid, dst, err);
}

/* Control's user may write gateway.yaml. A directory of its choice that root makes and gives to it would be a way to root. */
static bool is_for_run_time(const char *dir)
{
    static const char *const roots[] = {SHM "/", RUN "/"};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        size_t len = strlen(roots[i]);
        if (strncmp(dir, roots[i], len) == 0 && strchr(dir + len, '/') == NULL && dir[len] != '.' && dir[len] != '\0')
            return true;
    }
    return false;
}

enum gw_code gw_run_dir_make(const char *dir, uid_t owner, gid_t group, struct gw_error *err)
{
    struct stat st;
    gw_auto_fd int fd = -1;
    if (geteuid() == 0 && owner != 0 && !is_for_run_time(dir))
        return gw_fail(
            err, GW_EDENIED,
            "root gives no run directory `%s` to another user; let run_dir be a directory in " SHM " or /run", dir);
    bool made = mkdir(dir, 0700) == 0;
    if (!made && errno != EEXIST)
        return gw_fail(err, GW_EBACKEND, "cannot make the run directory `%s`: %s", dir, strerror(errno));
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return gw_fail(err, errno == ELOOP || errno == ENOTDIR ? GW_EDENIED : GW_EBACKEND,
                       "the run directory `%s` is not a directory that can be used (%s); remove it", dir,
                       strerror(errno));
    if (fstat(fd, &st) != 0)
        return gw_fail(err, GW_EBACKEND, "`%s`: %s", dir, strerror(errno));
    if (st.st_uid != owner && !(made && st.st_uid == geteuid()))
        return gw_fail(err, GW_EDENIED,
                       "the run directory `%s` belongs to uid %ju, not to %ju; remove it or set run_dir", dir,
                       (uintmax_t)st.st_uid, (uintmax_t)owner);
    bool chown_needed = st.st_uid != owner || (group != (gid_t)-1 && st.st_gid != group);
    if (chown_needed && fchown(fd, owner, group) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot give the run directory `%s` to its owner: %s", dir, strerror(errno));
    /* After chown, which clears the set-group bit. Left alone where right: one outside the group could not set it again. */
    if ((chown_needed || (st.st_mode & 07777) != RUN_DIR_MODE) && fchmod(fd, RUN_DIR_MODE) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot set the mode of the run directory `%s`: %s", dir, strerror(errno));
    return GW_OK;
}

/* By descriptors, never by names twice: the directory may belong to a user that root must not be led astray by. */
static void remove_children(int fd, unsigned depth)
{
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        (void)close(fd);
        return;
    }
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, e->d_name, 0) == 0 || depth == 0)
            continue;
        int child = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child >= 0)
            remove_children(child, depth - 1);
        (void)unlinkat(fd, e->d_name, AT_REMOVEDIR);
    }
    (void)closedir(dir);
}

void gw_run_dir_remove(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    remove_children(fd, RUN_DIR_DEPTH);
    (void)rmdir(dir);
}
