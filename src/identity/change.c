/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Database first, then the segment: a crash between the two leaves the segment behind, never ahead, and the next start mends it.
 */
#include "audit/row.h"
#include "identity/state.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum gw_code gw_id_list_add(struct gw_id_list *l, const struct gw_uuid *id, struct gw_error *err)
{
    if (l->count == l->size) {
        size_t size = l->size == 0 ? 16 : l->size * 2;
        struct gw_uuid *ids = reallocarray(l->ids, size, sizeof(*ids));
        if (ids == NULL)
            return gw_fail(err, GW_ENOMEM, "a list of sessions");
        l->ids = ids;
        l->size = size;
    }
    l->ids[l->count++] = *id;
    return GW_OK;
}

void gw_id_list_done(struct gw_id_list *l)
{
    free(l->ids);
}

/* ---- what the segment shows ---- */

static void live_user_of(const struct gw_user_row *u, struct gw_live_user *out)
{
    static_assert(sizeof(out->username) == sizeof(u->username) && sizeof(out->email) == sizeof(u->email) &&
                      sizeof(out->role) == sizeof(u->role) && sizeof(out->upstream_id) == sizeof(u->upstream_id),
                  "the segment's fields hold what the store's do");
    *out = (struct gw_live_user){.id = u->id, .version = u->version, .active = u->active};
    memcpy(out->username, u->username, sizeof(out->username));
    memcpy(out->email, u->email, sizeof(out->email));
    memcpy(out->role, u->role, sizeof(out->role));
    memcpy(out->upstream_id, u->upstream_id, sizeof(out->upstream_id));
}

void gw_live_session_of(const struct gw_identity *i, const struct gw_session_row *r, struct gw_live_session *out)
{
    *out = (struct gw_live_session){.id = r->id,
                                    .user_id = r->user_id,
                                    .created_s = r->created_s,
                                    .expires_s = r->expires_s,
                                    .last_seen_s = r->last_seen_s,
                                    .idle_s = (uint32_t)(i->options.settings->session_idle_ms / 1000)};
}

static enum gw_code explain_full(enum gw_code code, const char *setting, struct gw_error *err)
{
    if (code == GW_ELIMIT)
        return gw_fail(err, GW_EBACKEND, "the authority segment is full; raise %s and restart control", setting);
    return code;
}

enum gw_code gw_put_live_user(struct gw_identity *i, const struct gw_user_row *u, struct gw_error *err)
{
    struct gw_live_user live;
    live_user_of(u, &live);
    return explain_full(gw_shared_put_user(i->options.shared, &live, err), "session.user_capacity", err);
}

enum gw_code gw_put_live_session(struct gw_identity *i, const struct gw_live_session *live, struct gw_error *err)
{
    return explain_full(gw_shared_put_session(i->options.shared, live, err), "session.capacity", err);
}

enum gw_code gw_put_live_key(struct gw_identity *i, const struct gw_live_key *live, struct gw_error *err)
{
    return explain_full(gw_shared_put_key(i->options.shared, live, err), "api_key.capacity", err);
}

enum gw_code gw_put_live_revocation(struct gw_identity *i, const struct gw_uuid *jti, int64_t expires_s,
                                    struct gw_error *err)
{
    return explain_full(gw_shared_put_revocation(i->options.shared, jti, expires_s, err), "session.revocation_capacity",
                        err);
}

/* ---- a change ---- */

enum gw_code gw_change_begin(struct gw_change *c, struct gw_identity *i, const struct gw_actor *by,
                             struct gw_error *err)
{
    *c = (struct gw_change){.identity = i, .by = by};
    gw_store_hold(i->options.store);
    enum gw_code code = gw_store_begin(i->options.store, err);
    if (code != GW_OK)
        gw_store_release(i->options.store);
    return code;
}

enum gw_code gw_change_record(struct gw_change *c, const struct gw_deed *deed, struct gw_error *err)
{
    gw_recorder_row(c->by, deed, &c->row);
    return gw_recorder_add(c->identity->options.recorder, c->identity->options.store, &c->row, err);
}

