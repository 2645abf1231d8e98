/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket is judged again and again by the request that has opened it: with each message of the client, when its session or key ends, and when
 * something has changed of whom it is for. Each time the policy in force counts, under which its target may lead to another route, or to
 * none. That its access token ends cuts nothing: the session counts, and goes on by refresh.
 */
#include "pipeline/socket.h"

#include "pipeline/answers.h"

#include <assert.h>

/* So many bytes of the arena may go into what a refusal says, which no socket tells. */
#define SCRATCH_BYTES 2048

/* Bits stand for namespaces by their place. */
static bool has_same_namespaces(const struct gw_websocket *a, const struct gw_websocket *b)
{
    bool is_same = a->namespace_count == b->namespace_count;
    for (size_t i = 0; is_same && i < a->namespace_count; i++)
        is_same = gw_str_eq(a->namespaces[i], b->namespaces[i]);
    return is_same;
}

/* The snapshot in force, and what its policy says of the target. False: it leads to no socket of that kind. */
static bool follow_policy(struct gw_socket *s)
{
    struct gw_request *r = s->request;
    struct gw_snapshot *now = r->gate->snapshot;
    if (now == r->snapshot)
        return true;
    struct gw_str query = gw_str_sub(r->target, gw_str_find(r->target, '?') + 1, r->target.len);
    const struct gw_route *route = gw_policy_match(now->policy, GW_METHOD_GET, r->path, query);
    if (route == NULL || route->websocket == NULL || route->websocket->protocol != s->rules->protocol ||
        !has_same_namespaces(route->websocket, s->rules))
        return false;
    gw_snapshot_ref(now);
    gw_snapshot_unref(r->snapshot);
    r->snapshot = now;
    r->route = route;
    s->rules = route->websocket;
    return true;
}

typedef enum gw_code (*check_fn)(struct gw_request *r, struct gw_verdict *v);

static const check_fn life[] = {gw_stage_block, gw_token_check_live, gw_stage_access, gw_stage_mode};
/* Of an event, just after the former. */
static const check_fn event_alone[] = {gw_stage_access, gw_stage_mode};

/* Each judgement would leave what it says of a refusal in the request's arena, and a socket has thousands. */
static enum gw_reason run(struct gw_request *r, const check_fn *checks, size_t count)
{
    char space[SCRATCH_BYTES];
    struct gw_arena scratch, *own = r->arena;
    struct gw_verdict v = {.reason = GW_REASON_NONE};
    gw_arena_init_over(&scratch, space, sizeof(space), NULL, NULL, sizeof(space));
    r->arena = &scratch;
    r->held = v;
    for (size_t i = 0; i < count && v.reason == GW_REASON_NONE; i++)
        if (checks[i](r, &v) != GW_OK)
            v.reason = GW_REASON_INTERNAL;
    r->arena = own;
    gw_arena_done(&scratch);
    return v.reason;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return b != 0 && b < a ? b : a;
}

/* When time alone may end it; looked at no later than that. */
static int64_t due_of(const struct gw_request *r)
{
    struct gw_live_session session;
    if (r->by_key)
        return earlier(earlier(INT64_MAX, r->key.expires_s),
                       r->key.is_certificate ? r->head->certificate->not_after_s + 1 : 0);
    if (gw_shared_get_session(r->gate->shared, &r->session_id, &session) != GW_OK)
        return r->now_s;
    return earlier(session.expires_s, gw_shared_last_seen(r->gate->shared, &session) + session.idle_s + 1);
}

enum gw_reason gw_socket_judge(struct gw_socket *s)
{
    struct gw_request *r = s->request;
    if (!follow_policy(s))
        return GW_REASON_NO_ROUTE;
    r->token_end_s = INT64_MAX;
    r->now_s = gw_clock_real_s(r->gate->clock);
    enum gw_reason reason = run(r, life, sizeof(life) / sizeof(life[0]));
    if (reason == GW_REASON_NONE)
        s->due_s = due_of(r);
    return reason;
}

enum gw_reason gw_socket_judge_event(struct gw_socket *s, const struct gw_socket_event *event)
{
    struct gw_request *r = s->request;
    const struct gw_route *own = r->route;
    r->route = &event->route;
    enum gw_reason reason = run(r, event_alone, sizeof(event_alone) / sizeof(event_alone[0]));
    if (reason == GW_REASON_NONE)
        reason = gw_record_event(r);
    r->route = own;
    return reason;
}

void gw_socket_note_refusal(struct gw_socket *s, enum gw_reason reason)
{
    struct gw_request *r = s->request;
    r->out->reason = reason;
    r->out->status = gw_reason_status(reason);
    gw_record_refusal(r);
    gw_metrics_refusal(r, NULL, reason);
}

void gw_socket_refuse(struct gw_socket *s, enum gw_reason reason)
{
    bool passes_soon = reason == GW_REASON_NOT_READY;
    gw_socket_note_refusal(s, reason);
    gw_socket_close(s, passes_soon ? GW_CLOSE_RESTART : GW_CLOSE_POLICY, gw_reason_title(reason));
}

void gw_socket_used(struct gw_socket *s)
{
    struct gw_request *r = s->request;
    if (s->used_s >= r->now_s || r->gate->shared == NULL)
        return;
    s->used_s = r->now_s;
    gw_shared_touch(r->gate->shared, &r->session_id, r->now_s);
}

/* ---- what time brings ---- */

static bool has_lasted(int64_t since_ms, int64_t now_ms, int64_t most_ms)
{
    return most_ms > 0 && now_ms - since_ms >= most_ms;
}

void gw_socket_look(struct gw_socket *s, int64_t now_ms)
{
    const struct gw_settings *settings = &s->request->gate->snapshot->settings;
    if (s->state == GW_SOCKET_CLOSING && now_ms >= s->over_ms)
        gw_socket_give_up(s);
    if (s->state != GW_SOCKET_OPEN)
        return;
    if (has_lasted(s->heard_ms, now_ms, settings->websocket_idle_ms))
        gw_socket_close(s, GW_CLOSE_GOING_AWAY, GW_STR("nothing was heard for too long"));
    else if (has_lasted(s->opened_ms, now_ms, settings->websocket_max_age_ms))
        gw_socket_close(s, GW_CLOSE_GOING_AWAY, GW_STR("open for as long as it may be"));
    if (s->state != GW_SOCKET_OPEN)
        gw_socket_wake(s);
}
