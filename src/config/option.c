/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over the file's maps notes for each row the node that gives it and reports keys that no row has; then each row
 * takes its value from the environment, the file, or its default.
 */
#include "config/option.h"

#include "config/nearest.h"
#include "config/option_value.h"

#include <stdio.h>
#include <string.h>

#define KEY_MAX 128

struct walk {
    const struct gw_option *table;
    size_t count;
    const char *file;
    struct gw_faults *faults;
    const struct gw_yaml **given; /* one a row; NULL: not in the file */
    struct gw_str *words;         /* room for one a row, to look for the nearest */
};

/* The first `dots`+1 parts of a key. */
static struct gw_str leading_parts(struct gw_str key, size_t dots)
{
    for (size_t i = 0; i < key.len; i++)
        if (key.ptr[i] == '.' && dots-- == 0)
            return gw_str_sub(key, 0, i);
    return key;
}

static size_t count_dots(struct gw_str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == '.';
    return n;
}

static void report_unknown(const struct walk *w, struct gw_str path, unsigned line)
{
    size_t dots = count_dots(path);
    for (size_t i = 0; i < w->count; i++)
        w->words[i] = leading_parts(gw_str(w->table[i].key), dots);
    struct gw_str meant = gw_nearest(path, w->words, w->count);
    if (meant.len > 0)
        gw_faults_add(w->faults, w->file, line, "unknown key `%.*s`; did you mean `%.*s`?", GW_STR_ARG(path),
                      GW_STR_ARG(meant));
    else
        gw_faults_add(w->faults, w->file, line, "unknown key `%.*s`; docs/options.md lists the keys", GW_STR_ARG(path));
}

static const struct gw_option *row_of(const struct walk *w, struct gw_str path)
{
    for (size_t i = 0; i < w->count; i++)
        if (gw_str_eq(gw_str(w->table[i].key), path))
            return &w->table[i];
    return NULL;
}

/* Some key starts with path and a dot. */
static bool is_section(const struct walk *w, struct gw_str path)
{
    for (size_t i = 0; i < w->count; i++) {
        struct gw_str key = gw_str(w->table[i].key);
        if (gw_str_starts(key, path) && key.len > path.len && key.ptr[path.len] == '.')
            return true;
    }
    return false;
}

static void note_given(const struct walk *w, const struct gw_option *row, const struct gw_yaml *node)
{
    const struct gw_yaml **slot = &w->given[row - w->table];
    if (*slot != NULL)
        gw_faults_add(w->faults, w->file, node->key_line, "`%s` stands twice, first in line %u", row->key,
                      (*slot)->key_line);
    *slot = node;
}

/* Depth is bounded by the table: only sections are entered. */
static void walk_map(const struct walk *w, const struct gw_yaml *map, struct gw_str prefix)
{
    for (const struct gw_yaml *node = map->first; node != NULL; node = node->next) {
        char path[KEY_MAX];
        int n = snprintf(path, sizeof(path), "%.*s%s%.*s", GW_STR_ARG(prefix), prefix.len > 0 ? "." : "",
                         GW_STR_ARG(node->key));
        struct gw_str key = {path, (size_t)n < sizeof(path) ? (size_t)n : sizeof(path) - 1};
        const struct gw_option *row = row_of(w, key);
        if (row != NULL)
            note_given(w, row, node);
        else if (!is_section(w, key))
            report_unknown(w, key, node->key_line);
        else if (node->kind != GW_YAML_MAP)
            gw_faults_add(w->faults, w->file, node->line, "%.*s: expected a map of settings", GW_STR_ARG(key));
        else
            walk_map(w, node, key);
    }
}

static void apply_row(const struct gw_option *row, const struct gw_yaml *given, const char *file,
                      gw_getenv_fn getenv_fn, struct gw_arena *a, char *base, struct gw_faults *f)
{
    void *dst = base + row->offset;
    struct gw_yaml text = {.kind = GW_YAML_SCALAR};
    if (given != NULL) {
        gw_option_parse(row, given, file, a, dst, f);
    } else if (row->default_text != NULL) {
        text.text = gw_str(row->default_text);
        text.quoted = row->type == GW_OPT_STRING;
        gw_option_parse(row, &text, file, a, dst, f);
    }

    const char *env = row->env != NULL ? getenv_fn(row->env) : NULL;
    if (env != NULL && *env != '\0') {
        text.text = gw_str(env);
        text.quoted = row->type == GW_OPT_STRING;
        gw_option_parse(row, &text, row->env, a, dst, f);
    } else if (given == NULL && row->default_text == NULL) {
        gw_faults_add(f, file, 0, "`%s` is missing: %s", row->key, row->help);
    }
}

void gw_options_apply(const struct gw_option *table, size_t count, const struct gw_yaml *root, const char *file,
                      gw_getenv_fn getenv_fn, struct gw_arena *a, void *base, struct gw_faults *f)
{
    struct walk w = {
        .table = table,
        .count = count,
        .file = file,
        .faults = f,
        .given = gw_arena_calloc(a, count, sizeof(*w.given)),
        .words = gw_arena_calloc(a, count, sizeof(*w.words)),
    };
    if (w.given == NULL || w.words == NULL) {
        gw_faults_add(f, file, 0, "no memory for the settings");
        return;
    }
    if (root != NULL && root->kind != GW_YAML_MAP)
        gw_faults_add(f, file, root->line, "expected a map of settings");
    else if (root != NULL)
        walk_map(&w, root, GW_STR_NULL);
    for (size_t i = 0; i < count; i++)
        apply_row(&table[i], w.given[i], file, getenv_fn, a, base, f);
}

unsigned gw_option_line(const struct gw_yaml *root, struct gw_str key)
{
    const struct gw_yaml *node = root;
    while (node != NULL && node->kind == GW_YAML_MAP) {
        const struct gw_yaml *whole = gw_yaml_get(node, key);
        if (whole != NULL)
            return whole->line;
        size_t dot = gw_str_find(key, '.');
        if (dot == key.len)
            return 0;
        node = gw_yaml_get(node, gw_str_sub(key, 0, dot));
        key = gw_str_sub(key, dot + 1, key.len);
    }
    return 0;
}

void gw_options_print(const struct gw_option *table, size_t count, const void *base, struct gw_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        gw_buf_addf(out, "%s: ", table[i].key);
        gw_option_print(&table[i], base, out);
        gw_buf_addc(out, '\n');
    }
}

static void document_row(const struct gw_option *row, struct gw_buf *out)
{
    gw_buf_addf(out, "| `%s` | ", row->key);
    gw_option_print_type(row, out);
    if (row->default_text == NULL)
        gw_buf_addf(out, " | must be given");
    else if (row->default_text[0] == '\0')
        gw_buf_addf(out, " | none");
    else
        gw_buf_addf(out, " | `%s`", row->default_text);
    if (row->env != NULL)
        gw_buf_addf(out, " | `%s` | %s |\n", row->env, row->help);
    else
        gw_buf_addf(out, " | | %s |\n", row->help);
}

void gw_options_document(const struct gw_option *table, size_t count, struct gw_buf *out)
{
    gw_buf_addf(out, "| key | value | default | environment | meaning |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++)
        document_row(&table[i], out);
}
