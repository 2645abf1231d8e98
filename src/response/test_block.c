/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks in a real store and segment, on a clock of ours. */
#include "response/block.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ftw.h>

#define START_S INT64_C(1800000000)
#define HOUR_S INT64_C(3600)
#define DAY_S (24 * HOUR_S)
#define CAPACITY 64

static char dir[64];
static struct gw_fake_clock clk;
static struct gw_fake_random rnd;
static struct gw_cidr allow[1];
static struct gw_block_desk desk;
static struct gw_block_full full;
static struct gw_error err;
static const struct gw_actor operator= {.kind = GW_ACTOR_OPERATOR};

static void open_shared(void)
{
    const struct gw_shared_sizes sizes = {.sessions = 8, .users = 8, .revocations = 8, .blocks = CAPACITY};
    assert_int_equal(gw_shared_open(dir, GW_SHARED_WRITER, &sizes, &desk.shared, &err), GW_OK);
    gw_shared_begin_load(desk.shared);
    assert_int_equal(gw_block_publish(&desk, &err), GW_OK);
    gw_shared_end_load(desk.shared);
}

static int set_up(void **state)
{
    char path[96];
    (void)state;
    strcpy(dir, "/tmp/gw-block-XXXXXX");
    assert_non_null(mkdtemp(dir));
    gw_fake_clock_init(&clk, START_S * 1000);
    gw_fake_random_init(&rnd, 42);
    assert_int_equal(gw_cidr_parse(GW_STR("198.51.100.0/24"), &allow[0]), GW_OK);
    full = (struct gw_block_full){.count = 0};
    desk = (struct gw_block_desk){.clock = &clk.clock,
                                  .random = &rnd.random,
                                  .allow = allow,
                                  .allow_count = 1,
                                  .capacity = CAPACITY,
                                  .full = &full};
    snprintf(path, sizeof(path), "%s/x.db", dir);
    assert_int_equal(gw_store_open_sqlite(path, &desk.store, &err), GW_OK);
    assert_int_equal(gw_recorder_new(&rnd.random, &clk.clock, &desk.recorder, &err), GW_OK);
    open_shared();
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)st;
    (void)kind;
    (void)place;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    gw_shared_close(desk.shared);
    gw_recorder_free(desk.recorder);
    gw_store_close(desk.store);
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct gw_block_wish wish_of(const char *network, int64_t for_s)
{
    struct gw_block_wish w = {
        .for_s = for_s, .cause = GW_STR("rule"), .author = GW_STR("x"), .reason = GW_STR("why\n")};
    assert_int_equal(gw_block_network_parse(gw_str(network), &w.network, &err), GW_OK);
    return w;
}

static enum gw_code try_add(const struct gw_block_wish *w, struct gw_block_row *out, enum gw_block_change *change)
{
    return gw_block_add(&desk, &operator, w, out, change, &err);
}

static struct gw_block_row add(const struct gw_block_wish *w, enum gw_block_change expected)
{
    struct gw_block_row b;
    enum gw_block_change change;
    if (try_add(w, &b, &change) != GW_OK)
        fail_msg("%s", err.msg);
    assert_int_equal(change, expected);
    return b;
}

static bool is_live(const char *address, struct gw_live_block *out)
{
    struct gw_ip ip;
    assert_int_equal(gw_ip_parse(gw_str(address), &ip), GW_OK);
    return gw_shared_find_block(desk.shared, &ip, gw_clock_real_s(&clk.clock), out) == GW_OK;
}

static enum gw_code append_action(void *ctx, const struct gw_audit_row *r, struct gw_error *e)
{
    (void)e;
    strcat(ctx, r->action);
    strcat(ctx, " ");
    return GW_OK;
}

static void assert_trail(const char *expected)
{
    char actions[1024] = "";
    assert_int_equal(gw_store_audit_each_after(desk.store, 0, 100, append_action, actions, &err), GW_OK);
    assert_string_equal(actions, expected);
}

static void pass(int64_t s)
{
    gw_fake_clock_advance(&clk, s * 1000);
    assert_int_equal(gw_block_expire(&desk, &err), GW_OK);
}

