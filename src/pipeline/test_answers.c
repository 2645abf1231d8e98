/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/answers.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID "0198c0de-0000-7000-8000-000000000001"

static json_t *parse(struct gw_str text)
{
    json_t *json = NULL;
    assert_int_equal(gw_json_parse(text, GW_JSON_DEFAULT_LIMITS, &json, NULL), GW_OK);
    return json;
}

static const char *member(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    assert_non_null(text);
    return text;
}

static void test_problem_says_status_and_title_only(void **state)
{
    (void)state;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 4096);
    assert_string_equal(gw_problem(GW_REASON_NO_PERMISSION, GW_STR(ID), GW_STR_NULL, &a).ptr,
                        "{\"type\":\"urn:aaiti:problem:forbidden\",\"title\":\"Forbidden\",\"status\":403,"
                        "\"instance\":\"urn:uuid:" ID "\",\"error\":\"Forbidden\"}");
    gw_auto_json json_t *no_id = parse(gw_problem(GW_REASON_INTERNAL, GW_STR_NULL, GW_STR_NULL, &a));
    assert_null(json_object_get(no_id, "instance"));
}

static void test_every_reason_is_a_problem(void **state)
{
    (void)state;
    for (int reason = 1; reason < GW_REASON_COUNT; reason++) {
        gw_auto(gw_arena) struct gw_arena a;
        gw_arena_init(&a, 4096);
        gw_auto_json json_t *json = parse(gw_problem((enum gw_reason)reason, GW_STR(ID), GW_STR_NULL, &a));
        assert_int_equal(json_integer_value(json_object_get(json, "status")), gw_reason_status((enum gw_reason)reason));
        assert_string_equal(member(json, "error"), member(json, "title"));
        assert_in_range(gw_reason_status((enum gw_reason)reason), 400, 503);
    }
}

/* A client must not learn which of several reasons it was. */
static void test_reasons_of_one_status_look_alike_where_they_must(void **state)
{
    (void)state;
    for (int reason = GW_REASON_ANONYMOUS; reason <= GW_REASON_USER_INACTIVE; reason++) {
        gw_auto(gw_arena) struct gw_arena a;
        gw_arena_init(&a, 4096);
        assert_true(gw_str_eq(gw_problem((enum gw_reason)reason, GW_STR(ID), GW_STR_NULL, &a),
                              gw_problem(GW_REASON_ANONYMOUS, GW_STR(ID), GW_STR_NULL, &a)));
    }
}

static void test_statuses_of_nginx_are_problems_too(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *type;
    } rows[] = {{400, "urn:aaiti:problem:bad-request"}, {404, "urn:aaiti:problem:not-found"},
                {413, "urn:aaiti:problem:too-large"},   {431, "urn:aaiti:problem:headers-too-large"},
                {409, "urn:aaiti:problem:conflict"},    {422, "urn:aaiti:problem:faulty-configuration"},
                {403, "urn:aaiti:problem:forbidden"},   {418, "urn:aaiti:problem:bad-request"},
                {500, "urn:aaiti:problem:internal"},    {503, "urn:aaiti:problem:unavailable"},
                {502, "urn:aaiti:problem:bad-gateway"}, {504, "urn:aaiti:problem:gateway-timeout"},
                {507, "urn:aaiti:problem:internal"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_arena) struct gw_arena a;
        gw_arena_init(&a, 4096);
        gw_auto_json json_t *json = parse(gw_problem_of_status(rows[i].status, GW_STR(ID), &a));
        assert_string_equal(member(json, "type"), rows[i].type);
        assert_int_equal(json_integer_value(json_object_get(json, "status")), rows[i].status);
    }
}

static void test_without_memory_there_is_no_problem_text(void **state)
{
    (void)state;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, 16);
    assert_null(gw_problem(GW_REASON_INTERNAL, GW_STR(ID), GW_STR_NULL, &a).ptr);
}

/* RFC 8037 appendix A.2 in JWK form; a secret is never among the keys. */
static void test_the_key_set_shows_public_keys_and_no_secret(void **state)
{
    static const struct {
        enum gw_token_key_kind kind;
        const char *text;
        size_t shown;
    } rows[] = {
        {GW_TOKEN_KEY_HS256, "kX3-9vQz_T7mWb2LpR8sYc5NfJ1hGd4K", 0},
        {GW_TOKEN_KEY_ED25519, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", 1},
        {GW_TOKEN_KEY_ED25519_PUBLIC, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_token_ring) struct gw_token_ring ring = {0};
        gw_auto(gw_arena) struct gw_arena a;
        gw_auto(gw_secret) struct gw_secret *text = NULL;
        struct gw_str body;
        gw_arena_init(&a, 4096);
        assert_int_equal(gw_secret_new(gw_str(rows[i].text), &text, NULL), GW_OK);
        assert_int_equal(gw_token_key_new(rows[i].kind, text, GW_STR_NULL, &ring.keys[GW_TOKEN_PREVIOUS], NULL), GW_OK);
        assert_int_equal(gw_jwks_body(&ring, &a, &body), GW_OK);
        gw_auto_json json_t *json = parse(body);
        const json_t *keys = json_object_get(json, "keys");
        assert_int_equal(json_array_size(keys), rows[i].shown);
        if (rows[i].shown == 0)
            continue;
        const json_t *jwk = json_array_get(keys, 0);
        assert_string_equal(member(jwk, "kty"), "OKP");
        assert_string_equal(member(jwk, "crv"), "Ed25519");
        assert_string_equal(member(jwk, "alg"), "EdDSA");
        assert_string_equal(member(jwk, "x"), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_string_equal(member(jwk, "kid"), gw_token_key_id(ring.keys[GW_TOKEN_PREVIOUS]).ptr);
        assert_int_equal(json_object_size(jwk), 6); /* and no d */
    }
}

static void test_health_tells_what_is_down(void **state)
{
    (void)state;
    static const struct {
        struct gw_health health;
        const char *status, *control;
    } rows[] = {
        {{true, true, 3}, "ok", "up"}, {{true, false, 3}, "degraded", "down"}, {{false, true, 3}, "degraded", "up"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_arena) struct gw_arena a;
        gw_arena_init(&a, 4096);
        struct gw_str body;
        assert_int_equal(gw_health_body(&rows[i].health, &a, &body), GW_OK);
        gw_auto_json json_t *json = parse(body);
        assert_string_equal(member(json, "status"), rows[i].status);
        assert_string_equal(member(json, "control"), rows[i].control);
        assert_string_equal(member(json, "version"), AAITI_VERSION);
        assert_int_equal(json_integer_value(json_object_get(json, "generation")), 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problem_says_status_and_title_only),
        cmocka_unit_test(test_every_reason_is_a_problem),
        cmocka_unit_test(test_reasons_of_one_status_look_alike_where_they_must),
        cmocka_unit_test(test_statuses_of_nginx_are_problems_too),
        cmocka_unit_test(test_without_memory_there_is_no_problem_text),
        cmocka_unit_test(test_the_key_set_shows_public_keys_and_no_secret),
        cmocka_unit_test(test_health_tells_what_is_down),
    };
    return cmocka_run_group_tests_name("pipeline/answers", tests, NULL, NULL);
}
