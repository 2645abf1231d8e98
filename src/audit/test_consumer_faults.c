/* SPDX-License-Identifier: Apache-2.0 */
/* What the consumer makes of files that are torn, forged or no journal's, of a database that cannot be written, and of its own death. */
#include "audit/test_rig.h"
#include "journal/layout.h"
#include "journal/reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static enum gw_code keep_name(void *ctx, const char *name, struct gw_error *err)
{
    (void)err;
    strcpy(ctx, name);
    return GW_OK;
}

static enum gw_code keep_first_name(void *ctx, const char *name, struct gw_error *err)
{
    return ((char *)ctx)[0] == '\0' ? keep_name(ctx, name, err) : GW_OK;
}

/* The last of them. */
static void find_file(struct rig *g, char name[GW_JOURNAL_NAME_MAX])
{
    name[0] = '\0';
    assert_int_equal(gw_journal_each(g->journals.fd, keep_name, name, NULL), GW_OK);
    assert_true(name[0] != '\0');
}

static size_t read_file(struct rig *g, const char *name, uint8_t *bytes, size_t size)
{
    gw_auto_fd int fd = openat(g->journals.fd, name, O_RDONLY);
    ssize_t n = read(fd, bytes, size);
    assert_true(n >= 0);
    return (size_t)n;
}

static void write_file(struct rig *g, const char *name, const void *bytes, size_t n)
{
    gw_auto_fd int fd = openat(g->journals.fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, bytes, n), n);
}

/* ---- files ---- */

/* Where the records end. */
static size_t end_of_records(const uint8_t *bytes, size_t *out_last)
{
    size_t at = GW_JOURNAL_HEADER_BYTES;
    for (;;) {
        struct gw_journal_head head;
        memcpy(&head, bytes + at, sizeof(head));
        if (head.length == 0)
            return at;
        *out_last = at;
        at += gw_journal_padded(head.length);
    }
}

/* The bytes as those of another writer, cut. */
static void write_cut(struct rig *g, uint8_t *bytes, size_t cut)
{
    struct gw_journal_header *h = (void *)bytes;
    char name[GW_JOURNAL_NAME_MAX], writer[GW_UUID_LEN + 1];
    h->writer.b[0] = (uint8_t)cut;
    h->writer.b[1] = (uint8_t)(cut >> 8);
    gw_uuid_format(&h->writer, writer);
    snprintf(name, sizeof(name), "changes-%s-00000001.journal", writer);
    write_file(g, name, bytes, cut);
}

static void a_file_cut_at_any_byte_of_its_last_record_gives_the_others_once(void **state)
{
    (void)state;
    _Alignas(8) static uint8_t bytes[GW_JOURNAL_FILE_MIN_BYTES];
    char name[GW_JOURNAL_NAME_MAX];
    size_t last = 0;
    struct gw_journal_head head;
    struct rig g;
    rig_init(&g);
    struct gw_journal *j = rig_journal(&g, "changes");
    rig_append(j, GW_EVENT_INTENT, 1, GW_OUTCOME_PENDING);
    rig_append(j, GW_EVENT_SINGLE, 2, GW_OUTCOME_REFUSED);
    rig_append(j, GW_EVENT_OUTCOME, 1, GW_OUTCOME_DONE);
    gw_journal_free(j);
    find_file(&g, name);
    assert_int_equal(read_file(&g, name, bytes, sizeof(bytes)), sizeof(bytes));
    assert_int_equal(unlinkat(g.journals.fd, name, 0), 0);
    size_t end = end_of_records(bytes, &last);
    memcpy(&head, bytes + last, sizeof(head));
    for (size_t cut = last; cut <= end; cut++) {
        int64_t before = rig_count_rows(&g);
        write_cut(&g, bytes, cut);
        assert_int_equal(rig_run(&g), GW_OK);
        const char *rows = rig_rows_after(&g, before), *damaged = "journal_damaged:done*1 ";
        if (cut >= last + head.length) {
            assert_string_equal(rows, "change:done*1 single:refused*1");
            continue;
        }
        /* A piece may be told of as damage; what was acknowledged before it is there. */
        rows += strncmp(rows, damaged, strlen(damaged)) == 0 ? strlen(damaged) : 0;
        assert_string_equal(rows, "single:refused*1 change:unknown*1");
    }
    assert_int_equal(rig_count_files(&g, ""), 0);
    rig_done(&g);
}

