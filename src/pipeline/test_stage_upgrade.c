/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests may become a socket. */
#include "pipeline/test_cast.h"

#include <string.h>

#define KEY "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="
#define HANDSHAKE "upgrade: websocket", "connection: Upgrade", KEY, "sec-websocket-version: 13"
#define ENGINE "/socket.io/?EIO=4&transport=websocket"

static void a_handshake_passes_and_becomes_a_socket(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK("GET", "/live", bearer(VIEWER), HANDSHAKE, "sec-websocket-protocol: v1",
                                      "sec-websocket-extensions: permessage-deflate");
    assert_passed(d);
    assert_true(d->upgrades);
    assert_false(gw_rig_dropped(&rig, "sec-websocket-key"));
    assert_false(gw_rig_dropped(&rig, "sec-websocket-version"));
    assert_false(gw_rig_dropped(&rig, "sec-websocket-protocol"));
    assert_true(gw_rig_dropped(&rig, "sec-websocket-extensions"));
    assert_true(gw_rig_dropped(&rig, "upgrade"));
    assert_passed(ASK("GET", "/live", bearer(VIEWER), "upgrade: WebSocket", "connection: keep-alive, upgrade", KEY,
                      "sec-websocket-version: 13", "content-length: 0"));
    assert_passed(ASK("GET", ENGINE "&t=1", bearer(VIEWER), HANDSHAKE));
    assert_true(rig.decision.upgrades);
}

static void other_routes_become_none(void **state)
{
    (void)state;
    assert_passed(ASK("GET", "/api/bots", bearer(VIEWER), HANDSHAKE));
    assert_false(rig.decision.upgrades);
    assert_true(gw_rig_dropped(&rig, "upgrade"));
}

static void what_is_no_handshake_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        const char *headers[6];
        const char *detail;
    } rows[] = {
        {"GET", "/live", {NULL}, "no GET with `Upgrade"},
        {"HEAD", "/live", {HANDSHAKE, NULL}, "no GET with `Upgrade"},
        {"GET", "/live", {"connection: Upgrade", KEY, "sec-websocket-version: 13", NULL}, "no GET with `Upgrade"},
        {"GET", "/live", {"upgrade: h2c", "connection: Upgrade", KEY, "sec-websocket-version: 13"}, "no GET"},
        {"GET",
         "/live",
         {"upgrade: websocket, h2c", "connection: Upgrade", KEY, "sec-websocket-version: 13"},
         "no GET"},
        {"GET", "/live", {"upgrade: websocket", KEY, "sec-websocket-version: 13", NULL}, "no GET with `Upgrade"},
        {"GET", "/live", {"upgrade: websocket", "connection: close", KEY, "sec-websocket-version: 13"}, "no GET"},
        {"GET", "/live", {"upgrade: websocket", "connection: Upgrade", KEY, NULL}, "Sec-WebSocket-Version"},
        {"GET", "/live", {"upgrade: websocket", "connection: Upgrade", KEY, "sec-websocket-version: 8"}, "Version"},
        {"GET", "/live", {"upgrade: websocket", "connection: Upgrade", "sec-websocket-version: 13", NULL}, "Key"},
        {"GET",
         "/live",
         {"upgrade: websocket", "connection: Upgrade", "sec-websocket-key: dGhl", "sec-websocket-version: 13"},
         "Sec-WebSocket-Key"},
        {"GET", "/live", {HANDSHAKE, "content-length: 5", NULL}, "it has a body"},
        {"GET", "/live", {HANDSHAKE, "transfer-encoding: chunked", NULL}, "it has a body"},
        {"GET", "/socket.io/", {HANDSHAKE, NULL}, "EIO=4"},
        {"GET", "/socket.io/?EIO=3&transport=websocket", {HANDSHAKE, NULL}, "EIO=4"},
        {"GET", "/socket.io/?EIO=4&EIO=3&transport=websocket", {HANDSHAKE, NULL}, "EIO=4"},
        {"GET", "/socket.io/?EIO=4&transport=polling", {HANDSHAKE, NULL}, "transport=websocket"},
        {"GET", "/socket.io/?EIO=4", {HANDSHAKE, NULL}, "transport=websocket"},
        {"GET", ENGINE "&transport=polling", {HANDSHAKE, NULL}, "transport=websocket"},
        {"GET", ENGINE "&sid=abc", {HANDSHAKE, NULL}, "began by polling"},
        {"GET", "/socket.io/?EIO=4&transport=polling", {NULL}, "no GET with `Upgrade"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *headers[8] = {bearer(TRADER)};
        memcpy(headers + 1, rows[i].headers, sizeof(rows[i].headers));
        const struct gw_decision *d = gw_rig_ask(&rig, rows[i].method, rows[i].target, headers);
        if (d->reason != GW_REASON_NO_UPGRADE || d->status != 426 || strstr(d->detail, rows[i].detail) == NULL)
            fail_msg("row %zu: %s, %s", i, gw_reason_name(d->reason), d->detail);
        assert_false(d->upgrades);
    }
    assert_refused(ASK("GET", "/live", bearer(VIEWER), HANDSHAKE, "upgrade: h2c"), GW_REASON_BAD_HEADERS);
    assert_refused(ASK("GET", "/live", bearer(VIEWER), HANDSHAKE, KEY), GW_REASON_BAD_HEADERS);
}

