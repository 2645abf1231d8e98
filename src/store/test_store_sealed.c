/* SPDX-License-Identifier: Apache-2.0 */
/* Data keys on every backend, and what they seal. */
#include "store/test_backend.h"

#include <stdio.h>
#include <string.h>

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

int main(void)
{
    struct CMUnitTest tests[] = {
        CASE(data_keys_are_walked_by_id_and_keep_their_bound),
        CASE(a_key_is_retired_when_nothing_needs_it_and_its_id_stays_taken),
        CASE(a_sealed_row_is_good_until_it_expires_is_replaced_or_is_deleted),
        CASE(sealed_rows_that_do_not_fit_are_refused),
        CASE(sealed_rows_of_a_key_are_walked_by_name_and_purged_when_expired),
    };
    return run_on_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
