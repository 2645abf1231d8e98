/* SPDX-License-Identifier: Apache-2.0 */
#include "config/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct gw_faults *fresh(void)
{
    struct gw_faults *f = NULL;
    assert_int_equal(gw_faults_new(&f, NULL), GW_OK);
    return f;
}

static void a_new_list_is_empty_and_prints_nothing(void **state)
{
    (void)state;
    gw_auto(gw_faults) struct gw_faults *f = fresh();
    gw_auto(gw_buf) struct gw_buf out;
    gw_buf_init(&out, 1024);
    assert_int_equal(gw_faults_count(f), 0);
    gw_faults_print(f, &out);
    assert_int_equal(out.len, 0);
}

static void faults_are_printed_in_order_of_file_and_line(void **state)
{
    (void)state;
    gw_auto(gw_faults) struct gw_faults *f = fresh();
    gw_faults_add(f, "b.yaml", 2, "two");
    gw_faults_add(f, "b.yaml", 10, "ten");
    gw_faults_add(f, "a.yaml", 7, "seven");
    gw_faults_add(f, "b.yaml", 2, "two again");
    gw_faults_add(f, "b.yaml", 0, "whole");

    gw_auto(gw_buf) struct gw_buf out;
    gw_buf_init(&out, 1024);
    gw_faults_print(f, &out);
    assert_string_equal(out.ptr,
                        "a.yaml:7: seven\nb.yaml: whole\nb.yaml:2: two\nb.yaml:2: two again\nb.yaml:10: ten\n");
    assert_string_equal(gw_faults_get(f, 0)->message, "seven");
}

static void beyond_the_cap_faults_are_only_counted(void **state)
{
    (void)state;
    gw_auto(gw_faults) struct gw_faults *f = fresh();
    for (unsigned i = 0; i < GW_FAULTS_MAX + 7; i++)
        gw_faults_add(f, "x", i + 1, "fault %u", i);
    assert_int_equal(gw_faults_count(f), GW_FAULTS_MAX + 7);

    gw_auto(gw_buf) struct gw_buf out;
    gw_buf_init(&out, 65536);
    gw_faults_print(f, &out);
    assert_non_null(strstr(out.ptr, "fault 99\n"));
    assert_null(strstr(out.ptr, "fault 100\n"));
    assert_non_null(strstr(out.ptr, "… and 7 more\n"));
}

static void long_texts_are_cut_and_control_bytes_hidden(void **state)
{
    (void)state;
    gw_auto(gw_faults) struct gw_faults *f = fresh();
    char longtext[2000];
    memset(longtext, 'a', sizeof(longtext) - 1);
    longtext[sizeof(longtext) - 1] = '\0';
    gw_faults_add(f, longtext, 1, "%s", longtext);
    gw_faults_add(f, "y", 1, "bell \a, escape \x1b[31m");
    assert_true(strlen(gw_faults_get(f, 0)->file) < 300);
    assert_true(strlen(gw_faults_get(f, 0)->message) < 500);
    assert_string_equal(gw_faults_get(f, 1)->message, "bell ?, escape ?[31m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_list_is_empty_and_prints_nothing),
        cmocka_unit_test(faults_are_printed_in_order_of_file_and_line),
        cmocka_unit_test(beyond_the_cap_faults_are_only_counted),
        cmocka_unit_test(long_texts_are_cut_and_control_bytes_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
