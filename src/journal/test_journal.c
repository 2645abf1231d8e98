/* SPDX-License-Identifier: Apache-2.0 */
/* Writer and reader against each other, over real files. */
#include "journal/journal.h"
#include "journal/layout.h"
#include "journal/reader.h"
#include "journal/test_directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESERVE 8192
#define NEUTRAL 32768
#define SHARE 8192

struct rig {
    struct test_directory directory;
    struct gw_journal *journal;
};

static void rig_init(struct rig *g)
{
    g->journal = NULL;
    test_directory_init(&g->directory);
}

static void rig_done(struct rig *g)
{
    gw_journal_free(g->journal);
    test_directory_done(&g->directory);
}

static void rig_open(struct rig *g, unsigned files_max)
{
    struct gw_journal_options o = test_directory_options(&g->directory, "changes", files_max);
    o.reserve_bytes = RESERVE;
    o.neutral_bytes = NEUTRAL;
    assert_int_equal(gw_journal_new(&o, &g->journal, NULL), GW_OK);
}

static enum gw_code add_file(struct rig *g)
{
    struct gw_journal_file *f;
    enum gw_code code = gw_journal_file_new(g->journal, &f, NULL);
    if (code == GW_OK)
        gw_journal_file_take(g->journal, f);
    return code;
}

static enum gw_code append_by(struct rig *g, uint8_t user, uint32_t n, enum gw_journal_priority priority)
{
    static char path[300];
    memset(path, 'p', sizeof(path));
    struct gw_event e = {.time_ms = n,
                         .phase = GW_EVENT_SINGLE,
                         .count = n,
                         .user_id = {{user}},
                         .action = GW_STR("request"),
                         .path = {path, n % sizeof(path)}};
    return gw_journal_append(g->journal, &e, priority);
}

static enum gw_code append(struct rig *g, uint32_t n, enum gw_journal_priority priority)
{
    return append_by(g, 0, n, priority);
}

/* ---- what is there ---- */

struct tally {
    size_t files, open, sealed, abandoned;
    uint64_t events, last_sequence, lost, damaged;
    bool in_order; /* each event's count is its sequence: none missing, none twice */
    char last_name[GW_JOURNAL_NAME_MAX];
};

static enum gw_code read_file(void *ctx, const char *name, struct gw_error *err)
{
    struct rig *g = ((void **)ctx)[0];
    struct tally *t = ((void **)ctx)[1];
    gw_auto(gw_journal_reader) struct gw_journal_reader *r = NULL;
    GW_TRY(gw_journal_reader_open(g->directory.fd, name, &r, err));
    t->files++;
    t->open += gw_journal_reader_end(r) == GW_JOURNAL_OPEN;
    t->sealed += gw_journal_reader_end(r) == GW_JOURNAL_SEALED;
    t->abandoned += gw_journal_reader_end(r) == GW_JOURNAL_ABANDONED;
    struct gw_event e;
    uint64_t sequence;
    enum gw_code code;
    while ((code = gw_journal_reader_next(r, &e, &sequence, err)) == GW_OK) {
        t->in_order = t->in_order && sequence == t->last_sequence + 1 && e.count == sequence;
        t->last_sequence = sequence;
        t->events++;
    }
    assert_int_equal(code, GW_ENOTFOUND);
    t->lost = gw_journal_reader_lost(r);
    t->damaged += gw_journal_reader_damaged(r);
    snprintf(t->last_name, sizeof(t->last_name), "%s", name);
    return GW_OK;
}

static struct tally read_all(struct rig *g)
{
    struct tally t = {.in_order = true};
    void *ctx[] = {g, &t};
    assert_int_equal(gw_journal_each(g->directory.fd, read_file, ctx, NULL), GW_OK);
    return t;
}

/* ---- writing ---- */

