/* SPDX-License-Identifier: Apache-2.0 */
/* A request with Connection: close, and an answer that ends with it. The other end is our own server; what it sends is checked all the same. */
#include "control/client.h"
#include "base/http.h"
#include "control/dispatch.h"
#include "control/run_dir.h"
#include "policy/path.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)64 * 1024 * 1024)
#define WAIT_S 60
#define PING_S 5 /* for what control answers at once, if it answers at all */

static const struct gw_json_limits answer_limits = {.max_bytes = ANSWER_MAX, .max_depth = 16};

/* ---- over the socket ---- */

static enum gw_code connect_to(const char *run_dir, int wait_s, int *out_fd, struct gw_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval wait = {.tv_sec = wait_s};
    gw_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/admin.sock", run_dir);
    if (n < 0 || (size_t)n >= sizeof(address.sun_path))
        return gw_fail(err, GW_EINVAL, "the run directory's name `%s` is too long", run_dir);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot make a socket: %s", strerror(errno));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            return gw_fail(err, GW_ENOTFOUND, "nobody listens on `%s`", address.sun_path);
        if (errno == EACCES)
            return gw_fail(err, GW_EDENIED,
                           "`%s` is for root and the gateway's own user; run the command as one of them",
                           address.sun_path);
        return gw_fail(err, GW_EBACKEND, "`%s`: %s", address.sun_path, strerror(errno));
    }
    *out_fd = fd;
    fd = -1;
    return GW_OK;
}

