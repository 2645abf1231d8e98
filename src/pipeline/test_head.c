/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEADERS_MAX 8

struct pair {
    const char *name, *value;
};

static size_t fill(struct gw_header *headers, const struct pair *pairs)
{
    size_t n = 0;
    for (; pairs[n].name != NULL; n++)
        headers[n] = (struct gw_header){.name = gw_str(pairs[n].name), .value = gw_str(pairs[n].value), .drop = n % 2};
    return n;
}

static void test_each_header_goes_on_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool dropped;
    } rows[] = {
        {"accept", false},
        {"content-type", false},
        {"user-agent", false},
        {"origin", false},
        {"cookie", false},
        {"x-userland", false},
        {"x-custom", false},
        {"traceparent", false},
        {"content-length", false},
        {"authorization", true},
        {"x-user-id", true},
        {"x-user-role", true},
        {"x-user-", true},
        {"x_user_id", true},
        {"x-aaiti-user", true},
        {"x-forwarded-for", true},
        {"x-forwarded-host", true},
        {"x-forwarded-prefix", true},
        {"forwarded", true},
        {"x-real-ip", true},
        {"x-client-ip", true},
        {"true-client-ip", true},
        {"client-cert", true},
        {"client-cert-chain", true},
        {"x-client-certificate", true},
        {"x-client-verify", true},
        {"x-ssl-client-s-dn", true},
        {"ssl-client-cert", true},
        {"x-client-version", false},
        {"client-id", false},
        {"x-request-id", true},
        {"x-api-timestamp", true},
        {"x-api-nonce", true},
        {"x-api-content-sha256", true},
        {"x-api-signature", true},
        {"x-api-version", false},
        {"x-original-url", true},
        {"x-rewrite-url", true},
        {"x-http-method-override", true},
        {"x-http-method", true},
        {"x-method-override", true},
        {"connection", true},
        {"keep-alive", true},
        {"te", true},
        {"trailer", true},
        {"proxy-authorization", true},
        {"proxy-connection", true},
        {"upgrade", true},
        {"http2-settings", true},
        {"x-backend-key", true}, /* the policy's own credential header */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_header h = {.name = gw_str(rows[i].name), .value = GW_STR("v"), .drop = !rows[i].dropped};
        struct gw_request_head head = {.headers = &h, .header_count = 1};
        struct gw_head_fields fields;
        assert_true(gw_head_read(&head, GW_STR("X-Backend-Key"), &fields));
        if (h.drop != rows[i].dropped)
            fail_msg("%s: drop is %d", rows[i].name, h.drop);
    }
}

static void test_what_connection_lists_stays_behind(void **state)
{
    (void)state;
    struct gw_header headers[HEADERS_MAX];
    struct gw_request_head head = {.headers = headers};
    head.header_count = fill(headers, (const struct pair[]){{"x-hop", "1"},
                                                            {"accept", "*/*"},
                                                            {"connection", "keep-alive, X-Hop ,x-other"},
                                                            {"x-other", "2"},
                                                            {NULL, NULL}});
    struct gw_head_fields fields;
    assert_true(gw_head_read(&head, GW_STR_NULL, &fields));
    assert_true(headers[0].drop);
    assert_false(headers[1].drop);
    assert_true(headers[2].drop);
    assert_true(headers[3].drop);
}