static void damage_is_told_and_what_follows_it_taken(void **state)
{
    (void)state;
    static uint8_t bytes[GW_JOURNAL_FILE_MIN_BYTES];
    char name[GW_JOURNAL_NAME_MAX];
    struct rig g;
    rig_init(&g);
    struct gw_journal *j = rig_journal(&g, "changes");
    for (uint32_t n = 1; n <= 3; n++)
        rig_append(j, GW_EVENT_SINGLE, n, GW_OUTCOME_DONE);
    gw_journal_free(j);
    find_file(&g, name);
    size_t size = read_file(&g, name, bytes, sizeof(bytes));
    bytes[GW_JOURNAL_HEADER_BYTES + sizeof(struct gw_journal_head) + 9] ^= 1;
    write_file(&g, name, bytes, size);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_run(&g), GW_OK);
    assert_string_equal(rig_rows(&g), "journal_damaged:done*1 single:done*1 single:done*1");
    rig_done(&g);
}

static void fill_a_file(struct rig *g, struct gw_journal *j)
{
    unsigned files = rig_count_files(g, "changes");
    for (uint32_t n = 0; rig_count_files(g, "changes") == files; n++)
        rig_append(j, GW_EVENT_TALLY, n, GW_OUTCOME_REFUSED);
}

/* By another worker, whose user is the same. */
static void a_file_that_somebody_removed_is_told_of_once(void **state)
{
    (void)state;
    char name[GW_JOURNAL_NAME_MAX] = "";
    struct rig g;
    rig_init(&g);
    gw_auto(gw_journal) struct gw_journal *j = rig_journal(&g, "changes");
    rig_append(j, GW_EVENT_SINGLE, 1, GW_OUTCOME_DONE);
    fill_a_file(&g, j);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.missing, 0);
    int64_t before = rig_count_rows(&g);
    uint64_t taken = gw_journal_sequence(j);
    fill_a_file(&g, j);
    uint64_t end = gw_journal_sequence(j) - 1;
    assert_int_equal(gw_journal_each(g.journals.fd, keep_first_name, name, NULL), GW_OK);
    assert_int_equal(unlinkat(g.journals.fd, name, 0), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rig_run(&g), GW_OK);
        assert_int_equal(g.turn.missing, i == 0 ? end - taken : 0);
    }
    assert_string_equal(rig_rows_after(&g, before), "journal_damaged:done*1 tally:refused*9");
    rig_done(&g);
}

/* A file whose removal a crash came before. */
static void a_file_that_was_taken_is_removed_and_no_more(void **state)
{
    (void)state;
    static uint8_t bytes[GW_JOURNAL_FILE_MIN_BYTES];
    char name[GW_JOURNAL_NAME_MAX];
    struct gw_audit_row none;
    struct rig g;
    rig_init(&g);
    struct gw_journal *j = rig_journal(&g, "changes");
    rig_append(j, GW_EVENT_INTENT, 1, GW_OUTCOME_PENDING);
    assert_int_equal(rig_run(&g), GW_OK);
    find_file(&g, name);
    rig_append(j, GW_EVENT_OUTCOME, 1, GW_OUTCOME_DONE);
    gw_journal_free(j);
    size_t size = read_file(&g, name, bytes, sizeof(bytes));
    struct gw_uuid writer = ((struct gw_journal_header *)(void *)bytes)->writer;
    assert_int_equal(rig_run(&g), GW_OK);
    write_file(&g, name, bytes, size);
    assert_int_equal(gw_store_journal_file_put(g.store, gw_str(name), &writer, size, NULL), GW_OK);
    assert_int_equal(gw_store_journal_writer_put(g.store, &writer, 0, NULL), GW_OK);
    rig_restart(&g);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.events, 0);
    assert_int_equal(g.turn.files, 1);
    assert_string_equal(rig_rows(&g), "change:done*1");
    assert_int_equal(gw_store_audit_open_take(g.store, &writer, NULL, &none, NULL), GW_ENOTFOUND);
    rig_done(&g);
}

