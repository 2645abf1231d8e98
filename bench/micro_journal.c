/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nanoseconds of processor time a journal record of a typical change costs its worker: an intent, and an outcome. Files are made between
 * the rounds, as a pool thread would, and removed, as control would.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "journal/journal.h"
#include "journal/reader.h"

#define ROUNDS 9
#define CALLS 20000

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(enum gw_code code, const struct gw_error *err)
{
    if (code == GW_OK)
        return;
    fprintf(stderr, "micro_journal: %s\n", err->msg);
    exit(EXIT_FAILURE);
}

static enum gw_code remove_file(void *ctx, const char *name, struct gw_error *err)
{
    if (unlinkat(*(const int *)ctx, name, 0) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot remove %s", name);
    return GW_OK;
}

static double round_ns(int dir, const struct gw_event *e)
{
    struct gw_error err;
    gw_auto(gw_journal) struct gw_journal *j = NULL;
    struct gw_journal_options o = {.dir = dir,
                                   .mode = 0600,
                                   .series = "bench",
                                   .file_bytes = 16 << 20,
                                   .files_max = 4,
                                   .random = gw_system_random(),
                                   .clock = gw_system_clock()};
    must(gw_journal_new(&o, &j, &err), &err);
    struct gw_journal_file *f = NULL;
    must(gw_journal_file_new(j, &f, &err), &err);
    gw_journal_file_take(j, f);
    double start = now_ns();
    for (int i = 0; i < CALLS; i++)
        must(gw_journal_append(j, e, GW_JOURNAL_NORMAL), &err);
    double spent = now_ns() - start;
    must(gw_journal_each(dir, remove_file, &dir, &err), &err);
    return spent / CALLS;
}

static void print(const char *name, int dir, const struct gw_event *e)
{
    double least = round_ns(dir, e);
    for (int i = 1; i < ROUNDS; i++) {
        double ns = round_ns(dir, e);
        least = ns < least ? ns : least;
    }
    uint8_t bytes[GW_EVENT_BYTES_MAX];
    printf("%-10s %6.0f ns  %zu bytes\n", name, least, gw_event_encode(e, bytes));
}

int main(void)
{
    char path[] = "/tmp/gw-micro-journal-XXXXXX";
    gw_auto_fd int dir = mkdtemp(path) == NULL ? -1 : open(path, O_RDONLY | O_DIRECTORY);
    if (dir < 0) {
        perror("micro_journal");
        return EXIT_FAILURE;
    }
    struct gw_event intent = {.time_ms = 1795000000000,
                              .phase = GW_EVENT_INTENT,
                              .count = 1,
                              .generation = 1,
                              .action = GW_STR("bot_created"),
                              .route = GW_STR("POST /api/bots/{id}/start"),
                              .path = GW_STR("/api/bots/0190f1a2-7b3c-7def-8123-456789abcdef/start"),
                              .user_agent =
                                  GW_STR("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")};
    struct gw_event outcome = {.time_ms = 1795000000000,
                               .phase = GW_EVENT_OUTCOME,
                               .outcome = GW_OUTCOME_DONE,
                               .status = 201,
                               .count = 1,
                               .action = GW_STR("bot_created")};
    print("intent", dir, &intent);
    print("outcome", dir, &outcome);
    (void)rmdir(path);
    return EXIT_SUCCESS;
}
