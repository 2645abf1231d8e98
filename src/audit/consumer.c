/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch is read and made rows before the database is asked for anything; the transaction then only inserts, so that other threads of
 * control wait for some milliseconds at most. An intent and its outcome mostly stand in one batch and become one insert. Else
 * the intent waits in audit_open, where its outcome finds it by writer and request. A writer without files is dead, and all that it
 * wrote has been taken: a living one puts its next file in place before it seals the full one (journal/writer.c).
 */
#include "audit/consumer.h"

#include "audit/row.h"
#include "base/buf.h"
#include "journal/journal.h"
#include "journal/reader.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_EVENTS 100
#define TURN_MS 900        /* of each second: what else this thread does comes in between */
#define STEP_MS (5 * 1000) /* backwards; more than NTP corrects at once, so worth a row */
#define WRITERS_MAX 1024   /* looked at in a turn, the oldest first */
#define FOREIGN_SUFFIX ".foreign"
#define FOLLOWED_MAX 256 /* writers; of more, the one that was met first is forgotten */

enum entry_kind {
    WHOLE,   /* a row as it is: complete in itself, or an intent with its outcome */
    INTENT,  /* its outcome has not been met */
    OUTCOME, /* its intent is not in this batch */
};

struct entry {
    enum entry_kind kind;
    struct gw_audit_row row;
};

struct followed {
    struct gw_uuid writer;
    uint64_t sequence; /* of its last event that was taken; 0: none */
};

struct gw_consumer {
    struct gw_consumer_options o;
    bool may_have_ended; /* a writer */
    bool has_turned;
    int64_t last_real_ms, last_mono_ms; /* of the last turn */
    struct followed followed[FOLLOWED_MAX];
    size_t followed_count; /* ever */
    size_t count;
    struct entry entries[BATCH_EVENTS];
    uint64_t last, missing; /* of the batch: its highest number, and how many before that are not there */
};

/* One file in one turn. */
struct source {
    const char *name;
    struct gw_journal_reader *reader;
    uint64_t offset;  /* committed */
    uint64_t damaged; /* told of */
};

struct turn {
    struct gw_consumer *c;
    int dir;
    int64_t until_ms;
    struct gw_consumer_turn *out;
    enum gw_code failed; /* the first failure that was one file's alone */
    struct gw_error why;
    /* The writer whose file could not be read; nil: none. Its later files wait, for they may hold outcomes of intents in that one. */
    struct gw_uuid unread;
};

enum gw_code gw_consumer_new(const struct gw_consumer_options *o, struct gw_consumer **out, struct gw_error *err)
{
    struct gw_consumer *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the journal's consumer");
    c->o = *o;
    c->may_have_ended = true; /* while control was away */
    *out = c;
    return GW_OK;
}

void gw_consumer_free(struct gw_consumer *c)
{
    free(c);
}

/* ---- rows of control about the journal ---- */

static enum gw_code tell(struct gw_consumer *c, const char *action, uint64_t count, const char *details,
                         struct gw_error *err)
{
    struct gw_audit_row r = {.outcome = GW_OUTCOME_DONE, .count = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX};
    gw_audit_text(gw_str(action), r.action, sizeof(r.action));
    gw_audit_text(gw_str(details), r.details, sizeof(r.details));
    return gw_recorder_add(c->o.recorder, c->o.store, &r, err);
}

static enum gw_code tell_of_file(struct gw_consumer *c, const char *action, uint64_t count, const char *name,
                                 const char *what, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf details = {0};
    gw_buf_init(&details, GW_EVENT_DETAILS_MAX);
    gw_buf_addf(&details, "{\"file\":");
    gw_buf_add_json(&details, gw_str(name));
    gw_buf_addf(&details, ",\"what\":");
    gw_buf_add_json(&details, gw_str(what));
    gw_buf_addc(&details, '}');
    GW_TRY(gw_buf_check(&details, err));
    return tell(c, action, count, details.ptr, err);
}

/* ---- the numbers of a writer's events ---- */

/* A writer numbers without gaps, so that a gap is a file that was removed or put out of sight: by another worker, say. */
static struct followed *followed(struct gw_consumer *c, const struct gw_uuid *writer)
{
    for (size_t i = 0; i < FOLLOWED_MAX; i++)
        if (c->followed[i].sequence != 0 && gw_uuid_eq(&c->followed[i].writer, writer))
            return &c->followed[i];
    return NULL;
}

