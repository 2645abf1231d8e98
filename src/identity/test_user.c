/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/test_world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SIXTY_FOUR "0123456789012345678901234567890123456789012345678901234567890123"

static enum gw_code try_add(struct world *w, struct gw_user_new n)
{
    struct gw_user_row u;
    return gw_user_add(w->identity, &world_actor, world_policy, &n, &u, &w->err);
}

static enum gw_code set_active(struct world *w, const struct gw_user_row *u, bool active)
{
    const struct gw_user_change c = {.set = GW_USER_SET_ACTIVE, .active = active};
    struct gw_user_row after;
    return gw_user_change(w->identity, &world_actor, world_policy, &u->id, &c, &after, &w->err);
}

static enum gw_code set_role(struct world *w, const struct gw_user_row *u, const char *role)
{
    const struct gw_user_change c = {.set = GW_USER_SET_ROLE, .role = gw_str(role)};
    struct gw_user_row after;
    return gw_user_change(w->identity, &world_actor, world_policy, &u->id, &c, &after, &w->err);
}

static enum gw_code set_email(struct world *w, const struct gw_user_row *u, const char *email)
{
    const struct gw_user_change c = {.set = GW_USER_SET_EMAIL, .email = gw_str(email)};
    struct gw_user_row after;
    return gw_user_change(w->identity, &world_actor, world_policy, &u->id, &c, &after, &w->err);
}

/* ---- adding and finding ---- */

static void a_user_is_in_the_store_and_in_the_segment(void **state)
{
    struct world *w = *state;
    const struct gw_user_new n = {.username = GW_STR("alice"),
                                  .email = GW_STR("alice@example.org"),
                                  .role = GW_STR("trader"),
                                  .upstream_id = GW_STR("up-1"),
                                  .password = GW_STR(GOOD_PASSWORD)};
    struct gw_user_row u;
    struct gw_live_user live;
    char id[GW_UUID_LEN + 1];
    assert_int_equal(gw_user_add(w->identity, &world_actor, world_policy, &n, &u, &w->err), GW_OK);
    gw_uuid_format(&u.id, id);
    const char *const names[] = {"alice", "Alice", "ALICE@example.org", id};
    for (size_t k = 0; k < COUNT(names); k++) {
        struct gw_user_row found = world_get(w, names[k]);
        assert_true(gw_uuid_eq(&found.id, &u.id));
    }
    assert_int_equal(gw_shared_get_user(w->shared, &u.id, &live), GW_OK);
    assert_string_equal(live.username, "alice");
    assert_string_equal(live.email, "alice@example.org");
    assert_string_equal(live.role, "trader");
    assert_string_equal(live.upstream_id, "up-1");
    assert_int_equal(live.active, 1);
}

static void names_of_full_length_and_all_characters_are_taken(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"a", "A.b_c@d-e", SIXTY_FOUR, "_x", "0"};
    for (size_t k = 0; k < COUNT(names); k++)
        assert_int_equal(try_add(w, (struct gw_user_new){.username = gw_str(names[k]), .role = GW_STR("viewer")}),
                         GW_OK);
}

