/* SPDX-License-Identifier: Apache-2.0 */
/* Each change leaves its one row in its own transaction; a change that fails leaves none, and a row that fails undoes its change. */
#include "identity/test_world.h"

#include "store/audit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct gw_actor admin = {.user_id = {{0xaa}}, .session_id = {{0xbb}}, .request_id = {{0xcc}}};
static const struct gw_actor anybody = {.request_id = {{0xdd}}};
static const struct gw_actor operator_ = {.kind = GW_ACTOR_OPERATOR};

/* ---- reading the trail ---- */

/* "action resource outcome details", oldest first, a line each; what came since the last look. */
static struct {
    char text[16 * 1024];
    size_t used;
    int64_t after;
    struct gw_audit_row last;
} trail;

static enum gw_code take_row(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    (void)ctx, (void)err;
    int n = snprintf(trail.text + trail.used, sizeof(trail.text) - trail.used, "%s %s %s%s%s\n", r->action,
                     r->resource_type, gw_outcome_text(r->outcome), r->details[0] != '\0' ? " " : "", r->details);
    assert_true(n > 0 && (size_t)n < sizeof(trail.text) - trail.used);
    trail.used += (size_t)n;
    trail.after = r->id;
    trail.last = *r;
    return GW_OK;
}

static const char *news(struct world *w)
{
    trail.text[trail.used = 0] = '\0';
    assert_int_equal(gw_store_audit_each_after(w->store, trail.after, 1000, take_row, NULL, &w->err), GW_OK);
    return trail.text;
}

static int set_up(void **state)
{
    memset(&trail, 0, sizeof(trail));
    return world_set_up(state);
}

/* ---- one row a change ---- */

static void a_users_life_is_told_row_by_row(void **state)
{
    struct world *w = *state;
    struct gw_user_row u;
    char code[GW_RESET_CODE_LEN + 1];
    const struct gw_user_new n = {.username = GW_STR("bob"),
                                  .email = GW_STR("bob@example.org"),
                                  .role = GW_STR("viewer"),
                                  .password = GW_STR(GOOD_PASSWORD)};
    const struct gw_user_change promote = {.set = GW_USER_SET_ROLE | GW_USER_SET_EMAIL, .role = GW_STR("trader")};
    const struct gw_user_change disable = {.set = GW_USER_SET_ACTIVE};
    assert_int_equal(gw_user_add(w->identity, &admin, world_policy, &n, &u, &w->err), GW_OK);
    assert_string_equal(news(w),
                        "user_created users done {\"username\":\"bob\",\"role\":\"viewer\",\"active\":true}\n");
    assert_int_equal(trail.last.user_id.b[0], 0xaa);
    assert_int_equal(trail.last.session_id.b[0], 0xbb);
    assert_int_equal(trail.last.request_id.b[0], 0xcc);
    assert_int_equal(trail.last.severity, GW_SEVERITY_HIGH);
    char id[GW_UUID_LEN + 1];
    gw_uuid_format(&u.id, id);
    assert_string_equal(trail.last.resource_id, id);
    assert_int_equal(gw_user_change(w->identity, &operator_, world_policy, &u.id, &promote, &u, &w->err), GW_OK);
    assert_string_equal(news(w), "user_changed users done {\"username\":\"bob\",\"role\":{\"from\":\"viewer\",\"to\":"
                                 "\"trader\"},\"email\":\"changed\",\"by\":\"operator\"}\n");
    assert_int_equal(gw_user_set_password(w->identity, &operator_, &u.id, GW_STR(OTHER_PASSWORD), NULL, &w->err),
                     GW_OK);
    assert_string_equal(
        news(w),
        "password_changed users done {\"how\":\"operator\",\"endedSessions\":0,\"revokedApiKeys\":0,\"by\":\"operator\"}\n");
    assert_int_equal(gw_user_reset_begin(w->identity, &admin, &u.id, NULL, NULL, code, &w->err), GW_OK);
    assert_string_equal(news(w), "reset_code_made users done {\"revokedApiKeys\":0}\n");
    assert_int_equal(gw_user_reset_finish(w->identity, &anybody, gw_str(code), GW_STR(GOOD_PASSWORD), NULL, &w->err),
                     GW_OK);
    assert_string_equal(news(w),
                        "password_changed users done {\"how\":\"code\",\"endedSessions\":0,\"revokedApiKeys\":0}\n");
    assert_true(gw_uuid_eq(&trail.last.user_id, &u.id)); /* who held the code speaks for the user */
    assert_int_equal(gw_user_change(w->identity, &admin, world_policy, &u.id, &disable, &u, &w->err), GW_OK);
    assert_string_equal(news(w),
                        "user_changed users done {\"username\":\"bob\",\"active\":{\"from\":true,\"to\":false}}\n");
    assert_int_equal(gw_user_delete(w->identity, &admin, &u.id, &w->err), GW_OK);
    assert_string_equal(news(w), "user_deleted users done {\"username\":\"bob\",\"role\":\"trader\"}\n");
}

