/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new block goes into the segment inside the transaction, before it is committed: a full segment then refuses it before it is stored. Should
 * the commit fail, the segment is put back. An end goes the other way round: it is on disk before the segment hears of it. Either way a crash in
 * between leaves more blocked than should be, until the next start.
 */
#include "response/block.h"

#include "audit/row.h"
#include <stdatomic.h>
#include <string.h>

#define EXPIRE_BATCH 256
#define HOUR_S INT64_C(3600)
#define SUSPECT_S HOUR_S
#define FULL_TOLD_EVERY_MS (HOUR_S * 1000)

static const int64_t ladder_s[] = {HOUR_S, 24 * HOUR_S, 7 * 24 * HOUR_S};
#define LADDER_COUNT (sizeof(ladder_s) / sizeof(ladder_s[0]))

enum gw_code gw_block_network_parse(struct gw_str text, struct gw_cidr *out, struct gw_error *err)
{
    struct gw_cidr network;
    if (gw_cidr_parse(text, &network) != GW_OK)
        return gw_fail(
            err, GW_EINVAL,
            "expected an address or a network without bits behind its length, such as 192.0.2.7, 192.0.2.0/24 "
            "or 2001:db8::/32, not `%.*s`",
            GW_STR_ARG(text));
    bool is_bare = gw_str_find(text, '/') == text.len;
    *out = is_bare && !gw_ip_is_v4(&network.net) ? gw_cidr_around(&network.net, 64) : network;
    return GW_OK;
}

/* ---- the record ---- */

static enum gw_code record(const struct gw_block_desk *d, const struct gw_actor *by, const char *action,
                           const struct gw_block_row *b, struct gw_error *err)
{
    char network[GW_CIDR_LEN + 1], until[GW_TIME_LEN + 1];
    struct gw_audit_row row;
    gw_cidr_format(&b->network, network);
    gw_time_format(b->expires_s, until);
    json_t *details =
        json_pack("{s:s, s:s, s:s}", "kind", b->is_suspect ? "suspect" : "block", "until", until, "cause", b->cause);
    if (b->reason[0] != '\0')
        (void)json_object_set_new(details, "reason", json_string(b->reason));
    (void)json_object_set_new(details, "author", json_string(b->author));
    gw_recorder_row(
        by, &(struct gw_deed){.action = action, .resource_type = "block", .resource_name = network, .details = details},
        &row);
    return gw_recorder_add(d->recorder, d->store, &row, err);
}

/* ---- the segment ---- */

static enum gw_code show(const struct gw_block_desk *d, const struct gw_block_row *b, struct gw_error *err)
{
    const struct gw_live_block live = {.network = b->network,
                                       .kind = b->is_suspect ? GW_BLOCK_SUSPECT : GW_BLOCK_FULL,
                                       .since_s = b->since_s,
                                       .expires_s = b->expires_s};
    if (d->shared == NULL)
        return GW_OK;
    enum gw_code code = gw_shared_put_block(d->shared, &live, err);
    return code == GW_ELIMIT ? gw_fail(err, GW_ELIMIT,
                                       "the list of blocks is full; remove some (aaiti block remove), or raise "
                                       "block.capacity and restart control")
                             : code;
}

/* What stood there before, or nothing. */
static void put_back(const struct gw_block_desk *d, const struct gw_cidr *network, const struct gw_block_row *before)
{
    if (d->shared == NULL)
        return;
    if (before == NULL || show(d, before, NULL) != GW_OK)
        gw_shared_drop_block(d->shared, network);
}

/* ---- adding ---- */

static enum gw_code check_size(const struct gw_cidr *n, struct gw_error *err)
{
    bool is_v4 = gw_ip_is_v4(&n->net);
    if (n->bits >= (is_v4 ? 96 + GW_BLOCK_V4_BITS_MIN : GW_BLOCK_V6_BITS_MIN))
        return GW_OK;
    return gw_fail(err, GW_EINVAL, "a network larger than /%d is not blocked: split it up",
                   is_v4 ? GW_BLOCK_V4_BITS_MIN : GW_BLOCK_V6_BITS_MIN);
}

