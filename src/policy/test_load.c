/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/test_load.h"

#include <stdlib.h>

int set_up(void **state)
{
    struct fixture *x = calloc(1, sizeof(*x));
    assert_int_equal(gw_faults_new(&x->faults, NULL), GW_OK);
    *state = x;
    return 0;
}

int tear_down(void **state)
{
    struct fixture *x = *state;
    gw_policy_free(x->p);
    gw_faults_free(x->faults);
    free(x);
    return 0;
}

enum gw_code load_over(struct fixture *x, const char *text, const struct gw_upstream_override *override)
{
    gw_policy_free(x->p);
    x->p = NULL;
    renew_faults(&x->faults);
    return gw_policy_load_text(gw_str(text), "p.yaml", override, x->faults, &x->p, NULL);
}

void load(struct fixture *x, const char *text)
{
    if (load_over(x, text, NULL) != GW_OK)
        fail_msg("line %u: %s", gw_faults_get(x->faults, 0)->line, gw_faults_get(x->faults, 0)->message);
}

const struct gw_faults *read_wrong(void *ctx, const char *text)
{
    struct fixture *x = ctx;
    assert_int_equal(load_over(x, text, NULL), GW_EINVAL);
    assert_null(x->p);
    return x->faults;
}
