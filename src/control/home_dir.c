/* SPDX-License-Identifier: Apache-2.0 */
#include "control/home_dir.h"

#include "shared/mode.h"

#include <errno.h>
#include <fcntl.h>
#include <gw/cleanup.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_OF_ONE_USER 0700

/* setgid: files belong to the workers' group; sticky: only control removes what others made. */
const struct gw_home_dir gw_journal_dir = {.name = "journal", .shared_mode = 03770};
const struct gw_home_dir gw_mode_dir = {.name = GW_MODE_DIR, .shared_mode = 02750};

static enum gw_code set_mode(const struct gw_home_dir *d, int fd, const struct stat *now, gid_t workers,
                             struct gw_error *err)
{
    mode_t mode = workers == getegid() ? MODE_OF_ONE_USER : d->shared_mode;
    if (now->st_gid == workers && (now->st_mode & 07777) == mode)
        return GW_OK;
    /* chown clears the set-group bit, so it comes first. */
    if ((now->st_gid != workers && fchown(fd, (uid_t)-1, workers) != 0) || fchmod(fd, mode) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot give the directory %s to the workers' group: %s", d->name,
                       strerror(errno));
    return GW_OK;
}

static enum gw_code make(const struct gw_home_dir *d, int home_fd, const char *home, struct gw_error *err)
{
    if (mkdirat(home_fd, d->name, MODE_OF_ONE_USER) == 0 || errno == EEXIST)
        return GW_OK;
    return gw_fail(err, GW_EBACKEND, "cannot make %s/%s: %s", home, d->name, strerror(errno));
}

enum gw_code gw_home_dir_open(const struct gw_home_dir *d, const char *home, const char *run_dir, int *out,
                              struct gw_error *err)
{
    struct stat run, st;
    gw_auto_fd int home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
    if (home_fd < 0 || stat(run_dir, &run) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot look at %s: %s", home_fd < 0 ? home : run_dir, strerror(errno));
    GW_TRY(make(d, home_fd, home, err));
    fd = openat(home_fd, d->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return gw_fail(err, errno == ELOOP || errno == ENOTDIR ? GW_EDENIED : GW_EBACKEND,
                       "%s/%s is no directory that can be used: %s; move it away and start again", home, d->name,
                       strerror(errno));
    if (fstat(fd, &st) != 0 || st.st_uid != geteuid())
        return gw_fail(err, GW_EDENIED, "%s/%s belongs to another user; mend it with: chown -R %ju %s", home, d->name,
                       (uintmax_t)geteuid(), home);
    GW_TRY(set_mode(d, fd, &st, run.st_gid, err));
    *out = fd;
    fd = -1;
    return GW_OK;
}
