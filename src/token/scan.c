/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recursive descent over the grammar of RFC 8259; the recursion is for values that are passed over and ends at the depth cap.
 * No function looks at a byte before the one in front of it was found not to be the closing NUL, so none reads past it.
 * Decoding in place is sound because no escape is shorter than the UTF-8 it stands for.
 */
#include "token/scan.h"

#include <assert.h>
#include <string.h>

#include "base/encode.h"

static bool fail(struct gw_scan *s)
{
    s->failed = true;
    s->at = s->end;
    return false;
}

void gw_scan_init(struct gw_scan *s, char *text, size_t len)
{
    text[len] = '\0';
    s->at = text;
    s->end = text + len;
    s->failed = false;
    s->depth = 0;
    s->name_count = 0;
}

static void skip_space(struct gw_scan *s)
{
    while (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')
        s->at++;
}

/* ---- strings ---- */

static bool is_plain(char c)
{
    uint8_t byte = (uint8_t)c;
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

static bool read_hex4(const char *p, uint32_t *out)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = gw_hex_digit(p[i]);
        if (digit < 0)
            return false;
        value = value << 4 | (uint32_t)digit;
    }
    *out = value;
    return true;
}

/* Writes the UTF-8 of a code point and returns the place behind it. */
static char *put_utf8(char *w, uint32_t c)
{
    if (c < 0x80) {
        *w++ = (char)c;
    } else if (c < 0x800) {
        *w++ = (char)(0xc0 | c >> 6);
        *w++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *w++ = (char)(0xe0 | c >> 12);
        *w++ = (char)(0x80 | (c >> 6 & 0x3f));
        *w++ = (char)(0x80 | (c & 0x3f));
    } else {
        *w++ = (char)(0xf0 | c >> 18);
        *w++ = (char)(0x80 | (c >> 12 & 0x3f));
        *w++ = (char)(0x80 | (c >> 6 & 0x3f));
        *w++ = (char)(0x80 | (c & 0x3f));
    }
    return w;
}

/* \uXXXX or a pair of them at *p. Moves both places on. */
static bool decode_unicode(char **p, char **w)
{
    uint32_t c, low;
    if (!read_hex4(*p + 2, &c))
        return false;
    *p += 6;
    if (c >= 0xd800 && c < 0xdc00) {
        if ((*p)[0] != '\\' || (*p)[1] != 'u' || !read_hex4(*p + 2, &low) || low < 0xdc00 || low > 0xdfff)
            return false;
        *p += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c == 0 || (c >= 0xdc00 && c <= 0xdfff)) {
        return false;
    }
    *w = put_utf8(*w, c);
    return true;
}

static bool decode_escape(char **p, char **w)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char name = (*p)[1];
    if (name == 'u')
        return decode_unicode(p, w);
    const char *found = name != '\0' ? strchr(names, name) : NULL;
    if (found == NULL)
        return false;
    *(*w)++ = values[found - names];
    *p += 2;
    return true;
}

/* The rest of a string from its first byte that is not plain ASCII. */
static bool decode_rest(struct gw_scan *s, char *start, char *from, struct gw_str *out)
{
    char *p = from, *w = from;
    while (*p != '"') {
        if (is_plain(*p)) {
            *w++ = *p++;
        } else if (*p == '\\') {
            if (!decode_escape(&p, &w))
                return fail(s);
        } else {
            size_t n = (uint8_t)*p < 0x80 ? 0 : gw_str_utf8((struct gw_str){p, (size_t)(s->end - p)});
            if (n == 0)
                return fail(s);
            for (; n > 0; n--)
                *w++ = *p++;
        }
    }
    *out = (struct gw_str){start, (size_t)(w - start)};
    s->at = p + 1;
    return true;
}

static bool read_string(struct gw_scan *s, struct gw_str *out)
{
    if (*s->at != '"')
        return fail(s);
    char *start = s->at + 1, *p = start;
    while (is_plain(*p))
        p++;
    if (*p != '"')
        return decode_rest(s, start, p, out);
    *out = (struct gw_str){start, (size_t)(p - start)};
    s->at = p + 1;
    return true;
}

/* ---- numbers and literals ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* One digit or more. */
static bool skip_digits(char **p)
{
    if (!is_digit(**p))
        return false;
    while (is_digit(**p))
        (*p)++;
    return true;
}

static bool read_number(struct gw_scan *s, struct gw_str *out)
{
    char *p = s->at;
    if (*p == '-')
        p++;
    if (*p == '0')
        p++;
    else if (!skip_digits(&p))
        return fail(s);
    if (*p == '.') {
        p++;
        if (!skip_digits(&p))
            return fail(s);
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        if (*p == '+' || *p == '-')
            p++;
        if (!skip_digits(&p))
            return fail(s);
    }
    *out = (struct gw_str){s->at, (size_t)(p - s->at)};
    s->at = p;
    return true;
}

