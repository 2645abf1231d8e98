/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 by the paper (section 2): four words of state, two rounds a block, four to finish. */
#include "base/hash.h"

#include <endian.h>
#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void rounds(struct state *s, unsigned count)
{
    for (; count > 0; count--) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 = rotate(s->v2, 32);
    }
}

static void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    rounds(s, 2);
    s->v0 ^= word;
}

uint64_t gw_hash(const struct gw_hash_key *key, const void *data, size_t len)
{
    struct state s = {key->k0 ^ 0x736f6d6570736575, key->k1 ^ 0x646f72616e646f6d, key->k0 ^ 0x6c7967656e657261,
                      key->k1 ^ 0x7465646279746573};
    const uint8_t *p = data;
    for (size_t left = len; left >= 8; left -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        absorb(&s, le64toh(word));
    }
    uint64_t last = (uint64_t)len << 56;
    for (size_t i = 0; i < len % 8; i++)
        last |= (uint64_t)p[i] << (8 * i);
    absorb(&s, last);
    s.v2 ^= 0xff;
    rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
