/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `gone` question is asked in the hashing thread, after the user was read and before the password is hashed: a change made in
 * it is one that overtakes a sign-in.
 */
#include "identity/test_world.h"

#include "token/jwt.h"
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void a_good_password_opens_a_session_that_both_planes_see(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s;
    struct gw_actor by = {.user_agent = GW_STR("curl/8\n\x1b[31m\xc3\xa9")};
    const struct gw_login in = {.by = &by, .username = GW_STR("ALICE"), .password = GW_STR(GOOD_PASSWORD)};
    assert_int_equal(gw_ip_parse(GW_STR("192.0.2.7"), &by.address), GW_OK);
    assert_int_equal(gw_login(w->identity, &in, &s, &w->err), GW_OK);
    assert_true(gw_uuid_eq(&s.user.id, &u.id));
    assert_int_equal(s.user.last_login_s, WORLD_START_S);
    assert_int_equal(s.expires_in_s, WORLD_TOKEN_S);

    struct gw_session_row r;
    assert_int_equal(gw_store_session_get(w->store, &s.session.id, &r, &w->err), GW_OK);
    assert_string_equal(r.address, "192.0.2.7");
    assert_string_equal(r.user_agent, "curl/8??[31m??");
    assert_string_equal(r.country, "unknown");
    assert_int_equal(r.expires_s, WORLD_START_S + WORLD_ABSOLUTE_S);

    struct gw_live_session live;
    struct gw_live_user live_user;
    assert_int_equal(gw_shared_get_session(w->shared, &s.session.id, &live), GW_OK);
    assert_int_equal(live.idle_s, WORLD_IDLE_S);
    assert_int_equal(gw_shared_get_user(w->shared, &u.id, &live_user), GW_OK);
    assert_int_equal(live_user.version, world_get(w, "alice").version);
    gw_buf_done(&s.token);
}

static void the_token_names_the_session_and_the_live_role(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    const struct gw_jwt_profile profile = {.issuer = GW_STR("aaiti-api"),
                                           .audience = GW_STR("aaiti-client"),
                                           .type = GW_STR("at+jwt"),
                                           .require = GW_JWT_NEED_KEY_ID | GW_JWT_NEED_SESSION};
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = NULL;
    struct gw_jwt_claims claims;
    char sub[GW_UUID_LEN + 1];
    gw_uuid_format(&u.id, sub);
    assert_int_equal(gw_jwt_verifier_new(&w->ring, &profile, &v, &w->err), GW_OK);
    assert_int_equal(gw_jwt_verify(v, gw_buf_str(&s.token), WORLD_START_S, &claims), GW_JWT_OK);
    assert_true(gw_str_eq(claims.sub, gw_str(sub)));
    assert_true(gw_str_eq(claims.role, GW_STR("trader")));
    assert_true(gw_uuid_eq(&claims.sid, &s.session.id));
    assert_int_equal(claims.exp_s, WORLD_START_S + WORLD_TOKEN_S);
    gw_buf_done(&s.token);
}

static void no_token_outlives_its_session(void **state)
{
    struct world *w = *state;
    w->settings.token_ttl_ms = 2 * WORLD_ABSOLUTE_S * 1000L;
    world_renew(w);
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    assert_int_equal(s.expires_in_s, WORLD_ABSOLUTE_S);
    gw_buf_done(&s.token);
}

static void an_e_mail_address_serves_as_a_name(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    const struct gw_user_change c = {.set = GW_USER_SET_EMAIL, .email = GW_STR("a@example.org")};
    struct gw_signed_in s;
    assert_int_equal(gw_user_change(w->identity, &world_actor, world_policy, &u.id, &c, &u, &w->err), GW_OK);
    assert_int_equal(world_login(w, "A@Example.org", GOOD_PASSWORD, &s), GW_OK);
    gw_buf_done(&s.token);
}

/* ---- refusals ---- */

