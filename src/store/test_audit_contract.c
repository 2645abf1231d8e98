/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every backend must do for the audit trail, against the interface alone.
 */
#include "store/audit.h"
#include "store/test_backend.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct gw_audit_row row(uint8_t writer, uint64_t sequence)
{
    struct gw_audit_row r = {
        .writer = uuid(writer), .sequence = sequence, .time_ms = 1000, .ended_ms = 1001, .count = 1};
    strcpy(r.action, "bot_created");
    return r;
}

static void add(struct fixture *f, const struct gw_audit_row *r)
{
    assert_int_equal(gw_store_audit_add(f->store, r, &f->err), GW_OK);
}

/* Every field has a value of its own. */
static struct gw_audit_row full_row(void)
{
    struct gw_audit_row r = row(1, INT64_MAX);
    memset(r.action, 'a', sizeof(r.action) - 1);
    memset(r.resource_type, 't', sizeof(r.resource_type) - 1);
    memset(r.resource_id, 'i', sizeof(r.resource_id) - 1);
    memset(r.address, 'd', sizeof(r.address) - 1);
    memset(r.user_agent, 'u', sizeof(r.user_agent) - 1);
    memset(r.route, 'r', sizeof(r.route) - 1);
    memset(r.path, 'p', sizeof(r.path) - 1);
    memset(r.reason, 'n', sizeof(r.reason) - 1);
    memset(r.details, '{', sizeof(r.details) - 1);
    r.user_id = uuid(7);
    r.session_id = uuid(8);
    r.request_id = uuid(9);
    r.outcome = GW_OUTCOME_REFUSED;
    r.status = 403;
    r.severity = GW_SEVERITY_HIGH;
    r.count = UINT32_MAX;
    r.generation = INT64_MAX;
    return r;
}

static void assert_row_equal(const struct gw_audit_row *a, const struct gw_audit_row *b)
{
    assert_true(gw_uuid_eq(&a->writer, &b->writer));
    assert_true(gw_uuid_eq(&a->user_id, &b->user_id));
    assert_true(gw_uuid_eq(&a->session_id, &b->session_id));
    assert_true(gw_uuid_eq(&a->request_id, &b->request_id));
    assert_true(a->sequence == b->sequence && a->generation == b->generation);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->ended_ms, b->ended_ms);
    assert_string_equal(a->action, b->action);
    assert_string_equal(a->resource_type, b->resource_type);
    assert_string_equal(a->resource_id, b->resource_id);
    assert_string_equal(a->address, b->address);
    assert_string_equal(a->user_agent, b->user_agent);
    assert_string_equal(a->route, b->route);
    assert_string_equal(a->path, b->path);
    assert_int_equal(a->outcome, b->outcome);
    assert_int_equal(a->status, b->status);
    assert_string_equal(a->reason, b->reason);
    assert_int_equal(a->severity, b->severity);
    assert_int_equal(a->count, b->count);
    assert_string_equal(a->details, b->details);
}

/* ---- adding ---- */

static void a_row_reads_back_as_written(void **state)
{
    struct fixture *f = *state;
    const struct gw_audit_row rows[] = {full_row(), row(2, 1)}; /* all of it, and the least */
    struct gw_audit_row out;
    for (size_t i = 0; i < 2; i++)
        add(f, &rows[i]);
    reopen(f);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(gw_store_audit_get(f->store, &rows[i].writer, rows[i].sequence, &out, &f->err), GW_OK);
        assert_row_equal(&rows[i], &out);
        assert_int_equal(out.id, i + 1);
    }
    assert_int_equal(gw_store_audit_get(f->store, &rows[1].writer, 2, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_audit_get(f->store, &rows[1].writer, UINT64_MAX, &out, &f->err), GW_ENOTFOUND);
}

