/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A pipe from control to `aaiti serve`. Control's user may not signal root, so control writes a byte where nginx is to read its key files
 * again (control/rotation.h); `serve` hears of it by SIGIO among the signals that it waits for. A byte says no more than that.
 */
#include <gw/error.h>
#include <stdbool.h>

/* Set for a control that finds its end of the pipe as GW_CHILD_FD. */
#define GW_DOORBELL_ENV "AAITI_DOORBELL"

struct gw_doorbell {
    int button;  /* control's end */
    int hearing; /* ours; does not block */
};

/* Both ends are closed on exec. SIGIO must be blocked. */
GW_MUST_CHECK enum gw_code gw_doorbell_open(struct gw_doorbell *d, struct gw_error *err);
/* Whether anybody rang since the last look. */
bool gw_doorbell_was_rung(const struct gw_doorbell *d);
void gw_doorbell_close(struct gw_doorbell *d);
