/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks in the authority segment: the longest network wins, a block before a suspect. */
#include "shared/test_segments.h"

#include <stdio.h>
#include <string.h>

static struct gw_live_block block_of(const char *network, enum gw_block_kind kind, int64_t expires_s)
{
    struct gw_live_block b = {.kind = kind, .since_s = 100, .expires_s = expires_s};
    assert_int_equal(gw_cidr_parse(gw_str(network), &b.network), GW_OK);
    return b;
}

static void put_block(struct gw_shared *w, const char *network, enum gw_block_kind kind, int64_t expires_s)
{
    const struct gw_live_block b = block_of(network, kind, expires_s);
    assert_int_equal(gw_shared_put_block(w, &b, NULL), GW_OK);
}

static void drop_block(struct gw_shared *w, const char *network)
{
    const struct gw_live_block b = block_of(network, GW_BLOCK_FULL, 0);
    gw_shared_drop_block(w, &b.network);
}

static enum gw_code find_block(const struct gw_shared *s, const char *address, int64_t now_s, struct gw_live_block *out)
{
    struct gw_ip ip;
    assert_int_equal(gw_ip_parse(gw_str(address), &ip), GW_OK);
    return gw_shared_find_block(s, &ip, now_s, out);
}

static void test_the_longest_network_is_found_and_a_block_before_a_suspect(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        int64_t now_s;
        unsigned bits; /* 0: nothing */
        enum gw_block_kind kind;
    } rows[] = {
        {"192.0.2.1", 200, 128, GW_BLOCK_FULL},
        {"192.0.2.2", 200, 120, GW_BLOCK_FULL}, /* of its own a suspect alone */
        {"192.0.2.3", 200, 120, GW_BLOCK_FULL},
        {"192.0.3.3", 200, 112, GW_BLOCK_SUSPECT},
        {"192.1.2.1", 200, 0, GW_BLOCK_FULL},
        {"192.0.2.1", 900, 120, GW_BLOCK_FULL}, /* its own has expired */
        {"192.0.2.1", 1000, 112, GW_BLOCK_SUSPECT},
        {"192.0.2.1", 2000, 0, GW_BLOCK_FULL},
        {"2001:db8::1", 200, 32, GW_BLOCK_FULL},
        {"2001:db9::1", 200, 0, GW_BLOCK_FULL},
        {"::1", 200, 16, GW_BLOCK_SUSPECT}, /* and no address of IPv4 is in there */
    };
    gw_auto(gw_shared) struct gw_shared *w = open_as(GW_SHARED_WRITER);
    struct gw_live_block b;
    assert_int_equal(find_block(w, "192.0.2.1", 200, &b), GW_EBACKEND); /* not ready */
    gw_shared_begin_load(w);
    gw_shared_end_load(w);
    assert_int_equal(find_block(w, "192.0.2.1", 200, &b), GW_ENOTFOUND);
    put_block(w, "192.0.2.1", GW_BLOCK_FULL, 900);
    put_block(w, "192.0.2.2", GW_BLOCK_SUSPECT, 900);
    put_block(w, "192.0.2.0/24", GW_BLOCK_FULL, 1000);
    put_block(w, "192.0.0.0/16", GW_BLOCK_SUSPECT, 2000);
    put_block(w, "2001:db8::/32", GW_BLOCK_FULL, 900);
    put_block(w, "::/16", GW_BLOCK_SUSPECT, 900);
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum gw_code code = find_block(r, rows[i].address, rows[i].now_s, &b);
        if (code != (rows[i].bits == 0 ? GW_ENOTFOUND : GW_OK) ||
            (code == GW_OK && (b.network.bits != rows[i].bits || b.kind != rows[i].kind || b.since_s != 100)))
            fail_msg("row %zu: %s, %u bits, kind %d", i, gw_code_name(code), b.network.bits, (int)b.kind);
    }
    drop_block(w, "192.0.2.0/24");
    assert_int_equal(find_block(r, "192.0.2.3", 200, &b), GW_OK);
    assert_int_equal(b.network.bits, 112);
}

static uint32_t draw(uint32_t *seed)
{
    *seed = *seed * UINT32_C(1664525) + UINT32_C(1013904223);
    return *seed >> 8;
}

