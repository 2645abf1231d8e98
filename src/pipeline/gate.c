/* SPDX-License-Identifier: Apache-2.0 */
/* The gate's life: keys in the master, segments and snapshot in each worker. */
#include "pipeline/answers.h"
#include "pipeline/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- randomness for request ids ---- */

static enum gw_code fill_from_pool(const struct gw_random *self, void *dst, size_t n)
{
    struct gw_random_pool *pool = (struct gw_random_pool *)(uintptr_t)self; /* drops const: a pool runs dry */
    if (n > sizeof(pool->bytes))
        return GW_ELIMIT;
    if (pool->left < n) {
        GW_TRY(gw_random_fill(pool->source, pool->bytes, sizeof(pool->bytes), NULL));
        pool->left = sizeof(pool->bytes);
    }
    pool->left -= n;
    memcpy(dst, pool->bytes + pool->left, n);
    return GW_OK;
}

/* ---- life ---- */

static enum gw_code check_differs(const struct gw_token_ring *ring, const struct gw_secret *upstream,
                                  const char *token_file, const char *upstream_file, struct gw_error *err)
{
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++)
        if (ring->keys[i] != NULL && gw_token_key_is_text(ring->keys[i], upstream))
            return gw_fail(
                err, GW_EINVAL,
                "the token key %s and the upstream key %s are equal: a token of the gateway would be good at the "
                "backend, past the gateway; make another token key: rm %s && aaiti init",
                token_file, upstream_file, token_file);
    return GW_OK;
}

/* What it must be depends on the policy, which the master does not read: each snapshot checks it (gw_mint_check). */
static enum gw_code load_upstream_keys(struct gw_gate *g, const char *token_file, const char *upstream_file,
                                       struct gw_error *err)
{
    char staged[PATH_MAX];
    if (snprintf(staged, sizeof(staged), "%s.next", upstream_file) >= (int)sizeof(staged))
        return gw_fail(err, GW_ELIMIT, "the name of the upstream key is too long");
    GW_TRY(gw_secret_load_foreign(upstream_file, &g->upstream_keys[0], err));
    GW_TRY(check_differs(&g->ring, g->upstream_keys[0], token_file, upstream_file, err));
    enum gw_code code = gw_secret_load_foreign(staged, &g->upstream_keys[1], err);
    if (code != GW_OK)
        return code == GW_ENOTFOUND ? GW_OK : code;
    return check_differs(&g->ring, g->upstream_keys[1], token_file, staged, err);
}

/* Who has one of the others could read what only the operator is to be told, or forge it. */
static enum gw_code load_request_id_key(struct gw_gate *g, const char *file, struct gw_error *err)
{
    GW_TRY(gw_secret_load(file, &g->request_id_key, err));
    bool used = false;
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++)
        used = used || (g->ring.keys[i] != NULL && gw_token_key_is_text(g->ring.keys[i], g->request_id_key));
    for (size_t i = 0; i < GW_UPSTREAM_KEYS; i++)
        used = used || (g->upstream_keys[i] != NULL && gw_secret_eq(g->upstream_keys[i], g->request_id_key));
    return used ? gw_fail(err, GW_EINVAL,
                          "the key of request ids %s is also a token key or the upstream's; make another: rm %s && "
                          "aaiti init",
                          file, file)
                : GW_OK;
}

static enum gw_code load_keys(struct gw_gate *g, const struct gw_gate_options *options, struct gw_error *err)
{
    const struct gw_token_files files = {
        .path = options->token_key_file != NULL ? options->token_key_file : options->token_public_key_file,
        .algorithm = options->token_key_file != NULL ? GW_TOKEN_HS256 : GW_TOKEN_EDDSA,
    };
    GW_TRY(gw_token_ring_load_verifiers(&files, &g->ring, err));
    GW_TRY(gw_jwks_body(&g->ring, &g->arena, &g->jwks));
    if (options->upstream_key_file != NULL)
        GW_TRY(load_upstream_keys(g, files.path, options->upstream_key_file, err));
    return load_request_id_key(g, options->request_id_key_file, err);
}