static void an_event_is_there_once_and_the_transaction_goes_on(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_row first = row(1, 1), again = row(1, 1), next = row(1, 2), other = row(2, 1), out;
    strcpy(again.action, "bot_deleted");
    assert_int_equal(gw_store_begin(f->store, &f->err), GW_OK);
    add(f, &first);
    assert_int_equal(gw_store_audit_add(f->store, &again, &f->err), GW_ECONFLICT);
    add(f, &next);
    add(f, &other);
    assert_int_equal(gw_store_commit(f->store, &f->err), GW_OK);
    assert_int_equal(gw_store_audit_get(f->store, &first.writer, 1, &out, &f->err), GW_OK);
    assert_string_equal(out.action, "bot_created");
    assert_int_equal(gw_store_audit_get(f->store, &other.writer, 1, &out, &f->err), GW_OK);
}

static void a_row_stands_or_falls_with_its_transaction(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_row r = row(1, 1), out;
    assert_int_equal(gw_store_begin(f->store, &f->err), GW_OK);
    add(f, &r);
    gw_store_rollback(f->store);
    assert_int_equal(gw_store_audit_get(f->store, &r.writer, 1, &out, &f->err), GW_ENOTFOUND);
}

static void rows_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_row rows[8];
    for (size_t i = 0; i < 8; i++)
        rows[i] = row(1, 1);
    rows[0].action[0] = '\0';
    memset(rows[1].path, 'x', sizeof(rows[1].path));
    memset(rows[2].details, 'x', sizeof(rows[2].details));
    rows[3].sequence = UINT64_C(1) << 63;
    rows[4].generation = UINT64_MAX;
    rows[5].count = 0;
    rows[6].outcome = GW_OUTCOME_COUNT;
    rows[7].severity = GW_SEVERITY_COUNT;
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(gw_store_audit_add(f->store, &rows[i], &f->err), GW_EINVAL);
        assert_int_equal(gw_store_audit_open_put(f->store, &rows[i], &f->err), GW_EINVAL);
    }
}

/* ---- reading ---- */

static enum gw_code note(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    char *text = ctx;
    (void)err;
    sprintf(text + strlen(text), "%d ", (int)r->id);
    return GW_OK;
}

static void expect(struct fixture *f, struct gw_audit_query q, const char *ids)
{
    char text[128] = "";
    q.limit = q.limit == 0 ? GW_AUDIT_PAGE_MAX : q.limit;
    assert_int_equal(gw_store_audit_each(f->store, &q, note, text, &f->err), GW_OK);
    assert_string_equal(text, ids);
}