static void every_refusal_is_alike_in_answer_work_and_time(void **state)
{
    struct world *w = *state;
    char long_password[600], long_name[300];
    memset(long_password, 'x', sizeof(long_password) - 1);
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_password[sizeof(long_password) - 1] = long_name[sizeof(long_name) - 1] = '\0';
    /* an outdated hash: to prove it would cost two */
    struct gw_user_row disabled;
    const struct gw_user_new imported = {
        .username = GW_STR("disabled"),
        .role = GW_STR("trader"),
        .password_hash = GW_STR("$2b$12$oBfibYsN1nBKizMrxMzUf.yy0H3A9tKjwhIhorlf3FSiJ23KQ46jC"),
    };
    assert_int_equal(gw_user_add(w->identity, &world_actor, world_policy, &imported, &disabled, &w->err), GW_OK);
    const struct gw_user_change disable = {.set = GW_USER_SET_ACTIVE, .active = false};
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    world_add(w, "hashless", "trader", "");
    assert_int_equal(
        gw_user_change(w->identity, &world_actor, world_policy, &disabled.id, &disable, &disabled, &w->err), GW_OK);
    const struct {
        const char *name, *password;
    } cases[] = {
        {"nobody", GOOD_PASSWORD}, {"alice", "Str0ng!pass"},    {"alice", ""},       {"alice", long_password},
        {"hashless", ""},          {"hashless", GOOD_PASSWORD}, {"", GOOD_PASSWORD}, {"' OR 1=1 --", GOOD_PASSWORD},
        {long_name, "x"},          {"disabled", GOOD_PASSWORD},
    };
    for (size_t n = 0; n < COUNT(cases); n++) {
        struct gw_hasher_stats before, after;
        struct gw_signed_in s;
        gw_hasher_stats(w->hasher, &before);
        assert_int_equal(world_login(w, cases[n].name, cases[n].password, &s), GW_EDENIED);
        gw_hasher_stats(w->hasher, &after);
        assert_int_equal(after.done - before.done, 1);
        assert_int_equal(w->waited_ms, WORLD_FLOOR_MS);
    }
    assert_int_equal(world_session_count(w, NULL), 0);
}

/* ---- the guard ---- */

struct tried {
    enum gw_code code;
    struct gw_attempt attempt;
    uint64_t hashes;
    char device[GW_DEVICE_TEXT_MAX + 1];
};

static struct tried attempt(struct world *w, const char *address, const char *name, const char *password,
                            const char *device)
{
    struct tried t = {.device = ""};
    struct gw_actor by = {.user_agent = GW_STR("curl/8")};
    struct gw_hasher_stats before, after;
    struct gw_signed_in s;
    const struct gw_login in = {.by = &by,
                                .username = gw_str(name),
                                .password = gw_str(password),
                                .device = gw_str(device),
                                .attempt = &t.attempt};
    assert_int_equal(gw_ip_parse(gw_str(address), &by.address), GW_OK);
    gw_hasher_stats(w->hasher, &before);
    w->waited_ms = -1;
    t.code = gw_login(w->identity, &in, &s, &w->err);
    gw_hasher_stats(w->hasher, &after);
    t.hashes = after.done - before.done;
    if (t.code == GW_OK) {
        strcpy(t.device, s.device);
        gw_signed_in_done(&s);
    }
    return t;
}

static void who_is_locked_out_costs_no_hash_and_hears_the_same_whoever_was_meant(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"alice", "nobody"}, *const addresses[] = {"192.0.2.1", "192.0.2.2"};
    w->settings.login_attempts = 5;
    world_renew(w);
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    for (size_t who = 0; who < 2; who++) {
        for (unsigned n = 0; n < 5; n++) {
            struct tried t = attempt(w, addresses[who], names[who], "wrong", "");
            assert_int_equal(t.code, GW_EDENIED);
            assert_int_equal(t.hashes, 1);
        }
    }
    world_advance(w, 60);
    for (size_t who = 0; who < 2; who++) {
        struct tried t = attempt(w, addresses[who], names[who], GOOD_PASSWORD, "");
        assert_int_equal(t.code, GW_ELIMIT);
        assert_int_equal(t.attempt.held_up.why, GW_HELD_UP_LOCKED);
        assert_int_equal(t.attempt.held_up.for_ms, 14 * 60 * 1000);
        assert_int_equal(t.hashes, 0);
        assert_int_equal(w->waited_ms, -1);
    }
    assert_int_equal(attempt(w, "192.0.2.3", "alice", GOOD_PASSWORD, "").code, GW_OK);
    world_advance(w, 14 * 60);
    assert_int_equal(attempt(w, addresses[0], "alice", GOOD_PASSWORD, "").code, GW_OK);
}

static enum gw_device device_of(struct world *w, const char *address, const char *name, const char *device)
{
    return attempt(w, address, name, "wrong", device).attempt.by.device;
}

