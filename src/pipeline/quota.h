/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How often somebody asked. Each request is counted in the flood ceiling of its address (stage_rate.c), and once in the budget of whoever asks
 * (stage_quota.c): the user or the key where one is known, else the address. What is refused before that was known is counted with the anonymous ones of its
 * address, so that nobody guesses tokens or paths for longer than he may ask without any.
 */
#include "policy/limit.h"
#include "shared/rates.h"
#include <gw/gate.h>

struct gw_verdict;

enum gw_budget_of { GW_BUDGET_OF_NOBODY, GW_BUDGET_OF_ADDRESS, GW_BUDGET_OF_USER, GW_BUDGET_OF_KEY };

/* The classes in which a request is counted: all must have room. */
struct gw_budget {
    enum gw_budget_of of; /* NOBODY: it is not counted */
    const struct gw_limit_class *classes[2];
    size_t count;
};

/* Of a request. */
struct gw_quota {
    bool knows_address; /* the flood ceiling has been asked, so that what follows is filled */
    struct gw_rates_subject address;
    int64_t now_ms; /* monotonic */
    bool is_counted;
    bool is_shared;                        /* the counters were full: it was counted together with its network */
    struct gw_budget budget;               /* in which it was counted, or would be in a rehearsal */
    const struct gw_limit_class *tightest; /* of the rates that were asked the one with the least left; NULL: none */
    const struct gw_limit_rate *rate;
    struct gw_rate_answer left;
};

/* Counts the request in each rate of one class, and notes which of them has the least left. False: a rate had no room; then that one is
 * noted, and the rates behind it have not been asked. share: as gw_rate_ask. */
bool gw_quota_charge(struct gw_request *r, const struct gw_limit_class *c, const struct gw_rates_subject *who,
                     uint32_t share);
/* Thousandths of an address's limits that it has at the moment. */
uint32_t gw_quota_share(const struct gw_request *r);
/* The refusal for want of room, with the real time until one more would be let through. */
struct gw_verdict gw_quota_verdict(const struct gw_request *r, enum gw_reason reason, enum gw_budget_of of);

/* A stage has refused, with *v. A request that was not counted yet is counted now; where that finds the budget used up, *v becomes that refusal. */
void gw_quota_refused(struct gw_request *r, struct gw_verdict *v);
/* The header fields that tell what is left, into the decision. GW_ENOMEM. */
GW_MUST_CHECK enum gw_code gw_quota_tell(struct gw_request *r);
