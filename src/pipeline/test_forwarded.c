/* SPDX-License-Identifier: Apache-2.0 */
/* The header Forwarded, of which a client may have written the left part. */
#include "pipeline/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* hops joined by '|'. */
static void lines_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *line, *hops;
    } rows[] = {
        {"for=192.0.2.43", "192.0.2.43"},
        {"for=192.0.2.43, for=198.51.100.17", "192.0.2.43|198.51.100.17"},
        {"for=192.0.2.43,for=198.51.100.17;by=203.0.113.60;proto=http;host=example.com", "192.0.2.43|198.51.100.17"},
        {"For=\"[2001:db8:cafe::17]:4711\"", "[2001:db8:cafe::17]:4711"},
        {"proto=http;FOR=unknown", "unknown"},
        {"by=_hidden , \tfor=_mystery", "|_mystery"},
        {"for=\"a, for=b;c\"", "a, for=b;c"},
        {"for=\"\"", ""},
        {"for=x;ext=\"q s\"", "x"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_str hops[GW_FORWARDED_HOPS_MAX];
        size_t count = 0;
        char joined[256] = "";
        assert_int_equal(gw_forwarded_parse(gw_str(rows[i].line), hops, &count), GW_OK);
        for (size_t n = 0; n < count; n++)
            snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%.*s", n > 0 ? "|" : "",
                     GW_STR_ARG(hops[n]));
        assert_string_equal(joined, rows[i].hops);
    }
}

static void what_is_no_such_line_is_refused_whole(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        " ",
        ",",
        "for=a,",
        ",for=a",
        "for=a,,for=b",
        "for",
        "for=",
        "for =a",
        "for= a",
        "=a",
        "for=a;",
        ";for=a",
        "for=a;;by=b",
        "for=a; by=b",
        "for=a for=b",
        "for=a;for=b",
        "for=a;For=\"b\"",
        "for=192.0.2.1:80",
        "for=[2001:db8::1]",
        "for=\"a",
        "for=a\"",
        "for=\"a\"b",
        "for=\"a\\\"b\"",
        "for=\"a\x01\"",
        "for=\"a\x7f\"",
        "for=a\x80",
        "for=a/b",
        "192.0.2.1",
        "for=\"1.2.3.4, for=\"[2001:db8::1]\"",
        "for=\"1.2.3.4, for=198.51.100.17",
    };
    struct gw_str hops[GW_FORWARDED_HOPS_MAX];
    size_t count;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (gw_forwarded_parse(gw_str(lines[i]), hops, &count) != GW_EPARSE)
            fail_msg("taken: %s", lines[i]);
}

static void hops_have_a_cap(void **state)
{
    (void)state;
    struct gw_str hops[GW_FORWARDED_HOPS_MAX];
    char line[GW_FORWARDED_HOPS_MAX * 6 + 16] = "for=a";
    size_t count;
    for (int i = 1; i < GW_FORWARDED_HOPS_MAX; i++)
        strcat(line, ",for=a");
    assert_int_equal(gw_forwarded_parse(gw_str(line), hops, &count), GW_OK);
    assert_int_equal(count, GW_FORWARDED_HOPS_MAX);
    strcat(line, ",for=a");
    assert_int_equal(gw_forwarded_parse(gw_str(line), hops, &count), GW_ELIMIT);
}

static void nodes_are_addresses_or_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *node, *address; /* NULL: none */
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:80", "192.0.2.1"},
        {"192.0.2.1:_p-1.x", "192.0.2.1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"[2001:db8::1]:65535", "2001:db8::1"},
        {"", NULL},
        {"unknown", NULL},
        {"_hidden", NULL},
        {"2001:db8::1", NULL},
        {"[192.0.2.1]", NULL},
        {"[2001:db8::1", NULL},
        {"[2001:db8::1]x", NULL},
        {"[]", NULL},
        {"[", NULL},
        {"]", NULL},
        {"192.0.2.1:", NULL},
        {"192.0.2.1:123456", NULL},
        {"192.0.2.1:8a", NULL},
        {"192.0.2.1:_", NULL},
        {"192.0.2.1:_a b", NULL},
        {"192.0.2.01", NULL},
        {"192.0.2.1 ", NULL},
        {"[fe80::1%25eth0]", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_ip ip;
        char text[GW_IP_LEN + 1];
        enum gw_code code = gw_forwarded_address(gw_str(rows[i].node), &ip);
        if (code != (rows[i].address != NULL ? GW_OK : GW_EPARSE))
            fail_msg("%s: %s", rows[i].node, gw_code_name(code));
        if (code != GW_OK)
            continue;
        gw_ip_format(&ip, text);
        assert_string_equal(text, rows[i].address);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken_apart),
        cmocka_unit_test(what_is_no_such_line_is_refused_whole),
        cmocka_unit_test(hops_have_a_cap),
        cmocka_unit_test(nodes_are_addresses_or_nothing),
    };
    return cmocka_run_group_tests_name("pipeline/forwarded", tests, NULL, NULL);
}