/* A writer whose last file was removed just before a crash. */
static void what_a_dead_writer_began_ends_unknown_in_the_next_life(void **state)
{
    (void)state;
    struct rig g;
    struct gw_audit_row r = {.writer = {{7}}, .sequence = 1, .time_ms = 1, .count = 1, .action = "change"};
    rig_init(&g);
    assert_int_equal(gw_store_audit_open_put(g.store, &r, NULL), GW_OK);
    assert_int_equal(gw_store_journal_writer_put(g.store, &r.writer, 0, NULL), GW_OK);
    rig_restart(&g);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_run(&g), GW_OK);
    assert_string_equal(rig_rows(&g), "change:unknown*1");
    rig_done(&g);
}

static void a_file_put_back_from_a_backup_adds_nothing(void **state)
{
    (void)state;
    static uint8_t bytes[GW_JOURNAL_FILE_MIN_BYTES];
    char name[GW_JOURNAL_NAME_MAX];
    struct rig g;
    rig_init(&g);
    struct gw_journal *j = rig_journal(&g, "changes");
    rig_append(j, GW_EVENT_INTENT, 1, GW_OUTCOME_PENDING);
    rig_append(j, GW_EVENT_OUTCOME, 1, GW_OUTCOME_DONE);
    rig_append(j, GW_EVENT_SINGLE, 2, GW_OUTCOME_DONE);
    gw_journal_free(j);
    find_file(&g, name);
    size_t size = read_file(&g, name, bytes, sizeof(bytes));
    for (int i = 0; i < 2; i++) {
        write_file(&g, name, bytes, size);
        assert_int_equal(rig_run(&g), GW_OK);
        assert_int_equal(g.turn.conflicts, 0);
        assert_string_equal(rig_rows(&g), "change:done*1 single:done*1");
    }
    rig_done(&g);
}

/* Two writers that say they are one, as a worker might to keep another's events out. */
static void a_stolen_name_suppresses_nothing(void **state)
{
    (void)state;
    struct rig g;
    struct gw_audit_row none;
    rig_init(&g);
    const struct gw_fake_random before = g.journals.random;
    gw_auto(gw_journal) struct gw_journal *thief = rig_journal(&g, "a");
    g.journals.random = before;
    gw_auto(gw_journal) struct gw_journal *owner = rig_journal(&g, "b");
    rig_append(thief, GW_EVENT_TALLY, 1, GW_OUTCOME_REFUSED);
    rig_append(thief, GW_EVENT_INTENT, 2, GW_OUTCOME_PENDING);
    rig_append(owner, GW_EVENT_SINGLE, 3, GW_OUTCOME_DONE);
    rig_append(owner, GW_EVENT_INTENT, 4, GW_OUTCOME_PENDING);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_run(&g), GW_OK);
    assert_string_equal(rig_rows(&g), "tally:refused*9 journal_damaged:done*1 single:done*1 journal_damaged:done*1 "
                                      "change:unknown*1");
    assert_int_equal(gw_store_audit_get(g.store, &(struct gw_uuid){{0}}, 1, &none, NULL), GW_ENOTFOUND);
    rig_done(&g);
}

/* A worker sees control's name in what an admin reads of the trail. Rows under it would take the numbers of control's next ones, and with
 * them every change that must be recorded. */
