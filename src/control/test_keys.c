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
static const char *env_secret, *env_encryption;

static const char *fake_env(const char *name)
{
    if (strcmp(name, "ENCRYPTION_KEY") == 0)
        return env_encryption;
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
    env_secret = env_encryption = NULL;
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

static const struct gw_settings settings = {.token_key_file = {"token.key", 9},
                                            .encryption_key_file = {"encryption.key", 14},
                                            .request_id_key_file = {"request-id.key", 14}};
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

static void the_key_of_request_ids_is_made_when_it_is_ours_and_is_none_of_the_others(void **state)
{
    static const struct {
        const char *file, *same_as;
    } rows[] = {{"token.key", STRONG},   {"token.key.next", "N" STRONG},   {"token.key.previous", "P" STRONG},
                {"upstream.key", OTHER}, {"upstream.key.next", "N" OTHER}, {NULL, "too short"}};
    struct gw_settings absolute = settings;
    const struct gw_keys_source ours = {home, &settings, &minted, fake_env},
                                theirs = {home, &absolute, &minted, fake_env};
    gw_auto(gw_keys) struct gw_keys none = {0}, made = {0};
    (void)state;
    assert_int_equal(gw_keys_load(&ours, &none, NULL), GW_OK);
    assert_null(none.request_id);
    assert_int_equal(gw_keys_make_request_id(&ours, gw_system_random(), NULL), GW_OK);
    assert_int_equal(gw_keys_make_request_id(&ours, gw_system_random(), NULL), GW_ECONFLICT);
    assert_int_equal(gw_keys_load(&ours, &made, NULL), GW_OK);
    assert_non_null(made.request_id);
    assert_int_equal(gw_keys_check_encryption(made.request_id, &made, NULL), GW_EINVAL);
    absolute.request_id_key_file = GW_STR("/nonexistent/request-id.key");
    assert_int_equal(gw_keys_make_request_id(&theirs, gw_system_random(), NULL), GW_ECONFLICT);
    assert_int_equal(gw_keys_load(&theirs, &none, NULL), GW_ENOTFOUND);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_keys) struct gw_keys k = {0};
        struct gw_error err = {.msg = ""};
        put("request-id.key", rows[i].same_as, 0600);
        if (rows[i].file != NULL)
            put(rows[i].file, rows[i].same_as, 0600);
        assert_int_equal(gw_keys_load(&ours, &k, &err), GW_EINVAL);
        assert_non_null(strstr(err.msg, "request-id.key"));
        assert_null(strstr(err.msg, rows[i].same_as));
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

/* ---- the key-encryption key ---- */

#define KEK "4d1f9b0a7c3e5d286fa1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607"

static enum gw_code load_encryption(struct gw_secret **out, struct gw_error *err)
{
    gw_auto(gw_keys) struct gw_keys others = {0};
    const struct gw_keys_source source = {home, &settings, &minted, fake_env};
    assert_int_equal(gw_keys_load(&source, &others, err), GW_OK);
    return gw_keys_load_encryption(&source, &others, out, err);
}

static void the_encryption_key_comes_by_file_or_environment(void **state)
{
    gw_auto(gw_secret) struct gw_secret *none = NULL, *of_file = NULL, *of_environment = NULL;
    struct gw_error err = {0};
    (void)state;
    assert_int_equal(load_encryption(&none, &err), GW_ENOTFOUND);
    put("encryption.key", KEK "\n", 0600);
    assert_int_equal(load_encryption(&of_file, &err), GW_OK);
    assert_true(gw_str_eq(gw_secret_bytes(of_file), GW_STR(KEK)));
    env_encryption = "TR+bCnw+XShvobLD1OX2BxgpOktcbX6PkKGyw9Tl9gc=";
    assert_int_equal(load_encryption(&of_environment, &err), GW_OK);
    assert_true(gw_str_eq(gw_secret_bytes(of_environment), gw_str(env_encryption)));
}

static void an_encryption_key_that_is_not_fit_is_refused_with_what_mends_it(void **state)
{
    static const struct {
        const char *file, *environment, *token, *upstream, *mend;
        mode_t mode;
    } rows[] = {
        {"4d1f9b0a7c3e5d286fa1b2c3d4e5f607", NULL, STRONG, OTHER, "openssl rand -hex 32", 0600},
        {STRONG, NULL, "another-" OTHER, OTHER, "openssl rand -hex 32", 0600},
        {"", NULL, STRONG, OTHER, "encryption key", 0600},
        {KEK, NULL, STRONG, OTHER, "chmod 600", 0644},
        {KEK, "4d1f9b0a", STRONG, OTHER, "openssl rand -hex 32", 0600},
        {KEK, NULL, KEK, OTHER, "give those another", 0600},
        {KEK, NULL, STRONG, KEK, "give those another", 0600},
        {"4d1f", KEK, KEK, OTHER, "give those another", 0600},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_secret) struct gw_secret *s = NULL;
        struct gw_error err = {0};
        env_encryption = rows[i].environment;
        put("encryption.key", rows[i].file, rows[i].mode);
        put("token.key", rows[i].token, 0600);
        put("upstream.key", rows[i].upstream, 0600);
        if (load_encryption(&s, &err) != GW_EINVAL)
            fail_msg("row %zu was taken", i);
        if (strstr(err.msg, rows[i].mend) == NULL)
            fail_msg("row %zu: %s", i, err.msg);
        assert_null(strstr(err.msg, "4d1f"));
    }
}

