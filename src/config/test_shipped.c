/* SPDX-License-Identifier: Apache-2.0 */
/* As seen from the tree that the test was built in; the installed tree is the end-to-end tests' (test_install.py). */
#include "config/shipped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_data_of_a_built_tree_is_the_sources_own(void **state)
{
    (void)state;
    static const char *const names[] = {"policies/aaiti.yaml", "passwords/blocklist.txt"};
    char *source = realpath(GW_SOURCE_DIR "/data", NULL);
    assert_non_null(source);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        gw_auto(gw_arena) struct gw_arena a;
        gw_arena_init(&a, 8192);
        const char *path = NULL;
        assert_int_equal(gw_shipped_file(GW_SHIPPED_DATA, names[i], &a, &path, NULL), GW_OK);
        assert_memory_equal(path, source, strlen(source));
        assert_string_equal(path + strlen(source) + 1, names[i]);
    }
    free(source);
}

static void test_what_does_not_come_with_it_is_named(void **state)
{
    (void)state;
    char longest[8192];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    const struct {
        enum gw_shipped kind;
        const char *name;
        size_t room;
        enum gw_code code;
        const char *says;
    } rows[] = {
        {GW_SHIPPED_DATA, "policies/none.yaml", 8192, GW_ENOTFOUND, "data/policies/none.yaml"},
        {GW_SHIPPED_DATA, "policies/aaiti.yaml/x", 8192, GW_ENOTFOUND, "Not a directory"},
        {GW_SHIPPED_MODULE, "none.so", 8192, GW_ENOTFOUND, "nginx/none.so"},
        {GW_SHIPPED_DATA, longest, 8192, GW_ELIMIT, "too long"},
        {GW_SHIPPED_DATA, "policies/aaiti.yaml", 1, GW_ENOMEM, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_arena) struct gw_arena a;
        gw_arena_init(&a, rows[i].room);
        struct gw_error err = {.msg = ""};
        const char *path = NULL;
        assert_int_equal(gw_shipped_file(rows[i].kind, rows[i].name, &a, &path, &err), rows[i].code);
        assert_null(path);
        assert_non_null(strstr(err.msg, rows[i].says));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_of_a_built_tree_is_the_sources_own),
        cmocka_unit_test(test_what_does_not_come_with_it_is_named),
    };
    return cmocka_run_group_tests_name("config/shipped", tests, NULL, NULL);
}
