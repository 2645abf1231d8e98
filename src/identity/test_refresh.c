/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/test_world.h"

#include "crypto/secret.h"
#include "identity/sealed.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GRACE_S 10
#define CLIENTS 50

/* A refresh token in a test's hand. */
struct token {
    char text[GW_REFRESH_TOKEN_LEN + 1];
};

static struct gw_signed_in sign_in(struct world *w, struct token *out)
{
    struct gw_signed_in s = world_sign_in(w, "alice");
    memcpy(out->text, s.refresh, sizeof(out->text));
    return s;
}

/* For tests that want no more of a sign-in than its refresh token. */
static struct gw_uuid sign_in_for(struct world *w, struct token *out)
{
    struct gw_signed_in s = sign_in(w, out);
    struct gw_uuid id = s.session.id;
    gw_signed_in_done(&s);
    return id;
}

/* Uses a token; *next becomes the one that it gave. */
static enum gw_refresh_outcome use(struct world *w, const struct token *t, struct token *next)
{
    struct gw_refreshed r;
    if (gw_refresh(w->identity, &world_actor, gw_str(t->text), &r, &w->err) != GW_OK)
        fail_msg("%s", w->err.msg);
    assert_int_equal(r.signed_in.token.len > 0,
                     gw_refresh_is_given(r.outcome)); /* looking who it is would be a use too */
    memcpy(next->text, r.signed_in.refresh, sizeof(next->text));
    gw_signed_in_done(&r.signed_in);
    return r.outcome;
}