static void who_registers_is_who_did_it(void **state)
{
    struct world *w = *state;
    struct gw_user_row u;
    const struct gw_user_new n = {
        .username = GW_STR("eve"), .role = GW_STR("viewer"), .password = GW_STR(GOOD_PASSWORD)};
    assert_int_equal(gw_user_add(w->identity, &anybody, world_policy, &n, &u, &w->err), GW_OK);
    assert_string_equal(news(w),
                        "user_registered users done {\"username\":\"eve\",\"role\":\"viewer\",\"active\":true}\n");
    assert_true(gw_uuid_eq(&trail.last.user_id, &u.id));
}

static void sessions_are_told_from_sign_in_to_end(void **state)
{
    struct world *w = *state;
    const struct gw_uuid jti = {{5}};
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    (void)news(w);
    struct gw_signed_in a = world_sign_in(w, "alice"), b = world_sign_in(w, "alice"), c = world_sign_in(w, "alice");
    assert_string_equal(news(w), "user_login sessions done {\"newDevice\":true,\"endedSessions\":0}\n"
                                 "user_login sessions done {\"newDevice\":false,\"endedSessions\":0}\n"
                                 "user_login sessions done {\"newDevice\":false,\"endedSessions\":0}\n");
    assert_true(gw_uuid_eq(&trail.last.user_id, &u.id));
    assert_true(gw_uuid_eq(&trail.last.session_id, &c.session.id));
    const struct gw_actor alice = {.user_id = u.id, .session_id = a.session.id};
    assert_int_equal(gw_session_end(w->identity, &alice, &b.session.id, &w->err), GW_OK);
    assert_int_equal(gw_session_end(w->identity, &alice, &a.session.id, &w->err), GW_OK);
    assert_int_equal(gw_session_end_all(w->identity, &admin, &u.id, NULL, NULL, &w->err), GW_OK);
    assert_int_equal(gw_token_revoke(w->identity, &admin, &jti, WORLD_START_S + 60, &w->err), GW_OK);
    assert_string_equal(news(w), "session_ended sessions done\n"
                                 "user_logout sessions done\n"
                                 "sessions_ended users done {\"count\":1}\n"
                                 "token_revoked tokens done\n");
    gw_signed_in_done(&a);
    gw_signed_in_done(&b);
    gw_signed_in_done(&c);
}

static void refresh(struct world *w, const char *token, enum gw_refresh_outcome outcome)
{
    struct gw_refreshed r;
    assert_int_equal(gw_refresh(w->identity, &anybody, gw_str(token), &r, &w->err), GW_OK);
    assert_int_equal(r.outcome, outcome);
    gw_signed_in_done(&r.signed_in);
}

static void a_refresh_is_told_and_a_spent_token_too(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    (void)news(w);
    refresh(w, s.refresh, GW_REFRESH_ROTATED);
    refresh(w, s.refresh, GW_REFRESH_REPEATED);
    refresh(w, "no-such-token", GW_REFRESH_UNKNOWN);
    assert_string_equal(news(w), "token_refreshed sessions done\n");
    world_advance(w, 60);
    refresh(w, s.refresh, GW_REFRESH_REUSED);
    assert_string_equal(news(w), "refresh_reused sessions done\n");
    assert_true(gw_uuid_eq(&trail.last.user_id, &u.id));
    assert_true(gw_uuid_eq(&trail.last.session_id, &s.session.id));
    assert_int_equal(trail.last.severity, GW_SEVERITY_HIGH);
    gw_signed_in_done(&s);
}

