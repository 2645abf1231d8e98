/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "control/bundle.h"
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char run_dir[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(run_dir, "/tmp/test_bundle.XXXXXX");
    return mkdtemp(run_dir) == NULL;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", run_dir);
    return system(command);
}

static void path_of(const char *hash, const char *file, char *dst, size_t size)
{
    (void)snprintf(dst, size, "%s/bundles/%s/%s", run_dir, hash, file);
}

static void write_bundle(const char *policy, char *hash)
{
    struct gw_error err = {0};
    const struct gw_bundle b = {GW_STR("listen: 127.0.0.1:1\n"), gw_str(policy)};
    if (gw_bundle_write(run_dir, &b, hash, &err) != GW_OK)
        fail_msg("%s", err.msg);
}

static bool exists(const char *hash)
{
    char path[PATH_MAX];
    struct stat st;
    path_of(hash, "", path, sizeof(path));
    return stat(path, &st) == 0;
}

/* As if it had been made `age_s` before `now_s`. */
static void age(const char *hash, int64_t now_s, int64_t age_s)
{
    char path[PATH_MAX];
    const struct timespec times[2] = {{.tv_sec = now_s - age_s}, {.tv_sec = now_s - age_s}};
    path_of(hash, "", path, sizeof(path));
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void it_holds_both_files_for_the_group_alone(void **state)
{
    char hash[GW_BUNDLE_HASH_LEN + 1], path[PATH_MAX];
    gw_auto(gw_buf) struct gw_buf text = {0};
    struct stat st;
    (void)state;
    write_bundle("routes: []\n", hash);
    path_of(hash, "policy.yaml", path, sizeof(path));
    gw_buf_init(&text, 1000);
    assert_int_equal(gw_file_read(path, &text, NULL), GW_OK);
    assert_string_equal(gw_buf_str(&text).ptr, "routes: []\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    path_of(hash, "", path, sizeof(path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 02750);
}

static void its_name_is_its_content(void **state)
{
    char a[GW_BUNDLE_HASH_LEN + 1], again[GW_BUNDLE_HASH_LEN + 1], b[GW_BUNDLE_HASH_LEN + 1];
    (void)state;
    write_bundle("routes: []\n", a);
    write_bundle("routes: []\n", again);
    write_bundle("routes: [] \n", b);
    assert_string_equal(a, again);
    assert_string_not_equal(a, b);
}

static void bytes_moved_between_the_files_give_another_name(void **state)
{
    char a[GW_BUNDLE_HASH_LEN + 1], b[GW_BUNDLE_HASH_LEN + 1];
    const struct gw_bundle one = {GW_STR("ab"), GW_STR("c")}, other = {GW_STR("a"), GW_STR("bc")};
    (void)state;
    assert_int_equal(gw_bundle_write(run_dir, &one, a, NULL), GW_OK);
    assert_int_equal(gw_bundle_write(run_dir, &other, b, NULL), GW_OK);
    assert_string_not_equal(a, b);
}

static void half_a_bundle_of_a_killed_writer_is_swept_away(void **state)
{
    char hash[GW_BUNDLE_HASH_LEN + 1], path[PATH_MAX];
    (void)state;
    write_bundle("first", hash);
    path_of(".next", "", path, sizeof(path));
    assert_int_equal(mkdir(path, 0700), 0);
    path_of(".next", "gateway.yaml", path, sizeof(path));
    assert_int_equal(gw_file_create(path, 0600, GW_STR("half"), NULL), GW_OK);
    write_bundle("second", hash);
    assert_true(exists(hash));
    assert_false(exists(".next"));
}

static void pruning_keeps_the_newest_the_young_and_the_one_in_force(void **state)
{
    enum { MADE = 8 };
    const int64_t now_s = 1800000000;
    char hash[MADE][GW_BUNDLE_HASH_LEN + 1], text[16];

    (void)state;
    for (int i = 0; i < MADE; i++) {
        (void)snprintf(text, sizeof(text), "%d", i);
        write_bundle(text, hash[i]);
        age(hash[i], now_s, 1000 - i);
    }
    assert_int_equal(gw_bundle_prune(run_dir, hash[1], now_s, NULL), GW_OK);
    for (int i = 0; i < MADE; i++)
        assert_int_equal(exists(hash[i]), i == 1 || i >= 4);

    for (int i = 4; i < MADE; i++)
        age(hash[i], now_s, 59);
    age(hash[1], now_s, 58);
    assert_int_equal(gw_bundle_prune(run_dir, hash[1], now_s, NULL), GW_OK);
    for (int i = 4; i < MADE; i++)
        assert_true(exists(hash[i]));
}

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static void its_settings_read_back_with_absolute_files(void **state)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    gw_auto(gw_buf) struct gw_buf text = {0};
    struct gw_settings before, after;
    (void)state;
    gw_arena_init(&a, 1024 * 1024);
    gw_buf_init(&text, GW_BUNDLE_FILE_MAX);
    assert_int_equal(gw_faults_new(&f, NULL), GW_OK);
    gw_settings_load(NULL, no_env, &a, &before, f);
    before.session_per_user = 3;
    assert_int_equal(gw_bundle_settings(&before, "/home/of/it", &text, NULL), GW_OK);
    const struct gw_yaml *root = gw_yaml_parse(&a, gw_buf_str(&text), "y", f);
    gw_options_apply(gw_settings_options, gw_settings_option_count, root, "y", no_env, &a, &after, f);
    if (gw_faults_count(f) > 0)
        fail_msg("%s", gw_faults_get(f, 0)->message);
    assert_int_equal(after.session_per_user, 3);
    assert_string_equal(after.token_key_file.ptr, "/home/of/it/keys/token.key");
    assert_int_equal(after.upstream_key_file.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_holds_both_files_for_the_group_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_name_is_its_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_moved_between_the_files_give_another_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_a_bundle_of_a_killed_writer_is_swept_away, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pruning_keeps_the_newest_the_young_and_the_one_in_force, set_up, tear_down),
        cmocka_unit_test(its_settings_read_back_with_absolute_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
