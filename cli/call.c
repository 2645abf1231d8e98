/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"
#include "home.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct gw_operator *connection; /* one a process, as its streams are */
static enum gw_app_mode opened_as;     /* of one that is not online */

static void disconnect(void)
{
    gw_operator_free(gw_take(&connection));
}

int cli_become_owner(struct gw_cli *cli)
{
    struct stat st;
    if (geteuid() != 0 || stat(cli->home, &st) != 0 || st.st_uid == 0)
        return GW_EXIT_YES;
    const struct passwd *owner = getpwuid(st.st_uid);
    gid_t group = owner != NULL ? owner->pw_gid : st.st_gid;
    int groups = owner != NULL ? initgroups(owner->pw_name, group) : setgroups(0, NULL);
    if (groups != 0 || setresgid(group, group, group) != 0 || setresuid(st.st_uid, st.st_uid, st.st_uid) != 0)
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "cannot become the owner of %s: %s", cli->home, strerror(errno));
    return GW_EXIT_YES;
}

int cli_connect(struct gw_cli *cli, enum gw_app_mode when_down)
{
    struct gw_error err = {0};
    gw_auto(gw_faults) struct gw_faults *f = NULL;
    if (connection != NULL && (gw_operator_is_online(connection) || opened_as == when_down))
        return GW_EXIT_YES;
    disconnect();
    int status = cli_become_owner(cli);
    if (status != GW_EXIT_YES)
        return status;
    if (gw_faults_new(&f, &err) != GW_OK)
        return gw_cli_fail_error(cli, &err);
    unsigned waited_ms = 0;
    enum gw_code code;
    do
        code = gw_operator_open(cli->home, cli_getenv, when_down, f, &connection, &err);
    while (code == GW_ECONFLICT && cli_home_wait(&waited_ms));
    if (code == GW_ECONFLICT) /* nobody has refused anything */
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "%s", err.msg);
    if (code == GW_OK) {
        opened_as = when_down;
        atexit(disconnect);
        return GW_EXIT_YES;
    }
    return gw_faults_count(f) > 0 ? cli_fail_faults(cli, f) : gw_cli_fail_error(cli, &err);
}

int cli_try(struct gw_cli *cli, const char *method, const char *target, json_t *body, unsigned *out_status,
            json_t **out)
{
    gw_auto_json json_t *owned = body;
    struct gw_answer answer = {0};
    struct gw_error err = {0};
    int status = connection == NULL ? cli_connect(cli, GW_APP_OFFLINE) : GW_EXIT_YES;
    if (status != GW_EXIT_YES)
        return status;
    if (gw_operator_call(connection, method, target, owned, &answer, &err) != GW_OK)
        return gw_cli_fail_error(cli, &err);
    *out_status = answer.status;
    *out = answer.body;
    return GW_EXIT_YES;
}

int cli_call(struct gw_cli *cli, const char *method, const char *target, json_t *body, json_t **out)
{
    struct gw_answer answer = {0};
    int status = cli_try(cli, method, target, body, &answer.status, &answer.body);
    if (status != GW_EXIT_YES)
        return status;
    if (answer.status >= 300) {
        status = gw_cli_fail(cli, answer.status < 500 ? GW_EXIT_NO : GW_EXIT_UNKNOWN, "%s", gw_answer_text(&answer));
        gw_answer_done(&answer);
        return status;
    }
    if (out != NULL)
        *out = answer.body;
    else
        gw_answer_done(&answer);
    return GW_EXIT_YES;
}

void cli_target(struct gw_buf *b, const char *before, const char *name, const char *after)
{
    gw_buf_init(b, 4096);
    gw_buf_add(b, gw_str(before));
    gw_buf_add_percent(b, gw_str(name));
    gw_buf_add(b, gw_str(after));
}

bool cli_is_online(void)
{
    return connection != NULL && gw_operator_is_online(connection);
}

void cli_print_json(struct gw_cli *cli, const json_t *value)
{
    json_dumpf(value, cli->out, JSON_INDENT(2));
    fputc('\n', cli->out);
}

static json_t *faults_json(const struct gw_faults *f)
{
    json_t *list = json_array();
    size_t shown = gw_faults_count(f) < GW_FAULTS_MAX ? gw_faults_count(f) : GW_FAULTS_MAX;
    for (size_t i = 0; i < shown; i++) {
        const struct gw_fault *fault = gw_faults_get(f, i);
        json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "file", fault->file, "line", (json_int_t)fault->line,
                                              "message", fault->message));
    }
    return list;
}

static void write_faults(struct gw_cli *cli, const struct gw_faults *f)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    gw_buf_init(&text, 256 * 1024);
    gw_faults_print(f, &text);
    fputs(text.ptr != NULL ? text.ptr : "", cli->err);
}

int cli_fail_faults(struct gw_cli *cli, const struct gw_faults *f)
{
    write_faults(cli, f);
    return GW_EXIT_UNKNOWN;
}

int cli_print_faults(struct gw_cli *cli, const struct gw_faults *f)
{
    int status = gw_faults_count(f) == 0 ? GW_EXIT_YES : GW_EXIT_NO;
    if (cli->json) {
        gw_auto_json json_t *all = json_pack("{s:b, s:o}", "ok", status == GW_EXIT_YES, "faults", faults_json(f));
        cli_print_json(cli, all);
        return status;
    }
    write_faults(cli, f);
    return status;
}

const char *cli_text(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL && text[0] != '\0' ? text : "-";
}
