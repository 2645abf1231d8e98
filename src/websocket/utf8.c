/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A first byte says how many follow, and for four of them (E0, ED, F0, F4) the second is bounded more narrowly: there overlong forms,
 * surrogates and what is beyond U+10FFFF end. Text is ASCII most of the time, which is passed over eight bytes at once.
 */
#include "websocket/utf8.h"

#include <string.h>

#define EVERY_HIGH_BIT 0x8080808080808080u

static size_t skip_ascii(const uint8_t *bytes, size_t len)
{
    size_t i = 0;
    uint64_t word;
    for (; len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        if ((word & EVERY_HIGH_BIT) != 0)
            break;
    }
    while (i < len && bytes[i] < 0x80)
        i++;
    return i;
}

static bool begin(struct gw_utf8 *u, uint8_t first)
{
    if (first < 0xc2 || first > 0xf4)
        return false;
    u->missing = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    u->low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    u->high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    return true;
}

bool gw_utf8_feed(struct gw_utf8 *u, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (u->missing == 0) {
            i += skip_ascii(bytes + i, len - i);
            if (i < len && !begin(u, bytes[i]))
                return false;
            continue;
        }
        if (bytes[i] < u->low || bytes[i] > u->high)
            return false;
        u->missing--;
        u->low = 0x80;
        u->high = 0xbf;
    }
    return true;
}
