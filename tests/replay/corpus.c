/* SPDX-License-Identifier: Apache-2.0 */
#include "corpus.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

#define EXIT_SKIPPED 77 /* Meson's */

static _Noreturn void die(const char *name, const char *why)
{
    printf("%s: %s\n", name, why);
    exit(EXIT_FAILURE);
}

static FILE *open_below(const char *name)
{
    char path[4096];
    const char *dir = getenv("GW_CORPORA");
    snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : "", name);
    FILE *f = dir != NULL ? fopen(path, "re") : NULL;
    if (f == NULL) {
        printf("%s: SKIPPED, the corpora are absent (GW_CORPORA=%s)\n", name, dir != NULL ? dir : "");
        exit(EXIT_SKIPPED);
    }
    return f;
}

void corpus_open(struct corpus *c, const char *name)
{
    *c = (struct corpus){.name = name, .file = open_below(name)};
}

const json_t *corpus_next(struct corpus *c)
{
    json_decref(c->row);
    c->row = NULL;
    ssize_t len = getline(&c->line, &c->line_size, c->file);
    if (len < 0)
        return NULL;
    c->row = json_loadb(c->line, (size_t)len, JSON_ALLOW_NUL, NULL);
    if (!json_is_object(c->row))
        die(c->name, "a line is no JSON object");
    return c->row;
}

int corpus_close(struct corpus *c)
{
    printf("%s: %u rows passed, %u failed, %u skipped\n", c->name, c->passed, c->failed, c->skipped);
    json_decref(c->row);
    free(c->line);
    fclose(c->file);
    return c->failed == 0 && c->passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void corpus_pass(struct corpus *c)
{
    c->passed++;
}

void corpus_fail(struct corpus *c, const char *fmt, ...)
{
    va_list args;
    c->failed++;
    printf("FAILED %s: ", corpus_text(c->row, "id").ptr);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

void corpus_skip(struct corpus *c, const char *why)
{
    c->skipped++;
    printf("skipped %s: %s\n", corpus_text(c->row, "id").ptr, why);
}

json_t *corpus_load(const char *name)
{
    FILE *f = open_below(name);
    json_t *whole = json_loadf(f, 0, NULL);
    fclose(f);
    if (whole == NULL)
        die(name, "no JSON");
    return whole;
}

struct gw_str corpus_text(const json_t *row, const char *member)
{
    const json_t *value = json_object_get(row, member);
    return json_is_string(value) ? (struct gw_str){json_string_value(value), json_string_length(value)} : GW_STR("");
}

static char *allocate(size_t n)
{
    char *p = malloc(n + 1);
    if (p == NULL)
        die("replay", "out of memory");
    p[n] = '\0';
    return p;
}

struct gw_str corpus_hex(const json_t *row, const char *member)
{
    struct gw_str text = corpus_text(row, member);
    char *bytes = allocate(text.len / 2);
    if (gw_hex_decode(text, bytes, text.len / 2) != GW_OK)
        die(member, "no hexadecimal text");
    return (struct gw_str){bytes, text.len / 2};
}

struct gw_str corpus_base64url(const json_t *row, const char *member)
{
    struct gw_str text = corpus_text(row, member);
    char *bytes = allocate(text.len);
    size_t len;
    if (gw_base64url_decode(text, bytes, text.len, &len) != GW_OK)
        die(member, "no base64url text");
    return (struct gw_str){bytes, len};
}

/* The standard alphabet with padding, turned into the one that base/ decodes. */
struct gw_str corpus_base64(const json_t *row, const char *member)
{
    struct gw_str text = corpus_text(row, member);
    char *bytes = allocate(text.len);
    size_t len = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++) {
        char digit = text.ptr[i];
        bytes[len++] = digit == '+' ? '-' : digit == '/' ? '_' : digit;
    }
    if (gw_base64url_decode((struct gw_str){bytes, len}, bytes, text.len, &len) != GW_OK) /* in place: it shrinks */
        die(member, "no base64 text");
    return (struct gw_str){bytes, len};
}

void corpus_free(struct gw_str bytes)
{
    free((char *)(uintptr_t)bytes.ptr);
}
