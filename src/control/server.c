/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd calls `handle` several times a request: once when the head is there, once for each piece of the body, and once at
 * its end, where we answer. A body beyond the cap is read and thrown away, so that the client gets its 413 instead of a
 * broken connection; beyond what is sensible, or too slow, the connection is cut.
 */
#include "control/server.h"
#include "control/dispatch.h"
#include "control/listen.h"
#include "control/log.h"
#include "control/schedule.h"
#include "pipeline/credential.h"
#include "policy/path.h"
#include <gw/gate.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_DRAIN_MAX (16 * 1024 * 1024)
#define BODY_TIME_MAX_MS 20000
#define CONNECTION_IDLE_S 30u /* more than the longest queue for hashing takes; what is held back is no idle time */
#define CONNECTION_MEMORY ((size_t)64 * 1024)
#define CONNECTION_STACK ((size_t)1024 * 1024)
#define WEB_CONNECTIONS 256u
#define ADMIN_CONNECTIONS 16u

struct listener {
    struct gw_app *app;
    enum gw_caller_kind kind;
    int fd; /* until the daemon has it */
    struct MHD_Daemon *daemon;
};

struct gw_server {
    struct listener web, admin;
    struct gw_schedule *schedule;
};

struct request {
    char *target; /* as received */
    bool begun;
    struct gw_buf body;
    size_t drained;
    int64_t began_ms;
};

/* The headers that count. One that stands twice counts as `doubled`. */
struct head {
    struct gw_str authorization, api_key, user_agent, address, request_id, media_type;
    struct gw_own_cookies cookies;
    bool doubled;
};

static void *request_new(void *cls, const char *target, struct MHD_Connection *c)
{
    struct listener *l = cls;
    struct request *r = calloc(1, sizeof(*r));
    (void)c;
    if (r == NULL)
        return NULL;
    r->target = strdup(target);
    r->began_ms = gw_clock_mono_ms(gw_app_clock(l->app));
    gw_buf_init(&r->body, GW_CONTROL_BODY_MAX + 1); /* one more: dispatch sees that it is too large */
    return r;
}

static void request_free(void *cls, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode why)
{
    struct request *r = *request;
    (void)cls, (void)c, (void)why;
    if (r == NULL)
        return;
    gw_buf_done(&r->body);
    free(r->target);
    free(r);
    *request = NULL;
}

/* The target is read raw, by our own rules, never as libmicrohttpd would decode it. */
static size_t keep_escapes(void *cls, struct MHD_Connection *c, char *text)
{
    (void)cls, (void)c;
    return strlen(text);
}

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct head *h = cls;
    const struct {
        const char *name;
        struct gw_str *value;
    } wanted[] = {
        {"Authorization", &h->authorization},   {"X-API-Key", &h->api_key},
        {"User-Agent", &h->user_agent},         {"X-AAITI-Client-Address", &h->address},
        {"X-AAITI-Request-Id", &h->request_id}, {"Content-Type", &h->media_type},
    };

    (void)kind;
    if (gw_str_eq_nocase(gw_str(name), GW_STR("Cookie")) && !gw_cookie_find_ours(gw_str(value), &h->cookies))
        h->doubled = true;
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        if (!gw_str_eq_nocase(gw_str(name), gw_str(wanted[i].name)))
            continue;
        h->doubled = h->doubled || wanted[i].value->ptr != NULL;
        *wanted[i].value = gw_str(value != NULL ? value : "");
    }
    return MHD_YES;
}

static int fd_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != NULL ? info->connect_fd : -1;
}

static bool is_gone(void *cls)
{
    return gw_listen_peer_is_gone(fd_of(cls));
}

static bool set_cookie(struct MHD_Response *response, const struct gw_buf *cookie)
{
    return cookie->len == 0 || MHD_add_response_header(response, "Set-Cookie", gw_buf_str(cookie).ptr) == MHD_YES;
}

static const char *media_type_of(const struct gw_reply *r)
{
    if (r->page.len > 0)
        return "text/html; charset=utf-8";
    return r->is_problem ? "application/problem+json" : "application/json";
}

