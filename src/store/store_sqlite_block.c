/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of networks in SQLite. */
#include "store/store_sqlite.h"

static enum gw_code read_block(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    struct gw_block_row b = {0};
    size_t len;
    GW_TRY(gw_db_read_uuid(st, 0, &b.id, err));
    GW_TRY(gw_db_read_blob(st, 1, b.network.net.b, sizeof(b.network.net.b), &len, err));
    int bits = sqlite3_column_int(st, 2);
    if (len != sizeof(b.network.net.b) || bits < 1 || bits > 128)
        return gw_fail(err, GW_EBACKEND, "database: a blocked network is damaged");
    b.network = gw_cidr_around(&b.network.net, (unsigned)bits);
    b.is_suspect = sqlite3_column_int(st, 3) != 0;
    b.since_s = sqlite3_column_int64(st, 4);
    b.expires_s = sqlite3_column_int64(st, 5);
    b.ended_s = sqlite3_column_int64(st, 6);
    GW_TRY(gw_db_read_text(st, 7, b.cause, sizeof(b.cause), err));
    GW_TRY(gw_db_read_text(st, 8, b.author, sizeof(b.author), err));
    GW_TRY(gw_db_read_text(st, 9, b.reason, sizeof(b.reason), err));
    *(struct gw_block_row *)ctx = b;
    return GW_OK;
}

#define NETWORK(n) BLOB((n)->net.b, sizeof((n)->net.b)), INT((n)->bits)

enum gw_code gw_sqlite_block_insert(struct gw_store *s, const struct gw_block_row *b, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), BLOCK_INSERT,
                        VALUES(UUID(&b->id), NETWORK(&b->network), INT(b->is_suspect), INT(b->since_s),
                               INT(b->expires_s), INT(b->ended_s), TEXT(b->cause), TEXT(b->author), TEXT(b->reason)),
                        NULL, err);
}

enum gw_code gw_sqlite_block_extend(struct gw_store *s, const struct gw_uuid *id, int64_t expires_s,
                                    struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), BLOCK_EXTEND, VALUES(UUID(id), INT(expires_s)), "block", err);
}

enum gw_code gw_sqlite_block_end(struct gw_store *s, const struct gw_uuid *id, int64_t ended_s, struct gw_error *err)
{
    return gw_db_change_one(gw_sqlite_db(s), BLOCK_END, VALUES(UUID(id), INT(ended_s)), "block", err);
}

enum gw_code gw_sqlite_block_get(struct gw_store *s, const struct gw_uuid *id, struct gw_block_row *out,
                                 struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), BLOCK_GET, VALUES(UUID(id)), read_block, out, "block", err);
}

enum gw_code gw_sqlite_block_of_network(struct gw_store *s, const struct gw_cidr *network, struct gw_block_row *out,
                                        struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), BLOCK_OF_NETWORK, VALUES(NETWORK(network)), read_block, out, "block", err);
}

struct block_walk {
    gw_block_fn fn;
    void *ctx;
};

static enum gw_code walk_block(sqlite3_stmt *st, void *ctx, struct gw_error *err)
{
    const struct block_walk *w = ctx;
    struct gw_block_row b;
    GW_TRY(read_block(st, &b, err));
    return w->fn(w->ctx, &b, err);
}

enum gw_code gw_sqlite_block_each(struct gw_store *s, const struct gw_uuid *after, int64_t due_s, size_t count,
                                  gw_block_fn fn, void *ctx, struct gw_error *err)
{
    static const struct gw_uuid first;
    return gw_db_walk(gw_sqlite_db(s), BLOCK_EACH,
                      VALUES(UUID(after != NULL ? after : &first), INT(due_s), INT((int64_t)count)), walk_block,
                      &(struct block_walk){fn, ctx}, err);
}

enum gw_code gw_sqlite_block_count(struct gw_store *s, int64_t *out, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), BLOCK_COUNT, NULL, 0, gw_sqlite_read_number, out, "count", err);
}

enum gw_code gw_sqlite_block_count_earlier(struct gw_store *s, const struct gw_cidr *network, int64_t since_s,
                                           int64_t *out, struct gw_error *err)
{
    return gw_db_query_one(gw_sqlite_db(s), BLOCK_COUNT_EARLIER, VALUES(NETWORK(network), INT(since_s)),
                           gw_sqlite_read_number, out, "count", err);
}

enum gw_code gw_sqlite_block_purge(struct gw_store *s, int64_t before_s, struct gw_error *err)
{
    return gw_db_change(gw_sqlite_db(s), BLOCK_PURGE, VALUES(INT(before_s)), NULL, err);
}
