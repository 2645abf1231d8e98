/* SPDX-License-Identifier: Apache-2.0 */
/* What an API key narrows. Counts come from shared memory, so none is trusted beyond its array. */
#include "base/hash.h"
#include "shared/shared.h"

/* 64 bits of a hash stand for a name: the names are the policy's and the key owner's own, and a key of the wrong one holds no more than
 * its owner does. */
uint64_t gw_key_scope(struct gw_str right)
{
    return gw_hash(&(struct gw_hash_key){UINT64_C(0x6161697469736370), UINT64_C(0x6f70657300000001)}, right.ptr,
                   right.len);
}

static size_t at_most(uint8_t count, size_t max)
{
    return count < max ? count : max;
}

bool gw_live_key_leaves(const struct gw_live_key *k, struct gw_str right)
{
    if (k->scope_count == 0)
        return true;
    uint64_t wanted = gw_key_scope(right);
    for (size_t i = 0; i < at_most(k->scope_count, GW_SHARED_KEY_SCOPES_MAX); i++)
        if (k->scopes[i] == wanted)
            return true;
    return false;
}

bool gw_live_key_admits(const struct gw_live_key *k, const struct gw_ip *from)
{
    for (size_t i = 0; i < at_most(k->network_count, GW_SHARED_KEY_NETWORKS_MAX); i++)
        if (gw_cidr_contains(&k->networks[i], from))
            return true;
    return k->network_count == 0;
}