static enum gw_code check_allowed(const struct gw_block_desk *d, const struct gw_cidr *n, struct gw_error *err)
{
    char allowed[GW_CIDR_LEN + 1];
    for (size_t i = 0; i < d->allow_count; i++) {
        const struct gw_cidr *a = &d->allow[i];
        if (a->bits > n->bits || !gw_cidr_contains(a, &n->net))
            continue;
        gw_cidr_format(a, allowed);
        return gw_fail(err, GW_ECONFLICT,
                       "%s of the setting `allow` has it, and the allow list always wins: take it off there and reload "
                       "(aaiti policy reload)",
                       allowed);
    }
    return GW_OK;
}

static enum gw_code check_room(const struct gw_block_desk *d, struct gw_error *err)
{
    int64_t count;
    GW_TRY(gw_store_block_count(d->store, &count, err));
    if (count < d->capacity)
        return GW_OK;
    return gw_fail(err, GW_ELIMIT,
                   "the list of blocks is full (%lld); remove some (aaiti block remove), or raise block.capacity and "
                   "restart control",
                   (long long)count);
}

static enum gw_code check(const struct gw_block_desk *d, const struct gw_block_wish *w, struct gw_error *err)
{
    if (w->for_s < 0 || w->for_s > GW_BLOCK_FOR_MAX_S)
        return gw_fail(err, GW_EINVAL, "a block lasts 1s to 365d");
    GW_TRY(check_size(&w->network, err));
    return check_allowed(d, &w->network, err);
}

static enum gw_code time_of(const struct gw_block_desk *d, const struct gw_block_wish *w, int64_t now_s, int64_t *out_s,
                            struct gw_error *err)
{
    int64_t earlier;
    if (w->for_s != 0 || w->is_suspect) {
        *out_s = w->for_s != 0 ? w->for_s : SUSPECT_S;
        return GW_OK;
    }
    GW_TRY(gw_store_block_count_earlier(d->store, &w->network, now_s - GW_BLOCK_REMEMBERED_S, &earlier, err));
    *out_s = ladder_s[earlier < (int64_t)LADDER_COUNT ? (size_t)earlier : LADDER_COUNT - 1];
    return GW_OK;
}

static enum gw_code insert(const struct gw_block_desk *d, const struct gw_actor *by, const struct gw_block_wish *w,
                           int64_t now_s, struct gw_block_row *out, struct gw_error *err)
{
    struct gw_block_row b = {.network = w->network, .is_suspect = w->is_suspect, .since_s = now_s};
    int64_t for_s;
    GW_TRY(check_room(d, err));
    GW_TRY(time_of(d, w, now_s, &for_s, err));
    GW_TRY(gw_uuid_v7(d->random, d->clock, &b.id, err));
    b.expires_s = now_s + for_s;
    gw_audit_text(w->cause, b.cause, sizeof(b.cause));
    gw_audit_text(w->author, b.author, sizeof(b.author));
    gw_audit_text(w->reason, b.reason, sizeof(b.reason));
    GW_TRY(gw_store_block_insert(d->store, &b, err));
    GW_TRY(record(d, by, "block_added", &b, err));
    *out = b;
    return show(d, &b, err);
}

static enum gw_code extend(const struct gw_block_desk *d, const struct gw_actor *by, int64_t expires_s,
                           struct gw_block_row *io, struct gw_error *err)
{
    io->expires_s = expires_s;
    GW_TRY(gw_store_block_extend(d->store, &io->id, expires_s, err));
    GW_TRY(record(d, by, "block_extended", io, err));
    return show(d, io, err);
}

/* What has expired, and the schedule has not ended yet. */
static enum gw_code end_expired(const struct gw_block_desk *d, const struct gw_block_row *b, struct gw_error *err)
{
    static const struct gw_actor nobody = {.kind = GW_ACTOR_CLIENT};
    GW_TRY(gw_store_block_end(d->store, &b->id, b->expires_s, err));
    return record(d, &nobody, "block_expired", b, err);
}

