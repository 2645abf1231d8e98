/* SPDX-License-Identifier: Apache-2.0 */
/* Which route a request finds and who may take it: stage_route.c and stage_access.c behind it. */
#include "pipeline/test_cast.h"

enum outcome { PASS, CONTROL, ANSWER, UNAUTHORIZED, FORBIDDEN, BAD };

static enum outcome outcome_of(const struct gw_decision *d)
{
    switch (d->action) {
    case GW_PASS:
    case GW_VERIFIED:
        return PASS;
    case GW_CONTROL:
        return CONTROL;
    case GW_ANSWER:
        return ANSWER;
    case GW_REFUSE:
        break;
    }
    return d->status == 401 ? UNAUTHORIZED : d->status == 403 ? FORBIDDEN : BAD;
}

static void test_each_route_and_each_caller(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        enum outcome nobody, viewer, trader, admin;
    } rows[] = {
        {"GET", "/api/bots", UNAUTHORIZED, PASS, PASS, PASS},
        {"HEAD", "/api/bots", UNAUTHORIZED, PASS, PASS, PASS},
        {"GET", "/api/bots?x=1", UNAUTHORIZED, PASS, PASS, PASS},
        {"GET", "/api/bots/b1", UNAUTHORIZED, PASS, PASS, PASS},
        {"POST", "/api/bots", UNAUTHORIZED, FORBIDDEN, PASS, PASS},
        {"DELETE", "/api/bots/b1", UNAUTHORIZED, FORBIDDEN, FORBIDDEN, PASS},
        {"GET", "/api/me", UNAUTHORIZED, PASS, PASS, PASS},
        {"GET", "/api/open", PASS, PASS, PASS, PASS},
        {"GET", "/api/secret", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"GET", "/api/nowhere", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"PUT", "/api/bots", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"BREW", "/api/bots", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"OPTIONS", "/api/bots", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"POST", "/api/auth/login", CONTROL, CONTROL, CONTROL, CONTROL},
        {"POST", "/api/auth/logout", UNAUTHORIZED, CONTROL, CONTROL, CONTROL},
        {"GET", "/api/auth/profile", UNAUTHORIZED, CONTROL, CONTROL, CONTROL},
        {"GET", "/aaiti/health", ANSWER, ANSWER, ANSWER, ANSWER},
        {"GET", "/aaiti/jwks.json", ANSWER, ANSWER, ANSWER, ANSWER},
        {"GET", "/aaiti/panic", ANSWER, ANSWER, ANSWER, ANSWER},
        {"POST", "/aaiti/panic", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"GET", "/api/health", ANSWER, ANSWER, ANSWER, ANSWER},
        {"GET", "/", ANSWER, ANSWER, ANSWER, ANSWER},
        {"GET", "//api/bots", BAD, BAD, BAD, BAD},
        {"GET", "/api/bots%00", BAD, BAD, BAD, BAD},
        {"GET", "/api/./bots", BAD, BAD, BAD, BAD},
        {"GET", "/api/bots/..;/users", BAD, BAD, BAD, BAD},
        {"GET", "/API/bots", FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN},
        {"GET", "http://evil/api/bots", BAD, BAD, BAD, BAD},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *row = rows[i].target;
        const enum outcome got[] = {
            outcome_of(ASK_BARE(rows[i].method, row)),
            outcome_of(ASK(rows[i].method, row, bearer(VIEWER))),
            outcome_of(ASK(rows[i].method, row, bearer(TRADER))),
            outcome_of(ASK(rows[i].method, row, bearer(ADMIN))),
        };
        const enum outcome want[] = {rows[i].nobody, rows[i].viewer, rows[i].trader, rows[i].admin};
        for (size_t k = 0; k < 4; k++)
            if (got[k] != want[k])
                fail_msg("%s %s, caller %zu: %d instead of %d", rows[i].method, row, k, got[k], want[k]);
    }
}

static void test_the_backend_gets_the_form_that_was_judged(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK("GET", "/api/%62ots?a=%7e", bearer(VIEWER));
    assert_passed(d);
    assert_true(gw_str_starts(d->target, GW_STR("/api/bots?")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_each_route_and_each_caller),
        CASE(test_the_backend_gets_the_form_that_was_judged),
    };
    return cmocka_run_group_tests_name("pipeline/stage_route", tests, NULL, NULL);
}
