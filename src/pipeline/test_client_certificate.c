/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a client's certificate names, where it counts, and what it does not open. */
#include "pipeline/test_cast.h"

#include <stdio.h>
#include <string.h>

#define RECORD_ID 700
#define PROOF "sec-fetch-site: same-origin"

static struct gw_client_certificate shown;

static struct gw_live_key record_of(uint32_t user)
{
    struct gw_live_key k = {.id = gw_rig_uuid(RECORD_ID), .user_id = gw_rig_uuid(user), .is_certificate = 1};
    memcpy(k.hash.b, shown.fingerprint, sizeof(k.hash.b));
    memcpy(k.proof, shown.fingerprint + sizeof(k.hash.b), sizeof(shown.fingerprint) - sizeof(k.hash.b));
    return k;
}

static void put(const struct gw_live_key *k)
{
    assert_int_equal(gw_shared_put_key(rig.writer, k, NULL), GW_OK);
}

static void show_certificate_of(uint32_t user)
{
    memset(shown.fingerprint, 0x5a, sizeof(shown.fingerprint));
    shown.fingerprint[0] = 1;
    shown.not_after_s = GW_RIG_NOW_S + 60;
    rig.certificate = &shown;
    struct gw_live_key k = record_of(user);
    put(&k);
}

static void assert_anonymous(const struct gw_decision *d, const char *detail)
{
    assert_refused(d, GW_REASON_ANONYMOUS);
    assert_int_equal(d->status, 401);
    if (detail == NULL)
        assert_null(d->detail);
    else
        assert_string_equal(d->detail, detail);
}

static void test_it_stands_for_its_user_and_no_more(void **state)
{
    (void)state;
    show_certificate_of(TRADER);
    assert_passed(ASK_BARE("GET", "/api/bots"));
    assert_string_equal(rig.decision.user.ptr, "user2");
    assert_true(rig.request->by_key && gw_uuid_eq(&rig.request->session_id, &rig.request->key.id));
    assert_passed(ASK("POST", "/api/bots", PROOF));
    assert_refused(ASK("DELETE", "/api/bots/7", PROOF), GW_REASON_NO_PERMISSION);
    struct gw_live_key k = record_of(TRADER);
    k.scope_count = 1;
    k.scopes[0] = gw_key_scope(GW_STR("bots:read"));
    put(&k);
    assert_passed(ASK_BARE("GET", "/api/bots"));
    assert_refused(ASK("POST", "/api/bots", PROOF), GW_REASON_NO_PERMISSION);
    change_user(TRADER, "trader", 0);
    assert_refused(ASK_BARE("GET", "/api/bots"), GW_REASON_USER_INACTIVE);
}

static void test_one_that_stands_for_nobody_is_as_good_as_none(void **state)
{
    static const char nobody[] = "the client's certificate stands for nobody, or that was revoked";
    (void)state;
    show_certificate_of(TRADER);
    assert_passed(ASK_BARE("GET", "/api/bots"));
    const struct gw_live_key k = record_of(TRADER);
    gw_shared_drop_key(rig.writer, &k.hash);
    assert_anonymous(ASK_BARE("GET", "/api/bots"), nobody);
    assert_passed(ASK_BARE("GET", "/api/open"));
    assert_int_equal(rig.decision.user.len, 0);
    put(&k);
    assert_passed(ASK_BARE("GET", "/api/bots"));
    shown.fingerprint[31] ^= 1; /* the half that proves it */
    assert_anonymous(ASK_BARE("GET", "/api/bots"), nobody);
    shown.fingerprint[31] ^= 1;
    shown.fingerprint[0] ^= 1;
    assert_anonymous(ASK_BARE("GET", "/api/bots"), nobody);
}

static void test_what_narrows_a_key_narrows_it(void **state)
{
    (void)state;
    show_certificate_of(TRADER);
    struct gw_live_key k = record_of(TRADER);
    k.expires_s = GW_RIG_NOW_S;
    put(&k);
    assert_refused(ASK_BARE("GET", "/api/bots"), GW_REASON_KEY_REFUSED);
    k.expires_s = GW_RIG_NOW_S + 1;
    k.network_count = 1;
    assert_int_equal(gw_cidr_parse(GW_STR("192.0.2.4/30"), &k.networks[0]), GW_OK); /* the rig asks from 192.0.2.1 */
    put(&k);
    assert_refused(ASK_BARE("GET", "/api/bots"), GW_REASON_KEY_REFUSED);
}

