/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and networks as text, as `allow`, `trusted_proxies` and the calls for blocks take them, and how long a block is to hold. What is
 * taken has one printed form, which reads as the same again.
 */
#include "base/ip.h"
#include "config/option_value.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(struct gw_str text)
{
    struct gw_ip ip, again, key;
    struct gw_cidr network;
    char printed[GW_IP_LEN + 1];
    if (gw_ip_parse(text, &ip) != GW_OK)
        return;
    assert(text.len <= GW_IP_LEN);
    gw_ip_format(&ip, printed);
    assert(gw_ip_parse(gw_str(printed), &again) == GW_OK && gw_ip_eq(&again, &ip));
    assert(gw_ip_is_v4(&ip) == (strchr(printed, ':') == NULL));
    key = gw_ip_limit_key(&ip);
    again = gw_ip_limit_key(&key);
    assert(gw_ip_eq(&key, &again) && (!gw_ip_is_v4(&ip) || gw_ip_eq(&key, &ip)));
    /* A bare address is the network of it alone. */
    assert(gw_cidr_parse(text, &network) == GW_OK && network.bits == 128 && gw_ip_eq(&network.net, &ip));
}

static void check_network(struct gw_str text)
{
    struct gw_cidr c, again;
    char printed[GW_CIDR_LEN + 1];
    if (gw_cidr_parse(text, &c) != GW_OK)
        return;
    assert(c.bits <= 128 && (!gw_ip_is_v4(&c.net) || c.bits >= 96 || c.bits == 0));
    gw_cidr_format(&c, printed);
    assert(gw_cidr_parse(gw_str(printed), &again) == GW_OK && again.bits == c.bits && gw_ip_eq(&again.net, &c.net));
    if (c.bits > 0) {
        struct gw_cidr around = gw_cidr_around(&c.net, c.bits); /* no bit of the host stands in it */
        assert(gw_ip_eq(&around.net, &c.net) && gw_cidr_contains(&c, &c.net));
        for (unsigned bit = c.bits; bit < 128; bit++) {
            struct gw_ip other = c.net;
            other.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
            assert(gw_cidr_contains(&c, &other) || gw_ip_is_v4(&other) != gw_ip_is_v4(&c.net));
        }
        struct gw_ip beyond = c.net;
        beyond.b[(c.bits - 1) / 8] ^= (uint8_t)(0x80 >> (c.bits - 1) % 8);
        assert(!gw_cidr_contains(&c, &beyond));
    }
}

static void check_duration(struct gw_str text)
{
    int64_t ms = -1;
    assert(gw_duration_parse(text, &ms, NULL) != GW_OK || ms >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gw_str text = {(const char *)data, size};
    check_address(text);
    check_network(text);
    check_duration(text);
    return 0;
}
