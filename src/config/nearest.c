/* SPDX-License-Identifier: Apache-2.0 */
/* Three rows of the usual dynamic programme, over words of bounded length. */
#include "config/nearest.h"

#include <string.h>

#define WORD_MAX 64

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned distance(struct gw_str a, struct gw_str b)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *two_back = rows[0], *back = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.len; j++)
        back[j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned change = back[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            row[j] = least(change, least(back[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                row[j] = least(row[j], two_back[j - 2] + 1);
        }
        unsigned *oldest = two_back;
        two_back = back;
        back = row;
        row = oldest;
    }
    return back[b.len];
}

struct gw_str gw_nearest(struct gw_str typed, const struct gw_str *words, size_t count)
{
    struct gw_str best = GW_STR_NULL;
    unsigned best_distance = (unsigned)typed.len / 3 + 1; /* farther is a guess, not a slip */
    if (typed.len == 0 || typed.len > WORD_MAX)
        return best;
    for (size_t i = 0; i < count; i++) {
        if (words[i].len > WORD_MAX)
            continue;
        unsigned d = distance(typed, words[i]);
        if (d < best_distance || (d == best_distance && best.len == 0)) {
            best = words[i];
            best_distance = d;
        }
    }
    return best;
}
