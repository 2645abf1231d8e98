/* SPDX-License-Identifier: Apache-2.0 */
/* Keys exchanged under a whole application, by an injected clock. */
#include "control/dispatch.h"
#include "control/rotation.h"
#include "control/test_home.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KEK "4d1f9b0a7c3e5d286fa1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f607"
#define PASSWORD "Correct-Horse-7"
#define TTL_S (24 * 3600)
#define STRONG "Zr4_wX9vB-7nM1sK5dF8gH2jL6pO0iUyTq"

static struct gw_test_home home;
static struct gw_app *app;

static int set_up(void **state)
{
    (void)state;
    gw_test_home_make(&home);
    gw_test_home_put(&home, "keys/encryption.key", KEK "\n");
    app = gw_test_home_open(&home);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gw_app_close(app);
    gw_test_home_remove(&home);
    return 0;
}

static unsigned call(enum gw_caller_kind kind, const char *method, const char *path, const char *token,
                     const char *body, json_t **out)
{
    struct gw_call c = {.kind = kind, .method = gw_str(method), .path = gw_str(path), .token = gw_str(token)};
    struct gw_reply reply;
    c.body = gw_str(body);
    assert_int_equal(gw_ip_parse(GW_STR("192.0.2.7"), &c.address), GW_OK);
    gw_dispatch(app, &c, &reply);
    unsigned status = reply.status;
    if (out != NULL)
        *out = json_incref(reply.body);
    gw_reply_done(&reply);
    return status;
}

static void add_user(void)
{
    assert_int_equal(call(GW_CALLER_OPERATOR, "POST", "/aaiti/v1/users", "",
                          "{\"username\":\"ann\",\"role\":\"trader\",\"password\":\"" PASSWORD "\"}", NULL),
                     201);
}

/* The caller frees. */
static char *sign_in(void)
{
    gw_auto_json json_t *body = NULL;
    assert_int_equal(call(GW_CALLER_CLIENT, "POST", "/api/auth/login", "",
                          "{\"username\":\"ann\",\"password\":\"" PASSWORD "\"}", &body),
                     200);
    char *token = strdup(json_string_value(json_object_get(body, "token")));
    assert_non_null(token);
    return token;
}

static unsigned profile(const char *token)
{
    return call(GW_CALLER_CLIENT, "GET", "/api/auth/profile", token, "", NULL);
}

static enum gw_code rotate(enum gw_rotation_haste haste, struct gw_error *err)
{
    enum gw_rotation_told told = GW_TOLD;
    enum gw_code code = gw_rotation_sign(app, haste, &told, err);
    if (code == GW_OK)
        assert_int_equal(told, GW_NOBODY_TOLD); /* no doorbell here */
    return code;
}

static bool has_previous(void)
{
    gw_app_hold_keys(app);
    bool has = gw_app_ring(app)->keys[GW_TOKEN_PREVIOUS] != NULL;
    gw_app_release_keys(app);
    return has;
}

static void the_previous_key_lives_as_long_as_its_tokens(void **state)
{
    struct gw_error err = {0};
    (void)state;
    add_user();
    char *old = sign_in();
    assert_int_equal(rotate(GW_ROTATE_IN_TURN, &err), GW_OK);
    char *fresh = sign_in();
    assert_int_equal(profile(old), 200);
    assert_int_equal(profile(fresh), 200);
    gw_fake_clock_advance(&home.clock, (TTL_S - 1) * INT64_C(1000));
    assert_int_equal(rotate(GW_ROTATE_IN_TURN, &err), GW_ECONFLICT);
    assert_non_null(strstr(err.msg, "--force"));
    assert_int_equal(gw_rotation_expire(app, &err), GW_OK);
    assert_true(has_previous());
    assert_int_equal(profile(old), 200);
    gw_fake_clock_advance(&home.clock, 61 * 1000);
    assert_int_equal(gw_rotation_expire(app, &err), GW_OK);
    assert_false(has_previous());
    assert_int_equal(gw_rotation_expire(app, &err), GW_OK);
    assert_int_equal(rotate(GW_ROTATE_IN_TURN, &err), GW_OK);
    free(old);
    free(fresh);
}

static void force_ends_the_oldest_tokens_alone(void **state)
{
    struct gw_error err = {0};
    (void)state;
    add_user();
    char *first = sign_in();
    assert_int_equal(rotate(GW_ROTATE_IN_TURN, &err), GW_OK);
    char *second = sign_in();
    assert_int_equal(rotate(GW_ROTATE_NOW, &err), GW_OK);
    char *third = sign_in();
    assert_int_equal(profile(first), 401);
    assert_int_equal(profile(second), 200);
    assert_int_equal(profile(third), 200);
    free(first);
    free(second);
    free(third);
}

static void a_rotation_outlives_reload_and_restart(void **state)
{
    struct gw_error err = {0};
    (void)state;
    add_user();
    char *old = sign_in();
    assert_int_equal(rotate(GW_ROTATE_IN_TURN, &err), GW_OK);
    char *fresh = sign_in();
    assert_int_equal(call(GW_CALLER_OPERATOR, "POST", "/aaiti/v1/policy/reload", "", "", NULL), 200);
    assert_int_equal(profile(old), 200);
    assert_int_equal(profile(fresh), 200);
    gw_app_close(app);
    app = gw_test_home_open(&home);
    assert_int_equal(profile(old), 200);
    assert_int_equal(profile(fresh), 200);
    assert_int_equal(rotate(GW_ROTATE_IN_TURN, &err), GW_ECONFLICT);
    free(old);
    free(fresh);
}

