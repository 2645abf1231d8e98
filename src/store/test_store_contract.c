/* SPDX-License-Identifier: Apache-2.0 */
/* What every backend of the store must do with users, and with transactions, against the interface alone. */
#include "store/test_backend.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

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
    struct gw_user_row in = user_row(1, "alice", "alice@example.org"), out;
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
    struct gw_user_row in = user_row(1, "x", ""), out;
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
    struct gw_user_row in = user_row(1, "a'); DROP TABLE users; --", "\"x\"@'%_\\"), out;
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
        struct gw_user_row u = user_row(taken[i].id, taken[i].name, taken[i].email);
        assert_int_equal(gw_store_user_insert(f->store, &u, &f->err), GW_ECONFLICT);
    }
    struct gw_user_row bob = user_row(2, "Alice", "");
    assert_int_equal(gw_store_user_update(f->store, &bob, &f->err), GW_ECONFLICT);
    assert_int_equal(gw_store_user_get(f->store, &bob.id, &bob, &f->err), GW_OK);
    assert_string_equal(bob.username, "bob");
}

static void rows_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row rows[6];
    for (size_t i = 0; i < 6; i++)
        rows[i] = user_row(1, "alice", "a@b");
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
    struct gw_session_row r = session_row(1, 1, 0);
    memset(r.user_agent, 'x', sizeof(r.user_agent));
    assert_int_equal(gw_store_session_insert(f->store, &r, &f->err), GW_EINVAL);
}

static void each_update_adds_one_to_the_version(void **state)
{
    struct fixture *f = *state;
    struct gw_user_row u = user_row(1, "alice", ""), out;
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
    struct gw_user_row u = user_row(1, "alice", "");
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
        u = user_row(n, name, "");
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
    struct gw_user_row again = user_row(1, "alice", ""), out;
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
        CASE(a_transaction_is_all_or_nothing),
        CASE(a_refused_change_leaves_the_transaction_usable),
        CASE(a_hold_outlives_the_transactions_in_it),
        CASE(a_transaction_keeps_other_threads_out),
    };
    return run_on_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