/* NULL without memory. */
static struct MHD_Response *response_of(const struct gw_reply *r)
{
    struct gw_str page = gw_buf_str(&r->page);
    json_free_t free_wiped; /* the app's, which wipes: the text may be a token's */
    if (page.len > 0)       /* copied */
        return MHD_create_response_from_buffer(page.len, (void *)(uintptr_t)page.ptr, MHD_RESPMEM_MUST_COPY);
    json_get_alloc_funcs(NULL, &free_wiped);
    char *text = r->body != NULL ? json_dumps(r->body, JSON_COMPACT) : NULL;
    if (text == NULL)
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback(strlen(text), text, free_wiped);
    if (response == NULL)
        free_wiped(text);
    return response;
}

static bool add_page_headers(struct MHD_Response *response, const struct gw_reply *r)
{
    struct gw_str location = gw_buf_str(&r->location);
    bool added = location.len == 0 || MHD_add_response_header(response, "Location", location.ptr) == MHD_YES;
    return added &&
           (!r->clears_storage || MHD_add_response_header(response, "Clear-Site-Data", "\"storage\"") == MHD_YES);
}

static enum MHD_Result send_reply(struct MHD_Connection *c, const struct gw_reply *r)
{
    char retry[16];
    struct MHD_Response *response = response_of(r);
    if (response == NULL)
        return MHD_NO;
    bool added = MHD_add_response_header(response, "Cache-Control", "no-store") == MHD_YES;
    if (r->body != NULL || r->page.len > 0)
        added = added && MHD_add_response_header(response, "Content-Type", media_type_of(r)) == MHD_YES;
    added = added && add_page_headers(response, r);
    if (r->status == 401)
        added = added && MHD_add_response_header(response, "WWW-Authenticate", "Bearer realm=\"aaiti\"") == MHD_YES;
    added = added && set_cookie(response, &r->session_cookie) && set_cookie(response, &r->refresh_cookie) &&
            set_cookie(response, &r->device_cookie);
    if (r->retry_after_s > 0) {
        (void)snprintf(retry, sizeof(retry), "%u", r->retry_after_s);
        added = added && MHD_add_response_header(response, "Retry-After", retry) == MHD_YES;
    }
    enum MHD_Result result = added ? MHD_queue_response(c, r->status, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}

/* A refusal that needs no policy to be told. */
static enum MHD_Result send_refusal(struct MHD_Connection *c, unsigned status, const char *error)
{
    struct gw_reply r = {0};
    gw_reply_problem(&r, GW_STR_NULL, status, error, NULL);
    enum MHD_Result result = send_reply(c, &r);
    gw_reply_done(&r);
    return result;
}

/* Who calls, and from where. Over web.sock the address is what the data plane says; identity headers are believed on neither. */
static bool read_head(const struct listener *l, const struct head *h, struct gw_call *call)
{
    call->kind = l->kind;
    call->user_agent = h->user_agent;
    call->media_type = h->media_type;
    if (l->kind == GW_CALLER_OPERATOR)
        return gw_ip_parse(GW_STR("127.0.0.1"), &call->address) == GW_OK;
    call->request_id = h->request_id;
    struct gw_client_credential presented = gw_credential_choose(h->authorization, h->api_key, h->cookies.session);
    call->token = presented.token;
    call->is_bearer = presented.kind == GW_CREDENTIAL_BEARER;
    call->is_api_key = presented.kind == GW_CREDENTIAL_KEY;
    call->refresh_cookie = h->cookies.refresh;
    call->device_cookie = h->cookies.device;
    return !h->doubled && presented.kind != GW_CREDENTIAL_TWO && gw_ip_parse(h->address, &call->address) == GW_OK;
}

static enum MHD_Result answer(struct listener *l, struct MHD_Connection *c, const char *method, struct request *r)
{
    gw_auto(gw_arena) struct gw_arena arena = {0};
    struct head head = {0};
    struct gw_target_uri target;
    struct gw_reply reply;
    struct gw_call call = {.method = gw_str(method), .body = gw_buf_str(&r->body), .gone = is_gone, .gone_ctx = c};
    if (l->kind == GW_CALLER_OPERATOR && !gw_listen_peer_is_operator(fd_of(c)))
        return send_refusal(c, 403, "Only root and the gateway's own user may use this socket");
    gw_arena_init(&arena, 64 * 1024);
    (void)MHD_get_connection_values(c, MHD_HEADER_KIND, take_header, &head);
    if (!read_head(l, &head, &call) || gw_path_canonical(gw_str(r->target), &arena, &target, NULL) != GW_OK)
        return send_refusal(c, 400, NULL);
    call.path = target.path;
    call.query = target.query;
    gw_dispatch(l->app, &call, &reply);
    enum MHD_Result result = send_reply(c, &reply);
    gw_reply_done(&reply);
    return result;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data, size_t *data_len, void **request)
{
    struct listener *l = cls;
    struct request *r = *request;
    (void)url, (void)version;
    if (r == NULL || r->target == NULL)
        return MHD_NO;
    if (!r->begun) {
        r->begun = true;
        return MHD_YES;
    }
    if (*data_len == 0)
        return answer(l, c, method, r);
    r->drained += *data_len;
    if (r->drained > BODY_DRAIN_MAX || gw_clock_mono_ms(gw_app_clock(l->app)) - r->began_ms > BODY_TIME_MAX_MS)
        return MHD_NO;
    size_t room = GW_CONTROL_BODY_MAX + 1 - r->body.len;
    gw_buf_add(&r->body, (struct gw_str){data, *data_len < room ? *data_len : room});
    *data_len = 0;
    return gw_buf_check(&r->body, NULL) == GW_OK ? MHD_YES : MHD_NO;
}

GW_PRINTF(2, 0) static void log_fault(void *cls, const char *fmt, va_list args)
{
    char text[512];
    (void)cls;
    (void)vsnprintf(text, sizeof(text), fmt, args);
    gw_log(GW_LOG_WARN, "http", {"error", gw_str_trim(gw_str(text))});
}

static enum gw_code start(struct listener *l, unsigned connections, struct gw_error *err)
{
    const unsigned flags =
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ERROR_LOG;
    l->daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, l, MHD_OPTION_EXTERNAL_LOGGER, log_fault, NULL,
                                 MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_URI_LOG_CALLBACK, request_new, l,
                                 MHD_OPTION_NOTIFY_COMPLETED, request_free, NULL, MHD_OPTION_UNESCAPE_CALLBACK,
                                 keep_escapes, NULL, MHD_OPTION_CONNECTION_LIMIT, connections,
                                 MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 CONNECTION_MEMORY, MHD_OPTION_THREAD_STACK_SIZE, CONNECTION_STACK, MHD_OPTION_END);
    if (l->daemon == NULL)
        return gw_fail(err, GW_EBACKEND, "cannot start an HTTP listener");
    l->fd = -1;
    return GW_OK;
}

