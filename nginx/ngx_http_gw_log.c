/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the logs show.
 *
 * The error log: nginx's own handler prints the whole request line, the upstream's URI and the referrer, and
 * with them any token that somebody put into a query string; ours prints method, path and request id. Refusals are one
 * line each, a few a second: who can make requests can make lines. At the level `info` nginx prints header lines of clients as they
 * came, with whatever credential is in them: nothing here mends that, but nginx.conf's `error_log stderr notice`.
 *
 * The log of requests, where it is asked for: a line of JSON each, to standard error, which control's lines go to as well. Not nginx's
 * access log: that would open the file a second time, and overwrite what others write through the first, or not open it at all where
 * it is a socket.
 */
#include "ngx_http_gw_module.h"

#include <poll.h>


#define NGX_HTTP_GW_LOG_PATH_MAX    256
#define NGX_HTTP_GW_LOG_PER_SECOND  20

/* Of a line of the log of requests. Escaped, a byte is six; the path needs no escapes. */
#define NGX_HTTP_GW_LINE_PATH_MAX   1024
#define NGX_HTTP_GW_LINE_NAME_MAX   200
#define NGX_HTTP_GW_LINE_SIZE       8192


/* The target up to its query, with what could forge a line or a field replaced. */
static ngx_str_t
ngx_http_gw_log_path(ngx_http_request_t *r, u_char *dst, size_t max)
{
    u_char      ch;
    size_t      i;
    ngx_str_t  *uri;

    uri = r->unparsed_uri.len ? &r->unparsed_uri : &r->uri;

    for (i = 0; i < uri->len && i < max; i++) {
        ch = uri->data[i];

        if (ch == '?') {
            break;
        }

        dst[i] = (ch <= ' ' || ch >= 0x7f || ch == '"' || ch == '\\') ? '_' : ch;
    }

    return (ngx_str_t) { i, dst };
}


static u_char *
ngx_http_gw_log_line(ngx_http_request_t *r, ngx_http_request_t *sr,
    u_char *buf, size_t len)
{
    u_char             *p, path[NGX_HTTP_GW_LOG_PATH_MAX];
    ngx_str_t           name;
    ngx_http_gw_ctx_t  *ctx;

    name = ngx_http_gw_log_path(r, path, sizeof(path));

    p = ngx_snprintf(buf, len, ", method: %V, path: \"%V\"", &r->method_name,
                     &name);
    len -= (size_t) (p - buf);

    ctx = ngx_http_gw_get_ctx(r);

    if (ctx != NULL) {
        p = ngx_snprintf(p, len, ", request_id: %*s",
                         ctx->decision.request_id.len,
                         ctx->decision.request_id.ptr);
    }

    return p;
}


ngx_int_t
ngx_http_gw_log_init_handler(ngx_http_request_t *r)
{
    r->log_handler = ngx_http_gw_log_line;

    return NGX_DECLINED;
}


void
ngx_http_gw_log_refusal(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    ngx_uint_t           level;
    struct gw_decision  *d;
    char                 text[GW_CLIENT_CERTIFICATE_TEXT + 1] = "";

    static time_t        second;
    static ngx_uint_t    lines;

    if (second != ngx_time()) {
        if (lines > NGX_HTTP_GW_LOG_PER_SECOND) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "gw refused and not logged: count=%ui",
                          lines - NGX_HTTP_GW_LOG_PER_SECOND);
        }

        second = ngx_time();
        lines = 0;
    }

    if (++lines > NGX_HTTP_GW_LOG_PER_SECOND) {
        return;
    }

    d = &ctx->decision;
    /* Somebody must act on these two; a gateway that starts is nobody's fault. */
    level = (d->reason == GW_REASON_INTERNAL
             || d->reason == GW_REASON_UPSTREAM_CREDENTIAL)
            ? NGX_LOG_ERR : NGX_LOG_NOTICE;

    if (ctx->head.certificate != NULL) {
        gw_client_certificate_text(ctx->head.certificate, text);
    }

    ngx_log_error(level, r->connection->log, 0,
                  "gw refused: status=%ui reason=%s why=\"%s\" detail=\"%s\" "
                  "address=%*s user=%*s route=\"%*s\"%s%s",
                  (ngx_uint_t) d->status, gw_reason_name(d->reason),
                  gw_reason_why(d->reason), d->detail ? d->detail : "",
                  d->client_address.len, d->client_address.ptr,
                  d->user.len, d->user.ptr, d->route.len, d->route.ptr,
                  text[0] ? " certificate=" : "", text);
}


