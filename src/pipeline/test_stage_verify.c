/* SPDX-License-Identifier: Apache-2.0 */
/* What another proxy, which stays in front, is told about its own requests. */
#include "pipeline/test_cast.h"

#include <stdio.h>

#define FROM "x-forwarded-for: 203.0.113.9"
#define METHOD(m) "x-forwarded-method: " m
#define TARGET(t) "x-forwarded-uri: " t
#define HOST "x-forwarded-host: bots.example"

static void come_from(const char *address)
{
    assert_int_equal(gw_ip_parse(gw_str(address), &rig.peer), GW_OK);
}

#define VERIFY(...) (come_from("10.0.0.1"), ASK("GET", "/aaiti/verify", __VA_ARGS__))

/* Refused as the proxy understands it; the status by itself stands beside. */
static void assert_forbidden(const struct gw_decision *d, enum gw_reason reason)
{
    if (d->action != GW_REFUSE || d->reason != reason)
        fail_msg("action %d, reason %s, expected %s", d->action, gw_reason_name(d->reason), gw_reason_name(reason));
    unsigned alone = gw_reason_status(reason);
    assert_int_equal(d->status, alone == 401 ? 401 : 403);
    assert_int_equal(d->refused_status, alone);
    assert_int_equal(d->credential.len, 0);
}

static const struct gw_header_field *field(const struct gw_header_field *fields, size_t count, const char *name)
{
    const struct gw_header_field *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!gw_str_eq(fields[i].name, gw_str(name)))
            continue;
        assert_null(found);
        found = &fields[i];
    }
    assert_non_null(found);
    return found;
}

#define assert_field(fields, count, name, text) \
    assert_true(gw_str_eq(field((fields), (count), (name))->value, gw_str(text)))

static void test_who_may_is_let_through_with_what_the_backend_wants(void **state)
{
    (void)state;
    const struct gw_decision *d =
        VERIFY(FROM, METHOD("POST"), TARGET("/api/bots?x=1"), HOST, bearer(TRADER), "cookie: theme=dark");
    assert_int_equal(d->action, GW_VERIFIED);
    assert_true(gw_str_eq(d->client_address, GW_STR("203.0.113.9")));
    assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &rig.decision), GW_HANDOVER_GO);
    struct gw_header_field fields[GW_VERIFIED_FIELDS_MAX];
    size_t count = gw_request_verified_fields(rig.request, d, fields);
    assert_true(gw_str_starts(field(fields, count, "Authorization")->value, GW_STR("Bearer ")));
    assert_true(gw_str_eq(field(fields, count, "Authorization")->value, d->credential));
    assert_field(fields, count, "Cookie", "theme=dark");
    assert_field(fields, count, "X-AAITI-User", "user2");
    assert_field(fields, count, "X-AAITI-Role", "trader");
}

/* What the client wrote into fields that only we fill must not stay there, so each is told, if empty. */
static void test_of_nobody_all_fields_are_told_empty(void **state)
{
    (void)state;
    const struct gw_decision *d = VERIFY(FROM, METHOD("GET"), TARGET("/api/open"), HOST, "x-aaiti-user: admin");
    assert_int_equal(d->action, GW_VERIFIED);
    struct gw_header_field fields[GW_VERIFIED_FIELDS_MAX];
    size_t count = gw_request_verified_fields(rig.request, d, fields);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(fields[i].value.len, 0);
}

static void test_our_cookie_stays_behind(void **state)
{
    (void)state;
    char both[GW_JWT_MAX_BYTES + 128];
    snprintf(both, sizeof(both), "%s; theme=dark", cookie(TRADER));
    const struct gw_decision *d = VERIFY(FROM, METHOD("GET"), TARGET("/api/bots"), HOST, both);
    assert_int_equal(d->action, GW_VERIFIED);
    struct gw_header_field fields[GW_VERIFIED_FIELDS_MAX];
    assert_field(fields, gw_request_verified_fields(rig.request, d, fields), "Cookie", "theme=dark");
}

