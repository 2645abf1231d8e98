/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor.h"
#include "base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 10000
#define LONG_LIFE_MS 10000

/* With a thread of its own only, before execve: capset is the calling thread's. */
static bool set_capabilities(uint32_t bits)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct data[2] = {{.effective = bits, .permitted = bits, .inheritable = bits}};
    return syscall(SYS_capset, &header, data) == 0;
}

/* Who was started without it, as in many containers, cannot give it. The gateway holds all blocks without the kernel, so it goes on, with no
 * capability at all; control's log tells what nft then says. */
static enum gw_code keep_net_admin(struct gw_error *err)
{
    if (set_capabilities(UINT32_C(1) << CAP_NET_ADMIN) &&
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) == 0)
        return GW_OK;
    if (!set_capabilities(0))
        return gw_fail(err, GW_EBACKEND, "cannot give up capabilities: %s", strerror(errno));
    return GW_OK;
}

enum gw_code gw_run_as_assume(const struct gw_run_as *as, struct gw_error *err)
{
    if (as->uid == (uid_t)-1)
        return GW_OK;
    if (as->keeps_net_admin && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot keep capabilities: %s", strerror(errno));
    /* User last: after it the others are no longer allowed. */
    if (setgroups(as->group_count, as->groups) != 0 || setresgid(as->gid, as->gid, as->gid) != 0 ||
        setresuid(as->uid, as->uid, as->uid) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot become user %u: %s", as->uid, strerror(errno));
    return as->keeps_net_admin ? keep_net_admin(err) : GW_OK;
}

bool gw_run_as_may(const struct gw_run_as *as, const char *path, int mode)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(gw_run_as_assume(as, NULL) == GW_OK && access(path, mode) == 0 ? 0 : 1);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static _Noreturn void run_child(const struct gw_child *c, pid_t parent)
{
    struct gw_error err = {0};
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    /* A group of its own: Ctrl-C is for the parent, which stops its children in order. */
    (void)setpgid(0, 0);
    if (gw_run_as_assume(&c->run_as, &err) != GW_OK) {
        (void)fprintf(stderr, "aaiti: %s: %s\n", c->name, err.msg);
        _exit(127);
    }
    /* dup2 clears close-on-exec, unless the two are the same. */
    if (c->inherits != 0 && (dup2(c->inherits, GW_CHILD_FD) < 0 || fcntl(GW_CHILD_FD, F_SETFD, 0) != 0))
        _exit(127);
    /* After the change of user, which clears it. The parent may have died before. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
        _exit(127);
    /* execve changes neither; its prototype is older than const. */
    (void)execve(c->argv[0], (char *const *)(uintptr_t)c->argv, (char *const *)(uintptr_t)c->environment);
    (void)fprintf(stderr, "aaiti: cannot run %s: %s\n", c->argv[0], strerror(errno));
    _exit(127);
}

enum gw_code gw_child_start(struct gw_child *c, int64_t now_ms, struct gw_error *err)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return gw_fail(err, GW_EBACKEND, "cannot start %s: %s", c->name, strerror(errno));
    if (pid == 0)
        run_child(c, parent);
    c->pid = pid;
    c->started_ms = now_ms;
    return GW_OK;
}

static int64_t next_pause(const struct gw_child *c, int64_t now_ms)
{
    if (now_ms - c->started_ms >= LONG_LIFE_MS || c->pause_ms == 0)
        return PAUSE_FIRST_MS;
    return c->pause_ms * 2 < PAUSE_MAX_MS ? c->pause_ms * 2 : PAUSE_MAX_MS;
}

bool gw_child_has_ended(struct gw_child *c, int64_t now_ms, int *out_status)
{
    if (c->pid == 0 || waitpid(c->pid, out_status, WNOHANG) != c->pid)
        return false;
    c->pid = 0;
    c->pause_ms = next_pause(c, now_ms);
    c->restart_at_ms = now_ms + c->pause_ms;
    return true;
}

void gw_child_stop(struct gw_child *c, int64_t grace_ms)
{
    const struct timespec step = {.tv_nsec = 10000000};
    int64_t end_ms = gw_clock_mono_ms(gw_system_clock()) + grace_ms;
    int status;
    if (c->pid == 0)
        return;
    (void)kill(c->pid, c->stop_signal);
    while (waitpid(c->pid, &status, WNOHANG) == 0) {
        if (gw_clock_mono_ms(gw_system_clock()) >= end_ms) {
            (void)kill(c->pid, SIGKILL);
            (void)waitpid(c->pid, &status, 0);
            break;
        }
        (void)nanosleep(&step, NULL);
    }
    c->pid = 0;
}
