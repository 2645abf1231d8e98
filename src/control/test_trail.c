/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls leave in the audit trail, how it is shown, and what is never in it. */
#include "control/dispatch.h"
#include "control/presses.h"
#include "control/refusals.h"
#include "control/test_home.h"
#include "journal/reader.h"
#include "store/audit.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PASSWORD "Correct-Horse-7"
#define NEW_PASSWORD "Battery-Staple-8"
#define WRONG_PASSWORD "Planted-Wrong-9"

static struct gw_test_home home;
static struct gw_app *app;
static struct gw_reply last;
static char admin_token[2048];

/* ---- calls ---- */

enum who { OPERATOR, NOBODY, ADMIN };

static unsigned call(enum who who, const char *method, const char *target, const char *body)
{
    struct gw_str path = gw_str(target);
    size_t mark = gw_str_find(path, '?');
    struct gw_call c = {.kind = who == OPERATOR ? GW_CALLER_OPERATOR : GW_CALLER_CLIENT,
                        .method = gw_str(method),
                        .path = gw_str_sub(path, 0, mark),
                        .query = gw_str_sub(path, mark + 1, path.len),
                        .token = who == ADMIN ? gw_str(admin_token) : GW_STR_NULL,
                        .user_agent = GW_STR("curl/8"),
                        .request_id = GW_STR("01900000-0000-7000-8000-000000000001"),
                        .body = gw_str(body)};
    assert_int_equal(gw_ip_parse(GW_STR("192.0.2.7"), &c.address), GW_OK);
    gw_reply_done(&last);
    gw_dispatch(app, &c, &last);
    return last.status;
}

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

static void add_user(const char *name, const char *role)
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"username\":\"%s\",\"role\":\"%s\",\"password\":\"" PASSWORD "\"}", name,
                   role);
    assert_int_equal(call(OPERATOR, "POST", "/aaiti/v1/users", body), 201);
}

