/* SPDX-License-Identifier: Apache-2.0 */
/* Where a ticket may stand, and that it opens one socket, once. */
#include "pipeline/test_cast.h"
#include "pipeline/ticket.h"

#include <stdio.h>
#include <string.h>

#define HANDSHAKE                                \
    "upgrade: websocket", "connection: Upgrade", \
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version: 13"

static void is_taken_out_of_the_target(void **state)
{
    (void)state;
    static const struct {
        const char *target, *left, *ticket; /* left NULL: refused */
    } rows[] = {
        {"/live", "/live", NULL},
        {"/live?a=1", "/live?a=1", NULL},
        {"/live?ticket=x.y", "/live", "x.y"},
        {"/live?a=1&ticket=x.y", "/live?a=1", "x.y"},
        {"/live?ticket=x.y&a=1&b=2", "/live?a=1&b=2", "x.y"},
        {"/live?a=1&ticket=x.y&b=2", "/live?a=1&b=2", "x.y"},
        {"/live?t%69cket=x.y&b=2", "/live?b=2", "x.y"},
        {"/live?ticket=", "/live", ""},
        {"/live?ticket", "/live", ""},
        {"/live?tickets=x", "/live?tickets=x", NULL},
        {"/live?ticket=x&ticket=y", NULL, NULL},
        {"/live?ticket=x&t%69cket=y", NULL, NULL},
        {"/live?ticket[]=x", NULL, NULL},
        {"/live?ticket=x&a=%zz", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_arena a;
        gw_arena_init(&a, 1 << 16);
        struct gw_str target = gw_str(rows[i].target), ticket;
        enum gw_code code = gw_ticket_take(&target, &a, &ticket);
        if ((code == GW_OK) != (rows[i].left != NULL) || (code == GW_OK && !gw_str_eq(target, gw_str(rows[i].left))) ||
            (code == GW_OK && (ticket.ptr != NULL) != (rows[i].ticket != NULL)) ||
            (code == GW_OK && !gw_str_eq(ticket, gw_str(rows[i].ticket))))
            fail_msg("%s: %d, %.*s, %.*s", rows[i].target, (int)code, GW_STR_ARG(target), GW_STR_ARG(ticket));
        gw_arena_done(&a);
    }
}

static struct gw_jwt_issue ticket_issue(uint32_t user, uint32_t n)
{
    struct gw_jwt_issue issue = gw_rig_issue(10 + user, user);
    issue.type = GW_STR(GW_JWT_TICKET_TYPE);
    issue.path = GW_STR("/live");
    issue.jti = gw_rig_uuid(n);
    issue.iat_s = GW_RIG_NOW_S;
    issue.exp_s = GW_RIG_NOW_S + GW_TICKET_S;
    return issue;
}

static const char *target_with(const struct gw_jwt_issue *issue)
{
    static char text[2048];
    snprintf(text, sizeof(text), "/live?ticket=%s&v=1", gw_rig_token_of(&rig, issue));
    return text;
}

static void opens_one_socket_once(void **state)
{
    (void)state;
    struct gw_jwt_issue issue = ticket_issue(VIEWER, 1);
    const char *target = target_with(&issue);
    const struct gw_decision *d = ASK("GET", target, HANDSHAKE);
    assert_passed(d);
    assert_true(d->upgrades);
    assert_true(gw_str_eq(d->target, GW_STR("/live?v=1")));
    assert_true(gw_str_eq(d->user, GW_STR("user3")));
    d = ASK("GET", target, HANDSHAKE);
    assert_refused(d, GW_REASON_TOKEN_REFUSED);
    assert_string_equal(d->detail, "the ticket was used before");
    issue = ticket_issue(VIEWER, 2);
    /* What a browser sends along by itself is no second opinion; what a client means is. */
    assert_passed(ASK("GET", target_with(&issue), HANDSHAKE, cookie(ADMIN), "origin: https://evil.example"));
    assert_true(gw_str_eq(rig.decision.user, GW_STR("user3")));
    issue = ticket_issue(VIEWER, 3);
    assert_refused(ASK("GET", target_with(&issue), HANDSHAKE, bearer(VIEWER)), GW_REASON_BAD_HEADERS);
}

static void is_good_for_what_it_was_given_for(void **state)
{
    (void)state;
    struct gw_jwt_issue issue = ticket_issue(VIEWER, 1);
    issue.path = GW_STR("/other");
    assert_refused(ASK("GET", target_with(&issue), HANDSHAKE), GW_REASON_TOKEN_REFUSED);
    assert_string_equal(rig.decision.detail, "the ticket is for another path");
    issue = ticket_issue(VIEWER, 2);
    issue.path = GW_STR_NULL;
    assert_refused(ASK("GET", target_with(&issue), HANDSHAKE), GW_REASON_TOKEN_REFUSED);
    issue = ticket_issue(VIEWER, 3);
    issue.type = GW_STR_NULL; /* an access token */
    assert_refused(ASK("GET", target_with(&issue), HANDSHAKE), GW_REASON_TOKEN_REFUSED);
    issue = ticket_issue(VIEWER, 4);
    issue.exp_s++;
    assert_refused(ASK("GET", target_with(&issue), HANDSHAKE), GW_REASON_TOKEN_REFUSED);
    issue = ticket_issue(NO_SESSION, 5);
    assert_refused(ASK("GET", target_with(&issue), HANDSHAKE), GW_REASON_SESSION_ENDED);
    issue = ticket_issue(VIEWER, 6);
    const char *target = target_with(&issue);
    gw_fake_clock_advance(&rig.clock, GW_TICKET_S * 1000);
    assert_refused(ASK("GET", target, HANDSHAKE), GW_REASON_TOKEN_REFUSED);
    assert_refused(ASK("GET", "/live?ticket=", HANDSHAKE), GW_REASON_ANONYMOUS);
    assert_refused(ASK("GET", "/live?ticket=a&ticket=b", HANDSHAKE), GW_REASON_BAD_TARGET);
}

/* Nor does it sign anybody in elsewhere. */
static void is_no_access_token(void **state)
{
    (void)state;
    struct gw_jwt_issue issue = ticket_issue(VIEWER, 1);
    char header[2048], target[2048];
    snprintf(header, sizeof(header), "authorization: Bearer %s", gw_rig_token_of(&rig, &issue));
    assert_refused(ASK("GET", "/live", HANDSHAKE, header), GW_REASON_TOKEN_REFUSED);
    assert_refused(ASK("GET", "/api/bots", header), GW_REASON_TOKEN_REFUSED);
    snprintf(target, sizeof(target), "/api/bots?ticket=%s", gw_rig_token_of(&rig, &issue));
    assert_refused(ASK_BARE("GET", target), GW_REASON_ANONYMOUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_taken_out_of_the_target),
        CASE(opens_one_socket_once),
        CASE(is_good_for_what_it_was_given_for),
        CASE(is_no_access_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
