/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tally and a journal of control's own, under one lock. A flush makes the journal's files first, so that there are two; a full tally
 * fits into them. So events are lost only where control has not taken its own files for a while, and then they are counted.
 */
#include "control/refusals.h"

#include "journal/tally.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A full table is some 128 KiB. Files are taken within a second and removed. */
#define FILE_BYTES ((size_t)256 * 1024)
#define FILES_MAX 16

struct gw_refusals {
    pthread_mutex_t lock; /* the two below */
    struct gw_tally *tally;
    struct gw_journal *journal;
    const struct gw_clock *clock;
};

static enum gw_code make_files(struct gw_refusals *r, struct gw_error *err)
{
    while (gw_journal_wants_file(r->journal)) {
        struct gw_journal_file *f = NULL;
        GW_TRY(gw_journal_file_new(r->journal, &f, err));
        gw_journal_file_take(r->journal, f);
    }
    return GW_OK;
}

enum gw_code gw_refusals_new(int dir, const struct gw_random *random, const struct gw_clock *clock,
                             struct gw_refusals **out, struct gw_error *err)
{
    const struct gw_journal_options o = {.dir = dir,
                                         .mode = 0600, /* no worker has to do with it */
                                         .series = "control",
                                         .file_bytes = FILE_BYTES,
                                         .files_max = FILES_MAX,
                                         .random = random,
                                         .clock = clock};
    gw_auto(gw_journal) struct gw_journal *journal = NULL;
    gw_auto(gw_tally) struct gw_tally *tally = NULL;
    GW_TRY(gw_journal_new(&o, &journal, err));
    GW_TRY(gw_tally_new(random, &tally, err));
    struct gw_refusals *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory to count refusals");
    pthread_mutex_init(&r->lock, NULL);
    r->journal = gw_take(&journal);
    r->tally = gw_take(&tally);
    r->clock = clock;
    *out = r;
    return GW_OK;
}

void gw_refusals_free(struct gw_refusals *r)
{
    if (r == NULL)
        return;
    gw_tally_flush(r->tally, r->journal);
    gw_tally_free(r->tally);
    gw_journal_free(r->journal);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

void gw_refusals_count(struct gw_refusals *r, const struct gw_actor *by, const struct gw_refused *what, unsigned status)
{
    struct gw_event e = {.time_ms = gw_clock_real_ms(r->clock),
                         .phase = GW_EVENT_TALLY,
                         .outcome = GW_OUTCOME_REFUSED,
                         .status = (uint16_t)status,
                         .count = 1,
                         .request_id = by->request_id,
                         .user_id = gw_uuid_is_nil(&what->user_id) ? by->user_id : what->user_id,
                         .session_id = by->session_id,
                         .action = gw_str(what->action),
                         .reason = gw_str(what->reason),
                         .route = by->route,
                         .path = by->path,
                         .user_agent = by->user_agent};
    e.last_ms = e.time_ms;
    memcpy(e.address, by->address.b, sizeof(e.address));
    pthread_mutex_lock(&r->lock);
    gw_tally_add(r->tally, &e);
    pthread_mutex_unlock(&r->lock);
}

enum gw_code gw_refusals_flush(struct gw_refusals *r, struct gw_error *err)
{
    pthread_mutex_lock(&r->lock);
    enum gw_code code = make_files(r, err);
    gw_tally_flush(r->tally, r->journal);
    pthread_mutex_unlock(&r->lock);
    return code;
}
