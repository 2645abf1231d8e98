/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The drill judges by two ledgers: the backend's, of when requests that open risk reached it, and the clients', of what each request was
 * answered. Both use this process's monotonic clock, as does the moment in which the button is pressed.
 */
#include "drill.h"
#include "base/file.h"
#include "base/json.h"
#include "drill_backend.h"
#include "drill_gateway.h"
#include "drill_load.h"
#include <inttypes.h>
#include <signal.h>

#define REFUSED_WITHIN_MS 100
#define PHASE_MS 1000

struct drill {
    struct gw_cli *cli;
    struct drill_backend *backend;
    struct drill_gateway gateway;
    struct gw_own_listener listener;
    struct gw_buf token;
    struct drill_load *load;
    int64_t pressed_ms, in_force_ms; /* when the command began, and when it said that it was done */
    struct drill_count before[DRILL_KINDS], after[DRILL_KINDS];
    bool held, resumed; /* after everything was killed; after the mode was lifted */
};

static void say(const struct drill *d, const char *what)
{
    if (!d->cli->json)
        fprintf(d->cli->out, "%s\n", what);
    (void)fflush(d->cli->out);
}

static int64_t now_ms(void)
{
    return gw_clock_mono_ms(gw_system_clock());
}

/* ---- signing in ---- */

static enum gw_code read_trader(const struct drill *d, char **out, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    gw_auto_json json_t *users = NULL;
    char path[DRILL_PATH_MAX + 32];
    gw_buf_init(&text, 64 * 1024);
    (void)snprintf(path, sizeof(path), "%s/demo-users.json", d->gateway.home);
    GW_TRY(gw_file_read(path, &text, err));
    GW_TRY(gw_json_parse(gw_buf_str(&text), GW_JSON_DEFAULT_LIMITS, &users, err));
    const json_t *trader = json_object_get(users, "trader");
    gw_auto_json json_t *body = json_pack("{s:O?, s:O?}", "username", json_object_get(trader, "username"), "password",
                                          json_object_get(trader, "password"));
    *out = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    return *out != NULL ? GW_OK : gw_fail(err, GW_EPARSE, "%s makes no sense", path);
}

static enum gw_code take_token(struct drill *d, const struct gw_safe_answer *a, struct gw_error *err)
{
    gw_auto_json json_t *body = NULL;
    struct gw_str token;
    if (a->status != 200)
        return gw_fail(err, GW_EBACKEND, "the drill's gateway lets nobody sign in: status %u", a->status);
    GW_TRY(gw_json_parse(gw_buf_str(&a->body), GW_JSON_DEFAULT_LIMITS, &body, err));
    GW_TRY(gw_json_get_str(body, "token", 1, 4096, &token, err));
    gw_buf_reset(&d->token);
    gw_buf_add(&d->token, token);
    d->listener.token = gw_buf_str(&d->token);
    return gw_buf_check(&d->token, err);
}

static enum gw_code sign_in(struct drill *d, struct gw_error *err)
{
    char *body = NULL;
    struct gw_safe_answer answer = {0};
    GW_TRY(read_trader(d, &body, err));
    gw_buf_init(&answer.body, 64 * 1024);
    const struct gw_safe_request q = {
        .method = GW_STR("POST"), .target = GW_STR("/api/auth/login"), .body = gw_str(body), .timeout_ms = 10000};
    enum gw_code code = gw_own_listener_ask(&d->listener, &q, &answer) == GW_SAFE_ANSWERED
                            ? take_token(d, &answer, err)
                            : gw_fail(err, GW_EBACKEND, "the drill's gateway does not answer a sign-in");
    gw_buf_done(&answer.body);
    free(body);
    return code;
}

/* ---- the course of it ---- */

static enum gw_code set_up(struct drill *d, struct gw_error *err)
{
    say(d, "A gateway and a backend are started for the drill; nothing else is touched.");
    GW_TRY(drill_backend_new(&d->backend, err));
    GW_TRY(drill_gateway_init(&d->gateway, drill_backend_port(d->backend), err));
    d->listener = (struct gw_own_listener){.listen = gw_str(d->gateway.listen),
                                           .terms.certificates = d->gateway.certificate,
                                           .user_agent = GW_STR("aaiti-drill"),
                                           .clock = gw_system_clock()};
    GW_TRY(drill_gateway_start(&d->gateway, err));
    return sign_in(d, err);
}

static enum gw_code press(struct drill *d, struct gw_error *err)
{
    drill_load_count(d->load, 0, d->before);
    if (d->before[DRILL_OPEN].passed == 0)
        return gw_fail(err, GW_EBACKEND, "nothing passed before the button was pressed (last status %u); see %s",
                       d->before[DRILL_OPEN].other, d->gateway.log);
    say(d, "The button is pressed: aaiti panic.");
    d->pressed_ms = now_ms();
    GW_TRY(drill_gateway_run(&d->gateway, (const char *const[]){"panic", "--reason", "drill", NULL}, err));
    d->in_force_ms = now_ms();
    return GW_OK;
}

