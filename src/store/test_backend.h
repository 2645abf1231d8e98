/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Runs the store's contract tests on each backend, with an empty store for each test. A second backend is a second row of backends[].
 */
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct test_backend;

struct fixture {
    const struct test_backend *backend;
    char dir[32];
    struct gw_store *store;
    struct gw_error err;
};

int set_up(void **state);
int tear_down(void **state);
void reopen(struct fixture *f);
struct gw_uuid uuid(uint8_t n);

struct gw_user_row user_row(uint8_t n, const char *name, const char *email);
struct gw_session_row session_row(uint8_t n, uint8_t user_n, int64_t last_seen_s);
void add_user(struct fixture *f, uint8_t n, const char *name, const char *email);
void add_session(struct fixture *f, uint8_t n, uint8_t user_n, int64_t last_seen_s);

#define CASE(test)                           \
    {                                        \
#test, test, set_up, tear_down, NULL \
    }
int run_on_each_backend(struct CMUnitTest *tests, size_t count);
