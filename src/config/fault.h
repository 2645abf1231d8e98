/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is wrong with a file, all of it at once: a bounded list of faults, each with file, line, and what was expected.
 * Loaders add to it and go on; whoever called them asks gw_faults_count at the end. Adding never fails: all room is
 * taken when the list is made.
 */
#include "base/buf.h"
#include <gw/cleanup.h>
#include <gw/error.h>
#include <gw/str.h>

#define GW_FAULTS_MAX 100

struct gw_fault {
    const char *file;
    unsigned line;       /* 1-based; 0: the file as a whole */
    const char *message; /* "unknown key `lisen`; did you mean `listen`?" */
};

struct gw_faults;
GW_MUST_CHECK enum gw_code gw_faults_new(struct gw_faults **out, struct gw_error *err);
void gw_faults_free(struct gw_faults *f);
GW_DEFINE_AUTO_FREE(gw_faults);

/* Beyond GW_FAULTS_MAX only counts. Long texts are cut, control bytes become "?": faults are shown on terminals. */
void gw_faults_add(struct gw_faults *f, const char *file, unsigned line, const char *fmt, ...) GW_PRINTF(4, 5);
size_t gw_faults_count(const struct gw_faults *f);
/* i < min(count, GW_FAULTS_MAX), in order of file and line. Borrowed until the next gw_faults_add. */
const struct gw_fault *gw_faults_get(const struct gw_faults *f, size_t i);
/* "file:line: message\n" for each, in order of file and line, and "… and N more". */
void gw_faults_print(const struct gw_faults *f, struct gw_buf *out);
