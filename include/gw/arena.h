/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Memory that is freed all at once: a request's, a snapshot's, a loader's. An arena is used by one thread at a time.
 * Growth comes from a callback, so that a request's arena draws on its nginx pool and a snapshot's on malloc.
 */
#include <gw/error.h>
#include <gw/str.h>

/* Gives size bytes aligned for any type, or NULL. What it gives must live as long as the arena. */
typedef void *(*gw_arena_grow_fn)(void *ctx, size_t size);

struct gw_arena {
    char *next, *end;      /* free part of the current chunk */
    gw_arena_grow_fn grow; /* NULL: malloc, released by gw_arena_done */
    void *grow_ctx;
    struct gw_arena_chunk *chunks; /* malloc'd ones, newest first */
    size_t chunk_bytes;            /* size of the next chunk */
    size_t used_bytes, max_bytes;  /* refuses beyond max_bytes */
};

/* A malloc arena. max_bytes caps what it will ever hand out. */
void gw_arena_init(struct gw_arena *a, size_t max_bytes);
/* An arena over a caller's buffer that grows through grow(ctx). gw_arena_done frees nothing of it. */
void gw_arena_init_over(struct gw_arena *a, void *buf, size_t size, gw_arena_grow_fn grow, void *ctx, size_t max_bytes);
void gw_arena_done(struct gw_arena *a);

/* Uninitialised, aligned for any type; NULL when memory or the cap is used up. */
void *gw_arena_alloc(struct gw_arena *a, size_t size);
/* Zeroed array; NULL also when count * size overflows. */
void *gw_arena_calloc(struct gw_arena *a, size_t count, size_t size);
/* A copy with a NUL behind it (not counted in len). *out is written on success only. */
GW_MUST_CHECK enum gw_code gw_arena_str(struct gw_arena *a, struct gw_str s, struct gw_str *out);
/* Bytes handed out so far. */
size_t gw_arena_used(const struct gw_arena *a);

#include <gw/cleanup.h>
GW_DEFINE_AUTO_DONE(gw_arena);