/* Few bits differ, so that networks lie in one another. */
static struct gw_ip draw_ip(uint32_t *seed)
{
    struct gw_ip ip;
    assert_int_equal(gw_ip_parse(draw(seed) % 2 == 0 ? GW_STR("192.0.2.0") : GW_STR("2001:db8::"), &ip), GW_OK);
    ip.b[13] = draw(seed) & 3;
    ip.b[14] = draw(seed) & 3;
    ip.b[15] = draw(seed) & 3;
    return ip;
}

#define LIST_MAX 200

struct naive {
    struct gw_live_block of[LIST_MAX];
    size_t count;
};

static void naive_drop(struct naive *n, const struct gw_cidr *network)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->of[i].network.bits == network->bits && gw_ip_eq(&n->of[i].network.net, &network->net))
            n->of[i--] = n->of[--n->count];
}

static const struct gw_live_block *naive_find(const struct naive *n, const struct gw_ip *ip, int64_t now_s)
{
    const struct gw_live_block *best = NULL;
    for (size_t i = 0; i < n->count; i++) {
        const struct gw_live_block *b = &n->of[i];
        if (b->expires_s <= now_s || !gw_cidr_contains(&b->network, ip))
            continue;
        if (best == NULL || b->kind < best->kind || (b->kind == best->kind && b->network.bits > best->network.bits))
            best = b;
    }
    return best;
}

static void test_blocks_are_found_as_in_a_naive_list(void **state)
{
    (void)state;
    static struct naive list;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    uint32_t seed = 7;
    list.count = 0;
    for (int step = 0; step < 20000; step++) {
        struct gw_ip ip = draw_ip(&seed);
        struct gw_live_block b = {
            .network = gw_cidr_around(&ip, 97 + draw(&seed) % 32),
            .kind = draw(&seed) % 2 == 0 ? GW_BLOCK_FULL : GW_BLOCK_SUSPECT,
            .since_s = step,
            .expires_s = draw(&seed) % 1000,
        };
        naive_drop(&list, &b.network);
        if (draw(&seed) % 3 > 0 && list.count < LIST_MAX) {
            assert_int_equal(gw_shared_put_block(w, &b, NULL), GW_OK);
            list.of[list.count++] = b;
        } else {
            gw_shared_drop_block(w, &b.network);
        }
        int64_t now_s = draw(&seed) % 1000;
        ip = draw_ip(&seed);
        struct gw_live_block got;
        const struct gw_live_block *want = naive_find(&list, &ip, now_s);
        enum gw_code code = gw_shared_find_block(r, &ip, now_s, &got);
        assert_int_equal(code, want != NULL ? GW_OK : GW_ENOTFOUND);
        if (want != NULL && (got.network.bits != want->network.bits || got.kind != want->kind ||
                             got.since_s != want->since_s || got.expires_s != want->expires_s))
            fail_msg("step %d: %u bits instead of %u", step, got.network.bits, want->network.bits);
    }
}

static void test_a_successor_goes_on_with_the_blocks(void **state)
{
    (void)state;
    struct gw_live_block b;
    gw_auto(gw_shared) struct gw_shared *w = ready_writer();
    put_block(w, "192.0.2.1", GW_BLOCK_FULL, 900);
    put_block(w, "192.0.2.0/24", GW_BLOCK_FULL, 900);
    gw_shared_close(gw_take(&w));
    w = open_as(GW_SHARED_WRITER);
    gw_auto(gw_shared) struct gw_shared *r = open_as(GW_SHARED_READER);
    assert_int_equal(find_block(r, "192.0.2.1", 200, &b), GW_OK);
    drop_block(w, "192.0.2.1");
    assert_int_equal(find_block(r, "192.0.2.1", 200, &b), GW_OK);
    assert_int_equal(b.network.bits, 120);
    gw_shared_begin_load(w);
    put_block(w, "198.51.100.0/28", GW_BLOCK_FULL, 900);
    assert_int_equal(find_block(r, "192.0.2.1", 200, &b), GW_OK);
    gw_shared_end_load(w);
    assert_int_equal(find_block(r, "192.0.2.1", 200, &b), GW_ENOTFOUND);
    assert_int_equal(find_block(r, "198.51.100.7", 200, &b), GW_OK);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_the_longest_network_is_found_and_a_block_before_a_suspect),
        CASE(test_blocks_are_found_as_in_a_naive_list),
        CASE(test_a_successor_goes_on_with_the_blocks),
    };
    return cmocka_run_group_tests_name("shared/block", tests, NULL, NULL);
}
