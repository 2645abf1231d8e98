/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of requests, and its text; docs/metrics.md against the tables. */
#include "base/buf.h"
#include "pipeline/test_cast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *memory;

static int set_up_counted(void **state)
{
    int rc = set_up(state);
    memory = calloc(1, gw_counts_bytes());
    assert_non_null(memory);
    gw_gate_share_counts(rig.gate, memory, 0);
    return rc;
}

static int tear_down_counted(void **state)
{
    int rc = tear_down(state);
    free(memory);
    return rc;
}
#define COUNTED(test) cmocka_unit_test_setup_teardown(test, set_up_counted, tear_down_counted)

static const char *text(void)
{
    static char copy[128 * 1024];
    const struct gw_decision *d = ASK("GET", "/aaiti/metrics", bearer(ADMIN));
    assert_int_equal(d->action, GW_ANSWER);
    assert_true(gw_str_eq(d->content_type, GW_STR("text/plain; version=0.0.4; charset=utf-8")));
    assert_true(d->body.len > 0 && d->body.len < sizeof(copy));
    memcpy(copy, d->body.ptr, d->body.len);
    copy[d->body.len] = '\0';
    return copy;
}

static void assert_shows(const char *row)
{
    const char *all = text();
    char line_of[256];
    snprintf(line_of, sizeof(line_of), "\n%s\n", row);
    if (strstr(all, line_of) == NULL)
        fail_msg("no line `%s` in\n%s", row, all);
}

static void assert_hides(const char *start)
{
    char line_of[256];
    snprintf(line_of, sizeof(line_of), "\n%s", start);
    assert_null(strstr(text(), line_of));
}

static void who_may_not_read_the_system_reads_no_metrics(void **state)
{
    (void)state;
    assert_refused(ASK("GET", "/aaiti/metrics", bearer(VIEWER)), GW_REASON_NO_PERMISSION);
    assert_refused(ASK_BARE("GET", "/aaiti/metrics"), GW_REASON_ANONYMOUS);
    assert_shows("aaiti_refusals_total{stage=\"access\",reason=\"NO_PERMISSION\"} 1");
    assert_shows("aaiti_refusals_total{stage=\"access\",reason=\"ANONYMOUS\"} 1");
}

static void a_request_is_counted_once_by_what_became_of_it(void **state)
{
    (void)state;
    ASK("GET", "/api/bots", bearer(VIEWER));
    assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &rig.decision), GW_HANDOVER_GO);
    gw_request_ended(rig.gate, rig.request, GW_ENDING_ANSWERED, 200);
    gw_request_ended(rig.gate, rig.request, GW_ENDING_UNKNOWN, 200);
    gw_gate_count_request(rig.gate, rig.request, 200, 3);
    ASK("GET", "/api/none", bearer(VIEWER));
    gw_gate_count_request(rig.gate, rig.request, 403, 70000);
    gw_gate_count_request(rig.gate, NULL, 400, 0);
    gw_gate_count_request(rig.gate, NULL, 0, -1);
    gw_gate_count_request(rig.gate, NULL, 99999, 1);
    static const char *const shown[] = {
        "aaiti_requests_total{outcome=\"passed\"} 1",
        "aaiti_requests_total{outcome=\"refused\"} 1",
        "aaiti_requests_total{outcome=\"malformed\"} 3",
        "aaiti_responses_total{status=\"2xx\"} 1",
        "aaiti_responses_total{status=\"4xx\"} 2",
        "aaiti_responses_total{status=\"none\"} 2",
        "aaiti_refusals_total{stage=\"route\",reason=\"NO_ROUTE\"} 1",
        "aaiti_upstream_requests_total{ending=\"answered\"} 1",
        "aaiti_upstream_requests_total{ending=\"unknown\"} 0",
        "aaiti_request_duration_seconds_bucket{outcome=\"passed\",le=\"0.002\"} 0",
        "aaiti_request_duration_seconds_bucket{outcome=\"passed\",le=\"0.005\"} 1",
        "aaiti_request_duration_seconds_bucket{outcome=\"passed\",le=\"+Inf\"} 1",
        "aaiti_request_duration_seconds_sum{outcome=\"passed\"} 0.003",
        "aaiti_request_duration_seconds_bucket{outcome=\"refused\",le=\"60\"} 0",
        "aaiti_request_duration_seconds_count{outcome=\"refused\"} 1",
        "aaiti_request_duration_seconds_sum{outcome=\"refused\"} 70.000",
    };
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        assert_shows(shown[i]);
}

