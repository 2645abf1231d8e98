/* SPDX-License-Identifier: Apache-2.0 */
#include "config/option.h"

#include "config/nearest.h"
#include "config/test_refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct sample {
    struct gw_str name, quoted;
    int64_t number, size, duration;
    bool flag;
    int colour;
    struct gw_option_cidrs networks;
    struct gw_option_strings words;
};

static const char *const colours[] = {"red", "green", NULL};
#define AT(m) offsetof(struct sample, m)
static const struct gw_option table[] = {
    {"name", GW_OPT_STRING, AT(name), "x", 1, 8, NULL, "T_NAME", "A name."},
    {"quoted", GW_OPT_STRING, AT(quoted), "", 0, 0, NULL, NULL, "Any text."},
    {"deep.number", GW_OPT_INT, AT(number), "7", 0, 10, NULL, "T_NUMBER", "A number."},
    {"deep.size", GW_OPT_BYTES, AT(size), "64KiB", 0, 0, NULL, NULL, "A size."},
    {"deep.duration", GW_OPT_DURATION, AT(duration), "24h", 1000, 604800000, NULL, "T_DURATION", "A duration."},
    {"flag", GW_OPT_BOOL, AT(flag), "false", 0, 0, NULL, NULL, "A flag."},
    {"colour", GW_OPT_ENUM, AT(colour), "green", 0, 0, colours, "T_COLOUR", "A colour."},
    {"networks", GW_OPT_CIDRS, AT(networks), "", 0, 0, NULL, "T_NETWORKS", "Networks."},
    {"words", GW_OPT_STRINGS, AT(words), "a, b", 0, 0, NULL, NULL, "Words."},
};
#define COUNT (sizeof(table) / sizeof(table[0]))

struct fixture {
    struct gw_arena arena;
    struct gw_faults *faults;
    struct sample out;
};

static int set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof(*x));
    gw_arena_init(&x->arena, 8u << 20);
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

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static const char *env_name, *env_value;
static const char *one_env(const char *name)
{
    return strcmp(name, env_name) == 0 ? env_value : NULL;
}

static void apply(struct fixture *x, const char *text, gw_getenv_fn env)
{
    const struct gw_yaml *root = text != NULL ? gw_yaml_parse(&x->arena, gw_str(text), "t.yaml", x->faults) : NULL;
    assert_int_equal(gw_faults_count(x->faults), 0);
    gw_options_apply(table, COUNT, root, "t.yaml", env, &x->arena, &x->out, x->faults);
}

static void without_a_file_defaults_hold(void **state)
{
    struct fixture *x = *state;
    apply(x, NULL, no_env);
    assert_int_equal(gw_faults_count(x->faults), 0);
    assert_string_equal(x->out.name.ptr, "x");
    assert_int_equal(x->out.quoted.len, 0);
    assert_int_equal(x->out.number, 7);
    assert_int_equal(x->out.size, 65536);
    assert_int_equal(x->out.duration, 86400000);
    assert_false(x->out.flag);
    assert_int_equal(x->out.colour, 1);
    assert_int_equal(x->out.networks.count, 0);
    assert_int_equal(x->out.words.count, 2);
    assert_true(gw_str_eq(x->out.words.item[1], GW_STR("b")));
}

static void the_file_wins_over_defaults_nested_or_dotted(void **state)
{
    struct fixture *x = *state;
    apply(x,
          "name: abc\ndeep:\n  number: 9\n  size: 1MiB\ndeep.duration: \"90\"\nflag: true\ncolour: red\n"
          "networks: [10.0.0.0/8, \"::1\"]\nwords:\n  - \"x, y\"\n",
          no_env);
    assert_int_equal(gw_faults_count(x->faults), 0);
    assert_string_equal(x->out.name.ptr, "abc");
    assert_int_equal(x->out.number, 9);
    assert_int_equal(x->out.size, 1048576);
    assert_int_equal(x->out.duration, 90000);
    assert_true(x->out.flag);
    assert_int_equal(x->out.colour, 0);
    assert_int_equal(x->out.networks.count, 2);
    assert_int_equal(x->out.words.count, 1);
    assert_true(gw_str_eq(x->out.words.item[0], GW_STR("x, y")));
}

