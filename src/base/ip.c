/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

static const uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

enum gw_code gw_ip_parse(struct gw_str text, struct gw_ip *out)
{
    char copy[GW_IP_LEN + 1];
    if (!gw_str_copy(text, copy, sizeof(copy)))
        return GW_EPARSE;
    struct gw_ip ip;
    if (inet_pton(AF_INET6, copy, ip.b) != 1) {
        if (inet_pton(AF_INET, copy, ip.b + sizeof(v4_prefix)) != 1)
            return GW_EPARSE;
        memcpy(ip.b, v4_prefix, sizeof(v4_prefix));
    }
    *out = ip;
    return GW_OK;
}

static char *format_octet(uint8_t n, char *at)
{
    if (n >= 100)
        *at++ = (char)('0' + n / 100);
    if (n >= 10)
        *at++ = (char)('0' + n / 10 % 10);
    *at++ = (char)('0' + n % 10);
    return at;
}

/* Once a request: inet_ntop goes through printf, which takes longer than a look-up of the session. */
static void format_v4(const uint8_t octets[4], char *dst)
{
    for (int i = 0; i < 4; i++) {
        dst = format_octet(octets[i], dst);
        *dst++ = i < 3 ? '.' : '\0';
    }
}

void gw_ip_format(const struct gw_ip *ip, char *dst)
{
    if (gw_ip_is_v4(ip)) {
        format_v4(ip->b + sizeof(v4_prefix), dst);
        return;
    }
    const char *text = inet_ntop(AF_INET6, ip->b, dst, GW_IP_LEN + 1);
    assert(text != NULL);
}

bool gw_ip_eq(const struct gw_ip *a, const struct gw_ip *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool gw_ip_is_v4(const struct gw_ip *ip)
{
    return memcmp(ip->b, v4_prefix, sizeof(v4_prefix)) == 0;
}

struct gw_ip gw_ip_limit_key(const struct gw_ip *ip)
{
    struct gw_ip key = *ip;
    if (!gw_ip_is_v4(ip))
        memset(key.b + 8, 0, 8);
    return key;
}

/* The address with all but its first bits zeroed. */
static struct gw_ip masked(const struct gw_ip *ip, unsigned bits)
{
    struct gw_ip net = *ip;
    for (unsigned i = 0; i < sizeof(net.b); i++) {
        unsigned keep = bits > 8 * i ? bits - 8 * i : 0;
        if (keep < 8)
            net.b[i] &= (uint8_t)(0xff00U >> keep);
    }
    return net;
}

void gw_cidr_format(const struct gw_cidr *c, char *dst)
{
    bool is_v4 = gw_ip_is_v4(&c->net) && c->bits >= 96;
    gw_ip_format(&c->net, dst);
    if (is_v4 && c->bits == 128)
        return;
    char *at = dst + strlen(dst);
    *at = '/';
    *format_octet(is_v4 ? (uint8_t)(c->bits - 96) : c->bits, at + 1) = '\0';
}

struct gw_cidr gw_cidr_around(const struct gw_ip *ip, unsigned bits)
{
    assert(bits <= 128);
    return (struct gw_cidr){masked(ip, bits), (uint8_t)bits};
}

struct gw_ip gw_ip_limit_network(const struct gw_ip *ip)
{
    return gw_cidr_around(ip, gw_ip_is_v4(ip) ? 96 + 24 : 48).net;
}

enum gw_code gw_cidr_parse(struct gw_str text, struct gw_cidr *out)
{
    struct gw_str rest = text, address = GW_STR_NULL;
    gw_str_split(&rest, '/', &address);
    struct gw_ip net;
    GW_TRY(gw_ip_parse(address, &net));
    /* By the way it is written: "::ffff:0:0/96" counts its bits as IPv6 does. */
    unsigned family_bits = gw_str_find(address, ':') < address.len ? 128 : 32;
    int64_t bits = family_bits;
    if (rest.ptr != NULL && (!gw_str_to_i64(rest, &bits) || bits > family_bits))
        return GW_EPARSE;
    struct gw_cidr c = {net, (uint8_t)(128 - family_bits + (unsigned)bits)};
    struct gw_ip bare = masked(&net, c.bits);
    if (!gw_ip_eq(&bare, &net))
        return GW_EPARSE;
    *out = c;
    return GW_OK;
}

bool gw_cidr_contains(const struct gw_cidr *c, const struct gw_ip *ip)
{
    if (gw_ip_is_v4(&c->net) != gw_ip_is_v4(ip))
        return false;
    struct gw_ip net = masked(ip, c->bits);
    return gw_ip_eq(&net, &c->net);
}

bool gw_cidrs_contain(const struct gw_cidr *list, size_t count, const struct gw_ip *ip)
{
    for (size_t i = 0; i < count; i++)
        if (gw_cidr_contains(&list[i], ip))
            return true;
    return false;
}
