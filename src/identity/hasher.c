/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs stand on their callers' stacks. Each address that waits has a lane, a queue of its jobs; lanes with jobs stand in a ring.
 * A thread takes the first job of the first lane and sends the lane to the ring's end, so that n addresses each get every
 * n-th hash however many jobs one of them holds. There are two rings, of strangers and of known devices, which take turns.
 */
#include "identity/hasher.h"

#include "crypto/secret.h"
#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DUMMY_PASSWORD_BYTES 32

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_DONE };

struct job {
    struct job *next; /* in its lane */
    enum job_state state;
    pthread_cond_t changed; /* to JOB_DONE */
    const char *hash;       /* verify against this; NULL: make one into dst */
    char *dst;
    struct gw_str password;
    const struct gw_hash_client *client;
    enum gw_code code;
    struct gw_error *err;
};

struct lane {
    struct lane *next; /* in the ring, or among the free ones */
    struct gw_ip key;
    struct job *first, *last;
    unsigned count;
};

struct ring {
    struct lane *first, *last;
};

struct gw_hasher {
    struct gw_hasher_options options;
    char dummy[GW_PWHASH_LEN]; /* what a user that does not exist is measured by */
    pthread_mutex_t lock;      /* guards all below */
    pthread_cond_t work, left; /* a job came, or the end; a caller left */
    struct lane *lanes;        /* options.queue_max of them: each waiting job could be of another address */
    struct lane *free_lanes;
    struct ring rings[2]; /* by enum gw_device */
    enum gw_device turn;  /* of the ring that is next, if it has any */
    unsigned waiting, callers;
    bool stopping;
    uint64_t done, refused, gone;
    atomic_uint bcrypt_cost; /* expected; 0: none */
    atomic_ulong evened;
    pthread_t *threads;
    unsigned thread_count; /* running */
};

/* ---- the rings; all under the lock ---- */

static struct lane *find_lane(const struct ring *r, const struct gw_ip *key)
{
    for (struct lane *lane = r->first; lane != NULL; lane = lane->next) {
        if (gw_ip_eq(&lane->key, key))
            return lane;
    }
    return NULL;
}

static void append_lane(struct ring *r, struct lane *lane)
{
    lane->next = NULL;
    if (r->last != NULL)
        r->last->next = lane;
    else
        r->first = lane;
    r->last = lane;
}

static struct lane *open_lane(struct gw_hasher *h, struct ring *r, const struct gw_ip *key)
{
    struct lane *lane = h->free_lanes;
    assert(lane != NULL); /* lanes in use <= jobs waiting < queue_max */
    h->free_lanes = lane->next;
    *lane = (struct lane){.key = *key};
    append_lane(r, lane);
    return lane;
}

/* Strangers leave a quarter of the places alone. */
static bool has_place(const struct gw_hasher *h, enum gw_device device)
{
    unsigned kept = device == GW_DEVICE_KNOWN ? 0 : h->options.queue_max / 4;
    return !h->stopping && h->waiting < h->options.queue_max - kept;
}

/* Of a network, in which there may be any number of addresses. */
static unsigned waiting_in(const struct ring *r, const struct gw_ip *address)
{
    struct gw_ip network = gw_ip_limit_network(address);
    unsigned n = 0;
    for (const struct lane *lane = r->first; lane != NULL; lane = lane->next) {
        struct gw_ip other = gw_ip_limit_network(&lane->key);
        n += gw_ip_eq(&other, &network) ? lane->count : 0;
    }
    return n;
}

/* Half of the places for the strangers of one network. */
static bool network_has_share(const struct gw_hasher *h, const struct gw_hash_client *client)
{
    unsigned max = h->options.queue_max;
    return client->device == GW_DEVICE_KNOWN || waiting_in(&h->rings[client->device], client->address) < max - max / 2;
}

static bool enqueue(struct gw_hasher *h, struct job *job)
{
    struct gw_ip key = gw_ip_limit_key(job->client->address);
    struct ring *ring = &h->rings[job->client->device];
    struct lane *lane = find_lane(ring, &key);
    if (!has_place(h, job->client->device) || !network_has_share(h, job->client))
        return false;
    if (lane != NULL && lane->count >= h->options.per_address_max)
        return false;
    if (lane == NULL)
        lane = open_lane(h, ring, &key);
    if (lane->last != NULL)
        lane->last->next = job;
    else
        lane->first = job;
    lane->last = job;
    lane->count++;
    h->waiting++;
    return true;
}

