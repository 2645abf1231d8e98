/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tables in shared memory cost: nanoseconds of processor time a look-up among a thousand entries and among a million (of blocks a
 * hundred thousand), in random order, and the bytes of all segments that are made for so many. Each figure is the least of several rounds.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/shared.h"

#define SESSIONS 1000000u
#define RATES 1000000u
#define BLOCKS 100000u
#define FEW 1000u
#define ROUNDS 7
#define CALLS 200000u
#define NOW_S INT64_C(1800000000)
#define NOW_MS INT64_C(5000000)
#define RATIO_BAR 3.0
#define MIB_BAR 256.0

struct bench {
    char dir[32];
    struct gw_shared *writer, *reader;
    struct gw_rate rate;
    uint32_t live; /* entries that are looked for */
    uint64_t seed;
};

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "micro_tables: %s\n", what);
    exit(EXIT_FAILURE);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint32_t any(struct bench *b)
{
    b->seed ^= b->seed << 13;
    b->seed ^= b->seed >> 7;
    b->seed ^= b->seed << 17;
    return (uint32_t)(b->seed >> 32) % b->live;
}

static struct gw_uuid uuid_of(uint32_t n)
{
    struct gw_uuid u = {{0x01, 0x98, 0xc0, 0xde, 0, 0, 0x70, 0, 0x80}};
    memcpy(&u.b[12], &n, sizeof(n));
    return u;
}

static struct gw_ip ip_of(uint32_t n)
{
    struct gw_ip ip = {.b = {[10] = 0xff, [11] = 0xff}};
    n *= 2654435761u;
    memcpy(&ip.b[12], &n, sizeof(n));
    return ip;
}

/* ---- a session ---- */

static void put_session(struct bench *b, uint32_t n)
{
    const struct gw_live_session s = {
        .id = uuid_of(n), .user_id = uuid_of(n / 4), .created_s = NOW_S, .expires_s = NOW_S + 86400, .idle_s = 1800};
    need(gw_shared_put_session(b->writer, &s, NULL) == GW_OK, "no room for a session");
}

static void find_session(struct bench *b)
{
    struct gw_live_session s;
    const struct gw_uuid id = uuid_of(any(b));
    need(gw_shared_get_session(b->reader, &id, &s) == GW_OK, "a session is missing");
}

/* ---- a block ---- */

static void put_block(struct bench *b, uint32_t n)
{
    const struct gw_live_block block = {
        .network = {ip_of(n), 128}, .kind = GW_BLOCK_FULL, .since_s = NOW_S, .expires_s = NOW_S + 3600};
    need(gw_shared_put_block(b->writer, &block, NULL) == GW_OK, "no room for a block");
}

static void find_block(struct bench *b)
{
    struct gw_live_block block;
    const struct gw_ip ip = ip_of(any(b));
    need(gw_shared_find_block(b->reader, &ip, NOW_S, &block) == GW_OK, "a block is missing");
}

/* ---- a rate ---- */

static struct gw_charge charge(struct bench *b, uint32_t n)
{
    const struct gw_rates *t = gw_shared_rates(b->reader);
    const struct gw_ip ip = ip_of(n);
    const struct gw_rates_subject s = gw_rates_address(t, &ip);
    return gw_rates_charge(t, &s, 1, &b->rate, GW_RATE_SHARE_WHOLE, NOW_MS);
}

static void put_rate(struct bench *b, uint32_t n)
{
    need(!charge(b, n).shared, "no room for a counter");
}

static void charge_any(struct bench *b)
{
    need(charge(b, any(b)).answer.admitted, "a charge is refused");
}

/* ---- measuring ---- */

static const struct row {
    const char *name;
    void (*put)(struct bench *b, uint32_t n);
    void (*look_up)(struct bench *b);
    uint32_t many;
} rows[] = {
    {"session", put_session, find_session, SESSIONS},
    {"block", put_block, find_block, BLOCKS},
    {"counter", put_rate, charge_any, RATES},
};

static double measure(struct bench *b, void (*look_up)(struct bench *b), uint32_t live)
{
    double least = 1e18;
    b->live = live;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (uint32_t i = 0; i < CALLS; i++)
            look_up(b);
        double each = (now_ns() - start) / CALLS;
        least = each < least ? each : least;
    }
    return least;
}

static bool measure_row(struct bench *b, const struct row *row)
{
    for (uint32_t n = 0; n < FEW; n++)
        row->put(b, n);
    double few = measure(b, row->look_up, FEW);
    for (uint32_t n = FEW; n < row->many; n++)
        row->put(b, n);
    double many = measure(b, row->look_up, row->many);
    printf("%-8s %5.0f ns among %u, %5.0f ns among %7u: %.2f times\n", row->name, few, FEW, many, row->many,
           many / few);
    return many / few <= RATIO_BAR;
}

static double segments_mib(const char *dir)
{
    off_t bytes = 0;
    DIR *d = opendir(dir);
    need(d != NULL, "cannot list the directory");
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat st;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            bytes += st.st_size;
    }
    closedir(d);
    return (double)bytes / (1024 * 1024);
}

static void make(struct bench *b)
{
    /* Users and revocations as settings have them by default. */
    const struct gw_shared_sizes sizes = {
        .sessions = SESSIONS, .users = 16384, .revocations = 65536, .blocks = BLOCKS, .rates = RATES};
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(b->dir, sizeof(b->dir), "%s/aaiti-tables-XXXXXX", root);
    need(mkdtemp(b->dir) != NULL, "no directory");
    need(gw_shared_open(b->dir, GW_SHARED_WRITER, &sizes, &b->writer, NULL) == GW_OK, "no segments");
    gw_shared_begin_load(b->writer);
    gw_shared_end_load(b->writer);
    need(gw_shared_open(b->dir, GW_SHARED_READER, NULL, &b->reader, NULL) == GW_OK, "no reader");
    gw_rates_sweep(gw_shared_rates(b->reader), NOW_MS);
    need(gw_rate_make(GW_RATE_LIMIT_MAX, GW_RATE_WINDOW_MAX_MS, &b->rate), "no rate");
}

static void clean_up(struct bench *b)
{
    static const char *const names[] = {"authority", "authority.lock", "counters"};
    gw_shared_close(b->reader);
    gw_shared_close(b->writer);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
        unlink(path);
    }
    rmdir(b->dir);
}

int main(void)
{
    static struct bench b = {.seed = UINT64_C(0x9e3779b97f4a7c15)};
    bool good = true;
    make(&b);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        good = measure_row(&b, &rows[i]) && good;
    double mib = segments_mib(b.dir);
    printf("segments %.0f MiB for %u sessions, %u blocks and %u counters\n", mib, SESSIONS, BLOCKS, RATES);
    clean_up(&b);
    good = good && mib <= MIB_BAR;
    printf("bars: %.0f times, %.0f MiB: %s\n", RATIO_BAR, MIB_BAR, good ? "kept" : "MISSED");
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
