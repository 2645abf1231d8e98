/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of networks on every backend. */
#include "store/test_backend.h"

#include <stdio.h>
#include <string.h>

static struct gw_block_row block(uint8_t n, const char *network, bool is_suspect, int64_t since_s, int64_t expires_s)
{
    struct gw_block_row b = {.id = uuid(n),
                             .is_suspect = is_suspect,
                             .since_s = since_s,
                             .expires_s = expires_s,
                             .cause = "rule",
                             .author = "x"};
    assert_int_equal(gw_cidr_parse(gw_str(network), &b.network), GW_OK);
    return b;
}

static enum gw_code add_block(struct fixture *f, uint8_t n, const char *network, int64_t since_s, int64_t expires_s)
{
    const struct gw_block_row b = block(n, network, false, since_s, expires_s);
    return gw_store_block_insert(f->store, &b, &f->err);
}

static enum gw_code append_block(void *ctx, const struct gw_block_row *b, struct gw_error *err)
{
    (void)err;
    char number[8];
    snprintf(number, sizeof(number), "%u ", b->id.b[15]);
    strcat(ctx, number);
    return GW_OK;
}

static void a_network_has_one_block_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct gw_block_row b = block(1, "192.0.2.0/24", true, 100, 200), out;
    const struct gw_uuid id = uuid(1);
    memset(b.reason, 'r', GW_BLOCK_REASON_MAX);
    memset(b.author, 'a', GW_BLOCK_AUTHOR_MAX);
    memset(b.cause, 'c', GW_BLOCK_CAUSE_MAX);
    assert_int_equal(gw_store_block_insert(f->store, &b, &f->err), GW_OK);
    assert_int_equal(gw_store_block_get(f->store, &id, &out, &f->err), GW_OK);
    assert_true(out.is_suspect && out.network.bits == 120 && out.since_s == 100 && out.expires_s == 200);
    assert_true(gw_ip_eq(&out.network.net, &b.network.net) && out.ended_s == 0);
    assert_string_equal(out.cause, b.cause);
    assert_string_equal(out.author, b.author);
    assert_string_equal(out.reason, b.reason);
    assert_int_equal(add_block(f, 2, "192.0.2.0/24", 100, 200), GW_ECONFLICT);
    assert_int_equal(add_block(f, 2, "192.0.2.0/25", 100, 200), GW_OK);
    assert_int_equal(gw_store_block_extend(f->store, &id, 900, &f->err), GW_OK);
    assert_int_equal(gw_store_block_of_network(f->store, &b.network, &out, &f->err), GW_OK);
    assert_int_equal(out.expires_s, 900);
    assert_int_equal(gw_store_block_end(f->store, &id, 500, &f->err), GW_OK);
    assert_int_equal(gw_store_block_end(f->store, &id, 501, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_block_extend(f->store, &id, 999, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_block_get(f->store, &id, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(gw_store_block_of_network(f->store, &b.network, &out, &f->err), GW_ENOTFOUND);
    assert_int_equal(add_block(f, 3, "192.0.2.0/24", 600, 700), GW_OK);
    b.cause[0] = '\0';
    assert_int_equal(gw_store_block_insert(f->store, &b, &f->err), GW_EINVAL);
}

static void blocks_are_walked_by_id_and_counted(void **state)
{
    struct fixture *f = *state;
    char ids[64] = "";
    const struct gw_uuid second = uuid(2), third = uuid(3);
    struct gw_block_row b = block(1, "192.0.2.1", false, 0, 0);
    int64_t count = -1;
    assert_int_equal(add_block(f, 1, "192.0.2.1", 100, 150), GW_OK);
    assert_int_equal(add_block(f, 4, "2001:db8::/64", 100, 200), GW_OK);
    assert_int_equal(add_block(f, 2, "192.0.2.2", 100, 300), GW_OK);
    assert_int_equal(add_block(f, 3, "192.0.2.3", 100, 200), GW_OK);
    assert_int_equal(gw_store_block_each(f->store, NULL, INT64_MAX, 2, append_block, ids, &f->err), GW_OK);
    assert_int_equal(gw_store_block_each(f->store, &second, INT64_MAX, 9, append_block, ids, &f->err), GW_OK);
    assert_string_equal(ids, "1 2 3 4 ");
    ids[0] = '\0';
    assert_int_equal(gw_store_block_each(f->store, NULL, 200, 9, append_block, ids, &f->err), GW_OK);
    assert_string_equal(ids, "1 3 4 ");
    assert_int_equal(gw_store_block_end(f->store, &third, 120, &f->err), GW_OK); /* lifted */
    assert_int_equal(gw_store_block_count(f->store, &count, &f->err), GW_OK);
    assert_int_equal(count, 3);
    assert_int_equal(gw_store_block_end(f->store, &b.id, 150, &f->err), GW_OK);
    assert_int_equal(add_block(f, 5, "192.0.2.1", 160, 300), GW_OK);
    assert_int_equal(gw_store_block_count_earlier(f->store, &b.network, 100, &count, &f->err), GW_OK);
    assert_int_equal(count, 2);
    assert_int_equal(gw_store_block_count_earlier(f->store, &b.network, 101, &count, &f->err), GW_OK);
    assert_int_equal(count, 1);
    b = block(3, "192.0.2.3", false, 0, 0);
    assert_int_equal(gw_store_block_count_earlier(f->store, &b.network, 0, &count, &f->err), GW_OK);
    assert_int_equal(count, 0);
    b = block(1, "192.0.2.1", false, 0, 0);
    assert_int_equal(gw_store_block_purge(f->store, 151, &f->err), GW_OK);
    assert_int_equal(gw_store_block_count_earlier(f->store, &b.network, 0, &count, &f->err), GW_OK);
    assert_int_equal(count, 1);
}

int main(void)
{
    struct CMUnitTest tests[] = {
        CASE(a_network_has_one_block_at_a_time),
        CASE(blocks_are_walked_by_id_and_counted),
    };
    return run_on_each_backend(tests, sizeof(tests) / sizeof(tests[0]));
}
