/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void answers_are_taken_apart(void **state)
{
    static const struct {
        const char *text;
        unsigned status;
        const char *type, *body;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\nbody", 200, "a/b", "body"},
        {"HTTP/1.0 503 \r\ncontent-TYPE:\t a/b \t\r\nContent-Length: 2\r\n\r\nno", 503, "a/b", "no"},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, NULL, ""},
        {"HTTP/1.1 200 OK\r\nX: y\r\n\r\n\r\n\r\n", 200, NULL, "\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\nContent-Type\r\n\r\n", 200, NULL, ""},
        {"HTTP/1.1 200 OK\r\nX-Content-Type: x\r\nContent-Type: 1\r\nContent-Type: 2\r\n\r\n", 200, "1", ""},
        {"HTTP/1.1 200 Content-Type: a/b\r\n\r\n", 200, NULL, ""},
        {"HTTP/1.1 200 OK\r\nContent-Type:\r\n\r\n", 200, "", ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gw_http_answer a;
        struct gw_str type = GW_STR_NULL;
        struct gw_error err;
        if (gw_http_parse(gw_str(cases[i].text), &a, &err) != GW_OK)
            fail_msg("%s: %s", cases[i].text, err.msg);
        bool has_type = gw_http_header(&a, GW_STR("content-type"), &type);
        if (a.status != cases[i].status || has_type != (cases[i].type != NULL) ||
            !gw_str_eq(type, gw_str(cases[i].type)) || !gw_str_eq(a.body, gw_str(cases[i].body)))
            fail_msg("%s: %u, type %.*s, body %.*s", cases[i].text, a.status, GW_STR_ARG(type), GW_STR_ARG(a.body));
    }
}

static void what_is_no_answer_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\n\nbody",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.12200 OK\r\n\r\n",
        "\r\n\r\n",
        "HTTP/1.\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct gw_http_answer a = {.status = 1};
        if (gw_http_parse(gw_str(texts[i]), &a, NULL) != GW_EPARSE || a.status != 1)
            fail_msg("%s: %u", texts[i], a.status);
    }
}

static void a_body_is_whole_when_it_has_the_length_that_the_head_says(void **state)
{
    static const struct {
        const char *text;
        bool is_whole;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n\r\nno", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nno", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nno", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nno", false},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nno", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct gw_http_answer a;
        assert_int_equal(gw_http_parse(gw_str(cases[i].text), &a, NULL), GW_OK);
        if (gw_http_is_whole(&a) != cases[i].is_whole)
            fail_msg("%s", cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_taken_apart),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(a_body_is_whole_when_it_has_the_length_that_the_head_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