static void look_at_number(struct gw_consumer *c, uint64_t sequence)
{
    if (sequence <= c->last)
        return;
    c->missing += c->last != 0 ? sequence - c->last - 1 : 0;
    c->last = sequence;
}

static void follow(struct gw_consumer *c, const struct gw_uuid *writer)
{
    struct followed *f = followed(c, writer);
    if (f == NULL)
        f = &c->followed[c->followed_count++ % FOLLOWED_MAX];
    *f = (struct followed){*writer, c->last};
}

/* ---- reading a batch ---- */

static bool has_request(const struct gw_audit_row *r)
{
    return !gw_uuid_is_nil(&r->request_id);
}

/* Backwards: an outcome mostly follows its intent closely. */
static struct entry *intent_of(struct gw_consumer *c, const struct gw_audit_row *outcome)
{
    if (!has_request(outcome))
        return NULL;
    for (size_t i = c->count; i > 0; i--) {
        struct entry *e = &c->entries[i - 1];
        if (e->kind == INTENT && gw_uuid_eq(&e->row.request_id, &outcome->request_id))
            return e;
    }
    return NULL;
}

static void add_entry(struct gw_consumer *c, const struct gw_uuid *writer, uint64_t sequence, const struct gw_event *e)
{
    struct entry *n = &c->entries[c->count];
    gw_audit_row_of_event(e, &n->row);
    n->row.writer = *writer;
    n->row.sequence = sequence;
    n->kind = e->phase == GW_EVENT_INTENT ? INTENT : e->phase == GW_EVENT_OUTCOME ? OUTCOME : WHOLE;
    struct entry *intent = n->kind == OUTCOME ? intent_of(c, &n->row) : NULL;
    if (intent == NULL) {
        c->count++;
        return;
    }
    gw_audit_row_conclude(&intent->row, &n->row);
    intent->kind = WHOLE;
}

/* How many events; fewer than a batch: there are no more for now. */
static enum gw_code read_batch(struct gw_consumer *c, const struct source *f, size_t *out, struct gw_error *err)
{
    const struct gw_uuid *writer = gw_journal_reader_writer(f->reader);
    struct gw_event e;
    uint64_t sequence;
    const struct followed *before = followed(c, writer);
    size_t events = 0;
    c->count = 0;
    c->missing = 0;
    c->last = before != NULL ? before->sequence : 0;
    while (events < BATCH_EVENTS) {
        struct gw_error none = {0};
        enum gw_code code = gw_journal_reader_next(f->reader, &e, &sequence, &none);
        if (code == GW_ENOTFOUND)
            break;
        if (code != GW_OK)
            return gw_fail(err, code, "%s", none.msg);
        look_at_number(c, sequence);
        add_entry(c, writer, sequence, &e);
        events++;
    }
    *out = events;
    return GW_OK;
}

/* ---- writing it ---- */

static bool is_same_event(const struct gw_audit_row *a, const struct gw_audit_row *b)
{
    return a->time_ms == b->time_ms && gw_uuid_eq(&a->request_id, &b->request_id) && strcmp(a->action, b->action) == 0;
}

/* Its name (writer, sequence) belongs to another event, which no honest writer brings about. So it is stored under a name of control's:
 * a worker can neither suppress what another did nor hold up the journal. */
static enum gw_code rename_row(struct turn *t, struct gw_audit_row *r, struct gw_error *err)
{
    char what[96], writer[GW_UUID_LEN + 1];
    gw_uuid_format(&r->writer, writer);
    (void)snprintf(what, sizeof(what), "event %" PRIu64 " of writer %s is there twice", r->sequence, writer);
    t->out->conflicts++;
    GW_TRY(tell_of_file(t->c, "journal_damaged", 1, writer, what, err));
    return gw_recorder_add(t->c->o.recorder, t->c->o.store, r, err);
}

static enum gw_code add_row(struct turn *t, struct gw_audit_row *r, struct gw_error *err)
{
    struct gw_audit_row there;
    struct gw_error why = {0};
    enum gw_code code = r->sequence <= INT64_MAX ? gw_store_audit_add(t->c->o.store, r, &why) : GW_ECONFLICT;
    if (code == GW_OK)
        return GW_OK;
    if (code != GW_ECONFLICT)
        return gw_fail(err, code, "%s", why.msg);
    code = gw_store_audit_get(t->c->o.store, &r->writer, r->sequence, &there, &why);
    if (code == GW_OK && is_same_event(r, &there))
        return GW_OK;
    return rename_row(t, r, err);
}

