/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two halves, each with a sequence number and a check of its own; a change is written into the older one, so that whoever dies in
 * the middle of it, the machine too, leaves the newer one whole. The sequence is written last: a reader that sees it grow looks at
 * the half once, and otherwise compares two numbers. All blocks are written when the file is made, so that a full disk refuses no change.
 */
#include "shared/mode.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STATE "state"
#define LOCK "lock"
#define HALF_BYTES 32768
#define FILE_BYTES ((size_t)2 * HALF_BYTES)
#define FILE_MODE 0640 /* the workers read it by their group */
/* A change takes some microseconds: whoever holds the lock for longer is stopped, or its disk hangs. */
#define LOCK_WAIT_MS 3000
#define LOCK_RETRY_MS 5
#define LOOKS_MAX 8

struct half {
    uint64_t magic, check;
    struct gw_mode_set set;
    uint64_t sequence;
};
_Static_assert(sizeof(struct half) <= HALF_BYTES, "a half holds the largest set");
/* Changes with the layout. */
#define MAGIC (UINT64_C(0x6177747561690400) + sizeof(struct half))

static struct half *half_at(void *base, size_t i)
{
    return (struct half *)(void *)((char *)base + i * HALF_BYTES);
}

static size_t set_bytes(const struct gw_mode_set *set)
{
    return offsetof(struct gw_mode_set, entries) + set->count * sizeof(set->entries[0]);
}

static uint64_t check_of(const struct gw_mode_set *set, uint64_t sequence)
{
    return gw_hash(&(struct gw_hash_key){MAGIC, sequence}, set, set_bytes(set));
}

/* ---- reading ---- */

static bool is_text(const char *text, size_t size)
{
    return text[size - 1] == '\0' && gw_mode_is_text(text);
}

static bool is_sound(const struct gw_mode_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct gw_mode_entry *e = &set->entries[i];
        if (e->mode == GW_MODE_OFF || e->mode >= GW_MODE_COUNT || e->scope >= GW_MODE_SCOPE_COUNT ||
            !is_text(e->name, sizeof(e->name)) || !is_text(e->by, sizeof(e->by)) ||
            !is_text(e->reason, sizeof(e->reason)))
            return false;
    }
    return true;
}

/* Copies first: the file may change while it is looked at. */
static bool read_half(const struct half *h, uint64_t sequence, struct gw_mode_set *out)
{
    uint64_t magic = h->magic, check = h->check;
    struct gw_mode_set set;
    memcpy(&set, &h->set, sizeof(set));
    if (magic != MAGIC || set.count > GW_MODE_ENTRIES_MAX || check_of(&set, sequence) != check || !is_sound(&set))
        return false;
    memcpy(out, &set, sizeof(set));
    return true;
}

static void sequences(void *base, uint64_t out[2])
{
    for (size_t i = 0; i < 2; i++)
        out[i] = __atomic_load_n(&half_at(base, i)->sequence, __ATOMIC_ACQUIRE);
}

/* Where the newer half does not check, nobody knows what it said: risk-off for everybody, unless the older one says more. */
static void doubt(struct gw_mode_set *set)
{
    const struct gw_mode_entry damaged = {.mode = GW_MODE_RISK_OFF,
                                          .scope = GW_MODE_GLOBAL,
                                          .by = "aaiti",
                                          .reason = "the file of the mode was damaged or removed"};
    enum gw_code code = gw_mode_raise(set, &damaged, 0, NULL);
    assert(code == GW_OK); /* a place is kept for it */
}

static void look(struct gw_mode_reader *r, const uint64_t now[2])
{
    size_t newer = now[1] > now[0] ? 1 : 0;
    memcpy(r->seen, now, sizeof(r->seen));
    r->is_doubtful = !read_half(half_at(r->file.base, newer), now[newer], &r->set);
    if (!r->is_doubtful)
        return;
    if (!read_half(half_at(r->file.base, 1 - newer), now[1 - newer], &r->set))
        r->set.count = 0;
    doubt(&r->set);
}

const struct gw_mode_set *gw_mode_read(struct gw_mode_reader *r)
{
    uint64_t now[2];
    if (r->file.base == NULL)
        return &r->set;
    sequences(r->file.base, now);
    /* Again where two changes came while it was looked at, which then fits neither. */
    for (int looks = 0; looks < LOOKS_MAX && (now[0] != r->seen[0] || now[1] != r->seen[1]); looks++) {
        look(r, now);
        sequences(r->file.base, now);
    }
    return &r->set;
}

void gw_mode_reader_init(struct gw_mode_reader *r, int dir)
{
    *r = (struct gw_mode_reader){.dir = dir, .file = GW_SEGMENT_NONE};
    doubt(&r->set);
}

void gw_mode_reader_done(struct gw_mode_reader *r)
{
    gw_segment_done(&r->file);
}

