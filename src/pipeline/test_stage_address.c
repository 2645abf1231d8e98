/* SPDX-License-Identifier: Apache-2.0 */
/* Who the client is behind proxies. */
#include "pipeline/test_cast.h"

#include <string.h>

static void test_the_client_is_the_rightmost_untrusted_hop(void **state)
{
    (void)state;
    static const struct {
        uint8_t peer[4];
        const char *forwarded, *earlier, *client;
    } rows[] = {
        {{192, 0, 2, 1}, "x-forwarded-for: 203.0.113.9", "x-a: 1", "192.0.2.1"},
        {{192, 0, 2, 1}, "x-forwarded-for: junk", "x-a: 1", "192.0.2.1"},
        {{10, 0, 0, 1}, "x-a: 1", "x-a: 1", "10.0.0.1"},
        {{10, 0, 0, 1}, "x-forwarded-for: 203.0.113.9", "x-a: 1", "203.0.113.9"},
        {{10, 0, 0, 1}, "x-forwarded-for: 1.2.3.4, 203.0.113.9", "x-a: 1", "203.0.113.9"},
        {{10, 0, 0, 1}, "x-forwarded-for: 203.0.113.9,10.1.1.1 , 10.2.2.2", "x-a: 1", "203.0.113.9"},
        {{10, 0, 0, 1}, "x-forwarded-for: 10.3.3.3, 10.1.1.1", "x-a: 1", "10.3.3.3"},
        {{10, 0, 0, 1}, "x-forwarded-for: 10.1.1.1", "x-forwarded-for: 203.0.113.9", "203.0.113.9"},
        {{10, 0, 0, 1}, "x-forwarded-for: junk, 203.0.113.9", "x-a: 1", "203.0.113.9"},
        {{10, 0, 0, 1}, "x-forwarded-for: 2001:db8::1", "x-a: 1", "2001:db8::1"},
        {{10, 0, 0, 1}, "x-forwarded-for: 203.0.113.9, junk", "x-a: 1", NULL},
        {{10, 0, 0, 1}, "x-forwarded-for: 203.0.113.9:80", "x-a: 1", NULL},
        {{10, 0, 0, 1}, "x-forwarded-for: 203.0.113.9,", "x-a: 1", NULL},
        {{10, 0, 0, 1}, "x-forwarded-for: ", "x-a: 1", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ASK("GET", "/api/open", rows[i].earlier, rows[i].forwarded);
        memcpy(rig.head.peer + 12, rows[i].peer, 4);
        gw_request_done(rig.gate, rig.request);
        rig.request = gw_request_new(rig.gate, &rig.head, &rig.arena, &rig.decision);
        if (rows[i].client == NULL) {
            assert_refused(&rig.decision, GW_REASON_BAD_ADDRESS);
            continue;
        }
        assert_passed(&rig.decision);
        if (!gw_str_eq(rig.decision.client_address, gw_str(rows[i].client)))
            fail_msg("row %zu: %.*s", i, GW_STR_ARG(rig.decision.client_address));
    }
}

/* One header is looked at, whichever the other holds. */
static void test_of_forwarded_the_same(void **state)
{
    (void)state;
    static const struct {
        uint8_t peer[4];
        const char *forwarded, *other, *client;
    } rows[] = {
        {{192, 0, 2, 1}, "forwarded: for=203.0.113.9", "x-a: 1", "192.0.2.1"},
        {{192, 0, 2, 1}, "forwarded: junk", "x-a: 1", "192.0.2.1"},
        {{10, 0, 0, 1}, "x-a: 1", "x-forwarded-for: 203.0.113.9", "10.0.0.1"},
        {{10, 0, 0, 1}, "forwarded: for=203.0.113.9", "x-forwarded-for: 198.51.100.7", "203.0.113.9"},
        {{10, 0, 0, 1}, "forwarded: for=203.0.113.9", "x-forwarded-for: junk", "203.0.113.9"},
        {{10, 0, 0, 1}, "forwarded: for=1.2.3.4, for=203.0.113.9;by=10.0.0.2", "x-a: 1", "203.0.113.9"},
        {{10, 0, 0, 1}, "forwarded: for=unknown, for=_x, by=_y, for=203.0.113.9", "x-a: 1", "203.0.113.9"},
        {{10, 0, 0, 1}, "forwarded: for=\"[2001:db8::1]:80\", FOR=10.1.1.1", "x-a: 1", "2001:db8::1"},
        {{10, 0, 0, 1}, "forwarded: for=10.1.1.1", "forwarded: for=203.0.113.9", "203.0.113.9"},
        {{10, 0, 0, 1}, "forwarded: for=10.3.3.3, for=10.1.1.1", "x-a: 1", "10.3.3.3"},
        {{10, 0, 0, 1}, "forwarded: for=203.0.113.9, for=unknown", "x-a: 1", NULL},
        {{10, 0, 0, 1}, "forwarded: for=203.0.113.9, for=_hidden", "x-a: 1", NULL},
        {{10, 0, 0, 1}, "forwarded: for=203.0.113.9, by=10.0.0.2", "x-a: 1", NULL},
        /* what a client writes before the proxy's element must not swallow it */
        {{10, 0, 0, 1}, "forwarded: for=\"1.2.3.4, for=203.0.113.9", "x-a: 1", NULL},
        {{10, 0, 0, 1}, "forwarded: for=1.2.3.4;x=\", for=\"[2001:db8::1]\"", "x-a: 1", NULL},
    };
    gw_rig_publish(&rig, SECOND_HASH, "trusted_proxies: [10.0.0.0/8]\nproxy_header: Forwarded\n", NULL);
    load_and_install();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ASK("GET", "/api/open", rows[i].other, rows[i].forwarded);
        memcpy(rig.head.peer + 12, rows[i].peer, 4);
        gw_request_done(rig.gate, rig.request);
        rig.request = gw_request_new(rig.gate, &rig.head, &rig.arena, &rig.decision);
        assert_true(rig.head.headers[1].drop || i == 2);
        if (rows[i].client == NULL) {
            assert_refused(&rig.decision, GW_REASON_BAD_ADDRESS);
            continue;
        }
        assert_passed(&rig.decision);
        if (!gw_str_eq(rig.decision.client_address, gw_str(rows[i].client)))
            fail_msg("row %zu: %.*s", i, GW_STR_ARG(rig.decision.client_address));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_of_forwarded_the_same),
        CASE(test_the_client_is_the_rightmost_untrusted_hop),
    };
    return cmocka_run_group_tests_name("pipeline/stage_address", tests, NULL, NULL);
}
