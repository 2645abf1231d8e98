/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Replays of corpora that nobody here wrote: JSON Lines under the directory that GW_CORPORA names. A replay test opens one,
 * judges each row, and ends with the count of what passed, failed and was skipped. One thread.
 */
#include <jansson.h>
#include <stdio.h>

#include <gw/str.h>

struct corpus {
    const char *name; /* the path below GW_CORPORA */
    FILE *file;
    char *line;
    size_t line_size;
    json_t *row;
    unsigned passed, failed, skipped;
};

/* Ends the program with 77 and a notice when the corpora are absent. */
void corpus_open(struct corpus *c, const char *name);
/* The next row, borrowed until the next call; NULL at the end. A line that is no JSON object ends the program. */
const json_t *corpus_next(struct corpus *c);
/* Prints the counts; the program's exit status. Nothing passed is a failure too. */
int corpus_close(struct corpus *c);

void corpus_pass(struct corpus *c);
/* Says why on stdout. */
void corpus_fail(struct corpus *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void corpus_skip(struct corpus *c, const char *why);

/* A whole JSON file below GW_CORPORA. Caller json_decrefs. */
json_t *corpus_load(const char *name);

/* A string member; empty when absent, null or of another type. */
struct gw_str corpus_text(const json_t *row, const char *member);
/* Its hexadecimal, base64 or base64url text decoded, malloced; caller frees ptr. Bad text ends the program. */
struct gw_str corpus_hex(const json_t *row, const char *member);
struct gw_str corpus_base64(const json_t *row, const char *member);
struct gw_str corpus_base64url(const json_t *row, const char *member);
void corpus_free(struct gw_str bytes);