static void test_events_come_back_in_order_over_many_files(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    rig_open(&g, 20);
    for (uint32_t n = 1; n <= 2000; n++) {
        if (gw_journal_wants_file(g.journal))
            assert_int_equal(add_file(&g), GW_OK);
        assert_int_equal(append(&g, n, GW_JOURNAL_NORMAL), GW_OK);
    }
    struct tally t = read_all(&g);
    assert_true(t.in_order);
    assert_int_equal(t.events, 2000);
    assert_int_equal(gw_journal_sequence(g.journal), 2000);
    assert_true(t.sealed >= 5);
    assert_int_equal(t.open, 1);
    assert_int_equal(t.damaged, 0);
    rig_done(&g);
}

static void test_without_a_file_nothing_is_taken(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    rig_open(&g, 2);
    assert_int_equal(append(&g, 1, GW_JOURNAL_RESERVED), GW_ELIMIT);
    gw_journal_count_lost(g.journal);
    assert_int_equal(add_file(&g), GW_OK);
    assert_int_equal(append(&g, 1, GW_JOURNAL_NORMAL), GW_OK);
    assert_int_equal(read_all(&g).lost, 1);
    rig_done(&g);
}

static void test_the_reserve_is_for_what_must_not_fail(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    rig_open(&g, 2);
    assert_int_equal(add_file(&g), GW_OK);
    uint32_t n = 1;
    while (append(&g, n, GW_JOURNAL_NORMAL) == GW_OK)
        n++;
    uint32_t normal = n - 1;
    while (append(&g, n, GW_JOURNAL_RESERVED) == GW_OK)
        n++;
    assert_true((n - 1 - normal) * 500 >= RESERVE - 1000);
    assert_int_equal(append(&g, n, GW_JOURNAL_RESERVED), GW_ELIMIT);
    struct tally t = read_all(&g);
    assert_true(t.in_order);
    assert_int_equal(t.events, n - 1);
    /* A new file, and all is well again. */
    assert_int_equal(add_file(&g), GW_OK);
    assert_int_equal(append(&g, n, GW_JOURNAL_RESERVED), GW_OK);
    assert_true(read_all(&g).in_order);
    rig_done(&g);
}

/* How many events of that user's and priority there was room for, and what the first beyond got. */
static uint32_t fill(struct rig *g, uint8_t user, enum gw_journal_priority priority, enum gw_code *out)
{
    uint32_t n = 0;
    while ((*out = append_by(g, user, 100, priority)) == GW_OK)
        n++;
    return n;
}

static void test_what_is_neutral_leaves_room_to_what_is_not(void **state)
{
    (void)state;
    struct rig g;
    enum gw_code code;
    rig_init(&g);
    rig_open(&g, 2);
    assert_int_equal(add_file(&g), GW_OK);
    gw_journal_file_miss(g.journal);
    assert_true(fill(&g, 1, GW_JOURNAL_NEUTRAL, &code) > 0);
    assert_int_equal(code, GW_ELIMIT);
    assert_true(fill(&g, 2, GW_JOURNAL_NORMAL, &code) > (NEUTRAL - RESERVE) / 300);
    assert_int_equal(code, GW_ELIMIT);
    assert_true(fill(&g, 3, GW_JOURNAL_RESERVED, &code) > RESERVE / 300);
    /* With another file behind it, all of one is for all. */
    assert_int_equal(add_file(&g), GW_OK);
    assert_int_equal(gw_journal_check_room(g.journal, &(struct gw_uuid){{1}}, GW_JOURNAL_NEUTRAL), GW_OK);
    assert_int_equal(append(&g, 1, GW_JOURNAL_NEUTRAL), GW_OK);
    rig_done(&g);
}

