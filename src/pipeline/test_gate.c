/* SPDX-License-Identifier: Apache-2.0 */
/* The gate as the adapter sees it: bundles that come and go, keys, memory, its own answers. Each stage has a test of its own. */
#include "pipeline/panic_page.h"
#include "pipeline/test_cast.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- bundles ---- */

static const char other_policy[] = "upstream: {url: 'http://127.0.0.1:5000', credential: none}\n"
                                   "roles: {viewer: {permissions: ['x:read']}}\n"
                                   "routes:\n"
                                   "  - {match: 'GET /api/bots', access: deny}\n"
                                   "  - {match: 'GET /api/new', access: signed-in}\n";

static void test_a_new_bundle_takes_effect_and_old_requests_keep_theirs(void **state)
{
    (void)state;
    assert_false(gw_gate_poll(rig.gate));
    assert_int_equal(gw_gate_generation(rig.gate), 1);
    assert_passed(ASK("GET", "/api/bots", bearer(VIEWER)));
    gw_rig_publish(&rig, SECOND_HASH, NULL, other_policy);
    assert_true(gw_gate_poll(rig.gate));
    load_and_install();
    assert_false(gw_gate_poll(rig.gate));
    assert_int_equal(gw_gate_generation(rig.gate), 2);
    assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &rig.decision),
                     GW_HANDOVER_GO); /* judged by the old one */
    assert_refused(ASK("GET", "/api/bots", bearer(VIEWER)), GW_REASON_ROUTE_DENIED);
    assert_passed(ASK("GET", "/api/new", bearer(VIEWER)));
    assert_int_equal(rig.decision.credential.len, 0);
}

static void test_bad_bundles_are_refused(void **state)
{
    (void)state;
    struct gw_snapshot *s = NULL;
    struct gw_error err;
    gw_rig_publish(&rig, SECOND_HASH, NULL, "routes: 1\n");
    assert_int_equal(gw_gate_load(rig.gate, &s, &err), GW_EINVAL);
    assert_non_null(strstr(err.msg, "policy.yaml"));
    gw_rig_publish(&rig, "3333333333333333333333333333333333333333333333333333333333333333", "lisen: 1\n", NULL);
    assert_int_equal(gw_gate_load(rig.gate, &s, &err), GW_EINVAL);
    assert_non_null(strstr(err.msg, "gateway.yaml"));
    static const char *const hashes[] = {"../../../../../../../../../../../../../../../../etc/passwd012345",
                                         "4444444444444444444444444444444/44444444444444444444444444444444"};
    for (size_t i = 0; i < 2; i++) {
        gw_shared_set_bundle(rig.writer, hashes[i]);
        assert_int_equal(gw_gate_load(rig.gate, &s, &err), GW_EINVAL);
        assert_non_null(strstr(err.msg, "not a hash"));
    }
    assert_null(s);
    assert_passed(ASK("GET", "/api/bots", bearer(VIEWER)));
}

/* ---- memory ---- */

/* More would cost each request another piece from malloc. */
static void test_a_usual_request_has_room_in_the_first_piece(void **state)
{
    (void)state;
    assert_passed(ASK("GET", "/api/bots/018f3b5a-7c1e-7aaa-8bbb-0123456789ab?fields=name", bearer(TRADER),
                      "host: gw.example:8443", "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
                      "accept: application/json", "accept-encoding: gzip, deflate, br", "cookie: theme=dark; lang=en",
                      "referer: https://gw.example:8443/bots", "sec-fetch-site: same-origin"));
    assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &rig.decision), GW_HANDOVER_GO);
    assert_in_range(gw_arena_used(&rig.arena), 1, GW_REQUEST_ARENA_BYTES);
}

/* ---- life ---- */

static void test_health_and_landing_page(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK_BARE("GET", "/aaiti/jwks.json");
    assert_true(gw_str_eq(d->body, GW_STR("{\"keys\":[]}"))); /* a secret has no public part */
    assert_true(gw_str_eq(d->cache_control, GW_STR("public, max-age=300")));
    d = ASK_BARE("GET", "/aaiti/health");
    assert_int_equal(d->cache_control.len, 0);
    assert_int_equal(d->action, GW_ANSWER);
    assert_int_equal(d->status, 200);
    assert_true(gw_str_starts(d->body, GW_STR("{\"status\":\"ok\"")));
    gw_fake_clock_advance(&rig.clock, 5000);
    d = ASK_BARE("HEAD", "/aaiti/health");
    assert_true(gw_str_starts(d->body, GW_STR("{\"status\":\"degraded\"")));
    d = ASK_BARE("GET", "/");
    assert_int_equal(d->action, GW_ANSWER);
    assert_true(gw_str_starts(d->content_type, GW_STR("text/html")));
    assert_int_equal(d->content_security.len, 0);
    /* Where a policy has no pages, signing in leads back here. */
    assert_non_null(strstr(d->body.ptr, "href=\"/aaiti/login\""));
}

