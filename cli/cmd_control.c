/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti control`: the control plane in the foreground, as whoever starts it. `aaiti serve` starts it as the right user. */
#include "call.h"
#include "commands.h"
#include "control/app.h"
#include "control/dispatch.h"
#include "control/keys.h"
#include "control/log.h"
#include "control/server.h"
#include "doorbell.h"
#include "home.h"
#include "supervisor.h"
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

/* `aaiti serve` leaves a pipe there; where control was started alone there is none. */
static int doorbell(void)
{
    struct stat st;
    bool is_pipe = fstat(GW_CHILD_FD, &st) == 0 && S_ISFIFO(st.st_mode);
    if (getenv(GW_DOORBELL_ENV) == NULL || !is_pipe)
        return 0;
    (void)fcntl(GW_CHILD_FD, F_SETFD, FD_CLOEXEC);
    return GW_CHILD_FD;
}

static enum gw_code open_app(struct gw_cli *cli, struct gw_app **out, struct gw_error *err)
{
    gw_auto(gw_faults) struct gw_faults *faults = NULL;
    gw_auto(gw_buf) struct gw_buf text = {0};
    const struct gw_app_options options = {
        .home = cli->home,
        .mode = GW_APP_CONTROL,
        .getenv_fn = cli_getenv,
        .clock = gw_system_clock(),
        .random = gw_system_random(),
        .doorbell = doorbell(),
    };
    GW_TRY(gw_faults_new(&faults, err));
    unsigned waited_ms = 0;
    enum gw_code code;
    do
        code = gw_app_open(&options, faults, out, err);
    while (code == GW_ECONFLICT && cli_home_wait(&waited_ms));
    if (gw_faults_count(faults) > 0) {
        gw_buf_init(&text, 256 * 1024);
        gw_faults_print(faults, &text);
        fputs(gw_buf_str(&text).ptr, cli->err);
    }
    return code;
}

/* The same call that an operator makes, so that it is judged and logged in one place. */
static void reload(struct gw_app *app)
{
    const struct gw_call call = {
        .kind = GW_CALLER_OPERATOR, .method = GW_STR("POST"), .path = GW_STR("/aaiti/v1/policy/reload")};
    struct gw_reply reply;
    gw_dispatch(app, &call, &reply);
    gw_reply_done(&reply);
}

static void serve_until_told(struct gw_app *app, const sigset_t *signals)
{
    int got = 0;
    while (sigwait(signals, &got) == 0 && got == SIGHUP)
        reload(app);
    gw_log(GW_LOG_INFO, "stop", {"signal", got == SIGINT ? GW_STR("INT") : GW_STR("TERM")});
}

int cmd_control(struct gw_cli *cli, int argc, char **argv)
{
    struct gw_error err = {0};
    struct gw_app *app = NULL;
    struct gw_server *server = NULL;
    sigset_t signals;
    (void)argc, (void)argv;
    int status = cli_become_owner(cli);
    if (status != GW_EXIT_YES)
        return status;
    if (gw_harden_process(&err) != GW_OK)
        return gw_cli_fail_error(cli, &err);
    /* Blocked before any thread is made, so that all of them inherit it and sigwait gets every one. */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    /* Else each thread has a heap of its own, which keeps the block (19 MiB) of the last hash made there: every reload makes
     * one in another thread. (To map each block anew would cost four hashes' time.) */
    (void)mallopt(M_ARENA_MAX, 1);
    enum gw_code code = open_app(cli, &app, &err);
    gw_keys_scrub_environment();
    if (code == GW_OK)
        code = gw_server_start(app, &server, &err);
    if (code == GW_OK) {
        gw_log(GW_LOG_INFO, "start", {"run_dir", gw_str(gw_app_run_dir(app))});
        serve_until_told(app, &signals);
    }
    gw_server_stop(server);
    gw_app_close(app);
    return code == GW_OK ? GW_EXIT_YES : gw_cli_fail_error(cli, &err);
}
