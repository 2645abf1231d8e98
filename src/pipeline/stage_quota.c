/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The budget of whoever asks, once it is known who that is and that they may. A signed-in user's does not go by the address, so that nobody
 * else there uses it up. An API key's does not go by its owner, so that a program that runs wild leaves the owner's alone. Nothing that
 * reduces risk is kept from a signed-in user, nor delayed.
 */
#include "pipeline/pipeline.h"

#define FIELDS 5
#define FIELD_TEXT_MAX 128

/* ---- whose, and which ---- */

static const struct gw_limit_class *class_of_address(const struct gw_request *r)
{
    enum gw_limit_built_in which = GW_LIMIT_ANONYMOUS;
    if (r->route->access == GW_ACCESS_PUBLIC && r->route->limit != NULL)
        return r->route->limit;
    switch (r->route->target) {
    case GW_TARGET_LOGIN:
    case GW_TARGET_REFRESH:
    case GW_TARGET_LOGOUT:
    case GW_TARGET_PROFILE:
    case GW_TARGET_REGISTER:
    case GW_TARGET_LOGIN_FORM:
    case GW_TARGET_LOGOUT_FORM:
        which = GW_LIMIT_AUTH;
        break;
    case GW_TARGET_HEALTH:
    case GW_TARGET_LANDING:
    case GW_TARGET_JWKS:
    case GW_TARGET_PANIC:
    case GW_TARGET_METRICS:
    case GW_TARGET_LOGIN_PAGE:
    case GW_TARGET_LOGOUT_PAGE:
        which = GW_LIMIT_PAGE;
        break;
    case GW_TARGET_CONTROL:
        which = r->signed_in ? GW_LIMIT_USER : GW_LIMIT_ANONYMOUS;
        break;
    case GW_TARGET_BACKEND:
        break;
    }
    return gw_policy_limit(r->snapshot->policy, which);
}

/* Management is not the user's budget: a program that runs wild would keep its owner from the calls that stop it. */
static bool goes_by_address(const struct gw_request *r)
{
    return !r->signed_in || r->route->target == GW_TARGET_CONTROL;
}

static struct gw_budget budget_of(const struct gw_request *r, bool is_refused)
{
    const struct gw_policy *p = r->snapshot->policy;
    struct gw_budget b = {.of = GW_BUDGET_OF_ADDRESS, .count = 1};
    if (r->signed_in && r->route->risk == GW_RISK_REDUCES && !is_refused)
        return (struct gw_budget){.of = GW_BUDGET_OF_NOBODY};
    if (goes_by_address(r)) {
        b.classes[0] = is_refused ? gw_policy_limit(p, GW_LIMIT_ANONYMOUS) : class_of_address(r);
        return b;
    }
    b.of = r->by_key ? GW_BUDGET_OF_KEY : GW_BUDGET_OF_USER;
    b.count = 0;
    if (r->route->limit != NULL) /* first: what it refuses uses up nothing else */
        b.classes[b.count++] = r->route->limit;
    b.classes[b.count++] = gw_policy_limit(p, r->by_key ? GW_LIMIT_MACHINE : GW_LIMIT_USER);
    return b;
}

/* ---- charging ---- */

uint32_t gw_quota_share(const struct gw_request *r)
{
    double share = r->limit_factor * GW_RATE_SHARE_WHOLE;
    return share >= GW_RATE_SHARE_WHOLE ? GW_RATE_SHARE_WHOLE : share >= 1 ? (uint32_t)share : 1;
}

static void delay(struct gw_request *r, const struct gw_slow_down *s, uint32_t used)
{
    if (s->step_ms == 0 || used <= s->after)
        return;
    uint64_t ms = (uint64_t)(used - s->after) * s->step_ms;
    ms = ms < s->max_ms ? ms : s->max_ms;
    if (ms > r->out->delay_ms)
        r->out->delay_ms = (unsigned)ms;
}

bool gw_quota_charge(struct gw_request *r, const struct gw_limit_class *c, const struct gw_rates_subject *who,
                     uint32_t share)
{
    const struct gw_rates *rates = gw_shared_rates(r->gate->shared);
    struct gw_quota *q = &r->quota;
    for (int kind = 0; kind < GW_LIMIT_KINDS; kind++) {
        const struct gw_limit_rate *rate = &c->rates[kind];
        if (rate->rate.limit == 0)
            continue;
        struct gw_charge got = gw_rates_charge(rates, who, rate->mark, &rate->rate, share, q->now_ms);
        q->is_shared = got.shared;
        if (q->tightest == NULL || !got.answer.admitted || got.answer.remaining < q->left.remaining) {
            q->tightest = c;
            q->rate = rate;
            q->left = got.answer;
        }
        if (!got.answer.admitted)
            return false;
        if (kind == GW_LIMIT_SUSTAINED)
            delay(r, &c->slow_down, got.answer.used);
    }
    return true;
}

struct gw_verdict gw_quota_verdict(const struct gw_request *r, enum gw_reason reason, enum gw_budget_of of)
{
    const struct gw_quota *q = &r->quota;
    static const enum gw_detail details[] = {[GW_BUDGET_OF_ADDRESS] = GW_DETAIL_BUDGET_OF_ADDRESS,
                                             [GW_BUDGET_OF_USER] = GW_DETAIL_BUDGET_OF_USER,
                                             [GW_BUDGET_OF_KEY] = GW_DETAIL_BUDGET_OF_KEY};
    if (q->is_shared)
        reason = GW_REASON_COUNTERS_FULL;
    return (struct gw_verdict){.reason = reason, .detail = details[of], .retry_after_s = gw_rate_seconds(q->left.wait)};
}

