/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Control's own actions, as rows of the audit trail: added in the same transaction as the change that they tell of, so that neither
 * is there without the other. What changes files, and so has no transaction, leaves an intent before and its outcome after. One
 * recorder is one life of control (or of a command that works while control is down): a writer with an UUID of its own, whose rows
 * are numbered. Any thread.
 */
#include "base/clock.h"
#include "base/ip.h"
#include "base/json.h"
#include "crypto/random.h"
#include "store/audit.h"

struct gw_recorder;

GW_MUST_CHECK enum gw_code gw_recorder_new(const struct gw_random *random, const struct gw_clock *clock,
                                           struct gw_recorder **out, struct gw_error *err);
void gw_recorder_free(struct gw_recorder *c);
GW_DEFINE_AUTO_FREE(gw_recorder);
/* By which it signs its rows; nobody else may. */
const struct gw_uuid *gw_recorder_writer(const struct gw_recorder *c);

/* Who does something: one call. Spans are borrowed, and may hold any bytes. */
struct gw_actor {
    enum {
        GW_ACTOR_CLIENT,
        GW_ACTOR_OPERATOR
    } kind; /* an operator's rows say so in their details, for they have no user */
    struct gw_uuid user_id, session_id, request_id; /* zero: none */
    struct gw_ip address;                           /* of a client */
    struct gw_str user_agent;
    struct gw_str route, path; /* "POST /aaiti/v1/users/{id}"; canonical path */
};

/* What was done. What it does not name is not told: no password, token or code has a member to stand in. */
struct gw_deed {
    const char *action;             /* audit/severity.def rates it */
    const char *resource_type;      /* NULL: none */
    const struct gw_uuid *resource; /* NULL: resource_name */
    const char *resource_name;      /* NULL: none */
    /* Where the one who acts is known only by the action itself, as in a sign-in; NULL: the actor's. */
    const struct gw_uuid *user_id, *session_id;
    json_t *details; /* an object of allow-listed members, taken over; NULL: none */
};

/* Fills *out, all but writer, sequence and severity, as DONE. */
void gw_recorder_row(const struct gw_actor *by, const struct gw_deed *d, struct gw_audit_row *out);

/* Between the caller's gw_store_begin and its end. Sets writer, sequence and severity; the times where they are 0, to now; count where it
 * is 0, to 1. The rest is the caller's: strings as audit/row.h makes them. */
GW_MUST_CHECK enum gw_code gw_recorder_add(struct gw_recorder *c, struct gw_store *s, struct gw_audit_row *r,
                                           struct gw_error *err);

/* A deed that changes nothing in the database: one row, done, in a transaction of its own. */
GW_MUST_CHECK enum gw_code gw_recorder_record(struct gw_recorder *c, struct gw_store *s, const struct gw_actor *by,
                                              const struct gw_deed *d, struct gw_error *err);

/* ---- what has no transaction ---- */

/* A transaction of its own, before anything is changed: *r, of gw_recorder_row, is an intent now, and has a request id. */
GW_MUST_CHECK enum gw_code gw_recorder_intend(struct gw_recorder *c, struct gw_store *s, struct gw_audit_row *r,
                                              struct gw_error *err);
/* The outcome of that intent. When it fails, the intent stays, and the next start gives it the outcome unknown. */
GW_MUST_CHECK enum gw_code gw_recorder_conclude(struct gw_recorder *c, struct gw_store *s, struct gw_audit_row *r,
                                                enum gw_outcome outcome, struct gw_error *err);
/* At the start, before anything else is recorded: intents of earlier lives become rows with the outcome unknown. */
GW_MUST_CHECK enum gw_code gw_recorder_mend(struct gw_recorder *c, struct gw_store *s, size_t *out_count,
                                            struct gw_error *err);
