/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <assert.h>
#include <time.h>

#ifdef GW_TEST_HOOKS
#include <gw/str.h>
#include <pthread.h>
#include <stdlib.h>

static int64_t test_offset_ms;

static void read_test_offset(void)
{
    struct gw_str text = gw_str(getenv("AAITI_TEST_CLOCK_OFFSET_S"));
    int64_t sign = 1, seconds = 0;
    if (gw_str_starts(text, GW_STR("-"))) {
        sign = -1;
        text = gw_str_sub(text, 1, text.len);
    }
    if (gw_str_to_i64(text, &seconds) && seconds <= INT64_MAX / 4000)
        test_offset_ms = sign * seconds * 1000;
}

static int64_t real_offset_ms(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_test_offset);
    return test_offset_ms;
}
#else
static int64_t real_offset_ms(void)
{
    return 0;
}
#endif

static int64_t now_ms(clockid_t id)
{
    struct timespec t;
    int rc = clock_gettime(id, &t);
    assert(rc == 0); /* fails for a bad argument only */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t system_real_ms(const struct gw_clock *self)
{
    (void)self;
    return now_ms(CLOCK_REALTIME) + real_offset_ms();
}

static int64_t system_mono_ms(const struct gw_clock *self)
{
    (void)self;
    return now_ms(CLOCK_MONOTONIC);
}

const struct gw_clock *gw_system_clock(void)
{
    static const struct gw_clock clock = {system_real_ms, system_mono_ms};
    return &clock;
}

static const struct gw_fake_clock *fake_of(const struct gw_clock *self)
{
    return (const struct gw_fake_clock *)(const void *)self;
}

static int64_t fake_real_ms(const struct gw_clock *self)
{
    return fake_of(self)->real_now_ms;
}

static int64_t fake_mono_ms(const struct gw_clock *self)
{
    return fake_of(self)->mono_now_ms;
}

void gw_fake_clock_init(struct gw_fake_clock *f, int64_t real_ms)
{
    /* Monotonic time has another origin, so that code which mixes the two up fails its tests. */
    *f = (struct gw_fake_clock){{fake_real_ms, fake_mono_ms}, real_ms, 1000};
}

void gw_fake_clock_advance(struct gw_fake_clock *f, int64_t ms)
{
    f->real_now_ms += ms;
    f->mono_now_ms += ms;
}