/* Ends before beginnings: nothing may be live for a moment by what it was and what it becomes. */
static enum gw_code tell_segment(const struct gw_change *c, struct gw_error *err)
{
    struct gw_identity *i = c->identity;
    struct gw_shared *shared = i->options.shared;
    if (shared == NULL)
        return GW_OK;
    if (c->drop_user != NULL)
        gw_shared_drop_user(shared, c->drop_user);
    for (size_t n = 0; n < c->ended.count; n++)
        gw_shared_drop_session(shared, &c->ended.ids[n]);
    for (size_t n = 0; n < c->dropped_keys.count; n++)
        gw_shared_drop_key(shared, &c->dropped_keys.ids[n]);
    for (size_t n = 0; n < sizeof(c->put_keys) / sizeof(c->put_keys[0]) && c->put_keys[n] != NULL; n++)
        GW_TRY(gw_put_live_key(i, c->put_keys[n], err));
    if (c->put_user != NULL)
        GW_TRY(gw_put_live_user(i, c->put_user, err));
    if (c->put_session == NULL)
        return GW_OK;
    struct gw_live_session live;
    gw_live_session_of(i, c->put_session, &live);
    return gw_put_live_session(i, &live, err);
}

/* Rows are never changed: a second one, like the first, says that it came to nothing. */
static enum gw_code undo(struct gw_change *c, struct gw_error *err)
{
    struct gw_store *store = c->identity->options.store;
    if (c->put_session != NULL)
        GW_TRY(gw_store_session_delete(store, &c->put_session->id, err));
    else if (c->put_keys[0] != NULL)
        GW_TRY(gw_store_api_key_delete(store, &c->put_keys[0]->id, err));
    else if (c->put_user != NULL && c->put_user->version == 0)
        GW_TRY(gw_store_user_delete(store, &c->put_user->id, err));
    else
        return GW_OK;
    c->row.outcome = GW_OUTCOME_FAILED;
    gw_audit_text(GW_STR("no-room"), c->row.reason, sizeof(c->row.reason));
    return gw_recorder_add(c->identity->options.recorder, store, &c->row, err);
}

/* Only a new record can lack a slot; nobody has been told of it yet. The first failure is the one to report. */
static void take_back(struct gw_change *c)
{
    struct gw_store *store = c->identity->options.store;
    enum gw_code code = gw_store_begin(store, NULL);
    if (code == GW_OK)
        code = gw_store_end(store, undo(c, NULL), NULL);
    (void)code;
}

enum gw_code gw_change_end(struct gw_change *c, enum gw_code code, struct gw_error *err)
{
    struct gw_store *store = c->identity->options.store;
    assert(code != GW_OK || c->by == NULL || c->row.action[0] != '\0');
    code = gw_store_end(store, code, err);
    if (code == GW_OK) {
        code = tell_segment(c, err);
        if (code != GW_OK)
            take_back(c);
    }
    gw_store_release(store);
    gw_id_list_done(&c->ended);
    gw_id_list_done(&c->dropped_keys);
    return code;
}

/* ---- ending sessions ---- */

enum gw_code gw_change_end_session(struct gw_change *c, const struct gw_uuid *id, struct gw_error *err)
{
    GW_TRY(gw_store_session_delete(c->identity->options.store, id, err));
    return gw_id_list_add(&c->ended, id, err);
}

struct gathering {
    struct gw_id_list *list;
    const struct gw_uuid *keep;
};

static enum gw_code gather(void *ctx, const struct gw_session_row *r, struct gw_error *err)
{
    const struct gathering *g = ctx;
    if (g->keep != NULL && gw_uuid_eq(&r->id, g->keep))
        return GW_OK;
    return gw_id_list_add(g->list, &r->id, err);
}

enum gw_code gw_change_end_sessions(struct gw_change *c, const struct gw_uuid *user_id, const struct gw_uuid *keep,
                                    struct gw_error *err)
{
    gw_auto(gw_id_list) struct gw_id_list found = {0};
    struct gathering g = {&found, keep};
    GW_TRY(gw_store_session_each(c->identity->options.store, user_id, gather, &g, err));
    for (size_t n = 0; n < found.count; n++)
        GW_TRY(gw_change_end_session(c, &found.ids[n], err));
    return GW_OK;
}
