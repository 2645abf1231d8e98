/* SPDX-License-Identifier: Apache-2.0 */
#include "shared/mode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW_S INT64_C(1800000000)
#define HALF_BYTES 32768
#define KEPT (GW_MODE_COUNT - 1) /* places of a full set that are for everybody's modes */
#define NEWER_SEQUENCE_AT ((off_t)(16 + sizeof(struct gw_mode_set))) /* after two changes, in the first half */

static char path[64];
static int dir = -1;

static int make_dir(void **state)
{
    (void)state;
    strcpy(path, "/tmp/gw-mode-XXXXXX");
    if (mkdtemp(path) == NULL)
        return -1;
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlinkat(dir, "state", 0);
    unlinkat(dir, "lock", 0);
    close(dir);
    return rmdir(path); /* fails when a temporary file was left behind */
}

static struct gw_mode_entry entry_of(enum gw_mode_scope scope, const char *name, enum gw_mode mode)
{
    struct gw_mode_entry e = {.scope = scope, .mode = mode, .since_s = NOW_S};
    if (scope == GW_MODE_USER)
        memset(&e.user, name[0], sizeof(e.user));
    snprintf(e.name, sizeof(e.name), "%s", name);
    snprintf(e.by, sizeof(e.by), "anna");
    return e;
}

static void put(struct gw_mode_set *set, enum gw_mode_scope scope, const char *name, enum gw_mode mode)
{
    const struct gw_mode_entry e = entry_of(scope, name, mode);
    assert_int_equal(gw_mode_put(set, &e, NULL), GW_OK);
}

/* ---- a set ---- */

static void test_the_strongest_that_applies_and_has_not_ended_is_in_force(void **state)
{
    (void)state;
    static struct gw_mode_set set;
    struct gw_uuid ivo, eva;
    memset(&ivo, 'i', sizeof(ivo));
    memset(&eva, 'e', sizeof(eva));
    put(&set, GW_MODE_GLOBAL, "", GW_MODE_RISK_OFF);
    put(&set, GW_MODE_GROUP, "bots", GW_MODE_READ_ONLY);
    put(&set, GW_MODE_USER, "ivo", GW_MODE_STOPPED);
    struct gw_mode_entry ended = entry_of(GW_MODE_GROUP, "models", GW_MODE_STOPPED);
    ended.until_s = NOW_S;
    assert_int_equal(gw_mode_put(&set, &ended, NULL), GW_OK);
    const struct {
        const struct gw_uuid *user;
        const char *group;
        enum gw_mode mode;
    } rows[] = {
        {NULL, "other", GW_MODE_RISK_OFF}, {NULL, "bots", GW_MODE_READ_ONLY}, {&eva, "bots", GW_MODE_READ_ONLY},
        {&ivo, "bots", GW_MODE_STOPPED},   {&ivo, "other", GW_MODE_STOPPED},  {&eva, "models", GW_MODE_RISK_OFF},
        {&eva, "", GW_MODE_RISK_OFF},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_mode_entry *e = gw_mode_find(&set, rows[i].user, gw_str(rows[i].group), NOW_S);
        assert_non_null(e);
        assert_int_equal(e->mode, rows[i].mode);
    }
    assert_int_equal(gw_mode_find(&set, NULL, GW_STR("models"), NOW_S - 1)->mode, GW_MODE_STOPPED);
    put(&set, GW_MODE_GLOBAL, "", GW_MODE_OFF);
    assert_null(gw_mode_find(&set, NULL, GW_STR("other"), NOW_S));
    assert_int_equal(set.count, 3);
    assert_int_equal(gw_mode_expire(&set, NOW_S - 1), 0);
    assert_int_equal(gw_mode_expire(&set, NOW_S), 1);
    assert_null(gw_mode_of_scope(&set, &ended));
}

