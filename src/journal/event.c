/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian: version, phase, outcome, 0; then the numbers, the ids, the address; then each string after its 16-bit length. */
#include "journal/event.h"

#include <endian.h>

#define VERSION 1

#define IDS_BYTES (4 * sizeof(struct gw_uuid))
#define FIXED_BYTES (4 + 2 + 4 + 3 * 8 + IDS_BYTES)

static const struct {
    size_t offset, max_bytes;
} strings[] = {
    {offsetof(struct gw_event, action), GW_EVENT_ACTION_MAX},
    {offsetof(struct gw_event, reason), GW_EVENT_REASON_MAX},
    {offsetof(struct gw_event, route), GW_EVENT_ROUTE_MAX},
    {offsetof(struct gw_event, path), GW_EVENT_PATH_MAX},
    {offsetof(struct gw_event, user_agent), GW_EVENT_USER_AGENT_MAX},
    {offsetof(struct gw_event, details), GW_EVENT_DETAILS_MAX},
};
#define STRINGS (sizeof(strings) / sizeof(strings[0]))

_Static_assert(FIXED_BYTES + STRINGS * 2 + GW_EVENT_ACTION_MAX + GW_EVENT_REASON_MAX + GW_EVENT_ROUTE_MAX +
                       GW_EVENT_PATH_MAX + GW_EVENT_USER_AGENT_MAX + GW_EVENT_DETAILS_MAX <=
                   GW_EVENT_BYTES_MAX,
               "GW_EVENT_BYTES_MAX is too small");

const char *gw_outcome_text(enum gw_outcome outcome)
{
    static const char *const texts[] = {
#define GW_OUTCOME(name, text) text,
#include "journal/outcome.def"
#undef GW_OUTCOME
    };
    return texts[outcome];
}

static uint8_t *put16(uint8_t *p, uint16_t n)
{
    n = htole16(n);
    memcpy(p, &n, sizeof(n));
    return p + sizeof(n);
}

static uint8_t *put32(uint8_t *p, uint32_t n)
{
    n = htole32(n);
    memcpy(p, &n, sizeof(n));
    return p + sizeof(n);
}

static uint8_t *put64(uint8_t *p, uint64_t n)
{
    n = htole64(n);
    memcpy(p, &n, sizeof(n));
    return p + sizeof(n);
}

static uint8_t *put_uuid(uint8_t *p, const struct gw_uuid *u)
{
    memcpy(p, u->b, sizeof(u->b));
    return p + sizeof(u->b);
}

static uint8_t *put_string(uint8_t *p, struct gw_str s, size_t max_bytes)
{
    s = gw_str_sub(s, 0, max_bytes);
    p = put16(p, (uint16_t)s.len);
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    return p + s.len;
}

size_t gw_event_encode(const struct gw_event *e, uint8_t *dst)
{
    uint8_t *p = dst;
    *p++ = VERSION;
    *p++ = (uint8_t)e->phase;
    *p++ = (uint8_t)e->outcome;
    *p++ = 0;
    p = put16(p, e->status);
    p = put32(p, e->count);
    p = put64(p, (uint64_t)e->time_ms);
    p = put64(p, (uint64_t)e->last_ms);
    p = put64(p, e->generation);
    p = put_uuid(p, &e->request_id);
    p = put_uuid(p, &e->user_id);
    p = put_uuid(p, &e->session_id);
    memcpy(p, e->address, sizeof(e->address));
    p += sizeof(e->address);
    for (size_t i = 0; i < STRINGS; i++) {
        struct gw_str s;
        memcpy(&s, (const char *)e + strings[i].offset, sizeof(s));
        p = put_string(p, s, strings[i].max_bytes);
    }
    return (size_t)(p - dst);
}

static uint16_t get16(const char **p)
{
    uint16_t n;
    memcpy(&n, *p, sizeof(n));
    *p += sizeof(n);
    return le16toh(n);
}

static uint32_t get32(const char **p)
{
    uint32_t n;
    memcpy(&n, *p, sizeof(n));
    *p += sizeof(n);
    return le32toh(n);
}

static uint64_t get64(const char **p)
{
    uint64_t n;
    memcpy(&n, *p, sizeof(n));
    *p += sizeof(n);
    return le64toh(n);
}

static void get_uuid(const char **p, struct gw_uuid *u)
{
    memcpy(u->b, *p, sizeof(u->b));
    *p += sizeof(u->b);
}

enum gw_code gw_event_decode(struct gw_str bytes, struct gw_event *out)
{
    if (bytes.len < FIXED_BYTES)
        return GW_EPARSE;
    const char *p = bytes.ptr, *end = bytes.ptr + bytes.len;
    uint8_t version = (uint8_t)p[0], phase = (uint8_t)p[1], outcome = (uint8_t)p[2];
    if (version != VERSION || phase >= GW_EVENT_PHASE_COUNT || outcome >= GW_OUTCOME_COUNT || p[3] != 0)
        return GW_EPARSE;
    p += 4;
    struct gw_event e = {.phase = (enum gw_event_phase)phase, .outcome = (enum gw_outcome)outcome};
    e.status = get16(&p);
    e.count = get32(&p);
    e.time_ms = (int64_t)get64(&p);
    e.last_ms = (int64_t)get64(&p);
    e.generation = get64(&p);
    get_uuid(&p, &e.request_id);
    get_uuid(&p, &e.user_id);
    get_uuid(&p, &e.session_id);
    memcpy(e.address, p, sizeof(e.address));
    p += sizeof(e.address);
    for (size_t i = 0; i < STRINGS; i++) {
        if (end - p < 2)
            return GW_EPARSE;
        struct gw_str s = {.len = get16(&p)};
        if (s.len > strings[i].max_bytes || s.len > (size_t)(end - p))
            return GW_EPARSE;
        s.ptr = p;
        p += s.len;
        memcpy((char *)&e + strings[i].offset, &s, sizeof(s));
    }
    if (p != end || e.action.len == 0 || e.count == 0)
        return GW_EPARSE;
    *out = e;
    return GW_OK;
}