static void what_breaks_a_rule_is_refused_and_nothing_is_added(void **state)
{
    struct world *w = *state;
    const struct gw_str name = GW_STR("bob"), role = GW_STR("trader");
    const struct gw_user_new rows[] = {
        {.username = GW_STR(""), .role = role},
        {.username = GW_STR(SIXTY_FOUR "x"), .role = role},
        {.username = GW_STR(".bob"), .role = role},
        {.username = GW_STR("-bob"), .role = role},
        {.username = GW_STR("bo b"), .role = role},
        {.username = GW_STR("b\0b"), .role = role},
        {.username = GW_STR("b\xc3\xb6"), .role = role},
        {.username = GW_STR("b/b"), .role = role},
        {.username = GW_STR("01932c07-209c-7000-8000-0123456789ab"), .role = role},
        {.username = name, .role = GW_STR("Admin")},
        {.username = name, .role = GW_STR("")},
        {.username = name, .role = role, .email = GW_STR("bob")},
        {.username = name, .role = role, .email = GW_STR("@x")},
        {.username = name, .role = role, .email = GW_STR("b@")},
        {.username = name, .role = role, .email = GW_STR("b@x@y")},
        {.username = name, .role = role, .email = GW_STR("b @x")},
        {.username = name, .role = role, .email = GW_STR("b@x\n")},
        {.username = name, .role = role, .email = GW_STR(SIXTY_FOUR "@" SIXTY_FOUR)},
        {.username = name, .role = role, .upstream_id = GW_STR(SIXTY_FOUR "x")},
        {.username = name, .role = role, .upstream_id = GW_STR("a b")},
        {.username = name, .role = role, .password = GW_STR("short")},
        {.username = name, .role = role, .password = GW_STR("password1!")},
        {.username = name, .role = role, .password = GW_STR("Xx1!aBOBaa")},
        {.username = name, .role = role, .password_hash = GW_STR("plain")},
        {.username = name, .role = role, .password_hash = GW_STR("$1$abc$def")},
        {.username = name,
         .role = role,
         .password = GW_STR(GOOD_PASSWORD),
         .password_hash = GW_STR("$2b$12$oBfibYsN1nBKizMrxMzUf.yy0H3A9tKjwhIhorlf3FSiJ23KQ46jC")},
    };
    for (size_t k = 0; k < COUNT(rows); k++) {
        enum gw_code code = try_add(w, rows[k]);
        if (code != GW_EINVAL)
            fail_msg("row %zu: %s", k, gw_code_name(code));
    }
    struct gw_shared_fill fill;
    gw_shared_fill(w->shared, &fill);
    assert_int_equal(fill.users, 0);
}

static void an_unknown_role_is_answered_with_those_there_are(void **state)
{
    struct world *w = *state;
    assert_int_equal(try_add(w, (struct gw_user_new){.username = GW_STR("bob"), .role = GW_STR("king")}), GW_EINVAL);
    assert_non_null(strstr(w->err.msg, "admin, trader, viewer"));
}

static void a_name_or_address_is_one_users_only(void **state)
{
    struct world *w = *state;
    const struct gw_str role = GW_STR("trader");
    assert_int_equal(try_add(w, (struct gw_user_new){.username = GW_STR("a@x"), .role = role, .email = GW_STR("a@x")}),
                     GW_OK);
    assert_int_equal(try_add(w, (struct gw_user_new){.username = GW_STR("b@x"), .role = role, .email = GW_STR("c@x")}),
                     GW_OK);
    const struct gw_user_new taken[] = {
        {.username = GW_STR("A@X"), .role = role},
        {.username = GW_STR("new"), .role = role, .email = GW_STR("A@x")},
        {.username = GW_STR("C@x"), .role = role},                         /* b's address as a name */
        {.username = GW_STR("new"), .role = role, .email = GW_STR("B@x")}, /* b's name as an address */
    };
    for (size_t k = 0; k < COUNT(taken); k++)
        assert_int_equal(try_add(w, taken[k]), GW_ECONFLICT);
    struct gw_user_row a = world_get(w, "a@x");
    assert_int_equal(set_email(w, &a, "b@x"), GW_ECONFLICT);
    assert_int_equal(set_email(w, &a, "c@x"), GW_ECONFLICT);
    assert_int_equal(set_email(w, &a, "A@X"), GW_OK);
    assert_int_equal(set_email(w, &a, ""), GW_OK);
}

/* ---- changing ---- */

