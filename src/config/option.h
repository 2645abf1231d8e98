/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Option tables: one row an option drives parsing, defaults, `aaiti config show` and docs/options.md. This module knows
 * no option by name. A dotted key ("session.idle") is a path of YAML maps; a file may also write it as one key.
 */
#include "base/ip.h"
#include "config/yaml.h"

enum gw_option_type {
    GW_OPT_STRING,   /* struct gw_str, NUL-terminated behind len */
    GW_OPT_INT,      /* int64_t, min..max */
    GW_OPT_BYTES,    /* int64_t bytes: 512, 19MiB, 64KiB */
    GW_OPT_DURATION, /* int64_t milliseconds: 250ms, 60s, 15m, 24h, 7d; a bare number is seconds, as to jsonwebtoken */
    GW_OPT_BOOL,     /* bool: true, false */
    GW_OPT_ENUM,     /* int, index into choices */
    GW_OPT_CIDRS,    /* struct gw_option_cidrs: a YAML list, or one scalar with commas */
    GW_OPT_STRINGS,  /* struct gw_option_strings: the same */
    GW_OPT_ORIGINS,  /* the same, each an exact origin (base/origin.h) */
};

struct gw_option_cidrs {
    const struct gw_cidr *item;
    size_t count;
};
struct gw_option_strings {
    const struct gw_str *item;
    size_t count;
};

struct gw_option {
    const char *key;
    enum gw_option_type type;
    size_t offset;              /* into the settings struct */
    const char *default_text;   /* parsed as if it stood in the file; NULL: the option must be given */
    int64_t min, max;           /* of INT, BYTES, DURATION; length of STRING; 0,0: none */
    const char *const *choices; /* ENUM: NULL-terminated */
    const char *env;            /* environment variable that overrides the file, or NULL */
    const char *help;           /* one sentence for the docs */
};

/* Environment look-up, injected; NULL where a variable is unset. An empty variable counts as unset. */
typedef const char *(*gw_getenv_fn)(const char *name);

/* Fills the struct at base: default, then file, then environment. Unknown keys, wrong types and values out of range are
 * faults with the nearest known key. Strings live in the arena. root may be NULL (all defaults). */
void gw_options_apply(const struct gw_option *table, size_t count, const struct gw_yaml *root, const char *file,
                      gw_getenv_fn getenv_fn, struct gw_arena *a, void *base, struct gw_faults *f);
/* Reads one value into dst by a row's type. False with a fault added. */
bool gw_option_parse(const struct gw_option *row, const struct gw_yaml *value, const char *file, struct gw_arena *a,
                     void *dst, struct gw_faults *f);
/* Line where the file gives key, or 0. For checks that look at several options. */
unsigned gw_option_line(const struct gw_yaml *root, struct gw_str key);
/* `session.idle: 24h` for each row as effective, YAML that reads back the same. */
void gw_options_print(const struct gw_option *table, size_t count, const void *base, struct gw_buf *out);
/* The Markdown table of docs/options.md. */
void gw_options_document(const struct gw_option *table, size_t count, struct gw_buf *out);