static void a_file_in_controls_name_is_set_aside(void **state)
{
    (void)state;
    _Alignas(8) static uint8_t bytes[GW_JOURNAL_FILE_MIN_BYTES];
    char name[GW_JOURNAL_NAME_MAX], writer[GW_UUID_LEN + 1];
    struct gw_audit_row r = {.outcome = GW_OUTCOME_DONE, .action = "user_disabled"};
    struct rig g;
    rig_init(&g);
    struct gw_journal *j = rig_journal(&g, "changes");
    for (uint32_t n = 1; n <= 9; n++)
        rig_append(j, GW_EVENT_SINGLE, n, GW_OUTCOME_DONE);
    gw_journal_free(j);
    find_file(&g, name);
    size_t size = read_file(&g, name, bytes, sizeof(bytes));
    assert_int_equal(unlinkat(g.journals.fd, name, 0), 0);
    ((struct gw_journal_header *)(void *)bytes)->writer = *gw_recorder_writer(g.recorder);
    gw_uuid_format(gw_recorder_writer(g.recorder), writer);
    snprintf(name, sizeof(name), "changes-%s-00000001.journal", writer);
    write_file(&g, name, bytes, size);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(gw_recorder_add(g.recorder, g.store, &r, &g.err), GW_OK);
    assert_int_equal(rig_count_files(&g, ".journal.foreign"), 1);
    assert_string_equal(rig_rows(&g), "journal_damaged:done*1 user_disabled:done*1");
    rig_done(&g);
}

static void what_is_no_journal_is_set_aside_once_and_holds_up_nothing(void **state)
{
    (void)state;
    static uint8_t bytes[GW_JOURNAL_FILE_MIN_BYTES];
    char name[GW_JOURNAL_NAME_MAX];
    struct rig g;
    rig_init(&g);
    struct gw_journal *j = rig_journal(&g, "zz");
    rig_append(j, GW_EVENT_SINGLE, 1, GW_OUTCOME_DONE);
    find_file(&g, name);
    size_t size = read_file(&g, name, bytes, sizeof(bytes));
    write_file(&g, "another-name-than-its-writers.journal", bytes, size);
    ((struct gw_journal_header *)(void *)bytes)->version = 99;
    write_file(&g, "b.journal", bytes, size);
    write_file(&g, "c.journal", "", 0);
    write_file(&g, "d.journal", "noise", 5);
    assert_int_equal(mkdirat(g.journals.fd, "e.journal", 0700), 0);
    assert_int_equal(mkfifoat(g.journals.fd, "f.journal", 0600), 0);
    assert_int_equal(symlinkat("/etc/passwd", g.journals.fd, "g.journal"), 0);
    write_file(&g, "h-\n.journal", "noise", 5);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(rig_count_files(&g, ".journal.foreign"), 8);
    assert_int_equal(rig_count_files(&g, ""), 9);
    assert_int_equal(rig_count_rows(&g), 9);
    gw_journal_free(j);
    rig_done(&g);
}

