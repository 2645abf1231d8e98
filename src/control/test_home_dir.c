/* SPDX-License-Identifier: Apache-2.0 */
#include "control/home_dir.h"
#include <gw/cleanup.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char home[64], run[80], dir[80];
};

static int set_up(void **state)
{
    static struct place p;
    strcpy(p.home, "/tmp/test_home_dir.XXXXXX");
    assert_non_null(mkdtemp(p.home));
    (void)snprintf(p.run, sizeof(p.run), "%s/run", p.home);
    (void)snprintf(p.dir, sizeof(p.dir), "%s/journal", p.home);
    assert_int_equal(mkdir(p.run, 0700), 0);
    *state = &p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    (void)unlink(p->dir);
    (void)rmdir(p->dir);
    (void)rmdir(p->run);
    return rmdir(p->home);
}

static void open_it(const struct place *p, mode_t mode, gid_t group)
{
    struct stat st;
    struct gw_error err = {.msg = ""};
    gw_auto_fd int fd = -1;
    if (gw_home_dir_open(&gw_journal_dir, p->home, p->run, &fd, &err) != GW_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
    assert_int_equal(st.st_gid, group);
}

static void it_is_ours_alone_where_the_workers_are_we(void **state)
{
    const struct place *p = *state;
    open_it(p, 0700, getegid());
    open_it(p, 0700, getegid());
    assert_int_equal(chmod(p->dir, 0777), 0);
    open_it(p, 0700, getegid());
}

static void workers_of_another_group_may_add_and_not_remove(void **state)
{
    const struct place *p = *state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(p->run, (uid_t)-1, 12345), 0);
    open_it(p, 03770, 12345);
    open_it(p, 03770, 12345);
    assert_int_equal(chown(p->run, (uid_t)-1, getegid()), 0);
    open_it(p, 0700, getegid());
}

static void what_is_not_our_directory_is_refused(void **state)
{
    const struct place *p = *state;
    struct gw_error err = {.msg = ""};
    int fd = -1;
    assert_int_equal(symlink("/tmp", p->dir), 0);
    assert_int_equal(gw_home_dir_open(&gw_journal_dir, p->home, p->run, &fd, &err), GW_EDENIED);
    assert_int_equal(unlink(p->dir), 0);
    FILE *f = fopen(p->dir, "we");
    assert_non_null(f);
    (void)fclose(f);
    assert_int_equal(gw_home_dir_open(&gw_journal_dir, p->home, p->run, &fd, &err), GW_EDENIED);
    assert_int_equal(unlink(p->dir), 0);
    if (geteuid() == 0) {
        assert_int_equal(mkdir(p->dir, 0700), 0);
        assert_int_equal(chown(p->dir, 12345, (gid_t)-1), 0);
        assert_int_equal(gw_home_dir_open(&gw_journal_dir, p->home, p->run, &fd, &err), GW_EDENIED);
        assert_non_null(strstr(err.msg, "chown -R"));
    }
    assert_int_equal(gw_home_dir_open(&gw_journal_dir, "/nonexistent", p->run, &fd, &err), GW_EBACKEND);
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_ours_alone_where_the_workers_are_we, set_up, tear_down),
        cmocka_unit_test_setup_teardown(workers_of_another_group_may_add_and_not_remove, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_our_directory_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