static void test_a_full_set_still_takes_the_mode_for_everybody(void **state)
{
    (void)state;
    static struct gw_mode_set set;
    char name[16];
    for (unsigned i = 0; i < GW_MODE_ENTRIES_MAX - KEPT; i++) {
        snprintf(name, sizeof(name), "group%u", i);
        put(&set, GW_MODE_GROUP, name, GW_MODE_RISK_OFF);
    }
    struct gw_mode_entry one_more = entry_of(GW_MODE_GROUP, "more", GW_MODE_STOPPED);
    assert_int_equal(gw_mode_put(&set, &one_more, NULL), GW_ELIMIT);
    assert_int_equal(gw_mode_raise(&set, &one_more, NOW_S, NULL), GW_ELIMIT);
    put(&set, GW_MODE_GROUP, "group0", GW_MODE_STOPPED);
    put(&set, GW_MODE_GLOBAL, "", GW_MODE_RISK_OFF);
    for (enum gw_mode mode = GW_MODE_READ_ONLY; mode < GW_MODE_COUNT; mode++) {
        struct gw_mode_entry e = entry_of(GW_MODE_GLOBAL, "", mode);
        e.until_s = NOW_S + 100 - (int64_t)mode;
        assert_int_equal(gw_mode_put(&set, &one_more, NULL), GW_ELIMIT);
        assert_int_equal(gw_mode_raise(&set, &e, NOW_S, NULL), GW_OK);
    }
    assert_int_equal(set.count, GW_MODE_ENTRIES_MAX);
    put(&set, GW_MODE_GROUP, "group0", GW_MODE_READ_ONLY);
    assert_int_equal(gw_mode_find(&set, NULL, GW_STR("more"), NOW_S)->mode, GW_MODE_STOPPED);
}

static enum gw_mode global_at(const struct gw_mode_set *set, int64_t now_s)
{
    const struct gw_mode_entry *e = gw_mode_find(set, NULL, GW_STR(""), now_s);
    return e != NULL ? (enum gw_mode)e->mode : GW_MODE_OFF;
}

/* Nor does who may press for what is weaker make what is stronger last: who stopped everything for ten minutes meant ten minutes. */
static void test_raising_weakens_shortens_and_lengthens_nothing(void **state)
{
    (void)state;
    enum { OFF = GW_MODE_OFF, RISK = GW_MODE_RISK_OFF, READ = GW_MODE_READ_ONLY, STOP = GW_MODE_STOPPED };
    enum { ENDS = 100, LATER = 200 };
    static const struct {
        int had;
        int64_t had_until_s;
        int asked;
        int64_t asked_until_s;
        int now, after_ends, after_later;
        unsigned count;
        bool is_new;
    } rows[] = {
        {OFF, 0, RISK, ENDS, RISK, OFF, OFF, 1, true},        {RISK, 0, RISK, 0, RISK, RISK, RISK, 1, false},
        {RISK, 0, RISK, ENDS, RISK, RISK, RISK, 1, false},    {RISK, ENDS, RISK, ENDS, RISK, OFF, OFF, 1, false},
        {RISK, ENDS, RISK, LATER, RISK, RISK, OFF, 1, true},  {RISK, ENDS, RISK, 0, RISK, RISK, RISK, 1, true},
        {RISK, LATER, STOP, LATER, STOP, STOP, OFF, 1, true}, {STOP, ENDS, RISK, LATER, STOP, RISK, OFF, 2, true},
        {STOP, ENDS, RISK, 0, STOP, RISK, RISK, 2, true},     {STOP, 0, RISK, LATER, STOP, STOP, STOP, 1, false},
        {RISK, LATER, READ, ENDS, READ, RISK, OFF, 2, true},  {RISK, 0, STOP, ENDS, STOP, RISK, RISK, 2, true},
        {STOP, -1, RISK, ENDS, RISK, OFF, OFF, 1, true}, /* it had ended */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_mode_set set = {0};
        struct gw_mode_entry had = entry_of(GW_MODE_GLOBAL, "", (enum gw_mode)rows[i].had);
        struct gw_mode_entry asked = entry_of(GW_MODE_GLOBAL, "", (enum gw_mode)rows[i].asked);
        had.since_s = NOW_S - 5;
        had.until_s = rows[i].had_until_s == 0 ? 0 : NOW_S + rows[i].had_until_s;
        asked.until_s = rows[i].asked_until_s == 0 ? 0 : NOW_S + rows[i].asked_until_s;
        strcpy(asked.by, "eva");
        put(&set, GW_MODE_GROUP, "bots", GW_MODE_STOPPED); /* another scope's affair */
        assert_int_equal(gw_mode_put(&set, &had, NULL), GW_OK);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(gw_mode_holds(&set, &asked, NOW_S), again > 0 || !rows[i].is_new);
            assert_int_equal(gw_mode_raise(&set, &asked, NOW_S, NULL), GW_OK);
            assert_int_equal(set.count - 1, rows[i].count);
            assert_int_equal(global_at(&set, NOW_S), rows[i].now);
            assert_int_equal(global_at(&set, NOW_S + ENDS), rows[i].after_ends);
            assert_int_equal(global_at(&set, NOW_S + LATER), rows[i].after_later);
        }
        const struct gw_mode_entry *last = &set.entries[set.count - 1];
        assert_int_equal(strcmp(last->by, "eva") == 0, rows[i].is_new);
        assert_int_equal(last->since_s,
                         (unsigned)rows[i].had == last->mode && rows[i].had_until_s >= 0 ? NOW_S - 5 : NOW_S);
    }
}

