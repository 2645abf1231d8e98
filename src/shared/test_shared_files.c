/* SPDX-License-Identifier: Apache-2.0 */
/* The two files themselves: who may write them, what becomes of a writer that dies, and what must be refused. */
#include "shared/test_segments.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A broken worker can write the counters, so it can cut them short: control loses advice, not its life. */
static void test_control_survives_counters_cut_short(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    struct gw_live_session session = session_of(1);
    char path[128];
    path_of("counters", path);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(gw_shared_last_seen(w, &session), session.last_seen_s);
    gw_shared_touch(w, &session.id, session.last_seen_s + 5);
    assert_int_equal(gw_shared_last_seen(w, &session), session.last_seen_s + 5);
}

static void test_files_have_the_modes_that_keep_workers_out(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    static const struct {
        const char *name;
        mode_t mode;
    } rows[] = {{"authority", 0640}, {"counters", 0660}, {"authority.lock", 0600}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char path[128];
        struct stat st;
        path_of(rows[i].name, path);
        assert_int_equal(lstat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, rows[i].mode);
    }
}

/* First address of the file's mapping in this process. */
static char *mapping_of(const char *name)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512], *found = NULL;
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
        if (strstr(line, name) != NULL && strstr(line, dir) != NULL)
            found = (char *)strtoul(line, NULL, 16); /* NOLINT: an address is what we read */
    if (maps != NULL)
        fclose(maps);
    return found;
}

static void test_a_session_lies_in_one_cache_line(void **state)
{
    (void)state;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    put_session(w, 1);
    const char *base = mapping_of("authority");
    struct gw_uuid id = uuid(1);
    char path[128];
    struct stat st;
    path_of("authority", path);
    assert_int_equal(stat(path, &st), 0);
    const char *key = memmem(base, (size_t)st.st_size, id.b, sizeof(id.b));
    assert_non_null(key);
    assert_int_equal((uintptr_t)key % 64, 8); /* after its slot's head */
}

static void test_a_reader_that_writes_to_the_authority_dies(void **state)
{
    (void)state;
    gw_shared_close(ready_writer());
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    volatile char *authority = mapping_of("authority");
    assert_non_null(authority);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        authority[4] = 1;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#else
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
#endif
}

/* A writer that dies inside a write: says so in the head, one word before the record's key, and is gone. */
static void die_while_writing(const struct gw_uuid *sid)
{
    char path[128];
    path_of("authority", path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        _exit(1);
    char *base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *key = memmem(base, (size_t)st.st_size, sid->b, sizeof(sid->b));
    if (key == NULL)
        _exit(1);
    key[-8] |= 1;
    memset(key + 16, 0x5a, 8); /* half of a new record */
    raise(SIGKILL);
}

static void test_killed_in_mid_write_reads_as_not_ready_until_mended(void **state)
{
    (void)state;
    struct gw_shared *w = ready_writer();
    put_session(w, 1);
    put_session(w, 2);
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    gw_shared_close(w);
    struct gw_uuid sid = uuid(1);
    pid_t child = fork();
    if (child == 0)
        die_while_writing(&sid);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));

    assert_int_equal(find_session(r, 1), GW_EBACKEND); /* 503, neither 401 nor a mixture */
    gw_auto(gw_shared) struct gw_shared *next = open_as(GW_SHARED_WRITER);
    assert_true(gw_shared_is_ready(r));
    assert_int_equal(find_session(r, 1), GW_EBACKEND);
    gw_shared_begin_load(next);
    put_session(next, 1);
    put_session(next, 2);
    gw_shared_end_load(next);
    struct gw_live_session session;
    assert_int_equal(gw_shared_get_session(r, &sid, &session), GW_OK);
    assert_memory_equal(session.user_id.b, uuid(200).b, 16);
    assert_int_equal(find_session(r, 2), GW_OK);
    struct gw_shared_fill fill;
    gw_shared_fill(next, &fill);
    assert_int_equal(fill.sessions, 2);
}

/* ---- what must be refused ---- */

static void overwrite(const char *name, off_t at, const void *bytes, size_t n)
{
    char path[128];
    path_of(name, path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, bytes, n, at), (ssize_t)n);
    close(fd);
}

static void test_damaged_headers_are_refused_by_readers_and_replaced_by_the_writer(void **state)
{
    (void)state;
    static const uint8_t junk[8] = {0xff, 0xff, 0xff, 0x7f, 3, 0, 0, 0};
    static const struct {
        const char *name;
        off_t at;
        size_t n;
    } rows[] = {
        {"authority", 0, 8},  /* magic */
        {"authority", 8, 8},  /* layout */
        {"authority", 16, 4}, /* session slots */
        {"authority", 20, 4}, /* user slots */
        {"authority", 24, 4}, /* revocation slots */
        {"counters", 0, 8},   {"counters", 8, 8}, {"counters", 16, 8},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_shared_close(ready_writer());
        overwrite(rows[i].name, rows[i].at, junk, rows[i].n);
        assert_int_equal(try_open(GW_SHARED_READER), GW_EPARSE);
        struct gw_shared *w = open_as(GW_SHARED_WRITER);
        assert_false(gw_shared_is_ready(w)); /* nothing of the damaged one is believed */
        gw_shared_close(w);
        assert_int_equal(try_open(GW_SHARED_READER), GW_OK);
    }
}

static void test_truncated_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        off_t bytes;
    } rows[] = {{"authority", 0}, {"authority", 7}, {"authority", 1024}, {"counters", 0}, {"counters", 64}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_shared_close(ready_writer());
        char path[128];
        path_of(rows[i].name, path);
        assert_int_equal(truncate(path, rows[i].bytes), 0);
        assert_int_equal(try_open(GW_SHARED_READER), GW_EPARSE);
        gw_shared_close(open_as(GW_SHARED_WRITER));
        assert_int_equal(try_open(GW_SHARED_READER), GW_OK);
    }
}

static void test_symlinks_are_never_followed(void **state)
{
    (void)state;
    static const char *const names[] = {"authority", "counters"};
    for (size_t i = 0; i < 2; i++) {
        gw_shared_close(ready_writer());
        char path[128], elsewhere[128];
        path_of(names[i], path);
        path_of("elsewhere", elsewhere);
        assert_int_equal(rename(path, elsewhere), 0);
        assert_int_equal(symlink(elsewhere, path), 0);
        assert_int_equal(try_open(GW_SHARED_READER), GW_EDENIED);
        assert_int_equal(try_open(GW_SHARED_WRITER), GW_EDENIED);
        unlink(path);
        unlink(elsewhere);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_session_lies_in_one_cache_line),
        CASE(test_control_survives_counters_cut_short),
        CASE(test_files_have_the_modes_that_keep_workers_out),
        CASE(test_a_reader_that_writes_to_the_authority_dies),
        CASE(test_killed_in_mid_write_reads_as_not_ready_until_mended),
        CASE(test_damaged_headers_are_refused_by_readers_and_replaced_by_the_writer),
        CASE(test_truncated_files_are_refused),
        CASE(test_symlinks_are_never_followed),
    };
    return cmocka_run_group_tests_name("shared/files", tests, NULL, NULL);
}
