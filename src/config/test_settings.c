/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settings.h"
#include "config/test_refusals.h"

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
    struct gw_settings s;
    char path[32];
};

static int set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof(*x));
    gw_arena_init(&x->arena, 32u << 20);
    assert_int_equal(gw_faults_new(&x->faults, NULL), GW_OK);
    strcpy(x->path, "/tmp/gw-test-settings-XXXXXX");
    int fd = mkstemp(x->path);
    assert_true(fd >= 0);
    close(fd);
    *state = x;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *x = *state;
    unlink(x->path);
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

static void load(struct fixture *x, const char *text, gw_getenv_fn env)
{
    FILE *file = fopen(x->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    renew_faults(&x->faults);
    gw_settings_load(x->path, env, &x->arena, &x->s, x->faults);
}

static void the_algorithm_chooses_the_key_file_where_none_is_named(void **state)
{
    struct fixture *x = *state;
    load(x, "token: {algorithm: EdDSA}\n", no_env);
    assert_int_equal(gw_faults_count(x->faults), 0);
    assert_int_equal(x->s.token_algorithm, GW_TOKEN_SETTING_EDDSA);
    assert_string_equal(x->s.token_key_file.ptr, "keys/token-ed25519.key");
    load(x, "token: {algorithm: EdDSA, key_file: k}\n", no_env);
    assert_string_equal(x->s.token_key_file.ptr, "k");
    load(x, "token: {algorithm: none}\n", no_env);
    assert_int_equal(gw_faults_count(x->faults), 1);
    load(x, "", no_env);
    assert_int_equal(x->s.token_algorithm, GW_TOKEN_SETTING_HS256);
    assert_string_equal(x->s.token_key_file.ptr, "keys/token.key");
}

static void defaults_are_good(void **state)
{
    struct fixture *x = *state;
    gw_settings_load(NULL, no_env, &x->arena, &x->s, x->faults);
    assert_int_equal(gw_faults_count(x->faults), 0);
    assert_int_equal(x->s.environment, GW_ENV_DEVELOPMENT);
    assert_string_equal(x->s.listen.ptr, "127.0.0.1:8443");
    assert_int_equal(x->s.token_ttl_ms, 86400000);
    assert_int_equal(x->s.session_absolute_ms, 7 * 86400000);
    assert_int_equal(x->s.session_at_limit, GW_SESSION_EVICT_OLDEST);
    assert_int_equal(x->s.password_profile, GW_PASSWORD_GUIDE);
    assert_int_equal(x->s.argon2_memory_bytes, 19 * 1048576);
    assert_int_equal(x->s.body_max_bytes, 1048576);
    assert_false(x->s.register_enabled);
}

static const char *guide_env(const char *name)
{
    static const char *const variables[][2] = {
        {"NODE_ENV", "production"},
        {"JWT_EXPIRES_IN", "3600"},
        {"JWT_SECRET_FILE", "/run/secrets/jwt"},
        {"SSL_CERT_PATH", "/c.pem"},
        {"SSL_KEY_PATH", "/k.pem"},
        {"SSL_CA_PATH", "/ca.pem"},
        {"ALLOWED_ORIGINS", "https://a.example,https://b.example:8443"},
        {"PRODUCTION_DOMAIN", "https://c.example"},
        {"STAGING_DOMAIN", "https://d.example"},
    };
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        if (strcmp(variables[i][0], name) == 0)
            return variables[i][1];
    return NULL;
}

static void the_guides_variables_override_the_file(void **state)
{
    struct fixture *x = *state;
    load(x, "environment: development\ntoken: {ttl: 2h, key_file: k}\n", guide_env);
    assert_int_equal(gw_faults_count(x->faults), 0);
    assert_int_equal(x->s.environment, GW_ENV_PRODUCTION);
    assert_int_equal(x->s.token_ttl_ms, 3600000);
    assert_string_equal(x->s.token_key_file.ptr, "/run/secrets/jwt");
    assert_string_equal(x->s.tls_certificate.ptr, "/c.pem");
    assert_string_equal(x->s.tls_key.ptr, "/k.pem");
    assert_string_equal(x->s.tls_client_ca.ptr, "/ca.pem");
    assert_int_equal(x->s.tls_client_certificates, GW_CLIENT_CERTIFICATES_OPTIONAL);
    struct gw_option_strings lists[GW_ORIGIN_LISTS];
    assert_int_equal(gw_settings_origins(&x->s, lists), 3);
    assert_int_equal(lists[0].count, 2);
    assert_string_equal(lists[0].item[1].ptr, "https://b.example:8443");
    assert_string_equal(lists[1].item[0].ptr, "https://c.example");
    assert_string_equal(lists[2].item[0].ptr, "https://d.example");
    x->s.environment = GW_ENV_DEVELOPMENT;
    assert_int_equal(gw_settings_origins(&x->s, lists), 1);
}

static void clients_are_asked_for_certificates_where_an_authority_is_named(void **state)
{
    static const struct {
        const char *text;
        enum gw_client_certificates wanted;
    } cases[] = {
        {"", GW_CLIENT_CERTIFICATES_OFF},
        {"tls: {client_ca: ca.pem}\n", GW_CLIENT_CERTIFICATES_OPTIONAL},
        {"tls: {client_ca: ca.pem, client_certificates: off}\n", GW_CLIENT_CERTIFICATES_OFF},
        {"tls: {client_ca: ca.pem, client_certificates: required}\n", GW_CLIENT_CERTIFICATES_REQUIRED},
    };
    struct fixture *x = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        load(x, cases[i].text, no_env);
        assert_int_equal(gw_faults_count(x->faults), 0);
        assert_int_equal(x->s.tls_client_certificates, cases[i].wanted);
    }
}

