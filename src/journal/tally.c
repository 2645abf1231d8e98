/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing over encoded events. A slot's key is a keyed hash of reason, route and network: 64 bits that an attacker cannot steer,
 * so equal hashes count as equal. Half of the slots at most are taken by addresses; the rest is for the reasons.
 */
#include "journal/tally.h"

#include "base/hash.h"

#include <stdlib.h>

#define SLOT_STRINGS_BYTES 512

struct slot {
    uint64_t hash; /* 0: free */
    struct gw_event event;
    char strings[SLOT_STRINGS_BYTES]; /* where the event's own point to */
};

struct gw_tally {
    struct gw_hash_key key;
    unsigned used;
    struct slot slots[GW_TALLY_SLOTS];
};

enum gw_code gw_tally_new(const struct gw_random *random, struct gw_tally **out, struct gw_error *err)
{
    struct gw_tally *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory to count refusals");
    enum gw_code code = gw_random_fill(random, &t->key, sizeof(t->key), err);
    if (code != GW_OK) {
        free(t);
        return code;
    }
    *out = t;
    return GW_OK;
}

void gw_tally_free(struct gw_tally *t)
{
    free(t);
}

/* IPv4 whole; of IPv6 what one subscriber has (RFC 6177). */
static size_t network_bytes(const uint8_t address[16])
{
    static const uint8_t v4[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address, v4, sizeof(v4)) == 0 ? 16 : 8;
}

static uint64_t hash_of(const struct gw_tally *t, const struct gw_event *e)
{
    uint8_t key[GW_EVENT_REASON_MAX + 1 + GW_EVENT_ROUTE_MAX + 1 + 16] = {0};
    struct gw_str reason = gw_str_sub(e->reason, 0, GW_EVENT_REASON_MAX),
                  route = gw_str_sub(e->route, 0, GW_EVENT_ROUTE_MAX);
    if (reason.len > 0)
        memcpy(key, reason.ptr, reason.len);
    if (route.len > 0)
        memcpy(key + GW_EVENT_REASON_MAX + 1, route.ptr, route.len);
    memcpy(key + sizeof(key) - 16, e->address, network_bytes(e->address));
    uint64_t hash = gw_hash(&t->key, key, sizeof(key));
    return hash != 0 ? hash : 1;
}

/* The slot of this hash, or the free one where it goes. There is always a free one. */
static struct slot *find(struct gw_tally *t, uint64_t hash)
{
    size_t i = hash % GW_TALLY_SLOTS;
    while (t->slots[i].hash != 0 && t->slots[i].hash != hash)
        i = (i + 1) % GW_TALLY_SLOTS;
    return &t->slots[i];
}

static struct gw_str keep(struct slot *s, size_t *used, struct gw_str text)
{
    size_t room = SLOT_STRINGS_BYTES - *used;
    struct gw_str kept = {s->strings + *used, text.len < room ? text.len : room};
    if (kept.len > 0)
        memcpy(s->strings + *used, text.ptr, kept.len);
    *used += kept.len;
    return kept;
}

static void begin(struct slot *s, uint64_t hash, const struct gw_event *e)
{
    size_t used = 0;
    s->hash = hash;
    s->event = *e;
    s->event.action = keep(s, &used, gw_str_sub(e->action, 0, GW_EVENT_ACTION_MAX));
    s->event.reason = keep(s, &used, gw_str_sub(e->reason, 0, GW_EVENT_REASON_MAX));
    s->event.route = keep(s, &used, gw_str_sub(e->route, 0, GW_EVENT_ROUTE_MAX));
    s->event.path = keep(s, &used, e->path);
    s->event.user_agent = keep(s, &used, e->user_agent);
    s->event.details = GW_STR_NULL;
    s->event.count = 0;
}

static void count(struct gw_tally *t, struct slot *s, uint64_t hash, const struct gw_event *e)
{
    if (s->hash == 0) {
        begin(s, hash, e);
        t->used++;
    }
    if (!gw_uuid_eq(&s->event.user_id, &e->user_id)) /* of several users: of none that could be named */
        s->event.user_id = s->event.session_id = (struct gw_uuid){{0}};
    if (s->event.count < UINT32_MAX)
        s->event.count++;
    s->event.last_ms = e->time_ms;
}

/* What all refusals of a reason have in common. */
static struct gw_event reason_alone(const struct gw_event *e)
{
    struct gw_event common = {.time_ms = e->time_ms,
                              .phase = e->phase,
                              .outcome = e->outcome,
                              .status = e->status,
                              .generation = e->generation,
                              .action = e->action,
                              .reason = e->reason};
    return common;
}

void gw_tally_add(struct gw_tally *t, const struct gw_event *e)
{
    uint64_t hash = hash_of(t, e);
    struct slot *s = find(t, hash);
    if (s->hash != 0 || t->used < GW_TALLY_SLOTS / 2) {
        count(t, s, hash, e);
        return;
    }
    struct gw_event common = reason_alone(e);
    hash = hash_of(t, &common);
    s = find(t, hash);
    /* Reasons are a few dozen: this one finds its place, and one slot stays free. */
    if (s->hash != 0 || t->used < GW_TALLY_SLOTS - 1)
        count(t, s, hash, &common);
}

void gw_tally_flush(struct gw_tally *t, struct gw_journal *j)
{
    for (size_t i = 0; t->used > 0 && i < GW_TALLY_SLOTS; i++) {
        struct slot *s = &t->slots[i];
        if (s->hash == 0)
            continue;
        if (gw_journal_append(j, &s->event, GW_JOURNAL_NORMAL) != GW_OK)
            gw_journal_count_lost(j);
        s->hash = 0;
        t->used--;
    }
}