static void test_what_is_asked_about_is_judged_as_any_request(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        uint32_t user;
        enum gw_reason reason;
    } rows[] = {
        {METHOD("GET"), TARGET("/api/bots"), TRADER, GW_REASON_NONE},
        {METHOD("HEAD"), TARGET("/api/bots"), TRADER, GW_REASON_NONE},
        {METHOD("POST"), TARGET("/api/bots"), VIEWER, GW_REASON_NO_PERMISSION},
        {METHOD("DELETE"), TARGET("/api/bots/1"), TRADER, GW_REASON_NO_PERMISSION},
        {METHOD("GET"), TARGET("/api/bots"), DISABLED, GW_REASON_USER_INACTIVE},
        {METHOD("GET"), TARGET("/api/nothing"), TRADER, GW_REASON_NO_ROUTE},
        {METHOD("get"), TARGET("/api/bots"), TRADER, GW_REASON_NO_ROUTE},
        {METHOD("GET"), TARGET("/api/secret"), ADMIN, GW_REASON_ROUTE_DENIED},
        {METHOD("GET"), TARGET("/api/../api/bots"), TRADER, GW_REASON_BAD_TARGET},
        {METHOD("GET"), TARGET("//api/bots"), TRADER, GW_REASON_BAD_TARGET},
        {METHOD("GET"), TARGET("https://bots.example/api/bots"), TRADER, GW_REASON_BAD_TARGET},
        /* the proxy hands on what the client wrote, and what stands behind may read that otherwise */
        {METHOD("GET"), TARGET("/api/%62ots"), TRADER, GW_REASON_BAD_TARGET},
        {METHOD("GET"), TARGET("/aaiti/health"), TRADER, GW_REASON_VERIFY_OWN},
        {METHOD("GET"), TARGET("/live"), TRADER, GW_REASON_VERIFY_OWN},
        {METHOD("GET"), TARGET("/aaiti/verify"), TRADER, GW_REASON_NO_ROUTE},
        {METHOD("POST"), TARGET("/api/auth/login"), TRADER, GW_REASON_VERIFY_OWN},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d = VERIFY(FROM, rows[i].method, rows[i].target, HOST, bearer(rows[i].user));
        if (rows[i].reason != GW_REASON_NONE)
            assert_forbidden(d, rows[i].reason);
        else if (d->action != GW_VERIFIED)
            fail_msg("row %zu: %s", i, gw_reason_name(d->reason));
    }
    assert_forbidden(VERIFY(FROM, METHOD("GET"), TARGET("/api/bots"), HOST), GW_REASON_ANONYMOUS);
}

static void test_strangers_learn_nothing(void **state)
{
    (void)state;
    static const char *const strangers[] = {"203.0.113.9", "192.0.2.1", "11.0.0.1", "2001:db8::1"};
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        come_from(strangers[i]);
        assert_forbidden(ASK("GET", "/aaiti/verify", "x-forwarded-for: 10.0.0.1", METHOD("GET"), TARGET("/api/bots"),
                             bearer(TRADER)),
                         GW_REASON_VERIFY_STRANGER);
    }
}

/* What clients send through it reaches us from its address, with fields of their own choice. */
static void test_a_proxy_that_does_not_ask_for_itself_is_a_stranger(void **state)
{
    (void)state;
    come_from("10.0.1.1");
    assert_forbidden(ASK("GET", "/aaiti/verify", FROM, METHOD("GET"), TARGET("/api/bots"), HOST, bearer(TRADER)),
                     GW_REASON_VERIFY_STRANGER);
    gw_rig_publish(&rig, SECOND_HASH, "trusted_proxies: [10.0.0.0/8]\n", NULL);
    load_and_install();
    assert_forbidden(VERIFY(FROM, METHOD("GET"), TARGET("/api/bots"), HOST, bearer(TRADER)), GW_REASON_VERIFY_STRANGER);
    gw_rig_publish(&rig, THIRD_HASH, "trusted_proxies: [10.1.0.0/16]\nverify_proxies: [10.0.0.0/24]\n", NULL);
    load_and_install();
    assert_forbidden(VERIFY(FROM, METHOD("GET"), TARGET("/api/bots"), HOST, bearer(TRADER)), GW_REASON_VERIFY_STRANGER);
}

