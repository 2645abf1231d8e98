/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: forms of the credential, tokens that are not ours, and what changes while a token is good. */
#include "pipeline/test_cast.h"

#include <string.h>

static void test_forms_of_the_credential(void **state)
{
    (void)state;
    static const struct {
        const char *scheme;
        enum gw_reason with_cookie, without;
    } rows[] = {
        {"authorization: ", GW_REASON_NONE, GW_REASON_ANONYMOUS},
        {"authorization: Bearer", GW_REASON_NONE, GW_REASON_ANONYMOUS},
        {"authorization: Bearer null", GW_REASON_NONE, GW_REASON_ANONYMOUS},
        {"authorization: bearer undefined", GW_REASON_NONE, GW_REASON_ANONYMOUS},
        {"authorization: Basic YTpi", GW_REASON_NONE, GW_REASON_ANONYMOUS},
        {"authorization: Bearer x", GW_REASON_TOKEN_REFUSED, GW_REASON_TOKEN_REFUSED},
        {"authorization: Bearer a.b.c", GW_REASON_TOKEN_REFUSED, GW_REASON_TOKEN_REFUSED},
        {"authorization: Bearer Null", GW_REASON_TOKEN_REFUSED, GW_REASON_TOKEN_REFUSED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_decision *d = ASK("GET", "/api/me", rows[i].scheme, cookie(VIEWER));
        assert_int_equal(d->reason, rows[i].with_cookie);
        assert_true(gw_rig_dropped(&rig, "authorization"));
        assert_refused(ASK("GET", "/api/me", rows[i].scheme), rows[i].without);
    }
    static const char *const good[] = {"authorization: Bearer ", "authorization: bearer ", "authorization: BEARER   "};
    for (size_t i = 0; i < 3; i++)
        assert_passed(ASK("GET", "/api/me", line(good[i], gw_rig_token(&rig, 10 + VIEWER, VIEWER))));
    assert_refused(ASK("GET", "/api/me", bearer(VIEWER), bearer(VIEWER)), GW_REASON_BAD_HEADERS);
    assert_refused(ASK("GET", "/api/me", cookie(VIEWER), cookie(VIEWER)), GW_REASON_BAD_HEADERS);
}

/* By our own secret, but its kid is none of ours. */
static const char *token_under_another_name(void)
{
    gw_auto(gw_secret) struct gw_secret *text = NULL;
    struct gw_token_key *own = rig.ring.keys[GW_TOKEN_CURRENT], *other = NULL;
    const struct gw_jwt_issue issue = gw_rig_issue(10 + VIEWER, VIEWER);
    assert_int_equal(gw_secret_load(rig.token_key_file, &text, NULL), GW_OK);
    assert_int_equal(gw_token_key_new(GW_TOKEN_KEY_HS256, text, GW_STR("0000000000000000"), &other, NULL), GW_OK);
    rig.ring.keys[GW_TOKEN_CURRENT] = other;
    const char *token = gw_rig_token_of(&rig, &issue);
    rig.ring.keys[GW_TOKEN_CURRENT] = own;
    gw_token_key_unref(other);
    return token;
}

static void test_tokens_that_are_not_ours(void **state)
{
    (void)state;
    struct gw_jwt_issue rows[7];
    for (size_t i = 0; i < 7; i++)
        rows[i] = gw_rig_issue(10 + VIEWER, VIEWER);
    rows[0].issuer = GW_STR("somebody");
    rows[1].audience = GW_STR("somebody");
    rows[2].exp_s = GW_RIG_NOW_S - 1;
    rows[3].sub = GW_STR("admin");
    rows[4].exp_s = GW_RIG_NOW_S + 8 * 86400; /* longer than any session */
    char admin[GW_UUID_LEN + 1];
    struct gw_uuid admin_id = gw_rig_uuid(ADMIN);
    gw_uuid_format(&admin_id, admin);
    rows[5].sub = gw_str(admin); /* viewer's session, admin's name */
    rows[6].sid = gw_rig_uuid(10 + ADMIN);
    for (size_t i = 0; i < 7; i++) {
        const struct gw_decision *d =
            ASK("GET", "/api/me", line("authorization: Bearer ", gw_rig_token_of(&rig, &rows[i])));
        assert_refused(d, GW_REASON_TOKEN_REFUSED);
        assert_non_null(d->detail);
    }
    assert_refused(ASK("GET", "/api/me", line("authorization: Bearer ", token_under_another_name())),
                   GW_REASON_TOKEN_REFUSED);
    char forged[GW_JWT_MAX_BYTES];
    strcpy(forged, gw_rig_token(&rig, 10 + VIEWER, VIEWER));
    forged[strlen(forged) - 10] ^= 1;
    assert_refused(ASK("GET", "/api/me", line("authorization: Bearer ", forged)), GW_REASON_TOKEN_REFUSED);
}

static void test_a_bad_credential_is_as_good_as_none_where_anybody_may_come(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK("GET", "/api/open", "authorization: Bearer x");
    assert_passed(d);
    assert_int_equal(d->credential.len, 0);
    assert_int_equal(d->user.len, 0);
    d = ASK("GET", "/api/open", bearer(VIEWER));
    assert_passed(d);
    assert_true(d->credential.len > 0);
    d = ASK("GET", "/api/open", bearer(NO_ID));
    assert_passed(d);
    assert_int_equal(d->credential.len, 0);
}

/* ---- state that changes ---- */

static void revoke_token(uint32_t session)
{
    struct gw_uuid jti = gw_rig_uuid(1000 + session);
    assert_int_equal(gw_shared_put_revocation(rig.writer, &jti, GW_RIG_NOW_S + 3600, NULL), GW_OK);
}

static void end_session(uint32_t session)
{
    struct gw_uuid sid = gw_rig_uuid(session);
    gw_shared_drop_session(rig.writer, &sid);
}

static void end_nothing(void) {}
static void revoke_viewer(void)
{
    revoke_token(10 + VIEWER);
}
static void end_viewer(void)
{
    end_session(10 + VIEWER);
}
static void disable_viewer(void)
{
    change_user(VIEWER, "viewer", 0);
}
static void delete_viewer(void)
{
    struct gw_uuid id = gw_rig_uuid(VIEWER);
    gw_shared_drop_user(rig.writer, &id);
}
static void demote_viewer(void)
{
    change_user(VIEWER, "astronaut", 1);
}
static void idle_viewer(void)
{
    gw_fake_clock_advance(&rig.clock, 1801 * 1000);
}
static void expire_viewer(void)
{
    gw_fake_clock_advance(&rig.clock, 3600 * 1000);
    struct gw_uuid sid = gw_rig_uuid(10 + VIEWER);
    gw_shared_touch(rig.writer, &sid, GW_RIG_NOW_S + 3599);
}

static const struct {
    void (*change)(void);
    enum gw_reason reason;
} changes[] = {
    {end_nothing, GW_REASON_NONE},
    {revoke_viewer, GW_REASON_TOKEN_REVOKED},
    {end_viewer, GW_REASON_SESSION_ENDED},
    {disable_viewer, GW_REASON_USER_INACTIVE},
    {delete_viewer, GW_REASON_USER_INACTIVE},
    {demote_viewer, GW_REASON_NO_PERMISSION},
    {idle_viewer, GW_REASON_SESSION_IDLE},
    {expire_viewer, GW_REASON_TOKEN_REFUSED},
};

static void test_a_change_bites_on_the_next_request(void **state)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *token = bearer(VIEWER);
        assert_passed(ASK("GET", "/api/bots", token));
        changes[i].change();
        const struct gw_decision *d = ASK("GET", "/api/bots", token);
        if (changes[i].reason == GW_REASON_NONE)
            assert_passed(d);
        else
            assert_refused(d, changes[i].reason);
        tear_down(state);
        set_up(state);
    }
}

