/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE_FIRST = 64 };

void gw_buf_init(struct gw_buf *b, size_t max_bytes)
{
    assert(max_bytes < SIZE_MAX / 2);
    *b = (struct gw_buf){.max_bytes = max_bytes};
}

static void wipe_and_free(char *ptr, size_t size)
{
    if (ptr == NULL)
        return;
    explicit_bzero(ptr, size);
    free(ptr);
}

void gw_buf_done(struct gw_buf *b)
{
    wipe_and_free(b->ptr, b->size);
    *b = (struct gw_buf){.max_bytes = b->max_bytes};
}

void gw_buf_reset(struct gw_buf *b)
{
    if (b->ptr != NULL)
        explicit_bzero(b->ptr, b->size);
    b->len = 0;
    b->failed = GW_OK;
}

/* Room for extra bytes and the NUL. Not realloc(): it would leave an unwiped copy behind. */
static bool reserve(struct gw_buf *b, size_t extra)
{
    if (b->failed != GW_OK)
        return false;
    if (extra > b->max_bytes - b->len) {
        b->failed = GW_ELIMIT;
        return false;
    }
    size_t need = b->len + extra + 1;
    if (need <= b->size)
        return true;
    size_t size = b->size == 0 ? SIZE_FIRST : b->size;
    while (size < need)
        size *= 2;
    if (size > b->max_bytes + 1)
        size = b->max_bytes + 1;
    char *ptr = malloc(size);
    if (ptr == NULL) {
        b->failed = GW_ENOMEM;
        return false;
    }
    if (b->len > 0)
        memcpy(ptr, b->ptr, b->len);
    ptr[b->len] = '\0';
    wipe_and_free(b->ptr, b->size);
    b->ptr = ptr;
    b->size = size;
    return true;
}

void gw_buf_add(struct gw_buf *b, struct gw_str s)
{
    if (s.len == 0 || !reserve(b, s.len))
        return;
    memcpy(b->ptr + b->len, s.ptr, s.len);
    b->len += s.len;
    b->ptr[b->len] = '\0';
}

void gw_buf_addc(struct gw_buf *b, char c)
{
    gw_buf_add(b, (struct gw_str){&c, 1});
}

void gw_buf_addf(struct gw_buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        b->failed = GW_ELIMIT;
    else if (reserve(b, (size_t)n)) {
        vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

static void add_json_ascii(struct gw_buf *b, char c)
{
    if (c == '"' || c == '\\') {
        gw_buf_addc(b, '\\');
        gw_buf_addc(b, c);
    } else if ((uint8_t)c < 0x20 || c == 0x7f)
        gw_buf_addf(b, "\\u%04x", (unsigned)(uint8_t)c);
    else
        gw_buf_addc(b, c);
}

/* U+0080 to U+009F: the other controls, which some terminals obey. */
static bool is_c1(struct gw_str letter)
{
    return letter.len == 2 && (uint8_t)letter.ptr[0] == 0xc2 && (uint8_t)letter.ptr[1] < 0xa0;
}

void gw_buf_add_json(struct gw_buf *b, struct gw_str s)
{
    gw_buf_addc(b, '"');
    for (size_t i = 0; i < s.len;) {
        size_t n = gw_str_utf8(gw_str_sub(s, i, s.len));
        struct gw_str letter = gw_str_sub(s, i, n);
        if (n == 1)
            add_json_ascii(b, s.ptr[i]);
        else if (is_c1(letter))
            gw_buf_addf(b, "\\u%04x", (unsigned)(uint8_t)letter.ptr[1]);
        else
            gw_buf_add(b, n > 0 ? letter : GW_STR("\xef\xbf\xbd"));
        i += n > 0 ? n : 1;
    }
    gw_buf_addc(b, '"');
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

void gw_buf_add_percent(struct gw_buf *b, struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_unreserved(s.ptr[i]))
            gw_buf_addc(b, s.ptr[i]);
        else
            gw_buf_addf(b, "%%%02X", (unsigned)(uint8_t)s.ptr[i]);
}

void gw_buf_add_escaped(struct gw_buf *b, struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
            gw_buf_addf(b, "\\x%02x", (unsigned)c);
        else
            gw_buf_addc(b, (char)c);
    }
}

struct gw_str gw_buf_str(const struct gw_buf *b)
{
    return b->ptr != NULL ? (struct gw_str){b->ptr, b->len} : GW_STR("");
}

enum gw_code gw_buf_check(const struct gw_buf *b, struct gw_error *err)
{
    if (b->failed == GW_ELIMIT)
        return gw_fail(err, GW_ELIMIT, "text would be longer than %zu bytes", b->max_bytes);
    if (b->failed != GW_OK)
        return gw_fail(err, b->failed, "no memory for a text of %zu bytes", b->len);
    return GW_OK;
}