static enum gw_code put_open(struct turn *t, struct gw_audit_row *r, struct gw_error *err)
{
    struct gw_error why = {0};
    enum gw_code code = r->sequence <= INT64_MAX ? gw_store_audit_open_put(t->c->o.store, r, &why) : GW_ECONFLICT;
    if (code == GW_OK)
        return GW_OK;
    if (code != GW_ECONFLICT)
        return gw_fail(err, code, "%s", why.msg);
    r->outcome = GW_OUTCOME_UNKNOWN;
    return rename_row(t, r, err);
}

/* An outcome whose intent is nowhere (it was damaged, or never written) is a row of its own. */
static enum gw_code conclude(struct turn *t, struct gw_audit_row *outcome, struct gw_error *err)
{
    struct gw_audit_row intent;
    struct gw_error why = {0};
    enum gw_code code = GW_ENOTFOUND;
    if (has_request(outcome))
        code = gw_store_audit_open_take(t->c->o.store, &outcome->writer, &outcome->request_id, &intent, &why);
    if (code == GW_ENOTFOUND)
        return add_row(t, outcome, err);
    if (code != GW_OK)
        return gw_fail(err, code, "%s", why.msg);
    gw_audit_row_conclude(&intent, outcome);
    return add_row(t, &intent, err);
}

static enum gw_code write_entries(struct turn *t, struct gw_error *err)
{
    static enum gw_code (*const write[])(struct turn * t, struct gw_audit_row * r, struct gw_error * err) = {
        [WHOLE] = add_row,
        [INTENT] = put_open,
        [OUTCOME] = conclude,
    };
    for (size_t i = 0; i < t->c->count; i++)
        GW_TRY(write[t->c->entries[i].kind](t, &t->c->entries[i].row, err));
    return GW_OK;
}

static enum gw_code tell_of_damage(struct turn *t, const struct source *f, uint64_t damaged, struct gw_error *err)
{
    char what[96];
    (void)snprintf(what, sizeof(what), "%" PRIu64 " bytes could not be read", damaged);
    t->out->damaged_bytes += damaged;
    return tell_of_file(t->c, "journal_damaged", 1, f->name, what, err);
}

/* Where nothing was damaged, which would have told of them. */
static enum gw_code tell_of_missing(struct turn *t, const struct source *f, struct gw_error *err)
{
    char what[96];
    if (t->c->missing == 0)
        return GW_OK;
    (void)snprintf(what, sizeof(what), "%" PRIu64 " events before its are nowhere", t->c->missing);
    t->out->missing += t->c->missing;
    return tell_of_file(t->c, "journal_damaged", 1, f->name, what, err);
}

/* What the writer lost since it was last told of, and what stood unreadable before the last event. */
static enum gw_code write_gaps(struct turn *t, const struct source *f, uint64_t damaged, struct gw_error *err)
{
    struct gw_store *s = t->c->o.store;
    const struct gw_uuid *writer = gw_journal_reader_writer(f->reader);
    uint64_t lost = gw_journal_reader_lost(f->reader), told = 0;
    char what[96];
    enum gw_code code = gw_store_journal_writer_get(s, writer, &told, err);
    if (code != GW_OK && code != GW_ENOTFOUND)
        return code;
    lost = lost <= INT64_MAX ? lost : INT64_MAX;
    if (lost > told) {
        (void)snprintf(what, sizeof(what), "%" PRIu64 " events found no room", lost - told);
        GW_TRY(tell_of_file(t->c, "journal_lost", lost - told, f->name, what, err));
        t->out->lost += lost - told;
    }
    if (code == GW_ENOTFOUND || lost > told)
        GW_TRY(gw_store_journal_writer_put(s, writer, lost > told ? lost : told, err));
    return damaged > 0 ? tell_of_damage(t, f, damaged, err) : tell_of_missing(t, f, err);
}

static enum gw_code write_batch(struct turn *t, const struct source *f, uint64_t damaged, struct gw_error *err)
{
    GW_TRY(write_gaps(t, f, damaged, err));
    GW_TRY(write_entries(t, err));
    return gw_store_journal_file_put(t->c->o.store, gw_str(f->name), gw_journal_reader_writer(f->reader),
                                     gw_journal_reader_offset(f->reader), err);
}

