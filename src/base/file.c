/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_all(int fd, struct gw_str content)
{
    while (content.len > 0) {
        ssize_t n = write(fd, content.ptr, content.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        content = gw_str_sub(content, (size_t)n, content.len);
    }
    return true;
}

/* The entry itself must be on disk too: a key that is gone after a power cut takes every token along. */
static bool sync_parent(const char *path)
{
    char dir[4096];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    if (n >= sizeof(dir))
        return false;
    memcpy(dir, path, n);
    dir[n] = '\0';
    gw_auto_fd int fd = open(n == 0 ? "." : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

enum gw_code gw_file_create(const char *path, mode_t mode, struct gw_str content, struct gw_error *err)
{
    gw_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return gw_fail(err, GW_ECONFLICT, "%s exists", path);
    if (fd < 0)
        return gw_fail(err, GW_EBACKEND, "cannot make %s: %s", path, strerror(errno));
    /* The mode comes last and past the umask, so that nobody reads what is not whole. */
    if (!write_all(fd, content) || fchmod(fd, mode) != 0 || fsync(fd) != 0 || !sync_parent(path)) {
        enum gw_code code = gw_fail(err, GW_EBACKEND, "cannot write %s: %s", path, strerror(errno));
        unlink(path); /* ours: O_EXCL made it */
        return code;
    }
    return GW_OK;
}

enum gw_code gw_file_rename(const char *from, const char *to, struct gw_error *err)
{
    if (rename(from, to) != 0 || !sync_parent(to))
        return gw_fail(err, errno == ENOENT ? GW_ENOTFOUND : GW_EBACKEND, "cannot put %s in place of %s: %s", from, to,
                       strerror(errno));
    return GW_OK;
}

enum gw_code gw_file_replace(const char *path, mode_t mode, struct gw_str content, struct gw_error *err)
{
    char beside[4096];
    if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
        return gw_fail(err, GW_ELIMIT, "the name %.100s… is too long", path);
    (void)unlink(beside);
    GW_TRY(gw_file_create(beside, mode, content, err));
    return gw_file_rename(beside, path, err);
}

enum gw_code gw_file_read(const char *path, struct gw_buf *out, struct gw_error *err)
{
    struct stat st;
    /* O_NONBLOCK: a FIFO of that name must not hold the program before it is seen to be none of ours. */
    gw_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return gw_fail(err, errno == ENOENT ? GW_ENOTFOUND : GW_EBACKEND, "cannot open %s: %s", path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return gw_fail(err, GW_EINVAL, "%s is not a regular file", path);
    for (;;) {
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gw_fail(err, GW_EBACKEND, "cannot read %s: %s", path, strerror(errno));
        if (n == 0)
            return gw_buf_check(out, err);
        gw_buf_add(out, (struct gw_str){chunk, (size_t)n});
        GW_TRY(gw_buf_check(out, err));
    }
}