/* Neither kind of record opens what the other is for. */
static void test_no_text_is_a_certificate_and_no_certificate_a_text(void **state)
{
    (void)state;
    struct gw_live_key text = key_of(TRADER);
    text.is_certificate = 1;
    put(&text);
    assert_refused(ASK("GET", "/api/bots", "x-api-key: " API_KEY), GW_REASON_KEY_REFUSED);
    show_certificate_of(TRADER);
    struct gw_live_key k = record_of(TRADER);
    k.is_certificate = 0;
    put(&k);
    assert_refused(ASK_BARE("GET", "/api/bots"), GW_REASON_ANONYMOUS);
}

static void test_whatever_else_is_presented_counts_in_its_place(void **state)
{
    (void)state;
    static const char *const refused[] = {BAD_BEARER, "x-api-key: aak_nonsense",
                                          "cookie: " GW_SESSION_COOKIE "=e30.e30.e30"};
    show_certificate_of(ADMIN);
    const char *const others[] = {bearer(VIEWER), cookie(VIEWER)};
    for (size_t i = 0; i < 2; i++) {
        assert_passed(ASK("GET", "/api/bots", others[i]));
        assert_string_equal(rig.decision.user.ptr, "user3");
        assert_false(rig.request->by_key);
        assert_refused(ASK("DELETE", "/api/bots/7", others[i], PROOF), GW_REASON_NO_PERMISSION);
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        assert_int_equal(ASK("GET", "/api/bots", refused[i])->status, 401);
    assert_passed(ASK("DELETE", "/api/bots/7", PROOF));
    assert_passed(ASK("DELETE", "/api/bots/7", "authorization: Bearer null")); /* none, and a proof */
}

static void test_it_is_sent_by_itself_so_a_change_wants_proof(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        enum gw_reason reason;
    } rows[] = {
        {"accept: */*", "x-a: 1", GW_REASON_CROSS_SITE},
        {"origin: https://gw.example:8443", "host: gw.example:8443", GW_REASON_NONE},
        {"origin: https://evil.example", "host: gw.example:8443", GW_REASON_ORIGIN_REFUSED},
        {"origin: null", "host: gw.example:8443", GW_REASON_ORIGIN_REFUSED},
        {"sec-fetch-site: same-origin", "x-a: 1", GW_REASON_NONE},
        {"sec-fetch-site: none", "x-a: 1", GW_REASON_CROSS_SITE},
        {"sec-fetch-site: same-site", "x-a: 1", GW_REASON_CROSS_SITE},
        {"sec-fetch-site: cross-site", "sec-fetch-mode: navigate", GW_REASON_ANONYMOUS},
        {"authorization: Bearer", "x-a: 1", GW_REASON_NONE},
        {"authorization: Basic YTpi", "x-a: 1", GW_REASON_CROSS_SITE},
        {"x-csrf-token: AAAA", "x-a: 1", GW_REASON_CROSS_SITE},
    };
    show_certificate_of(TRADER);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d = ASK("POST", "/api/bots", rows[i].a, rows[i].b);
        if (d->reason != rows[i].reason)
            fail_msg("%s, %s: %s", rows[i].a, rows[i].b, gw_reason_name(d->reason));
    }
}

/* As a cookie of SameSite=Lax. */
static void test_what_a_page_elsewhere_loads_is_read_by_nobody(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool counts;
    } rows[] = {
        {"sec-fetch-site: cross-site", "sec-fetch-mode: no-cors", false},
        {"sec-fetch-site: cross-site", "sec-fetch-mode: websocket", false},
        {"sec-fetch-site: cross-site", "x-a: 1", false},
        {"origin: https://evil.example", "host: gw.example:8443", false},
        {"sec-fetch-site: cross-site", "sec-fetch-mode: navigate", true},
        {"sec-fetch-site: same-site", "sec-fetch-mode: no-cors", true},
        {"sec-fetch-site: none", "sec-fetch-mode: navigate", true},
        {"accept: */*", "x-a: 1", true},
    };
    show_certificate_of(TRADER);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d = ASK("GET", "/api/bots", rows[i].a, rows[i].b);
        if ((d->reason == GW_REASON_NONE) != rows[i].counts)
            fail_msg("%s, %s: %s", rows[i].a, rows[i].b, gw_reason_name(d->reason));
        assert_passed(ASK("GET", "/api/open", rows[i].a, rows[i].b));
        assert_int_equal(rig.decision.user.len > 0, rows[i].counts);
    }
}

