/* SPDX-License-Identifier: Apache-2.0 */
/* What the consumer makes of journals that are as they should be. */
#include "audit/test_rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>

static void an_action_and_its_outcome_are_one_row(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    gw_auto(gw_journal) struct gw_journal *j = rig_journal(&g, "changes");
    rig_append(j, GW_EVENT_INTENT, 1, GW_OUTCOME_PENDING);
    rig_append(j, GW_EVENT_INTENT, 2, GW_OUTCOME_PENDING);
    rig_append(j, GW_EVENT_OUTCOME, 1, GW_OUTCOME_DONE);
    rig_append(j, GW_EVENT_SINGLE, 3, GW_OUTCOME_REFUSED);
    rig_append(j, GW_EVENT_TALLY, 0, GW_OUTCOME_REFUSED);
    rig_append(j, GW_EVENT_OUTCOME, 2, GW_OUTCOME_FAILED);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_string_equal(rig_rows(&g), "change:done*1 change:failed*1 single:refused*1 tally:refused*9");
    assert_int_equal(g.turn.events, 6);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.events, 0);
    assert_int_equal(rig_count_rows(&g), 4);
    rig_done(&g);
}

static enum gw_code keep(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    (void)err;
    *(struct gw_audit_row *)ctx = *r;
    return GW_OK;
}

static void the_row_is_the_intents_and_ends_with_the_outcome(void **state)
{
    (void)state;
    static const bool together[] = {true, false};
    for (size_t i = 0; i < 2; i++) {
        struct rig g;
        struct gw_audit_row r;
        rig_init(&g);
        gw_auto(gw_journal) struct gw_journal *j = rig_journal(&g, "changes");
        rig_append(j, GW_EVENT_SINGLE, 9, GW_OUTCOME_DONE);
        rig_append(j, GW_EVENT_INTENT, 1, GW_OUTCOME_PENDING);
        if (!together[i])
            assert_int_equal(rig_run(&g), GW_OK);
        rig_append(j, GW_EVENT_OUTCOME, 1, GW_OUTCOME_DONE);
        assert_int_equal(rig_run(&g), GW_OK);
        assert_int_equal(gw_store_audit_each(g.store, &(struct gw_audit_query){.limit = 1}, keep, &r, NULL), GW_OK);
        assert_int_equal(r.sequence, 2);
        assert_string_equal(r.action, "change");
        assert_string_equal(r.resource_type, "bots");
        assert_string_equal(r.resource_id, "7");
        assert_int_equal(r.outcome, GW_OUTCOME_DONE);
        assert_int_equal(r.status, 200);
        assert_int_equal(rig_count_rows(&g), 2);
        rig_done(&g);
    }
}

static void an_intent_waits_for_its_outcome_over_turns_files_and_lives(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    gw_auto(gw_journal) struct gw_journal *j = rig_journal(&g, "changes");
    rig_append(j, GW_EVENT_INTENT, 1, GW_OUTCOME_PENDING);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_string_equal(rig_rows(&g), "");
    for (uint32_t n = 0; rig_count_files(&g, "changes") == 1; n++) /* into the next file */
        rig_append(j, GW_EVENT_SINGLE, 1000 + n, GW_OUTCOME_DONE);
    rig_restart(&g);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.files, 1);
    assert_int_equal(g.turn.unknown, 0);
    int64_t before = rig_count_rows(&g);
    rig_append(j, GW_EVENT_OUTCOME, 1, GW_OUTCOME_DONE);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(rig_count_rows(&g), before + 1);
    assert_int_equal(rig_count_files(&g, "changes"), 1);
    rig_done(&g);
}

static void what_a_dead_writer_began_ends_unknown_once(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    struct gw_journal *dead = rig_journal(&g, "changes");
    gw_auto(gw_journal) struct gw_journal *alive = rig_journal(&g, "changes");
    for (uint32_t n = 1; n <= 250; n++)
        rig_append(dead, GW_EVENT_INTENT, n, GW_OUTCOME_PENDING);
    rig_append(dead, GW_EVENT_OUTCOME, 250, GW_OUTCOME_DONE);
    rig_append(alive, GW_EVENT_INTENT, 1, GW_OUTCOME_PENDING);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(rig_count_rows(&g), 1);
    gw_journal_free(dead);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.unknown, 249);
    assert_int_equal(g.turn.files, 1);
    assert_int_equal(rig_count_rows(&g), 250);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.unknown, 0);
    rig_append(alive, GW_EVENT_OUTCOME, 1, GW_OUTCOME_FAILED); /* the same request id, of another writer */
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(rig_count_rows(&g), 251);
    rig_done(&g);
}

static void an_outcome_without_its_intent_is_a_row(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    gw_auto(gw_journal) struct gw_journal *j = rig_journal(&g, "changes");
    rig_append(j, GW_EVENT_OUTCOME, 1, GW_OUTCOME_DONE);
    rig_append(j, GW_EVENT_INTENT, 0, GW_OUTCOME_PENDING); /* without a request id nothing is paired */
    rig_append(j, GW_EVENT_OUTCOME, 0, GW_OUTCOME_FAILED);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_string_equal(rig_rows(&g), "orphan:done*1 orphan:failed*1");
    rig_done(&g);
}

