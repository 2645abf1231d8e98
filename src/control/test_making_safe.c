/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of a whole application whose gateway does not listen: who may begin one, as whom, and what stays of it. */
#include "control/dispatch.h"
#include "control/making_safe.h"
#include "control/test_home.h"
#include "store/audit.h"
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PASSWORD "Correct-Horse-7"
#define RUNS "/aaiti/v1/make-safe"
#define SECTION                                                                      \
    "  - { match: \"POST /api/stop\", permission: \"bots:write\", risk: reduces }\n" \
    "make_safe:\n"                                                                   \
    "  as: keeper\n"                                                                 \
    "  steps:\n"                                                                     \
    "    - {list: bots, get: /api/bots}\n"                                           \
    "    - {call: POST /api/stop}\n"

static struct gw_test_home home;
static struct gw_app *app;
static struct gw_reply last;

static void open_with(const char *section)
{
    char text[4096];
    gw_test_home_make(&home);
    gw_test_home_settings(&home, "listen: 127.0.0.1:1\n"); /* nobody is there */
    (void)snprintf(text, sizeof(text), "%s%s", gw_test_policy, section);
    gw_test_home_put(&home, "policy.yaml", text);
    app = gw_test_home_open(&home);
}

static int set_up(void **state)
{
    (void)state;
    open_with(SECTION);
    return 0;
}

static int set_up_without(void **state)
{
    (void)state;
    open_with("");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    gw_reply_done(&last);
    last = (struct gw_reply){.status = 0};
    gw_app_close(app);
    gw_test_home_remove(&home);
    return 0;
}

/* token NULL: an operator. */
static unsigned call(const char *token, const char *method, const char *target, const char *body)
{
    struct gw_str path = gw_str(target);
    size_t mark = gw_str_find(path, '?');
    struct gw_call c = {.kind = token == NULL ? GW_CALLER_OPERATOR : GW_CALLER_CLIENT,
                        .method = gw_str(method),
                        .token = gw_str(token),
                        .body = gw_str(body)};
    c.path = gw_str_sub(path, 0, mark);
    c.query = gw_str_sub(path, mark + 1, path.len);
    assert_int_equal(gw_ip_parse(GW_STR("192.0.2.7"), &c.address), GW_OK);
    gw_reply_done(&last);
    gw_dispatch(app, &c, &last);
    return last.status;
}

static const char *text_of(const char *member)
{
    const char *text = json_string_value(json_object_get(last.body, member));
    return text != NULL ? text : "";
}

static void add_user(const char *name, const char *role, const char *upstream_id)
{
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{\"username\":\"%s\",\"role\":\"%s\",\"password\":\"" PASSWORD "\",\"upstreamId\":\"%s\"}", name,
                   role, upstream_id);
    assert_int_equal(call(NULL, "POST", "/aaiti/v1/users", body), 201);
}

static void disable(const char *name)
{
    char target[100];
    (void)snprintf(target, sizeof(target), "/aaiti/v1/users/%s", name);
    assert_int_equal(call(NULL, "PATCH", target, "{\"active\":false}"), 200);
}

static void sign_in(const char *name, char token[2048])
{
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"username\":\"%s\",\"password\":\"" PASSWORD "\"}", name);
    assert_int_equal(call("", "POST", "/api/auth/login", body), 200);
    (void)snprintf(token, 2048, "%s", text_of("token"));
}

static void start(const char *body, char target[100])
{
    unsigned status = call(NULL, "POST", RUNS, body);
    if (status != 202)
        fail_msg("%u: %s", status, text_of("detail"));
    (void)snprintf(target, 100, RUNS "/%s", text_of("id"));
}

/* Polls; the run itself ends in seconds. */
static void await_end(const char *target)
{
    for (int i = 0; i < 4000; i++) {
        assert_int_equal(call(NULL, "GET", target, ""), 200);
        if (strcmp(text_of("state"), "ended") == 0)
            return;
        (void)poll(NULL, 0, 5);
    }
    fail_msg("it does not end");
}

/* ---- the trail ---- */

static enum gw_code note(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    char *text = ctx;
    size_t len = strlen(text);
    (void)err;
    if (strcmp(r->resource_type, "make-safe") == 0)
        (void)snprintf(text + len, 1000 - len, "%s %s\n", r->action, r->details);
    return GW_OK;
}

static const char *trail(void)
{
    static char text[1000];
    const struct gw_app_view *v = gw_app_view_get(app);
    text[0] = '\0';
    assert_int_equal(gw_store_audit_each_after(v->store, 0, 1000, note, text, NULL), GW_OK);
    gw_app_view_put(app, v);
    return text;
}

/* ---- tests ---- */