static void test_a_proxys_certificate_names_no_client_of_it(void **state)
{
    (void)state;
    show_certificate_of(ADMIN);
    assert_int_equal(gw_ip_parse(GW_STR("10.0.0.1"), &rig.peer), GW_OK);
    assert_anonymous(ASK("GET", "/api/bots", "x-forwarded-for: 192.0.2.1"), NULL);
    assert_anonymous(ASK_BARE("GET", "/api/bots"), NULL);
    assert_passed(ASK("GET", "/api/bots", bearer(VIEWER), "x-forwarded-for: 192.0.2.1"));
    const struct gw_decision *d = ASK("GET", "/aaiti/verify", "x-forwarded-for: 192.0.2.1", "x-forwarded-method: GET",
                                      "x-forwarded-uri: /api/bots");
    assert_refused(d, GW_REASON_ANONYMOUS);
}

static void test_the_gateways_own_calls_do_not_go_by_it(void **state)
{
    (void)state;
    show_certificate_of(ADMIN);
    static const char *const targets[] = {"/aaiti/v1/users", "/aaiti/login", "/aaiti/health"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        (void)ASK_BARE("GET", targets[i]);
        assert_false(rig.request->signed_in);
        assert_int_equal(rig.decision.user.len, 0);
    }
}

static void test_one_whose_time_is_over_opens_nothing_at_all(void **state)
{
    (void)state;
    show_certificate_of(TRADER);
    shown.not_after_s = GW_RIG_NOW_S;
    assert_passed(ASK_BARE("GET", "/api/bots"));
    shown.not_after_s = GW_RIG_NOW_S - 1;
    const char *const ways[] = {"accept: */*", bearer(TRADER), "x-forwarded-for: 192.0.2.1"};
    static const char *const targets[] = {"/api/bots", "/api/open", "/aaiti/health"};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            assert_refused(ASK("GET", targets[k], ways[i]), GW_REASON_CLIENT_CERTIFICATE);
            assert_int_equal(rig.decision.status, 403);
        }
}

/* Between head and hand-over, while the body is on its way. */
static void test_it_is_looked_at_again_before_the_hand_over(void **state)
{
    struct gw_decision out;
    (void)state;
    show_certificate_of(TRADER);
    assert_passed(ASK_BARE("GET", "/api/bots"));
    const struct gw_live_key k = record_of(TRADER);
    gw_shared_drop_key(rig.writer, &k.hash);
    assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &out), GW_HANDOVER_REFUSE);
    assert_int_equal(out.reason, GW_REASON_KEY_REFUSED);
    put(&k);
    assert_passed(ASK_BARE("GET", "/api/bots"));
    shown.not_after_s = GW_RIG_NOW_S - 1;
    assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &out), GW_HANDOVER_REFUSE);
    assert_int_equal(out.reason, GW_REASON_CLIENT_CERTIFICATE);
}

static void test_what_is_no_certificate_is_not_read(void **state)
{
    static const char *const bad[] = {"", "x", "-----BEGIN CERTIFICATE-----\n",
                                      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                                      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"};
    struct gw_client_certificate out = {.not_after_s = 7};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(gw_client_certificate_read(gw_str(bad[i]), &out, NULL), GW_EPARSE);
    assert_int_equal(out.not_after_s, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_it_stands_for_its_user_and_no_more),
        CASE(test_one_that_stands_for_nobody_is_as_good_as_none),
        CASE(test_what_narrows_a_key_narrows_it),
        CASE(test_no_text_is_a_certificate_and_no_certificate_a_text),
        CASE(test_whatever_else_is_presented_counts_in_its_place),
        CASE(test_it_is_sent_by_itself_so_a_change_wants_proof),
        CASE(test_what_a_page_elsewhere_loads_is_read_by_nobody),
        CASE(test_a_proxys_certificate_names_no_client_of_it),
        CASE(test_the_gateways_own_calls_do_not_go_by_it),
        CASE(test_one_whose_time_is_over_opens_nothing_at_all),
        CASE(test_it_is_looked_at_again_before_the_hand_over),
        CASE(test_what_is_no_certificate_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