static void a_device_is_known_by_its_cookie_for_its_account_alone(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    world_add(w, "bob", "trader", GOOD_PASSWORD);
    struct tried first = attempt(w, "192.0.2.1", "alice", GOOD_PASSWORD, "");
    assert_int_equal(first.attempt.by.device, GW_DEVICE_UNKNOWN);
    assert_int_not_equal(first.device[0], '\0');
    assert_int_equal(device_of(w, "192.0.2.50", "alice", first.device), GW_DEVICE_KNOWN);
    assert_int_equal(device_of(w, "192.0.2.51", "bob", first.device), GW_DEVICE_UNKNOWN);
    assert_int_equal(device_of(w, "192.0.2.52", "nobody", first.device), GW_DEVICE_UNKNOWN);
    assert_int_equal(device_of(w, "192.0.2.53", "alice", "x"), GW_DEVICE_UNKNOWN);
    assert_int_equal(device_of(w, "192.0.2.53", "alice", ""), GW_DEVICE_UNKNOWN);
    world_advance(w, 90 * 86400);
    assert_int_equal(device_of(w, "192.0.2.54", "alice", first.device), GW_DEVICE_UNKNOWN);
}

static void a_cookie_stops_counting_when_it_fails_too_often(void **state)
{
    struct world *w = *state;
    char address[16];
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct tried first = attempt(w, "192.0.2.1", "alice", GOOD_PASSWORD, "");
    for (unsigned n = 0; n < GW_WINDOW_FAILURES_MAX; n++) {
        (void)snprintf(address, sizeof(address), "198.51.100.%u", n);
        assert_int_equal(device_of(w, address, "alice", first.device), GW_DEVICE_KNOWN);
    }
    assert_int_equal(device_of(w, "192.0.2.50", "alice", first.device), GW_DEVICE_UNKNOWN);
}

static void a_device_is_known_for_a_month_by_where_it_signed_in_from(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    world_add(w, "bob", "trader", GOOD_PASSWORD);
    assert_int_equal(attempt(w, "2001:db8::1", "alice", GOOD_PASSWORD, "").code, GW_OK);
    assert_int_equal(device_of(w, "2001:db8::2", "alice", ""), GW_DEVICE_KNOWN); /* the same /64 */
    assert_int_equal(device_of(w, "2001:db8::2", "bob", ""), GW_DEVICE_UNKNOWN);
    assert_int_equal(device_of(w, "2001:db8:0:1::2", "alice", ""), GW_DEVICE_UNKNOWN);
    world_advance(w, 30 * 86400);
    assert_int_equal(device_of(w, "2001:db8::2", "alice", ""), GW_DEVICE_KNOWN);
    world_advance(w, 1);
    assert_int_equal(device_of(w, "2001:db8::2", "alice", ""), GW_DEVICE_UNKNOWN);
}

static void a_success_forgives_both_names_of_its_account_there(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    const struct gw_user_change c = {.set = GW_USER_SET_EMAIL, .email = GW_STR("a@example.org")};
    struct gw_cidr all_v4;
    assert_int_equal(gw_user_change(w->identity, &world_actor, world_policy, &u.id, &c, &u, &w->err), GW_OK);
    assert_int_equal(gw_cidr_parse(GW_STR("0.0.0.0/0"), &all_v4), GW_OK);
    w->settings.allow = (struct gw_option_cidrs){&all_v4, 1};
    w->settings.login_attempts = 3;
    world_renew(w);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned n = 0; n < 2; n++)
            assert_int_equal(attempt(w, "192.0.2.1", "a@example.org", "wrong", "").code, GW_EDENIED);
        assert_int_equal(attempt(w, "192.0.2.1", "alice", GOOD_PASSWORD, "").code, GW_OK);
    }
}

static void an_id_is_no_name_to_sign_in_by(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s;
    char id[GW_UUID_LEN + 1];
    gw_uuid_format(&u.id, id);
    assert_int_equal(world_login(w, id, GOOD_PASSWORD, &s), GW_EDENIED);
}

static void a_success_waits_for_the_floor_too(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s = world_sign_in(w, "alice");
    assert_int_equal(w->waited_ms, WORLD_FLOOR_MS);
    gw_buf_done(&s.token);
}

static bool is_gone(void *ctx)
{
    (void)ctx;
    return true;
}

