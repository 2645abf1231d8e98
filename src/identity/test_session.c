/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/test_world.h"

#include "crypto/secret.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- who a token speaks for ---- */

static void a_token_speaks_for_the_user_as_it_is_now(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    const struct gw_user_change c = {.set = GW_USER_SET_ROLE, .role = GW_STR("viewer")};
    struct gw_caller caller;
    assert_int_equal(gw_user_change(w->identity, &world_actor, world_policy, &u.id, &c, &u, &w->err), GW_OK);
    assert_int_equal(gw_identify(w->identity, gw_buf_str(&s.token), &caller, &w->err), GW_OK);
    assert_true(gw_uuid_eq(&caller.user.id, &u.id));
    assert_string_equal(caller.user.role, "viewer");
    assert_true(gw_uuid_eq(&caller.session_id, &s.session.id));
    assert_false(gw_uuid_eq(&caller.jti, &(struct gw_uuid){{0}}));
    assert_int_equal(caller.token_expires_s, WORLD_START_S + WORLD_TOKEN_S);
    gw_buf_done(&s.token);
}

static void what_is_no_token_of_ours_speaks_for_nobody(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    struct gw_caller caller;
    struct gw_str good = gw_buf_str(&s.token);
    const struct gw_str bad[] = {GW_STR(""), GW_STR("null"), GW_STR("a.b.c"), gw_str_sub(good, 0, good.len - 1),
                                 gw_str_sub(good, 1, good.len)};
    for (size_t n = 0; n < COUNT(bad); n++)
        assert_int_equal(gw_identify(w->identity, bad[n], &caller, &w->err), GW_EDENIED);
    world_token_key(w, "Zq8wN4tY1uB6vC3xM9kL2pR7sD5fG0hJ"); /* another key: what the old one signed is nothing */
    world_renew(w);
    assert_int_equal(gw_identify(w->identity, good, &caller, &w->err), GW_EDENIED);
    gw_buf_done(&s.token);
}

static void a_token_ends_with_its_time(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    w->settings.session_idle_ms = WORLD_ABSOLUTE_S * 1000;
    assert_int_equal(world_identify(w, &s), GW_OK);
    world_advance(w, WORLD_IDLE_S);
    assert_int_equal(world_identify(w, &s), GW_OK);
    world_advance(w, WORLD_TOKEN_S - WORLD_IDLE_S - 1);
    assert_int_equal(world_identify(w, &s), GW_OK);
    world_advance(w, 1);
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    gw_buf_done(&s.token);
}

static void use_pushes_out_the_idle_end_but_not_the_absolute_one(void **state)
{
    struct world *w = *state;
    w->settings.token_leeway_ms = 60 * 1000; /* the token alone would last that much longer */
    w->settings.token_ttl_ms = WORLD_ABSOLUTE_S * 1000;
    world_renew(w);
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in used = world_sign_in(w, "alice"), idle = world_sign_in(w, "alice");
    for (int64_t s = 0; s + WORLD_IDLE_S < WORLD_ABSOLUTE_S; s += WORLD_IDLE_S) {
        world_advance(w, WORLD_IDLE_S);
        assert_int_equal(world_identify(w, &used), GW_OK);
    }
    assert_int_equal(world_identify(w, &idle), GW_EDENIED);
    world_advance(w, WORLD_IDLE_S - 1);
    assert_int_equal(world_identify(w, &used), GW_OK);
    world_advance(w, 1);
    assert_int_equal(world_identify(w, &used), GW_EDENIED);
    gw_buf_done(&used.token);
    gw_buf_done(&idle.token);
}

static void a_revoked_token_is_dead_and_stays_so_over_restarts(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    struct gw_caller caller;
    assert_int_equal(gw_identify(w->identity, gw_buf_str(&s.token), &caller, &w->err), GW_OK);
    assert_int_equal(gw_token_revoke(w->identity, &world_actor, &caller.jti, caller.token_expires_s, &w->err), GW_OK);
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    world_restart(w);
    assert_int_equal(gw_identity_publish(w->identity, &w->err), GW_OK);
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    assert_true(world_has_live_session(w, &s.session.id));
    gw_buf_done(&s.token);
}

