/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in the journal of a request, read back as control reads it. */
#include "journal/reader.h"
#include "pipeline/test_cast.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char policy[] =
    "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n"
    "roles:\n"
    "  admin: {permissions: ['*']}\n"
    "  trader: {permissions: ['bots:read', 'bots:write']}\n"
    "  viewer: {permissions: ['bots:read']}\n"
    "routes:\n"
    "  - {match: 'GET /bots', permission: 'bots:read'}\n"
    "  - {match: 'GET /report', permission: 'bots:read', audit: record, action: report_read}\n"
    "  - {match: 'GET /export', permission: 'bots:read', audit: durable, action: data_export}\n"
    "  - {match: 'POST /bots', permission: 'bots:write', action: bot_created}\n"
    "  - {match: 'POST /quotes', permission: 'bots:read', audit: none}\n"
    "  - {match: 'POST /models/{id}/predict', permission: 'bots:read', action: model_asked}\n"
    "  - {match: 'DELETE /bots/{id}', permission: 'bots:write', action: bot_deleted}\n"
    "  - {match: 'POST /bots/{id}/stop', permission: 'bots:write', risk: reduces, action: "
    "bot_stopped}\n"
    "  - {match: 'GET /arm', permission: 'bots:write', risk: opens}\n"
    "  - {match: 'GET /orders', permission: 'bots:read', risk: reduces, audit: record}\n"
    "  - {match: 'DELETE /orders/{id}', permission: 'bots:write', risk: reduces}\n";

/* Numbers of users from CROWD_TRADER and CROWD_VIEWER on, so many of each. */
enum { CROWD = 8, CROWD_TRADER = 30, CROWD_VIEWER = 40 };

static int set_up_recorded(void **state)
{
    int rc = set_up(state);
    for (uint32_t n = 0; n < CROWD; n++) {
        gw_rig_put_user(&rig, CROWD_TRADER + n, "trader", "up-6");
        gw_rig_put_user(&rig, CROWD_VIEWER + n, "viewer", "up-7");
        gw_rig_put_session(&rig, 10 + CROWD_TRADER + n, CROWD_TRADER + n);
        gw_rig_put_session(&rig, 10 + CROWD_VIEWER + n, CROWD_VIEWER + n);
    }
    gw_rig_publish(&rig, SECOND_HASH, NULL, policy);
    load_and_install();
    return rc;
}
#define RECORD_CASE(test) cmocka_unit_test_setup_teardown(test, set_up_recorded, tear_down)

/* ---- what stands there ---- */

#define LINES_MAX 4096
/* "phase outcome status action", one a line; the last of those with a path stays in last. */
static char lines[LINES_MAX];
static struct gw_event last;
static char last_texts[4][128];
static uint64_t lost;