static void a_client_that_has_gone_gets_no_session_and_no_wait(void **state)
{
    struct world *w = *state;
    world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s;
    const struct gw_login in = {
        .by = &world_actor, .username = GW_STR("alice"), .password = GW_STR(GOOD_PASSWORD), .gone = is_gone};
    w->waited_ms = -1;
    assert_int_equal(gw_login(w->identity, &in, &s, &w->err), GW_ETIMEOUT);
    assert_int_equal(w->waited_ms, -1);
    assert_int_equal(world_session_count(w, NULL), 0);
}

struct crowd {
    struct world *world;
    pthread_t thread;
    enum gw_code in_queue, beyond_queue;
};

static void *log_in_elsewhere(void *ctx)
{
    struct crowd *c = ctx;
    const struct gw_login in = {.by = &world_actor, .username = GW_STR("nobody"), .password = GW_STR("x")};
    struct gw_signed_in s;
    c->in_queue = gw_login(c->world->identity, &in, &s, NULL);
    return NULL;
}

/* Runs in the pool's only thread: the next sign-in fills the queue, the one after that finds it full. */
static bool fill_queue(void *ctx)
{
    struct crowd *c = ctx;
    struct gw_hasher_stats stats = {.waiting = 0};
    const struct gw_login in = {.by = &world_actor, .username = GW_STR("nobody"), .password = GW_STR("x")};
    struct gw_signed_in s;
    if (pthread_create(&c->thread, NULL, log_in_elsewhere, c) != 0)
        return true;
    while (stats.waiting == 0) {
        sched_yield();
        gw_hasher_stats(c->world->hasher, &stats);
    }
    c->beyond_queue = gw_login(c->world->identity, &in, &s, NULL);
    return false;
}

static void a_full_queue_refuses_at_once(void **state)
{
    struct world *w = *state;
    struct crowd c = {.world = w, .in_queue = GW_EINTERNAL};
    world_hasher(w, 1, 1);
    const struct gw_login in = {
        .by = &world_actor, .username = GW_STR("nobody"), .password = GW_STR("x"), .gone = fill_queue, .gone_ctx = &c};
    struct gw_signed_in s;
    assert_int_equal(gw_login(w->identity, &in, &s, &w->err), GW_EDENIED);
    assert_int_equal(pthread_join(c.thread, NULL), 0);
    assert_int_equal(c.in_queue, GW_EDENIED);
    assert_int_equal(c.beyond_queue, GW_ELIMIT);
}

/* ---- upgrades ---- */

static void an_imported_bcrypt_hash_is_upgraded_once(void **state)
{
    struct world *w = *state;
    struct gw_user_row u;
    struct gw_signed_in s;
    const struct gw_user_new n = {
        .username = GW_STR("alice"),
        .role = GW_STR("trader"),
        .password_hash = GW_STR("$2b$12$oBfibYsN1nBKizMrxMzUf.yy0H3A9tKjwhIhorlf3FSiJ23KQ46jC"),
    };
    assert_int_equal(gw_user_add(w->identity, &world_actor, world_policy, &n, &u, &w->err), GW_OK);
    assert_int_equal(world_login(w, "alice", "Str0ng!pass", &s), GW_EDENIED);
    assert_string_equal(world_get(w, "alice").password_hash, u.password_hash);
    for (int round = 0; round < 2; round++) {
        s = world_sign_in(w, "alice");
        gw_buf_done(&s.token);
        struct gw_user_row now = world_get(w, "alice");
        assert_int_equal(strncmp(now.password_hash, "$argon2id$", 10), 0);
        assert_true(round == 0 || strcmp(now.password_hash, u.password_hash) == 0);
        u = now;
    }
}

static void time_does_not_tell_where_a_user_came_from(void **state)
{
    struct world *w = *state;
    struct gw_user_row u;
    struct gw_signed_in s;
    struct gw_hasher_stats stats;
    const struct gw_user_new n = {
        .username = GW_STR("alice"),
        .role = GW_STR("trader"),
        .password_hash = GW_STR("$2b$04$......................Vd5fJNrZ.RSWOzVbIQXBU3oWKl0yYFy"),
    };
    world_add(w, "bob", "trader", GOOD_PASSWORD);
    assert_int_equal(gw_user_add(w->identity, &world_actor, world_policy, &n, &u, &w->err), GW_OK);
    for (unsigned round = 1; round <= 2; round++) {
        static const char *const names[] = {"alice", "bob", "nobody"};
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(world_login(w, names[i], "wrong", &s), GW_EDENIED);
        gw_hasher_stats(w->hasher, &stats);
        assert_int_equal(stats.evened, 3);
        world_hasher(w, 1, 8); /* as after a restart: it is told what the store holds */
        assert_int_equal(gw_identity_expect_imported(w->identity, &w->err), GW_OK);
    }
}