static void no_origin_is_listed_by_default(void **state)
{
    struct fixture *x = *state;
    struct gw_option_strings lists[GW_ORIGIN_LISTS];
    load(x, "environment: production\n", no_env);
    for (size_t i = 0; i < gw_settings_origins(&x->s, lists); i++)
        assert_int_equal(lists[i].count, 0);
}

static void origins_are_exact_and_in_production_not_exposed(void **state)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *message; /* NULL: good */
    } cases[] = {
        {"cors: {origins: [http://app.example]}\n", 0, NULL},
        {"cors: {origins: 'https://a.example, http://localhost:3000'}\n", 0, NULL},
        {"cors:\n  origins:\n    - https://a.example\n    - https://b.example/\n", 4,
         "cors.origins: expected an origin, with nothing behind"},
        {"cors: {origins: ['*']}\n", 1, "no wildcards"},
        {"cors: {origins: ['null']}\n", 1, "sandbox"},
        {"cors: {origins: 'https://a.example,,https://b.example'}\n", 1, "not \"\""},
        {"cors: {staging: staging.example}\n", 1, "cors.staging: expected an origin such as"},
        {"environment: production\ncors: {origins: [https://a.example, http://app.example]}\n", 2,
         "expected https in production, not \"http://app.example\""},
        {"environment: production\ncors: {origins: [http://localhost:3000, 'http://127.0.0.1']}\n", 0, NULL},
        {"environment: production\n\ncors.production: http://app.example\n", 3, "cors.production: expected https"},
    };
    struct fixture *x = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        load(x, cases[i].text, no_env);
        if (gw_faults_count(x->faults) != (cases[i].message != NULL))
            fail_msg("%s: %zu faults", cases[i].text, gw_faults_count(x->faults));
        if (cases[i].message == NULL)
            continue;
        assert_int_equal(gw_faults_get(x->faults, 0)->line, cases[i].line);
        if (strstr(gw_faults_get(x->faults, 0)->message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].text, gw_faults_get(x->faults, 0)->message);
    }
    char many[4096] = "cors.origins: [https://a.example";
    for (int i = 0; i < GW_ORIGINS_MAX; i++)
        strcat(many, ", https://a.example");
    strcat(many, "]\n");
    load(x, many, no_env);
    assert_int_equal(gw_faults_count(x->faults), 1);
    assert_string_equal(gw_faults_get(x->faults, 0)->message, "cors.origins: expected at most 64 origins");
}