static enum gw_code is_news_of_writer(struct turn *t, const struct source *f, bool *out, struct gw_error *err)
{
    uint64_t told = 0;
    struct gw_error why = {0};
    enum gw_code code = gw_store_journal_writer_get(t->c->o.store, gw_journal_reader_writer(f->reader), &told, &why);
    if (code != GW_OK && code != GW_ENOTFOUND)
        return gw_fail(err, code, "%s", why.msg);
    *out = code == GW_ENOTFOUND || gw_journal_reader_lost(f->reader) > told;
    return GW_OK;
}

static enum gw_code commit_batch(struct turn *t, struct source *f, size_t events, struct gw_error *err)
{
    bool is_news = false;
    GW_TRY(is_news_of_writer(t, f, &is_news, err));
    uint64_t offset = gw_journal_reader_offset(f->reader), damaged = gw_journal_reader_damaged(f->reader) - f->damaged;
    if (!is_news && offset == f->offset && damaged == 0)
        return GW_OK;
    const struct gw_consumer_turn before = *t->out;
    GW_TRY(gw_store_try_begin(t->c->o.store, err));
    enum gw_code code = gw_store_end(t->c->o.store, write_batch(t, f, damaged, err), err);
    if (code != GW_OK) {
        *t->out = before;
        return code;
    }
    if (events > 0)
        follow(t->c, gw_journal_reader_writer(f->reader));
    t->out->events += events;
    f->offset = offset;
    f->damaged += damaged;
    return GW_OK;
}

/* ---- files ---- */

static bool is_over(struct turn *t)
{
    if (gw_clock_mono_ms(t->c->o.clock) >= t->until_ms)
        t->out->is_cut = true;
    return t->out->is_cut;
}

/* A failure of one file's alone: the others are still taken. */
static enum gw_code pass_over(struct turn *t, enum gw_code code, const struct gw_error *why)
{
    if (t->failed == GW_OK)
        t->failed = gw_fail(&t->why, code, "%s", why->msg);
    return GW_OK;
}

/* Told of once, however often the renaming fails: until it succeeds, an offset stored under the new name says that it was. */
static enum gw_code set_aside(struct turn *t, const char *name, const char *why, struct gw_error *err)
{
    static const struct gw_uuid nobody;
    char aside[GW_JOURNAL_NAME_MAX + sizeof(FOREIGN_SUFFIX)];
    struct gw_store *s = t->c->o.store;
    uint64_t ignored;
    (void)snprintf(aside, sizeof(aside), "%s%s", name, FOREIGN_SUFFIX);
    enum gw_code code = gw_store_journal_file_get(s, gw_str(aside), &ignored, err);
    if (code == GW_ENOTFOUND) {
        GW_TRY(gw_store_try_begin(s, err));
        code = tell_of_file(t->c, "journal_damaged", 1, name, why, err);
        if (code == GW_OK)
            code = gw_store_journal_file_put(s, gw_str(aside), &nobody, 0, err);
        code = gw_store_end(s, code, err);
        t->out->foreign += code == GW_OK;
    }
    GW_TRY(code);
    if (renameat(t->dir, name, t->dir, aside) != 0) {
        struct gw_error failed = {0};
        code = gw_fail(&failed, GW_EBACKEND, "cannot set %s aside: %s", name, strerror(errno));
        return pass_over(t, code, &failed);
    }
    GW_TRY(gw_store_journal_file_delete(s, gw_str(name), err));
    return gw_store_journal_file_delete(s, gw_str(aside), err);
}

/* SERIES-WRITER-NUMBER.journal: by the name control tells which writers have files, so the header may not say otherwise. */
static bool writer_of_name(struct gw_str name, struct gw_uuid *out)
{
    size_t dash = gw_str_find(name, '-');
    struct gw_str writer = gw_str_sub(name, dash + 1, GW_UUID_LEN);
    return gw_uuid_parse(writer, out) == GW_OK;
}

static bool is_named_by_writer(const char *name, const struct gw_journal_reader *r)
{
    struct gw_uuid writer;
    return writer_of_name(gw_str(name), &writer) && gw_uuid_eq(&writer, gw_journal_reader_writer(r));
}

