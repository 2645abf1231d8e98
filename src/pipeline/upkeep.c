/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's files: made in advance and put on disk by a pool thread, which touches only the job it was given. A sync covers
 * everybody who waits when it begins: however many they are, the disk is asked once.
 */
#include "pipeline/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_MS 5000
#define RETRY_MS 1000

static const char *const series[GW_JOURNAL_COUNT] = {"changes", "refusals"};

/* ---- life ---- */

enum gw_code gw_journals_open(struct gw_journals *c, const struct gw_gate_options *o, struct gw_error *err)
{
    c->file_bytes = o->journal_file_bytes;
    c->files_max = o->journal_files_max;
    c->dir = open(o->journal_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return c->dir >= 0 ? GW_OK
                       : gw_fail(err, GW_EBACKEND, "cannot open the journal's directory %s: %s", o->journal_dir,
                                 strerror(errno));
}

/* Counted refusals are some dozens of records each FLUSH_MS, whatever an attacker does. */
static size_t file_bytes(const struct gw_journals *c, enum gw_journal_id id)
{
    size_t bytes = id == GW_JOURNAL_CHANGES ? c->file_bytes : c->file_bytes / 8;
    return bytes > GW_JOURNAL_FILE_MIN_BYTES ? bytes : GW_JOURNAL_FILE_MIN_BYTES;
}

static enum gw_code make_journal(struct gw_gate *g, enum gw_journal_id id, struct gw_error *err)
{
    struct gw_journals *c = &g->journals;
    const struct gw_journal_options o = {
        .dir = c->dir,
        .mode = 0640, /* control reads them as one of the group */
        .series = series[id],
        .file_bytes = file_bytes(c, id),
        .files_max = c->files_max,
        .reserve_bytes = id == GW_JOURNAL_CHANGES ? c->file_bytes / 4 : 0,
        .neutral_bytes = id == GW_JOURNAL_CHANGES ? c->file_bytes / 2 : 0,
        .share_bytes = id == GW_JOURNAL_CHANGES ? c->file_bytes / 8 : 0,
        .random = g->random, /* not the pool's: files are made in another thread */
        .clock = g->clock,
    };
    return gw_journal_new(&o, &c->of[id], err);
}

enum gw_code gw_journals_start(struct gw_gate *g, struct gw_error *err)
{
    for (enum gw_journal_id id = 0; id < GW_JOURNAL_COUNT; id++)
        GW_TRY(make_journal(g, id, err));
    g->journals.flushed_ms = gw_clock_mono_ms(g->clock);
    return gw_tally_new(g->random, &g->journals.tally, err);
}

void gw_journals_flush(struct gw_journals *c)
{
    if (c->tally != NULL)
        gw_tally_flush(c->tally, c->of[GW_JOURNAL_REFUSALS]);
}

void gw_journals_poll(struct gw_gate *g)
{
    int64_t now_ms = gw_clock_mono_ms(g->clock);
    if (now_ms - g->journals.flushed_ms < FLUSH_MS)
        return;
    g->journals.flushed_ms = now_ms;
    gw_journals_flush(&g->journals);
}

void gw_journals_done(struct gw_journals *c)
{
    gw_tally_free(c->tally);
    for (enum gw_journal_id id = 0; id < GW_JOURNAL_COUNT; id++)
        gw_journal_free(c->of[id]);
    if (c->dir >= 0)
        close(c->dir);
}

/* ---- upkeep ---- */

static bool wants_file(const struct gw_gate *g, enum gw_journal_id id)
{
    return gw_journal_wants_file(g->journals.of[id]) && gw_clock_mono_ms(g->clock) >= g->journals.retry_at_ms;
}

struct gw_upkeep *gw_gate_upkeep_begin(struct gw_gate *g)
{
    const struct gw_journals *c = &g->journals;
    struct gw_journal *changes = c->of[GW_JOURNAL_CHANGES];
    bool syncs = gw_journal_is_waited_for(changes);
    if (!syncs && !wants_file(g, GW_JOURNAL_CHANGES) && !wants_file(g, GW_JOURNAL_REFUSALS))
        return NULL;
    struct gw_upkeep *u = calloc(1, sizeof(*u));
    if (u == NULL)
        return NULL;
    for (enum gw_journal_id id = 0; id < GW_JOURNAL_COUNT; id++)
        u->wants[id] = wants_file(g, id) ? c->of[id] : NULL;
    if (syncs)
        u->sync_code = gw_journal_sync_begin(changes, &u->sync, &u->error);
    u->syncs = syncs;
    u->sequence = gw_journal_sequence(changes);
    return u;
}

void gw_upkeep_run(struct gw_upkeep *u)
{
    u->has_run = true;
    /* First: somebody waits. */
    if (u->syncs && u->sync_code == GW_OK)
        u->sync_code = gw_journal_sync_run(&u->sync, &u->error);
    for (enum gw_journal_id id = 0; id < GW_JOURNAL_COUNT; id++) {
        if (u->wants[id] == NULL)
            continue;
        enum gw_code code = gw_journal_file_new(u->wants[id], &u->files[id], &u->error);
        if (code != GW_OK)
            u->file_code = code;
    }
}

enum gw_code gw_gate_upkeep_end(struct gw_gate *g, struct gw_upkeep *u, struct gw_error *err)
{
    struct gw_journals *c = &g->journals;
    if (!u->has_run && u->syncs && u->sync_code == GW_OK) {
        gw_journal_sync_drop(&u->sync);
        u->sync_code = gw_fail(&u->error, GW_EBACKEND, "no thread for the journal's upkeep");
    }
    enum gw_code code = u->sync_code != GW_OK ? u->sync_code : u->file_code;
    for (enum gw_journal_id id = 0; id < GW_JOURNAL_COUNT; id++) {
        if (u->files[id] != NULL)
            gw_journal_file_take(c->of[id], u->files[id]);
        else if (u->wants[id] != NULL)
            gw_journal_file_miss(c->of[id]);
    }
    if (u->file_code != GW_OK)
        c->retry_at_ms = gw_clock_mono_ms(g->clock) + RETRY_MS;
    if (u->syncs)
        gw_journal_sync_end(c->of[GW_JOURNAL_CHANGES], &u->sync, u->sync_code);
    if (u->sync_code != GW_OK)
        c->failed_sequence = u->sequence;
    if (code != GW_OK && err != NULL)
        *err = u->error;
    free(u);
    return code;
}
