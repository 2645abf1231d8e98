/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A current file and a spare. When a record does not fit, the current file is sealed, the spare takes its place and another spare
 * is wanted.
 *
 * While there is no spare, the current file may be the last one, so its end (reserve_bytes) is kept free for what must not fail. If
 * files are scarce as well, more of it is kept free of neutral events (neutral_bytes), and no user may take more than share_bytes.
 * Only then: a spare is also missing for the moment in which it is made, and a client that is merely fast must not be refused for
 * that. All of this room is there again as soon as control has taken a file, for the next one begins empty.
 *
 * A sealed file that somebody wants on disk stays open until a sync has covered it. A file gets its number and its name when it
 * takes its place and not when it is made, so that one that never does leaves no gap in the numbers.
 */
#include "journal/journal.h"
#include "journal/layout.h"
#include "journal/share.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct gw_journal_file {
    int dir, fd;
    uint8_t *base;
    size_t bytes;
    bool is_scarce;                 /* when it was made, half of all there may be were waiting */
    char name[GW_JOURNAL_NAME_MAX]; /* under its temporary name until taken */
};

struct gw_journal {
    struct gw_journal_options o;
    struct gw_uuid writer;
    struct gw_journal_file *current, *spare; /* either may be NULL */
    bool is_scarce;                          /* files are */
    size_t offset;                           /* where the next record of current goes */
    uint64_t sequence, wanted, synced, file_number, lost;
    uint64_t sealed_count;                     /* ever */
    uint64_t named_on_disk;                    /* of file_number: whose names a sync has put on disk */
    int sealed[GW_JOURNAL_SYNC_FILES_MAX - 1]; /* the last open_count of them, still to be synced */
    size_t open_count;
    struct gw_share share; /* of current */
};

static struct gw_journal_header *header_of(const struct gw_journal_file *f)
{
    return (struct gw_journal_header *)(void *)f->base;
}

static void file_free(struct gw_journal_file *f)
{
    if (f == NULL)
        return;
    if (f->base != NULL)
        munmap(f->base, f->bytes);
    if (f->fd >= 0)
        close(f->fd);
    free(f);
}

/* One that was never put in place. */
static void file_drop(struct gw_journal_file *f)
{
    if (f == NULL)
        return;
    unlinkat(f->dir, f->name, 0);
    file_free(f);
}

static bool is_series(const char *series)
{
    size_t n = strspn(series, "abcdefghijklmnopqrstuvwxyz");
    return n > 0 && n < GW_JOURNAL_SERIES_MAX && series[n] == '\0';
}

