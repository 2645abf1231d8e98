/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of networks and suspects: system:read shows them, system:write adds and removes. */
#include "config/option_value.h"
#include "control/exchange.h"
#include "control/log.h"
#include "response/block.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX 1000

static json_t *block_json(const struct gw_block_row *b)
{
    char network[GW_CIDR_LEN + 1];
    gw_cidr_format(&b->network, network);
    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:s, s:s, s:s}", "id", gw_reply_uuid(&b->id), "network", network,
                     "kind", b->is_suspect ? "suspect" : "block", "since", gw_reply_time(b->since_s), "until",
                     gw_reply_time(b->expires_s), "cause", b->cause, "by", b->author, "reason", b->reason);
}

/* ---- showing ---- */

struct page {
    json_t *blocks;
    int64_t now_s;
    const struct gw_ip *address; /* only what it is in; NULL: all */
    size_t seen;
    struct gw_uuid last;
};

static enum gw_code append(void *ctx, const struct gw_block_row *b, struct gw_error *err)
{
    struct page *p = ctx;
    p->seen++;
    p->last = b->id;
    if (b->expires_s <= p->now_s || (p->address != NULL && !gw_cidr_contains(&b->network, p->address)))
        return GW_OK;
    if (json_array_append_new(p->blocks, block_json(b)) != 0)
        return gw_fail(err, GW_ENOMEM, "no memory for a list of blocks");
    return GW_OK;
}

/* GW_OK also where the query has no such parameter: *out then stays. */
static enum gw_code read_limit(struct gw_exchange *x, int64_t *out, struct gw_error *err)
{
    struct gw_str text;
    enum gw_code code = gw_exchange_query(x, GW_STR("limit"), &text, err);
    if (code == GW_OK && (!gw_str_to_i64(text, out) || *out < 1 || *out > PAGE_MAX))
        return gw_fail(err, GW_EINVAL, "query: `limit`: expected a number of 1 to %d", PAGE_MAX);
    return code == GW_ENOTFOUND ? GW_OK : code;
}

static enum gw_code read_after(struct gw_exchange *x, struct gw_uuid *out, struct gw_error *err)
{
    struct gw_str text;
    enum gw_code code = gw_exchange_query(x, GW_STR("after"), &text, err);
    if (code == GW_OK && gw_uuid_parse(text, out) != GW_OK)
        return gw_fail(err, GW_EINVAL, "query: `after`: expected the id of a block");
    return code == GW_ENOTFOUND ? GW_OK : code;
}

static enum gw_code read_address(struct gw_exchange *x, struct gw_ip *out, bool *out_given, struct gw_error *err)
{
    struct gw_str text;
    enum gw_code code = gw_exchange_query(x, GW_STR("address"), &text, err);
    if (code == GW_OK && gw_ip_parse(text, out) != GW_OK)
        return gw_fail(err, GW_EINVAL, "query: `address`: expected an address such as 192.0.2.7 or 2001:db8::1");
    *out_given = code == GW_OK;
    return code == GW_ENOTFOUND ? GW_OK : code;
}

/* What the schedule saw last. */
static const char *kernel_state(const struct gw_shared *shared)
{
    if (shared == NULL)
        return "off";
    if (gw_shared_gauge(shared, GW_GAUGE_KERNEL_FAILED) != 0)
        return "failed";
    return gw_shared_gauge(shared, GW_GAUGE_KERNEL_IN_FORCE) != 0 ? "in-force" : "off";
}

enum gw_code gw_handle_block_list(struct gw_exchange *x, struct gw_error *err)
{
    gw_auto_json json_t *blocks = json_array();
    struct page p = {.blocks = blocks, .now_s = gw_clock_real_s(gw_app_clock(x->app))};
    struct gw_uuid after = {{0}};
    struct gw_ip address;
    int64_t limit = PAGE_DEFAULT;
    bool by_address;
    GW_TRY(read_limit(x, &limit, err));
    GW_TRY(read_after(x, &after, err));
    GW_TRY(read_address(x, &address, &by_address, err));
    p.address = by_address ? &address : NULL;
    size_t count = by_address ? INT32_MAX : (size_t)limit;
    GW_TRY(gw_store_block_each(x->view->store, &after, INT64_MAX, count, append, &p, err));
    json_t *next = p.seen == count ? gw_reply_uuid(&p.last) : json_null();
    return gw_reply_json(
        x, 200,
        json_pack("{s:O, s:o, s:s}", "blocks", blocks, "next", next, "kernel", kernel_state(gw_app_shared(x->app))),
        err);
}