static enum gw_code start_all(struct gw_server *s, struct gw_app *a, struct gw_error *err)
{
    GW_TRY(gw_listen(gw_app_run_dir(a), "web.sock", 0660, &s->web.fd, err));
    GW_TRY(gw_listen(gw_app_run_dir(a), "admin.sock", 0600, &s->admin.fd, err));
    GW_TRY(gw_schedule_start(a, &s->schedule, err));
    GW_TRY(start(&s->web, WEB_CONNECTIONS, err));
    return start(&s->admin, ADMIN_CONNECTIONS, err);
}

enum gw_code gw_server_start(struct gw_app *a, struct gw_server **out, struct gw_error *err)
{
    struct gw_server *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the server");
    s->web = (struct listener){.app = a, .kind = GW_CALLER_CLIENT, .fd = -1};
    s->admin = (struct listener){.app = a, .kind = GW_CALLER_OPERATOR, .fd = -1};
    enum gw_code code = start_all(s, a, err);
    if (code != GW_OK) {
        gw_server_stop(s);
        return code;
    }
    *out = s;
    return GW_OK;
}

static void stop(struct listener *l)
{
    if (l->daemon != NULL)
        MHD_stop_daemon(l->daemon);
    gw_fd_auto_(&l->fd);
}

void gw_server_stop(struct gw_server *s)
{
    if (s == NULL)
        return;
    stop(&s->admin);
    stop(&s->web);
    gw_schedule_stop(s->schedule);
    free(s);
}