static void each_filter_picks_its_rows_newest_first(void **state)
{
    struct fixture *f = *state;
    const struct gw_uuid seven = uuid(7), eight = uuid(8), nine = uuid(9);
    const enum gw_outcome refused = GW_OUTCOME_REFUSED;
    const enum gw_severity low = GW_SEVERITY_LOW, high = GW_SEVERITY_HIGH;
    struct gw_audit_row full = full_row(), r;
    for (uint8_t n = 1; n <= 3; n++) {
        r = row(1, n);
        r.time_ms = n * 1000;
        add(f, &r);
    }
    strcpy(full.action, "bot_deleted");
    strcpy(full.address, "192.0.2.1");
    strcpy(full.resource_type, "bots");
    strcpy(full.resource_id, "5");
    full.time_ms = 4000;
    add(f, &full);
    const struct {
        struct gw_audit_query q;
        const char *ids;
    } cases[] = {
        {{0}, "4 3 2 1 "},
        {{.since_ms = 2000}, "4 3 2 "},
        {{.until_ms = 2000}, "1 "},
        {{.since_ms = 2000, .until_ms = 4000}, "3 2 "},
        {{.user_id = &seven}, "4 "},
        {{.session_id = &eight}, "4 "},
        {{.request_id = &nine}, "4 "},
        {{.user_id = &nine}, ""},
        {{.action = GW_STR("bot_created")}, "3 2 1 "},
        {{.address = GW_STR("192.0.2.1")}, "4 "},
        {{.resource_type = GW_STR("bots")}, "4 "},
        {{.resource_type = GW_STR("bots"), .resource_id = GW_STR("5")}, "4 "},
        {{.resource_type = GW_STR("bots"), .resource_id = GW_STR("6")}, ""},
        {{.outcome = &refused}, "4 "},
        {{.severity = &high}, "4 "},
        {{.severity = &low}, "3 2 1 "},
        {{.before_id = 3}, "2 1 "},
        {{.limit = 2}, "4 3 "},
        {{.limit = 2, .before_id = 3, .action = GW_STR("bot_created")}, "2 1 "},
        {{.action = GW_STR("bot_created' OR 1 --")}, ""},
        {{.since_ms = 1,
          .until_ms = 9000,
          .user_id = &seven,
          .session_id = &eight,
          .request_id = &nine,
          .action = GW_STR("bot_deleted"),
          .address = GW_STR("192.0.2.1"),
          .resource_type = GW_STR("bots"),
          .resource_id = GW_STR("5"),
          .outcome = &refused,
          .severity = &high,
          .before_id = 5,
          .limit = 1},
         "4 "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(f, cases[i].q, cases[i].ids);
}

static void a_period_alone_is_given_by_its_times(void **state)
{
    struct fixture *f = *state;
    static const int64_t times[] = {3000, 1000, 2000, 2000};
    const enum gw_outcome done = GW_OUTCOME_DONE;
    for (uint8_t n = 0; n < 4; n++) {
        struct gw_audit_row r = row(1, n + 1);
        r.time_ms = times[n];
        r.outcome = GW_OUTCOME_DONE;
        add(f, &r);
    }
    expect(f, (struct gw_audit_query){.since_ms = 1}, "1 4 3 2 ");
    expect(f, (struct gw_audit_query){.since_ms = 1, .outcome = &done, .limit = 2}, "1 4 ");
    expect(f, (struct gw_audit_query){.since_ms = 1, .before_id = 4}, "3 2 ");
    expect(f, (struct gw_audit_query){.since_ms = 1, .before_id = 9}, ""); /* there is none to go on from */
    expect(f, (struct gw_audit_query){.since_ms = 1, .newest_id = 3}, "1 3 2 ");
    expect(f, (struct gw_audit_query){.since_ms = 1, .action = GW_STR("bot_created")}, "4 3 2 1 ");
    expect(f, (struct gw_audit_query){.newest_id = 2}, "2 1 ");
}

static void *walk(void *arg)
{
    struct fixture *f = arg;
    struct gw_error err;
    char text[128] = "";
    const struct gw_audit_query all = {.limit = GW_AUDIT_PAGE_MAX};
    assert_int_equal(gw_store_audit_each(f->store, &all, note, text, &err), GW_OK);
    assert_int_equal(gw_store_audit_each_after(f->store, 0, 9, note, text, &err), GW_OK);
    return strcmp(text, "1 1 ") == 0 ? f : NULL;
}

/* Who reads for long is not waited for, nor does he wait: this one ends while a transaction is open. */
static void a_walk_shows_what_is_committed_and_waits_for_nobody(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_row first = row(1, 1), second = row(1, 2);
    pthread_t reader;
    void *result;
    int64_t newest;
    assert_int_equal(gw_store_audit_newest(f->store, &newest, &f->err), GW_OK);
    assert_int_equal(newest, 0);
    add(f, &first);
    assert_int_equal(gw_store_begin(f->store, &f->err), GW_OK);
    add(f, &second);
    assert_int_equal(pthread_create(&reader, NULL, walk, f), 0);
    assert_int_equal(pthread_join(reader, &result), 0);
    assert_ptr_equal(result, f);
    assert_int_equal(gw_store_commit(f->store, &f->err), GW_OK);
    assert_int_equal(gw_store_audit_newest(f->store, &newest, &f->err), GW_OK);
    assert_int_equal(newest, 2);
    expect(f, (struct gw_audit_query){0}, "2 1 ");
}

static void what_came_since_a_row_is_given_oldest_first(void **state)
{
    struct fixture *f = *state;
    char text[128] = "";
    for (uint8_t n = 1; n <= 4; n++) {
        struct gw_audit_row r = row(1, n);
        add(f, &r);
    }
    assert_int_equal(gw_store_audit_each_after(f->store, 1, 2, note, text, &f->err), GW_OK);
    assert_int_equal(gw_store_audit_each_after(f->store, 3, 9, note, text, &f->err), GW_OK);
    assert_int_equal(gw_store_audit_each_after(f->store, 4, 9, note, text, &f->err), GW_OK);
    assert_string_equal(text, "2 3 4 ");
}

static void pages_are_bounded(void **state)
{
    struct fixture *f = *state;
    static const size_t limits[] = {0, GW_AUDIT_PAGE_MAX + 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const struct gw_audit_query q = {.limit = limits[i]};
        assert_int_equal(gw_store_audit_each(f->store, &q, note, NULL, &f->err), GW_EINVAL);
        assert_int_equal(gw_store_audit_each_after(f->store, 0, limits[i], note, NULL, &f->err), GW_EINVAL);
    }
}

static enum gw_code stop(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    (void)ctx, (void)r;
    return gw_fail(err, GW_ELIMIT, "enough");
}

static void a_callback_that_fails_ends_the_walk(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_row r = row(1, 1);
    add(f, &r);
    assert_int_equal(gw_store_audit_each(f->store, &(struct gw_audit_query){.limit = 1}, stop, NULL, &f->err),
                     GW_ELIMIT);
    assert_int_equal(gw_store_audit_each_after(f->store, 0, 1, stop, NULL, &f->err), GW_ELIMIT);
    expect(f, (struct gw_audit_query){0}, "1 ");
}

/* ---- intents without outcome ---- */

static void an_open_intent_is_taken_once_by_writer_and_request(void **state)
{
    struct fixture *f = *state;
    const struct gw_uuid one = uuid(1), two = uuid(2), nine = uuid(9), ten = uuid(10);
    struct gw_audit_row full = full_row(), r, out;
    full.sequence = 5;
    assert_int_equal(gw_store_audit_open_put(f->store, &full, &f->err), GW_OK);
    assert_int_equal(gw_store_audit_open_put(f->store, &full, &f->err), GW_ECONFLICT);
    r = row(1, 4);
    r.request_id = ten;
    assert_int_equal(gw_store_audit_open_put(f->store, &r, &f->err), GW_OK);
    reopen(f);
    assert_int_equal(gw_store_audit_open_take(f->store, &two, &nine, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_audit_open_take(f->store, &one, &nine, &out, &f->err), GW_OK);
    assert_row_equal(&full, &out);
    assert_int_equal(gw_store_audit_open_take(f->store, &one, &nine, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_audit_open_take(f->store, &one, NULL, &out, &f->err), GW_OK);
    assert_row_equal(&r, &out);
    assert_int_equal(gw_store_audit_open_take(f->store, &one, NULL, &out, &f->err), GW_ENOTFOUND);
    expect(f, (struct gw_audit_query){0}, "");
}

static void of_several_open_intents_the_oldest_is_taken_first(void **state)
{
    struct fixture *f = *state;
    static const uint64_t put[] = {30, 10, 20}, taken[] = {10, 20, 30};
    const struct gw_uuid one = uuid(1), nine = uuid(9);
    struct gw_audit_row out;
    for (size_t i = 0; i < 3; i++) {
        struct gw_audit_row r = row(1, put[i]);
        r.request_id = nine;
        assert_int_equal(gw_store_audit_open_put(f->store, &r, &f->err), GW_OK);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(gw_store_audit_open_take(f->store, &one, i == 1 ? NULL : &nine, &out, &f->err), GW_OK);
        assert_int_equal(out.sequence, taken[i]);
    }
}

/* ---- how far the journal has been taken ---- */

static enum gw_code note_writer(void *ctx, const struct gw_uuid *writer, struct gw_error *err)
{
    char *text = ctx;
    (void)err;
    sprintf(text + strlen(text), "%d ", writer->b[15]);
    return GW_OK;
}

static void offsets_are_kept_by_file_and_go_with_it_or_its_writer(void **state)
{
    struct fixture *f = *state;
    const struct gw_uuid one = uuid(1), two = uuid(2);
    const struct gw_str names[] = {GW_STR("a"), GW_STR("b"), GW_STR("c")};
    uint64_t n;
    char text[32] = "";
    assert_int_equal(gw_store_journal_writer_put(f->store, &two, 0, &f->err), GW_OK);
    assert_int_equal(gw_store_journal_writer_put(f->store, &one, 0, &f->err), GW_OK);
    assert_int_equal(gw_store_journal_writer_put(f->store, &one, INT64_MAX, &f->err), GW_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(gw_store_journal_file_put(f->store, names[i], i < 2 ? &one : &two, i, &f->err), GW_OK);
    assert_int_equal(gw_store_journal_file_put(f->store, names[1], &one, INT64_MAX, &f->err), GW_OK);
    reopen(f);
    assert_int_equal(gw_store_journal_file_get(f->store, names[1], &n, &f->err), GW_OK);
    assert_true(n == INT64_MAX);
    assert_int_equal(gw_store_journal_writer_get(f->store, &one, &n, &f->err), GW_OK);
    assert_true(n == INT64_MAX);
    assert_int_equal(gw_store_journal_file_delete(f->store, names[0], &f->err), GW_OK);
    assert_int_equal(gw_store_journal_file_delete(f->store, names[0], &f->err), GW_OK);
    assert_int_equal(gw_store_journal_file_get(f->store, names[0], &n, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_journal_writer_delete(f->store, &one, &f->err), GW_OK);
    assert_int_equal(gw_store_journal_file_get(f->store, names[1], &n, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_journal_file_get(f->store, names[2], &n, &f->err), GW_OK);
    assert_int_equal(n, 2);
    assert_int_equal(gw_store_journal_writer_get(f->store, &one, &n, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_journal_writer_each(f->store, note_writer, text, &f->err), GW_OK);
    assert_string_equal(text, "2 ");
}

static void positions_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct gw_uuid one = uuid(1);
    char longer[GW_JOURNAL_FILE_NAME_MAX + 1];
    memset(longer, 'x', sizeof(longer));
    const struct gw_str too_long = {longer, sizeof(longer)};
    assert_int_equal(gw_store_journal_file_put(f->store, GW_STR_NULL, &one, 0, &f->err), GW_EINVAL);
    assert_int_equal(gw_store_journal_file_put(f->store, too_long, &one, 0, &f->err), GW_EINVAL);
    assert_int_equal(gw_store_journal_file_put(f->store, GW_STR("a"), &one, UINT64_MAX, &f->err), GW_EINVAL);
    assert_int_equal(gw_store_journal_writer_put(f->store, &one, UINT64_MAX, &f->err), GW_EINVAL);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        CASE(a_row_reads_back_as_written),
        CASE(an_event_is_there_once_and_the_transaction_goes_on),
        CASE(a_row_stands_or_falls_with_its_transaction),
        CASE(rows_that_do_not_fit_are_refused),
        CASE(each_filter_picks_its_rows_newest_first),
        CASE(a_period_alone_is_given_by_its_times),
        CASE(a_walk_shows_what_is_committed_and_waits_for_nobody),
        CASE(what_came_since_a_row_is_given_oldest_first),
        CASE(pages_are_bounded),
        CASE(a_callback_that_fails_ends_the_walk),
        CASE(an_open_intent_is_taken_once_by_writer_and_request),
        CASE(of_several_open_intents_the_oldest_is_taken_first),
        CASE(offsets_are_kept_by_file_and_go_with_it_or_its_writer),
        CASE(positions_that_do_not_fit_are_refused),
    };
    return run_on_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