static void workers_are_summed_up_and_share_pages(void **state)
{
    (void)state;
    for (unsigned worker = 0; worker < 100; worker++) {
        gw_gate_share_counts(rig.gate, memory, worker);
        gw_gate_count_request(rig.gate, NULL, 400, 1);
    }
    assert_shows("aaiti_requests_total{outcome=\"malformed\"} 100");
}

static void without_memory_nothing_is_counted_and_all_goes_on(void **state)
{
    (void)state;
    rig.gate->metrics = (struct gw_metrics){.own = NULL};
    assert_refused(ASK("GET", "/api/none", bearer(VIEWER)), GW_REASON_NO_ROUTE);
    gw_gate_count_request(rig.gate, rig.request, 403, 1);
    assert_shows("aaiti_requests_total{outcome=\"refused\"} 0");
}

static void figures_of_control_go_when_it_dies(void **state)
{
    (void)state;
    gw_shared_set_gauge(rig.writer, GW_GAUGE_LOGIN_QUEUE, 7);
    gw_shared_set_gauge(rig.writer, GW_GAUGE_SESSIONS, 12);
    gw_shared_add_gauge(rig.writer, GW_GAUGE_AUDIT_EVENTS, 2);
    gw_shared_add_gauge(rig.writer, GW_GAUGE_AUDIT_EVENTS, 3);
    assert_hides("aaiti_journal_lag_seconds ");
    gw_shared_set_caught_up(rig.writer, GW_RIG_NOW_S - 2);
    assert_shows("aaiti_control_up 1");
    assert_shows("aaiti_login_queue_depth 7");
    assert_shows("aaiti_client_ca_expires_seconds 0");
    gw_shared_set_gauge(rig.writer, GW_GAUGE_CLIENT_CA_LEFT, GW_GAUGE_NOTHING);
    assert_hides("aaiti_client_ca_expires_seconds");
    assert_shows("aaiti_table_records{table=\"sessions\"} 12");
    assert_shows("aaiti_audit_events_total 5");
    assert_shows("aaiti_journal_lag_seconds 2");
    gw_fake_clock_advance(&rig.clock, 20 * 1000);
    assert_shows("aaiti_control_up 0");
    assert_shows("aaiti_control_heartbeat_age_seconds 20");
    assert_shows("aaiti_journal_lag_seconds 22");
    assert_hides("aaiti_login_queue_depth");
    assert_hides("aaiti_table_records");
}

static void the_mode_is_shown(void **state)
{
    (void)state;
    assert_shows("aaiti_mode{mode=\"off\"} 1");
    gw_rig_set_mode(&rig, GW_MODE_GLOBAL, 0, "", GW_MODE_RISK_OFF);
    assert_shows("aaiti_mode{mode=\"off\"} 0");
    assert_shows("aaiti_mode{mode=\"risk-off\"} 1");
    assert_shows("aaiti_mode_entries 1");
}

/* Each family has one HELP and one TYPE before its lines, and stands once. */
static void the_text_is_whole(void **state)
{
    (void)state;
    struct gw_str rest = gw_str(text()), one, family = GW_STR_NULL, seen[128];
    size_t count = 0;
    while (gw_str_split(&rest, '\n', &one) && one.len > 0) {
        if (gw_str_starts(one, GW_STR("# HELP "))) {
            struct gw_str name = gw_str_sub(one, 7, one.len);
            family = gw_str_sub(name, 0, gw_str_find(name, ' '));
            for (size_t i = 0; i < count; i++)
                if (gw_str_eq(seen[i], family))
                    fail_msg("twice: %.*s", GW_STR_ARG(family));
            assert_true(count < 128);
            seen[count++] = family;
            continue;
        }
        if (!gw_str_starts(gw_str_starts(one, GW_STR("# TYPE ")) ? gw_str_sub(one, 7, one.len) : one, family))
            fail_msg("`%.*s` stands with %.*s", GW_STR_ARG(one), GW_STR_ARG(family));
    }
    assert_true(count > 10);
}

/* ---- the document ---- */

static const char document_file[] = GW_SOURCE_DIR "/docs/metrics.md";

static const char preamble[] =
    "# Metrics\n\n"
    "Made from src/pipeline/metric.def and src/shared/gauge.def by `build-test/test_pipeline_metrics --write`; a test compares.\n\n"
    "`GET /aaiti/metrics` answers in Prometheus' text format 0.0.4. It takes the permission `system:read`, by token or API key. Any worker tells of all of\n"
    "them. Labels are lists of the gateway's own, never a path, a user or an address. A family with two labels shows only what has been counted.\n\n"
    "Counts live as long as the nginx master: a reload, new workers and the death of control leave them as they are; a restart begins them anew, which\n"
    "`rate()` sees. While control shows no sign of life (`aaiti_control_up` 0) its own figures, those marked *control*, are left out; the age of the last sign and the\n"
    "journal's lag go on growing. A request for metrics is `answered`, and nothing of it counts as the backend's.\n\n"
    "```yaml\n"
    "scrape_configs:\n"
    "  - job_name: aaiti\n"
    "    scheme: https\n"
    "    metrics_path: /aaiti/metrics\n"
    "    authorization: {credentials_file: /etc/prometheus/aaiti.token}\n"
    "    static_configs: [{targets: [\"gw.example:8443\"]}]\n"
    "```\n\n"
    "| metric | type | labels | what |\n|---|---|---|---|\n";