static void a_hash_that_nobody_can_read_refuses(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s;
    strcpy(u.password_hash, "plain:" GOOD_PASSWORD);
    assert_int_equal(gw_store_user_update(w->store, &u, &w->err), GW_OK);
    assert_int_equal(world_login(w, "alice", GOOD_PASSWORD, &s), GW_EDENIED);
    assert_int_equal(w->waited_ms, WORLD_FLOOR_MS);
}

/* ---- changes that overtake a sign-in ---- */

struct overtaking {
    struct world *world;
    struct gw_uuid user_id;
    int times;
};

static bool disable_user(void *ctx)
{
    struct overtaking *o = ctx;
    const struct gw_user_change c = {.set = GW_USER_SET_ACTIVE, .active = false};
    struct gw_user_row u;
    return gw_user_change(o->world->identity, &world_actor, world_policy, &o->user_id, &c, &u, NULL) != GW_OK;
}

static bool delete_user(void *ctx)
{
    struct overtaking *o = ctx;
    return gw_user_delete(o->world->identity, &world_actor, &o->user_id, NULL) != GW_OK;
}

static bool change_password(void *ctx)
{
    struct overtaking *o = ctx;
    return o->times++ == 0 && gw_user_set_password(o->world->identity, &world_actor, &o->user_id,
                                                   GW_STR(OTHER_PASSWORD), NULL, NULL) != GW_OK;
}

static bool make_same_hash_anew(void *ctx)
{
    struct overtaking *o = ctx;
    return o->times++ == 0 && gw_user_set_password(o->world->identity, &world_actor, &o->user_id, GW_STR(GOOD_PASSWORD),
                                                   NULL, NULL) != GW_OK;
}

static bool demote_user(void *ctx)
{
    struct overtaking *o = ctx;
    const struct gw_user_change c = {.set = GW_USER_SET_ROLE, .role = GW_STR("viewer")};
    struct gw_user_row u;
    return gw_user_change(o->world->identity, &world_actor, world_policy, &o->user_id, &c, &u, NULL) != GW_OK;
}

static void what_changes_during_a_sign_in_decides_it(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *name;
        bool (*change)(void *ctx);
        enum gw_code code;
        const char *role;
    } cases[] = {
        {"disabled", disable_user, GW_EDENIED, NULL},   {"deleted", delete_user, GW_EDENIED, NULL},
        {"changed", change_password, GW_EDENIED, NULL}, {"anew", make_same_hash_anew, GW_OK, "trader"},
        {"demoted", demote_user, GW_OK, "viewer"},
    };
    for (size_t n = 0; n < COUNT(cases); n++) {
        struct gw_user_row u = world_add(w, cases[n].name, "trader", GOOD_PASSWORD);
        struct overtaking o = {.world = w, .user_id = u.id};
        struct gw_signed_in s;
        const struct gw_login in = {.by = &world_actor,
                                    .username = gw_str(cases[n].name),
                                    .password = GW_STR(GOOD_PASSWORD),
                                    .gone = cases[n].change,
                                    .gone_ctx = &o};
        w->waited_ms = -1;
        assert_int_equal(gw_login(w->identity, &in, &s, &w->err), cases[n].code);
        assert_int_equal(w->waited_ms, WORLD_FLOOR_MS);
        assert_int_equal(world_session_count(w, &u.id), cases[n].code == GW_OK);
        if (cases[n].code != GW_OK)
            continue;
        assert_string_equal(s.user.role, cases[n].role);
        gw_buf_done(&s.token);
    }
}

/* ---- the limit ---- */

static void beyond_the_limit_the_longest_unused_session_ends(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s[5];
    for (size_t n = 0; n < COUNT(s); n++) {
        world_advance(w, 1);
        s[n] = world_sign_in(w, "alice");
        gw_buf_done(&s[n].token);
        assert_int_equal(s[n].evicted_count, n < 3 ? 0 : 1);
        assert_int_equal(s[n].is_new_device, n == 0);
        if (n == 2) { /* the first was used since, so the second is the oldest */
            gw_shared_touch(w->shared, &s[0].session.id, WORLD_START_S + 60);
            assert_int_equal(gw_identity_save_last_seen(w->identity, &w->err), GW_OK);
        }
    }
    static const bool lives[] = {true, false, false, true, true};
    for (size_t n = 0; n < COUNT(s); n++)
        assert_int_equal(world_has_live_session(w, &s[n].session.id), lives[n]);
    assert_int_equal(world_session_count(w, &u.id), 3);
}

