/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The exchange of keys while the gateway runs: of the one that signs our tokens (token/ring.h says how the files move), and of the
 * upstream's secret, of which the next is staged beside the current one until the backend takes it. Only files that are ours
 * (gw_keys_file_is_ours) are touched. Any thread; one exchange at a time.
 */
#include "control/app.h"

/* Before the keys are first loaded: completes what a killed rotation left, makes a missing next key. *out_changed: nginx must read the
 * files again. */
GW_MUST_CHECK enum gw_code gw_rotation_mend(const struct gw_keys_source *source, const struct gw_random *r,
                                            bool *out_changed, struct gw_error *err);

enum gw_rotation_haste {
    GW_ROTATE_IN_TURN, /* not while tokens of the previous key live */
    GW_ROTATE_NOW,     /* those tokens end */
};
/* What nginx knows of an exchange. */
enum gw_rotation_told { GW_TOLD, GW_NOBODY_TOLD };

/* The next signing key signs from now on. GW_ECONFLICT: the key is the user's own, or it is too early; err says when or how. */
GW_MUST_CHECK enum gw_code gw_rotation_sign(struct gw_app *a, enum gw_rotation_haste haste,
                                            enum gw_rotation_told *out_told, struct gw_error *err);
/* Drops the previous key once its last token has expired; for the schedule. */
GW_MUST_CHECK enum gw_code gw_rotation_expire(struct gw_app *a, struct gw_error *err);
/* When that will be; 0: there is no previous key. Keys held. */
int64_t gw_rotation_previous_until_s(const struct gw_token_ring *ring, const struct gw_settings *s);

/* Stages the backend's next secret, in place of one that was staged before. GW_EINVAL: it is not fit, or equal to a key there is;
 * GW_ECONFLICT: there is no such secret, or its file is the user's own. */
GW_MUST_CHECK enum gw_code gw_rotation_stage_upstream(struct gw_app *a, struct gw_str secret,
                                                      enum gw_rotation_told *out_told, struct gw_error *err);
/* The staged secret is the only one from now on. GW_ECONFLICT: none is staged. */
GW_MUST_CHECK enum gw_code gw_rotation_finish_upstream(struct gw_app *a, enum gw_rotation_told *out_told,
                                                       struct gw_error *err);
