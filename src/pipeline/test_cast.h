/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who asks, in the tests of the gate and of its stages: a rig with a user of each kind, a session for each, and what is asked of
 * every decision. The names are short because the tests' tables are made of them. One rig a program.
 */
#include "pipeline/gate_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND_HASH "2222222222222222222222222222222222222222222222222222222222222222"
#define THIRD_HASH "3333333333333333333333333333333333333333333333333333333333333333"
#define BAD_BEARER "authorization: Bearer e30.e30.e30"
/* For a bundle without the allow list of the rig's own, on which its client stands. */
#define NOBODY_ALLOWED "environment: development\ntrusted_proxies: [10.0.0.0/8]\nsession: {idle: 30m, absolute: 7d}\n"

/* STRANGER has a role that the policy lacks, NO_ID none at the backend; DISABLED has a session and no user. Session of user n: 10 + n. */
enum { ADMIN = 1, TRADER, VIEWER, NO_ID, STRANGER, DISABLED, NO_SESSION };

extern struct gw_rig rig;

int set_up(void **state);
int tear_down(void **state);
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#define ASK(method, target, ...) gw_rig_ask(&rig, method, target, (const char *const[]){__VA_ARGS__, NULL})
#define ASK_BARE(method, target) gw_rig_ask(&rig, method, target, (const char *const[]){NULL})

/* Header lines, in static storage of a few. */
const char *line(const char *start, const char *value);
const char *bearer(uint32_t user);
const char *cookie(uint32_t user);

/* An API key, and the record of it that control would put for the user. */
#define API_KEY_ID 500
#define API_KEY "aak_abcdef27_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
struct gw_live_key key_of(uint32_t user);

void assert_refused(const struct gw_decision *d, enum gw_reason reason);
void assert_passed(const struct gw_decision *d);

/* What control does meanwhile. */
void change_user(uint32_t n, const char *role, uint8_t active);
/* Takes up the bundle that was published. */
void load_and_install(void);
