/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Addresses and networks. IPv4 is held as ::ffff:a.b.c.d, so that one form is compared everywhere.
 */
#include <gw/error.h>
#include <gw/str.h>

struct gw_ip {
    uint8_t b[16];
};

struct gw_cidr {
    struct gw_ip net;
    uint8_t bits; /* 0..128, of the 16-byte form */
};

#define GW_IP_LEN 45
/* "10.0.0.1" or "2001:db8::1"; no port, zone, brackets or leading zeros. */
GW_MUST_CHECK enum gw_code gw_ip_parse(struct gw_str text, struct gw_ip *out);
/* dst holds GW_IP_LEN + 1. IPv4 in dotted form. */
void gw_ip_format(const struct gw_ip *ip, char *dst);
bool gw_ip_eq(const struct gw_ip *a, const struct gw_ip *b);
bool gw_ip_is_v4(const struct gw_ip *ip);
/* The unit limits count by: an IPv4 address, or the /64 of an IPv6 one (rest zeroed). */
struct gw_ip gw_ip_limit_key(const struct gw_ip *ip);
/* What holds many of these in one hand, of which no more than a share is let: the /24 of an IPv4 address, the /48 of an IPv6 one (rest zeroed). */
struct gw_ip gw_ip_limit_network(const struct gw_ip *ip);

/* "10.0.0.0/8", "2001:db8::/32", or a bare address. Host bits must be zero. */
GW_MUST_CHECK enum gw_code gw_cidr_parse(struct gw_str text, struct gw_cidr *out);
/* dst holds GW_CIDR_LEN + 1. One address of IPv4 stands bare. */
#define GW_CIDR_LEN (GW_IP_LEN + 4)
void gw_cidr_format(const struct gw_cidr *c, char *dst);
/* The network of so many bits (of the 16-byte form) that the address is in. */
struct gw_cidr gw_cidr_around(const struct gw_ip *ip, unsigned bits);
/* An IPv6 network never contains an IPv4 address, however short: "::/0" means all of IPv6. */
bool gw_cidr_contains(const struct gw_cidr *c, const struct gw_ip *ip);
/* Any of them does. */
bool gw_cidrs_contain(const struct gw_cidr *list, size_t count, const struct gw_ip *ip);
