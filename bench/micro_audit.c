/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to take journal events into the audit trail, against a bare prepared INSERT of the same rows in the same batches: rounds of the
 * two alternate, each into an empty database of the same schema and settings. Prints a JSON line a kind of event; ratio is the median of the
 * rounds' ratios of processor time. The databases are made in the directory given: on tmpfs nobody waits for a disk, which would flatter.
 */
#include "audit/consumer.h"
#include "journal/journal.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 7
#define EVENTS 10000u
#define BATCH_EVENTS 100u /* of the consumer */

struct bench {
    char dir[200], database[256];
    int journals;
    struct gw_fake_clock clock; /* stands still, so that no turn is cut */
    struct gw_audit_row *rows;  /* what the consumer made */
    size_t count;
};

struct cost {
    double cpu_ns, wall_ns; /* of a row */
};

static void must(enum gw_code code, const struct gw_error *err)
{
    if (code == GW_OK)
        return;
    fprintf(stderr, "micro_audit: %s\n", err->msg);
    exit(EXIT_FAILURE);
}

static void must_do(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(EXIT_FAILURE);
}

static double clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct cost now(void)
{
    return (struct cost){clock_ns(CLOCK_PROCESS_CPUTIME_ID), clock_ns(CLOCK_MONOTONIC)};
}

static struct cost since(struct cost start, size_t rows)
{
    struct cost end = now();
    return (struct cost){(end.cpu_ns - start.cpu_ns) / (double)rows, (end.wall_ns - start.wall_ns) / (double)rows};
}

static void remove_database(const struct bench *b)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[300];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", b->database, suffixes[i]);
        (void)unlink(path);
    }
}

/* ---- the consumer ---- */

static void append(struct gw_journal *j, const struct gw_event *e)
{
    struct gw_error err;
    while (gw_journal_wants_file(j)) {
        struct gw_journal_file *f;
        must(gw_journal_file_new(j, &f, &err), &err);
        gw_journal_file_take(j, f);
    }
    must(gw_journal_append(j, e, GW_JOURNAL_NORMAL), &err);
}

static void write_events(struct bench *b, bool in_pairs)
{
    struct gw_error err;
    gw_auto(gw_journal) struct gw_journal *j = NULL;
    const struct gw_journal_options o = {.dir = b->journals,
                                         .mode = 0600,
                                         .series = "bench",
                                         .file_bytes = 16 << 20,
                                         .files_max = 8,
                                         .random = gw_system_random(),
                                         .clock = gw_system_clock()};
    struct gw_event e = {.time_ms = 1795000000000,
                         .count = 1,
                         .generation = 1,
                         .action = GW_STR("bot_started"),
                         .route = GW_STR("POST /api/bots/{id}/start"),
                         .path = GW_STR("/api/bots/0190f1a2-7b3c-7def-8123-456789abcdef/start"),
                         .user_agent =
                             GW_STR("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")};
    memcpy(e.address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01", 16);
    must(gw_journal_new(&o, &j, &err), &err);
    for (unsigned n = 0; n < EVENTS; n += in_pairs ? 2 : 1) {
        must(gw_uuid_v7(gw_system_random(), gw_system_clock(), &e.request_id, &err), &err);
        e.user_id.b[15] = (uint8_t)(1 + n % 50); /* 50 users, a session each */
        e.session_id.b[15] = e.user_id.b[15];
        e.phase = in_pairs ? GW_EVENT_INTENT : GW_EVENT_SINGLE;
        append(j, &e);
        if (!in_pairs)
            continue;
        const struct gw_event outcome = {.time_ms = e.time_ms,
                                         .phase = GW_EVENT_OUTCOME,
                                         .outcome = GW_OUTCOME_DONE,
                                         .status = 200,
                                         .count = 1,
                                         .request_id = e.request_id,
                                         .action = e.action};
        append(j, &outcome);
    }
}

static enum gw_code keep(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    struct bench *b = ctx;
    (void)err;
    b->rows[b->count++] = *r;
    return GW_OK;
}

static struct cost consume(struct bench *b, bool in_pairs)
{
    struct gw_error err;
    struct gw_store *s;
    struct gw_consumer_turn turn;
    gw_auto(gw_recorder) struct gw_recorder *recorder = NULL;
    gw_auto(gw_consumer) struct gw_consumer *c = NULL;
    write_events(b, in_pairs);
    must(gw_store_open_sqlite(b->database, &s, &err), &err);
    must(gw_recorder_new(gw_system_random(), &b->clock.clock, &recorder, &err), &err);
    must(gw_consumer_new(&(struct gw_consumer_options){s, recorder, &b->clock.clock}, &c, &err), &err);
    struct cost start = now();
    must(gw_consumer_run(c, b->journals, &turn, &err), &err);
    struct cost spent = since(start, EVENTS / (in_pairs ? 2 : 1));
    b->count = 0;
    while (b->count < EVENTS / (in_pairs ? 2 : 1))
        must(gw_store_audit_each_after(s, (int64_t)b->count, GW_AUDIT_PAGE_MAX, keep, b, &err), &err);
    must_do(turn.events == EVENTS, "not all events were taken");
    gw_store_close(s);
    return spent;
}

/* ---- the bare INSERT ---- */

static void bind_text(sqlite3_stmt *st, int column, const char *text)
{
    sqlite3_bind_text(st, column, text, -1, SQLITE_STATIC);
}

static void bind_uuid(sqlite3_stmt *st, int column, const struct gw_uuid *u)
{
    sqlite3_bind_blob(st, column, u->b, sizeof(u->b), SQLITE_STATIC);
}

static void bind(sqlite3_stmt *st, const struct gw_audit_row *r)
{
    bind_uuid(st, 1, &r->writer);
    sqlite3_bind_int64(st, 2, (int64_t)r->sequence);
    sqlite3_bind_int64(st, 3, r->time_ms);
    sqlite3_bind_int64(st, 4, r->ended_ms);
    bind_text(st, 5, r->action);
    bind_text(st, 6, r->resource_type);
    bind_text(st, 7, r->resource_id);
    bind_uuid(st, 8, &r->user_id);
    bind_uuid(st, 9, &r->session_id);
    bind_uuid(st, 10, &r->request_id);
    bind_text(st, 11, r->address);
    bind_text(st, 12, r->user_agent);
    bind_text(st, 13, r->route);
    bind_text(st, 14, r->path);
    sqlite3_bind_int64(st, 15, r->outcome);
    sqlite3_bind_int(st, 16, r->status);
    bind_text(st, 17, r->reason);
    sqlite3_bind_int64(st, 18, r->severity);
    sqlite3_bind_int64(st, 19, r->count);
    sqlite3_bind_int64(st, 20, (int64_t)r->generation);
    bind_text(st, 21, r->details);
}

static struct cost insert(struct bench *b, bool in_pairs)
{
    static const char sql[] =
        "INSERT INTO audit (writer, sequence, time_ms, ended_ms, action, resource_type, resource_id, user_id, session_id,"
        " request_id, address, user_agent, route, path, outcome, status, reason, severity, count, generation, details)"
        " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21)";
    struct gw_error err;
    struct gw_store *s;
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    size_t batch = BATCH_EVENTS / (in_pairs ? 2 : 1);
    must(gw_store_open_sqlite(b->database, &s, &err), &err); /* makes the schema */
    gw_store_close(s);
    must_do(sqlite3_open(b->database, &db) == SQLITE_OK, "open");
    must_do(sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON", NULL,
                         NULL, NULL) == SQLITE_OK,
            "pragma");
    must_do(sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK, "prepare");
    struct cost start = now();
    for (size_t i = 0; i < b->count; i += batch) {
        must_do(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK, "begin");
        for (size_t k = i; k < i + batch && k < b->count; k++) {
            bind(st, &b->rows[k]);
            must_do(sqlite3_step(st) == SQLITE_DONE, "insert");
            sqlite3_reset(st);
        }
        must_do(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "commit");
    }
    struct cost spent = since(start, b->count);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return spent;
}

