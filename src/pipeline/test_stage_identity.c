/* SPDX-License-Identifier: Apache-2.0 */
/* What the backend and control see of the client: a minted token, a fixed credential, or the client's own. */
#include "pipeline/test_cast.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

static void test_backend_sees_a_minted_token_and_nothing_of_ours(void **state)
{
    (void)state;
    const struct gw_decision *d =
        ASK("GET", "/api/bots", bearer(TRADER), line("cookie: theme=dark; __Host-aaiti_session=", "x"), "x-user-id: 1",
            "accept: */*");
    assert_passed(d);
    assert_true(gw_rig_dropped(&rig, "cookie"));
    assert_true(gw_rig_dropped(&rig, "x-user-id"));
    assert_false(gw_rig_dropped(&rig, "accept"));
    assert_true(gw_str_eq(d->cookie, GW_STR("theme=dark")));
    assert_true(gw_str_eq(d->user, GW_STR("user2")));
    assert_true(gw_str_eq(d->credential_name, GW_STR("Authorization")));
    assert_true(gw_str_starts(d->credential, GW_STR("Bearer ")));
}

static json_t *claims_of(struct gw_str credential)
{
    struct gw_secret *key = NULL;
    struct gw_jwt_verifier *verifier = NULL;
    struct gw_str token = gw_str_sub(credential, 7, credential.len), rest = token, part;
    gw_auto(gw_token_ring) struct gw_token_ring ring = {0};
    assert_int_equal(gw_secret_load(rig.upstream_key_file, &key, NULL), GW_OK);
    assert_int_equal(gw_token_key_new(GW_TOKEN_KEY_HS256, key, GW_STR("k"), &ring.keys[GW_TOKEN_CURRENT], NULL), GW_OK);
    const struct gw_jwt_profile any = {.issuer = GW_STR("i"), .audience = GW_STR("a")};
    assert_int_equal(gw_jwt_verifier_new(&ring, &any, &verifier, NULL), GW_OK);
    assert_int_equal(gw_jwt_verify_signature(verifier, token), GW_JWT_OK);
    gw_jwt_verifier_free(verifier);
    gw_secret_free(key);
    assert_true(gw_str_split(&rest, '.', &part) && gw_str_split(&rest, '.', &part));
    char json[1024];
    size_t n;
    json_t *claims = NULL;
    assert_int_equal(gw_base64url_decode(part, json, sizeof(json), &n), GW_OK);
    assert_int_equal(gw_json_parse((struct gw_str){json, n}, GW_JSON_DEFAULT_LIMITS, &claims, NULL), GW_OK);
    return claims;
}

static int64_t number(const json_t *claims, const char *name)
{
    return json_integer_value(json_object_get(claims, name));
}

static void test_minted_token_verifies_with_the_upstream_key_alone(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK("GET", "/api/bots", bearer(TRADER));
    assert_passed(d);
    gw_auto_json json_t *claims = claims_of(d->credential);
    assert_string_equal(json_string_value(json_object_get(claims, "userId")), "up-2");
    assert_string_equal(json_string_value(json_object_get(claims, "username")), "user2");
    assert_string_equal(json_string_value(json_object_get(claims, "role")), "trader");
    assert_int_equal(number(claims, "iat"), GW_RIG_NOW_S);
    assert_int_equal(number(claims, "exp"), GW_RIG_NOW_S + 60);
    assert_int_equal(json_object_size(claims), 5);
}

static void test_minted_token_is_kept_for_three_quarters_of_its_life(void **state)
{
    (void)state;
    static const struct {
        int64_t at_s, iat_s;
    } rows[] = {{0, 0}, {1, 0}, {44, 0}, {45, 45}, {89, 45}, {90, 90}, {80, 80} /* a clock set back */};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rig.clock.real_now_ms = (GW_RIG_NOW_S + rows[i].at_s) * 1000;
        gw_auto_json json_t *claims = claims_of(ASK("GET", "/api/bots", bearer(TRADER))->credential);
        assert_int_equal(number(claims, "iat"), GW_RIG_NOW_S + rows[i].iat_s);
    }
    change_user(TRADER, "admin", 1);
    gw_auto_json json_t *claims = claims_of(ASK("GET", "/api/bots", bearer(TRADER))->credential);
    assert_string_equal(json_string_value(json_object_get(claims, "role")), "admin");
}

static const char other_claims[] = "upstream:\n"
                                   "  url: http://127.0.0.1:5000\n"
                                   "  credential: {mint: hs256, key_file: k, claims: {who: {literal: everybody}}}\n"
                                   "roles: {trader: {permissions: ['x:read']}}\n"
                                   "routes: [{match: 'GET /api/bots', access: signed-in}]\n";

static void test_a_kept_token_ends_with_its_bundle(void **state)
{
    (void)state;
    assert_passed(ASK("GET", "/api/bots", bearer(TRADER)));
    gw_rig_publish(&rig, SECOND_HASH, NULL, other_claims);
    load_and_install();
    const struct gw_decision *d = ASK("GET", "/api/bots", bearer(TRADER));
    assert_passed(d);
    gw_auto_json json_t *claims = claims_of(d->credential);
    assert_string_equal(json_string_value(json_object_get(claims, "who")), "everybody");
    assert_null(json_object_get(claims, "userId"));
}

