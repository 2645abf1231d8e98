/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/reading.h"

#include "pipeline/pipeline.h"

#define CONTROL_DEAD_AFTER_S 5

bool gw_read_build(struct gw_gate *g, unsigned i, int64_t *out)
{
    (void)g;
    (void)i;
    *out = 1;
    return true;
}

bool gw_read_generation(struct gw_gate *g, unsigned i, int64_t *out)
{
    (void)i;
    *out = (int64_t)gw_gate_generation(g);
    return true;
}

bool gw_read_mode(struct gw_gate *g, unsigned i, int64_t *out)
{
    static const struct gw_mode_entry everybody = {.scope = GW_MODE_GLOBAL};
    const struct gw_mode_entry *e = gw_mode_of_scope(gw_mode_read(&g->modes), &everybody);
    bool is_over = e == NULL || gw_mode_has_ended(e, gw_clock_real_s(g->clock));
    *out = (is_over ? GW_MODE_OFF : e->mode) == i;
    return true;
}

bool gw_read_mode_entries(struct gw_gate *g, unsigned i, int64_t *out)
{
    (void)i;
    *out = gw_mode_read(&g->modes)->count;
    return true;
}

static int64_t age_s(const struct gw_gate *g, int64_t then_s)
{
    int64_t age = gw_clock_real_s(g->clock) - then_s;
    return age > 0 ? age : 0;
}

bool gw_is_control_up(const struct gw_gate *g)
{
    return g->shared != NULL && age_s(g, gw_shared_heartbeat(g->shared)) < CONTROL_DEAD_AFTER_S;
}

bool gw_read_control_up(struct gw_gate *g, unsigned i, int64_t *out)
{
    (void)i;
    *out = gw_is_control_up(g);
    return true;
}

static bool read_age_of(const struct gw_gate *g, int64_t then_s, int64_t *out)
{
    *out = age_s(g, then_s);
    return then_s != 0;
}

bool gw_read_heartbeat_age(struct gw_gate *g, unsigned i, int64_t *out)
{
    (void)i;
    return g->shared != NULL && read_age_of(g, gw_shared_heartbeat(g->shared), out);
}

bool gw_read_journal_lag(struct gw_gate *g, unsigned i, int64_t *out)
{
    (void)i;
    return g->shared != NULL && read_age_of(g, gw_shared_caught_up(g->shared), out);
}

static bool read_rates(const struct gw_gate *g, struct gw_rates_fill *out)
{
    if (g->shared != NULL)
        gw_rates_fill(gw_shared_rates(g->shared), out);
    return g->shared != NULL;
}

bool gw_read_limit_counters(struct gw_gate *g, unsigned i, int64_t *out)
{
    struct gw_rates_fill fill = {0};
    bool is_there = read_rates(g, &fill);
    *out = (int64_t)fill.live[i];
    return is_there;
}

bool gw_read_limit_slots(struct gw_gate *g, unsigned i, int64_t *out)
{
    struct gw_rates_fill fill = {0};
    bool is_there = read_rates(g, &fill);
    *out = (int64_t)fill.slots[i];
    return is_there;
}

bool gw_read_limit_overflows(struct gw_gate *g, unsigned i, int64_t *out)
{
    (void)i;
    struct gw_rates_fill fill = {0};
    bool is_there = read_rates(g, &fill);
    *out = (int64_t)fill.overflows;
    return is_there;
}

bool gw_read_sockets(struct gw_gate *g, unsigned i, int64_t *out)
{
    (void)i;
    *out = (int64_t)gw_socket_counts_all(&g->sockets.counts);
    return true;
}

bool gw_read_nonces(struct gw_gate *g, unsigned i, int64_t *out)
{
    (void)i;
    if (g->shared != NULL)
        *out = (int64_t)gw_nonces_live(gw_shared_nonces(g->shared));
    return g->shared != NULL;
}

bool gw_read_nonce_slots(struct gw_gate *g, unsigned i, int64_t *out)
{
    (void)i;
    if (g->shared != NULL)
        *out = gw_shared_nonces(g->shared)->slots;
    return g->shared != NULL;
}