static void test_a_change_during_the_body_bites_at_the_recheck(void **state)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        assert_passed(ASK("GET", "/api/bots", bearer(VIEWER)));
        changes[i].change();
        bool goes_on = gw_request_hand_over(rig.gate, rig.request, &rig.decision) == GW_HANDOVER_GO;
        assert_int_equal(goes_on, changes[i].reason == GW_REASON_NONE);
        if (goes_on)
            assert_passed(&rig.decision);
        else
            assert_refused(&rig.decision, changes[i].reason);
        tear_down(state);
        set_up(state);
    }
}

static void test_a_change_after_the_hand_over_bites_before_the_first_byte(void **state)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        assert_passed(ASK("GET", "/api/bots", bearer(VIEWER)));
        assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &rig.decision), GW_HANDOVER_GO);
        changes[i].change();
        bool goes_on = gw_request_may_still_leave(rig.gate, rig.request, &rig.decision);
        assert_int_equal(goes_on, changes[i].reason == GW_REASON_NONE);
        if (goes_on)
            assert_passed(&rig.decision);
        else
            assert_refused(&rig.decision, changes[i].reason);
        tear_down(state);
        set_up(state);
    }
}

static void test_a_user_changed_during_the_body_is_shown_as_of_now(void **state)
{
    (void)state;
    assert_passed(ASK("GET", "/api/bots", bearer(VIEWER)));
    struct gw_str before = rig.decision.credential;
    change_user(VIEWER, "trader", 1);
    assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &rig.decision), GW_HANDOVER_GO);
    assert_false(gw_str_eq(before, rig.decision.credential));
    assert_true(gw_request_may_still_leave(rig.gate, rig.request, &rig.decision));
    change_user(VIEWER, "viewer", 1);
    assert_false(gw_request_may_still_leave(rig.gate, rig.request, &rig.decision)); /* too late to show him otherwise */
    assert_refused(&rig.decision, GW_REASON_USER_CHANGED);
}