/* The certificate is not good, so its fingerprint is all that is said of it; one line a second. */
void
ngx_http_gw_log_untrusted(ngx_http_request_t *r)
{
    char          text[GW_CLIENT_CERTIFICATE_TEXT + 1] = "";
    ngx_str_t     verified = ngx_null_string, pem = ngx_null_string;

    static time_t      second;
    static ngx_uint_t  refused;

    struct gw_client_certificate  certificate;

    refused++;

    if (second == ngx_time()) {
        return;
    }

    (void) ngx_ssl_get_client_verify(r->connection, r->pool, &verified);

    if (ngx_ssl_get_raw_certificate(r->connection, r->pool, &pem) == NGX_OK && pem.len > 0
        && gw_client_certificate_read(ngx_http_gw_str(pem), &certificate, NULL) == GW_OK)
    {
        gw_client_certificate_text(&certificate, text);
    }

    ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                  "gw refused: client certificates: count=%ui last=\"%V\" certificate=%s",
                  refused, &verified, text);

    second = ngx_time();
    refused = 0;
}


/* ---- what nginx prints of an upstream ---- */

/*
 * A header of the upstream that nginx cannot read it prints, as an error, up to the byte that it could not read: "Set-Cookie: sid=…".
 * What is quoted is taken out. It ends before the last of its kind, for the upstream chose the bytes, and what follows is ours.
 */
static size_t
ngx_http_gw_redact(u_char *line, size_t len)
{
    u_char  *from, *to, *next;

    static u_char  quoted[] = "upstream sent invalid header: \"";
    static u_char  after[] = "\" while reading ";

    from = ngx_strnstr(line, (char *) quoted, len);

    if (from == NULL) {
        return len;
    }

    from += sizeof(quoted) - 1;
    to = NULL;
    next = from;

    while ((next = ngx_strnstr(next, (char *) after, len - (size_t) (next - line)))) {
        to = next++;
    }

    if (to == NULL) {                   /* it was cut off: up to its newline */
        to = line + len - 1;
    }

    ngx_memmove(from, to, len - (size_t) (to - line));

    return len - (size_t) (to - from);
}


/*
 * A worker does not wait for who reads the log: a pipe whose reader hangs would stop it at the first refusal. Writable means that a page is
 * free, and no line of ours is longer; only another process that fills it in this moment could still make us wait.
 */
static ngx_uint_t
ngx_http_gw_write(ngx_fd_t to, u_char *line, size_t len)
{
    struct pollfd  fd = { .fd = to, .events = POLLOUT };

    return poll(&fd, 1, 0) == 1 && (fd.revents & POLLOUT)
           && ngx_write_fd(to, line, len) == (ssize_t) len;
}


static void
ngx_http_gw_log_write(ngx_log_t *log, ngx_uint_t level, u_char *buf, size_t len)
{
    u_char  line[NGX_MAX_ERROR_STR], *p;

    static ngx_uint_t  lost;

    if (lost > 0) {
        p = ngx_snprintf(line, sizeof(line), "%V [notice] %P#0: gw: lines not logged: count=%ui\n",
                         &ngx_cached_err_log_time, ngx_log_pid, lost);

        if (ngx_http_gw_write(log->file->fd, line, (size_t) (p - line))) {
            lost = 0;
        }
    }

    if (!ngx_http_gw_write(log->file->fd, buf, ngx_http_gw_redact(buf, len))) {
        lost++;
    }
}


/* In a worker, where alone there are requests; logs of connections are copies of this one. */
void
ngx_http_gw_log_init_process(ngx_cycle_t *cycle)
{
    ngx_log_t  *log;

    for (log = cycle->log; log; log = log->next) {
        if (log->writer == NULL) {
            log->writer = ngx_http_gw_log_write;
        }
    }
}


/* ---- the log of requests ---- */

static u_char *
ngx_http_gw_line_text(u_char *p, const char *name, ngx_str_t value, size_t max)
{
    size_t  len;

    if (value.len == 0) {
        return ngx_sprintf(p, ",\"%s\":null", name);
    }

    len = ngx_min(value.len, max);

    while (len < value.len && len > 0 && (value.data[len] & 0xc0) == 0x80) {
        len--;                          /* no half of a letter */
    }

    p = ngx_sprintf(p, ",\"%s\":\"", name);
    p = (u_char *) ngx_escape_json(p, value.data, len);
    *p++ = '"';

    return p;
}


/* 0: none. */
static u_char *
ngx_http_gw_line_status(u_char *p, const char *name, ngx_uint_t status)
{
    return status ? ngx_sprintf(p, ",\"%s\":%ui", name, status)
                  : ngx_sprintf(p, ",\"%s\":null", name);
}


static ngx_uint_t
ngx_http_gw_upstream_status(ngx_http_request_t *r)
{
    ngx_http_upstream_state_t  *state;

    if (r->upstream_states == NULL || r->upstream_states->nelts == 0) {
        return 0;
    }

    state = r->upstream_states->elts;

    return state[r->upstream_states->nelts - 1].status;
}