/* There is one. */
static struct ring *next_ring(struct gw_hasher *h)
{
    enum gw_device turn = h->rings[h->turn].first != NULL ? h->turn : (enum gw_device) !h->turn;
    h->turn = (enum gw_device) !turn;
    return &h->rings[turn];
}

static struct job *dequeue(struct gw_hasher *h)
{
    struct ring *ring = next_ring(h);
    struct lane *lane = ring->first;
    assert(lane != NULL); /* somebody waits */
    struct job *job = lane->first;
    ring->first = lane->next;
    if (ring->first == NULL)
        ring->last = NULL;
    lane->first = job->next;
    lane->count--;
    h->waiting--;
    if (lane->first != NULL) {
        append_lane(ring, lane);
    } else {
        lane->next = h->free_lanes;
        h->free_lanes = lane;
    }
    return job;
}

static void finish(struct job *job, enum gw_code code)
{
    job->code = code;
    job->state = JOB_DONE;
    pthread_cond_signal(&job->changed);
}

/* ---- the threads ---- */

static void burn(struct gw_hasher *h, const char *hash, const struct job *job)
{
    enum gw_code code = gw_pwhash_verify(hash, job->password, NULL);
    assert(code != GW_EPARSE);
    atomic_fetch_add(&h->evened, 1);
}

/* The other kind of hash too, for its time alone. A bcrypt hash of cost N is 2^N of work: after one of a lower cost than the
 * highest, one of each cost from there on makes up the rest (2^N + 2^N + 2^(N+1) + … = 2^highest). */
static void even_out(struct gw_hasher *h, const struct job *job)
{
    char bcrypt[GW_PWHASH_LEN];
    unsigned highest = atomic_load(&h->bcrypt_cost), cost = gw_pwhash_bcrypt_cost(job->hash);
    if (highest == 0)
        return;
    unsigned from = cost != 0 ? cost : highest, to = cost != 0 ? highest : highest + 1;
    for (unsigned n = from; n < to; n++) {
        gw_pwhash_bcrypt_dummy(n, bcrypt);
        burn(h, bcrypt, job);
    }
    if (cost != 0)
        burn(h, h->dummy, job);
}

static enum gw_code work_on(struct gw_hasher *h, const struct job *job)
{
    if (job->hash != NULL) {
        enum gw_code code = gw_pwhash_verify(job->hash, job->password, job->err);
        if (code == GW_EDENIED)
            even_out(h, job);
        return code;
    }
    return gw_pwhash_make(job->password, &h->options.params, h->options.random, job->dst, job->err);
}

/* One job, without the lock while its client is asked about and while it is hashed. */
static void serve(struct gw_hasher *h)
{
    struct job *job = dequeue(h);
    job->state = JOB_RUNNING;
    pthread_mutex_unlock(&h->lock);
    const struct gw_hash_client *client = job->client;
    bool gone = client->gone != NULL && client->gone(client->gone_ctx);
    enum gw_code code = gone ? gw_fail(job->err, GW_ETIMEOUT, "the client has gone") : work_on(h, job);
    pthread_mutex_lock(&h->lock);
    h->gone += gone;
    h->done += !gone;
    finish(job, code);
}

/* Hashing gives way to everything else on the machine: the workers that proxy, first of all. Linux lets every thread lower
 * itself, so there is no failure to look at. */
static void lower_priority(void)
{
    const struct sched_param param = {0};
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &param);
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
}