static enum gw_code send_all(int fd, struct gw_str text, struct gw_error *err)
{
    while (text.len > 0) {
        ssize_t n = send(fd, text.ptr, text.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return gw_fail(err, GW_EBACKEND, "control closed the connection: %s", strerror(errno));
        text = gw_str_sub(text, (size_t)n, text.len);
    }
    return GW_OK;
}

static enum gw_code receive_all(int fd, struct gw_buf *out, struct gw_error *err)
{
    char piece[16 * 1024];
    for (;;) {
        ssize_t n = recv(fd, piece, sizeof(piece), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return gw_fail(err, errno == EAGAIN ? GW_ETIMEOUT : GW_EBACKEND, "no answer of control: %s",
                           strerror(errno));
        if (n == 0)
            break;
        gw_buf_add(out, (struct gw_str){piece, (size_t)n});
    }
    gw_wipe(piece, sizeof(piece));
    return gw_buf_check(out, err);
}

static enum gw_code parse_answer(struct gw_str text, struct gw_answer *out, struct gw_error *err)
{
    struct gw_http_answer a;
    GW_TRY(gw_http_parse(text, &a, err));
    if (!gw_http_is_whole(&a))
        return gw_fail(err, GW_EPARSE, "the answer of control is cut short");
    if (a.body.len > 0)
        GW_TRY(gw_json_parse(a.body, answer_limits, &out->body, err));
    out->status = a.status;
    return GW_OK;
}

static enum gw_code call_over(int fd, const char *method, const char *target, struct gw_str body, struct gw_answer *out,
                              struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf request = {0}, answer = {0};
    gw_buf_init(&request, ANSWER_MAX);
    gw_buf_init(&answer, ANSWER_MAX);
    gw_buf_addf(&request, "%s %s HTTP/1.1\r\nHost: aaiti\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", method,
                target, body.len);
    gw_buf_add(&request, body);
    GW_TRY(gw_buf_check(&request, err));
    GW_TRY(send_all(fd, gw_buf_str(&request), err));
    GW_TRY(receive_all(fd, &answer, err));
    return parse_answer(gw_buf_str(&answer), out, err);
}

enum gw_code gw_client_call(const char *run_dir, const char *method, const char *target, struct gw_str body,
                            struct gw_answer *out, struct gw_error *err)
{
    gw_auto_fd int fd = -1;
    GW_TRY(connect_to(run_dir, WAIT_S, &fd, err));
    return call_over(fd, method, target, body, out, err);
}

/* A process that is stopped, or hangs, still has its socket, which takes connections. Whoever must act now hears of it in seconds. */
static enum gw_code ask_over(int fd, const char *target, struct gw_answer *out, struct gw_error *err)
{
    struct ucred peer = {0};
    socklen_t bytes = sizeof(peer);
    enum gw_code code = call_over(fd, "GET", target, GW_STR_NULL, out, err);
    if (code != GW_ETIMEOUT || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
        return code;
    return gw_fail(err, code,
                   "control (process %d) has not answered for %d s: it is stopped or hangs; end it (kill -9 %d), which "
                   "`aaiti serve` replaces by another, and try again",
                   (int)peer.pid, PING_S, (int)peer.pid);
}

enum gw_code gw_client_ask(const char *run_dir, const char *target, struct gw_answer *out, struct gw_error *err)
{
    gw_auto_fd int fd = -1;
    GW_TRY(connect_to(run_dir, PING_S, &fd, err));
    return ask_over(fd, target, out, err);
}

/* ---- either way ---- */

struct gw_operator {
    char run_dir[GW_RUN_PATH_MAX + 1];
    struct gw_app *app; /* NULL: over the socket */
};

static enum gw_code find_run_dir(const char *home, gw_getenv_fn getenv_fn, struct gw_faults *f, char *dst,
                                 struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    struct gw_settings settings = {0};
    gw_arena_init(&a, (size_t)32 * 1024 * 1024);
    const char *file = gw_settings_path(&a, home, GW_STR("gateway.yaml"));
    if (file == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for the settings");
    if (access(home, F_OK) != 0)
        return gw_fail(err, GW_ENOTFOUND, "there is no home directory `%s`; make one with `aaiti init --home %s`", home,
                       home);
    gw_settings_load(file, getenv_fn, &a, &settings, f);
    if (gw_faults_count(f) > 0)
        return gw_fail(err, GW_EINVAL, "`%s` has faults", file);
    return gw_run_dir_name(&settings, home, dst, err);
}

enum gw_code gw_operator_open(const char *home, gw_getenv_fn getenv_fn, enum gw_app_mode when_down, struct gw_faults *f,
                              struct gw_operator **out, struct gw_error *err)
{
    gw_auto(gw_operator) struct gw_operator *o = calloc(1, sizeof(*o));
    gw_auto(gw_answer) struct gw_answer answer = {0};
    if (o == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a connection");
    GW_TRY(find_run_dir(home, getenv_fn, f, o->run_dir, err));
    enum gw_code code = gw_client_ask(o->run_dir, "/aaiti/v1/mode", &answer, err);
    if (code == GW_ENOTFOUND) {
        const struct gw_app_options options = {.home = home,
                                               .mode = when_down,
                                               .getenv_fn = getenv_fn,
                                               .clock = gw_system_clock(),
                                               .random = gw_system_random()};
        code = gw_app_open(&options, f, &o->app, err);
    }
    if (code == GW_OK)
        *out = gw_take(&o);
    return code;
}

void gw_operator_free(struct gw_operator *o)
{
    if (o == NULL)
        return;
    gw_app_close(o->app);
    free(o);
}

bool gw_operator_is_online(const struct gw_operator *o)
{
    return o->app == NULL;
}

static enum gw_code call_here(struct gw_app *app, const char *method, const char *target, struct gw_str body,
                              struct gw_answer *out, struct gw_error *err)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    struct gw_target_uri uri;
    struct gw_reply reply;
    struct gw_call call = {.kind = GW_CALLER_OPERATOR, .method = gw_str(method), .body = body};
    gw_arena_init(&a, 64 * 1024);
    GW_TRY(gw_path_canonical(gw_str(target), &a, &uri, err));
    GW_TRY(gw_ip_parse(GW_STR("127.0.0.1"), &call.address));
    call.path = uri.path;
    call.query = uri.query;
    gw_dispatch(app, &call, &reply);
    out->status = reply.status;
    out->body = gw_take(&reply.body);
    gw_reply_done(&reply);
    return GW_OK;
}

enum gw_code gw_operator_call(struct gw_operator *o, const char *method, const char *target, const json_t *body,
                              struct gw_answer *out, struct gw_error *err)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    if (body != NULL && text == NULL)
        return gw_fail(err, GW_EINVAL, "the call cannot be written as JSON");
    enum gw_code code = o->app != NULL ? call_here(o->app, method, target, gw_str(text), out, err)
                                       : gw_client_call(o->run_dir, method, target, gw_str(text), out, err);
    if (text != NULL)
        gw_wipe(text, strlen(text));
    free(text);
    return code;
}

const char *gw_answer_text(const struct gw_answer *a)
{
    const json_t *text = json_object_get(a->body, "detail");
    if (!json_is_string(text))
        text = json_object_get(a->body, "error");
    return json_is_string(text) ? json_string_value(text) : "no reason was given";
}