static void test_nobody_has_more_of_the_last_file_than_his_share(void **state)
{
    (void)state;
    struct rig g;
    enum gw_code code;
    rig_init(&g);
    struct gw_journal_options o = test_directory_options(&g.directory, "changes", 4);
    o.share_bytes = SHARE;
    assert_int_equal(gw_journal_new(&o, &g.journal, NULL), GW_OK);
    assert_int_equal(add_file(&g), GW_OK);
    gw_journal_file_miss(g.journal);
    uint32_t share = fill(&g, 1, GW_JOURNAL_NORMAL, &code);
    assert_int_equal(code, GW_EDENIED);
    assert_in_range(share, SHARE / 300, SHARE / 150);
    assert_int_equal(gw_journal_check_room(g.journal, &(struct gw_uuid){{1}}, GW_JOURNAL_NORMAL), GW_EDENIED);
    assert_int_equal(append_by(&g, 1, 1, GW_JOURNAL_NEUTRAL), GW_EDENIED);
    assert_int_equal(append_by(&g, 1, 1, GW_JOURNAL_RESERVED), GW_OK);
    assert_int_equal(fill(&g, 2, GW_JOURNAL_NORMAL, &code), share);
    /* All he likes while there is another, and a share of that one. */
    assert_int_equal(add_file(&g), GW_OK);
    while (!gw_journal_wants_file(g.journal))
        assert_int_equal(append_by(&g, 1, 100, GW_JOURNAL_NORMAL), GW_OK);
    /* So he may while the next is only being made. */
    for (uint32_t n = 0; n < share / 2; n++)
        assert_int_equal(append_by(&g, 1, 100, GW_JOURNAL_NORMAL), GW_OK);
    gw_journal_file_miss(g.journal);
    assert_in_range(share / 2 + fill(&g, 1, GW_JOURNAL_NORMAL, &code), share - 1, share);
    assert_int_equal(code, GW_EDENIED);
    rig_done(&g);
}

static void test_who_begins_finds_room_when_others_have_filled_theirs(void **state)
{
    (void)state;
    struct rig g;
    enum gw_code code;
    rig_init(&g);
    rig_open(&g, 8);
    while (add_file(&g) == GW_OK)
        while (!gw_journal_wants_file(g.journal))
            (void)append(&g, 1, GW_JOURNAL_NORMAL);
    assert_true(fill(&g, 1, GW_JOURNAL_RESERVED, &code) > 0);
    struct gw_journal *full = g.journal;
    rig_open(&g, 8);
    assert_int_equal(add_file(&g), GW_OK);
    assert_int_equal(append(&g, 1, GW_JOURNAL_NORMAL), GW_OK);
    assert_int_equal(add_file(&g), GW_ELIMIT);
    gw_journal_free(full);
    rig_done(&g);
}

static void test_files_are_scarce_when_half_of_them_wait(void **state)
{
    (void)state;
    struct rig g;
    enum gw_code code;
    rig_init(&g);
    for (unsigned waiting = 0; waiting < 4; waiting++) {
        struct gw_journal_options o = test_directory_options(&g.directory, "changes", 6);
        char name[32];
        o.share_bytes = SHARE;
        assert_int_equal(gw_journal_new(&o, &g.journal, NULL), GW_OK);
        assert_int_equal(add_file(&g), GW_OK);
        (void)fill(&g, 1, GW_JOURNAL_NORMAL, &code);
        assert_int_equal(code, waiting < 3 ? GW_ELIMIT : GW_EDENIED);
        assert_int_equal(unlinkat(g.directory.fd, read_all(&g).last_name, 0), 0);
        gw_journal_free(g.journal);
        g.journal = NULL;
        snprintf(name, sizeof(name), ".changes-%u", waiting);
        assert_int_equal(symlinkat("x", g.directory.fd, name), 0);
    }
    rig_done(&g);
}