static void listen_takes_addresses_with_a_port(void **state)
{
    static const char *const good[] = {"127.0.0.1:8443", "0.0.0.0:1", "\"[::1]:65535\"", "\"[2001:db8::1]:443\""};
    static const char *const bad[] = {
        "8443",
        "localhost:8443",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:08443",
        "\"::1:8443\"",
        "\"[::1]\"",
        "\"[::1]8443\"",
        "\"[::1:8443\"",
        "\"[127.0.0.1]:80\"",
        "\":8443\"",
        "127.0.0.1:80;",
        "127.0.0.1:+80",
        "\"127.0.0.1: 80\"",
        "\"*:80\"",
        "\"\"",
        "\"[\"",
        "\"[]:80\"",
    };
    struct fixture *x = *state;
    char text[64];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(text, sizeof(text), "listen: %s\n", good[i]);
        load(x, text, no_env);
        if (gw_faults_count(x->faults) != 0)
            fail_msg("%s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "\nlisten: %s\n", bad[i]);
        load(x, text, no_env);
        if (gw_faults_count(x->faults) != 1 || gw_faults_get(x->faults, 0)->line != 2)
            fail_msg("%s", bad[i]);
    }
}

static const struct gw_faults *read_wrong(void *ctx, const char *text)
{
    struct fixture *x = ctx;
    load(x, text, no_env);
    if (gw_faults_count(x->faults) != 1)
        fail_msg("%s: %zu faults", text, gw_faults_count(x->faults));
    return x->faults;
}

static void what_cannot_stand_together_is_refused(void **state)
{
    static const struct fault_case cases[] = {
        {"session:\n  idle: 8d\n", 2, "session.idle: expected at most session.absolute"},
        {"session: {absolute: 1h, idle: 1h}\n", 0, "token.ttl: expected at most session.absolute"},
        {"token.ttl: 8d\n", 1, "token.ttl: expected at most"},
        {"login: {queue: 4}\n", 0, "login.queue_per_address"},
        {"login: {window: 30m}\n", 1, "login.window"},
        {"login: {waiting: 4}\n", 0, "login.waiting_per_address"},
        {"login: {delay_max: 100ms}\n", 0, "login.delay"},
        {"token.leeway: 61s\n", 1, "0ms to 1m"},
        {"password.argon2_memory: 18MiB\n", 1, "19MiB to 1GiB"},
        {"password.argon2_passes: 1\n", 1, "2 to 64"},
        {"self_test.path: api/bots\n", 1, "begins with /"},
        {"verify_proxies: [10.0.0.5]\n", 1, "verify_proxies: needs trusted_proxies"},
        {"run_dir: run\n", 1, "absolute"},
        {"session: {idel: 1h}\n", 1, "did you mean `session.idle`?"},
        {"tls:\n  client_certificates: required\n", 2, "tls.client_certificates: needs tls.client_ca"},
        {"tls:\n  client_certificates: optional\n", 2, "tls.client_certificates: needs tls.client_ca"},
        {"tls:\n  client_crl: crl.pem\n", 2, "tls.client_crl: needs tls.client_ca"},
        {"tls: {client_ca: ca.pem, client_depth: 9}\n", 1, "0 to 8"},
        {"tls: {client_ca: ca.pem, client_certificates: maybe}\n", 1, "off or optional or required or auto"},
        {"environment: staging\n", 1, "development or production"},
    };
    check_fault_cases(cases, sizeof(cases) / sizeof(cases[0]), read_wrong, *state);
}

static void effective_settings_read_back_the_same(void **state)
{
    struct fixture *x = *state;
    load(
        x,
        "trusted_proxies: [10.0.0.0/8]\nallow: [192.0.2.0/24]\nupstream.url: http://127.0.0.1:5001\nregister.enabled: true\n",
        guide_env);
    gw_auto(gw_buf) struct gw_buf first, second;
    gw_buf_init(&first, 65536);
    gw_buf_init(&second, 65536);
    gw_options_print(gw_settings_options, gw_settings_option_count, &x->s, &first);
    load(x, first.ptr, no_env);
    assert_int_equal(gw_faults_count(x->faults), 0);
    assert_int_equal(x->s.environment, GW_ENV_PRODUCTION);
    gw_options_print(gw_settings_options, gw_settings_option_count, &x->s, &second);
    assert_string_equal(first.ptr, second.ptr);
}

