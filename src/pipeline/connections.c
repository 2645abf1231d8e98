/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of nodes out of one array, from heads chosen by SipHash under a key of this process: nobody can choose addresses that share one. */
#include "pipeline/connections.h"

#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>

#define NONE UINT32_MAX

struct node {
    struct gw_ip key;
    uint32_t count, next;
};

struct gw_connections {
    struct gw_hash_key key;
    uint32_t mask, free_node;
    uint32_t *heads;
    struct node nodes[];
};

static uint32_t heads_for(size_t most)
{
    uint32_t n = 1;
    while (n < most)
        n *= 2;
    return n;
}

enum gw_code gw_connections_new(size_t most, const struct gw_random *random, struct gw_connections **out,
                                struct gw_error *err)
{
    assert(most > 0 && most < NONE / 2);
    uint32_t heads = heads_for(most);
    gw_auto(gw_connections) struct gw_connections *c = calloc(1, sizeof(*c) + most * sizeof(c->nodes[0]));
    if (c == NULL || (c->heads = malloc(heads * sizeof(c->heads[0]))) == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory to count connections");
    GW_TRY(gw_random_fill(random, &c->key, sizeof(c->key), err));
    c->mask = heads - 1;
    for (uint32_t i = 0; i < heads; i++)
        c->heads[i] = NONE;
    for (uint32_t i = 0; i < most; i++)
        c->nodes[i].next = i + 1 < most ? i + 1 : NONE;
    *out = gw_take(&c);
    return GW_OK;
}

void gw_connections_free(struct gw_connections *c)
{
    if (c == NULL)
        return;
    free(c->heads);
    free(c);
}

/* Where the key's node hangs, or would: *link is it, or NONE. */
static uint32_t *find(struct gw_connections *c, const struct gw_ip *key)
{
    uint32_t *link = &c->heads[gw_hash(&c->key, key->b, sizeof(key->b)) & c->mask];
    while (*link != NONE && !gw_ip_eq(&c->nodes[*link].key, key))
        link = &c->nodes[*link].next;
    return link;
}

unsigned gw_connections_of(struct gw_connections *c, const struct gw_ip *address)
{
    const struct gw_ip key = gw_ip_limit_key(address);
    uint32_t node = *find(c, &key);
    return node != NONE ? c->nodes[node].count : 0;
}

enum gw_code gw_connections_add(struct gw_connections *c, const struct gw_ip *address)
{
    const struct gw_ip key = gw_ip_limit_key(address);
    uint32_t *link = find(c, &key);
    if (*link == NONE) {
        uint32_t node = c->free_node;
        if (node == NONE)
            return GW_ELIMIT;
        c->free_node = c->nodes[node].next;
        c->nodes[node] = (struct node){.key = key, .next = NONE};
        *link = node;
    }
    c->nodes[*link].count++;
    return GW_OK;
}

void gw_connections_drop(struct gw_connections *c, const struct gw_ip *address)
{
    const struct gw_ip key = gw_ip_limit_key(address);
    uint32_t *link = find(c, &key), node = *link;
    assert(node != NONE);
    if (--c->nodes[node].count > 0)
        return;
    *link = c->nodes[node].next;
    c->nodes[node].next = c->free_node;
    c->free_node = node;
}