static void a_change_bites_in_the_segment_at_once(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    struct gw_live_user before, after;
    assert_int_equal(gw_shared_get_user(w->shared, &u.id, &before), GW_OK);
    assert_int_equal(set_role(w, &u, "viewer"), GW_OK);
    assert_int_equal(gw_shared_get_user(w->shared, &u.id, &after), GW_OK);
    assert_string_equal(after.role, "viewer");
    assert_true(after.version > before.version);
    assert_int_equal(world_identify(w, &s), GW_OK);
    assert_int_equal(set_active(w, &u, false), GW_OK);
    assert_int_equal(gw_shared_get_user(w->shared, &u.id, &after), GW_OK);
    assert_int_equal(after.active, 0);
    assert_false(world_has_live_session(w, &s.session.id));
    assert_int_equal(world_session_count(w, &u.id), 0);
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    assert_int_equal(set_active(w, &u, true), GW_OK); /* revives the user, not the session */
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    gw_buf_done(&s.token);
}

static void a_refused_change_changes_nothing(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD), after;
    const struct gw_user_change c = {
        .set = GW_USER_SET_UPSTREAM_ID | GW_USER_SET_ROLE, .upstream_id = GW_STR("x"), .role = GW_STR("king")};
    assert_int_equal(gw_user_change(w->identity, &world_actor, world_policy, &u.id, &c, &after, &w->err), GW_EINVAL);
    after = world_get(w, "alice");
    assert_string_equal(after.upstream_id, "");
    assert_int_equal(after.version, u.version);
}

static void a_deleted_user_is_gone_everywhere(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    struct gw_live_user live;
    assert_int_equal(gw_user_delete(w->identity, &world_actor, &u.id, &w->err), GW_OK);
    assert_int_equal(gw_shared_get_user(w->shared, &u.id, &live), GW_ENOTFOUND);
    assert_false(world_has_live_session(w, &s.session.id));
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    assert_int_equal(gw_user_find(w->identity, GW_STR("alice"), &u, &w->err), GW_ENOTFOUND);
    assert_int_equal(gw_user_delete(w->identity, &world_actor, &u.id, &w->err), GW_ENOTFOUND);
    gw_buf_done(&s.token);
}

static void the_last_active_admin_stays(void **state)
{
    struct world *w = *state;
    struct gw_user_row first = world_add(w, "first", "admin", ""), second = world_add(w, "second", "admin", "");
    assert_int_equal(set_active(w, &second, false), GW_OK); /* a disabled admin counts for nothing */
    assert_int_equal(set_active(w, &first, false), GW_ECONFLICT);
    assert_int_equal(set_role(w, &first, "trader"), GW_ECONFLICT);
    assert_int_equal(gw_user_delete(w->identity, &world_actor, &first.id, &w->err), GW_ECONFLICT);
    assert_int_equal(set_email(w, &first, "first@example.org"), GW_OK);
    assert_int_equal(gw_user_delete(w->identity, &world_actor, &second.id, &w->err), GW_OK);
    assert_true(world_get(w, "first").active);
    world_add(w, "third", "admin", "");
    assert_int_equal(set_role(w, &first, "trader"), GW_OK);
}

struct rival {
    struct world *world;
    struct gw_user_row user;
    enum gw_code code;
    pthread_t thread;
};

static void *step_down(void *ctx)
{
    struct rival *r = ctx;
    const struct gw_user_change c = {.set = GW_USER_SET_ROLE, .role = GW_STR("viewer")};
    struct gw_user_row after;
    r->code = gw_user_change(r->world->identity, &world_actor, world_policy, &r->user.id, &c, &after, NULL);
    return NULL;
}

static void of_two_admins_that_step_down_at_once_one_stays(void **state)
{
    struct world *w = *state;
    struct rival rivals[2] = {{.world = w, .user = world_add(w, "first", "admin", "")},
                              {.world = w, .user = world_add(w, "second", "admin", "")}};
    for (size_t n = 0; n < 2; n++)
        assert_int_equal(pthread_create(&rivals[n].thread, NULL, step_down, &rivals[n]), 0);
    for (size_t n = 0; n < 2; n++)
        assert_int_equal(pthread_join(rivals[n].thread, NULL), 0);
    assert_int_equal((rivals[0].code == GW_OK) + (rivals[1].code == GW_OK), 1);
    assert_int_equal((rivals[0].code == GW_ECONFLICT) + (rivals[1].code == GW_ECONFLICT), 1);
}