static void every_member_is_filled_by_one_row(void **state)
{
    (void)state;
    unsigned char covered[sizeof(struct gw_settings)] = {0};
    static const size_t sizes[] = {
        [GW_OPT_STRING] = sizeof(struct gw_str),
        [GW_OPT_INT] = 8,
        [GW_OPT_BYTES] = 8,
        [GW_OPT_DURATION] = 8,
        [GW_OPT_BOOL] = sizeof(bool),
        [GW_OPT_ENUM] = 4,
        [GW_OPT_CIDRS] = 16,
        [GW_OPT_STRINGS] = 16,
        [GW_OPT_ORIGINS] = 16,
    };
    size_t padding = 0;
    for (size_t i = 0; i < gw_settings_option_count; i++)
        for (size_t k = 0; k < sizes[gw_settings_options[i].type]; k++)
            assert_int_equal(covered[gw_settings_options[i].offset + k]++, 0);
    for (size_t i = 0; i < sizeof(covered); i++)
        padding += covered[i] == 0;
    /* After three ints and one bool, no more than these can be padding; a member without a row is at least 4 bytes. */
    assert_true(padding <= 4 + 4 + 4 + 7);
}

static void paths_are_relative_to_home(void **state)
{
    struct fixture *x = *state;
    assert_string_equal(gw_settings_path(&x->arena, "/h", GW_STR("keys/a")), "/h/keys/a");
    assert_string_equal(gw_settings_path(&x->arena, "/h", GW_STR("/etc/a")), "/etc/a");
    gw_auto(gw_arena) struct gw_arena none;
    gw_arena_init(&none, 0);
    assert_null(gw_settings_path(&none, "/h", GW_STR("a")));
}

static const char options_file[] = GW_SOURCE_DIR "/docs/options.md";

static void document(struct gw_buf *out)
{
    gw_buf_addf(
        out,
        "# Options of gateway.yaml\n\n"
        "Made from the option table in src/config/settings.c by `build-test/test_config_settings --write`; a test compares.\n"
        "A dotted key is a path of maps: `session: {idle: 24h}` or `session.idle: 24h`. An environment variable that is not\n"
        "empty wins over the file. Durations: `250ms 60s 15m 24h 7d`, a bare number is seconds; sizes: `512 64KiB 19MiB`. Relative file\n"
        "names are relative to the home directory.\n\n");
    gw_options_document(gw_settings_options, gw_settings_option_count, out);
}

static void the_document_is_the_table(void **state)
{
    (void)state;
    gw_auto(gw_buf) struct gw_buf expected;
    gw_buf_init(&expected, 65536);
    document(&expected);
    static char found[65536];
    FILE *file = fopen(options_file, "r");
    assert_non_null(file);
    found[fread(found, 1, sizeof(found) - 1, file)] = '\0';
    fclose(file);
    if (strcmp(found, expected.ptr) != 0)
        fail_msg("docs/options.md is out of date; run build-test/test_config_settings --write");
}

static int write_document(void)
{
    gw_auto(gw_buf) struct gw_buf text;
    gw_buf_init(&text, 65536);
    document(&text);
    FILE *file = fopen(options_file, "w");
    if (file == NULL)
        return 1;
    fputs(text.ptr, file);
    return fclose(file) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--write") == 0)
        return write_document();
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(defaults_are_good),
        CASE(the_algorithm_chooses_the_key_file_where_none_is_named),
        CASE(the_guides_variables_override_the_file),
        CASE(clients_are_asked_for_certificates_where_an_authority_is_named),
        CASE(no_origin_is_listed_by_default),
        CASE(origins_are_exact_and_in_production_not_exposed),
        CASE(listen_takes_addresses_with_a_port),
        CASE(what_cannot_stand_together_is_refused),
        CASE(effective_settings_read_back_the_same),
        CASE(every_member_is_filled_by_one_row),
        CASE(paths_are_relative_to_home),
        CASE(the_document_is_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