static void test_a_proxy_that_does_not_say_is_refused(void **state)
{
    (void)state;
    const char *const good = bearer(TRADER);
    assert_forbidden(VERIFY(good), GW_REASON_VERIFY_UNTOLD);
    assert_forbidden(VERIFY(good, METHOD("GET"), TARGET("/api/bots")), GW_REASON_VERIFY_UNTOLD);
    assert_forbidden(VERIFY(good, METHOD("GET"), TARGET("/api/bots"), "forwarded: for=203.0.113.9"),
                     GW_REASON_VERIFY_UNTOLD); /* not the header that the settings name */
    assert_forbidden(VERIFY(good, FROM, TARGET("/api/bots")), GW_REASON_VERIFY_UNTOLD);
    assert_forbidden(VERIFY(good, FROM, METHOD("GET")), GW_REASON_VERIFY_UNTOLD);
    assert_forbidden(VERIFY(good, FROM, METHOD(""), TARGET("/api/bots")), GW_REASON_VERIFY_UNTOLD);
    assert_forbidden(VERIFY(good, FROM, METHOD("GET"), TARGET("/api/bots"), TARGET("/api/open")),
                     GW_REASON_VERIFY_UNTOLD);
    assert_forbidden(VERIFY(good, FROM, METHOD("GET"), METHOD("GET"), TARGET("/api/bots")), GW_REASON_VERIFY_UNTOLD);
    assert_forbidden(VERIFY(good, FROM, METHOD("GET"), TARGET("/api/bots"), HOST, HOST), GW_REASON_VERIFY_UNTOLD);
}

/* Its proxy hands on what the client wrote, and a backend that obeys these would do something else than was judged. */
static void test_a_request_that_names_two_methods_or_targets_is_refused(void **state)
{
    (void)state;
    static const char *const others[] = {"x-http-method-override: DELETE", "x-http-method: DELETE",
                                         "x-method-override: DELETE",      "x-original-url: /api/secret",
                                         "x-rewrite-url: /api/secret",     "x-http-method-override:"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_forbidden(VERIFY(FROM, METHOD("GET"), TARGET("/api/bots"), HOST, bearer(TRADER), others[i]),
                         GW_REASON_BAD_HEADERS);
        assert_string_equal(rig.decision.detail, "it names another method or target to the backend");
        assert_int_equal(ASK("GET", "/api/bots", bearer(TRADER), others[i])->action, GW_PASS);
    }
}

/* Before any stage has looked at the question itself. */
static void test_whatever_refuses_it_the_proxy_understands(void **state)
{
    (void)state;
    assert_forbidden(VERIFY(FROM, METHOD("GET"), TARGET("/api/bots"), bearer(TRADER), bearer(TRADER)),
                     GW_REASON_BAD_HEADERS);
    assert_forbidden(VERIFY("x-forwarded-for: junk", METHOD("GET"), TARGET("/api/bots")), GW_REASON_BAD_ADDRESS);
    struct gw_snapshot *snapshot = gw_take(&rig.gate->snapshot);
    const struct gw_decision *d = VERIFY(FROM, METHOD("GET"), TARGET("/api/bots"));
    assert_int_equal(d->status, 403);
    assert_int_equal(d->refused_status, 503);
    gw_request_done(rig.gate, rig.request);
    rig.request = NULL;
    rig.gate->snapshot = snapshot;
}

