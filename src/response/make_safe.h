/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A run of the policy's `make_safe`: its lists are read, its calls made, its reports told, in their order. Bounded in time, calls at a
 * time, items and bytes; a call that is not safe to repeat is sent at most once. What goes over the wire is the caller's (an exchange
 * function), as are clock and waiting. Blocks for up to GW_SAFE_TOTAL_MS and one call more; its callbacks come from several threads,
 * one at a time.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "policy/make_safe.h"

#define GW_SAFE_PARALLEL 8               /* a hundred bots in seconds, and no flood for a small backend */
#define GW_SAFE_TRIES 3                  /* a backend that is just restarting is there at the third */
#define GW_SAFE_CALL_MS INT64_C(5000)    /* what hangs must not hold up those behind it */
#define GW_SAFE_TOTAL_MS INT64_C(120000) /* then a person must look, not a program */
#define GW_SAFE_ITEMS_MAX 1000           /* of one list */
#define GW_SAFE_ID_MAX 128
#define GW_SAFE_ANSWER_MAX ((size_t)1024 * 1024)

/* ---- one exchange ---- */

struct gw_safe_request {
    struct gw_str method, target; /* canonical */
    struct gw_str body;           /* JSON; empty: none */
    int64_t timeout_ms;           /* for all of it */
};
struct gw_safe_answer {
    unsigned status;
    bool is_problem;    /* application/problem+json */
    const char *why;    /* of an end without answer; static storage; NULL: nothing to add */
    struct gw_buf body; /* made by the caller, with a cap; one that did not fit says so itself */
};
enum gw_safe_end {
    GW_SAFE_ANSWERED,
    GW_SAFE_UNREACHED,  /* no byte of the request was sent */
    GW_SAFE_UNANSWERED, /* some was, and no whole answer came */
};
/* Any thread. */
typedef enum gw_safe_end (*gw_safe_exchange_fn)(void *ctx, const struct gw_safe_request *q, struct gw_safe_answer *out);

/* ---- what a run tells ---- */

enum gw_safe_outcome {
#define GW_SAFE_OUTCOME(name, text) GW_SAFE_OUTCOME_##name,
#include "response/safe_outcome.def"
#undef GW_SAFE_OUTCOME
};
const char *gw_safe_outcome_text(enum gw_safe_outcome o);

/* One call, or one reading of a list. Borrowed. */
struct gw_safe_row {
    const struct gw_safe_step *step;
    struct gw_str target;
    unsigned tries;
    enum gw_safe_outcome outcome;
    unsigned status; /* of the last answer; 0: there was none */
    size_t items;    /* of a list: how many were taken */
    const char *why; /* static storage; NULL: the outcome says all */
};
/* What a report found. Borrowed; of: the item that its list was read for, empty: none. */
struct gw_safe_left {
    const struct gw_safe_step *step;
    struct gw_str id, of;
};
struct gw_safe_summary {
    size_t calls, ok, failed, unknown; /* failed: with those that were not sent. Of a plan: calls alone */
    size_t unread;                     /* lists that could not be read, or not to their end */
    size_t left;                       /* items that reports found */
};

enum gw_safe_mode { GW_SAFE_RUN, GW_SAFE_PLAN /* lists are read, nothing is called */ };

struct gw_safe_options {
    const struct gw_policy *policy; /* with the section */
    enum gw_safe_mode mode;
    gw_safe_exchange_fn exchange;
    void (*wait_ms)(void *ctx, int64_t ms); /* before another try; returns sooner when the run is to stop */
    bool (*is_stopped)(void *ctx);          /* true: nothing more is begun */
    void (*row)(void *ctx, const struct gw_safe_row *row);
    void (*left)(void *ctx, const struct gw_safe_left *left);
    void *ctx; /* of all of them */
    const struct gw_clock *clock;
    unsigned parallel; /* at most GW_SAFE_PARALLEL */
};

/* GW_ENOMEM: what was done until then has its rows. */
GW_MUST_CHECK enum gw_code gw_make_safe_run(const struct gw_safe_options *o, struct gw_safe_summary *out,
                                            struct gw_error *err);
