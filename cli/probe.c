/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"
#include "base/buf.h"
#include "control/run_dir.h"
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static enum gw_code fail_errno(const struct gw_probe *p, struct gw_error *err)
{
    bool late = errno == EAGAIN || errno == EINPROGRESS || errno == ETIMEDOUT;
    return gw_fail(err, late ? GW_ETIMEOUT : GW_EBACKEND, "%.*s port %u: %s", GW_STR_ARG(p->host), p->port,
                   late ? "no answer in time" : strerror(errno));
}

static int connect_address(const struct addrinfo *a, int timeout_ms)
{
    gw_auto_fd int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    struct timeval t = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    /* Linux bounds connect by the send time-out. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) != 0 || connect(fd, a->ai_addr, a->ai_addrlen) != 0)
        return -1;
    int connected = fd;
    fd = -1;
    return connected;
}

static enum gw_code connect_host(const struct gw_probe *p, int *out_fd, struct gw_error *err)
{
    char host[256], port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all;
    if (!gw_str_copy(p->host, host, sizeof(host)))
        return gw_fail(err, GW_EINVAL, "a host name longer than %zu bytes", sizeof(host) - 1);
    (void)snprintf(port, sizeof(port), "%u", p->port);
    int rc = getaddrinfo(host, port, &hints, &all);
    if (rc != 0)
        return gw_fail(err, GW_EBACKEND, "%s: %s", host, gai_strerror(rc));
    int fd = -1;
    for (const struct addrinfo *a = all; a != NULL && fd < 0; a = a->ai_next)
        fd = connect_address(a, p->timeout_ms);
    int saved = errno;
    freeaddrinfo(all);
    errno = saved;
    if (fd < 0)
        return fail_errno(p, err);
    *out_fd = fd;
    return GW_OK;
}

/* "HTTP/1.1 200 …" */
static enum gw_code parse_status(const struct gw_probe *p, struct gw_str answer, unsigned *out_status,
                                 struct gw_error *err)
{
    int64_t status;
    struct gw_str digits = gw_str_sub(answer, 9, 3);
    if (!gw_str_starts(answer, GW_STR("HTTP/1.")) || digits.len != 3 || !gw_str_to_i64(digits, &status) || status < 100)
        return gw_fail(err, GW_EPARSE, "%.*s port %u: the answer is not HTTP", GW_STR_ARG(p->host), p->port);
    *out_status = (unsigned)status;
    return GW_OK;
}

/* The rest of a short answer, so that the backend does not see its connection reset. */
static void drain(int fd)
{
    char rest[4096];
    for (int i = 0; i < 16 && recv(fd, rest, sizeof(rest), 0) > 0; i++)
        ;
}

static enum gw_code exchange_plain(const struct gw_probe *p, int fd, struct gw_str request, char *dst, size_t size,
                                   size_t *out_len, struct gw_error *err)
{
    if (send(fd, request.ptr, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
        return fail_errno(p, err);
    ssize_t n = recv(fd, dst, size, MSG_WAITALL);
    if (n < 0)
        return fail_errno(p, err);
    *out_len = (size_t)n;
    drain(fd);
    return GW_OK;
}

static enum gw_code exchange_tls(const struct gw_probe *p, int fd, struct gw_str request, char *dst, size_t size,
                                 size_t *out_len, struct gw_error *err)
{
    gw_auto(gw_tls) struct gw_tls *tls = NULL;
    GW_TRY(gw_tls_connect(fd, &p->terms, &tls, err));
    GW_TRY(gw_tls_write(tls, request, err));
    return gw_tls_read(tls, dst, size, out_len, err);
}

enum gw_code gw_probe_get(const struct gw_probe *p, unsigned *out_status, struct gw_error *err)
{
    char answer[12]; /* up to the status */
    size_t len = 0;
    gw_auto_fd int fd = -1;
    gw_auto(gw_buf) struct gw_buf request = {0};
    gw_buf_init(&request, 8192);
    gw_buf_addf(&request, "GET %.*s HTTP/1.1\r\nHost: %.*s:%u\r\nConnection: close\r\n", GW_STR_ARG(p->path),
                GW_STR_ARG(p->host), p->port);
    gw_buf_add(&request, p->header);
    gw_buf_add(&request, p->header.len > 0 ? GW_STR("\r\n\r\n") : GW_STR("\r\n"));
    GW_TRY(gw_buf_check(&request, err));
    GW_TRY(connect_host(p, &fd, err));
    GW_TRY(p->transport == GW_PROBE_TLS
               ? exchange_tls(p, fd, gw_buf_str(&request), answer, sizeof(answer), &len, err)
               : exchange_plain(p, fd, gw_buf_str(&request), answer, sizeof(answer), &len, err));
    return parse_status(p, (struct gw_str){answer, len}, out_status, err);
}

bool gw_probe_gateway(const struct gw_settings *s, const char *home)
{
    return gw_probe_shows(s, home, NULL);
}

bool gw_probe_shows(const struct gw_settings *s, const char *home, const char *certificates)
{
    char run_dir[GW_RUN_PATH_MAX + 1], own[GW_RUN_DIR_FILE_MAX];
    struct gw_str listen = s->listen;
    size_t colon = listen.len;
    int64_t port;
    unsigned status;
    while (colon > 0 && listen.ptr[colon - 1] != ':')
        colon--;
    struct gw_str host = gw_str_sub(listen, 0, colon - 1);
    if (gw_str_starts(host, GW_STR("[")))
        host = gw_str_sub(host, 1, host.len - 2);
    if (!gw_str_to_i64(gw_str_sub(listen, colon, listen.len), &port) ||
        gw_run_dir_name(s, home, run_dir, NULL) != GW_OK)
        return false;
    (void)snprintf(own, sizeof(own), "%s" GW_RUN_NGINX_SUFFIX "/" GW_RUN_OWN, run_dir);
    const struct gw_probe probe = {
        .transport = GW_PROBE_TLS,
        .terms = {.preamble = s->listen_proxy_protocol ? GW_TLS_PROXIED : GW_TLS_PLAIN,
                  .certificates = certificates,
                  .own = own},
        .host = host,
        .port = (unsigned)port,
        .path = GW_STR("/aaiti/health"),
        .timeout_ms = 1000,
    };
    return gw_probe_get(&probe, &status, NULL) == GW_OK && status == 200;
}