/* Else a worker could take the numbers of control's next rows, and what cannot be recorded is not done. */
static enum gw_code check_writer(const struct turn *t, const char *name, const struct gw_journal_reader *r,
                                 struct gw_error *err)
{
    if (!is_named_by_writer(name, r))
        return gw_fail(err, GW_EPARSE, "its name is not its writer's");
    if (gw_uuid_eq(gw_journal_reader_writer(r), gw_recorder_writer(t->c->o.recorder)))
        return gw_fail(err, GW_EPARSE, "it says that control itself wrote it");
    return GW_OK;
}

static bool is_unread(const struct turn *t, const char *name)
{
    struct gw_uuid writer;
    return !gw_uuid_is_nil(&t->unread) && writer_of_name(gw_str(name), &writer) && gw_uuid_eq(&t->unread, &writer);
}

/* Its writer's files stand next to each other in the order of names. */
static enum gw_code pass_over_writer(struct turn *t, const char *name, enum gw_code code, const struct gw_error *why)
{
    (void)writer_of_name(gw_str(name), &t->unread);
    return pass_over(t, code, why);
}

static enum gw_code seek(struct turn *t, struct source *f, struct gw_error *err)
{
    uint64_t offset = 0;
    struct gw_error why = {0};
    enum gw_code code = gw_store_journal_file_get(t->c->o.store, gw_str(f->name), &offset, &why);
    if (code != GW_OK && code != GW_ENOTFOUND)
        return gw_fail(err, code, "%s", why.msg);
    gw_journal_reader_seek(f->reader, offset);
    f->offset = gw_journal_reader_offset(f->reader);
    return GW_OK;
}

static enum gw_code remove_file(struct turn *t, const char *name, struct gw_error *err)
{
    struct gw_error failed = {0};
    if (unlinkat(t->dir, name, 0) != 0)
        return pass_over(t, gw_fail(&failed, GW_EBACKEND, "cannot remove %s: %s", name, strerror(errno)), &failed);
    t->out->files++;
    t->c->may_have_ended = true;
    return gw_store_journal_file_delete(t->c->o.store, gw_str(name), err);
}

static enum gw_code take_events(struct turn *t, struct source *f, struct gw_error *err)
{
    size_t events = BATCH_EVENTS;
    while (events == BATCH_EVENTS) {
        struct gw_error why = {0};
        if (is_over(t))
            return GW_OK;
        enum gw_code code = read_batch(t->c, f, &events, &why);
        if (code != GW_OK)
            return pass_over_writer(t, f->name, code, &why);
        GW_TRY(commit_batch(t, f, events, err));
    }
    return gw_journal_reader_end(f->reader) == GW_JOURNAL_OPEN ? GW_OK : remove_file(t, f->name, err);
}

static enum gw_code take_file(void *ctx, const char *name, struct gw_error *err)
{
    struct turn *t = ctx;
    gw_auto(gw_journal_reader) struct gw_journal_reader *reader = NULL;
    struct gw_error why = {0};
    if (is_over(t) || is_unread(t, name))
        return GW_OK;
    enum gw_code code = gw_journal_reader_open(t->dir, name, &reader, &why);
    if (code == GW_OK)
        code = check_writer(t, name, reader, &why);
    if (code == GW_EPARSE)
        return set_aside(t, name, why.msg, err);
    if (code != GW_OK)
        return pass_over_writer(t, name, code, &why);
    struct source f = {.name = name, .reader = reader};
    GW_TRY(seek(t, &f, err));
    return take_events(t, &f, err);
}

/* ---- writers that have ended ---- */

struct writers {
    size_t count;
    struct {
        struct gw_uuid id;
        bool has_file;
    } list[WRITERS_MAX];
};

static enum gw_code list_writer(void *ctx, const struct gw_uuid *writer, struct gw_error *err)
{
    struct writers *w = ctx;
    (void)err;
    if (w->count < WRITERS_MAX)
        w->list[w->count++].id = *writer;
    return GW_OK;
}

static enum gw_code mark_writer(void *ctx, const char *name, struct gw_error *err)
{
    struct writers *w = ctx;
    struct gw_uuid writer;
    (void)err;
    if (!writer_of_name(gw_str(name), &writer))
        return GW_OK;
    for (size_t i = 0; i < w->count; i++)
        w->list[i].has_file = w->list[i].has_file || gw_uuid_eq(&w->list[i].id, &writer);
    return GW_OK;
}

