/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Whole small files: made once and never over another, replaced in one step, or read up to a cap. Blocks; not for the request path.
 */
#include "base/buf.h"
#include <sys/types.h>

/* Makes path with exactly this mode and content, on disk when it returns. GW_ECONFLICT when something is there; nothing half-written
 * stays behind. */
GW_MUST_CHECK enum gw_code gw_file_create(const char *path, mode_t mode, struct gw_str content, struct gw_error *err);
/* Appends a regular file's content to out, up to out's cap. GW_ENOTFOUND: there is none; GW_ELIMIT: it is larger. */
GW_MUST_CHECK enum gw_code gw_file_read(const char *path, struct gw_buf *out, struct gw_error *err);
/* Puts a new file of this mode and content in path's place, in one step: a reader finds the old one or the new one, whole. What a killed
 * predecessor left beside it (PATH.new) is written over. */
GW_MUST_CHECK enum gw_code gw_file_replace(const char *path, mode_t mode, struct gw_str content, struct gw_error *err);
/* rename(2) within a directory, on disk when it returns. */
GW_MUST_CHECK enum gw_code gw_file_rename(const char *from, const char *to, struct gw_error *err);