static void offline_no_token_is_believed(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    gw_shared_close(w->shared);
    w->shared = NULL;
    world_renew(w);
    assert_int_equal(world_identify(w, &s), GW_EBACKEND);
    gw_buf_done(&s.token);
}

/* ---- publication ---- */

static void a_restart_brings_back_what_is_live_and_drops_the_rest(void **state)
{
    struct world *w = *state;
    struct gw_user_row alice = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_user_row bob = world_add(w, "bob", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice"), deleted = world_sign_in(w, "alice");
    const struct gw_live_session stray = {.id = {{7}}, .user_id = alice.id, .expires_s = WORLD_START_S + 100};
    struct gw_live_user live;
    assert_int_equal(gw_shared_put_session(w->shared, &stray, &w->err), GW_OK);
    /* as if control had died between database and segment */
    assert_int_equal(gw_store_user_delete(w->store, &bob.id, &w->err), GW_OK);
    assert_int_equal(gw_store_session_delete(w->store, &deleted.session.id, &w->err), GW_OK);
    world_restart(w);
    assert_int_equal(gw_identity_publish(w->identity, &w->err), GW_OK);
    assert_int_equal(world_identify(w, &s), GW_OK);
    assert_int_equal(world_identify(w, &deleted), GW_EDENIED);
    assert_false(world_has_live_session(w, &stray.id));
    assert_int_equal(gw_shared_get_user(w->shared, &bob.id, &live), GW_ENOTFOUND);
    gw_buf_done(&s.token);
    gw_buf_done(&deleted.token);
}

static void until_it_is_published_nobody_is_refused_as_unknown(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    gw_shared_close(w->shared);
    char path[64];
    strcat(strcpy(path, w->dir), "/authority");
    assert_int_equal(remove(path), 0);
    w->shared = NULL;
    const struct gw_shared_sizes sizes = {.sessions = 64, .users = 32, .revocations = 32, .api_keys = 8};
    assert_int_equal(gw_shared_open(w->dir, GW_SHARED_WRITER, &sizes, &w->shared, &w->err), GW_OK);
    world_renew(w);
    assert_int_equal(world_identify(w, &s), GW_EBACKEND);
    assert_int_equal(gw_identity_publish(w->identity, &w->err), GW_OK);
    assert_int_equal(world_identify(w, &s), GW_OK);
    gw_buf_done(&s.token);
}

/* ---- ending and listing ---- */

static void an_ended_session_is_dead_in_store_and_segment(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice"), other = world_sign_in(w, "alice");
    assert_int_equal(gw_session_end(w->identity, &world_actor, &s.session.id, &w->err), GW_OK);
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    assert_false(world_has_live_session(w, &s.session.id));
    assert_int_equal(gw_session_end(w->identity, &world_actor, &s.session.id, &w->err), GW_ENOTFOUND);
    assert_int_equal(world_identify(w, &other), GW_OK);
    gw_buf_done(&s.token);
    gw_buf_done(&other.token);
}

static void all_of_a_users_sessions_end_but_the_kept_one(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    world_add(w, "bob", "trader", GOOD_PASSWORD);
    struct gw_signed_in s[3] = {world_sign_in(w, "alice"), world_sign_in(w, "alice"), world_sign_in(w, "alice")};
    struct gw_signed_in bob = world_sign_in(w, "bob");
    size_t ended = 0;
    assert_int_equal(gw_session_end_all(w->identity, &world_actor, &u.id, &s[1].session.id, &ended, &w->err), GW_OK);
    assert_int_equal(ended, 2);
    for (size_t n = 0; n < 3; n++)
        assert_int_equal(world_identify(w, &s[n]), n == 1 ? GW_OK : GW_EDENIED);
    assert_int_equal(gw_session_end_all(w->identity, &world_actor, &u.id, NULL, NULL, &w->err), GW_OK);
    assert_int_equal(world_identify(w, &s[1]), GW_EDENIED);
    assert_int_equal(world_identify(w, &bob), GW_OK);
    for (size_t n = 0; n < 3; n++)
        gw_buf_done(&s[n].token);
    gw_buf_done(&bob.token);
}

struct listing {
    size_t count;
    struct gw_session_row last;
};

static enum gw_code list(void *ctx, const struct gw_session_row *r, struct gw_error *err)
{
    (void)err;
    struct listing *l = ctx;
    l->count++;
    l->last = *r;
    return GW_OK;
}

static void a_list_shows_live_sessions_and_their_freshest_use(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in used = world_sign_in(w, "alice"), idle = world_sign_in(w, "alice");
    struct listing l = {.count = 0};
    world_advance(w, WORLD_IDLE_S);
    gw_shared_touch(w->shared, &used.session.id, WORLD_START_S + WORLD_IDLE_S);
    world_advance(w, 1);
    assert_int_equal(gw_session_each(w->identity, &u.id, list, &l, &w->err), GW_OK);
    assert_int_equal(l.count, 1);
    assert_true(gw_uuid_eq(&l.last.id, &used.session.id));
    assert_int_equal(l.last.last_seen_s, WORLD_START_S + WORLD_IDLE_S);
    gw_buf_done(&used.token);
    gw_buf_done(&idle.token);
}

/* ---- schedules ---- */

static enum gw_code count_revocation(void *ctx, const struct gw_uuid *jti, int64_t expires_s, struct gw_error *err)
{
    (void)jti, (void)expires_s, (void)err;
    ++*(size_t *)ctx;
    return GW_OK;
}

static void clean_up_ends_what_is_over_and_forgets_spent_revocations(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in used = world_sign_in(w, "alice"), idle = world_sign_in(w, "alice");
    const struct gw_uuid soon = {{1}}, later = {{2}};
    size_t revocations = 0;
    struct gw_shared_fill fill;
    assert_int_equal(gw_token_revoke(w->identity, &world_actor, &soon, WORLD_START_S + 10, &w->err), GW_OK);
    assert_int_equal(gw_token_revoke(w->identity, &world_actor, &later, WORLD_START_S + WORLD_TOKEN_S, &w->err), GW_OK);
    world_advance(w, WORLD_IDLE_S + 1);
    gw_shared_touch(w->shared, &used.session.id, WORLD_START_S + 100);
    assert_int_equal(gw_identity_clean_up(w->identity, &w->err), GW_OK);
    assert_int_equal(world_session_count(w, &u.id), 1);
    assert_true(world_has_live_session(w, &used.session.id));
    assert_false(world_has_live_session(w, &idle.session.id));
    assert_int_equal(gw_store_revocation_each(w->store, count_revocation, &revocations, &w->err), GW_OK);
    gw_shared_fill(w->shared, &fill);
    assert_int_equal(revocations, 1);
    assert_int_equal(fill.revocations, 1);
    gw_buf_done(&used.token);
    gw_buf_done(&idle.token);
}

static void a_revocation_outlasts_the_leeway_of_verifiers(void **state)
{
    struct world *w = *state;
    const struct gw_uuid jti = {{1}};
    bool revoked = false;
    size_t kept = 0;
    assert_int_equal(gw_token_revoke(w->identity, &world_actor, &jti, WORLD_START_S + 10, &w->err), GW_OK);
    world_advance(w, 10 + 59);
    assert_int_equal(gw_identity_clean_up(w->identity, &w->err), GW_OK);
    assert_int_equal(gw_shared_is_revoked(w->shared, &jti, &revoked), GW_OK);
    assert_true(revoked);
    assert_int_equal(gw_store_revocation_each(w->store, count_revocation, &kept, &w->err), GW_OK);
    assert_int_equal(kept, 1);
}

/* What the store keeps and the segment cannot hold would stop control at each start. */
static void the_store_keeps_no_revocation_that_the_segment_has_no_room_for(void **state)
{
    struct world *w = *state;
    size_t kept = 0, taken = 0;
    enum gw_code code = GW_OK;
    for (unsigned n = 0; n < 1000 && code == GW_OK; n++) {
        const struct gw_uuid jti = {{1, (uint8_t)(n >> 8), (uint8_t)n}};
        code = gw_token_revoke(w->identity, &world_actor, &jti, WORLD_START_S + WORLD_TOKEN_S, &w->err);
        taken += code == GW_OK;
    }
    assert_int_equal(code, GW_EBACKEND);
    assert_int_equal(gw_store_revocation_each(w->store, count_revocation, &kept, &w->err), GW_OK);
    assert_int_equal(kept, taken);
}

static void last_seen_times_are_saved_to_store_and_segment(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in used = world_sign_in(w, "alice"), unused = world_sign_in(w, "alice");
    struct gw_session_row r;
    struct gw_live_session live;
    gw_shared_touch(w->shared, &used.session.id, WORLD_START_S + 30);
    assert_int_equal(gw_identity_save_last_seen(w->identity, &w->err), GW_OK);
    assert_int_equal(gw_store_session_get(w->store, &used.session.id, &r, &w->err), GW_OK);
    assert_int_equal(r.last_seen_s, WORLD_START_S + 30);
    assert_int_equal(gw_shared_get_session(w->shared, &used.session.id, &live), GW_OK);
    assert_int_equal(live.last_seen_s, WORLD_START_S + 30);
    assert_int_equal(gw_store_session_get(w->store, &unused.session.id, &r, &w->err), GW_OK);
    assert_int_equal(r.last_seen_s, WORLD_START_S);
    gw_buf_done(&used.token);
    gw_buf_done(&unused.token);
}

static void offline_changes_reach_the_store_and_wait_for_control(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    gw_shared_close(w->shared);
    w->shared = NULL;
    world_renew(w);
    assert_int_equal(gw_session_end(w->identity, &world_actor, &s.session.id, &w->err), GW_OK);
    world_add(w, "bob", "viewer", "");
    assert_int_equal(gw_identity_clean_up(w->identity, &w->err), GW_OK);
    assert_int_equal(gw_identity_save_last_seen(w->identity, &w->err), GW_OK);
    world_restart(w);
    assert_int_equal(gw_identity_publish(w->identity, &w->err), GW_OK);
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    gw_buf_done(&s.token);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, world_set_up, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_token_speaks_for_the_user_as_it_is_now),
        CASE(what_is_no_token_of_ours_speaks_for_nobody),
        CASE(a_token_ends_with_its_time),
        CASE(use_pushes_out_the_idle_end_but_not_the_absolute_one),
        CASE(a_revoked_token_is_dead_and_stays_so_over_restarts),
        CASE(offline_no_token_is_believed),
        CASE(a_restart_brings_back_what_is_live_and_drops_the_rest),
        CASE(until_it_is_published_nobody_is_refused_as_unknown),
        CASE(an_ended_session_is_dead_in_store_and_segment),
        CASE(all_of_a_users_sessions_end_but_the_kept_one),
        CASE(a_list_shows_live_sessions_and_their_freshest_use),
        CASE(clean_up_ends_what_is_over_and_forgets_spent_revocations),
        CASE(a_revocation_outlasts_the_leeway_of_verifiers),
        CASE(the_store_keeps_no_revocation_that_the_segment_has_no_room_for),
        CASE(last_seen_times_are_saved_to_store_and_segment),
        CASE(offline_changes_reach_the_store_and_wait_for_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