static u_char *
ngx_http_gw_line_time(u_char *p, ngx_time_t *tp)
{
    ngx_tm_t  tm;

    ngx_gmtime(tp->sec, &tm);

    return ngx_sprintf(p, "{\"time\":\"%4d-%02d-%02dT%02d:%02d:%02d.%03MZ\",\"level\":\"info\"",
                       tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday, tm.ngx_tm_hour,
                       tm.ngx_tm_min, tm.ngx_tm_sec, tp->msec);
}


time_t
ngx_http_gw_duration_ms(ngx_http_request_t *r)
{
    ngx_time_t  *tp = ngx_timeofday();

    return ngx_max((tp->sec - r->start_sec) * 1000
                   + ((time_t) tp->msec - (time_t) r->start_msec), 0);
}


/* A request that was never judged (no head that nginx could read) is one all the same. */
static u_char *
ngx_http_gw_line(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx, u_char *p)
{
    u_char               path[NGX_HTTP_GW_LINE_PATH_MAX];
    ngx_str_t            address, reason;
    ngx_time_t          *tp;
    struct gw_decision  *d, none = { .reason = GW_REASON_NONE };

    d = ctx ? &ctx->decision : &none;
    tp = ngx_timeofday();
    address = d->client_address.len ? ngx_http_gw_ngx_str(d->client_address)
                                    : r->connection->addr_text;
    reason = d->action == GW_REFUSE && ctx
             ? ngx_http_gw_ngx_str(gw_str(gw_reason_name(d->reason)))
             : (ngx_str_t) ngx_null_string;

    p = ngx_http_gw_line_time(p, tp);
    p = ngx_sprintf(p, ",\"event\":\"request\"");
    p = ngx_http_gw_line_text(p, "id", ngx_http_gw_ngx_str(d->request_id), NGX_HTTP_GW_LINE_NAME_MAX);
    p = ngx_http_gw_line_text(p, "address", address, NGX_HTTP_GW_LINE_NAME_MAX);
    p = ngx_http_gw_line_text(p, "method", r->method_name, NGX_HTTP_GW_LINE_NAME_MAX);
    p = ngx_http_gw_line_text(p, "path", ngx_http_gw_log_path(r, path, sizeof(path)), sizeof(path));
    p = ngx_http_gw_line_status(p, "status", r->err_status ? r->err_status : r->headers_out.status);
    p = ngx_http_gw_line_text(p, "user", ngx_http_gw_ngx_str(d->user), NGX_HTTP_GW_LINE_NAME_MAX);
    p = ngx_http_gw_line_text(p, "route", ngx_http_gw_ngx_str(d->route), NGX_HTTP_GW_LINE_NAME_MAX);
    p = ngx_http_gw_line_text(p, "reason", reason, NGX_HTTP_GW_LINE_NAME_MAX);
    p = ngx_sprintf(p, ",\"bytes\":%O", ngx_max(r->connection->sent - (off_t) r->header_size, 0));
    p = ngx_sprintf(p, ",\"duration_ms\":%T", ngx_http_gw_duration_ms(r));
    p = ngx_http_gw_line_status(p, "upstream_status", ngx_http_gw_upstream_status(r));

    return ngx_cpymem(p, "}\n", 2);
}


static void
ngx_http_gw_log_request(ngx_http_request_t *r, ngx_http_gw_ctx_t *ctx)
{
    u_char  line[NGX_HTTP_GW_LINE_SIZE], *p;

    static ngx_uint_t  lost;

    if (lost > 0) {
        p = ngx_http_gw_line_time(line, ngx_timeofday());
        p = ngx_sprintf(p, ",\"event\":\"requests-not-logged\",\"count\":%ui}\n", lost);

        if (ngx_http_gw_write(ngx_stderr, line, (size_t) (p - line))) {
            lost = 0;
        }
    }

    p = ngx_http_gw_line(r, ctx, line);

    if (!ngx_http_gw_write(ngx_stderr, line, (size_t) (p - line))) {
        lost++;
    }
}


/* The last that is heard of a request: a client that went away, a connection that was cut. */
ngx_int_t
ngx_http_gw_log_handler(ngx_http_request_t *r)
{
    ngx_http_gw_ctx_t        *ctx;
    ngx_http_gw_main_conf_t  *gmcf;

    ctx = ngx_http_gw_get_ctx(r);

    if (ctx != NULL && ctx->handed_over) {
        ngx_http_gw_ended_unanswered(r, ctx, r->headers_out.status);
    }

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gw_module);

    if (r->stream != NULL && r->connection->error) {
        ngx_http_gw_count_reset(r);
    }

    gw_gate_count_request(gmcf->gate, ctx ? ctx->request : NULL,
                          (unsigned) (r->err_status ? r->err_status : r->headers_out.status),
                          ngx_http_gw_duration_ms(r));

    if (gmcf->log_requests) {
        ngx_http_gw_log_request(r, ctx);
    }

    return NGX_OK;
}
