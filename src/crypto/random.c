/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's generator is the kernel's (getrandom): it cannot repeat itself after a fork, which a generator kept in
 * process memory would have to take care of, and one call costs less than a microsecond.
 */
#include "crypto/random.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

#include "crypto/secret.h"

#define RANDOM_TEXT_MAX_BYTES 256

static enum gw_code system_fill(const struct gw_random *self, void *dst, size_t n)
{
    (void)self;
    uint8_t *p = dst;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return GW_ECRYPTO;
        p += got;
        n -= (size_t)got;
    }
    return GW_OK;
}

const struct gw_random *gw_system_random(void)
{
    static const struct gw_random system_random = {.fill = system_fill};
    return &system_random;
}

enum gw_code gw_random_fill(const struct gw_random *r, void *dst, size_t n, struct gw_error *err)
{
    if (r->fill(r, dst, n) != GW_OK)
        return gw_fail(err, GW_ECRYPTO, "the random generator failed");
    return GW_OK;
}

enum gw_code gw_uuid_v7(const struct gw_random *r, const struct gw_clock *clock, struct gw_uuid *out,
                        struct gw_error *err)
{
    struct gw_uuid u;
    GW_TRY(gw_random_fill(r, u.b + 6, sizeof(u.b) - 6, err));
    uint64_t ms = (uint64_t)gw_clock_real_ms(clock);
    for (int i = 0; i < 6; i++)
        u.b[i] = (uint8_t)(ms >> (40 - 8 * i));
    u.b[6] = (uint8_t)(0x70 | (u.b[6] & 0x0f)); /* version 7 */
    u.b[8] = (uint8_t)(0x80 | (u.b[8] & 0x3f)); /* the RFC's variant */
    *out = u;
    return GW_OK;
}

int64_t gw_uuid_v7_ms(const struct gw_uuid *u)
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | u->b[i];
    return ms;
}

enum gw_code gw_random_text(const struct gw_random *r, size_t n, char *dst, struct gw_error *err)
{
    assert(n <= RANDOM_TEXT_MAX_BYTES);
    uint8_t bytes[RANDOM_TEXT_MAX_BYTES];
    GW_TRY(gw_random_fill(r, bytes, n, err));
    dst[gw_base64url_encode(bytes, n, dst)] = '\0';
    gw_wipe(bytes, n);
    return GW_OK;
}

/* SplitMix64 (Steele, Lea, Flood 2014): its state is a counter, so an atomic addition makes it thread-safe. */
static uint64_t fake_next(struct gw_fake_random *f)
{
    uint64_t z = __atomic_add_fetch(&f->state, UINT64_C(0x9e3779b97f4a7c15), __ATOMIC_RELAXED);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static enum gw_code fake_fill(const struct gw_random *self, void *dst, size_t n)
{
    struct gw_fake_random *f = (struct gw_fake_random *)(uintptr_t)self; /* drops const: the sequence moves on */
    uint8_t *p = dst;
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++) {
        if (i % 8 == 0)
            word = fake_next(f);
        p[i] = (uint8_t)(word >> (8 * (i % 8)));
    }
    return GW_OK;
}

void gw_fake_random_init(struct gw_fake_random *f, uint64_t seed)
{
    *f = (struct gw_fake_random){.random = {.fill = fake_fill}, .state = seed};
}