static enum gw_code read_file(void *ctx, const char *name, struct gw_error *err)
{
    static const char *const phases[] = {"intent", "outcome", "single", "tally"};
    const char *wanted = ctx;
    __attribute__((cleanup(gw_journal_reader_auto_))) struct gw_journal_reader *r = NULL;
    uint64_t sequence;
    struct gw_event e;
    int dir = open(rig.journal_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (strncmp(name, wanted, strlen(wanted)) != 0) {
        close(dir);
        return GW_OK;
    }
    enum gw_code code = gw_journal_reader_open(dir, name, &r, err);
    close(dir);
    GW_TRY(code);
    lost = gw_journal_reader_lost(r);
    while ((code = gw_journal_reader_next(r, &e, &sequence, err)) == GW_OK) {
        size_t used = strlen(lines);
        snprintf(lines + used, sizeof(lines) - used, "%s %s %u %.*s%s\n", phases[e.phase], gw_outcome_text(e.outcome),
                 e.status, GW_STR_ARG(e.action), e.count > 1 ? " many" : "");
        if (e.phase == GW_EVENT_OUTCOME)
            continue;
        last = e;
        const struct gw_str texts[] = {e.path, e.route, e.user_agent, e.reason};
        for (size_t i = 0; i < 4; i++)
            snprintf(last_texts[i], sizeof(last_texts[i]), "%.*s", GW_STR_ARG(texts[i]));
    }
    return code == GW_ENOTFOUND ? GW_OK : code;
}

static const char *journal(const char *series)
{
    int dir = open(rig.journal_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lines[0] = '\0';
    assert_int_equal(gw_journal_each(dir, read_file, (void *)(uintptr_t)series, NULL), GW_OK);
    close(dir);
    return lines;
}

static enum gw_handover hand_over(void)
{
    return gw_request_hand_over(rig.gate, rig.request, &rig.decision);
}

static void end(enum gw_ending ending, unsigned status)
{
    gw_request_ended(rig.gate, rig.request, ending, status);
}

/* ---- changes ---- */

static void a_change_leaves_intent_and_outcome(void **state)
{
    (void)state;
    ASK("POST", "/bots?token=secret", bearer(TRADER), "user-agent: curl/8");
    assert_string_equal(journal("changes"), "");
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    assert_string_equal(journal("changes"), "intent pending 0 bot_created\n");
    end(GW_ENDING_ANSWERED, 201);
    end(GW_ENDING_UNKNOWN, 0); /* the first counts */
    gw_request_done(rig.gate, rig.request);
    rig.request = NULL;
    assert_string_equal(journal("changes"), "intent pending 0 bot_created\noutcome done 201 bot_created\n");

    const struct gw_uuid user = gw_rig_uuid(TRADER), session = gw_rig_uuid(10 + TRADER);
    assert_memory_equal(&last.user_id, &user, sizeof(user));
    assert_memory_equal(&last.session_id, &session, sizeof(session));
    assert_int_equal(last.generation, gw_gate_generation(rig.gate));
    assert_int_equal(last.time_ms, GW_RIG_NOW_S * 1000);
    assert_int_equal(last.address[12], 192);
    char id[GW_UUID_LEN + 1];
    gw_uuid_format(&last.request_id, id);
    assert_true(gw_str_eq(rig.decision.request_id, gw_str(id)));
    assert_string_equal(last_texts[0], "/bots");
    assert_string_equal(last_texts[1], "POST /bots");
    assert_string_equal(last_texts[2], "curl/8");
}

static void the_outcome_says_how_it_ended(void **state)
{
    (void)state;
    static const struct {
        enum gw_ending ending;
        unsigned status;
        const char *line;
        bool is_unknown;
    } rows[] = {
        {GW_ENDING_ANSWERED, 200, "outcome done 200 bot_created\n", false},
        {GW_ENDING_ANSWERED, 304, "outcome done 304 bot_created\n", false},
        {GW_ENDING_ANSWERED, 422, "outcome failed 422 bot_created\n", false},
        {GW_ENDING_ANSWERED, 500, "outcome failed 500 bot_created\n", false},
        {GW_ENDING_NOT_SENT, 502, "outcome not-sent 502 bot_created\n", false},
        {GW_ENDING_UNKNOWN, 504, "outcome unknown 504 bot_created\n", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ASK("POST", "/bots", bearer(TRADER));
        assert_int_equal(hand_over(), GW_HANDOVER_GO);
        end(rows[i].ending, rows[i].status);
        assert_int_equal(gw_request_outcome_is_unknown(rig.request), rows[i].is_unknown);
        const char *text = journal("changes");
        assert_string_equal(text + strlen(text) - strlen(rows[i].line), rows[i].line);
    }
    ASK("POST", "/bots", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    ASK_BARE("GET", "/"); /* the request before is done, without a word of how it ended */
    assert_non_null(strstr(journal("changes"), "outcome unknown 0 bot_created\n"));
}

static void a_second_attempt_has_the_intent_of_the_first(void **state)
{
    (void)state;
    ASK("POST", "/bots", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    change_user(TRADER, "trader", 0);
    assert_int_equal(hand_over(), GW_HANDOVER_REFUSE);
    assert_refused(&rig.decision, GW_REASON_USER_INACTIVE);
    assert_string_equal(journal("changes"), "intent pending 0 bot_created\noutcome not-sent 401 bot_created\n");
}

static void only_what_changes_nothing_may_be_sent_twice(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        bool repeatable;
    } rows[] = {
        {"GET", "/bots", true},     {"HEAD", "/bots", true},        {"GET", "/export", true},
        {"POST", "/bots", false},   {"DELETE", "/bots/7", false},   {"GET", "/arm", false},
        {"POST", "/quotes", false}, {"DELETE", "/orders/9", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ASK(rows[i].method, rows[i].target, bearer(TRADER));
        assert_int_equal(rig.decision.action, GW_PASS);
        assert_int_equal(gw_request_is_repeatable(rig.request), rows[i].repeatable);
    }
}

static void what_may_not_leave_after_all_was_not_sent(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *lines;
    } rows[] = {
        {"POST", "/bots", "intent pending 0 bot_created\noutcome not-sent 401 bot_created\n"},
        {"GET", "/report", "single not-sent 401 report_read\n"},
        {"GET", "/bots", ""},
    };
    char expected[256] = "";
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        change_user(TRADER, "trader", 1);
        ASK(rows[i].method, rows[i].target, bearer(TRADER));
        assert_int_equal(hand_over(), GW_HANDOVER_GO);
        assert_true(gw_request_may_still_leave(rig.gate, rig.request, &rig.decision));
        change_user(TRADER, "trader", 0);
        assert_false(gw_request_may_still_leave(rig.gate, rig.request, &rig.decision));
        assert_false(gw_request_outcome_is_unknown(rig.request));
        gw_request_done(rig.gate, rig.request);
        rig.request = NULL;
        strncat(expected, rows[i].lines, sizeof(expected) - strlen(expected) - 1);
        assert_string_equal(journal("changes"), expected);
    }
}

static void what_is_refused_before_leaves_no_intent(void **state)
{
    (void)state;
    ASK("POST", "/bots", bearer(TRADER));
    change_user(TRADER, "viewer", 1);
    assert_int_equal(hand_over(), GW_HANDOVER_REFUSE);
    assert_string_equal(journal("changes"), "");
}

/* ---- reads ---- */

static void reads_leave_what_the_policy_says(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target, *lines;
    } rows[] = {
        {"GET", "/bots", ""},
        {"POST", "/quotes", ""},
        {"HEAD", "/bots", ""},
        {"GET", "/report", "single done 200 report_read\n"},
        {"HEAD", "/report", "single done 200 report_read\n"},
    };
    char expected[256] = "";
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ASK(rows[i].method, rows[i].target, bearer(VIEWER));
        assert_int_equal(hand_over(), GW_HANDOVER_GO);
        end(GW_ENDING_ANSWERED, 200);
        strncat(expected, rows[i].lines, sizeof(expected) - strlen(expected) - 1);
        assert_string_equal(journal("changes"), expected);
    }
    ASK("GET", "/report", bearer(VIEWER));
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    end(GW_ENDING_UNKNOWN, 502);
    assert_false(gw_request_outcome_is_unknown(rig.request)); /* nothing can have changed */
}

/* ---- on disk ---- */

static void a_durable_record_is_waited_for(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"DELETE", "/bots/7"}, {"GET", "/export"}};
    for (size_t i = 0; i < 2; i++) {
        ASK(rows[i][0], rows[i][1], bearer(TRADER));
        assert_int_equal(hand_over(), GW_HANDOVER_WAIT);
        assert_int_equal(hand_over(), GW_HANDOVER_WAIT);
        gw_rig_upkeep(&rig);
        assert_int_equal(hand_over(), GW_HANDOVER_GO);
        end(GW_ENDING_ANSWERED, 200);
    }
    assert_string_equal(journal("changes"), "intent pending 0 bot_deleted\noutcome done 200 bot_deleted\n"
                                            "intent pending 0 data_export\noutcome done 200 data_export\n");
    /* What was ended while it waited is not handed over. */
    ASK("DELETE", "/bots/7", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_WAIT);
    change_user(TRADER, "trader", 0);
    gw_rig_upkeep(&rig);
    assert_int_equal(hand_over(), GW_HANDOVER_REFUSE);
    assert_non_null(strstr(journal("changes"), "outcome not-sent 401 bot_deleted\n"));
}

