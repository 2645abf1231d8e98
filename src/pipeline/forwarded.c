/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 7239 section 4, read from left to right:
 *     line    = element *( OWS "," OWS element )
 *     element = pair *( ";" pair )
 *     pair    = token "=" ( token | quoted-string )
 * Stricter than the RFC: no empty elements and no quoted pairs (a backslash), which no address needs.
 */
#include "pipeline/forwarded.h"

#include <string.h>

#define PORT_MAX 5

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 9110 section 5.6.2. */
static bool is_token_char(char c)
{
    return is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_quoted_char(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= ' ' || u == '\t') && u != 0x7f && c != '"' && c != '\\';
}

static struct gw_str take_while(struct gw_str *s, bool (*is_one)(char))
{
    size_t n = 0;
    while (n < s->len && is_one(s->ptr[n]))
        n++;
    struct gw_str taken = gw_str_sub(*s, 0, n);
    *s = gw_str_sub(*s, n, s->len);
    return taken;
}

static bool take_char(struct gw_str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    *s = gw_str_sub(*s, 1, s->len);
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool take_value(struct gw_str *s, struct gw_str *out)
{
    if (!take_char(s, '"')) {
        *out = take_while(s, is_token_char);
        return out->len > 0;
    }
    *out = take_while(s, is_quoted_char);
    return take_char(s, '"');
}

/* out_for: empty where it has none. */
static bool take_element(struct gw_str *s, struct gw_str *out_for)
{
    bool has_for = false;
    *out_for = GW_STR_NULL;
    do {
        struct gw_str name = take_while(s, is_token_char), value;
        if (name.len == 0 || !take_char(s, '=') || !take_value(s, &value))
            return false;
        if (!gw_str_eq_nocase(name, GW_STR("for")))
            continue;
        if (has_for)
            return false;
        has_for = true;
        *out_for = value;
    } while (take_char(s, ';'));
    return true;
}

enum gw_code gw_forwarded_parse(struct gw_str line, struct gw_str hops[GW_FORWARDED_HOPS_MAX], size_t *out_count)
{
    size_t count = 0;
    do {
        if (count == GW_FORWARDED_HOPS_MAX)
            return GW_ELIMIT;
        (void)take_while(&line, is_space);
        if (!take_element(&line, &hops[count++]))
            return GW_EPARSE;
        (void)take_while(&line, is_space);
    } while (take_char(&line, ','));
    if (line.len > 0)
        return GW_EPARSE;
    *out_count = count;
    return GW_OK;
}

static bool is_hidden_char(char c)
{
    return is_alnum(c) || c == '.' || c == '_' || c == '-';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Empty, or ":80", or ":_hidden". */
static bool is_port(struct gw_str s)
{
    if (s.len == 0)
        return true;
    if (!take_char(&s, ':') || s.len == 0)
        return false;
    bool is_hidden = s.ptr[0] == '_' && s.len > 1;
    if (!is_hidden && s.len > PORT_MAX)
        return false;
    (void)take_while(&s, is_hidden ? is_hidden_char : is_digit);
    return s.len == 0;
}

enum gw_code gw_forwarded_address(struct gw_str node, struct gw_ip *out)
{
    bool in_brackets = node.len > 0 && node.ptr[0] == '[';
    size_t end = gw_str_find(node, in_brackets ? ']' : ':');
    if (in_brackets && end == node.len)
        return GW_EPARSE;
    struct gw_str address = gw_str_sub(node, in_brackets ? 1 : 0, in_brackets ? end - 1 : end);
    struct gw_str port = gw_str_sub(node, in_brackets ? end + 1 : end, node.len);
    bool has_colon = gw_str_find(address, ':') < address.len;
    struct gw_ip ip;
    if (has_colon != in_brackets || !is_port(port) || gw_ip_parse(address, &ip) != GW_OK)
        return GW_EPARSE;
    *out = ip;
    return GW_OK;
}