static int set_up(void **state)
{
    (void)state;
    gw_test_home_make(&home);
    app = gw_test_home_open(&home);
    add_user("ada", "admin");
    assert_int_equal(call(NOBODY, "POST", "/api/auth/login", "{\"username\":\"ada\",\"password\":\"" PASSWORD "\"}"),
                     200);
    (void)snprintf(admin_token, sizeof(admin_token), "%s", text_of(last.body, "token"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gw_reply_done(&last);
    gw_app_close(app);
    gw_test_home_remove(&home);
    return 0;
}

/* ---- the trail itself, past the calls ---- */

static struct {
    char text[64 * 1024]; /* "action/resource id/outcome ", newest first */
    size_t used;
    int count;
} rows;

static enum gw_code take(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    (void)ctx, (void)err;
    int n = snprintf(rows.text + rows.used, sizeof(rows.text) - rows.used, "%s/%s/%s ", r->action, r->resource_id,
                     gw_outcome_text(r->outcome));
    rows.used += n > 0 ? (size_t)n : 0;
    rows.count++;
    return GW_OK;
}

static const char *trail(size_t limit)
{
    const struct gw_app_view *v = gw_app_view_get(app);
    const struct gw_audit_query q = {.limit = limit};
    memset(&rows, 0, sizeof(rows));
    assert_int_equal(gw_store_audit_each(v->store, &q, take, NULL, NULL), GW_OK);
    gw_app_view_put(app, v);
    return rows.text;
}

/* ---- what is left there ---- */

static void exchanges_of_keys_and_reloads_tell_how_they_ended(void **state)
{
    (void)state;
    assert_int_equal(call(OPERATOR, "POST", "/aaiti/v1/keys/data/rotate", ""), 200);
    assert_string_equal(trail(1), "key_rotated/data/done ");
    assert_int_equal(call(OPERATOR, "POST", "/aaiti/v1/keys/upstream/finish", ""), 409);
    assert_string_equal(trail(1), "key_rotated/upstream/failed ");
    assert_int_equal(call(ADMIN, "POST", "/aaiti/v1/policy/reload", ""), 200);
    assert_string_equal(trail(1), "settings_changed//done ");
    gw_test_home_put(&home, "policy.yaml", "nonsense: 1\n");
    assert_int_equal(call(ADMIN, "POST", "/aaiti/v1/policy/reload", ""), 422);
    assert_string_equal(trail(1), "settings_changed//failed ");
}

static void what_was_begun_by_a_killed_control_is_unknown_at_the_next_start(void **state)
{
    (void)state;
    const struct gw_app_view *v = gw_app_view_get(app);
    struct gw_audit_row r = {.sequence = 1, .count = 1, .writer = {{1}}, .action = "key_rotated"};
    assert_int_equal(gw_store_audit_open_put(v->store, &r, NULL), GW_OK);
    gw_app_view_put(app, v);
    gw_app_close(app);
    app = gw_test_home_open(&home);
    assert_string_equal(trail(1), "key_rotated//unknown ");
}

/* ---- showing it ---- */

static size_t shown(void)
{
    return json_array_size(json_object_get(last.body, "events"));
}

static void the_trail_is_shown_to_who_may_see_it_and_says_who_looked(void **state)
{
    (void)state;
    assert_int_equal(call(NOBODY, "GET", "/aaiti/v1/audit", ""), 401);
    assert_int_equal(call(ADMIN, "GET", "/aaiti/v1/audit?action=user_login&user=ada&address=::ffff:192.0.2.7", ""),
                     200);
    assert_int_equal(shown(), 1);
    const json_t *event = json_array_get(json_object_get(last.body, "events"), 0);
    assert_string_equal(text_of(event, "username"), "ada");
    assert_string_equal(text_of(event, "severity"), "medium");
    assert_string_equal(text_of(event, "address"), "192.0.2.7");
    assert_string_equal(text_of(event, "requestId"), "01900000-0000-7000-8000-000000000001");
    assert_string_equal(text_of(event, "time"), "2027-01-15T08:00:00.000Z");
    assert_null(json_object_get(event, "reason"));
    assert_string_equal(trail(1), "audit_read//done ");
    assert_int_equal(call(OPERATOR, "GET", "/aaiti/v1/audit?action=audit_read", ""), 200);
    event = json_array_get(json_object_get(last.body, "events"), 0);
    const json_t *filters = json_object_get(json_object_get(event, "details"), "filters");
    assert_string_equal(text_of(filters, "action"), "user_login");
    assert_int_equal(strlen(text_of(filters, "user")), GW_UUID_LEN);
}

static void pages_follow_each_other_without_gap_or_repeat(void **state)
{
    char target[96];
    json_int_t before = 0, seen = 0, previous = INT64_MAX;
    (void)state;
    for (int i = 0; i < 7; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "user%d", i);
        add_user(name, "trader");
    }
    do {
        size_t i;
        const json_t *event;
        (void)snprintf(target, sizeof(target), "/aaiti/v1/audit?action=user_created&limit=3%s%lld",
                       before > 0 ? "&before=" : "&before=99999", (long long)before);
        assert_int_equal(call(ADMIN, "GET", target, ""), 200);
        json_array_foreach (json_object_get(last.body, "events"), i, event) {
            assert_true(json_integer_value(json_object_get(event, "id")) < previous);
            previous = json_integer_value(json_object_get(event, "id"));
            seen++;
        }
        before = json_integer_value(json_object_get(last.body, "next"));
    } while (before > 0);
    assert_int_equal(seen, 8);
}

static void two_who_follow_do_not_feed_each_other(void **state)
{
    char target[96];
    (void)state;
    assert_int_equal(call(ADMIN, "GET", "/aaiti/v1/audit?limit=1", ""), 200);
    json_int_t at = json_integer_value(json_object_get(last.body, "last"));
    add_user("tina", "trader");
    (void)snprintf(target, sizeof(target), "/aaiti/v1/audit?after=%lld", (long long)at);
    assert_int_equal(call(ADMIN, "GET", target, ""), 200);
    assert_int_equal(shown(), 1);
    (void)trail(1000);
    int count = rows.count;
    json_int_t mine = json_integer_value(json_object_get(last.body, "last"));
    assert_int_equal(call(OPERATOR, "GET", target, ""), 200); /* sees tina, and that ada looked */
    assert_int_equal(shown(), 2);
    (void)snprintf(target, sizeof(target), "/aaiti/v1/audit?after=%lld", (long long)mine);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(call(ADMIN, "GET", target, ""), 200);
        assert_int_equal(shown(), 1); /* the operator's look, which is no news */
    }
    (void)trail(1000);
    assert_int_equal(rows.count, count + 1);
}

