/* SPDX-License-Identifier: Apache-2.0 */
#include "base/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define LABEL_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_takes_what_a_browser_writes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_exposed;
    } rows[] = {
        {"https://app.example.com", false},
        {"https://app.example.com:8443", false},
        {"http://app.example.com", true},
        {"http://app.example.com:443", true},
        {"https://app.example.com:80", false},
        {"http://localhost:3000", false},
        {"https://localhost:3000", false},
        {"http://localhost.example", true},
        {"http://127.0.0.1:3000", false},
        {"http://127.1.2.3", false},
        {"http://10.0.0.1", true},
        {"http://[::1]:3000", false},
        {"http://[2001:db8::1]", true},
        {"https://xn--bcher-kva.example", false},
        {"https://under_score.example", false},
        {"https://a-1.b2", false},
        {"https://" LABEL_63 ".example", false},
        {"https://a:65535", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *fault = gw_origin_fault(gw_str(rows[i].text));
        if (fault != NULL || gw_origin_is_exposed(gw_str(rows[i].text)) != rows[i].is_exposed)
            fail_msg("%s: %s", rows[i].text, fault != NULL ? fault : "exposed or not");
    }
}

static void test_refuses_what_none_writes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *fault;
    } rows[] = {
        {"", "such as https"},
        {"null", "sandbox"},
        {"*", "wildcards"},
        {"https://*.example.com", "wildcards"},
        {"app.example.com", "such as https"},
        {"//app.example.com", "such as https"},
        {"HTTPS://app.example.com", "such as https"},
        {"https:/app.example.com", "such as https"},
        {"file://", "such as https"},
        {"chrome-extension://abcdef", "such as https"},
        {" https://app.example.com", "such as https"},
        {"https://", "as browsers do"},
        {"https://app.example.com/", "not even a slash"},
        {"https://app.example.com/x", "not even a slash"},
        {"https://app.example.com?x", "as browsers do"},
        {"https://app.example.com#x", "as browsers do"},
        {"https://App.example.com", "lower case"},
        {"https://app.example.com.", "no dot at its end"},
        {"https://.example.com", "as browsers do"},
        {"https://a..b", "as browsers do"},
        {"https://user@app.example.com", "as browsers do"},
        {"https://user:pw@app.example.com", "a number"},
        {"https://b\xc3\xbc"
         "cher.example",
         "xn--"},
        {"https://app.example.com ", "as browsers do"},
        {"https://app.example.com\\", "as browsers do"},
        {"https://app%2eexample.com", "as browsers do"},
        {"https://app.example.com:", "a number"},
        {"https://app.example.com:0", "a number"},
        {"https://app.example.com:08443", "a number"},
        {"https://app.example.com:65536", "a number"},
        {"https://app.example.com:8443x", "a number"},
        {"https://app.example.com:-1", "a number"},
        {"https://app.example.com:443", "leave it out"},
        {"http://app.example.com:80", "leave it out"},
        {"https://127.1", "as browsers do"},
        {"https://0x7f000001", "as browsers do"},
        {"https://127.0.0.01", "as browsers do"},
        {"https://256.1.1.1", "as browsers do"},
        {"https://[::1", "as browsers do"},
        {"https://[]", "as browsers do"},
        {"https://[::0001]", "as browsers do"},
        {"https://[2001:DB8::1]", "as browsers do"},
        {"https://[127.0.0.1]", "as browsers do"},
        {"https://[::1]8443", "a number"},
        {"https://" LABEL_63 "a.example", "as browsers do"},
        {"https://" LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 ".a", "as browsers do"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *fault = gw_origin_fault(gw_str(rows[i].text));
        if (fault == NULL || strstr(fault, rows[i].fault) == NULL)
            fail_msg("%s: %s", rows[i].text, fault != NULL ? fault : "taken");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_what_a_browser_writes),
        cmocka_unit_test(test_refuses_what_none_writes),
    };
    return cmocka_run_group_tests_name("base/origin", tests, NULL, NULL);
}
