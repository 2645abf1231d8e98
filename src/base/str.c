/* SPDX-License-Identifier: Apache-2.0 */
#include <gw/str.h>

#include <string.h>

struct gw_str gw_str(const char *cstr)
{
    return cstr != NULL ? (struct gw_str){cstr, strlen(cstr)} : GW_STR_NULL;
}

bool gw_str_eq(struct gw_str a, struct gw_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Not tolower(): that one follows the locale. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool gw_str_eq_nocase(struct gw_str a, struct gw_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool gw_str_starts(struct gw_str s, struct gw_str prefix)
{
    return s.len >= prefix.len && gw_str_eq(gw_str_sub(s, 0, prefix.len), prefix);
}

struct gw_str gw_str_sub(struct gw_str s, size_t from, size_t len)
{
    if (s.ptr == NULL)
        return s;
    if (from > s.len)
        from = s.len;
    if (len > s.len - from)
        len = s.len - from;
    return (struct gw_str){s.ptr + from, len};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct gw_str gw_str_trim(struct gw_str s)
{
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    size_t from = 0;
    while (from < s.len && is_blank(s.ptr[from]))
        from++;
    return gw_str_sub(s, from, s.len);
}

size_t gw_str_find(struct gw_str s, char byte)
{
    const char *at = s.len > 0 ? memchr(s.ptr, byte, s.len) : NULL;
    return at != NULL ? (size_t)(at - s.ptr) : s.len;
}

bool gw_str_split(struct gw_str *rest, char sep, struct gw_str *out_piece)
{
    if (rest->ptr == NULL)
        return false;
    size_t at = gw_str_find(*rest, sep);
    *out_piece = gw_str_sub(*rest, 0, at);
    *rest = at < rest->len ? gw_str_sub(*rest, at + 1, rest->len) : GW_STR_NULL;
    return true;
}

bool gw_str_to_i64(struct gw_str s, int64_t *out)
{
    if (s.len == 0 || (s.len > 1 && s.ptr[0] == '0'))
        return false;
    int64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        int digit = s.ptr[i] - '0';
        if (digit < 0 || digit > 9 || value > (INT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool gw_str_copy(struct gw_str s, char *dst, size_t dst_size)
{
    dst[0] = '\0';
    if (s.len >= dst_size || gw_str_find(s, '\0') < s.len)
        return false;
    if (s.len > 0)
        memcpy(dst, s.ptr, s.len);
    dst[s.len] = '\0';
    return true;
}

size_t gw_str_utf8(struct gw_str s)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max;
        size_t len;
    } forms[] = {
        {0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    if (s.len == 0)
        return 0;
    uint8_t first = (uint8_t)s.ptr[0];
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (first < forms[i].first_min || first > forms[i].first_max)
            continue;
        if (s.len < forms[i].len)
            return 0;
        if (forms[i].len == 1)
            return 1;
        uint8_t second = (uint8_t)s.ptr[1];
        if (second < forms[i].second_min || second > forms[i].second_max)
            return 0;
        for (size_t k = 2; k < forms[i].len; k++) {
            if (((uint8_t)s.ptr[k] & 0xc0) != 0x80)
                return 0;
        }
        return forms[i].len;
    }
    return 0;
}

/* Line and paragraph separators, and what turns the direction of the text around it: none may rearrange what a person reads. */
static bool is_layout(struct gw_str s, size_t n)
{
    static const char *const from[] = {"\xd8\x9c", "\xe2\x80\x8e", "\xe2\x80\xa8", "\xe2\x81\xa6"};
    static const char *const to[] = {"\xd8\x9c", "\xe2\x80\x8f", "\xe2\x80\xae", "\xe2\x81\xa9"};
    for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++)
        if (n == strlen(from[i]) && memcmp(s.ptr, from[i], n) >= 0 && memcmp(s.ptr, to[i], n) <= 0)
            return true;
    return false;
}

size_t gw_str_printable(struct gw_str s)
{
    size_t n = gw_str_utf8(s);
    uint8_t first = n > 0 ? (uint8_t)s.ptr[0] : 0;
    bool is_c1 = n == 2 && first == 0xc2 && (uint8_t)s.ptr[1] < 0xa0;
    return first < 0x20 || first == 0x7f || is_c1 || is_layout(s, n) ? 0 : n;
}
