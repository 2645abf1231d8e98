/* SPDX-License-Identifier: Apache-2.0 */
/* What a key narrows, and the record in the segment. */
#include "shared/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

static struct gw_ip ip(const char *text)
{
    struct gw_ip a;
    assert_int_equal(gw_ip_parse(gw_str(text), &a), GW_OK);
    return a;
}

static struct gw_cidr cidr(const char *text)
{
    struct gw_cidr c;
    assert_int_equal(gw_cidr_parse(gw_str(text), &c), GW_OK);
    return c;
}

static void test_scopes_narrow_and_none_leaves_all(void **state)
{
    (void)state;
    struct gw_live_key k = {.scope_count = 0};
    assert_true(gw_live_key_leaves(&k, GW_STR("bots:read")));
    k.scopes[0] = gw_key_scope(GW_STR("bots:read"));
    k.scopes[1] = gw_key_scope(GW_STR("bots:write"));
    k.scope_count = 1;
    assert_true(gw_live_key_leaves(&k, GW_STR("bots:read")));
    assert_false(gw_live_key_leaves(&k, GW_STR("bots:write"))); /* beyond the count */
    assert_false(gw_live_key_leaves(&k, GW_STR("bots:rea")));
    assert_false(gw_live_key_leaves(&k, GW_STR("")));
    k.scope_count = 255;
    assert_true(gw_live_key_leaves(&k, GW_STR("bots:write")));
    assert_false(gw_live_key_leaves(&k, GW_STR("users:write")));
}

static void test_networks_pin_and_none_pins_nothing(void **state)
{
    (void)state;
    struct gw_live_key k = {.network_count = 0};
    static const struct {
        const char *from;
        bool admitted;
    } rows[] = {{"192.0.2.7", true},    {"192.0.3.7", false},    {"2001:db8::1", true},      {"2001:db9::1", false},
                {"198.51.100.1", true}, {"198.51.100.2", false}, {"::ffff:192.0.3.7", false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_ip from = ip(rows[i].from);
        k.network_count = 0;
        assert_true(gw_live_key_admits(&k, &from));
        k.networks[0] = cidr("192.0.2.0/24");
        k.networks[1] = cidr("2001:db8::/32");
        k.networks[2] = cidr("198.51.100.1");
        k.network_count = 3;
        if (gw_live_key_admits(&k, &from) != rows[i].admitted)
            fail_msg("%s", rows[i].from);
    }
}

static void test_a_record_comes_back_as_it_was_put(void **state)
{
    (void)state;
    char dir[] = "/tmp/gw-live-key-XXXXXX", path[64];
    const struct gw_shared_sizes sizes = {.sessions = 8, .users = 8, .revocations = 8, .api_keys = 4};
    struct gw_shared *w = NULL, *r = NULL;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(gw_shared_open(dir, GW_SHARED_WRITER, &sizes, &w, NULL), GW_OK);
    assert_int_equal(gw_shared_open(dir, GW_SHARED_READER, NULL, &r, NULL), GW_OK);
    struct gw_live_key put = {.hash = {{1}}, .id = {{2}}, .user_id = {{3}}, .expires_s = 4, .last_used_s = 5}, got;
    put.scopes[15] = 6;
    put.networks[3] = cidr("192.0.2.0/24");
    put.proof[31] = 7;
    put.scope_count = 16;
    put.network_count = 4;
    put.is_signed = 1;
    put.is_certificate = 1;
    assert_int_equal(gw_shared_get_key(r, &put.hash, &got), GW_EBACKEND); /* not ready */
    gw_shared_begin_load(w);
    assert_int_equal(gw_shared_put_key(w, &put, NULL), GW_OK);
    gw_shared_end_load(w);
    assert_int_equal(gw_shared_get_key(r, &put.hash, &got), GW_OK);
    assert_true(gw_uuid_eq(&got.id, &put.id) && gw_uuid_eq(&got.user_id, &put.user_id));
    assert_int_equal(got.expires_s, 4);
    assert_int_equal(got.scopes[15], 6);
    assert_int_equal(got.networks[3].bits, put.networks[3].bits);
    assert_memory_equal(got.proof, put.proof, sizeof(put.proof));
    assert_true(got.scope_count == 16 && got.network_count == 4 && got.is_signed == 1 && got.is_certificate == 1);

    assert_int_equal(gw_shared_key_last_used(r, &got), 5);
    gw_shared_touch(r, &put.id, 90);
    assert_int_equal(gw_shared_key_last_used(r, &got), 90);

    gw_shared_begin_load(w); /* a reload that does not put it again drops it */
    gw_shared_end_load(w);
    assert_int_equal(gw_shared_get_key(r, &put.hash, &got), GW_ENOTFOUND);
    assert_int_equal(gw_shared_put_key(w, &put, NULL), GW_OK);
    gw_shared_drop_key(w, &put.hash);
    assert_int_equal(gw_shared_get_key(r, &put.hash, &got), GW_ENOTFOUND);

    enum gw_code code = GW_OK;
    for (uint8_t n = 0; n < 64 && code == GW_OK; n++) {
        memset(put.hash.b, n, sizeof(put.hash.b));
        code = gw_shared_put_key(w, &put, NULL);
    }
    assert_int_equal(code, GW_ELIMIT);
    gw_shared_close(r);
    gw_shared_close(w);
    static const char *const names[] = {"authority", "counters", "authority.lock"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scopes_narrow_and_none_leaves_all),
        cmocka_unit_test(test_networks_pin_and_none_pins_nothing),
        cmocka_unit_test(test_a_record_comes_back_as_it_was_put),
    };
    return cmocka_run_group_tests_name("shared/live_key", tests, NULL, NULL);
}
