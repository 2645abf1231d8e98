/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan is gathered anew at each turn and held against the one in force; only a difference starts nft. Times are left to the kernel, which
 * drops an element at its end. nft reads the script from a memory file, without a shell, without an environment, under a deadline; nothing but
 * networks that were parsed, and numbers, is ever printed into it.
 */
#include "response/kernel_drop.h"
#include "audit/recorder.h"
#include "audit/row.h"

#include "store/store.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define NFT "/usr/sbin/nft"
#define NFT_DEADLINE_MS 10000
#define SCRIPT_MAX ((size_t)16 * 1024 * 1024)
#define SAID_MAX 200

/* ---- the script ---- */

static int compare(const void *a, const void *b)
{
    const struct gw_cidr *x = &((const struct gw_dropped *)a)->network, *y = &((const struct gw_dropped *)b)->network;
    int order = memcmp(x->net.b, y->net.b, sizeof(x->net.b));
    return order != 0 ? order : (int)x->bits - (int)y->bits;
}

static void sort(struct gw_drop_plan *p)
{
    if (p->blocked_count > 0)
        qsort(p->blocked, p->blocked_count, sizeof(p->blocked[0]), compare);
    if (p->spared_count > 0)
        qsort(p->spared, p->spared_count, sizeof(p->spared[0]), compare);
}

/* A network shorter than 96 bits is none of IPv4, also where its bytes begin like one's. */
static bool is_v4(const struct gw_cidr *c)
{
    return c->bits >= 96 && gw_ip_is_v4(&c->net);
}

static void print_one(const struct gw_dropped *d, int64_t now_s, struct gw_buf *out)
{
    char text[GW_CIDR_LEN + 1];
    gw_cidr_format(&d->network, text);
    gw_buf_addf(out, "%s", text);
    if (d->expires_s != 0)
        gw_buf_addf(out, " timeout %llds", (long long)(d->expires_s - now_s));
    gw_buf_addf(out, ",\n");
}

/* Sorted, whatever lies in another stands right behind it or behind others that do. */
static void print_set(const char *name, bool of_v4, const struct gw_dropped *list, size_t count, int64_t now_s,
                      struct gw_buf *out)
{
    const struct gw_cidr *last = NULL;
    gw_buf_addf(out, "set %s%s {\ntype %s\nflags interval, timeout\n", name, of_v4 ? "4" : "6",
                of_v4 ? "ipv4_addr" : "ipv6_addr");
    for (size_t i = 0; i < count; i++) {
        const struct gw_cidr *c = &list[i].network;
        bool has_passed = list[i].expires_s != 0 && list[i].expires_s <= now_s;
        if (is_v4(c) != of_v4 || has_passed || (last != NULL && gw_cidr_contains(last, &c->net)))
            continue;
        if (last == NULL)
            gw_buf_addf(out, "elements = {\n");
        print_one(&list[i], now_s, out);
        last = c;
    }
    gw_buf_addf(out, last != NULL ? "}\n}\n" : "}\n");
}

/* Added first: what is not there cannot be deleted. */
#define DELETE_TABLE "add table inet aaiti\ndelete table inet aaiti\n"

enum gw_code gw_kernel_drop_script(struct gw_drop_plan *p, int64_t now_s, struct gw_buf *out, struct gw_error *err)
{
    sort(p);
    gw_buf_addf(out, DELETE_TABLE "table inet aaiti {\n");
    for (int of_v4 = 1; of_v4 >= 0; of_v4--) {
        print_set("blocked", of_v4 != 0, p->blocked, p->blocked_count, now_s, out);
        print_set("spared", of_v4 != 0, p->spared, p->spared_count, now_s, out);
    }
    gw_buf_addf(out,
                "chain input {\ntype filter hook input priority -10; policy accept;\n"
                "tcp dport != %u return\niifname \"lo\" return\n"
                "ip saddr @spared4 return\nip6 saddr @spared6 return\n"
                "ip saddr @blocked4 drop\nip6 saddr @blocked6 drop\n}\n}\n",
                p->port);
    return gw_buf_check(out, err);
}

/* ---- nft ---- */

static enum gw_code memory_file(struct gw_str content, int *out, struct gw_error *err)
{
    int fd = memfd_create("nft", MFD_CLOEXEC);
    if (fd < 0)
        return gw_fail(err, GW_EBACKEND, "no memory file: %s", strerror(errno));
    for (size_t done = 0; done < content.len;) {
        ssize_t n = pwrite(fd, content.ptr + done, content.len - done, (off_t)done);
        if (n <= 0) {
            (void)close(fd);
            return gw_fail(err, GW_EBACKEND, "cannot write to a memory file: %s", strerror(errno));
        }
        done += (size_t)n;
    }
    *out = fd;
    return GW_OK;
}