/* Its own policy on this page alone: what it allows is what the page is made of. */
static void test_the_page_of_the_panic_button_comes_with_its_own_policy(void **state)
{
    (void)state;
    const struct gw_decision *d = ASK_BARE("GET", "/aaiti/panic");
    assert_int_equal(d->action, GW_ANSWER);
    assert_int_equal(d->status, 200);
    assert_int_equal(d->cache_control.len, 0);
    assert_true(gw_str_eq(d->content_security, gw_panic_policy));
    assert_non_null(strstr(d->body.ptr, "data-login=\"/api/auth/login\" data-logout=\"/api/auth/logout\""));
}

static void test_before_control_everything_is_503(void **state)
{
    (void)state;
    struct gw_gate *g = NULL;
    struct gw_gate *started = rig.gate;
    struct gw_gate_options options = gw_rig_options(&rig);
    options.run_dir = "/nonexistent/run";
    assert_int_equal(gw_gate_new(&options, &g, NULL), GW_OK);
    assert_int_equal(gw_gate_start(g, NULL), GW_OK);
    assert_false(gw_gate_poll(g));
    assert_int_equal(gw_gate_generation(g), 0);
    ASK_BARE("GET", "/api/open"); /* forgets what the started gate judged */
    gw_request_done(started, rig.request);
    rig.request = gw_request_new(g, &rig.head, &rig.arena, &rig.decision);
    assert_refused(&rig.decision, GW_REASON_NOT_READY);
    assert_true(gw_str_eq(rig.decision.client_address, GW_STR("192.0.2.1")));
    gw_request_done(g, rig.request);
    rig.request = NULL;
    gw_gate_free(g);
}

static void test_equal_and_weak_keys_are_refused(void **state)
{
    (void)state;
    char weak[128];
    snprintf(weak, sizeof(weak), "%s/weak.key", rig.dir);
    FILE *f = fopen(weak, "we");
    assert_non_null(f);
    fputs("short\n", f);
    fclose(f);
    chmod(weak, 0600);
    const struct {
        const char *token, *upstream, *request_id;
        enum gw_code code;
    } rows[] = {{rig.token_key_file, rig.upstream_key_file, rig.request_id_key_file, GW_OK},
                {rig.token_key_file, NULL, rig.request_id_key_file, GW_OK},
                {rig.token_key_file, rig.token_key_file, rig.request_id_key_file, GW_EINVAL},
                {weak, rig.upstream_key_file, rig.request_id_key_file, GW_EINVAL},
                {"/nonexistent/key", NULL, rig.request_id_key_file, GW_ENOTFOUND},
                {rig.token_key_file, NULL, rig.token_key_file, GW_EINVAL},
                {rig.token_key_file, rig.upstream_key_file, rig.upstream_key_file, GW_EINVAL},
                {rig.token_key_file, rig.upstream_key_file, weak, GW_EINVAL},
                {rig.token_key_file, NULL, "/nonexistent/key", GW_ENOTFOUND}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_gate *g = NULL;
        struct gw_error err = {.msg = ""};
        struct gw_gate_options options = gw_rig_options(&rig);
        options.token_key_file = rows[i].token;
        options.upstream_key_file = rows[i].upstream;
        options.request_id_key_file = rows[i].request_id;
        assert_int_equal(gw_gate_new(&options, &g, &err), rows[i].code);
        assert_null(strstr(err.msg, "t7Qm2vXc"));
        gw_gate_free(g);
    }
}

static void test_without_memory_the_answer_is_no(void **state)
{
    (void)state;
    ASK("GET", "/api/bots", bearer(TRADER), "cookie: a=1; __Host-aaiti_session=x");
    bool passed = false;
    for (size_t max_bytes = 0; max_bytes < 4096 && !passed; max_bytes += 16) {
        gw_auto(gw_arena) struct gw_arena a;
        struct gw_decision d;
        gw_arena_init(&a, max_bytes);
        struct gw_request *r = gw_request_new(rig.gate, &rig.head, &a, &d);
        passed = d.action == GW_PASS;
        if (!passed)
            assert_int_equal(d.reason, GW_REASON_INTERNAL);
        else /* nothing is left out for want of room */
            assert_true(d.credential.len > 0 && d.user.len > 0 && d.cookie.len > 0 && d.client_address.len > 0);
        gw_request_done(rig.gate, r);
    }
    assert_true(passed);
}

static void test_request_ids_differ(void **state)
{
    (void)state;
    char first[GW_UUID_LEN];
    memcpy(first, ASK_BARE("GET", "/")->request_id.ptr, sizeof(first));
    assert_int_equal(first[14], '7');
    for (int i = 0; i < 300; i++) /* past the pool's end */
        assert_memory_not_equal(ASK_BARE("GET", "/")->request_id.ptr, first, sizeof(first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_new_bundle_takes_effect_and_old_requests_keep_theirs),
        CASE(test_bad_bundles_are_refused),
        CASE(test_a_usual_request_has_room_in_the_first_piece),
        CASE(test_health_and_landing_page),
        CASE(test_the_page_of_the_panic_button_comes_with_its_own_policy),
        CASE(test_before_control_everything_is_503),
        CASE(test_equal_and_weak_keys_are_refused),
        CASE(test_without_memory_the_answer_is_no),
        CASE(test_request_ids_differ),
    };
    return cmocka_run_group_tests_name("pipeline/gate", tests, NULL, NULL);
}