static void test_a_block_is_live_until_it_is_removed(void **state)
{
    (void)state;
    struct gw_live_block live;
    const struct gw_block_wish w = wish_of("192.0.2.0/24", 60);
    const struct gw_block_row b = add(&w, GW_BLOCK_ADDED);
    assert_true(is_live("192.0.2.77", &live));
    assert_true(live.kind == GW_BLOCK_FULL && live.since_s == START_S && live.expires_s == START_S + 60);
    assert_string_equal(b.reason, "why?");
    assert_int_equal(gw_block_remove(&desk, &operator, & b.id, &err), GW_OK);
    assert_false(is_live("192.0.2.77", &live));
    assert_int_equal(gw_block_remove(&desk, &operator, & b.id, &err), GW_ENOTFOUND);
    assert_trail("block_added block_removed ");
}

static void test_the_time_grows_with_what_was_before(void **state)
{
    (void)state;
    static const int64_t times_s[] = {HOUR_S, DAY_S, 7 * DAY_S, 7 * DAY_S};
    const struct gw_block_wish w = wish_of("192.0.2.1", 0), other = wish_of("192.0.2.2", 0);
    for (size_t i = 0; i < sizeof(times_s) / sizeof(times_s[0]); i++) {
        const struct gw_block_row b = add(&w, GW_BLOCK_ADDED);
        assert_int_equal(b.expires_s - b.since_s, times_s[i]);
        pass(times_s[i]);
    }
    const struct gw_block_row first = add(&other, GW_BLOCK_ADDED);
    assert_int_equal(first.expires_s - first.since_s, HOUR_S);
    pass(31 * DAY_S);
    const struct gw_block_row again = add(&w, GW_BLOCK_ADDED);
    assert_int_equal(again.expires_s - again.since_s, HOUR_S);
}

static void test_what_was_lifted_makes_none_longer(void **state)
{
    (void)state;
    const struct gw_block_wish w = wish_of("192.0.2.1", 0);
    struct gw_block_row b = add(&w, GW_BLOCK_ADDED);
    gw_fake_clock_advance(&clk, 1000);
    assert_int_equal(gw_block_remove(&desk, &operator, & b.id, &err), GW_OK);
    b = add(&w, GW_BLOCK_ADDED);
    assert_int_equal(b.expires_s - b.since_s, HOUR_S);
}

static void test_added_again_it_is_made_longer_and_never_shorter(void **state)
{
    (void)state;
    struct gw_live_block live;
    struct gw_block_wish w = wish_of("192.0.2.1", 600);
    const struct gw_block_row b = add(&w, GW_BLOCK_ADDED);
    w.for_s = 0; /* as a rule says it, with each further request */
    const struct gw_block_row same = add(&w, GW_BLOCK_UNCHANGED);
    assert_true(gw_uuid_eq(&same.id, &b.id));
    w.for_s = 60;
    assert_int_equal(add(&w, GW_BLOCK_UNCHANGED).expires_s, START_S + 600);
    w.for_s = 900;
    assert_int_equal(add(&w, GW_BLOCK_EXTENDED).expires_s, START_S + 900);
    assert_true(is_live("192.0.2.1", &live));
    assert_int_equal(live.expires_s, START_S + 900);
    assert_trail("block_added block_extended ");
}

static void test_a_block_takes_the_place_of_a_suspect_and_not_the_other_way_round(void **state)
{
    (void)state;
    struct gw_live_block live;
    struct gw_block_wish w = wish_of("192.0.2.1", 0);
    w.is_suspect = true;
    assert_int_equal(add(&w, GW_BLOCK_ADDED).expires_s, START_S + HOUR_S);
    assert_true(is_live("192.0.2.1", &live));
    assert_int_equal(live.kind, GW_BLOCK_SUSPECT);
    w.is_suspect = false;
    assert_int_equal(add(&w, GW_BLOCK_ADDED).expires_s, START_S + HOUR_S);
    assert_true(is_live("192.0.2.1", &live));
    assert_int_equal(live.kind, GW_BLOCK_FULL);
    w.is_suspect = true;
    w.for_s = DAY_S;
    assert_false(add(&w, GW_BLOCK_UNCHANGED).is_suspect);
    assert_true(is_live("192.0.2.1", &live));
    assert_int_equal(live.kind, GW_BLOCK_FULL);
}