static void test_modes_have_names(void **state)
{
    (void)state;
    for (enum gw_mode mode = GW_MODE_OFF; mode < GW_MODE_COUNT; mode++)
        assert_int_equal(gw_mode_parse(gw_str(gw_mode_name(mode))), mode);
    static const char *const none[] = {"", "Off", "risk_off", "stopped ", "risk"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_int_equal(gw_mode_parse(gw_str(none[i])), GW_MODE_COUNT);
}

static void test_texts_need_no_escape(void **state)
{
    (void)state;
    static const struct {
        const char *text, *kept;
    } rows[] = {
        {"exchange misbehaves", "exchange misbehaves"},
        {"a \"quoted\" C:\\path", "a 'quoted' C:/path"},
        {"bell\a, line\nand \x1b[31mred\x7f", "bell , line and  [31mred "},
        {"caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac"},
        {"\xc2\x9b"
         "1m, cut \xe2\x82, \xff",
         "??1m, cut ??, ?"},
        {"", ""},
    };
    char kept[GW_MODE_REASON_MAX + 1], four[5];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_mode_text(gw_str(rows[i].text), kept, sizeof(kept));
        assert_string_equal(kept, rows[i].kept);
        assert_true(gw_mode_is_text(kept));
        assert_int_equal(gw_mode_is_text(rows[i].text), strcmp(rows[i].text, rows[i].kept) == 0);
    }
    gw_mode_text(GW_STR("abc\xc3\xa9"), four, sizeof(four));
    assert_string_equal(four, "abc"); /* no half of a character */
}

/* ---- the file ---- */

static enum gw_code put_entry(void *ctx, struct gw_mode_set *set, struct gw_error *err)
{
    return gw_mode_put(set, ctx, err);
}

static void change(enum gw_mode_scope scope, const char *name, enum gw_mode mode)
{
    struct gw_mode_entry e = entry_of(scope, name, mode);
    struct gw_error err = {0};
    if (gw_mode_change(dir, put_entry, &e, &err) != GW_OK)
        fail_msg("%s", err.msg);
}

static enum gw_mode mode_for(struct gw_mode_reader *r, const char *group)
{
    const struct gw_mode_entry *e = gw_mode_find(gw_mode_read(r), NULL, gw_str(group), NOW_S);
    return e != NULL ? (enum gw_mode)e->mode : GW_MODE_OFF;
}

static struct gw_mode_reader *open_reader(void)
{
    static struct gw_mode_reader r;
    gw_mode_reader_init(&r, dir);
    gw_mode_reader_poll(&r);
    return &r;
}

static void test_a_reader_sees_each_change_without_polling(void **state)
{
    (void)state;
    assert_int_equal(gw_mode_ensure(dir, NULL), GW_OK);
    assert_int_equal(gw_mode_ensure(dir, NULL), GW_OK);
    struct gw_mode_reader *r = open_reader();
    assert_int_equal(mode_for(r, "bots"), GW_MODE_OFF);
    for (int i = 0; i < 5; i++) {
        change(GW_MODE_GLOBAL, "", GW_MODE_STOPPED);
        assert_int_equal(mode_for(r, "bots"), GW_MODE_STOPPED);
        change(GW_MODE_GROUP, "bots", GW_MODE_READ_ONLY);
        change(GW_MODE_GLOBAL, "", GW_MODE_OFF);
        assert_int_equal(mode_for(r, "bots"), GW_MODE_READ_ONLY);
        assert_int_equal(mode_for(r, "models"), GW_MODE_OFF);
        change(GW_MODE_GROUP, "bots", GW_MODE_OFF);
        assert_int_equal(mode_for(r, "bots"), GW_MODE_OFF);
    }
    assert_string_equal(gw_mode_name(mode_for(r, "bots")), "off");
    gw_mode_reader_done(r);
}

static enum gw_code refuse(void *ctx, struct gw_mode_set *set, struct gw_error *err)
{
    (void)ctx;
    set->count = 0;
    return gw_fail(err, GW_EDENIED, "no");
}

