/* SPDX-License-Identifier: Apache-2.0 */
/* The gate as the adapter sees it, end to end: run directory, bundle, segments, requests, decisions. */
#include "pipeline/gate_rig.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>

#define SECOND_HASH "2222222222222222222222222222222222222222222222222222222222222222"

enum { ADMIN = 1, TRADER, VIEWER, NO_ID, STRANGER, DISABLED, NO_SESSION };

static struct gw_rig rig;

#define ASK(method, target, ...) gw_rig_ask(&rig, method, target, (const char *const[]){__VA_ARGS__, NULL})
#define ASK_BARE(method, target) gw_rig_ask(&rig, method, target, (const char *const[]){NULL})

static int set_up(void **state)
{
    (void)state;
    gw_rig_new(&rig, NULL);
    gw_rig_put_user(&rig, ADMIN, "admin", "up-1");
    gw_rig_put_user(&rig, TRADER, "trader", "up-2");
    gw_rig_put_user(&rig, VIEWER, "viewer", "up-3");
    gw_rig_put_user(&rig, NO_ID, "trader", "");
    gw_rig_put_user(&rig, STRANGER, "astronaut", "up-5");
    for (uint32_t n = ADMIN; n <= DISABLED; n++)
        gw_rig_put_session(&rig, 10 + n, n);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gw_rig_free(&rig);
    return 0;
}

static const char *line(const char *start, const char *value)
{
    static char lines[4][GW_JWT_MAX_BYTES + 64];
    static unsigned next;
    char *text = lines[next++ % 4];
    snprintf(text, sizeof(lines[0]), "%s%s", start, value);
    return text;
}

static const char *bearer(uint32_t user)
{
    return line("authorization: Bearer ", gw_rig_token(&rig, 10 + user, user));
}

static const char *cookie(uint32_t user)
{
    return line("cookie: __Host-aaiti_session=", gw_rig_token(&rig, 10 + user, user));
}

static void assert_refused(const struct gw_decision *d, enum gw_reason reason)
{
    if (d->action != GW_REFUSE || d->reason != reason)
        fail_msg("action %d, reason %s (%s), expected %s", d->action, gw_reason_name(d->reason),
                 d->detail != NULL ? d->detail : "", gw_reason_name(reason));
    assert_int_equal(d->status, gw_reason_status(reason));
    assert_int_equal(d->credential.len, 0);
    assert_int_equal(d->target.len, 0);
    assert_int_equal(d->retry_after_s != 0, d->status == 503);
    assert_int_equal(d->request_id.len, GW_UUID_LEN);
}

static void assert_passed(const struct gw_decision *d)
{
    if (d->action != GW_PASS)
        fail_msg("action %d, reason %s (%s)", d->action, gw_reason_name(d->reason), d->detail != NULL ? d->detail : "");
    assert_true(gw_rig_dropped(&rig, "authorization"));
}

/* ---- who may what ---- */

enum outcome { PASS, CONTROL, ANSWER, UNAUTHORIZED, FORBIDDEN, BAD };

static enum outcome outcome_of(const struct gw_decision *d)
{
    switch (d->action) {
    case GW_PASS:
        return PASS;
    case GW_CONTROL:
        return CONTROL;
    case GW_ANSWER:
        return ANSWER;
    case GW_REFUSE:
        break;
    }
    return d->status == 401 ? UNAUTHORIZED : d->status == 403 ? FORBIDDEN : BAD;
}