static enum gw_code open_mode_dir(struct gw_gate *g, const char *path, struct gw_error *err)
{
    g->mode_dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (g->mode_dir < 0)
        return gw_fail(err, GW_EBACKEND, "cannot open the directory of the mode %s: %s", path, strerror(errno));
    gw_mode_reader_init(&g->modes, g->mode_dir);
    return GW_OK;
}

static void free_scoped(struct gw_gate **g)
{
    gw_gate_free(*g);
}

enum gw_code gw_gate_new(const struct gw_gate_options *options, struct gw_gate **out, struct gw_error *err)
{
    __attribute__((cleanup(free_scoped))) struct gw_gate *g = calloc(1, sizeof(*g));
    if (g == NULL || (g->run_dir = strdup(options->run_dir)) == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the gate");
    g->clock = gw_system_clock();
    g->random = gw_system_random();
    g->journals.dir = g->mode_dir = -1;
    gw_mode_reader_init(&g->modes, -1);
    gw_arena_init(&g->arena, 16 * 1024);
    GW_TRY(load_keys(g, options, err));
    GW_TRY(gw_journals_open(&g->journals, options, err));
    GW_TRY(open_mode_dir(g, options->mode_dir, err));
    *out = gw_take(&g);
    return GW_OK;
}

void gw_gate_free(struct gw_gate *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < GW_UPSTREAM_KEYS; i++)
        gw_mint_free(g->mints[i]);
    gw_journals_done(&g->journals);
    gw_connections_free(g->connections);
    gw_connections_free(g->delayed);
    gw_sockets_done(&g->sockets);
    gw_mode_reader_done(&g->modes);
    if (g->mode_dir >= 0)
        close(g->mode_dir);
    gw_snapshot_unref(g->snapshot);
    gw_shared_close(g->shared);
    for (size_t i = 0; i < GW_UPSTREAM_KEYS; i++)
        gw_secret_free(g->upstream_keys[i]);
    gw_id_sealer_free(g->sealer);
    gw_secret_free(g->request_id_key);
    gw_token_ring_done(&g->ring);
    gw_arena_done(&g->arena);
    free(g->run_dir);
    free(g);
}

/* Not being able to is a state, not a failure: control may be about to make them, and until then requests get 503. */
static void map_segments(struct gw_gate *g)
{
    if (g->shared != NULL && gw_shared_is_retired(g->shared)) {
        gw_shared_close(g->shared);
        g->shared = NULL;
    }
    if (g->shared == NULL && gw_shared_open(g->run_dir, GW_SHARED_READER, NULL, &g->shared, NULL) != GW_OK)
        g->shared = NULL;
}

static void sweep_counters(const struct gw_gate *g)
{
    if (g->shared == NULL)
        return;
    gw_rates_sweep(gw_shared_rates(g->shared), gw_clock_mono_ms(g->clock));
    gw_nonces_look(gw_shared_nonces(g->shared), gw_clock_real_s(g->clock));
}

enum gw_code gw_gate_start(struct gw_gate *g, struct gw_error *err)
{
    g->pool = (struct gw_random_pool){.random = {.fill = fill_from_pool}, .source = g->random};
    GW_TRY(gw_id_sealer_new(g->request_id_key, &g->pool.random, &g->sealer, err));
    GW_TRY(gw_mint_new(g->upstream_keys[0], &g->mints[0], err));
    if (g->upstream_keys[1] != NULL)
        GW_TRY(gw_mint_new(g->upstream_keys[1], &g->mints[1], err));
    map_segments(g);
    sweep_counters(g);
    gw_mode_reader_poll(&g->modes);
    return gw_journals_start(g, err);
}

/* ---- counts that workers share: the pages of metrics, and behind them those of sockets ---- */

size_t gw_counts_bytes(void)
{
    return gw_metrics_bytes() + gw_socket_counts_bytes();
}

uint64_t gw_counts_layout(void)
{
    return gw_metrics_layout() * 31 + gw_socket_counts_bytes();
}

