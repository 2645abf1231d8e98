/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/reader.h"
#include "journal/tally.h"
#include "journal/test_directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct rig {
    struct test_directory directory;
    struct gw_journal *journal;
    struct gw_tally *tally;
};

static void rig_init(struct rig *g)
{
    test_directory_init(&g->directory);
    struct gw_journal_options o = test_directory_options(&g->directory, "refusals", 4);
    o.file_bytes = GW_JOURNAL_FILE_MIN_BYTES * 2;
    struct gw_journal_file *f;
    assert_int_equal(gw_journal_new(&o, &g->journal, NULL), GW_OK);
    assert_int_equal(gw_journal_file_new(g->journal, &f, NULL), GW_OK);
    gw_journal_file_take(g->journal, f);
    assert_int_equal(gw_tally_new(&g->directory.random.random, &g->tally, NULL), GW_OK);
}

static void rig_done(struct rig *g)
{
    gw_tally_free(g->tally);
    gw_journal_free(g->journal);
    test_directory_done(&g->directory);
}

static void add(struct rig *g, const char *reason, const char *route, uint16_t network, uint8_t host, int64_t time_ms)
{
    struct gw_event e = {.time_ms = time_ms,
                         .phase = GW_EVENT_TALLY,
                         .outcome = GW_OUTCOME_REFUSED,
                         .status = 401,
                         .count = 1,
                         .address = {0x20, 0x01, (uint8_t)(network >> 8), (uint8_t)network, [15] = host},
                         .action = GW_STR("request_refused"),
                         .reason = gw_str(reason),
                         .route = gw_str(route)};
    gw_tally_add(g->tally, &e);
}

struct sum {
    size_t events;
    uint64_t count;
    struct gw_event last;
};

static enum gw_code sum_file(void *ctx, const char *name, struct gw_error *err)
{
    struct rig *g = ((void **)ctx)[0];
    struct sum *s = ((void **)ctx)[1];
    gw_auto(gw_journal_reader) struct gw_journal_reader *r = NULL;
    GW_TRY(gw_journal_reader_open(g->directory.fd, name, &r, err));
    struct gw_event e;
    uint64_t sequence;
    while (gw_journal_reader_next(r, &e, &sequence, NULL) == GW_OK) {
        s->events++;
        s->count += e.count;
        s->last = e;
    }
    return GW_OK;
}

static struct sum flush(struct rig *g)
{
    struct sum s = {0};
    void *ctx[] = {g, &s};
    gw_tally_flush(g->tally, g->journal);
    assert_int_equal(gw_journal_each(g->directory.fd, sum_file, ctx, NULL), GW_OK);
    return s;
}

static void test_alike_are_one_event_with_first_and_last_time(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    for (int i = 0; i < 1000; i++)
        add(&g, "TOKEN_REFUSED", "GET /api/bots", 7, (uint8_t)i, 5000 + i); /* hosts of one /64 */
    struct sum s = flush(&g);
    assert_int_equal(s.events, 1);
    assert_int_equal(s.count, 1000);
    assert_int_equal(s.last.time_ms, 5000);
    assert_int_equal(s.last.last_ms, 5999);
    rig_done(&g);
}

static void test_reason_route_and_network_keep_them_apart(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    add(&g, "TOKEN_REFUSED", "GET /api/bots", 7, 1, 1);
    add(&g, "TOKEN_REVOKED", "GET /api/bots", 7, 1, 1);
    add(&g, "TOKEN_REFUSED", "GET /api/bot", 7, 1, 1);
    add(&g, "TOKEN_REFUSED", "GET /api/bots", 8, 1, 1);
    assert_int_equal(flush(&g).events, 4);
    rig_done(&g);
}

static void test_a_flood_of_addresses_is_counted_by_its_reason(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    for (int i = 0; i < 60000; i++)
        add(&g, i % 2 ? "TOKEN_REFUSED" : "NO_ROUTE", "GET /api/bots", (uint16_t)i, 1, 1);
    struct sum s = flush(&g);
    assert_int_equal(s.events, GW_TALLY_SLOTS / 2 + 2);
    assert_int_equal(s.count, 60000);
    rig_done(&g);
}

static void test_begins_anew_after_a_flush(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    add(&g, "NO_ROUTE", "", 1, 1, 1);
    assert_int_equal(flush(&g).count, 1);
    assert_int_equal(flush(&g).count, 1);
    add(&g, "NO_ROUTE", "", 1, 1, 1);
    assert_int_equal(flush(&g).count, 2);
    rig_done(&g);
}

static void add_of(struct rig *g, uint8_t user, const char *reason)
{
    struct gw_event e = {.phase = GW_EVENT_TALLY,
                         .outcome = GW_OUTCOME_REFUSED,
                         .count = 1,
                         .user_id = {{user}},
                         .session_id = {{user}},
                         .action = GW_STR("user_login_failed"),
                         .reason = gw_str(reason)};
    gw_tally_add(g->tally, &e);
}

static void test_refusals_of_several_users_name_none(void **state)
{
    static const struct {
        uint8_t first, second, kept;
    } rows[] = {{1, 1, 1}, {1, 2, 0}, {1, 0, 0}, {0, 1, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rig g;
        rig_init(&g);
        add_of(&g, rows[i].first, "WRONG_PASSWORD");
        add_of(&g, rows[i].second, "WRONG_PASSWORD");
        struct sum s = flush(&g);
        assert_int_equal(s.count, 2);
        assert_int_equal(s.last.user_id.b[0], rows[i].kept);
        assert_int_equal(s.last.session_id.b[0], rows[i].kept);
        rig_done(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alike_are_one_event_with_first_and_last_time),
        cmocka_unit_test(test_reason_route_and_network_keep_them_apart),
        cmocka_unit_test(test_a_flood_of_addresses_is_counted_by_its_reason),
        cmocka_unit_test(test_begins_anew_after_a_flush),
        cmocka_unit_test(test_refusals_of_several_users_name_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
