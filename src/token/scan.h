/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A single-pass JSON reader for tokens: strict RFC 8259, UTF-8 checked, escapes decoded in place, no allocation, no tree.
 * Refused beyond the RFC: names that occur twice in an object (after decoding), NUL (raw or \u0000), lone surrogates, depth beyond
 * GW_SCAN_DEPTH_MAX, more than GW_SCAN_NAMES_MAX names in the objects that are open at once. Work is linear in the text.
 * Not a general parser: bodies have their own.
 *
 * The caller walks: enter the object, take member by member, read each value. A failure sticks: whatever follows fails too, so
 * a walk may be judged once, by gw_scan_done at its end.
 */
#include <gw/str.h>

#define GW_SCAN_DEPTH_MAX 8
#define GW_SCAN_NAMES_MAX 64

struct gw_scan {
    char *at;
    char *end; /* a NUL stands here, which no rule of the grammar takes: it ends every loop */
    bool failed;
    unsigned depth;
    size_t name_count;
    struct gw_str names[GW_SCAN_NAMES_MAX]; /* of the open objects, outer ones first */
};

/* An object or array being walked. */
struct gw_scan_list {
    char close;
    bool started;
    size_t first_name;
};

enum gw_scan_kind { GW_SCAN_BAD, GW_SCAN_STRING, GW_SCAN_NUMBER, GW_SCAN_LITERAL, GW_SCAN_OBJECT, GW_SCAN_ARRAY };

/* text[len] must be writable: the reader puts its NUL there. The text is overwritten by its decoded strings. */
void gw_scan_init(struct gw_scan *s, char *text, size_t len);
/* open is '{' or '['. False when something else stands there. */
bool gw_scan_enter(struct gw_scan *s, char open, struct gw_scan_list *out);
/* The next member's name; its value must be read before the next call. False behind the last one and on failure. */
bool gw_scan_member(struct gw_scan *s, struct gw_scan_list *list, struct gw_str *out_name);
/* The same for an array. */
bool gw_scan_item(struct gw_scan *s, struct gw_scan_list *list);
/* What the next value is by its first byte; reads nothing. */
enum gw_scan_kind gw_scan_peek(struct gw_scan *s);
/* Reads any value to its end. *out_text: a string decoded, or a number or literal as it stands; objects and arrays are checked and
 * passed over. The span points into the text. */
enum gw_scan_kind gw_scan_value(struct gw_scan *s, struct gw_str *out_text);
/* True when all was well-formed and only white space is left. */
bool gw_scan_done(struct gw_scan *s);
