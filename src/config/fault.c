/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list is kept in order by insertion: an array of faults that point into an array of text slots. A slot is used once,
 * so that moving a fault moves pointers only.
 */
#include "config/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES 256
#define MESSAGE_BYTES 384

struct slot {
    char file[FILE_BYTES];
    char message[MESSAGE_BYTES];
};

struct gw_faults {
    size_t count; /* also those not stored */
    struct gw_fault item[GW_FAULTS_MAX];
    struct slot slot[GW_FAULTS_MAX];
};

enum gw_code gw_faults_new(struct gw_faults **out, struct gw_error *err)
{
    struct gw_faults *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a list of faults");
    *out = f;
    return GW_OK;
}

void gw_faults_free(struct gw_faults *f)
{
    free(f);
}

static size_t stored(const struct gw_faults *f)
{
    return f->count < GW_FAULTS_MAX ? f->count : GW_FAULTS_MAX;
}

static void hide_control_bytes(char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            *text = '?';
    }
}

static bool stands_before(const struct gw_fault *a, const struct gw_fault *b)
{
    int by_file = strcmp(a->file, b->file);
    return by_file != 0 ? by_file < 0 : a->line < b->line;
}

void gw_faults_add(struct gw_faults *f, const char *file, unsigned line, const char *fmt, ...)
{
    size_t n = f->count++;
    if (n >= GW_FAULTS_MAX)
        return;

    struct slot *s = &f->slot[n];
    snprintf(s->file, sizeof(s->file), "%s", file);
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->message, sizeof(s->message), fmt, args);
    va_end(args);
    hide_control_bytes(s->file);
    hide_control_bytes(s->message);

    struct gw_fault added = {.file = s->file, .line = line, .message = s->message};
    size_t at = n;
    while (at > 0 && stands_before(&added, &f->item[at - 1])) {
        f->item[at] = f->item[at - 1];
        at--;
    }
    f->item[at] = added;
}

size_t gw_faults_count(const struct gw_faults *f)
{
    return f->count;
}

const struct gw_fault *gw_faults_get(const struct gw_faults *f, size_t i)
{
    return &f->item[i];
}

void gw_faults_print(const struct gw_faults *f, struct gw_buf *out)
{
    size_t n = stored(f);
    for (size_t i = 0; i < n; i++) {
        const struct gw_fault *x = &f->item[i];
        if (x->line == 0)
            gw_buf_addf(out, "%s: %s\n", x->file, x->message);
        else
            gw_buf_addf(out, "%s:%u: %s\n", x->file, x->line, x->message);
    }
    if (f->count > n)
        gw_buf_addf(out, "… and %zu more\n", f->count - n);
}