/* The name of the oldest is taken by what cannot be opened: a socket, as a disk might fail. */
static void while_a_file_cannot_be_read_its_writers_later_ones_wait(void **state)
{
    (void)state;
    char name[GW_JOURNAL_NAME_MAX], path[160];
    struct rig g;
    rig_init(&g);
    struct gw_journal *j = rig_journal(&g, "changes");
    rig_append(j, GW_EVENT_INTENT, 1, GW_OUTCOME_PENDING);
    find_file(&g, name);
    for (uint32_t n = 0; rig_count_files(&g, "changes") == 1; n++) /* into the next file */
        rig_append(j, GW_EVENT_SINGLE, 1000 + n, GW_OUTCOME_DONE);
    rig_append(j, GW_EVENT_OUTCOME, 1, GW_OUTCOME_DONE);
    struct gw_journal *other = rig_journal(&g, "changes");
    rig_append(other, GW_EVENT_TALLY, 2, GW_OUTCOME_REFUSED);
    assert_int_equal(renameat(g.journals.fd, name, g.journals.fd, "kept"), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    gw_auto_fd int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(path, sizeof(path), "%s/%s", g.journals.path, name);
    memcpy(address.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(s, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(rig_run(&g), GW_EBACKEND);
    assert_string_equal(rig_rows(&g), "tally:refused*9");
    assert_int_equal(renameat(g.journals.fd, "kept", g.journals.fd, name), 0);
    gw_journal_free(j);
    gw_journal_free(other);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_string_equal(rig_rows_after(&g, rig_count_rows(&g) - 1), "change:done*1");
    rig_done(&g);
}

/* ---- the database ---- */

static void a_database_locked_for_a_minute_costs_nothing_but_time(void **state)
{
    (void)state;
    struct rig g;
    struct gw_store *other = NULL;
    rig_init(&g);
    gw_auto(gw_journal) struct gw_journal *j = rig_journal(&g, "changes");
    assert_int_equal(gw_store_open_sqlite(g.database, &other, &g.err), GW_OK);
    rig_append(j, GW_EVENT_INTENT, 1, GW_OUTCOME_PENDING);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(gw_store_begin(other, &g.err), GW_OK);
    for (uint32_t s = 0; s < 60; s++) {
        rig_append(j, GW_EVENT_SINGLE, 100 + s, GW_OUTCOME_DONE);
        gw_fake_clock_advance(&g.journals.clock, 1000);
        assert_int_equal(rig_run(&g), GW_ETIMEOUT); /* at once: 60 times SQLite's own 5 s would end this test */
        assert_int_equal(g.turn.events, 0);
    }
    rig_append(j, GW_EVENT_OUTCOME, 1, GW_OUTCOME_DONE);
    assert_int_equal(rig_count_rows(&g), 0);
    gw_store_rollback(other);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.events, 61);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(rig_count_rows(&g), 61);
    gw_store_close(other);
    rig_done(&g);
}

static void fill_disk(const char *path)
{
    static const char block[4096];
    gw_auto_fd int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) > 0)
        ;
}

static void a_full_disk_costs_nothing_but_time(void **state)
{
    (void)state;
    struct rig g = {.home = "/tmp/gw-consumer-XXXXXX"};
    char filler[48];
    assert_non_null(mkdtemp(g.home));
    /* In a view of our own, so that it goes with this process. */
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", g.home, "tmpfs", 0, "size=16m,mode=0700") != 0) {
        assert_int_equal(rmdir(g.home), 0);
        skip(); /* needs root, and the right to mount */
    }
    test_directory_init(&g.journals);
    snprintf(g.database, sizeof(g.database), "%s/test.db", g.home);
    snprintf(filler, sizeof(filler), "%s/filler", g.home);
    rig_open(&g);
    struct gw_journal *j = rig_journal(&g, "changes");
    for (uint32_t n = 1; n <= 3000; n++) {
        rig_append(j, GW_EVENT_INTENT, n, GW_OUTCOME_PENDING);
        rig_append(j, GW_EVENT_OUTCOME, n, GW_OUTCOME_DONE);
        if (n == 500)
            assert_int_equal(rig_run(&g), GW_OK);
        if (n == 1000)
            fill_disk(filler);
    }
    gw_journal_free(j);
    uint64_t taken = 1000;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rig_run(&g), GW_EBACKEND);
        taken += g.turn.events; /* what the log had room for */
        assert_true(taken < 6000);
    }
    assert_int_equal(unlink(filler), 0);
    rig_restart(&g);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.events, 6000 - taken);
    assert_int_equal(rig_count_rows(&g), 3000);
    assert_int_equal(rig_count_files(&g, ""), 0);
    rig_close(&g);
    test_directory_done(&g.journals);
    assert_int_equal(umount(g.home), 0);
    assert_int_equal(rmdir(g.home), 0);
}

/* ---- its own death ---- */

#define EVENTS 2400
#define KILLS 24

struct ledger {
    uint8_t seen[EVENTS + 1];
    unsigned unknown;
};