static void a_user_without_a_slot_is_none(void **state)
{
    struct world *w = *state;
    struct gw_live_user filler = {.active = 1};
    for (uint8_t n = 1; n != 0; n++) {
        filler.id.b[0] = n;
        if (gw_shared_put_user(w->shared, &filler, NULL) == GW_ELIMIT)
            break;
    }
    assert_int_equal(try_add(w, (struct gw_user_new){.username = GW_STR("alice"), .role = GW_STR("trader")}),
                     GW_EBACKEND);
    struct gw_user_row u;
    assert_int_equal(gw_user_find(w->identity, GW_STR("alice"), &u, &w->err), GW_ENOTFOUND);
}

/* ---- passwords ---- */

static void an_own_change_proves_the_old_password_and_ends_other_sessions(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in kept = world_sign_in(w, "alice"), other = world_sign_in(w, "alice"), s;
    struct gw_kept_session keep = {.id = kept.session.id};
    const struct gw_actor by = {.user_id = u.id};
    const struct {
        const char *old_password, *new_password;
        enum gw_code code;
    } cases[] = {
        {"Str0ng!pass", OTHER_PASSWORD, GW_EDENIED}, {"", OTHER_PASSWORD, GW_EDENIED},
        {GOOD_PASSWORD, "short", GW_EINVAL},         {GOOD_PASSWORD, OTHER_PASSWORD, GW_OK},
        {GOOD_PASSWORD, OTHER_PASSWORD, GW_EDENIED},
    };
    for (size_t n = 0; n < COUNT(cases); n++) {
        assert_int_equal(gw_user_change_password(w->identity, &by, gw_str(cases[n].old_password),
                                                 gw_str(cases[n].new_password), &keep, NULL, &w->err),
                         cases[n].code);
        assert_int_equal(world_has_live_session(w, &other.session.id), n < 3);
    }
    assert_int_equal(world_identify(w, &kept), GW_OK);
    assert_int_equal(world_identify(w, &other), GW_EDENIED);
    assert_int_equal(world_login(w, "alice", GOOD_PASSWORD, &s), GW_EDENIED);
    assert_int_equal(world_login(w, "alice", OTHER_PASSWORD, &s), GW_OK);
    gw_buf_done(&s.token);
    gw_buf_done(&kept.token);
    gw_buf_done(&other.token);
}

static void an_operator_sets_a_password_and_all_sessions_end(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in old = world_sign_in(w, "alice"), s;
    assert_int_equal(gw_user_set_password(w->identity, &world_actor, &u.id, GW_STR("Password1!"), NULL, &w->err),
                     GW_EINVAL);
    assert_int_equal(world_identify(w, &old), GW_OK);
    assert_int_equal(gw_user_set_password(w->identity, &world_actor, &u.id, GW_STR(OTHER_PASSWORD), NULL, &w->err),
                     GW_OK);
    assert_int_equal(world_identify(w, &old), GW_EDENIED);
    assert_int_equal(world_login(w, "alice", OTHER_PASSWORD, &s), GW_OK);
    gw_buf_done(&s.token);
    gw_buf_done(&old.token);
}

static enum gw_code finish(struct world *w, const char *code, const char *password)
{
    return gw_user_reset_finish(w->identity, &world_actor, gw_str(code), gw_str(password), NULL, &w->err);
}

