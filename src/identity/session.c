/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/state.h"
#include <stdlib.h>

int64_t gw_last_seen_of(const struct gw_identity *i, const struct gw_session_row *r)
{
    struct gw_live_session live;
    if (i->options.shared == NULL)
        return r->last_seen_s;
    gw_live_session_of(i, r, &live);
    return gw_shared_last_seen(i->options.shared, &live);
}

bool gw_session_is_over(const struct gw_identity *i, const struct gw_session_row *r, int64_t last_seen_s)
{
    int64_t now_s = gw_clock_real_s(i->options.clock);
    return now_s >= r->expires_s || now_s - last_seen_s > i->options.settings->session_idle_ms / 1000;
}

/* ---- ending ---- */

static enum gw_code end_one(struct gw_change *c, const struct gw_uuid *session_id, struct gw_error *err)
{
    bool is_own = gw_uuid_eq(session_id, &c->by->session_id);
    GW_TRY(gw_change_end_session(c, session_id, err));
    return gw_change_record(c,
                            &(struct gw_deed){.action = is_own ? "user_logout" : "session_ended",
                                              .resource_type = "sessions",
                                              .resource = session_id},
                            err);
}

enum gw_code gw_session_end(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *session_id,
                            struct gw_error *err)
{
    struct gw_change c;
    GW_TRY(gw_change_begin(&c, i, by, err));
    return gw_change_end(&c, end_one(&c, session_id, err), err);
}

static enum gw_code end_many(struct gw_change *c, const struct gw_uuid *user_id, const struct gw_uuid *keep,
                             struct gw_error *err)
{
    GW_TRY(gw_change_end_sessions(c, user_id, keep, err));
    return gw_change_record(c,
                            &(struct gw_deed){.action = "sessions_ended",
                                              .resource_type = "users",
                                              .resource = user_id,
                                              .details = json_pack("{s:I}", "count", (json_int_t)c->ended.count)},
                            err);
}

enum gw_code gw_session_end_all(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *user_id,
                                const struct gw_uuid *keep, size_t *out_count, struct gw_error *err)
{
    struct gw_change c;
    GW_TRY(gw_change_begin(&c, i, by, err));
    enum gw_code code = end_many(&c, user_id, keep, err);
    size_t count = c.ended.count;
    GW_TRY(gw_change_end(&c, code, err));
    if (out_count != NULL)
        *out_count = count;
    return GW_OK;
}

static enum gw_code store_revocation(struct gw_change *c, const struct gw_uuid *jti, int64_t until_s,
                                     struct gw_error *err)
{
    GW_TRY(gw_store_revocation_insert(c->identity->options.store, jti, until_s, err));
    return gw_change_record(c, &(struct gw_deed){.action = "token_revoked", .resource_type = "tokens", .resource = jti},
                            err);
}

enum gw_code gw_token_revoke(struct gw_identity *i, const struct gw_actor *by, const struct gw_uuid *jti,
                             int64_t expires_s, struct gw_error *err)
{
    struct gw_change c;
    int64_t until_s = expires_s + GW_JWT_LEEWAY_MAX_S; /* a verifier may take the token for that much longer */
    /* The segment first, here alone: the store must not keep more than it has room for, or the next start fails to fill it. A
     * failure of the store leaves the token refused until then. */
    if (i->options.shared != NULL) {
        gw_shared_purge_revocations(i->options.shared, gw_clock_real_s(i->options.clock));
        GW_TRY(gw_put_live_revocation(i, jti, until_s, err));
    }
    GW_TRY(gw_change_begin(&c, i, by, err));
    return gw_change_end(&c, store_revocation(&c, jti, until_s, err), err);
}

/* ---- walking ---- */

struct live_walk {
    const struct gw_identity *identity;
    gw_session_fn fn;
    void *ctx;
};

static enum gw_code walk_live(void *ctx, const struct gw_session_row *r, struct gw_error *err)
{
    const struct live_walk *w = ctx;
    struct gw_session_row fresh = *r;
    fresh.last_seen_s = gw_last_seen_of(w->identity, r);
    if (gw_session_is_over(w->identity, r, fresh.last_seen_s))
        return GW_OK;
    return w->fn(w->ctx, &fresh, err);
}

