/* SPDX-License-Identifier: Apache-2.0 */
#include "store/test_backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct test_backend {
    const char *name;
    enum gw_code (*open)(const char *dir, struct gw_store **out, struct gw_error *err);
};

static enum gw_code open_sqlite(const char *dir, struct gw_store **out, struct gw_error *err)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/test.db", dir);
    return gw_store_open_sqlite(path, out, err);
}

static const struct test_backend backends[] = {{"sqlite", open_sqlite}};

int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->backend = *state;
    strcpy(f->dir, "/tmp/gw-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(f->backend->open(f->dir, &f->store, &f->err), GW_OK);
    *state = f;
    return 0;
}

int tear_down(void **state)
{
    struct fixture *f = *state;
    gw_store_close(f->store);
    static const char *const names[] = {"test.db", "test.db-wal", "test.db-shm"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

void reopen(struct fixture *f)
{
    gw_store_close(f->store);
    f->store = NULL;
    assert_int_equal(f->backend->open(f->dir, &f->store, &f->err), GW_OK);
}

struct gw_uuid uuid(uint8_t n)
{
    struct gw_uuid u = {{0}};
    u.b[15] = n;
    return u;
}

struct gw_user_row user_row(uint8_t n, const char *name, const char *email)
{
    struct gw_user_row u = {.id = uuid(n), .active = true, .created_s = 100, .updated_s = 101, .last_login_s = 0};
    snprintf(u.username, sizeof(u.username), "%s", name);
    snprintf(u.email, sizeof(u.email), "%s", email);
    strcpy(u.role, "trader");
    strcpy(u.upstream_id, "up-1");
    strcpy(u.password_hash, "$argon2id$test");
    return u;
}

struct gw_session_row session_row(uint8_t n, uint8_t user_n, int64_t last_seen_s)
{
    struct gw_session_row r = {
        .id = uuid(n), .user_id = uuid(user_n), .created_s = 10, .last_seen_s = last_seen_s, .expires_s = 1000};
    strcpy(r.address, "192.0.2.1");
    strcpy(r.user_agent, "curl/8");
    strcpy(r.country, "unknown");
    return r;
}

void add_user(struct fixture *f, uint8_t n, const char *name, const char *email)
{
    struct gw_user_row u = user_row(n, name, email);
    assert_int_equal(gw_store_user_insert(f->store, &u, &f->err), GW_OK);
}

void add_session(struct fixture *f, uint8_t n, uint8_t user_n, int64_t last_seen_s)
{
    struct gw_session_row r = session_row(n, user_n, last_seen_s);
    assert_int_equal(gw_store_session_insert(f->store, &r, &f->err), GW_OK);
}

int run_on_each_backend(struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        for (size_t t = 0; t < count; t++)
            tests[t].initial_state = (void *)(uintptr_t)&backends[i];
        failed += _cmocka_run_group_tests(backends[i].name, tests, count, NULL, NULL);
    }
    return failed;
}
