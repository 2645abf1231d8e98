/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dense array, through which a walk goes round in half a second, a part of it each time. Where something has changed that may concern
 * anybody, one whole round judges each socket anew; else the walk looks at times alone, which costs a cache line a socket.
 */
#include "pipeline/socket.h"

#include <assert.h>
#include <stdlib.h>

#define ROUND_TURNS 5
#define GROW_BY 64

enum gw_code gw_sockets_add(struct gw_gate *g, struct gw_socket *s)
{
    struct gw_sockets *t = &g->sockets;
    if (t->count == t->room) {
        size_t room = t->room < GROW_BY ? GROW_BY : t->room * 2;
        struct gw_socket **all = realloc(t->all, room * sizeof(struct gw_socket *));
        if (all == NULL)
            return GW_ENOMEM;
        t->all = all;
        t->room = room;
    }
    s->place = t->count;
    t->all[t->count++] = s;
    return GW_OK;
}

/* The last takes its place. It may so be overtaken by the walk: then the round goes on by one. */
void gw_sockets_remove(struct gw_gate *g, struct gw_socket *s)
{
    struct gw_sockets *t = &g->sockets;
    assert(t->all[s->place] == s);
    struct gw_socket *last = t->all[--t->count];
    t->all[s->place] = last;
    last->place = s->place;
}

void gw_sockets_done(struct gw_sockets *t)
{
    assert(t->count == 0);
    free(t->all);
    free(t->plain);
    *t = (struct gw_sockets){.count = 0};
}

/* ---- the walk ---- */

static void judge(struct gw_socket *s)
{
    enum gw_reason reason = gw_socket_judge(s);
    if (reason == GW_REASON_NONE)
        return;
    gw_socket_refuse(s, reason);
    gw_socket_wake(s);
}

void gw_sockets_poll(struct gw_gate *g)
{
    struct gw_sockets *t = &g->sockets;
    int64_t now_ms = gw_clock_mono_ms(g->clock);
    for (size_t turns = t->count > 0 ? t->count / ROUND_TURNS + 1 : 0; turns > 0; turns--) {
        if (t->next >= t->count)
            t->next = 0;
        struct gw_socket *s = t->all[t->next++];
        gw_socket_look(s, now_ms);
        if (s->state == GW_SOCKET_OPEN)
            judge(s);
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