static void test_a_change_that_is_refused_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(gw_mode_ensure(dir, NULL), GW_OK);
    change(GW_MODE_GLOBAL, "", GW_MODE_RISK_OFF);
    assert_int_equal(gw_mode_change(dir, refuse, NULL, NULL), GW_EDENIED);
    struct gw_mode_reader *r = open_reader();
    assert_int_equal(mode_for(r, ""), GW_MODE_RISK_OFF);
    gw_mode_reader_done(r);
}

static void test_without_a_file_nothing_may_open_risk(void **state)
{
    (void)state;
    struct gw_mode_reader *r = open_reader();
    assert_int_equal(mode_for(r, "bots"), GW_MODE_RISK_OFF);
    gw_mode_reader_init(r, -1);
    gw_mode_reader_poll(r);
    assert_int_equal(mode_for(r, "bots"), GW_MODE_RISK_OFF);
    r = open_reader();
    /* Whoever changes another scope does not lift it by that. */
    change(GW_MODE_GROUP, "bots", GW_MODE_READ_ONLY);
    gw_mode_reader_poll(r);
    assert_int_equal(mode_for(r, "bots"), GW_MODE_READ_ONLY);
    assert_int_equal(mode_for(r, "models"), GW_MODE_RISK_OFF);
    change(GW_MODE_GLOBAL, "", GW_MODE_OFF);
    assert_int_equal(mode_for(r, "models"), GW_MODE_OFF);
    unlinkat(dir, "state", 0);
    assert_int_equal(gw_mode_ensure(dir, NULL), GW_OK); /* it is not made as if nothing had ever been in force */
    gw_mode_reader_poll(r);
    assert_int_equal(mode_for(r, "models"), GW_MODE_RISK_OFF);
    gw_mode_reader_done(r);
}

/* Moved, not removed: whoever presses now makes another, and a reader that kept the old one would never hear of it. */
static void test_a_file_that_was_moved_away_is_left(void **state)
{
    (void)state;
    assert_int_equal(gw_mode_ensure(dir, NULL), GW_OK);
    change(GW_MODE_GLOBAL, "", GW_MODE_OFF);
    struct gw_mode_reader *r = open_reader();
    assert_int_equal(mode_for(r, "bots"), GW_MODE_OFF);
    assert_int_equal(renameat(dir, "state", dir, "aside"), 0);
    gw_mode_reader_poll(r);
    assert_int_equal(mode_for(r, "bots"), GW_MODE_RISK_OFF);
    change(GW_MODE_GLOBAL, "", GW_MODE_STOPPED);
    gw_mode_reader_poll(r);
    assert_int_equal(mode_for(r, "bots"), GW_MODE_STOPPED);
    assert_int_equal(linkat(dir, "state", dir, "kept", 0), 0); /* as some backups do */
    unlinkat(dir, "state", 0);
    change(GW_MODE_GLOBAL, "", GW_MODE_READ_ONLY);
    gw_mode_reader_poll(r);
    assert_int_equal(mode_for(r, "bots"), GW_MODE_READ_ONLY);
    gw_mode_reader_done(r);
    unlinkat(dir, "aside", 0);
    unlinkat(dir, "kept", 0);
}

/* What the newer half said nobody knows; what the older says is in force beside that, for as long as it says. */
static void test_damage_weakens_nothing_that_the_older_half_says(void **state)
{
    (void)state;
    assert_int_equal(gw_mode_ensure(dir, NULL), GW_OK);
    struct gw_mode_entry stopped = entry_of(GW_MODE_GLOBAL, "", GW_MODE_STOPPED);
    stopped.until_s = NOW_S + 100;
    assert_int_equal(gw_mode_change(dir, put_entry, &stopped, NULL), GW_OK); /* in the second half */
    change(GW_MODE_GLOBAL, "", GW_MODE_OFF);
    int fd = openat(dir, "state", O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "wrong", 5, 0), 5);
    close(fd);
    struct gw_mode_reader *r = open_reader();
    assert_int_equal(mode_for(r, "bots"), GW_MODE_STOPPED);
    assert_int_equal(global_at(gw_mode_read(r), NOW_S + 100), GW_MODE_RISK_OFF);
    gw_mode_reader_done(r);
}

/* Whatever bit of the file is wrong: what was in force last still is, or more. Except of the newer sequence, without which a change
 * looks like one whose writer was killed before it was made. */