static void what_reduces_risk_waits_for_no_disk(void **state)
{
    (void)state;
    ASK("DELETE", "/orders/9", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
}

static void what_no_thread_took_was_not_synced(void **state)
{
    (void)state;
    gw_rig_upkeep(&rig);
    ASK("DELETE", "/bots/7", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_WAIT);
    assert_int_equal(gw_gate_upkeep_end(rig.gate, gw_gate_upkeep_begin(rig.gate), NULL), GW_EBACKEND);
    assert_int_equal(hand_over(), GW_HANDOVER_REFUSE);
}

/* Before anything is written: what is refused has left no intent. */
static void so_many_wait_for_the_disk_and_no_more(void **state)
{
    (void)state;
    unsigned *waiters = &rig.gate->journals.waiters;
    *waiters = 512;
    ASK("GET", "/export", bearer(VIEWER));
    assert_int_equal(hand_over(), GW_HANDOVER_REFUSE);
    assert_int_equal(rig.decision.reason, GW_REASON_JOURNAL_BUSY);
    assert_int_equal(rig.decision.status, 503);
    assert_string_equal(journal("changes"), "");
    ASK("DELETE", "/orders/1", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    *waiters = 511;
    ASK("GET", "/export", bearer(VIEWER));
    assert_int_equal(hand_over(), GW_HANDOVER_WAIT);
    assert_int_equal(*waiters, 512);
    gw_rig_upkeep(&rig);
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    assert_int_equal(*waiters, 511);
}

static void who_leaves_before_the_disk_has_it_has_changed_nothing(void **state)
{
    (void)state;
    ASK("GET", "/export", bearer(VIEWER));
    assert_int_equal(hand_over(), GW_HANDOVER_WAIT);
    gw_request_done(rig.gate, rig.request);
    rig.request = NULL;
    assert_int_equal(rig.gate->journals.waiters, 0);
    assert_string_equal(journal("changes"), "intent pending 0 data_export\noutcome not-sent 0 data_export\n");
}

static void a_disk_that_hangs_refuses_after_a_while(void **state)
{
    (void)state;
    ASK("DELETE", "/bots/7", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_WAIT);
    gw_fake_clock_advance(&rig.clock, 4999);
    assert_int_equal(hand_over(), GW_HANDOVER_WAIT);
    gw_fake_clock_advance(&rig.clock, 1);
    assert_int_equal(hand_over(), GW_HANDOVER_REFUSE);
    assert_refused(&rig.decision, GW_REASON_JOURNAL_FAILED);
    assert_string_equal(journal("changes"), "intent pending 0 bot_deleted\noutcome not-sent 503 bot_deleted\n");
}

static void a_disk_that_fails_refuses(void **state)
{
    (void)state;
    gw_rig_upkeep(&rig); /* the spare, lest the job below want more than the sync */
    ASK("DELETE", "/bots/7", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_WAIT);
    struct gw_error err = {.msg = ""};
    struct gw_upkeep *u = gw_gate_upkeep_begin(rig.gate);
    int pipe_fds[2];
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    assert_int_equal(dup2(pipe_fds[0], u->sync.fds[0]), u->sync.fds[0]); /* a pipe cannot be synced */
    gw_upkeep_run(u);
    assert_int_equal(gw_gate_upkeep_end(rig.gate, u, &err), GW_EBACKEND);
    assert_non_null(strstr(err.msg, "cannot sync"));
    assert_int_equal(hand_over(), GW_HANDOVER_REFUSE);
    assert_refused(&rig.decision, GW_REASON_JOURNAL_FAILED);
    assert_string_equal(journal("changes"), "intent pending 0 bot_deleted\noutcome not-sent 503 bot_deleted\n");
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* ---- full ---- */

static bool change(uint32_t user, const char *target)
{
    ASK("POST", target, bearer(user));
    bool is_handed_over = hand_over() == GW_HANDOVER_GO;
    if (is_handed_over)
        end(GW_ENDING_ANSWERED, 200);
    return is_handed_over;
}

/* Users from that one on, in turn, until one is refused; how many were not. */
static unsigned flood(uint32_t first, uint32_t users, const char *target, enum gw_reason reason)
{
    unsigned count = 0;
    while (change(first + count % users, target))
        count++;
    assert_refused(&rig.decision, reason);
    assert_int_equal(rig.decision.retry_after_s, 1);
    return count;
}

/* All that there is, but the reserve. */
static void fill(void)
{
    flood(CROWD_TRADER, CROWD, "/bots", GW_REASON_JOURNAL_FULL);
    assert_int_equal(rig.decision.status, 503);
}

/* Control has not taken what others wrote. */
static void run_out_of_files(void)
{
    char paths[GW_RIG_JOURNAL_FILES][GW_RIG_PATH_MAX + 32];
    for (unsigned n = 0; n < GW_RIG_JOURNAL_FILES; n++) {
        snprintf(paths[n], sizeof(paths[n]), "%s/changes-x%u.journal", rig.journal_dir, n);
        assert_int_equal(symlink("x", paths[n]), 0);
    }
    struct gw_upkeep *u = gw_gate_upkeep_begin(rig.gate);
    gw_upkeep_run(u);
    assert_int_equal(gw_gate_upkeep_end(rig.gate, u, NULL), GW_ELIMIT);
    for (unsigned n = 0; n < GW_RIG_JOURNAL_FILES; n++)
        assert_int_equal(unlink(paths[n]), 0);
}

static void a_flood_of_neutral_records_refuses_nobody_elses(void **state)
{
    (void)state;
    for (int taken = 0; taken < 2; taken++) { /* and again when control has made room */
        run_out_of_files();
        flood(VIEWER, 1, "/models/7/predict", GW_REASON_JOURNAL_SHARE);
        assert_int_equal(rig.decision.status, 429);
        ASK("GET", "/report", bearer(VIEWER));
        assert_int_equal(hand_over(), GW_HANDOVER_REFUSE);
        assert_refused(&rig.decision, GW_REASON_JOURNAL_SHARE);
        ASK("GET", "/bots", bearer(VIEWER)); /* leaves no record */
        assert_int_equal(hand_over(), GW_HANDOVER_GO);
        assert_true(change(CROWD_VIEWER, "/models/7/predict"));
        assert_true(change(TRADER, "/bots"));
        assert_true(change(TRADER, "/bots/7/stop"));
        gw_fake_clock_advance(&rig.clock, 1000);
        gw_rig_upkeep(&rig);
        while (!gw_journal_wants_file(rig.gate->journals.of[GW_JOURNAL_CHANGES]))
            assert_true(change(VIEWER, "/models/7/predict")); /* as he likes, of all but the last */
    }
}

static void no_crowd_of_neutral_records_takes_the_room_of_what_is_not(void **state)
{
    (void)state;
    run_out_of_files();
    flood(CROWD_VIEWER, CROWD, "/models/7/predict", GW_REASON_JOURNAL_FULL);
    assert_int_equal(rig.decision.status, 503);
    assert_true(flood(CROWD_TRADER, CROWD, "/bots", GW_REASON_JOURNAL_FULL) > 20);
    assert_true(change(TRADER, "/bots/7/stop"));
    (void)journal("changes");
    assert_int_equal(lost, 0);
}

static void a_full_journal_refuses_all_but_what_reduces_risk(void **state)
{
    (void)state;
    fill();
    ASK("GET", "/report", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_REFUSE);
    assert_refused(&rig.decision, GW_REASON_JOURNAL_FULL);
    ASK("GET", "/bots", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    ASK("GET", "/orders", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    for (unsigned i = 0; i < 2000; i++) { /* beyond what the reserve holds */
        ASK("POST", "/bots/7/stop", bearer(TRADER));
        assert_int_equal(hand_over(), GW_HANDOVER_GO);
        end(GW_ENDING_ANSWERED, 200);
    }
    /* Whoever is not recorded is told the truth all the same: else he would repeat what may have happened. */
    ASK("POST", "/bots/7/stop", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
    end(GW_ENDING_UNKNOWN, 502);
    assert_true(gw_request_outcome_is_unknown(rig.request));
    ASK("POST", "/bots", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_REFUSE);
    (void)journal("changes");
    assert_true(lost > 1000); /* and it is told */
    gw_rig_upkeep(&rig);      /* another file: there is room again */
    ASK("POST", "/bots", bearer(TRADER));
    assert_int_equal(hand_over(), GW_HANDOVER_GO);
}

/* ---- refusals ---- */

static void refusals_are_counted_together_apart_from_changes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        ASK("GET", "/bots?token=secret", "user-agent: probe");
    ASK("POST", "/bots", bearer(VIEWER));
    gw_gate_stop(rig.gate);
    assert_string_equal(journal("changes"), "");
    const char *text = journal("refusals");
    assert_non_null(strstr(text, "tally refused 401 request_refused many\n"));
    assert_non_null(strstr(text, "tally refused 403 request_refused\n"));
    assert_int_equal(strlen(text), strlen("tally refused 401 request_refused many\n") +
                                       strlen("tally refused 403 request_refused\n"));
    assert_string_equal(last_texts[0], "/bots");
    gw_gate_stop(rig.gate); /* nothing twice */
    assert_int_equal(strlen(journal("refusals")), strlen(text));
}

static void they_are_written_every_five_seconds(void **state)
{
    (void)state;
    (void)gw_gate_poll(rig.gate);
    ASK_BARE("GET", "/bots");
    rig.clock.mono_now_ms += 4999;
    (void)gw_gate_poll(rig.gate);
    assert_string_equal(journal("refusals"), "");
    rig.clock.mono_now_ms += 1;
    (void)gw_gate_poll(rig.gate);
    assert_string_equal(journal("refusals"), "tally refused 401 request_refused\n");
    assert_string_equal(last_texts[3], "ANONYMOUS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORD_CASE(a_change_leaves_intent_and_outcome),
        RECORD_CASE(the_outcome_says_how_it_ended),
        RECORD_CASE(a_second_attempt_has_the_intent_of_the_first),
        RECORD_CASE(only_what_changes_nothing_may_be_sent_twice),
        RECORD_CASE(what_may_not_leave_after_all_was_not_sent),
        RECORD_CASE(what_is_refused_before_leaves_no_intent),
        RECORD_CASE(reads_leave_what_the_policy_says),
        RECORD_CASE(a_durable_record_is_waited_for),
        RECORD_CASE(what_reduces_risk_waits_for_no_disk),
        RECORD_CASE(what_no_thread_took_was_not_synced),
        RECORD_CASE(a_disk_that_fails_refuses),
        RECORD_CASE(so_many_wait_for_the_disk_and_no_more),
        RECORD_CASE(who_leaves_before_the_disk_has_it_has_changed_nothing),
        RECORD_CASE(a_disk_that_hangs_refuses_after_a_while),
        RECORD_CASE(a_flood_of_neutral_records_refuses_nobody_elses),
        RECORD_CASE(no_crowd_of_neutral_records_takes_the_room_of_what_is_not),
        RECORD_CASE(a_full_journal_refuses_all_but_what_reduces_risk),
        RECORD_CASE(refusals_are_counted_together_apart_from_changes),
        RECORD_CASE(they_are_written_every_five_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
