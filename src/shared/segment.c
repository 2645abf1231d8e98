/* SPDX-License-Identifier: Apache-2.0 */
#include "shared/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static enum gw_code map(struct gw_segment *s, enum gw_segment_access access, const char *name, struct gw_error *err)
{
    int protection = access == GW_SEGMENT_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
    void *base = mmap(NULL, s->bytes, protection, MAP_SHARED, s->fd, 0);
    if (base == MAP_FAILED)
        return gw_fail(err, GW_EBACKEND, "cannot map segment %s: %s", name, strerror(errno));
    s->base = base;
    return GW_OK;
}

enum gw_code gw_segment_open(int dir, const char *name, enum gw_segment_access access, size_t min_bytes,
                             struct gw_segment *out, struct gw_error *err)
{
    gw_auto(gw_segment) struct gw_segment s = GW_SEGMENT_NONE;
    int mode = access == GW_SEGMENT_WRITE ? O_RDWR : O_RDONLY;
    s.fd = openat(dir, name, mode | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (s.fd < 0 && errno == ENOENT)
        return gw_fail(err, GW_ENOTFOUND, "no segment %s yet", name);
    if (s.fd < 0)
        return gw_fail(err, errno == ELOOP ? GW_EDENIED : GW_EBACKEND, "cannot open segment %s: %s", name,
                       strerror(errno));
    struct stat st;
    if (fstat(s.fd, &st) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot look at segment %s: %s", name, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return gw_fail(err, GW_EDENIED, "segment %s is not a regular file; remove it", name);
    s.bytes = (size_t)st.st_size;
    if (s.bytes >= min_bytes)
        GW_TRY(map(&s, access, name, err));
    *out = s;
    s = GW_SEGMENT_NONE;
    return GW_OK;
}

enum gw_code gw_segment_create(int dir, const char *name, mode_t mode, size_t bytes, struct gw_segment *out,
                               struct gw_error *err)
{
    struct gw_segment s = GW_SEGMENT_NONE;
    uint64_t tail;
    if (getrandom(&tail, sizeof(tail), 0) != (ssize_t)sizeof(tail))
        return gw_fail(err, GW_ECRYPTO, "no randomness for segment %s", name);
    snprintf(s.temporary, sizeof(s.temporary), ".%s.%016" PRIx64, name, tail);
    s.bytes = bytes;
    s.fd = openat(dir, s.temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (s.fd < 0)
        return gw_fail(err, GW_EBACKEND, "cannot create segment %s: %s", name, strerror(errno));
    /* All blocks now: a full tmpfs would otherwise be a SIGBUS at some later store. */
    int failed = fchmod(s.fd, mode) != 0 ? errno : posix_fallocate(s.fd, 0, (off_t)bytes);
    enum gw_code code = failed == 0 ? map(&s, GW_SEGMENT_WRITE, name, err)
                                    : gw_fail(err, GW_EBACKEND, "no room for segment %s: %s", name, strerror(failed));
    if (code != GW_OK) {
        unlinkat(dir, s.temporary, 0);
        gw_segment_done(&s);
        return code;
    }
    *out = s;
    return GW_OK;
}

enum gw_code gw_segment_publish(int dir, struct gw_segment *s, const char *name, enum gw_segment_publish how,
                                struct gw_error *err)
{
    if (renameat2(dir, s->temporary, dir, name, how == GW_SEGMENT_NEW ? RENAME_NOREPLACE : 0) != 0) {
        int failed = errno;
        unlinkat(dir, s->temporary, 0);
        return gw_fail(err, failed == EEXIST ? GW_ECONFLICT : GW_EBACKEND, "cannot publish segment %s: %s", name,
                       strerror(failed));
    }
    s->temporary[0] = '\0';
    return GW_OK;
}

enum gw_code gw_segment_lock(int dir, const char *name, int *out_fd, struct gw_error *err)
{
    gw_auto_fd int fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return gw_fail(err, errno == ELOOP ? GW_EDENIED : GW_EBACKEND, "cannot open lock %s: %s", name,
                       strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return gw_fail(err, errno == EWOULDBLOCK ? GW_ECONFLICT : GW_EBACKEND, "another process holds lock %s", name);
    *out_fd = fd;
    fd = -1;
    return GW_OK;
}

void gw_segment_done(struct gw_segment *s)
{
    if (s->base != NULL)
        munmap(s->base, s->bytes);
    if (s->fd >= 0)
        close(s->fd);
    *s = GW_SEGMENT_NONE;
}
