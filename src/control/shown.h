/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where what nginx shows and knows clients by stands, as control sees it. Control itself shows nothing. Any thread.
 */
#include "control/app.h"

/* A copy of that name stands beside the run directory where `aaiti serve` runs nginx; else the file that the settings name, which control may not be
 * able to read. */
GW_MUST_CHECK enum gw_code gw_shown_file(const struct gw_app *a, const struct gw_app_view *v, const char *copy,
                                         struct gw_str file, struct gw_arena *arena, const char **out,
                                         struct gw_error *err);

/* What calls of the gateway's own show where the listener wants a certificate of each client; there may be no such file. */
GW_MUST_CHECK enum gw_code gw_shown_own(const struct gw_app *a, struct gw_arena *arena, const char **out,
                                        struct gw_error *err);
