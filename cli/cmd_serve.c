/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `aaiti serve`: checks everything that can be checked before anything starts, then runs control and nginx, says when both
 * serve, restarts what dies, and passes signals on. A child that ends before the gateway was ever ready ends the start: its own
 * message says why, and trying again would only repeat it.
 */
#include "accounts.h"
#include "base/clock.h"
#include "base/file.h"
#include "commands.h"
#include "config/shipped.h"
#include "control/client.h"
#include "control/home_dir.h"
#include "control/keys.h"
#include "control/run_dir.h"
#include "doorbell.h"
#include "home.h"
#include "nginx_conf.h"
#include "pairs.h"
#include "probe.h"
#include "self_test.h"
#include "serve_config.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_VARIABLES 2
#define NGINX "/usr/sbin/nginx"
#define CONF_MAX_BYTES (64 * 1024)
#define START_TIMEOUT_MS 30000
#define LOOK_MS 20 /* while it starts */
#define PAIRS_LOOK_MS 60000
#define NGINX_START_MS 500
#define NGINX_GRACE_MS 8500 /* worker_shutdown_timeout is 8 s */
#define CONTROL_GRACE_MS 1000

enum { CONTROL, NGINX_MASTER, CHILD_COUNT };

struct serve {
    struct gw_cli *cli;
    char home[PATH_MAX], program[PATH_MAX], conf[PATH_MAX + 16];
    char run_dir[GW_RUN_PATH_MAX + 1], nginx_dir[GW_RUN_PATH_MAX + 8];
    struct gw_serve_config config;
    struct gw_accounts accounts;
    uint8_t shown[sizeof(((struct gw_pairs *)NULL)->digest)]; /* of those that nginx has */
    char pairs_fault[sizeof(((struct gw_error *)NULL)->msg)]; /* the last one told; "": none */
    int64_t look_ms;                                          /* when they are looked at next */
    const char *control_argv[5], *nginx_argv[8];
    struct gw_child children[CHILD_COUNT];
    int lock_fd; /* on nginx_dir, or -1 */
    int64_t began_ms;
    bool control_came_up, ready;
    struct gw_doorbell doorbell;
    bool has_new_keys; /* control said so, and nginx has not been told yet */
};

/* ---- what can be checked before anything starts ---- */

/* Which they will be; they are made once all that can be checked has been. */
static enum gw_code name_directories(struct serve *s, struct gw_error *err)
{
    GW_TRY(gw_run_dir_name(&s->config.settings, s->home, s->run_dir, err));
    /* nginx's master may be root: what it reads and writes must not stand where control's user could replace it. */
    (void)snprintf(s->nginx_dir, sizeof(s->nginx_dir), "%s" GW_RUN_NGINX_SUFFIX, s->run_dir);
    (void)snprintf(s->conf, sizeof(s->conf), "%s/nginx.conf", s->nginx_dir);
    return GW_OK;
}

/* A key of the environment will lie in the run directory. */
static struct gw_token_files token_files(const struct serve *s, struct gw_serve_config *by)
{
    const struct gw_keys_source source = gw_serve_config_keys(by, s->home);
    struct gw_token_files files = gw_keys_token_files(&by->arena, &source);
    const char *stashed = gw_keys_stash_file(&by->arena, s->run_dir);
    if (stashed != NULL)
        files.path = stashed;
    return files;
}

