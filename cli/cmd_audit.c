/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti audit …`: the trail of who did what. Much of it is what clients sent: it is escaped on its way to a terminal. */
#include "call.h"
#include "commands.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AUDIT "/aaiti/v1/audit"
#define PAGE_MAX 1000
#define TAIL_DEFAULT 20
#define SEARCH_DEFAULT 100
#define COUNT_MAX 1000000

/* ---- printing ---- */

/* Padded to width. Printable ASCII alone stays as it is: other letters may turn around what follows. */
static void print_cell(struct gw_cli *cli, const char *text, int width)
{
    int printed = 0;
    for (const char *p = text; *p != '\0'; p++)
        printed += fprintf(cli->out, *p >= ' ' && *p < 0x7f ? "%c" : "\\x%02x", (unsigned char)*p);
    fprintf(cli->out, "%*s", printed < width ? width - printed + 1 : 1, "");
}

static const char *who(const json_t *event)
{
    const json_t *details = json_object_get(event, "details");
    if (json_object_get(event, "username") != NULL)
        return cli_text(event, "username");
    if (json_object_get(event, "userId") != NULL)
        return cli_text(event, "userId");
    return cli_text(details, "by");
}

static void print_resource(struct gw_cli *cli, const json_t *event)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    gw_buf_init(&text, 4096);
    gw_buf_addf(&text, "%s%s%s", cli_text(event, "resourceType"), json_object_get(event, "resourceId") ? "/" : "",
                json_object_get(event, "resourceId") ? cli_text(event, "resourceId") : "");
    print_cell(cli, text.ptr != NULL ? text.ptr : "", 0);
}

static const char *number(const json_t *event, const char *member, char dst[24])
{
    (void)snprintf(dst, 24, "%lld", (long long)json_integer_value(json_object_get(event, member)));
    return dst;
}

static void print_heading(struct gw_cli *cli)
{
    if (!cli->json)
        fprintf(cli->out, "%-8s %-24s %-6s %-20s %-8s %5s %-16s %-15s %s\n", "ID", "TIME", "LEVEL", "ACTION", "OUTCOME",
                "COUNT", "WHO", "ADDRESS", "WHAT");
}

static void print_event(struct gw_cli *cli, const json_t *event)
{
    char text[24];
    if (cli->json) { /* a line each: what comes later can be read before the end is known */
        json_dumpf(event, cli->out, JSON_COMPACT);
        fputc('\n', cli->out);
        return;
    }
    print_cell(cli, number(event, "id", text), 8);
    print_cell(cli, cli_text(event, "time"), 24);
    print_cell(cli, cli_text(event, "severity"), 6);
    print_cell(cli, cli_text(event, "action"), 20);
    print_cell(cli, cli_text(event, "outcome"), 8);
    fprintf(cli->out, "%5s ", number(event, "count", text));
    print_cell(cli, who(event), 16);
    print_cell(cli, cli_text(event, "address"), 15);
    print_resource(cli, event);
    if (json_object_get(event, "reason") != NULL)
        print_cell(cli, cli_text(event, "reason"), 0);
    fputc('\n', cli->out);
}

/* ---- asking ---- */

static int read_count(struct gw_cli *cli, const char *option, int64_t otherwise, int64_t *out)
{
    const char *text = gw_cli_value(cli, option);
    *out = otherwise;
    if (text == NULL || (gw_str_to_i64(gw_str(text), out) && *out >= 1 && *out <= COUNT_MAX))
        return GW_EXIT_YES;
    return gw_cli_fail(cli, GW_EXIT_USAGE, "%s wants a number from 1 to %d", option, COUNT_MAX);
}

static void add_parameter(struct gw_buf *query, const char *name, const char *value)
{
    gw_buf_addf(query, "&%s=", name);
    gw_buf_add_percent(query, gw_str(value));
}

/* The newest count events that filters ("" or "&name=value…") let through, as one list, newest first. */
static int collect(struct gw_cli *cli, const char *filters, int64_t count, json_t *events, json_int_t *out_last)
{
    json_int_t before = 0;
    while ((int64_t)json_array_size(events) < count) {
        gw_auto(gw_buf) struct gw_buf target = {0};
        gw_auto_json json_t *page = NULL;
        int64_t left = count - (int64_t)json_array_size(events);
        gw_buf_init(&target, 16 * 1024);
        gw_buf_addf(&target, AUDIT "?limit=%lld%s", (long long)(left < PAGE_MAX ? left : PAGE_MAX), filters);
        if (before > 0)
            gw_buf_addf(&target, "&before=%lld", (long long)before);
        if (target.ptr == NULL)
            return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "no memory for a call");
        int status = cli_call(cli, "GET", target.ptr, NULL, &page);
        if (status != GW_EXIT_YES)
            return status;
        if (before == 0)
            *out_last = json_integer_value(json_object_get(page, "last"));
        json_array_extend(events, json_object_get(page, "events"));
        before = json_integer_value(json_object_get(page, "next"));
        if (before == 0)
            break;
    }
    return GW_EXIT_YES;
}

/* ---- tail ---- */

/* Asks each second, until it is stopped or nobody reads on. */
static int follow(struct gw_cli *cli, json_int_t last)
{
    static const struct timespec second = {.tv_sec = 1};
    while (fflush(cli->out) == 0) {
        gw_auto_json json_t *page = NULL;
        char target[96];
        size_t i;
        json_t *event;
        (void)nanosleep(&second, NULL);
        (void)snprintf(target, sizeof(target), AUDIT "?limit=%d&after=%lld", PAGE_MAX, (long long)last);
        int status = cli_call(cli, "GET", target, NULL, &page);
        if (status != GW_EXIT_YES)
            return status;
        json_array_foreach (json_object_get(page, "events"), i, event)
            print_event(cli, event);
        last = json_integer_value(json_object_get(page, "last"));
    }
    return GW_EXIT_YES;
}

int cmd_audit_tail(struct gw_cli *cli, int argc, char **argv)
{
    gw_auto_json json_t *events = json_array();
    bool follows = gw_cli_value(cli, "--follow") != NULL;
    json_int_t last = 0;
    int64_t count;
    (void)argc, (void)argv;
    int status = read_count(cli, "-n", TAIL_DEFAULT, &count);
    if (status == GW_EXIT_YES)
        status = collect(cli, "", count, events, &last);
    if (status != GW_EXIT_YES)
        return status;
    print_heading(cli);
    for (size_t i = json_array_size(events); i > 0; i--)
        print_event(cli, json_array_get(events, i - 1));
    if (follows && !cli_is_online()) /* we hold the home directory, and would keep control from starting */
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "control is down, so nothing will come; start it with: aaiti serve");
    return follows ? follow(cli, last) : GW_EXIT_YES;
}

/* ---- search ---- */

static void add_resource(struct gw_buf *query, const char *resource)
{
    gw_auto(gw_buf) struct gw_buf type = {0};
    size_t len = strcspn(resource, "/");
    gw_buf_init(&type, 4096);
    gw_buf_add(&type, (struct gw_str){resource, len});
    add_parameter(query, "resourceType", gw_buf_str(&type).ptr != NULL ? type.ptr : "");
    if (resource[len] == '/')
        add_parameter(query, "resourceId", resource + len + 1);
}

int cmd_audit_search(struct gw_cli *cli, int argc, char **argv)
{
    static const struct {
        const char *option, *parameter;
    } filters[] = {
        {"--since", "since"},     {"--until", "until"},        {"--user", "user"},
        {"--session", "session"}, {"--request-id", "request"}, {"--action", "action"},
        {"--address", "address"}, {"--outcome", "outcome"},    {"--severity", "severity"},
    };
    gw_auto(gw_buf) struct gw_buf query = {0};
    gw_auto_json json_t *events = json_array();
    json_int_t last;
    int64_t count;
    size_t i;
    json_t *event;
    (void)argc, (void)argv;
    gw_buf_init(&query, 8 * 1024);
    gw_buf_add(&query, GW_STR(""));
    for (i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        const char *value = gw_cli_value(cli, filters[i].option);
        if (value != NULL)
            add_parameter(&query, filters[i].parameter, value);
    }
    if (gw_cli_value(cli, "--resource") != NULL)
        add_resource(&query, gw_cli_value(cli, "--resource"));
    int status = read_count(cli, "-n", SEARCH_DEFAULT, &count);
    if (status == GW_EXIT_YES && gw_buf_check(&query, NULL) != GW_OK)
        status = gw_cli_fail(cli, GW_EXIT_USAGE, "the filters are too long");
    if (status == GW_EXIT_YES)
        status = collect(cli, query.ptr != NULL ? query.ptr : "", count, events, &last);
    if (status != GW_EXIT_YES)
        return status;
    print_heading(cli);
    json_array_foreach (events, i, event)
        print_event(cli, event);
    return GW_EXIT_YES;
}

/* ---- show ---- */

static void print_member(struct gw_cli *cli, const char *name, const json_t *value)
{
    char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    fprintf(cli->out, "%-14s ", name);
    print_cell(cli, text != NULL ? text : json_is_string(value) ? json_string_value(value) : "", 0);
    fputc('\n', cli->out);
    free(text);
}

int cmd_audit_show(struct gw_cli *cli, int argc, char **argv)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    gw_auto_json json_t *event = NULL;
    const char *name;
    json_t *value;
    (void)argc;
    cli_target(&target, AUDIT "/", argv[1], "");
    int status = cli_call(cli, "GET", target.ptr, NULL, &event);
    if (status != GW_EXIT_YES)
        return status;
    if (cli->json) {
        print_event(cli, event);
        return GW_EXIT_YES;
    }
    json_object_foreach (event, name, value)
        print_member(cli, name, value);
    return GW_EXIT_YES;
}