static bool read_literal(struct gw_scan *s, struct gw_str *out)
{
    static const struct gw_str literals[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    struct gw_str rest = {s->at, (size_t)(s->end - s->at)};
    for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
        if (!gw_str_starts(rest, literals[i]))
            continue;
        *out = gw_str_sub(rest, 0, literals[i].len);
        s->at += literals[i].len;
        return true;
    }
    return fail(s);
}

/* ---- objects and arrays ---- */

bool gw_scan_enter(struct gw_scan *s, char open, struct gw_scan_list *out)
{
    skip_space(s);
    if (*s->at != open || s->depth == GW_SCAN_DEPTH_MAX)
        return fail(s);
    s->at++;
    s->depth++;
    *out = (struct gw_scan_list){.close = open == '{' ? '}' : ']', .first_name = s->name_count};
    return true;
}

bool gw_scan_item(struct gw_scan *s, struct gw_scan_list *list)
{
    if (s->failed)
        return false;
    skip_space(s);
    if (*s->at == list->close) {
        s->at++;
        s->depth--;
        s->name_count = list->first_name;
        return false;
    }
    if (list->started) {
        if (*s->at != ',')
            return fail(s);
        s->at++;
        skip_space(s);
        if (*s->at == list->close)
            return fail(s);
    }
    list->started = true;
    return true;
}

/* The caps keep this linear in the text: at most GW_SCAN_NAMES_MAX comparisons a name. */
static bool add_name(struct gw_scan *s, const struct gw_scan_list *list, struct gw_str name)
{
    if (s->name_count == GW_SCAN_NAMES_MAX)
        return fail(s);
    for (size_t i = list->first_name; i < s->name_count; i++) {
        if (s->names[i].len == name.len && memcmp(s->names[i].ptr, name.ptr, name.len) == 0)
            return fail(s);
    }
    s->names[s->name_count++] = name;
    return true;
}

bool gw_scan_member(struct gw_scan *s, struct gw_scan_list *list, struct gw_str *out_name)
{
    if (!gw_scan_item(s, list) || !read_string(s, out_name) || !add_name(s, list, *out_name))
        return false;
    skip_space(s);
    if (*s->at != ':')
        return fail(s);
    s->at++;
    return true;
}

static enum gw_scan_kind pass_over(struct gw_scan *s, enum gw_scan_kind kind)
{
    struct gw_scan_list list;
    struct gw_str ignored;
    if (!gw_scan_enter(s, kind == GW_SCAN_OBJECT ? '{' : '[', &list))
        return GW_SCAN_BAD;
    while (kind == GW_SCAN_OBJECT ? gw_scan_member(s, &list, &ignored) : gw_scan_item(s, &list)) {
        if (gw_scan_value(s, &ignored) == GW_SCAN_BAD)
            return GW_SCAN_BAD;
    }
    return s->failed ? GW_SCAN_BAD : kind;
}

/* ---- values ---- */

enum gw_scan_kind gw_scan_peek(struct gw_scan *s)
{
    skip_space(s);
    switch (*s->at) {
    case '"':
        return GW_SCAN_STRING;
    case '{':
        return GW_SCAN_OBJECT;
    case '[':
        return GW_SCAN_ARRAY;
    case 't':
    case 'f':
    case 'n':
        return GW_SCAN_LITERAL;
    default:
        return *s->at == '-' || is_digit(*s->at) ? GW_SCAN_NUMBER : GW_SCAN_BAD;
    }
}

enum gw_scan_kind gw_scan_value(struct gw_scan *s, struct gw_str *out_text)
{
    enum gw_scan_kind kind = gw_scan_peek(s);
    bool good = false;
    switch (kind) {
    case GW_SCAN_STRING:
        good = read_string(s, out_text);
        break;
    case GW_SCAN_NUMBER:
        good = read_number(s, out_text);
        break;
    case GW_SCAN_LITERAL:
        good = read_literal(s, out_text);
        break;
    case GW_SCAN_OBJECT:
    case GW_SCAN_ARRAY:
        return pass_over(s, kind);
    case GW_SCAN_BAD:
        good = fail(s);
        break;
    }
    return good ? kind : GW_SCAN_BAD;
}

bool gw_scan_done(struct gw_scan *s)
{
    skip_space(s);
    return !s->failed && s->depth == 0 && s->at == s->end;
}
