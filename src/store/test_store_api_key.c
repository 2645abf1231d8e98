/* SPDX-License-Identifier: Apache-2.0 */
/* API keys on every backend, and the service users that have nothing else. */
#include "store/test_backend.h"

#include <stdio.h>
#include <string.h>

static struct gw_api_key_row api_key(uint8_t n, uint8_t user_n)
{
    struct gw_api_key_row r = {.id = uuid(n),
                               .user_id = uuid(user_n),
                               .name = "bot",
                               .hash = {[0] = n, [31] = n},
                               .scopes = "bots:read bots:write",
                               .networks = "192.0.2.0/24",
                               .is_signed = n % 2 == 1,
                               .is_certificate = n % 2 == 0,
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
        assert_true(out[i].is_signed && !out[i].is_certificate);
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
    struct gw_user_row u = user_row(1, "bot", ""), out;
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

int main(void)
{
    struct CMUnitTest tests[] = {
        CASE(an_api_key_reads_back_as_written_by_each_id),
        CASE(ids_and_hashes_of_api_keys_are_unique_and_their_owner_is_there),
        CASE(api_keys_are_walked_of_one_user_or_all_and_go_with_the_user),
        CASE(an_api_key_ends_sooner_never_later_and_its_last_use_only_grows),
        CASE(a_service_user_stays_one_and_counts_as_nobody_who_can_sign_in),
    };
    return run_on_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
