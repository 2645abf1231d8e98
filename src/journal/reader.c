/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads by pread through a window, never by mapping: a writer that cuts its file must not be able to kill control. While the
 * writer lives, a record that does not check is one that is not there yet. In a finished file it is damage: the next 8-byte boundary
 * at which a record checks is gone to; the check is keyed by the file's header, so that no string in an event can pass for one.
 * A finished file that ends in zeroes ends there.
 */
#include "journal/reader.h"
#include "journal/journal.h"
#include "journal/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX_BYTES (sizeof(struct gw_journal_head) + GW_EVENT_BYTES_MAX)
#define WINDOW_BYTES (64 * 1024)
/* A writer could make every 8 bytes look like the longest record: beyond this the rest of its file is damage, unread. Honest damage
 * is zeroes and torn pages, where few lengths make sense. */
#define HASHED_IN_VAIN_MAX_BYTES ((uint64_t)256 * 1024 * 1024)
_Static_assert(WINDOW_BYTES >= 2 * RECORD_MAX_BYTES, "a window holds a record wherever it begins");

struct gw_journal_reader {
    int fd;
    enum gw_journal_end end;
    struct gw_journal_header header;
    uint64_t bytes; /* of the file */
    uint64_t offset, damaged;
    uint64_t hashed_in_vain;          /* bytes, of records that did not check */
    uint64_t window_at, window_bytes; /* what of the file the window holds */
    _Alignas(8) uint8_t window[WINDOW_BYTES];
};

/* ---- names ---- */

struct names {
    size_t count, size;
    char (*list)[GW_JOURNAL_NAME_MAX];
};

static bool is_journal(const char *name)
{
    size_t len = strlen(name), suffix = sizeof(GW_JOURNAL_SUFFIX) - 1;
    return len > suffix && len < GW_JOURNAL_NAME_MAX && name[0] != '.' &&
           strcmp(name + len - suffix, GW_JOURNAL_SUFFIX) == 0;
}

static bool is_temporary(const char *name)
{
    return name[0] == '.' && name[1] >= 'a' && name[1] <= 'z';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void remove_if_dead(int dir, const char *name)
{
    gw_auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    /* An empty one may be between its making and its lock. */
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(dir, name, 0);
}

static enum gw_code keep_name(struct names *n, const char *name, struct gw_error *err)
{
    if (n->count == n->size) {
        size_t size = n->size > 0 ? 2 * n->size : 64;
        void *list = realloc(n->list, size * sizeof(n->list[0]));
        if (list == NULL)
            return gw_fail(err, GW_ENOMEM, "no memory for the names of journals");
        n->list = list;
        n->size = size;
    }
    memcpy(n->list[n->count++], name, strlen(name) + 1); /* is_journal has looked at its length */
    return GW_OK;
}

static enum gw_code read_names(DIR *d, struct names *out, bool *out_more, struct gw_error *err)
{
    size_t entries = 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL; entries++) {
        if (entries == GW_JOURNAL_ENTRIES_MAX) {
            *out_more = true;
            return GW_OK;
        }
        if (is_temporary(e->d_name))
            remove_if_dead(dirfd(d), e->d_name);
        if (is_journal(e->d_name))
            GW_TRY(keep_name(out, e->d_name, err));
    }
    return GW_OK;
}

static enum gw_code list_names(int dir, struct names *out, bool *out_more, struct gw_error *err)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        enum gw_code code = gw_fail(err, GW_EBACKEND, "cannot look into the journal's directory: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return code;
    }
    enum gw_code code = read_names(d, out, out_more, err);
    closedir(d);
    if (out->count > 0)
        qsort(out->list, out->count, sizeof(out->list[0]), by_name);
    return code;
}

enum gw_code gw_journal_each(int dir, gw_journal_name_fn fn, void *ctx, struct gw_error *err)
{
    struct names names = {0};
    bool more = false;
    enum gw_code code = list_names(dir, &names, &more, err);
    for (size_t i = 0; i < names.count && code == GW_OK; i++)
        code = fn(ctx, names.list[i], err);
    free(names.list);
    if (code == GW_OK && more)
        return gw_fail(err, GW_ELIMIT, "more than %d names are in the journal's directory; remove what is no journal",
                       GW_JOURNAL_ENTRIES_MAX);
    return code;
}

/* ---- a file ---- */