/* found: whether *before is in force, or at least not ended. */
static enum gw_code add(const struct gw_block_desk *d, const struct gw_actor *by, const struct gw_block_wish *w,
                        bool found, const struct gw_block_row *before, struct gw_block_row *out,
                        enum gw_block_change *change, struct gw_error *err)
{
    int64_t now_s = gw_clock_real_s(d->clock);
    *change = GW_BLOCK_ADDED;
    if (found && before->expires_s <= now_s) {
        GW_TRY(end_expired(d, before, err));
        found = false;
    }
    if (!found)
        return insert(d, by, w, now_s, out, err);
    if (before->is_suspect && !w->is_suspect) {
        GW_TRY(gw_store_block_end(d->store, &before->id, now_s, err));
        return insert(d, by, w, now_s, out, err);
    }
    *out = *before;
    *change = GW_BLOCK_UNCHANGED;
    if (before->is_suspect != w->is_suspect || now_s + w->for_s <= before->expires_s)
        return GW_OK;
    *change = GW_BLOCK_EXTENDED;
    return extend(d, by, now_s + w->for_s, out, err);
}

static enum gw_code add_in_transaction(const struct gw_block_desk *d, const struct gw_actor *by,
                                       const struct gw_block_wish *w, struct gw_block_row *out,
                                       enum gw_block_change *change, struct gw_error *err)
{
    struct gw_block_row before;
    GW_TRY(gw_store_begin(d->store, err));
    enum gw_code code = gw_store_block_of_network(d->store, &w->network, &before, err);
    bool found = code == GW_OK;
    if (code == GW_OK || code == GW_ENOTFOUND)
        code = add(d, by, w, found, &before, out, change, err);
    code = gw_store_end(d->store, code, err);
    if (code != GW_OK)
        put_back(d, &w->network, found ? &before : NULL);
    return code;
}

/* ---- a full list ---- */

/* When a cause may be told of again, for now: a flood of refusals is one row. */
static int64_t *next_of(struct gw_block_full *f, struct gw_str cause)
{
    char text[GW_BLOCK_CAUSE_MAX + 1];
    size_t i = 0;
    gw_audit_text(cause, text, sizeof(text));
    while (i < f->count && strcmp(f->causes[i].cause, text) != 0)
        i++;
    if (i == GW_BLOCK_FULL_CAUSES)
        return &f->causes[i - 1].next_ms;
    if (i == f->count)
        memcpy(f->causes[f->count++].cause, text, sizeof(text));
    return &f->causes[i].next_ms;
}

static enum gw_code record_full(const struct gw_block_desk *d, const struct gw_actor *by, const struct gw_block_wish *w,
                                struct gw_error *err)
{
    char network[GW_CIDR_LEN + 1], cause[GW_BLOCK_CAUSE_MAX + 1];
    gw_cidr_format(&w->network, network);
    gw_audit_text(w->cause, cause, sizeof(cause));
    const struct gw_deed deed = {
        .action = "blocks_full",
        .resource_type = "block",
        .resource_name = network,
        .details = json_pack("{s:s, s:s}", "kind", w->is_suspect ? "suspect" : "block", "cause", cause),
    };
    return gw_recorder_record(d->recorder, d->store, by, &deed, err);
}

/* A row that cannot be written is tried again with the next refusal; this one stands, and is counted. */
static void tell_full(const struct gw_block_desk *d, const struct gw_actor *by, const struct gw_block_wish *w)
{
    int64_t now_ms = gw_clock_mono_ms(d->clock), *next_ms = next_of(d->full, w->cause);
    atomic_fetch_add(&d->full->refused, 1);
    if (now_ms >= *next_ms && record_full(d, by, w, NULL) == GW_OK)
        *next_ms = now_ms + FULL_TOLD_EVERY_MS;
}

uint64_t gw_block_full_take(struct gw_block_full *f)
{
    return atomic_exchange(&f->refused, 0);
}