#define assert_outcome(want, got)                                         \
    do {                                                                  \
        enum gw_refresh_outcome got_ = (got);                             \
        if (got_ != GW_REFRESH_##want)                                    \
            fail_msg("%s, not %s", gw_refresh_outcome_text(got_), #want); \
    } while (0)

/* ---- rotation ---- */

static void each_use_gives_the_next_token_and_access_as_the_user_is_now(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct token first, second;
    struct gw_signed_in s = sign_in(w, &first);
    const struct gw_user_change c = {.set = GW_USER_SET_ROLE, .role = GW_STR("viewer")};
    struct gw_refreshed r;
    struct gw_caller before, after;
    assert_int_equal(strlen(first.text), GW_REFRESH_TOKEN_LEN);
    assert_int_equal(gw_user_change(w->identity, &world_actor, world_policy, &u.id, &c, &u, &w->err), GW_OK);
    world_advance(w, 100);
    assert_int_equal(gw_refresh(w->identity, &world_actor, gw_str(first.text), &r, &w->err), GW_OK);
    assert_outcome(ROTATED, r.outcome);
    assert_string_equal(r.signed_in.user.role, "viewer");
    assert_int_equal(r.signed_in.expires_in_s, WORLD_TOKEN_S);
    assert_true(gw_uuid_eq(&r.signed_in.session.id, &s.session.id));
    assert_int_equal(gw_identify(w->identity, gw_buf_str(&s.token), &before, &w->err), GW_OK);
    assert_int_equal(gw_identify(w->identity, gw_buf_str(&r.signed_in.token), &after, &w->err), GW_OK);
    assert_false(gw_uuid_eq(&before.jti, &after.jti));
    assert_int_equal(after.token_expires_s, WORLD_START_S + 100 + WORLD_TOKEN_S);
    memcpy(second.text, r.signed_in.refresh, sizeof(second.text));
    assert_string_not_equal(first.text, second.text);
    assert_outcome(ROTATED, use(w, &second, &first));
    gw_signed_in_done(&r.signed_in);
    gw_signed_in_done(&s);
}

static void what_is_no_refresh_token_gives_nothing_and_ends_nothing(void **state)
{
    struct world *w = *state;
    struct token t, next;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = sign_in(w, &t);
    char other[GW_REFRESH_TOKEN_LEN + 1], *large = calloc(1, 100001);
    assert_non_null(large);
    memset(large, 'A', 100000);
    memcpy(other, t.text, sizeof(other));
    other[7] = other[7] == 'A' ? 'B' : 'A';
    const struct gw_str bad[] = {GW_STR(""),
                                 GW_STR_NULL,
                                 GW_STR("null"),
                                 GW_STR("' OR 1=1 --"),
                                 gw_str(other),
                                 gw_str_sub(gw_str(t.text), 0, GW_REFRESH_TOKEN_LEN - 1),
                                 {t.text, GW_REFRESH_TOKEN_LEN + 1}, /* with its NUL */
                                 gw_str(large),
                                 gw_buf_str(&s.token)};
    for (size_t n = 0; n < COUNT(bad); n++) {
        struct gw_refreshed r;
        assert_int_equal(gw_refresh(w->identity, &world_actor, bad[n], &r, &w->err), GW_OK);
        assert_outcome(UNKNOWN, r.outcome);
        assert_int_equal(r.signed_in.token.len, 0);
        assert_string_equal(r.signed_in.refresh, "");
    }
    assert_outcome(ROTATED, use(w, &t, &next));
    gw_signed_in_done(&s);
    free(large);
}

/* ---- reuse ---- */

static void a_spent_token_ends_its_family_and_session_and_no_other(void **state)
{
    struct world *w = *state;
    struct token first, second, third, other;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = sign_in(w, &first);
    struct gw_uuid stays = sign_in_for(w, &other);
    assert_outcome(ROTATED, use(w, &first, &second));
    assert_outcome(ROTATED, use(w, &second, &third));
    assert_outcome(REUSED, use(w, &first, &second)); /* at once: the grace is for the one just before alone */
    assert_string_equal(second.text, "");
    assert_false(world_has_live_session(w, &s.session.id));
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    assert_outcome(UNKNOWN, use(w, &third, &second));
    assert_outcome(UNKNOWN, use(w, &first, &second));
    assert_true(world_has_live_session(w, &stays));
    assert_outcome(ROTATED, use(w, &other, &second));
    gw_signed_in_done(&s);
}

static void the_token_just_before_gives_the_newest_again_for_ten_seconds(void **state)
{
    static const struct {
        int64_t after_s;
        enum gw_refresh_outcome outcome;
    } rows[] = {
        {0, GW_REFRESH_REPEATED},         {9, GW_REFRESH_REPEATED},        {GRACE_S, GW_REFRESH_REPEATED},
        {GRACE_S + 1, GW_REFRESH_REUSED}, {-GRACE_S, GW_REFRESH_REPEATED}, {-GRACE_S - 1, GW_REFRESH_REUSED},
        {3600, GW_REFRESH_REUSED},        {-3600, GW_REFRESH_REUSED},
    };
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    for (size_t n = 0; n < COUNT(rows); n++) {
        struct token first, second, again, next;
        sign_in_for(w, &first);
        world_advance(w, 100);
        assert_outcome(ROTATED, use(w, &first, &second));
        world_advance(w, rows[n].after_s);
        enum gw_refresh_outcome outcome = use(w, &first, &again);
        if (outcome != rows[n].outcome)
            fail_msg("after %lld s: %s", (long long)rows[n].after_s, gw_refresh_outcome_text(outcome));
        assert_string_equal(again.text, outcome == GW_REFRESH_REPEATED ? second.text : "");
        world_advance(w, -rows[n].after_s);
        assert_int_equal(use(w, &second, &next),
                         outcome == GW_REFRESH_REPEATED ? GW_REFRESH_ROTATED : GW_REFRESH_UNKNOWN);
    }
}

struct client {
    struct world *world;
    const struct token *presents;
    pthread_barrier_t *start;
    enum gw_code code;
    struct gw_refreshed got;
};

static void *run_client(void *arg)
{
    struct client *c = arg;
    struct gw_error err = {0};
    pthread_barrier_wait(c->start);
    c->code = gw_refresh(c->world->identity, &world_actor, gw_str(c->presents->text), &c->got, &err);
    return NULL;
}

static void of_many_with_one_token_all_get_the_same_successor(void **state)
{
    struct world *w = *state;
    struct token first, second;
    struct client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    pthread_barrier_t start;
    size_t rotated = 0;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_uuid session = sign_in_for(w, &first);
    pthread_barrier_init(&start, NULL, CLIENTS);
    for (size_t n = 0; n < CLIENTS; n++) {
        clients[n] = (struct client){.world = w, .presents = &first, .start = &start};
        assert_int_equal(pthread_create(&threads[n], NULL, run_client, &clients[n]), 0);
    }
    for (size_t n = 0; n < CLIENTS; n++) {
        struct client *c = &clients[n];
        assert_int_equal(pthread_join(threads[n], NULL), 0);
        assert_int_equal(c->code, GW_OK);
        assert_true(gw_refresh_is_given(c->got.outcome));
        rotated += c->got.outcome == GW_REFRESH_ROTATED;
        assert_string_equal(c->got.signed_in.refresh, clients[0].got.signed_in.refresh);
        assert_int_equal(world_identify(w, &c->got.signed_in), GW_OK);
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(rotated, 1);
    struct gw_refresh_row newest;
    assert_int_equal(gw_store_refresh_newest(w->store, &session, &newest, &w->err), GW_OK);
    assert_int_equal(newest.number, 2);
    memcpy(first.text, clients[0].got.signed_in.refresh, sizeof(first.text));
    assert_outcome(ROTATED, use(w, &first, &second));
    for (size_t n = 0; n < CLIENTS; n++)
        gw_signed_in_done(&clients[n].got.signed_in);
}

/* ---- limits ---- */

static void refreshing_is_use_and_stops_at_the_absolute_end(void **state)
{
    struct world *w = *state;
    struct token t, kept;
    int64_t age_s = 0;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    sign_in_for(w, &t);
    for (; age_s + WORLD_IDLE_S < WORLD_ABSOLUTE_S; age_s += WORLD_IDLE_S) {
        world_advance(w, WORLD_IDLE_S);
        assert_outcome(ROTATED, use(w, &t, &t));
    }
    world_advance(w, WORLD_ABSOLUTE_S - age_s - 1);
    struct gw_refreshed r;
    assert_int_equal(gw_refresh(w->identity, &world_actor, gw_str(t.text), &r, &w->err), GW_OK);
    assert_outcome(ROTATED, r.outcome);
    assert_int_equal(r.signed_in.expires_in_s, 1); /* no access token outlives its session */
    memcpy(kept.text, r.signed_in.refresh, sizeof(kept.text));
    world_advance(w, 1);
    assert_outcome(SESSION_OVER, use(w, &kept, &t));
    assert_outcome(SESSION_OVER, use(w, &kept, &t));
    gw_signed_in_done(&r.signed_in);
}

static void an_idle_session_is_not_refreshed(void **state)
{
    struct world *w = *state;
    struct token t, next;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    sign_in_for(w, &t);
    world_advance(w, WORLD_IDLE_S + 1);
    assert_outcome(SESSION_OVER, use(w, &t, &next));
}

static void whatever_ends_the_session_ends_the_family(void **state)
{
    enum { LOGOUT, DISABLED, DELETED, SET, EVICTED, CLEANED, ENDS };
    for (int how = LOGOUT; how < ENDS; how++) {
        struct world *w = *state;
        struct token t, next;
        struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
        const struct gw_user_change disable = {.set = GW_USER_SET_ACTIVE, .active = false};
        struct gw_uuid session = sign_in_for(w, &t);
        enum gw_code code = GW_OK;
        world_advance(w, 1); /* it is the oldest */
        if (how == LOGOUT)
            code = gw_session_end(w->identity, &world_actor, &session, &w->err);
        if (how == DISABLED)
            code = gw_user_change(w->identity, &world_actor, world_policy, &u.id, &disable, &u, &w->err);
        if (how == DELETED)
            code = gw_user_delete(w->identity, &world_actor, &u.id, &w->err);
        if (how == SET)
            code = gw_user_set_password(w->identity, &world_actor, &u.id, GW_STR(OTHER_PASSWORD), NULL, &w->err);
        for (int n = 0; how == EVICTED && n < 3; n++)
            sign_in_for(w, &next);
        if (how == CLEANED) {
            world_advance(w, WORLD_IDLE_S + 1);
            code = gw_identity_clean_up(w->identity, &w->err);
        }
        assert_int_equal(code, GW_OK);
        assert_outcome(UNKNOWN, use(w, &t, &next));
        if (how != DELETED)
            assert_int_equal(gw_user_delete(w->identity, &world_actor, &u.id, &w->err), GW_OK);
    }
}

static void an_own_change_of_password_begins_the_kept_sessions_family_anew(void **state)
{
    struct world *w = *state;
    struct token kept, spent, other, next;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_kept_session keep = {.id = sign_in_for(w, &spent)};
    const struct gw_actor by = {.user_id = u.id};
    sign_in_for(w, &other);
    assert_outcome(ROTATED, use(w, &spent, &kept));
    assert_int_equal(
        gw_user_change_password(w->identity, &by, GW_STR(GOOD_PASSWORD), GW_STR(OTHER_PASSWORD), &keep, NULL, &w->err),
        GW_OK);
    assert_outcome(UNKNOWN, use(w, &kept, &next));
    assert_outcome(UNKNOWN, use(w, &spent, &next));
    assert_outcome(UNKNOWN, use(w, &other, &next));
    assert_true(world_has_live_session(w, &keep.id));
    memcpy(kept.text, keep.refresh, sizeof(kept.text));
    assert_outcome(ROTATED, use(w, &kept, &next));
    assert_int_equal(gw_session_end(w->identity, &world_actor, &keep.id, &w->err), GW_OK);
    assert_int_equal(
        gw_user_change_password(w->identity, &by, GW_STR(OTHER_PASSWORD), GW_STR(GOOD_PASSWORD), &keep, NULL, &w->err),
        GW_OK);
    assert_string_equal(keep.refresh, "");
}

static void a_family_grows_no_faster_than_clients_need(void **state)
{
    struct world *w = *state;
    struct token t, next;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    sign_in_for(w, &t);
    for (int n = 0; n < 60; n++)
        assert_outcome(ROTATED, use(w, &t, &t));
    assert_outcome(TOO_OFTEN, use(w, &t, &next));
    world_advance(w, -3600);
    assert_outcome(TOO_OFTEN, use(w, &t, &next));
    world_advance(w, 3600 + 29);
    assert_outcome(TOO_OFTEN, use(w, &t, &next));
    world_advance(w, 1);
    assert_outcome(ROTATED, use(w, &t, &t)); /* it was not spent by asking */
    assert_outcome(TOO_OFTEN, use(w, &t, &next));
}

/* ---- the database ---- */

static bool file_holds(const struct world *w, const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", w->dir, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return false;
    char *bytes = malloc(16u << 20);
    assert_non_null(bytes);
    size_t len = fread(bytes, 1, 16u << 20, f);
    bool found = memmem(bytes, len, text, strlen(text)) != NULL;
    assert_int_equal(fclose(f), 0);
    free(bytes);
    return found;
}

static void tokens_outlive_a_restart_and_are_not_to_be_read_in_the_database(void **state)
{
    struct world *w = *state;
    struct token first, second, again;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    sign_in_for(w, &first);
    assert_outcome(ROTATED, use(w, &first, &second));
    world_restart(w);
    assert_int_equal(gw_identity_publish(w->identity, &w->err), GW_OK);
    assert_outcome(REPEATED, use(w, &first, &again));
    assert_string_equal(again.text, second.text);
    static const char *const names[] = {"x.db", "x.db-wal"};
    assert_true(file_holds(w, "x.db-wal", "alice")); /* else the search finds nothing anywhere */
    for (size_t n = 0; n < COUNT(names); n++) {
        assert_false(file_holds(w, names[n], first.text));
        assert_false(file_holds(w, names[n], second.text));
    }
    assert_outcome(ROTATED, use(w, &second, &again));
}

/* As somebody might who can write to the database and kept an older copy of it. */
static void an_older_successor_put_back_is_not_given(void **state)
{
    struct world *w = *state;
    struct token first, second, third;
    char name[128], id[GW_UUID_LEN + 1];
    struct gw_sealed_row old;
    struct gw_refreshed r;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_uuid session = sign_in_for(w, &first);
    gw_uuid_format(&session, id);
    snprintf(name, sizeof(name), "refresh_tokens/%s/successor", id);
    assert_outcome(ROTATED, use(w, &first, &second));
    assert_int_equal(gw_store_sealed_get(w->store, gw_str(name), 0, &old, &w->err), GW_OK);
    assert_outcome(ROTATED, use(w, &second, &third));
    assert_int_equal(gw_store_sealed_put(w->store, &old, &w->err), GW_OK);
    assert_int_equal(gw_refresh(w->identity, &world_actor, gw_str(second.text), &r, &w->err), GW_ECRYPTO);
    assert_int_equal(gw_store_sealed_delete(w->store, gw_str(name), &w->err), GW_OK);
    assert_int_equal(gw_refresh(w->identity, &world_actor, gw_str(second.text), &r, &w->err), GW_EBACKEND);
    assert_outcome(ROTATED, use(w, &third, &second));
}

/* ---- other ways ---- */

static void an_access_token_gives_another_within_its_session(void **state)
{
    struct world *w = *state;
    struct token t;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = sign_in(w, &t), fresh = {0}, none;
    world_advance(w, WORLD_IDLE_S);
    assert_int_equal(gw_refresh_by_access(w->identity, gw_buf_str(&s.token), &fresh, &w->err), GW_OK);
    assert_int_equal(fresh.expires_in_s, WORLD_TOKEN_S);
    assert_string_equal(fresh.refresh, "");
    assert_int_equal(world_identify(w, &fresh), GW_OK);
    assert_int_equal(gw_refresh_by_access(w->identity, gw_str(t.text), &none, &w->err), GW_EDENIED);
    assert_int_equal(gw_session_end(w->identity, &world_actor, &s.session.id, &w->err), GW_OK);
    assert_int_equal(gw_refresh_by_access(w->identity, gw_buf_str(&fresh.token), &none, &w->err), GW_EDENIED);
    gw_signed_in_done(&fresh);
    gw_signed_in_done(&s);
}

static void offline_nothing_is_refreshed(void **state)
{
    struct world *w = *state;
    struct token t;
    struct gw_refreshed r;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    sign_in_for(w, &t);
    gw_shared_close(w->shared);
    w->shared = NULL;
    world_renew(w);
    assert_int_equal(gw_refresh(w->identity, &world_actor, gw_str(t.text), &r, &w->err), GW_EBACKEND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_use_gives_the_next_token_and_access_as_the_user_is_now),
        TEST(what_is_no_refresh_token_gives_nothing_and_ends_nothing),
        TEST(a_spent_token_ends_its_family_and_session_and_no_other),
        TEST(the_token_just_before_gives_the_newest_again_for_ten_seconds),
        TEST(of_many_with_one_token_all_get_the_same_successor),
        TEST(refreshing_is_use_and_stops_at_the_absolute_end),
        TEST(an_idle_session_is_not_refreshed),
        TEST(whatever_ends_the_session_ends_the_family),
        TEST(an_own_change_of_password_begins_the_kept_sessions_family_anew),
        TEST(a_family_grows_no_faster_than_clients_need),
        TEST(tokens_outlive_a_restart_and_are_not_to_be_read_in_the_database),
        TEST(an_older_successor_put_back_is_not_given),
        TEST(an_access_token_gives_another_within_its_session),
        TEST(offline_nothing_is_refreshed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
