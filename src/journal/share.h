/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How much of a journal file each user has, so that one user's flood cannot take what others need. A count-min sketch (Cormode and
 * Muthukrishnan 2005): its size is fixed, however many users come. It never tells too little; it tells too much only of a user who
 * shares both cells with a flood. One thread.
 */
#include "base/encode.h"
#include "base/hash.h"

#define GW_SHARE_CELLS 1024

struct gw_share {
    struct gw_hash_key key; /* random, so that nobody can choose to share the cells of another */
    uint32_t bytes[2][GW_SHARE_CELLS];
};

void gw_share_add(struct gw_share *s, const struct gw_uuid *user, size_t bytes);
size_t gw_share_of(const struct gw_share *s, const struct gw_uuid *user);
/* A new file: nobody has any of it. */
void gw_share_clear(struct gw_share *s);
