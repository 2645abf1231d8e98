/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The body of a call that a page's form sends: application/x-www-form-urlencoded, taken for the same object of strings that a JSON body would
 * be, so that what follows is one for both.
 */
#include "control/dispatch.h"

#define GW_FORM_MEDIA_TYPE "application/x-www-form-urlencoded"

/* Whether the value of a Content-Type names that, with parameters or without. */
bool gw_form_is_one(struct gw_str media_type);
/* GW_EPARSE, GW_EINVAL: the body is none, names a field that is not among members, or one twice. Nothing of it is left but in *out. */
GW_MUST_CHECK enum gw_code gw_form_read(struct gw_str body, const struct gw_api_member *members, json_t **out,
                                        struct gw_error *err);
