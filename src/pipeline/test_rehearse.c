/* SPDX-License-Identifier: Apache-2.0 */
/* A rehearsal says what the gate does: each row is asked of both. */
#include "pipeline/gate_rig.h"
#include "pipeline/rehearse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum who { NOBODY, ADMIN, TRADER, VIEWER, NO_ID, STRANGER, DISABLED };
#define ELSEWHERE "https://elsewhere.invalid"

static const struct {
    const char *role, *upstream_id;
    uint8_t active;
} users[] = {
    [NOBODY] = {"", "", 0},
    [ADMIN] = {"admin", "up-1", 1},
    [TRADER] = {"trader", "up-2", 1},
    [VIEWER] = {"viewer", "up-3", 1},
    [NO_ID] = {"trader", "", 1},
    [STRANGER] = {"astronaut", "up-5", 1},
    [DISABLED] = {"admin", "up-6", 0},
};

static struct gw_rig rig;
static struct gw_arena arena; /* of the last rehearsal */

static int set_up(void **state)
{
    (void)state;
    gw_rig_new(&rig, NULL);
    for (uint32_t n = ADMIN; n <= STRANGER; n++)
        gw_rig_put_user(&rig, n, users[n].role, users[n].upstream_id);
    for (uint32_t n = ADMIN; n <= DISABLED; n++)
        gw_rig_put_session(&rig, 10 + n, n);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gw_arena_done(&arena);
    gw_rig_free(&rig);
    return 0;
}

static struct gw_rehearsed rehearse(const char *method, const char *target, enum who who, enum gw_credential_kind by,
                                    const char *origin)
{
    gw_arena_done(&arena);
    gw_arena_init(&arena, (size_t)1 << 16);
    struct gw_live_user user = {.active = users[who].active};
    snprintf(user.role, sizeof(user.role), "%s", users[who].role);
    snprintf(user.upstream_id, sizeof(user.upstream_id), "%s", users[who].upstream_id);
    const struct gw_rehearsal in = {
        .policy = rig.gate->snapshot->policy,
        .settings = &rig.gate->snapshot->settings,
        .method = gw_str(method),
        .target = gw_str(target),
        .user = who == NOBODY ? NULL : &user,
        .by = who == NOBODY ? GW_CREDENTIAL_ABSENT : by,
        .origin = gw_str(origin),
    };
    struct gw_rehearsed out;
    assert_int_equal(gw_rehearse(&in, &arena, &out, NULL), GW_OK);
    return out;
}

/* The same request through the gate, with a credential that is real. */
static const struct gw_decision *ask(const char *method, const char *target, enum who who, enum gw_credential_kind by,
                                     const char *origin)
{
    char credential[GW_JWT_MAX_BYTES + 64], from[64];
    const char *lines[4] = {"host: gateway.invalid"};
    size_t n = 1;
    snprintf(credential, sizeof(credential), "%s%s",
             by == GW_CREDENTIAL_COOKIE ? "cookie: " GW_SESSION_COOKIE "=" : "authorization: Bearer ",
             gw_rig_token(&rig, 10 + who, who));
    snprintf(from, sizeof(from), "origin: %s", origin);
    if (who != NOBODY)
        lines[n++] = credential;
    if (origin[0] != '\0')
        lines[n++] = from;
    return gw_rig_ask(&rig, method, target, lines);
}

static struct gw_rehearsed rehearse_key(const char *method, const char *target, const struct gw_live_key *key,
                                        const struct gw_ip *from)
{
    gw_arena_done(&arena);
    gw_arena_init(&arena, (size_t)1 << 16);
    struct gw_live_user user = {.active = users[TRADER].active};
    snprintf(user.role, sizeof(user.role), "%s", users[TRADER].role);
    snprintf(user.upstream_id, sizeof(user.upstream_id), "%s", users[TRADER].upstream_id);
    const struct gw_rehearsal in = {
        .policy = rig.gate->snapshot->policy,
        .settings = &rig.gate->snapshot->settings,
        .method = gw_str(method),
        .target = gw_str(target),
        .user = &user,
        .by = GW_CREDENTIAL_KEY,
        .key = key,
        .client = *from,
        .now_s = GW_RIG_NOW_S,
    };
    struct gw_rehearsed out;
    assert_int_equal(gw_rehearse(&in, &arena, &out, NULL), GW_OK);
    return out;
}

