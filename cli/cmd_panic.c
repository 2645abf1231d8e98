/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aaiti panic`, `aaiti resume` and `aaiti mode`. All three go to the file of the mode itself, which every worker has mapped: they need
 * no control, no database and no room on the disk.
 */
#include "call.h"
#include "commands.h"
#include "config/option_value.h"
#include "control/modes.h"
#include "drill.h"
#include "home.h"
#include "make_safe.h"
#include "mode_record.h"
#include "modes.h"
#include <string.h>

#define RUN_ONCE "make it with `aaiti init` and `aaiti serve` first"

/* ---- showing ---- */

static const char *time_text(int64_t time_s, const char *none, char text[GW_TIME_LEN + 1])
{
    if (time_s == 0)
        return none;
    gw_time_format(time_s, text);
    return text;
}

static void print_entries(struct gw_cli *cli, const struct gw_mode_set *set)
{
    if (set->count == 0) {
        fputs("off: everything is let through that the policy allows\n", cli->out);
        return;
    }
    fprintf(cli->out, "%-10s %-24s %-20s %-20s %-16s %s\n", "MODE", "SCOPE", "SINCE", "UNTIL", "BY", "REASON");
    for (size_t i = 0; i < set->count; i++) {
        const struct gw_mode_entry *e = &set->entries[i];
        char scope[GW_MODE_SCOPE_TEXT], since[GW_TIME_LEN + 1], until[GW_TIME_LEN + 1];
        gw_modes_scope_text(e, scope);
        fprintf(cli->out, "%-10s %-24s %-20s %-20s %-16s %s\n", gw_mode_name(e->mode), scope,
                time_text(e->since_s, "-", since), time_text(e->until_s, "lifted", until), e->by,
                e->reason[0] != '\0' ? e->reason : "-");
    }
}

static int show(struct gw_cli *cli)
{
    struct gw_mode_set set;
    int status = cli_modes(cli, &set);
    if (status != GW_EXIT_YES)
        return status;
    (void)gw_mode_expire(&set, gw_clock_real_s(gw_system_clock()));
    if (!cli->json) {
        print_entries(cli, &set);
        return GW_EXIT_YES;
    }
    gw_auto_json json_t *all = gw_modes_json(&set);
    cli_print_json(cli, all);
    return GW_EXIT_YES;
}

int cmd_mode(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return show(cli);
}

/* ---- the scope ---- */

static int find_user(struct gw_cli *cli, const char *name, struct gw_mode_entry *out)
{
    gw_auto(gw_buf) struct gw_buf target = {0};
    gw_auto_json json_t *user = NULL;
    cli_target(&target, "/aaiti/v1/users/", name, "");
    int status = cli_call(cli, "GET", target.ptr, NULL, &user);
    if (status != GW_EXIT_YES)
        return status;
    if (gw_uuid_parse(gw_str(cli_text(user, "id")), &out->user) != GW_OK)
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "control's answer makes no sense");
    out->scope = GW_MODE_USER;
    gw_mode_text(gw_str(cli_text(user, "username")), out->name, sizeof(out->name));
    return GW_EXIT_YES;
}

/* A policy that cannot be read keeps nobody from pressing. */
static int find_group(struct gw_cli *cli, const char *name, struct gw_mode_entry *out)
{
    cli_auto_home struct cli_home h = {0};
    int status = cli_home_settings(cli, &h);
    if (status == GW_EXIT_YES)
        status = cli_home_policy(cli, NULL, &h);
    if (status != GW_EXIT_YES)
        return status;
    if (h.policy != NULL && !gw_policy_has_group(h.policy, gw_str(name)))
        return gw_cli_fail(cli, GW_EXIT_NO, "no route of the policy is of group `%s`; `aaiti policy list` shows them",
                           name);
    if (h.policy == NULL)
        fprintf(cli->err, "aaiti: the policy has faults, so whether it has group `%s` is not known\n", name);
    out->scope = GW_MODE_GROUP;
    gw_mode_text(gw_str(name), out->name, sizeof(out->name));
    return GW_EXIT_YES;
}

static int read_scope(struct gw_cli *cli, struct gw_mode_entry *out)
{
    const char *group = gw_cli_value(cli, "--group"), *user = gw_cli_value(cli, "--user");
    if (group != NULL && user != NULL)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--group or --user, not both");
    if (user != NULL)
        return find_user(cli, user, out);
    return group != NULL ? find_group(cli, group, out) : GW_EXIT_YES;
}

/* What is in force can be lifted by the name it shows: without control, and when the user was deleted or the policy lost the group. */
static bool find_to_lift(struct gw_cli *cli, struct gw_mode_entry *out)
{
    const char *group = gw_cli_value(cli, "--group"), *user = gw_cli_value(cli, "--user");
    struct gw_mode_set set;
    if ((group == NULL) == (user == NULL) || cli_modes(cli, &set) != GW_EXIT_YES)
        return false;
    return gw_mode_take_scope(&set, user != NULL ? GW_MODE_USER : GW_MODE_GROUP, gw_str(user != NULL ? user : group),
                              out);
}

static int read_until(struct gw_cli *cli, int64_t now_s, int64_t *out)
{
    const char *text = gw_cli_value(cli, "--for");
    struct gw_error err = {0};
    int64_t for_ms;
    if (text == NULL)
        return GW_EXIT_YES;
    if (gw_duration_parse(gw_str(text), &for_ms, &err) != GW_OK || for_ms < 1000 || for_ms > GW_MODE_FOR_MAX_MS)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--for: expected 1s to 365d, such as 90s, 15m or 2h");
    *out = now_s + for_ms / 1000;
    return GW_EXIT_YES;
}

/* ---- changing ---- */

enum how {
    PUT,      /* as it says; off lifts */
    RAISE,    /* weakens nothing: of two who press, the second undoes nothing of the first's */
    LIFT_ALL, /* whatever the entry */
};
struct change {
    enum how how;
    const struct gw_mode_entry *entry;
};

static enum gw_code put(void *ctx, struct gw_mode_set *set, struct gw_error *err)
{
    const struct change *c = ctx;
    if (c->how == PUT)
        return gw_mode_put(set, c->entry, err);
    if (c->how == RAISE)
        return gw_mode_raise(set, c->entry, c->entry->since_s, err);
    set->count = 0;
    return GW_OK;
}

static int change(struct gw_cli *cli, const struct change *c)
{
    gw_auto_fd int dir = -1;
    struct gw_error err = {0};
    int status = cli_become_owner(cli);
    if (status == GW_EXIT_YES)
        status = cli_mode_dir(cli, &dir);
    if (status != GW_EXIT_YES)
        return status;
    if (dir < 0)
        return gw_cli_fail(cli, GW_EXIT_NO,
                           "%s/" GW_MODE_DIR " is not there: no gateway has run from this home; " RUN_ONCE, cli->home);
    enum gw_code code = gw_mode_change(dir, put, (void *)(uintptr_t)c, &err);
    if (code != GW_OK)
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "%s", err.msg);
    if (cli_record_mode(cli, c->entry, gw_clock_real_ms(gw_system_clock()), &err) != GW_OK)
        fprintf(cli->err, "aaiti: done, but not recorded in the audit trail: %s\n", err.msg);
    return GW_EXIT_YES;
}

static void sign(struct gw_cli *cli, struct gw_mode_entry *e)
{
    const char *reason = gw_cli_value(cli, "--reason");
    gw_mode_text(GW_STR("operator"), e->by, sizeof(e->by));
    gw_mode_text(gw_str(reason != NULL ? reason : ""), e->reason, sizeof(e->reason));
}

static int press(struct gw_cli *cli)
{
    const char *name = gw_cli_value(cli, "--mode");
    int64_t now_s = gw_clock_real_s(gw_system_clock());
    struct gw_mode_entry e = {.mode = name != NULL ? gw_mode_parse(gw_str(name)) : GW_MODE_RISK_OFF, .since_s = now_s};
    if (e.mode == GW_MODE_OFF || e.mode == GW_MODE_COUNT)
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--mode: expected risk-off, read-only or stopped");
    int status = read_until(cli, now_s, &e.until_s);
    if (status == GW_EXIT_YES)
        status = read_scope(cli, &e);
    if (status != GW_EXIT_YES)
        return status;
    sign(cli, &e);
    return change(cli, &(struct change){name != NULL ? PUT : RAISE, &e});
}

int cmd_panic(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc, (void)argv;
    if (gw_cli_value(cli, "--drill") != NULL)
        return cli_drill(cli);
    int status = press(cli);
    if (gw_cli_value(cli, "--make-safe") == NULL)
        return status == GW_EXIT_YES ? show(cli) : status;
    /* Also where the button could not be pressed: what is open is to be closed all the more. */
    int safe = cli_make_safe(cli, gw_cli_value(cli, "--as"), GW_SAFE_RUN);
    return status != GW_EXIT_YES ? status : safe;
}

int cmd_resume(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    bool all = gw_cli_value(cli, "--all") != NULL;
    struct gw_mode_entry e = {.mode = GW_MODE_OFF};
    if (all && (gw_cli_value(cli, "--group") != NULL || gw_cli_value(cli, "--user") != NULL))
        return gw_cli_fail(cli, GW_EXIT_USAGE, "--all, or one scope, not both");
    int status = find_to_lift(cli, &e) ? GW_EXIT_YES : read_scope(cli, &e);
    if (status != GW_EXIT_YES)
        return status;
    sign(cli, &e);
    status = change(cli, &(struct change){all ? LIFT_ALL : PUT, &e});
    return status == GW_EXIT_YES ? show(cli) : status;
}
