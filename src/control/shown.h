/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The certificates that the gateway shows, as control sees them: where they stand, and how long they are good. Control shows none itself.
 */
#include "control/app.h"

/* What has been told of the end of what is shown. For the schedule's thread. Zero: nothing. */
struct gw_expiry {
    int64_t not_after_s; /* of the one that it was told of */
    unsigned told;       /* how many of the warnings */
};

/* The file with them: a copy stands beside the run directory where `aaiti serve` runs nginx; else tls.certificate, which control may not be able to
 * read. */
GW_MUST_CHECK enum gw_code gw_shown_certificates(const struct gw_app *a, const struct gw_app_view *v,
                                                 struct gw_arena *arena, const char **out, struct gw_error *err);

/* What calls of the gateway's own show where the listener wants a certificate of each client; there may be no such file. */
GW_MUST_CHECK enum gw_code gw_shown_own(const struct gw_app *a, struct gw_arena *arena, const char **out,
                                        struct gw_error *err);

/* The warning that is due by now: at most so many days are left, 0: it has expired; -1: none, or it was told. Each is told once for one
 * certificate, and of several that are due at once only the last. */
int gw_expiry_step(struct gw_expiry *e, int64_t not_after_s, int64_t now_s);

/* Each minute: sets the gauge, and logs what is due. */
GW_MUST_CHECK enum gw_code gw_shown_look(struct gw_app *a, struct gw_error *err);