static void test_what_has_expired_ends_with_a_row(void **state)
{
    (void)state;
    struct gw_live_block live;
    const struct gw_block_wish w = wish_of("192.0.2.1", 60), late = wish_of("192.0.2.2", 61);
    const struct gw_uuid id = add(&w, GW_BLOCK_ADDED).id;
    struct gw_block_row b;
    (void)add(&late, GW_BLOCK_ADDED);
    pass(60);
    assert_false(is_live("192.0.2.1", &live));
    assert_int_equal(gw_store_block_get(desk.store, &id, &b, &err), GW_ENOTFOUND);
    assert_true(is_live("192.0.2.2", &live));
    assert_trail("block_added block_added block_expired ");
    gw_fake_clock_advance(&clk, 1000); /* and one that is added again before the schedule came by */
    (void)add(&late, GW_BLOCK_ADDED);
    assert_trail("block_added block_added block_expired block_expired block_added ");
}

static void test_a_start_puts_all_into_the_segment_again(void **state)
{
    (void)state;
    struct gw_live_block live;
    const struct gw_block_wish w = wish_of("192.0.2.0/24", 600), gone = wish_of("203.0.113.1", 60);
    (void)add(&w, GW_BLOCK_ADDED);
    (void)add(&gone, GW_BLOCK_ADDED);
    gw_shared_close(desk.shared);
    desk.shared = NULL;
    const struct gw_block_wish offline = wish_of("203.0.113.2", 600);
    (void)add(&offline, GW_BLOCK_ADDED);
    gw_fake_clock_advance(&clk, 60 * 1000);
    open_shared();
    assert_true(is_live("192.0.2.9", &live));
    assert_true(is_live("203.0.113.2", &live));
    struct gw_shared_fill fill;
    gw_shared_fill(desk.shared, &fill);
    assert_int_equal(fill.blocks, 2);
}

