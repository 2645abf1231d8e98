/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static char path[96];

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/gw-test-file-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/f", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void what_was_created_reads_back_with_its_mode(void **state)
{
    (void)state;
    struct stat st;
    gw_auto(gw_buf) struct gw_buf b;
    gw_buf_init(&b, 100);
    umask(077);
    assert_int_equal(gw_file_create(path, 0644, GW_STR("one\0two"), NULL), GW_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(gw_file_read(path, &b, NULL), GW_OK);
    assert_true(gw_str_eq(gw_buf_str(&b), GW_STR("one\0two")));
}

static void nothing_is_overwritten(void **state)
{
    (void)state;
    gw_auto(gw_buf) struct gw_buf b;
    gw_buf_init(&b, 100);
    assert_int_equal(gw_file_create(path, 0600, GW_STR("old"), NULL), GW_OK);
    assert_int_equal(gw_file_create(path, 0600, GW_STR("new"), NULL), GW_ECONFLICT);
    assert_int_equal(gw_file_read(path, &b, NULL), GW_OK);
    assert_true(gw_str_eq(gw_buf_str(&b), GW_STR("old")));
}

static void a_dangling_link_is_not_followed(void **state)
{
    (void)state;
    assert_int_equal(symlink("/tmp/gw-test-file-elsewhere", path), 0);
    assert_int_equal(gw_file_create(path, 0600, GW_STR("x"), NULL), GW_ECONFLICT);
    assert_int_not_equal(access("/tmp/gw-test-file-elsewhere", F_OK), 0);
}

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    gw_auto(gw_buf) struct gw_buf small;
    gw_buf_init(&small, 3);
    assert_int_equal(gw_file_read(path, &small, NULL), GW_ENOTFOUND);
    assert_int_equal(gw_file_read(dir, &small, NULL), GW_EINVAL);
    assert_int_equal(gw_file_create(path, 0600, GW_STR("four"), NULL), GW_OK);
    assert_int_equal(gw_file_read(path, &small, NULL), GW_ELIMIT);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(gw_file_read(path, &small, NULL), GW_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_created_reads_back_with_its_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dangling_link_is_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