static void *run_thread(void *ctx)
{
    struct gw_hasher *h = ctx;
    lower_priority();
    pthread_mutex_lock(&h->lock);
    while (!h->stopping) {
        if (h->waiting > 0)
            serve(h);
        else
            pthread_cond_wait(&h->work, &h->lock);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* ---- callers ---- */

static enum gw_code submit(struct gw_hasher *h, struct job *job)
{
    pthread_cond_init(&job->changed, NULL);
    pthread_mutex_lock(&h->lock);
    h->callers++;
    if (enqueue(h, job)) {
        pthread_cond_signal(&h->work);
        while (job->state != JOB_DONE)
            pthread_cond_wait(&job->changed, &h->lock);
    } else {
        h->refused++;
        job->code = gw_fail(job->err, GW_ELIMIT, "too many passwords wait to be hashed");
    }
    h->callers--;
    pthread_cond_signal(&h->left);
    pthread_mutex_unlock(&h->lock);
    pthread_cond_destroy(&job->changed);
    return job->code;
}

enum gw_code gw_hasher_verify(struct gw_hasher *h, const struct gw_hash_client *client, const char *hash,
                              struct gw_str password, struct gw_error *err)
{
    struct job job = {.hash = hash != NULL ? hash : h->dummy, .password = password, .client = client, .err = err};
    enum gw_code code = submit(h, &job);
    if (hash == NULL && code == GW_OK)
        return gw_fail(err, GW_EDENIED, "wrong password");
    return code;
}

enum gw_code gw_hasher_make(struct gw_hasher *h, const struct gw_hash_client *client, struct gw_str password, char *dst,
                            struct gw_error *err)
{
    struct job job = {.dst = dst, .password = password, .client = client, .err = err};
    return submit(h, &job);
}

void gw_hasher_expect_bcrypt(struct gw_hasher *h, unsigned cost)
{
    unsigned known = atomic_load(&h->bcrypt_cost);
    while (cost > known && !atomic_compare_exchange_weak(&h->bcrypt_cost, &known, cost))
        continue;
}

bool gw_hasher_is_outdated(const struct gw_hasher *h, const char *hash)
{
    return gw_pwhash_is_outdated(hash, &h->options.params);
}

void gw_hasher_stats(struct gw_hasher *h, struct gw_hasher_stats *out)
{
    pthread_mutex_lock(&h->lock);
    *out = (struct gw_hasher_stats){.done = h->done,
                                    .refused = h->refused,
                                    .gone = h->gone,
                                    .evened = atomic_load(&h->evened),
                                    .waiting = h->waiting};
    pthread_mutex_unlock(&h->lock);
}

/* ---- life ---- */

static enum gw_code make_dummy(struct gw_hasher *h, struct gw_error *err)
{
    char password[GW_BASE64URL_LEN(DUMMY_PASSWORD_BYTES) + 1];
    GW_TRY(gw_random_text(h->options.random, DUMMY_PASSWORD_BYTES, password, err));
    enum gw_code code = gw_pwhash_make(gw_str(password), &h->options.params, h->options.random, h->dummy, err);
    gw_wipe(password, sizeof(password));
    return code;
}

static enum gw_code start(struct gw_hasher *h, struct gw_error *err)
{
    h->lanes = calloc(h->options.queue_max, sizeof(*h->lanes));
    h->threads = calloc(h->options.threads, sizeof(*h->threads));
    if (h->lanes == NULL || h->threads == NULL)
        return gw_fail(err, GW_ENOMEM, "hashing pool");
    for (unsigned i = 0; i < h->options.queue_max; i++) {
        h->lanes[i].next = h->free_lanes;
        h->free_lanes = &h->lanes[i];
    }
    GW_TRY(make_dummy(h, err));
    for (; h->thread_count < h->options.threads; h->thread_count++) {
        int rc = pthread_create(&h->threads[h->thread_count], NULL, run_thread, h);
        if (rc != 0)
            return gw_fail(err, GW_EBACKEND, "cannot start a hashing thread: %s", strerror(rc));
    }
    return GW_OK;
}

enum gw_code gw_hasher_new(const struct gw_hasher_options *o, struct gw_hasher **out, struct gw_error *err)
{
    assert(o->threads > 0 && o->queue_max > 0 && o->per_address_max > 0);
    struct gw_hasher *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return gw_fail(err, GW_ENOMEM, "hashing pool");
    h->options = *o;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->work, NULL);
    pthread_cond_init(&h->left, NULL);
    enum gw_code code = start(h, err);
    if (code != GW_OK) {
        gw_hasher_free(h);
        return code;
    }
    *out = h;
    return GW_OK;
}

/* Under the lock. Callers still use h until they have left. */
static void turn_away(struct gw_hasher *h)
{
    h->stopping = true;
    pthread_cond_broadcast(&h->work);
    while (h->waiting > 0) {
        struct job *job = dequeue(h);
        h->refused++;
        finish(job, gw_fail(job->err, GW_ELIMIT, "the gateway is stopping"));
    }
    while (h->callers > 0)
        pthread_cond_wait(&h->left, &h->lock);
}

void gw_hasher_free(struct gw_hasher *h)
{
    if (h == NULL)
        return;
    pthread_mutex_lock(&h->lock);
    turn_away(h);
    pthread_mutex_unlock(&h->lock);
    for (unsigned i = 0; i < h->thread_count; i++)
        pthread_join(h->threads[i], NULL);
    pthread_cond_destroy(&h->left);
    pthread_cond_destroy(&h->work);
    pthread_mutex_destroy(&h->lock);
    free(h->threads);
    free(h->lanes);
    free(h);
    /* A pool ends amid others at work: malloc would keep, between what lives on, as many of their blocks (19 MiB) as ever were
     * in use at once. */
    (void)malloc_trim(0);
}