enum gw_code gw_journal_new(const struct gw_journal_options *o, struct gw_journal **out, struct gw_error *err)
{
    assert(is_series(o->series) && o->mode != 0);
    if (o->file_bytes < GW_JOURNAL_FILE_MIN_BYTES || o->file_bytes > GW_JOURNAL_FILE_MAX_BYTES ||
        o->reserve_bytes > o->file_bytes / 2 || o->neutral_bytes > o->file_bytes || o->files_max < 2)
        return gw_fail(
            err, GW_EINVAL,
            "a journal file holds %d to %d bytes, at most half of them in reserve, and there are two or more",
            GW_JOURNAL_FILE_MIN_BYTES, GW_JOURNAL_FILE_MAX_BYTES);
    struct gw_journal *j = calloc(1, sizeof(*j));
    if (j == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a journal");
    j->o = *o;
    enum gw_code code = gw_uuid_v7(o->random, o->clock, &j->writer, err);
    if (code == GW_OK)
        code = gw_random_fill(o->random, &j->share.key, sizeof(j->share.key), err);
    if (code != GW_OK) {
        free(j);
        return code;
    }
    *out = j;
    return GW_OK;
}

/* All but the newest. */
static void close_sealed(struct gw_journal *j, size_t newest)
{
    size_t count = j->open_count - newest;
    for (size_t i = 0; i < count; i++)
        close(j->sealed[i]);
    memmove(j->sealed, j->sealed + count, newest * sizeof(j->sealed[0]));
    j->open_count = newest;
}

void gw_journal_free(struct gw_journal *j)
{
    if (j == NULL)
        return;
    close_sealed(j, 0);
    file_drop(j->spare);
    file_free(j->current);
    free(j);
}

/* ---- appending ---- */

/* Of the last file, what an event of that priority leaves. */
static size_t kept_bytes(const struct gw_journal *j, enum gw_journal_priority priority)
{
    switch (priority) {
    case GW_JOURNAL_NEUTRAL:
        return j->is_scarce ? j->o.neutral_bytes : j->o.reserve_bytes;
    case GW_JOURNAL_NORMAL:
        return j->o.reserve_bytes;
    case GW_JOURNAL_RESERVED:
        break;
    }
    return 0;
}

static size_t room(const struct gw_journal *j, enum gw_journal_priority priority)
{
    if (j->current == NULL)
        return 0;
    size_t left = j->current->bytes - j->offset;
    size_t kept = j->spare == NULL ? kept_bytes(j, priority) : 0;
    return left > kept ? left - kept : 0;
}

static bool has_share(const struct gw_journal *j, const struct gw_uuid *user, size_t need)
{
    return j->spare != NULL || !j->is_scarce || j->o.share_bytes == 0 ||
           gw_share_of(&j->share, user) + need <= j->o.share_bytes;
}

static enum gw_code admit(const struct gw_journal *j, const struct gw_uuid *user, size_t need,
                          enum gw_journal_priority priority)
{
    if (room(j, priority) < need)
        return GW_ELIMIT;
    return priority == GW_JOURNAL_RESERVED || has_share(j, user, need) ? GW_OK : GW_EDENIED;
}

static void number_file(struct gw_journal *j, struct gw_journal_file *f)
{
    struct gw_journal_header *h = header_of(f);
    h->number = ++j->file_number;
    h->first_sequence = j->sequence + 1;
    h->lost = j->lost;
    h->writer = j->writer;
    h->version = GW_JOURNAL_VERSION;
    atomic_signal_fence(memory_order_seq_cst);
    __atomic_store_n(&h->magic, GW_JOURNAL_MAGIC, __ATOMIC_RELEASE);
}

/* A rename and no more: the one system call on the way of a request, once in many thousands. */
static bool put_in_place(struct gw_journal *j, struct gw_journal_file *f)
{
    char name[GW_JOURNAL_NAME_MAX], writer[GW_UUID_LEN + 1];
    number_file(j, f);
    gw_uuid_format(&j->writer, writer);
    snprintf(name, sizeof(name), "%s-%s-%08" PRIu64 GW_JOURNAL_SUFFIX, j->o.series, writer, j->file_number);
    if (renameat2(f->dir, f->name, f->dir, name, RENAME_NOREPLACE) != 0)
        return false;
    memcpy(f->name, name, sizeof(name));
    j->current = f;
    j->offset = GW_JOURNAL_HEADER_BYTES;
    gw_share_clear(&j->share);
    return true;
}

static void seal(struct gw_journal *j, struct gw_journal_file *f)
{
    __atomic_store_n(&header_of(f)->seal, GW_JOURNAL_IS_SEALED, __ATOMIC_RELEASE);
    j->sealed_count++;
    if (j->wanted > j->synced) {
        j->sealed[j->open_count++] = f->fd;
        f->fd = -1;
    }
    file_free(f);
}

static void rotate(struct gw_journal *j)
{
    /* That many files without a sync that somebody waits for: the disk is sick, so no room. */
    if (j->open_count == sizeof(j->sealed) / sizeof(j->sealed[0]))
        return;
    struct gw_journal_file *full = j->current, *next = j->spare;
    j->spare = NULL;
    if (!put_in_place(j, next)) {
        file_drop(next); /* as if there had been none; another is wanted */
        return;
    }
    /* Only now: a living writer always has a file, by which control knows that its intents may still come to an outcome. */
    if (full != NULL)
        seal(j, full);
}

static void put(struct gw_journal *j, const uint8_t *event, size_t event_bytes)
{
    uint8_t *at = j->current->base + j->offset;
    size_t length = sizeof(struct gw_journal_head) + event_bytes;
    struct gw_journal_head head = {.sequence = ++j->sequence};
    memcpy(at, &head, sizeof(head));
    memcpy(at + sizeof(head), event, event_bytes);
    struct gw_journal_head *placed = (struct gw_journal_head *)(void *)at;
    placed->check = gw_journal_check(&header_of(j->current)->key, placed, length);
    /* Last of all: from this store on the record is there. */
    __atomic_store_n(&placed->length, (uint32_t)length, __ATOMIC_RELEASE);
    j->offset += gw_journal_padded(length);
}

enum gw_code gw_journal_append(struct gw_journal *j, const struct gw_event *e, enum gw_journal_priority priority)
{
    uint8_t event[GW_EVENT_BYTES_MAX];
    size_t event_bytes = gw_event_encode(e, event);
    size_t need = gw_journal_padded(sizeof(struct gw_journal_head) + event_bytes);
    if (room(j, priority) < need && j->spare != NULL)
        rotate(j);
    enum gw_code code = admit(j, &e->user_id, need, priority);
    if (code != GW_OK)
        return code;
    put(j, event, event_bytes);
    gw_share_add(&j->share, &e->user_id, need);
    return GW_OK;
}

enum gw_code gw_journal_check_room(const struct gw_journal *j, const struct gw_uuid *user,
                                   enum gw_journal_priority priority)
{
    if (j->spare != NULL)
        return GW_OK;
    return admit(j, user, sizeof(struct gw_journal_head) + GW_EVENT_BYTES_MAX, priority);
}

void gw_journal_count_lost(struct gw_journal *j)
{
    j->lost++;
    if (j->current != NULL)
        __atomic_store_n(&header_of(j->current)->lost, j->lost, __ATOMIC_RELAXED);
}

uint64_t gw_journal_sequence(const struct gw_journal *j)
{
    return j->sequence;
}

/* ---- files made in advance ---- */

bool gw_journal_wants_file(const struct gw_journal *j)
{
    return j->spare == NULL;
}

/* Files that wait for control, and those to come. What control has set aside (NAME.foreign) waits for an operator. */
static bool is_of_series(const struct gw_journal *j, const char *name)
{
    size_t series = strlen(j->o.series), len = strlen(name), suffix = sizeof(GW_JOURNAL_SUFFIX) - 1;
    bool is_temporary = name[0] == '.';
    name += is_temporary;
    return strncmp(name, j->o.series, series) == 0 && name[series] == '-' &&
           (is_temporary || (len > suffix && strcmp(name + len - suffix, GW_JOURNAL_SUFFIX) == 0));
}

static enum gw_code count_files(const struct gw_journal *j, unsigned *out, struct gw_error *err)
{
    int fd = openat(j->o.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        int failed = errno;
        if (fd >= 0)
            close(fd);
        return gw_fail(err, GW_EBACKEND, "cannot look into the journal's directory: %s", strerror(failed));
    }
    unsigned count = 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        count += is_of_series(j, e->d_name);
    closedir(d);
    *out = count;
    return GW_OK;
}

/* All of its space is taken now: a full disk would otherwise be a SIGBUS at some later store. */
static enum gw_code allocate(struct gw_journal_file *f, struct gw_error *err)
{
    /* Locked before it has a name that a reader looks for: no moment in which its writer seems dead. */
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot lock journal file %s: %s", f->name, strerror(errno));
    int failed = posix_fallocate(f->fd, 0, (off_t)f->bytes);
    if (failed != 0)
        return gw_fail(err, GW_EBACKEND, "no room for a journal file of %zu bytes: %s", f->bytes, strerror(failed));
    if (fsync(f->fd) != 0 || fsync(f->dir) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot sync journal file %s: %s", f->name, strerror(errno));
    void *base = mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    if (base == MAP_FAILED)
        return gw_fail(err, GW_EBACKEND, "cannot map journal file %s: %s", f->name, strerror(errno));
    /* Each page's first store would be a fault: 1.2 us a record. After the sync, which makes pages clean. Kernels before 5.14 cannot. */
    (void)madvise(base, f->bytes, MADV_POPULATE_WRITE);
    f->base = base;
    return GW_OK;
}

static enum gw_code file_make(const struct gw_journal *j, struct gw_journal_file *f, struct gw_error *err)
{
    struct gw_hash_key key;
    GW_TRY(gw_random_fill(j->o.random, &key, sizeof(key), err));
    char writer[GW_UUID_LEN + 1];
    gw_uuid_format(&j->writer, writer);
    snprintf(f->name, sizeof(f->name), ".%s-%s-%016" PRIx64, j->o.series, writer, key.k0 ^ key.k1);
    f->fd = openat(f->dir, f->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, j->o.mode);
    if (f->fd < 0)
        return gw_fail(err, GW_EBACKEND, "cannot create journal file %s: %s", f->name, strerror(errno));
    GW_TRY(allocate(f, err));
    header_of(f)->key = key;
    return GW_OK;
}

enum gw_code gw_journal_file_new(const struct gw_journal *j, struct gw_journal_file **out, struct gw_error *err)
{
    unsigned count, max = j->o.files_max;
    GW_TRY(count_files(j, &count, err));
    if (j->current != NULL) /* it stays: nothing becomes current while there is no spare */
        max -= max / 4;
    if (count >= max)
        return gw_fail(err, GW_ELIMIT, "%u journal files of series %s wait for control", count, j->o.series);
    struct gw_journal_file *f = malloc(sizeof(*f));
    if (f == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a journal file");
    *f = (struct gw_journal_file){
        .dir = j->o.dir, .fd = -1, .bytes = j->o.file_bytes, .is_scarce = count >= j->o.files_max / 2};
    enum gw_code code = file_make(j, f, err);
    if (code != GW_OK) {
        file_drop(f);
        return code;
    }
    *out = f;
    return GW_OK;
}

void gw_journal_file_take(struct gw_journal *j, struct gw_journal_file *f)
{
    assert(j->spare == NULL);
    j->spare = f;
    j->is_scarce = f->is_scarce;
    if (j->current == NULL)
        rotate(j);
}

void gw_journal_file_miss(struct gw_journal *j)
{
    j->is_scarce = true;
}

/* ---- to disk ---- */

uint64_t gw_journal_want_sync(struct gw_journal *j)
{
    j->wanted = j->sequence;
    return j->wanted;
}

bool gw_journal_is_waited_for(const struct gw_journal *j)
{
    return j->wanted > j->synced;
}

void gw_journal_sync_drop(struct gw_journal_sync *s)
{
    while (s->count > 0)
        close(s->fds[--s->count]);
}

enum gw_code gw_journal_sync_begin(struct gw_journal *j, struct gw_journal_sync *out, struct gw_error *err)
{
    struct gw_journal_sync s = {.sequence = j->sequence,
                                .sealed_count = j->sealed_count,
                                .dir = j->named_on_disk < j->file_number ? j->o.dir : -1,
                                .placed_file_count = j->file_number};
    int fds[GW_JOURNAL_SYNC_FILES_MAX];
    size_t count = j->open_count;
    memcpy(fds, j->sealed, count * sizeof(fds[0]));
    if (j->current != NULL)
        fds[count++] = j->current->fd;
    for (; s.count < count; s.count++) {
        s.fds[s.count] = fcntl(fds[s.count], F_DUPFD_CLOEXEC, 0);
        if (s.fds[s.count] >= 0)
            continue;
        enum gw_code code = gw_fail(err, GW_EBACKEND, "cannot sync the journal: %s", strerror(errno));
        gw_journal_sync_drop(&s);
        return code;
    }
    *out = s;
    return GW_OK;
}

#ifdef GW_TEST_HOOKS
/* A disk that hangs, for as long as that file is there. */
static void hang(void)
{
    const char *file = getenv("AAITI_TEST_DISK_HANGS");
    while (file != NULL && access(file, F_OK) == 0)
        (void)poll(NULL, 0, 5);
}
#else
static void hang(void) {}
#endif

enum gw_code gw_journal_sync_run(struct gw_journal_sync *s, struct gw_error *err)
{
    enum gw_code code = GW_OK;
    hang();
    for (size_t i = 0; i < s->count; i++) {
        if (fdatasync(s->fds[i]) != 0)
            code = gw_fail(err, GW_EBACKEND, "cannot sync the journal: %s", strerror(errno));
        close(s->fds[i]);
    }
    s->count = 0;
    /* A record on disk under a temporary name would be swept away after a power cut. */
    if (s->dir >= 0 && fsync(s->dir) != 0)
        code = gw_fail(err, GW_EBACKEND, "cannot sync the journal's directory: %s", strerror(errno));
    return code;
}

void gw_journal_sync_end(struct gw_journal *j, const struct gw_journal_sync *s, enum gw_code code)
{
    if (code != GW_OK)
        return;
    j->synced = s->sequence;
    j->named_on_disk = s->placed_file_count;
    uint64_t since = j->sealed_count - s->sealed_count;
    if (since < j->open_count)
        close_sealed(j, (size_t)since);
}

uint64_t gw_journal_synced(const struct gw_journal *j)
{
    return j->synced;
}
