/* SPDX-License-Identifier: Apache-2.0 */
#include "control/run_dir.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char home[64], dir[GW_RUN_DIR_FILE_MAX];
};

static int set_up(void **state)
{
    static struct place p;
    strcpy(p.home, "/tmp/test_run_dir.XXXXXX");
    assert_non_null(mkdtemp(p.home));
    (void)snprintf(p.dir, sizeof(p.dir), "%s/run", p.home);
    *state = &p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;
    (void)unlink(p->dir);
    (void)rmdir(p->dir);
    return rmdir(p->home);
}

static void the_name_is_one_for_one_home(void **state)
{
    struct place *p = *state;
    struct gw_settings s = {0};
    struct gw_error err = {0};
    char a[GW_RUN_PATH_MAX + 1], b[GW_RUN_PATH_MAX + 1], indirect[128];
    (void)snprintf(indirect, sizeof(indirect), "%s/../%s", p->home, strrchr(p->home, '/') + 1);
    assert_int_equal(gw_run_dir_name(&s, p->home, a, &err), GW_OK);
    assert_int_equal(gw_run_dir_name(&s, indirect, b, &err), GW_OK);
    assert_string_equal(a, b);
    assert_int_equal(gw_run_dir_name(&s, "/tmp", b, &err), GW_OK);
    assert_string_not_equal(a, b);
}

static void a_set_name_is_taken(void **state)
{
    struct place *p = *state;
    struct gw_settings s = {.run_dir = GW_STR("/run/aaiti")};
    struct gw_error err = {0};
    char dst[GW_RUN_PATH_MAX + 1];
    assert_int_equal(gw_run_dir_name(&s, p->home, dst, &err), GW_OK);
    assert_string_equal(dst, "/run/aaiti");
}

static void a_missing_home_and_a_long_name_are_refused(void **state)
{
    (void)state;
    char name[GW_RUN_PATH_MAX + 2] = "/";
    struct gw_settings s = {0};
    struct gw_error err = {0};
    char dst[GW_RUN_PATH_MAX + 1];

    assert_int_equal(gw_run_dir_name(&s, "/nonexistent/home", dst, &err), GW_ENOTFOUND);
    assert_non_null(strstr(err.msg, "aaiti init"));
    memset(name + 1, 'a', sizeof(name) - 2);
    s.run_dir = (struct gw_str){name, sizeof(name) - 1};
    assert_int_equal(gw_run_dir_name(&s, "/tmp", dst, &err), GW_EINVAL);
}

static void it_is_made_and_taken_over_with_its_mode_mended(void **state)
{
    struct place *p = *state;
    struct gw_error err = {0};
    struct stat st;
    assert_int_equal(gw_run_dir_make(p->dir, geteuid(), (gid_t)-1, &err), GW_OK);
    assert_int_equal(chmod(p->dir, 0777), 0);
    assert_int_equal(gw_run_dir_make(p->dir, geteuid(), (gid_t)-1, &err), GW_OK);
    assert_int_equal(stat(p->dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 02750);
}

static void what_another_could_have_planted_is_refused(void **state)
{
    struct place *p = *state;
    struct gw_error err = {0};
    assert_int_equal(symlink("/tmp", p->dir), 0);
    assert_int_equal(gw_run_dir_make(p->dir, geteuid(), (gid_t)-1, &err), GW_EDENIED);
    assert_int_equal(unlink(p->dir), 0);

    assert_int_equal(mkdir(p->dir, 0700), 0);
    assert_int_equal(gw_run_dir_make(p->dir, geteuid() + 1, (gid_t)-1, &err), GW_EDENIED);
    assert_int_equal(rmdir(p->dir), 0);

    assert_int_equal(mkfifo(p->dir, 0600), 0);
    assert_int_equal(gw_run_dir_make(p->dir, geteuid(), (gid_t)-1, &err), GW_EDENIED);
    assert_int_equal(unlink(p->dir), 0);

    (void)snprintf(p->dir, sizeof(p->dir), "%s/no/run", p->home);
    assert_int_equal(gw_run_dir_make(p->dir, geteuid(), (gid_t)-1, &err), GW_EBACKEND);
}

static void root_gives_only_directories_for_run_time_away(void **state)
{
    struct place *p = *state;
    static const char *const refused[] = {"/etc/gw-test-run", "/run/a/../../etc/gw-test-run", "/dev/shm/..",
                                          "/dev/shm/"};
    if (geteuid() != 0)
        skip();
    assert_int_equal(gw_run_dir_make(p->dir, 65534, (gid_t)-1, NULL), GW_EDENIED);
    assert_int_not_equal(access(p->dir, F_OK), 0);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_int_equal(gw_run_dir_make(refused[i], 65534, (gid_t)-1, NULL), GW_EDENIED);
    assert_int_not_equal(access("/etc/gw-test-run", F_OK), 0);
}

static void removing_takes_all_of_it_and_nothing_behind_a_link(void **state)
{
    struct place *p = *state;
    char path[512], kept[128];
    assert_int_equal(gw_run_dir_make(p->dir, geteuid(), (gid_t)-1, NULL), GW_OK);
    (void)snprintf(kept, sizeof(kept), "%s/kept", p->home);
    assert_int_equal(mkdir(kept, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/file", kept);
    fclose(fopen(path, "w"));
    static const char *const dirs[] = {"bundles", "bundles/a"};
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", p->dir, dirs[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    (void)snprintf(path, sizeof(path), "%s/bundles/a/gateway.yaml", p->dir);
    fclose(fopen(path, "w"));
    (void)snprintf(path, sizeof(path), "%s/bundles/link", p->dir);
    assert_int_equal(symlink(kept, path), 0);
    gw_run_dir_remove(p->dir);
    assert_int_not_equal(access(p->dir, F_OK), 0);
    (void)snprintf(path, sizeof(path), "%s/file", kept);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    rmdir(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_name_is_one_for_one_home, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_set_name_is_taken, set_up, tear_down),
        cmocka_unit_test(a_missing_home_and_a_long_name_are_refused),
        cmocka_unit_test_setup_teardown(it_is_made_and_taken_over_with_its_mode_mended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_another_could_have_planted_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(root_gives_only_directories_for_run_time_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(removing_takes_all_of_it_and_nothing_behind_a_link, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