/* Another file has its name, or none: one that was moved away is not removed, and the next change is made in another. */
static bool is_gone(const struct gw_mode_reader *r)
{
    struct stat mine, named;
    if (fstat(r->file.fd, &mine) != 0 || mine.st_nlink == 0 || mine.st_size < (off_t)FILE_BYTES)
        return true;
    if (fstatat(r->dir, STATE, &named, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT;
    return named.st_ino != mine.st_ino || named.st_dev != mine.st_dev;
}

void gw_mode_reader_poll(struct gw_mode_reader *r)
{
    if (r->is_doubtful)
        memset(r->seen, 0, sizeof(r->seen));
    if (r->file.base != NULL && !is_gone(r))
        return;
    gw_mode_reader_done(r);
    gw_mode_reader_init(r, r->dir);
    /* Not being able to is a state, in which risk-off is in force. */
    if (gw_segment_open(r->dir, STATE, GW_SEGMENT_READ, FILE_BYTES, &r->file, NULL) != GW_OK || r->file.base == NULL)
        return;
    /* Where it may: no request should wait for a page of it to come from the disk. */
    (void)mlock(r->file.base, FILE_BYTES);
}

void gw_mode_load(int dir, struct gw_mode_set *out)
{
    struct gw_mode_reader r;
    gw_mode_reader_init(&r, dir);
    gw_mode_reader_poll(&r);
    *out = *gw_mode_read(&r);
    gw_mode_reader_done(&r);
}

/* ---- writing ---- */

static void fill_half(struct half *h, const struct gw_mode_set *set, uint64_t sequence)
{
    h->magic = MAGIC;
    memcpy(&h->set, set, sizeof(*set)); /* padding too: it is checked */
    h->check = check_of(&h->set, sequence);
    h->sequence = sequence;
}

static enum gw_code make_file(int dir, const struct gw_mode_set *set, enum gw_segment_publish how, struct gw_error *err)
{
    gw_auto(gw_segment) struct gw_segment made = GW_SEGMENT_NONE;
    GW_TRY(gw_segment_create(dir, STATE, FILE_MODE, FILE_BYTES, &made, err));
    memset(made.base, 0, FILE_BYTES); /* every block is written once */
    fill_half(half_at(made.base, 0), set, 1);
    bool is_on_disk = fsync(made.fd) == 0;
    GW_TRY(gw_segment_publish(dir, &made, STATE, how, err));
    if (!is_on_disk || fsync(dir) != 0)
        return gw_fail(err, GW_EBACKEND, "the mode is in force, but cannot be put on disk: %s", strerror(errno));
    return GW_OK;
}

/* Who has changed it has left the lock. */
enum gw_code gw_mode_ensure(int dir, struct gw_error *err)
{
    if (faccessat(dir, LOCK, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || faccessat(dir, STATE, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return GW_OK;
    return make_file(dir, &(struct gw_mode_set){0}, GW_SEGMENT_NEW, err);
}

static bool write_all(int fd, const void *from, size_t bytes, size_t at)
{
    const char *p = from;
    while (bytes > 0) {
        ssize_t n = pwrite(fd, p, bytes, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        at += (size_t)n;
        bytes -= (size_t)n;
    }
    return true;
}

/* The sequence alone, and last. */
static enum gw_code write_file(struct gw_segment *file, const struct gw_mode_set *set, struct gw_error *err)
{
    uint64_t now[2];
    struct half h = {0};
    sequences(file->base, now);
    size_t older = now[1] > now[0] ? 0 : 1, at = older * HALF_BYTES;
    fill_half(&h, set, (now[0] > now[1] ? now[0] : now[1]) + 1);
    if (!write_all(file->fd, &h, offsetof(struct half, sequence), at) ||
        !write_all(file->fd, &h.sequence, sizeof(h.sequence), at + offsetof(struct half, sequence)))
        return gw_fail(err, GW_EBACKEND, "cannot write the mode: %s", strerror(errno));
    return GW_OK;
}

static enum gw_code lock(int dir, int *out, struct gw_error *err)
{
    enum gw_code code = gw_segment_lock(dir, LOCK, out, err);
    for (int waited_ms = 0; code == GW_ECONFLICT && waited_ms < LOCK_WAIT_MS; waited_ms += LOCK_RETRY_MS) {
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = LOCK_RETRY_MS * 1000000}, NULL);
        code = gw_segment_lock(dir, LOCK, out, err);
    }
    return code == GW_ECONFLICT
               ? gw_fail(err, code,
                         "another process has held the lock of the mode for %d s: it is stopped, or its disk hangs; "
                         "end it (fuser -v mode/lock tells which) and try again",
                         LOCK_WAIT_MS / 1000)
               : code;
}

static enum gw_code change_locked(int dir, gw_mode_change_fn change, void *ctx, int *out_sync_fd, struct gw_error *err)
{
    gw_auto(gw_segment) struct gw_segment file = GW_SEGMENT_NONE;
    struct gw_mode_reader reader;
    struct gw_mode_set set;
    enum gw_code code = gw_segment_open(dir, STATE, GW_SEGMENT_WRITE, FILE_BYTES, &file, err);
    if (code != GW_OK && code != GW_ENOTFOUND)
        return code;
    gw_mode_reader_init(&reader, dir);
    reader.file = file;
    set = *gw_mode_read(&reader);
    GW_TRY(change(ctx, &set, err));
    if (file.base == NULL)
        return make_file(dir, &set, GW_SEGMENT_REPLACE, err);
    GW_TRY(write_file(&file, &set, err));
    *out_sync_fd = file.fd;
    file.fd = -1;
    return GW_OK;
}

enum gw_code gw_mode_change(int dir, gw_mode_change_fn change, void *ctx, struct gw_error *err)
{
    gw_auto_fd int sync_fd = -1;
    {
        gw_auto_fd int lock_fd = -1;
        GW_TRY(lock(dir, &lock_fd, err));
        GW_TRY(change_locked(dir, change, ctx, &sync_fd, err));
    }
    /* Without the lock: a disk that hangs must not keep the next change from the workers. */
    if (sync_fd >= 0 && fdatasync(sync_fd) != 0)
        return gw_fail(err, GW_EBACKEND, "the mode is in force, but cannot be put on disk: %s", strerror(errno));
    return GW_OK;
}