static enum gw_code enter(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    struct ledger *l = ctx;
    size_t request = (size_t)r->request_id.b[0] << 16 | (size_t)r->request_id.b[1] << 8 | r->request_id.b[2];
    if (request == 0 || request > EVENTS)
        return gw_fail(err, GW_EINTERNAL, "a row of no event: %s", r->action);
    l->seen[request]++;
    l->unknown += r->outcome == GW_OUTCOME_UNKNOWN;
    return GW_OK;
}

static int64_t real_mono_ms(const struct gw_clock *self)
{
    (void)self;
    return gw_clock_mono_ms(gw_system_clock());
}

/* A life of control that ends so long after it began to take the journal. */
static void consume_and_die(struct rig *g, long after_us)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        g->journals.random.state += (uint64_t)getpid(); /* another life, another writer */
        rig_open(g);
        if (write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            (void)rig_run(g);
    }
    assert_true(child > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    (void)ppoll(NULL, 0, &(struct timespec){.tv_nsec = after_us * 1000}, NULL);
    int status;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void killed_at_any_moment_it_takes_each_event_once(void **state)
{
    (void)state;
    struct ledger l = {0};
    struct rig g;
    rig_init(&g);
    rig_close(&g);
    g.journals.clock.clock.mono_ms = real_mono_ms;
    struct gw_journal *j = rig_journal(&g, "changes");
    uint32_t n = 0;
    for (long kill_after = 1; kill_after <= KILLS; kill_after++) {
        for (uint32_t until = n + EVENTS / KILLS; n < until;) {
            rig_append(j, GW_EVENT_INTENT, ++n, GW_OUTCOME_PENDING);
            if (n % 7 != 0)
                rig_append(j, GW_EVENT_OUTCOME, n, GW_OUTCOME_DONE);
        }
        if (kill_after % 5 == 0) { /* a worker dies too, and another comes */
            gw_journal_free(j);
            j = rig_journal(&g, "changes");
        }
        consume_and_die(&g, kill_after * 7919 % 40000);
    }
    gw_journal_free(j);
    g.journals.random.state += 1;
    rig_open(&g);
    do
        assert_int_equal(rig_run(&g), GW_OK);
    while (g.turn.is_cut); /* the clock is real here */
    assert_int_equal(rig_count_files(&g, ""), 0);
    for (int64_t after = 0; after < EVENTS; after += GW_AUDIT_PAGE_MAX)
        assert_int_equal(gw_store_audit_each_after(g.store, after, GW_AUDIT_PAGE_MAX, enter, &l, &g.err), GW_OK);
    assert_int_equal(rig_count_rows(&g), EVENTS);
    for (uint32_t i = 1; i <= EVENTS; i++)
        assert_int_equal(l.seen[i], 1);
    assert_int_equal(l.unknown, EVENTS / 7);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_cut_at_any_byte_of_its_last_record_gives_the_others_once),
        cmocka_unit_test(damage_is_told_and_what_follows_it_taken),
        cmocka_unit_test(a_file_that_somebody_removed_is_told_of_once),
        cmocka_unit_test(a_file_that_was_taken_is_removed_and_no_more),
        cmocka_unit_test(what_a_dead_writer_began_ends_unknown_in_the_next_life),
        cmocka_unit_test(a_file_put_back_from_a_backup_adds_nothing),
        cmocka_unit_test(a_stolen_name_suppresses_nothing),
        cmocka_unit_test(a_file_in_controls_name_is_set_aside),
        cmocka_unit_test(what_is_no_journal_is_set_aside_once_and_holds_up_nothing),
        cmocka_unit_test(while_a_file_cannot_be_read_its_writers_later_ones_wait),
        cmocka_unit_test(a_database_locked_for_a_minute_costs_nothing_but_time),
        cmocka_unit_test(a_full_disk_costs_nothing_but_time),
        cmocka_unit_test(killed_at_any_moment_it_takes_each_event_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