static void test_what_is_refused_and_how_to_mend_it(void **state)
{
    (void)state;
    static const struct {
        const char *network;
        int64_t for_s;
        enum gw_code code;
        const char *says;
    } rows[] = {
        {"198.51.100.7", 0, GW_ECONFLICT, "198.51.100.0/24 of the setting `allow`"},
        {"198.51.100.0/24", 0, GW_ECONFLICT, "policy reload"},
        {"198.51.0.0/16", 0, GW_OK, ""}, /* holds more than what is allowed, which still wins */
        {"10.0.0.0/8", 0, GW_OK, ""},
        {"10.0.0.0/7", 0, GW_EINVAL, "larger than /8"},
        {"0.0.0.0/0", 0, GW_EINVAL, "larger than /8"},
        {"2001::/16", 0, GW_OK, ""},
        {"2000::/15", 0, GW_EINVAL, "larger than /16"},
        {"::/0", 0, GW_EINVAL, "larger than /16"},
        {"127.0.0.1", 0, GW_OK, ""},
        {"192.0.2.1", -1, GW_EINVAL, "365d"},
        {"192.0.2.1", 366 * DAY_S, GW_EINVAL, "365d"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct gw_block_wish w = wish_of(rows[i].network, rows[i].for_s);
        struct gw_block_row b;
        enum gw_block_change change;
        enum gw_code code = try_add(&w, &b, &change);
        if (code != rows[i].code || (code != GW_OK && strstr(err.msg, rows[i].says) == NULL))
            fail_msg("row %zu: %s: %s", i, gw_code_name(code), err.msg);
    }
}

static void test_a_full_list_refuses_and_keeps_what_it_has(void **state)
{
    (void)state;
    char network[32];
    struct gw_live_block live;
    struct gw_block_row b;
    enum gw_block_change change;
    for (unsigned i = 0; i < CAPACITY; i++) {
        snprintf(network, sizeof(network), "192.0.2.%u", i);
        const struct gw_block_wish w = wish_of(network, 600);
        (void)add(&w, GW_BLOCK_ADDED);
    }
    const struct gw_block_wish more = wish_of("192.0.2.200", 600);
    assert_int_equal(try_add(&more, &b, &change), GW_ELIMIT);
    assert_non_null(strstr(err.msg, "block.capacity"));
    assert_false(is_live("192.0.2.200", &live));
    for (unsigned i = 0; i < CAPACITY; i++) {
        snprintf(network, sizeof(network), "192.0.2.%u", i);
        assert_true(is_live(network, &live));
    }
    pass(600);
    (void)add(&more, GW_BLOCK_ADDED);
    assert_true(is_live("192.0.2.200", &live));
}

static void refuse(const char *cause)
{
    struct gw_block_row b;
    enum gw_block_change change;
    struct gw_block_wish w = wish_of("192.0.2.200", 600);
    w.cause = gw_str(cause);
    assert_int_equal(try_add(&w, &b, &change), GW_ELIMIT);
}

static void test_a_full_list_is_told_of_once_a_cause_and_hour(void **state)
{
    (void)state;
    char cause[16];
    const struct gw_block_wish first = wish_of("192.0.2.1", DAY_S);
    desk.capacity = 1;
    (void)add(&first, GW_BLOCK_ADDED);
    for (unsigned i = 0; i < 3; i++)
        refuse("rule");
    assert_trail("block_added blocks_full ");
    refuse("operator");
    assert_trail("block_added blocks_full blocks_full ");
    pass(HOUR_S - 1);
    refuse("rule");
    assert_trail("block_added blocks_full blocks_full ");
    pass(1);
    refuse("rule");
    refuse("rule");
    assert_trail("block_added blocks_full blocks_full blocks_full ");
    assert_int_equal(gw_block_full_take(&full), 7);
    assert_int_equal(gw_block_full_take(&full), 0);
    pass(HOUR_S); /* more causes than are told apart */
    for (unsigned i = 0; i < 20; i++) {
        snprintf(cause, sizeof(cause), "cause %u", i);
        refuse(cause);
    }
    assert_trail("block_added blocks_full blocks_full blocks_full blocks_full blocks_full blocks_full blocks_full "
                 "blocks_full blocks_full ");
}

/* The segment says no before the store has it for good. */
static void test_what_the_segment_has_no_room_for_is_not_stored(void **state)
{
    (void)state;
    char network[32];
    struct gw_block_row b;
    enum gw_block_change change;
    enum gw_code code = GW_OK;
    unsigned added = 0;
    int64_t count;
    desk.capacity = 100000;
    for (unsigned i = 0; i < 1000 && code == GW_OK; i++) {
        snprintf(network, sizeof(network), "192.0.%u.%u", 2 + i / 250, i % 250);
        const struct gw_block_wish w = wish_of(network, 600);
        code = try_add(&w, &b, &change);
        added += code == GW_OK;
    }
    assert_int_equal(code, GW_ELIMIT);
    assert_int_equal(gw_store_block_count(desk.store, &count, &err), GW_OK);
    assert_int_equal(count, added);
}

static void test_networks_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *network; /* NULL: refused */
    } rows[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1/32", "192.0.2.1"},
        {"192.0.2.0/24", "192.0.2.0/24"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"2001:db8:1:2:3::4", "2001:db8:1:2::/64"},
        {"2001:db8::1/128", "2001:db8::1/128"},
        {"192.0.2.1/24", NULL},
        {"192.0.2.0/33", NULL},
        {"192.0.2", NULL},
        {"example.org", NULL},
        {"", NULL},
        {"192.0.2.1 ", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_cidr n;
        char text[GW_CIDR_LEN + 1] = "";
        enum gw_code code = gw_block_network_parse(gw_str(rows[i].text), &n, &err);
        if (code == GW_OK)
            gw_cidr_format(&n, text);
        if (code != (rows[i].network != NULL ? GW_OK : GW_EINVAL) ||
            strcmp(text, rows[i].network != NULL ? rows[i].network : "") != 0)
            fail_msg("%s: %s", rows[i].text, text);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_block_is_live_until_it_is_removed),
        CASE(test_the_time_grows_with_what_was_before),
        CASE(test_what_was_lifted_makes_none_longer),
        CASE(test_added_again_it_is_made_longer_and_never_shorter),
        CASE(test_a_block_takes_the_place_of_a_suspect_and_not_the_other_way_round),
        CASE(test_what_has_expired_ends_with_a_row),
        CASE(test_a_start_puts_all_into_the_segment_again),
        CASE(test_what_is_refused_and_how_to_mend_it),
        CASE(test_a_full_list_refuses_and_keeps_what_it_has),
        CASE(test_a_full_list_is_told_of_once_a_cause_and_hour),
        CASE(test_what_the_segment_has_no_room_for_is_not_stored),
        CASE(test_networks_as_people_write_them),
    };
    return cmocka_run_group_tests_name("response/block", tests, NULL, NULL);
}