/* ---- both ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(*values), by_value);
    return values[ROUNDS / 2];
}

static void compare(struct bench *b, const char *name, bool in_pairs)
{
    double ratio[ROUNDS], cpu[ROUNDS], bare_cpu[ROUNDS], wall[ROUNDS], bare_wall[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        struct cost taken = consume(b, in_pairs);
        remove_database(b);
        struct cost bare = insert(b, in_pairs);
        remove_database(b);
        ratio[i] = taken.cpu_ns / bare.cpu_ns;
        cpu[i] = taken.cpu_ns;
        bare_cpu[i] = bare.cpu_ns;
        wall[i] = taken.wall_ns;
        bare_wall[i] = bare.wall_ns;
    }
    printf(
        "{\"name\": \"%s\", \"ratio\": %.3f, \"cpu_us\": %.2f, \"rps\": %.0f, \"bare_cpu_us\": %.2f, \"bare_rps\": %.0f}\n",
        name, median(ratio), median(cpu) / 1e3, 1e9 / median(wall), median(bare_cpu) / 1e3, 1e9 / median(bare_wall));
}

int main(int argc, char **argv)
{
    struct bench b = {.journals = -1};
    snprintf(b.dir, sizeof(b.dir), "%s/aaiti-micro-audit-XXXXXX", argc > 1 ? argv[1] : "/dev/shm");
    must_do(mkdtemp(b.dir) != NULL, b.dir);
    snprintf(b.database, sizeof(b.database), "%s/audit.db", b.dir);
    char journals[256];
    snprintf(journals, sizeof(journals), "%s/journal", b.dir);
    must_do(mkdir(journals, 0700) == 0, journals);
    b.journals = open(journals, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must_do(b.journals >= 0, journals);
    gw_fake_clock_init(&b.clock, 1795000000000);
    b.rows = calloc(EVENTS, sizeof(*b.rows));
    must_do(b.rows != NULL, "calloc");
    compare(&b, "audit-changes", true);
    compare(&b, "audit-singles", false);
    free(b.rows);
    close(b.journals);
    (void)rmdir(journals);
    (void)rmdir(b.dir);
    return EXIT_SUCCESS;
}
