/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Time, injected. Real time (Unix epoch) for expiry and records, monotonic time for limits and waiting. Tests use a
 * gw_fake_clock; the programs use gw_system_clock(), which in test builds (-Dtest_hooks=true) adds the seconds in
 * AAITI_TEST_CLOCK_OFFSET_S.
 */
#include <stdint.h>

struct gw_clock {
    int64_t (*real_ms)(const struct gw_clock *self);
    int64_t (*mono_ms)(const struct gw_clock *self);
};

struct gw_fake_clock {
    struct gw_clock clock; /* first, so that &fake.clock is the gw_clock */
    int64_t real_now_ms, mono_now_ms;
};

/* Static storage. */
const struct gw_clock *gw_system_clock(void);
void gw_fake_clock_init(struct gw_fake_clock *f, int64_t real_ms);
/* Moves both times. */
void gw_fake_clock_advance(struct gw_fake_clock *f, int64_t ms);

static inline int64_t gw_clock_real_ms(const struct gw_clock *c)
{
    return c->real_ms(c);
}
static inline int64_t gw_clock_real_s(const struct gw_clock *c)
{
    return c->real_ms(c) / 1000;
}
static inline int64_t gw_clock_mono_ms(const struct gw_clock *c)
{
    return c->mono_ms(c);
}