static int spawn(int in, int said, pid_t *out)
{
    static const char *const argv[] = {NFT, "-f", "-", NULL}, *const environment[] = {NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    (void)posix_spawn_file_actions_adddup2(&files, in, 0);
    (void)posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&files, said, 2);
    /* Changes neither; its prototype is older than const. */
    int failed = posix_spawn(out, NFT, &files, &attributes, (char *const *)(uintptr_t)argv,
                             (char *const *)(uintptr_t)environment);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&files);
    return failed;
}

/* False: it had to be killed. */
static bool wait_for(pid_t pid, int *out_status)
{
    int fd = pidfd_open(pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool ended = fd >= 0 && poll(&p, 1, NFT_DEADLINE_MS) == 1;
    if (!ended)
        (void)kill(pid, SIGKILL);
    if (fd >= 0)
        (void)close(fd);
    while (waitpid(pid, out_status, 0) < 0 && errno == EINTR)
        ;
    return ended;
}

static enum gw_code run_with(int in, int said, struct gw_error *err)
{
    char text[SAID_MAX + 1];
    int status = 0;
    pid_t pid;
    int failed = spawn(in, said, &pid);
    if (failed != 0)
        return gw_fail(err, GW_EBACKEND, "cannot run " NFT ": %s; mend it with: apt-get install nftables",
                       strerror(failed));
    if (!wait_for(pid, &status))
        return gw_fail(err, GW_ETIMEOUT, NFT " did not end within %d s", NFT_DEADLINE_MS / 1000);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return GW_OK;
    ssize_t n = pread(said, text, SAID_MAX, 0);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return gw_fail(err, GW_EBACKEND, NFT " refuses: %s", text);
}

static enum gw_code run_nft(struct gw_str script, struct gw_error *err)
{
    int in, said;
    GW_TRY(memory_file(script, &in, err));
    enum gw_code code = memory_file(GW_STR(""), &said, err);
    if (code == GW_OK) {
        code = run_with(in, said, err);
        (void)close(said);
    }
    (void)close(in);
    return code;
}

/* ---- the plan ---- */

struct gw_kernel_drop {
    struct gw_drop_plan plan; /* in force, where made */
    bool made;
    bool is_told; /* that it fails: the trail has its row */
};

struct gathering {
    struct gw_drop_plan *plan;
    size_t spared_size;
    int64_t now_s;
};

static enum gw_code gather_block(void *ctx, const struct gw_block_row *b, struct gw_error *err)
{
    struct gathering *g = ctx;
    (void)err;
    if (!b->is_suspect && b->expires_s > g->now_s && g->plan->blocked_count < GW_KERNEL_DROP_MAX)
        g->plan->blocked[g->plan->blocked_count++] = (struct gw_dropped){b->network, b->expires_s};
    return GW_OK;
}

/* Nobody is dropped because there was no room to spare him. */
static enum gw_code spare(struct gathering *g, struct gw_cidr network, struct gw_error *err)
{
    if (g->plan->spared_count == g->spared_size)
        return gw_fail(err, GW_ELIMIT, "more than %zu networks are to be spared", g->spared_size);
    g->plan->spared[g->plan->spared_count++] = (struct gw_dropped){network, 0};
    return GW_OK;
}

/* An address that cannot be read was no client's. One of IPv6 spares its /64, as it would be blocked with it. */
static enum gw_code gather_session(void *ctx, const struct gw_session_row *s, struct gw_error *err)
{
    struct gathering *g = ctx;
    struct gw_ip ip;
    if (s->expires_s <= g->now_s || gw_ip_parse(gw_str(s->address), &ip) != GW_OK)
        return GW_OK;
    return spare(g, gw_cidr_around(&ip, gw_ip_is_v4(&ip) ? 128 : 64), err);
}

static enum gw_code gather(const struct gw_kernel_drop_options *o, struct gathering *g, struct gw_error *err)
{
    GW_TRY(gw_store_block_each(o->store, NULL, INT64_MAX, INT32_MAX, gather_block, g, err));
    for (size_t i = 0; i < o->allow_count; i++)
        GW_TRY(spare(g, o->allow[i], err));
    for (size_t i = 0; i < o->proxy_count; i++)
        GW_TRY(spare(g, o->proxies[i], err));
    return gw_store_session_each(o->store, NULL, gather_session, g, err);
}

static enum gw_code plan_init(struct gw_drop_plan *p, size_t spared_size, struct gw_error *err)
{
    p->blocked = calloc(GW_KERNEL_DROP_MAX, sizeof(p->blocked[0]));
    p->spared = calloc(spared_size, sizeof(p->spared[0]));
    return p->blocked != NULL && p->spared != NULL ? GW_OK : gw_fail(err, GW_ENOMEM, "no memory for a table of nft");
}

static void plan_done(struct gw_drop_plan *p)
{
    free(p->blocked);
    free(p->spared);
    *p = (struct gw_drop_plan){.port = 0};
}

static bool same_list(const struct gw_dropped *a, const struct gw_dropped *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (compare(&a[i], &b[i]) != 0 || a[i].expires_s != b[i].expires_s)
            return false;
    return true;
}

static bool same(const struct gw_drop_plan *a, const struct gw_drop_plan *b)
{
    return a->port == b->port && a->blocked_count == b->blocked_count && a->spared_count == b->spared_count &&
           same_list(a->blocked, b->blocked, a->blocked_count) && same_list(a->spared, b->spared, a->spared_count);
}

static enum gw_code port_of(struct gw_str listen, unsigned *out, struct gw_error *err)
{
    size_t i = listen.len;
    int64_t port;
    while (i > 0 && listen.ptr[i - 1] != ':')
        i--;
    if (!gw_str_to_i64(gw_str_sub(listen, i, listen.len), &port) || port < 1 || port > 65535)
        return gw_fail(err, GW_EINVAL, "the listener has no port");
    *out = (unsigned)port;
    return GW_OK;
}

static enum gw_code put_in_force(struct gw_kernel_drop *k, struct gw_drop_plan *p, int64_t now_s, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf script = {0};
    gw_buf_init(&script, SCRIPT_MAX);
    sort(p);
    if (k->made && same(p, &k->plan))
        return GW_OK;
    GW_TRY(gw_kernel_drop_script(p, now_s, &script, err));
    GW_TRY(run_nft(gw_buf_str(&script), err));
    plan_done(&k->plan);
    k->plan = *p;
    *p = (struct gw_drop_plan){.port = 0};
    k->made = true;
    return GW_OK;
}

static enum gw_code make_plan(const struct gw_kernel_drop_options *o, struct gathering *g, struct gw_error *err)
{
    GW_TRY(port_of(o->listen, &g->plan->port, err));
    GW_TRY(plan_init(g->plan, g->spared_size, err));
    return gather(o, g, err);
}

static enum gw_code record_failure(const struct gw_kernel_drop_options *o, const struct gw_error *why,
                                   struct gw_error *err)
{
    static const struct gw_actor nobody = {.kind = GW_ACTOR_CLIENT};
    char said[sizeof(why->msg)];
    gw_audit_text(gw_str(why->msg), said, sizeof(said));
    const struct gw_deed deed = {.action = "kernel_drop_failed", .details = json_pack("{s:s}", "error", said)};
    return gw_recorder_record(o->recorder, o->store, &nobody, &deed, err);
}

static enum gw_code update(struct gw_kernel_drop *k, const struct gw_kernel_drop_options *o, struct gw_error *err)
{
    struct gw_drop_plan plan = {.port = 0};
    struct gathering g = {&plan, GW_KERNEL_DROP_MAX + o->allow_count + o->proxy_count, gw_clock_real_s(o->clock)};
    enum gw_code code = make_plan(o, &g, err);
    if (code == GW_OK)
        code = put_in_force(k, &plan, g.now_s, err);
    plan_done(&plan);
    return code;
}

/* A row that cannot be written is tried again at the next turn. */
enum gw_code gw_kernel_drop_update(struct gw_kernel_drop *k, const struct gw_kernel_drop_options *o,
                                   struct gw_error *err)
{
    enum gw_code code = update(k, o, err);
    if (code == GW_OK)
        k->is_told = false;
    else if (!k->is_told)
        k->is_told = record_failure(o, err, &(struct gw_error){0}) == GW_OK;
    return code;
}

enum gw_code gw_kernel_drop_end(struct gw_kernel_drop *k, struct gw_error *err)
{
    if (!k->made)
        return GW_OK;
    GW_TRY(run_nft(GW_STR(DELETE_TABLE), err));
    plan_done(&k->plan);
    k->made = false;
    return GW_OK;
}

bool gw_kernel_drop_is_made(const struct gw_kernel_drop *k)
{
    return k->made;
}

enum gw_code gw_kernel_drop_new(struct gw_kernel_drop **out, struct gw_error *err)
{
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? GW_OK : gw_fail(err, GW_ENOMEM, "no memory for the kernel's blocks");
}

void gw_kernel_drop_free(struct gw_kernel_drop *k)
{
    if (k == NULL)
        return;
    (void)!gw_kernel_drop_end(k, NULL);
    plan_done(&k->plan);
    free(k);
}