static void test_each_route_and_each_caller(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        enum outcome nobody, viewer, trader, admin;
    } rows[] = {
        {"GET", "/api/bots", UNAUTHORIZED, PASS, PASS, PASS},
        {"HEAD", "/api/bots", UNAUTHORIZED, PASS, PASS, PASS},
        {"GET", "/api/bots?x=1", UNAUTHORIZED, PASS, PASS, PASS},
        {"GET", "/api/bots/b1", UNAUTHORIZED, PASS, PASS, PASS},
        {"POST", "/api/bots", UNAUTHORIZED, FORBIDDEN, PASS, PASS},
        {"DELETE", "/api/bots/b1", UNAUTHORIZED, FORBIDDEN, FORBIDDEN, PASS},
        {"GET", "/api/me", UNAUTHORIZED, PASS, PASS, PASS},
        {"GET", "/api/open", PASS, PASS, PASS, PASS},
        {"GET", "/api/secret", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"GET", "/api/nowhere", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"PUT", "/api/bots", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"BREW", "/api/bots", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"OPTIONS", "/api/bots", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"POST", "/api/auth/login", CONTROL, CONTROL, CONTROL, CONTROL},
        {"POST", "/api/auth/logout", UNAUTHORIZED, CONTROL, CONTROL, CONTROL},
        {"GET", "/api/auth/profile", UNAUTHORIZED, CONTROL, CONTROL, CONTROL},
        {"GET", "/aaiti/health", ANSWER, ANSWER, ANSWER, ANSWER},
        {"GET", "/aaiti/jwks.json", ANSWER, ANSWER, ANSWER, ANSWER},
        {"GET", "/api/health", ANSWER, ANSWER, ANSWER, ANSWER},
        {"GET", "/", ANSWER, ANSWER, ANSWER, ANSWER},
        {"GET", "//api/bots", BAD, BAD, BAD, BAD},
        {"GET", "/api/bots%00", BAD, BAD, BAD, BAD},
        {"GET", "/api/./bots", BAD, BAD, BAD, BAD},
        {"GET", "/api/bots/..;/users", BAD, BAD, BAD, BAD},
        {"GET", "/API/bots", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"GET", "http://evil/api/bots", BAD, BAD, BAD, BAD},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *row = rows[i].target;
        const enum outcome got[] = {
            outcome_of(ASK_BARE(rows[i].method, row)),
            outcome_of(ASK(rows[i].method, row, bearer(VIEWER))),
            outcome_of(ASK(rows[i].method, row, bearer(TRADER))),
            outcome_of(ASK(rows[i].method, row, bearer(ADMIN))),
        };
        const enum outcome want[] = {rows[i].nobody, rows[i].viewer, rows[i].trader, rows[i].admin};
        for (size_t k = 0; k < 4; k++)
            if (got[k] != want[k])
                fail_msg("%s %s, caller %zu: %d instead of %d", rows[i].method, row, k, got[k], want[k]);
    }
}

static void test_the_backend_gets_the_form_that_was_judged(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK("GET", "/api/%62ots?a=%7e", bearer(VIEWER));
    assert_passed(d);
    assert_true(gw_str_starts(d->target, GW_STR("/api/bots?")));
}

/* ---- tokens ---- */

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