static void what_the_clock_ends_is_nobodys_doing(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    (void)news(w);
    world_advance(w, WORLD_ABSOLUTE_S + 1);
    assert_int_equal(gw_identity_clean_up(w->identity, &w->err), GW_OK);
    assert_false(world_has_live_session(w, &s.session.id));
    assert_string_equal(news(w), "");
    gw_signed_in_done(&s);
}

/* ---- none for what was not done ---- */

static void a_refused_change_leaves_no_row(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "root", "admin", GOOD_PASSWORD), out;
    struct gw_signed_in s;
    const struct gw_uuid none = {{1}};
    const struct gw_actor root = {.user_id = u.id};
    struct gw_kept_session keep = {.id = none};
    const struct gw_user_new taken = {.username = GW_STR("root"), .role = GW_STR("viewer")};
    const struct gw_user_change demote = {.set = GW_USER_SET_ROLE, .role = GW_STR("viewer")};
    (void)news(w);
    assert_int_equal(gw_user_add(w->identity, &admin, world_policy, &taken, &out, &w->err), GW_ECONFLICT);
    assert_int_equal(gw_user_change(w->identity, &admin, world_policy, &u.id, &demote, &out, &w->err), GW_ECONFLICT);
    assert_int_equal(gw_user_delete(w->identity, &admin, &u.id, &w->err), GW_ECONFLICT);
    assert_int_equal(gw_user_delete(w->identity, &admin, &none, &w->err), GW_ENOTFOUND);
    assert_int_equal(gw_user_set_password(w->identity, &admin, &u.id, GW_STR("weak"), NULL, &w->err), GW_EINVAL);
    assert_int_equal(
        gw_user_change_password(w->identity, &root, GW_STR("wrong"), GW_STR(OTHER_PASSWORD), &keep, NULL, &w->err),
        GW_EDENIED);
    assert_int_equal(gw_user_reset_finish(w->identity, &anybody, GW_STR("x"), GW_STR(OTHER_PASSWORD), NULL, &w->err),
                     GW_EDENIED);
    assert_int_equal(gw_session_end(w->identity, &admin, &none, &w->err), GW_ENOTFOUND);
    assert_int_equal(world_login(w, "root", "wrong", &s), GW_EDENIED);
    assert_string_equal(news(w), "");
}

static void a_refused_sign_in_says_why_to_the_trail_alone(void **state)
{
    struct world *w = *state;
    struct gw_user_row known = world_add(w, "alice", "trader", GOOD_PASSWORD), off;
    const struct gw_user_change disable = {.set = GW_USER_SET_ACTIVE};
    static const struct gw_uuid nobody;
    world_add(w, "blank", "trader", "");
    world_add(w, "off", "trader", GOOD_PASSWORD);
    off = world_get(w, "off");
    assert_int_equal(gw_user_change(w->identity, &admin, world_policy, &off.id, &disable, &off, &w->err), GW_OK);
    const struct {
        const char *name, *password;
        enum gw_login_reason reason;
    } rows[] = {
        {"nobody", GOOD_PASSWORD, GW_LOGIN_UNKNOWN_USER},
        {"alice", "wrong", GW_LOGIN_WRONG_PASSWORD},
        {"off", GOOD_PASSWORD, GW_LOGIN_DISABLED},
        {"blank", GOOD_PASSWORD, GW_LOGIN_NO_PASSWORD},
    };
    for (size_t n = 0; n < COUNT(rows); n++) {
        struct gw_login_refusal refusal = {.reason = GW_LOGIN_SESSION_LIMIT};
        struct gw_signed_in s;
        const struct gw_login in = {.by = &anybody,
                                    .username = gw_str(rows[n].name),
                                    .password = gw_str(rows[n].password),
                                    .refusal = &refusal};
        assert_int_equal(gw_login(w->identity, &in, &s, &w->err), GW_EDENIED);
        assert_int_equal(refusal.reason, rows[n].reason);
        assert_int_equal(gw_uuid_eq(&refusal.user_id, &nobody), n == 0);
        if (n == 1)
            assert_true(gw_uuid_eq(&refusal.user_id, &known.id));
    }
}

/* ---- both or neither ---- */

/* The recorder's next number is taken, so its row cannot be written. */
static void block_next_row(struct world *w)
{
    (void)news(w);
    struct gw_audit_row r = trail.last;
    r.sequence++;
    assert_int_equal(gw_store_audit_add(w->store, &r, &w->err), GW_OK);
    (void)news(w);
}