static void the_environment_wins_over_the_file(void **state)
{
    static const struct {
        const char *name, *value;
        int64_t expected;
    } durations[] = {{"T_DURATION", "3600", 3600000},
                     {"T_DURATION", "15m", 900000},
                     {"T_DURATION", "", 5000},
                     {"T_DURATION", "1500ms", 1500},
                     {"T_DURATION", "7d", 604800000}};
    struct fixture *x = *state;
    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        env_name = durations[i].name;
        env_value = durations[i].value;
        apply(x, "deep.duration: 5s\n", one_env);
        assert_int_equal(gw_faults_count(x->faults), 0);
        assert_int_equal(x->out.duration, durations[i].expected);
    }
    env_name = "T_NETWORKS";
    env_value = "10.0.0.0/8, 192.168.1.1";
    apply(x, "networks: []\n", one_env);
    assert_int_equal(x->out.networks.count, 2);
}

static void a_bad_variable_is_named(void **state)
{
    static const struct {
        const char *name, *value, *message;
    } cases[] = {
        {"T_COLOUR", "blue", "colour: expected red or green, not \"blue\""},
        {"T_DURATION", "soon", "expected a duration"},
        {"T_NAME", "\xff", "UTF-8"},
        {"T_NAME", "a\nb", "control"},
        {"T_NAME", "a\xc2\x85", "control"},
        {"T_NETWORKS", "10.0.0.1/8", "expected a network"},
    };
    struct fixture *x = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        renew_faults(&x->faults);
        env_name = cases[i].name;
        env_value = cases[i].value;
        apply(x, NULL, one_env);
        assert_int_equal(gw_faults_count(x->faults), 1);
        assert_string_equal(gw_faults_get(x->faults, 0)->file, cases[i].name);
        assert_non_null(strstr(gw_faults_get(x->faults, 0)->message, cases[i].message));
    }
}

static const struct gw_faults *read_wrong(void *ctx, const char *text)
{
    struct fixture *x = ctx;
    renew_faults(&x->faults);
    apply(x, text, no_env);
    if (gw_faults_count(x->faults) != 1)
        fail_msg("%s: %zu faults", text, gw_faults_count(x->faults));
    return x->faults;
}

static void wrong_values_and_keys_are_refused_with_their_line(void **state)
{
    static const struct fault_case cases[] = {
        {"nmae: a\n", 1, "unknown key `nmae`; did you mean `name`?"},
        {"\ndeep:\n  nubmer: 1\n", 3, "unknown key `deep.nubmer`; did you mean `deep.number`?"},
        {"dep: {number: 1}\n", 1, "did you mean `deep`?"},
        {"zzzzzzzz: 1\n", 1, "docs/options.md"},
        {"constructor: 1\n", 1, "unknown key"},
        {"deep: 3\n", 1, "deep: expected a map"},
        {"deep: {number: 1}\ndeep.number: 2\n", 2, "stands twice, first in line 1"},
        {"name: {a: b}\n", 1, "not a map"},
        {"name: [a]\n", 1, "not a list"},
        {"name: ''\n", 1, "1 to 8 bytes"},
        {"name: ninebytes\n", 1, "1 to 8 bytes"},
        {"name:\n", 1, "no value"},
        {"name: ~\n", 1, "no value"},
        {"name: null\n", 1, "no value"},
        {"deep.number: \"3\"\n", 1, "without quotes"},
        {"deep.number: 11\n", 1, "expected 0 to 10"},
        {"deep.number: -1\n", 1, "whole number"},
        {"deep.number: 1.5\n", 1, "whole number"},
        {"deep.number: 0x1\n", 1, "whole number"},
        {"deep.number: 99999999999999999999\n", 1, "whole number"},
        {"deep.size: 1MB\n", 1, "expected a size"},
        {"deep.size: 9999999999999GiB\n", 1, "expected a size"},
        {"deep.duration: 1w\n", 1, "expected a duration"},
        {"deep.duration: 1 h\n", 1, "expected a duration"},
        {"deep.duration: h\n", 1, "expected a duration"},
        {"deep.duration: 999ms\n", 1, "expected 1s to 7d"},
        {"deep.duration: 8d\n", 1, "expected 1s to 7d"},
        {"flag: yes\n", 1, "true or false"},
        {"flag: \"true\"\n", 1, "without quotes"},
        {"flag: True\n", 1, "true or false"},
        {"colour: Red\n", 1, "red or green"},
        {"networks: [10.0.0.0/8,\n 10.0.0.1/8]\n", 2, "expected a network"},
        {"networks: [[10.0.0.0/8]]\n", 1, "plain values"},
        {"networks: {a: b}\n", 1, "expected a list"},
        {"[a]\n", 1, "expected a map"},
    };
    check_fault_cases(cases, sizeof(cases) / sizeof(cases[0]), read_wrong, *state);
}

