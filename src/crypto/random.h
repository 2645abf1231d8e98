/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Randomness, injected: the system's CSPRNG in programs, a seeded sequence in tests. Thread-safe.
 */
#include "base/clock.h"
#include "base/encode.h"
#include <gw/error.h>

struct gw_random {
    enum gw_code (*fill)(const struct gw_random *self, void *dst, size_t n);
};

/* Static storage. A failure of the system's generator is GW_ECRYPTO and must end what asked for it. */
const struct gw_random *gw_system_random(void);
GW_MUST_CHECK enum gw_code gw_random_fill(const struct gw_random *r, void *dst, size_t n, struct gw_error *err);
/* RFC 9562 version 7: 48 bits of time, 74 of randomness. */
GW_MUST_CHECK enum gw_code gw_uuid_v7(const struct gw_random *r, const struct gw_clock *clock, struct gw_uuid *out,
                                      struct gw_error *err);
/* The real time that is in one. */
int64_t gw_uuid_v7_ms(const struct gw_uuid *u);
/* n random bytes as base64url text: GW_BASE64URL_LEN(n) and a NUL into dst. */
GW_MUST_CHECK enum gw_code gw_random_text(const struct gw_random *r, size_t n, char *dst, struct gw_error *err);

struct gw_fake_random {
    struct gw_random random; /* first */
    uint64_t state;
};
void gw_fake_random_init(struct gw_fake_random *f, uint64_t seed);
