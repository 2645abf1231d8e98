/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A file mapped whole and shared: made complete under another name, then renamed, so that nobody maps half a segment; never
 * reached through a symlink. Knows nothing of what is in it. Used by the files of shared_shm and by mode_file.c.
 */
#include <gw/cleanup.h>
#include <gw/error.h>
#include <stddef.h>
#include <sys/types.h>

struct gw_segment {
    void *base; /* NULL: not mapped */
    size_t bytes;
    int fd;
    char temporary[64]; /* name until published; "" after */
};
#define GW_SEGMENT_NONE ((struct gw_segment){.fd = -1})

enum gw_segment_access { GW_SEGMENT_READ, GW_SEGMENT_WRITE };

/* GW_ENOTFOUND: no such file. GW_EDENIED: a symlink, or no regular file. A file shorter than min_bytes is opened but not
 * mapped (base NULL), so that it can be replaced. */
GW_MUST_CHECK enum gw_code gw_segment_open(int dir, const char *name, enum gw_segment_access access, size_t min_bytes,
                                           struct gw_segment *out, struct gw_error *err);
/* A zeroed file of its own, all its memory taken, writable, not yet under its name. */
GW_MUST_CHECK enum gw_code gw_segment_create(int dir, const char *name, mode_t mode, size_t bytes,
                                             struct gw_segment *out, struct gw_error *err);
enum gw_segment_publish { GW_SEGMENT_NEW, GW_SEGMENT_REPLACE };
/* Under its name from now on. NEW: GW_ECONFLICT when another has that name. */
GW_MUST_CHECK enum gw_code gw_segment_publish(int dir, struct gw_segment *s, const char *name,
                                              enum gw_segment_publish how, struct gw_error *err);
/* Makes this process the only writer: takes a lock file that only its owner can open, because whoever can open a file, if only
 * to read it, can lock it. GW_ECONFLICT: another holds it. Held until *out_fd is closed, or the end of the process. */
GW_MUST_CHECK enum gw_code gw_segment_lock(int dir, const char *name, int *out_fd, struct gw_error *err);
void gw_segment_done(struct gw_segment *s);
GW_DEFINE_AUTO_DONE(gw_segment);
