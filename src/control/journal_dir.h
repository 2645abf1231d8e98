/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * HOME/journal, where the workers write and control reads and removes (journal/journal.h). It belongs to control. Workers of another
 * user make files there by their group, and can neither remove nor replace those of others: the directory is sticky.
 */
#include <gw/error.h>

#define GW_JOURNAL_DIR "journal"

/* Makes it where it is missing, gives it the group of the run directory, and opens it; *out is the caller's to close. GW_EDENIED: a link
 * or another's stands there. */
GW_MUST_CHECK enum gw_code gw_journal_dir_open(const char *home, const char *run_dir, int *out, struct gw_error *err);
