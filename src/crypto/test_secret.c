/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/secret.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define GOOD "kX3-9vQz_T7mWb2LpR8sYc5NfJ1hGd4K"

static char dir[] = "/tmp/gw_secret_XXXXXX";
static char path[64], link_path[64];

static int make_dir(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/token.key", dir);
    snprintf(link_path, sizeof(link_path), "%s/link.key", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    unlink(link_path);
    return rmdir(dir);
}

static void put_file(struct gw_str text, mode_t mode)
{
    unlink(path);
    gw_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.ptr, text.len), (ssize_t)text.len);
    assert_int_equal(fchmod(fd, mode), 0);
}

static void a_secret_keeps_its_bytes(void **state)
{
    (void)state;
    char big[5000];
    memset(big, 'b', sizeof(big));
    const struct gw_str rows[] = {GW_STR(""),  GW_STR("a"), GW_STR("nul\0inside"),
                                  {big, 4096}, {big, 4097}, {big, sizeof(big)}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_secret) struct gw_secret *s = NULL;
        assert_int_equal(gw_secret_new(rows[i], &s, NULL), GW_OK);
        assert_true(gw_str_eq(gw_secret_bytes(s), rows[i]));
    }
}

static void secrets_compare_by_content(void **state)
{
    (void)state;
    gw_auto(gw_secret) struct gw_secret *a = NULL, *b = NULL, *c = NULL, *d = NULL;
    assert_int_equal(gw_secret_new(GW_STR("same"), &a, NULL), GW_OK);
    assert_int_equal(gw_secret_new(GW_STR("same"), &b, NULL), GW_OK);
    assert_int_equal(gw_secret_new(GW_STR("samf"), &c, NULL), GW_OK);
    assert_int_equal(gw_secret_new(GW_STR("same longer"), &d, NULL), GW_OK);
    assert_true(gw_secret_eq(a, b));
    assert_false(gw_secret_eq(a, c));
    assert_false(gw_secret_eq(a, d));
    assert_true(gw_bytes_eq(NULL, 0, NULL, 0));
    gw_secret_free(NULL);
}

/* Runs act in a child; true when it died of a memory fault. A fault is the point here, so no sanitizer report. */
static bool faults(const struct gw_secret *s, void (*act)(const char *end))
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        struct gw_str b = gw_secret_bytes(s);
        act(b.ptr + b.len);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void read_beyond(const char *end)
{
    const volatile char *p = end;
    (void)*p;
}

static void write_last(const char *end)
{
    volatile char *p = (volatile char *)(uintptr_t)end;
    p[-1] = 'x';
}

static void read_last(const char *end)
{
    const volatile char *p = end;
    (void)p[-1];
}

static void memory_is_fenced_read_only_and_survives_a_fork(void **state)
{
    (void)state;
    gw_auto(gw_secret) struct gw_secret *s = NULL;
    assert_int_equal(gw_secret_new(GW_STR(GOOD), &s, NULL), GW_OK);
    assert_true(faults(s, read_beyond));
    assert_true(faults(s, write_last));
    assert_false(faults(s, read_last));
}