/* ---- changing ---- */

static enum gw_code read_for(struct gw_exchange *x, int64_t *out_s, struct gw_error *err)
{
    struct gw_str text = gw_exchange_str(x, "for");
    int64_t for_ms;
    *out_s = 0;
    if (text.ptr == NULL)
        return GW_OK;
    if (gw_duration_parse(text, &for_ms, err) != GW_OK || for_ms < 1000 || for_ms / 1000 > GW_BLOCK_FOR_MAX_S)
        return gw_fail(err, GW_EINVAL, "/for: expected a duration of 1s to 365d, such as 15m, 24h or 7d");
    *out_s = for_ms / 1000;
    return GW_OK;
}

static void tell_log(struct gw_exchange *x, const struct gw_block_row *b, const char *text)
{
    char network[GW_CIDR_LEN + 1];
    gw_cidr_format(&b->network, network);
    gw_log(GW_LOG_WARN, "block", {"network", gw_str(network)}, {"kind", gw_str(b->is_suspect ? "suspect" : "block")},
           {"by", gw_exchange_actor(x)}, {"reason", gw_str(b->reason)}, {"text", gw_str(text)});
}

enum gw_code gw_handle_block_add(struct gw_exchange *x, struct gw_error *err)
{
    static const char *const texts[] = {
        [GW_BLOCK_UNCHANGED] = "in force already", [GW_BLOCK_ADDED] = "added", [GW_BLOCK_EXTENDED] = "made longer"};
    const struct gw_block_desk desk = gw_app_blocks(x->app, x->view);
    struct gw_block_wish wish = {.is_suspect = json_is_true(json_object_get(x->body, "suspect")),
                                 .cause = GW_STR("operator"),
                                 .author = gw_exchange_actor(x),
                                 .reason = gw_exchange_str(x, "reason")};
    struct gw_block_row b;
    enum gw_block_change change;
    GW_TRY(gw_block_network_parse(gw_exchange_str(x, "network"), &wish.network, err));
    GW_TRY(read_for(x, &wish.for_s, err));
    enum gw_code code = gw_block_add(&desk, &x->by, &wish, &b, &change, err);
    if (code == GW_ELIMIT)
        return gw_fail(err, GW_ECONFLICT, "%s", err->msg);
    GW_TRY(code);
    tell_log(x, &b, texts[change]);
    return gw_reply_json(x, change == GW_BLOCK_ADDED ? 201 : 200, block_json(&b), err);
}

static enum gw_code remove_one(struct gw_exchange *x, const struct gw_block_row *b, struct gw_error *err)
{
    const struct gw_block_desk desk = gw_app_blocks(x->app, x->view);
    GW_TRY(gw_block_remove(&desk, &x->by, &b->id, err));
    tell_log(x, b, "removed");
    x->reply->status = 204;
    return GW_OK;
}

enum gw_code gw_handle_block_remove(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_uuid id;
    struct gw_block_row b;
    if (gw_uuid_parse(x->id, &id) != GW_OK)
        return gw_fail(err, GW_ENOTFOUND, "there is no such block");
    GW_TRY(gw_store_block_get(x->view->store, &id, &b, err));
    return remove_one(x, &b, err);
}

/* By the query: a path has no place for the slash of a network. */
enum gw_code gw_handle_block_remove_network(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_str text;
    struct gw_cidr network;
    struct gw_block_row b;
    enum gw_code code = gw_exchange_query(x, GW_STR("network"), &text, err);
    if (code == GW_ENOTFOUND)
        return gw_fail(err, GW_EINVAL, "query: `network` is needed");
    GW_TRY(code);
    GW_TRY(gw_block_network_parse(text, &network, err));
    GW_TRY(gw_store_block_of_network(x->view->store, &network, &b, err));
    return remove_one(x, &b, err);
}
