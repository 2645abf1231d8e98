/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bump allocator. Chunks double up to CHUNK_MAX; a piece larger than the next chunk gets a chunk of its own size. What
 * is left of the former chunk is given up: at most a piece per chunk.
 */
#include <gw/arena.h>

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = alignof(max_align_t), CHUNK_FIRST = 4096, CHUNK_MAX = 64 * 1024 };

struct gw_arena_chunk {
    alignas(max_align_t) struct gw_arena_chunk *older;
};

void gw_arena_init(struct gw_arena *a, size_t max_bytes)
{
    *a = (struct gw_arena){.chunk_bytes = CHUNK_FIRST, .max_bytes = max_bytes};
}

void gw_arena_init_over(struct gw_arena *a, void *buf, size_t size, gw_arena_grow_fn grow, void *ctx, size_t max_bytes)
{
    gw_arena_init(a, max_bytes);
    a->grow = grow;
    a->grow_ctx = ctx;
    size_t skip = (ALIGN - (uintptr_t)buf % ALIGN) % ALIGN;
    if (buf != NULL && size >= skip) {
        a->next = (char *)buf + skip;
        a->end = (char *)buf + size;
    }
}

void gw_arena_done(struct gw_arena *a)
{
    for (struct gw_arena_chunk *c = a->chunks; c != NULL;) {
        struct gw_arena_chunk *older = c->older;
        free(c);
        c = older;
    }
    *a = (struct gw_arena){0};
}

static char *chunk_new(struct gw_arena *a, size_t bytes)
{
    if (a->grow != NULL)
        return a->grow(a->grow_ctx, bytes);
    if (bytes > SIZE_MAX - sizeof(struct gw_arena_chunk))
        return NULL;
    struct gw_arena_chunk *c = malloc(sizeof(*c) + bytes);
    if (c == NULL)
        return NULL;
    c->older = a->chunks;
    a->chunks = c;
    return (char *)(c + 1);
}

static bool grow(struct gw_arena *a, size_t size)
{
    size_t bytes = size > a->chunk_bytes ? size : a->chunk_bytes;
    char *chunk = chunk_new(a, bytes);
    if (chunk == NULL)
        return false;
    a->next = chunk;
    a->end = chunk + bytes;
    if (a->chunk_bytes < CHUNK_MAX)
        a->chunk_bytes *= 2;
    return true;
}

void *gw_arena_alloc(struct gw_arena *a, size_t size)
{
    if (size > SIZE_MAX - ALIGN)
        return NULL;
    size = size == 0 ? ALIGN : (size + ALIGN - 1) / ALIGN * ALIGN;
    if (size > a->max_bytes - a->used_bytes)
        return NULL;
    if (size > (size_t)(a->end - a->next) && !grow(a, size))
        return NULL;
    void *piece = a->next;
    a->next += size;
    a->used_bytes += size;
    return piece;
}

void *gw_arena_calloc(struct gw_arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *piece = gw_arena_alloc(a, bytes);
    return piece != NULL ? memset(piece, 0, bytes) : NULL;
}

enum gw_code gw_arena_str(struct gw_arena *a, struct gw_str s, struct gw_str *out)
{
    char *copy = s.len < SIZE_MAX ? gw_arena_alloc(a, s.len + 1) : NULL;
    if (copy == NULL)
        return GW_ENOMEM;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    *out = (struct gw_str){copy, s.len};
    return GW_OK;
}

size_t gw_arena_used(const struct gw_arena *a)
{
    return a->used_bytes;
}
