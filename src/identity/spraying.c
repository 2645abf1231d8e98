/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cause has a bitmap in which each thing that it tries sets the bit of its hash: two that meet in one are counted once, so the
 * count is never too high. A window begins with a cause's first attempt, and all is forgotten when it is over. A bucket that is full
 * gives up the cause that has tried least: this tells of those who try much.
 */
#include "identity/spraying.h"

#include <stdlib.h>

#define WAYS 4
#define BUCKETS 1024
#define TELL_MAX 100 /* in one window: whoever has many networks cannot fill the trail with them */
#define WORDS 8      /* 512 bits: of 20 things, less than one is expected to meet another */

struct cause {
    uint64_t tag; /* 0: free */
    int64_t since_ms;
    uint64_t seen[WORDS];
    uint32_t attempts;
    bool told;
};

struct gw_spraying {
    int64_t telling_since_ms;
    unsigned telling;
    struct cause causes[BUCKETS * WAYS];
};

enum gw_code gw_spraying_new(struct gw_spraying **out, struct gw_error *err)
{
    struct gw_spraying *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return gw_fail(err, GW_ENOMEM, "spraying");
    *out = s;
    return GW_OK;
}

void gw_spraying_free(struct gw_spraying *s)
{
    free(s);
}

static unsigned distinct_of(const struct cause *c)
{
    unsigned n = 0;
    for (size_t i = 0; i < WORDS; i++)
        n += (unsigned)__builtin_popcountll(c->seen[i]);
    return n;
}

/* A clock that was set back ends the window too. */
static bool is_over(const struct cause *c, const struct gw_spraying_limits *l, int64_t now_ms)
{
    return c->tag == 0 || now_ms - c->since_ms >= l->window_ms || now_ms < c->since_ms;
}

/* How much would be lost with it. One that was told of would be told of again. */
static unsigned weight(const struct cause *c, const struct gw_spraying_limits *l, int64_t now_ms)
{
    if (is_over(c, l, now_ms))
        return 0;
    return distinct_of(c) + (c->told ? WORDS * 64 : 0);
}

static struct cause *cause_of(struct gw_spraying *s, const struct gw_spraying_limits *l, uint64_t tag, int64_t now_ms)
{
    struct cause *bucket = &s->causes[tag % BUCKETS * WAYS], *least = bucket;
    for (size_t i = 0; i < WAYS; i++) {
        if (bucket[i].tag == tag && !is_over(&bucket[i], l, now_ms))
            return &bucket[i];
        if (weight(&bucket[i], l, now_ms) < weight(least, l, now_ms))
            least = &bucket[i];
    }
    *least = (struct cause){.tag = tag, .since_ms = now_ms};
    return least;
}

static bool may_tell(struct gw_spraying *s, const struct gw_spraying_limits *l, int64_t now_ms)
{
    if (now_ms - s->telling_since_ms >= l->window_ms || now_ms < s->telling_since_ms) {
        s->telling_since_ms = now_ms;
        s->telling = 0;
    }
    return s->telling++ < TELL_MAX;
}

bool gw_spraying_note(struct gw_spraying *s, const struct gw_spraying_limits *l, uint64_t cause, uint64_t what,
                      int64_t now_ms, struct gw_spraying_count *out)
{
    struct cause *c = cause_of(s, l, cause | 1, now_ms);
    uint64_t bit = what % ((uint64_t)WORDS * 64);
    c->seen[bit / 64] |= UINT64_C(1) << bit % 64;
    c->attempts += c->attempts < UINT32_MAX;
    unsigned distinct = distinct_of(c);
    if (c->told || distinct < l->distinct)
        return false;
    c->told = true;
    if (!may_tell(s, l, now_ms))
        return false;
    *out = (struct gw_spraying_count){distinct, c->attempts};
    return true;
}