static void a_locked_memory_limit_is_put_up_with(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct gw_secret *s = NULL;
        setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0});
        if (geteuid() == 0 && seteuid(65534) != 0) /* root would not be limited */
            _exit(2);
        _exit(gw_secret_new(GW_STR(GOOD), &s, NULL) == GW_OK ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void weak_secrets_are_refused(void **state)
{
    (void)state;
    char huge[GW_SECRET_MAX_BYTES + 1];
    for (size_t i = 0; i < sizeof(huge); i++)
        huge[i] = (char)('!' + i % 90);
    const struct {
        struct gw_str text;
        const char *says;
    } rows[] = {
        {GW_STR(""), "shorter"},
        {GW_STR("kX3-9vQz_T7mWb2LpR8sYc5NfJ1hGd4"), "shorter"},
        {{huge, sizeof(huge)}, "longer"},
        {GW_STR("your_super_secret_jwt_key_change_in_production"), "default"},
        {GW_STR("YOUR-SUPER-SECRET-JWT-KEY-CHANGE-IN-PRODUCTION"), "default"},
        {GW_STR("your-secret-key"), "default"},
        {GW_STR("change-me"), "default"},
        {GW_STR("secret"), "default"},
        {GW_STR("aaiti-secret-key"), "default"},
        {GW_STR("aaiti-secret-key-aaiti-secret-key-aaiti-secret-key"), "default"},
        {GW_STR("change-me-change-me-change-me-change-me-change-me"), "default"},
        {GW_STR("secret__________________________________________"), "default"},
        {GW_STR("your-secret-key-0123456789abcdef"), "default"},
        {GW_STR("0123456789abcdef0123456789abcdef0123456789abcdef"), "default"},
        {GW_STR("this-is-a-very-long-secret-key-that-should-be-changed-in-production"), "default"},
        {GW_STR("your-super-secret-jwt-key-min-32-characters-long!!"), "default"},
        {GW_STR("qwertyuiopqwertyuiopqwertyuiopqwertyuiop"), "default"},
        {GW_STR("zyzyzyzyzyzyzyzyzyzyzyzyzyzyzyzyzyzyzyzy"), "different"},
        {GW_STR("135792468135792468135792468135792468"), "different"}, /* nine different digits */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_secret) struct gw_secret *s = NULL;
        struct gw_error err = {.code = GW_OK};
        assert_int_equal(gw_secret_new(rows[i].text, &s, NULL), GW_OK);
        assert_int_equal(gw_secret_check(s, &err), GW_EINVAL);
        assert_non_null(strstr(err.msg, rows[i].says));
    }
}

static void strong_secrets_pass(void **state)
{
    (void)state;
    const struct gw_str rows[] = {
        GW_STR(GOOD),
        GW_STR("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        /* a default word by chance in a random key */
        GW_STR("q0Zl8secretVb3xNcM5kHs2Wd7RfT1yGuJ6pEoXiLaQz4vBn9mKt"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_secret) struct gw_secret *s = NULL;
        assert_int_equal(gw_secret_new(rows[i], &s, NULL), GW_OK);
        assert_int_equal(gw_secret_check(s, NULL), GW_OK);
    }
}

static void a_file_gives_its_text_without_the_final_newline(void **state)
{
    (void)state;
    const struct {
        struct gw_str text;
        mode_t mode;
        struct gw_str want;
    } rows[] = {
        {GW_STR(GOOD "\n"), 0600, GW_STR(GOOD)},
        {GW_STR(GOOD), 0400, GW_STR(GOOD)},
        {GW_STR(GOOD "\n\n"), 0600, GW_STR(GOOD "\n")}, /* one newline, no more */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_secret) struct gw_secret *s = NULL;
        put_file(rows[i].text, rows[i].mode);
        assert_int_equal(gw_secret_load(path, &s, NULL), GW_OK);
        assert_true(gw_str_eq(gw_secret_bytes(s), rows[i].want));
    }
}

