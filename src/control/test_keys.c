/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "control/keys.h"
#include "control/run_dir.h"
#include "policy/policy.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define STRONG "kJ8s-2mQx7Vd_0aLwZ4pTn9cYb1rEoGh"
#define OTHER "Zq3_wX9vB-7nM1sK5dF8gH2jL6pO0iUy"

static char home[64];
static const char *env_secret;

static const char *fake_env(const char *name)
{
    return strcmp(name, "JWT_SECRET") == 0 ? env_secret : NULL;
}

static void put(const char *name, const char *text, mode_t mode)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", home, name);
    (void)unlink(path);
    assert_int_equal(gw_file_create(path, mode, gw_str(text), NULL), GW_OK);
}

static int set_up(void **state)
{
    (void)state;
    env_secret = NULL;
    strcpy(home, "/tmp/test_keys.XXXXXX");
    if (mkdtemp(home) == NULL)
        return 1;
    put("token.key", STRONG "\n", 0600);
    put("upstream.key", OTHER "\n", 0600);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", home);
    return system(command);
}

static const struct gw_settings settings = {.token_key_file = {"token.key", 9}};
static const struct gw_upstream minted = {.credential = GW_CREDENTIAL_MINT_HS256, .key_file = {"upstream.key", 12}};
static const struct gw_upstream open_backend = {.credential = GW_CREDENTIAL_NONE};

static enum gw_code load(const struct gw_upstream *upstream, struct gw_keys *out, struct gw_error *err)
{
    const struct gw_keys_source source = {home, &settings, upstream, fake_env};
    return gw_keys_load(&source, out, err);
}

static bool is_text(const struct gw_token_key *key, const char *text)
{
    gw_auto(gw_secret) struct gw_secret *secret = NULL;
    assert_int_equal(gw_secret_new(gw_str(text), &secret, NULL), GW_OK);
    return gw_token_key_is_text(key, secret);
}

static void both_are_read_without_the_final_newline(void **state)
{
    gw_auto(gw_keys) struct gw_keys k = {0};
    struct gw_error err = {0};
    (void)state;
    if (load(&minted, &k, &err) != GW_OK)
        fail_msg("%s", err.msg);
    assert_true(is_text(k.ring.keys[GW_TOKEN_CURRENT], STRONG));
    assert_true(gw_str_eq(gw_secret_bytes(k.upstream), GW_STR(OTHER)));
}

static void a_backend_without_credential_needs_no_key(void **state)
{
    gw_auto(gw_keys) struct gw_keys k = {0};
    (void)state;
    put("upstream.key", "short", 0600);
    assert_int_equal(load(&open_backend, &k, NULL), GW_OK);
    assert_null(k.upstream);
}

static void the_environment_comes_before_the_file(void **state)
{
    gw_auto(gw_keys) struct gw_keys k = {0}, again = {0};
    (void)state;
    env_secret = "AnOtherOne-" STRONG;
    assert_int_equal(load(&minted, &k, NULL), GW_OK);
    assert_true(is_text(k.ring.keys[GW_TOKEN_CURRENT], env_secret));
    env_secret = "";
    assert_int_equal(load(&minted, &again, NULL), GW_OK);
    assert_true(is_text(again.ring.keys[GW_TOKEN_CURRENT], STRONG));
}

static void what_is_not_fit_is_refused_and_the_secret_is_not_told(void **state)
{
    static const struct {
        const char *why, *token, *upstream, *env;
        mode_t mode;
    } rows[] = {
        {"equal", OTHER, OTHER, NULL, 0600},
        {"equal, by the environment", STRONG, OTHER, OTHER, 0600},
        {"short token key", "kJ8s-2mQx7Vd", OTHER, NULL, 0600},
        {"short upstream key", STRONG, "kJ8s-2mQx7Vd", NULL, 0600},
        {"short variable", STRONG, OTHER, "kJ8s-2mQx7Vd", 0600},
        {"few distinct bytes", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", OTHER, NULL, 0600},
        {"readable by all", STRONG, OTHER, NULL, 0644},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_keys) struct gw_keys k = {0};
        struct gw_error err = {0};
        env_secret = rows[i].env;
        put("token.key", rows[i].token, rows[i].mode);
        put("upstream.key", rows[i].upstream, 0600);
        if (load(&minted, &k, &err) == GW_OK)
            fail_msg("%s: accepted", rows[i].why);
        assert_true(err.msg[0] != '\0');
        assert_null(strstr(err.msg, "kJ8s-2mQx7Vd"));
        assert_null(strstr(err.msg, OTHER));
    }
}

