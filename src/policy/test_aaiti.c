/* SPDX-License-Identifier: Apache-2.0 */
/* The shipped policy against the A.A.I.T.I route table, written here from the backend's contract and not from the policy. */
#include "policy/make_safe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { N = GW_RISK_NEUTRAL, O = GW_RISK_OPENS, R = GW_RISK_REDUCES };

/* who: admin, trader, viewer, anonymous. y: may; n: may not; s: must sign in. */
static const struct row {
    const char *method, *path, *who;
    int risk;
    enum gw_target target;
} rows[] = {
    {"POST", "/api/auth/register", "yyyy", N, GW_TARGET_REGISTER},
    {"POST", "/api/auth/login", "yyyy", N, GW_TARGET_LOGIN},
    {"POST", "/api/auth/refresh", "yyyy", N, GW_TARGET_REFRESH},
    {"GET", "/api/health", "yyyy", N, GW_TARGET_HEALTH},
    {"GET", "/api/auth/profile", "yyys", N, GW_TARGET_PROFILE},
    {"POST", "/api/auth/logout", "yyys", N, GW_TARGET_LOGOUT},
    {"GET", "/aaiti/health", "yyyy", N, GW_TARGET_HEALTH},
    {"GET", "/aaiti/jwks.json", "yyyy", N, GW_TARGET_JWKS},
    {"GET", "/aaiti/panic", "yyyy", N, GW_TARGET_PANIC},
    {"GET", "/aaiti/metrics", "ynns", N, GW_TARGET_METRICS},
    {"GET", "/aaiti/login", "yyyy", N, GW_TARGET_LOGIN_PAGE},
    {"GET", "/aaiti/logout", "yyyy", N, GW_TARGET_LOGOUT_PAGE},
    {"POST", "/aaiti/login", "yyyy", N, GW_TARGET_LOGIN_FORM},
    {"POST", "/aaiti/logout", "yyys", N, GW_TARGET_LOGOUT_FORM},
    {"GET", "/aaiti/v1/sessions", "yyyy", N, GW_TARGET_CONTROL},
    {"DELETE", "/aaiti/v1/users/7", "yyyy", N, GW_TARGET_CONTROL},
    {"POST", "/aaiti/v1/panic", "yyns", R, GW_TARGET_CONTROL},
    {"POST", "/aaiti/v1/make-safe", "ynns", R, GW_TARGET_CONTROL},
    {"GET", "/aaiti/v1/make-safe/1", "ynns", N, GW_TARGET_CONTROL},
    {"POST", "/aaiti/v1/mode", "yyyy", N, GW_TARGET_CONTROL},
    {"GET", "/", "yyyy", N, GW_TARGET_LANDING},
    {"GET", "/api/users/profile", "yyys", N, 0},
    {"GET", "/api/users/audit-trail", "yyys", N, 0},
    {"GET", "/api/bots", "yyys", N, 0},
    {"GET", "/api/bots/b1", "yyys", N, 0},
    {"GET", "/api/bots/b1/metrics", "yyys", N, 0},
    {"POST", "/api/bots", "yyns", O, 0},
    {"PUT", "/api/bots/b1", "yyns", O, 0},
    {"POST", "/api/bots/b1/start", "yyns", O, 0},
    {"POST", "/api/bots/b1/stop", "yyns", R, 0},
    {"DELETE", "/api/bots/b1", "ynns", R, 0},
    {"GET", "/api/trading/signals/b1", "yyys", N, 0},
    {"GET", "/api/trading/trades/b1", "yyys", N, 0},
    {"GET", "/api/trading/market-data/BTC-USDT", "yyys", N, 0},
    {"GET", "/api/trading/price/BTC", "yyys", N, 0},
    {"GET", "/api/trading/search/bitcoin", "yyys", N, 0},
    {"GET", "/api/trading/symbols/popular", "yyys", N, 0},
    {"POST", "/api/trading/quotes", "yyys", N, 0},
    {"POST", "/api/trading/execute", "yyns", O, 0},
    {"POST", "/api/trading/trades/t1/close", "yyns", R, 0},
    {"POST", "/api/trading/test-connection/binance", "ynns", N, 0},
    {"GET", "/api/ml/models", "yyys", N, 0},
    {"GET", "/api/ml/models/m1", "yyys", N, 0},
    {"GET", "/api/ml/models/m1/performance/history", "yyys", N, 0},
    {"GET", "/api/ml/strategies", "yyys", N, 0},
    {"POST", "/api/ml/compare", "yyys", N, 0},
    {"POST", "/api/ml/indicators/calculate", "yyys", N, 0},
    {"POST", "/api/ml/models", "yyns", O, 0},
    {"PUT", "/api/ml/models/m1", "yyns", O, 0},
    {"POST", "/api/ml/models/m1/realtime/start", "yyns", O, 0},
    {"POST", "/api/ml/models/m1/realtime/stop", "yyns", O, 0},
    {"POST", "/api/ml/models/m1/performance/track", "yyns", O, 0},
    {"POST", "/api/ml/strategies", "yyns", O, 0},
    {"POST", "/api/ml/strategies/s1/execute", "yyns", O, 0},
    {"POST", "/api/ml/strategies/s1/activate", "yyns", O, 0},
    {"POST", "/api/ml/strategies/s1/deactivate", "yyns", R, 0},
    {"DELETE", "/api/ml/models/m1", "ynns", O, 0},
    {"POST", "/api/ml/models/m1/predict", "yyys", N, 0},
    {"GET", "/api/ml/models/m1/predictions", "yyys", N, 0},
    {"POST", "/api/ml/models/m1/backtest", "yyns", O, 0},
    {"GET", "/api/ml/models/m1/backtests", "yyys", N, 0},
    {"GET", "/api/ml/backtests/k1", "yyys", N, 0},
    {"GET", "/api/analytics/portfolio", "yyys", N, 0},
    {"GET", "/api/analytics/performance/b1", "yyys", N, 0},
    {"GET", "/api/analytics/risk", "yyys", N, 0},
    {"GET", "/api/analytics/correlation", "yyys", N, 0},
    {"GET", "/api/analytics/market-regime", "yyys", N, 0},
    {"GET", "/api/analytics/portfolio/optimization/methods", "yyys", N, 0},
    {"GET", "/api/analytics/portfolio/optimizations", "yyys", N, 0},
    {"GET", "/api/analytics/portfolio/optimizations/o1", "yyys", N, 0},
    {"POST", "/api/analytics/portfolio/optimize", "yyns", O, 0},
    {"GET", "/api/analytics/system-info", "ynns", N, 0},
    {"GET", "/api/users/system/stats", "ynns", N, 0},
    {"GET", "/api/users/system/audit", "ynns", N, 0},
    {"GET", "/api/users", "ynns", N, 0},
    {"PUT", "/api/users/u1", "ynns", O, 0},
    {"GET", "/api/users/settings", "nnnn", N, 0},
    {"GET", "/api/users/export-data", "nnnn", N, 0},
    {"PUT", "/api/users/settings/api", "ynns", O, 0},
    {"POST", "/api/users/system/backup", "ynns", O, 0},
    {"GET", "/api/notifications/webhooks", "ynns", N, 0},
    {"GET", "/api/notifications/webhooks/stats", "ynns", N, 0},
    {"GET", "/api/notifications/notifications/stats", "ynns", N, 0},
    {"POST", "/api/notifications/webhooks", "ynns", O, 0},
    {"POST", "/api/notifications/webhooks/w1", "ynns", O, 0},
    {"DELETE", "/api/notifications/webhooks", "ynns", O, 0},
    {"DELETE", "/api/notifications/webhooks/w1", "ynns", O, 0},
    {"POST", "/api/notifications/webhooks/w1/test", "ynns", O, 0},
    {"POST", "/api/notifications/notifications/test", "ynns", O, 0},
    {"POST", "/api/notifications/notifications/subscribe", "yyys", N, 0},
    {"DELETE", "/api/notifications/notifications/unsubscribe", "yyys", N, 0},
    {"GET", "/api/metrics", "ynns", N, 0},
    {"GET", "/api/metrics.json", "ynns", N, 0},
    {"GET", "/socket.io/", "yyys", N, 0},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const char file[] = GW_SOURCE_DIR "/data/policies/aaiti.yaml";

static int set_up(void **state)
{
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    struct gw_policy *p = NULL;
    struct gw_error err;
    assert_int_equal(gw_faults_new(&f, NULL), GW_OK);
    if (gw_policy_load(file, NULL, f, &p, &err) != GW_OK) {
        gw_auto(gw_buf) struct gw_buf text;
        gw_buf_init(&text, 65536);
        gw_faults_print(f, &text);
        print_error("%s\n%s", err.msg, text.ptr);
        return 1;
    }
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    gw_policy_free(*state);
    return 0;
}

static const struct gw_route *find(const struct gw_policy *p, const char *method, const char *path)
{
    return gw_policy_match(p, gw_method_parse(gw_str(method)), gw_str(path), GW_STR_NULL);
}

static char answer(const struct gw_policy *p, const struct gw_route *r, int role)
{
    static const char letters[] = {[GW_ACCESS_YES] = 'y', [GW_ACCESS_NEEDS_SIGN_IN] = 's', [GW_ACCESS_NO] = 'n'};
    return letters[gw_policy_access(p, r, role)];
}

static void every_row_is_open_to_whom_it_should_be(void **state)
{
    const struct gw_policy *p = *state;
    const int roles[] = {gw_policy_role(p, GW_STR("admin")), gw_policy_role(p, GW_STR("trader")),
                         gw_policy_role(p, GW_STR("viewer")), GW_ROLE_NONE};
    for (size_t i = 0; i < ROWS; i++) {
        const struct gw_route *r = find(p, rows[i].method, rows[i].path);
        if (r == NULL)
            fail_msg("no route: %s %s", rows[i].method, rows[i].path);
        char who[5] = {0};
        for (size_t k = 0; k < 4; k++)
            who[k] = answer(p, r, roles[k]);
        if (strcmp(who, rows[i].who) != 0 || (int)r->risk != rows[i].risk || r->target != rows[i].target)
            fail_msg("%s %s: %s, risk %s, target %d", rows[i].method, rows[i].path, who, gw_risk_name(r->risk),
                     (int)r->target);
    }
}

static void the_policy_has_no_route_beyond_the_table(void **state)
{
    const struct gw_policy *p = *state;
    static unsigned char seen[1000];
    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < ROWS; i++)
        seen[find(p, rows[i].method, rows[i].path)->id] = 1;
    for (size_t i = 0; i < gw_policy_route_count(p); i++)
        if (!seen[i])
            fail_msg("not in the table: %.*s", GW_STR_ARG(gw_policy_route(p, i)->pattern));
}