static void test_control_gets_the_clients_own_credential(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK("GET", "/api/auth/profile", bearer(VIEWER), cookie(VIEWER), "x-user-role: admin");
    assert_int_equal(d->action, GW_CONTROL);
    assert_true(gw_str_eq(d->target, GW_STR("/api/auth/profile")));
    assert_false(gw_rig_dropped(&rig, "authorization"));
    assert_false(gw_rig_dropped(&rig, "cookie"));
    assert_true(gw_rig_dropped(&rig, "x-user-role"));
    assert_int_equal(d->credential.len, 0);
    assert_int_equal(d->cookie.len, 0);
}

/* ---- fixed credentials ---- */

#define WITH_CREDENTIAL(text)                                          \
    "upstream: {url: 'http://127.0.0.1:5000', credential: " text "}\n" \
    "roles: {trader: {permissions: ['x:read']}}\n"                     \
    "routes: [{match: 'GET /api/bots', access: signed-in}]\n"

static const char basic_policy[] = WITH_CREDENTIAL("{basic: {key_file: k}}");
static const char header_policy[] = WITH_CREDENTIAL("{header: {name: X-Api-Key, key_file: k}}");

/* The rig's gate with another upstream key, as a restart makes it; what a worker then says of the policy. */
static enum gw_code restart_with(const char *key, const char *policy, struct gw_snapshot **out, struct gw_error *err)
{
    FILE *f = fopen(rig.upstream_key_file, "we");
    assert_non_null(f);
    fputs(key, f);
    fclose(f);
    gw_gate_free(rig.gate);
    rig.gate = NULL;
    const struct gw_gate_options options = gw_rig_options(&rig);
    GW_TRY(gw_gate_new(&options, &rig.gate, err));
    rig.gate->clock = &rig.clock.clock;
    GW_TRY(gw_gate_start(rig.gate, err));
    gw_rig_publish(&rig, SECOND_HASH, NULL, policy);
    return gw_gate_load(rig.gate, out, err);
}

static void test_a_fixed_credential_may_be_short(void **state)
{
    (void)state;
    static const struct {
        const char *key, *policy, *name, *value;
    } rows[] = {
        {"bot:pw\n", basic_policy, "Authorization", "Basic Ym90OnB3"},
        {"Aladdin:open sesame\n", basic_policy, "Authorization",
         "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, /* RFC 7617 section 2 */
        {"a:\xff\xfe\xfb\n", basic_policy, "Authorization", "Basic YTr//vs="},
        {"k1\n", header_policy, "X-Api-Key", "k1"},
        {"two words", header_policy, "X-Api-Key", "two words"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_snapshot *s = NULL;
        struct gw_error err = {.msg = ""};
        if (restart_with(rows[i].key, rows[i].policy, &s, &err) != GW_OK)
            fail_msg("row %zu: %s", i, err.msg);
        gw_gate_install(rig.gate, s);
        const struct gw_decision *d = ASK("GET", "/api/bots", bearer(TRADER), line(rows[i].name, ": of the client"));
        if (strcmp(rows[i].name, "Authorization") == 0)
            d = ASK("GET", "/api/bots", bearer(TRADER));
        assert_passed(d);
        assert_true(gw_str_eq(d->credential_name, gw_str(rows[i].name)));
        assert_true(gw_str_eq(d->credential, gw_str(rows[i].value)));
        tear_down(NULL);
        set_up(NULL);
    }
}

static void test_a_credential_that_does_not_fit_is_refused_before_it_is_used(void **state)
{
    (void)state;
    static const struct {
        const char *key, *policy;
    } rows[] = {
        {"secret-Wq7", NULL}, /* a key that signs must be strong */
        {"secret-Wq7 without a colon", basic_policy},
        {"bot:secret-Wq7\r\nX-User-Role: admin", basic_policy},
        {"secret-Wq7\r\nX-User-Role: admin", header_policy},
        {"secret-Wq7\n\n", header_policy},
        {"secret-Wq7\x7f", header_policy},
        {"secret-Wq7\t", header_policy},
        {" secret-Wq7", header_policy},
        {"\n", header_policy},
        {"", basic_policy},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_snapshot *s = NULL;
        struct gw_error err = {.msg = ""};
        if (restart_with(rows[i].key, rows[i].policy, &s, &err) != GW_EINVAL)
            fail_msg("row %zu: accepted", i);
        assert_null(s);
        assert_null(strstr(err.msg, "secret-Wq7"));
        tear_down(NULL);
        set_up(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_backend_sees_a_minted_token_and_nothing_of_ours),
        CASE(test_minted_token_verifies_with_the_upstream_key_alone),
        CASE(test_minted_token_is_kept_for_three_quarters_of_its_life),
        CASE(test_a_kept_token_ends_with_its_bundle),
        CASE(test_control_gets_the_clients_own_credential),
        CASE(test_a_fixed_credential_may_be_short),
        CASE(test_a_credential_that_does_not_fit_is_refused_before_it_is_used),
    };
    return cmocka_run_group_tests_name("pipeline/stage_identity", tests, NULL, NULL);
}
