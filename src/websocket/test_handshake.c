/* SPDX-License-Identifier: Apache-2.0 */
#include "websocket/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void keys_are_sixteen_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        bool is_good;
    } cases[] = {
        {"dGhlIHNhbXBsZSBub25jZQ==", true},  {"AAAAAAAAAAAAAAAAAAAAAA==", true},
        {"+/+/+/+/+/+/+/+/+/+/+w==", true},  {"", false},
        {"dGhlIHNhbXBsZSBub25jZQ", false},   {"dGhlIHNhbXBsZSBub25jZR==", false}, /* bits behind the last byte */
        {"dGhlIHNhbXBsZSBub25jZQ=A", false}, {"dGhlIHNhbXBsZSBub25j ZQ=", false},
        {"dGhlIHNhbXBsZSBub25jZ-==", false}, {"dGhlIHNhbXBsZSBub25jZQ===", false},
        {"dGhlIHNhbXBsZSBub25jZWE=", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (gw_websocket_key_is_good(gw_str(cases[i].key)) != cases[i].is_good)
            fail_msg("%s", cases[i].key);
}

static void accepts_as_the_rfc_does(void **state)
{
    (void)state;
    char accept[GW_WEBSOCKET_ACCEPT_LEN];
    assert_int_equal(gw_websocket_accept(GW_STR("dGhlIHNhbXBsZSBub25jZQ=="), accept), GW_OK);
    assert_memory_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof(accept));
    assert_int_equal(gw_websocket_accept(GW_STR("AAAAAAAAAAAAAAAAAAAAAA=="), accept), GW_OK);
    assert_memory_equal(accept, "ICX+Yqv66kxgM0FcWaLWlFLwTAI=", sizeof(accept));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_sixteen_bytes),
        cmocka_unit_test(accepts_as_the_rfc_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
