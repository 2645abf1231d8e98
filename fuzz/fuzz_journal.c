/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A journal file that a worker gone bad has written: read to its end, finished and unfinished, whatever stands in it. The input is
 * what follows the header. Checks are keyed, so no input would pass for a record by itself: where a plausible length and
 * a reserved word of 1s stand, the right check is put.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "journal/layout.h"
#include "journal/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAME "fuzz.journal"

static char path[] = "/tmp/gw-fuzz-journal-XXXXXX";
static int dir = -1;

static void remove_directory(void)
{
    unlinkat(dir, NAME, 0);
    (void)rmdir(path);
}

static void set_up(void)
{
    if (mkdtemp(path) == NULL || (dir = open(path, O_RDONLY | O_DIRECTORY)) < 0)
        abort();
    (void)atexit(remove_directory);
}

static void mend_checks(const struct gw_journal_header *h, uint8_t *body, size_t size)
{
    for (size_t at = 0; at + sizeof(struct gw_journal_head) <= size; at += 8) {
        struct gw_journal_head head;
        memcpy(&head, body + at, sizeof(head));
        if (head.reserved != UINT32_MAX || head.length < sizeof(head) || head.length > size - at)
            continue;
        uint64_t check = gw_hash(&h->key, body + at + offsetof(struct gw_journal_head, sequence),
                                 head.length - offsetof(struct gw_journal_head, sequence));
        memcpy(body + at + offsetof(struct gw_journal_head, check), &check, sizeof(check));
    }
}

static void write_file(const uint8_t *data, size_t size)
{
    struct gw_journal_header h = {
        .magic = GW_JOURNAL_MAGIC, .version = GW_JOURNAL_VERSION, .number = 1, .first_sequence = 1};
    size_t bytes = GW_JOURNAL_HEADER_BYTES + size;
    uint8_t *file = calloc(1, bytes);
    if (file == NULL)
        abort();
    memcpy(file, &h, sizeof(h));
    memcpy(file + GW_JOURNAL_HEADER_BYTES, data, size);
    mend_checks(&h, file + GW_JOURNAL_HEADER_BYTES, size);
    gw_auto_fd int fd = openat(dir, NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, file, bytes) != (ssize_t)bytes)
        abort();
    free(file);
}

static void read_file(enum gw_journal_end expected, size_t size)
{
    gw_auto(gw_journal_reader) struct gw_journal_reader *r = NULL;
    struct gw_event e;
    uint64_t sequence, last_offset = 0;
    assert(gw_journal_reader_open(dir, NAME, &r, NULL) == GW_OK);
    assert(gw_journal_reader_end(r) == expected);
    while (gw_journal_reader_next(r, &e, &sequence, NULL) == GW_OK) {
        assert(gw_journal_reader_offset(r) > last_offset);
        last_offset = gw_journal_reader_offset(r);
        assert(e.action.len > 0 && e.action.len <= GW_EVENT_ACTION_MAX);
        assert(e.details.len <= GW_EVENT_DETAILS_MAX);
        (void)gw_outcome_text(e.outcome);
    }
    assert(gw_journal_reader_damaged(r) <= size + 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (dir < 0)
        set_up();
    write_file(data, size);
    read_file(GW_JOURNAL_ABANDONED, size);
    gw_auto_fd int lock = openat(dir, NAME, O_RDONLY);
    assert(lock >= 0 && flock(lock, LOCK_EX) == 0);
    read_file(GW_JOURNAL_OPEN, size);
    struct gw_event e;
    enum gw_code code = gw_event_decode((struct gw_str){(const char *)data, size}, &e);
    assert(code == GW_OK || code == GW_EPARSE);
    return 0;
}
