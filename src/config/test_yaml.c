/* SPDX-License-Identifier: Apache-2.0 */
#include "config/test_refusals.h"
#include "config/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct gw_arena arena;
    struct gw_faults *faults;
};

static int set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof(*x));
    gw_arena_init(&x->arena, 64u << 20);
    assert_int_equal(gw_faults_new(&x->faults, NULL), GW_OK);
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;
    gw_faults_free(x->faults);
    gw_arena_done(&x->arena);
    free(x);
    return 0;
}

static const struct gw_yaml *parse(struct fixture *x, const char *text)
{
    return gw_yaml_parse(&x->arena, gw_str(text), "t.yaml", x->faults);
}

static void assert_text(const struct gw_yaml *node, const char *expected)
{
    assert_non_null(node);
    assert_int_equal(node->kind, GW_YAML_SCALAR);
    assert_true(gw_str_eq(node->text, gw_str(expected)));
}

static void a_tree_keeps_order_lines_and_quotes(void **state)
{
    struct fixture *x = *state;
    const struct gw_yaml *root = parse(x, "a: 1\nb:\n  - x\n  - \"y\"\n\nc: {d: [], e: ''}\n");
    assert_non_null(root);
    assert_int_equal(root->kind, GW_YAML_MAP);
    assert_int_equal(root->count, 3);
    assert_text(gw_yaml_get(root, GW_STR("a")), "1");

    const struct gw_yaml *b = gw_yaml_get(root, GW_STR("b"));
    assert_int_equal(b->kind, GW_YAML_LIST);
    assert_int_equal(b->count, 2);
    assert_int_equal(b->key_line, 2);
    assert_int_equal(b->line, 3);
    assert_text(b->first, "x");
    assert_false(b->first->quoted);
    assert_text(b->first->next, "y");
    assert_true(b->first->next->quoted);
    assert_int_equal(b->first->next->line, 4);

    const struct gw_yaml *c = gw_yaml_get(root, GW_STR("c"));
    assert_int_equal(c->key_line, 6);
    assert_int_equal(gw_yaml_get(c, GW_STR("d"))->kind, GW_YAML_LIST);
    assert_text(gw_yaml_get(c, GW_STR("e")), "");
    assert_null(gw_yaml_get(c, GW_STR("f")));
}

static void an_empty_file_is_an_empty_map(void **state)
{
    static const char *const texts[] = {"", "\n\n", "# only this\n", "---\n"};
    struct fixture *x = *state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct gw_yaml *root = parse(x, texts[i]);
        assert_non_null(root);
        assert_int_equal(root->kind, GW_YAML_MAP);
        assert_int_equal(root->count, 0);
    }
}

static const struct gw_faults *read_wrong(void *ctx, const char *text)
{
    struct fixture *x = ctx;
    renew_faults(&x->faults);
    assert_null(parse(x, text));
    assert_true(gw_faults_count(x->faults) > 0);
    assert_string_equal(gw_faults_get(x->faults, 0)->file, "t.yaml");
    return x->faults;
}

static void what_is_no_plain_yaml_is_refused_with_its_line(void **state)
{
    static const struct fault_case cases[] = {
        {"a: [1, 2\nb: 3\n", 2, "not YAML"},
        {"a: 1\n\tb: 2\n", 2, "not YAML"},
        {"a: 1\na: 2\n", 2, "key `a` stands twice, first in line 1"},
        {"a: {b: 1,\n b: 2}\n", 2, "stands twice"},
        {"a: &x 1\n", 1, "anchor (&x)"},
        {"a: 1\nb: *a\n", 2, "alias"},
        {"a: !!int 1\n", 1, "tag"},
        {"a: !x {}\n", 1, "tag"},
        {"? [a]\n: 1\n", 1, "as a key"},
        {"? {a: 1}\n: 1\n", 1, "as a key"},
        {"a: 1\n---\nb: 1\n", 2, "second document"},
        {"a: \"x\\0y\"\n", 1, "NUL"},
        {"a: \xff\n", 1, "not YAML"},
        {"a: 1\nb: \xc3\x28\n", 2, "not YAML"},
        {"a: 1\nb: \x01\n", 2, "not YAML"},
        {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", 1, "too deeply"},
        {"\xff\xfe"
         "a\0:\0",
         1, "not YAML"},
    };
    check_fault_cases(cases, sizeof(cases) / sizeof(cases[0]), read_wrong, *state);
}

static void several_faults_are_listed_at_once(void **state)
{
    struct fixture *x = *state;
    assert_null(parse(x, "a: &x 1\nb: 2\nb: 3\nc: !t 4\n"));
    assert_int_equal(gw_faults_count(x->faults), 3);
}

static void sixteen_levels_are_read(void **state)
{
    struct fixture *x = *state;
    assert_non_null(parse(x, "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]"));
}

static void sizes_are_capped(void **state)
{
    struct fixture *x = *state;
    size_t size = GW_YAML_BYTES_MAX + 1;
    char *text = malloc(size);
    memset(text, ' ', size);
    assert_null(gw_yaml_parse(&x->arena, (struct gw_str){text, size}, "big", x->faults));
    assert_int_equal(gw_faults_count(x->faults), 1);

    /* 100,001 nodes fit into 1 MiB of text. */
    for (size_t i = 0; i + 4 <= size; i += 4)
        memcpy(text + i, "- 1\n", 4);
    assert_null(gw_yaml_parse(&x->arena, (struct gw_str){text, size - 1}, "many", x->faults));
    assert_non_null(strstr(gw_faults_get(x->faults, 1)->message, "too many values"));

    size_t at = 0;
    for (unsigned i = 0; i <= GW_YAML_KEYS_MAX; i++)
        at += (size_t)snprintf(text + at, size - at, "k%u: 1\n", i);
    assert_null(gw_yaml_parse(&x->arena, (struct gw_str){text, at}, "wide", x->faults));
    assert_non_null(strstr(gw_faults_get(x->faults, 2)->message, "too many keys"));
    free(text);
}

static void a_small_arena_is_a_fault_not_a_crash(void **state)
{
    struct fixture *x = *state;
    for (size_t cap = 0; cap < 2000; cap += 40) {
        gw_auto(gw_arena) struct gw_arena a;
        gw_arena_init(&a, cap);
        size_t before = gw_faults_count(x->faults);
        const struct gw_yaml *root = gw_yaml_parse(&a, GW_STR("a: [1, 2]\nb: {c: d}\n"), "t", x->faults);
        assert_true(root != NULL || gw_faults_count(x->faults) > before);
    }
}

static void a_file_is_loaded_and_a_missing_one_is_a_fault(void **state)
{
    struct fixture *x = *state;
    assert_null(gw_yaml_load(&x->arena, "/nonexistent/x.yaml", x->faults));
    assert_null(gw_yaml_load(&x->arena, "/dev/zero", x->faults));
    assert_null(gw_yaml_load(&x->arena, "/", x->faults));
    assert_int_equal(gw_faults_count(x->faults), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(gw_faults_get(x->faults, i)->line, 0);

    char path[] = "/tmp/gw-test-yaml-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: b\n", 5), 5);
    close(fd);
    const struct gw_yaml *root = gw_yaml_load(&x->arena, path, x->faults);
    unlink(path);
    assert_non_null(root);
    assert_text(gw_yaml_get(root, GW_STR("a")), "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tree_keeps_order_lines_and_quotes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_file_is_an_empty_map, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_plain_yaml_is_refused_with_its_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(several_faults_are_listed_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sixteen_levels_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sizes_are_capped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_small_arena_is_a_fault_not_a_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_is_loaded_and_a_missing_one_is_a_fault, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
