/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page belongs to the process whose id it bears. One more is counted first and looked at then: two who come at once at the limit may both be refused,
 * and never both let in.
 */
#include "shared/socket_counts.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Workers, and those of a reload that end as many. */
#define PAGES 128
#define BUCKETS 4096u

struct gw_socket_page {
    _Atomic pid_t pid; /* 0: nobody's */
    _Atomic uint32_t counts[GW_SOCKETS_OF_COUNT][BUCKETS];
};

struct gw_socket_counts_memory {
    _Atomic uint64_t key[2];
    struct gw_socket_page pages[PAGES];
};

size_t gw_socket_counts_bytes(void)
{
    return sizeof(struct gw_socket_counts_memory);
}

static uint64_t agree(_Atomic uint64_t *word, uint64_t mine)
{
    uint64_t zero = 0;
    return atomic_compare_exchange_strong(word, &zero, mine) ? mine : zero;
}

static bool is_dead(pid_t pid)
{
    return pid != 0 && kill(pid, 0) != 0 && errno == ESRCH;
}

static void forget(struct gw_socket_page *p)
{
    for (int of = 0; of < GW_SOCKETS_OF_COUNT; of++)
        for (size_t i = 0; i < BUCKETS; i++)
            atomic_store_explicit(&p->counts[of][i], 0, memory_order_relaxed);
}

/* What dead processes had open. Each page is ours while it is wiped, lest another take it meanwhile. */
static void forget_the_dead(struct gw_socket_counts_memory *m)
{
    for (size_t i = 0; i < PAGES; i++) {
        struct gw_socket_page *p = &m->pages[i];
        pid_t pid = atomic_load(&p->pid);
        if (!is_dead(pid) || !atomic_compare_exchange_strong(&p->pid, &pid, getpid()))
            continue;
        forget(p);
        atomic_store(&p->pid, 0);
    }
}

bool gw_socket_counts_join(struct gw_socket_counts *c, void *memory, const struct gw_hash_key *key)
{
    c->memory = memory;
    c->own = NULL;
    c->key = (struct gw_hash_key){agree(&c->memory->key[0], key->k0), agree(&c->memory->key[1], key->k1)};
    forget_the_dead(c->memory);
    for (size_t i = 0; i < PAGES && c->own == NULL; i++) {
        pid_t nobody = 0;
        if (atomic_compare_exchange_strong(&c->memory->pages[i].pid, &nobody, getpid()))
            c->own = &c->memory->pages[i];
    }
    return c->own != NULL;
}

void gw_socket_counts_leave(struct gw_socket_counts *c)
{
    if (c->own != NULL) {
        forget(c->own);
        atomic_store(&c->own->pid, 0);
    }
    *c = (struct gw_socket_counts){.memory = NULL};
}

static size_t bucket_of(const struct gw_socket_counts *c, const void *key, size_t len)
{
    return gw_hash(&c->key, key, len) % BUCKETS;
}

static uint64_t sum(const struct gw_socket_counts *c, enum gw_socket_of of, size_t bucket)
{
    uint64_t all = 0;
    for (size_t i = 0; i < PAGES; i++)
        if (atomic_load_explicit(&c->memory->pages[i].pid, memory_order_relaxed) != 0)
            all += atomic_load(&c->memory->pages[i].counts[of][bucket]);
    return all;
}

bool gw_socket_counts_take(const struct gw_socket_counts *c, enum gw_socket_of of, const void *key, size_t len,
                           uint32_t most)
{
    if (c->memory == NULL)
        return true;
    if (c->own == NULL) /* what cannot be counted cannot be held to a limit */
        return false;
    size_t bucket = bucket_of(c, key, len);
    atomic_fetch_add(&c->own->counts[of][bucket], 1);
    if (most == 0 || sum(c, of, bucket) <= most)
        return true;
    atomic_fetch_sub(&c->own->counts[of][bucket], 1);
    return false;
}

void gw_socket_counts_give_back(const struct gw_socket_counts *c, enum gw_socket_of of, const void *key, size_t len)
{
    if (c->own == NULL)
        return;
    uint32_t before = atomic_fetch_sub(&c->own->counts[of][bucket_of(c, key, len)], 1);
    assert(before > 0);
}

uint64_t gw_socket_counts_all(const struct gw_socket_counts *c)
{
    uint64_t all = 0;
    for (size_t i = 0; c->memory != NULL && i < BUCKETS; i++)
        all += sum(c, GW_SOCKETS_OF_USER, i);
    return all;
}
