/* SPDX-License-Identifier: Apache-2.0 */
#include "drill_gateway.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <gw/cleanup.h>
#include <gw/str.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 8
#define LOOK_MS 50
#define PATIENCE_MS 20000
#define PROCESSES_MAX 64

void drill_pause(int64_t ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* ---- processes ---- */

/* In a process group of its own: a terminal's Ctrl-C is for the drill, which ends what it started. */
static _Noreturn void become(const struct drill_gateway *g, const char *const *words)
{
    const char *argv[WORDS_MAX + 4] = {g->program, "--home", g->home};
    size_t n = 3;
    while (*words != NULL && n < WORDS_MAX + 3)
        argv[n++] = *words++;
    int log = open(g->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
        none = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (log >= 0 && none >= 0 && dup2(none, STDIN_FILENO) >= 0 && dup2(log, STDOUT_FILENO) >= 0 &&
        dup2(log, STDERR_FILENO) >= 0)
        (void)execv(g->program, (char *const *)(uintptr_t)argv);
    _exit(GW_EXIT_UNKNOWN);
}

static enum gw_code start(const struct drill_gateway *g, const char *const *words, pid_t *out, struct gw_error *err)
{
    pid_t pid = fork();
    if (pid < 0)
        return gw_fail(err, GW_EBACKEND, "cannot start %s: %s", words[0], strerror(errno));
    if (pid == 0)
        become(g, words);
    *out = pid;
    return GW_OK;
}

enum gw_code drill_gateway_run(const struct drill_gateway *g, const char *const *words, struct gw_error *err)
{
    pid_t pid;
    int status;
    GW_TRY(start(g, words, &pid, err));
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != GW_EXIT_YES)
        return gw_fail(err, GW_EBACKEND, "`aaiti %s` failed; see %s", words[0], g->log);
    return GW_OK;
}

/* ---- the home ---- */

/* Free a moment ago: whoever takes it meanwhile makes the drill fail, and nothing worse. */
static enum gw_code find_port(unsigned *out, struct gw_error *err)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(a);
    gw_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)(void *)&a, sizeof(a)) != 0 ||
        getsockname(fd, (struct sockaddr *)(void *)&a, &bytes) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot find a free port: %s", strerror(errno));
    *out = ntohs(a.sin_port);
    return GW_OK;
}

static enum gw_code name_files(struct drill_gateway *g, struct gw_error *err)
{
    const char *temporary = getenv("TMPDIR");
    ssize_t n = readlink("/proc/self/exe", g->program, sizeof(g->program) - 1);
    if (n <= 0 || snprintf(g->directory, sizeof(g->directory), "%s/aaiti-drill-XXXXXX",
                           temporary != NULL && temporary[0] == '/' ? temporary : "/tmp") >= (int)sizeof(g->directory))
        return gw_fail(err, GW_EBACKEND, "cannot tell where this program is, or TMPDIR is too long");
    if (mkdtemp(g->directory) == NULL)
        return gw_fail(err, GW_EBACKEND, "cannot make a directory in %s: %s", g->directory, strerror(errno));
    /* As root the two planes run as users of their own, who must get there. */
    (void)chmod(g->directory, 0711);
    (void)snprintf(g->home, sizeof(g->home), "%s/home", g->directory);
    (void)snprintf(g->log, sizeof(g->log), "%s/log", g->directory);
    (void)snprintf(g->certificate, sizeof(g->certificate), "%s/tls/cert.pem", g->home);
    return GW_OK;
}

/* All of its clients are this machine, which asks as often as no client may. */
static enum gw_code allow_itself(const struct drill_gateway *g, struct gw_error *err)
{
    char path[sizeof(g->home) + 16];
    (void)snprintf(path, sizeof(path), "%s/gateway.yaml", g->home);
    FILE *f = fopen(path, "ae");
    if (f == NULL)
        return gw_fail(err, GW_EBACKEND, "cannot write to %s: %s", path, strerror(errno));
    bool is_written = fputs("allow: [127.0.0.0/8]\n", f) >= 0;
    if (fclose(f) != 0 || !is_written)
        return gw_fail(err, GW_EBACKEND, "cannot write to %s: %s", path, strerror(errno));
    return GW_OK;
}

