/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti make-safe`: what the policy says that closes what is open, with each result as it comes. */
#include "call.h"
#include "commands.h"
#include "make_safe.h"
#include <signal.h>
#include <string.h>
#include <time.h>

#define RUNS "/aaiti/v1/make-safe"
#define LOOK_MS 100

struct view {
    struct gw_cli *cli;
    char target[sizeof(RUNS) + GW_UUID_LEN + 32]; /* without the query */
    json_t *rows;                                 /* all so far; of --json alone */
    json_t *shown;                                /* the last answer */
};

static void view_done(struct view *v)
{
    json_decref(v->rows);
    json_decref(v->shown);
}

static long long number(const json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member));
}

/* ---- rows ---- */

static void print_row(struct gw_cli *cli, const json_t *row)
{
    const char *step = cli_text(row, "step"), *why = json_string_value(json_object_get(row, "why"));
    bool is_call = strcmp(cli_text(row, "kind"), "call") == 0;
    int method_len = is_call ? (int)strcspn(step, " ") : 3;
    char status[24] = "-";
    if (number(row, "status") > 0)
        (void)snprintf(status, sizeof(status), "%lld", number(row, "status"));
    fprintf(cli->out, "%-8s  %3s  %.*s %s", cli_text(row, "outcome"), status, method_len, is_call ? step : "GET",
            cli_text(row, "target"));
    if (!is_call)
        fprintf(cli->out, "  (%lld items)", number(row, "items"));
    if (number(row, "tries") > 1)
        fprintf(cli->out, "  (%lld tries)", number(row, "tries"));
    fprintf(cli->out, "%s%s\n", why != NULL ? "  " : "", why != NULL ? why : "");
}

static void take_rows(struct view *v)
{
    const json_t *page = json_object_get(v->shown, "rows");
    for (size_t i = 0; i < json_array_size(page); i++) {
        if (v->cli->json)
            (void)json_array_append(v->rows, json_array_get(page, i));
        else
            print_row(v->cli, json_array_get(page, i));
    }
    (void)fflush(v->cli->out);
}

static int look(struct view *v, long long after)
{
    char target[sizeof(v->target) + 40];
    (void)snprintf(target, sizeof(target), "%s?after=%lld", v->target, after);
    json_decref(v->shown);
    v->shown = NULL;
    return cli_call(v->cli, "GET", target, NULL, &v->shown);
}

static int follow(struct view *v)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    long long after = 0;
    for (;;) {
        int status = look(v, after);
        if (status != GW_EXIT_YES)
            return status;
        bool is_last = strcmp(cli_text(v->shown, "state"), "ended") == 0;
        take_rows(v);
        after = number(v->shown, "next");
        if (json_array_size(json_object_get(v->shown, "rows")) > 0)
            continue;
        if (is_last)
            return GW_EXIT_YES;
        (void)nanosleep(&pause, NULL);
    }
}

/* ---- the end ---- */

/* Ids are the backend's words. */
static void print_left(struct gw_cli *cli, const json_t *left)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    const char *of = json_string_value(json_object_get(left, "of"));
    gw_buf_init(&text, 4096);
    gw_buf_add_escaped(&text, gw_str(cli_text(left, "report")));
    gw_buf_add(&text, GW_STR(": "));
    gw_buf_add_escaped(&text, gw_str(cli_text(left, "id")));
    if (of != NULL) {
        gw_buf_add(&text, GW_STR(" of "));
        gw_buf_add_escaped(&text, gw_str(of));
    }
    fprintf(cli->out, "%.*s\n", GW_STR_ARG(gw_buf_str(&text)));
}

static void print_summary(const struct view *v)
{
    struct gw_cli *cli = v->cli;
    const json_t *s = json_object_get(v->shown, "summary"), *left = json_object_get(s, "left");
    long long more = number(s, "leftCount") - (long long)json_array_size(left);
    for (size_t i = 0; i < json_array_size(left); i++)
        print_left(cli, json_array_get(left, i));
    if (more > 0)
        fprintf(cli->out, "… and %lld more\n", more);
    if (number(s, "unread") > 0)
        fprintf(cli->out, "Lists that could not be read to their end: %lld. What stands in them was not called.\n",
                number(s, "unread"));
    if (json_is_true(json_object_get(v->shown, "plan")))
        fprintf(cli->out, "Plan as %s: %lld calls. Nothing was called.\n", cli_text(v->shown, "as"),
                number(s, "calls"));
    else
        fprintf(cli->out, "Made safe as %s: %lld calls, %lld done, %lld failed, %lld unknown; left: %lld.\n",
                cli_text(v->shown, "as"), number(s, "calls"), number(s, "ok"), number(s, "failed"),
                number(s, "unknown"), number(s, "leftCount"));
    if (json_is_false(json_object_get(v->shown, "recorded")))
        fputs("That it was started is not in the audit trail, which took nothing (is the disk full?).\n", cli->out);
    if (number(s, "unknown") > 0)
        fputs("What is unknown was sent and may have happened: look at the backend before you repeat it by hand.\n",
              cli->out);
}

static int finish(struct view *v)
{
    const json_t *s = json_object_get(v->shown, "summary");
    if (v->cli->json) {
        (void)json_object_set(v->shown, "rows", v->rows);
        cli_print_json(v->cli, v->shown);
    } else {
        print_summary(v);
    }
    return number(s, "failed") + number(s, "unknown") + number(s, "unread") == 0 ? GW_EXIT_YES : GW_EXIT_NO;
}

/* ---- the beginning ---- */

static bool is_of_mode(struct view *v, enum gw_safe_mode mode)
{
    return look(v, 0) == GW_EXIT_YES && json_is_true(json_object_get(v->shown, "plan")) == (mode == GW_SAFE_PLAN);
}

static int begin(struct view *v, const char *as, enum gw_safe_mode mode)
{
    struct gw_answer answer = {0};
    json_t *body = json_pack("{s:b, s:s*}", "plan", mode == GW_SAFE_PLAN, "as", as);
    int status = cli_try(v->cli, "POST", RUNS, body, &answer.status, &answer.body);
    if (status != GW_EXIT_YES)
        return status;
    (void)snprintf(v->target, sizeof(v->target), RUNS "/%.*s", GW_UUID_LEN, cli_text(answer.body, "id"));
    if (answer.status == 409 && is_of_mode(v, mode))
        fputs("A run is under way already; this is it:\n", v->cli->err);
    else if (answer.status >= 300)
        status = gw_cli_fail(v->cli, answer.status < 500 ? GW_EXIT_NO : GW_EXIT_UNKNOWN, "%s", gw_answer_text(&answer));
    gw_answer_done(&answer);
    return status;
}

int cli_make_safe(struct gw_cli *cli, const char *as, enum gw_safe_mode mode)
{
    __attribute__((cleanup(view_done))) struct view v = {.cli = cli, .rows = json_array()};
    /* In this process a listener that closes must not end it. */
    (void)signal(SIGPIPE, SIG_IGN);
    int status = cli_connect(cli, GW_APP_CONTROL);
    if (status == GW_EXIT_YES)
        status = begin(&v, as, mode);
    if (status == GW_EXIT_YES)
        status = follow(&v);
    return status == GW_EXIT_YES ? finish(&v) : status;
}

int cmd_make_safe(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc, (void)argv;
    return cli_make_safe(cli, gw_cli_value(cli, "--as"),
                         gw_cli_value(cli, "--plan") != NULL ? GW_SAFE_PLAN : GW_SAFE_RUN);
}
