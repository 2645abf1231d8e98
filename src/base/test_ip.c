/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct gw_ip ip_of(const char *text)
{
    struct gw_ip ip;
    assert_int_equal(gw_ip_parse(gw_str(text), &ip), GW_OK);
    return ip;
}

static void addresses_have_one_form(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        bool v4;
    } cases[] = {
        {"10.0.0.1", "10.0.0.1", true},
        {"::ffff:10.0.0.1", "10.0.0.1", true},
        {"0.0.0.0", "0.0.0.0", true},
        {"2001:DB8:0:0::1", "2001:db8::1", false},
        {"::", "::", false},
        {"::1", "::1", false},
        {"255.255.255.255", "255.255.255.255", true},
        {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gw_ip ip = ip_of(cases[i].in);
        char text[GW_IP_LEN + 1];
        gw_ip_format(&ip, text);
        assert_string_equal(text, cases[i].out);
        assert_int_equal(gw_ip_is_v4(&ip), cases[i].v4);
    }
}

static void refuses_what_is_no_address(void **state)
{
    (void)state;
    static const struct gw_str bad[] = {
        {"", 0},
        {NULL, 0},
        {"10.0.0", 6},
        {"10.0.0.256", 10},
        {"010.0.0.1", 9},
        {"10.0.0.1:80", 11},
        {"10.0.0.1 ", 9},
        {" 10.0.0.1", 9},
        {"10.0.0.1\0", 9},
        {"0x7f.0.0.1", 10},
        {"2130706433", 10},
        {"[::1]", 5},
        {"fe80::1%eth0", 12},
        {"1::2::3", 7},
        {"12345::", 7},
        {"1:2:3:4:5:6:7:8:9", 17},
        {"localhost", 9},
        {"10.0.0.1/8", 10},
        {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa", 49},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct gw_ip ip = {{7}};
        assert_int_equal(gw_ip_parse(bad[i], &ip), GW_EPARSE);
        assert_int_equal(ip.b[0], 7);
    }
}

static void limits_count_by_address_or_slash_64(void **state)
{
    (void)state;
    struct gw_ip a = ip_of("2001:db8:1:2:3:4:5:6"), key = gw_ip_limit_key(&a), want = ip_of("2001:db8:1:2::");
    assert_true(gw_ip_eq(&key, &want));
    a = ip_of("10.1.2.3");
    key = gw_ip_limit_key(&a);
    assert_true(gw_ip_eq(&key, &a));
}

static void networks_contain_their_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *net, *ip;
        bool contains;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/9", "10.127.255.255", true},
        {"10.0.0.0/9", "10.128.0.0", false},
        {"192.168.1.7", "192.168.1.7", true},
        {"192.168.1.7", "192.168.1.8", false},
        {"192.168.1.7/32", "192.168.1.6", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "::1", true},
        {"::/0", "203.0.113.9", false},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"::1", "::1", true},
        {"::1", "::2", false},
        {"::ffff:10.0.0.0/104", "10.9.9.9", true},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gw_cidr c;
        struct gw_ip ip = ip_of(cases[i].ip);
        assert_int_equal(gw_cidr_parse(gw_str(cases[i].net), &c), GW_OK);
        assert_int_equal(gw_cidr_contains(&c, &ip), cases[i].contains);
    }
}

static void any_network_of_a_list_contains(void **state)
{
    (void)state;
    struct gw_cidr list[2];
    struct gw_ip in_second = ip_of("2001:db8::7"), in_none = ip_of("192.0.2.1");
    assert_int_equal(gw_cidr_parse(GW_STR("10.0.0.0/8"), &list[0]), GW_OK);
    assert_int_equal(gw_cidr_parse(GW_STR("2001:db8::/32"), &list[1]), GW_OK);
    assert_true(gw_cidrs_contain(list, 2, &in_second));
    assert_false(gw_cidrs_contain(list, 1, &in_second));
    assert_false(gw_cidrs_contain(list, 2, &in_none));
    assert_false(gw_cidrs_contain(NULL, 0, &in_none));
}

static void refuses_what_is_no_network(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "/",
                                      "/8",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/08",
                                      "10.0.0.0/8 ",
                                      "10.0.0.0/8/8",
                                      "10.0.0.1/8",
                                      "::/129",
                                      "::1/127",
                                      "2001:db8::1/32",
                                      "10.0.0.0/a",
                                      "10.0.0.0/255.0.0.0",
                                      "10.0.0.0/18446744073709551624"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct gw_cidr c = {.bits = 77};
        assert_int_equal(gw_cidr_parse(gw_str(bad[i]), &c), GW_EPARSE);
        assert_int_equal(c.bits, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_one_form),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(limits_count_by_address_or_slash_64),
        cmocka_unit_test(networks_contain_their_addresses),
        cmocka_unit_test(any_network_of_a_list_contains),
        cmocka_unit_test(refuses_what_is_no_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