enum gw_code drill_gateway_init(struct drill_gateway *g, unsigned backend_port, struct gw_error *err)
{
    char port[8], upstream[40];
    unsigned listen_port;
    *g = (struct drill_gateway){0};
    GW_TRY(name_files(g, err));
    GW_TRY(find_port(&listen_port, err));
    (void)snprintf(port, sizeof(port), "%u", listen_port);
    (void)snprintf(upstream, sizeof(upstream), "http://127.0.0.1:%u", backend_port);
    (void)snprintf(g->listen, sizeof(g->listen), "127.0.0.1:%s", port);
    GW_TRY(drill_gateway_run(g, (const char *const[]){"init", "--demo", "--port", port, "--upstream", upstream, NULL},
                             err));
    return allow_itself(g, err);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)st, (void)kind, (void)place;
    return remove(path);
}

/* Asked first, so that it takes away its run directory. */
void drill_gateway_done(struct drill_gateway *g)
{
    if (g->pid > 0) {
        (void)kill(g->pid, SIGTERM);
        (void)waitpid(g->pid, NULL, 0);
    }
    if (g->directory[0] != '\0')
        (void)nftw(g->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- life ---- */

enum gw_code drill_gateway_wait(const struct drill_gateway *g, struct gw_error *err)
{
    for (int waited_ms = 0; waited_ms < PATIENCE_MS; waited_ms += LOOK_MS) {
        if (drill_gateway_run(g, (const char *const[]){"health", NULL}, NULL) == GW_OK)
            return GW_OK;
        drill_pause(LOOK_MS);
    }
    return gw_fail(err, GW_ETIMEOUT, "the drill's gateway does not serve after %d s; see %s", PATIENCE_MS / 1000,
                   g->log);
}

enum gw_code drill_gateway_start(struct drill_gateway *g, struct gw_error *err)
{
    GW_TRY(start(g, (const char *const[]){"serve", NULL}, &g->pid, err));
    return drill_gateway_wait(g, err);
}

/* Calls for each process directly below pid. */
static void each_child(pid_t pid, void (*call)(void *ctx, pid_t child), void *ctx)
{
    char path[64], list[1024];
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
    gw_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, list, sizeof(list)) : 0;
    struct gw_str rest = {list, n > 0 ? (size_t)n : 0}, word;
    int64_t child;
    while (gw_str_split(&rest, ' ', &word))
        if (gw_str_to_i64(word, &child))
            call(ctx, (pid_t)child);
}

struct tree {
    size_t count;
    pid_t pids[PROCESSES_MAX];
};

static void add_tree(void *ctx, pid_t pid)
{
    struct tree *t = ctx;
    if (t->count == PROCESSES_MAX)
        return;
    t->pids[t->count++] = pid;
    each_child(pid, add_tree, t);
}

/* The parent first, who would start the others again. */
void drill_gateway_kill(struct drill_gateway *g)
{
    struct tree t = {0};
    add_tree(&t, g->pid);
    for (size_t i = 0; i < t.count; i++)
        (void)kill(t.pids[i], SIGKILL);
    (void)waitpid(g->pid, NULL, 0);
    g->pid = 0;
}

static void kill_if_control(void *ctx, pid_t pid)
{
    char path[48], line[4096];
    (void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    gw_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, line, sizeof(line)) : 0;
    if (n > 0 && memmem(line, (size_t)n, "control", sizeof("control")) != NULL && kill(pid, SIGKILL) == 0)
        *(bool *)ctx = true;
}

enum gw_code drill_gateway_kill_control(const struct drill_gateway *g, struct gw_error *err)
{
    bool is_killed = false;
    each_child(g->pid, kill_if_control, &is_killed);
    return is_killed ? GW_OK : gw_fail(err, GW_ENOTFOUND, "the drill's control is not there");
}