static enum gw_reason reason_of(const struct gw_rehearsed *r)
{
    for (size_t i = 0; i < GW_STAGE_COUNT; i++)
        if (r->opinions[i].kind == GW_OPINION_REFUSES)
            return r->opinions[i].reason;
    return GW_REASON_NONE;
}

static void compare(const char *method, const char *target, enum who who, enum gw_credential_kind by,
                    const char *origin)
{
    const struct gw_rehearsed said = rehearse(method, target, who, by, origin);
    const struct gw_decision *done = ask(method, target, who, by, origin);
    if (reason_of(&said) != done->reason || said.allowed != (done->action != GW_REFUSE))
        fail_msg("%s %s, caller %d by %d from `%s`: said %s, did %s", method, target, (int)who, (int)by, origin,
                 gw_reason_name(reason_of(&said)), gw_reason_name(done->reason));
    if (said.allowed && said.shown != (done->credential.len > 0))
        fail_msg("%s %s, caller %d: credential", method, target, (int)who);
    if (said.allowed && done->action != GW_ANSWER)
        assert_true(gw_str_eq(said.target, done->target));
}

static void test_says_what_the_gate_does(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"};
    static const char *const targets[] = {
        "/api/bots",         "/api/bots/b1?x=1",   "/api/%62ots",      "/api/me",
        "/api/open",         "/api/secret",        "/api/nowhere",     "/",
        "/aaiti/health",     "/aaiti/panic",       "/api/health",      "//api",
        "/api/bots%00",      "/api/auth/login",    "/api/auth/logout", "/api/auth/profile",
        "/api/auth/refresh", "/api/auth/register", "/aaiti/v1/users",
    };
    static const char *const origins[] = {"", ELSEWHERE, "https://gateway.invalid"};
    static const enum gw_credential_kind kinds[] = {GW_CREDENTIAL_BEARER, GW_CREDENTIAL_COOKIE};
    for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++)
        for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++)
            for (int who = NOBODY; who <= DISABLED; who++)
                for (size_t i = 0; i < 6; i++)
                    compare(methods[m], targets[t], (enum who)who, kinds[i % 2], origins[i / 2]);
}

static void test_stages_behind_a_refusal_are_not_asked(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        enum who who;
        enum gw_credential_kind by;
        enum gw_stage_id refuses;
        enum gw_reason reason;
    } rows[] = {
        {"GET", "//api", ADMIN, GW_CREDENTIAL_BEARER, GW_STAGE_ROUTE, GW_REASON_BAD_TARGET},
        {"GET", "/api/nowhere", ADMIN, GW_CREDENTIAL_BEARER, GW_STAGE_ROUTE, GW_REASON_NO_ROUTE},
        {"GET", "/api/secret", ADMIN, GW_CREDENTIAL_BEARER, GW_STAGE_ROUTE, GW_REASON_ROUTE_DENIED},
        {"GET", "/api/bots", DISABLED, GW_CREDENTIAL_BEARER, GW_STAGE_TOKEN, GW_REASON_USER_INACTIVE},
        {"GET", "/api/bots", NOBODY, GW_CREDENTIAL_ABSENT, GW_STAGE_ACCESS, GW_REASON_ANONYMOUS},
        {"POST", "/api/bots", VIEWER, GW_CREDENTIAL_BEARER, GW_STAGE_ACCESS, GW_REASON_NO_PERMISSION},
        {"GET", "/api/bots", STRANGER, GW_CREDENTIAL_BEARER, GW_STAGE_ACCESS, GW_REASON_NO_PERMISSION},
        {"POST", "/api/bots", TRADER, GW_CREDENTIAL_COOKIE, GW_STAGE_CROSS_SITE, GW_REASON_CROSS_SITE},
        {"GET", "/api/bots", NO_ID, GW_CREDENTIAL_BEARER, GW_STAGE_IDENTITY, GW_REASON_NO_UPSTREAM_IDENTITY},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_rehearsed r = rehearse(rows[i].method, rows[i].target, rows[i].who, rows[i].by, "");
        assert_false(r.allowed);
        assert_int_equal(reason_of(&r), rows[i].reason);
        for (size_t k = 0; k < GW_STAGE_COUNT; k++)
            assert_int_equal(r.opinions[k].kind, k < rows[i].refuses    ? GW_OPINION_OK
                                                 : k == rows[i].refuses ? GW_OPINION_REFUSES
                                                                        : GW_OPINION_NOT_ASKED);
    }
}

