/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW_S 1000000

static struct gw_mac *key_of(const char *text)
{
    gw_auto(gw_secret) struct gw_secret *kek = NULL;
    struct gw_mac *key = NULL;
    assert_int_equal(gw_secret_new(gw_str(text), &kek, NULL), GW_OK);
    assert_int_equal(gw_device_key(kek, &key, NULL), GW_OK);
    return key;
}

static const struct gw_device_cookie cookie = {.user_id = {{7, 8, 9}}, .expires_s = NOW_S + 10, .nonce = {1, 2, 3}};

static void a_cookie_reads_back_until_it_expires(void **state)
{
    (void)state;
    gw_auto(gw_mac) struct gw_mac *key = key_of("mB5xT8nV2cQ7zK4wR9yL1hF6jD3gS0pA");
    char text[GW_DEVICE_COOKIE_LEN + 1];
    struct gw_device_cookie out;
    assert_int_equal(gw_device_make(key, &cookie, text, NULL), GW_OK);
    assert_int_equal(gw_device_read(key, gw_str(text), NOW_S + 9, &out), GW_OK);
    assert_true(gw_uuid_eq(&out.user_id, &cookie.user_id));
    assert_int_equal(out.expires_s, cookie.expires_s);
    assert_memory_equal(out.nonce, cookie.nonce, sizeof(cookie.nonce));
    assert_int_equal(gw_device_read(key, gw_str(text), NOW_S + 10, &out), GW_EDENIED);
}

static void what_was_changed_or_is_of_another_key_is_none(void **state)
{
    (void)state;
    gw_auto(gw_mac) struct gw_mac *key = key_of("mB5xT8nV2cQ7zK4wR9yL1hF6jD3gS0pA");
    gw_auto(gw_mac) struct gw_mac *other = key_of("pA0sG3dJ6fH1lY9rW4kZ7qC2vN8tX5Bm");
    char text[GW_DEVICE_COOKIE_LEN + 2];
    struct gw_device_cookie out;
    assert_int_equal(gw_device_make(key, &cookie, text, NULL), GW_OK);
    assert_int_equal(gw_device_read(other, gw_str(text), NOW_S, &out), GW_EDENIED);
    for (size_t i = 0; i < GW_DEVICE_COOKIE_LEN; i++) {
        char was = text[i];
        text[i] = was == 'A' ? 'B' : 'A';
        assert_int_equal(gw_device_read(key, gw_str(text), NOW_S, &out), GW_EDENIED);
        text[i] = was;
    }
    for (size_t len = 0; len < GW_DEVICE_COOKIE_LEN; len++)
        assert_int_equal(gw_device_read(key, (struct gw_str){text, len}, NOW_S, &out), GW_EDENIED);
    strcat(text, "A");
    assert_int_equal(gw_device_read(key, gw_str(text), NOW_S, &out), GW_EDENIED);
    assert_int_equal(gw_device_read(key, GW_STR_NULL, NOW_S, &out), GW_EDENIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cookie_reads_back_until_it_expires),
        cmocka_unit_test(what_was_changed_or_is_of_another_key_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