static void a_next_key_that_workers_never_read_does_not_sign(void **state)
{
    struct gw_error err = {0};
    char next[128];
    (void)state;
    (void)snprintf(next, sizeof(next), "%s/keys/token.key.next", home.path);
    assert_int_equal(unlink(next), 0);
    assert_int_equal(rotate(GW_ROTATE_IN_TURN, &err), GW_ECONFLICT);
    assert_false(has_previous());
    assert_int_equal(rotate(GW_ROTATE_IN_TURN, &err), GW_OK);
}

static void keys_are_listed_without_a_secret(void **state)
{
    gw_auto_json json_t *body = NULL;
    struct gw_error err = {0};
    (void)state;
    assert_int_equal(rotate(GW_ROTATE_IN_TURN, &err), GW_OK);
    assert_int_equal(call(GW_CALLER_OPERATOR, "GET", "/aaiti/v1/keys", "", "", &body), 200);
    const json_t *keys = json_object_get(json_object_get(body, "signing"), "keys");
    assert_int_equal(json_array_size(keys), 3);
    assert_string_equal(json_string_value(json_object_get(json_array_get(keys, 2), "generation")), "previous");
    assert_true(json_is_string(json_object_get(json_array_get(keys, 2), "until")));
    char *text = json_dumps(body, 0);
    assert_non_null(text);
    assert_null(strstr(text, "kJ8s")); /* how the keys of this home begin */
    assert_null(strstr(text, "Zq3_"));
    free(text);
    assert_int_equal(call(GW_CALLER_CLIENT, "GET", "/aaiti/v1/keys", "", "", NULL), 401);
}

static void an_upstream_secret_is_staged_finished_and_judged(void **state)
{
    static const struct {
        const char *secret;
        enum gw_code code;
    } rows[] = {
        {"Vx7-q", GW_EINVAL},
        {"kJ8s-2mQx7Vd_0aLwZ4pTn9cYb1rEoGh", GW_EINVAL}, /* the token key */
        {"Zq3_wX9vB-7nM1sK5dF8gH2jL6pO0iUy", GW_EINVAL}, /* the one in use */
        {KEK, GW_EINVAL},                                /* no worker may come to hold it */
        {STRONG, GW_OK},
        {"1" STRONG, GW_OK}, /* in place of the one before */
    };
    enum gw_rotation_told told;
    struct gw_error err = {0};
    (void)state;
    gw_test_home_settings(&home, "upstream: { key_file: upstream.key }\n");
    assert_int_equal(call(GW_CALLER_OPERATOR, "POST", "/aaiti/v1/policy/reload", "", "", NULL), 200);
    assert_int_equal(gw_rotation_finish_upstream(app, &told, &err), GW_ECONFLICT);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (gw_rotation_stage_upstream(app, gw_str(rows[i].secret), &told, &err) != rows[i].code)
            fail_msg("row %zu: %s", i, err.msg);
        assert_null(strstr(err.msg, rows[i].secret));
    }
    assert_int_equal(call(GW_CALLER_OPERATOR, "POST", "/aaiti/v1/policy/reload", "", "", NULL), 200);
    assert_int_equal(gw_rotation_finish_upstream(app, &told, &err), GW_OK);
    assert_int_equal(gw_rotation_finish_upstream(app, &told, &err), GW_ECONFLICT);
    assert_int_equal(gw_rotation_stage_upstream(app, GW_STR("1" STRONG), &told, &err),
                     GW_EINVAL); /* it is current now */
}

/* "1:opening 2:sealing " */
static void assert_data_keys(const json_t *answer, const char *want)
{
    char text[256] = "";
    size_t i, n = 0;
    json_t *k;
    json_array_foreach (json_object_get(json_object_get(answer, "data"), "keys"), i, k)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%d:%s ", (int)json_integer_value(json_object_get(k, "id")),
                              json_string_value(json_object_get(k, "state")));
    assert_string_equal(text, want);
}

static void a_data_key_is_rotated_by_an_operator_alone(void **state)
{
    gw_auto_json json_t *rotated = NULL, *listed = NULL;
    (void)state;
    assert_int_equal(call(GW_CALLER_CLIENT, "POST", "/aaiti/v1/keys/data/rotate", "", "", NULL), 401);
    assert_int_equal(call(GW_CALLER_OPERATOR, "POST", "/aaiti/v1/keys/data/rotate", "", "", &rotated), 200);
    assert_data_keys(rotated, "1:opening 2:sealing ");
    assert_int_equal(call(GW_CALLER_OPERATOR, "GET", "/aaiti/v1/keys", "", "", &listed), 200);
    assert_data_keys(listed, "1:opening 2:sealing ");
    char *text = json_dumps(listed, 0);
    assert_null(strstr(text, "4d1f9b0a"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_previous_key_lives_as_long_as_its_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(force_ends_the_oldest_tokens_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_rotation_outlives_reload_and_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_next_key_that_workers_never_read_does_not_sign, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keys_are_listed_without_a_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_data_key_is_rotated_by_an_operator_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_upstream_secret_is_staged_finished_and_judged, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
