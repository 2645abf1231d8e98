/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For tests of the segments: a directory of their own for each test, segments in it as a writer or a reader opens them, and records
 * that are told apart by a number.
 */
#include "shared/shared.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

extern char dir[64];
extern const struct gw_shared_sizes sizes;
int make_dir(void **state);
void path_of(const char *name, char path[128]);
int remove_dir(void **state);
struct gw_shared *open_as(enum gw_shared_role role);
enum gw_code try_open(enum gw_shared_role role);
struct gw_shared *ready_writer(void);
struct gw_uuid uuid(uint8_t n);
struct gw_live_session session_of(uint8_t n);
struct gw_live_user user_of(uint8_t n, const char *role);
void put_session(struct gw_shared *w, uint8_t n);
enum gw_code find_session(const struct gw_shared *s, uint8_t n);
