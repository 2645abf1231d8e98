/* SPDX-License-Identifier: Apache-2.0 */
#include "control/form.h"
#include <gw/gate.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct gw_api_member members[] = {
    {.name = "username"}, {.name = "password"}, {.name = "next"}, {.name = NULL}};

static void test_fields_become_strings(void **state)
{
    static const struct {
        const char *body, *username, *password; /* NULL: it is not there */
    } rows[] = {
        {"username=alice&password=a%26b%3Dc%25", "alice", "a&b=c%"},
        {"password=two+words&username=%C3%B6", "\xc3\xb6", "two words"},
        {"user%6Eame=alice", "alice", NULL},
        {"username=&password", "", ""},
        {"username=a=b", "a=b", NULL},
        {"", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *form = NULL;
        struct gw_error err = {0};
        if (gw_form_read(gw_str(rows[i].body), members, &form, &err) != GW_OK)
            fail_msg("%s: %s", rows[i].body, err.msg);
        const char *const expected[] = {rows[i].username, rows[i].password};
        for (size_t k = 0; k < 2; k++) {
            const char *got = json_string_value(json_object_get(form, members[k].name));
            assert_true((got == NULL) == (expected[k] == NULL) && (got == NULL || strcmp(got, expected[k]) == 0));
        }
        json_decref(form);
    }
}

static void test_what_could_be_read_in_two_ways_is_refused(void **state)
{
    static const struct gw_str rows[] = {
        GW_STR("username=a&username=b"),
        GW_STR("username=a&user%6eame=b"),
        GW_STR("username[]=a"),
        GW_STR("username[0]=a&username=b"),
        GW_STR("Username=a"),
        GW_STR("username=a&role=admin"),
        GW_STR("username=a&&password=b"),
        GW_STR("username=a&"),
        GW_STR("&username=a"),
        GW_STR("=a"),
        GW_STR("username=%"),
        GW_STR("username=%4"),
        GW_STR("username=%zz"),
        GW_STR("username=a%00b"),
        GW_STR("username=%ff"),
        GW_STR("username=%c0%af"),
        GW_STR("{\"username\":\"a\"}"),
        GW_STR("username=a\0&password=b"),
        GW_STR("--x\r\nContent-Disposition: form-data; name=\"username\""),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *form = NULL;
        enum gw_code code = gw_form_read(rows[i], members, &form, NULL);
        if ((code != GW_EPARSE && code != GW_EINVAL) || form != NULL)
            fail_msg("%.*s: %s", GW_STR_ARG(rows[i]), gw_code_name(code));
    }
}

static void test_it_has_a_longest(void **state)
{
    char *body = malloc(GW_CONTROL_BODY_MAX + 1);
    json_t *form = NULL;
    (void)state;
    assert_non_null(body);
    memset(body, 'a', GW_CONTROL_BODY_MAX + 1);
    memcpy(body, "username=", strlen("username="));
    assert_int_equal(gw_form_read((struct gw_str){body, GW_CONTROL_BODY_MAX}, members, &form, NULL), GW_OK);
    json_decref(form);
    assert_int_equal(gw_form_read((struct gw_str){body, GW_CONTROL_BODY_MAX + 1}, members, &form, NULL), GW_EINVAL);
    free(body);
}

static void test_its_media_type_is_known_by_name(void **state)
{
    static const struct {
        const char *text;
        bool is_one;
    } rows[] = {
        {"application/x-www-form-urlencoded", true},
        {"Application/X-WWW-Form-URLEncoded ; charset=UTF-8", true},
        {"application/x-www-form-urlencoded2", false},
        {"text/plain", false},
        {"multipart/form-data; boundary=x", false},
        {"application/json", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(gw_form_is_one(gw_str(rows[i].text)), rows[i].is_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_become_strings),
        cmocka_unit_test(test_what_could_be_read_in_two_ways_is_refused),
        cmocka_unit_test(test_it_has_a_longest),
        cmocka_unit_test(test_its_media_type_is_known_by_name),
    };
    return cmocka_run_group_tests_name("control/form", tests, NULL, NULL);
}
