/* SPDX-License-Identifier: Apache-2.0 */
/* application/x-www-form-urlencoded, as the WHATWG URL standard reads it, except that what does not decode is refused. */
#include "policy/query.h"

#include "base/encode.h"
#include "policy/path.h"

/* Takes one decoded byte off *rest; -1 at its end, -2 when it cannot be decoded. */
static int take_byte(struct gw_str *rest)
{
    if (rest->len == 0)
        return -1;
    char c = rest->ptr[0];
    size_t taken = 1;
    int byte = c == '+' ? ' ' : (unsigned char)c;
    if (c == '%') {
        if (rest->len < 3)
            return -2;
        int high = gw_hex_digit(rest->ptr[1]), low = gw_hex_digit(rest->ptr[2]);
        if (high < 0 || low < 0)
            return -2;
        byte = high * 16 + low;
        taken = 3;
    }
    *rest = (struct gw_str){rest->ptr + taken, rest->len - taken};
    return byte;
}

/* Takes plain off *raw as far as they agree: true when all of plain was there. */
static bool take_plain(struct gw_str *raw, struct gw_str plain)
{
    for (size_t i = 0; i < plain.len; i++)
        if (take_byte(raw) != (unsigned char)plain.ptr[i])
            return false;
    return true;
}

bool gw_query_value_is(struct gw_str raw, struct gw_str plain)
{
    return take_plain(&raw, plain) && raw.len == 0;
}

static bool decodes(struct gw_str raw)
{
    int byte;
    do
        byte = take_byte(&raw);
    while (byte > 0);
    return byte == -1; /* a NUL byte ends text early in some servers */
}

/* name=, or name[…]=, which PHP and Express read as the same name. */
static enum gw_query_answer is_named(struct gw_str raw_name, struct gw_str name)
{
    if (!take_plain(&raw_name, name))
        return GW_QUERY_NONE;
    int next = take_byte(&raw_name);
    if (next == -1)
        return GW_QUERY_ONCE;
    return next == '[' ? GW_QUERY_AMBIGUOUS : GW_QUERY_NONE;
}

enum gw_query_answer gw_query_find(struct gw_str query, struct gw_str name, struct gw_str *out_raw)
{
    enum gw_query_answer found = GW_QUERY_NONE;
    struct gw_str rest = query, piece, value = GW_STR_NULL;
    while (gw_str_split(&rest, '&', &piece)) {
        size_t equals = gw_str_find(piece, '=');
        struct gw_str raw_name = gw_str_sub(piece, 0, equals);
        struct gw_str raw_value = gw_str_sub(piece, equals + 1, piece.len);
        if (!decodes(raw_name) || !decodes(raw_value))
            return GW_QUERY_MALFORMED;
        enum gw_query_answer here = is_named(raw_name, name);
        if (here == GW_QUERY_NONE)
            continue;
        if (here == GW_QUERY_AMBIGUOUS || found == GW_QUERY_ONCE)
            return GW_QUERY_AMBIGUOUS;
        found = GW_QUERY_ONCE;
        value = raw_value;
    }
    if (found == GW_QUERY_ONCE)
        *out_raw = value;
    return found;
}

enum gw_code gw_query_get(struct gw_str query, struct gw_str name, struct gw_arena *a, struct gw_str *out)
{
    struct gw_str raw = GW_STR_NULL;
    static const enum gw_code codes[] = {
        [GW_QUERY_NONE] = GW_ENOTFOUND,
        [GW_QUERY_ONCE] = GW_OK,
        [GW_QUERY_AMBIGUOUS] = GW_ECONFLICT,
        [GW_QUERY_MALFORMED] = GW_EPARSE,
    };
    GW_TRY(codes[gw_query_find(query, name, &raw)]);
    char *text = gw_arena_alloc(a, raw.len + 1); /* decoding never grows */
    if (text == NULL)
        return GW_ENOMEM;
    size_t len = 0;
    for (int byte = take_byte(&raw); byte >= 0; byte = take_byte(&raw))
        text[len++] = (char)byte;
    text[len] = '\0';
    *out = (struct gw_str){text, len};
    return GW_OK;
}
