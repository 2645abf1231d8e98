/* SPDX-License-Identifier: Apache-2.0 */
/* The script alone; that the kernel takes it and drops by it: tests/e2e/test_kernel_drop.py. */
#include "response/kernel_drop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW_S INT64_C(1800000000)

static struct gw_error err;

static struct gw_dropped entry(const char *network, int64_t left_s)
{
    struct gw_dropped d = {.expires_s = left_s != 0 ? NOW_S + left_s : 0};
    assert_int_equal(gw_cidr_parse(gw_str(network), &d.network), GW_OK);
    return d;
}

static enum gw_code print(struct gw_drop_plan *p, struct gw_buf *out, size_t max_bytes)
{
    gw_buf_init(out, max_bytes);
    return gw_kernel_drop_script(p, NOW_S, out, &err);
}

#define HEAD "add table inet aaiti\ndelete table inet aaiti\ntable inet aaiti {\n"
#define SET(name, type) "set " name " {\ntype " type "\nflags interval, timeout\n"
#define TAIL(port)                                                         \
    "chain input {\ntype filter hook input priority -10; policy accept;\n" \
    "tcp dport != " port " return\niifname \"lo\" return\n"                \
    "ip saddr @spared4 return\nip6 saddr @spared6 return\n"                \
    "ip saddr @blocked4 drop\nip6 saddr @blocked6 drop\n}\n}\n"

static void test_the_whole_script(void **state)
{
    (void)state;
    struct gw_dropped blocked[] = {entry("2001:db8::/32", 60), entry("192.0.2.7", 5), entry("192.0.2.0/24", 100)};
    struct gw_dropped spared[] = {entry("198.51.100.1", 0)};
    struct gw_drop_plan p = {blocked, spared, 3, 1, 8443};
    gw_auto(gw_buf) struct gw_buf out = {0};
    assert_int_equal(print(&p, &out, 4096), GW_OK);
    assert_string_equal(
        out.ptr,
        HEAD
            SET("blocked4", "ipv4_addr") "elements = {\n192.0.2.0/24 timeout 100s,\n}\n}\n" SET("spared4", "ipv4_addr") "elements = {\n198.51.100.1,\n}\n}\n" SET(
                "blocked6",
                "ipv6_addr") "elements = {\n2001:db8::/32 timeout 60s,\n}\n}\n" SET("spared6",
                                                                                    "ipv6_addr") "}\n" TAIL("8443"));
}

static void test_what_is_printed_and_what_not(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int64_t a_s, b_s;
        const char *shown, *hidden;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.255", 9, 99, "192.0.2.0/24 timeout 9s", "192.0.2.255"},
        {"192.0.2.0/24", "192.0.3.0", 9, 99, "192.0.3.0 timeout 99s", "none"},
        {"192.0.2.0/24", "192.0.2.0", 9, 99, "192.0.2.0/24 timeout 9s", "192.0.2.0 "},
        {"192.0.2.0/24", "192.0.2.0/24", 9, 99, "192.0.2.0/24", "none"},
        /* what has passed covers nothing */
        {"192.0.2.0/24", "192.0.2.1", -1, 9, "192.0.2.1 timeout 9s", "192.0.2.0/24"},
        {"192.0.2.1", "192.0.2.2", -1, -100, "set blocked4", "timeout -"},
        /* a network of IPv6 has none of IPv4 in it, whatever its bytes are */
        {"::/16", "192.0.2.1", 9, 9, "192.0.2.1 timeout 9s", "::ffff"},
        {"2001:db8::/32", "2001:db8:1::/48", 9, 9, "2001:db8::/32", "2001:db8:1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_dropped blocked[] = {entry(rows[i].b, rows[i].b_s), entry(rows[i].a, rows[i].a_s)};
        struct gw_drop_plan p = {blocked, NULL, 2, 0, 1};
        gw_auto(gw_buf) struct gw_buf out = {0};
        assert_int_equal(print(&p, &out, 4096), GW_OK);
        if (strstr(out.ptr, rows[i].shown) == NULL || strstr(out.ptr, rows[i].hidden) != NULL)
            fail_msg("row %zu: %s", i, out.ptr);
    }
}

/* Whatever bytes a network has, nothing leaves the script's words: letters of numbers, and what stands between them. */
static void test_no_network_breaks_out_of_the_script(void **state)
{
    (void)state;
    static const char *const bytes[] = {"; flush ruleset;", "}\n}\nadd table x{", "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"",
                                        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        for (unsigned bits = 1; bits <= 128; bits++) {
            struct gw_ip ip;
            memcpy(ip.b, bytes[i], strlen(bytes[i]) < 16 ? strlen(bytes[i]) : 16);
            struct gw_dropped blocked[] = {{gw_cidr_around(&ip, bits), NOW_S + 1}};
            struct gw_drop_plan p = {blocked, NULL, 1, 0, 1};
            gw_auto(gw_buf) struct gw_buf out = {0};
            assert_int_equal(print(&p, &out, 4096), GW_OK);
            const char *list = strstr(out.ptr, "elements = {\n");
            assert_non_null(list);
            list += strlen("elements = {\n");
            size_t network = strspn(list, "0123456789abcdef:./");
            assert_true(network > 0 && strncmp(list + network, " timeout 1s,\n}\n}\n", 17) == 0);
        }
    }
}

static void test_too_long_a_script_is_none(void **state)
{
    (void)state;
    struct gw_dropped blocked[] = {entry("192.0.2.7", 5)};
    struct gw_drop_plan p = {blocked, NULL, 1, 0, 1};
    gw_auto(gw_buf) struct gw_buf out = {0};
    assert_int_equal(print(&p, &out, 100), GW_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_whole_script),
        cmocka_unit_test(test_what_is_printed_and_what_not),
        cmocka_unit_test(test_no_network_breaks_out_of_the_script),
        cmocka_unit_test(test_too_long_a_script_is_none),
    };
    return cmocka_run_group_tests_name("response/kernel_drop", tests, NULL, NULL);
}
