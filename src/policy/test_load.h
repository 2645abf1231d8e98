/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For tests of what a policy's text becomes: one policy a test, loaded anew from each text, with the faults of the last. */
#include "config/test_refusals.h"
#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
    struct gw_faults *faults;
    struct gw_policy *p;
};
int set_up(void **state);
int tear_down(void **state);

enum gw_code load_over(struct fixture *x, const char *text, const struct gw_upstream_override *override);
/* Fails the test where the text has a fault. */
void load(struct fixture *x, const char *text);
/* Of a text that must be refused: a fault_reader, whose ctx is the fixture. */
const struct gw_faults *read_wrong(void *ctx, const char *text);
