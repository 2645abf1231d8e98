/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, what goes with them, and from where users have signed in, on every backend. */
#include "store/test_backend.h"

#include <stdio.h>
#include <string.h>

/* ---- sessions ---- */

static void a_session_reads_back_as_written(void **state)
{
    struct fixture *f = *state;
    add_user(f, 1, "alice", "");
    struct gw_session_row in = session_row(5, 1, 20), out;
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
    struct gw_session_row r = session_row(5, 1, 20);
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

struct names {
    char text[64];
    size_t stop_after;
};

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

int main(void)
{
    struct CMUnitTest tests[] = {
        CASE(a_session_reads_back_as_written),
        CASE(nobody_has_no_session),
        CASE(last_seen_only_grows),
        CASE(sessions_are_walked_by_last_use),
        CASE(a_deleted_user_takes_sessions_and_codes_along),
        CASE(a_family_has_one_token_that_is_not_spent),
        CASE(a_family_goes_with_its_session_and_alone),
        CASE(a_pair_is_known_by_its_last_success),
        CASE(a_user_has_so_many_known_pairs_and_no_more),
        CASE(revocations_keep_the_later_expiry_until_purged),
        CASE(a_reset_code_is_good_until_it_expires_is_replaced_or_is_deleted),
    };
    return run_on_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
