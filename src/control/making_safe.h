/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The runs of `make_safe` (response/make_safe.h) of a control plane: one at a time, in a thread of its own, as a user in a session that
 * is made for it; what it does can be watched, and the last one that ended can be read until the next begins. Any thread, but free.
 */
#include "audit/recorder.h"
#include "control/app.h"
#include "response/make_safe.h"

#define GW_MAKING_SAFE_PAGE 500 /* rows that are shown at once */

struct gw_making_safe;

GW_MUST_CHECK enum gw_code gw_making_safe_new(struct gw_app *a, struct gw_making_safe **out, struct gw_error *err);
/* Begins nothing more, waits for what is under way (GW_SAFE_CALL_MS at most), records the end. */
void gw_making_safe_free(struct gw_making_safe *s);

struct gw_making_safe_start {
    const struct gw_actor *by; /* copied */
    struct gw_str as;          /* user name, e-mail or id */
    enum gw_safe_mode mode;
};
/* GW_EINVAL: the policy has no such section, or the user cannot do what it says (err names it). GW_ECONFLICT: a run is under way; *out_id is
 * its id in this case, too. */
GW_MUST_CHECK enum gw_code gw_making_safe_start(struct gw_making_safe *s, const struct gw_making_safe_start *how,
                                                struct gw_uuid *out_id, struct gw_error *err);
/* How a run stands, with its rows after the given number. GW_ENOTFOUND: there is none of that id. */
GW_MUST_CHECK enum gw_code gw_making_safe_show(struct gw_making_safe *s, const struct gw_uuid *id, size_t after,
                                               json_t **out, struct gw_error *err);