static void what_no_row_names_is_refused(void **state)
{
    static const char *const others[][2] = {
        {"GET", "/api"},
        {"GET", "/api/"},
        {"GET", "/api/bots/"},
        {"GET", "/API/bots"},
        {"GET", "/api/Bots"},
        {"PATCH", "/api/bots/b1"},
        {"OPTIONS", "/api/bots"},
        {"TRACE", "/api/bots"},
        {"get", "/api/bots"},
        {"GET", "/api/bots/b1/start"},
        {"POST", "/api/bots/b1/delete"},
        {"DELETE", "/api/bots"},
        {"GET", "/api/auth/login"},
        {"GET", "/api/users/u1"},
        {"DELETE", "/api/users/u1"},
        {"GET", "/api/users/settings/api"},
        {"POST", "/socket.io/"},
        {"GET", "/socket.io"},
        {"GET", "/aaiti"},
        {"GET", "/aaiti/"},
        {"GET", "/aaiti/v10"},
        {"POST", "/aaiti/metrics"},
        {"GET", "/aaiti/metrics/"},
        {"POST", "/aaiti/health"},
        {"POST", "/aaiti/jwks.json"},
        {"GET", "/aaiti/jwks"},
        {"GET", "/aaitix"},
        {"POST", "/"},
        {"GET", "/index.html"},
        {"GET", "/metrics"},
    };
    const struct gw_policy *p = *state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (find(p, others[i][0], others[i][1]) != NULL)
            fail_msg("%s %s", others[i][0], others[i][1]);
}

