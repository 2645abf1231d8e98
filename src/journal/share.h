/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How much of a journal file each user has, so that one user's flood cannot take what others need. A sketch (count-min, Cormode and
 * Muthukrishnan 2005): of fixed size whoever comes; it never tells too little, and too much only to who meets a flood in both of his cells. One thread.
 */
#include "base/encode.h"
#include "base/hash.h"

#define GW_SHARE_CELLS 1024

struct gw_share {
    struct gw_hash_key key; /* random: nobody can choose whom he meets */
    uint32_t bytes[2][GW_SHARE_CELLS];
};

void gw_share_add(struct gw_share *s, const struct gw_uuid *user, size_t bytes);
size_t gw_share_of(const struct gw_share *s, const struct gw_uuid *user);
/* A new file: nobody has any of it. */
void gw_share_clear(struct gw_share *s);