/* Under its own target only: of any other request nobody's word about method and target is looked at. */
static void test_other_requests_are_what_they_are(void **state)
{
    (void)state;
    static const char *const targets[] = {"/aaiti/verify/", "/aaiti/Verify", "/aaiti/%76erify", "/aaiti/verify;x"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        come_from("10.0.0.1");
        const struct gw_decision *d = ASK("GET", targets[i], FROM, METHOD("GET"), TARGET("/api/open"), bearer(TRADER));
        assert_int_equal(d->action, GW_REFUSE);
        assert_int_equal(d->refused_status, 0);
    }
    come_from("10.0.0.1");
    assert_refused(ASK("POST", "/api/bots", FROM, METHOD("GET"), TARGET("/api/open"), METHOD("GET"), bearer(VIEWER)),
                   GW_REASON_NO_PERMISSION);
}

static void test_the_page_is_that_of_the_host_that_the_client_asked(void **state)
{
    (void)state;
    const char *const own = "origin: https://bots.example";
    assert_int_equal(VERIFY(FROM, METHOD("POST"), TARGET("/api/bots"), HOST, cookie(TRADER), own)->action, GW_VERIFIED);
    assert_forbidden(VERIFY(FROM, METHOD("POST"), TARGET("/api/bots"), cookie(TRADER), own), GW_REASON_ORIGIN_REFUSED);
    const char *const evil = "origin: https://evil.example";
    assert_forbidden(VERIFY(FROM, METHOD("POST"), TARGET("/api/bots"), HOST, cookie(TRADER), evil),
                     GW_REASON_ORIGIN_REFUSED);
}

/* A preflight sees no credential: told that it may pass, the proxy would hand on what nobody asked for a right. */
static void test_preflights_are_not_let_through(void **state)
{
    (void)state;
    const char *const page = "origin: https://dash.example", *const wants = "access-control-request-method: POST";
    gw_rig_publish(
        &rig, SECOND_HASH,
        "trusted_proxies: [10.0.0.0/8]\nverify_proxies: [10.0.0.0/24]\ncors: {origins: ['https://dash.example']}\n",
        NULL);
    load_and_install();
    assert_forbidden(VERIFY(FROM, METHOD("OPTIONS"), TARGET("/api/bots"), HOST, page, wants), GW_REASON_VERIFY_OWN);
    come_from("10.0.0.1");
    assert_forbidden(ASK("OPTIONS", "/aaiti/verify", FROM, METHOD("GET"), TARGET("/api/open"), HOST, page, wants),
                     GW_REASON_VERIFY_OWN);
    assert_int_equal(VERIFY(FROM, METHOD("POST"), TARGET("/api/bots"), HOST, page, bearer(TRADER))->action,
                     GW_VERIFIED);
}

static void test_a_mode_refuses_as_the_proxy_understands(void **state)
{
    (void)state;
    gw_rig_set_mode(&rig, GW_MODE_GLOBAL, 0, "", GW_MODE_RISK_OFF);
    const struct gw_decision *d = VERIFY(FROM, METHOD("POST"), TARGET("/api/bots"), HOST, bearer(TRADER));
    assert_forbidden(d, GW_REASON_RISK_OFF);
    assert_int_equal(d->refused_status, 503);
    assert_true(d->retry_after_s > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_who_may_is_let_through_with_what_the_backend_wants),
        CASE(test_of_nobody_all_fields_are_told_empty),
        CASE(test_our_cookie_stays_behind),
        CASE(test_what_is_asked_about_is_judged_as_any_request),
        CASE(test_strangers_learn_nothing),
        CASE(test_a_proxy_that_does_not_ask_for_itself_is_a_stranger),
        CASE(test_a_proxy_that_does_not_say_is_refused),
        CASE(test_a_request_that_names_two_methods_or_targets_is_refused),
        CASE(test_whatever_refuses_it_the_proxy_understands),
        CASE(test_other_requests_are_what_they_are),
        CASE(test_the_page_is_that_of_the_host_that_the_client_asked),
        CASE(test_preflights_are_not_let_through),
        CASE(test_a_mode_refuses_as_the_proxy_understands),
    };
    return cmocka_run_group_tests_name("pipeline/stage_verify", tests, NULL, NULL);
}