static void a_fixed_credential_is_measured_by_its_kind(void **state)
{
    static const struct {
        const char *secret;
        enum gw_credential credential;
        enum gw_code code;
    } rows[] = {
        {"bot:pw", GW_CREDENTIAL_BASIC, GW_OK},
        {"pw-without-name", GW_CREDENTIAL_BASIC, GW_EINVAL},
        {"k1", GW_CREDENTIAL_HEADER, GW_OK},
        {"k1\r\nX-A: b", GW_CREDENTIAL_HEADER, GW_EINVAL},
        {"bot:pw", GW_CREDENTIAL_MINT_HS256, GW_EINVAL},
        {STRONG, GW_CREDENTIAL_HEADER, GW_EINVAL}, /* equal to the token key */
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        gw_auto(gw_keys) struct gw_keys k = {0};
        struct gw_error err = {0};
        const struct gw_upstream u = {.credential = rows[i].credential, .key_file = {"upstream.key", 12}};
        put("upstream.key", rows[i].secret, 0600);
        if (load(&u, &k, &err) != rows[i].code)
            fail_msg("row %zu: %s", i, err.msg);
        assert_null(strstr(err.msg, "pw-without"));
    }
}

static void every_generation_and_the_staged_secret_must_differ(void **state)
{
    static const char *const rows[][2] = {
        {"token.key.next", "upstream.key"},
        {"token.key.previous", "upstream.key"},
        {"token.key", "upstream.key.next"},
        {"token.key.next", "upstream.key.next"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_keys) struct gw_keys k = {0}, again = {0};
        put("token.key", STRONG, 0600);
        put("token.key.next", "N" STRONG, 0600);
        put("token.key.previous", "P" STRONG, 0600);
        put("upstream.key", OTHER, 0600);
        put("upstream.key.next", "N" OTHER, 0600);
        assert_int_equal(load(&minted, &k, NULL), GW_OK);
        assert_true(is_text(k.ring.keys[GW_TOKEN_NEXT], "N" STRONG));
        assert_true(is_text(k.ring.keys[GW_TOKEN_PREVIOUS], "P" STRONG));
        assert_true(gw_str_eq(gw_secret_bytes(k.upstream_next), GW_STR("N" OTHER)));
        put(rows[i][0], "same-" STRONG, 0600);
        put(rows[i][1], "same-" STRONG, 0600);
        assert_int_equal(load(&minted, &again, NULL), GW_EINVAL);
    }
}

static void a_secret_by_environment_is_no_ed25519_key(void **state)
{
    gw_auto(gw_keys) struct gw_keys k = {0};
    struct gw_settings eddsa = settings;
    const struct gw_keys_source source = {home, &eddsa, NULL, fake_env};
    (void)state;
    eddsa.token_algorithm = GW_TOKEN_SETTING_EDDSA;
    env_secret = STRONG;
    assert_int_equal(gw_keys_load(&source, &k, NULL), GW_EINVAL);
}

static void files_named_within_home_are_ours(void **state)
{
    static const struct {
        struct gw_str name;
        bool ours;
    } rows[] = {{GW_STR("keys/token.key"), true}, {GW_STR("token.key"), true},     {GW_STR("/run/secrets/jwt"), false},
                {GW_STR("../token.key"), false},  {GW_STR("keys/../../k"), false}, {GW_STR(""), false}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(gw_keys_file_is_ours(rows[i].name), rows[i].ours);
}

static void a_missing_file_is_told_with_its_name(void **state)
{
    gw_auto(gw_keys) struct gw_keys k = {0};
    struct gw_error err = {0};
    char path[128];
    (void)state;
    (void)snprintf(path, sizeof(path), "%s/token.key", home);
    (void)unlink(path);
    assert_int_equal(load(&minted, &k, &err), GW_ENOTFOUND);
    assert_non_null(strstr(err.msg, path));
}

static void a_variable_becomes_a_file_that_only_the_owner_reads(void **state)
{
    gw_auto(gw_secret) struct gw_secret *read_back = NULL;
    struct gw_error err = {0};
    struct stat st;
    char path[128];
    (void)state;
    assert_int_equal(setenv("JWT_SECRET", STRONG, 1), 0);
    const char *in_place = getenv("JWT_SECRET");
    if (gw_keys_stash_environment(home, geteuid(), &err) != GW_OK)
        fail_msg("%s", err.msg);
    assert_null(getenv("JWT_SECRET"));
    assert_null(strstr(in_place, "kJ8s")); /* where /proc/PID/environ shows it */
    (void)snprintf(path, sizeof(path), "%s/keys/token.key", home);
    assert_string_equal(getenv("JWT_SECRET_FILE"), path);
    assert_int_equal(gw_secret_load(path, &read_back, &err), GW_OK);
    assert_true(gw_str_eq(gw_secret_bytes(read_back), GW_STR(STRONG)));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    assert_int_equal(setenv("JWT_SECRET", "weak", 1), 0);
    assert_int_equal(gw_keys_stash_environment(home, geteuid(), &err), GW_EINVAL);
    assert_int_equal(unsetenv("JWT_SECRET"), 0);
    assert_int_equal(gw_keys_stash_environment(home, geteuid(), &err), GW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both_are_read_without_the_final_newline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_backend_without_credential_needs_no_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_environment_comes_before_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_fit_is_refused_and_the_secret_is_not_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_fixed_credential_is_measured_by_its_kind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_generation_and_the_staged_secret_must_differ, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_secret_by_environment_is_no_ed25519_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_named_within_home_are_ours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_file_is_told_with_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_variable_becomes_a_file_that_only_the_owner_reads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
