/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Of whom something has changed in the authority segment that may end what is open: a ring in the segment, written by control after the change
 * itself. Who keeps up looks at those users alone; who does not, or sees another segment, is told that it may be anybody.
 */
#include "base/encode.h"
#include <stdatomic.h>

#define GW_CHANGES_SLOTS 1024u

/* In shared memory; all zero at first. */
struct gw_changes {
    _Atomic uint64_t count; /* that were ever added */
    struct {
        _Atomic uint64_t words[2]; /* a user's id; zero: anybody */
    } users[GW_CHANGES_SLOTS];
};

/* One writer at a time. user NULL: it may concern anybody. */
void gw_changes_add(struct gw_changes *c, const struct gw_uuid *user);

enum gw_changed { GW_CHANGED_NOBODY, GW_CHANGED_USER, GW_CHANGED_ANYBODY };
/* The next since *io_position, which is 0 at first; after ANYBODY it is that of the latest. */
enum gw_changed gw_changes_next(const struct gw_changes *c, uint64_t *io_position, struct gw_uuid *out_user);