static void a_run_is_done_told_and_leaves_no_session(void **state)
{
    char target[100];
    (void)state;
    add_user("keeper", "admin", "1");
    start("", target);
    await_end(target);
    const json_t *rows = json_object_get(last.body, "rows"), *summary = json_object_get(last.body, "summary");
    assert_int_equal(json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(rows, i);
        assert_string_equal(json_string_value(json_object_get(row, "outcome")), "not-sent");
        assert_int_equal(json_integer_value(json_object_get(row, "tries")), GW_SAFE_TRIES);
        assert_non_null(strstr(json_string_value(json_object_get(row, "why")), "nobody listens"));
    }
    assert_string_equal(text_of("as"), "keeper");
    assert_int_equal(json_integer_value(json_object_get(summary, "calls")), 1);
    assert_int_equal(json_integer_value(json_object_get(summary, "failed")), 1);
    assert_int_equal(json_integer_value(json_object_get(summary, "unread")), 1);
    assert_string_equal(trail(),
                        "make_safe_started {\"as\":\"keeper\",\"plan\":false,\"by\":\"operator\"}\n"
                        "make_safe_ended {\"calls\":1,\"ok\":0,\"failed\":1,\"unknown\":0,\"unread\":1,\"leftCount\":0,"
                        "\"as\":\"keeper\",\"plan\":false,\"by\":\"operator\"}\n");
    assert_int_equal(call(NULL, "GET", "/aaiti/v1/sessions?user=keeper", ""), 200);
    assert_int_equal(json_array_size(json_object_get(last.body, "sessions")), 0);

    char after[128];
    (void)snprintf(after, sizeof(after), "%s?after=1", target);
    assert_int_equal(call(NULL, "GET", after, ""), 200);
    assert_int_equal(json_array_size(json_object_get(last.body, "rows")), 1);
    assert_int_equal(json_integer_value(json_object_get(last.body, "next")), 2);
    (void)snprintf(after, sizeof(after), "%s?after=99", target);
    assert_int_equal(call(NULL, "GET", after, ""), 200);
    assert_int_equal(json_array_size(json_object_get(last.body, "rows")), 0);
    (void)snprintf(after, sizeof(after), "%s?after=-1", target);
    assert_int_equal(call(NULL, "GET", after, ""), 400);

    start("{\"as\":\"keeper\",\"plan\":true}", after);
    assert_int_equal(call(NULL, "GET", target, ""), 404);
}

static void one_runs_at_a_time_and_ends_with_the_app(void **state)
{
    char first[100], second[100];
    (void)state;
    add_user("keeper", "admin", "1");
    start("", first);
    assert_int_equal(call(NULL, "POST", RUNS, ""), 409);
    (void)snprintf(second, sizeof(second), RUNS "/%s", text_of("id"));
    assert_string_equal(second, first);
    assert_int_equal(call(NULL, "GET", first, ""), 200);
    assert_true(json_is_false(json_object_get(last.body, "plan")));
    assert_string_equal(text_of("state"), "running");
    /* tear_down closes the app in the middle of it */
}

static void a_plan_gives_way_to_a_run(void **state)
{
    char plan[100], run[100];
    (void)state;
    add_user("keeper", "admin", "1");
    start("{\"plan\":true}", plan);
    start("", run);
    assert_int_equal(call(NULL, "POST", RUNS, "{\"plan\":true}"), 409); /* not the other way round */
    assert_int_equal(call(NULL, "POST", RUNS, ""), 409);
    assert_int_equal(call(NULL, "GET", plan, ""), 404);
    await_end(run);
    assert_true(json_is_true(json_object_get(last.body, "recorded")));
    assert_int_equal(json_array_size(json_object_get(last.body, "rows")), 2);
}

static void who_is_named_must_be_able_to_do_it(void **state)
{
    static const struct {
        const char *body, *detail;
    } cases[] = {
        {"", "there is no user keeper"},
        {"{\"as\":\"nobody\"}", "there is no user nobody"},
        {"{\"as\":\"tina\"}", "tina (role trader) may not use \"POST /api/stop\", which asks for bots:write"},
        {"{\"as\":\"idless\"}", "idless has no upstream_id"},
        {"{\"as\":\"out\"}", "out is disabled"},
        {"{\"as\":\"\"}", "/as"},
        {"{\"plan\":\"yes\"}", "/plan"},
    };
    (void)state;
    add_user("tina", "trader", "1");
    add_user("idless", "admin", "");
    add_user("out", "admin", "2");
    disable("out");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned status = call(NULL, "POST", RUNS, cases[i].body);
        if (status != 400 || strstr(text_of("detail"), cases[i].detail) == NULL)
            fail_msg("%s: %u %s", cases[i].body, status, text_of("detail"));
    }
    assert_string_equal(trail(), "");
}

static void a_client_names_nobody_but_itself_and_whom_the_policy_names(void **state)
{
    char ada[2048], system_writer[2048], target[100];
    (void)state;
    add_user("ada", "admin", "1");
    add_user("keeper", "admin", "2");
    add_user("sys", "only-system-write", "3");
    sign_in("ada", ada);
    sign_in("sys", system_writer);
    assert_int_equal(call(system_writer, "POST", RUNS, "{\"as\":\"ada\"}"), 403);
    assert_int_equal(call(system_writer, "POST", RUNS, "{\"as\":\"sys\"}"), 400); /* itself, who has not the right */
    assert_int_equal(call(system_writer, "POST", RUNS, ""), 202);                 /* keeper */
    (void)snprintf(target, sizeof(target), RUNS "/%s", text_of("id"));
    assert_int_equal(call(NULL, "GET", target, ""), 200);
    assert_string_equal(text_of("as"), "keeper");
    assert_int_equal(call(ada, "POST", RUNS, "{\"as\":\"ADA\"}"), 409); /* she may, were it not for the other */
}

static void without_the_section_there_is_nothing_to_do(void **state)
{
    (void)state;
    assert_int_equal(call(NULL, "POST", RUNS, "{\"as\":\"keeper\"}"), 400);
    assert_non_null(strstr(text_of("detail"), "no section `make_safe`"));
    assert_int_equal(call(NULL, "GET", RUNS "/01900000-0000-7000-8000-000000000001", ""), 404);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_run_is_done_told_and_leaves_no_session),
        CASE(one_runs_at_a_time_and_ends_with_the_app),
        CASE(a_plan_gives_way_to_a_run),
        CASE(who_is_named_must_be_able_to_do_it),
        CASE(a_client_names_nobody_but_itself_and_whom_the_policy_names),
        cmocka_unit_test_setup_teardown(without_the_section_there_is_nothing_to_do, set_up_without, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