static void a_reset_code_works_once(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in old = world_sign_in(w, "alice"), s;
    char code[GW_RESET_CODE_LEN + 1];
    assert_int_equal(gw_user_reset_begin(w->identity, &world_actor, &u.id, NULL, NULL, code, &w->err), GW_OK);
    assert_int_equal(strlen(code), GW_RESET_CODE_LEN);
    assert_int_equal(world_identify(w, &old), GW_OK);
    assert_int_equal(finish(w, "AAAAAAAAAAAAAAAAAAAAAA", OTHER_PASSWORD), GW_EDENIED);
    assert_int_equal(finish(w, "", OTHER_PASSWORD), GW_EDENIED);
    assert_int_equal(finish(w, code, "short"), GW_EINVAL); /* and does not spend the code */
    assert_int_equal(finish(w, code, OTHER_PASSWORD), GW_OK);
    assert_int_equal(finish(w, code, GOOD_PASSWORD), GW_EDENIED);
    assert_int_equal(world_identify(w, &old), GW_EDENIED);
    assert_int_equal(world_login(w, "alice", OTHER_PASSWORD, &s), GW_OK);
    gw_buf_done(&s.token);
    gw_buf_done(&old.token);
}

static void a_reset_code_ends_by_time_by_another_and_by_a_new_password(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    char first[GW_RESET_CODE_LEN + 1], second[GW_RESET_CODE_LEN + 1];
    assert_int_equal(gw_user_reset_begin(w->identity, &world_actor, &u.id, NULL, NULL, first, &w->err), GW_OK);
    assert_int_equal(gw_user_reset_begin(w->identity, &world_actor, &u.id, NULL, NULL, second, &w->err), GW_OK);
    assert_int_equal(finish(w, first, OTHER_PASSWORD), GW_EDENIED);
    world_advance(w, 600);
    assert_int_equal(finish(w, second, OTHER_PASSWORD), GW_EDENIED);
    assert_int_equal(gw_user_reset_begin(w->identity, &world_actor, &u.id, NULL, NULL, first, &w->err), GW_OK);
    assert_int_equal(gw_user_set_password(w->identity, &world_actor, &u.id, GW_STR(OTHER_PASSWORD), NULL, &w->err),
                     GW_OK);
    assert_int_equal(finish(w, first, GOOD_PASSWORD), GW_EDENIED);
    assert_int_equal(gw_user_reset_begin(w->identity, &world_actor, &u.id, NULL, NULL, first, &w->err), GW_OK);
    assert_int_equal(set_active(w, &u, false), GW_OK);
    assert_int_equal(finish(w, first, GOOD_PASSWORD), GW_EDENIED);
}

static void nobody_gets_no_code(void **state)
{
    struct world *w = *state;
    const struct gw_uuid nobody = {{9}};
    char code[GW_RESET_CODE_LEN + 1] = "";
    assert_int_equal(gw_user_reset_begin(w->identity, &world_actor, &nobody, NULL, NULL, code, &w->err), GW_ENOTFOUND);
    assert_string_equal(code, "");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, world_set_up, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_user_is_in_the_store_and_in_the_segment),
        CASE(names_of_full_length_and_all_characters_are_taken),
        CASE(what_breaks_a_rule_is_refused_and_nothing_is_added),
        CASE(an_unknown_role_is_answered_with_those_there_are),
        CASE(a_name_or_address_is_one_users_only),
        CASE(a_change_bites_in_the_segment_at_once),
        CASE(a_refused_change_changes_nothing),
        CASE(a_deleted_user_is_gone_everywhere),
        CASE(the_last_active_admin_stays),
        CASE(of_two_admins_that_step_down_at_once_one_stays),
        CASE(a_user_without_a_slot_is_none),
        CASE(an_own_change_proves_the_old_password_and_ends_other_sessions),
        CASE(an_operator_sets_a_password_and_all_sessions_end),
        CASE(a_reset_code_works_once),
        CASE(a_reset_code_ends_by_time_by_another_and_by_a_new_password),
        CASE(nobody_gets_no_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
