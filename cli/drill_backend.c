/* SPDX-License-Identifier: Apache-2.0 */
#include "drill_backend.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define OPENS_MAX 65536
#define THREADS 2
#define ANSWER "{\"message\":\"done\",\"bots\":[]}"

struct drill_backend {
    struct MHD_Daemon *daemon;
    pthread_mutex_t lock; /* the two below */
    size_t count;
    int64_t opens_ms[OPENS_MAX];
};

static void note_open(struct drill_backend *b)
{
    pthread_mutex_lock(&b->lock);
    if (b->count < OPENS_MAX)
        b->opens_ms[b->count++] = gw_clock_mono_ms(gw_system_clock());
    pthread_mutex_unlock(&b->lock);
}

static bool is_open(const char *target)
{
    static const char start[] = "/start";
    size_t n = strlen(target);
    return n >= sizeof(start) - 1 && strcmp(target + n - (sizeof(start) - 1), start) == 0;
}

/* Called with the head, with each piece of the body, and at its end. */
static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *target, const char *method,
                              const char *version, const char *body, size_t *body_bytes, void **seen)
{
    (void)method, (void)version, (void)body;
    if (*seen == NULL) {
        *seen = c;
        if (is_open(target))
            note_open(cls);
        return MHD_YES;
    }
    if (*body_bytes > 0) {
        *body_bytes = 0;
        return MHD_YES;
    }
    struct MHD_Response *r =
        MHD_create_response_from_buffer(sizeof(ANSWER) - 1, (void *)(uintptr_t)ANSWER, MHD_RESPMEM_PERSISTENT);
    if (r == NULL)
        return MHD_NO;
    enum MHD_Result result = MHD_add_response_header(r, "Content-Type", "application/json") == MHD_YES
                                 ? MHD_queue_response(c, 200, r)
                                 : MHD_NO;
    MHD_destroy_response(r);
    return result;
}

enum gw_code drill_backend_new(struct drill_backend **out, struct gw_error *err)
{
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    gw_auto(drill_backend) struct drill_backend *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a backend");
    pthread_mutex_init(&b->lock, NULL);
    b->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, handle, b, MHD_OPTION_SOCK_ADDR,
                                 (const struct sockaddr *)(const void *)&address, MHD_OPTION_THREAD_POOL_SIZE, THREADS,
                                 MHD_OPTION_END);
    if (b->daemon == NULL)
        return gw_fail(err, GW_EBACKEND, "cannot start a backend on 127.0.0.1");
    *out = gw_take(&b);
    return GW_OK;
}

void drill_backend_free(struct drill_backend *b)
{
    if (b == NULL)
        return;
    if (b->daemon != NULL)
        MHD_stop_daemon(b->daemon);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

unsigned drill_backend_port(const struct drill_backend *b)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(b->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info != NULL ? info->port : 0;
}

void drill_backend_ledger(struct drill_backend *b, int64_t since_ms, struct drill_ledger *out)
{
    *out = (struct drill_ledger){0};
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->count; i++) {
        if (b->opens_ms[i] >= since_ms)
            out->opens_since++;
        out->last_open_ms = b->opens_ms[i] > out->last_open_ms ? b->opens_ms[i] : out->last_open_ms;
    }
    pthread_mutex_unlock(&b->lock);
}
