/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How many WebSockets are open, by user and by address, over all workers: in memory that they share, of which each has a page of its own, so that
 * what a killed one had open is forgotten with its page. Users and addresses are counted by buckets of a keyed hash: who shares one with another has
 * less than is his, never more.
 */
#include "base/hash.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

enum gw_socket_of { GW_SOCKETS_OF_USER, GW_SOCKETS_OF_ADDRESS, GW_SOCKETS_OF_COUNT };

struct gw_socket_counts_memory;

struct gw_socket_counts {
    struct gw_socket_counts_memory *memory; /* NULL: none is shared, and nothing counted */
    struct gw_socket_page *own;
    struct gw_hash_key key;
};

/* Of the memory, which is all zero at first. */
size_t gw_socket_counts_bytes(void);
/* A worker takes a page that nobody has, and wipes those of dead processes. key: random; the first who comes gives it. False: all pages are taken. */
bool gw_socket_counts_join(struct gw_socket_counts *c, void *memory, const struct gw_hash_key *key);
/* Gives it back; what it counted is forgotten. */
void gw_socket_counts_leave(struct gw_socket_counts *c);

/* One more, by that key. False: there are `most` already, and nothing was counted. most 0: any number. */
bool gw_socket_counts_take(const struct gw_socket_counts *c, enum gw_socket_of of, const void *key, size_t len,
                           uint32_t most);
void gw_socket_counts_give_back(const struct gw_socket_counts *c, enum gw_socket_of of, const void *key, size_t len);
/* How many are open at all. */
uint64_t gw_socket_counts_all(const struct gw_socket_counts *c);