static void a_change_whose_row_cannot_be_written_is_not_made(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD), out;
    struct gw_signed_in s = world_sign_in(w, "alice"), second;
    const struct gw_user_change promote = {.set = GW_USER_SET_ROLE, .role = GW_STR("admin")};
    block_next_row(w);
    assert_int_equal(gw_user_delete(w->identity, &admin, &u.id, &w->err), GW_EBACKEND);
    assert_int_equal(world_identify(w, &s), GW_OK);
    (void)world_get(w, "alice");
    /* The number is spent: try each of the others with the next one blocked. */
    world_add(w, "bob", "trader", "");
    block_next_row(w);
    assert_int_equal(gw_user_change(w->identity, &admin, world_policy, &u.id, &promote, &out, &w->err), GW_EBACKEND);
    assert_string_equal(world_get(w, "alice").role, "trader");
    world_add(w, "carl", "trader", "");
    block_next_row(w);
    assert_int_equal(world_login(w, "alice", GOOD_PASSWORD, &second), GW_EBACKEND);
    assert_int_equal(world_session_count(w, &u.id), 1);
    world_add(w, "dora", "trader", "");
    block_next_row(w);
    assert_int_equal(gw_session_end(w->identity, &admin, &s.session.id, &w->err), GW_EBACKEND);
    assert_int_equal(world_identify(w, &s), GW_OK);
    assert_string_equal(news(w), "");
    gw_signed_in_done(&s);
}

static void what_found_no_room_is_told_as_failed(void **state)
{
    struct world *w = *state;
    enum gw_code code = GW_OK;
    char name[16];
    struct gw_user_row u;
    for (int n = 0; n < 500 && code == GW_OK; n++) {
        (void)snprintf(name, sizeof(name), "user%d", n);
        const struct gw_user_new new = {.username = gw_str(name), .role = GW_STR("viewer")};
        (void)news(w);
        code = gw_user_add(w->identity, &admin, world_policy, &new, &u, &w->err);
    }
    assert_int_equal(code, GW_EBACKEND);
    const char *text = news(w);
    assert_non_null(strstr(text, "user_created users done"));
    assert_non_null(strstr(text, "user_created users failed"));
    assert_string_equal(trail.last.reason, "no-room");
    assert_int_equal(gw_user_find(w->identity, gw_str(name), &u, &w->err), GW_ENOTFOUND);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, world_tear_down)

/* An attack is a row an hour. */
static void a_full_table_of_windows_is_told_of_once_an_hour(void **state)
{
    struct world *w = *state;
    struct gw_login_guard *g = gw_identity_guard(w->identity);
    static const char *const want[] = {"", "login_windows_full  done", "", "login_windows_full  done"};
    (void)news(w);
    for (unsigned turn = 0; turn < 4; turn++) {
        for (unsigned n = 0; turn > 0 && n < 4000; n++) {
            struct gw_attempt_by by = {.call = GW_GUARDED_RESET};
            struct gw_attempt a;
            by.address.b[0] = 0x20, by.address.b[1] = (uint8_t)turn;
            by.address.b[6] = (uint8_t)(n >> 8), by.address.b[7] = (uint8_t)n;
            if (gw_login_guard_begin(g, &by, &a, NULL) == GW_OK)
                gw_login_guard_end(g, &a, GW_ATTEMPT_FAILED);
        }
        if (turn == 3)
            world_advance(w, 3600);
        assert_int_equal(gw_guard_record_full(w->identity, &w->err), GW_OK);
        const char *told = news(w);
        if (strncmp(told, want[turn], strlen(want[turn])) != 0 || (want[turn][0] == '\0' && told[0] != '\0'))
            fail_msg("turn %u: %s", turn, told);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_users_life_is_told_row_by_row),
        CASE(a_full_table_of_windows_is_told_of_once_an_hour),
        CASE(who_registers_is_who_did_it),
        CASE(sessions_are_told_from_sign_in_to_end),
        CASE(a_refresh_is_told_and_a_spent_token_too),
        CASE(what_the_clock_ends_is_nobodys_doing),
        CASE(a_refused_change_leaves_no_row),
        CASE(a_refused_sign_in_says_why_to_the_trail_alone),
        CASE(a_change_whose_row_cannot_be_written_is_not_made),
        CASE(what_found_no_room_is_told_as_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