static void test_no_damage_lets_more_through(void **state)
{
    (void)state;
    assert_int_equal(gw_mode_ensure(dir, NULL), GW_OK);
    change(GW_MODE_GLOBAL, "", GW_MODE_OFF);
    change(GW_MODE_GLOBAL, "", GW_MODE_RISK_OFF);
    struct stat st;
    int fd = openat(dir, "state", O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    static uint8_t bytes[2 * HALF_BYTES];
    assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), st.st_size);
    size_t harmful = 0;
    for (off_t at = 0; at < st.st_size; at++) {
        /* Beyond the first entry of a half all is zero. */
        if ((bytes[at] == 0 && at % HALF_BYTES > 64) || at / 8 == NEWER_SEQUENCE_AT / 8)
            continue;
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t wrong = (uint8_t)(bytes[at] ^ 1U << bit);
            assert_int_equal(pwrite(fd, &wrong, 1, at), 1);
            struct gw_mode_reader *r = open_reader();
            if (mode_for(r, "bots") < GW_MODE_RISK_OFF)
                harmful++;
            gw_mode_reader_done(r);
        }
        assert_int_equal(pwrite(fd, &bytes[at], 1, at), 1);
    }
    assert_int_equal(harmful, 0);
    struct gw_mode_reader *r = open_reader();
    assert_int_equal(ftruncate(fd, 100), 0);
    gw_mode_reader_poll(r);
    assert_int_equal(mode_for(r, "bots"), GW_MODE_RISK_OFF);
    change(GW_MODE_GLOBAL, "", GW_MODE_OFF);
    gw_mode_reader_poll(r);
    assert_int_equal(mode_for(r, "bots"), GW_MODE_OFF);
    gw_mode_reader_done(r);
    close(fd);
}

/* ---- who dies in the middle ---- */

#define KILLS 60

static void write_without_end(void)
{
    for (unsigned n = 1;; n++) {
        struct gw_mode_entry e = entry_of(GW_MODE_GLOBAL, "", GW_MODE_RISK_OFF);
        /* The name says what the mode is: a mixture of two changes would show. */
        e.mode = n % 2 == 0 ? GW_MODE_RISK_OFF : GW_MODE_STOPPED;
        memset(e.reason, n % 2 == 0 ? 'r' : 's', GW_MODE_REASON_MAX);
        if (gw_mode_change(dir, put_entry, &e, NULL) != GW_OK)
            _exit(1);
    }
}

static void test_who_dies_while_writing_leaves_one_change_or_the_other(void **state)
{
    (void)state;
    assert_int_equal(gw_mode_ensure(dir, NULL), GW_OK);
    change(GW_MODE_GLOBAL, "", GW_MODE_STOPPED);
    struct gw_mode_reader *r = open_reader();
    for (unsigned i = 0; i < KILLS; i++) {
        pid_t child = fork();
        if (child == 0)
            write_without_end();
        uint64_t first = r->seen[0] + r->seen[1];
        /* Killed after as many changes as the round has, wherever it then is. */
        while (r->seen[0] + r->seen[1] < first + 2 + i % 7) {
            const struct gw_mode_entry *e = gw_mode_find(gw_mode_read(r), NULL, GW_STR(""), NOW_S);
            assert_non_null(e);
            assert_true(e->reason[0] == '\0' || (e->reason[0] == 's') == (e->mode == GW_MODE_STOPPED));
            assert_int_equal(e->reason[0], e->reason[0] == '\0' ? '\0' : e->reason[GW_MODE_REASON_MAX - 1]);
        }
        kill(child, SIGKILL);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
    }
    change(GW_MODE_GLOBAL, "", GW_MODE_OFF); /* the lock died with them */
    assert_int_equal(mode_for(r, ""), GW_MODE_OFF);
    gw_mode_reader_done(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_strongest_that_applies_and_has_not_ended_is_in_force),
        cmocka_unit_test(test_a_full_set_still_takes_the_mode_for_everybody),
        cmocka_unit_test(test_modes_have_names),
        cmocka_unit_test(test_raising_weakens_shortens_and_lengthens_nothing),
        cmocka_unit_test(test_texts_need_no_escape),
        cmocka_unit_test_setup_teardown(test_a_reader_sees_each_change_without_polling, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_a_change_that_is_refused_changes_nothing, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_without_a_file_nothing_may_open_risk, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_a_file_that_was_moved_away_is_left, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_damage_weakens_nothing_that_the_older_half_says, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_no_damage_lets_more_through, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_who_dies_while_writing_leaves_one_change_or_the_other, make_dir,
                                        remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
