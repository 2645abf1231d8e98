/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Directories of the home directory that belong to control and that the workers, of another user, come to by their group: HOME/journal,
 * where they write and control reads and removes (journal/journal.h), and HOME/mode, which they only read (shared/mode.h).
 */
#include <gw/error.h>
#include <sys/types.h>

struct gw_home_dir {
    const char *name;
    mode_t shared_mode; /* where the workers are of another group */
};
extern const struct gw_home_dir gw_journal_dir, gw_mode_dir;

/* Makes it where it is missing, gives it the group of the run directory, and opens it; *out is the caller's to close. GW_EDENIED: a link
 * or another's stands there. */
GW_MUST_CHECK enum gw_code gw_home_dir_open(const struct gw_home_dir *d, const char *home, const char *run_dir,
                                            int *out, struct gw_error *err);
