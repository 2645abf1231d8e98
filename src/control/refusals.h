/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What control itself refuses: failed sign-ins, missing rights, codes and tokens that are none. Anybody can make refusals, so that they are
 * not written to the database one by one: they are counted together (journal/tally.h), and what was counted goes to a journal of
 * control's own each second, from where it is taken like the workers'. A kill loses a second of it; nothing that was done is in it. Any
 * thread.
 */
#include "audit/recorder.h"

struct gw_refusals;

/* dir: the journal's, borrowed. Makes the first file. */
GW_MUST_CHECK enum gw_code gw_refusals_new(int dir, const struct gw_random *random, const struct gw_clock *clock,
                                           struct gw_refusals **out, struct gw_error *err);
/* With what was counted last in the journal. */
void gw_refusals_free(struct gw_refusals *r);
GW_DEFINE_AUTO_FREE(gw_refusals);

struct gw_refused {
    const char *action; /* what was tried: "user_login_failed", "password_changed" */
    const char *reason; /* "WRONG_PASSWORD" */
    struct gw_uuid
        user_id; /* whose account it was about; zero: nobody's that we know. Never the name that was typed. */
};
/* status: of the answer. */
void gw_refusals_count(struct gw_refusals *r, const struct gw_actor *by, const struct gw_refused *what,
                       unsigned status);
/* Each second. GW_ELIMIT, GW_EBACKEND: there is no new file; what finds no room is counted as lost. */
GW_MUST_CHECK enum gw_code gw_refusals_flush(struct gw_refusals *r, struct gw_error *err);