static void count(struct gw_request *r, bool is_refused, struct gw_verdict *v)
{
    struct gw_quota *q = &r->quota;
    q->is_counted = true;
    q->tightest = NULL;
    q->budget = budget_of(r, is_refused);
    bool by_address = q->budget.of == GW_BUDGET_OF_ADDRESS;
    struct gw_rates_subject who = q->address;
    if (!by_address) /* a key's id stands where a session's does */
        who = gw_rates_identity(gw_shared_rates(r->gate->shared), r->by_key ? &r->session_id : &r->user_id);
    uint32_t share = by_address ? gw_quota_share(r) : GW_RATE_SHARE_WHOLE;
    bool has_room = true;
    for (size_t i = 0; has_room && i < q->budget.count; i++)
        has_room = gw_quota_charge(r, q->budget.classes[i], &who, share);
    if (by_address && (!has_room || r->out->delay_ms > 0) && gw_client_is_allowed(r)) {
        r->out->delay_ms = 0;
        q->tightest = NULL;
        return;
    }
    if (!has_room)
        *v = gw_quota_verdict(r, GW_REASON_RATE_LIMITED, q->budget.of);
}

enum gw_code gw_stage_quota(struct gw_request *r, struct gw_verdict *v)
{
    if (r->quota.knows_address)
        count(r, false, v);
    return GW_OK;
}

enum gw_code gw_rehearse_quota(struct gw_request *r, struct gw_verdict *v)
{
    (void)v;
    r->quota.budget = budget_of(r, false);
    return GW_OK;
}

/* Not counted here: what was refused as too much, for that has been counted; what was no fault of the client's (5xx); and what a block
 * refused, for a blocked address has no budget. */
void gw_quota_refused(struct gw_request *r, struct gw_verdict *v)
{
    unsigned status = gw_reason_status(v->reason);
    if (!r->quota.knows_address || r->quota.is_counted || status == 429 || status >= 500 ||
        v->reason == GW_REASON_BLOCKED)
        return;
    struct gw_verdict used_up = {.reason = GW_REASON_NONE};
    count(r, true, &used_up);
    if (used_up.reason != GW_REASON_NONE)
        *v = used_up;
}

/* ---- telling ---- */

static char *put_text(char *at, struct gw_str s)
{
    memcpy(at, s.ptr, s.len);
    return at + s.len;
}

static char *put_number(char *at, uint64_t n)
{
    char digits[20];
    size_t count_ = 0;
    do {
        digits[count_++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (count_ > 0)
        *at++ = digits[--count_];
    return at;
}

/* RateLimit names one rate, the tightest. X-Rate-Limit-*, for clients that know the older names, say the same; their Reset is the time of
 * day when all of it is there again. An answer that caches may keep tells none of it: they would show one client's limits to all.
 * Nor does a refusal but for want of room: whose budget it was would tell which of several reasons for its status it was. */
enum gw_code gw_quota_tell(struct gw_request *r)
{
    const struct gw_quota *q = &r->quota;
    bool is_other_refusal = r->out->action == GW_REFUSE && r->out->status != 429;
    bool is_preflight = r->out->field_count > 0; /* whose fields are the answer */
    bool may_be_kept = r->out->cache_control.len > 0 || r->out->answer == GW_CLASS_ASSET;
    if (q->tightest == NULL || may_be_kept || is_other_refusal || is_preflight)
        return GW_OK;
    struct gw_header_field *fields = gw_arena_alloc(r->arena, FIELDS * sizeof(*fields));
    char *text = gw_arena_alloc(r->arena, FIELD_TEXT_MAX);
    if (fields == NULL || text == NULL)
        return GW_ENOMEM;
    uint32_t full_in_s = gw_rate_seconds(q->left.backlog);
    char *starts[FIELDS] = {[1] = text};
    char *at = put_text(text, q->rate->shown);
    at = put_text(at, GW_STR(";r="));
    at = put_number(at, q->left.remaining);
    at = put_text(at, GW_STR(";t="));
    starts[2] = at = put_number(at, full_in_s);
    starts[3] = at = put_number(at, q->rate->rate.limit);
    starts[4] = at = put_number(at, q->left.remaining);
    at = put_number(at, (uint64_t)r->now_s + full_in_s);
    fields[0] = (struct gw_header_field){GW_STR("RateLimit-Policy"), q->tightest->policy};
    static const struct gw_str names[FIELDS] = {GW_STR_NULL, GW_STR("RateLimit"), GW_STR("X-Rate-Limit-Limit"),
                                                GW_STR("X-Rate-Limit-Remaining"), GW_STR("X-Rate-Limit-Reset")};
    for (size_t i = 1; i < FIELDS; i++) {
        char *end = i + 1 < FIELDS ? starts[i + 1] : at;
        fields[i] = (struct gw_header_field){names[i], {starts[i], (size_t)(end - starts[i])}};
    }
    r->out->fields = fields;
    r->out->field_count = FIELDS;
    return GW_OK;
}
