/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One scan judges each part (path, query) byte by byte and notes whether anything has to change; only then a second pass
 * writes the canonical form. The scan follows the decoded segment, so that "%2e%2e" is seen as "..". What is written
 * scans as unchanged: the canonical form of a canonical form is itself.
 */
#include "policy/path.h"

#include "base/encode.h"

#include <string.h>

enum {
    IN_PATH = 1,    /* may stand as it is: RFC 3986 pchar without ";", and "/" */
    IN_QUERY = 2,   /* pchar without ";" (some servers separate by it), "/", "?", "[", "]" */
    UNRESERVED = 4, /* percent-encoded or not, it is the same */
};

#define BOTH (IN_PATH | IN_QUERY)
static const uint8_t class_of[256] = {
    ['a' ... 'z'] = BOTH | UNRESERVED,
    ['A' ... 'Z'] = BOTH | UNRESERVED,
    ['0' ... '9'] = BOTH | UNRESERVED,
    ['-'] = BOTH | UNRESERVED,
    ['.'] = BOTH | UNRESERVED,
    ['_'] = BOTH | UNRESERVED,
    ['~'] = BOTH | UNRESERVED,
    ['!'] = BOTH,
    ['$'] = BOTH,
    ['&'] = BOTH,
    ['\''] = BOTH,
    ['('] = BOTH,
    [')'] = BOTH,
    ['*'] = BOTH,
    ['+'] = BOTH,
    [','] = BOTH,
    ['='] = BOTH,
    [':'] = BOTH,
    ['@'] = BOTH,
    ['/'] = BOTH,
    ['?'] = IN_QUERY,
    ['['] = IN_QUERY,
    [']'] = IN_QUERY,
};

/* Value of "%XX" at s[i], or -1. */
static int percent_byte(struct gw_str s, size_t i)
{
    if (s.len - i < 3 || s.ptr[i] != '%')
        return -1;
    int high = gw_hex_digit(s.ptr[i + 1]), low = gw_hex_digit(s.ptr[i + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool is_lower_hex(char c)
{
    return c >= 'a';
}

/* Bytes that no server agrees on once they are decoded. */
static bool is_refused_in_path(int byte)
{
    return byte < 0x20 || byte == 0x7f || byte == '/' || byte == '\\' || byte == '%' || byte == ';';
}

/* Number of "%XX" at s[i] that make one well-formed character beyond ASCII, or 0. C1 controls are controls too. */
static size_t percent_utf8(struct gw_str s, size_t i)
{
    char bytes[4];
    size_t n = 0;
    while (n < sizeof(bytes) && i + 3 * n < s.len) {
        int byte = percent_byte(s, i + 3 * n);
        if (byte < 0x80)
            break;
        bytes[n++] = (char)byte;
    }
    if (n == 0 || ((uint8_t)bytes[0] == 0xc2 && n > 1 && (uint8_t)bytes[1] < 0xa0))
        return 0;
    return gw_str_utf8((struct gw_str){bytes, n});
}

/* One character of a part, as the scan sees it. */
struct step {
    size_t raw_len; /* 0: refused */
    int byte;       /* decoded; of several bytes, the first */
    bool changes;
};

static struct step read_percent(struct gw_str s, size_t i, unsigned where)
{
    static const struct step refused = {0, 0, false};
    int byte = percent_byte(s, i);
    if (byte < 0 || byte == 0 || (where == IN_PATH && is_refused_in_path(byte)))
        return refused;
    if (class_of[byte] & UNRESERVED)
        return (struct step){3, byte, true};
    size_t bytes = byte < 0x80 ? 1 : percent_utf8(s, i);
    struct step step = {3 * bytes, byte, false};
    for (size_t k = i; k < i + step.raw_len; k += 3)
        step.changes = step.changes || is_lower_hex(s.ptr[k + 1]) || is_lower_hex(s.ptr[k + 2]);
    return step;
}

static inline struct step read_step(struct gw_str s, size_t i, unsigned where)
{
    unsigned char c = (unsigned char)s.ptr[i];
    if (class_of[c] & where)
        return (struct step){1, c, false};
    return read_percent(s, i, where);
}

/* The segment that the scan is in, decoded. */
struct segment {
    size_t len, dots;
};

static bool is_dot_segment(struct segment g)
{
    return g.len == g.dots && (g.len == 1 || g.len == 2);
}

static bool scan_path(struct gw_str s, bool *changes)
{
    struct segment g = {0, 0};
    for (size_t i = 1; i < s.len;) {
        if (s.ptr[i] == '/') {
            if (g.len == 0 || is_dot_segment(g))
                return false;
            g = (struct segment){0, 0};
            i++;
            continue;
        }
        struct step step = read_step(s, i, IN_PATH);
        if (step.raw_len == 0)
            return false;
        g.len++;
        g.dots += step.byte == '.';
        *changes = *changes || step.changes;
        i += step.raw_len;
    }
    return !is_dot_segment(g); /* an empty last one is a trailing slash: another path, but a path */
}

static bool scan_query(struct gw_str s, bool *changes)
{
    for (size_t i = 0; i < s.len;) {
        struct step step = read_step(s, i, IN_QUERY);
        if (step.raw_len == 0)
            return false;
        *changes = *changes || step.changes;
        i += step.raw_len;
    }
    return true;
}

/* Writes what a scan has accepted. dst holds s.len. */
static size_t write_canonical(struct gw_str s, char *dst)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < s.len;) {
        int byte = percent_byte(s, i);
        if (byte < 0) {
            dst[len++] = s.ptr[i++];
            continue;
        }
        i += 3;
        if (class_of[byte] & UNRESERVED) {
            dst[len++] = (char)byte;
            continue;
        }
        dst[len++] = '%';
        dst[len++] = digits[byte >> 4];
        dst[len++] = digits[byte & 15];
    }
    return len;
}

enum gw_code gw_path_canonical(struct gw_str raw, struct gw_arena *a, struct gw_target_uri *out, struct gw_error *err)
{
    size_t path_len = gw_str_find(raw, '?');
    bool has_query = path_len < raw.len;
    struct gw_str path = gw_str_sub(raw, 0, path_len);
    struct gw_str query = has_query ? gw_str_sub(raw, path_len + 1, raw.len) : GW_STR_NULL;
    if (path.len > GW_PATH_MAX_BYTES || query.len > GW_QUERY_MAX_BYTES)
        return gw_fail(err, GW_ELIMIT, "path or query is longer than the limit");

    bool path_changes = false, query_changes = false;
    if (path.len == 0 || path.ptr[0] != '/' || !scan_path(path, &path_changes))
        return gw_fail(err, GW_EPARSE, "path has no single canonical form");
    if (!scan_query(query, &query_changes))
        return gw_fail(err, GW_EPARSE, "query has no single canonical form");
    if (!path_changes && !query_changes) {
        *out = (struct gw_target_uri){path, query, raw};
        return GW_OK;
    }

    char *text = gw_arena_alloc(a, raw.len); /* decoding never grows */
    if (text == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the canonical path");
    path = (struct gw_str){text, write_canonical(path, text)};
    size_t len = path.len;
    if (has_query) {
        text[len++] = '?';
        query = (struct gw_str){text + len, write_canonical(query, text + len)};
        len += query.len;
    }
    *out = (struct gw_target_uri){path, query, {text, len}};
    return GW_OK;
}
