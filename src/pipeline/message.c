/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a message of the client, before it goes on to the backend. A stage that says no has said to the client why, or the socket
 * is being closed.
 */
#include "pipeline/socket.h"

/* Counted by the socket itself; other limits go by who asks, and were asked at its handshake. */
bool gw_message_is_in_time(struct gw_socket *s)
{
    int64_t now_ms = gw_clock_mono_ms(s->request->gate->clock);
    uint64_t passed = (uint64_t)(now_ms - s->asked_ms) * GW_RATE_TICKS_PER_MS;
    uint64_t backlog = s->backlog > passed ? s->backlog - passed : 0;
    struct gw_rate_answer answer = gw_rate_ask(&s->rules->rate, GW_RATE_SHARE_WHOLE, backlog);
    s->asked_ms = now_ms;
    s->backlog = answer.backlog;
    if (!answer.admitted)
        gw_socket_close(s, GW_CLOSE_POLICY, GW_STR("more messages than may be sent"));
    return answer.admitted;
}

static enum gw_message_fate check_rate(struct gw_socket *s, struct gw_message *m)
{
    (void)m;
    return gw_message_is_in_time(s) ? GW_MESSAGE_GOES_ON : GW_MESSAGE_IS_DROPPED;
}

static enum gw_message_fate check_live(struct gw_socket *s, struct gw_message *m)
{
    (void)m;
    enum gw_reason reason = gw_socket_judge(s);
    if (reason == GW_REASON_NONE)
        return GW_MESSAGE_GOES_ON;
    gw_socket_refuse(s, reason);
    return GW_MESSAGE_IS_DROPPED;
}

static enum gw_message_fate check_event(struct gw_socket *s, struct gw_message *m)
{
    if (s->rules->protocol == GW_WEBSOCKET_SOCKET_IO)
        return gw_message_judge_socket_io(s, m);
    m->event = s->rules->other;
    return GW_MESSAGE_GOES_ON;
}

static const struct {
    const char *name;
    enum gw_message_fate (*check)(struct gw_socket *s, struct gw_message *m);
} stages[] = {
#define GW_MESSAGE_STAGE(name_, check_) {.name = (name_), .check = (check_)},
#include "pipeline/message.def"
#undef GW_MESSAGE_STAGE
};

enum gw_message_fate gw_message_judge(struct gw_socket *s, struct gw_message *m)
{
    enum gw_message_fate fate = GW_MESSAGE_GOES_ON;
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]) && fate == GW_MESSAGE_GOES_ON; i++)
        fate = stages[i].check(s, m);
    gw_metrics_add(&s->request->gate->metrics, GW_COUNTER_MESSAGES, fate, 0);
    /* What keeps a connection alive is no use of the session. */
    if (m->event != NULL)
        gw_socket_used(s);
    return fate;
}
