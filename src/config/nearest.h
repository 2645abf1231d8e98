/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * "did you mean": the known word that a mistyped one is nearest to, by edit distance (optimal string alignment).
 */
#include <gw/str.h>

/* One of words, or an empty span when none is near enough to be meant. */
struct gw_str gw_nearest(struct gw_str typed, const struct gw_str *words, size_t count);