/* Under traffic all along. */
static enum gw_code under_traffic(struct drill *d, struct gw_error *err)
{
    say(d, "Traffic: 200 requests a second, that read, open and close.");
    GW_TRY(drill_load_new(&d->listener, &d->load, err));
    drill_pause(PHASE_MS);
    GW_TRY(press(d, err));
    drill_pause(PHASE_MS);
    say(d, "Control is killed.");
    GW_TRY(drill_gateway_kill_control(&d->gateway, err));
    drill_pause(PHASE_MS);
    GW_TRY(drill_gateway_wait(&d->gateway, err));
    say(d, "The policy is reloaded.");
    GW_TRY(drill_gateway_run(&d->gateway, (const char *const[]){"policy", "reload", NULL}, err));
    drill_pause(PHASE_MS);
    drill_load_count(d->load, d->in_force_ms + REFUSED_WITHIN_MS, d->after);
    drill_load_free(gw_take(&d->load));
    return GW_OK;
}

static enum gw_code after_death(struct drill *d, struct gw_error *err)
{
    say(d, "Everything is killed, and started again.");
    drill_gateway_kill(&d->gateway);
    GW_TRY(drill_gateway_start(&d->gateway, err));
    GW_TRY(sign_in(d, err));
    d->held = drill_ask(&d->listener, DRILL_OPEN, 1) == 503 && drill_ask(&d->listener, DRILL_CLOSE, 1) == 200;
    return GW_OK;
}

/* ---- the end ---- */

static int report(struct drill *d, const struct drill_ledger *ledger)
{
    struct gw_cli *cli = d->cli;
    int64_t refused_after_ms = ledger->last_open_ms > d->pressed_ms ? ledger->last_open_ms - d->pressed_ms : 0;
    const struct drill_count *opens = &d->after[DRILL_OPEN], *closes = &d->after[DRILL_CLOSE],
                             *reads = &d->after[DRILL_READ];
    bool is_good = ledger->opens_since == 0 && opens->passed == 0 && closes->sent > 0 &&
                   closes->passed == closes->sent && reads->passed == reads->sent && d->held && d->resumed;
    if (cli->json) {
        fprintf(cli->out,
                "{\"ok\":%s,\"refused_after_ms\":%" PRId64 ",\"opens_passed_before\":%zu,\"opens_passed_after\":%zu,"
                "\"opens_refused\":%zu,\"closes\":%zu,\"closes_ok\":%zu,\"reads\":%zu,\"reads_ok\":%zu,"
                "\"held_after_kill\":%s,\"resumed\":%s}\n",
                is_good ? "true" : "false", refused_after_ms, d->before[DRILL_OPEN].passed, ledger->opens_since,
                opens->sent - opens->passed, closes->sent, closes->passed, reads->sent, reads->passed,
                d->held ? "true" : "false", d->resumed ? "true" : "false");
        return is_good ? GW_EXIT_YES : GW_EXIT_NO;
    }
    fprintf(cli->out,
            "The backend heard of the last request that opens risk %" PRId64 " ms after the button was pressed,\n"
            "and of %zu later than %d ms after the command had returned.\n"
            "Closed: %zu of %zu. Read: %zu of %zu. Refused: %zu.\n"
            "After everything was killed the mode %s; after aaiti resume requests %s again.\n%s\n",
            refused_after_ms, ledger->opens_since, REFUSED_WITHIN_MS, closes->passed, closes->sent, reads->passed,
            reads->sent, opens->sent - opens->passed, d->held ? "held" : "did NOT hold",
            d->resumed ? "passed" : "did NOT pass", is_good ? "The drill went well." : "The drill FAILED.");
    return is_good ? GW_EXIT_YES : GW_EXIT_NO;
}

static enum gw_code run(struct drill *d, struct drill_ledger *ledger, struct gw_error *err)
{
    GW_TRY(set_up(d, err));
    GW_TRY(under_traffic(d, err));
    GW_TRY(after_death(d, err));
    drill_backend_ledger(d->backend, d->in_force_ms + REFUSED_WITHIN_MS, ledger);
    GW_TRY(drill_gateway_run(&d->gateway, (const char *const[]){"resume", NULL}, err));
    d->resumed = drill_ask(&d->listener, DRILL_OPEN, 1) == 200;
    return GW_OK;
}

int cli_drill(struct gw_cli *cli)
{
    struct drill d = {.cli = cli};
    struct drill_ledger ledger = {0};
    struct gw_error err = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    gw_buf_init(&d.token, 8 * 1024);
    enum gw_code code = run(&d, &ledger, &err);
    drill_load_free(d.load);
    int status = code == GW_OK ? report(&d, &ledger) : gw_cli_fail_error(cli, &err);
    drill_gateway_done(&d.gateway);
    drill_backend_free(d.backend);
    gw_buf_done(&d.token);
    return status;
}