#define KEY "aak_abcdef27_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static struct gw_live_key trader_key(const char *scope, const char *network, int64_t expires_s)
{
    struct gw_live_key k = {.id = gw_rig_uuid(500), .user_id = gw_rig_uuid(TRADER), .expires_s = expires_s};
    uint8_t hash[GW_MAC_BYTES];
    assert_int_equal(gw_sha256(GW_STR(KEY), hash, NULL), GW_OK);
    memcpy(k.hash.b, hash, sizeof(k.hash.b));
    memcpy(k.proof, hash + sizeof(k.hash.b), sizeof(hash) - sizeof(k.hash.b));
    if (scope[0] != '\0')
        k.scopes[k.scope_count++] = gw_key_scope(gw_str(scope));
    if (network[0] != '\0')
        assert_int_equal(gw_cidr_parse(gw_str(network), &k.networks[k.network_count++]), GW_OK);
    return k;
}

static void compare_key(const char *method, const char *target, struct gw_live_key *key)
{
    static const char *const lines[] = {"host: gateway.invalid", "x-api-key: " KEY, NULL};
    assert_int_equal(gw_shared_put_key(rig.writer, key, NULL), GW_OK);
    const struct gw_rehearsed said = rehearse_key(method, target, key, &rig.peer);
    const struct gw_decision *done = gw_rig_ask(&rig, method, target, lines);
    if (reason_of(&said) != done->reason || said.allowed != (done->action != GW_REFUSE))
        fail_msg("%s %s by key: said %s, did %s", method, target, gw_reason_name(reason_of(&said)),
                 gw_reason_name(done->reason));
    for (size_t i = 0; i < GW_STAGE_COUNT; i++)
        if (said.opinions[i].kind == GW_OPINION_REFUSES && said.opinions[i].detail != NULL)
            assert_string_equal(said.opinions[i].detail, done->detail);
    if (said.allowed && said.signed_in && said.route->target == GW_TARGET_BACKEND &&
        said.route->risk != GW_RISK_REDUCES) {
        assert_int_equal(said.budget.of, GW_BUDGET_OF_KEY);
        assert_true(gw_str_eq(said.budget.classes[said.budget.count - 1]->name, GW_STR("machine")));
    }
}

static void test_says_of_a_key_what_the_gate_does(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "POST"};
    static const char *const targets[] = {"/api/bots",    "/api/me",           "/api/open",       "/api/secret",
                                          "/api/bots/b1", "/api/auth/profile", "/aaiti/v1/users", "/aaiti/health"};
    static const char *const scopes[] = {"", "bots:read", GW_SIGNED_IN_SCOPE};
    static const char *const networks[] = {"", "192.0.2.0/24", "203.0.113.0/24"};
    static const int64_t ends[] = {0, GW_RIG_NOW_S + 1, GW_RIG_NOW_S};
    for (size_t i = 0; i < 2 * 8 * 3 * 3 * 3; i++) {
        struct gw_live_key key = trader_key(scopes[i / 16 % 3], networks[i / 48 % 3], ends[i / 144]);
        compare_key(methods[i % 2], targets[i / 2 % 8], &key);
    }
}

static void test_who_says_not_where_from_meets_no_pin(void **state)
{
    (void)state;
    static const struct gw_ip nowhere;
    const struct gw_live_key pinned = trader_key("", "203.0.113.0/24", 0), over = trader_key("", "", GW_RIG_NOW_S);
    assert_true(rehearse_key("GET", "/api/bots", &pinned, &nowhere).allowed);
    assert_false(rehearse_key("GET", "/api/bots", &pinned, &rig.peer).allowed);
    assert_false(rehearse_key("GET", "/api/bots", &over, &nowhere).allowed);
}

static void test_without_memory_it_fails(void **state)
{
    (void)state;
    struct gw_arena none;
    struct gw_rehearsed out;
    const struct gw_rehearsal in = {.policy = rig.gate->snapshot->policy,
                                    .settings = &rig.gate->snapshot->settings,
                                    .method = GW_STR("GET"),
                                    .target = GW_STR("/api/bots")};
    gw_arena_init(&none, 16);
    assert_int_equal(gw_rehearse(&in, &none, &out, NULL), GW_ENOMEM);
    gw_arena_done(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_what_the_gate_does),
        cmocka_unit_test(test_stages_behind_a_refusal_are_not_asked),
        cmocka_unit_test(test_says_of_a_key_what_the_gate_does),
        cmocka_unit_test(test_who_says_not_where_from_meets_no_pin),
        cmocka_unit_test(test_without_memory_it_fails),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
