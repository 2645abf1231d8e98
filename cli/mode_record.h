/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The record of a mode that the command line set by itself: an event in a journal of its own in HOME/journal, which control takes into the
 * audit trail within a second of its life. Needs no control and no database.
 */
#include "command.h"
#include "shared/mode.h"

/* GW_ENOTFOUND: control has never run here. */
GW_MUST_CHECK enum gw_code cli_record_mode(const struct gw_cli *cli, const struct gw_mode_entry *entry, int64_t now_ms,
                                           struct gw_error *err);