enum gw_code gw_block_add(const struct gw_block_desk *d, const struct gw_actor *by, const struct gw_block_wish *w,
                          struct gw_block_row *out, enum gw_block_change *out_change, struct gw_error *err)
{
    GW_TRY(check(d, w, err));
    gw_store_hold(d->store);
    enum gw_code code = add_in_transaction(d, by, w, out, out_change, err);
    if (code == GW_ELIMIT)
        tell_full(d, by, w);
    gw_store_release(d->store);
    return code;
}

/* ---- ending ---- */

static enum gw_code end(const struct gw_block_desk *d, const struct gw_actor *by, const struct gw_uuid *id,
                        struct gw_block_row *out, struct gw_error *err)
{
    GW_TRY(gw_store_block_get(d->store, id, out, err));
    GW_TRY(gw_store_block_end(d->store, id, gw_clock_real_s(d->clock), err));
    return record(d, by, "block_removed", out, err);
}

static enum gw_code remove_held(const struct gw_block_desk *d, const struct gw_actor *by, const struct gw_uuid *id,
                                struct gw_error *err)
{
    struct gw_block_row b;
    GW_TRY(gw_store_begin(d->store, err));
    GW_TRY(gw_store_end(d->store, end(d, by, id, &b, err), err));
    put_back(d, &b.network, NULL);
    return GW_OK;
}

enum gw_code gw_block_remove(const struct gw_block_desk *d, const struct gw_actor *by, const struct gw_uuid *id,
                             struct gw_error *err)
{
    gw_store_hold(d->store);
    enum gw_code code = remove_held(d, by, id, err);
    gw_store_release(d->store);
    return code;
}

/* ---- the schedule ---- */

struct batch {
    struct gw_block_row rows[EXPIRE_BATCH];
    size_t count;
};

static enum gw_code gather(void *ctx, const struct gw_block_row *b, struct gw_error *err)
{
    struct batch *batch = ctx;
    (void)err;
    batch->rows[batch->count++] = *b;
    return GW_OK;
}

static enum gw_code end_all(const struct gw_block_desk *d, const struct batch *batch, struct gw_error *err)
{
    for (size_t i = 0; i < batch->count; i++)
        GW_TRY(end_expired(d, &batch->rows[i], err));
    return GW_OK;
}

static enum gw_code expire_held(const struct gw_block_desk *d, struct gw_error *err)
{
    struct batch batch = {.count = 0};
    GW_TRY(gw_store_block_each(d->store, NULL, gw_clock_real_s(d->clock), EXPIRE_BATCH, gather, &batch, err));
    if (batch.count == 0)
        return GW_OK;
    GW_TRY(gw_store_begin(d->store, err));
    GW_TRY(gw_store_end(d->store, end_all(d, &batch, err), err));
    for (size_t i = 0; i < batch.count; i++)
        put_back(d, &batch.rows[i].network, NULL);
    return GW_OK;
}

enum gw_code gw_block_expire(const struct gw_block_desk *d, struct gw_error *err)
{
    gw_store_hold(d->store);
    enum gw_code code = expire_held(d, err);
    gw_store_release(d->store);
    return code;
}

enum gw_code gw_block_forget(const struct gw_block_desk *d, struct gw_error *err)
{
    return gw_store_block_purge(d->store, gw_clock_real_s(d->clock) - GW_BLOCK_REMEMBERED_S, err);
}

/* ---- the start ---- */

struct publishing {
    const struct gw_block_desk *desk;
    int64_t now_s;
};

static enum gw_code publish_one(void *ctx, const struct gw_block_row *b, struct gw_error *err)
{
    const struct publishing *p = ctx;
    return b->expires_s > p->now_s ? show(p->desk, b, err) : GW_OK;
}

enum gw_code gw_block_publish(const struct gw_block_desk *d, struct gw_error *err)
{
    struct publishing p = {d, gw_clock_real_s(d->clock)};
    return gw_store_block_each(d->store, NULL, INT64_MAX, INT32_MAX, publish_one, &p, err);
}
