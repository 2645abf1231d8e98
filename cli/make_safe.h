/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A run of the policy's make_safe, begun and shown as it goes: by control, or in this process when control is down. */
#include "command.h"
#include "response/make_safe.h"

/* as: NULL: whom the policy names. GW_EXIT_YES: all was done; GW_EXIT_NO: it was refused, or something failed or is not known. A run of the
 * same kind that is under way is followed to its end instead. */
int cli_make_safe(struct gw_cli *cli, const char *as, enum gw_safe_mode mode);
