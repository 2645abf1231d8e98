/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"

#include <assert.h>
#include <string.h>
#include <time.h>

static const char base64url_digits[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[16] = "0123456789abcdef";

size_t gw_base64url_encode(const void *src, size_t n, char *dst)
{
    const uint8_t *s = src;
    size_t len = 0;
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | s[i];
        for (count += 8; count >= 6; count -= 6)
            dst[len++] = base64url_digits[bits >> (count - 6) & 63];
    }
    if (count > 0)
        dst[len++] = base64url_digits[bits << (6 - count) & 63];
    return len;
}

/* Value plus one of each digit, so that what is no digit is 0: no branch a character, for every request decodes a token. */
static const uint8_t base64url_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

/* The value, or one above 63. */
static uint32_t base64url_value(char c)
{
    return (uint32_t)base64url_values[(uint8_t)c] - 1;
}

enum gw_code gw_base64url_decode(struct gw_str text, void *dst, size_t dst_size, size_t *out_len)
{
    size_t tail = text.len % 4, want = text.len / 4 * 3 + tail * 3 / 4;
    if (tail == 1)
        return GW_EPARSE;
    if (want > dst_size)
        return GW_ELIMIT;
    uint8_t *d = dst;
    const char *t = text.ptr, *whole_end = text.len == tail ? t : t + (text.len - tail);
    uint32_t seen = 0;
    for (; t != whole_end; t += 4) {
        uint32_t a = base64url_value(t[0]), b = base64url_value(t[1]), c = base64url_value(t[2]),
                 e = base64url_value(t[3]);
        seen |= a | b | c | e;
        *d++ = (uint8_t)(a << 2 | b >> 4);
        *d++ = (uint8_t)(b << 4 | c >> 2);
        *d++ = (uint8_t)(c << 6 | e);
    }
    /* Spare bits of the tail must be zero, or one value would have several texts. */
    uint32_t spare = 0;
    if (tail > 0) {
        uint32_t a = base64url_value(t[0]), b = base64url_value(t[1]), c = tail == 3 ? base64url_value(t[2]) : 0;
        seen |= a | b | c;
        *d++ = (uint8_t)(a << 2 | b >> 4);
        if (tail == 3)
            *d++ = (uint8_t)(b << 4 | c >> 2);
        spare = tail == 3 ? c & 3 : b & 15;
    }
    if (seen > 63 || spare != 0)
        return GW_EPARSE;
    *out_len = want;
    return GW_OK;
}

void gw_hex_encode(const void *src, size_t n, char *dst)
{
    const uint8_t *s = src;
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = hex_digits[s[i] >> 4];
        dst[2 * i + 1] = hex_digits[s[i] & 15];
    }
}

/* Value of a digit and one; 0: no digit. */
static const uint8_t hex_and_one[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

int gw_hex_digit(char c)
{
    return hex_and_one[(uint8_t)c] - 1;
}

enum gw_code gw_hex_decode(struct gw_str text, void *dst, size_t n)
{
    if (text.len % 2 != 0 || text.len / 2 != n)
        return GW_EPARSE;
    uint8_t *d = dst;
    for (size_t i = 0; i < n; i++) {
        int high = gw_hex_digit(text.ptr[2 * i]), low = gw_hex_digit(text.ptr[2 * i + 1]);
        if ((high | low) < 0)
            return GW_EPARSE;
        d[i] = (uint8_t)(high << 4 | low);
    }
    return GW_OK;
}

/* Bytes of each group of a UUID's text. */
static const uint8_t uuid_groups[] = {4, 2, 2, 2, 6};

void gw_uuid_format(const struct gw_uuid *u, char *dst)
{
    const uint8_t *from = u->b;
    for (size_t g = 0; g < sizeof(uuid_groups); g++) {
        if (g > 0)
            *dst++ = '-';
        gw_hex_encode(from, uuid_groups[g], dst);
        from += uuid_groups[g];
        dst += 2 * uuid_groups[g];
    }
    *dst = '\0';
}

enum gw_code gw_uuid_parse(struct gw_str text, struct gw_uuid *out)
{
    struct gw_uuid u;
    uint8_t *to = u.b;
    if (text.len != GW_UUID_LEN)
        return GW_EPARSE;
    size_t at = 0;
    for (size_t g = 0; g < sizeof(uuid_groups); g++) {
        if (g > 0 && text.ptr[at++] != '-')
            return GW_EPARSE;
        size_t n = uuid_groups[g];
        GW_TRY(gw_hex_decode(gw_str_sub(text, at, 2 * n), to, n));
        at += 2 * n;
        to += n;
    }
    *out = u;
    return GW_OK;
}

/* The fixed layout of a time, field by field: where it stands, and how many digits it has. */
static const struct {
    uint8_t at, digits;
} time_fields[] = {{0, 4}, {5, 2}, {8, 2}, {11, 2}, {14, 2}, {17, 2}};
enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, TIME_FIELDS };
static const char time_layout[] = "0000-00-00T00:00:00Z";
static_assert(sizeof(time_layout) == GW_TIME_LEN + 1, "layout");

void gw_time_format(int64_t unix_s, char *dst)
{
    static const int64_t year_0000 = -62167219200, year_9999_end = 253402300799;
    if (unix_s < year_0000)
        unix_s = year_0000;
    if (unix_s > year_9999_end)
        unix_s = year_9999_end;
    struct tm t;
    gmtime_r(&unix_s, &t);
    const int values[TIME_FIELDS] = {t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec};
    memcpy(dst, time_layout, sizeof(time_layout));
    for (size_t f = 0; f < TIME_FIELDS; f++) {
        int value = values[f];
        for (unsigned d = time_fields[f].digits; d > 0; d--, value /= 10)
            dst[time_fields[f].at + d - 1] = (char)('0' + value % 10);
    }
}

enum gw_code gw_time_parse(struct gw_str text, int64_t *out_unix_s)
{
    if (text.len != GW_TIME_LEN)
        return GW_EPARSE;
    for (size_t i = 0; i < GW_TIME_LEN; i++) {
        bool is_digit = text.ptr[i] >= '0' && text.ptr[i] <= '9';
        if (time_layout[i] == '0' ? !is_digit : text.ptr[i] != time_layout[i])
            return GW_EPARSE;
    }
    int v[TIME_FIELDS];
    for (size_t f = 0; f < TIME_FIELDS; f++) {
        v[f] = 0;
        for (unsigned d = 0; d < time_fields[f].digits; d++)
            v[f] = v[f] * 10 + (text.ptr[time_fields[f].at + d] - '0');
    }
    struct tm t = {.tm_year = v[YEAR] - 1900, .tm_mon = v[MONTH] - 1, .tm_mday = v[DAY]};
    t.tm_hour = v[HOUR];
    t.tm_min = v[MINUTE];
    t.tm_sec = v[SECOND];
    /* timegm carries what is out of range (30 February, second 60) over: then a field comes back changed. */
    int64_t unix_s = timegm(&t);
    if (t.tm_mon != v[MONTH] - 1 || t.tm_mday != v[DAY] || t.tm_hour != v[HOUR] || t.tm_min != v[MINUTE] ||
        t.tm_sec != v[SECOND])
        return GW_EPARSE;
    *out_unix_s = unix_s;
    return GW_OK;
}