static void or_the_sign_in_is_denied(void **state)
{
    struct world *w = *state;
    w->settings.session_at_limit = GW_SESSION_DENY;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s;
    for (size_t n = 0; n < 3; n++) {
        s = world_sign_in(w, "alice");
        gw_buf_done(&s.token);
    }
    assert_int_equal(world_login(w, "alice", GOOD_PASSWORD, &s), GW_ECONFLICT);
    assert_int_equal(w->waited_ms, WORLD_FLOOR_MS);
    assert_int_equal(world_login(w, "alice", "wrong", &s), GW_EDENIED); /* and tells no stranger */
    assert_int_equal(world_session_count(w, &u.id), 3);
    world_advance(w, WORLD_IDLE_S + 1); /* what is over does not count, and goes */
    s = world_sign_in(w, "alice");
    gw_buf_done(&s.token);
    assert_int_equal(world_session_count(w, &u.id), 1);
}

static void *log_in_once(void *ctx)
{
    struct world *w = ctx;
    const struct gw_login in = {.by = &world_actor, .username = GW_STR("alice"), .password = GW_STR(GOOD_PASSWORD)};
    struct gw_signed_in s;
    if (gw_login(w->identity, &in, &s, NULL) != GW_OK)
        return ctx;
    gw_buf_done(&s.token);
    return NULL;
}

static void sign_ins_at_once_never_exceed_the_limit(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    pthread_t threads[8];
    for (size_t n = 0; n < COUNT(threads); n++)
        assert_int_equal(pthread_create(&threads[n], NULL, log_in_once, w), 0);
    for (size_t n = 0; n < COUNT(threads); n++) {
        void *failed = w;
        assert_int_equal(pthread_join(threads[n], &failed), 0);
        assert_null(failed);
    }
    struct gw_shared_fill fill;
    gw_shared_fill(w->shared, &fill);
    assert_int_equal(world_session_count(w, &u.id), 3);
    assert_int_equal(fill.sessions, 3);
}

static void a_session_without_a_slot_is_none(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_signed_in s;
    w->settings.session_per_user = 1000;
    struct gw_live_session filler = {.expires_s = WORLD_START_S + 1000};
    for (uint8_t n = 1; n != 0; n++) {
        filler.id.b[0] = n;
        if (gw_shared_put_session(w->shared, &filler, NULL) == GW_ELIMIT)
            break;
    }
    assert_int_equal(world_login(w, "alice", GOOD_PASSWORD, &s), GW_EBACKEND);
    assert_int_equal(world_session_count(w, &u.id), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, world_set_up, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_good_password_opens_a_session_that_both_planes_see),
        CASE(the_token_names_the_session_and_the_live_role),
        CASE(no_token_outlives_its_session),
        CASE(an_e_mail_address_serves_as_a_name),
        CASE(every_refusal_is_alike_in_answer_work_and_time),
        CASE(who_is_locked_out_costs_no_hash_and_hears_the_same_whoever_was_meant),
        CASE(a_device_is_known_by_its_cookie_for_its_account_alone),
        CASE(a_cookie_stops_counting_when_it_fails_too_often),
        CASE(a_device_is_known_for_a_month_by_where_it_signed_in_from),
        CASE(a_success_forgives_both_names_of_its_account_there),
        CASE(an_id_is_no_name_to_sign_in_by),
        CASE(a_success_waits_for_the_floor_too),
        CASE(a_client_that_has_gone_gets_no_session_and_no_wait),
        CASE(a_full_queue_refuses_at_once),
        CASE(an_imported_bcrypt_hash_is_upgraded_once),
        CASE(time_does_not_tell_where_a_user_came_from),
        CASE(a_hash_that_nobody_can_read_refuses),
        CASE(what_changes_during_a_sign_in_decides_it),
        CASE(beyond_the_limit_the_longest_unused_session_ends),
        CASE(or_the_sign_in_is_denied),
        CASE(sign_ins_at_once_never_exceed_the_limit),
        CASE(a_session_without_a_slot_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