static void test_ambiguous_heads_are_refused(void **state)
{
    (void)state;
    static const struct pair rows[][4] = {
        {{"authorization", "Bearer a"}, {"authorization", "Bearer b"}},
        {{"authorization", ""}, {"authorization", "Bearer b"}},
        {{"authorization", "Basic a"}, {"accept", "*/*"}, {"authorization", "Bearer b"}},
        {{"cookie", "__Host-aaiti_session=a; __Host-aaiti_session=b"}},
        {{"cookie", "__Host-aaiti_session=a"}, {"cookie", "x=1; __Host-aaiti_session=a"}},
        {{"cookie", "__Host-aaiti_session; __Host-aaiti_session =b"}},
        {{"origin", "https://a"}, {"origin", "https://b"}},
        {{"host", "a"}, {"host", "b"}},
        {{"sec-fetch-site", "same-origin"}, {"sec-fetch-site", "cross-site"}},
        {{"connection", "close"}, {"connection", "x-a"}},
        {{"connection", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_header headers[HEADERS_MAX];
        struct gw_request_head head = {.headers = headers, .header_count = fill(headers, rows[i])};
        struct gw_head_fields fields;
        if (gw_head_read(&head, GW_STR_NULL, &fields))
            fail_msg("row %zu was accepted", i);
    }
}

static void test_cookies_lose_ours_and_keep_the_rest(void **state)
{
    (void)state;
    static const struct {
        struct pair headers[3];
        bool has, dropped;
        const char *value, *rest;
    } rows[] = {
        {{{"cookie", "a=1; b=2"}}, false, false, "", "a=1; b=2"},
        {{{"cookie", "__Host-aaiti_session=tok"}}, true, true, "tok", ""},
        {{{"cookie", "a=1; __Host-aaiti_session=tok; b=2"}}, true, true, "tok", "a=1; b=2"},
        {{{"cookie", "a=1;__Host-aaiti_session=tok;b=2"}}, true, true, "tok", "a=1; b=2"},
        {{{"cookie", " __Host-aaiti_session = tok ;; b="}}, true, true, "tok", "b="},
        {{{"cookie", "__Host-aaiti_session"}}, true, true, "", ""},
        {{{"cookie", "__Host-aaiti_session=a=b"}}, true, true, "a=b", ""},
        {{{"cookie", "__host-aaiti_session=tok"}}, false, false, "", "__host-aaiti_session=tok"},
        {{{"cookie", "x__Host-aaiti_session=tok"}}, false, false, "", "x__Host-aaiti_session=tok"},
        {{{"cookie", "a=1"}, {"cookie", "__Host-aaiti_session=tok"}}, true, true, "tok", "a=1"},
        {{{"cookie", "a=1;__Secure-aaiti_refresh=r; __Host-aaiti_session=tok; b=2"}}, true, true, "tok", "a=1; b=2"},
        {{{"cookie", "__Secure-aaiti_refresh=r; a=1"}}, false, true, "", "a=1"},
        {{{"cookie", ";;;;"}, {"cookie", "__Host-aaiti_session=tok;c;d;e;f"}}, true, true, "tok", "c; d; e; f"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        gw_auto(gw_arena) struct gw_arena a;
        gw_arena_init(&a, 4096);
        struct gw_header headers[HEADERS_MAX];
        struct gw_request_head head = {.headers = headers, .header_count = fill(headers, rows[i].headers)};
        struct gw_head_fields fields;
        struct gw_str rest;
        assert_true(gw_head_read(&head, GW_STR_NULL, &fields));
        assert_int_equal(fields.cookies.session.ptr != NULL, rows[i].has);
        assert_true(gw_str_eq(fields.cookies.session, gw_str(rows[i].value)));
        for (size_t k = 0; k < head.header_count; k++)
            assert_int_equal(headers[k].drop, rows[i].dropped);
        assert_int_equal(gw_head_other_cookies(&head, &a, &rest), GW_OK);
        if (!gw_str_eq(rest, gw_str(rows[i].rest)))
            fail_msg("row %zu: rest is `%.*s`", i, GW_STR_ARG(rest));
    }
}

static void test_control_sees_the_credential_and_no_identity(void **state)
{
    (void)state;
    struct gw_header headers[HEADERS_MAX];
    struct gw_request_head head = {.headers = headers};
    head.header_count = fill(headers, (const struct pair[]){{"authorization", "Bearer a"},
                                                            {"cookie", "__Host-aaiti_session=tok; a=1"},
                                                            {"x-user-id", "1"},
                                                            {"x-forwarded-for", "1.2.3.4"},
                                                            {NULL, NULL}});
    struct gw_head_fields fields;
    assert_true(gw_head_read(&head, GW_STR_NULL, &fields));
    assert_true(headers[0].drop && headers[1].drop);
    gw_head_keep_credential(&head, &fields);
    assert_false(headers[0].drop);
    assert_false(headers[1].drop);
    assert_true(headers[2].drop);
    assert_true(headers[3].drop);
}

static void test_answers_lose_what_the_gateway_says_itself(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        bool dropped;
    } rows[] = {
        {"access-control-allow-origin", "*", true},
        {"access-control-allow-credentials", "true", true},
        {"ratelimit", "limit=100", true},
        {"ratelimit-limit", "100", true},
        {"x-ratelimit-remaining", "99", true},
        {"x-rate-limit-reset", "99", true},
        {"x-powered-by", "Express", true},
        {"server", "x", true},
        {"strict-transport-security", "max-age=0", true},
        {"content-security-policy", "default-src *", true},
        {"x-frame-options", "ALLOWALL", true},
        {"cache-control", "public", true},
        {"content-security-policy-report-only", "default-src *", true},
        {"clear-site-data", "\"cookies\"", true},
        {"alt-svc", "h3=\"evil.example:443\"", true},
        {"refresh", "0; url=//evil.example", true},
        {"nel", "{}", true},
        {"report-to", "{}", true},
        {"reporting-endpoints", "x=\"https://evil.example\"", true},
        {"upgrade", "h2c", true},
        {"trailer", "Expires", true},
        {"via", "1.1 inner", true},
        {"authorization", "Bearer renewed", true},
        {"proxy-authenticate", "Basic", true},
        {"x-aaiti-status", "200", true},
        {"www-authenticate", "Bearer", false},
        {"timing-allow-origin", "*", true},
        {"x-aspnet-version", "4", true},
        {"service-worker-allowed", "/", true},
        {"cdn-cache-control", "max-age=60", true},
        {"surrogate-control", "max-age=60", true},
        {"set-cookie", "__Host-aaiti_session=evil; Path=/", true},
        {"set-cookie", " __Host-aaiti_session =evil", true},
        {"set-cookie", "=__Host-aaiti_session=evil; Path=/", true},
        {"set-cookie", "__Host-aaiti_session; Path=/", true},
        {"set-cookie", "__Secure-aaiti_refresh=evil; Path=/api/auth/refresh", true},
        {"set-cookie", " \t=x", true},
        {"set-cookie", "theme=dark; Path=/", false},
        {"content-type", "application/json", false},
        {"etag", "\"1\"", false},
        {"location", "/", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (gw_response_header_is_dropped(gw_str(rows[i].name), gw_str(rows[i].value)) != rows[i].dropped)
            fail_msg("%s: %s", rows[i].name, rows[i].value);
}

static bool has_header(enum gw_transport transport, const char *name)
{
    size_t n;
    const struct gw_header_field *fields = gw_security_headers(GW_CLASS_API, transport, &n);
    for (size_t i = 0; i < n; i++)
        if (gw_str_eq(fields[i].name, gw_str(name)))
            return true;
    return false;
}

static void test_security_headers_fit_the_transport(void **state)
{
    (void)state;
    static const char *const always[] = {"X-Content-Type-Options",       "X-Frame-Options",
                                         "Content-Security-Policy",      "Referrer-Policy",
                                         "Permissions-Policy",           "Cross-Origin-Opener-Policy",
                                         "Cross-Origin-Resource-Policy", "Cache-Control"};
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
        assert_true(has_header(GW_TRANSPORT_TLS, always[i]));
        assert_true(has_header(GW_TRANSPORT_PLAIN, always[i]));
    }
    assert_true(has_header(GW_TRANSPORT_TLS, "Strict-Transport-Security"));
    assert_false(has_header(GW_TRANSPORT_PLAIN, "Strict-Transport-Security"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_header_goes_on_or_not),
        cmocka_unit_test(test_what_connection_lists_stays_behind),
        cmocka_unit_test(test_ambiguous_heads_are_refused),
        cmocka_unit_test(test_cookies_lose_ours_and_keep_the_rest),
        cmocka_unit_test(test_control_sees_the_credential_and_no_identity),
        cmocka_unit_test(test_answers_lose_what_the_gateway_says_itself),
        cmocka_unit_test(test_security_headers_fit_the_transport),
    };
    return cmocka_run_group_tests_name("pipeline/head", tests, NULL, NULL);
}