static void change_user(uint32_t n, const char *role, uint8_t active)
{
    struct gw_live_user u;
    struct gw_uuid id = gw_rig_uuid(n);
    assert_int_equal(gw_shared_get_user(rig.writer, &id, &u), GW_OK);
    u.version++;
    u.active = active;
    snprintf(u.role, sizeof(u.role), "%s", role);
    assert_int_equal(gw_shared_put_user(rig.writer, &u, NULL), GW_OK);
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
        bool goes_on = gw_request_recheck(rig.gate, rig.request, &rig.decision);
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
    assert_true(gw_request_recheck(rig.gate, rig.request, &rig.decision));
    assert_false(gw_str_eq(before, rig.decision.credential));
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
    assert_refused(ASK_BARE("GET", "/api/bots"), GW_REASON_ANONYMOUS);
    assert_passed(ASK("GET", "/api/open", token));
    assert_int_equal(ASK_BARE("POST", "/api/auth/login")->action, GW_CONTROL);
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

/* ---- cross-site ---- */

static void test_unsafe_requests_by_cookie_need_a_proof(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        enum gw_reason reason;
    } rows[] = {
        {"accept: */*", "x-a: 1", GW_REASON_CROSS_SITE},
        {"origin: https://gw.example:8443", "host: gw.example:8443", GW_REASON_NONE},
        {"origin: https://GW.example:8443", "host: gw.example:8443", GW_REASON_NONE},
        {"origin: http://gw.example:8443", "host: gw.example:8443", GW_REASON_CROSS_SITE},
        {"origin: https://gw.example", "host: gw.example:8443", GW_REASON_CROSS_SITE},
        {"origin: https://gw.example:8443.evil", "host: gw.example:8443", GW_REASON_CROSS_SITE},
        {"origin: https://evil.example", "host: gw.example:8443", GW_REASON_CROSS_SITE},
        {"origin: https://", "host: ", GW_REASON_CROSS_SITE},
        {"origin: null", "host: null", GW_REASON_CROSS_SITE},
        {"sec-fetch-site: same-origin", "x-a: 1", GW_REASON_NONE},
        {"sec-fetch-site: same-site", "x-a: 1", GW_REASON_CROSS_SITE},
        {"sec-fetch-site: cross-site", "x-a: 1", GW_REASON_CROSS_SITE},
        {"sec-fetch-site: none", "x-a: 1", GW_REASON_CROSS_SITE},
        {"authorization: Bearer null", "x-a: 1", GW_REASON_NONE},
        {"authorization: Bearer", "x-a: 1", GW_REASON_NONE},
        {"authorization: Basic YTpi", "x-a: 1", GW_REASON_CROSS_SITE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static const char *const targets[] = {"/api/bots", "/api/auth/logout"};
        for (size_t k = 0; k < 2; k++) {
            const struct gw_decision *d = ASK("POST", targets[k], cookie(TRADER), rows[i].a, rows[i].b);
            if (d->reason != rows[i].reason)
                fail_msg("%s, %s: %s", rows[i].a, rows[i].b, gw_reason_name(d->reason));
        }
        assert_passed(ASK("GET", "/api/bots", cookie(TRADER), rows[i].a, rows[i].b));
    }
    assert_passed(ASK("POST", "/api/bots", bearer(TRADER), "origin: https://evil.example"));
    assert_passed(ASK("POST", "/api/open", "origin: https://evil.example"));
}

static void test_nobody_is_signed_in_from_a_foreign_page(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        enum gw_reason reason;
    } rows[] = {
        {"accept: */*", GW_REASON_NONE},
        {"origin: https://gw.example", GW_REASON_NONE},
        {"origin: https://evil.example", GW_REASON_CROSS_SITE},
        {"origin: null", GW_REASON_CROSS_SITE},
        {"sec-fetch-site: same-origin", GW_REASON_NONE},
        {"sec-fetch-site: none", GW_REASON_NONE},
        {"sec-fetch-site: cross-site", GW_REASON_CROSS_SITE},
        {"sec-fetch-site: same-site", GW_REASON_CROSS_SITE},
    };
    static const char *const targets[] = {"/api/auth/login", "/api/auth/register", "/api/auth/refresh"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(ASK("POST", targets[k], "host: gw.example", rows[i].a)->reason, rows[i].reason);
}

/* ---- what the backend sees ---- */

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

/* ---- address ---- */

static void test_the_client_is_the_rightmost_untrusted_hop(void **state)
{
    (void)state;
    static const struct {
        uint8_t peer[4];
        const char *forwarded, *earlier, *client;
    } rows[] = {
        {{192, 0, 2, 1}, "x-forwarded-for: 203.0.113.9", "x-a: 1", "192.0.2.1"},
        {{192, 0, 2, 1}, "x-forwarded-for: junk", "x-a: 1", "192.0.2.1"},
        {{10, 0, 0, 1}, "x-a: 1", "x-a: 1", "10.0.0.1"},
        {{10, 0, 0, 1}, "x-forwarded-for: 203.0.113.9", "x-a: 1", "203.0.113.9"},
        {{10, 0, 0, 1}, "x-forwarded-for: 1.2.3.4, 203.0.113.9", "x-a: 1", "203.0.113.9"},
        {{10, 0, 0, 1}, "x-forwarded-for: 203.0.113.9,10.1.1.1 , 10.2.2.2", "x-a: 1", "203.0.113.9"},
        {{10, 0, 0, 1}, "x-forwarded-for: 10.3.3.3, 10.1.1.1", "x-a: 1", "10.3.3.3"},
        {{10, 0, 0, 1}, "x-forwarded-for: 10.1.1.1", "x-forwarded-for: 203.0.113.9", "203.0.113.9"},
        {{10, 0, 0, 1}, "x-forwarded-for: junk, 203.0.113.9", "x-a: 1", "203.0.113.9"},
        {{10, 0, 0, 1}, "x-forwarded-for: 2001:db8::1", "x-a: 1", "2001:db8::1"},
        {{10, 0, 0, 1}, "x-forwarded-for: 203.0.113.9, junk", "x-a: 1", NULL},
        {{10, 0, 0, 1}, "x-forwarded-for: 203.0.113.9:80", "x-a: 1", NULL},
        {{10, 0, 0, 1}, "x-forwarded-for: 203.0.113.9,", "x-a: 1", NULL},
        {{10, 0, 0, 1}, "x-forwarded-for: ", "x-a: 1", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ASK("GET", "/api/open", rows[i].earlier, rows[i].forwarded);
        memcpy(rig.head.peer + 12, rows[i].peer, 4);
        gw_request_done(rig.gate, rig.request);
        rig.request = gw_request_new(rig.gate, &rig.head, &rig.arena, &rig.decision);
        if (rows[i].client == NULL) {
            assert_refused(&rig.decision, GW_REASON_BAD_ADDRESS);
            continue;
        }
        assert_passed(&rig.decision);
        if (!gw_str_eq(rig.decision.client_address, gw_str(rows[i].client)))
            fail_msg("row %zu: %.*s", i, GW_STR_ARG(rig.decision.client_address));
    }
}

/* ---- bundles ---- */

static void load_and_install(void)
{
    struct gw_snapshot *s = NULL;
    struct gw_error err = {.msg = ""};
    if (gw_gate_load(rig.gate, &s, &err) != GW_OK)
        fail_msg("%s", err.msg);
    gw_gate_install(rig.gate, s);
}

static const char other_policy[] = "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n"
                                   "roles: {viewer: {permissions: ['x:read']}}\n"
                                   "routes:\n"
                                   "  - {match: 'GET /api/bots', access: deny}\n"
                                   "  - {match: 'GET /api/new', access: signed-in}\n";

static void test_a_new_bundle_takes_effect_and_old_requests_keep_theirs(void **state)
{
    (void)state;
    assert_false(gw_gate_poll(rig.gate));
    assert_int_equal(gw_gate_generation(rig.gate), 1);
    assert_passed(ASK("GET", "/api/bots", bearer(VIEWER)));
    gw_rig_publish(&rig, SECOND_HASH, NULL, other_policy);
    assert_true(gw_gate_poll(rig.gate));
    load_and_install();
    assert_false(gw_gate_poll(rig.gate));
    assert_int_equal(gw_gate_generation(rig.gate), 2);
    assert_true(gw_request_recheck(rig.gate, rig.request, &rig.decision)); /* judged by the old one */
    assert_refused(ASK("GET", "/api/bots", bearer(VIEWER)), GW_REASON_ROUTE_DENIED);
    assert_passed(ASK("GET", "/api/new", bearer(VIEWER)));
    assert_int_equal(rig.decision.credential.len, 0);
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

static void test_bad_bundles_are_refused(void **state)
{
    (void)state;
    struct gw_snapshot *s = NULL;
    struct gw_error err;
    gw_rig_publish(&rig, SECOND_HASH, NULL, "routes: 1\n");
    assert_int_equal(gw_gate_load(rig.gate, &s, &err), GW_EINVAL);
    assert_non_null(strstr(err.msg, "policy.yaml"));
    gw_rig_publish(&rig, "3333333333333333333333333333333333333333333333333333333333333333", "lisen: 1\n", NULL);
    assert_int_equal(gw_gate_load(rig.gate, &s, &err), GW_EINVAL);
    assert_non_null(strstr(err.msg, "gateway.yaml"));
    static const char *const hashes[] = {"../../../../../../../../../../../../../../../../etc/passwd012345",
                                         "4444444444444444444444444444444/44444444444444444444444444444444"};
    for (size_t i = 0; i < 2; i++) {
        gw_shared_set_bundle(rig.writer, hashes[i]);
        assert_int_equal(gw_gate_load(rig.gate, &s, &err), GW_EINVAL);
        assert_non_null(strstr(err.msg, "not a hash"));
    }
    assert_null(s);
    assert_passed(ASK("GET", "/api/bots", bearer(VIEWER)));
}

/* ---- life ---- */

static void test_health_and_landing_page(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK_BARE("GET", "/aaiti/jwks.json");
    assert_true(gw_str_eq(d->body, GW_STR("{\"keys\":[]}"))); /* a secret has no public part */
    assert_true(gw_str_eq(d->cache_control, GW_STR("public, max-age=300")));
    d = ASK_BARE("GET", "/aaiti/health");
    assert_int_equal(d->cache_control.len, 0);
    assert_int_equal(d->action, GW_ANSWER);
    assert_int_equal(d->status, 200);
    assert_true(gw_str_starts(d->body, GW_STR("{\"status\":\"ok\"")));
    gw_fake_clock_advance(&rig.clock, 5000);
    d = ASK_BARE("HEAD", "/aaiti/health");
    assert_true(gw_str_starts(d->body, GW_STR("{\"status\":\"degraded\"")));
    d = ASK_BARE("GET", "/");
    assert_int_equal(d->action, GW_ANSWER);
    assert_true(gw_str_starts(d->content_type, GW_STR("text/html")));
}

static void test_before_control_everything_is_503(void **state)
{
    (void)state;
    struct gw_gate *g = NULL;
    struct gw_gate *started = rig.gate;
    const struct gw_gate_options options = {.run_dir = "/nonexistent/run",
                                            .token_key_file = rig.token_key_file,
                                            .upstream_key_file = rig.upstream_key_file};
    assert_int_equal(gw_gate_new(&options, &g, NULL), GW_OK);
    assert_int_equal(gw_gate_start(g, NULL), GW_OK);
    assert_false(gw_gate_poll(g));
    assert_int_equal(gw_gate_generation(g), 0);
    ASK_BARE("GET", "/api/open"); /* forgets what the started gate judged */
    gw_request_done(started, rig.request);
    rig.request = gw_request_new(g, &rig.head, &rig.arena, &rig.decision);
    assert_refused(&rig.decision, GW_REASON_NOT_READY);
    assert_true(gw_str_eq(rig.decision.client_address, GW_STR("192.0.2.1")));
    gw_request_done(g, rig.request);
    rig.request = NULL;
    gw_gate_free(g);
}

static void test_equal_and_weak_keys_are_refused(void **state)
{
    (void)state;
    char weak[128];
    snprintf(weak, sizeof(weak), "%s/weak.key", rig.dir);
    FILE *f = fopen(weak, "we");
    assert_non_null(f);
    fputs("short\n", f);
    fclose(f);
    chmod(weak, 0600);
    const struct {
        const char *token, *upstream;
        enum gw_code code;
    } rows[] = {{rig.token_key_file, rig.upstream_key_file, GW_OK},
                {rig.token_key_file, NULL, GW_OK},
                {rig.token_key_file, rig.token_key_file, GW_EINVAL},
                {weak, rig.upstream_key_file, GW_EINVAL},
                {"/nonexistent/key", NULL, GW_ENOTFOUND}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_gate *g = NULL;
        struct gw_error err = {.msg = ""};
        const struct gw_gate_options options = {
            .run_dir = rig.dir, .token_key_file = rows[i].token, .upstream_key_file = rows[i].upstream};
        assert_int_equal(gw_gate_new(&options, &g, &err), rows[i].code);
        assert_null(strstr(err.msg, "t7Qm2vXc"));
        gw_gate_free(g);
    }
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
    const struct gw_gate_options options = {
        .run_dir = rig.dir, .token_key_file = rig.token_key_file, .upstream_key_file = rig.upstream_key_file};
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

static void test_without_memory_the_answer_is_no(void **state)
{
    (void)state;
    ASK("GET", "/api/bots", bearer(TRADER), "cookie: a=1; __Host-aaiti_session=x");
    bool passed = false;
    for (size_t max_bytes = 0; max_bytes < 4096 && !passed; max_bytes += 16) {
        gw_auto(gw_arena) struct gw_arena a;
        struct gw_decision d;
        gw_arena_init(&a, max_bytes);
        struct gw_request *r = gw_request_new(rig.gate, &rig.head, &a, &d);
        passed = d.action == GW_PASS;
        if (!passed)
            assert_int_equal(d.reason, GW_REASON_INTERNAL);
        else /* nothing is left out for want of room */
            assert_true(d.credential.len > 0 && d.user.len > 0 && d.cookie.len > 0 && d.client_address.len > 0);
        gw_request_done(rig.gate, r);
    }
    assert_true(passed);
}

static void test_request_ids_differ(void **state)
{
    (void)state;
    char first[GW_UUID_LEN];
    memcpy(first, ASK_BARE("GET", "/")->request_id.ptr, sizeof(first));
    assert_int_equal(first[14], '7');
    for (int i = 0; i < 300; i++) /* past the pool's end */
        assert_memory_not_equal(ASK_BARE("GET", "/")->request_id.ptr, first, sizeof(first));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_each_route_and_each_caller),
        CASE(test_the_backend_gets_the_form_that_was_judged),
        CASE(test_forms_of_the_credential),
        CASE(test_tokens_that_are_not_ours),
        CASE(test_a_bad_credential_is_as_good_as_none_where_anybody_may_come),
        CASE(test_a_change_bites_on_the_next_request),
        CASE(test_a_change_during_the_body_bites_at_the_recheck),
        CASE(test_a_user_changed_during_the_body_is_shown_as_of_now),
        CASE(test_idle_is_pushed_out_by_use_and_absolute_is_not),
        CASE(test_what_the_segment_cannot_tell_is_503),
        CASE(test_users_who_may_not_in),
        CASE(test_unsafe_requests_by_cookie_need_a_proof),
        CASE(test_nobody_is_signed_in_from_a_foreign_page),
        CASE(test_backend_sees_a_minted_token_and_nothing_of_ours),
        CASE(test_minted_token_verifies_with_the_upstream_key_alone),
        CASE(test_minted_token_is_kept_for_three_quarters_of_its_life),
        CASE(test_control_gets_the_clients_own_credential),
        CASE(test_the_client_is_the_rightmost_untrusted_hop),
        CASE(test_a_new_bundle_takes_effect_and_old_requests_keep_theirs),
        CASE(test_a_kept_token_ends_with_its_bundle),
        CASE(test_bad_bundles_are_refused),
        CASE(test_health_and_landing_page),
        CASE(test_before_control_everything_is_503),
        CASE(test_equal_and_weak_keys_are_refused),
        CASE(test_a_fixed_credential_may_be_short),
        CASE(test_a_credential_that_does_not_fit_is_refused_before_it_is_used),
        CASE(test_without_memory_the_answer_is_no),
        CASE(test_request_ids_differ),
    };
    return cmocka_run_group_tests_name("pipeline/gate", tests, NULL, NULL);
}