static void one_event_is_shown_whole(void **state)
{
    char target[96];
    (void)state;
    assert_int_equal(call(ADMIN, "GET", "/aaiti/v1/audit?action=user_created", ""), 200);
    json_int_t id = json_integer_value(json_object_get(json_array_get(json_object_get(last.body, "events"), 0), "id"));
    (void)snprintf(target, sizeof(target), "/aaiti/v1/audit/%lld", (long long)id);
    assert_int_equal(call(ADMIN, "GET", target, ""), 200);
    assert_string_equal(text_of(last.body, "action"), "user_created");
    assert_string_equal(text_of(json_object_get(last.body, "details"), "by"), "operator");
    const char *const none[] = {"0", "-1", "x", "999999", "9223372036854775807", "9223372036854775808"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        (void)snprintf(target, sizeof(target), "/aaiti/v1/audit/%s", none[i]);
        assert_int_equal(call(ADMIN, "GET", target, ""), 404);
    }
}

static void a_parameter_that_makes_no_sense_is_refused_with_what_was_expected(void **state)
{
    static const struct {
        const char *query, *says;
    } table[] = {
        {"limit=0", "1 to 1000"},
        {"limit=1001", "1 to 1000"},
        {"limit=x", "1 to 1000"},
        {"since=yesterday", "2026-11-24T04:29:50Z"},
        {"until=2026-13-01T00:00:00Z", "2026-11-24T04:29:50Z"},
        {"until=1970-01-01T00:00:00Z", "2026-11-24T04:29:50Z"}, /* the number that stands for no filter */
        {"user=who-is-this", "a user there is"},
        {"session=1", "a UUID"},
        {"request=1", "a UUID"},
        {"action=Robert'); DROP", "user_login"},
        {"action=", "user_login"},
        {"address=localhost", "an IP address"},
        {"outcome=pending", "done, failed"},
        {"severity=grave", "low, medium or high"},
        {"before=0", "the id of an event"},
        {"after=-1", "the id of an event, or 0"},
        {"after=1&action=user_login", "`limit` alone"},
        {"limit=1&limit=2", "twice"},
        {"actoin=user_login", "expected since"},
        {"%61ction=user_login", "expected since"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char target[128];
        (void)snprintf(target, sizeof(target), "/aaiti/v1/audit?%s", table[i].query);
        unsigned status = call(ADMIN, "GET", target, "");
        if (status != 400 || strstr(text_of(last.body, "detail"), table[i].says) == NULL)
            fail_msg("%s gave %u: %s", table[i].query, status, text_of(last.body, "detail"));
    }
    assert_null(strstr(trail(1000), "audit_read"));
}

/* ---- refusals ---- */

static char counted[16 * 1024];

static enum gw_code read_file(void *ctx, const char *name, struct gw_error *err)
{
    __attribute__((cleanup(gw_journal_reader_auto_))) struct gw_journal_reader *r = NULL;
    struct gw_event e;
    uint64_t sequence;
    (void)ctx;
    GW_TRY(gw_journal_reader_open(gw_app_journal_dir(app), name, &r, err));
    while (gw_journal_reader_next(r, &e, &sequence, err) == GW_OK) {
        size_t used = strlen(counted);
        (void)snprintf(counted + used, sizeof(counted) - used, "%.*s %.*s %u %u %s\n", GW_STR_ARG(e.action),
                       GW_STR_ARG(e.reason), e.count, e.status, e.user_id.b[0] != 0 ? "known" : "-");
    }
    return GW_OK;
}

static void refusals_are_counted_and_cost_no_row(void **state)
{
    (void)state;
    (void)trail(1000);
    int count = rows.count;
    for (int i = 0; i < 3; i++)
        (void)call(NOBODY, "POST", "/api/auth/login", "{\"username\":\"ada\",\"password\":\"" WRONG_PASSWORD "\"}");
    (void)call(NOBODY, "POST", "/api/auth/login", "{\"username\":\"" WRONG_PASSWORD "\",\"password\":\"x\"}");
    assert_int_equal(call(NOBODY, "GET", "/aaiti/v1/users", ""), 401);
    assert_int_equal(call(ADMIN, "GET", "/aaiti/v1/keys", ""), 403);
    assert_int_equal(call(ADMIN, "PUT", "/aaiti/v1/password",
                          "{\"currentPassword\":\"" WRONG_PASSWORD "\",\"newPassword\":\"" NEW_PASSWORD "\"}"),
                     403);
    assert_int_equal(call(NOBODY, "POST", "/aaiti/v1/password/reset",
                          "{\"code\":\"planted-code-planted-co\",\"newPassword\":\"" NEW_PASSWORD "\"}"),
                     403);
    assert_int_equal(gw_refusals_flush(gw_app_refusals(app), NULL), GW_OK);
    counted[0] = '\0';
    assert_int_equal(gw_journal_each(gw_app_journal_dir(app), read_file, NULL, NULL), GW_OK);
    const char *const expected[] = {
        "user_login_failed WRONG_PASSWORD 3 401 known\n",
        "user_login_failed UNKNOWN_USER 1 401 -\n",
        "request_refused ANONYMOUS 1 401 -\n",
        "request_refused NO_PERMISSION 1 403 known\n",
        "password_changed WRONG_PASSWORD 1 403 known\n",
        "password_changed WRONG_CODE 1 403 -\n",
    };
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        if (strstr(counted, expected[i]) == NULL)
            fail_msg("`%s` is not in `%s`", expected[i], counted);
    (void)trail(1000);
    assert_int_equal(rows.count, count);
}

/* ---- what is never there ---- */

static const char *planted[8];

static enum gw_code look_for(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    (void)ctx, (void)err;
    for (size_t i = 0; planted[i] != NULL; i++)
        if (memmem(r, sizeof(*r), planted[i], strlen(planted[i])) != NULL)
            fail_msg("a row of %s holds %s", r->action, planted[i]);
    return GW_OK;
}

static void no_row_holds_a_secret(void **state)
{
    static char code[64], token[2048], refresh[128];
    char body[256];
    (void)state;
    assert_int_equal(call(OPERATOR, "POST", "/aaiti/v1/users/ada/reset", ""), 201);
    (void)snprintf(code, sizeof(code), "%s", text_of(last.body, "code"));
    (void)snprintf(body, sizeof(body), "{\"code\":\"%s\",\"newPassword\":\"" NEW_PASSWORD "\"}", code);
    assert_int_equal(call(NOBODY, "POST", "/aaiti/v1/password/reset", body), 200);
    assert_int_equal(
        call(NOBODY, "POST", "/api/auth/login", "{\"username\":\"ada\",\"password\":\"" NEW_PASSWORD "\"}"), 200);
    (void)snprintf(token, sizeof(token), "%s", text_of(last.body, "token"));
    (void)snprintf(refresh, sizeof(refresh), "%s", text_of(last.body, "refreshToken"));
    assert_true(code[0] != '\0' && token[0] != '\0' && refresh[0] != '\0');
    (void)snprintf(body, sizeof(body), "{\"refreshToken\":\"%s\"}", refresh);
    assert_int_equal(call(NOBODY, "POST", "/api/auth/refresh", body), 200);
    assert_int_equal(
        call(OPERATOR, "PUT", "/aaiti/v1/keys/upstream/next", "{\"secret\":\"Planted_upstream-9Kx2mQ7vTz4nB8cJ5wR1\"}"),
        200);
    const char *const all[] = {PASSWORD, NEW_PASSWORD, code, token, refresh, "Planted_upstream"};
    memcpy(planted, all, sizeof(all));
    const struct gw_app_view *v = gw_app_view_get(app);
    const struct gw_audit_query q = {.limit = 1000};
    assert_int_equal(gw_store_audit_each(v->store, &q, look_for, NULL, NULL), GW_OK);
    gw_app_view_put(app, v);
    assert_non_null(strstr(trail(1000), "key_rotated/upstream/done"));
}

/* ---- who presses without end ---- */

#define HOUR "{\"for\": \"1h\"}"

static size_t presses_recorded(void)
{
    size_t found = 0;
    for (const char *at = trail(1000); (at = strstr(at, "mode_changed/")) != NULL; at++)
        found++;
    return found;
}

static void press(const char *body, bool is_recorded)
{
    assert_int_equal(call(ADMIN, "POST", "/aaiti/v1/panic", body), 200);
    assert_string_equal(text_of(last.body, "mode"), "risk-off");
    assert_int_equal(json_is_true(json_object_get(last.body, "recorded")), is_recorded);
}

static void what_adds_nothing_is_told_from_what_is_in_force_and_costs_no_row(void **state)
{
    (void)state;
    press("{\"for\": \"2h\"}", true);
    for (int i = 0; i < GW_PRESSES_REPEATED; i++)
        press(HOUR, true);
    for (int i = 0; i < 100; i++)
        press(HOUR, false);
    assert_int_equal(presses_recorded(), 1 + GW_PRESSES_REPEATED);
    press("{\"for\": \"3h\"}", true); /* adds something */
    press(HOUR, false);
    gw_fake_clock_advance(&home.clock, 60000 / GW_PRESSES_REPEATED);
    press(HOUR, true);
    press(HOUR, false);
}

static void a_press_after_the_lift_acts_at_once(void **state)
{
    (void)state;
    press("{}", true);
    for (int i = 0; i < GW_PRESSES_REPEATED; i++)
        press("{}", true);
    press("{}", false);
    assert_int_equal(call(ADMIN, "POST", "/aaiti/v1/mode", "{\"mode\": \"off\"}"), 200);
    press("{}", true);
    assert_int_equal(json_array_size(json_object_get(last.body, "entries")), 1);
}

static void nobody_uses_up_the_presses_of_another(void **state)
{
    (void)state;
    struct gw_presses p = {{0}};
    const struct gw_uuid ada = {{1, [15] = 1}}, bob = {{1, [15] = 2}};
    for (int i = 0; i < GW_PRESSES_REPEATED; i++)
        assert_true(gw_presses_take(&p, &ada, 1000));
    assert_false(gw_presses_take(&p, &ada, 1000));
    assert_true(gw_presses_take(&p, &bob, 1000));
    assert_false(gw_presses_take(&p, &ada, 2999));
    assert_true(gw_presses_take(&p, &ada, 3000));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(exchanges_of_keys_and_reloads_tell_how_they_ended),
        CASE(what_was_begun_by_a_killed_control_is_unknown_at_the_next_start),
        CASE(the_trail_is_shown_to_who_may_see_it_and_says_who_looked),
        CASE(pages_follow_each_other_without_gap_or_repeat),
        CASE(two_who_follow_do_not_feed_each_other),
        CASE(one_event_is_shown_whole),
        CASE(a_parameter_that_makes_no_sense_is_refused_with_what_was_expected),
        CASE(refusals_are_counted_and_cost_no_row),
        CASE(no_row_holds_a_secret),
        CASE(what_adds_nothing_is_told_from_what_is_in_force_and_costs_no_row),
        CASE(a_press_after_the_lift_acts_at_once),
        CASE(nobody_uses_up_the_presses_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