enum gw_code gw_session_each(struct gw_identity *i, const struct gw_uuid *user_id, gw_session_fn fn, void *ctx,
                             struct gw_error *err)
{
    struct live_walk w = {i, fn, ctx};
    return gw_store_session_each(i->options.store, user_id, walk_live, &w, err);
}

/* ---- schedules ---- */

struct over {
    const struct gw_identity *identity;
    struct gw_id_list ids;
};

static enum gw_code gather_over(void *ctx, const struct gw_session_row *r, struct gw_error *err)
{
    struct over *o = ctx;
    if (!gw_session_is_over(o->identity, r, gw_last_seen_of(o->identity, r)))
        return GW_OK;
    return gw_id_list_add(&o->ids, &r->id, err);
}

static enum gw_code end_over(struct gw_change *c, struct over *o, struct gw_error *err)
{
    struct gw_store *store = c->identity->options.store;
    GW_TRY(gw_store_session_each(store, NULL, gather_over, o, err));
    for (size_t n = 0; n < o->ids.count; n++)
        GW_TRY(gw_change_end_session(c, &o->ids.ids[n], err));
    GW_TRY(gw_change_end_keys(c, NULL, err));
    return gw_store_revocation_purge(store, gw_clock_real_s(c->identity->options.clock), err);
}

enum gw_code gw_identity_clean_up(struct gw_identity *i, struct gw_error *err)
{
    struct gw_change c;
    struct over over = {.identity = i};
    GW_TRY(gw_change_begin(&c, i, NULL, err));
    enum gw_code code = gw_change_end(&c, end_over(&c, &over, err), err);
    gw_id_list_done(&over.ids);
    if (code == GW_OK)
        code = gw_store_known_pair_purge(i->options.store, gw_clock_real_s(i->options.clock) - GW_KNOWN_PAIR_S, err);
    if (code == GW_OK && i->options.shared != NULL)
        gw_shared_purge_revocations(i->options.shared, gw_clock_real_s(i->options.clock));
    return code;
}

/* Sessions that were used since the store last heard of them. */
struct used {
    const struct gw_identity *identity;
    struct gw_live_session *sessions;
    size_t count, size;
};

static enum gw_code gather_used(void *ctx, const struct gw_session_row *r, struct gw_error *err)
{
    struct used *u = ctx;
    int64_t last_seen_s = gw_last_seen_of(u->identity, r);
    if (last_seen_s <= r->last_seen_s)
        return GW_OK;
    if (u->count == u->size) {
        size_t size = u->size == 0 ? 64 : u->size * 2;
        struct gw_live_session *grown = reallocarray(u->sessions, size, sizeof(*grown));
        if (grown == NULL)
            return gw_fail(err, GW_ENOMEM, "a list of sessions");
        u->sessions = grown;
        u->size = size;
    }
    struct gw_live_session *live = &u->sessions[u->count++];
    gw_live_session_of(u->identity, r, live);
    live->last_seen_s = last_seen_s;
    return GW_OK;
}

static enum gw_code touch_all(struct gw_store *store, const struct used *u, struct gw_error *err)
{
    for (size_t n = 0; n < u->count; n++)
        GW_TRY(gw_store_session_touch(store, &u->sessions[n].id, u->sessions[n].last_seen_s, err));
    return GW_OK;
}

/* The segment's records too: what a worker falls back to when a crowded counter segment has forgotten a session. */
static enum gw_code save(struct gw_identity *i, struct used *u, struct gw_error *err)
{
    struct gw_store *store = i->options.store;
    GW_TRY(gw_store_session_each(store, NULL, gather_used, u, err));
    if (u->count == 0)
        return GW_OK;
    GW_TRY(gw_store_begin(store, err));
    GW_TRY(gw_store_end(store, touch_all(store, u, err), err));
    for (size_t n = 0; n < u->count; n++)
        GW_TRY(gw_put_live_session(i, &u->sessions[n], err));
    return GW_OK;
}

enum gw_code gw_identity_save_last_seen(struct gw_identity *i, struct gw_error *err)
{
    struct used used = {.identity = i};
    gw_store_hold(i->options.store); /* no session may end between the look and the put, which would revive it */
    enum gw_code code = save(i, &used, err);
    if (code == GW_OK)
        code = gw_save_last_used(i, err);
    gw_store_release(i->options.store);
    free(used.sessions);
    return code;
}
