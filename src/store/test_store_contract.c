/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every backend of the store must do, against the interface alone.
 */
#include "store/test_backend.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct gw_user_row user(uint8_t n, const char *name, const char *email)
{
    struct gw_user_row u = {.id = uuid(n), .active = true, .created_s = 100, .updated_s = 101, .last_login_s = 0};
    snprintf(u.username, sizeof(u.username), "%s", name);
    snprintf(u.email, sizeof(u.email), "%s", email);
    strcpy(u.role, "trader");
    strcpy(u.upstream_id, "up-1");
    strcpy(u.password_hash, "$argon2id$test");
    return u;
}

static struct gw_session_row session(uint8_t n, uint8_t user_n, int64_t last_seen_s)
{
    struct gw_session_row r = {
        .id = uuid(n), .user_id = uuid(user_n), .created_s = 10, .last_seen_s = last_seen_s, .expires_s = 1000};
    strcpy(r.address, "192.0.2.1");
    strcpy(r.user_agent, "curl/8");
    strcpy(r.country, "unknown");
    return r;
}

static void add_user(struct fixture *f, uint8_t n, const char *name, const char *email)
{
    struct gw_user_row u = user(n, name, email);
    assert_int_equal(gw_store_user_insert(f->store, &u, &f->err), GW_OK);
}

static void add_session(struct fixture *f, uint8_t n, uint8_t user_n, int64_t last_seen_s)
{
    struct gw_session_row r = session(n, user_n, last_seen_s);
    assert_int_equal(gw_store_session_insert(f->store, &r, &f->err), GW_OK);
}

static void assert_user_equal(const struct gw_user_row *a, const struct gw_user_row *b)
{
    assert_true(gw_uuid_eq(&a->id, &b->id));
    assert_string_equal(a->username, b->username);
    assert_string_equal(a->email, b->email);
    assert_string_equal(a->role, b->role);
    assert_string_equal(a->upstream_id, b->upstream_id);
    assert_string_equal(a->password_hash, b->password_hash);
    assert_int_equal(a->active, b->active);
    assert_int_equal(a->created_s, b->created_s);
    assert_int_equal(a->updated_s, b->updated_s);
    assert_int_equal(a->last_login_s, b->last_login_s);
    assert_int_equal(a->version, b->version);
}

/* ---- users ---- */

static void a_user_reads_back_as_written_by_each_key(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row in = user(1, "alice", "alice@example.org"), out;
    in.version = 7;
    in.last_login_s = 5;
    in.active = false;
    assert_int_equal(gw_store_user_insert(f->store, &in, &f->err), GW_OK);
    reopen(f);
    assert_int_equal(gw_store_user_get(f->store, &in.id, &out, &f->err), GW_OK);
    assert_user_equal(&in, &out);
    assert_int_equal(gw_store_user_by_name(f->store, GW_STR("ALICE"), &out, &f->err), GW_OK);
    assert_user_equal(&in, &out);
    assert_int_equal(gw_store_user_by_email(f->store, GW_STR("Alice@Example.org"), &out, &f->err), GW_OK);
    assert_user_equal(&in, &out);
}

static void fields_of_full_length_survive(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row in = user(1, "x", ""), out;
    memset(in.username, 'n', sizeof(in.username) - 1);
    memset(in.email, 'e', sizeof(in.email) - 1);
    memset(in.role, 'r', sizeof(in.role) - 1);
    memset(in.upstream_id, 'i', sizeof(in.upstream_id) - 1);
    memset(in.password_hash, 'h', sizeof(in.password_hash) - 1);
    assert_int_equal(gw_store_user_insert(f->store, &in, &f->err), GW_OK);
    assert_int_equal(gw_store_user_get(f->store, &in.id, &out, &f->err), GW_OK);
    assert_user_equal(&in, &out);
}

static void hostile_text_is_a_value_and_nothing_more(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row in = user(1, "a'); DROP TABLE users; --", "\"x\"@'%_\\"), out;
    assert_int_equal(gw_store_user_insert(f->store, &in, &f->err), GW_OK);
    assert_int_equal(gw_store_user_by_name(f->store, gw_str(in.username), &out, &f->err), GW_OK);
    assert_user_equal(&in, &out);
    assert_int_equal(gw_store_user_by_name(f->store, GW_STR("' OR 1=1 --"), &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_user_by_name(f->store, GW_STR("a%"), &out, &f->err), GW_ENOTFOUND);
}

static void names_and_addresses_are_unique_without_case_but_no_address_may_repeat(void **state)
{
    struct fixture *f = *state;
    add_user(f, 1, "alice", "alice@example.org");
    add_user(f, 2, "bob", "");
    add_user(f, 3, "carol", "");
    static const struct {
        const char *name, *email;
        uint8_t id;
    } taken[] = {
        {"ALICE", "other@example.org", 9},
        {"dave", "ALICE@example.org", 9},
        {"eve", "eve@example.org", 1},
    };
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        struct gw_user_row u = user(taken[i].id, taken[i].name, taken[i].email);
        assert_int_equal(gw_store_user_insert(f->store, &u, &f->err), GW_ECONFLICT);
    }
    struct gw_user_row bob = user(2, "Alice", "");
    assert_int_equal(gw_store_user_update(f->store, &bob, &f->err), GW_ECONFLICT);
    assert_int_equal(gw_store_user_get(f->store, &bob.id, &bob, &f->err), GW_OK);
    assert_string_equal(bob.username, "bob");
}

static void rows_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row rows[6];
    for (size_t i = 0; i < 6; i++)
        rows[i] = user(1, "alice", "a@b");
    memset(rows[0].username, 'x', sizeof(rows[0].username));
    memset(rows[1].email, 'x', sizeof(rows[1].email));
    memset(rows[2].role, 'x', sizeof(rows[2].role));
    memset(rows[3].password_hash, 'x', sizeof(rows[3].password_hash));
    rows[4].username[0] = '\0';
    rows[5].role[0] = '\0';
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(gw_store_user_insert(f->store, &rows[i], &f->err), GW_EINVAL);
    add_user(f, 1, "alice", "a@b");
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(gw_store_user_update(f->store, &rows[i], &f->err), GW_EINVAL);
    struct gw_session_row r = session(1, 1, 0);
    memset(r.user_agent, 'x', sizeof(r.user_agent));
    assert_int_equal(gw_store_session_insert(f->store, &r, &f->err), GW_EINVAL);
}

