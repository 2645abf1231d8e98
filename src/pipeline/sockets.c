/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dense array, through which a walk goes round in half a second, a part of it each time, and lists by user. What has changed of one user is taken
 * from the authority segment's ring, and his sockets alone are judged; what may concern anybody (a policy, a block, the emergency mode, a ring that was
 * not read in time) begins a new round, in which the walk judges each once. Otherwise it looks at times, which costs a cache line a socket.
 */
#include "pipeline/socket.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_TURNS 5
#define ROOM_MIN ((size_t)64)

/* ---- lists by user ---- */

/* Ids are drawn by control, so that nobody chooses where he lands. */
static struct gw_socket **list_of(const struct gw_sockets *t, const struct gw_uuid *user)
{
    uint64_t word;
    memcpy(&word, user->b + sizeof(user->b) - sizeof(word), sizeof(word));
    return &t->of_users[word & (t->room - 1)];
}

static void link_up(const struct gw_sockets *t, struct gw_socket *s)
{
    struct gw_socket **list = list_of(t, &s->request->user_id);
    s->of_user = *list;
    *list = s;
}

static void unlink_it(const struct gw_sockets *t, const struct gw_socket *s)
{
    struct gw_socket **at = list_of(t, &s->request->user_id);
    while (*at != s)
        at = &(*at)->of_user;
    *at = s->of_user;
}

static enum gw_code grow(struct gw_sockets *t)
{
    size_t room = t->room > 0 ? t->room * 2 : ROOM_MIN;
    struct gw_socket **all = realloc(t->all, room * sizeof(struct gw_socket *));
    if (all == NULL)
        return GW_ENOMEM;
    t->all = all;
    struct gw_socket **lists = calloc(room, sizeof(struct gw_socket *));
    if (lists == NULL)
        return GW_ENOMEM;
    free(t->of_users);
    t->of_users = lists;
    t->room = room;
    for (size_t i = 0; i < t->count; i++)
        link_up(t, t->all[i]);
    return GW_OK;
}

/* ---- counts ---- */

static bool has_any_number(const struct gw_request *r)
{
    return gw_client_is_allowed(r) || gw_address_is_trusted(r, &r->client);
}

static bool take_place(const struct gw_sockets *t, const struct gw_request *r)
{
    const struct gw_settings *s = &r->snapshot->settings;
    const struct gw_ip address = gw_ip_limit_key(&r->client);
    uint32_t of_address = has_any_number(r) ? 0 : (uint32_t)s->websocket_per_address;
    if (!gw_socket_counts_take(&t->counts, GW_SOCKETS_OF_USER, &r->user_id, sizeof(r->user_id),
                               (uint32_t)s->websocket_per_user))
        return false;
    if (gw_socket_counts_take(&t->counts, GW_SOCKETS_OF_ADDRESS, &address, sizeof(address), of_address))
        return true;
    gw_socket_counts_give_back(&t->counts, GW_SOCKETS_OF_USER, &r->user_id, sizeof(r->user_id));
    return false;
}

static void give_place_back(const struct gw_sockets *t, const struct gw_request *r)
{
    const struct gw_ip address = gw_ip_limit_key(&r->client);
    gw_socket_counts_give_back(&t->counts, GW_SOCKETS_OF_USER, &r->user_id, sizeof(r->user_id));
    gw_socket_counts_give_back(&t->counts, GW_SOCKETS_OF_ADDRESS, &address, sizeof(address));
}

/* ---- which they are ---- */

enum gw_code gw_sockets_add(struct gw_gate *g, struct gw_socket *s)
{
    struct gw_sockets *t = &g->sockets;
    if (t->count == t->room)
        GW_TRY(grow(t));
    if (!take_place(t, s->request))
        return GW_ELIMIT;
    s->place = t->count;
    s->round = t->round;
    t->all[t->count++] = s;
    link_up(t, s);
    gw_metrics_add(&g->metrics, GW_COUNTER_SOCKETS, 0, 0);
    return GW_OK;
}

/* The last takes its place, and may so be passed over by the walk; the next time round it is not. */
void gw_sockets_remove(struct gw_gate *g, struct gw_socket *s)
{
    struct gw_sockets *t = &g->sockets;
    assert(t->all[s->place] == s);
    unlink_it(t, s);
    struct gw_socket *last = t->all[--t->count];
    t->all[s->place] = last;
    last->place = s->place;
    give_place_back(t, s->request);
    gw_metrics_add(&g->metrics, GW_COUNTER_SOCKETS, 1, 0);
}

/* A worker may end with some open, which nobody frees any more. */
void gw_sockets_done(struct gw_sockets *t)
{
    free(t->all);
    free(t->of_users);
    free(t->plain);
    *t = (struct gw_sockets){.count = 0};
}

/* ---- judging them anew ---- */

static void judge(struct gw_sockets *t, struct gw_socket *s)
{
    if (s->state != GW_SOCKET_OPEN)
        return;
    s->round = t->round;
    t->judged++;
    enum gw_reason reason = gw_socket_judge(s);
    if (reason == GW_REASON_NONE)
        return;
    gw_socket_refuse(s, reason);
    gw_socket_wake(s);
}

static void judge_user(struct gw_sockets *t, const struct gw_uuid *user)
{
    if (t->count == 0)
        return;
    for (struct gw_socket *s = *list_of(t, user); s != NULL; s = s->of_user)
        if (gw_uuid_eq(&s->request->user_id, user))
            judge(t, s);
}

static void take_changes(struct gw_gate *g)
{
    struct gw_sockets *t = &g->sockets;
    struct gw_uuid user;
    enum gw_changed changed = GW_CHANGED_USER;
    if (g->shared == NULL)
        t->round++; /* nobody can be told from anybody */
    while (g->shared != NULL && changed != GW_CHANGED_NOBODY) {
        changed = gw_shared_next_change(g->shared, &t->changes, &user);
        if (changed == GW_CHANGED_USER)
            judge_user(t, &user);
        t->round += changed == GW_CHANGED_ANYBODY;
    }
}

static void note_round(struct gw_gate *g)
{
    struct gw_sockets *t = &g->sockets;
    uint64_t edition = g->snapshot != NULL ? g->snapshot->edition : 0;
    (void)gw_mode_read(&g->modes);
    uint64_t modes = g->modes.seen[0] + g->modes.seen[1];
    t->round += edition != t->edition || modes != t->modes;
    t->edition = edition;
    t->modes = modes;
}

void gw_sockets_poll(struct gw_gate *g)
{
    struct gw_sockets *t = &g->sockets;
    int64_t now_ms = gw_clock_mono_ms(g->clock), now_s = gw_clock_real_s(g->clock);
    note_round(g);
    take_changes(g);
    for (size_t turns = t->count > 0 ? t->count / ROUND_TURNS + 1 : 0; turns > 0; turns--) {
        if (t->next >= t->count)
            t->next = 0;
        struct gw_socket *s = t->all[t->next++];
        gw_socket_look(s, now_ms);
        if (s->round != t->round || now_s >= s->due_s)
            judge(t, s);
    }
}

void gw_gate_close_sockets(struct gw_gate *g)
{
    struct gw_sockets *t = &g->sockets;
    for (size_t i = 0; i < t->count; i++) {
        gw_socket_close(t->all[i], GW_CLOSE_RESTART, GW_STR("the gateway restarts"));
        gw_socket_wake(t->all[i]);
    }
}

size_t gw_gate_socket_count(const struct gw_gate *g)
{
    return g->sockets.count;
}