static enum gw_code print_conf(const struct serve *s, struct gw_serve_config *by, struct gw_buf *out,
                               struct gw_error *err)
{
    const struct gw_keys_source source = gw_serve_config_keys(by, s->home);
    const char *module = NULL;
    char pairs[GW_PAIRS_MAX][GW_RUN_DIR_FILE_MAX];
    for (size_t i = 0; i < GW_PAIRS_MAX; i++)
        gw_pairs_file(s->nginx_dir, i, pairs[i], sizeof(pairs[i]));
    char ca[GW_RUN_DIR_FILE_MAX], crl[GW_RUN_DIR_FILE_MAX], own[GW_RUN_DIR_FILE_MAX];
    (void)snprintf(ca, sizeof(ca), "%s/" GW_RUN_CLIENT_CA, s->nginx_dir);
    (void)snprintf(crl, sizeof(crl), "%s/" GW_RUN_CLIENT_CRL, s->nginx_dir);
    (void)snprintf(own, sizeof(own), "%s/" GW_RUN_OWN, s->nginx_dir);
    GW_TRY(gw_shipped_file(GW_SHIPPED_MODULE, "ngx_http_gw_module.so", &by->arena, &module, err));
    const struct gw_nginx_conf c = {
        .settings = &by->settings,
        .upstream = gw_policy_upstream(by->policy),
        .journal_dir = gw_settings_path(&by->arena, s->home, gw_str(gw_journal_dir.name)),
        .mode_dir = gw_settings_path(&by->arena, s->home, gw_str(gw_mode_dir.name)),
        .run_dir = s->run_dir,
        .nginx_dir = s->nginx_dir,
        .module = module,
        .token_files = token_files(s, by),
        .upstream_key = gw_keys_upstream_file(&by->arena, &source),
        .request_id_key = gw_settings_path(&by->arena, s->home, by->settings.request_id_key_file),
        .pairs = {pairs[0], by->pairs.count > 1 ? pairs[1] : NULL},
        .client_ca = by->pairs.authorities.len > 0 ? ca : NULL,
        .client_crl = by->pairs.revoked.len > 0 ? crl : NULL,
        .own = own,
        .trust_id = by->pairs.trust_id,
        .acme_dir =
            by->settings.tls_acme_dir.len > 0 ? gw_settings_path(&by->arena, s->home, by->settings.tls_acme_dir) : NULL,
        .staples = by->settings.tls_stapling && by->pairs.names_responder,
        .user = s->accounts.user[0] != '\0' ? s->accounts.user : NULL,
        .group = s->accounts.group_name,
    };
    if (c.token_files.path == NULL || c.request_id_key == NULL || c.journal_dir == NULL || c.mode_dir == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for nginx.conf");
    return gw_nginx_conf_print(&c, out, err);
}

/* What was read takes effect when nginx reads it. */
static enum gw_code show_pairs(struct serve *s, struct gw_error *err)
{
    GW_TRY(gw_pairs_write(&s->config.pairs, &s->config.settings, s->nginx_dir, err));
    memcpy(s->shown, s->config.pairs.digest, sizeof(s->shown));
    return GW_OK;
}

/* Beside, then renamed: nginx never reads half a file. */
static enum gw_code put_conf(const struct serve *s, struct gw_str text, struct gw_error *err)
{
    char next[sizeof(s->conf) + 8];
    (void)snprintf(next, sizeof(next), "%s.next", s->conf);
    (void)unlink(next);
    GW_TRY(gw_file_create(next, 0600, text, err));
    if (rename(next, s->conf) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot write %s: %s", s->conf, strerror(errno));
    return GW_OK;
}

static enum gw_code write_conf(struct serve *s, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    gw_buf_init(&text, CONF_MAX_BYTES);
    GW_TRY(print_conf(s, &s->config, &text, err));
    return put_conf(s, gw_buf_str(&text), err);
}

static enum gw_code load(struct serve *s, struct gw_error *err)
{
    return gw_serve_config_load(s->home, s->cli->err, &s->config, err);
}

static enum gw_code find_ourselves(struct serve *s, struct gw_error *err)
{
    ssize_t n = readlink("/proc/self/exe", s->program, sizeof(s->program) - 1);
    if (n <= 0)
        return gw_fail(err, GW_EBACKEND, "cannot tell where this program is: %s", strerror(errno));
    s->program[n] = '\0';
    if (realpath(s->cli->home, s->home) == NULL)
        return gw_fail(err, GW_ENOTFOUND, "home directory %s: %s; make one with: aaiti init --home %s", s->cli->home,
                       strerror(errno), s->cli->home);
    if (access(NGINX, X_OK) != 0)
        return gw_fail(err, GW_ENOTFOUND, NGINX " is not there; mend it with: apt-get install nginx");
    return GW_OK;
}

/* Makes nothing. out: the nginx.conf as it will be. */
static enum gw_code prepare(struct serve *s, struct gw_buf *out, struct gw_error *err)
{
    GW_TRY(gw_harden_process(err));
    GW_TRY(find_ourselves(s, err));
    GW_TRY(load(s, err));
    GW_TRY(name_directories(s, err));
    GW_TRY(gw_accounts_choose(&s->config.settings, s->home, s->cli->err, &s->accounts, err));
    return print_conf(s, &s->config, out, err);
}

/* ---- the directories ---- */

/* Two at once would take each other's files away. The lock ends with this process, however that ends. */
static enum gw_code take_lock(struct serve *s, struct gw_error *err)
{
    s->lock_fd = open(s->nginx_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->lock_fd >= 0 && flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return GW_OK;
    if (errno == EWOULDBLOCK)
        return gw_fail(err, GW_ECONFLICT, "another `aaiti serve` runs for the home directory %s", s->home);
    return gw_fail(err, GW_EBACKEND, "cannot lock %s: %s", s->nginx_dir, strerror(errno));
}

static enum gw_code make_directories(struct serve *s, struct gw_error *err)
{
    GW_TRY(gw_run_dir_make(s->run_dir, s->accounts.owner, s->accounts.group, err));
    GW_TRY(gw_run_dir_make(s->nginx_dir, geteuid(), s->accounts.group, err));
    return take_lock(s, err);
}

/* Whoever refused us the lock has files there, and keeps them. */
static void remove_if_empty(const struct serve *s)
{
    (void)rmdir(s->nginx_dir);
    (void)rmdir(s->run_dir);
}

/* Loaded again: a key of the environment lies in a file now. */
static enum gw_code fill_directories(struct serve *s, struct gw_error *err)
{
    GW_TRY(gw_keys_stash_environment(s->run_dir, s->accounts.owner, err));
    GW_TRY(load(s, err));
    GW_TRY(show_pairs(s, err));
    return write_conf(s, err);
}

/* For `aaiti cert reload`. */
static enum gw_code write_pid(const struct serve *s, struct gw_error *err)
{
    char path[GW_RUN_DIR_FILE_MAX], text[24];
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_SERVE_PID, s->nginx_dir);
    (void)snprintf(text, sizeof(text), "%jd\n", (intmax_t)getpid());
    return gw_file_replace(path, 0644, gw_str(text), err);
}

/* ---- running ---- */

/* Adds NAME=VALUE of what test builds are told by the environment. */
static void keep_test_variables(const char **end)
{
#ifdef GW_TEST_HOOKS
    static const char *const names[TEST_VARIABLES] = {"AAITI_TEST_CLOCK_OFFSET_S", "AAITI_TEST_DISK_HANGS"};
    static char texts[TEST_VARIABLES][160];
    for (size_t i = 0; i < TEST_VARIABLES; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && snprintf(texts[i], sizeof(texts[i]), "%s=%s", names[i], value) < (int)sizeof(texts[i]))
            *end++ = texts[i];
    }
#endif
    *end = NULL;
}

static void set_up_children(struct serve *s)
{
    /* nginx under glibc gives memory back at each request unless told otherwise (measured: 0.5 page faults a request). */
    static const char *nginx_environment[3 + TEST_VARIABLES + 1] = {
        "MALLOC_TOP_PAD_=16777216", "MALLOC_TRIM_THRESHOLD_=268435456", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    keep_test_variables(&nginx_environment[3]);

    const char *const control_argv[] = {s->program, "control", "--home", s->home, NULL};
    memcpy(s->control_argv, control_argv, sizeof(control_argv));
    const char *const nginx_argv[] = {NGINX, "-c", s->conf, "-p", s->nginx_dir, "-e", "stderr", NULL};
    memcpy(s->nginx_argv, nginx_argv, sizeof(nginx_argv));
    s->accounts.control.keeps_net_admin = s->config.settings.block_kernel == GW_KERNEL_DROP_NFTABLES;
    s->children[CONTROL] = (struct gw_child){
        .name = "control",
        .argv = s->control_argv,
        .environment = (const char *const *)environ,
        .run_as = s->accounts.control,
        .stop_signal = SIGTERM,
        .inherits = s->doorbell.button,
    };
    s->children[NGINX_MASTER] = (struct gw_child){
        .name = "nginx",
        .argv = s->nginx_argv,
        .environment = nginx_environment,
        .run_as = {.uid = (uid_t)-1},
        .stop_signal = SIGQUIT,
    };
}

static int64_t now_ms(void)
{
    return gw_clock_mono_ms(gw_system_clock());
}

/* By its own word: the segment of a predecessor may stand there, ready, before control listens. */
static bool control_serves(const struct serve *s)
{
    gw_auto(gw_answer) struct gw_answer answer = {0};
    return gw_client_ask(s->run_dir, "/aaiti/v1/status", &answer, NULL) == GW_OK && answer.status == 200;
}

static void self_test(struct serve *s)
{
    struct gw_error err = {0};
    const struct gw_keys_source source = gw_serve_config_keys(&s->config, s->home);
    const struct gw_self_test test = {
        .run_dir = s->run_dir,
        .path = s->config.settings.self_test_path,
        .upstream = gw_policy_upstream(s->config.policy),
        .key_file = gw_keys_upstream_file(&s->config.arena, &source),
    };
    if (test.path.len == 0)
        return;
    if (gw_self_test_run(&test, &err) == GW_OK)
        (void)fprintf(s->cli->out, "self-test: the backend accepts our credential\n");
    else
        (void)fprintf(s->cli->err, "aaiti: WARN self-test: %s\n", err.msg);
}

/* Says so once. */
static void look_whether_ready(struct serve *s)
{
    if (!gw_probe_gateway(&s->config.settings, s->home))
        return;
    s->ready = true;
    s->look_ms = now_ms() + PAIRS_LOOK_MS;
    self_test(s);
    (void)fprintf(s->cli->out, "ready: https://%.*s\n", GW_STR_ARG(s->config.settings.listen));
    (void)fflush(s->cli->out);
}

static enum gw_code publish(struct serve *s, struct gw_error *err)
{
    gw_auto(gw_answer) struct gw_answer answer = {0};
    GW_TRY(gw_client_call(s->run_dir, "POST", "/aaiti/v1/policy/reload", GW_STR_NULL, &answer, err));
    return answer.status == 200 ? GW_OK : gw_fail(err, GW_EINVAL, "%s", gw_answer_text(&answer));
}

static void have_nginx_reload(const struct serve *s)
{
    (void)kill(s->children[NGINX_MASTER].pid, SIGHUP);
}

/* Checked here first, where all faults can be shown; control checks again and publishes. Only then it is what we go by, too. */
static enum gw_code renew(struct serve *s, struct gw_error *err)
{
    gw_auto(gw_serve_config) struct gw_serve_config next = {.policy = NULL};
    gw_auto(gw_buf) struct gw_buf conf = {0};
    gw_buf_init(&conf, CONF_MAX_BYTES);
    GW_TRY(gw_serve_config_load(s->home, s->cli->err, &next, err));
    if (next.settings.token_algorithm != s->config.settings.token_algorithm)
        return gw_fail(err, GW_EINVAL, "token.algorithm was changed, which takes a restart");
    GW_TRY(print_conf(s, &next, &conf, err));
    GW_TRY(publish(s, err));
    gw_serve_config_done(&s->config);
    s->config = next;
    next = (struct gw_serve_config){.policy = NULL};
    GW_TRY(put_conf(s, gw_buf_str(&conf), err));
    return show_pairs(s, err);
}

/* nginx takes new keys, certificate and listener. */
static void reload(struct serve *s)
{
    struct gw_error err = {0};
    if (renew(s, &err) != GW_OK)
        (void)fprintf(s->cli->err, "aaiti: WARN reload: %s; keeping what is in use\n", err.msg);
    else if (s->children[NGINX_MASTER].pid != 0)
        have_nginx_reload(s);
}

static enum gw_code take_up_pairs(struct serve *s, struct gw_error *err)
{
    GW_TRY(gw_serve_config_read_pairs(&s->config, s->home, err));
    s->pairs_fault[0] = '\0';
    if (memcmp(s->shown, s->config.pairs.digest, sizeof(s->shown)) == 0)
        return GW_OK;
    GW_TRY(write_conf(s, err));
    GW_TRY(show_pairs(s, err));
    s->has_new_keys = true;
    (void)fprintf(s->cli->out, "certificate: %s and its key have changed and are taken up\n",
                  s->config.settings.tls_certificate.ptr);
    (void)fflush(s->cli->out);
    return GW_OK;
}

/* The same fault is told once, unless somebody asks. */
static void look_at_pairs(struct serve *s, bool was_asked)
{
    struct gw_error err = {0};
    s->look_ms = now_ms() + PAIRS_LOOK_MS;
    if (take_up_pairs(s, &err) == GW_OK || (!was_asked && strcmp(err.msg, s->pairs_fault) == 0))
        return;
    (void)snprintf(s->pairs_fault, sizeof(s->pairs_fault), "%s", err.msg);
    (void)fprintf(s->cli->err, "aaiti: WARN certificate: %s; keeping what is in use\n", err.msg);
}

/* Not while it starts: then it reads what is there, and before it listens for signals they end it. */
static void pass_on_new_keys(struct serve *s)
{
    const struct gw_child *nginx = &s->children[NGINX_MASTER];
    s->has_new_keys = gw_doorbell_was_rung(&s->doorbell) || s->has_new_keys;
    if (!s->has_new_keys || !s->ready || nginx->pid == 0 || now_ms() - nginx->started_ms < NGINX_START_MS)
        return;
    s->has_new_keys = false;
    have_nginx_reload(s);
}

static void say_how_it_ended(struct serve *s, const struct gw_child *c, int status)
{
    if (WIFSIGNALED(status))
        (void)fprintf(s->cli->err, "aaiti: %s was killed by signal %d\n", c->name, WTERMSIG(status));
    else
        (void)fprintf(s->cli->err, "aaiti: %s ended with status %d\n", c->name, WEXITSTATUS(status));
}

/* The door opens when there is a policy to judge by: no early client is told to come again. */
static bool may_start(const struct serve *s, size_t child)
{
    return child != NGINX_MASTER || s->control_came_up;
}

/* Starts what is due and notes what has ended. A failure ends the service. */
static enum gw_code look_after(struct serve *s, struct gw_child *c, struct gw_error *err)
{
    int status;
    if (gw_child_has_ended(c, now_ms(), &status)) {
        say_how_it_ended(s, c, status);
        if (!s->ready)
            return gw_fail(err, GW_EBACKEND, "%s did not start", c->name);
        (void)fprintf(s->cli->err, "aaiti: WARN starting %s again in %jd ms\n", c->name, (intmax_t)c->pause_ms);
    }
    if (c->pid != 0 || now_ms() < c->restart_at_ms)
        return GW_OK;
    return gw_child_start(c, now_ms(), err);
}

/* The next signal, or 0 when something is to be done before one comes. */
static int wait_for_signal(const struct serve *s, const sigset_t *signals)
{
    int64_t wait_ms = s->ready ? 60000 : LOOK_MS;
    siginfo_t info;
    if (s->has_new_keys && wait_ms > NGINX_START_MS)
        wait_ms = NGINX_START_MS;
    if (s->ready && s->look_ms - now_ms() < wait_ms)
        wait_ms = s->look_ms > now_ms() ? s->look_ms - now_ms() : 0;
    for (size_t i = 0; i < CHILD_COUNT; i++) {
        int64_t due_ms = s->children[i].restart_at_ms - now_ms();
        if (s->children[i].pid == 0 && may_start(s, i) && due_ms < wait_ms)
            wait_ms = due_ms > 0 ? due_ms : 0;
    }
    const struct timespec timeout = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    int signal = sigtimedwait(signals, &info, &timeout);
    return signal > 0 ? signal : 0;
}

static enum gw_code fail_late(const struct serve *s, struct gw_error *err)
{
    if (!s->control_came_up)
        return gw_fail(err, GW_ETIMEOUT, "control is not ready after %d s", START_TIMEOUT_MS / 1000);
    return gw_fail(err, GW_ETIMEOUT, "the nginx workers do not serve after %d s; can %s reach %s?",
                   START_TIMEOUT_MS / 1000, s->accounts.user[0] != '\0' ? s->accounts.user : "their user", s->run_dir);
}

static enum gw_code supervise(struct serve *s, const sigset_t *signals, struct gw_error *err)
{
    for (;;) {
        for (size_t i = 0; i < CHILD_COUNT; i++)
            if (may_start(s, i))
                GW_TRY(look_after(s, &s->children[i], err));
        if (!s->control_came_up)
            s->control_came_up = control_serves(s);
        else if (!s->ready)
            look_whether_ready(s);
        if (s->ready && now_ms() >= s->look_ms)
            look_at_pairs(s, false);
        pass_on_new_keys(s);
        if (!s->ready && now_ms() - s->began_ms > START_TIMEOUT_MS)
            return fail_late(s, err);
        int signal = wait_for_signal(s, signals);
        if (signal == SIGTERM || signal == SIGINT)
            return GW_OK;
        if (signal == SIGHUP && s->ready)
            reload(s);
        if (signal == SIGUSR1 && s->ready)
            look_at_pairs(s, true);
    }
}

/* Whatever is made from here on is removed again, also when a signal comes early. */
static enum gw_code block_signals(sigset_t *out, struct gw_error *err)
{
    (void)sigemptyset(out);
    for (const int *signal = (const int[]){SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD, SIGIO, 0}; *signal != 0; signal++)
        (void)sigaddset(out, *signal);
    if (sigprocmask(SIG_BLOCK, out, NULL) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot block signals: %s", strerror(errno));
    return GW_OK;
}

static enum gw_code run(struct serve *s, const sigset_t *signals, struct gw_error *err)
{
    GW_TRY(fill_directories(s, err));
    GW_TRY(write_pid(s, err));
    GW_TRY(gw_doorbell_open(&s->doorbell, err));
    if (setenv(GW_DOORBELL_ENV, "1", 1) != 0)
        return gw_fail(err, GW_ENOMEM, "no memory for control's environment");
    s->began_ms = now_ms();
    set_up_children(s);
    return supervise(s, signals, err);
}

static enum gw_code serve(struct serve *s, struct gw_error *err)
{
    sigset_t signals;
    gw_auto(gw_buf) struct gw_buf conf = {0};
    gw_buf_init(&conf, CONF_MAX_BYTES);
    GW_TRY(prepare(s, &conf, err));
    if (gw_cli_value(s->cli, "--print-config") != NULL) {
        (void)fputs(conf.ptr, s->cli->out);
        return GW_OK;
    }
    GW_TRY(block_signals(&signals, err));
    enum gw_code code = make_directories(s, err);
    if (code != GW_OK) {
        remove_if_empty(s);
        return code;
    }
    code = run(s, &signals, err);
    /* The door first: what is under way may still need control. */
    gw_child_stop(&s->children[NGINX_MASTER], NGINX_GRACE_MS);
    gw_child_stop(&s->children[CONTROL], CONTROL_GRACE_MS);
    gw_run_dir_remove(s->nginx_dir);
    gw_run_dir_remove(s->run_dir);
    return code;
}

int cmd_serve(struct gw_cli *cli, int argc, char **argv)
{
    static struct serve s; /* large, and once a process */
    struct gw_error err = {0};
    (void)argc;
    (void)argv;
    s = (struct serve){.cli = cli, .lock_fd = -1};
    enum gw_code code = serve(&s, &err);
    if (s.lock_fd >= 0)
        (void)close(s.lock_fd);
    gw_serve_config_done(&s.config);
    return code == GW_OK ? GW_EXIT_YES : gw_cli_fail_error(cli, &err);
}
