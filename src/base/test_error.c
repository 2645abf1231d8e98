/* SPDX-License-Identifier: Apache-2.0 */
#include <gw/cleanup.h>
#include <gw/error.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void fail_fills_everything(void **state)
{
    (void)state;
    struct gw_error err;
    assert_int_equal(gw_fail(&err, GW_EPARSE, "line %d", 7), GW_EPARSE);
    assert_int_equal(err.code, GW_EPARSE);
    assert_string_equal(err.msg, "line 7");
    assert_true(strncmp(err.where, "test_error.c:", 13) == 0);
}

static void fail_does_without_an_error(void **state)
{
    (void)state;
    assert_int_equal(gw_fail(NULL, GW_ELIMIT, "unread"), GW_ELIMIT);
}

static void fail_cuts_a_long_message(void **state)
{
    (void)state;
    struct gw_error err;
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(gw_fail(&err, GW_EINVAL, "%s", text), GW_EINVAL);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static enum gw_code outer(enum gw_code inner, int *reached)
{
    GW_TRY(inner);
    *reached = 1;
    return GW_OK;
}

static void try_returns_failures_only(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(outer(GW_ETIMEOUT, &reached), GW_ETIMEOUT);
    assert_int_equal(reached, 0);
    assert_int_equal(outer(GW_OK, &reached), GW_OK);
    assert_int_equal(reached, 1);
}

static void every_code_has_a_name_and_a_text(void **state)
{
    (void)state;
    assert_string_equal(gw_code_name(GW_EPARSE), "EPARSE");
    assert_string_equal(gw_code_text(GW_EPARSE), "malformed input");
    for (int code = GW_OK; code <= GW_EINTERNAL; code++) {
        assert_non_null(gw_code_name((enum gw_code)code));
        assert_non_null(gw_code_text((enum gw_code)code));
    }
}

static int descriptor_of_an_ended_scope(void)
{
    gw_auto_fd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    errno = ENOENT;
    return fd;
}

static void scoped_descriptor_is_closed_and_errno_kept(void **state)
{
    (void)state;
    int fd = descriptor_of_an_ended_scope();
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void take_leaves_null_behind(void **state)
{
    (void)state;
    int value = 3, *p = &value;
    assert_ptr_equal(gw_take(&p), &value);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_fills_everything),
        cmocka_unit_test(fail_does_without_an_error),
        cmocka_unit_test(fail_cuts_a_long_message),
        cmocka_unit_test(try_returns_failures_only),
        cmocka_unit_test(every_code_has_a_name_and_a_text),
        cmocka_unit_test(scoped_descriptor_is_closed_and_errno_kept),
        cmocka_unit_test(take_leaves_null_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