static void test_files_set_aside_are_not_counted(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    rig_open(&g, 2);
    assert_int_equal(symlinkat("x", g.directory.fd, "changes-x.journal.foreign"), 0);
    assert_int_equal(symlinkat("x", g.directory.fd, "changes-y.foreign"), 0);
    assert_int_equal(symlinkat("x", g.directory.fd, "refusals-x.journal"), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(add_file(&g), GW_OK);
    rig_done(&g);
}

static void test_files_of_dead_writers_count_against_the_cap(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    rig_open(&g, 2);
    assert_int_equal(add_file(&g), GW_OK);
    gw_journal_free(g.journal);
    rig_open(&g, 2);
    assert_int_equal(add_file(&g), GW_OK);
    assert_int_equal(add_file(&g), GW_ELIMIT);
    rig_done(&g);
}

static void test_refuses_odd_sizes(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    static const struct {
        size_t file_bytes, reserve_bytes, neutral_bytes;
        unsigned files_max;
    } table[] = {
        {GW_JOURNAL_FILE_MIN_BYTES - 1, 0, 0, 2},
        {GW_JOURNAL_FILE_MAX_BYTES + 1, 0, 0, 2},
        {GW_JOURNAL_FILE_MIN_BYTES, GW_JOURNAL_FILE_MIN_BYTES / 2 + 1, 0, 2},
        {GW_JOURNAL_FILE_MIN_BYTES, 0, GW_JOURNAL_FILE_MIN_BYTES + 1, 2},
        {GW_JOURNAL_FILE_MIN_BYTES, 0, 0, 1},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct gw_journal_options o = test_directory_options(&g.directory, "changes", table[i].files_max);
        o.file_bytes = table[i].file_bytes;
        o.reserve_bytes = table[i].reserve_bytes;
        o.neutral_bytes = table[i].neutral_bytes;
        assert_int_equal(gw_journal_new(&o, &g.journal, NULL), GW_EINVAL);
    }
    rig_done(&g);
}

static void test_a_sync_covers_what_was_sealed_before_it(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    rig_open(&g, 20);
    assert_int_equal(add_file(&g), GW_OK);
    assert_int_equal(add_file(&g), GW_OK);
    uint32_t n = 1;
    while (!gw_journal_wants_file(g.journal)) {
        assert_int_equal(append(&g, n++, GW_JOURNAL_NORMAL), GW_OK);
        (void)gw_journal_want_sync(g.journal);
    }
    struct gw_journal_sync sync;
    assert_int_equal(gw_journal_sync_begin(g.journal, &sync, NULL), GW_OK);
    assert_int_equal(sync.count, 2); /* the sealed one and the current one */
    assert_int_equal(append(&g, n, GW_JOURNAL_NORMAL), GW_OK);
    enum gw_code code = gw_journal_sync_run(&sync, NULL);
    assert_int_equal(code, GW_OK);
    gw_journal_sync_end(g.journal, &sync, code);
    assert_int_equal(gw_journal_synced(g.journal), n - 1);
    assert_int_equal(gw_journal_sync_begin(g.journal, &sync, NULL), GW_OK);
    assert_int_equal(sync.count, 1);
    assert_int_equal(gw_journal_sync_run(&sync, NULL), GW_OK);
    /* One that failed promises nothing. */
    gw_journal_sync_end(g.journal, &sync, GW_EBACKEND);
    assert_int_equal(gw_journal_synced(g.journal), n - 1);
    rig_done(&g);
}

static void test_files_that_nobody_waits_for_are_closed_when_full(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    rig_open(&g, 30);
    for (uint32_t n = 1; n <= 4000; n++) {
        if (gw_journal_wants_file(g.journal))
            assert_int_equal(add_file(&g), GW_OK);
        assert_int_equal(append(&g, n, GW_JOURNAL_NORMAL), GW_OK);
    }
    struct gw_journal_sync sync;
    assert_int_equal(gw_journal_sync_begin(g.journal, &sync, NULL), GW_OK);
    assert_int_equal(sync.count, 1);
    assert_int_equal(gw_journal_sync_run(&sync, NULL), GW_OK);
    rig_done(&g);
}

/* ---- deaths ---- */

static void write_until_killed(struct rig *g, int ready, volatile uint32_t *acknowledged)
{
    rig_open(g, 1000);
    for (uint32_t n = 1;; n++) {
        if (gw_journal_wants_file(g->journal) && add_file(g) != GW_OK)
            _exit(1);
        if (append(g, n, GW_JOURNAL_NORMAL) != GW_OK)
            _exit(1);
        *acknowledged = n;
        if (n == 100 && write(ready, "", 1) != 1)
            _exit(1);
    }
}

static void test_a_killed_writer_loses_nothing_it_acknowledged(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct rig g;
        rig_init(&g);
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        volatile uint32_t *acknowledged = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal((const void *)(uintptr_t)acknowledged, MAP_FAILED);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            write_until_killed(&g, ready[1], acknowledged);
        char byte;
        assert_int_equal(read(ready[0], &byte, 1), 1);
        struct tally alive = read_all(&g);
        /* No more than that: while one file is read its writer may go on to the next. */
        assert_true(alive.events >= 100);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        struct tally t = read_all(&g);
        assert_true(t.in_order);
        assert_true(t.events == *acknowledged || t.events == *acknowledged + 1);
        assert_int_equal(t.open, 0);
        /* Two when it died in rotate: the next is in place before the full one is sealed. */
        assert_in_range(t.abandoned, 1, 2);
        assert_int_equal(t.damaged, 0);
        munmap((void *)(uintptr_t)acknowledged, 4096);
        close(ready[0]);
        close(ready[1]);
        rig_done(&g);
    }
}