static enum gw_code read_header(struct gw_journal_reader *r, const char *name, struct gw_error *err)
{
    struct stat st;
    if (fstat(r->fd, &st) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot look at journal file %s: %s", name, strerror(errno));
    if (!S_ISREG(st.st_mode) || st.st_size > GW_JOURNAL_FILE_MAX_BYTES)
        return gw_fail(err, GW_EPARSE, "%s is no journal file: not a regular file of at most %d bytes", name,
                       GW_JOURNAL_FILE_MAX_BYTES);
    r->bytes = (uint64_t)st.st_size;
    if (pread(r->fd, &r->header, sizeof(r->header), 0) != (ssize_t)sizeof(r->header) ||
        r->header.magic != GW_JOURNAL_MAGIC)
        return gw_fail(err, GW_EPARSE, "%s is no journal file: it does not begin like one", name);
    if (r->header.version != GW_JOURNAL_VERSION)
        return gw_fail(err, GW_EPARSE, "journal file %s has version %u; this program reads %u", name, r->header.version,
                       GW_JOURNAL_VERSION);
    return GW_OK;
}

static enum gw_code reader_open(struct gw_journal_reader *r, int dir, const char *name, struct gw_error *err)
{
    r->fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (r->fd < 0)
        return gw_fail(err, errno == ELOOP ? GW_EPARSE : GW_EBACKEND, "cannot open journal file %s: %s", name,
                       strerror(errno));
    /* The lock first: what a writer wrote before it died is then there to be read. */
    bool dead = flock(r->fd, LOCK_EX | LOCK_NB) == 0;
    GW_TRY(read_header(r, name, err));
    r->end = r->header.seal == GW_JOURNAL_IS_SEALED ? GW_JOURNAL_SEALED : dead ? GW_JOURNAL_ABANDONED : GW_JOURNAL_OPEN;
    r->offset = GW_JOURNAL_HEADER_BYTES;
    return GW_OK;
}

enum gw_code gw_journal_reader_open(int dir, const char *name, struct gw_journal_reader **out, struct gw_error *err)
{
    struct gw_journal_reader *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a journal reader");
    r->fd = -1;
    enum gw_code code = reader_open(r, dir, name, err);
    if (code != GW_OK) {
        gw_journal_reader_close(r);
        return code;
    }
    *out = r;
    return GW_OK;
}

void gw_journal_reader_close(struct gw_journal_reader *r)
{
    if (r == NULL)
        return;
    if (r->fd >= 0)
        close(r->fd);
    free(r);
}

enum gw_journal_end gw_journal_reader_end(const struct gw_journal_reader *r)
{
    return r->end;
}

const struct gw_uuid *gw_journal_reader_writer(const struct gw_journal_reader *r)
{
    return &r->header.writer;
}

uint64_t gw_journal_reader_lost(const struct gw_journal_reader *r)
{
    return r->header.lost;
}

void gw_journal_reader_seek(struct gw_journal_reader *r, uint64_t offset)
{
    r->offset = offset < GW_JOURNAL_HEADER_BYTES ? GW_JOURNAL_HEADER_BYTES : gw_journal_padded(offset);
    r->window_bytes = 0;
}

uint64_t gw_journal_reader_offset(const struct gw_journal_reader *r)
{
    return r->offset;
}

uint64_t gw_journal_reader_damaged(const struct gw_journal_reader *r)
{
    return r->damaged;
}

/* ---- records ---- */

static enum gw_code fill_window(struct gw_journal_reader *r, struct gw_error *err)
{
    size_t got = 0;
    uint64_t left = r->offset < r->bytes ? r->bytes - r->offset : 0; /* what a file grows by afterwards is not its */
    size_t wanted = left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES;
    while (got < wanted) {
        ssize_t n = pread(r->fd, r->window + got, wanted - got, (off_t)(r->offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gw_fail(err, GW_EBACKEND, "cannot read a journal file: %s", strerror(errno));
        if (n == 0)
            break;
        got += (size_t)n;
    }
    r->window_at = r->offset;
    r->window_bytes = got;
    return GW_OK;
}

enum found { RECORD, NOTHING, DAMAGE };

/* What stands at the offset, of which left bytes are there. */
static enum found look(struct gw_journal_reader *r, const uint8_t *at, uint64_t left, struct gw_event *out)
{
    const struct gw_journal_head *head = (const void *)at;
    if (left < sizeof(*head))
        return NOTHING;
    if (head->length == 0)
        return NOTHING;
    if (head->length < sizeof(*head) || head->length > RECORD_MAX_BYTES || head->length > left)
        return DAMAGE;
    if (gw_journal_check(&r->header.key, head, head->length) != head->check) {
        r->hashed_in_vain += head->length;
        return DAMAGE;
    }
    struct gw_str event = {(const char *)(head + 1), head->length - sizeof(*head)};
    return gw_event_decode(event, out) == GW_OK ? RECORD : DAMAGE;
}

enum gw_code gw_journal_reader_next(struct gw_journal_reader *r, struct gw_event *out, uint64_t *out_sequence,
                                    struct gw_error *err)
{
    uint64_t from = r->offset, torn_to = from;
    bool begun = false;
    for (;;) {
        uint64_t in = r->offset - r->window_at;
        if (r->window_bytes == 0 || in + RECORD_MAX_BYTES > r->window_bytes) {
            GW_TRY(fill_window(r, err));
            in = 0;
        }
        if (r->window_bytes <= in)
            break; /* the end of the file */
        const uint8_t *at = r->window + in;
        enum found found = look(r, at, r->window_bytes - in, out);
        if (found == RECORD) {
            const struct gw_journal_head *head = (const void *)at;
            *out_sequence = head->sequence;
            r->damaged += r->offset - from;
            r->offset += gw_journal_padded(head->length);
            return GW_OK;
        }
        if (r->end == GW_JOURNAL_OPEN) {
            r->window_bytes = 0;
            return gw_fail(err, GW_ENOTFOUND, "no more events for now");
        }
        /* After a length of 0 stands what its writer was at when it died: no record yet, so none is damaged. */
        begun = begun || (r->offset == from && found == NOTHING);
        r->offset = r->hashed_in_vain < HASHED_IN_VAIN_MAX_BYTES ? r->offset + 8 : gw_journal_padded(r->bytes);
        if (found == DAMAGE && !begun)
            torn_to = r->offset;
    }
    /* Zeroes until the end, or damage behind which there is no record. */
    r->damaged += torn_to - from;
    return gw_fail(err, GW_ENOTFOUND, "no more events");
}