static void each_update_adds_one_to_the_version(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row u = user(1, "alice", ""), out;
    assert_int_equal(gw_store_user_insert(f->store, &u, &f->err), GW_OK);
    for (uint32_t version = 1; version <= 3; version++) {
        u.last_login_s = version;
        assert_int_equal(gw_store_user_update(f->store, &u, &f->err), GW_OK);
        assert_int_equal(u.version, version);
    }
    assert_int_equal(gw_store_user_get(f->store, &u.id, &out, &f->err), GW_OK);
    assert_user_equal(&u, &out);
}

static void what_is_not_there_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row u = user(1, "alice", "");
    struct gw_session_row r;
    struct gw_uuid id = uuid(1);
    char longer[GW_EMAIL_MAX + 2];
    memset(longer, 'x', sizeof(longer));
    struct gw_str too_long = {longer, sizeof(longer)};
    assert_int_equal(gw_store_user_get(f->store, &id, &u, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_user_by_name(f->store, too_long, &u, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_user_by_name(f->store, GW_STR_NULL, &u, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_user_by_email(f->store, too_long, &u, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_user_update(f->store, &u, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_user_delete(f->store, &id, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_session_get(f->store, &id, &r, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_session_delete(f->store, &id, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_session_touch(f->store, &id, 5, &f->err), GW_ENOTFOUND);
}

static void an_empty_address_finds_nobody(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row u;
    add_user(f, 1, "alice", "");
    assert_int_equal(gw_store_user_by_email(f->store, GW_STR_NULL, &u, &f->err), GW_ENOTFOUND);
}

static void only_active_users_of_the_role_are_counted(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row u;
    int64_t count = -1;
    for (uint8_t n = 1; n <= 4; n++) {
        char name[8];
        snprintf(name, sizeof(name), "u%u", n);
        u = user(n, name, "");
        strcpy(u.role, n == 1 ? "viewer" : "admin");
        u.active = n != 4;
        assert_int_equal(gw_store_user_insert(f->store, &u, &f->err), GW_OK);
    }
    assert_int_equal(gw_store_user_count_active(f->store, GW_STR("admin"), &count, &f->err), GW_OK);
    assert_int_equal(count, 2);
    assert_int_equal(gw_store_user_count_active(f->store, GW_STR("Admin"), &count, &f->err), GW_OK);
    assert_int_equal(count, 0);
}

struct names {
    char text[64];
    size_t stop_after;
};

static enum gw_code note_user(void *ctx, const struct gw_user_row *u, struct gw_error *err)
{
    struct names *n = ctx;
    strcat(n->text, u->username);
    strcat(n->text, " ");
    return --n->stop_after == 0 ? gw_fail(err, GW_ELIMIT, "enough") : GW_OK;
}

static void users_are_walked_by_name_until_the_callback_fails(void **state)
{
    struct fixture *f = *state;
    add_user(f, 1, "carol", "");
    add_user(f, 2, "Bob", "");
    add_user(f, 3, "alice", "");
    struct names all = {.stop_after = 9}, two = {.stop_after = 2};
    assert_int_equal(gw_store_user_each(f->store, note_user, &all, &f->err), GW_OK);
    assert_string_equal(all.text, "alice Bob carol ");
    assert_int_equal(gw_store_user_each(f->store, note_user, &two, &f->err), GW_ELIMIT);
    assert_string_equal(two.text, "alice Bob ");
}

/* ---- sessions ---- */

static void a_session_reads_back_as_written(void **state)
{
    struct fixture *f = *state;
    add_user(f, 1, "alice", "");
    struct gw_session_row in = session(5, 1, 20), out;
    assert_int_equal(gw_store_session_insert(f->store, &in, &f->err), GW_OK);
    assert_int_equal(gw_store_session_insert(f->store, &in, &f->err), GW_ECONFLICT);
    reopen(f);
    assert_int_equal(gw_store_session_get(f->store, &in.id, &out, &f->err), GW_OK);
    assert_true(gw_uuid_eq(&out.user_id, &in.user_id));
    assert_int_equal(out.created_s, in.created_s);
    assert_int_equal(out.last_seen_s, in.last_seen_s);
    assert_int_equal(out.expires_s, in.expires_s);
    assert_string_equal(out.address, in.address);
    assert_string_equal(out.user_agent, in.user_agent);
    assert_string_equal(out.country, in.country);
}

static void nobody_has_no_session(void **state)
{
    struct fixture *f = *state;
    struct gw_session_row r = session(5, 1, 20);
    assert_int_equal(gw_store_session_insert(f->store, &r, &f->err), GW_ENOTFOUND);
}

static void last_seen_only_grows(void **state)
{
    struct fixture *f = *state;
    add_user(f, 1, "alice", "");
    add_session(f, 5, 1, 20);
    struct gw_uuid id = uuid(5);
    struct gw_session_row r;
    static const int64_t given[] = {30, 25}, kept[] = {30, 30};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(gw_store_session_touch(f->store, &id, given[i], &f->err), GW_OK);
        assert_int_equal(gw_store_session_get(f->store, &id, &r, &f->err), GW_OK);
        assert_int_equal(r.last_seen_s, kept[i]);
    }
}

static enum gw_code note_session(void *ctx, const struct gw_session_row *r, struct gw_error *err)
{
    (void)err;
    struct names *n = ctx;
    n->text[strlen(n->text)] = (char)('0' + r->id.b[15]);
    return GW_OK;
}

static void sessions_are_walked_by_last_use(void **state)
{
    struct fixture *f = *state;
    add_user(f, 1, "alice", "");
    add_user(f, 2, "bob", "");
    add_session(f, 3, 1, 50);
    add_session(f, 4, 1, 10);
    add_session(f, 5, 2, 30);
    struct names all = {.text = ""}, one = {.text = ""};
    struct gw_uuid alice = uuid(1);
    assert_int_equal(gw_store_session_each(f->store, NULL, note_session, &all, &f->err), GW_OK);
    assert_string_equal(all.text, "453");
    assert_int_equal(gw_store_session_each(f->store, &alice, note_session, &one, &f->err), GW_OK);
    assert_string_equal(one.text, "43");
}

static void a_deleted_user_takes_sessions_and_codes_along(void **state)
{
    struct fixture *f = *state;
    add_user(f, 1, "alice", "");
    add_user(f, 2, "bob", "");
    add_session(f, 5, 1, 20);
    add_session(f, 6, 2, 20);
    struct gw_reset_row reset = {.user_id = uuid(1), .code_hash = {1}, .expires_s = 100};
    struct gw_session_row r;
    struct gw_uuid id = uuid(1), gone = uuid(5), kept = uuid(6);
    assert_int_equal(gw_store_reset_put(f->store, &reset, &f->err), GW_OK);
    assert_int_equal(gw_store_user_delete(f->store, &id, &f->err), GW_OK);
    assert_int_equal(gw_store_session_get(f->store, &gone, &r, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_session_get(f->store, &kept, &r, &f->err), GW_OK);
    assert_int_equal(gw_store_reset_get(f->store, reset.code_hash, 0, &id, &f->err), GW_ENOTFOUND);
}

/* ---- API keys ---- */

static struct gw_api_key_row api_key(uint8_t n, uint8_t user_n)
{
    struct gw_api_key_row r = {.id = uuid(n),
                               .user_id = uuid(user_n),
                               .name = "bot",
                               .hash = {[0] = n, [31] = n},
                               .scopes = "bots:read bots:write",
                               .networks = "192.0.2.0/24",
                               .is_signed = n % 2 == 1,
                               .created_s = 10,
                               .expires_s = 1000};
    snprintf(r.public_id, sizeof(r.public_id), "abcdef%02u", n % 100u);
    return r;
}

static enum gw_code add_api_key(struct fixture *f, uint8_t n, uint8_t user_n)
{
    const struct gw_api_key_row r = api_key(n, user_n);
    return gw_store_api_key_insert(f->store, &r, &f->err);
}

static void an_api_key_reads_back_as_written_by_each_id(void **state)
{
    struct fixture *f = *state;
    struct gw_api_key_row in = api_key(7, 1), out[2];
    add_user(f, 1, "alice", "");
    memset(in.name, 'n', sizeof(in.name) - 1);
    memset(in.scopes, 's', sizeof(in.scopes) - 1);
    memset(in.networks, 'w', sizeof(in.networks) - 1);
    assert_int_equal(gw_store_api_key_insert(f->store, &in, &f->err), GW_OK);
    reopen(f);
    assert_int_equal(gw_store_api_key_get(f->store, &in.id, &out[0], &f->err), GW_OK);
    assert_int_equal(gw_store_api_key_by_public_id(f->store, GW_STR("abcdef07"), &out[1], &f->err), GW_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_true(gw_uuid_eq(&out[i].id, &in.id) && gw_uuid_eq(&out[i].user_id, &in.user_id));
        assert_string_equal(out[i].public_id, in.public_id);
        assert_string_equal(out[i].name, in.name);
        assert_memory_equal(out[i].hash, in.hash, sizeof(in.hash));
        assert_string_equal(out[i].scopes, in.scopes);
        assert_string_equal(out[i].networks, in.networks);
        assert_true(out[i].is_signed);
        assert_int_equal(out[i].created_s, 10);
        assert_int_equal(out[i].expires_s, 1000);
        assert_int_equal(out[i].last_used_s, 0);
    }
}

static void ids_and_hashes_of_api_keys_are_unique_and_their_owner_is_there(void **state)
{
    struct fixture *f = *state;
    struct gw_api_key_row rows[3] = {api_key(2, 1), api_key(2, 1), api_key(2, 1)}, long_name = api_key(3, 1);
    add_user(f, 1, "alice", "");
    assert_int_equal(add_api_key(f, 1, 1), GW_OK);
    assert_int_equal(add_api_key(f, 4, 9), GW_ENOTFOUND);
    rows[0].id = uuid(1);
    strcpy(rows[1].public_id, "abcdef01");
    memcpy(rows[2].hash, api_key(1, 1).hash, sizeof(rows[2].hash));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(gw_store_api_key_insert(f->store, &rows[i], &f->err), GW_ECONFLICT);
    memset(long_name.name, 'x', sizeof(long_name.name));
    assert_int_equal(gw_store_api_key_insert(f->store, &long_name, &f->err), GW_EINVAL);
    int64_t count = 0;
    assert_int_equal(gw_store_api_key_count(f->store, &count, &f->err), GW_OK);
    assert_int_equal(count, 1);
}

static enum gw_code append_public_id(void *ctx, const struct gw_api_key_row *r, struct gw_error *err)
{
    (void)err;
    strcat(strcat(ctx, r->public_id + 6), " ");
    return GW_OK;
}

static void api_keys_are_walked_of_one_user_or_all_and_go_with_the_user(void **state)
{
    struct fixture *f = *state;
    struct gw_uuid alice = uuid(1), key = uuid(1);
    char mine[64] = "", all[64] = "", left[64] = "";
    add_user(f, 1, "alice", "");
    add_user(f, 2, "bob", "");
    for (uint8_t n = 1; n <= 3; n++)
        assert_int_equal(add_api_key(f, n, n == 2 ? 2 : 1), GW_OK);
    assert_int_equal(gw_store_api_key_each(f->store, &alice, append_public_id, mine, &f->err), GW_OK);
    assert_string_equal(mine, "01 03 ");
    assert_int_equal(gw_store_api_key_each(f->store, NULL, append_public_id, all, &f->err), GW_OK);
    assert_string_equal(all, "01 02 03 ");
    assert_int_equal(gw_store_api_key_delete(f->store, &key, &f->err), GW_OK);
    assert_int_equal(gw_store_api_key_delete(f->store, &key, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_user_delete(f->store, &alice, &f->err), GW_OK);
    assert_int_equal(gw_store_api_key_each(f->store, NULL, append_public_id, left, &f->err), GW_OK);
    assert_string_equal(left, "02 ");
}

static void an_api_key_ends_sooner_never_later_and_its_last_use_only_grows(void **state)
{
    struct fixture *f = *state;
    struct gw_api_key_row endless = api_key(2, 1), out;
    struct gw_uuid id = uuid(1), none = uuid(9);
    static const int64_t ends[][2] = {{2000, 1000}, {500, 500}, {600, 500}};
    add_user(f, 1, "alice", "");
    assert_int_equal(add_api_key(f, 1, 1), GW_OK);
    endless.expires_s = 0;
    assert_int_equal(gw_store_api_key_insert(f->store, &endless, &f->err), GW_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(gw_store_api_key_expire(f->store, &id, ends[i][0], &f->err), GW_OK);
        assert_int_equal(gw_store_api_key_get(f->store, &id, &out, &f->err), GW_OK);
        assert_int_equal(out.expires_s, ends[i][1]);
    }
    assert_int_equal(gw_store_api_key_expire(f->store, &endless.id, 700, &f->err), GW_OK);
    assert_int_equal(gw_store_api_key_get(f->store, &endless.id, &out, &f->err), GW_OK);
    assert_int_equal(out.expires_s, 700);
    assert_int_equal(gw_store_api_key_touch(f->store, &id, 50, &f->err), GW_OK);
    assert_int_equal(gw_store_api_key_touch(f->store, &id, 40, &f->err), GW_OK);
    assert_int_equal(gw_store_api_key_get(f->store, &id, &out, &f->err), GW_OK);
    assert_int_equal(out.last_used_s, 50);
    assert_int_equal(gw_store_api_key_touch(f->store, &none, 50, &f->err), GW_OK);
    assert_int_equal(gw_store_api_key_expire(f->store, &none, 50, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_api_key_get(f->store, &none, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_api_key_by_public_id(f->store, GW_STR("abcdef0"), &out, &f->err), GW_ENOTFOUND);
}

static void a_service_user_stays_one_and_counts_as_nobody_who_can_sign_in(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row u = user(1, "bot", ""), out;
    int64_t count = -1;
    u.service = true;
    assert_int_equal(gw_store_user_insert(f->store, &u, &f->err), GW_EBACKEND); /* with a password */
    u.password_hash[0] = '\0';
    assert_int_equal(gw_store_user_insert(f->store, &u, &f->err), GW_OK);
    u.service = false;
    assert_int_equal(gw_store_user_update(f->store, &u, &f->err), GW_OK);
    assert_int_equal(gw_store_user_get(f->store, &u.id, &out, &f->err), GW_OK);
    assert_true(out.service);
    assert_int_equal(gw_store_user_count_active(f->store, GW_STR("trader"), &count, &f->err), GW_OK);
    assert_int_equal(count, 0);
}

/* ---- refresh tokens ---- */

static struct gw_refresh_row refresh(uint8_t n, uint8_t session_n, int64_t number, int64_t spent_s)
{
    return (struct gw_refresh_row){
        .hash = {[0] = n, [31] = n}, .session_id = uuid(session_n), .number = number, .spent_s = spent_s};
}

static enum gw_code add_refresh(struct fixture *f, uint8_t n, uint8_t session_n, int64_t number, int64_t spent_s)
{
    const struct gw_refresh_row r = refresh(n, session_n, number, spent_s);
    return gw_store_refresh_insert(f->store, &r, &f->err);
}

static enum gw_code get_refresh(struct fixture *f, uint8_t n, struct gw_refresh_row *out)
{
    const struct gw_refresh_row r = refresh(n, 0, 0, 0);
    return gw_store_refresh_get(f->store, r.hash, out, &f->err);
}

static void add_families(struct fixture *f)
{
    add_user(f, 1, "alice", "");
    add_session(f, 1, 1, 10);
    add_session(f, 2, 1, 10);
    assert_int_equal(add_refresh(f, 11, 1, 1, 50), GW_OK);
    assert_int_equal(add_refresh(f, 12, 1, 2, 0), GW_OK);
    assert_int_equal(add_refresh(f, 21, 2, 1, 0), GW_OK);
}

static void a_family_has_one_token_that_is_not_spent(void **state)
{
    struct fixture *f = *state;
    struct gw_refresh_row r = refresh(12, 1, 2, 0), unknown = refresh(99, 0, 0, 0), out;
    const struct gw_uuid first = uuid(1), none = uuid(3);
    add_families(f);
    assert_int_equal(add_refresh(f, 13, 1, 3, 0), GW_ECONFLICT);
    assert_int_equal(gw_store_refresh_spend(f->store, r.hash, 70, &f->err), GW_OK);
    assert_int_equal(gw_store_refresh_spend(f->store, r.hash, 90, &f->err), GW_ECONFLICT);
    assert_int_equal(add_refresh(f, 12, 1, 3, 0), GW_ECONFLICT); /* the hash is taken */
    assert_int_equal(add_refresh(f, 13, 1, 2, 0), GW_ECONFLICT); /* the number is */
    assert_int_equal(add_refresh(f, 13, 3, 1, 0), GW_ENOTFOUND);
    assert_int_equal(add_refresh(f, 13, 1, 3, 0), GW_OK);
    reopen(f);
    assert_int_equal(get_refresh(f, 12, &out), GW_OK);
    r.spent_s = 70;
    assert_memory_equal(&out, &r, sizeof(r));
    assert_int_equal(gw_store_refresh_newest(f->store, &first, &out, &f->err), GW_OK);
    assert_int_equal(out.hash[0], 13);
    assert_int_equal(out.number, 3);
    assert_int_equal(out.spent_s, 0);
    assert_int_equal(gw_store_refresh_newest(f->store, &none, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(get_refresh(f, 99, &out), GW_ENOTFOUND);
    assert_int_equal(gw_store_refresh_spend(f->store, unknown.hash, 70, &f->err), GW_ECONFLICT);
}

static void a_family_goes_with_its_session_and_alone(void **state)
{
    struct fixture *f = *state;
    struct gw_refresh_row out;
    const struct gw_uuid first = uuid(1), second = uuid(2), alice = uuid(1);
    add_families(f);
    assert_int_equal(gw_store_session_delete(f->store, &first, &f->err), GW_OK);
    assert_int_equal(get_refresh(f, 11, &out), GW_ENOTFOUND);
    assert_int_equal(get_refresh(f, 12, &out), GW_ENOTFOUND);
    assert_int_equal(get_refresh(f, 21, &out), GW_OK);
    assert_int_equal(gw_store_refresh_delete(f->store, &second, &f->err), GW_OK);
    assert_int_equal(gw_store_refresh_delete(f->store, &second, &f->err), GW_OK);
    assert_int_equal(get_refresh(f, 21, &out), GW_ENOTFOUND);
    assert_int_equal(add_refresh(f, 22, 2, 1, 0), GW_OK);
    assert_int_equal(gw_store_user_delete(f->store, &alice, &f->err), GW_OK);
    assert_int_equal(get_refresh(f, 22, &out), GW_ENOTFOUND);
}

/* ---- known pairs ---- */

static struct gw_ip place(unsigned n)
{
    return (struct gw_ip){{0x20, 0x01, 0x0d, 0xb8, (uint8_t)(n >> 8), (uint8_t)n}};
}

static bool is_known(struct fixture *f, uint8_t user_n, unsigned place_n, int64_t since_s)
{
    struct gw_uuid id = uuid(user_n);
    struct gw_ip address = place(place_n);
    bool out = false;
    assert_int_equal(gw_store_known_pair_has(f->store, &id, &address, since_s, &out, &f->err), GW_OK);
    return out;
}

static enum gw_code know(struct fixture *f, uint8_t user_n, unsigned place_n, int64_t now_s)
{
    struct gw_uuid id = uuid(user_n);
    struct gw_ip address = place(place_n);
    return gw_store_known_pair_put(f->store, &id, &address, now_s, &f->err);
}

static void a_pair_is_known_by_its_last_success(void **state)
{
    struct fixture *f = *state;
    add_user(f, 1, "alice", "");
    add_user(f, 2, "bob", "");
    assert_int_equal(know(f, 9, 1, 100), GW_ENOTFOUND);
    assert_false(is_known(f, 1, 1, 0));
    assert_int_equal(know(f, 1, 1, 100), GW_OK);
    assert_int_equal(know(f, 1, 1, 90), GW_OK); /* a clock that was set back forgets nothing */
    reopen(f);
    assert_true(is_known(f, 1, 1, 100));
    assert_false(is_known(f, 1, 1, 101));
    assert_false(is_known(f, 2, 1, 0));
    assert_false(is_known(f, 1, 2, 0));
    assert_int_equal(know(f, 1, 2, 200), GW_OK);
    assert_int_equal(gw_store_known_pair_purge(f->store, 101, &f->err), GW_OK);
    assert_false(is_known(f, 1, 1, 0));
    assert_true(is_known(f, 1, 2, 0));
    struct gw_uuid alice = uuid(1);
    assert_int_equal(gw_store_user_delete(f->store, &alice, &f->err), GW_OK);
    assert_false(is_known(f, 1, 2, 0));
}

static void a_user_has_so_many_known_pairs_and_no_more(void **state)
{
    struct fixture *f = *state;
    add_user(f, 1, "alice", "");
    add_user(f, 2, "bob", "");
    assert_int_equal(know(f, 2, 0, 1), GW_OK);
    for (unsigned n = 0; n < GW_KNOWN_PAIRS_MAX + 3; n++)
        assert_int_equal(know(f, 1, n, 100 + n), GW_OK);
    for (unsigned n = 0; n < GW_KNOWN_PAIRS_MAX + 3; n++)
        assert_int_equal(is_known(f, 1, n, 0), n >= 3);
    assert_true(is_known(f, 2, 0, 0));
}

/* ---- revocations and reset codes ---- */

static enum gw_code note_revocation(void *ctx, const struct gw_uuid *jti, int64_t expires_s, struct gw_error *err)
{
    (void)err;
    char *text = ctx;
    sprintf(text + strlen(text), "%u:%lld ", jti->b[15], (long long)expires_s);
    return GW_OK;
}

static void revocations_keep_the_later_expiry_until_purged(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint8_t jti;
        int64_t expires_s;
    } rows[] = {{1, 50}, {1, 40}, {2, 30}, {2, 60}, {3, 50}, {4, 51}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_uuid jti = uuid(rows[i].jti);
        assert_int_equal(gw_store_revocation_insert(f->store, &jti, rows[i].expires_s, &f->err), GW_OK);
    }
    char before[64] = "", after[64] = "";
    assert_int_equal(gw_store_revocation_each(f->store, note_revocation, before, &f->err), GW_OK);
    assert_string_equal(before, "1:50 2:60 3:50 4:51 ");
    assert_int_equal(gw_store_revocation_purge(f->store, 50, &f->err), GW_OK);
    reopen(f);
    assert_int_equal(gw_store_revocation_each(f->store, note_revocation, after, &f->err), GW_OK);
    assert_string_equal(after, "2:60 4:51 ");
}

static void a_reset_code_is_good_until_it_expires_is_replaced_or_is_deleted(void **state)
{
    struct fixture *f = *state;
    add_user(f, 1, "alice", "");
    struct gw_reset_row first = {.user_id = uuid(1), .code_hash = {1}, .expires_s = 100};
    struct gw_reset_row second = {.user_id = uuid(1), .code_hash = {2}, .expires_s = 100};
    struct gw_reset_row orphan = {.user_id = uuid(9), .code_hash = {3}, .expires_s = 100};
    struct gw_uuid id = {{0}};
    assert_int_equal(gw_store_reset_put(f->store, &first, &f->err), GW_OK);
    assert_int_equal(gw_store_reset_get(f->store, first.code_hash, 99, &id, &f->err), GW_OK);
    assert_int_equal(id.b[15], 1);
    assert_int_equal(gw_store_reset_get(f->store, first.code_hash, 100, &id, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_reset_put(f->store, &second, &f->err), GW_OK);
    assert_int_equal(gw_store_reset_get(f->store, first.code_hash, 99, &id, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_reset_get(f->store, second.code_hash, 99, &id, &f->err), GW_OK);
    assert_int_equal(gw_store_reset_delete(f->store, &first.user_id, &f->err), GW_OK);
    assert_int_equal(gw_store_reset_get(f->store, second.code_hash, 99, &id, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_reset_delete(f->store, &first.user_id, &f->err), GW_OK);
    assert_int_equal(gw_store_reset_put(f->store, &orphan, &f->err), GW_ENOTFOUND);
}

/* ---- transactions ---- */

static void a_transaction_is_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum gw_code end_with, found;
    } cases[] = {{GW_EDENIED, GW_ENOTFOUND}, {GW_OK, GW_OK}};
    for (size_t i = 0; i < 2; i++) {
        struct gw_user_row u;
        assert_int_equal(gw_store_begin(f->store, &f->err), GW_OK);
        add_user(f, 1, "alice", "");
        add_session(f, 5, 1, 20);
        assert_int_equal(gw_store_user_by_name(f->store, GW_STR("alice"), &u, &f->err), GW_OK);
        assert_int_equal(gw_store_end(f->store, cases[i].end_with, &f->err), cases[i].end_with);
        assert_int_equal(gw_store_user_by_name(f->store, GW_STR("alice"), &u, &f->err), cases[i].found);
        reopen(f);
        assert_int_equal(gw_store_user_by_name(f->store, GW_STR("alice"), &u, &f->err), cases[i].found);
    }
}

static void a_refused_change_leaves_the_transaction_usable(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row again = user(1, "alice", ""), out;
    assert_int_equal(gw_store_begin(f->store, &f->err), GW_OK);
    add_user(f, 1, "alice", "");
    assert_int_equal(gw_store_user_insert(f->store, &again, &f->err), GW_ECONFLICT);
    add_user(f, 2, "bob", "");
    assert_int_equal(gw_store_commit(f->store, &f->err), GW_OK);
    assert_int_equal(gw_store_user_by_name(f->store, GW_STR("bob"), &out, &f->err), GW_OK);
}

static void a_hold_outlives_the_transactions_in_it(void **state)
{
    struct fixture *f = *state;
    gw_store_hold(f->store);
    for (uint8_t n = 1; n <= 2; n++) {
        char name[8];
        snprintf(name, sizeof(name), "u%u", n);
        assert_int_equal(gw_store_begin(f->store, &f->err), GW_OK);
        add_user(f, n, name, "");
        assert_int_equal(gw_store_commit(f->store, &f->err), GW_OK);
    }
    gw_store_release(f->store);
}

#define THREADS 4
#define ROUNDS 25

/* Reads and writes in one transaction; any that slipped between would lose a count. */
static void *count_up(void *ctx)
{
    struct gw_store *s = ctx;
    struct gw_uuid id = uuid(1);
    struct gw_user_row u;
    for (int i = 0; i < ROUNDS; i++) {
        if (gw_store_begin(s, NULL) != GW_OK)
            return ctx;
        enum gw_code code = gw_store_user_get(s, &id, &u, NULL);
        u.last_login_s++;
        if (code == GW_OK)
            code = gw_store_user_update(s, &u, NULL);
        if (gw_store_end(s, code, NULL) != GW_OK)
            return ctx;
    }
    return NULL;
}

static void a_transaction_keeps_other_threads_out(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[THREADS];
    struct gw_user_row u;
    add_user(f, 1, "alice", "");
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, f->store), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = f;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(gw_store_user_by_name(f->store, GW_STR("alice"), &u, &f->err), GW_OK);
    assert_int_equal(u.last_login_s, THREADS * ROUNDS);
    assert_int_equal(u.version, THREADS * ROUNDS);
}

/* ---- data keys and what they seal ---- */

static void add_data_key(struct fixture *f, uint32_t id)
{
    struct gw_data_key_row k = {.id = id, .created_s = 100 + id, .uses = 5};
    memset(k.wrapped, (int)id, sizeof(k.wrapped));
    assert_int_equal(gw_store_data_key_insert(f->store, &k, &f->err), GW_OK);
}

static struct gw_sealed_row sealed(const char *name, uint32_t key_id, int64_t expires_s)
{
    struct gw_sealed_row r = {.key_id = key_id, .envelope = "envelope", .envelope_len = 8, .expires_s = expires_s};
    snprintf(r.name, sizeof(r.name), "%s", name);
    return r;
}

static void put_sealed(struct fixture *f, const char *name, uint32_t key_id, int64_t expires_s)
{
    struct gw_sealed_row r = sealed(name, key_id, expires_s);
    assert_int_equal(gw_store_sealed_put(f->store, &r, &f->err), GW_OK);
}

struct key_list {
    struct gw_data_key_row keys[4];
    size_t count;
};

static enum gw_code list_key(void *ctx, const struct gw_data_key_row *k, struct gw_error *err)
{
    struct key_list *l = ctx;
    (void)err;
    l->keys[l->count++] = *k;
    return GW_OK;
}

static void data_keys_are_walked_by_id_and_keep_their_bound(void **state)
{
    struct fixture *f = *state;
    struct key_list l = {0};
    add_data_key(f, 4294967295u);
    add_data_key(f, 1);
    assert_int_equal(gw_store_data_key_reserve(f->store, 1, INT64_C(1) << 32, &f->err), GW_OK);
    assert_int_equal(gw_store_data_key_reserve(f->store, 1, 7, &f->err), GW_OK); /* never lower */
    assert_int_equal(gw_store_data_key_reserve(f->store, 2, 7, &f->err), GW_ENOTFOUND);
    reopen(f);
    assert_int_equal(gw_store_data_key_each(f->store, list_key, &l, &f->err), GW_OK);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.keys[0].id, 1);
    assert_int_equal(l.keys[0].created_s, 101);
    assert_int_equal(l.keys[0].retired_s, 0);
    assert_int_equal(l.keys[0].uses, INT64_C(1) << 32);
    assert_int_equal(l.keys[0].wrapped[59], 1);
    assert_int_equal(l.keys[1].id, 4294967295u);
    assert_int_equal(l.keys[1].uses, 5);
}

static void a_key_is_retired_when_nothing_needs_it_and_its_id_stays_taken(void **state)
{
    struct fixture *f = *state;
    struct key_list l = {0};
    const struct gw_data_key_row again = {.id = 1};
    const uint8_t zeroes[GW_WRAPPED_KEY_BYTES] = {0};
    add_data_key(f, 1);
    put_sealed(f, "a/1/x", 1, 0);
    assert_int_equal(gw_store_data_key_retire(f->store, 1, 500, &f->err), GW_ECONFLICT);
    assert_int_equal(gw_store_sealed_delete(f->store, GW_STR("a/1/x"), &f->err), GW_OK);
    assert_int_equal(gw_store_data_key_retire(f->store, 1, 500, &f->err), GW_OK);
    assert_int_equal(gw_store_data_key_retire(f->store, 1, 600, &f->err), GW_ECONFLICT);
    assert_int_equal(gw_store_data_key_insert(f->store, &again, &f->err), GW_ECONFLICT);
    assert_int_equal(gw_store_data_key_each(f->store, list_key, &l, &f->err), GW_OK);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.keys[0].retired_s, 500);
    assert_memory_equal(l.keys[0].wrapped, zeroes, sizeof(zeroes));
}

static void a_sealed_row_is_good_until_it_expires_is_replaced_or_is_deleted(void **state)
{
    struct fixture *f = *state;
    struct gw_sealed_row r = sealed("users/1/totp", 1, 1000), out;
    const struct gw_str name = GW_STR("users/1/totp");
    add_data_key(f, 1);
    add_data_key(f, 2);
    r.envelope_len = sizeof(r.envelope);
    r.envelope[sizeof(r.envelope) - 1] = 7;
    assert_int_equal(gw_store_sealed_put(f->store, &r, &f->err), GW_OK);
    reopen(f);
    assert_int_equal(gw_store_sealed_get(f->store, name, 999, &out, &f->err), GW_OK);
    assert_string_equal(out.name, r.name);
    assert_int_equal(out.key_id, 1);
    assert_int_equal(out.expires_s, 1000);
    assert_int_equal(out.envelope_len, sizeof(r.envelope));
    assert_memory_equal(out.envelope, r.envelope, sizeof(r.envelope));
    assert_int_equal(gw_store_sealed_get(f->store, name, 1000, &out, &f->err), GW_ENOTFOUND);
    put_sealed(f, "users/1/totp", 2, 0);
    assert_int_equal(gw_store_sealed_get(f->store, name, INT64_MAX, &out, &f->err), GW_OK);
    assert_int_equal(out.key_id, 2);
    assert_int_equal(out.envelope_len, 8);
    assert_int_equal(gw_store_sealed_delete(f->store, name, &f->err), GW_OK);
    assert_int_equal(gw_store_sealed_get(f->store, name, 0, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_sealed_delete(f->store, name, &f->err), GW_OK);
}

static void sealed_rows_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    struct gw_sealed_row nameless = sealed("", 1, 0), endless = sealed("a", 1, 0), empty = sealed("a", 1, 0),
                         large = sealed("a", 1, 0), keyless = sealed("a", 9, 0);
    add_data_key(f, 1);
    memset(endless.name, 'a', sizeof(endless.name));
    empty.envelope_len = 0;
    large.envelope_len = sizeof(large.envelope) + 1;
    assert_int_equal(gw_store_sealed_put(f->store, &nameless, &f->err), GW_EINVAL);
    assert_int_equal(gw_store_sealed_put(f->store, &endless, &f->err), GW_EINVAL);
    assert_int_equal(gw_store_sealed_put(f->store, &empty, &f->err), GW_EINVAL);
    assert_int_equal(gw_store_sealed_put(f->store, &large, &f->err), GW_EINVAL);
    assert_int_equal(gw_store_sealed_put(f->store, &keyless, &f->err), GW_ENOTFOUND);
}

static enum gw_code append_name(void *ctx, const struct gw_sealed_row *r, struct gw_error *err)
{
    (void)err;
    strcat(strcat(ctx, r->name), " ");
    return GW_OK;
}

static void sealed_rows_of_a_key_are_walked_by_name_and_purged_when_expired(void **state)
{
    struct fixture *f = *state;
    char names[64] = "";
    int64_t count = -1;
    add_data_key(f, 1);
    add_data_key(f, 2);
    put_sealed(f, "c", 1, 50);
    put_sealed(f, "a", 1, 0);
    put_sealed(f, "b", 2, 0);
    put_sealed(f, "d", 1, 51);
    assert_int_equal(gw_store_sealed_each_of_key(f->store, 1, GW_STR(""), 2, append_name, names, &f->err), GW_OK);
    assert_int_equal(gw_store_sealed_each_of_key(f->store, 1, GW_STR("c"), 2, append_name, names, &f->err), GW_OK);
    assert_string_equal(names, "a c d ");
    assert_int_equal(gw_store_sealed_count(f->store, 1, &count, &f->err), GW_OK);
    assert_int_equal(count, 3);
    assert_int_equal(gw_store_sealed_purge(f->store, 50, &f->err), GW_OK);
    assert_int_equal(gw_store_sealed_count(f->store, 1, &count, &f->err), GW_OK);
    assert_int_equal(count, 2);
    assert_int_equal(gw_store_sealed_count(f->store, 3, &count, &f->err), GW_OK);
    assert_int_equal(count, 0);
    assert_int_equal(gw_store_sealed_count(f->store, 0, &count, &f->err), GW_OK);
    assert_int_equal(count, 3);
}

/* ---- blocks ---- */

static struct gw_block_row block(uint8_t n, const char *network, bool is_suspect, int64_t since_s, int64_t expires_s)
{
    struct gw_block_row b = {.id = uuid(n),
                             .is_suspect = is_suspect,
                             .since_s = since_s,
                             .expires_s = expires_s,
                             .cause = "rule",
                             .author = "x"};
    assert_int_equal(gw_cidr_parse(gw_str(network), &b.network), GW_OK);
    return b;
}

static enum gw_code add_block(struct fixture *f, uint8_t n, const char *network, int64_t since_s, int64_t expires_s)
{
    const struct gw_block_row b = block(n, network, false, since_s, expires_s);
    return gw_store_block_insert(f->store, &b, &f->err);
}

static enum gw_code append_block(void *ctx, const struct gw_block_row *b, struct gw_error *err)
{
    (void)err;
    char number[8];
    snprintf(number, sizeof(number), "%u ", b->id.b[15]);
    strcat(ctx, number);
    return GW_OK;
}

static void a_network_has_one_block_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct gw_block_row b = block(1, "192.0.2.0/24", true, 100, 200), out;
    const struct gw_uuid id = uuid(1);
    memset(b.reason, 'r', GW_BLOCK_REASON_MAX);
    memset(b.author, 'a', GW_BLOCK_AUTHOR_MAX);
    memset(b.cause, 'c', GW_BLOCK_CAUSE_MAX);
    assert_int_equal(gw_store_block_insert(f->store, &b, &f->err), GW_OK);
    assert_int_equal(gw_store_block_get(f->store, &id, &out, &f->err), GW_OK);
    assert_true(out.is_suspect && out.network.bits == 120 && out.since_s == 100 && out.expires_s == 200);
    assert_true(gw_ip_eq(&out.network.net, &b.network.net) && out.ended_s == 0);
    assert_string_equal(out.cause, b.cause);
    assert_string_equal(out.author, b.author);
    assert_string_equal(out.reason, b.reason);
    assert_int_equal(add_block(f, 2, "192.0.2.0/24", 100, 200), GW_ECONFLICT);
    assert_int_equal(add_block(f, 2, "192.0.2.0/25", 100, 200), GW_OK);
    assert_int_equal(gw_store_block_extend(f->store, &id, 900, &f->err), GW_OK);
    assert_int_equal(gw_store_block_of_network(f->store, &b.network, &out, &f->err), GW_OK);
    assert_int_equal(out.expires_s, 900);
    assert_int_equal(gw_store_block_end(f->store, &id, 500, &f->err), GW_OK);
    assert_int_equal(gw_store_block_end(f->store, &id, 501, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_block_extend(f->store, &id, 999, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_block_get(f->store, &id, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_block_of_network(f->store, &b.network, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(add_block(f, 3, "192.0.2.0/24", 600, 700), GW_OK);
    b.cause[0] = '\0';
    assert_int_equal(gw_store_block_insert(f->store, &b, &f->err), GW_EINVAL);
}

static void blocks_are_walked_by_id_and_counted(void **state)
{
    struct fixture *f = *state;
    char ids[64] = "";
    const struct gw_uuid second = uuid(2), third = uuid(3);
    struct gw_block_row b = block(1, "192.0.2.1", false, 0, 0);
    int64_t count = -1;
    assert_int_equal(add_block(f, 1, "192.0.2.1", 100, 150), GW_OK);
    assert_int_equal(add_block(f, 4, "2001:db8::/64", 100, 200), GW_OK);
    assert_int_equal(add_block(f, 2, "192.0.2.2", 100, 300), GW_OK);
    assert_int_equal(add_block(f, 3, "192.0.2.3", 100, 200), GW_OK);
    assert_int_equal(gw_store_block_each(f->store, NULL, INT64_MAX, 2, append_block, ids, &f->err), GW_OK);
    assert_int_equal(gw_store_block_each(f->store, &second, INT64_MAX, 9, append_block, ids, &f->err), GW_OK);
    assert_string_equal(ids, "1 2 3 4 ");
    ids[0] = '\0';
    assert_int_equal(gw_store_block_each(f->store, NULL, 200, 9, append_block, ids, &f->err), GW_OK);
    assert_string_equal(ids, "1 3 4 ");
    assert_int_equal(gw_store_block_end(f->store, &third, 120, &f->err), GW_OK); /* lifted */
    assert_int_equal(gw_store_block_count(f->store, &count, &f->err), GW_OK);
    assert_int_equal(count, 3);
    assert_int_equal(gw_store_block_end(f->store, &b.id, 150, &f->err), GW_OK);
    assert_int_equal(add_block(f, 5, "192.0.2.1", 160, 300), GW_OK);
    assert_int_equal(gw_store_block_count_earlier(f->store, &b.network, 100, &count, &f->err), GW_OK);
    assert_int_equal(count, 2);
    assert_int_equal(gw_store_block_count_earlier(f->store, &b.network, 101, &count, &f->err), GW_OK);
    assert_int_equal(count, 1);
    b = block(3, "192.0.2.3", false, 0, 0);
    assert_int_equal(gw_store_block_count_earlier(f->store, &b.network, 0, &count, &f->err), GW_OK);
    assert_int_equal(count, 0);
    b = block(1, "192.0.2.1", false, 0, 0);
    assert_int_equal(gw_store_block_purge(f->store, 151, &f->err), GW_OK);
    assert_int_equal(gw_store_block_count_earlier(f->store, &b.network, 0, &count, &f->err), GW_OK);
    assert_int_equal(count, 1);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        CASE(a_user_reads_back_as_written_by_each_key),
        CASE(fields_of_full_length_survive),
        CASE(hostile_text_is_a_value_and_nothing_more),
        CASE(names_and_addresses_are_unique_without_case_but_no_address_may_repeat),
        CASE(rows_that_do_not_fit_are_refused),
        CASE(each_update_adds_one_to_the_version),
        CASE(what_is_not_there_is_not_found),
        CASE(an_empty_address_finds_nobody),
        CASE(only_active_users_of_the_role_are_counted),
        CASE(users_are_walked_by_name_until_the_callback_fails),
        CASE(a_session_reads_back_as_written),
        CASE(nobody_has_no_session),
        CASE(last_seen_only_grows),
        CASE(sessions_are_walked_by_last_use),
        CASE(a_deleted_user_takes_sessions_and_codes_along),
        CASE(an_api_key_reads_back_as_written_by_each_id),
        CASE(ids_and_hashes_of_api_keys_are_unique_and_their_owner_is_there),
        CASE(api_keys_are_walked_of_one_user_or_all_and_go_with_the_user),
        CASE(an_api_key_ends_sooner_never_later_and_its_last_use_only_grows),
        CASE(a_service_user_stays_one_and_counts_as_nobody_who_can_sign_in),
        CASE(a_family_has_one_token_that_is_not_spent),
        CASE(a_family_goes_with_its_session_and_alone),
        CASE(a_pair_is_known_by_its_last_success),
        CASE(a_user_has_so_many_known_pairs_and_no_more),
        CASE(revocations_keep_the_later_expiry_until_purged),
        CASE(a_network_has_one_block_at_a_time),
        CASE(blocks_are_walked_by_id_and_counted),
        CASE(a_reset_code_is_good_until_it_expires_is_replaced_or_is_deleted),
        CASE(data_keys_are_walked_by_id_and_keep_their_bound),
        CASE(a_key_is_retired_when_nothing_needs_it_and_its_id_stays_taken),
        CASE(a_sealed_row_is_good_until_it_expires_is_replaced_or_is_deleted),
        CASE(sealed_rows_that_do_not_fit_are_refused),
        CASE(sealed_rows_of_a_key_are_walked_by_name_and_purged_when_expired),
        CASE(a_transaction_is_all_or_nothing),
        CASE(a_refused_change_leaves_the_transaction_usable),
        CASE(a_hold_outlives_the_transactions_in_it),
        CASE(a_transaction_keeps_other_threads_out),
    };
    return run_on_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
