/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the gateway goes by ends some day, and somebody has to have put another in its place before: the certificates that are shown, the authorities of
 * clients' certificates, and the lists of what those have revoked. Told in the log, and by a gauge each. For the schedule's thread.
 */
#include "control/app.h"

enum gw_expiring { GW_EXPIRING_CERTIFICATE, GW_EXPIRING_CLIENT_CA, GW_EXPIRING_CLIENT_CRL, GW_EXPIRING_COUNT };

/* What has been told of the end of one of them. Zero: nothing. */
struct gw_expiry {
    int64_t not_after_s; /* of the one that it was told of */
    unsigned told;       /* how many of the warnings */
};

/* The warning that is due by now: at most so many days are left, 0: it is over; -1: none, or it was told. Each is told once for one end, and of several
 * that are due at once only the last. */
int gw_expiry_step(struct gw_expiry *e, int64_t not_after_s, int64_t now_s);

/* Each minute: sets the gauges, and logs what is due. What cannot be read keeps none of the others from it. */
GW_MUST_CHECK enum gw_code gw_expiry_look(struct gw_app *a, struct gw_error *err);