static void test_temporary_files_of_the_dead_are_removed(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    rig_open(&g, 4);
    assert_int_equal(add_file(&g), GW_OK);
    assert_int_equal(add_file(&g), GW_OK); /* a spare, under its temporary name */
    int fd = openat(g.directory.fd, ".changes-0190aaaa-dead", O_WRONLY | O_CREAT, 0640);
    assert_true(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
    assert_int_equal(read_all(&g).files, 1);
    assert_int_equal(faccessat(g.directory.fd, ".changes-0190aaaa-dead", F_OK, 0), -1);
    /* Not the living one's. */
    uint32_t n = 1;
    while (!gw_journal_wants_file(g.journal))
        assert_int_equal(append(&g, n++, GW_JOURNAL_NORMAL), GW_OK);
    assert_int_equal(read_all(&g).files, 2);
    rig_done(&g);
}

/* ---- damage ---- */

enum { EVENTS = 5 };

/* A file of EVENTS events whose writer is dead; *out_end: where the last one ends. */
static void abandoned_file(struct rig *g, char *name, uint64_t *out_end)
{
    rig_init(g);
    rig_open(g, 2);
    assert_int_equal(add_file(g), GW_OK);
    for (uint32_t n = 1; n <= EVENTS; n++)
        assert_int_equal(append(g, n, GW_JOURNAL_NORMAL), GW_OK);
    gw_journal_free(g->journal);
    g->journal = NULL;
    struct tally t = read_all(g);
    assert_int_equal(t.events, EVENTS);
    memcpy(name, t.last_name, GW_JOURNAL_NAME_MAX);
    gw_auto(gw_journal_reader) struct gw_journal_reader *r = NULL;
    struct gw_event e;
    uint64_t sequence;
    assert_int_equal(gw_journal_reader_open(g->directory.fd, name, &r, NULL), GW_OK);
    for (int n = 0; n < EVENTS; n++)
        assert_int_equal(gw_journal_reader_next(r, &e, &sequence, NULL), GW_OK);
    *out_end = gw_journal_reader_offset(r);
}

static void test_cut_at_every_byte_of_its_last_record_the_others_stand(void **state)
{
    (void)state;
    struct rig g;
    char name[GW_JOURNAL_NAME_MAX];
    uint64_t end;
    abandoned_file(&g, name, &end);
    int fd = openat(g.directory.fd, name, O_RDWR);
    assert_true(fd >= 0);
    uint64_t length = sizeof(struct gw_journal_head) + 1;
    for (uint64_t cut = end - 1; cut >= end - length; cut--) {
        assert_int_equal(ftruncate(fd, (off_t)cut), 0);
        struct tally t = read_all(&g);
        assert_true(t.in_order);
        /* The padding at its end is not the record. */
        assert_true(t.events == EVENTS - 1 || (t.events == EVENTS && end - cut < 8));
    }
    assert_int_equal(ftruncate(fd, GW_JOURNAL_HEADER_BYTES), 0);
    assert_int_equal(read_all(&g).events, 0);
    close(fd);
    rig_done(&g);
}

static void test_a_flipped_bit_costs_its_record_alone(void **state)
{
    (void)state;
    struct rig g;
    char name[GW_JOURNAL_NAME_MAX];
    uint64_t end;
    abandoned_file(&g, name, &end);
    int fd = openat(g.directory.fd, name, O_RDWR);
    assert_true(fd >= 0);
    unsigned char byte;
    for (off_t at = GW_JOURNAL_HEADER_BYTES; at < GW_JOURNAL_HEADER_BYTES + 120; at++) {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        struct tally t = read_all(&g);
        size_t reserved = offsetof(struct gw_journal_head, reserved), check = offsetof(struct gw_journal_head, check);
        bool counts =
            (size_t)(at - GW_JOURNAL_HEADER_BYTES) < reserved || (size_t)(at - GW_JOURNAL_HEADER_BYTES) >= check;
        assert_int_equal(t.events, counts ? EVENTS - 1 : EVENTS);
        assert_true(counts ? t.damaged > 0 : t.damaged == 0);
        assert_int_equal(t.last_sequence, EVENTS);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
    rig_done(&g);
}

static void test_reads_on_from_where_it_stood(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    rig_open(&g, 4);
    assert_int_equal(add_file(&g), GW_OK);
    assert_int_equal(append(&g, 1, GW_JOURNAL_NORMAL), GW_OK);
    struct tally t = read_all(&g);
    gw_auto(gw_journal_reader) struct gw_journal_reader *r = NULL, *again = NULL;
    struct gw_event e;
    uint64_t sequence;
    assert_int_equal(gw_journal_reader_open(g.directory.fd, t.last_name, &r, NULL), GW_OK);
    assert_int_equal(gw_journal_reader_next(r, &e, &sequence, NULL), GW_OK);
    assert_int_equal(gw_journal_reader_next(r, &e, &sequence, NULL), GW_ENOTFOUND);
    assert_int_equal(append(&g, 2, GW_JOURNAL_NORMAL), GW_OK);
    assert_int_equal(append(&g, 3, GW_JOURNAL_NORMAL), GW_OK);
    assert_int_equal(gw_journal_reader_next(r, &e, &sequence, NULL), GW_OK);
    assert_int_equal(sequence, 2);
    assert_int_equal(gw_journal_reader_open(g.directory.fd, t.last_name, &again, NULL), GW_OK);
    gw_journal_reader_seek(again, gw_journal_reader_offset(r));
    assert_int_equal(gw_journal_reader_next(again, &e, &sequence, NULL), GW_OK);
    assert_int_equal(sequence, 3);
    assert_int_equal(gw_journal_reader_next(again, &e, &sequence, NULL), GW_ENOTFOUND);
    rig_done(&g);
}

/* A finished file of one writer's, all of whose words could begin the longest record, and one that does check at its end. */
static void forge(struct rig *g, const char *name, size_t bytes)
{
    uint32_t longest = sizeof(struct gw_journal_head) + GW_EVENT_BYTES_MAX;
    uint8_t *file = calloc(1, bytes), event[GW_EVENT_BYTES_MAX];
    assert_non_null(file);
    struct gw_journal_header *h = (void *)file;
    *h = (struct gw_journal_header){.magic = GW_JOURNAL_MAGIC,
                                    .version = GW_JOURNAL_VERSION,
                                    .seal = GW_JOURNAL_IS_SEALED,
                                    .writer = {{1}},
                                    .key = {1, 2}};
    for (size_t at = GW_JOURNAL_HEADER_BYTES; at < bytes; at += 8)
        memcpy(file + at, &longest, sizeof(longest));
    const struct gw_event e = {.count = 1, .phase = GW_EVENT_SINGLE, .action = GW_STR("request")};
    size_t event_bytes = gw_event_encode(&e, event), length = sizeof(struct gw_journal_head) + event_bytes;
    struct gw_journal_head *last = (void *)(file + bytes - gw_journal_padded(length));
    *last = (struct gw_journal_head){.length = (uint32_t)length, .sequence = 1};
    memcpy(last + 1, event, event_bytes);
    last->check = gw_journal_check(&h->key, last, length);
    int fd = openat(g->directory.fd, name, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file, bytes), bytes);
    close(fd);
    free(file);
}

static void test_damage_is_searched_so_far_and_no_farther(void **state)
{
    (void)state;
    static const struct {
        size_t bytes;
        bool is_found;
    } rows[] = {{512 * 1024, true}, {4 * 1024 * 1024, false}};
    for (size_t i = 0; i < 2; i++) {
        struct rig g;
        struct gw_event e;
        uint64_t sequence;
        rig_init(&g);
        forge(&g, "changes-x.journal", rows[i].bytes);
        gw_auto(gw_journal_reader) struct gw_journal_reader *r = NULL;
        assert_int_equal(gw_journal_reader_open(g.directory.fd, "changes-x.journal", &r, NULL), GW_OK);
        assert_int_equal(gw_journal_reader_next(r, &e, &sequence, NULL), rows[i].is_found ? GW_OK : GW_ENOTFOUND);
        if (rows[i].is_found)
            assert_int_equal(gw_journal_reader_next(r, &e, &sequence, NULL), GW_ENOTFOUND);
        assert_int_equal(gw_journal_reader_offset(r), rows[i].bytes); /* so that it is removed */
        assert_in_range(gw_journal_reader_damaged(r), rows[i].bytes - GW_JOURNAL_HEADER_BYTES - 200,
                        rows[i].bytes - GW_JOURNAL_HEADER_BYTES);
        rig_done(&g);
    }
}

static enum gw_code count_name(void *ctx, const char *name, struct gw_error *err)
{
    (void)name, (void)err;
    ++*(unsigned *)ctx;
    return GW_OK;
}

static void test_so_many_names_are_looked_at_and_no_more(void **state)
{
    (void)state;
    struct rig g;
    struct gw_error err;
    unsigned count = 0;
    char name[32];
    rig_init(&g);
    for (unsigned n = 0; n <= GW_JOURNAL_ENTRIES_MAX; n++) {
        snprintf(name, sizeof(name), "%05u%s", n, n % 2 == 0 ? GW_JOURNAL_SUFFIX : ".x");
        assert_int_equal(symlinkat("x", g.directory.fd, name), 0);
    }
    assert_int_equal(gw_journal_each(g.directory.fd, count_name, &count, &err), GW_ELIMIT);
    assert_in_range(count, GW_JOURNAL_ENTRIES_MAX / 2 - 2, GW_JOURNAL_ENTRIES_MAX / 2 + 1);
    rig_done(&g);
}

static void test_who_may_not_read_a_file_cannot_lock_it(void **state)
{
    (void)state;
    static const mode_t modes[] = {0600, 0640};
    for (size_t i = 0; i < 2; i++) {
        struct rig g;
        struct stat st;
        rig_init(&g);
        struct gw_journal_options o = test_directory_options(&g.directory, "changes", 2);
        o.mode = modes[i];
        assert_int_equal(gw_journal_new(&o, &g.journal, NULL), GW_OK);
        assert_int_equal(add_file(&g), GW_OK);
        struct tally t = read_all(&g);
        assert_int_equal(fstatat(g.directory.fd, t.last_name, &st, 0), 0);
        assert_int_equal(st.st_mode & 0777, modes[i]);
        rig_done(&g);
    }
}

static void test_what_is_no_journal_is_refused(void **state)
{
    (void)state;
    struct rig g;
    char name[GW_JOURNAL_NAME_MAX];
    uint64_t end;
    abandoned_file(&g, name, &end);
    struct gw_journal_reader *r;
    struct gw_error err;
    assert_int_equal(symlinkat(name, g.directory.fd, "link.journal"), 0);
    assert_int_equal(gw_journal_reader_open(g.directory.fd, "link.journal", &r, &err), GW_EPARSE);
    assert_int_equal(mkdirat(g.directory.fd, "directory.journal", 0700), 0);
    assert_int_equal(gw_journal_reader_open(g.directory.fd, "directory.journal", &r, &err), GW_EPARSE);
    assert_int_equal(mkfifoat(g.directory.fd, "fifo.journal", 0600), 0);
    assert_int_equal(gw_journal_reader_open(g.directory.fd, "fifo.journal", &r, &err), GW_EPARSE);
    int fd = openat(g.directory.fd, name, O_RDWR);
    assert_true(fd >= 0);
    uint32_t version = 9;
    assert_int_equal(pwrite(fd, &version, sizeof(version), offsetof(struct gw_journal_header, version)),
                     sizeof(version));
    assert_int_equal(gw_journal_reader_open(g.directory.fd, name, &r, &err), GW_EPARSE);
    assert_non_null(strstr(err.msg, "version 9"));
    assert_int_equal(ftruncate(fd, 10), 0);
    assert_int_equal(gw_journal_reader_open(g.directory.fd, name, &r, &err), GW_EPARSE);
    assert_int_equal(ftruncate(fd, (off_t)GW_JOURNAL_FILE_MAX_BYTES + 1), 0);
    assert_int_equal(gw_journal_reader_open(g.directory.fd, name, &r, &err), GW_EPARSE);
    close(fd);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_come_back_in_order_over_many_files),
        cmocka_unit_test(test_without_a_file_nothing_is_taken),
        cmocka_unit_test(test_the_reserve_is_for_what_must_not_fail),
        cmocka_unit_test(test_what_is_neutral_leaves_room_to_what_is_not),
        cmocka_unit_test(test_nobody_has_more_of_the_last_file_than_his_share),
        cmocka_unit_test(test_who_begins_finds_room_when_others_have_filled_theirs),
        cmocka_unit_test(test_files_are_scarce_when_half_of_them_wait),
        cmocka_unit_test(test_files_set_aside_are_not_counted),
        cmocka_unit_test(test_files_of_dead_writers_count_against_the_cap),
        cmocka_unit_test(test_refuses_odd_sizes),
        cmocka_unit_test(test_a_sync_covers_what_was_sealed_before_it),
        cmocka_unit_test(test_files_that_nobody_waits_for_are_closed_when_full),
        cmocka_unit_test(test_a_killed_writer_loses_nothing_it_acknowledged),
        cmocka_unit_test(test_temporary_files_of_the_dead_are_removed),
        cmocka_unit_test(test_cut_at_every_byte_of_its_last_record_the_others_stand),
        cmocka_unit_test(test_a_flipped_bit_costs_its_record_alone),
        cmocka_unit_test(test_reads_on_from_where_it_stood),
        cmocka_unit_test(test_what_is_no_journal_is_refused),
        cmocka_unit_test(test_damage_is_searched_so_far_and_no_farther),
        cmocka_unit_test(test_so_many_names_are_looked_at_and_no_more),
        cmocka_unit_test(test_who_may_not_read_a_file_cannot_lock_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