static void nobody_becomes_one_over_another_http(void **state)
{
    (void)state;
    ASK("GET", "/live", bearer(VIEWER), HANDSHAKE);
    struct gw_decision d;
    struct gw_request_head head = rig.head;
    head.is_http_1_1 = false;
    struct gw_arena a;
    gw_arena_init(&a, 1 << 16);
    gw_request_done(rig.gate, gw_request_new(rig.gate, &head, &a, &d));
    gw_arena_done(&a);
    assert_int_equal(d.reason, GW_REASON_NO_UPGRADE);
    assert_non_null(strstr(d.detail, "HTTP/1.1"));
}

/* Who may not, is told that and nothing of the route. */
static void the_right_is_looked_at_first(void **state)
{
    (void)state;
    assert_refused(ASK_BARE("GET", "/live"), GW_REASON_ANONYMOUS);
    assert_refused(ASK("GET", "/live", HANDSHAKE), GW_REASON_ANONYMOUS);
    assert_refused(ASK("GET", "/live", bearer(STRANGER)), GW_REASON_NO_PERMISSION);
    assert_refused(ASK("GET", "/live", BAD_BEARER, HANDSHAKE), GW_REASON_TOKEN_REFUSED);
}

/* Any page can open a socket by the cookie of whoever looks at it. */
static void by_cookie_it_wants_a_proof(void **state)
{
    (void)state;
    assert_refused(ASK("GET", "/live", cookie(VIEWER), HANDSHAKE), GW_REASON_CROSS_SITE);
    assert_refused(ASK("GET", "/live", cookie(VIEWER), HANDSHAKE, "host: gw.example", "origin: https://evil.example"),
                   GW_REASON_CROSS_SITE);
    assert_refused(ASK("GET", "/live", cookie(VIEWER), HANDSHAKE, "host: gw.example", "origin: null"),
                   GW_REASON_CROSS_SITE);
    assert_passed(ASK("GET", "/live", cookie(VIEWER), HANDSHAKE, "host: gw.example", "origin: https://gw.example"));
    assert_true(rig.decision.upgrades);
    assert_passed(ASK("GET", "/live", bearer(VIEWER), HANDSHAKE, "host: gw.example", "origin: https://evil.example"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_handshake_passes_and_becomes_a_socket),
        CASE(other_routes_become_none),
        CASE(what_is_no_handshake_is_refused),
        CASE(nobody_becomes_one_over_another_http),
        CASE(the_right_is_looked_at_first),
        CASE(by_cookie_it_wants_a_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