static void all_faults_are_listed_at_once(void **state)
{
    struct fixture *x = *state;
    apply(x, "nmae: 1\nflag: maybe\ndeep: {size: x}\n", no_env);
    assert_int_equal(gw_faults_count(x->faults), 3);
}

static void a_row_without_default_must_be_given(void **state)
{
    static const struct gw_option must[] = {{"must", GW_OPT_STRING, AT(name), NULL, 0, 0, NULL, "T_NAME", "Needed."}};
    struct fixture *x = *state;
    gw_options_apply(must, 1, NULL, "t.yaml", no_env, &x->arena, &x->out, x->faults);
    assert_int_equal(gw_faults_count(x->faults), 1);
    assert_string_equal(gw_faults_get(x->faults, 0)->message, "`must` is missing: Needed.");

    env_name = "T_NAME";
    env_value = "given";
    gw_options_apply(must, 1, NULL, "t.yaml", one_env, &x->arena, &x->out, x->faults);
    assert_int_equal(gw_faults_count(x->faults), 1);
}

static void what_is_printed_reads_back_the_same(void **state)
{
    static const char *const texts[] = {
        "",
        ("name: a\nquoted: \"q\\\"\\\\ é: # €\"\ndeep: {number: 0, size: 1000, duration: 1001ms}\nflag: true\n"
         "colour: red\nnetworks: [10.1.0.0/16, \"2001:db8::/32\", 1.2.3.4, \"::/0\"]\nwords: [\"null\", \"a, b\", '']\n"),
        "name: 'null'\nquoted: '~'\ndeep: {size: 3GiB, duration: 2d}\nwords: []\n",
    };
    struct fixture *x = *state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        gw_auto(gw_buf) struct gw_buf first, second;
        gw_buf_init(&first, 65536);
        gw_buf_init(&second, 65536);
        apply(x, texts[i], no_env);
        gw_options_print(table, COUNT, &x->out, &first);
        memset(&x->out, 0, sizeof(x->out));
        apply(x, first.ptr, no_env);
        assert_int_equal(gw_faults_count(x->faults), 0);
        gw_options_print(table, COUNT, &x->out, &second);
        assert_string_equal(first.ptr, second.ptr);
        if (i == 1) {
            assert_int_equal(x->out.duration, 1001);
            assert_int_equal(x->out.networks.count, 4);
            assert_int_equal(x->out.networks.item[0].bits, 112);
            assert_true(gw_str_eq(x->out.words.item[1], GW_STR("a, b")));
            assert_true(gw_str_eq(x->out.quoted, GW_STR("q\"\\ é: # €")));
        }
    }
}

static void the_nearest_word_is_found_or_none(void **state)
{
    static const struct gw_str words[] = {{"permission", 10}, {"access", 6}, {"role", 4}, {"risk", 4}};
    static const struct {
        const char *typed, *expected;
    } cases[] = {{"permision", "permission"},
                 {"acess", "access"},
                 {"rile", "role"},
                 {"orle", "role"},
                 {"rsik", "risk"},
                 {"zzzz", ""},
                 {"", ""},
                 {"permissions", "permission"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_str got = gw_nearest(gw_str(cases[i].typed), words, 4);
        if (!gw_str_eq(got, gw_str(cases[i].expected)))
            fail_msg("%s: %.*s", cases[i].typed, GW_STR_ARG(got));
    }
    char longest[200];
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(gw_nearest((struct gw_str){longest, sizeof(longest)}, words, 4).len, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(without_a_file_defaults_hold),
        CASE(the_file_wins_over_defaults_nested_or_dotted),
        CASE(the_environment_wins_over_the_file),
        CASE(a_bad_variable_is_named),
        CASE(wrong_values_and_keys_are_refused_with_their_line),
        CASE(all_faults_are_listed_at_once),
        CASE(a_row_without_default_must_be_given),
        CASE(what_is_printed_reads_back_the_same),
        CASE(the_nearest_word_is_found_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
