/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/test_world.h"

#include "store/audit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#define TTL_S 150

static bool recorded; /* of the last that was begun */

static struct gw_deed deed(const char *action)
{
    return (struct gw_deed){.action = action, .resource_type = "runs", .details = json_pack("{s:i}", "n", 7)};
}

static enum gw_code begin(struct world *w, const struct gw_uuid *user_id, struct gw_signed_in *out)
{
    const struct gw_errand e = {.user_id = user_id, .user_agent = "aaiti errand", .ttl_s = TTL_S};
    const struct gw_deed d = deed("errand_started");
    return gw_errand_begin(w->identity, &world_actor, &d, &e, out, &recorded, &w->err);
}

static enum gw_code end(struct world *w, const struct gw_uuid *session_id)
{
    const struct gw_deed d = deed("errand_ended");
    return gw_errand_end(w->identity, &world_actor, &d, session_id, &w->err);
}

static enum gw_code note(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    char *text = ctx;
    size_t len = strlen(text);
    (void)err;
    if (strncmp(r->action, "errand", 6) == 0)
        snprintf(text + len, 200 - len, "%s %s %s\n", r->action, r->resource_type, r->details);
    return GW_OK;
}

static const char *trail(struct world *w)
{
    static char text[200];
    text[0] = '\0';
    assert_int_equal(gw_store_audit_each_after(w->store, 0, 1000, note, text, &w->err), GW_OK);
    return text;
}

static void an_errand_is_a_session_for_a_short_time(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", "");
    struct gw_signed_in s;
    struct gw_caller caller;
    w->settings.token_ttl_ms = 60 * 1000; /* shorter than the errand, whose token must last */
    assert_int_equal(begin(w, &u.id, &s), GW_OK);
    assert_true(recorded);
    assert_true(world_has_live_session(w, &s.session.id));
    assert_string_equal(s.session.user_agent, "aaiti errand");
    assert_string_equal(s.refresh, "");
    world_advance(w, TTL_S - 1);
    assert_int_equal(gw_identify(w->identity, gw_buf_str(&s.token), &caller, &w->err), GW_OK);
    assert_true(gw_uuid_eq(&caller.user.id, &u.id));
    world_advance(w, 1);
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    gw_signed_in_done(&s);
}

static void its_end_ends_the_session_and_both_are_told(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", "");
    gw_auto(gw_signed_in) struct gw_signed_in s = {0};
    assert_int_equal(begin(w, &u.id, &s), GW_OK);
    assert_int_equal(end(w, &s.session.id), GW_OK);
    assert_false(world_has_live_session(w, &s.session.id));
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    assert_int_equal(world_session_count(w, &u.id), 0);
    assert_string_equal(trail(w), "errand_started runs {\"n\":7}\nerrand_ended runs {\"n\":7}\n");
}

static void its_end_is_told_also_when_somebody_ended_the_session(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", "");
    gw_auto(gw_signed_in) struct gw_signed_in s = {0};
    assert_int_equal(begin(w, &u.id, &s), GW_OK);
    assert_int_equal(gw_session_end_all(w->identity, &world_actor, &u.id, NULL, NULL, &w->err), GW_OK);
    assert_int_equal(end(w, &s.session.id), GW_OK);
    assert_non_null(strstr(trail(w), "errand_ended"));
}

static void it_pushes_nobody_out_and_is_not_kept_out(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", GOOD_PASSWORD);
    gw_auto(gw_signed_in) struct gw_signed_in errand = {0};
    w->settings.session_at_limit = GW_SESSION_DENY;
    for (int i = 0; i < 3; i++) {
        struct gw_signed_in s = world_sign_in(w, "alice");
        gw_signed_in_done(&s);
    }
    assert_int_equal(begin(w, &u.id, &errand), GW_OK);
    assert_int_equal(world_session_count(w, &u.id), 4);
}

static void who_is_disabled_or_gone_is_sent_on_none(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", "");
    struct gw_signed_in s;
    const struct gw_user_change disable = {.set = GW_USER_SET_ACTIVE};
    assert_int_equal(gw_user_change(w->identity, &world_actor, world_policy, &u.id, &disable, &u, &w->err), GW_OK);
    assert_int_equal(begin(w, &u.id, &s), GW_EDENIED);
    assert_int_equal(begin(w, &(struct gw_uuid){{7}}, &s), GW_ENOTFOUND);
    assert_int_equal(world_session_count(w, NULL), 0);
    assert_string_equal(trail(w), "");
}

/* As on a full disk, for whoever writes to a file. */
static void let_files_grow(bool may)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = may ? limit.rlim_max : 0;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_store_that_takes_nothing_hinders_none(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", "");
    gw_auto(gw_signed_in) struct gw_signed_in s = {0};
    let_files_grow(false);
    enum gw_code begun = begin(w, &u.id, &s), live = world_identify(w, &s);
    bool was_recorded = recorded;
    enum gw_code ended = end(w, &s.session.id), after = world_identify(w, &s);
    let_files_grow(true);
    assert_int_equal(begun, GW_OK);
    assert_int_equal(live, GW_OK);
    assert_false(was_recorded);
    assert_int_equal(ended, GW_EBACKEND);
    assert_int_equal(after, GW_EDENIED);
    assert_int_equal(world_session_count(w, NULL), 0);
    assert_string_equal(trail(w), "");
}

static void its_end_is_recorded_when_the_store_takes_something_again(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", "");
    gw_auto(gw_signed_in) struct gw_signed_in s = {0};
    let_files_grow(false);
    enum gw_code begun = begin(w, &u.id, &s);
    let_files_grow(true);
    assert_int_equal(begun, GW_OK);
    assert_int_equal(end(w, &s.session.id), GW_OK);
    assert_int_equal(world_identify(w, &s), GW_EDENIED);
    assert_string_equal(trail(w), "errand_ended runs {\"n\":7}\n");
}

/* Nor does it let anybody in whom the store would not. */
static void who_is_disabled_is_sent_on_none_past_the_store(void **state)
{
    struct world *w = *state;
    struct gw_user_row u = world_add(w, "alice", "trader", "");
    struct gw_signed_in s;
    const struct gw_user_change disable = {.set = GW_USER_SET_ACTIVE};
    assert_int_equal(gw_user_change(w->identity, &world_actor, world_policy, &u.id, &disable, &u, &w->err), GW_OK);
    let_files_grow(false);
    enum gw_code disabled = begin(w, &u.id, &s), gone = begin(w, &(struct gw_uuid){{7}}, &s);
    let_files_grow(true);
    assert_int_equal(disabled, GW_EDENIED);
    assert_int_equal(gone, GW_ENOTFOUND);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(an_errand_is_a_session_for_a_short_time),
        CASE(its_end_ends_the_session_and_both_are_told),
        CASE(its_end_is_told_also_when_somebody_ended_the_session),
        CASE(it_pushes_nobody_out_and_is_not_kept_out),
        CASE(who_is_disabled_or_gone_is_sent_on_none),
        CASE(a_store_that_takes_nothing_hinders_none),
        CASE(its_end_is_recorded_when_the_store_takes_something_again),
        CASE(who_is_disabled_is_sent_on_none_past_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