static void test_idle_is_pushed_out_by_use_and_absolute_is_not(void **state)
{
    (void)state;
    const struct gw_live_session s = {.id = gw_rig_uuid(77),
                                      .user_id = gw_rig_uuid(VIEWER),
                                      .expires_s = GW_RIG_NOW_S + 3000,
                                      .last_seen_s = GW_RIG_NOW_S,
                                      .idle_s = 1800};
    assert_int_equal(gw_shared_put_session(rig.writer, &s, NULL), GW_OK);
    const char *token = line("authorization: Bearer ", gw_rig_token(&rig, 77, VIEWER));
    static const struct {
        int64_t at_s;
        enum gw_reason reason;
    } rows[] = {{0, GW_REASON_NONE}, {1800, GW_REASON_NONE}, {2999, GW_REASON_NONE}, {3000, GW_REASON_SESSION_ENDED}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rig.clock.real_now_ms = (GW_RIG_NOW_S + rows[i].at_s) * 1000;
        assert_int_equal(ASK("GET", "/api/bots", token)->reason, rows[i].reason);
    }
}

static void test_what_the_segment_cannot_tell_is_503(void **state)
{
    (void)state;
    const char *token = bearer(VIEWER);
    /* A successor with other sizes retires the old file and has loaded nothing yet. */
    gw_shared_close(rig.writer);
    const struct gw_shared_sizes sizes = {.sessions = 8, .users = 8, .revocations = 8};
    assert_int_equal(gw_shared_open(rig.dir, GW_SHARED_WRITER, &sizes, &rig.writer, NULL), GW_OK);
    gw_gate_poll(rig.gate);
    assert_refused(ASK("GET", "/api/bots", token), GW_REASON_NOT_READY);
    /* Those who need no session, too: who is blocked cannot be told either. */
    assert_refused(ASK_BARE("GET", "/api/bots"), GW_REASON_NOT_READY);
    assert_refused(ASK("GET", "/api/open", token), GW_REASON_NOT_READY);
    assert_refused(ASK_BARE("POST", "/api/auth/login"), GW_REASON_NOT_READY);
    assert_int_equal(ASK_BARE("GET", "/aaiti/health")->action, GW_ANSWER);
    gw_shared_begin_load(rig.writer);
    gw_rig_put_user(&rig, VIEWER, "viewer", "up-3");
    gw_rig_put_session(&rig, 10 + VIEWER, VIEWER);
    assert_refused(ASK("GET", "/api/bots", token), GW_REASON_NOT_READY);
    gw_shared_end_load(rig.writer);
    assert_passed(ASK("GET", "/api/bots", token));
}

static void test_users_who_may_not_in(void **state)
{
    (void)state;
    assert_refused(ASK("GET", "/api/me", bearer(DISABLED)), GW_REASON_USER_INACTIVE); /* a session, no user */
    assert_refused(ASK("GET", "/api/me", bearer(NO_SESSION)), GW_REASON_SESSION_ENDED);
    assert_refused(ASK("GET", "/api/bots", bearer(STRANGER)), GW_REASON_NO_PERMISSION);
    assert_refused(ASK("GET", "/api/bots", bearer(NO_ID)), GW_REASON_NO_UPSTREAM_IDENTITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_forms_of_the_credential),
        CASE(test_tokens_that_are_not_ours),
        CASE(test_a_bad_credential_is_as_good_as_none_where_anybody_may_come),
        CASE(test_a_change_bites_on_the_next_request),
        CASE(test_a_change_during_the_body_bites_at_the_recheck),
        CASE(test_a_change_after_the_hand_over_bites_before_the_first_byte),
        CASE(test_a_user_changed_during_the_body_is_shown_as_of_now),
        CASE(test_idle_is_pushed_out_by_use_and_absolute_is_not),
        CASE(test_what_the_segment_cannot_tell_is_503),
        CASE(test_users_who_may_not_in),
    };
    return cmocka_run_group_tests_name("pipeline/stage_token", tests, NULL, NULL);
}