/* The keys of a line's labels, but for the buckets'. */
static void add_label_keys(struct gw_buf *b, const char *line_of)
{
    const char *between = "", *at = line_of + strcspn(line_of, "{ ");
    while (*at == '{' || *at == ',') {
        size_t len = strcspn(++at, "=");
        if (strncmp(at, "le=", 3) != 0) {
            gw_buf_addf(b, "%s`%.*s`", between, (int)len, at);
            between = ", ";
        }
        at += len + 2;
        at += strcspn(at, "\"") + 1;
    }
}

static bool is_of_control(struct gw_str name)
{
    static const char *const names[] = {
#define GW_GAUGE(id, type, name, labels, help) name,
#include "shared/gauge.def"
#undef GW_GAUGE
    };
    for (size_t i = 0; i < GW_GAUGE_COUNT; i++)
        if (gw_str_eq(gw_str(names[i]), name))
            return true;
    return false;
}

static void document(struct gw_buf *b)
{
    ASK("GET", "/api/none", bearer(VIEWER)); /* a pair of each family of two */
    gw_gate_count_request(rig.gate, rig.request, 403, 1);
    gw_shared_set_caught_up(rig.writer, GW_RIG_NOW_S);
    gw_buf_add(b, gw_str(preamble));
    struct gw_str rest = gw_str(text()), one, name = GW_STR_NULL, help = GW_STR_NULL;
    bool is_first = false;
    while (gw_str_split(&rest, '\n', &one)) {
        if (gw_str_starts(one, GW_STR("# HELP "))) {
            struct gw_str said = gw_str_sub(one, 7, one.len);
            name = gw_str_sub(said, 0, gw_str_find(said, ' '));
            help = gw_str_sub(said, name.len + 1, said.len);
        } else if (gw_str_starts(one, GW_STR("# TYPE "))) {
            assert_false(is_first); /* its row would have no end */
            gw_buf_addf(b, "| `%.*s` | ", GW_STR_ARG(name));
            gw_buf_add(b, gw_str_sub(one, 8 + name.len, one.len));
            gw_buf_add(b, GW_STR(" | "));
            is_first = true;
        } else if (is_first) {
            add_label_keys(b, one.ptr);
            gw_buf_addf(b, " | %s%.*s |\n", is_of_control(name) ? "*control*: " : "", GW_STR_ARG(help));
            is_first = false;
        }
    }
}

static void the_document_is_the_tables(void **state)
{
    (void)state;
    gw_auto(gw_buf) struct gw_buf expected;
    gw_buf_init(&expected, 65536);
    document(&expected);
    static char found[65536];
    FILE *file = fopen(document_file, "re");
    assert_non_null(file);
    found[fread(found, 1, sizeof(found) - 1, file)] = '\0';
    fclose(file);
    if (strcmp(found, expected.ptr) != 0)
        fail_msg("docs/metrics.md is out of date; run build-test/test_pipeline_metrics --write");
}

static int write_document(void)
{
    void *state;
    gw_auto(gw_buf) struct gw_buf made;
    gw_buf_init(&made, 65536);
    (void)set_up_counted(&state);
    document(&made);
    (void)tear_down_counted(&state);
    FILE *file = fopen(document_file, "we");
    if (file == NULL)
        return 1;
    fputs(made.ptr, file);
    return fclose(file) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--write") == 0)
        return write_document();
    const struct CMUnitTest tests[] = {
        COUNTED(who_may_not_read_the_system_reads_no_metrics),
        COUNTED(a_request_is_counted_once_by_what_became_of_it),
        COUNTED(workers_are_summed_up_and_share_pages),
        COUNTED(without_memory_nothing_is_counted_and_all_goes_on),
        COUNTED(figures_of_control_go_when_it_dies),
        COUNTED(the_mode_is_shown),
        COUNTED(the_text_is_whole),
        COUNTED(the_document_is_the_tables),
    };
    return cmocka_run_group_tests_name("pipeline/metrics", tests, NULL, NULL);
}
