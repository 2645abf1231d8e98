/* SPDX-License-Identifier: Apache-2.0 */
#include "control/journal_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <gw/cleanup.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE_OF_ONE_USER 0700
#define MODE_SHARED \
    03770 /* setgid: files belong to the workers' group; sticky: only control removes what others made */

static enum gw_code set_mode(int fd, const struct stat *now, gid_t workers, struct gw_error *err)
{
    mode_t mode = workers == getegid() ? MODE_OF_ONE_USER : MODE_SHARED;
    if (now->st_gid == workers && (now->st_mode & 07777) == mode)
        return GW_OK;
    /* chown clears the set-group bit, so it comes first. */
    if ((now->st_gid != workers && fchown(fd, (uid_t)-1, workers) != 0) || fchmod(fd, mode) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot give the journal's directory to the workers' group: %s",
                       strerror(errno));
    return GW_OK;
}

static enum gw_code make(int home_fd, const char *home, struct gw_error *err)
{
    if (mkdirat(home_fd, GW_JOURNAL_DIR, MODE_OF_ONE_USER) == 0 || errno == EEXIST)
        return GW_OK;
    return gw_fail(err, GW_EBACKEND, "cannot make %s/" GW_JOURNAL_DIR ": %s", home, strerror(errno));
}

enum gw_code gw_journal_dir_open(const char *home, const char *run_dir, int *out, struct gw_error *err)
{
    struct stat run, st;
    gw_auto_fd int home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
    if (home_fd < 0 || stat(run_dir, &run) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot look at %s: %s", home_fd < 0 ? home : run_dir, strerror(errno));
    GW_TRY(make(home_fd, home, err));
    fd = openat(home_fd, GW_JOURNAL_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return gw_fail(err, errno == ELOOP || errno == ENOTDIR ? GW_EDENIED : GW_EBACKEND,
                       "%s/" GW_JOURNAL_DIR " is no directory that can be used: %s; move it away and start again", home,
                       strerror(errno));
    if (fstat(fd, &st) != 0 || st.st_uid != geteuid())
        return gw_fail(err, GW_EDENIED, "%s/" GW_JOURNAL_DIR " belongs to another user; mend it with: chown -R %ju %s",
                       home, (uintmax_t)geteuid(), home);
    GW_TRY(set_mode(fd, &st, run.st_gid, err));
    *out = fd;
    fd = -1;
    return GW_OK;
}