void gw_gate_share_counts(struct gw_gate *g, void *memory, unsigned worker)
{
    struct gw_hash_key key = {0, 0};
    gw_metrics_share(&g->metrics, memory, worker);
    if (gw_random_fill(g->random, &key, sizeof(key), NULL) == GW_OK)
        (void)gw_socket_counts_join(&g->sockets.counts, (char *)memory + gw_metrics_bytes(), &key);
}

void gw_gate_stop(struct gw_gate *g)
{
    gw_socket_counts_leave(&g->sockets.counts);
    gw_journals_flush(&g->journals);
}

bool gw_gate_poll(struct gw_gate *g)
{
    map_segments(g);
    sweep_counters(g);
    gw_mode_reader_poll(&g->modes);
    gw_journals_poll(g);
    gw_sockets_poll(g);
    struct gw_bundle_ref ref;
    if (g->shared == NULL || gw_shared_get_bundle(g->shared, &ref) != GW_OK)
        return false;
    if (g->snapshot == NULL)
        return true;
    const struct gw_bundle_ref *used = &g->snapshot->ref;
    return ref.generation != used->generation || strcmp(ref.hash, used->hash) != 0;
}

enum gw_code gw_gate_load(const struct gw_gate *g, struct gw_snapshot **out, struct gw_error *err)
{
    /* A mapping of its own: the event loop may replace the gate's at any time. */
    gw_auto(gw_shared) struct gw_shared *shared = NULL;
    GW_TRY(gw_shared_open(g->run_dir, GW_SHARED_READER, NULL, &shared, err));
    struct gw_bundle_ref ref;
    enum gw_code code = gw_shared_get_bundle(shared, &ref);
    if (code != GW_OK)
        return gw_fail(err, code, "no policy is published");
    const struct gw_snapshot_source source = {.run_dir = g->run_dir,
                                              .ref = &ref,
                                              .ring = &g->ring,
                                              .upstream_keys = (const struct gw_secret *const *)g->upstream_keys};
    return gw_snapshot_load(&source, out, err);
}

void gw_gate_install(struct gw_gate *g, struct gw_snapshot *s)
{
    gw_snapshot_unref(g->snapshot);
    s->edition = ++g->installs;
    g->snapshot = s;
}

uint64_t gw_gate_generation(const struct gw_gate *g)
{
    return g->snapshot != NULL ? g->snapshot->ref.generation : 0;
}

/* ---- answers of which the gate was not asked ---- */

struct gw_cors_answer gw_cors_unjudged(const struct gw_gate *g, const struct gw_header *headers, size_t count)
{
    const struct gw_cors nobody = {.count = 0};
    return gw_cors_of_headers(g->snapshot != NULL ? &g->snapshot->cors : &nobody, headers, count);
}

/* ---- connections ---- */

enum gw_code gw_gate_count_connections(struct gw_gate *g, size_t most, struct gw_error *err)
{
    return gw_connections_new(most, g->random, &g->connections, err);
}

/* Looked up only for who has many. */
static bool has_too_many(const struct gw_gate *g, const struct gw_ip *peer)
{
    if (g->snapshot == NULL || g->snapshot->settings.connections_per_address == 0)
        return false;
    const struct gw_settings *s = &g->snapshot->settings;
    return gw_connections_of(g->connections, peer) >= s->connections_per_address &&
           !gw_cidrs_contain(s->allow.item, s->allow.count, peer) &&
           !gw_cidrs_contain(s->trusted_proxies.item, s->trusted_proxies.count, peer);
}

bool gw_gate_connection_opened(struct gw_gate *g, const uint8_t peer[16])
{
    struct gw_ip ip;
    memcpy(ip.b, peer, sizeof(ip.b));
    bool is_taken =
        g->connections == NULL || (!has_too_many(g, &ip) && gw_connections_add(g->connections, &ip) == GW_OK);
    gw_metrics_add(&g->metrics, GW_COUNTER_CONNECTIONS, is_taken ? 0 : 1, 0);
    return is_taken;
}

void gw_gate_connection_closed(struct gw_gate *g, const uint8_t peer[16])
{
    struct gw_ip ip;
    memcpy(ip.b, peer, sizeof(ip.b));
    if (g->connections != NULL)
        gw_connections_drop(g->connections, &ip);
}
