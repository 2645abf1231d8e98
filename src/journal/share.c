/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/share.h"

#include <string.h>

/* One hash gives both cells: 20 of its 64 bits. */
static void find_cells(const struct gw_share *s, const struct gw_uuid *user, size_t out[2])
{
    uint64_t hash = gw_hash(&s->key, user->b, sizeof(user->b));
    out[0] = hash % GW_SHARE_CELLS;
    out[1] = (hash >> 32) % GW_SHARE_CELLS;
}

void gw_share_add(struct gw_share *s, const struct gw_uuid *user, size_t bytes)
{
    size_t cells[2];
    find_cells(s, user, cells);
    for (size_t i = 0; i < 2; i++)
        s->bytes[i][cells[i]] += (uint32_t)bytes; /* a file holds less than 4 GiB */
}

size_t gw_share_of(const struct gw_share *s, const struct gw_uuid *user)
{
    size_t cells[2];
    find_cells(s, user, cells);
    uint32_t a = s->bytes[0][cells[0]], b = s->bytes[1][cells[1]];
    return a < b ? a : b;
}

void gw_share_clear(struct gw_share *s)
{
    memset(s->bytes, 0, sizeof(s->bytes));
}
