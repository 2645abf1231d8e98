/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Whether text that comes in pieces is UTF-8 (RFC 3629 section 4), wherever the pieces were cut. Three bytes of state, no allocation.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: nothing has come yet. */
struct gw_utf8 {
    uint8_t missing;   /* bytes that the character begun still wants */
    uint8_t low, high; /* between which the next of them must be */
};

/* False: the text is not UTF-8, whatever follows. */
bool gw_utf8_feed(struct gw_utf8 *u, const uint8_t *bytes, size_t len);
/* No character is cut off. */
static inline bool gw_utf8_is_whole(const struct gw_utf8 *u)
{
    return u->missing == 0;
}
