/* SPDX-License-Identifier: Apache-2.0 */
#include "config/test_refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

void renew_faults(struct gw_faults **f)
{
    gw_faults_free(*f);
    *f = NULL;
    assert_int_equal(gw_faults_new(f, NULL), GW_OK);
}

void check_fault_cases(const struct fault_case *cases, size_t count, fault_reader read, void *ctx)
{
    for (const struct fault_case *c = cases; c < cases + count; c++) {
        const struct gw_faults *f = read(ctx, c->text);
        if (gw_faults_count(f) == 0)
            fail_msg("%s\nno fault", c->text);
        const struct gw_fault *first = gw_faults_get(f, 0);
        if (first->line != c->line || strstr(first->message, c->message) == NULL)
            fail_msg("%s\nline %u: %s", c->text, first->line, first->message);
    }
}
