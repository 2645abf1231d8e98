/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct gw_event example(void)
{
    struct gw_event e = {.time_ms = 1795000000123,
                         .last_ms = 1795000000456,
                         .phase = GW_EVENT_TALLY,
                         .outcome = GW_OUTCOME_REFUSED,
                         .status = 403,
                         .count = 7,
                         .generation = 42,
                         .request_id = {{1, 2}},
                         .user_id = {{3}},
                         .session_id = {{4}},
                         .address = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1},
                         .action = GW_STR("bot_created"),
                         .reason = GW_STR("NO_PERMISSION"),
                         .route = GW_STR("POST /api/bots"),
                         .path = GW_STR("/api/bots"),
                         .user_agent = GW_STR("curl/7\n\xff"),
                         .details = GW_STR("{\"a\":1}")};
    return e;
}

static void assert_str_eq(struct gw_str a, struct gw_str b)
{
    assert_true(gw_str_eq(a, b));
}

static void assert_event_eq(const struct gw_event *a, const struct gw_event *b)
{
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->last_ms, b->last_ms);
    assert_int_equal(a->phase, b->phase);
    assert_int_equal(a->outcome, b->outcome);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->generation, b->generation);
    assert_true(gw_uuid_eq(&a->request_id, &b->request_id));
    assert_true(gw_uuid_eq(&a->user_id, &b->user_id));
    assert_true(gw_uuid_eq(&a->session_id, &b->session_id));
    assert_memory_equal(a->address, b->address, sizeof(a->address));
    assert_str_eq(a->action, b->action);
    assert_str_eq(a->reason, b->reason);
    assert_str_eq(a->route, b->route);
    assert_str_eq(a->path, b->path);
    assert_str_eq(a->user_agent, b->user_agent);
    assert_str_eq(a->details, b->details);
}

static void test_comes_back_as_it_was(void **state)
{
    (void)state;
    uint8_t bytes[GW_EVENT_BYTES_MAX];
    struct gw_event e = example(), got;
    size_t n = gw_event_encode(&e, bytes);
    assert_int_equal(gw_event_decode((struct gw_str){(const char *)bytes, n}, &got), GW_OK);
    assert_event_eq(&got, &e);
}

static void test_long_strings_are_cut_at_their_caps(void **state)
{
    (void)state;
    static char text[4096];
    memset(text, 'x', sizeof(text));
    uint8_t bytes[GW_EVENT_BYTES_MAX];
    struct gw_str long_one = {text, sizeof(text)};
    struct gw_event e = example(), got;
    e.action = e.reason = e.route = e.path = e.user_agent = e.details = long_one;
    size_t n = gw_event_encode(&e, bytes);
    assert_true(n <= sizeof(bytes));
    assert_int_equal(gw_event_decode((struct gw_str){(const char *)bytes, n}, &got), GW_OK);
    assert_int_equal(got.action.len, GW_EVENT_ACTION_MAX);
    assert_int_equal(got.path.len, GW_EVENT_PATH_MAX);
    assert_int_equal(got.details.len, GW_EVENT_DETAILS_MAX);
}

static void test_every_truncation_and_one_byte_more_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[GW_EVENT_BYTES_MAX + 1] = {0};
    struct gw_event e = example(), got;
    size_t n = gw_event_encode(&e, bytes);
    for (size_t len = 0; len < n; len++)
        assert_int_equal(gw_event_decode((struct gw_str){(const char *)bytes, len}, &got), GW_EPARSE);
    assert_int_equal(gw_event_decode((struct gw_str){(const char *)bytes, n + 1}, &got), GW_EPARSE);
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        size_t at;
        uint8_t byte;
    } table[] = {
        {"another version", 0, 2},
        {"a phase that is none", 1, GW_EVENT_PHASE_COUNT},
        {"an outcome that is none", 2, GW_OUTCOME_COUNT},
        {"a reserved byte", 3, 1},
        {"a count of 0", 6, 0},
        {"a string longer than its cap", 99, 0x40},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint8_t bytes[GW_EVENT_BYTES_MAX];
        struct gw_event e = example(), got;
        size_t n = gw_event_encode(&e, bytes);
        bytes[table[i].at] = table[i].byte;
        if (gw_event_decode((struct gw_str){(const char *)bytes, n}, &got) != GW_EPARSE)
            fail_msg("%s was taken", table[i].what);
    }
}

static void test_an_action_is_needed(void **state)
{
    (void)state;
    uint8_t bytes[GW_EVENT_BYTES_MAX];
    struct gw_event e = example(), got;
    e.action = GW_STR_NULL;
    size_t n = gw_event_encode(&e, bytes);
    assert_int_equal(gw_event_decode((struct gw_str){(const char *)bytes, n}, &got), GW_EPARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_back_as_it_was),
        cmocka_unit_test(test_long_strings_are_cut_at_their_caps),
        cmocka_unit_test(test_every_truncation_and_one_byte_more_are_refused),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_an_action_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
