/* SPDX-License-Identifier: Apache-2.0 */
#include "base/origin.h"

#include "base/ip.h"

#include <string.h>

#define HOST_MAX 253
#define LABEL_MAX 63

static const struct scheme {
    struct gw_str start;
    int64_t port;
} schemes[] = {{GW_STR("https://"), 443}, {GW_STR("http://"), 80}};

static const struct scheme *scheme_of(struct gw_str text)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (gw_str_starts(text, schemes[i].start))
            return &schemes[i];
    return NULL;
}

/* Another spelling of the same address is another text, which no browser sends. */
static bool is_canonical_ip(struct gw_str text, bool is_v4)
{
    struct gw_ip ip;
    char canonical[GW_IP_LEN + 1];
    if (gw_ip_parse(text, &ip) != GW_OK || gw_ip_is_v4(&ip) != is_v4)
        return false;
    gw_ip_format(&ip, canonical);
    return gw_str_eq(text, gw_str(canonical));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label(struct gw_str label)
{
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return label.len > 0 && label.len <= LABEL_MAX;
}

/* A host whose last label begins with a digit browsers read as an address, or refuse. */
static bool is_host(struct gw_str host)
{
    struct gw_str rest = host, label = GW_STR_NULL;
    if (host.len >= 2 && host.ptr[0] == '[')
        return host.ptr[host.len - 1] == ']' && is_canonical_ip(gw_str_sub(host, 1, host.len - 2), false);
    while (gw_str_split(&rest, '.', &label))
        if (!is_label(label))
            return false;
    if (host.len == 0 || host.len > HOST_MAX)
        return false;
    return !is_digit(label.ptr[0]) || is_canonical_ip(host, true);
}

/* Where the host ends: at the colon behind it, or behind its bracket. */
static size_t host_end(struct gw_str s)
{
    if (s.len == 0 || s.ptr[0] != '[')
        return gw_str_find(s, ':');
    size_t end = gw_str_find(s, ']');
    return end < s.len ? end + 1 : end;
}

static const char *port_fault(struct gw_str text, int64_t own_port)
{
    int64_t port;
    if (text.len < 2 || text.ptr[0] != ':' || text.ptr[1] == '0' || text.len > 6 ||
        !gw_str_to_i64(gw_str_sub(text, 1, text.len), &port) || port < 1 || port > 65535)
        return "an origin whose port is a number from 1 to 65535";
    return port == own_port ? "an origin without the port that its scheme has anyway: browsers leave it out" : NULL;
}

const char *gw_origin_fault(struct gw_str text)
{
    if (gw_str_eq(text, GW_STR("null")))
        return "an origin: `null` is that of any page in a sandbox";
    if (gw_str_find(text, '*') < text.len)
        return "an exact origin: there are no wildcards";
    const struct scheme *scheme = scheme_of(text);
    if (scheme == NULL)
        return "an origin such as https://app.example.com";
    struct gw_str rest = gw_str_sub(text, scheme->start.len, text.len);
    if (gw_str_find(rest, '/') < rest.len)
        return "an origin, with nothing behind host and port, not even a slash";
    size_t end = host_end(rest);
    if (!is_host(gw_str_sub(rest, 0, end)))
        return "an origin whose host is written as browsers do: in lower case, no dot at its end, xn-- for what is not ASCII";
    return end < rest.len ? port_fault(gw_str_sub(rest, end, rest.len), scheme->port) : NULL;
}

bool gw_origin_is_exposed(struct gw_str origin)
{
    struct gw_ip ip;
    if (!gw_str_starts(origin, schemes[1].start))
        return false;
    struct gw_str host = gw_str_sub(origin, schemes[1].start.len, origin.len);
    host = gw_str_sub(host, 0, host_end(host));
    bool is_loopback = gw_ip_parse(host, &ip) == GW_OK && gw_ip_is_v4(&ip) && ip.b[12] == 127;
    return !is_loopback && !gw_str_eq(host, GW_STR("localhost")) && !gw_str_eq(host, GW_STR("[::1]"));
}
