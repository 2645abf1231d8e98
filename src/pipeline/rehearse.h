/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What each stage of the gate would say to a request that nobody has sent: the stages of the gate, asked in its order, for `aaiti explain`
 * and for tests. Needs a policy and settings, but no keys, segment or credential: whoever is said to ask is taken to be signed in.
 * Judges nothing that is real, and the gate never calls it. Any thread.
 */
#include "pipeline/pipeline.h"

struct gw_rehearsal {
    const struct gw_policy *policy;
    const struct gw_settings *settings;
    struct gw_str method, target;
    const struct gw_live_user *user;   /* what the segment would hold; NULL: nobody is signed in */
    enum gw_credential_kind by;        /* how the user shows who it is; ABSENT where there is none */
    const struct gw_live_key *key;     /* by KEY and CERTIFICATE: the user's, of which the proof is not looked at */
    struct gw_str origin;              /* of the page that asks; empty: no browser says */
    struct gw_str fetch_site;          /* how that is related to us: "cross-site"; empty: the same */
    const struct gw_mode_set *modes;   /* NULL: as if none were in force */
    const struct gw_live_block *block; /* what the segment would find of the client's address; NULL: nothing */
    struct gw_ip client;               /* zero: nobody says where from */
    int64_t now_s;                     /* for modes and blocks */
};

enum gw_opinion_kind { GW_OPINION_NOT_ASKED, GW_OPINION_OK, GW_OPINION_REFUSES };

struct gw_rehearsed {
    struct gw_opinion {
        enum gw_opinion_kind kind; /* NOT_ASKED: an earlier stage refused */
        enum gw_reason reason;
        const char *detail; /* static storage; NULL: none */
    } opinions[GW_STAGE_COUNT];
    bool allowed;
    const struct gw_route *route; /* NULL: none was found */
    struct gw_str target;         /* the canonical one, in the arena; empty: none was found */
    bool signed_in;               /* the route looked at who asks, and it is an active user */
    struct gw_budget budget;      /* in which it would be counted */
    bool shown;                   /* the backend is to see a credential made for the user */
};

/* What is not asked for stays as the gate would leave it. GW_ENOMEM. */
GW_MUST_CHECK enum gw_code gw_rehearse(const struct gw_rehearsal *in, struct gw_arena *a, struct gw_rehearsed *out,
                                       struct gw_error *err);
