/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.0, so that the answer ends with the connection and has no chunks. The time that is left bounds each step: nginx writes whole
 * records of TLS, so no read outlasts it for long.
 */
#include "response/own_listener.h"

#include "base/http.h"
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define HEAD_MAX ((size_t)64 * 1024)
#define PORT_MAX 5

struct call {
    const struct gw_own_listener *listener;
    int64_t deadline_ms;
    int fd;
};

/* False: no time is left. */
static bool set_time_left(const struct call *c)
{
    int64_t ms = c->deadline_ms - gw_clock_mono_ms(c->listener->clock);
    const struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    return ms > 0 && setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)) == 0 &&
           setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)) == 0;
}

static bool split_listen(struct gw_str listen, char host[64], char port[PORT_MAX + 1])
{
    size_t colon = listen.len;
    while (colon > 0 && listen.ptr[colon - 1] != ':')
        colon--;
    struct gw_str address = gw_str_sub(listen, 0, colon > 0 ? colon - 1 : 0);
    if (gw_str_starts(address, GW_STR("[")))
        address = gw_str_sub(address, 1, address.len - 2);
    return gw_str_copy(address, host, 64) && gw_str_copy(gw_str_sub(listen, colon, listen.len), port, PORT_MAX + 1);
}

/* An address that takes all of this machine's reaches it, too. Linux bounds connect by the send time-out. */
static bool connect_to(struct call *c)
{
    char host[64], port[PORT_MAX + 1];
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *a;
    if (!split_listen(c->listener->listen, host, port) || getaddrinfo(host, port, &hints, &a) != 0)
        return false;
    c->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    bool connected = c->fd >= 0 && set_time_left(c) && connect(c->fd, a->ai_addr, a->ai_addrlen) == 0;
    freeaddrinfo(a);
    return connected;
}

static void write_request(const struct gw_own_listener *l, const struct gw_safe_request *q, struct gw_buf *out)
{
    gw_buf_addf(out, "%.*s %.*s HTTP/1.0\r\nHost: %.*s\r\nUser-Agent: %.*s\r\nAuthorization: Bearer %.*s\r\n",
                GW_STR_ARG(q->method), GW_STR_ARG(q->target), GW_STR_ARG(l->listen), GW_STR_ARG(l->user_agent),
                GW_STR_ARG(l->token));
    if (q->body.len > 0)
        gw_buf_add(out, GW_STR("Content-Type: application/json\r\n"));
    if (!gw_str_eq(q->method, GW_STR("GET")))
        gw_buf_addf(out, "Content-Length: %zu\r\n", q->body.len);
    gw_buf_add(out, GW_STR("\r\n"));
    gw_buf_add(out, q->body);
}

/* Everything up to out's cap. False: it broke off. */
static bool receive(const struct call *c, struct gw_tls *tls, struct gw_buf *out)
{
    char piece[16 * 1024];
    size_t n = 1;
    while (n > 0 && gw_buf_check(out, NULL) == GW_OK) {
        if (!set_time_left(c) || gw_tls_read(tls, piece, sizeof(piece), &n, NULL) != GW_OK)
            return false;
        gw_buf_add(out, (struct gw_str){piece, n});
    }
    return true;
}

/* Of an answer that is too long the status still tells; its body is left out. */
static enum gw_safe_end take(const struct gw_buf *text, struct gw_safe_answer *out)
{
    struct gw_http_answer a;
    struct gw_str type;
    bool is_short = gw_buf_check(text, NULL) == GW_OK;
    if (gw_http_parse(gw_buf_str(text), &a, NULL) != GW_OK || (is_short && !gw_http_is_whole(&a)))
        return GW_SAFE_UNANSWERED;
    out->status = a.status;
    out->is_problem =
        gw_http_header(&a, GW_STR("content-type"), &type) && gw_str_starts(type, GW_STR("application/problem+json"));
    if (is_short)
        gw_buf_add(&out->body, a.body);
    return GW_SAFE_ANSWERED;
}

static enum gw_safe_end exchange(const struct call *c, const struct gw_safe_request *q, struct gw_safe_answer *out)
{
    gw_auto(gw_tls) struct gw_tls *tls = NULL;
    gw_auto(gw_buf) struct gw_buf request = {0}, text = {0};
    gw_buf_init(&request, HEAD_MAX);
    gw_buf_init(&text, GW_SAFE_ANSWER_MAX + HEAD_MAX);
    write_request(c->listener, q, &request);
    enum gw_code code = gw_tls_connect(c->fd, &c->listener->terms, &tls, NULL);
    if (code == GW_EDENIED || code == GW_ENOTFOUND)
        out->why = "what listens does not show the gateway's certificate, so it is not told the token";
    else if (code != GW_OK)
        out->why = "the gateway's listener does not speak TLS in time";
    if (code != GW_OK || gw_buf_check(&request, NULL) != GW_OK || !set_time_left(c))
        return GW_SAFE_UNREACHED;
    if (gw_tls_write(tls, gw_buf_str(&request), NULL) != GW_OK || !receive(c, tls, &text))
        return GW_SAFE_UNANSWERED;
    return take(&text, out);
}

enum gw_safe_end gw_own_listener_ask(const struct gw_own_listener *l, const struct gw_safe_request *q,
                                     struct gw_safe_answer *out)
{
    struct call c = {.listener = l, .deadline_ms = gw_clock_mono_ms(l->clock) + q->timeout_ms, .fd = -1};
    enum gw_safe_end end = GW_SAFE_UNREACHED;
    if (connect_to(&c))
        end = exchange(&c, q, out);
    else
        out->why = "nobody listens where the gateway should (`listen`)";
    gw_fd_auto_(&c.fd);
    return end;
}
