/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Keyed hash for tables whose keys an attacker can choose (SipHash-2-4, Aumasson and Bernstein 2012). Not a signature.
 */
#include <stddef.h>
#include <stdint.h>

struct gw_hash_key {
    uint64_t k0, k1;
};

uint64_t gw_hash(const struct gw_hash_key *key, const void *data, size_t len);