static void an_encryption_key_is_made_in_the_home_alone(void **state)
{
    struct gw_settings elsewhere = settings;
    gw_auto(gw_secret) struct gw_secret *s = NULL;
    struct gw_error err = {0};
    const struct gw_keys_source ours = {home, &settings, NULL, fake_env}, theirs = {home, &elsewhere, NULL, fake_env};
    (void)state;
    elsewhere.encryption_key_file = GW_STR("/nowhere/encryption.key");
    assert_int_equal(gw_keys_make_encryption(&theirs, gw_system_random(), &err), GW_EINVAL);
    assert_non_null(strstr(err.msg, "openssl rand -hex 32 > /nowhere/encryption.key"));
    assert_int_equal(gw_keys_make_encryption(&ours, gw_system_random(), &err), GW_OK);
    assert_int_equal(load_encryption(&s, &err), GW_OK);
    assert_int_equal(gw_keys_make_encryption(&ours, gw_system_random(), &err), GW_ECONFLICT);
}

static void an_encryption_key_of_the_environment_becomes_a_file_too(void **state)
{
    gw_auto(gw_secret) struct gw_secret *read_back = NULL;
    char path[128];
    (void)state;
    assert_int_equal(setenv("ENCRYPTION_KEY", KEK, 1), 0);
    const char *in_place = getenv("ENCRYPTION_KEY");
    assert_int_equal(gw_keys_stash_environment(home, geteuid(), NULL), GW_OK);
    assert_null(getenv("ENCRYPTION_KEY"));
    assert_null(strstr(in_place, "4d1f"));
    assert_null(getenv("JWT_SECRET_FILE")); /* no JWT_SECRET was set */
    (void)snprintf(path, sizeof(path), "%s/keys/encryption.key", home);
    assert_string_equal(getenv("ENCRYPTION_KEY_FILE"), path);
    assert_int_equal(gw_secret_load(path, &read_back, NULL), GW_OK);
    assert_true(gw_str_eq(gw_secret_bytes(read_back), GW_STR(KEK)));
    assert_int_equal(setenv("ENCRYPTION_KEY", "4d1f", 1), 0);
    assert_int_equal(gw_keys_stash_environment(home, geteuid(), NULL), GW_EINVAL);
    gw_keys_scrub_environment();
    assert_null(getenv("ENCRYPTION_KEY"));
    assert_int_equal(unsetenv("ENCRYPTION_KEY_FILE"), 0);
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
        cmocka_unit_test_setup_teardown(the_key_of_request_ids_is_made_when_it_is_ours_and_is_none_of_the_others,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_secret_by_environment_is_no_ed25519_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_named_within_home_are_ours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_file_is_told_with_its_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_encryption_key_comes_by_file_or_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_encryption_key_that_is_not_fit_is_refused_with_what_mends_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_encryption_key_is_made_in_the_home_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_encryption_key_of_the_environment_becomes_a_file_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_variable_becomes_a_file_that_only_the_owner_reads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
