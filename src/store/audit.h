/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The store's part of the audit trail: rows that are added, read, and deleted when they are old, never changed; intents that still wait for their outcome; and how
 * far the journal has been taken. Rules as in store.h: each call is a transaction, or part of the caller's: a row stands or falls
 * with the change that it tells of. But walks of the trail may be long, so they show what is committed, the caller's own
 * transaction not included, and nobody who changes something waits for them.
 */
#include "journal/event.h"
#include "store/store.h"

#define GW_AUDIT_RESOURCE_TYPE_MAX 64
#define GW_AUDIT_RESOURCE_ID_MAX 128
#define GW_AUDIT_PATH_MAX (3 * GW_EVENT_PATH_MAX) /* each byte may have become %XX */
#define GW_AUDIT_PAGE_MAX 1000

/* Numbers are stored. */
enum gw_severity { GW_SEVERITY_LOW, GW_SEVERITY_MEDIUM, GW_SEVERITY_HIGH, GW_SEVERITY_COUNT };

/* One action with its outcome. Strings are UTF-8 without control characters (audit/row.h makes them so); "": none. */
struct gw_audit_row {
    int64_t id;                /* given by the store, grows; 0 before */
    struct gw_uuid writer;     /* a worker's journal, or one life of control */
    uint64_t sequence;         /* of the writer; at most INT64_MAX */
    int64_t time_ms, ended_ms; /* real time; ended: of the outcome, or the last of several counted together */
    char action[GW_EVENT_ACTION_MAX + 1];
    char resource_type[GW_AUDIT_RESOURCE_TYPE_MAX + 1];
    char resource_id[GW_AUDIT_RESOURCE_ID_MAX + 1];
    struct gw_uuid user_id, session_id, request_id; /* zero: none */
    char address[GW_IP_LEN + 1];
    char user_agent[GW_EVENT_USER_AGENT_MAX + 1];
    char route[GW_EVENT_ROUTE_MAX + 1];
    char path[GW_AUDIT_PATH_MAX + 1];
    enum gw_outcome outcome;
    uint16_t status; /* HTTP; 0: none */
    char reason[GW_EVENT_REASON_MAX + 1];
    enum gw_severity severity;
    uint32_t count;                         /* from 1 */
    uint64_t generation;                    /* of the policy; at most INT64_MAX; 0: none */
    char details[GW_EVENT_DETAILS_MAX + 1]; /* a JSON object; "": none */
};

/* ---- adding ---- */

/* GW_ECONFLICT: (writer, sequence) is there; the caller's transaction goes on. */
GW_MUST_CHECK enum gw_code gw_store_audit_add(struct gw_store *s, const struct gw_audit_row *r, struct gw_error *err);

/* ---- reading ---- */

typedef enum gw_code (*gw_audit_fn)(void *ctx, const struct gw_audit_row *r, struct gw_error *err);

/* What is zero, NULL or empty does not filter. */
struct gw_audit_query {
    int64_t since_ms, until_ms; /* time_ms from since on, and before until */
    const struct gw_uuid *user_id, *session_id, *request_id;
    struct gw_str action, address, resource_type, resource_id;
    const enum gw_outcome *outcome;
    const enum gw_severity *severity;
    int64_t before_id; /* the last id of the page before */
    int64_t newest_id; /* none that was added after it */
    size_t limit;      /* 1..GW_AUDIT_PAGE_MAX, or GW_EINVAL */
};
/* Newest first: as they were added, or, where nothing but a period and an outcome is asked for, by their times. */
GW_MUST_CHECK enum gw_code gw_store_audit_each(struct gw_store *s, const struct gw_audit_query *q, gw_audit_fn fn,
                                               void *ctx, struct gw_error *err);
/* What has come since the row of that id, oldest first, for those who follow along. */
GW_MUST_CHECK enum gw_code gw_store_audit_each_after(struct gw_store *s, int64_t after_id, size_t limit, gw_audit_fn fn,
                                                     void *ctx, struct gw_error *err);
/* The id of the row that was added last; 0: there is none. */
GW_MUST_CHECK enum gw_code gw_store_audit_newest(struct gw_store *s, int64_t *out_id, struct gw_error *err);
/* Not a walk: sees the caller's own transaction. GW_ENOTFOUND. */
GW_MUST_CHECK enum gw_code gw_store_audit_get(struct gw_store *s, const struct gw_uuid *writer, uint64_t sequence,
                                              struct gw_audit_row *out, struct gw_error *err);

/* ---- the end of old rows ---- */

struct gw_audit_pruned {
    size_t count;
    int64_t oldest_ms, newest_ms; /* of what was deleted; 0 where nothing was */
};
/* Deletes the oldest rows whose time is before that, so many at most; never the one that was added last, whose id would be given again. */
GW_MUST_CHECK enum gw_code gw_store_audit_prune(struct gw_store *s, int64_t before_ms, size_t limit,
                                                struct gw_audit_pruned *out, struct gw_error *err);

/* ---- intents without outcome ---- */

/* GW_ECONFLICT: (writer, sequence) is there. */
GW_MUST_CHECK enum gw_code gw_store_audit_open_put(struct gw_store *s, const struct gw_audit_row *r,
                                                   struct gw_error *err);
/* Removes and gives the writer's oldest with that request id (NULL: its oldest). GW_ENOTFOUND. */
GW_MUST_CHECK enum gw_code gw_store_audit_open_take(struct gw_store *s, const struct gw_uuid *writer,
                                                    const struct gw_uuid *request_id, struct gw_audit_row *out,
                                                    struct gw_error *err);

/* Writers of intents that have no journal files (gw_store_journal_writer_put): lives of control itself. */
typedef enum gw_code (*gw_journal_writer_fn)(void *ctx, const struct gw_uuid *writer, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_audit_open_each_writer(struct gw_store *s, gw_journal_writer_fn fn, void *ctx,
                                                           struct gw_error *err);

/* ---- how far the journal has been taken ---- */

#define GW_JOURNAL_FILE_NAME_MAX 128
/* Offset into a journal file. Get: GW_ENOTFOUND. Deleting none is no fault. */
GW_MUST_CHECK enum gw_code gw_store_journal_file_put(struct gw_store *s, struct gw_str name,
                                                     const struct gw_uuid *writer, uint64_t offset,
                                                     struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_journal_file_get(struct gw_store *s, struct gw_str name, uint64_t *out_offset,
                                                     struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_journal_file_delete(struct gw_store *s, struct gw_str name, struct gw_error *err);

/* Writers with files, and how many lost events of theirs have been told of. Get: GW_ENOTFOUND. Delete: with the rows of its files. */
GW_MUST_CHECK enum gw_code gw_store_journal_writer_put(struct gw_store *s, const struct gw_uuid *writer, uint64_t lost,
                                                       struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_journal_writer_get(struct gw_store *s, const struct gw_uuid *writer,
                                                       uint64_t *out_lost, struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_journal_writer_delete(struct gw_store *s, const struct gw_uuid *writer,
                                                          struct gw_error *err);
GW_MUST_CHECK enum gw_code gw_store_journal_writer_each(struct gw_store *s, gw_journal_writer_fn fn, void *ctx,
                                                        struct gw_error *err);
