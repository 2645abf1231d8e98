/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Tells spraying from slips: how many different accounts one address or network tries in vain, and from how many different
 * addresses one account is tried. It counts without names, in fixed room; it limits nobody. One thread at a time.
 */
#include "base/hash.h"
#include <gw/cleanup.h>
#include <gw/error.h>
#include <stdbool.h>

enum gw_spraying_cause { GW_SPRAYING_ADDRESS, GW_SPRAYING_NETWORK, GW_SPRAYING_ACCOUNT, GW_SPRAYING_CAUSES };

struct gw_spraying;

GW_MUST_CHECK enum gw_code gw_spraying_new(struct gw_spraying **out, struct gw_error *err);
void gw_spraying_free(struct gw_spraying *s);
GW_DEFINE_AUTO_FREE(gw_spraying);

struct gw_spraying_limits {
    unsigned distinct; /* 2..GW_SPRAYING_DISTINCT_MAX */
    int64_t window_ms;
};
#define GW_SPRAYING_DISTINCT_MAX 64

struct gw_spraying_count {
    unsigned distinct; /* at least so many */
    unsigned attempts; /* in vain, within this window */
};

/* One attempt in vain: cause and what are keyed hashes, of the network and of the account, say. True once in a window, when the cause
 * has tried at least l->distinct different things; then *out is filled. Never too early, and perhaps a few things late, for two may set the same
 * bit. In one window it is true of a hundred causes at most. */
bool gw_spraying_note(struct gw_spraying *s, const struct gw_spraying_limits *l, uint64_t cause, uint64_t what,
                      int64_t now_ms, struct gw_spraying_count *out);