static void bad_files_are_refused_with_the_mend_and_without_the_secret(void **state)
{
    (void)state;
    const struct {
        struct gw_str text;
        mode_t mode;
        const char *says;
    } rows[] = {
        {GW_STR(GOOD "\n"), 0640, "chmod 600"}, {GW_STR(GOOD "\n"), 0604, "chmod 600"},
        {GW_STR(GOOD "\n"), 0620, "chmod 600"}, {GW_STR("kX3-9vQz_T7mWb2LpR8\n"), 0600, "/dev/urandom"},
        {GW_STR(""), 0600, "/dev/urandom"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_secret *s = NULL;
        struct gw_error err = {.code = GW_OK};
        put_file(rows[i].text, rows[i].mode);
        assert_int_equal(gw_secret_load(path, &s, &err), GW_EINVAL);
        assert_null(s);
        assert_non_null(strstr(err.msg, rows[i].says));
        assert_non_null(strstr(err.msg, path));
        assert_null(strstr(err.msg, "kX3-9vQz"));
    }
}

static void a_foreign_secret_may_be_weak_but_its_file_may_not_be_open(void **state)
{
    (void)state;
    const struct {
        const char *text;
        mode_t mode;
        enum gw_code code;
    } rows[] = {
        {"bot:pw\n", 0600, GW_OK},     {"x", 0400, GW_OK},      {"bot:pw\n", 0640, GW_EINVAL},
        {"bot:pw\n", 0604, GW_EINVAL}, {"\n", 0600, GW_EINVAL}, {"", 0600, GW_EINVAL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_secret) struct gw_secret *s = NULL;
        struct gw_error err = {.code = GW_OK};
        put_file(gw_str(rows[i].text), rows[i].mode);
        assert_int_equal(gw_secret_load_foreign(path, &s, &err), rows[i].code);
        assert_true((s != NULL) == (rows[i].code == GW_OK));
    }
}

static void what_is_no_regular_file_is_refused(void **state)
{
    (void)state;
    struct gw_secret *s = NULL;
    struct gw_error err = {.code = GW_OK};
    put_file(GW_STR(GOOD "\n"), 0600);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(gw_secret_load(link_path, &s, &err), GW_EINVAL);
    assert_non_null(strstr(err.msg, "symbolic link"));
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(gw_secret_load(path, &s, &err), GW_EINVAL); /* and does not hang */
    unlink(path);
    assert_int_equal(gw_secret_load(dir, &s, &err), GW_EINVAL);
    assert_int_equal(gw_secret_load(path, &s, &err), GW_ENOTFOUND);
    assert_non_null(strstr(err.msg, "aaiti init"));
    assert_null(s);
}

/* nginx's master, as root, reads the keys of control's own user. That user could not be kept out anyway. */
static void root_reads_another_users_file(void **state)
{
    (void)state;
    gw_auto(gw_secret) struct gw_secret *s = NULL;
    struct gw_error err = {.code = GW_OK};
    if (geteuid() != 0)
        skip(); /* only root can give a file away */
    put_file(GW_STR(GOOD "\n"), 0600);
    assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
    assert_int_equal(gw_secret_load(path, &s, &err), GW_OK);
}

static void a_created_key_is_private_strong_and_never_overwritten(void **state)
{
    (void)state;
    gw_auto(gw_secret) struct gw_secret *s = NULL;
    struct stat st;
    struct gw_error err;
    unlink(path);
    umask(0);
    assert_int_equal(gw_secret_create(path, gw_system_random(), &err), GW_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 65);
    assert_int_equal(gw_secret_load(path, &s, &err), GW_OK);
    assert_int_equal(gw_secret_bytes(s).len, 64);
    assert_int_equal(gw_secret_create(path, gw_system_random(), &err), GW_ECONFLICT);
}

static enum gw_code broken_fill(const struct gw_random *self, void *dst, size_t n)
{
    (void)self;
    (void)dst;
    (void)n;
    return GW_ECRYPTO;
}

static void a_failed_creation_leaves_no_file(void **state)
{
    (void)state;
    const struct gw_random broken = {.fill = broken_fill};
    unlink(path);
    assert_int_equal(gw_secret_create(path, &broken, NULL), GW_ECRYPTO);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_hardened_process_is_not_dumpable(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit core;
        if (gw_harden_process(NULL) != GW_OK || getrlimit(RLIMIT_CORE, &core) != 0)
            _exit(1);
        _exit(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && core.rlim_cur == 0 && core.rlim_max == 0 ? 0 : 2);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_keeps_its_bytes),
        cmocka_unit_test(secrets_compare_by_content),
        cmocka_unit_test(memory_is_fenced_read_only_and_survives_a_fork),
        cmocka_unit_test(a_locked_memory_limit_is_put_up_with),
        cmocka_unit_test(weak_secrets_are_refused),
        cmocka_unit_test(strong_secrets_pass),
        cmocka_unit_test(a_file_gives_its_text_without_the_final_newline),
        cmocka_unit_test(bad_files_are_refused_with_the_mend_and_without_the_secret),
        cmocka_unit_test(a_foreign_secret_may_be_weak_but_its_file_may_not_be_open),
        cmocka_unit_test(what_is_no_regular_file_is_refused),
        cmocka_unit_test(root_reads_another_users_file),
        cmocka_unit_test(a_created_key_is_private_strong_and_never_overwritten),
        cmocka_unit_test(a_failed_creation_leaves_no_file),
        cmocka_unit_test(a_hardened_process_is_not_dumpable),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
