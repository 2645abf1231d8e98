/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tables in shared memory cost: nanoseconds of processor time a look-up among a thousand entries and among a million (of blocks a
 * hundred thousand), in random order, and the bytes of all segments that are made for so many. Each figure is the least of several rounds.
 *
 * Beside each stands the floor, what memory alone costs: one read of as many cache lines, of a file as long as the table on the same tmpfs, in
 * random order, each read telling where the next is. No table of so many entries is quicker than its floor, save for what a processor
 * does of the next look-up during this one; at best is the ratio that a look-up would have which cost nothing more among many than their floor.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
#define LINE_WORDS 8u
#define LINE_BYTES (LINE_WORDS * sizeof(uint64_t))

struct bench {
    char dir[32];
    struct gw_shared *writer, *reader;
    struct gw_rate rate;
    uint32_t live; /* entries that are looked for */
    uint64_t seed;
    const uint64_t *floor; /* each line's first word: which is next */
    uint64_t line;
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

static uint32_t below(struct bench *b, uint32_t n)
{
    b->seed ^= b->seed << 13;
    b->seed ^= b->seed >> 7;
    b->seed ^= b->seed << 17;
    return (uint32_t)(b->seed >> 32) % n;
}

static uint32_t any(struct bench *b)
{
    return below(b, b->live);
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
    uint32_t lines; /* of the table */
} rows[] = {
    {"session", put_session, find_session, SESSIONS, 1u << 21},
    {"block", put_block, find_block, BLOCKS, 1u << 18},
    {"counter", put_rate, charge_any, RATES, 1u << 18}, /* eight in a line */
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

/* One cycle through so many lines of all, in random order. */
static void link_lines(struct bench *b, uint64_t *words, uint32_t lines, uint32_t live)
{
    uint32_t *order = calloc(lines, sizeof(*order));
    need(order != NULL, "no memory");
    for (uint32_t i = 0; i < lines; i++)
        order[i] = i;
    for (uint32_t i = 0; i < live; i++) {
        uint32_t other = i + below(b, lines - i), line = order[other];
        order[other] = order[i];
        order[i] = line;
    }
    for (uint32_t i = 0; i < live; i++)
        words[(size_t)order[i] * LINE_WORDS] = order[(i + 1) % live];
    b->line = order[0];
    free(order);
}

static void read_line(struct bench *b)
{
    b->line = ((const volatile uint64_t *)b->floor)[b->line * LINE_WORDS];
}

static double measure_floor(struct bench *b, uint32_t lines, uint32_t live)
{
    char path[64];
    size_t bytes = lines * LINE_BYTES;
    snprintf(path, sizeof(path), "%s/floor", b->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    need(fd >= 0 && unlink(path) == 0 && posix_fallocate(fd, 0, (off_t)bytes) == 0, "no room for a floor");
    uint64_t *words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    need(words != MAP_FAILED, "cannot map the floor");
    link_lines(b, words, lines, live < lines ? live : lines);
    b->floor = words;
    double least = measure(b, read_line, live);
    munmap(words, bytes);
    close(fd);
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
    double floor_few = measure_floor(b, row->lines, FEW), floor = measure_floor(b, row->lines, row->many);
    printf("  floor  %5.0f ns,            %5.0f ns in %.0f MiB: at best %.2f times\n", floor_few, floor,
           (double)(row->lines * LINE_BYTES) / (1024 * 1024), floor / few);
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
    /* Users, revocations and keys as settings have them by default. */
    const struct gw_shared_sizes sizes = {
        .sessions = SESSIONS, .users = 16384, .revocations = 65536, .blocks = BLOCKS, .api_keys = 4096, .rates = RATES};
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