/* The intents of a writer that nobody will conclude, a batch of them. */
static enum gw_code end_writer_batch(struct turn *t, const struct gw_uuid *writer, size_t *out, struct gw_error *err)
{
    struct gw_store *s = t->c->o.store;
    struct gw_audit_row *r = &t->c->entries[0].row;
    for (*out = 0; *out < BATCH_EVENTS; ++*out) {
        struct gw_error why = {0};
        enum gw_code code = gw_store_audit_open_take(s, writer, NULL, r, &why);
        if (code == GW_ENOTFOUND)
            return gw_store_journal_writer_delete(s, writer, err);
        if (code != GW_OK)
            return gw_fail(err, code, "%s", why.msg);
        r->outcome = GW_OUTCOME_UNKNOWN;
        r->ended_ms = gw_clock_real_ms(t->c->o.clock);
        GW_TRY(add_row(t, r, err));
    }
    return GW_OK;
}

static enum gw_code end_writer(struct turn *t, const struct gw_uuid *writer, struct gw_error *err)
{
    size_t taken = BATCH_EVENTS;
    while (taken == BATCH_EVENTS) {
        if (is_over(t))
            return GW_OK;
        GW_TRY(gw_store_try_begin(t->c->o.store, err));
        GW_TRY(gw_store_end(t->c->o.store, end_writer_batch(t, writer, &taken, err), err));
        t->out->unknown += taken;
    }
    return GW_OK;
}

/* The directory is listed after the writers: one that is seen without a file has none any more. */
static enum gw_code end_writers(struct turn *t, struct gw_error *err)
{
    struct writers w = {0};
    if (!t->c->may_have_ended)
        return GW_OK;
    GW_TRY(gw_store_journal_writer_each(t->c->o.store, list_writer, &w, err));
    GW_TRY(gw_journal_each(t->dir, mark_writer, &w, err));
    for (size_t i = 0; i < w.count; i++) {
        if (!w.list[i].has_file)
            GW_TRY(end_writer(t, &w.list[i].id, err));
    }
    t->c->may_have_ended = t->out->is_cut;
    return GW_OK;
}

/* ---- the clock ---- */

static enum gw_code newest_time(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    (void)err;
    *(int64_t *)ctx = r->ended_ms;
    return GW_OK;
}

/* What the real time should be at least: by the last turn, or else by the newest row. */
static enum gw_code expected_time(struct gw_consumer *c, int64_t mono_ms, int64_t *out, struct gw_error *err)
{
    *out = c->last_real_ms + (mono_ms - c->last_mono_ms);
    if (c->has_turned)
        return GW_OK;
    *out = 0;
    return gw_store_audit_each(c->o.store, &(struct gw_audit_query){.limit = 1}, newest_time, out, err);
}

static enum gw_code watch_clock(struct turn *t, struct gw_error *err)
{
    struct gw_consumer *c = t->c;
    int64_t mono_ms = gw_clock_mono_ms(c->o.clock), real_ms = gw_clock_real_ms(c->o.clock), expected_ms = 0;
    char details[64];
    GW_TRY(expected_time(c, mono_ms, &expected_ms, err));
    int64_t back_ms = expected_ms > real_ms ? expected_ms - real_ms : 0;
    if (back_ms > STEP_MS) {
        (void)snprintf(details, sizeof(details), "{\"back_ms\":%" PRId64 "}", back_ms);
        GW_TRY(gw_store_try_begin(c->o.store, err));
        GW_TRY(gw_store_end(c->o.store, tell(c, "clock_stepped", 1, details, err), err));
        t->out->stepped_ms = back_ms;
    }
    c->has_turned = true;
    c->last_real_ms = real_ms;
    c->last_mono_ms = mono_ms;
    return GW_OK;
}

/* ---- a turn ---- */

enum gw_code gw_consumer_run(struct gw_consumer *c, int dir, struct gw_consumer_turn *out, struct gw_error *err)
{
    *out = (struct gw_consumer_turn){0};
    struct turn t = {.c = c, .dir = dir, .until_ms = gw_clock_mono_ms(c->o.clock) + TURN_MS, .out = out};
    GW_TRY(watch_clock(&t, err));
    GW_TRY(gw_journal_each(dir, take_file, &t, err));
    GW_TRY(end_writers(&t, err));
    return t.failed == GW_OK ? GW_OK : gw_fail(err, t.failed, "%s", t.why.msg);
}