static void head_follows_get(void **state)
{
    const struct gw_policy *p = *state;
    assert_ptr_equal(find(p, "HEAD", "/api/bots"), find(p, "GET", "/api/bots"));
    assert_ptr_equal(find(p, "HEAD", "/"), find(p, "GET", "/"));
    assert_ptr_equal(find(p, "HEAD", "/aaiti/health"), find(p, "GET", "/aaiti/health"));
    assert_null(find(p, "HEAD", "/api/trading/execute"));
}

static void an_unknown_role_holds_nothing(void **state)
{
    const struct gw_policy *p = *state;
    static const char *const names[] = {"constructor", "Admin", "", "admin ", "__proto__"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int role = gw_policy_role(p, gw_str(names[i]));
        assert_int_equal(role, GW_ROLE_UNKNOWN);
        assert_int_equal(answer(p, find(p, "GET", "/api/bots"), role), 'n');
        assert_int_equal(answer(p, find(p, "GET", "/api/users/profile"), role), 'y');
    }
}

static void what_makes_safe_stops_running_bots_and_reports_open_trades(void **state)
{
    const struct gw_make_safe *m = gw_policy_make_safe(*state);
    assert_int_equal(m->count, 5);
    assert_int_equal(m->steps[3].kind, GW_SAFE_CALL);
    assert_true(gw_str_eq(m->steps[3].route->action, GW_STR("bot_stopped")));
    assert_true(m->steps[3].repeat);
    assert_true(gw_str_eq(m->steps[m->steps[3].over].where[0].value, GW_STR("running")));
    assert_int_equal(m->steps[4].kind, GW_SAFE_REPORT);
}

static void the_upstream_gets_the_backends_claims(void **state)
{
    const struct gw_upstream *u = gw_policy_upstream(*state);
    assert_true(gw_str_eq(u->url, GW_STR("http://127.0.0.1:5000")));
    assert_true(gw_str_eq(u->host, GW_STR("127.0.0.1")));
    assert_int_equal(u->port, 5000);
    assert_int_equal(u->credential, GW_CREDENTIAL_MINT_HS256);
    assert_int_equal(u->ttl_s, 60);
    assert_int_equal(u->claim_count, 3);
    assert_true(u->needs_upstream_id);
    assert_true(gw_str_eq(u->claims[0].name, GW_STR("userId")));
    assert_int_equal(u->claims[0].source, GW_CLAIM_UPSTREAM_ID);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(every_row_is_open_to_whom_it_should_be),
        CASE(the_policy_has_no_route_beyond_the_table),
        CASE(what_no_row_names_is_refused),
        CASE(head_follows_get),
        CASE(an_unknown_role_holds_nothing),
        CASE(the_upstream_gets_the_backends_claims),
        CASE(what_makes_safe_stops_running_bots_and_reports_open_trades),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
