/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/password.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct gw_password_rules *rules_of(enum gw_password_profile profile, const char *blocklist,
                                          enum gw_code expected)
{
    char path[] = "/tmp/gw-blocklist-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, blocklist, strlen(blocklist)), strlen(blocklist));
    assert_int_equal(close(fd), 0);
    struct gw_password_rules *r = NULL;
    assert_int_equal(gw_password_rules_new(profile, path, &r, NULL), expected);
    unlink(path);
    return r;
}

static const char blocklist[] = "#!comment: a list\nPassword1!\r\ntrustno1Trustno1\n\nlast-line-Of-1t";

struct row {
    const char *password;
    const char *says; /* NULL: accepted */
};

static void check_rows(enum gw_password_profile profile, const struct row *rows, size_t count)
{
    struct gw_password_rules *r = rules_of(profile, blocklist, GW_OK);
    for (size_t i = 0; i < count; i++) {
        struct gw_error err = {.msg = ""};
        struct gw_str password = gw_str(rows[i].password);
        enum gw_code code = gw_password_check(r, password, GW_STR("alice"), GW_STR("Wonder@example.org"), &err);
        if (code != (rows[i].says == NULL ? GW_OK : GW_EINVAL))
            fail_msg("\"%s\": %s, %s", rows[i].password, gw_code_name(code), err.msg);
        if (rows[i].says != NULL && strstr(err.msg, rows[i].says) == NULL)
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", rows[i].password, err.msg, rows[i].says);
        if (password.len > 0)
            assert_null(strstr(err.msg, rows[i].password));
    }
    gw_password_rules_free(r);
}

#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static void the_guide_wants_eight_characters_of_four_kinds(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"Str0ng!Pass", NULL},
        {"Aa1!aaaa", NULL},
        {"Aa1\xc3\xa9"
         "aaaa",
         NULL}, /* é is no ASCII letter: special */
        {"Aa1 aaaa", NULL},
        {"Aa1!" HUNDRED "12345678901234567890abcd", NULL}, /* 128 */
        {"Aa1!aaa", "8 or more"},
        {"Aa1!\xc3\xa9\xc3\xa9\xc3\xa9", "8 or more"}, /* 10 bytes, 7 characters */
        {"aa1!aaaa", "an upper-case letter"},
        {"AA1!AAAA", "a lower-case letter"},
        {"Aaa!aaaa", "a digit"},
        {"Aa1aaaaa", "a special character"},
        {"aaaa", "8 or more characters, have an upper-case letter, have a digit, have a special character"},
        {"", "8 or more"},
        {"Aa1!" HUNDRED "12345678901234567890abcde", "128 or fewer"},
        {"Aa1!" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED, "128 or fewer"},
        {"pASSWORD1!", "commonly used"},
        {"LAST-line-of-1T", "commonly used"},
        {"Xy1!xxALICExx", "the user name"},
        {"Xy1!xxwonderxx", "the e-mail"},
        {"Aa1!aaa\naa", "control characters"},
        {"Aa1!aaa\x7f", "control characters"},
        {"Aa1!aaaa\xc3", "must be text"},
        {"Aa1!aaaa\xc0\xaf", "must be text"},
        {"Aa1!aaaa\xed\xa0\x80", "must be text"},
    };
    check_rows(GW_PASSWORD_GUIDE, rows, COUNT(rows));
}

static void nist_wants_length_only(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"correct horse b", NULL},
        {"aaaaaaaaaaaaaa", "15 or more"},
        {"trustno1trustno1", "commonly used"},
        {"living as Alice here", "the user name"},
    };
    check_rows(GW_PASSWORD_NIST, rows, COUNT(rows));
}

static void a_zero_byte_is_a_control_character(void **state)
{
    (void)state;
    struct gw_password_rules *r = rules_of(GW_PASSWORD_GUIDE, blocklist, GW_OK);
    assert_int_equal(gw_password_check(r, GW_STR("Aa1!aaaa\0bbbb"), GW_STR_NULL, GW_STR_NULL, NULL), GW_EINVAL);
    gw_password_rules_free(r);
}

static void short_or_missing_names_forbid_nothing(void **state)
{
    (void)state;
    struct gw_password_rules *r = rules_of(GW_PASSWORD_GUIDE, blocklist, GW_OK);
    assert_int_equal(gw_password_check(r, GW_STR("Walnut!77"), GW_STR("al"), GW_STR_NULL, NULL), GW_OK);
    assert_int_equal(gw_password_check(r, GW_STR("Walnut!77"), GW_STR_NULL, GW_STR("w@x.org"), NULL), GW_OK);
    gw_password_rules_free(r);
}

static void a_list_that_is_empty_or_missing_is_refused(void **state)
{
    (void)state;
    assert_null(rules_of(GW_PASSWORD_GUIDE, "", GW_EINVAL));
    assert_null(rules_of(GW_PASSWORD_GUIDE, "#!comment: nothing\n\n", GW_EINVAL));
    struct gw_password_rules *r = NULL;
    assert_int_equal(gw_password_rules_new(GW_PASSWORD_NIST, "/nonexistent", &r, NULL), GW_ENOTFOUND);
    assert_null(r);
}

static void the_shipped_list_knows_what_everybody_tries(void **state)
{
    (void)state;
    static const char *const common[] = {"Password1!", "P@ssw0rd1!",  "Qwerty123!",
                                         "Aaiti@123",  "Welcome@123", "!QAZ2wsx"};
    struct gw_password_rules *r = NULL;
    struct gw_error err = {.msg = ""};
    assert_int_equal(gw_password_rules_new(GW_PASSWORD_GUIDE, NULL, &r, &err), GW_OK);
    for (size_t i = 0; i < COUNT(common); i++) {
        if (gw_password_check(r, gw_str(common[i]), GW_STR_NULL, GW_STR_NULL, &err) != GW_EINVAL)
            fail_msg("\"%s\" was accepted", common[i]);
        assert_non_null(strstr(err.msg, "commonly used"));
    }
    assert_int_equal(gw_password_check(r, GW_STR("Str0ng!Pass"), GW_STR_NULL, GW_STR_NULL, &err), GW_OK);
    gw_password_rules_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guide_wants_eight_characters_of_four_kinds),
        cmocka_unit_test(nist_wants_length_only),
        cmocka_unit_test(a_zero_byte_is_a_control_character),
        cmocka_unit_test(short_or_missing_names_forbid_nothing),
        cmocka_unit_test(the_shipped_list_knows_what_everybody_tries),
        cmocka_unit_test(a_list_that_is_empty_or_missing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
