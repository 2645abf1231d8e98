/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/connections.h"
#include "pipeline/test_cast.h"

#include <string.h>

#define MOST 8

static struct gw_ip ip(const char *text)
{
    struct gw_ip out;
    assert_int_equal(gw_ip_parse(gw_str(text), &out), GW_OK);
    return out;
}

static void addresses_are_counted_apart_and_ipv6_by_64(void **state)
{
    (void)state;
    gw_auto(gw_connections) struct gw_connections *c = NULL;
    const struct gw_ip a = ip("192.0.2.1"), b = ip("192.0.2.2"), v6 = ip("2001:db8::1"),
                       near_v6 = ip("2001:db8::ffff:2");
    assert_int_equal(gw_connections_new(MOST, gw_system_random(), &c, NULL), GW_OK);
    assert_int_equal(gw_connections_of(c, &a), 0);
    assert_int_equal(gw_connections_add(c, &a), GW_OK);
    assert_int_equal(gw_connections_add(c, &a), GW_OK);
    assert_int_equal(gw_connections_add(c, &b), GW_OK);
    assert_int_equal(gw_connections_add(c, &v6), GW_OK);
    assert_int_equal(gw_connections_of(c, &a), 2);
    assert_int_equal(gw_connections_of(c, &b), 1);
    assert_int_equal(gw_connections_of(c, &near_v6), 1);
    gw_connections_drop(c, &a);
    assert_int_equal(gw_connections_of(c, &a), 1);
    gw_connections_drop(c, &a);
    assert_int_equal(gw_connections_of(c, &a), 0);
    assert_int_equal(gw_connections_of(c, &b), 1);
}

/* Against an array, in an order that only the seed knows; all heads are shared by some. */
static void what_comes_and_goes_leaves_nothing(void **state)
{
    (void)state;
    enum { ADDRESSES = 40, TURNS = 20000 };
    gw_auto(gw_connections) struct gw_connections *c = NULL;
    unsigned model[ADDRESSES] = {0}, open = 0;
    uint32_t seed = 1;
    assert_int_equal(gw_connections_new(MOST, gw_system_random(), &c, NULL), GW_OK);
    for (int turn = 0; turn < TURNS; turn++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t n = (seed >> 8) % ADDRESSES;
        const struct gw_ip a = {.b = {[10] = 0xff, [11] = 0xff, [12] = 198, [15] = (uint8_t)n}};
        if ((seed >> 24) % 2 == 0 && open < MOST) {
            assert_int_equal(gw_connections_add(c, &a), GW_OK);
            model[n]++, open++;
        } else if (model[n] > 0) {
            gw_connections_drop(c, &a);
            model[n]--, open--;
        }
        assert_int_equal(gw_connections_of(c, &a), model[n]);
    }
}

static void there_are_no_more_than_said(void **state)
{
    (void)state;
    gw_auto(gw_connections) struct gw_connections *c = NULL;
    assert_int_equal(gw_connections_new(2, gw_system_random(), &c, NULL), GW_OK);
    const struct gw_ip a = ip("192.0.2.1"), b = ip("192.0.2.2"), d = ip("192.0.2.3");
    assert_int_equal(gw_connections_add(c, &a), GW_OK);
    assert_int_equal(gw_connections_add(c, &b), GW_OK);
    assert_int_equal(gw_connections_add(c, &d), GW_ELIMIT);
    gw_connections_drop(c, &a);
    assert_int_equal(gw_connections_add(c, &d), GW_OK);
}

/* ---- the gate ---- */

static bool opens(const char *address)
{
    return gw_gate_connection_opened(rig.gate, ip(address).b);
}

static void an_address_has_so_many_and_no_more(void **state)
{
    (void)state;
    gw_rig_publish(&rig, SECOND_HASH,
                   "trusted_proxies: [10.0.0.0/8]\nallow: [198.51.100.7]\nconnections: {per_address: 3}\n", NULL);
    load_and_install();
    assert_int_equal(gw_gate_count_connections(rig.gate, 100, NULL), GW_OK);
    for (int i = 0; i < 3; i++)
        assert_true(opens("203.0.113.1"));
    assert_false(opens("203.0.113.1"));
    assert_true(opens("203.0.113.2"));
    gw_gate_connection_closed(rig.gate, ip("203.0.113.1").b);
    assert_true(opens("203.0.113.1"));
    assert_false(opens("203.0.113.1"));
    for (int i = 0; i < 10; i++) {
        assert_true(opens("10.1.2.3"));
        assert_true(opens("198.51.100.7"));
        assert_true(opens("203.0.113.1") == (i < 0));
    }
    gw_rig_publish(&rig, "3333333333333333333333333333333333333333333333333333333333333333",
                   "connections: {per_address: 0}\n", NULL);
    load_and_install();
    assert_true(opens("203.0.113.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_counted_apart_and_ipv6_by_64),
        cmocka_unit_test(what_comes_and_goes_leaves_nothing),
        cmocka_unit_test(there_are_no_more_than_said),
        CASE(an_address_has_so_many_and_no_more),
    };
    return cmocka_run_group_tests_name("pipeline/connections", tests, NULL, NULL);
}