static void many_batches_of_many_files_are_taken_and_the_files_removed(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    struct gw_journal *j = rig_journal(&g, "changes");
    for (uint32_t n = 1; n <= 1000; n++) {
        rig_append(j, GW_EVENT_INTENT, n, GW_OUTCOME_PENDING);
        rig_append(j, GW_EVENT_OUTCOME, n, GW_OUTCOME_DONE);
    }
    assert_true(rig_count_files(&g, "changes") > 3);
    gw_journal_free(j);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.events, 2000);
    assert_int_equal(rig_count_files(&g, ""), 0);
    assert_int_equal(rig_count_rows(&g), 1000);
    rig_done(&g);
}

static void losses_are_told_once_and_only_the_new_ones(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    gw_auto(gw_journal) struct gw_journal *j = rig_journal(&g, "changes");
    rig_append(j, GW_EVENT_SINGLE, 1, GW_OUTCOME_DONE);
    gw_journal_count_lost(j);
    gw_journal_count_lost(j);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rig_run(&g), GW_OK);
    assert_string_equal(rig_rows(&g), "journal_lost:done*2 single:done*1");
    for (uint32_t n = 0; rig_count_files(&g, "changes") == 1; n++)
        rig_append(j, GW_EVENT_SINGLE, 1000 + n, GW_OUTCOME_DONE);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.lost, 0);
    gw_journal_count_lost(j);
    rig_restart(&g);
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.lost, 1);
    rig_done(&g);
}

/* A clock on which each look takes a quarter of a turn. */
static int64_t slow_mono_ms(const struct gw_clock *self)
{
    struct gw_fake_clock *f = (struct gw_fake_clock *)(uintptr_t)self;
    return f->mono_now_ms += 225;
}

static void a_turn_is_cut_and_the_next_goes_on(void **state)
{
    (void)state;
    struct rig g;
    rig_init(&g);
    struct gw_journal *j = rig_journal(&g, "changes");
    for (uint32_t n = 1; n <= 1000; n++)
        rig_append(j, GW_EVENT_INTENT, n, GW_OUTCOME_PENDING);
    gw_journal_free(j);
    g.journals.clock.clock.mono_ms = slow_mono_ms;
    unsigned turns = 0;
    do {
        assert_int_equal(rig_run(&g), GW_OK);
        assert_true(++turns < 100);
    } while (g.turn.is_cut);
    assert_true(turns > 5);
    assert_int_equal(rig_count_rows(&g), 1000);
    assert_int_equal(rig_count_files(&g, ""), 0);
    rig_done(&g);
}

static void a_clock_set_back_is_told_once(void **state)
{
    (void)state;
    static const struct {
        int64_t real_ms, mono_ms;
        bool restart;
        int64_t stepped_ms;
    } steps[] = {
        {1000, 1000, false, 0},
        {-4000, 1000, false, 0},                 /* 5 s: a correction */
        {-3600000 + 1000, 1000, false, 3600000}, /* an hour */
        {1000, 1000, false, 0},
        {60000, 1000, false, 0}, /* forward */
        {1000, 1000, true, 0},
        {-7200000, 1000, true, 7200000 - 1}, /* while control was away: by the newest row */
        {1000, 1000, true, 0},
    };
    struct rig g;
    rig_init(&g);
    g.journals.clock.real_now_ms += 7200000;
    gw_auto(gw_journal) struct gw_journal *j = rig_journal(&g, "changes");
    assert_int_equal(rig_run(&g), GW_OK);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        g.journals.clock.real_now_ms += steps[i].real_ms;
        g.journals.clock.mono_now_ms += steps[i].mono_ms;
        if (steps[i].restart)
            rig_restart(&g);
        assert_int_equal(rig_run(&g), GW_OK);
        if (steps[i].stepped_ms == 0)
            assert_int_equal(g.turn.stepped_ms, 0);
        else
            assert_true(g.turn.stepped_ms > 5000 && g.turn.stepped_ms <= steps[i].stepped_ms);
    }
    assert_string_equal(rig_rows(&g), "clock_stepped:done*1 clock_stepped:done*1");
    rig_append(j, GW_EVENT_SINGLE, 1, GW_OUTCOME_DONE); /* events of an hour ago are taken like any */
    assert_int_equal(rig_run(&g), GW_OK);
    assert_int_equal(g.turn.events, 1);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_action_and_its_outcome_are_one_row),
        cmocka_unit_test(the_row_is_the_intents_and_ends_with_the_outcome),
        cmocka_unit_test(an_intent_waits_for_its_outcome_over_turns_files_and_lives),
        cmocka_unit_test(what_a_dead_writer_began_ends_unknown_once),
        cmocka_unit_test(an_outcome_without_its_intent_is_a_row),
        cmocka_unit_test(many_batches_of_many_files_are_taken_and_the_files_removed),
        cmocka_unit_test(losses_are_told_once_and_only_the_new_ones),
        cmocka_unit_test(a_turn_is_cut_and_the_next_goes_on),
        cmocka_unit_test(a_clock_set_back_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
